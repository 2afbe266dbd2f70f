"""What is held out of a training: each user's latest ratings."""

import numpy as np

from recsys.data.dataset import Ratings
from recsys.data.holdout import hold_out_latest


def ratings(users, times) -> Ratings:
    count = len(users)
    return Ratings(
        np.array(users, np.int32),
        np.arange(1, count + 1, dtype=np.int32),
        np.full(count, 4, np.float32),
        np.array(times, np.int64),
    )


def test_the_latest_share_of_each_user_is_held_out():
    order = np.random.default_rng(0).permutation(20)
    users, times = np.repeat([1, 2], 10)[order], np.arange(20)[order]
    held, how = hold_out_latest(ratings(users, times), 0.2, 0)
    assert how == "each user's latest"
    assert sorted(times[held].tolist()) == [8, 9, 18, 19]


def test_equal_times_stay_together():
    rng = np.random.default_rng(1)
    users, times = np.repeat(np.arange(30), 20), rng.integers(0, 15, 600)
    held = hold_out_latest(ratings(users, times), 0.3, 0).chosen
    assert 0.15 < held.mean() <= 0.3
    for user in range(30):
        mine = users == user
        assert times[mine & ~held].max() < times[mine & held].min(initial=99)


def test_where_times_tell_nothing_the_seed_draws():
    """All of one time, or each user's at one time as where files were put together."""
    users = np.repeat([1, 2], 200)
    same = ratings(users, np.zeros(400))
    (*held,), (*how,) = zip(*(hold_out_latest(same, 0.1, seed) for seed in (0, 0, 1)), strict=True)
    assert set(how) == {hold_out_latest(ratings(users, users), 0.1, 0).how} == {"drawn at random"}
    np.testing.assert_array_equal(held[0], held[1])
    assert (held[0] != held[2]).any()
    assert 0.05 < held[0].mean() < 0.16


def test_a_share_of_0_holds_nothing_out():
    assert not hold_out_latest(ratings([1, 1], [1, 2]), 0.0, 0).chosen.any()

"""Who rated what: rows by hand, sums against dense products, recency and what is held out."""

import numpy as np
import pytest

from recsys.data import interactions
from recsys.data.dataset import Ratings
from recsys.data.interactions import (
    FEW,
    MANY,
    Interactions,
    Recency,
    first_times,
    hold_out,
    later,
    sorting,
)

#           row 1: movies 2 (4.0), 5 (3.0)    row 2: none    row 3: movies 1 (5.0), 2 (1.0), 9 (2.5)
KNOWN = Interactions.build(
    3, [3, 1, 3, 1, 3], [9, 5, 1, 2, 2], [2.5, 3, 5, 4, 1], [90, 50, 10, 20, 21]
)


def lists(known):
    return [column.tolist() for column in known]


def test_rows_are_sorted_by_user_and_then_by_movie_and_taken_in_any_order():
    values, times = [4, 3, 5, 1, 2.5], [20, 50, 10, 21, 90]
    assert lists(KNOWN) == [[0, 0, 2, 2, 5], [2, 5, 1, 2, 9], values, times]
    assert [column.dtype for column in KNOWN] == [np.int64, np.int32, np.float32, np.int64]
    assert KNOWN.owners.tolist() == [1, 1, 3, 3, 3]
    assert np.shares_memory(KNOWN.of(3)[0], KNOWN.indices)
    taken = KNOWN.take(np.array([3, 0, 1, 3]))
    assert taken.indptr.tolist() == [0, 3, 3, 5, 8]
    assert taken.indices.tolist() == [1, 2, 9, 2, 5, 1, 2, 9]
    assert taken.times.tolist() == [10, 21, 90, 20, 50, 10, 21, 90]
    assert KNOWN.take(np.array([], np.int64)).indptr.tolist() == [0]
    high = KNOWN.keep(KNOWN.values >= 3)
    assert lists(high)[:2] == [[0, 0, 2, 2, 3], [2, 5, 1]]


def test_newer_ratings_replace_older_ones_of_the_same_movie():
    both = KNOWN.updated([3, 2, 3], [2, 9, 4], [4, 5, 3], [95, 96, 97])
    values, times = [4, 3, 5, 5, 4, 3, 2.5], [20, 50, 96, 10, 95, 97, 90]
    assert lists(both) == [[0, 0, 2, 3, 7], [2, 5, 9, 1, 2, 4, 9], values, times]


def test_transposed_is_who_rated_each_movie():
    raters, order = KNOWN.transposed(10)
    assert lists(raters.of(2)[:2]) == [[1, 3], [4, 1]]
    assert raters.counts.tolist() == [0, 1, 2, 0, 0, 1, 0, 0, 0, 1]
    assert KNOWN.indices[order].tolist() == raters.owners.tolist()
    assert [column.dtype for column in raters] == [column.dtype for column in KNOWN]


def test_without_ratings_or_times():
    empty = Interactions.build(2, [], [], [])
    assert empty.dot(np.ones((5, 2), np.float32)).tolist() == [[0, 0]] * 3
    assert empty.transposed(4)[0].indptr.tolist() == [0] * 5
    assert empty.updated([], [], [], []).indptr.tolist() == [0] * 4
    assert Interactions.build(1, [1], [1], [5]).times.tolist() == [0]


@pytest.mark.parametrize("users", [0, FEW - 2, 3 * FEW])
def test_sums_of_few_and_of_many_rows_are_those_of_a_dense_product(users, tmp_path):
    """Arrays in memory or on disk."""
    rng = np.random.default_rng(0)
    rated = rng.random((users + 1, 40)) < 0.3
    rated[5:6] = False
    known = Interactions.build(users, *np.nonzero(rated), rng.integers(1, 6, rated.sum()))
    table = rng.standard_normal((40, 3)).astype(np.float32)
    for name, column in {**known._asdict(), "table": table}.items():
        np.save(tmp_path / f"{name}.npy", column)
    *files, on_disk = [
        np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in (*known._fields, "table")
    ]
    dense, halves = known.matrix(40).toarray(), np.full(len(known.values), 0.5)
    for each, rows in ((known, table), (Interactions(*files), on_disk)):
        np.testing.assert_allclose(each.dot(rows), dense @ table, atol=1e-4)
        np.testing.assert_allclose(each.dot(rows, 1), rated @ table, atol=1e-4)
        np.testing.assert_allclose(each.dot(rows, halves), rated @ table / 2, atol=1e-4)
        assert each.dot(rows).dtype == np.float32


@pytest.mark.parametrize("span", [5, 2**31, 2**50, 2**62, 0.5])
@pytest.mark.parametrize("count", [0, 1, 100, MANY])
def test_columns_are_sorted_as_numpy_sorts_them_and_equal_pairs_stay_as_they_are(span, count):
    rng = np.random.default_rng(0)
    first = rng.integers(0, 50, count)
    second = (rng.integers(-3, 4, count) * span).astype(type(span))
    np.testing.assert_array_equal(sorting(first, second), np.lexsort((second, first)))
    np.testing.assert_array_equal(sorting(first - 9, second), np.lexsort((second, first)))


def test_later_ratings_of_the_same_user_are_counted_and_weigh_1_to_the_floor():
    owners, times = np.array([1, 1, 1, 1, 3]), np.array([20, 10, 20, 30, 5])
    assert later(owners, times).tolist() == [1, 3, 1, 0, 0]
    assert later(owners, times, inclusive=True).tolist() == [3, 4, 3, 1, 1]
    assert later(owners[:0], times[:0]).tolist() == []
    weights = Recency(0.1, 10).weights(np.array([0, 10, 10_000]))
    np.testing.assert_allclose(weights, [1, 0.1 + 0.9 / np.e, 0.1], rtol=1e-6)
    assert weights.dtype == np.float32
    assert (Recency().weights(np.arange(9)) == 1).all()


def test_a_movie_is_first_rated_at_its_earliest_time_and_one_without_ratings_at_the_latest():
    assert first_times(np.array([1, 3, 1]), np.array([7, 9, 5]), 4).tolist() == [9, 5, 9, 9]
    assert first_times(np.zeros(0, int), np.zeros(0, int), 3).tolist() == [0, 0, 0]


def held_out(users, times, share, seed=0, latest=True):
    movies, values = np.arange(len(users), dtype=np.int32), np.full(len(users), 4, np.float32)
    ratings = Ratings(np.array(users, np.int32), movies, values, np.array(times, np.int64))
    return hold_out(ratings, share, seed, latest)


def test_the_latest_share_of_each_user_is_held_out_and_equal_times_stay_together():
    rng = np.random.default_rng(1)
    order = rng.permutation(20)
    users, times = np.repeat([1, 2], 10)[order], np.arange(20)[order]
    mask, how = held_out(users, times, 0.2)
    assert how == "each user's latest"
    assert sorted(times[mask].tolist()) == [8, 9, 18, 19]
    assert not held_out([1, 1], [1, 2], 0.0)[0].any()
    users, times = np.repeat(np.arange(30), 20), rng.integers(0, 15, 600)
    mask, _ = held_out(users, times, 0.3)
    assert 0.15 < mask.mean() <= 0.3
    for user in range(30):
        mine = users == user
        assert times[mine & ~mask].max() < times[mine & mask].min(initial=99)


def test_where_times_tell_nothing_the_seed_draws_a_share_of_each_user_or_else_of_all():
    """All of one time, or each user's at one time as where files were put together."""
    users, none = np.repeat([1, 2], 200), np.zeros(400)
    masks, how = zip(*(held_out(users, none, 0.1, seed) for seed in (0, 0, 1)), strict=True)
    assert {*how} == {held_out(users, users, 0.1)[1]} == {"drawn at random"}
    np.testing.assert_array_equal(masks[0], masks[1])
    assert (masks[0] != masks[2]).any()
    assert 0.05 < masks[0].mean() < 0.16
    users, times = np.repeat(np.arange(30), 10), np.arange(300)
    mask, how = held_out(users, times, 0.2, latest=False)
    assert how == "drawn at random"
    assert np.bincount(users[mask]).tolist() == [2] * 30
    assert not (times[mask] % 10 >= 8).all()
    few = np.repeat(np.arange(300), 2)
    assert 0.03 < held_out(few, np.arange(600), 0.1)[0].mean() < 0.2


def test_cores_that_share_a_large_sum_give_what_one_gives(monkeypatch):
    random = np.random.default_rng(0)
    owners, movies = random.integers(1, 101, 5000), random.integers(1, 50, 5000)
    known = Interactions.build(100, owners, movies, random.random(5000))
    table = random.random((51, 8)).astype(np.float32)
    monkeypatch.setattr(interactions, "WORTH_THREADS", 1)
    monkeypatch.setattr(interactions, "cores", lambda: 3)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    alone = known.dot(table)
    monkeypatch.delenv("OMP_NUM_THREADS")
    np.testing.assert_array_equal(known.dot(table), alone)
    assert alone.shape == (101, 8)
    matrix = known.matrix(len(table))
    across = matrix.T.tocsr()
    products = interactions.sparse_product(across, matrix)
    np.testing.assert_array_equal(products, (across @ matrix).toarray())

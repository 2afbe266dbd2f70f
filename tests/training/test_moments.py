"""Users cut at a moment: the retrieval head is shown what came before, and learns what follows."""

from dataclasses import fields, replace

import numpy as np

from recsys.data.interactions import Interactions
from recsys.training.batches import Batch, BatchSampler
from recsys.training.options import Options

NO_DROPPING: dict = {each.name: 0.0 for each in fields(Options) if each.name.startswith("drop_")}
OPTIONS = Options(batch_users=8, batch_size=60, cold_user_rate=0, few_likes_rate=0, **NO_DROPPING)
MOVIES = 40


def batches(options: Options = OPTIONS, spread: int = 30) -> list[tuple[np.ndarray, Batch]]:
    """(E,) times of the ratings, and the batch."""
    rng = np.random.default_rng(0)
    there = rng.random((21, MOVIES + 1)) < 0.4
    there[0] = there[:, 0] = False
    users, movies = np.nonzero(there)
    times = rng.integers(100, 100 + spread, len(users))
    history = Interactions.build(20, users, movies, np.full(len(users), 4.0), times)
    sampler = BatchSampler(history, np.zeros((21, 3), np.int8), MOVIES, options)
    found = []
    for batch in sampler.epoch(np.random.default_rng(1)):
        found.append((history.times[history.entries(batch.user_rows)[0]], batch))
    return found


def test_the_history_is_earlier_and_the_targets_are_later_equal_times_together():
    cut = 0
    for times, batch in batches():
        for user in range(len(batch.user_rows)):
            mine = batch.owners == user
            past, ahead = mine & (batch.target == 0), mine & (batch.target > 0)
            if past.any():
                cut += 1
                assert times[past].max() < times[ahead].min()
                assert not batch.recent[ahead].any()
    assert cut > 20


def test_what_is_nearer_to_the_moment_weighs_more():
    for times, batch in batches(replace(OPTIONS, history_keep_rate=1.0)):
        for user in range(len(batch.user_rows)):
            mine = batch.owners == user
            shown = mine & (batch.recent > 0)
            assert (np.diff(batch.recent[shown][np.argsort(times[shown])]) >= 0).all()
            if (mine & (batch.target == 0)).any():
                ahead = mine & (batch.target > 0)
                assert (np.diff(batch.target[ahead][np.argsort(times[ahead])]) <= 0).all()


def test_without_recency_and_without_id_nobody_is_cut():
    for options in (replace(OPTIONS, recency_floor=1.0), replace(OPTIONS, few_likes_rate=1.0)):
        for _, batch in batches(options):
            assert (batch.target == 1).all()
            np.testing.assert_array_equal(batch.recent, batch.shown)


def test_without_times_nobody_is_cut():
    for _, batch in batches(spread=1):
        assert (batch.target == 1).all()
        np.testing.assert_array_equal(batch.recent, batch.shown)

"""What training is shown: every rating once, every user several times, nothing invented."""

from dataclasses import fields, replace

import numpy as np
import pytest
from learned_from import training

from recsys.data.interactions import Interactions
from recsys.data.scale import LIKED
from recsys.options import Options
from recsys.training.batches import BatchSampler

USERS, MOVIES = 37, 50
NO_DROPPING: dict = {each.name: 0.0 for each in fields(Options) if each.name.startswith("drop_")}
# Without cold-start users and dropping, a row's user id says whose row it is.
OPTIONS = Options(batch_users=8, batch_size=30, cold_user_rate=0, few_likes_rate=0, **NO_DROPPING)
SAMPLED = replace(OPTIONS, candidates=12)


def rating_matrix():
    """(U + 1, M + 1) ratings by user and movie row, 0 for none; some users rated nothing."""
    rng = np.random.default_rng(8)
    ratings = rng.integers(1, 11, (USERS + 1, MOVIES + 1)) / 2
    ratings *= rng.random(ratings.shape) < 0.15
    ratings[0], ratings[:, 0], ratings[[4, 9]] = 0, 0, 0
    return ratings.astype(np.float32)


def sampler(options=OPTIONS):
    ratings = rating_matrix()
    users, movies = np.nonzero(ratings)
    times = np.zeros(len(users), np.int64)
    history = Interactions.build(USERS, users, movies, ratings[users, movies], times)
    attributes = np.random.default_rng(1).integers(0, 3, (USERS + 1, 3)).astype(np.int8)
    return BatchSampler(training(history, MOVIES, attributes), options)


def batches(options=OPTIONS, seed=0):
    return list(sampler(options).epoch(np.random.default_rng(seed)))


def rated_in(batch):
    """(B, C) all ratings of the batch's users."""
    return batch.scattered(batch.ratings)


def history_in(batch):
    """(B, C) the ratings that the rating head is shown."""
    return batch.scattered(batch.ratings * batch.shown)


BOTH = pytest.mark.parametrize("options", [OPTIONS, SAMPLED], ids=["all movies", "sampled"])


@BOTH
def test_an_epoch_predicts_every_rating_once_and_shows_every_user_whole_in_every_pass(options):
    """The history shown is of the ratings but those to predict."""
    options, told = replace(options, history_keep_rate=1.0), rating_matrix()
    predicted, users = np.zeros_like(told), np.zeros(USERS + 1, int)
    for batch in batches(options):
        whole, now = told[batch.user_rows], batch.predicted
        at = batch.user_rows[batch.owners], batch.candidates[batch.columns]
        predicted[at[0][now], at[1][now]] += batch.ratings[now]
        users[batch.user_rows] += 1
        np.testing.assert_array_equal(rated_in(batch), whole[:, batch.candidates])
        np.testing.assert_array_equal(batch.attributes, sampler().attributes[batch.user_rows])
        expected = batch.scattered(np.where(now, 0, batch.ratings))
        np.testing.assert_array_equal(history_in(batch), expected)
        others = np.setdiff1d(np.arange(MOVIES + 1), batch.candidates)
        assert not whole[:, others].any()  # no rated movie is missing among the candidates
        assert (np.diff(batch.candidates) > 0).all()
        assert 1 <= batch.candidates[0] <= batch.candidates[-1] <= MOVIES
    np.testing.assert_array_equal(predicted, told)
    passes = sampler(options).passes
    np.testing.assert_array_equal(users, np.where((told > 0).any(1), passes, 0))
    assert passes > 1
    assert len(batches(options)) == sampler(options).steps


def test_an_epoch_shows_many_users_all_where_ratings_are_few():
    """Of more ratings not all, so that it takes no longer."""
    for each, steps in ((16, 48), (18, 36)):
        users, movies = np.divmod(np.arange(6040 * each), each)
        history = Interactions.build(6040, users + 1, movies + 1, np.full(len(users), 4.0))
        assert BatchSampler(training(history, 20), Options()).steps == steps


@pytest.mark.parametrize(("keep", "cold"), [(0.0, 0.0), (0.7, 0.4), (1.0, 0.4), (1.0, 0.0)])
def test_history_is_shown_at_the_rates_of_the_options_however_large_a_batch_may_be(keep, cold):
    """All of a user's ratings in one step would leave nothing to predict them from."""
    options = replace(OPTIONS, batch_size=10**6, history_keep_rate=keep, cold_user_rate=cold)
    assert sampler(options).passes == 2
    rated = shown = 0
    for seed in range(12):
        for batch in batches(options, seed):
            rated += len(batch.ratings)
            shown += (history_in(batch) > 0).sum()
    assert shown / rated == pytest.approx(0.5 * keep * (1 - cold), abs=0.03)


@pytest.mark.parametrize("kind", ["cold_user_rate", "few_likes_rate"])
def test_cold_start_users_are_shown_without_id_and_with_few_likes_or_none(kind):
    options = replace(OPTIONS, **{kind: 0.3})
    shown = [batch for seed in range(12) for batch in batches(options, seed)]
    hidden = np.concatenate([batch.user_rows for batch in shown]) == 0
    assert hidden.mean() == pytest.approx(0.3, abs=0.04)
    histories = [history_in(batch)[batch.user_rows == 0] for batch in shown]
    likes = np.concatenate([each[each > 0] for each in histories])
    assert (likes >= LIKED).all()
    few = kind == "few_likes_rate"
    assert few <= len(likes) / hidden.sum() <= few * options.few_likes


def test_what_came_after_a_users_last_rating_could_not_be_rated():
    """Users 1, 2 and 3 rate at times 10, 20 and 30; nobody rates movie 4."""
    history = Interactions.build(3, [1, 2, 2, 3], [2, 1, 2, 3], np.full(4, 4.0), [10, 20, 20, 30])
    data, alike = training(history, 4), replace(OPTIONS, recency_floor=1)
    told, timeless = (BatchSampler(data, each) for each in (OPTIONS, alike))
    could = {1: [False, True, False, False], 2: [True, True, False, False], 3: [True] * 4}
    for batch in told.epoch(np.random.default_rng(0)):
        assert batch.available is not None
        for user, available in zip(batch.user_rows.tolist(), batch.available.tolist(), strict=True):
            assert available == could[user]
    assert all(batch.available is None for batch in timeless.epoch(np.random.default_rng(0)))


CUT = replace(OPTIONS, batch_size=60)


def with_times(options=CUT, spread=30):
    """(E,) times of the ratings, and the batch."""
    rng = np.random.default_rng(0)
    rated = rng.random((21, 41)) < 0.4
    rated[0] = rated[:, 0] = False
    users, movies = np.nonzero(rated)
    times = rng.integers(100, 100 + spread, len(users))
    history = Interactions.build(20, users, movies, np.full(len(users), 4.0), times)
    sampler = BatchSampler(training(history, 40), options)
    found = []
    for batch in sampler.epoch(np.random.default_rng(1)):
        found.append((history.times[history.entries(batch.user_rows)[0]], batch))
    return found


def test_the_history_is_earlier_and_the_targets_are_later_and_the_nearer_the_heavier():
    cut = 0
    for times, batch in with_times(replace(CUT, history_keep_rate=1.0)):
        for user in range(len(batch.user_rows)):
            mine = batch.owners == user
            past, ahead = mine & (batch.target == 0), mine & (batch.target > 0)
            shown = mine & (batch.recent > 0)
            assert (np.diff(batch.recent[shown][np.argsort(times[shown])]) >= 0).all()
            if past.any():
                cut += 1
                assert times[past].max() < times[ahead].min()  # equal times together
                assert not batch.recent[ahead].any()
                assert (np.diff(batch.target[ahead][np.argsort(times[ahead])]) <= 0).all()
    assert cut > 20


@pytest.mark.parametrize("options", [{"recency_floor": 1.0}, {"few_likes_rate": 1.0}, {}])
def test_without_recency_without_id_and_without_times_nobody_is_cut(options):
    for _, batch in with_times(replace(CUT, **options), spread=30 if options else 1):
        assert (batch.target == 1).all()
        np.testing.assert_array_equal(batch.recent, batch.shown)

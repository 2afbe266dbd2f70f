"""EASE and EDLAE against ridge regressions of each movie on all others."""

import dataclasses

import numpy as np
import pytest
from hand_made import MOVIES, PART, TRAIN, dataset, ratings

from recsys.errors import DataError
from recsys.evaluation.baselines import linear
from recsys.evaluation.baselines.linear import (
    EASE,
    EDLAE,
    RECENT_EDLAE,
    ease,
    ease_all,
    edlae,
    edlae_all,
    recency,
)
from recsys.evaluation.splits import Part


def random_part(users, movies, seed=0, share=0.5):
    rng = np.random.default_rng(seed)
    user, movie = np.nonzero(rng.random((users, movies)) < share)
    train = ratings(*zip(user, movie, rng.integers(1, 6, len(user)), strict=True))
    return Part(train, ratings(), ratings())


def regressions(x, penalties):
    """Each column from all others by ridge regression, one penalty a column."""
    found = np.zeros_like(x)
    for movie in range(x.shape[1]):
        others = np.arange(x.shape[1]) != movie
        a = x[:, others]
        products = a.T @ a + np.diag(penalties[others])
        found[:, movie] = a @ np.linalg.solve(products, a.T @ x[:, movie])
    return found


def values(part, kind, shape):
    x = np.zeros(shape)
    train = part.train
    worth = {"liked": train.values >= 4, "rating/5": train.values / 5, "rated": 1}
    x[train.user_ids, train.movie_ids] = worth[kind]
    return x


@pytest.mark.parametrize("users", [50, 7, 4])
@pytest.mark.parametrize("kind", ["liked", "rating/5", "rated"])
def test_ease_is_a_ridge_regression_of_each_movie_on_all_others(kind, users):
    """With more users than movies, about as many, and fewer: three ways to compute it."""
    part, movies = random_part(users, 9), np.arange(9)
    x = values(part, kind, (users, 9))
    there = x.any(axis=1)
    expected = regressions(x, np.full(9, 7.0))
    scores = ease(part, dataset(part.train), movies, (kind, 7.0))(np.arange(users))
    np.testing.assert_allclose(scores[there], expected[there], atol=1e-4)


@pytest.mark.parametrize("users", [50, 4])
def test_edlae_penalises_each_movie_by_how_often_it_is_rated(users):
    part, movies = random_part(users, 9), np.arange(9)
    x = values(part, "rated", (users, 9))
    there = x.any(axis=1)
    # c (diag(X'X) + prior); as EDLAE writes it: ridge 3 * 2, p / (1 - p) = 3
    expected = regressions(x, 3.0 * (np.square(x).sum(0) + 2.0))
    options = ("rated", 2.0, 3.0, np.inf)
    scores = edlae(part, dataset(part.train), movies, options)(np.arange(users))
    np.testing.assert_allclose(scores[there], expected[there], atol=1e-4)


@pytest.mark.parametrize("users", [60, 15])
@pytest.mark.parametrize(
    ("baseline", "fit", "fit_all"), [(EASE, ease, ease_all), (EDLAE, edlae, edlae_all)]
)
def test_all_options_at_once_are_each_by_itself(baseline, fit, fit_all, users):
    part, movies = random_part(users, 20, seed=1, share=0.4), np.arange(20)
    data, test = dataset(part.train), np.arange(users)
    seen = 0
    for options, scorer in fit_all(part, data, movies, baseline.grid):
        unseen = values(part, "rated", (users, 20)) == 0
        alone = fit(part, data, movies, options)(test)
        np.testing.assert_allclose(scorer(test)[unseen], alone[unseen], atol=2e-3)
        seen += 1
    assert seen == len(baseline.grid)


def test_tuning_leaves_out_movies_behind_the_most_rated(monkeypatch):
    monkeypatch.setattr(linear, "TUNED", 2)
    _, scorer = next(ease_all(PART, dataset(TRAIN), MOVIES, (("rated", 5.0),)))
    scores = scorer(np.array([1]))[0]
    assert (scores[:2] > -1).all()
    assert (scores[2:] < -1e8).all()


def test_recent_ratings_weigh_more_when_asked():
    train = ratings((1, 10, 5), (1, 30, 5), (2, 30, 5), (2, 40, 5), (3, 10, 5), (3, 20, 5))
    train.times[:] = [1, 2, 1, 1, 1, 1]  # user 1 rated 30 last
    part, data = Part(train, ratings(), ratings()), dataset(train)
    plain = edlae(part, data, MOVIES, ("liked", 1.0, 0.5, np.inf))(np.array([1]))[0]
    recent = edlae(part, data, MOVIES, ("liked", 1.0, 0.5, 1.0))(np.array([1]))[0]
    assert plain[1] == pytest.approx(plain[3], rel=1e-4)
    assert recent[3] > recent[1]
    assert {options[-1] for options in RECENT_EDLAE.grid}.isdisjoint({np.inf})


def test_ease_folds_cold_users_in_by_what_they_name():
    part = random_part(40, 4, seed=1)
    movies = np.arange(4)
    named = part._replace(fold_in=ratings((100, 0, 5), (100, 2, 4)))
    score = ease(named, dataset(part.train), movies, ("rated", 5.0))
    twin = part._replace(fold_in=ratings((101, 0, 5), (101, 2, 5)))
    cold, nobody = score(np.array([100])), score(np.array([999]))
    other = ease(twin, dataset(part.train), movies, ("rated", 5.0))(np.array([101]))
    np.testing.assert_allclose(cold, other)
    assert (cold != nobody).all()


def test_ease_of_a_user_without_history_is_popularity():
    fallback = ease(PART, dataset(TRAIN), MOVIES, ("rated", 5.0))(np.array([8, 1]))
    assert fallback[0].tolist() == [3, 2, 1, 1]
    assert fallback[1].max() < 1


def test_ease_of_too_many_movies_is_refused(monkeypatch):
    monkeypatch.setattr(linear, "LARGEST", 3)
    with pytest.raises(DataError, match="EASE of 4 movies"):
        ease(PART, dataset(TRAIN), MOVIES, ("rated", 1.0))


def test_recency_counts_the_later_ratings_of_a_user():
    rated = ratings((2, 10, 5), (1, 10, 5), (1, 20, 5), (1, 30, 5), (2, 20, 5))
    rated = dataclasses.replace(rated, times=np.array([7, 3, 1, 3, 9]))
    expected = [0.1 + 0.9 * np.exp(-later / 10) for later in (1, 0, 2, 0, 0)]
    assert recency(rated, 10.0) == pytest.approx(expected)
    assert recency(rated, np.inf) == pytest.approx(np.ones(5))
    assert recency(ratings(), 10.0).shape == (0,)

"""The baselines, by hand and against a slow and obvious form."""

import dataclasses

import numpy as np
import pytest

from recsys.data.dataset import UNKNOWN, Dataset, Movies, Ratings, Users
from recsys.errors import DataError
from recsys.evaluation.baselines import (
    CHANCE,
    EASE,
    GENRE_PROFILE,
    GROUP_POPULARITY,
    POPULARITY,
    Baseline,
    chance,
    ease,
    fit_biases,
    genre_profile,
    group_popularity,
    popularity,
    tune,
    tune_biases,
)
from recsys.evaluation.splits import Part, split
from recsys.metrics import best, ranking_task

MOVIES = np.array([10, 20, 30, 40])


def ratings(*rows):
    """(user id, movie id, rating) each."""
    users, movies, values = zip(*rows, strict=True) if rows else ((), (), ())
    return Ratings(
        np.array(users, np.int32),
        np.array(movies, np.int32),
        np.array(values, np.float32),
        np.zeros(len(rows), np.int64),
    )


def dataset(rated, ages=None, genders=None, genres=None):
    ids = np.arange(1, 9)
    codes = np.zeros(8, np.int8)
    users = Users(
        ids,
        codes if genders is None else np.array(genders, np.int8),
        codes if ages is None else np.array(ages, np.int8),
        codes,
    )
    movies = Movies(MOVIES, [f"Movie {n} (1999)" for n in MOVIES], genres or [("Drama",)] * 4)
    return Dataset("hand", users, movies, rated)


TRAIN = ratings((1, 10, 5), (2, 10, 2), (3, 10, 2), (1, 20, 4), (2, 20, 4), (1, 30, 5), (4, 40, 3))
PART = Part(TRAIN, ratings(), ratings())


@pytest.mark.parametrize(
    ("kind", "order"),
    [
        ("rated", [10, 20, 30, 40]),
        ("liked", [20, 10, 30, 40]),
        ("rating/5", [10, 20, 30, 40]),
        ("mean", [30, 20, 40, 10]),
    ],
)
def test_popularity_by_hand(kind, order):
    scores = popularity(PART, dataset(TRAIN), MOVIES, (kind,))(np.array([1, 8]))
    assert scores.shape == (2, 4)
    assert MOVIES[np.argsort(-scores[1], kind="stable")].tolist() == order


def test_popularity_scores_the_candidates_and_no_others():
    scores = popularity(PART, dataset(TRAIN), np.array([15, 20, 40]), ("rated",))(np.array([1]))
    assert scores.tolist() == [[0, 2, 1]]


def test_a_group_prefers_what_it_rated_and_leans_on_all_users():
    # users 1 and 2 are young men, 3 is a young woman, 4 an old man
    data = dataset(TRAIN, ages=[1, 1, 1, 6, 1, 1, 6, UNKNOWN], genders=[0, 0, 1, 0, 0, 1, 0, 1])
    alone = group_popularity(PART, data, MOVIES, ("rated", 0))(np.array([5, 6, 7]))
    assert alone[0] == pytest.approx([1, 1, 0.5, 0], abs=1e-5)
    assert alone[1] == pytest.approx([1, 0, 0, 0], abs=1e-5)
    assert alone[2] == pytest.approx([0, 0, 0, 1], abs=1e-5)
    mixed = group_popularity(PART, data, MOVIES, ("rated", 2))(np.array([5]))
    assert mixed[0] == pytest.approx(
        [(2 + 2 * 3 / 4) / 4, (2 + 2 * 2 / 4) / 4, (1 + 2 / 4) / 4, 2 / 4 / 4], abs=1e-5
    )


def test_an_empty_group_falls_back_to_all_users():
    data = dataset(TRAIN, ages=[1, 1, 1, 1, 1, 1, 1, UNKNOWN])
    scores = group_popularity(PART, data, MOVIES, ("rated", 0))(np.array([8]))
    assert scores[0] == pytest.approx([3 / 4, 2 / 4, 1 / 4, 1 / 4])


@pytest.mark.parametrize("kind", ["liked", "rating/5", "rated"])
def test_ease_is_a_ridge_regression_of_each_movie_on_all_others(kind):
    rng = np.random.default_rng(0)
    user, movie = np.nonzero(rng.random((50, 6)) < 0.5)
    known = ratings(*zip(user, movie, rng.integers(1, 6, len(user)), strict=True))
    part, movies, ridge = Part(known, ratings(), ratings()), np.arange(6), 7.0
    x = np.zeros((50, 6))
    values = {"liked": known.values >= 4, "rating/5": known.values / 5, "rated": 1}
    x[user, movie] = values[kind]
    scores = ease(part, dataset(known), movies, (kind, ridge))(np.arange(50))
    for movie in movies:
        others = movies != movie
        a = x[:, others]
        weights = np.linalg.solve(a.T @ a + ridge * np.eye(5), a.T @ x[:, movie])
        there = x.any(axis=1)
        np.testing.assert_allclose(scores[there, movie], (a @ weights)[there], atol=1e-5)


def test_ease_folds_cold_start_users_in_by_their_likes():
    rng = np.random.default_rng(1)
    user, movie = np.nonzero(rng.random((40, 4)) < 0.6)
    known = ratings(*zip(user + 1, MOVIES[movie], np.full(len(user), 5), strict=True))
    likes = ratings((100, 10, 5), (100, 30, 4))
    score = ease(Part(known, likes, ratings()), dataset(known), MOVIES, ("rated", 5.0))
    twin = Part(known, ratings((101, 10, 5), (101, 30, 5)), ratings())
    cold, without_likes = score(np.array([100])), score(np.array([999]))
    np.testing.assert_allclose(
        cold, ease(twin, dataset(known), MOVIES, ("rated", 5.0))(np.array([101]))
    )
    assert (cold != without_likes).all()


def test_ease_of_a_user_without_history_is_popularity():
    fallback = ease(PART, dataset(TRAIN), MOVIES, ("rated", 5.0))(np.array([8, 1]))
    assert fallback[0].tolist() == [3, 2, 1, 1]
    assert fallback[1].max() < 1


def test_ease_of_too_many_movies_is_refused(monkeypatch):
    monkeypatch.setattr("recsys.evaluation.baselines.EASE_MOVIES", 3)
    with pytest.raises(DataError, match="EASE of 4 movies"):
        ease(PART, dataset(TRAIN), MOVIES, ("rated", 1.0))


def test_the_genre_profile_ranks_movies_without_a_rating():
    genres = [("Horror",), ("Romance", "Drama"), ("Horror", "Drama"), ("Romance",)]
    known = ratings((1, 10, 5), (2, 20, 5))
    data = dataset(known, genres=genres)
    for options in GENRE_PROFILE.grid:
        part = Part(known, ratings(), ratings())
        scores = genre_profile(part, data, np.array([30, 40]), options)(np.array([1, 2]))
        assert scores[0, 0] > scores[0, 1], options
        assert scores[1, 1] > 0, options


def test_chance_is_seeded_and_differs_between_users():
    first, again = (chance(PART, dataset(TRAIN), MOVIES, (3,))(np.arange(500)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    top = np.bincount(first.argmax(axis=1), minlength=4)
    assert (top > 0).all()


def test_biases_by_hand():
    """One rating, no regularisation of the movie: half of what is left is the user's."""
    biases = fit_biases(ratings((1, 10, 5), (1, 20, 1), (2, 10, 5), (2, 20, 1)), 0, 2)
    # mean 3; movie 10 is 2 above: 2 * 2 / (2 + 2) = 1
    assert biases.mean == 3
    assert biases.movie_biases == pytest.approx([1, -1])
    assert biases.user_biases == pytest.approx([0, 0])
    pairs = np.array([1, 1, 7, 7]), np.array([10, 20, 10, 99])
    assert biases.predict(*pairs) == pytest.approx([4, 2, 4, 3])


def test_biases_find_the_planted_ones():
    rng = np.random.default_rng(0)
    of_user, of_movie = rng.normal(0, 0.4, 60), rng.normal(0, 0.4, 50)
    user, movie = np.nonzero(rng.random((60, 50)) < 0.7)
    values = 3 + of_user[user] + of_movie[movie] + rng.normal(0, 0.05, len(user))
    biases = fit_biases(ratings(*zip(user, movie, values, strict=True)), 0.1, 0.1)
    predicted = biases.predict(user, movie)
    assert np.sqrt(np.mean((predicted - values) ** 2)) < 0.06


def test_predictions_stay_within_the_ratings_seen():
    known = ratings(*((u, m, 4 if u == m / 10 else 2) for u in (1, 2, 3) for m in (10, 20)))
    biases = fit_biases(known, 0, 0)._replace(user_biases=np.array([9.0, -9.0, 0]))
    predicted = biases.predict(np.array([1, 2]), np.array([10, 10]))
    assert predicted.tolist() == [4, 2]


def test_tuning_takes_what_is_best_on_validation():
    test = ratings((5, 40, 5))
    part = Part(TRAIN, ratings(), test)

    def favour(part, data, movies, options):
        return lambda users: np.tile((movies == options[0]).astype(float), (len(users), 1))

    baseline = Baseline("favour", ((10,), (40,), (20,)), favour)
    options, value = tune(baseline, part, dataset(TRAIN), ranking_task(TRAIN, TRAIN, test, MOVIES))
    assert (options, value) == ((40,), 1.0)


def test_biases_are_tuned_on_validation():
    rng = np.random.default_rng(0)
    user, movie = np.nonzero(rng.random((40, 30)) < 0.8)
    noise = ratings(*zip(user, movie, rng.integers(1, 6, len(user)), strict=True))
    parts = split(noise, "random", seed=0)
    options, value = tune_biases(parts.choice)
    assert options == (20, 20)  # there is nothing but noise to learn
    assert value == pytest.approx(noise.values.std(), abs=0.15)


@pytest.mark.parametrize(
    "baseline",
    [POPULARITY, GROUP_POPULARITY, EASE, GENRE_PROFILE, CHANCE],
    ids=lambda baseline: baseline.name,
)
def test_no_baseline_reads_the_test_part(baseline):
    """Whatever is held out, the scores are the same."""
    rng = np.random.default_rng(0)
    user, movie = np.nonzero(rng.random((8, 4)) < 0.7)
    rated = ratings(*zip(user + 1, MOVIES[movie], rng.integers(1, 6, len(user)), strict=True))
    data, parts = dataset(rated), split(rated, "random", seed=0)
    other = dataclasses.replace(data, ratings=parts.train)
    turned = dataclasses.replace(parts.test, values=6 - parts.test.values)
    for options in (baseline.grid[0], baseline.grid[-1]):
        honest = baseline.fit(parts.final, data, MOVIES, options)(data.users.ids)
        blind = baseline.fit(parts.final._replace(test=turned), other, MOVIES, options)(
            data.users.ids
        )
        np.testing.assert_array_equal(honest, blind)


def test_popularity_recommends_what_is_liked_and_unseen():
    test = ratings((4, 10, 5))
    task = ranking_task(TRAIN, TRAIN, test, MOVIES)
    lists = best(task, popularity(PART, dataset(TRAIN), MOVIES, ("liked",)))
    assert lists[0, :3].tolist() == [20, 10, 30]
    assert (lists[0, 3:] == -1).all()

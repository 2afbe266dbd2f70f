"""Baselines without libraries: popularity, EASE, kernels, profiles and biases by hand."""

import dataclasses

import numpy as np
import pytest
from hand_made import MOVIES, TRAIN, dataset, problem, ratings, scores

from recsys.data.dataset import Dataset, Movies, Users
from recsys.evaluation.baselines import Problem, simple, tune
from recsys.evaluation.splits import Stage, split

NOBODY = 8  # a user without ratings
NEW = ratings((7, 30, 4), (7, 40, 4))  # of movies to rank by themselves
GENRES = [("Horror",), ("Romance", "Drama"), ("Horror", "Drama"), ("Romance",)]
TWO_FANS = problem(ratings((1, 10, 5), (2, 20, 5)), test=NEW, protocol="cold-movies", genres=GENRES)
YOUNG_AND_OLD = {  # 1, 2 and 5 are young men, 3 and 6 young women, 4 and 7 old men
    "ages": [2, 2, 2, 7, 2, 2, 7, 0],
    "genders": [1, 1, 2, 1, 1, 2, 1, 0],
    "jobs": [3, 3, 4, 5, 3, 6, 7, 0],
}


def order(of_user):
    return MOVIES[np.argsort(-of_user, kind="stable")].tolist()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("rated", [10, 20, 30, 40]),
        ("liked", [20, 10, 30, 40]),
        ("rating/5", [10, 20, 30, 40]),
        ("mean", [30, 20, 40, 10]),
    ],
)
def test_popularity_by_hand(kind, expected):
    found = scores(simple.popularity, problem(), (kind, np.inf), [1, NOBODY])
    assert found.shape == (2, 4)
    assert order(found[0]) == order(found[1]) == expected


def test_popularity_of_the_last_days_forgets_what_is_older():
    train = dataclasses.replace(TRAIN, times=np.array([0, 0, 0, 9, 9, 10, 10]) * 86_400)
    found = scores(simple.popularity, problem(train), ("rated", 2.0), [1])[0]
    assert order(found) == [20, 30, 40, 10]
    assert found[0] == pytest.approx(1e-3)  # only from of all time


def test_a_group_prefers_what_it_rated_and_leans_on_all_users():
    asked = problem(**YOUNG_AND_OLD)
    alone = scores(simple.group_popularity, asked, ("rated", 0), [5, 6, 7, NOBODY])
    average = np.array([3, 2, 1, 1]) / 4
    expected = [[1, 1, 0.5, 0], [1, 0, 0, 0], [0, 0, 0, 1], average]
    np.testing.assert_allclose(alone, expected, atol=1e-5)
    mixed = scores(simple.group_popularity, asked, ("rated", 2), [5])
    np.testing.assert_allclose(mixed[0], (np.array([2, 2, 1, 0]) + 2 * average) / 4, atol=1e-5)


def test_a_profile_learns_from_its_like_and_shrinks_to_all_users():
    asked, mean = problem(**YOUNG_AND_OLD), np.array([3, 2, 1, 1]) / 4
    found = scores(simple.profile_kernel, asked, ("rated", 1, 1, 1, 1e-6), [5, NOBODY])
    np.testing.assert_allclose(found, [[1, 1, 0.5, 0], mean], atol=1e-4)
    shrunk = scores(simple.profile_kernel, asked, ("rated", 1, 1, 1, 1e9), [5, NOBODY])
    np.testing.assert_allclose(shrunk, [mean, mean], atol=1e-6)


@pytest.mark.parametrize("baseline", [simple.GENRE_PROFILE, simple.CONTENT_RIDGE])
def test_content_finds_movies_nobody_rated(baseline):
    for scorer in baseline.fit(TWO_FANS, baseline.grid):
        found = scorer(np.array([1, 2]))
        assert found[0, 0] > found[0, 1]
        assert found[1, 1] > 0 or found[1, 1] > found[1, 0]


def test_the_content_ridge_is_the_kernel_form_of_it():
    """W = inverse(K + ridge I) K_new, of ratings / 5 less a user's mean over all train movies."""
    train = ratings((1, 10, 5), (1, 20, 2), (2, 30, 4), (3, 10, 1))
    genres, test = [("A",), ("B",), ("A", "B"), ("A",)], ratings((1, 40, 5))
    asked = problem(train, test=test, protocol="cold-movies", genres=genres)
    found = scores(simple.content_ridge, asked, (0.5, 2.0), [1, 2, 3])
    idf = np.log(4 / 3) + 1e-3  # both genres are in two of three movies
    a, b, ab = np.array([[idf, 0], [0, idf], [idf, idf]]) / np.array([[idf], [idf], [idf * 2**0.5]])
    rows = np.stack([a, b, ab])
    kernel = (1 + rows @ rows.T) * 1.5 - 1  # all of one year
    new = (1 + rows @ a) * 1.5 - 1
    x = np.array([[1, 0.4, 0], [0, 0, 0.8], [0.2, 0, 0]])
    x -= x.mean(1, keepdims=True)
    expected = x @ np.linalg.solve(kernel + 2 * np.eye(3), new)
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-4)


def test_chance_is_seeded_and_differs_between_users():
    first, again = (scores(simple.chance, problem(), (3,), np.arange(1, 9)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert len(np.unique(first, axis=0)) == 8


# EASE and EDLAE against ridge regressions of each movie on all others


def random_problem(users, movies, seed=0, share=0.5):
    """Users 0 to U - 1 and movies 0 to M - 1."""
    rng = np.random.default_rng(seed)
    user, movie = np.nonzero(rng.random((users, movies)) < share)
    train = ratings(*zip(user, movie, rng.integers(1, 6, len(user)), strict=True))
    about = Movies(np.arange(movies), ["?"] * movies, [()] * movies)
    data = Dataset("random", Users.of(np.arange(users)), about, train)
    return Problem(Stage(train, ratings(), ratings()), data)


def regressions(x, ridges):
    """Each column from all others by ridge regression."""
    found = np.zeros_like(x)
    for movie in range(x.shape[1]):
        others = np.arange(x.shape[1]) != movie
        a = x[:, others]
        found[:, movie] = a @ np.linalg.solve(a.T @ a + np.diag(ridges[others]), a.T @ x[:, movie])
    return found


def values(asked, kind):
    train = asked.stage.train
    x = np.zeros((len(asked.dataset.users), len(asked.movie_ids)))
    worth = {"liked": train.values >= 4, "rating/5": train.values / 5, "rated": 1}
    x[train.user_ids, train.movie_ids] = worth[kind]
    return x


@pytest.mark.parametrize("users", [50, 4])
@pytest.mark.parametrize("kind", ["liked", "rating/5", "rated"])
def test_ease_and_edlae_are_ridge_regressions_of_each_movie_on_all_others(kind, users):
    """Of EDLAE the ridge is c (diag(X'X) + prior); it writes 3 * 2, p / (1 - p) = 3."""
    asked = random_problem(users, 9)
    x = values(asked, kind)
    rated = x.any(axis=1)
    for fit, options, ridges in (
        (simple.ease, (7.0,), np.full(9, 7.0)),
        (simple.edlae, (2.0, 3.0, np.inf), 3.0 * (np.square(x).sum(0) + 2.0)),
    ):
        found = scores(fit, asked, (kind, *options), np.arange(users))
        np.testing.assert_allclose(found[rated], regressions(x, ridges)[rated], atol=1e-4)


@pytest.mark.parametrize("baseline", [simple.EASE, simple.EDLAE, simple.RECENT_EDLAE])
def test_all_options_at_once_are_each_by_itself(baseline):
    asked, users = random_problem(15, 20, share=0.4), np.arange(15)
    asked.stage.train.times[:] = np.arange(len(asked.stage.train))
    every = baseline.fit(asked, baseline.grid)
    for options, scorer in zip(baseline.grid, every, strict=True):
        alone = scores(baseline.fit, asked, options, users)
        np.testing.assert_allclose(scorer(users), alone, atol=1e-5)


def test_tuning_leaves_out_movies_behind_the_most_rated(monkeypatch):
    monkeypatch.setattr(simple, "TUNED", 2)
    found = next(simple.ease(problem(), (("rated", 5.0), ("rated", 6.0))))(np.array([1]))[0]
    assert (found[:2] > -1).all()
    assert (found[2:] < -1e8).all()


def test_recent_ratings_weigh_more_when_asked():
    """In the order of the table, at times that run the other way for user 2."""
    rows = [(2, 30, 5), (1, 10, 5), (1, 30, 5), (2, 40, 5), (3, 10, 5), (3, 20, 5)]
    asked = problem(ratings(*rows, times=[1, 1, 2, 1, 1, 1]))
    plain, recent = (
        scores(simple.edlae, asked, ("liked", 1.0, 0.5, span), [1])[0] for span in (np.inf, 1.0)
    )
    assert plain[1] == pytest.approx(plain[3], rel=1e-4)
    assert recent[3] > recent[1]
    weighed = asked.seen("rated", span=10.0).toarray()
    assert weighed[0].tolist() == pytest.approx([0.1 + 0.9 * np.exp(-0.1), 0, 1, 0])
    assert weighed[1].tolist() == [0, 0, 1, 1]


def test_ease_folds_cold_users_in_by_what_they_name_and_is_popularity_without():
    likes = ratings((6, 10, 5), (6, 30, 4), (7, 10, 5), (7, 30, 5))
    found = scores(simple.ease, problem(fold_in=likes), ("rated", 5.0), [6, 7, NOBODY])
    np.testing.assert_allclose(found[0], found[1])
    assert found[0].max() < 1
    assert found[2].tolist() == [3, 2, 1, 1]


# Biases


def test_biases_find_the_planted_ones_and_stay_within_the_ratings_seen():
    rng = np.random.default_rng(0)
    of_user, of_movie = rng.normal(0, 0.4, 60), rng.normal(0, 0.4, 50)
    user, movie = np.nonzero(rng.random((60, 50)) < 0.7)
    planted = 3 + of_user[user] + of_movie[movie] + rng.normal(0, 0.05, len(user))
    predict = simple.fit_biases(ratings(*zip(user, movie, planted, strict=True)), 0.1, 0.1)
    assert np.sqrt(np.mean((predict(user, movie) - planted) ** 2)) < 0.06
    known = ratings((1, 10, 4), (1, 20, 4), (2, 10, 4), (2, 20, 2), (2, 30, 2), (3, 30, 4))
    predict = simple.fit_biases(known, 0, 0)
    assert predict(np.array([1, 3]), np.array([10, 10])).tolist() == [4, 4]  # of 2 to 4


def test_biases_are_tuned_on_validation():
    rng = np.random.default_rng(0)
    user, movie = np.nonzero(rng.random((40, 30)) < 0.8)
    noise = ratings(*zip(user, movie, rng.integers(1, 6, len(user)), strict=True))
    asked = Problem(split(noise, "random", seed=0).choice, dataset(noise))
    assert tune(simple.BIASES, asked) == (20, 20)  # there is nothing but noise to learn

"""Baselines by hand, how their options are chosen, and that none reads the test part."""

import dataclasses
import sys

import numpy as np
import pytest
from hand_made import MOVIES, TRAIN, dataset, problem, ratings, scores

from recsys.errors import DataError
from recsys.evaluation import MOVIES_HELD_OUT, PROTOCOLS, baselines
from recsys.evaluation.baselines import BASELINES, Baseline, select, tune
from recsys.evaluation.problem import Problem
from recsys.evaluation.splits import split

NOBODY = 8  # a user without ratings
NEW = ratings((7, 30, 4), (7, 40, 4))  # of movies to rank by themselves
GENRES = [("Horror",), ("Romance", "Drama"), ("Horror", "Drama"), ("Romance",)]
TWO_FANS = problem(ratings((1, 10, 5), (2, 20, 5)), test=NEW, protocol="cold-movies", genres=GENRES)
EVERY = {each.name: each for each in BASELINES}


def need(name):
    baseline = EVERY[name]
    if baseline.library:
        pytest.importorskip(baseline.library, exc_type=ImportError)
    return baseline.fit


def order(of_user):
    return MOVIES[np.argsort(-of_user, kind="stable")].tolist()


def test_popularity_by_hand_and_of_the_last_days_forgets_what_is_older():
    for kind, expected in (("rated", [10, 20, 30, 40]), ("liked", [20, 10, 30, 40])):
        found = scores(baselines.popularity, problem(), (kind, np.inf), [1, NOBODY])
        assert order(found[0]) == order(found[1]) == expected
    train = dataclasses.replace(TRAIN, times=np.array([0, 0, 0, 9, 9, 10, 10]) * 86_400)
    found = scores(baselines.popularity, problem(train), ("rated", 2.0), [1])[0]
    assert order(found) == [20, 30, 40, 10]
    assert found[0] == pytest.approx(1e-3)  # only from of all time
    assert len(np.unique(scores(baselines.chance, problem(), (), np.arange(1, 9)), axis=0)) == 8


def test_a_profile_learns_from_its_like_and_shrinks_to_all_users():
    """1, 2 and 5 are young men, 3 and 6 young women, 4 and 7 old men."""
    about = {"ages": [2, 2, 2, 7, 2, 2, 7, 0], "genders": [1, 1, 2, 1, 1, 2, 1, 0]}
    asked, mean = problem(**about, jobs=[3, 3, 4, 5, 3, 6, 7, 0]), np.array([3, 2, 1, 1]) / 4
    found = scores(baselines.profile_kernel, asked, ("rated", 1, 1, 1e-6), [5, NOBODY])
    np.testing.assert_allclose(found, [[1, 1, 0.5, 0], mean], atol=1e-4)
    shrunk = scores(baselines.profile_kernel, asked, ("rated", 1, 1, 1e9), [5, NOBODY])
    np.testing.assert_allclose(shrunk, [mean, mean], atol=1e-6)


@pytest.mark.parametrize("name", ["genre profile", "content kernel ridge"])
def test_content_finds_movies_nobody_rated(name):
    for options in EVERY[name].grid:
        found = scores(EVERY[name].fit, TWO_FANS, options, [1, 2])
        assert found[0, 0] > found[0, 1]
        assert found[1, 1] > 0 or found[1, 1] > found[1, 0]


def regressions(x, ridges):
    """Each column from all others by ridge regression."""
    found = np.zeros_like(x)
    for movie in range(x.shape[1]):
        others = np.arange(x.shape[1]) != movie
        a = x[:, others]
        found[:, movie] = a @ np.linalg.solve(a.T @ a + np.diag(ridges[others]), a.T @ x[:, movie])
    return found


@pytest.mark.parametrize(("users", "kind"), [(50, "liked"), (50, "rating/5"), (4, "rated")])
def test_ease_and_edlae_are_ridge_regressions_of_each_movie_on_all_others(kind, users):
    """Of EDLAE the ridge is p / (1 - p) x (diag(X'X) + prior)."""
    rng = np.random.default_rng(0)
    user, movie = np.nonzero(rng.random((users, 9)) < 0.5)
    train = ratings(*zip(user + 1, movie, rng.integers(1, 6, len(user)), strict=True))
    asked = problem(train, movies=np.arange(9), users=users)
    x = np.zeros((users, 9))
    x[user, movie] = {"liked": train.values >= 4, "rating/5": train.values / 5, "rated": 1}[kind]
    some = x.any(axis=1)
    edlae = (6.0, 3.0), 3.0 * (np.square(x).sum(0) + 2.0)
    for options, ridges in (((7.0,), np.full(9, 7.0)), edlae):
        found = scores(baselines.linear, asked, (kind, *options), np.arange(users) + 1)
        np.testing.assert_allclose(found[some], regressions(x, ridges)[some], atol=1e-4)


def test_ease_folds_cold_users_in_by_what_they_name_lately_and_is_popularity_without():
    likes = ratings((6, 10, 5), (6, 30, 4), (7, 10, 5), (7, 30, 5))
    asked = problem(fold_in=likes)
    found = scores(baselines.linear, asked, ("rated", 5.0), [6, 7, NOBODY])
    np.testing.assert_allclose(found[0], found[1])
    assert found[0].max() < 1
    assert found[2].tolist() == [3, 2, 1, 1]
    few = dataclasses.replace(asked, most_movies=2)  # the most rated ones; the others come last
    found = scores(baselines.linear, few, ("rated", 5.0), [1])[0]
    assert found[:2].min() > -1 > -1e8 > found[2:].max()
    rows = [(2, 30, 5), (1, 10, 5), (1, 30, 5), (2, 40, 5), (3, 10, 5), (3, 20, 5)]
    asked = problem(ratings(*rows, times=[1, 1, 2, 1, 1, 1]))  # recent ratings weigh more
    plain, recent = (
        scores(baselines.linear, asked, ("liked", 0.5, 0.5, span), [1])[0] for span in (np.inf, 1.0)
    )
    assert plain[1] == pytest.approx(plain[3], rel=1e-4)
    assert recent[3] > recent[1]


def test_ials_puts_what_goes_together_together():
    pairs = {(user, movie + 20 - user % 2 * 20) for user in range(1, 9) for movie in (10, 20)}
    train = ratings(*((*pair, 5) for pair in pairs - {(1, 20), (2, 40)}))
    found = scores(need("iALS"), problem(train), ("rated", 2, 0.1, 1.0), [1, 2])
    assert found[0, 1] > found[0, 2:].max()
    assert found[1, 3] > found[1, :2].max()


PREDICTING = {"biases": (0.5, 0.5), "SVD++": (2, 200, 0.001), "myFM": (2, 60)}


@pytest.mark.parametrize("name", PREDICTING)
def test_rating_baselines_learn_planted_biases_and_stay_within_the_scale(name):
    rng = np.random.default_rng(0)
    users, movies = rng.normal(0, 0.7, 8), rng.normal(0, 0.7, 4)
    user, movie = np.divmod(np.arange(32), 4)
    values = np.clip(3 + users[user] + movies[movie], 1, 5)
    every = ratings(*zip(user + 1, MOVIES[movie], values, strict=True))
    held_out = np.arange(32) % 5 == 3
    train, test = every[~held_out], every[held_out]
    predict = need(name)(problem(train, test=test, genres=()), *PREDICTING[name])
    found = predict(test.user_ids, test.movie_ids)
    usual = np.sqrt(np.mean((train.values.mean() - test.values) ** 2))
    assert np.sqrt(np.mean((found - test.values) ** 2)) < 0.8 * usual
    cold = predict(np.array([8 if name == "myFM" else 99999]), MOVIES[:1])
    assert train.values.min() <= cold[0] <= train.values.max()


def test_biases_by_hand():
    known = ratings((1, 10, 5), (1, 20, 1), (2, 10, 5), (2, 20, 1))
    predict = baselines.biases(problem(known), 0, 2)
    assert predict(np.array([1, 9, 9]), np.array([10, 20, 30])).tolist() == [4, 2, 3]


def test_options_are_chosen_by_ndcg_or_rmse_on_the_test_part_of_a_problem():
    def favour(asked, favourite):
        return lambda users: np.tile((asked.movie_ids == favourite) * 1.0, (len(users), 1))

    def constant(asked, value):
        return lambda users, movies: np.full(len(users), value)

    asked = problem(test=ratings(*((user, 40, 4.9) for user in range(5, 9))))
    assert tune(Baseline("favour", (), favour, ((10,), (40,), (20,))), asked) == (40,)
    assert tune(Baseline("constant", (), constant, ((3.0,), (5.0,)), predicts=True), asked) == (5,)
    assert tune(Baseline("one", (), None, ((3,),)), asked) == (3,)  # a single one is not tried


def test_baselines_are_chosen_by_name_or_as_those_that_need_no_library():
    for protocol in PROTOCOLS:
        quick = select(protocol)
        assert not any(each.library for each in quick)
        assert [each.name for each in quick if each.predicts] == ["biases"]
        assert len(quick) > 1
        if protocol not in ("cold-users", *MOVIES_HELD_OUT):  # there are histories
            names = {each.name for each in BASELINES if protocol in each.protocols}
            assert {"EASE", "EDLAE", "iALS"} <= names
        assert select(protocol, f"{quick[0].name.upper()}, biases") == [quick[0], quick[-1]]
        with pytest.raises(DataError, match=f"no baseline 'x' for {protocol}; choose quick, all"):
            select(protocol, "biases,x")


def test_a_baseline_without_a_library_that_works_is_left_out(monkeypatch, tmp_path):
    lines = []
    monkeypatch.setitem(sys.modules, "implicit.als", None)  # importing it fails
    monkeypatch.setitem(sys.modules, "surprise", None)
    monkeypatch.delitem(sys.modules, "myfm", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "myfm.py").write_text("raise ValueError('built for another NumPy')")
    chosen = select("random", "all", lines.append)
    assert [each.name for each in chosen] == ["popularity", "EASE", "EDLAE", "biases"]
    assert [line.partition(" left out: ")[0] for line in lines] == ["iALS", "SVD++", "myFM"]
    assert "built for another NumPy" in lines[-1]
    assert all(line.endswith("pip install 'recsys[bench]'") for line in lines)


@pytest.mark.parametrize("name", EVERY)
def test_no_baseline_reads_the_test_part(name):
    """Whatever is held out, the answers are the same."""
    fit, baseline = need(name), EVERY[name]
    rng = np.random.default_rng(0)
    user, movie = np.nonzero(rng.random((8, 4)) < 0.7)
    rated = ratings(*zip(user + 1, MOVIES[movie], rng.integers(1, 6, len(user)), strict=True))
    data, stage = dataset(rated), split(rated, "random", seed=0).final
    turned = dataclasses.replace(stage.test, values=6 - stage.test.values)
    honest = Problem(stage, data)
    blind = Problem(stage._replace(test=turned), dataclasses.replace(data, ratings=turned))
    asked = (user + 1, MOVIES[movie]) if baseline.predicts else (data.users.ids,)
    for options in (baseline.grid[0], baseline.grid[-1]):
        first, second = (fit(each, *options)(*asked) for each in (honest, blind))
        np.testing.assert_array_equal(first, second)

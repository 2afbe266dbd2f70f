"""The rating factors: closed-form fit and fold-in, and the one inner product they are asked by."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import numpy as np
import pytest
from learned_from import asked, training

from recsys.data.dataset import Ratings
from recsys.data.interactions import Interactions
from recsys.data.scale import Scale
from recsys.data.schema import Attribute
from recsys.options import Options
from recsys.parts.factors import Factors

USERS, MOVIES = 120, 80
DESCRIBED = (Attribute("one", "category", ("a", "b")), Attribute("two", "category", tuple("abc")))
OPTIONS = Options(factor_dimension=4, factor_sweeps=8, factor_coordinates=5)


class World:
    """Ratings of two true factors and biases; the last user and the last movie have none."""

    def __init__(self):
        rng = np.random.default_rng(0)
        p, q = rng.standard_normal((USERS + 1, 2)), rng.standard_normal((MOVIES + 1, 2))
        a, b = rng.standard_normal(USERS + 1), rng.standard_normal(MOVIES + 1)
        truth = 3 + 0.3 * a[:, None] + 0.4 * b + 0.5 * p @ q.T
        noisy = np.clip(truth + 0.4 * rng.standard_normal(truth.shape), 1, 5)
        seen = rng.random(truth.shape) < 0.5
        seen[0] = seen[:, 0] = seen[-1] = seen[:, -1] = False
        test = seen & (rng.random(truth.shape) < 0.2)
        train = seen & ~test
        history = Interactions.build(USERS, *np.nonzero(train), noisy[train])
        self.test = Ratings(*np.nonzero(test), noisy[test], np.zeros(test.sum()))
        attributes = np.stack([rng.integers(0, n, USERS + 1) for n in (3, 4)], 1)
        attributes[0] = 0
        genres = [tuple(g for g in "xyz" if rng.random() < 0.4) for _ in range(MOVIES)]
        years = rng.integers(1950, 2000, MOVIES)
        self.data = training(history, MOVIES, attributes, DESCRIBED, genres, years)


def users_of(world, tables, rows, **more):
    return Factors().users(tables, asked(world.data, np.asarray(rows), **more))["factors"]


def predicted(world, tables):
    users, test = users_of(world, tables, range(USERS + 1)), world.test
    return (users[test.user_ids] * tables["factors"][test.movie_ids]).sum(1)


def rmse(world, tables):
    return float(np.sqrt(np.mean((predicted(world, tables) - world.test.values) ** 2)))


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture(scope="module")
def tables(world):
    return Factors().fit(world.data, OPTIONS)


def test_a_user_folded_in_alone_equals_the_one_among_all_and_movies_are_short(world, tables):
    every = users_of(world, tables, range(USERS + 1))
    lengths = np.linalg.norm(tables["factors"], axis=1)
    assert lengths[0] == 0
    assert lengths.max() < 1
    for user in (1, 17, USERS - 1):
        np.testing.assert_allclose(users_of(world, tables, [user])[0], every[user], atol=1e-4)


def test_better_than_biases_where_there_are_factors(world, tables):
    options = Options(factor_sweeps=8, factor_coordinates=0)
    object.__setattr__(options, "factor_dimension", 0)  # which training is not offered
    biases = Factors().fit(world.data, options)
    error = rmse(world, tables)
    assert error < 0.75 * rmse(world, biases)
    assert error < 0.55  # the noise alone is .4


def posterior(world, tables, row):
    """(d,) mean and (d, d) precision of a user's [p, a], all terms written out."""
    precision, mean, scale, _ = tables["noise"]
    d = OPTIONS.factor_dimension + 1
    movies, ratings, _ = world.data.history.of(row)
    full = np.zeros((MOVIES + 1, d, d))
    up, across = np.triu_indices(d)
    full[:, up, across] = full[:, across, up] = tables["moments"]
    matrix, right = np.diag(1 / tables["variance"]), np.zeros(d)
    for movie, rating in zip(movies, ratings, strict=True):
        matrix = matrix + precision * full[movie]
        f = np.append(tables["means"][movie, :-1], 1)
        right = right + precision * (f * (rating - mean) / scale - tables["crosses"][movie])
    sides = zip(DESCRIBED, world.data.attributes[row], strict=True)
    profile = [0.3 * (code == np.arange(1, a.size + 1)) for a, code in sides]
    coordinates = tables["basis"][movies].sum(0) / np.sqrt(len(movies))
    implicit = np.append(coordinates, 0.3 * np.log(len(movies))) - tables["centre"]
    prior = np.concatenate([[1], *profile, implicit]) @ tables["weights"]
    return np.linalg.solve(matrix, prior / tables["variance"] + right), matrix


def ratings_of(tables, user):
    """(M,) predictions for a user [p, a]."""
    _, mean, scale, _ = tables["noise"]
    movies = tables["means"][1:].astype(float)
    return mean + scale * (movies[:, :-1] @ user[:-1] + movies[:, -1] + user[-1])


def test_the_posterior_is_what_plain_algebra_gives_and_a_like_turns_the_factors_only(world, tables):
    """A like or dislike is a rating one deviation off what was expected, of unknown level."""
    mean, precision = posterior(world, tables, 9)
    named = Interactions.build(1, [1, 1], [4, 7], [1, -1])
    factors = tables["means"][[4, 7], :-1].astype(float)
    moments = np.linalg.inv(np.linalg.inv(precision)[:-1, :-1])
    moments += tables["noise"][0] * factors.T @ factors
    turned = np.linalg.solve(moments, tables["noise"][0] * factors.T @ [1, -1])
    plain, user = users_of(world, tables, [9, 9], named=named)
    for found, expected in ((plain, mean), (user, mean + np.append(turned, 0))):
        ratings = ratings_of(tables, expected)
        np.testing.assert_allclose((tables["factors"] @ found)[1:], ratings, atol=1e-3)


def test_the_same_is_learned_again_and_nearly_the_same_in_small_blocks(world, tables, monkeypatch):
    for name, array in Factors().fit(world.data, OPTIONS).items():
        np.testing.assert_array_equal(array, tables[name], err_msg=name)
    monkeypatch.setattr("recsys.parts.factors.SOLVED", 100)
    in_blocks = Factors().fit(world.data, OPTIONS)
    np.testing.assert_allclose(predicted(world, in_blocks), predicted(world, tables), atol=1e-3)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)  # several blocks at a time
    for name, array in Factors().fit(world.data, OPTIONS).items():
        np.testing.assert_array_equal(array, in_blocks[name], err_msg=name)


@pytest.mark.parametrize("processes", [2, 5])
def test_processes_that_share_the_users_out_learn_the_same(world, tables, processes):
    sent, all_here = [None] * processes, Barrier(processes)

    def fitted(rank):
        def mine(length):
            return slice(length * rank // processes, length * (rank + 1) // processes)

        def total(array):
            sent[rank] = array
            all_here.wait(60)
            assert len({(each.dtype, each.shape) for each in sent}) == 1
            found = sum(sent)
            all_here.wait(60)
            return found

        return Factors().fit(replace(world.data, mine=mine, total=total), OPTIONS)

    with ThreadPoolExecutor(processes) as pool:
        for found in pool.map(fitted, range(processes)):
            assert found.keys() == tables.keys()
            for name, array in found.items():
                np.testing.assert_allclose(array, tables[name], atol=1e-3, err_msg=name)


def test_one_rating_is_predicted_and_events_have_no_factors():
    history = Interactions.build(1, [1], [1], [4])
    assert Factors().fit(training(history, 1, scale=Scale(rated=False)), OPTIONS) == {}
    data = training(history, 1)
    tables = Factors().fit(data, OPTIONS)
    user = Factors().users(tables, asked(data, np.array([1])))["factors"][0]
    assert tables["factors"][1] @ user == pytest.approx(4)

"""The rating factors: closed-form fit and fold-in, and the one inner product they are asked by."""

from typing import NamedTuple

import numpy as np
import pytest

from recsys.data.interactions import Interactions
from recsys.serving.factors import RatingFactors
from recsys.training.options import Options
from recsys.training.rating_factors import content_features, fit

USERS, MOVIES, SIZES = 120, 80, (3, 4)
OPTIONS = Options(factor_dimension=4, factor_sweeps=8, factor_coordinates=5)


class Pairs(NamedTuple):
    """Ratings held out: rows of users and movies, and what the one gave the other."""

    users: np.ndarray
    movies: np.ndarray
    ratings: np.ndarray


class Fitted(NamedTuple):
    """The tables, and what they make of the histories they were learned from."""

    factors: RatingFactors
    users: np.ndarray  # (U + 1, d) [p, a]


def histories_of(users: np.ndarray, movies: np.ndarray, ratings: np.ndarray) -> Interactions:
    """(N,) rows to histories of users 0 to USERS."""
    order = np.lexsort((movies, users))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(users, minlength=USERS + 1))])
    return Interactions(
        offsets,
        movies[order].astype(np.int32),
        ratings[order].astype(np.float32),
        np.zeros(len(users), np.int64),
    )


class World:
    """Ratings of two true factors and biases; the last user and the last movie have none."""

    def __init__(self, low: float = 1.0, high: float = 5.0, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        p, q = rng.standard_normal((USERS + 1, 2)), rng.standard_normal((MOVIES + 1, 2))
        a, b = rng.standard_normal(USERS + 1), rng.standard_normal(MOVIES + 1)
        truth = 3 + 0.3 * a[:, None] + 0.4 * b + 0.5 * p @ q.T
        noisy = np.clip(truth + 0.4 * rng.standard_normal(truth.shape), 1, 5)
        noisy = low + (noisy - 1) * (high - low) / 4
        seen = rng.random(truth.shape) < 0.5
        seen[0] = seen[:, 0] = seen[-1] = seen[:, -1] = False
        test = seen & (rng.random(truth.shape) < 0.2)
        self.train = histories_of(*np.nonzero(seen & ~test), noisy[seen & ~test])
        self.test = Pairs(*np.nonzero(test), noisy[test])
        self.attributes = np.stack([rng.integers(0, n, USERS + 1) for n in SIZES], 1)
        self.attributes[0] = 0
        years = rng.integers(1950, 2000, MOVIES + 1)
        years[0] = 0
        self.genres = (rng.random((MOVIES + 1, 3)) < 0.4) * (years > 0)[:, None]
        self.content = content_features(self.genres, years)
        self.range = (low, high)

    def fit(self, options: Options = OPTIONS) -> Fitted:
        factors = fit(self.train, self.attributes, self.content, self.range, options)
        return Fitted(factors, factors.users(self.train, self.attributes))


def predicted(fitted: Fitted, pairs: Pairs) -> np.ndarray:
    factors = fitted.factors
    users = factors.user_parts(fitted.users)[pairs.users]
    return (users * factors.movie_parts(factors.movies)[pairs.movies]).sum(1)


def rmse(these: np.ndarray, those: np.ndarray) -> float:
    return float(np.sqrt(np.mean((these - those) ** 2)))


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def fitted(world: World) -> Fitted:
    return world.fit()


def test_a_folded_in_user_equals_the_trained_user_of_the_same_history(world, fitted):
    for user in (1, 17, USERS - 1):
        alone = world.train.part(user, user + 1)
        folded = fitted.factors.users(alone, world.attributes[user : user + 1])
        np.testing.assert_allclose(folded[0], fitted.users[user], atol=1e-5)


def test_the_order_of_a_history_does_not_matter(world, fitted):
    alone = world.train.part(5, 6)
    turned = Interactions(alone.offsets, alone.movie_rows[::-1], alone.ratings[::-1], alone.times)
    there, back = (fitted.factors.users(h, world.attributes[5:6]) for h in (alone, turned))
    np.testing.assert_allclose(there, back, atol=1e-5)


def test_the_inner_product_of_the_parts_is_the_predicted_rating(fitted):
    factors = fitted.factors
    q, b = factors.movies[:, :-1].astype(float), factors.movies[:, -1].astype(float)
    p, a = fitted.users[:, :-1], fitted.users[:, -1:]
    ratings = factors.mean + factors.scale * (a + b + p @ q.T)
    parts = factors.movie_parts(factors.movies)
    np.testing.assert_allclose(factors.user_parts(fitted.users) @ parts.T, ratings, atol=1e-5)
    assert (np.linalg.norm(parts, axis=1) < 1).all()


def test_better_than_biases_where_there_are_factors(world, fitted):
    biases = world.fit(Options(factor_dimension=0, factor_sweeps=8, factor_coordinates=0))
    ratings = world.test.ratings
    error = rmse(predicted(fitted, world.test), ratings)
    assert error < 0.75 * rmse(predicted(biases, world.test), ratings)
    assert error < 0.55  # the noise alone is .4


def test_any_scale_of_ratings_gives_the_same_predictions(world, fitted):
    tenfold = World(0, 100)
    again = predicted(tenfold.fit(), tenfold.test)
    np.testing.assert_allclose(again, (predicted(fitted, world.test) - 1) * 25, atol=0.05)
    assert tenfold.fit().factors.clip(np.array([-5.0, 300.0])).tolist() == [0, 100]


def test_without_ratings_the_prior_mean(world, fitted):
    factors = fitted.factors
    empty = Interactions(np.zeros(2, np.int64), *(column[:0] for column in world.train[1:]))
    user = factors.users(empty, world.attributes[-1:])
    prior = factors.user_features(empty, world.attributes[-1:]) @ factors.user_weights
    np.testing.assert_allclose(user, prior)
    np.testing.assert_allclose(fitted.users[-1], prior[0])
    unknown = factors.users(empty, np.zeros((1, 2), np.int8))
    np.testing.assert_allclose(unknown[0], factors.user_weights[0])


def test_unknown_movies_and_codes_are_left_out(world, fitted):
    alone = world.train.part(3, 4)
    longer = Interactions(
        alone.offsets + np.array([0, 1]),
        np.append(alone.movie_rows, 0).astype(np.int32),
        np.append(alone.ratings, 5).astype(np.float32),
        np.append(alone.times, 0),
    )
    codes = world.attributes[3:4]
    same = [fitted.factors.users(each, codes) for each in (alone, longer)]
    np.testing.assert_array_equal(*same)
    far = fitted.factors.users(alone, np.full((1, 2), 99))
    none = fitted.factors.users(alone, np.zeros((1, 2), np.int8))
    np.testing.assert_array_equal(far, none)


def test_what_has_no_rating_counts_in_the_prior_only(world, fitted):
    alone, codes = world.train.part(3, 4), world.attributes[3:4]
    factors = fitted.factors
    nothing = factors.users(alone, codes, np.zeros(len(alone.ratings), bool))
    np.testing.assert_allclose(nothing, factors.user_features(alone, codes) @ factors.user_weights)
    same = factors.users(alone, codes, np.ones(len(alone.ratings), bool))
    np.testing.assert_array_equal(same, factors.users(alone, codes))
    high = alone._replace(values=np.full_like(alone.ratings, 5))
    some = np.arange(len(alone.ratings)) > 0
    changed = alone._replace(values=np.where(some, alone.ratings, 5).astype(np.float32))
    np.testing.assert_array_equal(*(factors.users(h, codes, some) for h in (alone, changed)))
    assert factors.users(high, codes)[0, -1] > nothing[0, -1]


def test_small_blocks_learn_the_same(world, fitted, monkeypatch):
    monkeypatch.setattr("recsys.serving.factors.SOLVED", 100)
    again = predicted(world.fit(), world.test)
    np.testing.assert_allclose(again, predicted(fitted, world.test), atol=1e-3)


def test_the_posterior_is_what_plain_algebra_gives(world, fitted):
    """One user, all terms written out from full covariances."""
    factors, d = fitted.factors, OPTIONS.factor_dimension + 1
    rows = world.train.part(9, 10)
    full = np.zeros((MOVIES + 1, d, d))
    up, across = np.triu_indices(d)
    full[:, up, across] = full[:, across, up] = factors.moments
    matrix, right = np.diag(1 / factors.user_variance), np.zeros(d)
    for movie, rating in zip(rows.movie_rows, rows.ratings, strict=True):
        score = (rating - factors.mean) / factors.scale
        f = np.append(factors.movies[movie, :-1], 1)
        matrix = matrix + factors.precision * full[movie]
        right = right + factors.precision * (f * score - factors.crosses[movie])
    prior = factors.user_features(rows, world.attributes[9:10])[0] @ factors.user_weights
    expected = np.linalg.solve(matrix, prior / factors.user_variance + right)
    np.testing.assert_allclose(fitted.users[9], expected, atol=1e-5)


def test_the_same_seed_learns_the_same(world, fitted):
    again = world.fit()
    for name, array in fitted.factors.arrays().items():
        np.testing.assert_array_equal(array, getattr(again.factors, name))
    np.testing.assert_array_equal(fitted.users, again.users)


def test_saved_tables_are_memory_mapped_and_answer_alike(world, fitted, tmp_path):
    for name, array in fitted.factors.arrays().items():
        np.save(tmp_path / name, array)
    loaded = RatingFactors.from_arrays(
        {name: np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in fitted.factors.arrays()}
    )
    assert isinstance(loaded.moments, np.memmap)
    np.testing.assert_array_equal(loaded.users(world.train, world.attributes), fitted.users)


def test_tiny_data_and_constant_ratings():
    train = Interactions(
        np.array([0, 0, 1]), np.array([1], np.int32), np.array([4], np.float32), np.array([0])
    )
    attributes = np.zeros((2, 0), np.int8)
    factors = fit(train, attributes, np.zeros((2, 0)), (1, 5), OPTIONS)
    fitted = Fitted(factors, factors.users(train, attributes))
    assert predicted(fitted, Pairs(np.array([1]), np.array([1]), np.array([4]))) == pytest.approx(4)


def test_what_does_not_fit_is_refused(world):
    with pytest.raises(ValueError, match="at least one rating"):
        fit(
            Interactions(np.zeros(USERS + 2, np.int64), *(c[:0] for c in world.train[1:])),
            world.attributes,
            world.content,
            world.range,
        )
    with pytest.raises(ValueError, match="of different users"):
        fit(world.train, world.attributes[1:], world.content, world.range)
    with pytest.raises(ValueError, match="rows of content"):
        fit(world.train, world.attributes, world.content[:9], world.range)

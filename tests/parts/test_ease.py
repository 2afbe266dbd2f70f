"""The EASE part: a shallow autoencoder's weights in few numbers, and its cold-start answers."""

import numpy as np
import pytest
from learned_from import GENDER, asked, training

from recsys.data.interactions import Interactions, Recency
from recsys.parts import ease
from recsys.parts.ease import Ease
from recsys.parts.part import Training
from recsys.training.options import Options

OPTIONS = Options()
TIMED = Recency(0.1, 10)


def two_tastes(users: int, movies: int, share: float, seed: int = 0) -> tuple[Training, np.ndarray]:
    """Users who like movies of odd rows, others who like even ones; and the (U, M) ratings."""
    rng = np.random.default_rng(seed)
    odd = np.arange(movies) % 2
    likes = rng.integers(0, 2, users)[:, None] == odd
    rated = rng.random((users, movies)) < share * np.where(likes, 1, 0.2)
    rated[:, 0] |= ~rated.any(1)
    ratings = np.where(rated, np.where(likes, 5, 2), 0).astype(np.float32)
    pairs = np.argwhere(ratings) + 1
    history = Interactions.build(users, pairs[:, 0], pairs[:, 1], ratings[ratings > 0])
    return training(history, movies, described=GENDER), ratings


def exact_weights(ratings: np.ndarray) -> np.ndarray:
    """Item-to-item weights by Steck's formula, in float64."""
    shares = ratings / 5 / np.sqrt((ratings > 0).sum(1, keepdims=True)).astype(np.float64)
    products = shares.T @ shares
    products[np.diag_indices(len(products))] /= 1 - OPTIONS.ease_dropout  # EDLAE's diagonal
    products += OPTIONS.ease_ridge * np.eye(ratings.shape[1])
    inverse = np.linalg.inv(products)
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights


def test_of_few_movies_the_weights_are_exact():
    data, ratings = two_tastes(200, 30, 0.4)
    tables = Ease().fit(data, OPTIONS)
    found, expected = tables["source"][1:] @ tables["ease"][1:].T, exact_weights(ratings)
    scale = (found * expected).sum() / (expected**2).sum()
    np.testing.assert_allclose(found, scale * expected, atol=1e-4 * np.abs(found).max())
    longest = np.linalg.norm(tables["ease"], axis=1).max()
    assert longest == pytest.approx(0.999, abs=1e-4)  # 1 would leave nothing for the last number


def test_of_many_movies_the_weights_are_nearly_the_best_of_their_rank():
    data, ratings = two_tastes(500, 150, 0.3)
    tables = Ease().fit(data, OPTIONS)
    found, expected = tables["source"][1:] @ tables["ease"][1:].T, exact_weights(ratings)
    found *= (found * expected).sum() / (found**2).sum()
    values = np.linalg.svd(expected)[1]
    least = np.sqrt((values[OPTIONS.ease_rank - 1 :] ** 2).sum())  # the last number is another
    assert np.linalg.norm(found - expected) < 1.02 * least


def test_histories_in_blocks_give_the_same_weights(monkeypatch):
    data, _ = two_tastes(100, 20, 0.4)
    every = Ease().fit(data, OPTIONS)
    monkeypatch.setattr(ease, "_BLOCK", 7)
    for name, table in Ease().fit(data, OPTIONS).items():
        np.testing.assert_allclose(np.abs(table), np.abs(every[name]), atol=1e-4)


def test_solve_is_a_ridge_regression_of_each_movie_on_the_others():
    shares = np.random.default_rng(0).random((50, 6)).astype(np.float32)
    weights, ridge = ease.solve(shares.T @ shares, 7.0), 7.0
    assert not np.diag(weights).any()
    for movie in range(6):
        others = np.arange(6) != movie
        a = shares[:, others]
        expected = np.linalg.solve(a.T @ a + ridge * np.eye(5), a.T @ shares[:, movie])
        np.testing.assert_allclose(weights[others, movie], expected, atol=1e-5)


def cosines(data: Training, tables, gender: int = 0, liked=(), recency=TIMED) -> np.ndarray:
    """(M,) of a cold-start user with every movie."""
    liked = np.array(liked, int)
    history = Interactions.build(0, 0 * liked, liked, np.full(len(liked), 5))
    one = asked(data, np.zeros(1, int), history, np.array([[gender]]), recency)
    return (Ease().users(tables, one)["ease"] @ tables["ease"].T)[0, 1:]


def test_likes_of_a_cold_start_user_raise_movies_of_that_taste():
    data, _ = two_tastes(300, 40, 0.4)
    tables = Ease().fit(data, OPTIONS)
    for odd in (0, 1):
        found = cosines(data, tables, liked=range(1 + odd, 9, 2))
        of_taste = np.arange(40) % 2 == odd
        best = np.argsort(-found, kind="stable")[:10]
        assert of_taste[best].all()
        assert found[of_taste].mean() > 2 * found[~of_taste].mean()


def test_a_cold_start_user_gets_what_users_of_the_profile_rate():
    """One gender rates odd rows, the other even ones; without a profile: what most rate."""
    rng = np.random.default_rng(1)
    odd = np.arange(30) % 2
    gender = np.concatenate([[0], np.repeat([1, 2], [60, 140])])
    rated = rng.random((201, 30)) < np.where((gender[:, None] == 1) == (odd == 1), 0.8, 0.1)
    rated[0] = False
    users, movies = np.nonzero(rated)
    history = Interactions.build(200, users, movies + 1, np.full(len(users), 4))
    data = training(history, 30, gender[:, None], GENDER)
    tables = Ease().fit(data, OPTIONS)
    for profile, rates in ((1, 1), (2, 0), (0, 0)):
        found = cosines(data, tables, profile)
        assert found[odd == rates].min() > found[odd != rates].max()


def arrived_late() -> Training:
    """200 users, each with a time of their own; movie 9 is rated by all of the last 40 of them."""
    rated = np.random.default_rng(2).random((200, 9)) < np.array([0.5] * 8 + [0.0])
    rated[160:, 8] = True
    users, movies = np.argwhere(rated).T + 1
    history = Interactions.build(200, users, movies, np.full(len(users), 4), users)
    return training(history, 9, described=GENDER)


def test_how_often_a_movie_were_rated_had_it_been_there_all_along_by_hand():
    """Movie 1 was there from the start; movie 2 came when 4 of 10 ratings were still to come."""
    history = Interactions.build(
        1, np.ones(10), [1] * 7 + [2] * 3, np.ones(10), [0, 1, 2, 3, 4, 5, 7, 6, 8, 9]
    )
    d = ease.ARRIVAL_DAMPING
    expected = [1, 1, (3 + d) / (0.4 * 3 + d), 1]  # nobody rated movie 3
    np.testing.assert_allclose(ease.arrivals(training(history, 3)), expected, rtol=1e-6)


def test_a_late_arrival_that_all_rate_now_is_what_a_cold_start_user_gets():
    """But without recency, whether it was off in training or only when asked."""
    data = arrived_late()
    tables, without = (Ease().fit(data, o) for o in (OPTIONS, Options(recency_floor=1)))
    assert cosines(data, tables).argmax() == 8
    assert cosines(data, without, recency=Recency()).argmin() == 8
    np.testing.assert_allclose(
        cosines(data, tables, recency=Recency()),
        cosines(data, without, recency=Recency()),
        atol=1e-6,
    )


def test_movies_beyond_the_most_rated_are_near_those_of_their_taste():
    data, ratings = two_tastes(300, 40, 0.4)
    tables = Ease().fit(data, Options(ease_movies=20))
    most = np.argsort(-(ratings > 0).sum(0), kind="stable")[:20]
    rest = np.setdiff1d(np.arange(40), most)
    products = tables["source"][1:][most] @ tables["ease"][1:][rest].T
    alike = most[:, None] % 2 == rest % 2
    assert products[alike].mean() > products[~alike].mean()
    assert np.linalg.norm(tables["ease"], axis=1).max() <= 1


@pytest.mark.parametrize(("users", "movies"), [(1, 1), (1, 5), (5, 1)])
def test_hardly_any_ratings(users, movies):
    tables = Ease().fit(two_tastes(users, movies, 0.5)[0], OPTIONS)
    assert all(np.isfinite(table).all() for table in tables.values())

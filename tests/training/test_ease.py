"""The EASE part: a shallow autoencoder's weights in few numbers, and its cold-start answers."""

import numpy as np
import pytest

from recsys.data.interactions import Interactions
from recsys.serving.users import Asked, ease_part
from recsys.training import ease
from recsys.training.options import Options

OPTIONS = Options()


def interactions_of(users: int, pairs: np.ndarray, ratings: np.ndarray) -> Interactions:
    """From (N, 2) user and movie rows."""
    return Interactions.build(
        users, pairs[:, 0], pairs[:, 1], ratings, np.zeros(len(pairs), np.int64)
    )


def two_tastes(
    users: int, movies: int, share: float, seed: int = 0
) -> tuple[Interactions, np.ndarray]:
    """Users who like movies of odd rows, others who like even ones; and the (U, M) ratings."""
    rng = np.random.default_rng(seed)
    odd = np.arange(movies) % 2
    likes = rng.integers(0, 2, users)[:, None] == odd
    there = rng.random((users, movies)) < share * np.where(likes, 1, 0.2)
    there[:, 0] |= ~there.any(1)
    ratings = np.where(there, np.where(likes, 5, 2), 0).astype(np.float32)
    return interactions_of(users, np.argwhere(ratings) + 1, ratings[ratings > 0]), ratings


def fitted(history: Interactions, movies: int, attributes=None, options: Options = OPTIONS):
    """The tables of the user's part and (M + 1, R) movie parts."""
    if attributes is None:
        attributes = np.zeros((len(history.counts), 3), np.int8)
    return ease.fit(history, movies, attributes, options)


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


def source_and_target(fit) -> tuple[np.ndarray, np.ndarray]:
    return fit[0]["ease_source"], fit[1]


def test_of_few_movies_the_weights_are_exact():
    history, ratings = two_tastes(200, 30, 0.4)
    source, target = source_and_target(fitted(history, 30))
    found, expected = source[1:] @ target[1:].T, exact_weights(ratings)
    scale = (found * expected).sum() / (expected**2).sum()
    np.testing.assert_allclose(found, scale * expected, atol=1e-4 * np.abs(found).max())
    longest = np.linalg.norm(target[1:], axis=1).max()
    assert longest == pytest.approx(0.999, abs=1e-4)  # 1 would leave nothing for the last number


def test_of_many_movies_the_weights_are_nearly_the_best_of_their_rank():
    history, ratings = two_tastes(500, 150, 0.3)
    source, target = source_and_target(fitted(history, 150))
    found, expected = source[1:] @ target[1:].T, exact_weights(ratings)
    found *= (found * expected).sum() / (found**2).sum()
    values = np.linalg.svd(expected)[1]
    least = np.sqrt((values[OPTIONS.ease_rank - 1 :] ** 2).sum())  # the last number is another
    assert np.linalg.norm(found - expected) < 1.02 * least


def test_histories_in_blocks_give_the_same_weights(monkeypatch):
    history, _ = two_tastes(100, 20, 0.4)
    chosen = np.arange(1, 21)
    whole = ease.item_weights(history, chosen, 1.0, 0.5)
    monkeypatch.setattr(ease, "_BLOCK", 7)
    np.testing.assert_allclose(ease.item_weights(history, chosen, 1.0, 0.5), whole, atol=1e-5)


def test_solve_is_a_ridge_regression_of_each_movie_on_the_others():
    shares = np.random.default_rng(0).random((50, 6)).astype(np.float32)
    weights, ridge = ease.solve(shares.T @ shares, 7.0), 7.0
    assert not np.diag(weights).any()
    for movie in range(6):
        others = np.arange(6) != movie
        a = shares[:, others]
        expected = np.linalg.solve(a.T @ a + ridge * np.eye(5), a.T @ shares[:, movie])
        np.testing.assert_allclose(weights[others, movie], expected, atol=1e-5)


def cold_start_cosines(fit, attributes, history) -> np.ndarray:
    """(M,) cosines of a cold-start user's EASE part with every movie's."""
    rows, ratings = history
    known = Interactions(
        np.array([0, len(rows)]), rows.astype(np.int32), ratings, np.zeros(len(rows), np.int64)
    )
    ones = np.ones(len(rows), np.float32)
    asked = Asked(np.zeros(1, np.int64), np.array([attributes]), known, ones, ones)
    return (ease_part(fit[0].__getitem__, asked) @ fit[1].T)[0, 1:]


def test_likes_of_a_cold_start_user_raise_movies_of_that_taste():
    tables = fitted(two_tastes(300, 40, 0.4)[0], 40)
    for odd in (0, 1):
        liked = np.arange(1 + odd, 9, 2)
        likes = liked, np.full(len(liked), 5, np.float32)
        cosines = cold_start_cosines(tables, (0, 0, 0), likes)
        of_taste = np.arange(40) % 2 == odd
        best = np.argsort(-cosines, kind="stable")[:10]
        assert of_taste[best].all()
        assert cosines[of_taste].mean() > 2 * cosines[~of_taste].mean()


def test_a_cold_start_user_gets_what_users_of_the_profile_rate():
    """One gender rates odd rows, the other even ones; without a profile: what most rate."""
    rng = np.random.default_rng(1)
    odd = np.arange(30) % 2
    gender = np.concatenate([[0], np.repeat([1, 2], [60, 140])])
    there = rng.random((201, 30)) < np.where((gender[:, None] == 1) == (odd == 1), 0.8, 0.1)
    there[0] = False
    pairs = np.argwhere(there) + np.array([0, 1])
    history = interactions_of(200, pairs, np.full(len(pairs), 4, np.float32))
    tables = fitted(history, 30, np.stack([gender, 0 * gender, 0 * gender], 1))
    no_history = np.zeros(0, int), np.zeros(0, np.float32)
    for profile, rates in ((1, 1), (2, 0), (0, 0)):
        cosines = cold_start_cosines(tables, (profile, 0, 0), no_history)
        assert cosines[odd == rates].min() > cosines[odd != rates].max()


def arrived_late() -> tuple[Interactions, int]:
    """200 users, each with a time of their own; movie 9 is rated by all of the last 40 of them."""
    rng = np.random.default_rng(2)
    there = rng.random((200, 9)) < np.array([0.5] * 8 + [0.0])
    there[160:, 8] = True
    pairs = np.argwhere(there) + 1
    fours = np.full(len(pairs), 4, np.float32)
    return Interactions.build(200, pairs[:, 0], pairs[:, 1], fours, pairs[:, 0]), 9


def test_how_often_a_movie_were_rated_had_it_been_there_all_along_by_hand():
    """Movie 1 was there from the start; movie 2 came when 4 of 10 ratings were still to come."""
    history = Interactions.build(
        1, np.ones(10), [1] * 7 + [2] * 3, np.ones(10), [0, 1, 2, 3, 4, 5, 7, 6, 8, 9]
    )
    d = ease.ARRIVAL_DAMPING
    expected = [1, 1, (3 + d) / (0.4 * 3 + d), 1]  # nobody rated movie 3
    np.testing.assert_allclose(ease.arrivals(history, 3), expected, rtol=1e-6)


def test_a_late_arrival_that_all_rate_now_is_what_a_cold_start_user_gets():
    history, late = arrived_late()
    nothing = np.zeros(0, int), np.zeros(0, np.float32)
    cosines = cold_start_cosines(fitted(history, 9), (0, 0, 0), nothing)
    assert cosines.argmax() == late - 1
    off = fitted(history, 9, options=Options(recency_floor=1))
    assert cold_start_cosines(off, (0, 0, 0), nothing).argmin() == late - 1


def test_without_recency_no_arrival_counts():
    history, _ = arrived_late()
    tables, movies = fitted(history, 9)
    plain = fitted(history, 9, options=Options(recency_floor=1))
    for found, expected in zip(ease.timeless(tables, movies), plain, strict=True):
        if isinstance(expected, dict):
            assert found.keys() == expected.keys()
            for name in expected:
                np.testing.assert_allclose(found[name], expected[name], atol=1e-6)
        else:
            np.testing.assert_allclose(found, expected, atol=1e-6)


def test_movies_beyond_the_most_rated_are_near_those_of_their_taste():
    history, ratings = two_tastes(300, 40, 0.4)
    source, target = source_and_target(fitted(history, 40, options=Options(ease_movies=20)))
    most = np.argsort(-(ratings > 0).sum(0), kind="stable")[:20]
    rest = np.setdiff1d(np.arange(40), most)
    products = source[1:][most] @ target[1:][rest].T
    alike = most[:, None] % 2 == rest % 2
    assert products[alike].mean() > products[~alike].mean()
    assert np.linalg.norm(target, axis=1).max() <= 1


@pytest.mark.parametrize(("users", "movies"), [(1, 1), (1, 5), (5, 1)])
def test_hardly_any_ratings(users, movies):
    tables, parts = fitted(two_tastes(users, movies, 0.5)[0], movies)
    assert all(np.isfinite(table).all() for table in [*tables.values(), parts])

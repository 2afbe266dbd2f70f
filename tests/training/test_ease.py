"""The EASE part: a shallow autoencoder's weights in few numbers, and its cold-start answers."""

import numpy as np
import pytest
from recsys.serving.folded import CHANNELS, EASE_DIM

from recsys.data.dataset import NO_WORD
from recsys.data.history import History
from recsys.data.movielens import MAX_RATING, NEUTRAL_RATING
from recsys.serving import folded
from recsys.training import ease
from recsys.training.options import Options

OPTIONS = Options()


def history_of(users: int, pairs: np.ndarray, ratings: np.ndarray) -> History:
    """From (N, 2) user and movie rows."""
    return History.build(users, pairs[:, 0], pairs[:, 1], ratings, np.zeros(len(pairs), np.int64))


def two_tastes(users: int, movies: int, share: float, seed: int = 0) -> tuple[History, np.ndarray]:
    """Users who like movies of odd rows, others who like even ones; and the (U, M) ratings."""
    rng = np.random.default_rng(seed)
    odd = np.arange(movies) % 2
    likes = rng.integers(0, 2, users)[:, None] == odd
    there = rng.random((users, movies)) < share * np.where(likes, 1, 0.2)
    there[:, 0] |= ~there.any(1)
    ratings = np.where(there, np.where(likes, 5, 2), 0).astype(np.float32)
    return history_of(users, np.argwhere(ratings) + 1, ratings[ratings > 0]), ratings


def fitted(
    history: History, movies: int, attributes=None, genres=None, options: Options = OPTIONS
) -> dict[str, np.ndarray]:
    if attributes is None:
        attributes = np.zeros((len(history.counts), 3), np.int8)
    if genres is None:
        genres = np.full((movies, 1), NO_WORD)
    return ease.fit(history, movies, attributes, genres, options)


def exact_weights(ratings: np.ndarray) -> np.ndarray:
    """Item-to-item weights by Steck's formula, in float64."""
    shares = ratings / 5 / np.sqrt((ratings > 0).sum(1, keepdims=True)).astype(np.float64)
    products = shares.T @ shares + OPTIONS.ease_ridge * np.eye(ratings.shape[1])
    inverse = np.linalg.inv(products)
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights


def source_and_target(tables: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """What a seen movie adds to a user's part, and the movie's own part, by movie row."""
    assert all(table.shape[-1] == EASE_DIM for table in tables.values())
    assert all((table[..., -1] == 0).all() for table in tables.values())
    return tables["seen"] * MAX_RATING / NEUTRAL_RATING, tables["movie_bias"] + tables["movie"]


def test_of_few_movies_the_weights_are_exact():
    history, ratings = two_tastes(200, 40, 0.4)
    source, target = source_and_target(fitted(history, 40))
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
    least = np.sqrt((values[ease.RANK :] ** 2).sum())
    assert np.linalg.norm(found - expected) < 1.02 * least


def test_solve_is_a_ridge_regression_of_each_movie_on_the_others():
    shares = np.random.default_rng(0).random((50, 6)).astype(np.float32)
    weights, ridge = ease.solve(shares.T @ shares, 7.0), 7.0
    assert not np.diag(weights).any()
    for movie in range(6):
        others = np.arange(6) != movie
        a = shares[:, others]
        expected = np.linalg.solve(a.T @ a + ridge * np.eye(5), a.T @ shares[:, movie])
        np.testing.assert_allclose(weights[others, movie], expected, atol=1e-5)


def test_a_history_counts_by_its_ratings():
    """By two channels: the rating above the middle, and the middle for having seen the movie."""
    tables = fitted(two_tastes(100, 30, 0.5)[0], 30)
    assert set(CHANNELS) <= set(tables)
    assert not tables["liked"].any()
    np.testing.assert_allclose(tables["rated"] * NEUTRAL_RATING, tables["seen"], atol=1e-6)


def cold_start_cosines(tables: dict[str, np.ndarray], attributes, history) -> np.ndarray:
    """(M,) cosines of a cold-start user's EASE part with every movie's."""
    tables = {name: np.pad(table, [(0, 0)] * (table.ndim - 1) + [(2, 0)], constant_values=1)
              for name, table in tables.items()}  # fmt: skip
    tables |= {
        "user": np.zeros((2, 2), np.float32),
        "word": np.zeros((3, 1, 1), np.float32),
        "word_bias": np.zeros(1, np.float32),
        "title": np.zeros((1, 2), np.float32),
    }
    read, unknown = tables.__getitem__, np.zeros(1, int)
    user = folded.user_vectors(read, unknown, np.array([attributes]), [history])
    rows = np.arange(len(tables["movie"]))
    nothing = np.full((len(rows), 1), NO_WORD)
    movies = folded.movie_vectors(read, rows, nothing, nothing)
    return (folded.parts(user)[2] @ folded.parts(movies)[2].T)[0, 1:]


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
    history = history_of(200, pairs, np.full(len(pairs), 4, np.float32))
    tables = fitted(history, 30, np.stack([gender, 0 * gender, 0 * gender], 1))
    no_history = np.zeros(0, int), np.zeros(0, np.float32)
    for profile, rates in ((1, 1), (2, 0), (0, 0)):
        cosines = cold_start_cosines(tables, (profile, 0, 0), no_history)
        assert cosines[odd == rates].min() > cosines[odd != rates].max()


def test_a_new_movie_is_predicted_from_its_genre():
    """Odd rows are of genre 1 and much rated, even ones of genre 2 and little."""
    rng = np.random.default_rng(2)
    odd = np.arange(40) % 2
    pairs = np.argwhere(rng.random((200, 40)) < np.where(odd, 0.7, 0.1)) + 1
    history = history_of(200, pairs, np.full(len(pairs), 5, np.float32))
    tables = fitted(history, 40, genres=(2 - odd)[:, None])
    assert np.isfinite(tables["movie"]).all()
    new = tables["movie_bias"] + tables["movie"][0] + tables["genre"]
    known = tables["movie_bias"] + tables["movie"][1:] + tables["genre"][2 - odd]
    user = tables["bias"]  # a cold-start user of whom nothing is known
    assert new[1] @ user > new[2] @ user
    assert np.median(known[odd == 1] @ user) == pytest.approx(new[1] @ user, rel=0.2)


def test_of_too_many_movies_the_most_rated_have_weights():
    history, ratings = two_tastes(200, 40, 0.4)
    options = Options(ease_movies=10)
    source, target = source_and_target(fitted(history, 40, options=options))
    most = np.argsort(-(ratings > 0).sum(0), kind="stable")[:10] + 1
    for part in (source, target):
        has = np.flatnonzero(np.abs(part[1:]).max(1) > 1e-6) + 1
        np.testing.assert_array_equal(has, np.sort(most))


@pytest.mark.parametrize(("users", "movies"), [(1, 1), (1, 5), (5, 1)])
def test_hardly_any_ratings(users, movies):
    tables = fitted(two_tastes(users, movies, 0.5)[0], movies)
    assert all(np.isfinite(table).all() for table in tables.values())


def test_joined_puts_the_columns_to_the_right():
    tables = {"bias": np.ones(2, np.float32), "title": np.ones((3, 2), np.float32)}
    whole = ease.joined(tables, {"bias": np.zeros(3, np.float32)})
    assert whole["bias"].tolist() == [1, 1, 0, 0, 0]
    assert whole["title"].shape == (3, 2)

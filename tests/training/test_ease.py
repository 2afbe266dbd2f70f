"""The EASE part: a shallow autoencoder's weights in few numbers, and what cold-start users get of it."""

import numpy as np
import pytest

from recsys.data.dataset import NO_WORD
from recsys.data.history import History
from recsys.data.movielens import MAX_RATING
from recsys.serving import folded as towers
from recsys.serving.folded import CHANNELS, EASE_DIM, NEUTRAL_RATING
from recsys.training import ease


def rated(users: int, movies: int, share: float, seed: int = 0) -> tuple[History, np.ndarray]:
    """Ratings by two tastes, movies of odd and of even rows; and the (U, M) ratings."""
    rng = np.random.default_rng(seed)
    odd = np.arange(movies) % 2
    likes = rng.integers(0, 2, users)[:, None] == odd
    there = rng.random((users, movies)) < share * np.where(likes, 1, 0.2)
    there[:, 0] |= ~there.any(1)
    ratings = np.where(there, np.where(likes, 5, 2), 0).astype(np.float32)
    user, movie = np.nonzero(ratings)
    return History.build(users, user + 1, movie + 1, ratings[user, movie]), ratings


def fitted(history: History, movies: int, attributes=None, genres=None) -> dict[str, np.ndarray]:
    users = len(history.offsets) - 1
    if attributes is None:
        attributes = np.zeros((users, 3), np.int8)
    if genres is None:
        genres = np.full((movies, 1), NO_WORD)
    return ease.fit(history, movies, attributes, genres)


def whole_ease(ratings: np.ndarray) -> np.ndarray:
    """Item-to-item weights by Steck's formula, in float64."""
    shares = ratings / 5 / np.sqrt((ratings > 0).sum(1, keepdims=True)).astype(np.float64)
    inverse = np.linalg.inv(shares.T @ shares + ease.RIDGE * np.eye(ratings.shape[1]))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights


def sides(tables: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """What a movie adds to a person's part when seen, and the movie's own part, by row."""
    assert all(table.shape[-1] == EASE_DIM for table in tables.values())
    assert all((table[..., -1] == 0).all() for table in tables.values())
    return tables["seen"] * MAX_RATING / NEUTRAL_RATING, tables["movie_bias"] + tables["movie"]


def test_the_weights_are_eases_where_they_need_not_be_cut():
    history, ratings = rated(200, 40, 0.4)
    source, target = sides(fitted(history, 40))
    found, expected = source[1:] @ target[1:].T, whole_ease(ratings)
    scale = (found * expected).sum() / (expected**2).sum()
    np.testing.assert_allclose(found, scale * expected, atol=1e-4 * np.abs(found).max())
    longest = np.linalg.norm(target[1:], axis=1).max()
    assert longest == pytest.approx(0.999, abs=1e-4)  # 1 would leave nothing for the last number


def test_cut_weights_are_the_nearest_of_their_rank():
    history, ratings = rated(500, 150, 0.3)
    source, target = sides(fitted(history, 150))
    found, expected = source[1:] @ target[1:].T, whole_ease(ratings)
    found *= (found * expected).sum() / (found**2).sum()
    values = np.linalg.svd(expected)[1]
    least = np.sqrt((values[ease.RANK :] ** 2).sum())
    assert np.linalg.norm(found - expected) < 1.02 * least


def test_a_rating_counts_its_stars():
    """Through the channels: the ratings above the middle, and the middle for having seen it."""
    tables = fitted(rated(100, 30, 0.5)[0], 30)
    assert set(CHANNELS) <= set(tables)
    assert not tables["liked"].any()
    np.testing.assert_allclose(tables["rated"] * NEUTRAL_RATING, tables["seen"], atol=1e-6)


def asked(tables: dict[str, np.ndarray], attributes, history) -> np.ndarray:
    """(M,) cosines of a cold-start user with every movie of the tables."""
    tables = {name: np.pad(table, [(0, 0)] * (table.ndim - 1) + [(2, 0)], constant_values=1)
              for name, table in tables.items()}  # fmt: skip
    tables |= {
        "user": np.zeros((2, 2), np.float32),
        "word": np.zeros((3, 1, 1), np.float32),
        "word_bias": np.zeros(1, np.float32),
        "title": np.zeros((1, 2), np.float32),
    }
    person = towers.user_vectors(
        tables.__getitem__, np.zeros(1, int), np.array([attributes]), [history]
    )
    rows = np.arange(len(tables["movie"]))
    nothing = np.full((len(rows), 1), NO_WORD)
    movies = towers.movie_vectors(tables.__getitem__, rows, nothing, nothing)
    return (towers.parts(person)[2] @ towers.parts(movies)[2].T)[0, 1:]


def test_a_cold_user_with_favourites_gets_movies_of_that_taste():
    tables = fitted(rated(300, 40, 0.4)[0], 40)
    for odd in (0, 1):
        liked = np.arange(1 + odd, 9, 2)
        cosines = asked(tables, (0, 0, 0), (liked, np.full(len(liked), 5, np.float32)))
        of_taste = np.arange(40) % 2 == odd
        best = np.argsort(-cosines, kind="stable")[:10]
        assert of_taste[best].all()
        assert cosines[of_taste].mean() > 2 * cosines[~of_taste].mean()


def test_a_cold_user_gets_what_people_of_the_profile_rate():
    """A gender that watches odd rows, one that watches even ones; nobody: what most watch."""
    rng = np.random.default_rng(1)
    odd = np.arange(30) % 2
    gender = np.concatenate([[0], np.repeat([1, 2], [60, 140])])
    there = rng.random((201, 30)) < np.where((gender[:, None] == 1) == (odd == 1), 0.8, 0.1)
    there[0] = False
    user, movie = np.nonzero(there)
    history = History.build(200, user, movie + 1, np.full(len(user), 4, np.float32))
    attributes = np.stack([gender, 0 * gender, 0 * gender], 1)
    tables = fitted(history, 30, attributes)
    for asks, watches in ((1, 1), (2, 0), (0, 0)):
        cosines = asked(tables, (asks, 0, 0), (np.zeros(0, int), np.zeros(0, np.float32)))
        assert cosines[odd == watches].min() > cosines[odd != watches].max()


def test_a_new_movie_is_predicted_from_its_genre():
    """Odd rows are of genre 1 and much rated, even ones of genre 2 and little."""
    rng = np.random.default_rng(2)
    odd = np.arange(40) % 2
    user, movie = np.nonzero(rng.random((200, 40)) < np.where(odd, 0.7, 0.1))
    history = History.build(200, user + 1, movie + 1, np.full(len(user), 5, np.float32))
    tables = fitted(history, 40, genres=(2 - odd)[:, None])
    for row in range(1, 41):  # known movies: genre and own part are the movie's part
        assert np.isfinite(tables["movie"][row]).all()
    new = tables["movie_bias"] + tables["movie"][0] + tables["genre"]
    known = tables["movie_bias"] + tables["movie"][1:] + tables["genre"][2 - odd]
    asks = tables["bias"]  # of a cold-start user of whom nothing is known
    assert new[1] @ asks > new[2] @ asks
    assert np.median(known[odd == 1] @ asks) == pytest.approx(new[1] @ asks, rel=0.2)


def test_of_many_movies_the_most_rated_have_weights(monkeypatch):
    history, ratings = rated(200, 40, 0.4)
    monkeypatch.setattr(ease, "MOVIES", 10)
    source, target = sides(fitted(history, 40))
    most = np.argsort(-(ratings > 0).sum(0), kind="stable")[:10] + 1
    for part in (source, target):
        has = np.flatnonzero(np.abs(part[1:]).max(1) > 1e-6) + 1
        np.testing.assert_array_equal(has, np.sort(most))


@pytest.mark.parametrize(("users", "movies"), [(1, 1), (1, 5), (5, 1)])
def test_hardly_any_ratings(users, movies):
    tables = fitted(rated(users, movies, 0.5)[0], movies)
    assert all(np.isfinite(table).all() for table in tables.values())

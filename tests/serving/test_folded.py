"""The towers in NumPy, in Paddle and as plain Paddle loads them are the same functions."""

import numpy as np
import pytest
from plain_paddle import plain_paddle

from recsys.data.dataset import NO_WORD
from recsys.serving import folded
from recsys.serving.folded import EASE_DIM, Weights
from recsys.serving.model_folder import ModelFolder


def some_users(folder: ModelFolder) -> dict[str, np.ndarray]:
    """(B,) inputs of known and unknown users, with and without each attribute and history."""
    rows = np.array([0, 1, 2, 0, 0, 308, 5])
    attributes = np.array(
        [[0, 0, 0], [2, 1, 11], [0, 3, 0], [2, 1, 11], [1, 7, 21], [1, 2, 3], [0, 0, 0]]
    )
    history = np.zeros((len(rows), 60), np.int64)
    ratings = np.zeros((len(rows), 60), np.float32)
    for place in (1, 4, 5):
        movies, given, _ = (column[:60] for column in folder.history.of(place))
        history[place, : len(movies)] = movies
        ratings[place, : len(given)] = given
    history[6, 0], ratings[6, 0] = 7, 1.0  # one movie, disliked
    gender, age, job = attributes.T.copy()
    sides = {"gender": gender, "age": age, "job": job}
    return {"user": rows, **sides, "history": history, "ratings": ratings}


def some_movies(folder: ModelFolder) -> dict[str, np.ndarray]:
    """All that were trained on; unknown ids; unknown words and genres; none of either."""
    words = folder.vocabulary.title_rows(folder.movies.titles)
    genres = folder.vocabulary.genre_rows(folder.movies.genres)
    rows = np.arange(1, len(words) + 1)
    words[2, :2] = 0
    genres[3, 0] = 0
    words[4] = NO_WORD
    genres[5] = NO_WORD
    words[6], genres[6], rows[6] = NO_WORD, NO_WORD, 0
    rows[7:12] = 0
    return {"movie": rows, "genres": genres, "title": words}


def vectors(folder: ModelFolder, inputs: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(B, V) of the users and (M, V) of the movies, in NumPy."""
    histories = [
        (rows[rows > 0], ratings[rows > 0])
        for rows, ratings in zip(inputs["history"], inputs["ratings"], strict=True)
    ]
    attributes = np.stack([inputs["gender"], inputs["age"], inputs["job"]], 1)
    users = folded.user_vectors(folder.table, inputs["user"], attributes, histories)
    return users, folded.movie_vectors(
        folder.table, inputs["movie"], inputs["genres"], inputs["title"]
    )


@pytest.mark.slow  # starts Paddle once more
def test_exported_towers_run_without_recsys_and_are_the_same(folder, tmp_path):
    inputs = some_users(folder) | some_movies(folder)
    users, movies = vectors(folder, inputs)
    theirs = plain_paddle(folder.path, tmp_path, **inputs)
    np.testing.assert_allclose(theirs["users"], users, atol=1e-5)
    np.testing.assert_allclose(theirs["movies"], movies, atol=1e-5)


def test_every_part_of_every_vector_is_of_unit_length(folder):
    for each in vectors(folder, some_users(folder) | some_movies(folder)):
        for part in folded.parts(each):
            np.testing.assert_allclose(np.linalg.norm(part, axis=1), 1, atol=1e-6)


def test_every_input_of_the_user_tower_matters(folder):
    unknown = {name: np.zeros_like(each[:1]) for name, each in some_users(folder).items()}
    base, _ = vectors(folder, unknown | some_movies(folder))
    for name, row in (("user", 3), ("gender", 1), ("age", 2), ("job", 5), ("history", 9)):
        changed = {each: value.copy() for each, value in unknown.items()}
        changed[name].flat[0] = row
        if name == "history":
            changed["ratings"].flat[0] = 5
        vector, _ = vectors(folder, changed | some_movies(folder))
        for place, part in enumerate(folded.parts(np.abs(vector - base))):
            assert (part.max() > 1e-3) == (name != "user" or place < 2), (
                name
            )  # EASE knows no user ids


def test_a_batch_of_users_is_the_same_as_one_by_one(folder):
    inputs = some_users(folder)
    together, _ = vectors(folder, inputs | some_movies(folder))
    for place in range(len(together)):
        one = {name: each[place : place + 1] for name, each in inputs.items()}
        alone, _ = vectors(folder, one | some_movies(folder))
        np.testing.assert_allclose(alone[0], together[place], atol=1e-6)


def test_more_users_than_a_block_holds(folder):
    rows = np.arange(1, 309).repeat(2)  # 616 users, 512 to a block
    histories = [folder.history.of(row)[:2] for row in rows]
    together = folded.user_vectors(folder.table, rows, folder.attributes[rows], histories)
    np.testing.assert_array_equal(together[::2], together[1::2])
    for place in (0, 511, 512, 615):
        alone = folded.user_vectors(
            folder.table,
            rows[place : place + 1],
            folder.attributes[rows[place : place + 1]],
            histories[place : place + 1],
        )
        np.testing.assert_allclose(alone[0], together[place], atol=1e-6)


def test_the_padding_of_titles_and_genres_changes_nothing(folder):
    inputs = some_movies(folder)
    wide = {
        **inputs,
        "title": np.pad(inputs["title"], ((0, 0), (0, 3)), constant_values=NO_WORD),
        "genres": np.pad(inputs["genres"], ((0, 0), (0, 2)), constant_values=NO_WORD),
    }
    users = some_users(folder)
    np.testing.assert_allclose(
        vectors(folder, users | wide)[1], vectors(folder, users | inputs)[1], atol=1e-6
    )


def test_the_order_of_words_matters(folder):
    rows = folder.vocabulary.title_rows(["Spirited Away (2001)", "Away Spirited (2001)"])
    unknown, none = np.zeros(2, np.int64), np.full((2, 1), NO_WORD)
    one, other = folded.movie_vectors(folder.table, unknown, none, rows)
    assert np.abs(one - other).max() > 1e-4


def test_channels_of_history_by_hand():
    liked, seen, rated = folded.channels(np.array([0, 0.5, 3.5, 4, 5], np.float32))
    assert liked.tolist() == [0, 0, 0, 1, 1]
    assert seen.tolist() == [0, 1, 1, 1, 1]
    assert rated.tolist() == [0, -3, 0, 0.5, 1.5]


@pytest.mark.parametrize(
    ("cosine", "rating"), [(1.0, 5.0), (0.5, 2.5), (0.1, 0.5), (0.02, 0.5), (-1.0, 0.5)]
)
def test_a_predicted_rating_is_five_times_the_cosine_within_the_scale(cosine, rating):
    user = np.array([[1, 0]], np.float32)
    movie = np.array([[cosine, np.sqrt(1 - cosine**2)]], np.float32)
    assert folded.predicted_ratings(user, movie) == pytest.approx([rating], abs=1e-6)


def test_parts_divide_a_vector_by_head():
    retrieval, rating, ease = folded.parts(np.arange(4 + EASE_DIM)[None])
    assert (retrieval.tolist(), rating.tolist()) == ([[0, 1]], [[2, 3]])
    assert ease.shape == (1, EASE_DIM)


def test_a_query_weighs_the_parts():
    """By hand: cosines of 1, 0.6 and -1 under weights 1, 2 and 5."""
    nothing = [0.0] * (EASE_DIM - 1)
    user = np.array([[1, 0, 0, 1, 1, *nothing]], np.float32)
    movie = np.array([[1, 0, 0.8, 0.6, -1, *nothing]], np.float32)
    query = Weights(1, 2, 5).query(user)
    assert query.dtype == np.float32
    assert query @ movie.T == pytest.approx(np.array([[(1 + 2 * 0.6 - 5) / 8]]))
    assert Weights(0, 1, 0).query(user) @ movie.T == pytest.approx(np.array([[0.6]]))
    twice = Weights(2, 4, 10).query(user)
    np.testing.assert_allclose(twice, query, rtol=1e-6)  # only their proportions count


def test_a_querys_inner_product_is_the_weighted_mean_of_cosines(folder):
    users, movies = vectors(folder, some_users(folder) | some_movies(folder))
    weights = Weights(1.0, 0.7, 1.0)
    cosines = [u @ m.T for u, m in zip(folded.parts(users), folded.parts(movies), strict=True)]
    expected = np.average(cosines, axis=0, weights=weights)
    np.testing.assert_allclose(weights.query(users) @ movies.T, expected, atol=1e-6)

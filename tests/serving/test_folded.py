"""The towers in NumPy, in Paddle and as plain Paddle loads them are the same functions."""

import numpy as np
import pytest
from plain_paddle import plain_paddle

from recsys.data.dataset import NO_WORD
from recsys.serving import folded as towers
from recsys.serving.model_folder import ModelFolder


def some_users(folder: ModelFolder) -> dict[str, np.ndarray]:
    """Known and unknown ones, with and without each attribute and history."""
    rows = np.array([0, 1, 2, 0, 0, 308, 5])
    attributes = np.array(
        [[0, 0, 0], [2, 1, 11], [0, 3, 0], [2, 1, 11], [1, 7, 21], [1, 2, 3], [0, 0, 0]]
    )
    history = np.zeros((len(rows), 60), np.int64)
    ratings = np.zeros((len(rows), 60), np.float32)
    for place in (1, 4, 5):
        movies, given = folder.history.of(place)
        history[place, : len(movies[:60])] = movies[:60]
        ratings[place, : len(given[:60])] = given[:60]
    history[6, 0], ratings[6, 0] = 7, 1.0  # one movie, disliked
    gender, age, job = attributes.T.copy()
    return {
        "user": rows, "gender": gender, "age": age, "job": job, "history": history, "ratings": ratings
    }  # fmt: skip


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


def ours(folder: ModelFolder, asked: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    histories = [
        (rows[rows > 0], ratings[rows > 0])
        for rows, ratings in zip(asked["history"], asked["ratings"], strict=True)
    ]
    attributes = np.stack([asked["gender"], asked["age"], asked["job"]], 1)
    users = towers.user_vectors(folder.table, asked["user"], attributes, histories)
    return users, towers.movie_vectors(
        folder.table, asked["movie"], asked["genres"], asked["title"]
    )


def test_exported_towers_run_without_recsys_and_are_ours(folder, tmp_path):
    asked = some_users(folder) | some_movies(folder)
    users, movies = ours(folder, asked)
    theirs = plain_paddle(folder.path, tmp_path, **asked)
    np.testing.assert_allclose(theirs["users"], users, atol=1e-5)
    np.testing.assert_allclose(theirs["movies"], movies, atol=1e-5)


def test_every_part_of_every_vector_is_of_unit_length(folder):
    for vectors in ours(folder, some_users(folder) | some_movies(folder)):
        for part in towers.parts(vectors):
            np.testing.assert_allclose(np.linalg.norm(part, axis=1), 1, atol=1e-6)


def test_every_input_of_the_user_tower_matters(folder):
    nobody = {name: np.zeros_like(each[:1]) for name, each in some_users(folder).items()}
    base, _ = ours(folder, nobody | some_movies(folder))
    for name, row in (("user", 3), ("gender", 1), ("age", 2), ("job", 5), ("history", 9)):
        changed = {each: value.copy() for each, value in nobody.items()}
        changed[name].flat[0] = row
        if name == "history":
            changed["ratings"].flat[0] = 5
        vector, _ = ours(folder, changed | some_movies(folder))
        for place, part in enumerate(towers.parts(np.abs(vector - base))):
            assert (part.max() > 1e-3) == (name != "user" or place < 2), name  # no id is linear


def test_many_at_once_are_the_same_as_one_by_one(folder):
    asked = some_users(folder)
    together, _ = ours(folder, asked | some_movies(folder))
    for place in range(len(together)):
        one = {name: each[place : place + 1] for name, each in asked.items()}
        alone, _ = ours(folder, one | some_movies(folder))
        np.testing.assert_allclose(alone[0], together[place], atol=1e-6)


def test_more_people_than_a_block_holds(folder):
    rows = np.arange(1, 309).repeat(2)  # 616 people, 512 to a block
    histories = [folder.history.of(row) for row in rows]
    vectors = towers.user_vectors(folder.table, rows, folder.attributes[rows], histories)
    np.testing.assert_array_equal(vectors[::2], vectors[1::2])
    for place in (0, 511, 512, 615):
        alone = towers.user_vectors(
            folder.table,
            rows[place : place + 1],
            folder.attributes[rows[place : place + 1]],
            histories[place : place + 1],
        )
        np.testing.assert_allclose(alone[0], vectors[place], atol=1e-6)


def test_the_padding_of_titles_and_genres_changes_nothing(folder):
    asked = some_movies(folder)
    wide = {
        **asked,
        "title": np.pad(asked["title"], ((0, 0), (0, 3)), constant_values=NO_WORD),
        "genres": np.pad(asked["genres"], ((0, 0), (0, 2)), constant_values=NO_WORD),
    }
    users = some_users(folder)
    np.testing.assert_allclose(
        ours(folder, users | wide)[1], ours(folder, users | asked)[1], atol=1e-6
    )


def test_the_order_of_words_matters(folder):
    rows = folder.vocabulary.title_rows(["Spirited Away (2001)", "Away Spirited (2001)"])
    unknown, none = np.zeros(2, np.int64), np.full((2, 1), NO_WORD)
    one, other = towers.movie_vectors(folder.table, unknown, none, rows)
    assert np.abs(one - other).max() > 1e-4


def test_channels_of_history_by_hand():
    liked, seen, rated = towers.channels(np.array([0, 0.5, 3.5, 4, 5], np.float32))
    assert liked.tolist() == [0, 0, 0, 1, 1]
    assert seen.tolist() == [0, 1, 1, 1, 1]
    assert rated.tolist() == [0, -3, 0, 0.5, 1.5]


@pytest.mark.parametrize(
    ("cosine", "rating"), [(1.0, 5.0), (0.5, 2.5), (0.1, 0.5), (0.02, 0.5), (-1.0, 0.5)]
)
def test_stars_are_five_times_the_cosine_within_the_scale(cosine, ratings):
    user = np.array([[1, 0]], np.float32)
    movie = np.array([[cosine, np.sqrt(1 - cosine**2)]], np.float32)
    assert towers.predicted_ratings(user, movie) == pytest.approx([ratings], abs=1e-6)

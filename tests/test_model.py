"""The towers in Paddle: the form that trains, the plain form that is exported, folded tables."""

import numpy as np
import pytest

from recsys.data.dataset import Movies, Users, Vocabulary
from recsys.data.interactions import Interactions
from recsys.data.schema import MOVIELENS, PADDING
from recsys.model import (
    Config,
    MovieTower,
    TextCNN,
    UserTower,
    Windows,
    folded,
    paddle,
)
from recsys.parts.heads import Heads
from recsys.parts.part import Asked

CONFIG = Config(
    users=6, movies=9, words=11, genres=4, dimension=5, id_size=7, side_size=3, filters=4
)
TITLES = np.array(
    [
        [3, 1, 4, 1, 5],
        [9, 2, 6, PADDING, PADDING],
        [5, PADDING, PADDING, PADDING, PADDING],
        [0, 8, 0, PADDING, PADDING],  # unknown words
        [PADDING] * 5,  # no word at all
        [11, 0, PADDING, PADDING, PADDING],
    ]
)
GENRES = np.array([[1, 2], [4, PADDING], [PADDING, PADDING], [0, 3], [2, PADDING], [0, PADDING]])
MOVIES = np.array([1, 9, 0, 4, 0, 2])
TWO_MOVIES = Movies(np.array([1, 2]), ["Heat (1995)", "M (1931)"], [("Crime",), ("Drama",)])


@pytest.fixture
def tower_pair():
    """Both towers with every parameter, biases too, away from its start."""
    paddle.seed(3)
    pair = UserTower(CONFIG), MovieTower(CONFIG)
    rng = np.random.default_rng(3)
    for tower in pair:
        for each in tower.parameters():
            each.set_value(rng.normal(0, 0.3, each.shape).astype(np.float32))
    return pair


def joined(heads):
    return np.concatenate([head.numpy() for head in heads], 1)


def plainly(movies, titles=TITLES):
    return movies(*map(paddle.to_tensor, (MOVIES, GENRES, titles)))


def as_in_training(movies):
    """The same movies in the form that training uses."""
    ones = np.zeros((len(MOVIES), CONFIG.genres + 1), np.float32)
    for movie, column in zip(*np.nonzero(GENRES >= 0), strict=True):
        ones[movie, GENRES[movie, column]] += 1
    return movies.catalogue(paddle.to_tensor(MOVIES), paddle.to_tensor(ones), windows())


def windows(rows=TITLES):
    return Windows.of(paddle.to_tensor(rows))


def text_vectors(text, rows):
    """(C, 2 D) of padded texts, written the slow and obvious way."""
    word, window, bias = (each.numpy() for each in (text.word, text.window, text.bias))
    found = np.zeros((len(rows), window.shape[1]), np.float32)
    for total, each in zip(found, rows, strict=True):
        words = word[each[each != PADDING]]
        around = np.pad(words, ((1, 1), (0, 0)))
        for place in range(len(words)):
            total += np.tanh(around[place : place + 3].ravel() @ window + bias)
        total /= max(len(words), 1) if text.mean else 1
    return found @ text.weight.numpy()


def test_training_has_the_movies_as_the_exported_tower_has_them(tower_pair):
    _, movies = tower_pair
    np.testing.assert_allclose(joined(as_in_training(movies)), joined(plainly(movies)), atol=1e-6)


@pytest.mark.parametrize("mean", [False, True])
def test_a_text_is_the_sum_or_the_mean_of_its_windows_of_three_words(mean):
    paddle.seed(3)
    text = TextCNN(11, CONFIG, mean)
    text.bias.set_value(np.arange(4, dtype=np.float32) / 4)
    for rows in (TITLES, TITLES[:1, ::-1].copy(), np.full((2, 3), PADDING)):
        found = text(windows(rows)).numpy()
        np.testing.assert_allclose(found, text_vectors(text, rows), atol=1e-6)


def test_folded_tables_give_the_user_towers_vectors(tower_pair):
    """With what each rating weighs by recency, which moves the retrieval head alone."""
    rows = np.array([0, 6, 3, 0])
    attributes = np.array([[0, 0, 0], [2, 7, 21], [1, 0, 4], [1, 1, 1]])
    history = np.array([[0, 0, 0], [2, 5, 9], [4, 0, 0], [1, 8, 0]])
    ratings = np.array([[0, 0, 0], [5, 1, 3.5], [4, 0, 0], [0.5, 2, 0]], np.float32)
    recency = np.array([[0, 0, 0], [0.4, 0.1, 1], [0.7, 0, 0], [1, 0.2, 0]], np.float32)

    def towers(recency):
        inputs = map(paddle.to_tensor, (rows, history, ratings, recency))
        user, *rest = inputs
        return joined(tower_pair[0](user, list(paddle.to_tensor(attributes.T.copy())), *rest))

    there = history > 0
    users = np.nonzero(there)[0]
    rated = Interactions.build(3, users, history[there], ratings[there])
    recent = recency[there]
    asked = Asked.of(rows, attributes, MOVIELENS, rated)._replace(recent=recent)
    parts = Heads().users(folded(tower_pair[0]), asked)
    ours = np.hstack([parts["retrieval"], parts["rating"]])
    np.testing.assert_allclose(ours, towers(recency), atol=1e-5)
    alike = towers(np.ones_like(recency))
    np.testing.assert_allclose(ours[:, 5:], alike[:, 5:], atol=1e-5)
    assert np.abs(ours[:, :5] - alike[:, :5]).max() > 1e-3


def test_the_tutorials_inputs_and_sizes(tower_pair):
    users, movies = tower_pair
    assert {each.name: each.size for each in MOVIELENS} == {"gender": 2, "age": 7, "job": 21}
    described = Users(np.arange(3), np.ones((3, 3), np.int32), MOVIELENS)
    sizes = Config.of(Vocabulary.of(described, TWO_MOVIES))
    assert (sizes.users, sizes.movies, sizes.genres, sizes.id_size) == (3, 2, 2, 256)
    assert users.user.embedding.shape == [CONFIG.users + 1, CONFIG.id_size]  # row 0 is unknown
    assert movies.movie.embedding.shape == [CONFIG.movies + 1, CONFIG.id_size]


def test_config_names_the_inputs_of_the_exported_towers(folder):
    inputs = folder.config["inputs"]
    lists = [-1, -1]
    assert inputs["user_tower"] == [
        *([name, "int64", [-1]] for name in ("user", "gender", "age", "job")),
        ["history", "int64", lists],
        *([name, "float32", lists] for name in ("ratings", "recency")),
    ]
    assert inputs["movie_tower"] == [
        ["movie", "int64", [-1]],
        *([name, "int64", lists] for name in ("genres", "title")),
    ]

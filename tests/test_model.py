"""The towers in Paddle: the form that trains, the plain form that is exported, folded tables."""

import numpy as np
import pytest
from command_line import output

from recsys.data.dataset import Vocabulary
from recsys.data.ids import PADDING
from recsys.data.interactions import Interactions
from recsys.data.schema import MOVIELENS
from recsys.model import MovieTower, TextCNN, UserTower, Windows, folded, paddle
from recsys.options import Options
from recsys.parts.heads import Heads
from recsys.parts.part import Asked

VOCABULARY = Vocabulary(range(6), range(9), [*"abcdefghijk"], [*"abcd"])
OPTIONS = Options(dimension=5, id_size=7, side_size=3, filters=4)
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


@pytest.fixture
def tower_pair():
    return towers_of(rated=True)


def towers_of(rated):
    """Both towers with every parameter, biases too, away from its start."""
    paddle.seed(3)
    pair = UserTower(VOCABULARY, OPTIONS, rated), MovieTower(VOCABULARY, OPTIONS, rated)
    rng = np.random.default_rng(3)
    for tower in pair:
        for each in tower.parameters():
            each.set_value(rng.normal(0, 0.3, each.shape).astype(np.float32))
    return pair


def test_an_embedding_of_very_many_ids_is_bounded(monkeypatch):
    monkeypatch.setattr("recsys.model.MOST", 9 * 3)
    movies = MovieTower(VOCABULARY, OPTIONS)
    assert movies.movie.embedding.shape == [1 + 9, 3]
    assert movies.movie.table().shape == [1 + 9, 2 * OPTIONS.dimension]


def joined(heads):
    return np.concatenate([head.numpy() for head in heads], 1)


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
    plainly = movies(*map(paddle.to_tensor, (MOVIES, GENRES, TITLES)))
    ones = np.zeros((len(MOVIES), 5), np.float32)
    for movie, column in zip(*np.nonzero(GENRES >= 0), strict=True):
        ones[movie, GENRES[movie, column]] += 1
    trained = movies.catalogue(paddle.to_tensor(MOVIES), paddle.to_tensor(ones), windows())
    np.testing.assert_allclose(joined(trained), joined(plainly), atol=1e-6)


@pytest.mark.parametrize("mean", [False, True])
def test_a_text_is_the_sum_or_the_mean_of_its_windows_of_three_words(mean):
    paddle.seed(3)
    text = TextCNN(11, OPTIONS, 2 * OPTIONS.dimension, mean)
    text.bias.set_value(np.arange(4, dtype=np.float32) / 4)
    for rows in (TITLES, TITLES[:1, ::-1].copy(), np.full((2, 3), PADDING)):
        found = text(windows(rows)).numpy()
        np.testing.assert_allclose(found, text_vectors(text, rows), atol=1e-6)


@pytest.mark.parametrize("rated", [True, False])
def test_folded_tables_give_the_user_towers_vectors(rated):
    """With what each rating weighs by recency, which moves the retrieval head alone."""
    users = towers_of(rated)[0]
    rows = np.array([0, 6, 3, 0])
    attributes = np.array([[0, 0, 0], [2, 7, 21], [1, 0, 4], [1, 1, 1]])
    history = np.array([[0, 0, 0], [2, 5, 9], [4, 0, 0], [1, 8, 0]])
    ratings = np.array([[0, 0, 0], [5, 1, 3.5], [4, 0, 0], [0.5, 2, 0]], np.float32)
    recency = np.array([[0, 0, 0], [0.4, 0.1, 1], [0.7, 0, 0], [1, 0.2, 0]], np.float32)

    def towers(recency):
        user, *rest = map(paddle.to_tensor, (rows, history, recency, ratings)[: 2 + users.heads])
        return joined(users(user, [*paddle.to_tensor(attributes.T.copy())], *rest))

    mask = history > 0
    rated = Interactions.build(3, np.nonzero(mask)[0], history[mask], ratings[mask])
    asked = Asked(rows, attributes, MOVIELENS, rated)
    vars(asked)["recent"] = recency[mask]
    ours = np.hstack([*Heads().users(folded(users), asked).values()])
    np.testing.assert_allclose(ours, towers(recency), atol=1e-5)
    alike = towers(np.ones_like(recency))
    np.testing.assert_allclose(ours[:, 5:], alike[:, 5:], atol=1e-5)
    assert np.abs(ours[:, :5] - alike[:, :5]).max() > 1e-3


@pytest.mark.slow  # a process of its own loads Paddle
def test_ctrl_c_while_paddle_is_loaded_waits_for_its_end():
    """Paddle would make another error of it."""
    code = """
import signal, sys

class Finder:
    def find_spec(self, name, path, target=None):
        if name == "paddle.base":
            sys.meta_path.remove(self)
            signal.raise_signal(signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Finder())
try:
    import recsys.model
except KeyboardInterrupt:
    print("paddle.static" in sys.modules)
"""
    assert output("-c", code) == "True\n"

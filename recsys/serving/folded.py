"""Both towers in NumPy, over the tables a trained model folds into. No Paddle here.

A user's embedding goes through its layer and is added to the others, so every attribute is one
row of a small table, and a vector is a few look-ups and a normalisation. The last axis of every
table holds the parts of a vector side by side: D numbers of the retrieval head, D of the rating
head, and EASE_DIM of the EASE part (`recsys.training.ease`), which user ids and titles lack.

    user vector  = unit(bias + user + gender + age + job + sum over channels of
                        (weights @ channel table) / sqrt(sum |weights| + 1))
    channels     : liked (rated LIKED and more: 1), seen (1), rated (rating - NEUTRAL_RATING)
    movie vector = unit(bias + movie + sum of genres + sum over words of tanh(conv) @ title)

Each part is brought to length 1 by itself; a movie's EASE part by its last number.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import NO_WORD
from recsys.data.movielens import LIKED, MAX_RATING, MIN_RATING, NEUTRAL_RATING

CHANNELS = ("liked", "seen", "rated")
EASE_DIM = 64  # numbers of the EASE part

Table = Callable[[str], NDArray[np.float32]]
Rated = tuple[NDArray[np.integer], NDArray[np.float32]]  # movie rows and their ratings


class Weights(NamedTuple):
    """The weights of the parts' cosines in a score.

    >>> Weights(0, 1, 0).query(np.ones((1, 66), np.float32)).sum()
    np.float32(1.0)
    """

    retrieval: float
    rating: float
    ease: float

    @classmethod
    def of(cls, options: Any) -> "Weights":
        """The weights that the options of training name; those of retrieval are 1."""
        return cls(1.0, options.rating_weight, options.ease_weight)

    def query(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, V) users' vectors so that the inner product with a movie's is the weighted mean."""
        weights = np.array(self, np.float32)
        weights /= weights.sum()
        pairs = zip(parts(vectors), weights, strict=True)
        return np.concatenate([part * weight for part, weight in pairs], -1)


def channels(ratings: NDArray[np.float32]) -> NDArray[np.float32]:
    """(3, ...) weights of rated movies in the channels; rating 0, not rated, weighs nothing."""
    weights = np.empty((len(CHANNELS), *ratings.shape), np.float32)
    liked, seen, rated = weights
    np.greater_equal(ratings, LIKED, out=liked)
    np.greater(ratings, 0, out=seen)
    np.multiply(ratings - NEUTRAL_RATING, seen, out=rated)
    return weights


def parts(vectors: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """(..., V) to the retrieval (..., D), rating (..., D) and EASE (..., EASE_DIM) parts."""
    d = (vectors.shape[-1] - EASE_DIM) // 2
    return np.split(vectors, [d, 2 * d], axis=-1)


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(..., V) with each part brought to length 1; one that is all 0 stays so."""
    lengths = [np.sqrt(np.square(part).sum(-1, keepdims=True)) for part in parts(vectors)]
    pairs = zip(parts(vectors), lengths, strict=True)
    return np.concatenate([part / np.maximum(length, 1e-6) for part, length in pairs], -1)


def predicted_ratings(
    users: NDArray[np.float32], movies: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(N,) 5 x cosine of (N, D) pairs of the rating head's vectors, within the scale."""
    cosine = np.einsum("nd,nd->n", users, movies)
    return np.clip(MAX_RATING * cosine, MIN_RATING, MAX_RATING)


def user_vectors(
    table: Table,
    user_rows: NDArray[np.integer],
    attributes: NDArray[np.integer],
    histories: Sequence[Rated],
) -> NDArray[np.float32]:
    """(B, V) vectors of users, each part of unit length.

    Args:
        table: a folded table by its name.
        user_rows: (B,), 0 for a user the model does not know.
        attributes: (B, 3) rows of gender, age and job, 0 for unknown.
        histories: for each user the rows of rated movies and their ratings.
    """
    total = np.tile(table("bias"), (len(user_rows), 1))
    user = table("user")[user_rows]
    total[:, : user.shape[1]] += user
    for column, name in enumerate(("gender", "age", "job")):
        total += table(name)[attributes[:, column]]
    if len(histories) == 1:
        total += _history_of_one(table, *histories[0])
    elif any(len(rows) for rows, _ in histories):
        for start in range(0, len(histories), 512):  # bounds the dense block
            block = slice(start, start + 512)
            total[block] += _history_of_block(table, histories[block])
    return unit(total)


def _history_of_one(
    table: Table, rows: NDArray[np.integer], ratings: NDArray[np.float32]
) -> NDArray[np.float32]:
    total = np.zeros(table("bias").shape, np.float32)
    for name, weights in zip(CHANNELS, channels(np.asarray(ratings, np.float32)), strict=True):
        total += (weights @ table(name)[rows]) / np.sqrt(np.abs(weights).sum() + 1)
    return total


def _history_of_block(table: Table, histories: Sequence[Rated]) -> NDArray[np.float32]:
    dense = np.zeros((len(histories), len(table("seen"))), np.float32)
    for place, (rows, ratings) in enumerate(histories):
        dense[place, rows] = ratings
    total = np.zeros((len(histories), table("seen").shape[1]), np.float32)
    for name, weights in zip(CHANNELS, channels(dense), strict=True):
        total += (weights @ table(name)) / np.sqrt(np.abs(weights).sum(1, keepdims=True) + 1)
    return total


def movie_vectors(
    table: Table,
    movie_rows: NDArray[np.integer],
    genre_rows: NDArray[np.integer],
    title_rows: NDArray[np.integer],
) -> NDArray[np.float32]:
    """(B, V) vectors of movies, each part of unit length.

    Args:
        table: a folded table by its name.
        movie_rows: (B,), 0 for a movie the model does not know.
        genre_rows: (B, G), NO_WORD behind the last.
        title_rows: (B, T), NO_WORD behind the last.
    """
    has_genre = (genre_rows != NO_WORD)[..., None]
    total = table("movie_bias") + table("movie")[movie_rows]
    total = total + (table("genre")[np.maximum(genre_rows, 0)] * has_genre).sum(1)
    title = _title(table, title_rows)
    total[:, : title.shape[1]] += title
    ease = total[:, -EASE_DIM:]
    ease[:, -1] = np.sqrt(np.maximum(1 - np.square(ease[:, :-1]).sum(1), 0))
    return unit(total)


def _title(table: Table, title_rows: NDArray[np.integer]) -> NDArray[np.float32]:
    """The text CNN: a window of three words, tanh, summed over the title."""
    before, here, after = table("word")  # each (W + 1, F): the window's three places
    has_word = (title_rows != NO_WORD)[..., None]
    rows = np.maximum(title_rows, 0)
    window = here[rows] * has_word
    window[:, 1:] += before[rows[:, :-1]] * has_word[:, :-1]
    window[:, :-1] += after[rows[:, 1:]] * has_word[:, 1:]
    words = np.tanh(window + table("word_bias")) * has_word
    return words.sum(1) @ table("title")

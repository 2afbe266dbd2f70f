"""Users as parts of a vector: the user tower folded into tables, and the closed forms. No Paddle.

A user's embedding goes through its layer and is added to the others, so every attribute is one
row of a small table, and a vector is a few look-ups and a normalisation:

    heads    unit(bias + user + attributes + sum over channels of
                  sum of weights x rows of the channel's table / sqrt(sum of |weights| + 1))
    channels liked (rated LIKED and more: 1), seen (1), rated (rating - NEUTRAL_RATING)
    EASE     unit(bias + attributes + sum of weights x ratings / 5 x rows of its own table)
    factors  [p, 1, a + mean] of `recsys.serving.factors`, such that the inner product is a rating

The retrieval head and the EASE part weigh a history by recency, the rating head and the factors
take all of it alike.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.interactions import Interactions
from recsys.data.movielens import LIKED, MAX_RATING, NEUTRAL_RATING
from recsys.data.schema import MOVIELENS, Attributes, parts
from recsys.serving.factors import RatingFactors
from recsys.serving.vector import Array, unit

CHANNELS = ("liked", "seen", "rated")
Table = Callable[[str], Array]


class Asked(NamedTuple):
    """What is known of B users at the moment of asking."""

    user_rows: NDArray[np.int64]  # (B,) 0 for cold-start users
    attributes: NDArray[np.int64]  # (B, W) rows of the attributes, 0 for unknown
    history: Interactions  # B rows, in the order of the users
    recent: Array  # (N,) weights by recency; 0 for what only the factors are to know
    shown: Array  # (N,) 1, or 0 likewise
    described: Attributes = MOVIELENS  # whose rows `attributes` are
    rated: NDArray[np.bool_] | None = None  # (N,) False of what is no rating; None: all are one


def channel_values(
    ratings: NDArray[np.floating], weights: Array, owners: NDArray[np.integer], rows: int
) -> list[Array]:
    """(E,) for each of CHANNELS: what ratings weigh in it, scaled by their owners' sums.

    Args:
        weights: (E,) of each rating, 0 to leave it out.
        owners: (E,) whose each is, of `rows` users.
    """
    kinds = ((ratings >= LIKED), 1, ratings - np.float32(NEUTRAL_RATING))
    values = [(weights * kind).astype(np.float32) for kind in kinds]
    sums = [np.bincount(owners, np.abs(each), rows)[owners] for each in values]
    return [
        each / np.sqrt(total + 1).astype(np.float32)
        for each, total in zip(values, sums, strict=True)
    ]


def head_parts(table: Table, asked: Asked) -> dict[str, Array]:
    """(B, D) unit vectors of the retrieval and the rating head, of the folded user tower."""
    total = table("bias") + table("user")[asked.user_rows]
    for attribute, rows in parts(asked.described, asked.attributes):
        total = total + means(table(f"user_{attribute.name}"), rows)
    halves = np.split(total, 2, axis=1)
    for place, weights in enumerate((asked.recent, asked.shown)):
        columns = slice(place * halves[0].shape[1], (place + 1) * halves[0].shape[1])
        for name, values in zip(CHANNELS, _values(asked, weights), strict=True):
            halves[place] = halves[place] + asked.history.sums(table(name)[:, columns], values)
    return {"retrieval": unit(halves[0]), "rating": unit(halves[1])}


def ease_part(table: Table, asked: Asked) -> Array:
    """(B, R) unit vectors of the EASE part."""
    values = asked.recent * asked.history.ratings / np.float32(MAX_RATING)
    total = table("ease_bias") + asked.history.sums(table("ease_source"), values)
    for attribute, rows in parts(asked.described, asked.attributes):
        total = total + means(table(f"ease_user_{attribute.name}"), rows)
    return unit(total)


def means(table: Array, rows: NDArray[np.integer]) -> Array:
    """(B, V) the mean of each user's rows of a table, of (B, w) with NO_VALUE behind the last."""
    if rows.shape[1] == 1:
        return table[rows[:, 0]]
    there = (rows >= 0)[:, :, None]
    sums = (table[np.maximum(rows, 0)] * there).sum(1)
    return (sums / np.maximum(there.sum(1), 1)).astype(np.float32)


def factor_part(factors: RatingFactors, asked: Asked) -> Array:
    """(B, F) whose inner product with a movie's part is the predicted rating."""
    return factors.user_parts(factors.users(asked.history, asked.attributes, asked.rated))


def _values(asked: Asked, weights: Array) -> list[Array]:
    history = asked.history
    return channel_values(history.ratings, weights, history.owners, len(asked.user_rows))

"""The two heads of the towers: the user tower folded into tables, and a row a movie.

A user's embedding goes through its layer and is added to the others, so every attribute is one
row of a small table, and a vector is a few look-ups and a normalisation:

    unit(bias + user + attributes + sum over channels of
         sum of weights x rows of the channel's table / sqrt(sum of |weights| + 1))

with the channels liked (rated LIKED and more: 1), seen (1) and rated (rating - NEUTRAL_RATING).
The retrieval head weighs a history by recency, the rating head takes all of it alike. Training is
`recsys.training.batches` and `recsys.training.step`, with Paddle; here is NumPy only.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsys.data.scale import LIKED, NEUTRAL_RATING
from recsys.parts.part import Array, Arrays, Asked, Part, Training, side_effects, unit

if TYPE_CHECKING:
    from recsys.training.options import Options

CHANNELS = ("liked", "seen", "rated")


class Heads(Part):
    """(B, D) unit vectors of the retrieval and the rating head."""

    name = "heads"
    slices: tuple[str, ...] = ("retrieval", "rating")
    by_ratings = False
    movie_tables = CHANNELS
    user_tables = ("user",)

    def fit(self, data: Training, options: "Options") -> Arrays:
        """Nothing: the towers learn by epochs, and `TrainStep.arrays` gives theirs after each."""
        return {}

    def users(self, tables: Arrays, asked: Asked) -> dict[str, Array]:
        total = tables["bias"] + tables["user"][asked.user_rows] + side_effects(tables, asked)
        history, heads = asked.history, {}
        weights_of = (asked.recent, np.ones_like(asked.recent))
        halves = zip(self.slices, np.split(total, 2, axis=1), weights_of, strict=True)
        for number, (name, half, weights) in enumerate(halves):
            columns = slice(number * half.shape[1], (number + 1) * half.shape[1])
            scaled = channel_values(history.values, weights, history.owners, history.rows)
            for channel, values in zip(CHANNELS, scaled, strict=True):
                half = half + history.dot(tables[channel][:, columns], values)
            heads[name] = unit(half)
        return heads


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

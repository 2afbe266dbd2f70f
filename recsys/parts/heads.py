"""The two heads of the towers: the user tower folded into tables, and a row a movie.

A user's embedding goes through its layer and is added to the others, so every attribute is one
row of a small table, and a vector is a few look-ups and a normalisation:

    unit(bias + user + attributes + sum over channels of
         sum of weights x rows of the channel's table / sqrt(sum of |weights| + 1))

with the channels liked (rated LIKED and more: 1), seen (1) and rated (rating - NEUTRAL_RATING).
The retrieval head weighs a history by recency, the rating head takes all of it alike. Training is
`recsys.training.batches` and `recsys.training.step`, with Paddle; here is NumPy only.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from recsys.data.scale import LIKED, NEUTRAL_RATING
from recsys.options import Options
from recsys.parts.part import Array, Arrays, Asked, Part, Training, side_effects, unit

CHANNELS = ("liked", "seen", "rated")


class Heads(Part):
    """(B, D) unit vectors of the retrieval and the rating head."""

    name = "heads"
    slices: tuple[str, ...] = ("retrieval", "rating")
    by_ratings = False
    movie_tables = CHANNELS
    user_tables = ("user",)

    def fit(self, data: Training, options: Options) -> Arrays:
        """Nothing: the towers learn by epochs, and `TrainStep.arrays` gives theirs after each."""
        return {}

    def users(self, tables: Arrays, asked: Asked) -> dict[str, Array]:
        total = tables["bias"] + tables["user"][asked.user_rows] + side_effects(tables, asked)
        history, d = asked.history, total.shape[1] // 2
        weights = np.array([asked.recent, np.ones_like(asked.recent)])
        scaled = channel_values(history.values, weights, history.owners, history.rows)
        sums: Iterable[Array]
        if history.rows == 1:  # soonest
            rated = np.array([tables[channel].take(history.indices, 0) for channel in CHANNELS])
            sums = np.einsum("cwn,cnwd->cwd", scaled, rated.reshape(len(CHANNELS), -1, 2, d))
        else:
            sums = (
                np.stack([*map(history.dot, (table[:, :d], table[:, d:]), each)], 1)
                for table, each in zip((tables[name] for name in CHANNELS), scaled, strict=True)
            )
        heads = unit(sum(sums, total.reshape(-1, 2, d)))  # (B, W, D)
        return dict(zip(self.slices, heads.transpose(1, 0, 2), strict=True))


def channel_values(ratings: Array, weights: Array, owners: NDArray[np.integer], rows: int) -> Array:
    """(C, W, E) what (W, E) weighted ratings are in each of CHANNELS, scaled by owners' sums."""
    kinds = [ratings >= LIKED, np.ones_like(ratings), ratings - np.float32(NEUTRAL_RATING)]
    values = np.array(kinds, np.float32)[:, None] * weights
    if rows == 1:  # soonest
        sums = np.abs(values).sum(-1, np.float64, keepdims=True)
    else:
        count = len(kinds) * len(weights)
        bins = owners + rows * np.arange(count).reshape(len(kinds), -1, 1)
        sums = np.bincount(bins.ravel(), np.abs(values).ravel(), rows * count)[bins]
    return values / np.sqrt(sums + 1).astype(np.float32)

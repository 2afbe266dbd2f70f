"""The two heads of the towers: the user tower folded into tables, and a row a movie.

A user's embedding goes through its layer and is added to the others, so every attribute is one
row of a small table, and a vector is a few look-ups and a normalisation:

    unit(bias + user + attributes + sum over channels of
         sum of weights x rows of the channel's table / sqrt(sum of |weights| + 1))

with the channels liked (rated LIKED and more: 1), seen (1) and rated (rating - NEUTRAL_RATING).
The retrieval head weighs a history by recency, the rating head takes all of it alike. Events are
all likes: they have the retrieval head and the channel seen alone, EVENT each. Training is
`recsys.training.batches` and `recsys.training.step`, with Paddle; here is NumPy only.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from recsys.data.scale import LIKED, NEUTRAL_RATING
from recsys.options import Options
from recsys.parts.part import Array, Arrays, Asked, Part, Training, side_effects, unit

CHANNELS = ("liked", "seen", "rated")  # of ratings
EVENTS, EVENT = ("seen",), 28.0  # the root scales what a step moves: of 1 to 60 the best


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
        history, channels = asked.history, [name for name in CHANNELS if name in tables]
        slices = self.slices[: heads(channels)]
        size = len(slices), total.shape[1] // len(slices)  # W, D
        weights = np.array([asked.recent, np.ones_like(asked.recent)][: len(slices)])
        scaled = channel_values(channels, history.values, weights, history.owners, history.rows)
        sums: Iterable[Array]
        if history.rows == 1:  # soonest
            rated = np.array([tables[name].take(history.indices, 0) for name in channels])
            rated = rated.reshape(len(channels), -1, *size)
            sums = np.einsum("cwn,cnwd->cwd", scaled, rated)
        else:
            every = (np.hsplit(tables[name], len(slices)) for name in channels)
            sums = (
                np.stack([*map(history.dot, halves, each)], 1)
                for halves, each in zip(every, scaled, strict=True)
            )
        vectors = unit(sum(sums, total.reshape(-1, *size)))  # (B, W, D)
        return dict(zip(slices, vectors.transpose(1, 0, 2), strict=True))


def channels_of(rated: bool) -> tuple[str, ...]:
    """The channels of ratings, or of events."""
    return CHANNELS if rated else EVENTS


def heads(channels: Sequence[str]) -> int:
    """How many heads a model of such channels has: W."""
    return 2 if len(channels) > 1 else 1


def channel_values(
    channels: Sequence[str],
    ratings: Array,
    weights: Array,
    owners: NDArray[np.integer],
    rows: int,
) -> Array:
    """(C, W, E) what (W, E) weighted ratings are in each of C channels, scaled by owners' sums."""
    if len(channels) > 1:  # CHANNELS
        kinds = [ratings >= LIKED, np.ones_like(ratings), ratings - np.float32(NEUTRAL_RATING)]
    else:
        kinds = [np.full_like(ratings, EVENT)]
    values = np.array(kinds, np.float32)[:, None] * weights
    if rows == 1:  # soonest
        sums = np.abs(values).sum(-1, np.float64, keepdims=True)
    else:
        count = len(kinds) * len(weights)
        bins = owners + rows * np.arange(count).reshape(len(kinds), -1, 1)
        sums = np.bincount(bins.ravel(), np.abs(values).ravel(), rows * count)[bins]
    return values / np.sqrt(sums + 1).astype(np.float32)

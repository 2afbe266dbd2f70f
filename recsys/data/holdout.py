"""Which ratings are kept from a training to judge it by: the latest, as it will be asked."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Ratings
from recsys.data.recency import later


class HeldOut(NamedTuple):
    """Which ratings are held out, and how they were chosen."""

    chosen: NDArray[np.bool_]  # (N,)
    how: str  # in words


def hold_out_latest(ratings: Ratings, share: float, seed: int) -> HeldOut:
    """The latest `share` of each user's ratings; where times tell nothing, random ones.

    Equal times stay together; a user whose ratings would all be held out keeps them.
    """
    order = np.lexsort((ratings.movie_ids, ratings.user_ids))
    users, times = ratings.user_ids[order], ratings.times[order]
    counts = np.unique(users, return_counts=True)[1]
    most = np.repeat(np.rint(counts * share).astype(np.int64), counts)
    held = later(users, times, inclusive=True) <= most
    how = "each user's latest"
    if held.mean() < share / 2:
        held, how = np.random.default_rng(seed).random(len(ratings)) < share, "drawn at random"
    out = np.zeros(len(ratings), bool)
    out[order] = held
    return HeldOut(out, how)

"""How much a rating of a history counts: less the more the same user rated after it. NumPy only."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


def later(
    owners: NDArray[np.integer], times: NDArray[np.integer], inclusive: bool = False
) -> NDArray[np.int64]:
    """(N,) how many ratings of the same owner have a later time; equal times count alike.

    Args:
        owners: (N,) ascending.
        times: (N,) in any order within an owner.
        inclusive: count those of the same time too, the rating itself among them.
    """
    order = np.lexsort((times, owners))
    owner, time = owners[order], times[order]
    ends = np.searchsorted(owner, owner, side="right")  # (N,) behind the owner's last
    edge = np.ones(len(order), bool)
    edge[1:] = (owner[1:] != owner[:-1]) | (time[1:] != time[:-1])
    starts = np.flatnonzero(edge)  # of the groups of equal owner and time
    bounds = starts if inclusive else np.append(starts[1:], len(order))
    counts = np.empty(len(order), np.int64)
    counts[order] = ends - bounds[np.cumsum(edge) - 1]
    return counts


class Recency(NamedTuple):
    """floor + (1 - floor) exp(-later / span): 1 for the latest rating; floor 1 means no recency."""

    floor: float = 1.0
    span: float = 10.0  # ratings

    def weights(self, counts: NDArray[np.integer]) -> NDArray[np.float32]:
        """(N,) what ratings count that have (N,) ratings of their owner's behind them."""
        decay = np.exp(np.asarray(counts, np.float32) * np.float32(-1 / self.span))
        return (self.floor + (1 - self.floor) * decay).astype(np.float32)

    def by_user(
        self, owners: NDArray[np.integer], times: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """(N,) what ratings count, by (N,) their owners, ascending, and times."""
        return self.weights(later(owners, times))


def first_times(
    movies: NDArray[np.integer], times: NDArray[np.integer], count: int
) -> NDArray[np.int64]:
    """(count,) when each of so many movies was first rated; of one never rated, the latest time.

    Args:
        movies: (N,) places of the movies rated, from 0 on.
        times: (N,) when each was.
    """
    first = np.full(count, times.max(initial=0), np.int64)
    np.minimum.at(first, movies, times)
    return first

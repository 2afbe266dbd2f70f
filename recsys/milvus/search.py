"""Which queries are sent together, and what of the hits is left out again."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.ids import is_text, positions
from recsys.serving.catalogue import NO_MOVIE, NO_TEXT, Hits

QUERIES_AT_ONCE = 1_000
INLINE = 5_000  # excluded movies named in the expression; more are asked for and left out here


class Group(NamedTuple):
    """Queries that are sent together."""

    rows: NDArray[np.intp]  # of the queries
    limit: int  # hits asked for
    inline: bool  # whether the expression names the excluded movies


def groups(sizes: Sequence[int], k: int, most: int, at_once: int) -> Iterator[Group]:
    """Queries to send together.

    Only one query at a time can name its excluded movies; several ask for as many movies more as
    the largest of them excludes, so those that exclude about as many go together.

    Args:
        sizes: how many movies each query excludes.
        most: the largest limit.
        at_once: how many hits may come back at once.
    """
    order = np.argsort(sizes, kind="stable")
    ordered = np.asarray(sizes, np.int64)[order]
    start = 0
    while start < len(order):
        similar = int(np.searchsorted(ordered, 2 * ordered[start] + k, "right"))
        stop = min(similar, start + QUERIES_AT_ONCE)
        stop = min(stop, start + max(1, at_once // (k + int(ordered[stop - 1]))))
        limit = k + int(ordered[stop - 1])
        alone = len(order) == 1 and ordered[0] <= INLINE
        if limit > most or alone:
            yield Group(order[start : start + 1], min(k, most), True)
            start += 1
        else:
            yield Group(order[start:stop], limit, False)
            start = stop


def leave_out(hits: Hits, exclude: Sequence[NDArray]) -> None:
    """Blank the hits of each row that it excludes, in place."""
    found = np.unique(hits.movie_ids)
    codes = positions(found, hits.movie_ids) + len(found) * np.arange(len(exclude))[:, None]
    unwanted = []
    for row, ids in enumerate(exclude):
        places = positions(found, ids)
        unwanted.append(places[places >= 0] + len(found) * row)
    out = np.isin(codes, np.concatenate(unwanted))
    hits.movie_ids[out] = NO_TEXT if is_text(hits.movie_ids) else NO_MOVIE
    hits.scores[out] = -np.inf

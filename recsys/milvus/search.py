"""What a search asks of Milvus: its filter, how queries go together, and what is left to settle."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from recsys.milvus.publish import MAX_GENRE, cut
from recsys.serving.catalogue import NO_MOVIE, TIE, Filter, Hits, places_of

INLINE = 5_000  # excluded movies named in the filter; more are asked for and left out here
LITE_LIMIT = 1 << 20  # Milvus Lite has no bound of its own
MAX_LIMIT = 16_384  # answers and queries a Milvus server gives and takes at once
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r"})
BATCH = 1_000  # queries sent at a time


def storable(where: Filter) -> Filter:
    """The same conditions with genres as they are stored, cut to MAX_GENRE bytes."""

    def stored(genres: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(cut(genre, MAX_GENRE) for genre in genres)

    return Filter(
        stored(where.any_genre), stored(where.all_genres), stored(where.not_genres), where.years
    )


def expression(where: Filter, excluded: NDArray[np.int64] | Sequence[int] = ()) -> str:
    """The filter Milvus gets. No value can end its string: quotes and backslashes are escaped."""
    parts = []
    if where.any_genre:
        parts.append(f"array_contains_any(genres, {_strings(where.any_genre)})")
    if where.all_genres:
        parts.append(f"array_contains_all(genres, {_strings(where.all_genres)})")
    if where.not_genres:
        parts.append(f"not array_contains_any(genres, {_strings(where.not_genres)})")
    if where.years:
        parts.append(f"year >= {int(where.years[0])} and year <= {int(where.years[1])}")
    if len(excluded):
        parts.append(f"movie_id not in {np.asarray(excluded, np.int64).tolist()}")
    return " and ".join(f"({part})" for part in parts)


def _strings(values: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{value.translate(_ESCAPED)}"' for value in values) + "]"


def chunks(
    sizes: NDArray[np.int64], k: int, most: int, hits: int
) -> Iterator[tuple[NDArray[np.intp], int, bool]]:
    """Queries to send together: their rows, the limit, and whether exclusions go in the filter.

    Only one query at a time can name its excluded movies; several ask for as many movies more as
    the largest of them excludes, so those that exclude about as many go together.

    Args:
        most: the largest limit.
        hits: how many hits may come back at once.
    """
    order = np.argsort(sizes, kind="stable")
    start = 0
    while start < len(order):
        smallest = int(sizes[order[start]])
        similar = int(np.searchsorted(sizes[order], 2 * smallest + k, "right"))
        stop = min(similar, start + BATCH)
        limit = k + 1 + int(sizes[order[stop - 1]])
        stop = min(stop, start + max(1, hits // limit))
        limit = k + 1 + int(sizes[order[stop - 1]])
        if limit > most or (len(order) == 1 and smallest <= INLINE):
            yield order[start : start + 1], min(k + 1, most), True
            start += 1
        else:
            yield order[start:stop], limit, False
            start = stop


def leave_out(
    ids: NDArray[np.int64], scores: NDArray[np.float32], exclude: Sequence[NDArray[np.int64]]
) -> None:
    """Blank the hits of each row that it excludes; (B, K) arrays, changed in place."""
    every = np.unique(ids)
    codes = np.searchsorted(every, ids) + len(every) * np.arange(len(ids))[:, None]
    unwanted = [places_of(every, one) + len(every) * row for row, one in enumerate(exclude)]
    out = np.isin(codes, np.concatenate(unwanted))
    ids[out] = NO_MOVIE
    scores[out] = -np.inf


def unsettled(hits: Hits, more: NDArray[np.bool_], k: int, exact: bool) -> NDArray[np.bool_]:
    """(B,) queries whose k movies are not certain yet."""
    counts = (hits.movie_ids != NO_MOVIE).sum(axis=1)
    short = counts < k
    last = np.take_along_axis(hits.scores, np.maximum(counts - 1, 0)[:, None], 1)[:, 0]
    tied = ~short & more
    tied[tied] = hits.scores[tied, k - 1] - last[tied] <= TIE
    return tied | (short & (more | (not exact)))

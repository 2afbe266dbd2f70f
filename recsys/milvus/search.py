"""What a version is asked for: the best movies for queries, movies by id, all movies."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pymilvus import MilvusClient

from recsys.data.ids import Id, is_text, positions
from recsys.milvus.client import Milvus
from recsys.milvus.rows import KEY, VECTOR
from recsys.milvus.versions import Published
from recsys.serving.catalogue import NO_MOVIE, NO_TEXT, Hits, fields_of, no_hits

QUERIES_AT_ONCE = 1_000
READ_AT_ONCE = 1_000  # movies read by their ids
INLINE = 5_000  # excluded movies named in the expression; more are asked for and left out here
LITE_LIMIT, LITE_HITS = 1 << 20, 20_000  # hits of a query (Lite has no bound), of a call
SERVER_LIMIT, SERVER_HITS = 16_384, 2_000_000
PAGE = 5_000  # movies read at a time when all are

Rows = dict[Id, dict[str, Any]]  # of Milvus, by the movies' ids


def all_fields(opened: Published) -> list[str]:
    """All fields of a version's movies."""
    return [KEY, VECTOR, *(each.name for each in fields_of(opened.columns))]


def ask(
    milvus: Milvus,
    opened: Published,
    queries: NDArray[np.float32],
    limit: int,
    wanted: str,
    consistency: str,
    thorough: bool,
    fields: list[str],
) -> tuple[Hits, Rows]:
    """(B, limit) hits as Milvus orders them, and those fields of their movies."""
    answers = milvus.read(
        "searching",
        MilvusClient.search,
        opened.collection,
        data=list(queries),
        filter=wanted,
        limit=limit,
        output_fields=fields,
        search_params=opened.index.search_params(limit, thorough),
        consistency_level=consistency,
        timeout=milvus.timeout + len(queries) * limit / 1000,  # Lite: 0.2 ms a hit
    )
    hits, rows = no_hits(len(queries), limit, opened.text_ids), Rows()
    for row, found in enumerate(answers):
        hits.movie_ids[row, : len(found)] = found.ids
        hits.scores[row, : len(found)] = found.distances
        if fields:
            pairs = zip(found.ids, found, strict=True)
            rows |= {movie_id: {**hit["entity"], KEY: movie_id} for movie_id, hit in pairs}
    return hits, rows


def read(
    milvus: Milvus, opened: Published, wanted: str, fields: list[str], consistency: str
) -> list[dict[str, Any]]:
    """The rows that fit an expression."""
    rows: list[dict[str, Any]] = milvus.read(
        "reading movies",
        MilvusClient.query,
        opened.collection,
        filter=wanted,
        output_fields=fields,
        consistency_level=consistency,
        timeout=3 * milvus.timeout,
    )
    return rows


def read_ids(milvus: Milvus, opened: Published) -> list[Id]:
    """The ids of all movies of a version, rising."""
    wanted = f'{KEY} >= ""' if opened.text_ids else f"{KEY} >= 0"
    return sorted(row[KEY] for row in read(milvus, opened, wanted, [KEY], "Strong"))


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

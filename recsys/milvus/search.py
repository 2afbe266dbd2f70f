"""What a version is asked for: the best movies for queries, movies by id, all movies."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pymilvus import MilvusClient

from recsys.data.ids import Id, id_array, is_text, positions
from recsys.errors import StoreError
from recsys.milvus.client import Milvus
from recsys.milvus.schema import FIELDS, KEY, between, catalogue_of, every, expression, one_of
from recsys.milvus.versions import Published
from recsys.serving.catalogue import NO_MOVIE, NO_TEXT, Catalogue, Filter, Hits, best_first, no_hits
from recsys.serving.conditions import patterns

QUERIES_AT_ONCE = 1_000
READ_AT_ONCE = 1_000  # movies read by their ids
INLINE = 5_000  # excluded movies named in the expression; more are asked for and left out here
LITE_LIMIT, LITE_HITS = 1 << 20, 20_000  # hits of a query (Lite has no bound), of a call
SERVER_LIMIT, SERVER_HITS = 16_384, 2_000_000
_PAGE = 5_000  # movies read at a time when all are


class Group(NamedTuple):
    """Queries that are sent together."""

    rows: NDArray[np.intp]  # of the queries
    limit: int  # hits asked for
    inline: bool  # whether the expression names the excluded movies


def search(
    milvus: Milvus,
    opened: Published,
    queries: NDArray[np.float32],
    k: int,
    filter: Filter,
    exclude: Sequence[NDArray] | None,
    consistency: str,
) -> Hits:
    """The k movies with the largest inner products for each of (B, V) queries.

    A filter may leave an approximate index with fewer than k movies although more fit; such
    queries are sent once more, to search (almost) everywhere.

    Raises:
        StoreError: k is more than a server gives, a pattern more than an old one knows, or Milvus
            failed.
    """
    milvus.check_patterns(patterns(filter.condition))
    nothing = id_array([], opened.text_ids)
    excluded = [nothing] * len(queries) if exclude is None else list(exclude)
    most, at_once = (LITE_LIMIT, LITE_HITS) if milvus.lite else (SERVER_LIMIT, SERVER_HITS)
    if k > most and opened.count > most:
        raise StoreError(f"{milvus.uri}: Milvus gives at most {most} movies", "ask for fewer")
    answer = no_hits(len(queries), k, opened.text_ids)
    for rows, limit, inline in groups([len(ids) for ids in excluded], k, most, at_once):
        wanted = expression(filter, excluded[rows[0]] if inline else ())
        for thorough in (False, True):
            hits = _ask(milvus, opened, queries[rows], limit, wanted, consistency, thorough)
            if not inline:
                leave_out(hits, [excluded[row] for row in rows])
            best = best_first(*hits)
            answer.movie_ids[rows, :limit] = best.movie_ids[:, :k]
            answer.scores[rows, :limit] = best.scores[:, :k]
            rows = rows[~answer.there[rows].all(axis=1)]
            if opened.index.exact or not len(rows):
                break
    return answer


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


def take(
    milvus: Milvus,
    opened: Published,
    movie_ids: NDArray | Sequence[Id],
    consistency: str,
) -> Catalogue:
    """The named movies in the order asked for; KeyError when one is not there."""
    wanted = id_array(movie_ids)
    distinct = np.unique(wanted).tolist()
    rows: list[dict[str, Any]] = []
    for start in range(0, len(distinct), READ_AT_ONCE):
        named = one_of(distinct[start : start + READ_AT_ONCE])
        rows += _read(milvus, opened, named, fields_of(opened), consistency)
    return catalogue_of(rows, opened.dimension, opened.columns).take(wanted)


def ids_of(milvus: Milvus, opened: Published) -> list[Id]:
    """The ids of all movies of a version, rising."""
    found = _read(milvus, opened, every(opened.text_ids), [KEY], "Strong")
    return sorted(row[KEY] for row in found)


def fields_of(opened: Published) -> list[str]:
    """All fields of a version's movies."""
    return [*FIELDS, *(name for name, _ in opened.columns)]


def pages(milvus: Milvus, opened: Published) -> Iterator[Catalogue]:
    """All movies of a version by rising id, some thousands at a time."""
    ids = ids_of(milvus, opened)
    for start in range(0, len(ids), _PAGE):
        page = ids[start : start + _PAGE]
        rows = _read(milvus, opened, between(page[0], page[-1]), fields_of(opened), "Bounded")
        in_order = sorted(rows, key=lambda row: row[KEY])
        yield catalogue_of(in_order, opened.dimension, opened.columns)


def read_all(milvus: Milvus, opened: Published) -> Catalogue:
    """All movies of a version by rising id."""
    parts = list(pages(milvus, opened)) or [catalogue_of([], opened.dimension, opened.columns)]
    return Catalogue.joined(parts)


def _ask(
    milvus: Milvus,
    opened: Published,
    queries: NDArray[np.float32],
    limit: int,
    wanted: str,
    consistency: str,
    thorough: bool,
) -> Hits:
    """(B, limit) hits as Milvus orders them."""
    answers = milvus.read(
        "searching",
        MilvusClient.search,
        opened.collection,
        data=list(queries),
        filter=wanted,
        limit=limit,
        search_params=opened.index.search_params(limit, thorough),
        consistency_level=consistency,
        timeout=milvus.timeout + len(queries) * limit / 1000,  # Lite: 0.2 ms a hit
    )
    hits = no_hits(len(queries), limit, opened.text_ids)
    for row, found in enumerate(answers):
        hits.movie_ids[row, : len(found)] = found.ids
        hits.scores[row, : len(found)] = found.distances
    return hits


def _read(
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

"""What a version is asked for: the best movies for queries, movies by id, all movies."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pymilvus import MilvusClient

from recsys.data.ids import Id, id_array, is_text, positions
from recsys.errors import StoreError
from recsys.milvus.client import Milvus
from recsys.milvus.rows import KEY, VECTOR, catalogue_of, expression
from recsys.milvus.versions import Published
from recsys.serving.catalogue import (
    NO_MOVIE,
    NO_TEXT,
    Catalogue,
    Filter,
    Hits,
    best_first,
    check_queries,
    fields_of,
    no_hits,
)
from recsys.serving.filters import listed, literal

QUERIES_AT_ONCE = 1_000
READ_AT_ONCE = 1_000  # movies read by their ids
INLINE = 5_000  # excluded movies named in the expression; more are asked for and left out here
LITE_LIMIT, LITE_HITS = 1 << 20, 20_000  # hits of a query (Lite has no bound), of a call
SERVER_LIMIT, SERVER_HITS = 16_384, 2_000_000
_PAGE = 5_000  # movies read at a time when all are

Rows = dict[Id, dict[str, Any]]  # of Milvus, by the movies' ids


@dataclass(frozen=True)
class Reader:
    """Reads one version."""

    milvus: Milvus
    opened: Published
    consistency: str

    @property
    def fields(self) -> list[str]:
        """All fields of the movies."""
        return [KEY, VECTOR, *(each.name for each in fields_of(self.opened.columns))]

    def catalogue(self, rows: Sequence[dict[str, Any]]) -> Catalogue:
        """Rows as movies."""
        return catalogue_of(rows, self.opened.dimension, self.opened.columns)

    def search(
        self,
        vectors: NDArray[np.float32],
        k: int,
        filter: Filter,
        exclude: Sequence[NDArray] | None,
        with_movies: bool,
    ) -> Hits:
        """See `MilvusStore.search`."""
        queries = check_queries(vectors, k, self.opened.dimension, exclude)
        nothing = id_array([], self.opened.text_ids)
        excluded = [nothing] * len(queries) if exclude is None else list(exclude)
        at_hand = with_movies and len(queries) == 1 and k <= READ_AT_ONCE
        most, at_once = SERVER_LIMIT, SERVER_HITS
        if self.milvus.lite:
            most, at_once = LITE_LIMIT, LITE_HITS
        if k > most and self.opened.count > most:
            cause = f"{self.milvus.uri}: Milvus gives at most {most} movies"
            raise StoreError(cause, "ask for fewer")
        answer, movies = no_hits(len(queries), k, self.opened.text_ids), Rows()
        for rows, limit, inline in groups([len(ids) for ids in excluded], k, most, at_once):
            wanted = expression(filter, excluded[rows[0]] if inline else ())
            fields = self.fields if at_hand and inline else []
            for thorough in (False, True):
                hits, some = self.ask(queries[rows], limit, wanted, thorough, fields)
                movies |= some
                if not inline:
                    leave_out(hits, [excluded[row] for row in rows])
                best = best_first(hits)
                answer.movie_ids[rows, :limit] = best.movie_ids[:, :k]
                answer.scores[rows, :limit] = best.scores[:, :k]
                rows = rows[~answer.mask[rows].all(axis=1)]
                if self.opened.index.exact or not len(rows):
                    break
        if not with_movies:
            return answer
        ids = answer.distinct().tolist()
        if movies.keys() >= set(ids):
            return answer._replace(movies=self.catalogue([movies[each] for each in ids]))
        return answer._replace(movies=self.take(ids))

    def ask(
        self,
        queries: NDArray[np.float32],
        limit: int,
        wanted: str,
        thorough: bool,
        fields: list[str],
    ) -> tuple[Hits, Rows]:
        """(B, limit) hits as Milvus orders them, and those fields of their movies."""
        answers = self.milvus.read(
            "searching",
            MilvusClient.search,
            self.opened.collection,
            data=list(queries),
            filter=wanted,
            limit=limit,
            output_fields=fields,
            search_params=self.opened.index.search_params(limit, thorough),
            consistency_level=self.consistency,
            timeout=self.milvus.timeout + len(queries) * limit / 1000,  # Lite: 0.2 ms a hit
        )
        hits, rows = no_hits(len(queries), limit, self.opened.text_ids), Rows()
        for row, found in enumerate(answers):
            hits.movie_ids[row, : len(found)] = found.ids
            hits.scores[row, : len(found)] = found.distances
            if fields:
                pairs = zip(found.ids, found, strict=True)
                rows |= {movie_id: {**hit["entity"], KEY: movie_id} for movie_id, hit in pairs}
        return hits, rows

    def take(self, movie_ids: NDArray | Sequence[Id]) -> Catalogue:
        """See `MilvusStore.take`."""
        ids = id_array(movie_ids)
        distinct = np.unique(ids).tolist()
        rows: list[dict[str, Any]] = []
        for start in range(0, len(distinct), READ_AT_ONCE):
            wanted = f"{KEY} in {listed(distinct[start : start + READ_AT_ONCE])}"
            rows += self.read(wanted, self.fields, self.consistency)
        return self.catalogue(rows).take(ids)

    def read_all(self) -> Catalogue:
        """All movies by rising id."""
        ids, parts = self.ids(), [self.catalogue([])]
        for start in range(0, len(ids), _PAGE):
            page = ids[start : start + _PAGE]
            wanted = f"{KEY} >= {literal(page[0])} and {KEY} <= {literal(page[-1])}"
            parts.append(self.catalogue(self.read(wanted, self.fields, "Bounded")))
        return Catalogue.joined(parts[1:] or parts).take(id_array(ids, self.opened.text_ids))

    def ids(self) -> list[Id]:
        """The ids of all movies, rising."""
        wanted = f'{KEY} >= ""' if self.opened.text_ids else f"{KEY} >= 0"
        return sorted(row[KEY] for row in self.read(wanted, [KEY], "Strong"))

    def read(self, wanted: str, fields: list[str], consistency: str) -> list[dict[str, Any]]:
        """The rows that fit an expression."""
        rows: list[dict[str, Any]] = self.milvus.read(
            "reading movies",
            MilvusClient.query,
            self.opened.collection,
            filter=wanted,
            output_fields=fields,
            consistency_level=consistency,
            timeout=3 * self.milvus.timeout,
        )
        return rows


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

"""The movies in Milvus: published as a whole, searched under inner product, never mixed up.

`MilvusStore.search` and `Catalogue.search` (NumPy, exact) keep one contract; see catalogue.py.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from recsys.errors import StoreError
from recsys.milvus import publish as milvus_publish
from recsys.milvus import update as milvus_update
from recsys.milvus import versions as milvus_versions
from recsys.milvus.client import Milvus
from recsys.milvus.errors import Denied, Missing, without_credentials
from recsys.milvus.index import EXACT_UP_TO, choose_index
from recsys.milvus.search import (
    BATCH,
    LITE_LIMIT,
    MAX_LIMIT,
    chunks,
    expression,
    leave_out,
    storable,
    unsettled,
)
from recsys.milvus.update import FIELDS, Changes, catalogue_of
from recsys.milvus.versions import Published
from recsys.serving.catalogue import (
    EVERYTHING,
    NO_MOVIE,
    TIE,
    Catalogue,
    Filter,
    Hits,
    best_first,
    check_queries,
    no_hits,
)

CONSISTENCY = ("Strong", "Session", "Bounded", "Eventually")
T = TypeVar("T")


class MilvusStore:
    """Movies published under one name in Milvus Lite (a file) or on a Milvus server.

    Args:
        uri: a path ending in .db, or http(s)://host:port.
        token: user:password or an API key.
        db: a database of the server.
        collection: the name movies are published under, an alias in Milvus.
        timeout: seconds the server may take for an answer.
        consistency: how fresh searches must be, one of CONSISTENCY; Milvus Lite always is.
        ca: a file with the certificate of the authority that signed the server's.

    Raises:
        StoreError: nothing answers there, or it does not let us in.
    """

    def __init__(
        self,
        uri: str,
        token: str = "",
        db: str = "",
        collection: str = "recsys_movies",
        *,
        timeout: float = 20.0,
        consistency: str = "Bounded",
        ca: str = "",
    ) -> None:
        self.uri = without_credentials(uri)
        self.alias = milvus_versions.check_name(collection)
        if consistency not in CONSISTENCY:
            raise StoreError(f"--consistency {consistency}: choose from {', '.join(CONSISTENCY)}")
        self._consistency = consistency
        self._milvus = Milvus(uri, token, db, timeout=timeout, ca=ca)
        self._opened: Published | None = None
        self._copy: tuple[str, str, Catalogue] | None = None  # collection, its last change, movies

    @property
    def version(self) -> str:
        """The version of the Milvus that answers."""
        return self._milvus.version

    def publish(
        self,
        catalogue: Catalogue,
        model: str,
        *,
        index: str | None = None,
        keep: int = 1,
        shards: int = 1,
        replicas: int = 1,
        resource_groups: Sequence[str] = (),
        progress: Callable[[int], None] | None = None,
        indexing: Callable[[int], None] | None = None,
    ) -> Published:
        """Publish the movies as a new version and make it the current one; all or nothing.

        Args:
            model: the fingerprint of the model the vectors come from.
            index: NAME or NAME:parameter=value,...; by default what suits the size.
            keep: how many earlier versions stay for `rollback`.
            progress: told the number of movies after each batch.
            indexing: told the number of movies by which the index grew, as a server reports it.
        """
        chosen = choose_index(index, len(catalogue))
        plan = milvus_publish.Plan(chosen, shards, replicas, tuple(resource_groups))
        return milvus_publish.publish(
            self._milvus,
            self.alias,
            catalogue,
            model,
            plan,
            keep=keep,
            progress=progress,
            indexing=indexing,
        )

    def update(
        self,
        catalogue: Catalogue,
        model: str,
        *,
        progress: Callable[[int], None] | None = None,
    ) -> Changes:
        """Bring the current version up to date, touching only the movies that differ."""
        return milvus_update.update(self._milvus, self.alias, catalogue, model, progress=progress)

    def differences(self, catalogue: Catalogue, model: str) -> Changes:
        """What `update` would change; nothing is touched."""
        return milvus_update.differences(self._milvus, self.alias, catalogue, model)

    def rollback(self) -> Published:
        """Make the version published before the current one the current one."""
        return milvus_publish.rollback(self._milvus, self.alias)

    def versions(self) -> list[Published]:
        """The versions kept, the newest first."""
        return milvus_versions.versions(self._milvus, self.alias)

    def open(self, model: str | None) -> Published:
        """Settle which version answers from here on, and that it is sound.

        Args:
            model: the fingerprint queries come from; None takes any.

        Raises:
            StoreError: nothing is published, or by another model, or it is damaged.
        """
        found = milvus_versions.current_version(self._milvus, self.alias)
        if model is not None and found.model != model:
            raise StoreError(
                f"{self.uri}: the movies of {self.alias} are of model {found.model}, the query is "
                f"of {model}: run `recsys load-movies`"
            )
        with suppress(Denied):  # a user who may only search; what is published is loaded
            milvus_publish.load(self._milvus, found.collection, found.count)
        milvus_publish.check_count(self._milvus, found, self._consistency)
        self._opened = found
        return found

    def search(
        self,
        vectors: NDArray[np.float32],
        k: int,
        where: Filter = EVERYTHING,
        exclude: Sequence[NDArray[np.int64]] | None = None,
    ) -> Hits:
        """The k movies with the largest inner products, for each query; see `Catalogue.search`.

        Raises:
            StoreError: Milvus failed, or now holds movies of another model.
        """
        return self._steadily(lambda opened: self._search(opened, vectors, k, where, exclude))

    def take(self, movie_ids: NDArray[np.integer] | Sequence[int]) -> Catalogue:
        """The named movies in the order asked for; KeyError when one is not there."""
        return self._steadily(lambda opened: self._take(opened, movie_ids))

    def close(self) -> None:
        """Hang up."""
        self._milvus.close()

    def __enter__(self) -> "MilvusStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _steadily(self, ask: Callable[[Published], T]) -> T:
        """Ask the version opened; once more if a later publish has dropped it meanwhile."""
        opened = self._opened or self.open(None)
        try:
            return ask(opened)
        except Missing:
            return ask(self.open(opened.model))

    def _search(
        self,
        opened: Published,
        vectors: NDArray[np.float32],
        k: int,
        where: Filter,
        exclude: Sequence[NDArray[np.int64]] | None,
    ) -> Hits:
        queries = check_queries(vectors, k, opened.dimension, exclude)
        where = storable(where)
        none = np.zeros(0, np.int64)
        unwanted = [none] * len(queries) if exclude is None else list(exclude)
        sizes = np.array([len(ids) for ids in unwanted], np.int64)
        movies = self._copied(opened, int((sizes + k + 1).sum())) if len(queries) > 1 else None
        if movies is not None:
            return movies.search(queries, k, where, unwanted)
        most, hits = (LITE_LIMIT, 20_000) if self._milvus.lite else (MAX_LIMIT, 2_000_000)
        if k > most and opened.count > most:
            raise StoreError(f"Milvus gives at most {most} movies: ask for fewer")
        answer = no_hits(len(queries), k)
        for rows, limit, inline in chunks(sizes, k, most, hits):
            text = expression(where, unwanted[rows[0]] if inline else ())
            ids, scores = self._ask(opened, queries[rows], limit, text)
            more = ids[:, -1] != NO_MOVIE  # Milvus may have more than it was asked for
            if not inline and sizes[rows].any():
                leave_out(ids, scores, [unwanted[row] for row in rows])
            best = best_first(ids, scores)
            answer.movie_ids[rows, :limit] = best.movie_ids[:, :k]
            answer.scores[rows, :limit] = best.scores[:, :k]
            for row in rows[unsettled(best, more, k, opened.index.exact)]:
                text = expression(where, unwanted[row])
                one = self._thoroughly(opened, queries[row : row + 1], k, text, most)
                answer.movie_ids[row], answer.scores[row] = one.movie_ids[0], one.scores[0]
        return answer

    def _copied(self, opened: Published, hits: int) -> Catalogue | None:
        """The movies themselves, where reading them once costs less than receiving `hits` hits.

        Only under an exact index, so that the answers are the same, and only as long as the movies
        in Milvus are those read.
        """
        few = opened.count * (1 if self._milvus.lite else 4) >= hits and not self._copy
        if few or not opened.index.exact or opened.count > EXACT_UP_TO:
            return None
        before = self._state(opened)
        if before is None:
            return None
        if self._copy is None or self._copy[:2] != before:
            parts = list(milvus_update.read_all(self._milvus, opened))
            movies = milvus_update.joined(parts, opened.dimension)
            if self._state(opened) != before or len(movies) != opened.count:
                return None
            self._copy = (*before, movies)
        return self._copy[2]

    def _state(self, opened: Published) -> tuple[str, str] | None:
        """The version and its last change; None while an update is under way."""
        now = milvus_versions.describe(self._milvus, opened.collection, self.alias, None)
        return None if now is None or now.updating else (now.collection, now.changed)

    def _ask(
        self,
        opened: Published,
        queries: NDArray[np.float32],
        limit: int,
        filter: str,
        thorough: bool = False,
    ) -> Hits:
        """(B, limit) hits as Milvus orders them."""
        answers = self._milvus.read(
            "searching",
            "search",
            opened.collection,
            data=list(queries),
            filter=filter,
            limit=limit,
            search_params=opened.index.search_params(limit, thorough),
            consistency_level=self._consistency,
            timeout=self._milvus.timeout + len(queries) * limit / 1000,  # Lite: 0.2 ms a hit
        )
        if all(len(found) == limit for found in answers):
            ids = np.array([found.ids for found in answers], np.int64)
            return Hits(ids, np.array([found.distances for found in answers], np.float32))
        hits = no_hits(len(queries), limit)
        for row, found in enumerate(answers):
            hits.movie_ids[row, : len(found)] = found.ids
            hits.scores[row, : len(found)] = found.distances
        return hits

    def _thoroughly(
        self, opened: Published, query: NDArray[np.float32], k: int, filter: str, most: int
    ) -> Hits:
        """(1, k) hits where a plain search left open which movies they are.

        The k-th movie has equals beyond the last hit, or an index looked at too few of its cells.
        """
        limit = min(most, 2 * k + 64)
        while True:
            ids, scores = self._ask(opened, query, limit, filter, thorough=True)
            best = best_first(ids, scores)
            count = int((ids != NO_MOVIE).sum())
            if count < k and not opened.index.exact:
                return self._by_reading(opened, query, k, filter, count) or _first(best, k)
            tied = count == limit < most and best.scores[0, k - 1] - best.scores[0, -1] <= TIE
            if not tied:
                return _first(best, k)
            limit = min(most, 4 * limit)

    def _by_reading(
        self, opened: Published, query: NDArray[np.float32], k: int, filter: str, have: int
    ) -> Hits | None:
        """The exact (1, k) answer, if more than `have` but not too many movies fit the filter."""

        def ask(fields: list[str]) -> list[dict[str, Any]]:
            rows: list[dict[str, Any]] = self._milvus.read(
                "reading movies", "query", opened.collection, filter=filter, output_fields=fields
            )
            return rows

        if not have < int(ask(["count(*)"])[0]["count(*)"]) <= MAX_LIMIT:
            return None
        return catalogue_of(ask(FIELDS), opened.dimension).search(query, k)

    def _take(self, opened: Published, movie_ids: NDArray[np.integer] | Sequence[int]) -> Catalogue:
        wanted = np.asarray(movie_ids, np.int64)
        distinct = np.unique(wanted).tolist()
        movies: list[dict[str, Any]] = []
        for start in range(0, len(distinct), BATCH):
            movies += self._milvus.read(
                "reading movies",
                "query",
                opened.collection,
                filter=f"movie_id in {distinct[start : start + BATCH]}",
                output_fields=FIELDS,
                consistency_level=self._consistency,
            )
        if len(movies) < len(distinct):
            found = {movie["movie_id"] for movie in movies}
            raise KeyError(next(one for one in distinct if one not in found))
        return catalogue_of(movies, opened.dimension).take(wanted)


def _first(hits: Hits, k: int) -> Hits:
    """(1, k) of (1, K) hits, filled up where K is less."""
    answer = no_hits(1, k)
    answer.movie_ids[:, : hits.movie_ids.shape[1]] = hits.movie_ids[:, :k]
    answer.scores[:, : hits.scores.shape[1]] = hits.scores[:, :k]
    return answer

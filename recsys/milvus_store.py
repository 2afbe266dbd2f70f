"""The movies in Milvus: published as a whole, searched under inner product, never mixed up.

`MilvusStore.search` and `Catalogue.search` (NumPy, exact) keep one contract; see catalogue.py.
"""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from recsys.data.ids import Id, id_array, is_text, positions
from recsys.data.interactions import product
from recsys.errors import StoreError, check_types
from recsys.milvus.address import MilvusAddress, choose_index
from recsys.milvus.client import Denied, Milvus, MilvusClient, Missing, Unreachable
from recsys.milvus.rows import KEY, VECTOR, catalogue_of, check_catalogue, expression
from recsys.milvus.versions import UNFINISHED, Published, Versions
from recsys.serving.catalogue import (
    EVERYTHING,
    Catalogue,
    Filter,
    Hits,
    VectorsOf,
    checked_queries,
    no_hits,
)
from recsys.serving.filters import literal

READ_AT_ONCE = 5_000  # movies
KEPT = 20_000  # movies that are not read again: those of a version never change
MOST = 16_384  # hits a server gives to a query, and queries it takes; we ask for as many at once
Row = dict[str, Any]  # of Milvus
T = TypeVar("T")


class MilvusStore:
    """Movies published under one name in Milvus Lite (a file) or on a Milvus server.

    Args:
        address: a `MilvusAddress`, or its uri as a text or path.
        make: create a file that does not exist; otherwise it is refused.

    Raises:
        StoreError: no answer, or no access.

    >>> import recsys
    >>> model = recsys.load_model("sample.model")
    >>> movies = recsys.catalogue(model)
    >>> with recsys.MilvusStore("example.db") as store:
    ...     published = store.publish(movies, model.fingerprint)
    ...     opened = store.open(model.fingerprint)
    ...     hits = store.search(movies.vectors[:2], k=10)
    >>> opened.count, hits.movie_ids.shape
    (338, (2, 10))
    """

    def __init__(
        self, address: MilvusAddress | Path | str = MilvusAddress(), *, make: bool = True
    ) -> None:
        if not isinstance(address, MilvusAddress):
            address = MilvusAddress(str(address))
        if address.is_missing and not make:
            cause = f"{address.shown}: nothing is published there"
            raise Missing(cause, "publish the movies", "publish")
        self.address = address
        self.uri, self.alias = self.address.shown, self.address.collection
        self._milvus = Milvus(self.address)
        self._versions = Versions(self._milvus, self.alias)
        self._opened: Published | None = None
        self._kept: tuple[str, dict[Id, Row]] = "", {}  # of a collection, by their ids
        self._familiar = False  # the movies of the last single query were all among them
        self.version = self._milvus.version  # of the Milvus that answers

    def publish(
        self,
        catalogue: Catalogue,
        model: str,
        *,
        index: str | None = None,
        keep: int = 1,
        in_use: Sequence[str] = (),
        shards: int = 1,
        replicas: int = 1,
        resource_groups: Sequence[str] = (),
        bulk: str = "",
        progress: Callable[[int], None] | None = None,
    ) -> Published:
        """Publish the movies as a new version and make it the current one; all or nothing.

        A new collection is filled and verified before the alias moves onto it. Until then nothing
        changes for readers, and a failure leaves it so.

        Args:
            model: the fingerprint of the model the vectors come from.
            index: NAME or NAME:parameter=value,...; by default what suits the size.
            keep: how many earlier versions stay for `rollback`.
            in_use: fingerprints of models whose versions stay besides.
            bulk: a folder, or s3://bucket/folder, that the server reads too: the movies are
                imported from files there, and not sent.
            progress: called with the number of movies after each batch.

        Raises:
            StoreError: the movies are unfit, or Milvus failed.
        """
        check_types(catalogue=(catalogue, Catalogue))
        if catalogue.model:
            catalogue.check_model(model)
        chosen = choose_index(index, len(catalogue))
        check_catalogue(catalogue)
        with suppress(Missing):  # nothing has the name yet, or what had it is gone
            self._versions.ours(self.alias)
        name = f"{self.alias}_v{model}_{uuid.uuid4().hex[:8]}"
        new = Published(
            collection=name + UNFINISHED,
            alias=self.alias,
            model=model,
            count=len(catalogue),
            dimension=catalogue.vectors.shape[1],
            text_ids=is_text(catalogue.ids),
            columns=catalogue.kinds,
            index=chosen,
            when=datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            is_current=True,
        )
        groups = {"_resource_groups": list(resource_groups)} if resource_groups else {}
        try:
            self._versions.fill(new, catalogue, shards, bulk, progress)
            rename = MilvusClient.rename_collection
            self._milvus.call("naming the version", rename, new.collection, name)
            new = replace(new, collection=name)
            self._versions.load(new, replica_number=replicas, **groups)
            self._versions.check_count(new)
        except BaseException:
            for _ in range(2):  # Milvus Lite on a full disk drops only at the second attempt
                with suppress(StoreError):  # else a later publish sweeps it
                    self._versions.drop(new.collection)
                    break
            raise
        previous = self._versions.move(name)  # if that fails the alias may still move
        with suppress(StoreError):  # the movies are published; the next publish tidies up
            self._versions.retire(previous, keep, in_use)
        return new

    def check_removal(self, catalogue: Catalogue, most: float) -> int:
        """How many of the published movies are not in the catalogue; none of what is damaged.

        Raises:
            StoreError: they are more than the share `most`.
        """
        published = self._sound(self._ids)
        if published is None:
            return 0
        gone = int((positions(np.sort(catalogue.ids), published) < 0).sum())
        if gone > most * len(published):
            cause = f"{gone} of the {len(published)} movies published would be removed"
            remedy = "publish a file that has them too, or say that they may go"
            raise StoreError(f"{cause}, and nothing was done", remedy, "replace")
        return gone

    def movies_of(self, model: str) -> Catalogue | None:
        """All movies that are published of a model, by its fingerprint; None of none or damaged."""
        return self._sound(lambda _: self.read_all(), model)

    def _sound(self, read: Callable[[Published], T], model: str | None = None) -> T | None:
        """What is read of what answers a model; None where only publishing repairs that."""
        try:
            return read(self.open(model))
        except Unreachable:
            raise
        except StoreError:
            return None

    def rollback(self, prepare: Callable[[Published], None] = lambda version: None) -> Published:
        """Make the version published before the current one the current one.

        Args:
            prepare: called with that version just before, as its model should be the one that asks.

        Raises:
            StoreError: there is none, or it is damaged.
        """
        versions = self.versions()
        current = max((one.when for one in versions if one.is_current), default="")
        back = next((one for one in versions if one.when < current), None)
        if not back:
            cause = f"{self.uri}: no earlier version of {self.alias} is kept than the current"
            raise StoreError(cause, "publish one", "publish")
        self._versions.load(back)
        self._versions.check_count(back)
        prepare(back)
        self._versions.move(back.collection)
        return replace(back, is_current=True)

    def versions(self) -> list[Published]:
        """The versions kept, the newest first."""
        return self._versions.all()

    def current(self) -> Published:
        """The version that is published now; raises a StoreError where none is."""
        return self._versions.current()

    def open(self, model: str | None) -> Published:
        """Settle which version answers from here on, and that it is sound.

        That is the current one; where it is of another model, the newest of this model that is
        kept, so that a model answers until the one published after it takes its place.

        Args:
            model: the fingerprint queries come from; None takes any.

        Raises:
            StoreError: nothing is published, or by another model alone, or it is damaged.
        """
        found = self._versions.current()
        if model is not None and found.model != model:
            kept: list[Published] = []
            with suppress(Denied):  # a user who may only search
                kept = [one for one in self.versions() if one.model == model]
            if not kept:
                cause = f"the movies of {self.alias} are of model {found.model}, the query is of"
                remedy = "publish the movies of this model"
                raise StoreError(f"{self.uri}: {cause} {model}", remedy, "publish")
            found = kept[0]
        with suppress(Denied):  # a user who may only search; what is published is loaded
            self._versions.load(found)
        self._versions.check_count(found, self.address.consistency)
        self._opened = found
        return found

    def check_model(self, model: str) -> None:
        """Open the movies of a model, by its fingerprint, if they are not; see `open`."""
        if self._opened is None or self._opened.model != model:
            self.open(model)

    def search(
        self,
        vectors: NDArray[np.float32],
        k: int,
        filter: Filter = EVERYTHING,
        exclude: Sequence[NDArray] | None = None,
        with_movies: bool | VectorsOf = False,
    ) -> Hits:
        """The k movies with the largest inner products, for each query; see `Catalogue.search`.

        A filter may leave an approximate index with fewer than k movies although more fit; such
        queries are sent once more, to search (almost) everywhere. The movies of a single query come
        with its hits, unless those of the one before had all come before; others are read
        afterwards.

        Raises:
            StoreError: k is more than a server gives, the filter asks what an old one lacks, Milvus
                failed, or now holds movies of another model.
        """

        def hits(opened: Published) -> Hits:
            queries, excluded = checked_queries(vectors, k, opened.dimension, exclude)
            fitting = filter.parsed(opened.columns)
            self._milvus.check_condition(fitting.condition)
            if min(k, opened.count) > MOST and not self._milvus.lite:
                raise StoreError(f"{self.uri}: Milvus gives at most {MOST} movies", "ask for fewer")
            kept, fields = self._kept_of(opened), list[str]()
            if with_movies and len(queries) == 1 and k <= READ_AT_ONCE and not self._familiar:
                fields = opened.fields
            if callable(with_movies):  # which take a server as long as the search
                fields = [name for name in fields if name != VECTOR]
            at_hand: list[Row] = []
            answer = no_hits(len(queries), k, opened.text_ids)
            for rows in groups([len(ids) for ids in excluded], k):
                alone = len(rows) == 1  # only such a query can name the movies it excludes
                more = 0 if alone else max(len(excluded[row]) for row in rows)
                limit = min(k + more, opened.count)
                wanted = expression(fitting, excluded[rows[0]] if alone else ())
                for thorough in (False, True):
                    answers = self._milvus.read(
                        "searching",
                        MilvusClient.search,
                        opened.collection,
                        data=queries[rows].tolist(),  # packed sooner than numbers of NumPy
                        filter=wanted,
                        limit=limit,
                        output_fields=fields,
                        search_params=opened.index.search_params(limit, thorough),
                        consistency_level=self.address.consistency,
                        timeout=self._milvus.timeout + len(rows) * limit / 1000,  # Lite: 0.2 ms
                    )
                    for row, found in zip(rows, answers, strict=True):
                        ids = id_array(found.ids, opened.text_ids)
                        scores = np.array(found.distances, np.float32)
                        if more:
                            allowed = positions(np.unique(excluded[row]), ids) < 0
                            ids, scores = ids[allowed], scores[allowed]
                        best = np.lexsort((ids, -scores))[:k]
                        answer.movie_ids[row, : len(best)] = ids[best]
                        answer.scores[row, : len(best)] = scores[best]
                        at_hand = [{**hit["entity"], KEY: hit[KEY]} for hit in found if fields]
                    rows = rows[:0] if opened.index.exact else rows[~answer.mask[rows].all(axis=1)]
                    if not len(rows):
                        break
            if not with_movies:
                return answer
            if at_hand and callable(with_movies):
                known = with_movies(id_array((row[KEY] for row in at_hand), opened.text_ids))
                pairs = zip(at_hand, () if known is None else known, strict=False)
                at_hand = [{**row, VECTOR: vector} for row, vector in pairs]
            ids = answer.distinct()
            if len(queries) == 1:
                self._familiar = kept.keys() >= set(ids.tolist())
            kept.update((row[KEY], row) for row in at_hand)
            movies = self._take(opened, ids, kept)
            if len(queries) == 1:  # added up as in memory: the same to the last digit
                (scores,) = product(queries, movies.vectors.T)
                order = np.argsort(-scores, kind="stable")  # of equal ones the smaller id first
                answer.movie_ids[0, : len(order)] = movies.ids[order]
                answer.scores[0, : len(order)] = scores[order]
            return answer._replace(movies=movies)

        return self._asked(hits)

    def _asked(self, ask: Callable[[Published], T]) -> T:
        """What the version opened answers; once more if a publish has dropped it meanwhile."""
        try:
            return ask(self._opened or self.open(None))
        except Missing:
            return ask(self.open(self._opened.model if self._opened else None))

    def take(self, movie_ids: NDArray | Sequence[Id]) -> Catalogue:
        """The named movies in the order asked for; QueryError when one is not there."""
        return self._asked(lambda opened: self._take(opened, id_array(movie_ids)))

    def _kept_of(self, opened: Published) -> dict[Id, Row]:
        """The rows that are kept of a version, KEPT and those of one question at most."""
        collection, kept = self._kept
        if collection != opened.collection or len(kept) > KEPT:
            kept = {}
            self._kept = opened.collection, kept
        return kept

    def _take(
        self, opened: Published, movie_ids: NDArray, kept: dict[Id, Row] | None = None
    ) -> Catalogue:
        """The movies, of which those kept are not read again, and the others are kept too."""
        about, wanted = (opened.dimension, opened.columns, opened.model), movie_ids.tolist()
        kept = {} if kept is None else kept
        others = sorted(each for each in {*wanted} if each not in kept)
        parts = [catalogue_of([kept[each] for each in wanted if each in kept], *about)]
        for start in range(0, len(others), READ_AT_ONCE):
            some = f"{KEY} in {literal(others[start : start + READ_AT_ONCE])}"
            rows = self._read(opened, some, opened.fields, self.address.consistency)
            parts.append(catalogue_of(rows, *about))
            vectors = zip(rows, parts[-1].vectors, strict=True)
            if len(others) <= KEPT:
                kept.update((row[KEY], {**row, VECTOR: vector}) for row, vector in vectors)
        return Catalogue.joined(parts).take(movie_ids) if others else parts[0]

    def read_all(self) -> Catalogue:
        """All movies by rising id, to search here instead of sending many queries to Milvus.

        The answers are those of `search` where the index is exact (`open(...).index.exact`).
        """
        self.open(self._opened.model if self._opened else None)
        return self._asked(lambda opened: self._take(opened, self._ids(opened)))

    def _ids(self, opened: Published) -> NDArray:
        """The ids of all movies of a version, rising."""
        wanted = f'{KEY} >= ""' if opened.text_ids else f"{KEY} >= 0"
        rows = self._read(opened, wanted, [KEY], "Strong")
        return np.sort(id_array((row[KEY] for row in rows), opened.text_ids))

    def _read(
        self, opened: Published, wanted: str, fields: list[str], consistency: str
    ) -> list[Row]:
        """The rows that fit an expression."""
        return self._milvus.read(
            "reading movies",
            MilvusClient.query,
            opened.collection,
            filter=wanted,
            output_fields=fields,
            consistency_level=consistency,
            timeout=3 * self._milvus.timeout,
        )

    def close(self) -> None:
        """Close the connection."""
        self._milvus.close()

    def __enter__(self) -> "MilvusStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def groups(sizes: Sequence[int], k: int) -> Iterator[NDArray[np.intp]]:
    """The rows of queries to send together: those that exclude about as many movies, by `sizes`.

    As several ask for as many movies more as the largest of them excludes.
    """
    order = np.argsort(sizes, kind="stable")
    ordered = np.asarray(sizes, np.int64)[order]
    start = 0
    while start < len(order):
        similar = int(np.searchsorted(ordered, 2 * ordered[start] + k, "right"))
        stop = min(similar, start + max(1, MOST // (k + int(ordered[similar - 1]))))
        yield order[start:stop]
        start = stop

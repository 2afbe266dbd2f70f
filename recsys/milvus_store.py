"""The movies in Milvus: published as a whole, searched under inner product, never mixed up.

`MilvusStore.search` and `Catalogue.search` (NumPy, exact) keep one contract; see catalogue.py.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from recsys.data.ids import Id
from recsys.errors import StoreError
from recsys.milvus import collection, publish, removal, search, update, versions
from recsys.milvus.address import MilvusAddress
from recsys.milvus.client import Milvus
from recsys.milvus.errors import Denied, Missing
from recsys.milvus.index import choose_index
from recsys.milvus.update import Changes
from recsys.milvus.versions import Published
from recsys.serving.catalogue import EVERYTHING, Catalogue, Filter, Hits, check_queries

T = TypeVar("T")


class MilvusStore:
    """Movies published under one name in Milvus Lite (a file) or on a Milvus server.

    Args:
        address: where; a text is its uri.

    Raises:
        StoreError: nothing answers there, or it does not let us in.

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

    def __init__(self, address: MilvusAddress | str = MilvusAddress()) -> None:
        self.address = MilvusAddress(address) if isinstance(address, str) else address
        self.uri, self.alias = self.address.shown, self.address.collection
        self._milvus = Milvus(self.address)
        self._opened: Published | None = None

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
            progress: called with the number of movies after each batch.
            indexing: called with the number of movies by which the index grew, as a server says.

        Raises:
            StoreError: the movies are unfit, or Milvus failed.
        """
        chosen = choose_index(index, len(catalogue))
        layout = collection.Layout(chosen, shards, replicas, tuple(resource_groups))
        return publish.publish(
            self._milvus,
            self.alias,
            catalogue,
            model,
            layout,
            keep=keep,
            progress=progress,
            indexing=indexing,
        )

    def update(
        self,
        catalogue: Catalogue,
        model: str,
        *,
        keep: int = 1,
        progress: Callable[[int], None] | None = None,
    ) -> Changes:
        """Bring the current version up to date, touching only the movies that differ.

        Args:
            keep: how many earlier versions stay for `rollback`; a copy of the movies as they are
                before is the first of them.
        """
        return update.update(
            self._milvus,
            self.alias,
            catalogue,
            model,
            keep=keep,
            progress=progress,
        )

    def check_removal(self, catalogue: Catalogue, most: float) -> int:
        """How many of the published movies are not in the catalogue.

        Args:
            most: the share of them that may go.

        Raises:
            StoreError: more would go.
        """
        return removal.check_removal(self._milvus, self.alias, catalogue.ids, most)

    def differences(self, catalogue: Catalogue, model: str) -> Changes:
        """What `update` would change; nothing is touched."""
        return update.differences(self._milvus, self.alias, catalogue, model)

    def rollback(self) -> Published:
        """Make the version published before the current one the current one."""
        return publish.rollback(self._milvus, self.alias)

    def versions(self) -> list[Published]:
        """The versions kept, the newest first."""
        return versions.versions(self._milvus, self.alias)

    def open(self, model: str | None) -> Published:
        """Settle which version answers from here on, and that it is sound.

        That is the current one; where it is of another model, the newest of this model that is
        kept, so that a model answers until the one published after it takes its place.

        Args:
            model: the fingerprint queries come from; None takes any.

        Raises:
            StoreError: nothing is published, or by another model alone, or it is damaged.
        """
        found = versions.current_version(self._milvus, self.alias)
        kept = None
        if model is not None and found.model != model:
            with suppress(Denied):  # a user who may only search
                kept = versions.kept_version(self._milvus, self.alias, model)
        if kept:
            found = kept
        elif model is not None and found.model != model:
            raise StoreError(
                f"{self.uri}: the movies of {self.alias} are of model {found.model}, the query is "
                f"of {model}",
                "publish the movies of this model",
                "publish",
            )
        with suppress(Denied):  # a user who may only search; what is published is loaded
            collection.load(self._milvus, found.collection, found.count)
        collection.check_count(self._milvus, found, self.address.consistency)
        self._opened = found
        return found

    def search(
        self,
        vectors: NDArray[np.float32],
        k: int,
        filter: Filter = EVERYTHING,
        exclude: Sequence[NDArray] | None = None,
    ) -> Hits:
        """The k movies with the largest inner products, for each query; see `Catalogue.search`.

        Raises:
            StoreError: Milvus failed, or now holds movies of another model.
        """

        def ask(opened: Published) -> Hits:
            queries = check_queries(vectors, k, opened.dimension, exclude)
            consistency = self.address.consistency
            return search.search(self._milvus, opened, queries, k, filter, exclude, consistency)

        return self._retry_if_dropped(ask)

    def take(self, movie_ids: NDArray | Sequence[Id]) -> Catalogue:
        """The named movies in the order asked for; KeyError when one is not there."""
        return self._retry_if_dropped(
            lambda opened: search.take(self._milvus, opened, movie_ids, self.address.consistency)
        )

    def read_all(self) -> Catalogue:
        """All movies, to search here instead of sending many queries to Milvus.

        The answers are those of `search` where the index is exact (`open(...).index.exact`), and
        stay those of the movies as they are now.

        Raises:
            StoreError: Milvus failed, or the movies are being updated.
        """
        opened = self.open(self._opened.model if self._opened else None)
        movies = search.read_all(self._milvus, opened)
        if opened.updating or self.open(opened.model) != opened or len(movies) != opened.count:
            raise StoreError(f"{self.uri}: the movies are being updated", "try again in a moment")
        return movies

    def close(self) -> None:
        """Close the connection."""
        self._milvus.close()

    def __enter__(self) -> "MilvusStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _retry_if_dropped(self, ask: Callable[[Published], T]) -> T:
        """Ask the version opened; once more if a later publish has dropped it meanwhile."""
        opened = self._opened or self.open(None)
        try:
            return ask(opened)
        except Missing:
            return ask(self.open(opened.model))

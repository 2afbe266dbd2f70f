"""A new collection: created, filled, indexed, loaded and verified, before the alias moves onto it.

Readers resolve the alias, so they see the old movies or the new ones, whole.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from pymilvus import MilvusClient

from recsys.errors import StoreError
from recsys.milvus.address import Index
from recsys.milvus.client import Milvus
from recsys.milvus.rows import VECTOR, collection_schema, rows_of
from recsys.milvus.versions import Published, Versions, building, drop
from recsys.serving.catalogue import Catalogue

LITE_BUILD = 86_400.0  # seconds Milvus Lite may take to build an index, within one call
_HALF = 0.5  # of the self-searches an index that is not exact has to pass


@dataclass(frozen=True)
class Layout:
    """How a collection is laid out; Milvus Lite heeds only the index."""

    index: Index
    shards: int = 1
    replicas: int = 1
    resource_groups: tuple[str, ...] = ()


@contextmanager
def filled(
    versions: Versions,
    movies: Catalogue,
    properties: dict[str, str],
    layout: Layout,
    progress: Callable[[int], None] | None = None,
    indexing: Callable[[int], None] | None = None,
) -> Iterator[str]:
    """The name of a new collection that holds the movies, verified; no leftover within the block.

    Args:
        movies: from `as_stored`.
        progress: called with how many movies went, after each batch.
        indexing: called with the number of movies by which the index grew.

    Raises:
        StoreError: it cannot be filled; it is dropped.
    """
    milvus = versions.milvus
    name = f"{versions.alias}_v{properties['recsys.model']}_{uuid.uuid4().hex[:8]}"
    building.add(name)
    try:
        try:
            with milvus.errors("creating a collection", 3 * milvus.timeout):
                milvus.client.create_collection(
                    name,
                    schema=collection_schema(movies),
                    properties=properties,
                    num_shards=layout.shards,
                    consistency_level="Bounded",
                    timeout=3 * milvus.timeout,
                )
            versions.sweep(name)
            for rows in rows_of(movies):
                with milvus.errors("sending movies", 3 * milvus.timeout):
                    milvus.client.insert(name, rows, timeout=3 * milvus.timeout)
                if progress:
                    progress(len(rows))
            with milvus.errors("flushing", 6 * milvus.timeout):
                milvus.client.flush(name, timeout=6 * milvus.timeout)
            _build(milvus, name, layout.index, len(movies), indexing)
            load(milvus, name, len(movies), layout)
            _verify(milvus, name, movies, layout.index)
        except BaseException:
            for _ in range(2):  # Milvus Lite on a full disk drops only at the second attempt
                with suppress(StoreError):  # else a later publish sweeps it
                    drop(milvus, name, "dropping the unfinished version")
                    break
            raise
        yield name
    finally:
        building.discard(name)


def _build(
    milvus: Milvus,
    name: str,
    index: Index,
    movies: int,
    indexing: Callable[[int], None] | None = None,
) -> None:
    """Build the index over so many movies."""
    params = MilvusClient.prepare_index_params()
    built = dict(index.build)
    params.add_index(
        VECTOR,
        index_type=index.name,
        metric_type="IP",
        index_name=VECTOR,
        params={"params": built} if milvus.lite else built,  # flat ones are lost on Lite
    )
    timeout = LITE_BUILD if milvus.lite else milvus.timeout
    with milvus.errors("building the index", timeout):
        milvus.client.create_index(name, params, sync=False, timeout=timeout)
    reported = 0

    def indexed() -> float:
        nonlocal reported
        share = _indexed(milvus, name)
        if indexing and int(share * movies) > reported:
            indexing(int(share * movies) - reported)
            reported = int(share * movies)
        return share

    wait(milvus, "building the index", indexed, movies)


def load(milvus: Milvus, name: str, movies: int, layout: Layout | None = None) -> None:
    """Bring a collection of so many movies into memory and wait, as long as it makes progress.

    Raises:
        StoreError: it does not.
    """
    options: dict[str, Any] = {}
    if layout and not milvus.lite:
        options["replica_number"] = layout.replicas
        if layout.resource_groups:
            options["_resource_groups"] = list(layout.resource_groups)
    if not layout and _loaded(milvus, name) == 1:
        return
    timeout = LITE_BUILD if milvus.lite else milvus.timeout
    with milvus.errors("loading", timeout):
        milvus.client.load_collection(name, _async=True, timeout=timeout, **options)
    wait(milvus, "loading", lambda: _loaded(milvus, name), movies)


def count(milvus: Milvus, name: str, consistency: str = "Strong") -> int:
    """How many movies the collection holds; Strong: everything acknowledged."""
    rows = milvus.read(
        "counting",
        MilvusClient.query,
        name,
        output_fields=["count(*)"],
        consistency_level=consistency,
    )
    return int(rows[0]["count(*)"])


def check_count(milvus: Milvus, found: Published, consistency: str = "Strong") -> None:
    """Refuse a collection that holds more or fewer movies than were published.

    Raises:
        StoreError: with both numbers.
    """
    held = count(milvus, found.collection, consistency)
    if held != found.count and consistency != "Strong":  # perhaps not all has come through yet
        held = count(milvus, found.collection)
    if held != found.count:
        raise StoreError(
            f"{milvus.uri}: {found.collection} should hold {found.count} movies, Milvus counts "
            f"{held}",
            "publish the movies",
            "publish",
        )


def wait(milvus: Milvus, doing: str, progress: Callable[[], float], movies: int) -> None:
    """Wait until `progress` is 1, as long as the server answers and it moves now and then.

    A server reports a segment (up to 512 MB) at a time, so that more movies mean longer pauses.

    Raises:
        StoreError: it stands still for too long.
    """
    patience = max(600, 6 * milvus.timeout) + movies / 100
    seen, since, pause = -1.0, time.monotonic(), 0.01
    while (done := progress()) < 1:
        if done != seen:
            seen, since = done, time.monotonic()
        if time.monotonic() - since > patience:
            raise StoreError(
                f"{milvus.uri}: {doing} stands still at {seen:.0%}",
                "look at the server's log and memory",
            )
        time.sleep(pause)
        pause = min(1.0, 1.5 * pause)


def _loaded(milvus: Milvus, name: str) -> float:
    """The share of the collection that is in memory, below 1 until all is ready."""
    state = milvus.read("loading", MilvusClient.get_load_state, name)
    if getattr(state["state"], "name", "") == "Loaded":
        return 1
    return float(min(0.99, state.get("progress", 0) / 100))


def _indexed(milvus: Milvus, name: str) -> float:
    """The share of the movies in the index, below 1 until it is whole.

    Once it is, a server may merge segments and index the merged ones anew; until that is done the
    parts it has answer, so there is nothing to wait for.
    """
    found = milvus.read("building the index", MilvusClient.describe_index, name, VECTOR)
    if found["state"] == "Failed":
        raise StoreError(f"{name}: Milvus could not build the index", "see the server's log")
    if found["state"] == "Finished":
        return 1
    return float(min(0.99, found.get("indexed_rows", 0) / max(1, found["total_rows"])))


def _verify(milvus: Milvus, name: str, movies: Catalogue, index: Index) -> None:
    """Count the movies and find some of them by their own vectors.

    Raises:
        StoreError: the collection does not hold what was sent.
    """
    held = count(milvus, name)
    if held != len(movies):
        raise StoreError(
            f"{name}: {len(movies)} movies were sent, Milvus counts {held}; what was published "
            "before stands",
            "publish again",
            "publish",
        )
    some = np.unique(np.linspace(0, len(movies) - 1, 16).astype(int))
    answers = milvus.read(
        "searching for movies by their own vectors",
        MilvusClient.search,
        name,
        data=list(movies.vectors[some]),
        limit=1,
        search_params=index.search_params(64, thorough=True),
        consistency_level="Strong",
    )
    found = [bool(hits) and abs(hits[0]["distance"] - 1) < 1e-2 for hits in answers]
    if sum(found) < len(some) * (1 if index.exact else _HALF):
        raise StoreError(
            f"{name}: movie {movies.ids[some[found.index(False)]]} is not found by its own "
            "vector; what was published before stands",
            "publish with the index FLAT",
            "index",
        )

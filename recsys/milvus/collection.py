"""One collection: created, filled, indexed, loaded, counted; with patience where it takes long."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pymilvus import MilvusClient

from recsys.data.ids import is_text
from recsys.errors import StoreError
from recsys.milvus.client import Milvus
from recsys.milvus.index import Index
from recsys.milvus.schema import VECTOR, collection_schema, rows_of
from recsys.milvus.versions import Published
from recsys.serving.catalogue import Catalogue

LITE_BUILD = 86_400.0  # seconds Milvus Lite may take to build an index, within one call


@dataclass(frozen=True)
class Layout:
    """How a collection is laid out; Milvus Lite heeds only the index."""

    index: Index
    shards: int = 1
    replicas: int = 1
    resource_groups: tuple[str, ...] = ()


def create(
    milvus: Milvus, name: str, movies: Catalogue, properties: dict[str, str], layout: Layout
) -> None:
    """Create an empty collection for the movies."""
    timeout = 3 * milvus.timeout
    with milvus.errors("creating a collection", timeout):
        milvus.client.create_collection(
            name,
            schema=collection_schema(movies.vectors.shape[1], is_text(movies.ids), movies.columns),
            properties=properties,
            num_shards=layout.shards,
            consistency_level="Bounded",
            timeout=timeout,
        )


def send(
    milvus: Milvus,
    name: str,
    movies: Catalogue,
    progress: Callable[[int], None] | None = None,
    *,
    replace: bool = False,
) -> None:
    """Send movies from `as_stored`.

    Args:
        progress: called with how many movies went, after each batch.
        replace: they take the place of movies that are there; otherwise none may be there.
    """
    timeout = 3 * milvus.timeout
    for rows in rows_of(movies):
        with milvus.errors("sending movies", timeout):
            if replace:
                milvus.client.upsert(name, rows, timeout=timeout)
            else:
                milvus.client.insert(name, rows, timeout=timeout)
        if progress:
            progress(len(rows))


def flush(milvus: Milvus, name: str) -> None:
    """Have everything written to disk."""
    timeout = 6 * milvus.timeout
    with milvus.errors("flushing", timeout):
        milvus.client.flush(name, timeout=timeout)


def build(
    milvus: Milvus,
    name: str,
    index: Index,
    movies: int,
    indexing: Callable[[int], None] | None = None,
) -> None:
    """Build the index over so many movies.

    Args:
        indexing: called with the number of movies by which the index grew.
    """
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
    if found.updating:  # the number is in between
        return
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

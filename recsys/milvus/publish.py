"""Publishing: movies into a new collection, verified, then the alias moves onto it.

Readers resolve the alias, so they see the old movies or the new ones, whole.
"""

import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
from pymilvus import DataType, MilvusClient

from recsys import __version__
from recsys.errors import StoreError
from recsys.milvus.client import Milvus
from recsys.milvus.errors import Unreachable, without_credentials
from recsys.milvus.index import Index
from recsys.milvus.versions import (
    FORMAT,
    Published,
    building,
    current_name,
    now,
    owner,
    refuse_foreign,
    retire,
    sweep,
    versions,
)
from recsys.serving.catalogue import Catalogue

MAX_TITLE, MAX_GENRE, MAX_GENRES = 1024, 256, 256  # UTF-8 bytes, UTF-8 bytes, genres of a movie
BATCH = 2_000  # movies sent at a time
LITE_BUILD = 86_400.0  # seconds Milvus Lite may take to build an index, within one call
_HALF = 0.5  # of the self-searches an index that is not exact has to pass


@dataclass(frozen=True)
class Plan:
    """How a collection is laid out; Milvus Lite heeds only the index."""

    index: Index
    shards: int = 1
    replicas: int = 1
    resource_groups: tuple[str, ...] = ()


def cut(text: str, size: int) -> str:
    """The text cut to at most `size` bytes of UTF-8, as Milvus counts."""
    return text.encode("utf-8", "replace")[:size].decode("utf-8", "ignore")


def check_catalogue(catalogue: Catalogue) -> None:
    """Refuse movies that would be searched wrongly.

    Raises:
        StoreError: naming the first movie at fault.
    """
    if not len(catalogue):
        raise StoreError("there is no movie to publish: give a file with movies, or `recsys train`")
    again = np.ones(len(catalogue), np.bool_)
    again[np.unique(catalogue.ids, return_index=True)[1]] = False
    finite = np.isfinite(catalogue.vectors).all(axis=1)
    with np.errstate(invalid="ignore", over="ignore"):
        norms = np.linalg.norm(catalogue.vectors, axis=1)
    genres = np.array([len(genres) for genres in catalogue.genres])
    for wrong, what in [
        (again, "is there twice"),
        (catalogue.ids < 0, "has a negative id"),
        (~finite, "has a vector with a value that is not finite"),
        (~(np.abs(norms - 1) <= 1e-3), "has a vector that is not of unit length"),
        (genres > MAX_GENRES, f"has more than {MAX_GENRES} genres"),
    ]:
        if wrong.any():
            raise StoreError(
                f"movie {catalogue.ids[int(np.argmax(wrong))]} {what}: nothing was published; "
                "correct the movies or run `recsys train` again"
            )


def publish(
    milvus: Milvus,
    alias: str,
    catalogue: Catalogue,
    model: str,
    plan: Plan,
    *,
    keep: int = 1,
    progress: Callable[[int], None] | None = None,
    indexing: Callable[[int], None] | None = None,
) -> Published:
    """Fill a new collection with the movies, verify it, move the alias onto it, tidy up.

    Until the alias moves nothing changes for readers, and a failure leaves it so.

    Raises:
        StoreError: the movies are unfit, or Milvus failed.
    """
    check_catalogue(catalogue)
    if not re.fullmatch(r"[0-9A-Za-z]{1,32}", model):
        raise StoreError(f"{model!r} is not a model's fingerprint")
    refuse_foreign(milvus, alias)
    name = f"{alias}_v{model}_{uuid.uuid4().hex[:8]}"
    building.add(name)
    try:
        try:
            has = _create(milvus, name, alias, catalogue, model, plan)
            sweep(milvus, alias, name)
            insert(milvus, name, catalogue, progress=progress)
            _build(milvus, name, plan, len(catalogue), indexing)
            verify(milvus, name, catalogue, plan.index)
        except BaseException:
            for _ in range(2):  # Milvus Lite on a full disk needs to be told twice
                with suppress(StoreError):  # else the next publish sweeps it
                    milvus.call("dropping the unfinished version", "drop_collection", name)
                    break
            raise
        # From here on the collection is never dropped: the alias may have moved unheard.
        previous = _move_alias(milvus, alias, name)
    finally:
        building.discard(name)
    with suppress(StoreError):  # the movies are published; the next publish tidies up
        retire(milvus, alias, name, previous, keep)
    return Published(
        collection=name,
        alias=alias,
        model=model,
        count=len(catalogue),
        dimension=catalogue.vectors.shape[1],
        index=plan.index,
        when=now(),
        software=has["recsys.software"],
        is_current=True,
        updating=False,
        changed="",
    )


def rollback(milvus: Milvus, alias: str) -> Published:
    """Move the alias back to the version published before the current one.

    Raises:
        StoreError: there is none, or it is damaged.
    """
    kept = versions(milvus, alias)
    current = next((one for one in kept if one.is_current), None)
    older = [one for one in kept if current and one.when < (current.when or "9")]
    if not older:
        raise StoreError(
            f"{without_credentials(milvus.uri)}: no earlier version of {alias} is kept: publish "
            "one with `recsys load-movies`; `recsys status` shows what there is"
        )
    load(milvus, older[0].collection, older[0].count)
    check_count(milvus, older[0])
    milvus.call("moving the alias", "alter_alias", older[0].collection, alias)
    return replace(older[0], is_current=True)


def insert(
    milvus: Milvus,
    name: str,
    catalogue: Catalogue,
    *,
    method: str = "insert",
    progress: Callable[[int], None] | None = None,
) -> None:
    """Send the movies in batches; `progress` is told how many went with each."""
    for rows in _batches(catalogue):
        milvus.call("sending movies", method, name, rows, timeout=3 * milvus.timeout)
        if progress:
            progress(len(rows))


def flush(milvus: Milvus, name: str) -> None:
    """Have everything written to disk."""
    milvus.call("flushing", "flush", name, timeout=6 * milvus.timeout)


def load(milvus: Milvus, name: str, movies: int, plan: Plan | None = None) -> None:
    """Bring a collection of so many movies into memory and wait, as long as it makes progress.

    Raises:
        StoreError: it does not.
    """
    options: dict[str, Any] = {}
    if plan and not milvus.lite:
        options["replica_number"] = plan.replicas
        if plan.resource_groups:
            options["_resource_groups"] = list(plan.resource_groups)
    if not plan and _loaded(milvus, name) == 1:
        return
    timeout = LITE_BUILD if milvus.lite else milvus.timeout
    milvus.call("loading", "load_collection", name, _async=True, timeout=timeout, **options)
    _wait(milvus, "loading", lambda: _loaded(milvus, name), movies)


def _loaded(milvus: Milvus, name: str) -> float:
    """The share of the collection that is in memory, below 1 until all is ready."""
    state = milvus.read("loading", "get_load_state", name)
    done = getattr(state["state"], "name", "") == "Loaded"
    return 1 if done else min(0.99, state.get("progress", 0) / 100)


def count(milvus: Milvus, name: str, consistency: str = "Strong") -> int:
    """How many movies the collection holds; Strong: everything acknowledged."""
    rows = milvus.read(
        "counting", "query", name, output_fields=["count(*)"], consistency_level=consistency
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
            f"{without_credentials(milvus.uri)}: {found.collection} should hold {found.count} "
            f"movies, Milvus counts {held}: run `recsys load-movies`"
        )


def verify(milvus: Milvus, name: str, catalogue: Catalogue, index: Index) -> None:
    """Count the movies and find some of them by their own vectors.

    Raises:
        StoreError: the collection does not hold what was sent.
    """
    held = count(milvus, name)
    if held != len(catalogue):
        raise StoreError(
            f"{name}: {len(catalogue)} movies were sent, Milvus counts {held}: what was published "
            "before stands; run `recsys load-movies` again"
        )
    some = np.unique(np.linspace(0, len(catalogue) - 1, 16).astype(int))
    answers = milvus.read(
        "searching for movies by their own vectors",
        "search",
        name,
        data=list(catalogue.vectors[some]),
        limit=1,
        search_params=index.search_params(64, thorough=True),
        consistency_level="Strong",
    )
    found = [bool(hits) and abs(hits[0]["distance"] - 1) < 1e-2 for hits in answers]
    if sum(found) < len(some) * (1 if index.exact else _HALF):
        raise StoreError(
            f"{name}: movie {catalogue.ids[some[found.index(False)]]} is not found by its own "
            "vector: what was published before stands; run `recsys load-movies --index FLAT`"
        )


def _create(
    milvus: Milvus, name: str, alias: str, catalogue: Catalogue, model: str, plan: Plan
) -> dict[str, str]:
    """Create the collection; returns the properties it carries."""
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("movie_id", DataType.INT64, is_primary=True)
    schema.add_field("title", DataType.VARCHAR, max_length=MAX_TITLE)
    schema.add_field("year", DataType.INT32)
    schema.add_field(
        "genres",
        DataType.ARRAY,
        element_type=DataType.VARCHAR,
        max_capacity=MAX_GENRES,
        max_length=MAX_GENRE,
    )
    schema.add_field("is_new", DataType.BOOL)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=catalogue.vectors.shape[1])
    properties = {
        "recsys.format": FORMAT,
        "recsys.alias": alias,
        "recsys.model": model,
        "recsys.count": str(len(catalogue)),
        "recsys.index": plan.index.to_json(),
        "recsys.software": f"recsys {__version__}, pymilvus {version('pymilvus')}, "
        f"Milvus {milvus.version}",
        **owner(len(catalogue)),
    }
    milvus.call(
        "creating a collection",
        "create_collection",
        name,
        schema=schema,
        properties=properties,
        num_shards=plan.shards,
        consistency_level="Bounded",
        timeout=3 * milvus.timeout,
    )
    return properties


def _build(
    milvus: Milvus, name: str, plan: Plan, movies: int, indexing: Callable[[int], None] | None
) -> None:
    """Flush, index and load."""
    flush(milvus, name)
    params = MilvusClient.prepare_index_params()
    build = dict(plan.index.build)
    params.add_index(
        "vector",
        index_type=plan.index.name,
        metric_type="IP",
        index_name="vector",
        params={"params": build} if milvus.lite else build,  # flat ones are lost on Lite
    )
    timeout = LITE_BUILD if milvus.lite else milvus.timeout
    milvus.call("building the index", "create_index", name, params, sync=False, timeout=timeout)
    told = 0

    def indexed() -> float:
        nonlocal told
        done = _indexed(milvus, name)
        if indexing and int(done * movies) > told:
            indexing(int(done * movies) - told)
            told = int(done * movies)
        return done

    _wait(milvus, "building the index", indexed, movies)
    load(milvus, name, movies, plan)


def _indexed(milvus: Milvus, name: str) -> float:
    """The share of the movies in the index, below 1 until it is whole.

    Once it is, a server may merge segments and index the merged ones anew; until that is done the
    parts it has answer, so there is nothing to wait for.
    """
    found = milvus.read("building the index", "describe_index", name, "vector")
    if found["state"] == "Failed":
        raise StoreError(f"{name}: Milvus could not build the index: see the server's log")
    if found["state"] == "Finished":
        return 1
    return min(0.99, found.get("indexed_rows", 0) / max(1, found["total_rows"]))


def _wait(milvus: Milvus, doing: str, progress: Callable[[], float], movies: int) -> None:
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
                f"{without_credentials(milvus.uri)}: {doing} stands still at {seen:.0%}: look at "
                "the server's log and memory"
            )
        time.sleep(pause)
        pause = min(1.0, 1.5 * pause)


def _move_alias(milvus: Milvus, alias: str, name: str) -> str | None:
    """Point the alias at the collection; returns what it pointed at before."""
    previous = current_name(milvus, alias)
    method = "alter_alias" if previous else "create_alias"
    try:
        milvus.call("moving the alias", method, name, alias)
    except Unreachable:
        if current_name(milvus, alias) != name:
            raise
    return previous


def _batches(catalogue: Catalogue) -> Iterator[list[dict[str, Any]]]:
    """The movies as Milvus rows, by rising id so that equal movies stay in the order of their ids."""
    order = np.argsort(catalogue.ids, kind="stable")
    ids, years = catalogue.ids.tolist(), catalogue.years.tolist()
    is_new = catalogue.is_new.tolist()
    for start in range(0, len(order), BATCH):
        yield [
            {
                "movie_id": ids[movie],
                "title": cut(catalogue.titles[movie], MAX_TITLE),
                "year": years[movie],
                "genres": [cut(genre, MAX_GENRE) for genre in catalogue.genres[movie]],
                "is_new": is_new[movie],
                "vector": catalogue.vectors[movie],
            }
            for movie in order[start : start + BATCH].tolist()
        ]

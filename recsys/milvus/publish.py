"""Publishing: movies into a new collection, verified, then the alias moves onto it.

Readers resolve the alias, so they see the old movies or the new ones, whole.
"""

import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.metadata import version

import numpy as np
from pymilvus import MilvusClient

from recsys import __version__
from recsys.data.ids import is_text
from recsys.errors import StoreError
from recsys.milvus.client import Milvus
from recsys.milvus.collection import (
    Layout,
    build,
    check_count,
    count,
    create,
    flush,
    load,
    send,
)
from recsys.milvus.errors import Unreachable
from recsys.milvus.index import Index
from recsys.milvus.schema import FORMAT, as_stored, check_catalogue
from recsys.milvus.search import read_all
from recsys.milvus.versions import (
    Published,
    building,
    change_properties,
    current_name,
    drop,
    now,
    refuse_foreign,
    retire,
    sweep,
    versions,
)
from recsys.serving.catalogue import Catalogue

_HALF = 0.5  # of the self-searches an index that is not exact has to pass


def publish(
    milvus: Milvus,
    alias: str,
    catalogue: Catalogue,
    model: str,
    layout: Layout,
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
    movies = as_stored(catalogue)
    properties = _properties(milvus, alias, model, movies, layout)
    with _filled(milvus, movies, properties, layout, progress, indexing) as name:
        # From here on the collection is never dropped: the alias may have moved unheard.
        previous = _move_alias(milvus, alias, name)
    with suppress(StoreError):  # the movies are published; the next publish tidies up
        retire(milvus, alias, name, previous, keep)
    return Published(
        collection=name,
        alias=alias,
        model=model,
        count=len(movies),
        dimension=movies.vectors.shape[1],
        text_ids=is_text(movies.ids),
        index=layout.index,
        when=now(),
        software=properties["recsys.software"],
        is_current=True,
        updating=False,
        changed="",
        columns=tuple((name, column.kind) for name, column in movies.columns.items()),
    )


def copy(milvus: Milvus, current: Published) -> str:
    """A new version with the movies of the current one as they are now, and as old; its name.

    Raises:
        StoreError: Milvus failed; nothing has changed.
    """
    movies, layout = read_all(milvus, current), Layout(current.index)
    properties = _properties(milvus, current.alias, current.model, movies, layout)
    with _filled(milvus, movies, properties, layout) as name:
        change_properties(milvus, name, {"recsys.published": current.when or now()})
    return name


@contextmanager
def _filled(
    milvus: Milvus,
    movies: Catalogue,
    properties: dict[str, str],
    layout: Layout,
    progress: Callable[[int], None] | None = None,
    indexing: Callable[[int], None] | None = None,
) -> Iterator[str]:
    """The name of a new collection that holds the movies, verified; no leftover within the block.

    Raises:
        StoreError: it cannot be filled; it is dropped.
    """
    alias = properties["recsys.alias"]
    name = f"{alias}_v{properties['recsys.model']}_{uuid.uuid4().hex[:8]}"
    building.add(name)
    try:
        try:
            create(milvus, name, movies, properties, layout)
            sweep(milvus, alias, name)
            send(milvus, name, movies, progress)
            flush(milvus, name)
            build(milvus, name, layout.index, len(movies), indexing)
            load(milvus, name, len(movies), layout)
            verify(milvus, name, movies, layout.index)
        except BaseException:
            for _ in range(2):  # Milvus Lite on a full disk drops only at the second attempt
                with suppress(StoreError):  # else a later publish sweeps it
                    drop(milvus, name, "dropping the unfinished version")
                    break
            raise
        yield name
    finally:
        building.discard(name)


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
            f"{milvus.uri}: no earlier version of {alias} is kept", "publish one", "publish"
        )
    load(milvus, older[0].collection, older[0].count)
    check_count(milvus, older[0])
    with milvus.errors("moving the alias"):
        milvus.client.alter_alias(older[0].collection, alias, timeout=milvus.timeout)
    return replace(older[0], is_current=True)


def verify(milvus: Milvus, name: str, movies: Catalogue, index: Index) -> None:
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


def _properties(
    milvus: Milvus, alias: str, model: str, movies: Catalogue, layout: Layout
) -> dict[str, str]:
    """What is written down about a collection."""
    return {
        "recsys.format": FORMAT,
        "recsys.alias": alias,
        "recsys.model": model,
        "recsys.count": str(len(movies)),
        "recsys.index": layout.index.to_json(),
        "recsys.software": f"recsys {__version__}, pymilvus {version('pymilvus')}, "
        f"Milvus {milvus.version}",
    }


def _move_alias(milvus: Milvus, alias: str, name: str) -> str | None:
    """Point the alias at the collection; returns what it pointed at before."""
    previous = current_name(milvus, alias)
    try:
        with milvus.errors("moving the alias"):
            if previous:
                milvus.client.alter_alias(name, alias, timeout=milvus.timeout)
            else:
                milvus.client.create_alias(name, alias, timeout=milvus.timeout)
    except Unreachable:
        if current_name(milvus, alias) != name:
            raise
    return previous

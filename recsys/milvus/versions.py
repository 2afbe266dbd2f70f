"""The versions of the movies in Milvus: which there are, which one the alias stands for, leftovers.

Movies are published into a new collection NAME_vMODEL_RANDOM; the alias NAME stands for the current
one. A collection without `recsys.published` was never reached by the alias: a publish is filling
it, or was broken off and left it behind; once that is certain, the next publish drops it.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from pymilvus import MilvusClient

from recsys.data.schema import Kind
from recsys.errors import StoreError
from recsys.milvus.client import Milvus
from recsys.milvus.errors import Missing
from recsys.milvus.index import Index
from recsys.milvus.schema import FORMAT, columns_of, dimension_of, has_text_ids

UNFINISHED_HOURS = 12.0  # after which a server's unfinished version is a leftover
building: set[str] = set()  # collections this process is filling now


class Unreadable(StoreError):
    """A version another recsys published in a way this one does not know."""


@dataclass(frozen=True)
class Published:
    """A version of the movies in Milvus."""

    collection: str
    alias: str
    model: str  # the model's fingerprint
    count: int  # movies
    dimension: int
    text_ids: bool  # the movies' ids are text, not numbers
    index: Index
    when: str  # UTC, ISO 8601; "" where publishing ended before this was noted
    software: str  # what it was published with
    is_current: bool
    updating: bool  # an update in place was begun and is not finished
    changed: str  # of the last update in place, like `when`
    columns: tuple[tuple[str, Kind], ...] = ()  # of the schema, as far as Milvus says


def now() -> str:
    """The time as it is written down."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def description_of(milvus: Milvus, name: str) -> tuple[dict[str, str], dict[str, Any]]:
    """What recsys wrote down about a collection, and all that Milvus says of it.

    Raises:
        Missing: it is not there (any more).
    """
    found = milvus.read("looking at a collection", MilvusClient.describe_collection, name)
    return found.get("properties") or {}, found


def describe(milvus: Milvus, name: str, alias: str, current: str | None) -> Published | None:
    """What a collection of ours holds; None if it is none of the alias' own.

    Raises:
        Missing: it is not there (any more).
        Unreadable: it is ours but not to be understood.
    """
    has, found = description_of(milvus, name)
    if has.get("recsys.alias") != alias:
        return None
    if has["recsys.format"] != FORMAT:
        raise Unreadable(
            f"{name}: published in format {has['recsys.format']}, this recsys reads {FORMAT}",
            "publish the movies with the recsys you use",
            "publish",
        )
    try:
        return Published(
            collection=found["collection_name"],
            alias=alias,
            model=has["recsys.model"],
            count=int(has["recsys.count"]),
            dimension=dimension_of(found),
            text_ids=has_text_ids(found),
            index=Index.from_json(has["recsys.index"]),
            when=has.get("recsys.published", ""),
            software=has["recsys.software"],
            is_current=found["collection_name"] == current,
            updating=bool(has.get("recsys.updating")),
            changed=has.get("recsys.changed", ""),
            columns=columns_of(found),
        )
    except (KeyError, StopIteration, ValueError, TypeError) as error:
        raise Unreadable(
            f"{name}: its description is damaged", "publish the movies", "publish"
        ) from error


def current_name(milvus: Milvus, alias: str) -> str | None:
    """The collection the alias stands for now, None before the first publish."""
    try:
        found = milvus.read("resolving the alias", MilvusClient.describe_alias, alias)
    except Missing:
        return None
    return str(found["collection_name"])


def current_version(milvus: Milvus, alias: str) -> Published:
    """The version the alias stands for.

    Raises:
        Missing: nothing is published.
        StoreError: the name belongs to something recsys did not make.
    """
    try:
        found = describe(milvus, alias, alias, None)
    except Missing as error:
        raise Missing(
            f"{milvus.uri}: no movies are published as {alias}", "publish the movies", "publish"
        ) from error
    if found is None or found.collection == alias:
        raise _foreign(f"{milvus.uri}: {alias} was not made by recsys")
    return replace(found, is_current=True)


def versions(milvus: Milvus, alias: str) -> list[Published]:
    """What was published under the alias and is still kept, the newest first."""
    current = current_name(milvus, alias)
    kept = []
    for name in names(milvus, alias):
        with suppress(Missing, Unreadable):  # dropped meanwhile, or another recsys' own
            found = describe(milvus, name, alias, current)
            if found and (found.when or found.is_current):
                kept.append(found)
    return sorted(kept, key=lambda one: one.when or "9", reverse=True)


def kept_version(milvus: Milvus, alias: str, model: str) -> Published | None:
    """The newest version of a model that is still kept, whatever is published since."""
    return next((one for one in versions(milvus, alias) if one.model == model), None)


def names(milvus: Milvus, alias: str) -> list[str]:
    """The names of the versioned collections under the alias, published or not."""
    pattern = re.compile(rf"{re.escape(alias)}_v[0-9A-Za-z]{{1,32}}_[0-9a-f]{{8}}", re.ASCII)
    return sorted(name for name in milvus.collections() if pattern.fullmatch(name))


def refuse_foreign(milvus: Milvus, alias: str) -> None:
    """The name must not be taken by a collection, nor the alias by another program.

    Raises:
        StoreError: it is.
    """
    if alias in milvus.collections():
        raise _foreign(f"{milvus.uri}: {alias} is a collection, not an alias of recsys")
    current = current_name(milvus, alias)
    try:
        owner = description_of(milvus, current)[0].get("recsys.alias") if current else alias
    except Missing:  # the alias of a collection that is gone: ours to set anew
        return
    if owner != alias:
        raise _foreign(
            f"{milvus.uri}: {alias} is the alias of {current}, which recsys did not make"
        )


def _foreign(cause: str) -> StoreError:
    return StoreError(cause, "publish under another name", "collection")


def sweep(milvus: Milvus, alias: str, mine: str) -> None:
    """Drop what publishes that were broken off left behind; never the current version."""
    present = int(description_of(milvus, mine)[1].get("created_timestamp", 0))
    current = current_name(milvus, alias)
    for name in names(milvus, alias):
        with suppress(Missing):  # another publish swept it
            has, found = description_of(milvus, name)
            age = (present - int(found.get("created_timestamp", 0))) >> 18  # ms, the server's clock
            if (
                name not in (mine, current)
                and has.get("recsys.alias") == alias
                and is_leftover(milvus, name, has, age / 3_600_000)
            ):
                drop(milvus, name, "dropping a leftover")


def is_leftover(milvus: Milvus, name: str, has: Mapping[str, str], hours: float) -> bool:
    """Whether nobody fills an unfinished collection of some age any more.

    Milvus Lite serves one process, this one, which knows what it is building. On a server another
    may be: a publish that outlives UNFINISHED_HOURS fails harmlessly before the alias moves.
    """
    if has.get("recsys.published") or name in building:
        return False
    return milvus.lite or hours >= UNFINISHED_HOURS


def retire(milvus: Milvus, alias: str, name: str, previous: str | None, keep: int) -> None:
    """Note that `name` is published, keep `previous` and others up to `keep`, drop the rest."""
    for one in filter(None, [previous, name]):
        with suppress(Missing):
            if not description_of(milvus, one)[0].get("recsys.published"):
                change_properties(milvus, one, {"recsys.published": now()})
    older = [one.collection for one in versions(milvus, alias) if not one.is_current]
    older.sort(key=lambda one: one not in (previous, name))  # stable: the others by age
    for one in older[max(0, keep) :]:
        with suppress(Missing):
            if one != current_name(milvus, alias):  # a rollback may have come between
                drop(milvus, one, "dropping an old version")


def drop(milvus: Milvus, name: str, doing: str) -> None:
    """Drop a collection, if it is there."""
    with milvus.errors(doing):
        milvus.client.drop_collection(name, timeout=milvus.timeout)


def change_properties(milvus: Milvus, name: str, properties: dict[str, str]) -> None:
    """Write something down about a collection."""
    with milvus.errors("marking a version"):
        milvus.client.alter_collection_properties(name, properties, timeout=milvus.timeout)

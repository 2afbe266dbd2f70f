"""The versions of the movies in Milvus: which there are, which one the alias stands for, leftovers.

Movies are published into a new collection NAME_vMODEL_RANDOM; the alias NAME stands for the current
one. A collection without `recsys.published` was never reached by the alias: a live publish is
filling it, or a dead one left it behind and the next publish sweeps it away.
"""

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from recsys.errors import StoreError
from recsys.milvus.client import Milvus
from recsys.milvus.errors import Missing, without_credentials
from recsys.milvus.index import Index

FORMAT = "1"  # of our collections; another is refused
building: set[str] = set()  # collections this process is filling now
_NAME = re.compile(r"[A-Za-z_]\w{0,199}", re.ASCII)


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
    index: Index
    when: str  # UTC, ISO 8601; "" where publishing ended before this was noted
    software: str  # what it was published with
    is_current: bool
    updating: bool  # an update in place was begun and is not finished
    changed: str  # of the last update in place, like `when`


def check_name(name: str) -> str:
    """The name of a collection, if Milvus takes it on every backend."""
    if not _NAME.fullmatch(name):
        raise StoreError(
            f"--collection {name!r}: letters, digits and _ only, not a digit first, at most 200"
        )
    return name


def now() -> str:
    """The time as it is written down."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def properties_of(milvus: Milvus, name: str) -> tuple[dict[str, str], dict[str, Any]]:
    """What recsys wrote down about a collection, and all that Milvus says of it.

    Raises:
        Missing: it is not there (any more).
    """
    found = milvus.read("looking at a collection", "describe_collection", name)
    return found.get("properties") or {}, found


def describe(milvus: Milvus, name: str, alias: str, current: str | None) -> Published | None:
    """What a collection of ours holds; None if it is none of the alias' own.

    Raises:
        Missing: it is not there (any more).
    """
    has, found = properties_of(milvus, name)
    if has.get("recsys.alias") != alias:
        return None
    if has["recsys.format"] != FORMAT:
        raise Unreadable(
            f"{name}: published in format {has['recsys.format']}, this recsys reads {FORMAT}: "
            "run `recsys load-movies` with the recsys you use"
        )
    try:
        vector = next(field for field in found["fields"] if field["name"] == "vector")
        return Published(
            collection=found["collection_name"],
            alias=alias,
            model=has["recsys.model"],
            count=int(has["recsys.count"]),
            dimension=int(vector["params"]["dim"]),
            index=Index.from_json(has["recsys.index"]),
            when=has.get("recsys.published", ""),
            software=has["recsys.software"],
            is_current=found["collection_name"] == current,
            updating=bool(has.get("recsys.updating")),
            changed=has.get("recsys.changed", ""),
        )
    except (KeyError, StopIteration, ValueError, TypeError) as error:
        raise Unreadable(f"{name}: its description is damaged: run `recsys load-movies`") from error


def current_name(milvus: Milvus, alias: str) -> str | None:
    """The collection the alias stands for now, None before the first publish."""
    try:
        found = milvus.read("resolving the alias", "describe_alias", alias)
    except Missing:
        return None
    return str(found["collection_name"])


def current_version(milvus: Milvus, alias: str) -> Published:
    """The version the alias stands for.

    Raises:
        Missing: nothing is published.
        StoreError: the name belongs to something recsys did not make.
    """
    where = without_credentials(milvus.uri)
    try:
        found = describe(milvus, alias, alias, None)
    except Missing as error:
        raise Missing(
            f"{where}: no movies are published as {alias}: run `recsys load-movies`"
        ) from error
    if found is None or found.collection == alias:
        raise StoreError(f"{where}: {alias} was not made by recsys: give another --collection")
    return replace(found, is_current=True)


def versions(milvus: Milvus, alias: str) -> list[Published]:
    """What was published under the alias and is still kept, the newest first."""
    current = current_name(milvus, alias)
    kept = []
    for name in names(milvus, alias):
        try:
            found = describe(milvus, name, alias, current)
        except (Missing, Unreadable):  # dropped meanwhile, or another recsys' own
            continue
        if found and (found.when or found.is_current):
            kept.append(found)
    return sorted(kept, key=lambda one: one.when or "9", reverse=True)


def names(milvus: Milvus, alias: str) -> list[str]:
    """The names of the versioned collections under the alias, published or not."""
    pattern = re.compile(rf"{re.escape(alias)}_v[0-9A-Za-z]{{1,32}}_[0-9a-f]{{8}}", re.ASCII)
    every = milvus.read("listing collections", "list_collections")
    return sorted(name for name in every if pattern.fullmatch(name))


def refuse_foreign(milvus: Milvus, alias: str) -> None:
    """The name must not be taken by a collection, nor the alias by another program.

    Raises:
        StoreError: it is.
    """
    if alias in milvus.read("listing collections", "list_collections"):
        raise StoreError(
            f"{alias}: is a collection, not an alias of recsys: give another --collection"
        )
    current = current_name(milvus, alias)
    try:
        owner = properties_of(milvus, current)[0].get("recsys.alias") if current else alias
    except Missing:  # the alias of a collection that is gone: ours to set anew
        return
    if owner != alias:
        raise StoreError(
            f"{alias}: is the alias of {current}, which recsys did not make: give another "
            "--collection"
        )


def owner(movies: int) -> dict[str, str]:
    """Properties that tell a live publish from a dead one: who, and how long at most."""
    return {
        "recsys.owner": f"{_place()}#{os.getpid()}",
        "recsys.lease": str(1800 + movies // 100),  # seconds
    }


def sweep(milvus: Milvus, alias: str, mine: str) -> None:
    """Drop what dead publishes left behind; never the current version or a live one's."""
    present = int(properties_of(milvus, mine)[1].get("created_timestamp", 0))
    current = current_name(milvus, alias)
    for name in names(milvus, alias):
        try:
            has, found = properties_of(milvus, name)
            created = int(found.get("created_timestamp", 0))
            dead = _is_dead(milvus, name, has, (present - created) >> 18)
            if name not in (mine, current) and has.get("recsys.alias") == alias and dead:
                milvus.call("dropping a leftover", "drop_collection", name)
        except Missing:  # another publish swept it
            continue


def _is_dead(milvus: Milvus, name: str, has: Mapping[str, str], age: int) -> bool:
    """Whether an unfinished collection has nobody filling it any more; `age` in ms.

    Lite serves one process, this one. On a server the maker runs no longer on this machine, or its
    time is up by the server's clock: a publish that outlives it fails harmlessly before the alias.
    """
    if has.get("recsys.published") or "recsys.owner" not in has or name in building:
        return False
    place, _, process = has["recsys.owner"].rpartition("#")
    if milvus.lite:
        return True
    if place == _place():
        return int(process) == os.getpid() or not _is_running(int(process))
    return age > 1000 * int(has["recsys.lease"])


def retire(milvus: Milvus, alias: str, name: str, previous: str | None, keep: int) -> None:
    """Note that `name` is published, keep `previous` and others up to `keep`, drop the rest."""
    for one in filter(None, [previous, name]):
        _stamp(milvus, one)
    older = [one.collection for one in versions(milvus, alias) if not one.is_current]
    older.sort(key=lambda one: one not in (previous, name))  # stable: the others by age
    for one in older[max(0, keep) :]:
        try:
            if one != current_name(milvus, alias):  # a rollback may have come between
                milvus.call("dropping an old version", "drop_collection", one)
        except Missing:
            continue


def _stamp(milvus: Milvus, name: str) -> None:
    """Note when a version was published, unless that is known."""
    try:
        if not properties_of(milvus, name)[0].get("recsys.published"):
            change_properties(milvus, name, {"recsys.published": now()})
    except Missing:
        return


def change_properties(milvus: Milvus, name: str, properties: dict[str, str]) -> None:
    """Write something down about a collection."""
    milvus.call("marking a version", "alter_collection_properties", name, properties)


def _place() -> str:
    """This machine and its process numbers: where a process id means what it means here."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return f"{socket.gethostname()}/{space}"


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True

"""The versions of the movies in Milvus: which there are, which one the alias stands for, leftovers.

Movies are published into a new collection NAME_vMODEL_RANDOM; the alias NAME stands for the current
one. A collection without `recsys.published` was never reached by the alias: a publish is filling
it, or was broken off and left it behind; once that is certain, the next publish drops it.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from pymilvus import MilvusClient

from recsys.data.schema import Kind
from recsys.errors import StoreError
from recsys.milvus.address import Index
from recsys.milvus.client import Milvus, Missing, Unreachable
from recsys.milvus.rows import FORMAT, KEY, VECTOR, catalogue_of, described
from recsys.serving.catalogue import Catalogue, fields_of

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
    columns: dict[str, Kind]  # of the schema, as far as Milvus says
    index: Index
    when: str  # UTC, ISO 8601; "" where publishing ended before this was noted
    software: str  # what it was published with
    is_current: bool

    @property
    def fields(self) -> list[str]:
        """All fields of the movies."""
        return [KEY, VECTOR, *(each.name for each in fields_of(self.columns))]

    def catalogue(self, rows: Sequence[Mapping[str, Any]]) -> Catalogue:
        """Rows of Milvus as movies, in the order of the rows."""
        return catalogue_of(rows, self.dimension, self.columns)


class Versions:
    """The versions under one alias."""

    def __init__(self, milvus: Milvus, alias: str) -> None:
        self.milvus, self.alias = milvus, alias

    def names(self) -> list[str]:
        """The names of the versioned collections, published or not."""
        pattern = rf"{re.escape(self.alias)}_v[0-9A-Za-z]{{1,32}}_[0-9a-f]{{8}}"
        found = self.milvus.collections()
        return sorted(name for name in found if re.fullmatch(pattern, name, re.ASCII))

    def current_name(self) -> str | None:
        """The collection the alias stands for now, None before the first publish."""
        try:
            found = self.milvus.read("resolving the alias", MilvusClient.describe_alias, self.alias)
        except Missing:
            return None
        return str(found["collection_name"])

    def current(self) -> Published:
        """The version the alias stands for.

        Raises:
            Missing: nothing is published.
            StoreError: the name belongs to something recsys did not make.
        """
        try:
            found = self.describe(self.alias, None)
        except Missing as error:
            cause = f"{self.milvus.uri}: no movies are published as {self.alias}"
            raise Missing(cause, "publish the movies", "publish") from error
        if found is None or found.collection == self.alias:
            raise self._foreign(f"{self.alias} was not made by recsys")
        return replace(found, is_current=True)

    def all(self) -> list[Published]:
        """What was published and is still kept, the newest first."""
        current = self.current_name()
        found = []
        for name in self.names():
            with suppress(Missing, Unreadable):  # dropped meanwhile, or another recsys' own
                one = self.describe(name, current)
                if one and (one.when or one.is_current):
                    found.append(one)
        return sorted(found, key=lambda one: one.when or "9", reverse=True)

    def describe(self, name: str, current: str | None) -> Published | None:
        """What a collection holds; None if it is none of ours.

        Raises:
            Missing: it is not there (any more).
            Unreadable: it is ours but not to be understood.
        """
        properties, found = description_of(self.milvus, name)
        if properties.get("recsys.alias") != self.alias:
            return None
        if properties["recsys.format"] != FORMAT:
            written = properties["recsys.format"]
            raise Unreadable(
                f"{name}: published in format {written}, this recsys reads {FORMAT}",
                "publish the movies with the recsys you use",
                "publish",
            )
        try:
            dimension, text_ids, columns = described(found)
            return Published(
                collection=found["collection_name"],
                alias=self.alias,
                model=properties["recsys.model"],
                count=int(properties["recsys.count"]),
                dimension=dimension,
                text_ids=text_ids,
                columns=columns,
                index=Index.from_json(properties["recsys.index"]),
                when=properties.get("recsys.published", ""),
                software=properties["recsys.software"],
                is_current=found["collection_name"] == current,
            )
        except (KeyError, ValueError, TypeError) as error:
            cause = f"{name}: its description is damaged"
            raise Unreadable(cause, "publish the movies", "publish") from error

    def refuse_foreign(self) -> None:
        """The name must not be taken by a collection, nor the alias by another program.

        Raises:
            StoreError: it is.
        """
        if self.alias in self.milvus.collections():
            raise self._foreign(f"{self.alias} is a collection, not an alias of recsys")
        current = self.current_name()
        with suppress(Missing):  # the alias of a collection that is gone: ours to set anew
            owner = description_of(self.milvus, current)[0].get("recsys.alias") if current else ""
            if current and owner != self.alias:
                raise self._foreign(
                    f"{self.alias} is the alias of {current}, which recsys did not make"
                )

    def _foreign(self, cause: str) -> StoreError:
        return StoreError(f"{self.milvus.uri}: {cause}", "publish under another name", "collection")

    def move(self, name: str) -> str | None:
        """Point the alias at a collection; returns what it pointed at before."""
        previous = self.current_name()
        client = self.milvus.client
        point = client.alter_alias if previous else client.create_alias
        try:
            with self.milvus.errors("moving the alias"):
                point(name, self.alias, timeout=self.milvus.timeout)
        except Unreachable:
            if self.current_name() != name:
                raise
        return previous

    def sweep(self, mine: str) -> None:
        """Drop what publishes that were broken off left behind; never the current version."""
        present = int(description_of(self.milvus, mine)[1].get("created_timestamp", 0))
        current = self.current_name()
        for name in self.names():
            with suppress(Missing):  # another publish swept it
                properties, found = description_of(self.milvus, name)
                created = int(found.get("created_timestamp", 0))
                hours = ((present - created) >> 18) / 3_600_000  # ms, the server's clock
                if (
                    name not in (mine, current)
                    and properties.get("recsys.alias") == self.alias
                    and is_leftover(self.milvus, name, properties, hours)
                ):
                    drop(self.milvus, name, "dropping a leftover")

    def retire(self, name: str, previous: str | None, keep: int) -> None:
        """Note that `name` is published, keep `previous` and others up to `keep`, drop the rest."""
        for one in filter(None, [previous, name]):
            with suppress(Missing):
                if not description_of(self.milvus, one)[0].get("recsys.published"):
                    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
                    with self.milvus.errors("marking a version"):
                        self.milvus.client.alter_collection_properties(
                            one, {"recsys.published": now}, timeout=self.milvus.timeout
                        )
        older = [one.collection for one in self.all() if not one.is_current]
        older.sort(key=lambda one: one not in (previous, name))  # stable: the others by age
        for one in older[max(0, keep) :]:
            with suppress(Missing):
                if one != self.current_name():  # a rollback may have come between
                    drop(self.milvus, one, "dropping an old version")


def description_of(milvus: Milvus, name: str) -> tuple[dict[str, str], dict[str, Any]]:
    """What recsys wrote down about a collection, and all that Milvus says of it.

    Raises:
        Missing: it is not there (any more).
    """
    found = milvus.read("looking at a collection", MilvusClient.describe_collection, name)
    return found.get("properties") or {}, found


def is_leftover(milvus: Milvus, name: str, properties: Mapping[str, str], hours: float) -> bool:
    """Whether nobody fills an unfinished collection of some age any more.

    Milvus Lite serves one process, this one, which knows what it is building. On a server another
    may be: a publish that outlives UNFINISHED_HOURS fails harmlessly before the alias moves.
    """
    if properties.get("recsys.published") or name in building:
        return False
    return milvus.lite or hours >= UNFINISHED_HOURS


def drop(milvus: Milvus, name: str, doing: str) -> None:
    """Drop a collection, if it is there."""
    with milvus.errors(doing):
        milvus.client.drop_collection(name, timeout=milvus.timeout)

"""The versions of the movies in Milvus: filled, checked, moved to, listed and dropped.

A new collection is filled and checked before the alias NAME, which readers resolve, moves onto it.
Until then it is called NAME_vMODEL_RANDOM_unfinished, then without the end. (A property would not
do: a server may forget a change of one when it is restarted.) One that a publish left behind is
dropped by the next, once that is certain.
"""

import json
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from pymilvus import MilvusClient

from recsys.data.schema import Kind
from recsys.errors import StoreError
from recsys.milvus.address import Index
from recsys.milvus.bulk import Bulk
from recsys.milvus.client import Milvus, Missing, Unreachable
from recsys.milvus.rows import FORMAT, KEY, VECTOR, collection_schema, rows_of
from recsys.serving.catalogue import Catalogue, fields_of

UNFINISHED = "_unfinished"  # end of a collection's name
Progress = Callable[[int], None] | None  # called with the number of movies after each batch
UNFINISHED_HOURS = 12.0  # after which a server's unfinished version is a leftover


class Unreadable(StoreError):
    """A collection that another program made, or another recsys in a way this one does not know."""


@dataclass(frozen=True)
class Published:
    """A version of the movies in Milvus."""

    collection: str
    alias: str
    model: str  # the model's fingerprint
    count: int  # movies
    dimension: int
    text_ids: bool  # the movies' ids are text, not numbers
    columns: dict[str, Kind]
    index: Index
    when: str  # publishing began, UTC, ISO 8601
    is_current: bool

    @property
    def fields(self) -> list[str]:
        """All fields of the movies."""
        return [KEY, VECTOR, *(each.name for each in fields_of(self.columns))]

    @property
    def patience(self) -> float:
        """Seconds that building the index, or loading, may take."""
        return 600 + self.count / 100


class Versions:
    """The versions under one alias."""

    def __init__(self, milvus: Milvus, alias: str) -> None:
        self.milvus, self.alias = milvus, alias

    def names(self, end: str = "") -> list[str]:
        """The names of the versions, or with the end UNFINISHED of those that are not complete."""
        pattern = rf"{re.escape(self.alias)}_v[0-9A-Za-z]{{1,32}}_[0-9a-f]{{8}}{end}"
        found = self.milvus.read("listing collections", MilvusClient.list_collections)
        return sorted(name for name in found if re.fullmatch(pattern, name, re.ASCII))

    def current_name(self) -> str | None:
        """The collection the alias stands for now, None before the first publish."""
        try:
            found = self.milvus.read("resolving the alias", MilvusClient.describe_alias, self.alias)
        except Missing:
            return None
        return str(found["collection_name"])

    def current(self) -> Published:
        """The version the alias stands for; raises Missing or Unreadable."""
        try:
            return self.describe(self.alias, is_current=True)
        except Missing as error:
            cause = f"{self.milvus.uri}: no movies are published as {self.alias}"
            raise Missing(cause, "publish the movies", "publish") from error

    def all(self) -> list[Published]:
        """What was published and is still kept, the newest first."""
        current = self.current_name()
        found = []
        for name in self.names():
            with suppress(Missing, Unreadable):  # dropped meanwhile, or another's
                found.append(self.describe(name, name == current))
        return sorted(found, key=lambda one: one.when, reverse=True)

    def describe(self, name: str, is_current: bool) -> Published:
        """What a collection or alias holds; raises Missing or Unreadable."""
        found = self.ours(name)
        properties = found["properties"]
        with suppress(KeyError, ValueError, TypeError):  # what is damaged is of no format
            if properties["recsys.format"] == FORMAT:
                noted = Published(**json.loads(properties["recsys.version"]))
                index, collection = Index(*noted.index), found["collection_name"]
                return replace(noted, collection=collection, index=index, is_current=is_current)
        written = properties.get("recsys.format")
        cause = f"{name}: published in format {written}, this recsys reads {FORMAT}"
        raise Unreadable(cause, "upgrade recsys, or publish with this one", "publish")

    def ours(self, name: str) -> dict[str, Any]:
        """What Milvus says of a collection or alias; raises Missing, or Unreadable if not ours."""
        found = self.milvus.read("looking at it", MilvusClient.describe_collection, name)
        properties = found.get("properties") or {}
        if properties.get("recsys.alias") != self.alias:
            cause = f"{self.milvus.uri}: {name} was not made by recsys as {self.alias}"
            raise Unreadable(cause, "publish under another name", "collection")
        return {**found, "properties": properties}

    def fill(
        self, new: Published, movies: Catalogue, shards: int, bulk: str, progress: Progress
    ) -> None:
        """Make a collection with the movies and their index, and drop what others left behind."""
        milvus, name = self.milvus, new.collection
        files = Bulk(milvus, bulk) if bulk else None
        milvus.call(
            "creating a collection",
            MilvusClient.create_collection,
            name,
            schema=collection_schema(movies),
            properties={
                "recsys.format": FORMAT,
                "recsys.alias": self.alias,
                "recsys.version": json.dumps(asdict(new)),
            },
            num_shards=shards,
            consistency_level="Bounded",
            timeout=3 * milvus.timeout,
        )
        self.sweep(name, files)
        if files:
            files.send(name, movies, progress)
        insert, flush = MilvusClient.insert, MilvusClient.flush
        for rows in () if files else rows_of(movies):
            milvus.call("sending movies", insert, name, rows, timeout=3 * milvus.timeout)
            if progress:
                progress(len(rows))
        milvus.call("flushing", flush, name, timeout=6 * milvus.timeout)
        self._build(new)

    def _build(self, new: Published) -> None:
        """Build the index and wait until it answers, though a server goes on merging its parts."""
        milvus, name, built = self.milvus, new.collection, dict(new.index.build)
        index = MilvusClient.prepare_index_params()
        index.add_index(
            VECTOR,
            index_type=new.index.name,
            metric_type="IP",
            index_name=VECTOR,
            params={"params": built} if milvus.lite else built,  # flat ones are lost on Lite
        )
        doing, timeout = "building the index", new.patience if milvus.lite else 0
        milvus.call(doing, MilvusClient.create_index, name, index, sync=False, timeout=timeout)

        def indexed() -> bool:
            state = milvus.read(doing, MilvusClient.describe_index, name, VECTOR)["state"]
            if state == "Failed":
                raise StoreError(f"{name}: it has no index", "see the server's log")
            return bool(state == "Finished")

        milvus.wait(doing, indexed, new.patience)

    def load(self, version: Published, **options: Any) -> None:
        """Bring the movies into memory; the options are those of pymilvus' load_collection."""
        name, timeout = version.collection, version.patience if self.milvus.lite else 0

        def loaded() -> bool:
            found = self.milvus.read("loading", MilvusClient.get_load_state, name)
            return getattr(found["state"], "name", "") == "Loaded"

        if not loaded():
            options |= {"_async": True, "timeout": timeout}
            self.milvus.call("loading", MilvusClient.load_collection, name, **options)
            self.milvus.wait("loading", loaded, version.patience)

    def check_count(self, version: Published, consistency: str = "Strong") -> None:
        """Refuse a collection that holds more or fewer movies than were published."""
        name = version.collection
        for level in dict.fromkeys((consistency, "Strong")):  # not all may have come through yet
            options = {"output_fields": ["count(*)"], "consistency_level": level}
            rows = self.milvus.read("counting", MilvusClient.query, name, **options)
            if (held := rows[0]["count(*)"]) == version.count:
                return
        cause = f"{name} should hold {version.count} movies, Milvus counts {held}"
        raise StoreError(f"{self.milvus.uri}: {cause}", "publish the movies", "publish")

    def move(self, name: str) -> str | None:
        """Point the alias at a collection; returns what it pointed at before."""
        previous = self.current_name()
        point = MilvusClient.alter_alias if previous else MilvusClient.create_alias
        try:
            self.milvus.call("moving the alias", point, name, self.alias)
        except Unreachable:
            if self.current_name() != name:
                raise
        return previous

    def sweep(self, mine: str, files: Bulk | None = None) -> None:
        """Drop what publishes that broke off left behind; on a server another may be under way."""
        now = int(self.ours(mine).get("created_timestamp", 0))
        for name in set(self.names(UNFINISHED)) - {mine}:
            with suppress(Missing, Unreadable):  # another publish swept it, or it is another's
                made = int(self.ours(name).get("created_timestamp", 0))
                age = (now - made) >> 18  # milliseconds by the server's clock
                if self.milvus.lite or age >= UNFINISHED_HOURS * 3_600_000:
                    self.drop(name)
                    if files:
                        files.remove(name)

    def retire(self, previous: str | None, keep: int, in_use: Sequence[str] = ()) -> None:
        """Keep so many of those not current, `previous` first, and the newest of models in use."""
        older = [one for one in self.all() if not one.is_current]
        answering = [next((v for v in older if v.model == model), None) for model in in_use]
        older.sort(key=lambda one: one.collection != previous)  # stable
        for one in older[max(0, keep) :]:
            if one not in answering:
                self.drop(one.collection)

    def drop(self, name: str) -> None:
        """Drop a collection, if it is there."""
        self.milvus.call("dropping a version", MilvusClient.drop_collection, name)

"""The versions of the movies in Milvus: filled, moved to, listed and swept away.

Movies are published into a new collection NAME_vMODEL_RANDOM, filled and verified before the alias
NAME, which readers resolve, moves onto it: they see the old movies or the new ones, whole. One
without `recsys.published` was never reached by the alias: a publish is filling it, or was broken
off and left it behind; once that is certain, the next publish drops it.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

import numpy as np
from pymilvus import MilvusClient

from recsys.data.schema import Kind
from recsys.errors import StoreError
from recsys.milvus.address import Index
from recsys.milvus.client import Milvus, Missing, Unreachable
from recsys.milvus.rows import (
    FORMAT,
    KEY,
    VECTOR,
    catalogue_of,
    collection_schema,
    described,
    rows_of,
)
from recsys.serving.catalogue import Catalogue, fields_of

UNFINISHED_HOURS = 12.0  # after which a server's unfinished version is a leftover
LITE_BUILD = 86_400.0  # seconds Milvus Lite may take to build an index, within one call
_HALF = 0.5  # of the self-searches an index that is not exact has to pass
building: set[str] = set()  # collections this process is filling now


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
    columns: dict[str, Kind]  # of the schema, as far as Milvus says
    index: Index
    when: str  # UTC, ISO 8601; "" where publishing ended before this was noted
    software: str  # what it was published with
    is_current: bool

    @property
    def fields(self) -> list[str]:
        """All fields of the movies."""
        return [KEY, VECTOR, *(each.name for each in fields_of(self.columns))]

    @property
    def properties(self) -> dict[str, str]:
        """What is noted at the collection, all but when it was published."""
        return {
            "recsys.format": FORMAT,
            "recsys.alias": self.alias,
            "recsys.model": self.model,
            "recsys.count": str(self.count),
            "recsys.index": self.index.to_json(),
            "recsys.software": self.software,
        }

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
        """The version the alias stands for; raises Missing or Unreadable."""
        try:
            return replace(self.describe(self.alias), is_current=True)
        except Missing as error:
            cause = f"{self.milvus.uri}: no movies are published as {self.alias}"
            raise Missing(cause, "publish the movies", "publish") from error

    def all(self) -> list[Published]:
        """What was published and is still kept, the newest first."""
        current = self.current_name()
        found = []
        for name in self.names():
            with suppress(Missing, Unreadable):  # dropped meanwhile, or another's
                found.append(replace(self.describe(name), is_current=name == current))
        found = [one for one in found if one.when or one.is_current]
        return sorted(found, key=lambda one: one.when or "9", reverse=True)

    def look(self, name: str) -> dict[str, Any]:
        """What Milvus says of a collection or alias; raises Missing."""
        found = self.milvus.read("looking at it", MilvusClient.describe_collection, name)
        return {**found, "properties": found.get("properties") or {}}

    def describe(self, name: str) -> Published:
        """What a collection or alias holds; raises Missing or Unreadable."""
        found = self.ours(name)
        properties = found["properties"]
        if (written := properties.get("recsys.format")) != FORMAT:
            cause = f"{name}: published in format {written}, this recsys reads {FORMAT}"
            raise Unreadable(cause, "publish the movies with the recsys you use", "publish")
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
                is_current=False,
            )
        except (KeyError, ValueError, TypeError) as error:
            cause = f"{name}: its description is damaged"
            raise Unreadable(cause, "publish the movies", "publish") from error

    def ours(self, name: str) -> dict[str, Any]:
        """`look`, at what recsys made; raises Unreadable if another program did."""
        found = self.look(name)
        if found["properties"].get("recsys.alias") != self.alias:
            cause = f"{self.milvus.uri}: {name} was not made by recsys as {self.alias}"
            raise Unreadable(cause, "publish under another name", "collection")
        return found

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

    def sweep(self, mine: str) -> None:
        """Drop what publishes that were broken off left behind; never the current version.

        Milvus Lite serves one process, this one, which knows what it is building. On a server
        another may be: a publish that outlives UNFINISHED_HOURS fails harmlessly before the alias
        moves.
        """
        now = int(self.look(mine).get("created_timestamp", 0))
        for name in set(self.names()) - {mine, self.current_name()} - building:
            with suppress(Missing, Unreadable):  # another publish swept it, or it is another's
                found = self.ours(name)
                age = (now - int(found.get("created_timestamp", 0))) >> 18  # ms, server's clock
                left = self.milvus.lite or age >= UNFINISHED_HOURS * 3_600_000
                if left and not found["properties"].get("recsys.published"):
                    self.drop(name, "dropping a leftover")

    def retire(self, name: str, previous: str | None, keep: int) -> None:
        """Note that `name` is published, keep `previous` and others up to `keep`, drop the rest."""
        for one in filter(None, [previous, name]):
            with suppress(Missing):
                if not self.look(one)["properties"].get("recsys.published"):
                    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
                    change = MilvusClient.alter_collection_properties
                    self.milvus.call("marking a version", change, one, {"recsys.published": now})
        older = [one.collection for one in self.all() if not one.is_current]
        older.sort(key=lambda one: one not in (previous, name))  # stable: the others by age
        for one in older[max(0, keep) :]:
            with suppress(Missing):
                if one != self.current_name():  # a rollback may have come between
                    self.drop(one, "dropping an old version")

    def drop(self, name: str, doing: str) -> None:
        """Drop a collection, if it is there."""
        self.milvus.call(doing, MilvusClient.drop_collection, name)

    def publish(
        self,
        new: Published,
        movies: Catalogue,
        *,
        keep: int,
        shards: int,
        loading: dict[str, Any],
        progress: Callable[[int], None] | None,
        indexing: Callable[[int], None] | None,
    ) -> None:
        """Fill a new collection and point the alias at it; dropped, if it cannot be filled.

        Args:
            loading: options of pymilvus' load_collection that a server heeds.
            (others): of `MilvusStore.publish`.
        """
        building.add(new.collection)
        try:
            self._fill(new, movies, shards, progress)
            self._build(new, indexing)
            self.load(new, **({} if self.milvus.lite else loading))
            self.check_count(new)
            self._verify(new, movies)
        except BaseException:
            building.discard(new.collection)
            for _ in range(2):  # Milvus Lite on a full disk drops only at the second attempt
                with suppress(StoreError):  # else a later publish sweeps it
                    self.drop(new.collection, "dropping the unfinished version")
                    break
            raise
        try:  # from here on it is never dropped: the alias may have moved unheard
            previous = self.move(new.collection)
        finally:
            building.discard(new.collection)
        with suppress(StoreError):  # the movies are published; the next publish tidies up
            self.retire(new.collection, previous, keep)

    def _fill(
        self,
        new: Published,
        movies: Catalogue,
        shards: int,
        progress: Callable[[int], None] | None,
    ) -> None:
        call, timeout, name = self.milvus.call, self.milvus.timeout, new.collection
        call(
            "creating a collection",
            MilvusClient.create_collection,
            name,
            schema=collection_schema(movies),
            properties=new.properties,
            num_shards=shards,
            consistency_level="Bounded",
            timeout=3 * timeout,
        )
        self.sweep(name)
        for rows in rows_of(movies):
            call("sending movies", MilvusClient.insert, name, rows, timeout=3 * timeout)
            if progress:
                progress(len(rows))
        call("flushing", MilvusClient.flush, name, timeout=6 * timeout)

    def _build(self, new: Published, indexing: Callable[[int], None] | None) -> None:
        params, lite = MilvusClient.prepare_index_params(), self.milvus.lite
        built = dict(new.index.build)
        params.add_index(
            VECTOR,
            index_type=new.index.name,
            metric_type="IP",
            index_name=VECTOR,
            params={"params": built} if lite else built,  # flat ones are lost on Lite
        )
        doing, timeout = "building the index", LITE_BUILD if lite else None
        create = MilvusClient.create_index
        self.milvus.call(doing, create, new.collection, params, sync=False, timeout=timeout)

        def indexed() -> float:
            """The share of the movies in the index, below 1 until it is whole.

            Then a server may merge segments and index the merged ones anew; until that is done the
            parts it has answer, so there is nothing to wait for.
            """
            found = self.milvus.read(doing, MilvusClient.describe_index, new.collection, VECTOR)
            if found["state"] == "Failed":
                cause = f"{new.collection}: Milvus could not build the index"
                raise StoreError(cause, "see the server's log")
            share = found.get("indexed_rows", 0) / max(1, found["total_rows"])
            return 1 if found["state"] == "Finished" else min(0.99, share)

        wait(self.milvus, doing, indexed, new.count, indexing)

    def load(self, version: Published, **options: Any) -> None:
        """Bring the movies into memory and wait, as long as it makes progress."""
        name, timeout = version.collection, LITE_BUILD if self.milvus.lite else None

        def loaded() -> float:
            found = self.milvus.read("loading", MilvusClient.get_load_state, name)
            ready = getattr(found["state"], "name", "") == "Loaded"
            return 1 if ready else min(0.99, found.get("progress", 0) / 100)

        if loaded() < 1:
            options |= {"_async": True, "timeout": timeout}
            self.milvus.call("loading", MilvusClient.load_collection, name, **options)
            wait(self.milvus, "loading", loaded, version.count)

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

    def _verify(self, new: Published, movies: Catalogue) -> None:
        """Refuse a collection where movies are not found by their own vectors."""
        some = np.unique(np.linspace(0, len(movies) - 1, 16).astype(int))
        answers = self.milvus.read(
            "searching for movies by their own vectors",
            MilvusClient.search,
            new.collection,
            data=list(movies.vectors[some]),
            limit=1,
            search_params=new.index.search_params(64, thorough=True),
            consistency_level="Strong",
        )
        found = [bool(hits) and abs(hits[0]["distance"] - 1) < 1e-2 for hits in answers]
        if sum(found) < len(some) * (1 if new.index.exact else _HALF):
            lost = movies.ids[some[found.index(False)]]
            raise StoreError(
                f"{new.collection}: movie {lost} is not found by its own vector; what was "
                "published before stands",
                "publish with the index FLAT",
                "index",
            )


def wait(
    milvus: Milvus,
    doing: str,
    share: Callable[[], float],
    movies: int,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Wait until `share` is 1, as long as the server answers and it grows now and then.

    A server reports a segment (up to 512 MB) at a time, so that more movies mean longer pauses.
    """
    patience = max(600, 6 * milvus.timeout) + movies / 100
    seen, told, since, pause = -1.0, 0, time.monotonic(), 0.01
    while seen < 1:
        if (done := share()) != seen:
            seen, since = done, time.monotonic()
            if progress and int(done * movies) > told:
                progress(int(done * movies) - told)
                told = int(done * movies)
        elif time.monotonic() - since > patience:
            cause = f"{milvus.uri}: {doing} stands still at {seen:.0%}"
            raise StoreError(cause, "look at the server's log and memory")
        time.sleep(pause if seen < 1 else 0)
        pause = min(1.0, 1.5 * pause)

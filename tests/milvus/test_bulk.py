"""Publishing by files: what is in them, and a real server that imports them."""

import os
import signal
import uuid

import numpy as np
import pyarrow as pa
import pytest
from command_line import refused
from milvus_server import shared
from milvus_server import shared_cluster as cluster
from movie_store import MODEL, OTHER, collections, elsewhere, movies, unit

from recsys.data.schema import Column
from recsys.errors import StoreError
from recsys.milvus import bulk
from recsys.milvus import versions as milvus_versions
from recsys.milvus.address import MilvusAddress
from recsys.milvus.rows import rows_of, tables_of
from recsys.milvus_store import MilvusStore
from recsys.serving.catalogue import Catalogue

COUNT = 4_500  # three batches
QUERIES = unit(np.random.default_rng(3).normal(size=(4, 16)))


@pytest.fixture(scope="module")
def every():
    """Movies with columns of every kind, and values that are not there."""
    some = movies(COUNT)
    texts = [("a", "b")[: n % 3] for n in range(COUNT)]
    makers = [f"{n % 5}" * (n % 2) for n in range(COUNT)]
    prices = np.where(some.ids % 2, some.ids / 7, np.nan)
    columns = {
        "price": Column("number", prices),
        "maker": Column("category", makers),
        "about": Column("text", ["é" * (n % 9) for n in range(COUNT)]),
        "tags": Column("categories", texts),
    }
    return Catalogue(
        some.ids, some.titles, some.genres, some.years, some.is_new, some.vectors, columns
    )


def test_tables_hold_what_rows_hold_in_types_that_milvus_imports(every):
    tables = [*tables_of(every)]
    rows = [row for table in tables for row in table.to_pylist()]
    wanted = [{**row, "vector": row["vector"].tolist()} for some in rows_of(every) for row in some]
    assert rows == wanted
    types = dict(zip(tables[0].schema.names, tables[0].schema.types, strict=True))
    assert types["movie_id"] == pa.int64()
    assert types["vector"] == pa.list_(pa.float32())
    assert types["year"] == pa.int32()
    assert types["genres"] == types["tags"] == pa.list_(pa.string())
    assert all(table.schema == tables[0].schema for table in tables)


def test_milvus_lite_and_places_that_are_none_are_refused(store, tmp_path, every):
    with pytest.raises(StoreError, match="Milvus Lite imports no files"):
        store.publish(every, MODEL, bulk=str(tmp_path))
    assert collections(store) == []


def publish_and_die(address, place):
    """Publish by files, but be killed when the first is about to be imported."""
    bulk._begin = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
    MilvusStore(address).publish(movies(300), OTHER, bulk=place)


@pytest.mark.milvus_server
def test_a_server_imports_the_same_movies(every, tmp_path, monkeypatch):
    """In several files, beside what was published before; what a kill leaves is swept."""
    monkeypatch.setattr(milvus_versions, "UNFINISHED_HOURS", 0)
    monkeypatch.setattr(bulk, "FILE", 1)  # a batch a file
    address = MilvusAddress(shared().uri, collection=f"bulk_{uuid.uuid4().hex[:8]}")
    place, seen = tmp_path / "import", list[int]()
    with MilvusStore(address) as store:
        store.publish(movies(300), MODEL)
        assert elsewhere(publish_and_die, address, str(place)) == -signal.SIGKILL
        assert store.open(MODEL).count == 300
        assert len([*place.rglob("*.parquet")]) == 1
        store.publish(every, OTHER, bulk=str(place), progress=seen.append)
        assert seen == [2_000, 2_000, 500]
        assert [*place.iterdir()] == []
        assert len(collections(store)) == 2
        store.open(OTHER)
        found = store.read_all()
        wanted = every.take(found.ids)
        for name in ("title", "genres", "year", "is_new", "price", "maker", "about", "tags"):
            assert [*map(str, found.cells(name))] == [*map(str, wanted.cells(name))]  # of nan too
        np.testing.assert_array_equal(found.vectors, wanted.vectors)
        hits = store.search(QUERIES, 20).movie_ids
        assert hits.tolist() == every.search(QUERIES, 20).movie_ids.tolist()


@pytest.mark.milvus_server
def test_a_failed_import_leaves_what_was_published(every, tmp_path, monkeypatch):
    address = MilvusAddress(shared().uri, collection=f"bulk_{uuid.uuid4().hex[:8]}")
    begin = bulk._begin
    monkeypatch.setattr(
        bulk, "_begin", lambda client, name, file, **o: begin(client, name, f"{file}.no", **o)
    )
    with MilvusStore(address) as store:
        with refused(StoreError, "does not import.*name a folder that the server reads too"):
            store.publish(every, MODEL, bulk=str(tmp_path))
        assert collections(store) == []
        assert [*tmp_path.iterdir()] == []
        (tmp_path / "file").touch()
        for place in (str(tmp_path / "file"), "nothing://nowhere"):
            with refused(StoreError, "cannot be written"):
                store.publish(every, MODEL, bulk=place)
        assert collections(store) == []


@pytest.mark.milvus_server
def test_a_cluster_imports_into_all_shards(every, tmp_path):
    address = MilvusAddress(cluster().uri, collection=f"bulk_{uuid.uuid4().hex[:8]}")
    with MilvusStore(address) as store:
        store.publish(every, MODEL, bulk=str(tmp_path), shards=2, replicas=2)
        hits = store.search(QUERIES, 20).movie_ids
        assert hits.tolist() == every.search(QUERIES, 20).movie_ids.tolist()

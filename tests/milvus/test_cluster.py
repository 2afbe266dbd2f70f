"""A real Milvus cluster: what only a cluster has. Its answers are in test_store_contract.py."""

import time
import uuid
from collections.abc import Iterator

import numpy as np
import pytest
from milvus_cluster import Cluster, shared
from movie_store import MODEL, OTHER, movies, unit

from recsys.errors import StoreError
from recsys.milvus.address import CONSISTENCY, MilvusAddress
from recsys.milvus_store import MilvusStore

pytestmark = pytest.mark.milvus_server

MOVIES, OTHERS = movies(200, seed=0), movies(300, seed=1)
QUERIES = unit(np.random.default_rng(3).normal(size=(4, 16)))
DEFAULT = "__default_resource_group"


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return shared()


@pytest.fixture
def store(cluster: Cluster) -> Iterator[MilvusStore]:
    with MilvusStore(
        MilvusAddress(cluster.uri, collection=f"cluster_{uuid.uuid4().hex[:8]}")
    ) as opened:
        yield opened


def test_shards_and_replicas_are_what_was_asked_for(store: MilvusStore) -> None:
    collection = store.publish(MOVIES, MODEL, shards=2, replicas=2, index="HNSW:ef=400").collection
    client = store._milvus.client
    assert client.describe_collection(collection)["num_shards"] == 2
    replicas = client.describe_replica(collection)
    assert len(replicas) == 2
    assert all(len(replica.shards) == 2 for replica in replicas)
    with pytest.raises(StoreError, match="ask for fewer replicas"):
        store.publish(OTHERS, OTHER, replicas=4)
    assert store.open(MODEL).collection == collection


def test_movies_are_loaded_into_the_resource_group_named(store: MilvusStore) -> None:
    client = store._milvus.client
    client.create_resource_group("movies")
    move = client._get_connection().transfer_node
    move(DEFAULT, "movies", 1)
    collection = store.publish(MOVIES, MODEL, resource_groups=["movies"]).collection
    assert [one.resource_group for one in client.describe_replica(collection)] == ["movies"]
    found = store.search(QUERIES, 20).movie_ids.tolist()
    assert found == MOVIES.search(QUERIES, 20).movie_ids.tolist()
    client.drop_alias(store.alias)
    client.release_collection(collection)
    move("movies", DEFAULT, 1)
    client.drop_resource_group("movies")


def test_whatever_the_consistency_what_is_published_is_seen_whole(
    cluster: Cluster, store: MilvusStore
) -> None:
    store.publish(MOVIES, MODEL)
    for level in CONSISTENCY:
        address = MilvusAddress(cluster.uri, collection=store.alias, consistency=level)
        with MilvusStore(address) as reader:
            assert reader.open(MODEL).count == 200
            found = reader.search(QUERIES, 200).movie_ids.tolist()
            assert found == MOVIES.search(QUERIES, 200).movie_ids.tolist()


def test_readers_go_on_when_a_query_node_dies(cluster: Cluster, store: MilvusStore) -> None:
    store.publish(MOVIES, MODEL, replicas=3)
    store.open(MODEL)
    wanted = MOVIES.search(QUERIES, 20).movie_ids.tolist()
    cluster.kill("querynode0")
    end = time.monotonic() + 15
    while time.monotonic() < end:
        assert store.search(QUERIES, 20).movie_ids.tolist() == wanted
    store.publish(OTHERS, OTHER, replicas=2)
    assert store.open(OTHER).count == 300
    found = store.search(QUERIES, 20).movie_ids.tolist()
    assert found == OTHERS.search(QUERIES, 20).movie_ids.tolist()

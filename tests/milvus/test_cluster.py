"""A real Milvus cluster: what only a cluster has; the rest is the same on a server."""

import time

import numpy as np
import pytest
from milvus_server import shared_cluster
from movie_store import MODEL, OTHER, agrees, movies, oracle, unit

from recsys.errors import StoreError
from recsys.milvus.address import CONSISTENCY, MilvusAddress
from recsys.milvus_store import MilvusStore
from recsys.serving.catalogue import Filter

pytestmark = pytest.mark.milvus_server

MOVIES, OTHERS = movies(200, seed=0), movies(300, seed=1)
QUERIES = unit(np.random.default_rng(3).normal(size=(4, 16)))
DRAMA = Filter(any_genre=("Drama",))
DEFAULT = "__default_resource_group"


@pytest.fixture(scope="module")
def cluster():
    return shared_cluster()


@pytest.fixture(scope="module")
def store(cluster):
    """Movies in two shards on three query nodes."""
    with MilvusStore(cluster.uri) as opened:
        opened.publish(MOVIES, MODEL, shards=2, replicas=3)
        yield opened


def test_shards_and_replicas_are_what_was_asked_for(store):
    client, collection = store._milvus.client, store.open(MODEL).collection
    assert client.describe_collection(collection)["num_shards"] == 2
    replicas = client.describe_replica(collection)
    assert len(replicas) == 3
    assert all(len(replica.shards) == 2 for replica in replicas)
    with pytest.raises(StoreError, match="ask for fewer replicas"):
        store.publish(OTHERS, OTHER, replicas=4)
    assert store.open(MODEL).collection == collection


def test_whatever_the_consistency_what_is_published_is_seen_whole(cluster, store):
    for level in CONSISTENCY:
        with MilvusStore(MilvusAddress(cluster.uri, consistency=level)) as reader:
            assert reader.open(MODEL).count == 200
            found = reader.search(QUERIES, 200, DRAMA, [MOVIES.ids[:50]] * 4, with_movies=True)
            for row in range(4):
                agrees(found, row, oracle(MOVIES, QUERIES[row], DRAMA, MOVIES.ids[:50]))
            assert found.movies.titles == MOVIES.take(found.distinct()).titles


def test_readers_go_on_when_a_query_node_dies(cluster, store):
    wanted = MOVIES.search(QUERIES, 20).movie_ids.tolist()
    cluster.kill("querynode0")
    end = time.monotonic() + 10
    while time.monotonic() < end:
        assert store.search(QUERIES, 20).movie_ids.tolist() == wanted
    cluster.restart("querynode0")  # other tests need it


def test_movies_are_loaded_into_the_resource_group_named(store):
    client = store._milvus.client
    client.create_resource_group("movies")
    move = client._get_connection().transfer_node
    move(DEFAULT, "movies", 1)
    collection = store.publish(OTHERS, OTHER, resource_groups=["movies"]).collection
    assert [one.resource_group for one in client.describe_replica(collection)] == ["movies"]
    assert store.open(OTHER).count == 300
    found = store.search(QUERIES, 20).movie_ids.tolist()
    assert found == OTHERS.search(QUERIES, 20).movie_ids.tolist()
    client.drop_collection(collection)
    move("movies", DEFAULT, 1)

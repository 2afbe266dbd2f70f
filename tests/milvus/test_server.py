"""The real Milvus server: what publishing, searching and failing are like there."""

import signal
import threading
import time
import urllib.parse
import uuid

import numpy as np
import pytest
from command_line import refused
from milvus_server import TLS, Server, shared
from movie_store import (
    MODEL,
    OTHER,
    answer_during,
    collections,
    elsewhere,
    first,
    movies,
    publish_and_die,
    unit,
)
from pymilvus import MilvusClient

from recsys.errors import StoreError
from recsys.milvus import versions as milvus_versions
from recsys.milvus.address import MilvusAddress
from recsys.milvus_store import MilvusStore
from recsys.serving.catalogue import Filter

pytestmark = pytest.mark.milvus_server

MOVIES, OTHERS = movies(200, seed=0), movies(300, seed=1)
QUERIES = unit(np.random.default_rng(3).normal(size=(4, 16)))
DRAMA = Filter(any_genre=("Drama",))


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """An unfinished version is a leftover at once, not after hours."""
    monkeypatch.setattr(milvus_versions, "UNFINISHED_HOURS", 0)


@pytest.fixture
def address():
    """A collection of the test's own on the shared server."""
    return MilvusAddress(shared().uri, collection=f"server_{uuid.uuid4().hex[:8]}")


@pytest.fixture(scope="module")
def server():
    """A server with movies, to be ill-treated."""
    own = Server(session=10)
    with MilvusStore(own.uri) as store:
        store.publish(MOVIES, MODEL)
    yield own
    own.remove()


def right(store):
    """Whether the store answers as the movies of the model it says they are of."""
    catalogue = {MODEL: MOVIES, OTHER: OTHERS}[store.open(None).model]
    found, wanted = store.search(QUERIES, 20), catalogue.search(QUERIES, 20)
    return found.movie_ids.tolist() == wanted.movie_ids.tolist()


def test_publish_roll_back_and_readers_who_see_one_version_or_the_other(address):
    """During thirty switches, and after a publish that drops the one they have open."""
    with MilvusStore(address) as store:
        versions = [store.publish(MOVIES, MODEL).collection]
        assert right(store)
        index = "HNSW:ef=400"
        versions += [store.publish(OTHERS, OTHER, index=index, shards=2).collection]
        assert right(store)
        assert store.rollback().model == MODEL
        assert right(store)
        assert len(collections(store)) == len(store.versions()) == 2

        def switch():
            for turn in range(30):
                store._versions.move(versions[turn % 2])
                time.sleep(0.05)

        answer_during(switch, address, lambda one: right(one) and one._opened.model)
        with MilvusStore(address) as reader, MilvusStore(address) as other:
            reader.open(OTHER)
            other.open(MODEL)
            store.publish(OTHERS, MODEL, keep=0, index="IVF_FLAT:nlist=8,nprobe=8")
            found, wanted = (one.search(QUERIES, 300, DRAMA) for one in (other, OTHERS))
            assert found.movie_ids.tolist() == wanted.movie_ids.tolist()
            with pytest.raises(StoreError, match=f"of model {MODEL}, the query is of {OTHER}"):
                reader.search(QUERIES[:1], 20)


def test_a_publisher_killed_leaves_the_movies_and_is_tidied_up(address):
    with MilvusStore(address) as store:
        store.publish(MOVIES, MODEL)
        for count, step in enumerate(["insert", "alter_alias"], 2):
            assert elsewhere(publish_and_die, address, step, 0.001) == -signal.SIGKILL
            assert right(store)
            assert step == "alter_alias" or store.open(None).model == MODEL
            assert len(collections(store)) == count
        store.publish(OTHERS, OTHER)
        assert right(store)
        assert len(collections(store)) == len(store.versions()) == 2


def test_what_a_server_can_not_give_is_said(address):
    with MilvusStore(address) as store:
        for options, words in [
            ({"replicas": 2}, "ask for fewer replicas"),
            ({"resource_groups": ["nowhere"]}, "another resource group"),
            ({"shards": 99}, "ask for fewer shards"),
        ]:
            with pytest.raises(StoreError, match=words):
                store.publish(MOVIES.take(MOVIES.ids[:9]), MODEL, **options)
        assert collections(store) == []
        with pytest.raises(StoreError, match="no movies are published"):
            store.open(MODEL)
        with pytest.raises(StoreError, match="no database nowhere, only default"):
            MilvusStore(MilvusAddress(shared().uri, db="nowhere"))


def test_a_wrong_address_is_explained():
    server = shared()
    port = urllib.parse.urlsplit(server.uri).port
    for uri, words in [
        ("http://nowhere.invalid:19530", "no such host"),
        ("http://127.0.0.1:1", "nothing listens there"),
        (f"http://127.0.0.1:{server._metrics}", "what listens there is not Milvus"),
        (f"https://127.0.0.1:{port}", "does not speak TLS; write http://"),
    ]:
        with refused(StoreError, words) as caught:
            MilvusStore(MilvusAddress(uri, "root:hunter2", timeout=5))
        assert "hunter2" not in str(caught.value)


def test_a_frozen_server(server, monkeypatch):
    with MilvusStore(MilvusAddress(server.uri, timeout=2)) as store:
        store.open(MODEL)
        server.freeze()
        started = time.monotonic()
        with pytest.raises(StoreError, match=r"no answer within 2 s while searching"):
            store.search(QUERIES, 3)
        with pytest.raises(StoreError, match=r"no answer within 1 s while connecting"):
            MilvusStore(MilvusAddress(server.uri, timeout=1))
        assert time.monotonic() - started < 8
        server.thaw()
    with MilvusStore(MilvusAddress(server.uri, timeout=1)) as store:
        assert right(store)
        with monkeypatch.context() as frozen:
            step = "alter_alias"
            frozen.setattr(MilvusClient, step, first(lambda *_: server.freeze(), step))
            with pytest.raises(StoreError, match="no answer within"):
                store.publish(OTHERS, OTHER)
        server.thaw()
    with MilvusStore(MilvusAddress(server.uri, timeout=60)) as store:
        assert right(store)  # of whichever: the alias may have moved after the thaw
        store.publish(MOVIES, MODEL)
        assert right(store)
        assert len(collections(store)) == len(store.versions()) <= 2


def test_a_server_killed_during_a_publish_and_back_during_a_batch(server, monkeypatch):
    with (
        MilvusStore(MilvusAddress(server.uri, timeout=60)) as reader,
        MilvusStore(MilvusAddress(server.uri, timeout=2)) as store,
    ):
        model = reader.open(None).model
        with monkeypatch.context() as killed:
            killed.setattr(MilvusClient, "insert", first(lambda *_: server.kill(), "insert"))
            with refused(StoreError, r"nothing listens|no answer|closed"):
                store.publish(OTHERS, OTHER)
        threading.Timer(0.5, server.start, (False,)).start()
        wanted = {MODEL: MOVIES, OTHER: OTHERS}[model].search(QUERIES, 20).movie_ids.tolist()
        for _ in range(20):  # asked again until it is back
            assert reader.search(QUERIES, 20).movie_ids.tolist() == wanted
        assert reader.open(None).model == model
        reader.publish(OTHERS, OTHER)
        assert right(reader)
        assert len(collections(reader)) == len(reader.versions()) == 2
        assert reader.rollback().model == model  # a version is kept over the server's end
        assert right(reader)


def test_user_password_rights_and_tls():
    server = Server(guarded=True)
    ca = str(TLS / "ca.pem")
    port = urllib.parse.urlsplit(server.uri).port
    try:
        for uri, token, options, words in [
            (server.uri, "", {"ca": ca}, "user or password is wrong or missing"),
            (server.uri, "root:hunter2", {"ca": ca}, "user or password is wrong"),
            (f"https://root:hunter2@localhost:{port}", "", {"ca": ca}, "user or password is wrong"),
            (server.uri, "root:Milvus", {}, "certificate is not trusted"),
            (server.uri, "root:Milvus", {"ca": "/nowhere.pem"}, "no such file"),
            (f"http://localhost:{port}", "root:Milvus", {}, "write https://"),
        ]:
            with refused(StoreError, words) as caught:
                MilvusStore(MilvusAddress(uri, token, timeout=5, **options))
            assert "hunter2" not in str(caught.value)
        with MilvusStore(MilvusAddress(server.uri, "root:Milvus", ca=ca)) as store:
            store.publish(MOVIES, MODEL)
            assert right(store)
            client = store._milvus.client
            client.create_role("reader")
            for allowed in ("Collection Search", "Collection Query", "Global DescribeCollection"):
                client.grant_privilege("reader", *allowed.split(), "*")
            for user in ["reader_one", "nobody"]:
                client.create_user(user, "hunter2-hunter2")
            client.grant_role("reader_one", "reader")
        time.sleep(1)  # rights reach the proxy by and by
        with MilvusStore(MilvusAddress(server.uri, "reader_one:hunter2-hunter2", ca=ca)) as store:
            assert right(store)
            with pytest.raises(StoreError, match="this user may not do that"):
                store.publish(OTHERS, OTHER)
        nobody = MilvusAddress(server.uri, "nobody:hunter2-hunter2", ca=ca)
        denied = refused(StoreError, r"this user may not do that.*use another token")
        with MilvusStore(nobody) as store, denied as caught:
            store.open(MODEL)
        assert "hunter2" not in str(caught.value)
    finally:
        server.remove()

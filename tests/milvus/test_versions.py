"""Publishing and rolling back, all or nothing; which versions there are, and what is swept away."""

from dataclasses import replace

import numpy as np
import pytest
from movie_store import MODEL, OTHER, answers, changed, collections, first, movies
from pymilvus import DataType, MilvusClient

from recsys.errors import StoreError
from recsys.milvus import versions as milvus_versions
from recsys.milvus.address import MilvusAddress, choose_index
from recsys.milvus_store import MilvusStore
from recsys.serving.catalogue import Filter

MOVIES = movies(60)
DEAD = f"recsys_movies_v{MODEL}_00000000_unfinished"


def made_otherwise(store, name, **properties):
    """A collection that no publish of ours has filled."""
    schema = MilvusClient.create_schema(auto_id=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=4)
    store._milvus.client.create_collection(name, schema=schema, properties=properties)


def test_leftovers_are_swept_and_what_others_made_is_left_alone(store, monkeypatch):
    made_otherwise(store, DEAD, **{"recsys.alias": "recsys_movies"})
    foreign = ["recsys_movies_backup", "recsys_movies_vx", DEAD.replace("0000", "1111")]
    for name in foreign:
        made_otherwise(store, name)
    store.publish(MOVIES, MODEL)
    assert DEAD not in collections(store)
    assert set(foreign) <= set(collections(store))
    made_otherwise(store, DEAD, **{"recsys.alias": "recsys_movies"})
    monkeypatch.setattr(store._milvus, "lite", False)
    for hours, swept in [(1e9, False), (-1, True)]:  # on a server only what is old is a leftover
        monkeypatch.setattr(milvus_versions, "UNFINISHED_HOURS", hours)
        store._versions.sweep("recsys_movies")
        assert (DEAD not in collections(store)) == swept


def test_of_two_publishes_at_once_in_one_process_the_first_to_end_stands(store):
    def publish_meanwhile(_):
        with MilvusStore(store.uri) as other:
            other.publish(MOVIES, MODEL)

    with pytest.raises(StoreError, match="publish the movies"):
        store.publish(movies(60, seed=2), MODEL, progress=publish_meanwhile)
    assert answers(store, MOVIES)
    assert len(collections(store)) == 1


@pytest.mark.parametrize("name", ["recsys_movies", "theirs"])
def test_a_name_that_belongs_to_something_else_is_refused(store, name):
    made_otherwise(store, name)
    if name == "theirs":
        store._milvus.client.create_alias("theirs", "recsys_movies")
    for act in (lambda: store.publish(MOVIES, MODEL), lambda: store.open(None)):
        with pytest.raises(StoreError, match="publish under another name"):
            act()
    assert store._milvus.client.list_collections() == [name]


def test_an_older_or_newer_format_is_refused(store):
    published = store.publish(MOVIES, MODEL)
    store._milvus.client.alter_collection_properties(published.collection, {"recsys.format": "1"})
    with pytest.raises(StoreError, match=r"format 1.*upgrade recsys, or publish"):
        store.open(MODEL)
    assert store.versions() == []
    store.publish(MOVIES, MODEL)
    assert answers(store, MOVIES)


def test_two_names_in_one_database_do_not_touch_each_other(store):
    store.publish(MOVIES, MODEL)
    with MilvusStore(MilvusAddress(store.uri, collection="recsys_movies_v2")) as other:
        for seed in range(3):
            other.publish(movies(60, seed=seed), OTHER, keep=0)
        assert answers(other, movies(60, seed=2))
    store.publish(MOVIES, MODEL)
    assert answers(store, MOVIES)
    assert len(collections(store)) == 3


def test_each_publish_replaces_the_movies_and_keeps_the_one_before(store):
    with pytest.raises(StoreError, match="no earlier version"):
        store.rollback()
    catalogues, sent = [movies(60, seed=seed) for seed in range(4)], []
    made = store.publish(catalogues[3], MODEL, progress=sent.append)
    assert (sum(sent), made.count, made.dimension, made.index.name) == (60, 60, 16, "FLAT")
    assert (made.alias, made.model, made.is_current) == ("recsys_movies", MODEL, True)
    assert made.when.endswith("+00:00")
    assert store.open(MODEL) == made
    for catalogue in catalogues:
        store.publish(catalogue, MODEL)
        assert answers(store, catalogue)
    kept = store.versions()
    assert [one.is_current for one in kept] == [True, False]
    assert len(collections(store)) == 2
    assert store.rollback() == replace(kept[1], is_current=True)
    assert answers(store, catalogues[2])
    with pytest.raises(StoreError, match=r"no earlier version.*publish one"):
        store.rollback()
    store.publish(catalogues[0], OTHER)  # keeps what was current, not the version rolled back
    assert store.versions()[1] == kept[1]
    for keep, held in ((3, 3), (3, 4), (3, 4), (0, 1)):
        store.publish(catalogues[0], MODEL, keep=keep)
        assert len(store.versions()) == len(collections(store)) == held


@pytest.mark.parametrize(
    ("asked", "name", "params"),
    [
        ("flat", "FLAT", None),
        ("HNSW:M=8,efConstruction=50,ef=70", "HNSW", {"M": 8, "efConstruction": 50}),
        ("IVF_FLAT:nlist=5,nprobe=5", "IVF_FLAT", {"nlist": 5}),
        ("AUTOINDEX", "AUTOINDEX", None),
    ],
)
def test_an_index_is_built_with_what_was_asked_for(store, asked, name, params):
    published = store.publish(MOVIES, MODEL, index=asked)
    built = store._milvus.client.describe_index(published.collection, "vector")
    assert (built["index_type"], built.get("params")) == (name, params)
    assert built["metric_type"] == "IP"
    assert answers(store, MOVIES)


def test_an_index_fits_the_number_of_movies_or_is_refused_with_what_may_be_given():
    assert choose_index(None, 4_000).name == "FLAT"
    assert choose_index(None, 1_000_000).name == "HNSW"
    ivf = choose_index("IVF_FLAT", 1_000_000)
    assert ivf.build["nlist"] == 4000
    assert ivf.search["nprobe"] >= 16
    assert choose_index("HNSW", 5).search_params(500)["params"]["ef"] >= 500
    assert choose_index("HNSW", 5).search_params(10**6)["params"]["ef"] == 32_768
    values = ("M", "M=-1", "M=x", "M=1", "M=2049", "M=²", "efConstruction=5000000000", "ef=32769")
    wrong = ["NONSENSE", "IVF_PQ", "SCANN", "IVF_FLAT:nlist=65537", "FLAT:M=3", "HNSW:nlist=4"]
    for asked in [*wrong, *(f"HNSW:{value}" for value in values)]:
        with pytest.raises(StoreError, match=r"choose from FLAT|takes "):
            choose_index(asked, 60)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"ids": 11}, "is there twice"),
        ({"ids": -5}, "has a negative id"),
        ({"vectors": np.full(16, np.nan)}, "not of unit length"),
        ({"vectors": np.full(16, np.inf)}, "not of unit length"),
        ({"vectors": np.full(16, 0.5)}, "not of unit length"),
        ({"vectors": np.zeros(16)}, "not of unit length"),
        ({"genres": tuple(str(i) for i in range(300))}, "more than 256 genres"),
    ],
)
def test_unfit_movies_are_refused_and_the_old_stand(store, damage, words):
    good = replace(MOVIES, ids=np.arange(10, 70))
    store.publish(good, MODEL)
    with pytest.raises(StoreError, match=f"movie .*{words}.*nothing was published"):
        store.publish(changed(good, 5, **damage), MODEL)
    with pytest.raises(StoreError, match="no movie to publish"):
        store.publish(good.take([]), MODEL)
    assert answers(store, good)
    assert len(collections(store)) == 1


def test_long_titles_and_genres_are_cut_by_bytes_and_still_found(store):
    long = changed(MOVIES, 0, titles="é" * 2000, genres=("ü" * 300, "Drama"))
    store.publish(long, MODEL)
    taken = store.take(MOVIES.ids[:1])
    assert taken.titles == ["é" * 512]
    assert taken.genres == [("ü" * 128, "Drama")]
    found = store.search(MOVIES.vectors[:1], 3, Filter(any_genre=("ü" * 300,)))
    assert found.movie_ids[0].tolist() == [MOVIES.ids[0], -1, -1]


def broken_off(*_):
    raise StoreError("broken off")


def one_lost(_, rows):
    rows.pop()


STEPS = ["insert", "flush", "create_index", "rename_collection", "query", "alter_alias"]


@pytest.mark.parametrize(
    ("step", "act", "words"),
    [
        *((step, broken_off, "broken off") for step in STEPS),
        ("insert", one_lost, "should hold 60 movies, Milvus counts 59"),
    ],
)
def test_a_failed_publish_leaves_nothing_behind(store, monkeypatch, step, act, words):
    store.publish(MOVIES, MODEL)
    with monkeypatch.context() as broken:
        broken.setattr(MilvusClient, step, first(act, step))
        with pytest.raises(StoreError, match=words):
            store.publish(movies(60, seed=9), MODEL)
    assert answers(store, MOVIES)
    # Once the alias may have moved, the collection is left for the next publish to drop.
    assert len(collections(store)) == (2 if step == "alter_alias" else 1)
    store.publish(MOVIES, MODEL)
    assert len(collections(store)) == 2

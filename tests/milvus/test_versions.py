"""Which versions there are, and what of them is swept away."""

import pytest
from movie_store import MODEL, OTHER, answers, collections, movies
from pymilvus import DataType, MilvusClient

from recsys.errors import StoreError
from recsys.milvus import versions as milvus_versions
from recsys.milvus.address import MilvusAddress
from recsys.milvus_store import MilvusStore

MOVIES = movies(60)
DEAD = f"recsys_movies_v{MODEL}_00000000_unfinished"


def made_otherwise(store: MilvusStore, name: str, **properties: str) -> None:
    """A collection that no publish of ours has filled."""
    schema = MilvusClient.create_schema(auto_id=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=4)
    store._milvus.client.create_collection(name, schema=schema, properties=properties)


def test_leftovers_are_swept_and_what_others_made_is_left_alone(
    store: MilvusStore, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_of_two_publishes_at_once_in_one_process_the_first_to_end_stands(
    store: MilvusStore,
) -> None:
    def publish_meanwhile(_: int) -> None:
        with MilvusStore(store.uri) as other:
            other.publish(MOVIES, MODEL)

    with pytest.raises(StoreError, match="publish the movies"):
        store.publish(movies(60, seed=2), MODEL, progress=publish_meanwhile)
    assert answers(store, MOVIES)
    assert len(collections(store)) == 1


@pytest.mark.parametrize("name", ["recsys_movies", "theirs"])
def test_a_name_that_belongs_to_something_else_is_refused(store: MilvusStore, name: str) -> None:
    made_otherwise(store, name)
    if name == "theirs":
        store._milvus.client.create_alias("theirs", "recsys_movies")
    for act in (lambda: store.publish(MOVIES, MODEL), lambda: store.open(None)):
        with pytest.raises(StoreError, match="publish under another name"):
            act()
    assert store._milvus.client.list_collections() == [name]


def test_an_older_or_newer_format_is_refused(store: MilvusStore) -> None:
    published = store.publish(MOVIES, MODEL)
    store._milvus.client.alter_collection_properties(published.collection, {"recsys.format": "1"})
    with pytest.raises(StoreError, match=r"format 1.*upgrade recsys, or publish"):
        store.open(MODEL)
    assert store.versions() == []
    store.publish(MOVIES, MODEL)
    assert answers(store, MOVIES)


def test_two_names_in_one_database_do_not_touch_each_other(store: MilvusStore) -> None:
    store.publish(MOVIES, MODEL)
    with MilvusStore(MilvusAddress(store.uri, collection="recsys_movies_v2")) as other:
        for seed in range(3):
            other.publish(movies(60, seed=seed), OTHER, keep=0)
        assert answers(other, movies(60, seed=2))
    store.publish(MOVIES, MODEL)
    assert answers(store, MOVIES)
    assert len(collections(store)) == 3

"""Which versions there are, and what of them is swept away."""

from pathlib import Path

import pytest
from movie_store import MODEL, OTHER, answers, collections, movies

from recsys.errors import StoreError
from recsys.milvus import versions as milvus_versions
from recsys.milvus.address import MilvusAddress
from recsys.milvus_store import MilvusStore

MOVIES = movies(60)


def test_leftovers_of_the_dead_are_swept_and_the_living_left_alone(store: MilvusStore) -> None:
    store.publish(MOVIES, MODEL)
    real_verify = []

    def publish_meanwhile(_: int) -> None:
        if not real_verify:
            real_verify.append(1)
            with MilvusStore(store.uri) as other:  # while ours is being filled
                other.publish(movies(60, seed=1), MODEL)

    store.publish(movies(60, seed=2), MODEL, progress=publish_meanwhile)
    assert answers(store, movies(60, seed=2))
    dead = f"recsys_movies_v{MODEL}_00000000"
    store._milvus.client.create_collection(
        dead, 16, properties={"recsys.alias": "recsys_movies", "recsys.owner": "elsewhere#1"}
    )
    foreign = ["recsys_movies_backup", "recsys_movies_vx", f"other_v{MODEL}_00000000"]
    for name in foreign:
        store._milvus.client.create_collection(name, 4)
    store.publish(MOVIES, MODEL)
    assert dead not in collections(store)
    assert set(foreign) <= set(collections(store))


@pytest.mark.parametrize(
    ("owner", "age", "dead"),
    [
        ("here#mine", 0, True),  # of this process, but it is not building it
        ("here#gone", 0, True),
        ("here#other", 10**12, False),  # runs, however old
        ("elsewhere#1", 59_000, False),
        ("elsewhere#1", 61_000, True),
    ],
)
def test_who_is_dead_on_a_server(
    owner: str, age: int, dead: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Server:
        lite = False

    monkeypatch.setattr(milvus_versions, "_place", lambda: "here")
    monkeypatch.setattr(milvus_versions, "_is_running", lambda process: process == 4321)
    numbers = {"mine": str(milvus_versions.os.getpid()), "gone": "1234", "other": "4321"}
    place, _, process = owner.partition("#")
    has = {"recsys.owner": f"{place}#{numbers.get(process, process)}", "recsys.lease": "60"}
    assert milvus_versions._is_dead(Server(), "movies_vx_00000000", has, age) is dead
    finished = {**has, "recsys.published": "2026"}
    assert milvus_versions._is_dead(Server(), "movies_vx_00000000", finished, age) is False
    monkeypatch.setattr(milvus_versions, "building", {"movies_vx_00000000"})
    assert milvus_versions._is_dead(Server(), "movies_vx_00000000", has, age) is False


def test_a_name_that_belongs_to_something_else_is_refused(store: MilvusStore) -> None:
    client = store._milvus.client
    client.create_collection("recsys_movies", 4)
    for act in (lambda: store.publish(MOVIES, MODEL), lambda: store.open(None)):
        with pytest.raises(StoreError, match="give another --collection"):
            act()
    client.drop_collection("recsys_movies")
    client.create_collection("theirs", 4)
    client.create_alias("theirs", "recsys_movies")
    for act in (lambda: store.publish(MOVIES, MODEL), lambda: store.open(None)):
        with pytest.raises(StoreError, match="give another --collection"):
            act()
    assert "theirs" in collections(store)


def test_an_older_or_newer_format_is_refused(store: MilvusStore) -> None:
    published = store.publish(MOVIES, MODEL)
    store._milvus.client.alter_collection_properties(published.collection, {"recsys.format": "2"})
    with pytest.raises(StoreError, match=r"format 2.*run `recsys load-movies`"):
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


@pytest.mark.parametrize("name", ["1movies", "f-bad name", "ünï", "a" * 201, "a.b", "x;drop"])
def test_a_name_milvus_does_not_take_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match="--collection"):
        MilvusStore(MilvusAddress(str(tmp_path / "movies.db"), collection=name))

"""Publishing, updating, rolling back and opening, on Milvus Lite."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from film_store import MODEL, OTHER, films, unit
from pymilvus import DataType, MilvusClient

from recsys import milvus_versions
from recsys.catalogue import Catalogue, Where
from recsys.errors import StoreError
from recsys.milvus_client import Milvus
from recsys.milvus_index import choose_index
from recsys.milvus_store import MilvusStore

FILMS = films(60)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MilvusStore]:
    with MilvusStore(str(tmp_path / "films.db")) as opened:
        yield opened


def collections(store: MilvusStore) -> list[str]:
    return sorted(store._milvus.read("", "list_collections"))


def answers(store: MilvusStore, catalogue: Catalogue) -> bool:
    """Whether the store answers as the catalogue does."""
    store.open(None)
    queries = unit(np.random.default_rng(3).normal(size=(3, catalogue.vectors.shape[1])))
    found, wanted = store.search(queries, 20), catalogue.search(queries, 20)
    return found.movie_ids.tolist() == wanted.movie_ids.tolist()


def changed(catalogue: Catalogue, row: int, **parts: object) -> Catalogue:
    """The catalogue with one film's title, genres, year or vector changed."""
    columns = {}
    for name, value in parts.items():
        column = list(getattr(catalogue, name))
        column[row] = value
        old = getattr(catalogue, name)
        columns[name] = np.array(column, old.dtype) if isinstance(old, np.ndarray) else column
    return replace(catalogue, **columns)


def test_publishing_says_what_is_published(store: MilvusStore) -> None:
    sent: list[int] = []
    indexed: list[int] = []
    published = store.publish(FILMS, MODEL, progress=sent.append, indexing=indexed.append)
    assert sum(sent) == sum(indexed) == published.count == 60
    assert (published.alias, published.model, published.dimension) == ("recsys_movies", MODEL, 16)
    assert published.index.name == "FLAT"
    assert published.is_current
    assert not published.updating
    opened = store.open(MODEL)
    assert opened.collection == published.collection
    assert opened.software == published.software
    assert "pymilvus" in opened.software
    assert opened.when.endswith("+00:00")


def test_each_publish_replaces_the_films_and_keeps_the_one_before(store: MilvusStore) -> None:
    catalogues = [films(60, seed=seed) for seed in range(4)]
    for catalogue in catalogues:
        store.publish(catalogue, MODEL)
        assert answers(store, catalogue)
    kept = store.versions()
    assert [one.is_current for one in kept] == [True, False]
    assert len(collections(store)) == 2
    back = store.rollback()
    assert back.collection == kept[1].collection
    assert back.is_current
    assert answers(store, catalogues[2])
    with pytest.raises(StoreError, match=r"no earlier version.*recsys load-movies"):
        store.rollback()
    store.publish(catalogues[0], OTHER)  # keeps what was current, not the version rolled back
    assert [one.collection for one in store.versions()][1] == back.collection


@pytest.mark.parametrize("keep", [0, 1, 3])
def test_keep_says_how_many_earlier_versions_stay(store: MilvusStore, keep: int) -> None:
    for seed in range(5):
        store.publish(films(30, seed=seed), MODEL, keep=keep)
    assert len(store.versions()) == len(collections(store)) == keep + 1


def test_rolling_back_before_anything_is_published(store: MilvusStore) -> None:
    with pytest.raises(StoreError, match="no earlier version"):
        store.rollback()
    assert store.versions() == []


def test_a_query_of_another_model_is_refused(store: MilvusStore) -> None:
    store.publish(FILMS, MODEL)
    with pytest.raises(StoreError, match=f"{MODEL}.*{OTHER}.*recsys load-movies"):
        store.open(OTHER)
    assert store.open(None).model == MODEL


def test_nothing_published_yet(store: MilvusStore) -> None:
    with pytest.raises(StoreError, match=r"no films are published.*run `recsys load-movies`"):
        store.open(MODEL)
    with pytest.raises(StoreError, match="run `recsys load-movies`"):
        store.search(FILMS.vectors[:1], 3)


def test_a_store_survives_the_publishes_of_others(store: MilvusStore) -> None:
    store.publish(FILMS, MODEL)
    store.open(MODEL)
    with MilvusStore(store.uri) as other:
        for seed in (1, 2):
            other.publish(films(60, seed=seed), MODEL, keep=0)
    wanted = films(60, seed=2).search(FILMS.vectors[:2], 9)
    assert store.search(FILMS.vectors[:2], 9).movie_ids.tolist() == wanted.movie_ids.tolist()
    assert len(store.take(wanted.movie_ids[0])) == 9


def test_a_store_never_answers_from_another_model(store: MilvusStore) -> None:
    store.publish(FILMS, MODEL)
    store.open(MODEL)
    with MilvusStore(store.uri) as other:
        other.publish(films(60, seed=1), OTHER, keep=0)
    for ask in (lambda: store.search(FILMS.vectors[:1], 3), lambda: store.take([1])):
        with pytest.raises(StoreError, match=f"of model {OTHER}, the query is of {MODEL}"):
            ask()


def test_a_batch_answered_from_a_copy_sees_what_is_published_later(store: MilvusStore) -> None:
    queries = unit(np.random.default_rng(0).normal(size=(30, 16)))
    store.publish(FILMS, MODEL)
    store.open(MODEL)
    store.search(queries, 9)
    assert store._copy
    more = changed(FILMS, 3, vectors=unit(queries[:1])[0])
    store.update(more, MODEL)
    got = store.search(queries, 9)
    assert got.movie_ids.tolist() == more.search(queries, 9).movie_ids.tolist()
    with MilvusStore(store.uri) as other:
        other.publish(films(60, seed=1), MODEL, keep=0)
    got = store.search(queries, 9)
    assert got.movie_ids.tolist() == films(60, seed=1).search(queries, 9).movie_ids.tolist()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"ids": 11}, "is there twice"),
        ({"ids": -5}, "has a negative id"),
        ({"vectors": np.full(16, np.nan)}, "not finite"),
        ({"vectors": np.full(16, np.inf)}, "not finite"),
        ({"vectors": np.full(16, 0.5)}, "not of unit length"),
        ({"vectors": np.zeros(16)}, "not of unit length"),
        ({"genres": tuple(str(i) for i in range(300))}, "more than 256 genres"),
    ],
)
def test_unfit_films_are_refused_and_the_old_stand(
    store: MilvusStore, damage: dict, words: str
) -> None:
    good = replace(FILMS, ids=np.arange(10, 70))
    store.publish(good, MODEL)
    with pytest.raises(StoreError, match=f"film .*{words}.*nothing was published"):
        store.publish(changed(good, 5, **damage), MODEL)
    assert answers(store, good)
    assert len(collections(store)) == 1
    with pytest.raises(StoreError, match="no film to publish"):
        store.publish(good.take([]), MODEL)


def test_long_titles_and_genres_are_cut_by_bytes_and_still_found(store: MilvusStore) -> None:
    long = changed(FILMS, 0, titles="é" * 2000, genres=("ü" * 300, "Drama"))
    store.publish(long, MODEL)
    store.open(MODEL)
    taken = store.take(FILMS.ids[:1])
    assert taken.titles == ["é" * 512]
    assert taken.genres == [("ü" * 128, "Drama")]
    found = store.search(FILMS.vectors[:1], 3, Where(any_genre=("ü" * 300,)))
    assert found.movie_ids[0].tolist() == [FILMS.ids[0], -1, -1]


def test_a_failed_publish_leaves_nothing_behind(
    store: MilvusStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.publish(FILMS, MODEL)
    real = Milvus.call
    for step in ["insert", "flush", "create_index", "load_collection", "query", "alter_alias"]:

        def call(self: Milvus, doing: str, method: str, *args, **kwargs):
            if method == step and (method != "query" or "_v" in args[0]):  # noqa: B023
                raise StoreError("broken off")
            return real(self, doing, method, *args, **kwargs)

        monkeypatch.setattr(Milvus, "call", call)
        with pytest.raises(StoreError, match="broken off"):
            store.publish(films(60, seed=9), MODEL)
        monkeypatch.setattr(Milvus, "call", real)
        assert answers(store, FILMS)
        # Once the alias may have moved, the collection is left for the next publish to sweep.
        assert len(collections(store)) == (2 if step == "alter_alias" else 1)
    store.publish(FILMS, MODEL)
    assert len(collections(store)) == 2


def test_a_wrong_count_or_a_lost_vector_is_not_published(
    store: MilvusStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.publish(FILMS, MODEL)
    real = Milvus.call

    def lose(self: Milvus, doing: str, method: str, *args, **kwargs):
        if method == "insert":
            args = (args[0], args[1][:-1])
        return real(self, doing, method, *args, **kwargs)

    monkeypatch.setattr(Milvus, "call", lose)
    with pytest.raises(StoreError, match="60 films were sent, Milvus counts 59"):
        store.publish(FILMS, MODEL)

    def spoil(self: Milvus, doing: str, method: str, *args, **kwargs):
        if method == "insert":
            rows = [{**row, "vector": np.eye(16, dtype=np.float32)[0]} for row in args[1]]
            args = (args[0], rows)
        return real(self, doing, method, *args, **kwargs)

    monkeypatch.setattr(Milvus, "call", spoil)
    with pytest.raises(StoreError, match="not found by its own vector"):
        store.publish(FILMS, MODEL)
    monkeypatch.setattr(Milvus, "call", real)
    assert answers(store, FILMS)
    assert len(collections(store)) == 1


def test_leftovers_of_the_dead_are_swept_and_the_living_left_alone(store: MilvusStore) -> None:
    store.publish(FILMS, MODEL)
    real_verify = []

    def publish_meanwhile(_: int) -> None:
        if not real_verify:
            real_verify.append(1)
            with MilvusStore(store.uri) as other:  # while ours is being filled
                other.publish(films(60, seed=1), MODEL)

    store.publish(films(60, seed=2), MODEL, progress=publish_meanwhile)
    assert answers(store, films(60, seed=2))
    dead = f"recsys_movies_v{MODEL}_00000000"
    store._milvus._client.create_collection(
        dead, 16, properties={"recsys.alias": "recsys_movies", "recsys.owner": "elsewhere#1"}
    )
    foreign = ["recsys_movies_backup", "recsys_movies_vx", f"other_v{MODEL}_00000000"]
    for name in foreign:
        store._milvus._client.create_collection(name, 4)
    store.publish(FILMS, MODEL)
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
    assert milvus_versions._is_dead(Server(), "films_vx_00000000", has, age) is dead
    finished = {**has, "recsys.published": "2026"}
    assert milvus_versions._is_dead(Server(), "films_vx_00000000", finished, age) is False
    monkeypatch.setattr(milvus_versions, "building", {"films_vx_00000000"})
    assert milvus_versions._is_dead(Server(), "films_vx_00000000", has, age) is False


def test_a_name_that_belongs_to_something_else_is_refused(store: MilvusStore) -> None:
    client = store._milvus._client
    client.create_collection("recsys_movies", 4)
    for act in (lambda: store.publish(FILMS, MODEL), lambda: store.open(None)):
        with pytest.raises(StoreError, match="give another --collection"):
            act()
    client.drop_collection("recsys_movies")
    client.create_collection("theirs", 4)
    client.create_alias("theirs", "recsys_movies")
    for act in (lambda: store.publish(FILMS, MODEL), lambda: store.open(None)):
        with pytest.raises(StoreError, match="give another --collection"):
            act()
    assert "theirs" in collections(store)


def test_an_older_or_newer_format_is_refused(store: MilvusStore) -> None:
    published = store.publish(FILMS, MODEL)
    store._milvus._client.alter_collection_properties(published.collection, {"recsys.format": "2"})
    with pytest.raises(StoreError, match=r"format 2.*run `recsys load-movies`"):
        store.open(MODEL)
    assert store.versions() == []
    store.publish(FILMS, MODEL)
    assert answers(store, FILMS)


def test_fewer_films_than_published_are_noticed(store: MilvusStore) -> None:
    published = store.publish(FILMS, MODEL)
    store._milvus._client.delete(published.collection, filter=f"movie_id == {FILMS.ids[0]}")
    with pytest.raises(StoreError, match="should hold 60 films, Milvus counts 59"):
        store.open(MODEL)


def test_released_collections_are_loaded(store: MilvusStore) -> None:
    published = store.publish(FILMS, MODEL)
    store.open(MODEL)
    store._milvus._client.release_collection(published.collection)
    assert store.search(FILMS.vectors[:1], 1).movie_ids.shape == (1, 1)
    assert answers(store, FILMS)


def test_two_names_in_one_database_do_not_touch_each_other(store: MilvusStore) -> None:
    store.publish(FILMS, MODEL)
    with MilvusStore(store.uri, collection="recsys_movies_v2") as other:
        for seed in range(3):
            other.publish(films(60, seed=seed), OTHER, keep=0)
        assert answers(other, films(60, seed=2))
    store.publish(FILMS, MODEL)
    assert answers(store, FILMS)
    assert len(collections(store)) == 3


def test_databases_are_kept_apart_and_a_missing_one_is_named(store: MilvusStore) -> None:
    store._milvus._client.create_database("films")
    with MilvusStore(store.uri, db="films") as other:
        other.publish(FILMS, MODEL)
        assert other.open(MODEL).count == 60
    assert store.versions() == []
    with pytest.raises(StoreError, match="no database nope, only default, films: correct --db"):
        MilvusStore(store.uri, db="nope")


def test_update_touches_only_what_differs(store: MilvusStore) -> None:
    store.publish(FILMS, MODEL)
    before = store.open(MODEL)
    after = changed(FILMS, 4, titles="Another (1999)")
    after = changed(after, 7, genres=("Drama", "Sci-Fi"))
    after = changed(after, 9, vectors=unit(np.ones((1, 16)))[0])
    after = changed(after, 11, years=2001)
    new = films(3, seed=5)
    new = replace(new, ids=new.ids + 1000)
    keep = after.take(after.ids[2:])  # two films less
    after = Catalogue(
        np.append(keep.ids, new.ids),
        keep.titles + new.titles,
        keep.genres + new.genres,
        np.append(keep.years, new.years),
        np.append(keep.is_new, new.is_new),
        np.vstack([keep.vectors, new.vectors]),
    )
    planned = store.differences(after, MODEL)
    assert answers(store, FILMS)
    sent: list[int] = []
    changes = store.update(after, MODEL, progress=sent.append)
    assert changes == planned
    assert changes.added == sorted(new.ids.tolist())
    assert changes.changed == sorted(FILMS.ids[[4, 7, 9, 11]].tolist())
    assert changes.removed == sorted(FILMS.ids[:2].tolist())
    assert sum(sent) == 7
    opened = store.open(MODEL)
    assert (opened.collection, opened.count) == (before.collection, 61)
    assert not opened.updating
    assert answers(store, after)
    assert store.take(after.ids).titles == after.titles
    assert not store.update(after, MODEL)


def test_an_update_broken_off_is_completed_by_the_next(
    store: MilvusStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.publish(FILMS, MODEL)
    after = replace(FILMS.take(FILMS.ids[5:]), titles=["New (2000)"] * 55)
    real = Milvus.call
    for step in ["upsert", "delete", "flush", "query"]:

        def call(self: Milvus, doing: str, method: str, *args, **kwargs):
            if method == step and doing != "reading films":  # noqa: B023
                raise StoreError("broken off")
            return real(self, doing, method, *args, **kwargs)

        monkeypatch.setattr(Milvus, "call", call)
        with pytest.raises(StoreError, match="broken off"):
            store.update(after, MODEL)
        monkeypatch.setattr(Milvus, "call", real)
        if step != "query":
            assert store.open(MODEL).updating
    store.update(after, MODEL)
    opened = store.open(MODEL)
    assert (opened.updating, opened.count) == (False, 55)
    assert answers(store, after)


def test_an_update_of_another_model_is_refused(store: MilvusStore) -> None:
    store.publish(FILMS, MODEL)
    with pytest.raises(StoreError, match="without --update"):
        store.update(FILMS, OTHER)
    with pytest.raises(StoreError, match="without --update"):
        store.update(films(60, 8), MODEL)
    assert answers(store, FILMS)


def test_an_index_is_built_with_what_was_asked_for(store: MilvusStore) -> None:
    for asked, name, params in [
        ("flat", "FLAT", None),
        ("HNSW:M=8,efConstruction=50,ef=70", "HNSW", {"M": 8, "efConstruction": 50}),
        ("IVF_FLAT:nlist=5,nprobe=5", "IVF_FLAT", {"nlist": 5}),
        ("AUTOINDEX", "AUTOINDEX", None),
    ]:
        published = store.publish(FILMS, MODEL, index=asked)
        built = store._milvus._client.describe_index(published.collection, "vector")
        assert built["index_type"] == name
        assert built.get("params") == params
        assert built["metric_type"] == "IP"
        assert answers(store, FILMS)


@pytest.mark.parametrize(
    "asked",
    [
        "NONSENSE",
        "IVF_PQ",
        "SCANN",
        "",
        "HNSW:M",
        "HNSW:M=-1",
        "HNSW:M=x",
        "FLAT:M=3",
        "HNSW:nlist=4",
    ],
)
def test_an_unknown_index_or_parameter_is_refused_with_the_known_ones(
    store: MilvusStore, asked: str
) -> None:
    if asked:
        with pytest.raises(StoreError, match=r"choose from FLAT|takes "):
            store.publish(FILMS, MODEL, index=asked)
    assert collections(store) == []


def test_the_index_fits_the_number_of_films() -> None:
    assert choose_index(None, 4_000).name == "FLAT"
    assert choose_index(None, 1_000_000).name == "HNSW"
    ivf = choose_index("IVF_FLAT", 1_000_000)
    assert ivf.build["nlist"] == 4000
    assert ivf.search["nprobe"] >= 16
    assert choose_index("HNSW", 5).search_params(500)["params"]["ef"] >= 500
    assert choose_index("HNSW", 5).search_params(10**6)["params"]["ef"] == 32_768


@pytest.mark.parametrize("name", ["1films", "f-bad name", "ünï", "a" * 201, "a.b", "x;drop"])
def test_a_name_milvus_does_not_take_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match="--collection"):
        MilvusStore(str(tmp_path / "films.db"), collection=name)


def test_an_unknown_consistency_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="--consistency Weak: choose from Strong"):
        MilvusStore(str(tmp_path / "films.db"), consistency="Weak")


def test_readers_see_one_version_or_the_other_during_fifty_switches(store: MilvusStore) -> None:
    versions = {MODEL: films(60, seed=0), OTHER: films(60, seed=1)}
    queries = unit(np.random.default_rng(3).normal(size=(2, 16)))
    wanted = {m: c.search(queries, 9).movie_ids.tolist() for m, c in versions.items()}
    store.publish(versions[MODEL], MODEL)
    stop, seen, wrong = threading.Event(), [], []

    def read() -> None:
        with MilvusStore(store.uri) as reader:
            while not stop.wait(0.01):
                try:
                    model = reader.open(None).model
                    got = [reader.search(queries[i : i + 1], 9) for i in range(2)]
                    if [hits.movie_ids[0].tolist() for hits in got] != wanted[model]:
                        wrong.append(model)
                    seen.append(model)
                except StoreError as error:
                    if "the query is of" not in str(error):  # refused, and rightly
                        wrong.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for turn in range(50):
            model = (OTHER, MODEL)[turn % 2]
            store.publish(versions[model], model)
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert wrong == []
    assert set(seen) == {MODEL, OTHER}


def test_schema_has_what_people_read(store: MilvusStore) -> None:
    published = store.publish(FILMS, MODEL)
    client: MilvusClient = store._milvus._client
    fields = client.describe_collection(published.collection)["fields"]
    types = {field["name"]: field["type"] for field in fields}
    assert types["vector"] == DataType.FLOAT_VECTOR
    assert set(types) == {"movie_id", "title", "year", "genres", "is_new", "vector"}

"""Opening and searching, on Milvus Lite: never the answer of another model."""

import functools

import numpy as np
import pytest
from movie_store import MODEL, OTHER, agrees, answers, changed, first, movies, oracle
from pymilvus import MilvusClient

from recsys.errors import StoreError
from recsys.milvus.address import MilvusAddress
from recsys.milvus_store import MilvusStore

MOVIES, OTHERS = movies(60), movies(60, seed=1)


def test_a_model_answers_while_its_version_is_kept(store):
    for ask in (functools.partial(store.open, MODEL), store.read_all):
        with pytest.raises(StoreError, match=r"no movies are published.*publish the movies"):
            ask()
    store.publish(MOVIES, MODEL)
    store.publish(OTHERS, OTHER)
    opened = store.open(MODEL)
    assert (opened.model, opened.is_current) == (MODEL, False)
    assert store.search(MOVIES.vectors[:1], 1).movie_ids[0, 0] == MOVIES.ids[0]
    assert store.read_all().titles == MOVIES.take(np.sort(MOVIES.ids)).titles
    assert [len(store.movies_of(each) or "") for each in (MODEL, OTHER, "none")] == [60, 60, 0]
    assert store.open(OTHER).is_current
    assert answers(store, OTHERS)
    store.publish(OTHERS, OTHER)  # keeps one version, which is of this model too
    with pytest.raises(StoreError, match=f"of model {OTHER}, the query is of {MODEL}"):
        store.open(MODEL)


def test_a_store_survives_the_publishes_of_others_of_its_model_alone(store):
    store.publish(MOVIES, MODEL)
    store.open(MODEL)
    with MilvusStore(store.uri) as other:
        for catalogue in (changed(MOVIES, 3, titles="Another (1999)"), OTHERS):
            other.publish(catalogue, MODEL, keep=0)
            wanted = catalogue.search(MOVIES.vectors[:2], 9).movie_ids
            assert store.search(MOVIES.vectors[:2], 9).movie_ids.tolist() == wanted.tolist()
            assert len(store.take(wanted[0])) == 9
            assert store.read_all().titles == catalogue.take(np.sort(catalogue.ids)).titles
        other.publish(OTHERS, OTHER, keep=0)
    search = functools.partial(store.search, MOVIES.vectors[:1], 3)
    for ask in (search, functools.partial(store.take, [1]), store.read_all):
        with pytest.raises(StoreError, match=f"of model {OTHER}, the query is of {MODEL}"):
            ask()


def test_hits_and_their_movies_are_of_one_version(store, monkeypatch):
    """Although a publish drops the version between the search and the reading of the movies."""
    store.publish(MOVIES, MODEL)
    store.open(MODEL)

    def publish(*_):
        monkeypatch.undo()
        with MilvusStore(store.uri) as other:
            other.publish(OTHERS, MODEL, keep=0)

    monkeypatch.setattr(MilvusClient, "query", first(publish, "query"))
    hits = store.search(MOVIES.vectors[:2], 9, with_movies=True)
    assert hits.movie_ids.tolist() == OTHERS.search(MOVIES.vectors[:2], 9).movie_ids.tolist()
    assert hits.movies.titles == OTHERS.take(hits.movies.ids).titles


def test_one_list_takes_five_calls(store, monkeypatch):
    store.publish(MOVIES, MODEL)
    called: list[str] = []
    for name, method in vars(MilvusClient).items():
        if callable(method) and not name.startswith("_") and name != "close":
            counted = first(lambda *_, name=name: called.append(name), name)
            monkeypatch.setattr(MilvusClient, name, counted)
    with MilvusStore(store.uri) as other:
        other.open(MODEL)
        hits = other.search(MOVIES.vectors[:1], 9, exclude=[MOVIES.ids[:2]], with_movies=True)
    assert hits.movies.ids.tolist() == sorted(hits.movie_ids[0].tolist())
    asked = ["get_server_version", "describe_collection", "get_load_state", "query", "search"]
    assert called == asked


def test_movies_that_came_before_are_not_read_again_unless_they_may_be_others(
    store: MilvusStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.publish(MOVIES, MODEL)
    asked: list[object] = []
    real = MilvusClient.search

    def search(*args: object, **options: object) -> object:
        asked.append(options["output_fields"])
        return real(*args, **options)

    monkeypatch.setattr(MilvusClient, "search", search)
    for row, more in ((0, True), (0, True), (0, False), (0, False), (9, False), (8, True)):
        hits = store.search(MOVIES.vectors[row : row + 1], 9, with_movies=True)
        assert bool(asked.pop()) == more
        assert hits.movies.titles == MOVIES.take(hits.movies.ids).titles
    with MilvusStore(store.uri) as other:
        other.publish(changed(MOVIES, 0, titles="Another (1999)"), MODEL, keep=0)
    hits = store.search(MOVIES.vectors[:1], 9, with_movies=True)
    assert "Another (1999)" in hits.movies.titles


class Nothing(list):
    """The hits of a query that has none, as pymilvus gives them."""

    ids = distances = ()


@pytest.mark.parametrize(("index", "again"), [("FLAT", []), ("HNSW", [1])])
def test_a_query_an_approximate_index_starves_is_sent_once_more(store, monkeypatch, index, again):
    store.publish(MOVIES, MODEL, index=index)
    real, asked = MilvusClient.search, []

    def search(client, *args, **options):
        asked.append(len(options["data"]))
        answers = list(real(client, *args, **options))
        return [Nothing(), *answers[1:]] if asked == [3] else answers

    monkeypatch.setattr(MilvusClient, "search", search)
    hits = store.search(MOVIES.vectors[:3], 5)
    assert asked == [3, *again]
    for row in range(0 if again else 1, 3):
        agrees(hits, row, oracle(MOVIES, MOVIES.vectors[row]))


def test_released_collections_are_loaded(store):
    published = store.publish(MOVIES, MODEL)
    store.open(MODEL)
    store._milvus.client.release_collection(published.collection)
    assert store.search(MOVIES.vectors[:1], 1).movie_ids.shape == (1, 1)
    assert answers(store, MOVIES)


def test_databases_are_kept_apart_and_a_missing_one_is_named(store):
    store._milvus.client.create_database("movies")
    with MilvusStore(MilvusAddress(store.uri, db="movies")) as other:
        other.publish(MOVIES, MODEL)
        assert other.open(MODEL).count == 60
    assert store.versions() == []
    with pytest.raises(StoreError, match="no database nope, only default, movies"):
        MilvusStore(MilvusAddress(store.uri, db="nope"))

"""Bringing the current version up to date by the difference."""

from dataclasses import replace

import numpy as np
import pytest
from movie_store import MODEL, OTHER, answers, changed, collections, first, movies, unit
from pymilvus import MilvusClient

from recsys.errors import StoreError
from recsys.milvus_store import MilvusStore
from recsys.serving.catalogue import Catalogue

MOVIES = movies(60)


def broken_off(*_: object) -> None:
    raise StoreError("broken off")


def test_update_touches_only_what_differs(store: MilvusStore) -> None:
    store.publish(MOVIES, MODEL)
    before = store.open(MODEL)
    after = changed(MOVIES, 4, titles="Another (1999)")
    after = changed(after, 7, genres=("Drama", "Sci-Fi"))
    after = changed(after, 9, vectors=unit(np.ones((1, 16)))[0])
    after = changed(after, 11, years=2001)
    new = movies(3, seed=5)
    new = replace(new, ids=new.ids + 1000)
    keep = after.take(after.ids[2:])  # two movies less
    after = Catalogue(
        np.append(keep.ids, new.ids),
        keep.titles + new.titles,
        keep.genres + new.genres,
        np.append(keep.years, new.years),
        np.append(keep.is_new, new.is_new),
        np.vstack([keep.vectors, new.vectors]),
    )
    planned = store.differences(after, MODEL)
    assert answers(store, MOVIES)
    sent: list[int] = []
    changes = store.update(after, MODEL, progress=sent.append)
    assert changes == planned
    assert changes.added == sorted(new.ids.tolist())
    assert changes.changed == sorted(MOVIES.ids[[4, 7, 9, 11]].tolist())
    assert changes.removed == sorted(MOVIES.ids[:2].tolist())
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
    store.publish(MOVIES, MODEL)
    after = replace(MOVIES.take(MOVIES.ids[5:]), titles=["New (2000)"] * 55)

    for step in ["upsert", "delete", "flush"]:
        with monkeypatch.context() as broken:
            broken.setattr(MilvusClient, step, first(broken_off, step))
            with pytest.raises(StoreError, match="broken off"):
                store.update(after, MODEL)
        assert store.open(MODEL).updating
        with pytest.raises(StoreError, match="are being updated"):
            store.read_all()
    store.update(after, MODEL)
    opened = store.open(MODEL)
    assert (opened.updating, opened.count) == (False, 55)
    assert answers(store, after)


def test_an_update_of_another_model_is_refused(store: MilvusStore) -> None:
    store.publish(MOVIES, MODEL)
    with pytest.raises(StoreError, match="publish all movies"):
        store.update(MOVIES, OTHER)
    with pytest.raises(StoreError, match="publish all movies"):
        store.update(movies(60, 8), MODEL)
    assert answers(store, MOVIES)


def test_an_update_is_rolled_back(store: MilvusStore) -> None:
    store.publish(MOVIES, MODEL)
    after = replace(MOVIES.take(MOVIES.ids[:55]), titles=["New (2000)"] * 55)
    for _ in range(2):
        store.update(after, MODEL)
        assert answers(store, after)
        assert [one.is_current for one in store.versions()] == [True, False]
        store.rollback()
        assert answers(store, MOVIES)
        assert store.take(MOVIES.ids).titles == MOVIES.titles
    store.update(after, MODEL, keep=0)
    assert [one.is_current for one in store.versions()] == [True]


def test_an_update_broken_off_and_completed_is_rolled_back(
    store: MilvusStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.publish(MOVIES, MODEL)
    after = replace(MOVIES.take(MOVIES.ids[5:]), titles=["New (2000)"] * 55)

    for step in ["create_collection", "insert", "upsert", "delete"]:
        with monkeypatch.context() as broken:
            broken.setattr(MilvusClient, step, first(broken_off, step))
            with pytest.raises(StoreError, match="broken off"):
                store.update(after, MODEL)
    store.update(after, MODEL)
    assert len(store.versions()) == len(collections(store)) == 2
    store.rollback()
    assert answers(store, MOVIES)

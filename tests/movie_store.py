"""Movies to publish in tests, and what searching them must give, computed in the plainest way."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymilvus import MilvusClient

from recsys.milvus_store import MilvusStore
from recsys.serving.catalogue import EVERYTHING, NO_MOVIE, Catalogue, Filter, Hits

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["recsys.milvus_store", "movie_store"])
MODEL, OTHER = "0123456789abcdef", "fedcba9876543210"
GENRES = ("Drama", "Sci-Fi", "Children's", 'a "quoted" one', "back\\slash", "x\n] or true", "Ünï")


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    """The rows scaled to unit length."""
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def movies(count: int = 300, dimension: int = 16, seed: int = 0, equal: int = 1) -> Catalogue:
    """Movies with gaps in their ids and not ordered by them; the first `equal` have one vector."""
    random = np.random.default_rng(seed)
    vectors = unit(random.normal(size=(count, dimension)))
    vectors[:equal] = vectors[0]
    ids = random.permutation(3 * count)[:count].astype(np.int64)
    genres = [tuple(GENRES[g] for g in range(len(GENRES)) if i >> g & 1) for i in ids.tolist()]
    years = np.where(ids % 7 == 0, 0, 1950 + ids % 60).astype(np.int32)
    titles = [f"Misérables, Les {'é' * (i % 3)} ({year})" for i, year in enumerate(years)]
    return Catalogue(ids, titles, genres, years, ids % 5 == 0, vectors)


def oracle(
    catalogue: Catalogue,
    query: NDArray[np.float32],
    filter: Filter = EVERYTHING,
    exclude: Sequence[int] | NDArray[np.int64] = (),
) -> list[tuple[int, float]]:
    """The ids and scores of the movies a query may get, best first, compared one by one."""
    left_out = set(np.asarray(exclude, np.int64).tolist())
    found = []
    for i, movie_id in enumerate(catalogue.ids.tolist()):
        has = set(catalogue.genres[i])
        if movie_id in left_out:
            continue
        if filter.any_genre and not has & set(filter.any_genre):
            continue
        if not has >= set(filter.all_genres) or has & set(filter.not_genres):
            continue
        if filter.years and not filter.years[0] <= catalogue.years[i] <= filter.years[1]:
            continue
        score = float(catalogue.vectors[i].astype(np.float64) @ query.astype(np.float64))
        found.append((movie_id, score))
    return sorted(found, key=lambda hit: (-hit[1], hit[0]))


def agrees(hits: Hits, row: int, wanted: list[tuple[int, float]]) -> None:
    """The hits of a row are the best of what `oracle` found, in any order of equal scores."""
    k = hits.movie_ids.shape[1]
    ids, scores = hits.movie_ids[row], hits.scores[row]
    count = min(k, len(wanted))
    np.testing.assert_allclose(scores[:count], [score for _, score in wanted[:count]], atol=1e-5)
    assert len(set(ids[:count].tolist())) == count
    right = dict(wanted)
    own = [right[movie_id] for movie_id in ids[:count].tolist()]
    np.testing.assert_allclose(scores[:count], own, atol=1e-5)
    assert (np.diff(scores[:count]) <= 0).all()
    assert (ids[count:] == NO_MOVIE).all()
    assert (scores[count:] == -np.inf).all()


def first(act: Callable[..., Any], step: str) -> Callable[..., Any]:
    """A method of MilvusClient that first calls `act` with the same arguments."""
    real = getattr(MilvusClient, step)

    def call(self: MilvusClient, *args: Any, **kwargs: Any) -> Any:
        act(*args)
        return real(self, *args, **kwargs)

    return call


def publish_and_die(address: Any, step: str, after: float) -> None:
    """Publish OTHER, but be killed just before a step, or some seconds into it."""

    def die(*_: object) -> None:
        if after:
            threading.Timer(after, os.kill, (os.getpid(), signal.SIGKILL)).start()
        else:
            os.kill(os.getpid(), signal.SIGKILL)

    setattr(MilvusClient, step, first(die, step))
    MilvusStore(address).publish(movies(300, seed=1), OTHER)


def elsewhere(work: Callable[..., Any], *args: Any) -> int:
    """Run something in a process of its own; returns how it ended."""
    process = processes.Process(target=work, args=args)
    process.start()
    process.join(60)
    assert process.exitcode is not None
    return process.exitcode


def collections(store: MilvusStore) -> list[str]:
    return sorted(store._milvus.client.list_collections())


def answers(store: MilvusStore, catalogue: Catalogue) -> bool:
    """Whether the store answers as the catalogue does."""
    store.open(None)
    queries = unit(np.random.default_rng(3).normal(size=(3, catalogue.vectors.shape[1])))
    found, wanted = store.search(queries, 20), catalogue.search(queries, 20)
    return found.movie_ids.tolist() == wanted.movie_ids.tolist()


def answer_during(
    act: Callable[[], None], address: Any, right: Callable[[MilvusStore], str]
) -> None:
    """While something is done to the movies, readers always get right answers of some version.

    Args:
        right: the model a store answers for, another text where the answer is wrong.
    """
    stop, models, errors = threading.Event(), set(), []

    def read() -> None:
        while not stop.is_set():
            try:
                with MilvusStore(address) as reader:
                    for _ in range(5):
                        models.add(right(reader))
            except Exception as error:
                errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        act()
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert errors == []
    assert models == {MODEL, OTHER}


def changed(catalogue: Catalogue, row: int, **parts: object) -> Catalogue:
    """The catalogue with one movie's title, genres, year or vector changed."""
    columns = {}
    for name, value in parts.items():
        column = list(getattr(catalogue, name))
        column[row] = value
        old = getattr(catalogue, name)
        columns[name] = np.array(column, old.dtype) if isinstance(old, np.ndarray) else column
    return replace(catalogue, **columns)

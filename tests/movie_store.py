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
) -> dict[int, float]:
    """The scores of the movies a query may get, best first, compared one by one."""
    first, last = filter.years or (-1, 9999)
    scores = {}
    for movie_id, genres, year, vector in zip(
        catalogue.ids.tolist(), catalogue.genres, catalogue.years, catalogue.vectors, strict=True
    ):
        has = set(genres)
        if (
            movie_id not in exclude
            and (has & set(filter.any_genre) or not filter.any_genre)
            and has >= set(filter.all_genres)
            and not has & set(filter.not_genres)
            and first <= year <= last
        ):
            scores[movie_id] = float(vector.astype(np.float64) @ query.astype(np.float64))
    return dict(sorted(scores.items(), key=lambda hit: (-hit[1], hit[0])))


def agrees(hits: Hits, row: int, right: dict[int, float]) -> None:
    """The hits of a row are the best of what `oracle` found, in any order of equal scores."""
    ids, scores = hits.movie_ids[row], hits.scores[row]
    count = min(len(ids), len(right))
    np.testing.assert_allclose(scores[:count], [*right.values()][:count], atol=1e-5)
    np.testing.assert_allclose(scores[:count], [right[i] for i in ids[:count].tolist()], atol=1e-5)
    assert len(set(ids[:count].tolist())) == count
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
    """The collections of the store's name."""
    found = store._milvus.client.list_collections()
    return sorted(each for each in found if each.startswith(store.alias))


def answers(store: MilvusStore, catalogue: Catalogue) -> bool:
    """Whether the store, opened for any model, answers as the catalogue does."""
    store.open(None)
    queries = unit(np.random.default_rng(3).normal(size=(3, catalogue.vectors.shape[1])))
    return bool((store.search(queries, 20).movie_ids == catalogue.search(queries, 20)[0]).all())


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
                    models.update(right(reader) for _ in range(5))
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
    columns = {name: getattr(catalogue, name).copy() for name in parts}
    for name, value in parts.items():
        columns[name][row] = value
    return replace(catalogue, **columns)

"""Movies to publish in tests, and what searching them must give, computed in the plainest way."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recsys.milvus_store import MilvusStore
from recsys.serving.catalogue import EVERYTHING, Catalogue, Filter

MODEL, OTHER = "0123456789abcdef", "fedcba9876543210"
GENRES = ("Drama", "Sci-Fi", "Children's", 'a "quoted" one', "back\\slash", "x\n] or true", "Ünï")


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    """The rows scaled to unit length."""
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def movies(count: int = 300, dimension: int = 16, seed: int = 0) -> Catalogue:
    """Movies with gaps in their ids and not ordered by them; a tenth of the vectors are equal."""
    random = np.random.default_rng(seed)
    vectors = unit(random.normal(size=(count, dimension)))
    vectors[: count // 10] = vectors[0]
    ids = random.permutation(3 * count)[:count].astype(np.int64)
    genres = [tuple(GENRES[g] for g in range(len(GENRES)) if i >> g & 1) for i in ids.tolist()]
    years = np.where(ids % 7 == 0, 0, 1950 + ids % 60).astype(np.int32)
    titles = [f"Misérables, Les {'é' * (i % 3)} ({year})" for i, year in enumerate(years)]
    return Catalogue(ids, titles, genres, years, ids % 5 == 0, vectors)


def oracle(
    catalogue: Catalogue,
    query: NDArray[np.float32],
    k: int,
    where: Filter = EVERYTHING,
    exclude: Sequence[int] | NDArray[np.int64] = (),
) -> list[tuple[int, float]]:
    """The ids and scores one query must get, movie by movie."""
    left_out = set(np.asarray(exclude, np.int64).tolist())
    found = []
    for i, movie_id in enumerate(catalogue.ids.tolist()):
        has = set(catalogue.genres[i])
        if movie_id in left_out:
            continue
        if where.any_genre and not has & set(where.any_genre):
            continue
        if not has >= set(where.all_genres) or has & set(where.not_genres):
            continue
        if where.years and not where.years[0] <= catalogue.years[i] <= where.years[1]:
            continue
        score = float(catalogue.vectors[i].astype(np.float64) @ query.astype(np.float64))
        found.append((movie_id, score))
    return sorted(found, key=lambda hit: (-round(hit[1], 9), hit[0]))[:k]


def collections(store: MilvusStore) -> list[str]:
    return sorted(store._milvus.collections())


def answers(store: MilvusStore, catalogue: Catalogue) -> bool:
    """Whether the store answers as the catalogue does."""
    store.open(None)
    queries = unit(np.random.default_rng(3).normal(size=(3, catalogue.vectors.shape[1])))
    found, wanted = store.search(queries, 20), catalogue.search(queries, 20)
    return found.movie_ids.tolist() == wanted.movie_ids.tolist()


def changed(catalogue: Catalogue, row: int, **parts: object) -> Catalogue:
    """The catalogue with one movie's title, genres, year or vector changed."""
    columns = {}
    for name, value in parts.items():
        column = list(getattr(catalogue, name))
        column[row] = value
        old = getattr(catalogue, name)
        columns[name] = np.array(column, old.dtype) if isinstance(old, np.ndarray) else column
    return replace(catalogue, **columns)

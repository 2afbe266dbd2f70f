"""Is everything well: data, model, libraries, Milvus, what is published, and its answers?"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np

from recsys.errors import ModelError, RecsysError, StoreError
from recsys.infer import Recommender, UserQuery, catalogue, query
from recsys.milvus_store import MilvusStore
from recsys.preprocess import read_dataset
from recsys.serving.model_folder import ModelFolder

LIBRARIES = ("recsys", "paddlepaddle", "pymilvus", "milvus-lite", "numpy", "click", "tqdm")


class Check(NamedTuple):
    """One thing looked at."""

    name: str
    well: bool
    found: str  # what there is, or what is wrong and the command that mends it


def examine(
    data: Path | None, model: Path, store: Callable[[], AbstractContextManager[MilvusStore]]
) -> Iterator[Check]:
    """Look at one thing after the other; what needs something that is not well is left out."""
    yield Check("libraries", True, ", ".join(f"{name} {version(name)}" for name in LIBRARIES))
    if data:
        yield _look("data", lambda: _data(data))
    folder = None
    try:
        folder = ModelFolder(model)
        folder.verify()
        yield Check("model", True, f"{folder.path}, {folder.fingerprint}")
    except ModelError as error:
        yield Check("model", False, str(error))
    try:
        with store() as opened:
            yield Check("milvus", True, f"{opened.uri}, {opened.version}")
            yield (check := _look("published", lambda: _published(folder, opened)))
            if folder and check.well:
                yield _look("answers", lambda: _answers(folder, opened))
    except RecsysError as error:
        yield Check("milvus", False, str(error))


def _look(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except RecsysError as error:
        return Check(name, False, str(error))


def _data(folder: Path) -> str:
    found = read_dataset(folder)
    return f"{folder}: {len(found.ratings)} ratings of {len(found.movies)} movies"


def _published(folder: ModelFolder | None, store: MilvusStore) -> str:
    found = store.open(folder.fingerprint if folder else None)
    return f"{found.collection}: {found.count} movies of {found.model}, index {found.index}"


def _answers(folder: ModelFolder, store: MilvusStore) -> str:
    """Ask for somebody nothing is known of, in Milvus and by comparing every movie."""
    exact = catalogue(folder)
    asked = query(Recommender(folder, exact).vectors([UserQuery()]), "relevance")
    k = min(10, len(exact))
    best, found = exact.search(asked, k), store.search(asked, k)
    if found.scores[0, 0] < best.scores[0, 0] - 1e-4:
        raise StoreError("Milvus answers worse than an exact search: run `recsys load-movies`")
    same = np.isin(best.movie_ids, found.movie_ids).mean()
    return f"{same:.0%} of a cold-start user's {k} best movies are those of an exact search"

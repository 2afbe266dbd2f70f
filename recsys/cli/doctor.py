"""Is everything well: libraries, data, model, Milvus, what is published, and its answers?"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from recsys import __version__
from recsys.errors import RecsysError, StoreError
from recsys.infer import Recommender, UserQuery, catalogue
from recsys.milvus_store import MilvusStore
from recsys.preprocess import read_dataset
from recsys.serving.model_folder import ModelFolder, load_model

LIBRARIES = ("paddlepaddle", "pymilvus", "milvus-lite", "numpy", "pyarrow", "click", "tqdm")
TRAINING = "paddlepaddle"  # queries do without
KEPT = ("fingerprint", "created", "data", "seed", "epoch", "validation", "versions")  # of a config


class Check(NamedTuple):
    """One thing looked at."""

    name: str
    well: bool
    found: str  # in words: what there is, or what is wrong and the command that fixes it
    facts: Mapping[str, Any] = MappingProxyType(
        {}
    )  # for programs, where there is more than the words

    def as_dict(self) -> dict[str, Any]:
        return {"well": self.well, "found": self.found, **self.facts}


def examine(
    data: Path | None,
    model: Path,
    store: Callable[[], AbstractContextManager[MilvusStore]],
    in_words: Callable[[RecsysError], str],
) -> Iterator[Check]:
    """Look at one thing after the other; what needs something that is not well is left out.

    Args:
        data: a folder of ratings to read, if wanted.
        store: opens the store, of which nothing is changed.
        in_words: an error with its remedy, as the reader can follow it.
    """

    def look(name: str, at: Callable[[], tuple[str, Mapping[str, Any]]], **known: Any) -> Check:
        try:
            return Check(name, True, *at())
        except RecsysError as error:
            return Check(name, False, in_words(error), known)

    yield _libraries()
    if data:
        yield look("data", lambda: _data(data))
    yield (checked := look("model", lambda: _model(model)))
    folder = load_model(model) if checked.well else None
    try:
        with store() as opened:
            yield look("milvus", lambda: _milvus(opened))
            published = look("published", lambda: _published(opened))
            if published.well and folder:
                facts = published.facts
                fits = look("published", lambda: _fits(folder, opened, published), **facts)
                yield fits
                if fits.well:
                    yield look("answers", lambda: _answers(folder, opened))
            else:
                yield published
    except RecsysError as error:
        yield Check("milvus", False, in_words(error))


def _libraries() -> Check:
    found = {"recsys": __version__}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    missing = {name for name, each in found.items() if each == "missing"}
    words = ", ".join(f"{name} {each}" for name, each in found.items())
    words += f"; {TRAINING} is for train and evaluate" if TRAINING in missing else ""
    return Check("libraries", missing <= {TRAINING}, words, {"versions": found})


def _data(folder: Path) -> tuple[str, Mapping[str, Any]]:
    found = read_dataset(folder)
    facts = {"ratings": len(found.ratings), "movies": len(found.movies), "users": len(found.users)}
    counts = ", ".join(f"{count} {name}" for name, count in facts.items())
    return f"{folder}: {counts}", {"folder": str(folder), **facts}


def _model(path: Path) -> tuple[str, Mapping[str, Any]]:
    folder = load_model(path)
    folder.verify()
    facts = {"folder": str(folder.path), **{name: folder.config.get(name) for name in KEPT}}
    metrics = ", ".join(f"{k} {v:.4f}" for k, v in folder.config["validation"].items())
    return f"{folder.path}, {folder.fingerprint}, {metrics or 'not validated'}", facts


def _milvus(store: MilvusStore) -> tuple[str, Mapping[str, Any]]:
    return f"{store.uri}, {store.version}", {"uri": store.uri, "version": store.version}


def _published(store: MilvusStore) -> tuple[str, Mapping[str, Any]]:
    found = store.open(None)
    facts = {
        "alias": found.alias,
        "collection": found.collection,
        "model": found.model,
        "movies": found.count,
        "dimension": found.dimension,
        "index": str(found.index),
        "when": found.when,
        "versions": len(store.versions()),
    }
    words = f"{found.collection}: {found.count} movies of model {found.model}, {found.index}"
    return f"{words}, {facts['versions']} versions", facts


def _fits(folder: ModelFolder, store: MilvusStore, found: Check) -> tuple[str, Mapping[str, Any]]:
    """What is published, if it is of this model."""
    if not store.open(folder.fingerprint).is_current:
        raise StoreError(
            f"{store.uri}: the movies of another model are published; this one, "
            f"{folder.fingerprint}, answers from the version before",
            "switch to that model, or publish the movies of this one",
            "publish",
        )
    return found.found, found.facts


def _answers(folder: ModelFolder, store: MilvusStore) -> tuple[str, Mapping[str, Any]]:
    """Ask for a cold-start user, in Milvus and by comparing every movie."""
    exact = catalogue(folder)
    k = min(10, len(exact))
    (best,), (found,) = (Recommender(folder, each).recommend([UserQuery()], k)
                         for each in (exact, store))  # fmt: skip
    if not found or found[0].score < best[0].score - 1e-4:
        raise StoreError("Milvus answers worse than an exact search", "publish again", "publish")
    same = float(np.isin([m.movie_id for m in best], [m.movie_id for m in found]).mean())
    words = f"{same:.0%} of a cold-start user's {k} best movies are those of an exact search"
    return words, {"same": same}

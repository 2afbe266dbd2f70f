"""Bringing the current version up to date by the difference."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.ids import Id, id_array, positions
from recsys.errors import StoreError
from recsys.milvus.client import Milvus
from recsys.milvus.collection import check_count, count, flush, load, send
from recsys.milvus.publish import copy
from recsys.milvus.schema import as_stored, check_catalogue, one_of
from recsys.milvus.search import READ_AT_ONCE, pages, take
from recsys.milvus.versions import Published, change_properties, current_version, now, retire
from recsys.serving.catalogue import Catalogue

_SAME = 1e-5  # how far a vector may differ and be the same: rounding on another machine


class Changes(NamedTuple):
    """The ids in which a catalogue differs from what is published."""

    added: list[Id]
    changed: list[Id]
    removed: list[Id]

    def __bool__(self) -> bool:
        return any(self)  # a tuple of three is always true


def differences(milvus: Milvus, alias: str, catalogue: Catalogue, model: str) -> Changes:
    """In what the catalogue differs from the current version of the same model.

    Raises:
        StoreError: nothing is published, or by another model.
    """
    return _compare(milvus, _current(milvus, alias, catalogue, model), as_stored(catalogue))


def update(
    milvus: Milvus,
    alias: str,
    catalogue: Catalogue,
    model: str,
    *,
    keep: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Changes:
    """Make the current version equal to the catalogue, touching only movies that differ.

    Readers may see some movies changed and others not yet; all are of one model, so every answer
    is right for the movies it names. Broken off, it is completed by running it again. A copy of the
    movies as they were before is a version to roll back to.

    Args:
        keep: how many earlier versions stay, that copy first.

    Raises:
        StoreError: the movies are unfit or of another model, or Milvus failed.
    """
    check_catalogue(catalogue)
    movies = as_stored(catalogue)
    current = _current(milvus, alias, movies, model)
    name = current.collection
    changes = _compare(milvus, current, movies)
    if not changes and not current.updating:
        return changes
    before = copy(milvus, current) if keep and not current.updating else None
    begun = {"recsys.updating": "yes", "recsys.changed": now()}
    if before:
        begun["recsys.published"] = now()  # later than the copy
    change_properties(milvus, name, begun)
    touched = movies.take(np.sort(id_array([*changes.added, *changes.changed])))
    send(milvus, name, touched, progress, replace=True)
    for start in range(0, len(changes.removed), READ_AT_ONCE):
        some = changes.removed[start : start + READ_AT_ONCE]
        with milvus.errors("removing movies"):
            milvus.client.delete(name, filter=one_of(some), timeout=milvus.timeout)
    flush(milvus, name)
    _verify(milvus, current, touched, len(movies))
    properties = {"recsys.count": str(len(movies)), "recsys.changed": now()}
    change_properties(milvus, name, {**properties, "recsys.updating": ""})
    retire(milvus, alias, name, before, keep)
    return changes


def _current(milvus: Milvus, alias: str, catalogue: Catalogue, model: str) -> Published:
    """The current version, loaded and sound, if it is of this model."""
    current = current_version(milvus, alias)
    if (current.model, current.dimension) != (model, catalogue.vectors.shape[1]):
        raise StoreError(
            f"{milvus.uri}: the movies of {alias} are of model {current.model}, these of {model}",
            "publish all movies",
            "publish",
        )
    load(milvus, current.collection, current.count)
    check_count(milvus, current)
    return current


def _compare(milvus: Milvus, current: Published, movies: Catalogue) -> Changes:
    """How `movies`, from `as_stored`, differ from a version."""
    seen = np.zeros(len(movies), np.bool_)
    changed: list[Id] = []
    removed: list[Id] = []
    for page in pages(milvus, current):
        places = positions(movies.ids, page.ids)
        known = places >= 0
        seen[places[known]] = True
        removed += page.ids[~known].tolist()
        stored = page.take(page.ids[known])
        changed += stored.ids[~_same(stored, movies.take(stored.ids))].tolist()
    return Changes(movies.ids[~seen].tolist(), changed, removed)


def _verify(milvus: Milvus, current: Published, touched: Catalogue, movies: int) -> None:
    """So many movies are there, and those touched as they were sent."""
    held = count(milvus, current.collection)
    if held != movies:
        raise StoreError(
            f"{current.collection}: after the update Milvus counts {held} movies, not {movies}",
            "publish all movies",
            "publish",
        )
    try:
        stored = take(milvus, current, touched.ids, "Strong")
        right = bool(_same(stored, touched).all())
    except KeyError:
        right = False
    if not right:
        raise StoreError(
            f"{current.collection}: Milvus does not hold all movies as they were sent",
            "publish all movies",
            "publish",
        )


def _same(one: Catalogue, other: Catalogue) -> NDArray[np.bool_]:
    """(M,) whether movie i of both is the same."""
    same = np.abs(one.vectors - other.vectors).max(axis=1, initial=0) <= _SAME
    same &= (one.years == other.years) & (one.is_new == other.is_new)
    for name, column in one.columns.items():
        same &= column.same(other.columns[name])
    words = zip(one.titles, one.genres, other.titles, other.genres, strict=True)
    return same & np.array([(a, b) == (c, d) for a, b, c, d in words], np.bool_)

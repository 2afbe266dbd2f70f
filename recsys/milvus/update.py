"""Reading all movies back, and bringing the current version up to date by the difference."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.errors import StoreError
from recsys.milvus.client import Milvus
from recsys.milvus.errors import without_credentials
from recsys.milvus.publish import (
    MAX_GENRE,
    MAX_TITLE,
    check_catalogue,
    check_count,
    count,
    cut,
    flush,
    insert,
    load,
)
from recsys.milvus.versions import Published, change_properties, current_version, now
from recsys.serving.catalogue import Catalogue

FIELDS = ["movie_id", "title", "year", "genres", "is_new", "vector"]
_PAGE = 5_000  # movies read at a time
_SAME = 1e-5  # how far a vector may differ and be the same: rounding on another machine


class Changes(NamedTuple):
    """The ids in which a catalogue differs from what is published."""

    added: list[int]
    changed: list[int]
    removed: list[int]

    def __bool__(self) -> bool:
        return any(self)  # a tuple of three is always true


def read_all(milvus: Milvus, found: Published) -> Iterator[Catalogue]:
    """All movies of a version by rising id, some thousands at a time."""

    def read(filter: str, fields: list[str], consistency: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = milvus.read(
            "reading movies",
            "query",
            found.collection,
            filter=filter,
            output_fields=fields,
            consistency_level=consistency,
            timeout=3 * milvus.timeout,
        )
        return rows

    ids = sorted(row["movie_id"] for row in read("movie_id >= 0", ["movie_id"], "Strong"))
    for start in range(0, len(ids), _PAGE):
        page = ids[start : start + _PAGE]
        rows = read(f"movie_id >= {page[0]} and movie_id <= {page[-1]}", FIELDS, "Bounded")
        yield catalogue_of(sorted(rows, key=lambda row: row["movie_id"]), found.dimension)


def catalogue_of(movies: list[dict[str, Any]], dimension: int) -> Catalogue:
    """Rows of Milvus as a catalogue."""
    return Catalogue(
        np.array([movie["movie_id"] for movie in movies], np.int64),
        [movie["title"] for movie in movies],
        [tuple(movie["genres"]) for movie in movies],
        np.array([movie["year"] for movie in movies], np.int32),
        np.array([movie["is_new"] for movie in movies], np.bool_),
        np.array([movie["vector"] for movie in movies], np.float32).reshape(len(movies), dimension),
    )


def joined(parts: list[Catalogue], dimension: int) -> Catalogue:
    """Parts of a catalogue as one."""
    empty = catalogue_of([], dimension)
    parts = [empty, *parts]
    return Catalogue(
        np.concatenate([part.ids for part in parts]),
        [title for part in parts for title in part.titles],
        [genres for part in parts for genres in part.genres],
        np.concatenate([part.years for part in parts]),
        np.concatenate([part.is_new for part in parts]),
        np.concatenate([part.vectors for part in parts]),
    )


def differences(milvus: Milvus, alias: str, catalogue: Catalogue, model: str) -> Changes:
    """In what the catalogue differs from the current version of the same model.

    Raises:
        StoreError: nothing is published, or by another model.
    """
    current = current_version(milvus, alias)
    where = without_credentials(milvus.uri)
    if (current.model, current.dimension) != (model, catalogue.vectors.shape[1]):
        raise StoreError(
            f"{where}: the movies of {alias} are of model {current.model}, these of {model}: "
            "publish all with `recsys load-movies`, without --update"
        )
    load(milvus, current.collection, current.count)
    check_count(milvus, current)
    seen, changed, removed = np.zeros(len(catalogue), np.bool_), [], []
    order = np.argsort(catalogue.ids)
    for part in read_all(milvus, current):
        places = np.searchsorted(catalogue.ids, part.ids, sorter=order)
        rows = order[np.minimum(places, len(order) - 1)]
        known = catalogue.ids[rows] == part.ids
        seen[rows[known]] = True
        removed += part.ids[~known].tolist()
        same = _same(part, catalogue, rows)
        changed += part.ids[known & ~same].tolist()
    return Changes(sorted(catalogue.ids[~seen].tolist()), sorted(changed), sorted(removed))


def update(
    milvus: Milvus,
    alias: str,
    catalogue: Catalogue,
    model: str,
    *,
    progress: Callable[[int], None] | None = None,
) -> Changes:
    """Make the current version equal to the catalogue, touching only movies that differ.

    Readers may see some movies changed and others not yet; all are of one model, so every answer
    is right for the movies it names. Broken off, it is completed by running it again.

    Raises:
        StoreError: the movies are unfit, of another model, or Milvus failed.
    """
    check_catalogue(catalogue)
    changes = differences(milvus, alias, catalogue, model)
    current = current_version(milvus, alias)
    name = current.collection
    if not changes and not current.updating:
        return changes
    change_properties(milvus, name, {"recsys.updating": "yes", "recsys.changed": now()})
    touched = changes.added + changes.changed
    if touched:
        insert(milvus, name, catalogue.take(touched), method="upsert", progress=progress)
    for start in range(0, len(changes.removed), 1000):
        some = changes.removed[start : start + 1000]
        milvus.call("removing movies", "delete", name, filter=f"movie_id in {some}")
    flush(milvus, name)
    _verify(milvus, name, catalogue, touched)
    properties = {"recsys.count": str(len(catalogue)), "recsys.changed": now()}
    change_properties(milvus, name, {**properties, "recsys.updating": ""})
    return changes


def _verify(milvus: Milvus, name: str, catalogue: Catalogue, touched: list[int]) -> None:
    held = count(milvus, name)
    if held != len(catalogue):
        raise StoreError(
            f"{name}: after the update Milvus counts {held} movies, not {len(catalogue)}: run "
            "`recsys load-movies`, without --update"
        )
    for start in range(0, len(touched), 1000):
        wanted = catalogue.take(touched[start : start + 1000])
        rows = milvus.read(
            "reading movies",
            "query",
            name,
            filter=f"movie_id in {wanted.ids.tolist()}",
            output_fields=FIELDS,
            consistency_level="Strong",
        )
        found = catalogue_of(rows, wanted.vectors.shape[1])
        order = np.argsort(wanted.ids)
        if (
            len(found) != len(wanted)
            or not _same(
                found, wanted, order[np.searchsorted(wanted.ids, found.ids, sorter=order)]
            ).all()
        ):
            raise StoreError(
                f"{name}: Milvus does not hold all movies as they were sent: run "
                "`recsys load-movies`, without --update"
            )


def _same(part: Catalogue, catalogue: Catalogue, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
    """(len(part),) whether movie i of `part` is stored like movie rows[i] of the catalogue."""
    same = np.abs(part.vectors - catalogue.vectors[rows]).max(axis=1, initial=0) <= _SAME
    same &= (part.years == catalogue.years[rows]) & (part.is_new == catalogue.is_new[rows])
    for i, row in enumerate(rows.tolist()):
        genres = tuple(cut(genre, MAX_GENRE) for genre in catalogue.genres[row])
        same[i] &= part.titles[i] == cut(catalogue.titles[row], MAX_TITLE)
        same[i] &= part.genres[i] == genres
    return same

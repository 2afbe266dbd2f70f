"""The row of a movie in Milvus, described once: fields, limits, writing, reading, filtering."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymilvus import CollectionSchema, DataType, MilvusClient

from recsys.data.ids import MAX_TEXT, Id, id_array, is_text
from recsys.data.schema import Column, Kind
from recsys.errors import StoreError
from recsys.milvus.expression import (
    MAX_GENRE,
    MAX_GENRES,
    UNKNOWN_NUMBER,
    cut,
    listed,
    literal,
    written,
)
from recsys.serving.catalogue import Catalogue, Filter

FORMAT = "1"  # of the row and of a collection's properties; another is refused
KEY, VECTOR = "movie_id", "vector"
FIELDS = [KEY, "title", "year", "genres", "is_new", VECTOR]  # of every collection, and the schema's
MAX_TITLE = 1024  # UTF-8 bytes
MAX_WORDS = 8192  # UTF-8 bytes of a category or text
BATCH = 2_000  # movies sent at a time


def collection_schema(
    dimension: int, text_ids: bool, columns: Mapping[str, Column] = MappingProxyType({})
) -> CollectionSchema:
    """The fields of a collection of movies with those columns."""
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    if text_ids:
        schema.add_field(KEY, DataType.VARCHAR, is_primary=True, max_length=MAX_TEXT)
    else:
        schema.add_field(KEY, DataType.INT64, is_primary=True)
    schema.add_field("title", DataType.VARCHAR, max_length=MAX_TITLE)
    schema.add_field("year", DataType.INT32)
    _add_array(schema, "genres")
    schema.add_field("is_new", DataType.BOOL)
    for name, column in columns.items():
        if column.kind == "categories":
            _add_array(schema, name)
        elif column.kind == "number":
            schema.add_field(name, DataType.DOUBLE)
        else:
            schema.add_field(name, DataType.VARCHAR, max_length=MAX_WORDS)
    schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=dimension)
    return schema


def _add_array(schema: CollectionSchema, name: str) -> None:
    schema.add_field(
        name,
        DataType.ARRAY,
        element_type=DataType.VARCHAR,
        max_capacity=MAX_GENRES,
        max_length=MAX_GENRE,
    )


def columns_of(description: dict[str, Any]) -> tuple[tuple[str, Kind], ...]:
    """The columns of the schema in a collection that Milvus describes; texts are categories."""
    kinds: dict[int, Kind] = {DataType.DOUBLE: "number", DataType.ARRAY: "categories"}
    fields = [field for field in description["fields"] if field["name"] not in FIELDS]
    return tuple((field["name"], kinds.get(field["type"], "category")) for field in fields)


def dimension_of(description: dict[str, Any]) -> int:
    """The length of the vectors of a collection that Milvus describes."""
    return int(_field(description, VECTOR)["params"]["dim"])


def has_text_ids(description: dict[str, Any]) -> bool:
    """Whether the movies of a collection that Milvus describes have text for ids."""
    return bool(_field(description, KEY)["type"] == DataType.VARCHAR)


def _field(description: dict[str, Any], name: str) -> dict[str, Any]:
    return next(field for field in description["fields"] if field["name"] == name)


def check_catalogue(catalogue: Catalogue) -> None:
    """Refuse movies that would be searched wrongly.

    Raises:
        StoreError: naming the first movie at fault.
    """
    if not len(catalogue):
        raise StoreError("there is no movie to publish", "give movies, or train again", "train")
    again = np.ones(len(catalogue), np.bool_)
    again[np.unique(catalogue.ids, return_index=True)[1]] = False
    finite = np.isfinite(catalogue.vectors).all(axis=1)
    with np.errstate(invalid="ignore", over="ignore"):
        norms = np.linalg.norm(catalogue.vectors, axis=1)
    genres = np.array([len(genres) for genres in catalogue.genres])
    several = [c.values for c in catalogue.columns.values() if c.kind == "categories"]
    most = np.array([[len(each) for each in values] for values in several]).max(0, initial=0)
    for wrong, what in [
        (again, "is there twice"),
        (_unfit_ids(catalogue.ids), "has a negative id, or an empty or too long one"),
        (~finite, "has a vector with a value that is not finite"),
        (~(np.abs(norms - 1) <= 1e-3), "has a vector that is not of unit length"),
        (genres > MAX_GENRES, f"has more than {MAX_GENRES} genres"),
        (most > MAX_GENRES, f"has more than {MAX_GENRES} values in a column"),
    ]:
        if wrong.any():
            raise StoreError(
                f"movie {catalogue.ids[int(np.argmax(wrong))]} {what}: nothing was published",
                "correct the movies or train again",
                "train",
            )


def _unfit_ids(ids: NDArray) -> NDArray[np.bool_]:
    if not is_text(ids):
        return ids < 0
    return np.array([not 0 < len(each.encode()) <= MAX_TEXT for each in ids.tolist()], np.bool_)


def as_stored(catalogue: Catalogue) -> Catalogue:
    """The movies by rising id, with titles and genres cut to what Milvus takes."""
    in_order = bool((catalogue.ids[1:] > catalogue.ids[:-1]).all())
    movies = catalogue if in_order else catalogue.take(np.sort(catalogue.ids))
    return replace(
        movies,
        titles=[cut(title, MAX_TITLE) for title in movies.titles],
        genres=[_stored_genres(genres) for genres in movies.genres],
        columns={name: _stored(column) for name, column in movies.columns.items()},
    )


def _stored(column: Column) -> Column:
    """A column with its texts cut to what Milvus takes."""
    if column.kind == "number":
        return column
    if column.kind == "categories":
        return Column(column.kind, [_stored_genres(each) for each in column.values])
    return Column(column.kind, [cut(each, MAX_WORDS) for each in column.values])


def rows_of(stored: Catalogue) -> Iterator[list[dict[str, Any]]]:
    """Movies from `as_stored` as rows of Milvus, BATCH at a time."""
    ids, years, is_new = stored.ids.tolist(), stored.years.tolist(), stored.is_new.tolist()
    columns = {name: _fields(column) for name, column in stored.columns.items()}
    for start in range(0, len(stored), BATCH):
        yield [
            {
                KEY: ids[movie],
                "title": stored.titles[movie],
                "year": years[movie],
                "genres": list(stored.genres[movie]),
                "is_new": is_new[movie],
                VECTOR: stored.vectors[movie],
                **{name: values[movie] for name, values in columns.items()},
            }
            for movie in range(start, min(len(stored), start + BATCH))
        ]


def _fields(column: Column) -> list[Any]:
    """A column's values as Milvus takes them; there is something for unknown ones too."""
    if column.kind != "number":
        return [list(each) if isinstance(each, tuple) else each for each in column.values]
    return np.where(np.isfinite(column.values), column.values, UNKNOWN_NUMBER).tolist()


def _column(kind: Kind, values: list[Any]) -> Column:
    """What `_fields` made of a column."""
    if kind != "number":
        return Column(kind, [tuple(each) if kind == "categories" else each for each in values])
    numbers = np.array(values, np.float64)
    return Column(kind, np.where(numbers > UNKNOWN_NUMBER, numbers, np.nan))


def catalogue_of(
    rows: Sequence[dict[str, Any]], dimension: int, columns: Sequence[tuple[str, Kind]] = ()
) -> Catalogue:
    """Rows of Milvus as movies, in the order of the rows."""
    return Catalogue(
        id_array(row[KEY] for row in rows),
        [row["title"] for row in rows],
        [tuple(row["genres"]) for row in rows],
        np.array([row["year"] for row in rows], np.int32),
        np.array([row["is_new"] for row in rows], np.bool_),
        np.array([row[VECTOR] for row in rows], np.float32).reshape(len(rows), dimension),
        {name: _column(kind, [row[name] for row in rows]) for name, kind in columns},
    )


def expression(filter: Filter, excluded: NDArray | Sequence[Id] = ()) -> str:
    """A filter and excluded ids as Milvus' expression."""
    parts = [written(filter.condition)]
    if len(excluded):
        parts.append(f"{KEY} not in {listed(id_array(excluded).tolist())}")
    return " and ".join(f"({part})" for part in parts if part)


def one_of(movie_ids: Sequence[Id]) -> str:
    """The expression that the named movies fit."""
    return f"{KEY} in {listed(movie_ids)}"


def every(text_ids: bool) -> str:
    """The expression that all movies fit."""
    return f'{KEY} >= ""' if text_ids else f"{KEY} >= 0"


def between(first: Id, last: Id) -> str:
    """The expression that the movies from one id to another, both included, fit."""
    return f"{KEY} >= {literal(first)} and {KEY} <= {literal(last)}"


def _stored_genres(genres: Sequence[str]) -> tuple[str, ...]:
    return tuple(cut(genre, MAX_GENRE) for genre in genres)

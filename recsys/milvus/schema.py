"""The row of a movie in Milvus, described once: fields, limits, writing, reading, filtering."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymilvus import CollectionSchema, DataType, MilvusClient

from recsys.data.ids import MAX_TEXT, Id, id_array, is_text
from recsys.errors import StoreError
from recsys.serving.catalogue import Catalogue, Filter

FORMAT = "1"  # of the row and of a collection's properties; another is refused
KEY, VECTOR = "movie_id", "vector"
FIELDS = [KEY, "title", "year", "genres", "is_new", VECTOR]
MAX_TITLE, MAX_GENRE, MAX_GENRES = 1024, 256, 256  # UTF-8 bytes, UTF-8 bytes, genres of a movie
BATCH = 2_000  # movies sent at a time
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r"})


def collection_schema(dimension: int, text_ids: bool) -> CollectionSchema:
    """The fields of a collection of movies."""
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    if text_ids:
        schema.add_field(KEY, DataType.VARCHAR, is_primary=True, max_length=MAX_TEXT)
    else:
        schema.add_field(KEY, DataType.INT64, is_primary=True)
    schema.add_field("title", DataType.VARCHAR, max_length=MAX_TITLE)
    schema.add_field("year", DataType.INT32)
    schema.add_field(
        "genres",
        DataType.ARRAY,
        element_type=DataType.VARCHAR,
        max_capacity=MAX_GENRES,
        max_length=MAX_GENRE,
    )
    schema.add_field("is_new", DataType.BOOL)
    schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=dimension)
    return schema


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
    for wrong, what in [
        (again, "is there twice"),
        (_unfit_ids(catalogue.ids), "has a negative id, or an empty or too long one"),
        (~finite, "has a vector with a value that is not finite"),
        (~(np.abs(norms - 1) <= 1e-3), "has a vector that is not of unit length"),
        (genres > MAX_GENRES, f"has more than {MAX_GENRES} genres"),
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
        titles=[_cut(title, MAX_TITLE) for title in movies.titles],
        genres=[_stored_genres(genres) for genres in movies.genres],
    )


def rows_of(stored: Catalogue) -> Iterator[list[dict[str, Any]]]:
    """Movies from `as_stored` as rows of Milvus, BATCH at a time."""
    ids, years, is_new = stored.ids.tolist(), stored.years.tolist(), stored.is_new.tolist()
    for start in range(0, len(stored), BATCH):
        yield [
            {
                KEY: ids[movie],
                "title": stored.titles[movie],
                "year": years[movie],
                "genres": list(stored.genres[movie]),
                "is_new": is_new[movie],
                VECTOR: stored.vectors[movie],
            }
            for movie in range(start, min(len(stored), start + BATCH))
        ]


def catalogue_of(rows: Sequence[dict[str, Any]], dimension: int) -> Catalogue:
    """Rows of Milvus as movies, in the order of the rows."""
    return Catalogue(
        id_array(row[KEY] for row in rows),
        [row["title"] for row in rows],
        [tuple(row["genres"]) for row in rows],
        np.array([row["year"] for row in rows], np.int32),
        np.array([row["is_new"] for row in rows], np.bool_),
        np.array([row[VECTOR] for row in rows], np.float32).reshape(len(rows), dimension),
    )


def expression(filter: Filter, excluded: NDArray | Sequence[Id] = ()) -> str:
    """A filter and excluded ids as Milvus' expression.

    No value can end its string: quotes and backslashes are escaped.
    """
    parts = []
    if filter.any_genre:
        parts.append(f"array_contains_any(genres, {_genres(filter.any_genre)})")
    if filter.all_genres:
        parts.append(f"array_contains_all(genres, {_genres(filter.all_genres)})")
    if filter.not_genres:
        parts.append(f"not array_contains_any(genres, {_genres(filter.not_genres)})")
    if filter.years:
        parts.append(f"year >= {int(filter.years[0])} and year <= {int(filter.years[1])}")
    if len(excluded):
        parts.append(f"{KEY} not in {_listed(id_array(excluded).tolist())}")
    return " and ".join(f"({part})" for part in parts)


def one_of(movie_ids: Sequence[Id]) -> str:
    """The expression that the named movies fit."""
    return f"{KEY} in {_listed(movie_ids)}"


def every(text_ids: bool) -> str:
    """The expression that all movies fit."""
    return f'{KEY} >= ""' if text_ids else f"{KEY} >= 0"


def between(first: Id, last: Id) -> str:
    """The expression that the movies from one id to another, both included, fit."""
    return f"{KEY} >= {_literal(first)} and {KEY} <= {_literal(last)}"


def _literal(value: Id) -> str:
    return f'"{value.translate(_ESCAPED)}"' if isinstance(value, str) else str(value)


def _listed(values: Sequence[Id]) -> str:
    return f"[{', '.join(map(_literal, values))}]"


def _genres(genres: Sequence[str]) -> str:
    return _listed(_stored_genres(genres))


def _stored_genres(genres: Sequence[str]) -> tuple[str, ...]:
    return tuple(_cut(genre, MAX_GENRE) for genre in genres)


def _cut(text: str, size: int) -> str:
    """The text cut to at most `size` bytes of UTF-8, as Milvus counts."""
    return text.encode("utf-8", "replace")[:size].decode("utf-8", "ignore")

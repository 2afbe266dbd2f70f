"""The row of a movie: written, read back and filtered alike."""

import numpy as np
from movie_store import changed, movies

from recsys.milvus.rows import (
    KEY,
    VECTOR,
    catalogue_of,
    collection_schema,
    expression,
    rows_of,
)
from recsys.serving.catalogue import EVERYTHING, FIELDS, Filter, types
from recsys.serving.filters import MAX_VALUE

MOVIES = movies(60)


def test_what_is_written_is_what_is_read() -> None:
    movies = changed(MOVIES, 0, titles="é" * 2000, genres=("ü" * 300,))
    rows = [row for batch in rows_of(movies) for row in batch]
    fields = [KEY, VECTOR, *(field.name for field in FIELDS.values())]
    assert all(list(row) == fields for row in rows)
    read = catalogue_of(rows, 16, {})
    assert read.ids.tolist() == movies.ids.tolist()
    assert (read.titles[1:], read.genres[1:]) == (movies.titles[1:], movies.genres[1:])
    np.testing.assert_array_equal(read.vectors, movies.vectors)
    assert read.titles[0] == "é" * 512
    assert len(read.genres[0][0].encode()) == MAX_VALUE


def test_a_field_is_in_the_schema_and_may_be_asked_for() -> None:
    names = [field.name for field in FIELDS.values()]
    assert [field.name for field in collection_schema(MOVIES).fields] == [KEY, *names, VECTOR]
    assert list(types({})) == names


def test_a_filter_as_an_expression() -> None:
    assert expression(EVERYTHING) == ""
    assert expression(EVERYTHING, np.array([3, 4])) == "(movie_id not in [3, 4])"
    assert expression(Filter(("a",), ("b",), ("c",), (1990, 1999)), ["x"]) == (
        '(((array_contains_any(genres, ["a"])) and (array_contains_all(genres, ["b"]))) and '
        '((not (array_contains_any(genres, ["c"]))) and ((year >= 1990) and (year <= 1999)))) and '
        '(movie_id not in ["x"])'
    )
    hostile = expression(Filter(any_genre=('"] or true or ["', "\\")))
    assert hostile == r'(array_contains_any(genres, ["\"] or true or [\"", "\\"]))'

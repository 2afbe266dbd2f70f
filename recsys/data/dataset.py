"""The data as typed columns of raw ids, and how raw ids become rows.

`movie_id` and `user_id` are the raw ids of the files; a `row` is a position in a trained table.
Row 0 of every vocabulary means "unknown" and is trained like any other.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.ids import PADDING, Id, Index, as_text, id_array, is_text, parts
from recsys.data.scale import FIVE_STARS, Scale
from recsys.data.schema import (
    MOST_OF_USERS,
    MOVIELENS,
    READ_WORDS,
    Attribute,
    Attributes,
    Column,
    Frame,
    movielens_attribute,
    padded,
)
from recsys.data.titles import name_and_year, title_words
from recsys.errors import QueryError


@dataclass(frozen=True, repr=False)
class Users(Frame):
    """U users: raw ids, and rows of what is known of them.

    >>> users = Users.of(np.array([7, 9]), {"city": Column("category", ["Oslo", ""])})
    >>> users.attributes[0].values, users.column("city").tolist(), users.column("age").tolist()
    (('Oslo',), [1, 0], [0, 0])
    """

    ids: NDArray  # (U,) as those of Movies
    rows: NDArray[np.int32]  # (U, W) of the attributes side by side, 0 for unknown
    attributes: Attributes = ()

    @classmethod
    def of(
        cls,
        ids: NDArray | Sequence[Id],
        columns: Mapping[str, Column] | None = None,
        attributes: Attributes | None = None,
    ) -> "Users":
        """(U,) users by columns that describe them, of U values each, by name.

        MovieLens' attributes have the values they always have, others those of their column, all
        those of a model if its `attributes` are given.
        """
        columns = columns or {}
        if attributes is None:
            attributes = tuple(
                movielens_attribute(name, column) or Attribute.of(name, column, MOST_OF_USERS)
                for name, column in columns.items()
            )
        rows = np.full((len(ids), sum(each.width for each in attributes)), PADDING, np.int32)
        known = columns_of(attributes, columns, len(ids))
        for attribute, slot in parts(attributes, rows):
            values = attribute.rows(known[attribute.name])[:, : attribute.width]
            slot[:, : values.shape[1]] = values
        return cls(id_array(ids), rows, attributes)

    def column(self, name: str) -> NDArray[np.int32]:
        """(U,) an attribute's (first) row of each user; 0 where there is none of the name."""
        slots = {attribute.name: slot for attribute, slot in parts(self.attributes, self.rows)}
        return slots[name][:, 0] if name in slots else np.zeros(len(self), np.int32)


@dataclass(frozen=True, repr=False)
class Movies(Frame):
    """M movies as their file names them: raw ids, titles with the year at the end, genres, more.

    Ids are the codes of a `Dataset`, or raw ids (numbers or text) where a model is asked.

    >>> movies = Movies(np.array([7, 3]), ["Heat (1995)", "M (1931)"], [("Crime",), ()])
    >>> movies.years.tolist()
    [1995, 1931]
    >>> movies[movies.ids < 5].titles
    ['M (1931)']
    """

    ids: NDArray  # (M,)
    titles: list[str]
    genres: list[tuple[str, ...]]
    columns: dict[str, Column] = field(default_factory=dict)  # further ones of the file, by name

    @property
    def years(self) -> NDArray[np.int32]:
        """(M,) the year at the end of each title, 0 where there is none."""
        return np.array([name_and_year(title)[1] for title in self.titles], np.int32)

    @property
    def names(self) -> list[str]:
        """The titles without their years."""
        return [name_and_year(title)[0] for title in self.titles]


@dataclass(frozen=True, repr=False)
class Ratings(Frame):
    """N ratings."""

    user_ids: NDArray[np.int32]  # (N,)
    movie_ids: NDArray[np.int32]  # (N,)
    values: NDArray[np.float32]  # (N,) 0.5 to 5
    times: NDArray[np.int64]  # (N,) seconds since 1970


@dataclass(frozen=True, repr=False)
class Dataset:
    """Ratings, and their users and movies, but for those of a model that it was read with.

    Ids are codes of at most 31 bits: the raw ids themselves, or where those are text or larger
    numbers their positions among `user_names` and `movie_names`. Code c is names[c].
    """

    name: str
    users: Users
    movies: Movies
    ratings: Ratings
    user_names: NDArray | None = None  # raw ids by code, `in_order`; None: codes are the ids
    movie_names: NDArray | None = None
    scale: Scale = FIVE_STARS  # of the file's ratings; those here are the model's

    def __repr__(self) -> str:
        counts = [f"{len(each):,}" for each in (self.ratings, self.movies, self.users)]
        return "<Dataset {}: {} ratings of {} movies by {} users>".format(self.name, *counts)

    @property
    def vocabulary(self) -> "Vocabulary":
        """Rows for all users and movies, and for what is known of them."""
        titles, genres, columns = self.movies.titles, self.movies.genres, self.movies.columns
        return Vocabulary(
            np.sort(self.users.ids),
            np.sort(self.movies.ids),
            list(dict.fromkeys(word for title in titles for word in title_words(title))),
            list(dict.fromkeys(genre for each in genres for genre in each)),
            self.users.attributes,
            tuple(Attribute.of(name, column) for name, column in columns.items()),
        )

    @property
    def coded(self) -> "Dataset":
        """The same with codes for ids and the model's scale for the file's."""
        scale = Scale(rated=self.scale.rated)
        return replace(self, user_names=None, movie_names=None, scale=scale)


@dataclass(frozen=True, eq=False, repr=False)
class Vocabulary:
    """Raw ids, words and genres to table rows; words and genres are numbered as they first appear.

    >>> vocabulary = Vocabulary([5, 9], [1, 3], ["toy", "story"], ["Comedy"])
    >>> vocabulary.title_rows(["Toy Story", "Story of O"]).tolist()
    [[1, 2, -1], [2, 0, 0]]
    """

    user_ids: NDArray  # (U,) `in_order`; row r is user_ids[r - 1]
    movie_ids: NDArray  # (M,) likewise; both may be given as lists
    words: Sequence[str]
    genres: Sequence[str]
    users: Attributes = MOVIELENS
    movies: Attributes = ()  # beside genres, title and year

    def __post_init__(self) -> None:
        for name in ("user_ids", "movie_ids"):
            object.__setattr__(self, name, id_array(getattr(self, name)))

    def to_json(self) -> dict[str, Any]:
        return {
            "user_ids": self.user_ids.tolist(),
            "movie_ids": self.movie_ids.tolist(),
            "words": list(self.words),
            "genres": list(self.genres),
            "users": [*map(asdict, self.users)],
            "movies": [*map(asdict, self.movies)],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Vocabulary":
        sides = {side: tuple(map(Attribute.from_json, data[side])) for side in ("users", "movies")}
        return cls(**{**data, **sides})

    def named(self, users: NDArray | None, movies: NDArray | None) -> "Vocabulary":
        """The same of raw ids, where ids are codes of a `Dataset` with those names."""
        user_ids = self.user_ids if users is None else users[self.user_ids]
        movie_ids = self.movie_ids if movies is None else movies[self.movie_ids]
        return replace(self, user_ids=user_ids, movie_ids=movie_ids)

    def user_rows(self, user_ids: NDArray | Sequence[Id]) -> NDArray[np.int64]:
        """(B,) rows of the users, 0 for one the model does not know."""
        return self._indexes[0].of(user_ids) + 1

    def movie_rows(self, movie_ids: NDArray | Sequence[Id]) -> NDArray[np.int64]:
        """(B,) rows of the movies, 0 for one the model does not know."""
        return self._indexes[1].of(movie_ids) + 1

    @cached_property
    def _indexes(self) -> tuple[Index, Index]:
        return Index(self.user_ids), Index(self.movie_ids)

    def title_rows(self, titles: Sequence[str]) -> NDArray[np.int64]:
        """(B, T) rows of each title's words, 0 for an unknown word, PADDING behind the last."""
        return _rows(self.words, map(title_words, titles))

    def genre_rows(self, genres: Iterable[Iterable[str]]) -> NDArray[np.int64]:
        """(B, G) rows of each movie's genres, 0 for an unknown one, PADDING behind the last."""
        return _rows(self.genres, genres)

    def columns(self, movies: Movies) -> dict[str, Column]:
        """The columns of the schema, unknown where movies have none of the name and kind."""
        return columns_of(self.movies, movies.columns, len(movies))

    def side_rows(self, movies: Movies) -> list[NDArray[np.int64]]:
        """For each attribute of movies its (B, W) rows, of a text of its first READ_WORDS words."""
        columns, most = self.columns(movies), {"text": READ_WORDS}
        rows = [each.rows(columns[each.name])[:, : most.get(each.kind)] for each in self.movies]
        return [each.astype(np.int64) for each in rows]


def columns_of(
    attributes: Attributes, columns: Mapping[str, Column], count: int
) -> dict[str, Column]:
    """The columns of attributes by name, unknown where there is none of the name and kind."""
    unknown = {each.name: Column.unknown(each.kind, count) for each in attributes}
    known = {n: c for n, c in columns.items() if n in unknown and c.kind == unknown[n].kind}
    return unknown | known


def of_kind(ids: NDArray, known: NDArray, what: str, fix: str = "data") -> NDArray:
    """Ids of further data as those of a model are: numbers may be text."""
    if is_text(known):
        return as_text(ids)
    if is_text(ids) and len(ids):
        cause = f"{what} {ids[0]!r} is text, the model's ids are whole numbers such as {known[0]}"
        raise QueryError(cause, "take data of the model's users and movies", fix)
    return ids


def _rows(values: Sequence[str], lists: Iterable[Iterable[str]]) -> NDArray[np.int64]:
    """(B, W) rows of texts, which are positions among the values, from 1 on."""
    rows = {value: row for row, value in enumerate(values, 1)}
    return padded([[rows.get(each, 0) for each in texts] for texts in lists])

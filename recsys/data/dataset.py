"""The data as typed columns of raw ids, and the one place where raw ids become rows.

`movie_id` and `user_id` are the raw ids of the files; a `row` is a position in a trained table.
Row 0 of every vocabulary means "unknown" and is trained like any other.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNKNOWN = -1  # a gender, age or job nobody told us; its row is 0
NO_WORD = -1  # the padding of title rows: no word at all, unlike row 0, an unknown word

_YEAR = re.compile(r"\((\d{4})\)\s*$")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Users:
    """U users: raw ids and the codes of gender, age bracket and job (UNKNOWN where not known)."""

    ids: NDArray[np.int64]  # (U,)
    genders: NDArray[np.int8]  # (U,) positions in movielens.GENDERS
    ages: NDArray[np.int8]  # (U,) positions in movielens.AGES
    jobs: NDArray[np.int8]  # (U,) positions in movielens.JOBS

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Movies:
    """M movies as their file names them: raw ids, titles with the year at the end, genres."""

    ids: NDArray[np.int64]  # (M,)
    titles: list[str]
    genres: list[tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.ids)

    def sorted(self) -> "Movies":
        """The movies by rising id: in the order of their rows."""
        order = np.argsort(self.ids)
        return Movies(
            self.ids[order], [self.titles[i] for i in order], [self.genres[i] for i in order]
        )

    @property
    def years(self) -> NDArray[np.int32]:
        """(M,) the year at the end of each title, 0 where there is none."""
        return np.array([title_year(title) for title in self.titles], np.int32)


@dataclass(frozen=True)
class Ratings:
    """N ratings, columns of one length."""

    user_ids: NDArray[np.int32]  # (N,)
    movie_ids: NDArray[np.int32]  # (N,)
    values: NDArray[np.float32]  # (N,) 0.5 to 5
    times: NDArray[np.int64]  # (N,) seconds since 1970

    def __len__(self) -> int:
        return len(self.user_ids)

    def __getitem__(self, chosen: NDArray[np.bool_] | NDArray[np.integer]) -> "Ratings":
        return Ratings(
            self.user_ids[chosen], self.movie_ids[chosen], self.values[chosen], self.times[chosen]
        )


@dataclass(frozen=True)
class Dataset:
    """Users, movies and ratings that fit together: every rating's user and movie exist."""

    name: str
    users: Users
    movies: Movies
    ratings: Ratings


def title_year(title: str) -> int:
    """The year in brackets at the end of a title, 0 where there is none."""
    found = _YEAR.search(title)
    return int(found[1]) if found else 0


def title_words(title: str) -> list[str]:
    """A title's words in lower case, the year in brackets being the last of them."""
    return _WORD.findall(title.lower())


class Vocabulary:
    """Raw ids, words and genres to table rows, the same for training, export and serving.

    Built once from the data a model is trained on and kept as JSON in its folder.
    Words and genres are numbered as they first appear, so that movies added at the end of the
    list leave earlier rows as they are.
    """

    def __init__(
        self,
        user_ids: Sequence[int] | NDArray[np.int64],
        movie_ids: Sequence[int] | NDArray[np.int64],
        words: Sequence[str],
        genres: Sequence[str],
    ) -> None:
        self.user_ids = np.asarray(user_ids, np.int64)  # (U,) ascending; row r is user_ids[r - 1]
        self.movie_ids = np.asarray(movie_ids, np.int64)  # (M,) ascending
        self.words = list(words)
        self.genres = list(genres)
        self._word_rows = {word: row for row, word in enumerate(self.words, 1)}
        self._genre_rows = {genre: row for row, genre in enumerate(self.genres, 1)}

    @classmethod
    def of(cls, users: Users, movies: Movies) -> "Vocabulary":
        words = dict.fromkeys(word for title in movies.titles for word in title_words(title))
        genres = dict.fromkeys(genre for each in movies.genres for genre in each)
        return cls(np.sort(users.ids), np.sort(movies.ids), list(words), list(genres))

    def to_json(self) -> dict[str, list]:
        return {
            "user_ids": self.user_ids.tolist(),
            "movie_ids": self.movie_ids.tolist(),
            "words": self.words,
            "genres": self.genres,
        }

    @classmethod
    def from_json(cls, data: dict[str, list]) -> "Vocabulary":
        return cls(data["user_ids"], data["movie_ids"], data["words"], data["genres"])

    def user_rows(self, user_ids: NDArray[np.integer] | Sequence[int]) -> NDArray[np.int64]:
        """(B,) rows of the users, 0 for one the model does not know."""
        return _rows(self.user_ids, user_ids)

    def movie_rows(self, movie_ids: NDArray[np.integer] | Sequence[int]) -> NDArray[np.int64]:
        """(B,) rows of the movies, 0 for one the model does not know."""
        return _rows(self.movie_ids, movie_ids)

    def title_rows(self, titles: Sequence[str]) -> NDArray[np.int64]:
        """(B, T) rows of each title's words, 0 for an unknown word, NO_WORD behind the last."""
        return padded([[self._word_rows.get(w, 0) for w in title_words(title)] for title in titles])

    def genre_rows(self, genres: Sequence[Iterable[str]]) -> NDArray[np.int64]:
        """(B, G) rows of each movie's genres, 0 for an unknown one, NO_WORD behind the last."""
        return padded([[self._genre_rows.get(g, 0) for g in each] for each in genres])


def _rows(known: NDArray[np.int64], ids: NDArray[np.integer] | Sequence[int]) -> NDArray[np.int64]:
    ids = np.asarray(ids, np.int64)
    if not len(known):
        return np.zeros(ids.shape, np.int64)
    place = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    return np.where(known[place] == ids, place + 1, 0)


def padded(lists: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    rows = np.full((len(lists), max(map(len, lists), default=0) or 1), NO_WORD, np.int64)
    for place, each in enumerate(lists):
        rows[place, : len(each)] = each
    return rows

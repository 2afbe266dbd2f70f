"""Who rated what and when, in compressed rows: the one class that walks histories."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Ratings, Users, Vocabulary


class History(NamedTuple):
    """What every user rated, user row after user row; row 0, the unknown user's, is empty.

    >>> history = History.build(2, [2, 1, 2], [5, 4, 3], [4.0, 3.0, 1.0], [10, 20, 30])
    >>> history.of(2)[0].tolist()
    [3, 5]
    """

    offsets: NDArray[np.int64]  # (U + 2,) user row u has entries offsets[u] to offsets[u + 1]
    movie_rows: NDArray[np.int32]  # (N,) ascending within a user
    ratings: NDArray[np.float32]  # (N,)
    times: NDArray[np.int64]  # (N,) seconds since 1970

    @classmethod
    def build(
        cls,
        users: int,
        user_rows: NDArray[np.integer],
        movie_rows: NDArray[np.integer],
        ratings: NDArray[np.floating],
        times: NDArray[np.integer],
    ) -> "History":
        """From N ratings in any order; U users."""
        order = np.lexsort((movie_rows, user_rows))
        counts = np.bincount(user_rows, minlength=users + 1)
        return cls(
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            np.asarray(movie_rows)[order].astype(np.int32),
            np.asarray(ratings)[order].astype(np.float32),
            np.asarray(times)[order].astype(np.int64),
        )

    @property
    def counts(self) -> NDArray[np.int64]:
        """(U + 1,) how many movies each user row rated."""
        return np.diff(self.offsets)

    def of(self, user_row: int) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int64]]:
        """Movie rows, ratings and times of one user."""
        part = slice(self.offsets[user_row], self.offsets[user_row + 1])
        return self.movie_rows[part], self.ratings[part], self.times[part]

    def entries(
        self, user_rows: NDArray[np.integer]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(E,) places of all ratings of (B,) users, user by user, and (E,) whose each one is."""
        starts = self.offsets[user_rows]
        counts = self.offsets[np.asarray(user_rows) + 1] - starts
        owners = np.repeat(np.arange(len(starts)), counts)
        first = np.cumsum(counts) - counts
        return np.arange(len(owners)) - np.repeat(first - starts, counts), owners

    def dense(
        self, user_rows: NDArray[np.integer], columns: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """(B, C) ratings of users for movie rows `columns`, 0 where there is none."""
        entries, owners = self.entries(user_rows)
        rows = max(columns.max(initial=0), self.movie_rows.max(initial=0)) + 1
        column = np.full(rows, -1)
        column[columns] = np.arange(len(columns))
        place = column[self.movie_rows[entries]]
        there = place >= 0
        matrix = np.zeros((len(user_rows), len(columns)), np.float32)
        matrix[owners[there], place[there]] = self.ratings[entries[there]]
        return matrix

    def blocks(self, size: int) -> Iterator[NDArray[np.int64]]:
        """The user rows from 1, `size` at a time."""
        for first in range(1, len(self.offsets) - 1, size):
            yield np.arange(first, min(first + size, len(self.offsets) - 1))


def history_of(ratings: Ratings, vocabulary: Vocabulary) -> History:
    """Ratings by user row."""
    return History.build(
        len(vocabulary.user_ids),
        vocabulary.user_rows(ratings.user_ids),
        vocabulary.movie_rows(ratings.movie_ids),
        ratings.values,
        ratings.times,
    )


def attribute_rows(users: Users, vocabulary: Vocabulary) -> NDArray[np.int8]:
    """(U + 1, 3) rows of gender, age and job by user row; codes count from 0, rows from 1."""
    rows = np.zeros((len(vocabulary.user_ids) + 1, 3), np.int8)
    places = vocabulary.user_rows(users.ids)
    rows[places] = np.stack([users.genders, users.ages, users.jobs], 1) + 1
    return rows

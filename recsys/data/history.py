"""Who rated what: ratings in compressed rows by user, for towers, closed forms and metrics."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Ratings, Users, Vocabulary
from recsys.data.ids import positions

BLOCK = 512  # rows made dense at once
DENSE = 30  # one entry in so many, from which on dense blocks are faster
GATHERED = 1 << 22  # numbers copied at once from a table


class History(NamedTuple):
    """N ratings of U users, those of one user side by side and in the order of the movies' rows.

    >>> history = History.build(2, [2, 1, 2], [7, 3, 1], [5, 4, 3], [10, 20, 30])
    >>> history.of(2)[0].tolist()
    [1, 7]
    >>> history.dense(np.array([2]), np.array([1, 3, 7])).tolist()
    [[3.0, 0.0, 5.0]]
    """

    offsets: NDArray[np.int64]  # (U + 2,) user row u has entries offsets[u] to offsets[u + 1]
    movie_rows: NDArray[np.int32]  # (N,)
    ratings: NDArray[np.float32]  # (N,)
    times: NDArray[np.int64]  # (N,) seconds since 1970, 0 where not known

    @classmethod
    def build(
        cls,
        users: int,
        user_rows: NDArray[np.integer],
        movie_rows: NDArray[np.integer],
        ratings: NDArray[np.floating],
        times: NDArray[np.integer] | None = None,
    ) -> "History":
        """
        Args:
            users: U; rows run from 0, the unknown user, to U.
            user_rows: (N,) in any order.
            movie_rows: (N,)
            ratings: (N,) none of them 0.
            times: (N,) all 0 if not given.
        """
        user_rows = np.asarray(user_rows, np.int64)
        order = np.lexsort((np.asarray(movie_rows), user_rows))
        counts = np.bincount(user_rows, minlength=users + 1)
        return cls(
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            np.asarray(movie_rows)[order].astype(np.int32),
            np.asarray(ratings, np.float32)[order],
            np.zeros(len(order), np.int64) if times is None else np.asarray(times, np.int64)[order],
        )

    @property
    def users(self) -> int:
        """U, the number of users, without the unknown one."""
        return len(self.offsets) - 2

    @property
    def counts(self) -> NDArray[np.int64]:
        """(U + 1,) how many ratings each user row has."""
        return np.diff(self.offsets)

    def of(self, user_row: int) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int64]]:
        """Movie rows, ratings and times of one user (views); of row 0, the unknown user, none."""
        part = slice(self.offsets[user_row], self.offsets[user_row + 1])
        return self.movie_rows[part], self.ratings[part], self.times[part]

    def entries(
        self, user_rows: NDArray[np.integer]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All ratings of B users, one user after the other.

        Returns:
            (E,) positions in `movie_rows`, `ratings` and `times`; (E,) whose each one is, as a
            position in `user_rows`.
        """
        user_rows = np.asarray(user_rows, np.int64)
        starts = self.offsets[user_rows]
        counts = self.offsets[user_rows + 1] - starts
        owners = np.repeat(np.arange(len(user_rows)), counts)
        first = np.cumsum(counts) - counts  # (B,) of each user's entries among all E
        return np.arange(len(owners)) - np.repeat(first - starts, counts), owners

    def dense(
        self, user_rows: NDArray[np.integer], columns: int | NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """(B, C) ratings of B users, 0 where there is none.

        Args:
            user_rows: (B,)
            columns: (C,) movie rows, ascending; or C, for the movie rows from 0 to C - 1.
        """
        entries, owners = self.entries(user_rows)
        rows = self.movie_rows[entries]
        if isinstance(columns, int | np.integer):
            width, place = int(columns), np.where(rows < columns, rows, -1)
        else:
            width, place = len(columns), positions(columns, rows)
        matrix = np.zeros((len(user_rows), width), np.float32)
        there = place >= 0
        matrix[owners[there], place[there]] = self.ratings[entries[there]]
        return matrix

    def sums(
        self, table: NDArray[np.floating], values: NDArray[np.floating] | None = None
    ) -> NDArray[np.float32]:
        """(R, C) for each of the R rows the sum of a table's rows over its entries.

        Entries gathered row by row, one product each; as dense blocks where more than a thirtieth
        of everything is rated, which is then faster.

        Args:
            table: (M + 1, C) by movie row.
            values: (N,) what each entry counts, 1 if not given.
        """
        rows, out = len(self.offsets) - 1, np.zeros((len(self.offsets) - 1, table.shape[1]))
        values = np.ones(len(self.movie_rows), np.float32) if values is None else values
        values = values.astype(table.dtype, copy=False)
        if rows > 1 and len(values) * DENSE > rows * len(table):
            weighted = self._replace(ratings=values)
            for lo in range(0, rows, BLOCK):
                block = np.arange(lo, min(lo + BLOCK, rows))
                out[block] = weighted.dense(block, len(table)) @ table
            return out.astype(np.float32)
        offsets = self.offsets.tolist()
        step = max(1, GATHERED // max(1, table.shape[1]))
        for row in np.flatnonzero(self.counts).tolist():
            for lo in range(offsets[row], offsets[row + 1], step):
                part = slice(lo, min(lo + step, offsets[row + 1]))
                out[row] += values[part] @ table[self.movie_rows[part]]
        return out.astype(np.float32)

    def take(self, user_rows: NDArray[np.integer]) -> "History":
        """The rows named, copied, in that order."""
        entries = self.entries(user_rows)[0]
        offsets = np.concatenate([[0], np.cumsum(self.counts[user_rows])]).astype(np.int64)
        return History(
            offsets, self.movie_rows[entries], self.ratings[entries], self.times[entries]
        )

    def part(self, lo: int, hi: int) -> "History":
        """Rows lo to hi - 1, as views."""
        offsets = self.offsets[lo : hi + 1]
        entries = slice(int(offsets[0]), int(offsets[-1]))
        return History(
            offsets - offsets[0],
            self.movie_rows[entries],
            self.ratings[entries],
            self.times[entries],
        )

    def keep(self, kept: NDArray[np.bool_]) -> "History":
        """The same rows with (N,) some of the entries."""
        before = np.concatenate([[0], np.cumsum(kept)])
        return History(
            before[self.offsets], self.movie_rows[kept], self.ratings[kept], self.times[kept]
        )

    @property
    def owners(self) -> NDArray[np.int64]:
        """(N,) the row of each entry."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.counts)

    def transposed(self, rows: int) -> tuple["History", NDArray[np.int64]]:
        """Who rated each of `rows` movies, and (N,) the order that sorts entries by movie."""
        order = np.argsort(self.movie_rows, kind="stable")
        counts = np.bincount(self.movie_rows, minlength=rows)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        owners = self.owners.astype(np.int32)[order]
        return History(offsets, owners, self.ratings[order], self.times[order]), order

    def blocks(self, size: int) -> Iterator[NDArray[np.int64]]:
        """(up to `size`,) user rows at a time, from 1 to U, those without ratings too."""
        for first in range(1, self.users + 1, size):
            yield np.arange(first, min(first + size, self.users + 1))


def history_of(ratings: Ratings, vocabulary: Vocabulary) -> History:
    """Ratings by user row."""
    return History.build(
        len(vocabulary.user_ids),
        vocabulary.user_rows(ratings.user_ids),
        vocabulary.movie_rows(ratings.movie_ids),
        ratings.values,
        ratings.times,
    )


def attribute_rows(users: Users, vocabulary: Vocabulary) -> NDArray[np.int32]:
    """(U + 1, W) rows of the attributes by user row; of row 0, the unknown user, all unknown."""
    rows = np.zeros((len(vocabulary.user_ids) + 1, users.rows.shape[1]), np.int32)
    rows[vocabulary.user_rows(users.ids)] = users.rows
    return rows

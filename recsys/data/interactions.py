"""Who rated what: compressed rows by user, how much each rating counts, which are held out."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from recsys.data.dataset import Ratings

MANY = 1 << 12  # pairs from which on it pays to sort them as single numbers
FEW = 64  # rows that NumPy sums by itself, so that a query need not import scipy
WORTH_THREADS = 1 << 24  # products of sums from which on they are divided
BLOCKS = 4  # for each core
_thread = threading.local()


class Interactions(NamedTuple):
    """N ratings in R rows, those of a row side by side and in the order of the movies' rows.

    Rows are users, row 0 being the unknown user, who rated nothing; arrays may be memory-mapped.

    >>> known = Interactions.build(2, [2, 1, 2], [7, 3, 1], [5, 4, 3], [10, 20, 30])
    >>> known.matrix(8).toarray()[2].tolist()
    [0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 5.0]
    """

    indptr: NDArray[np.int64]  # (R + 1,) row r has entries indptr[r] to indptr[r + 1]
    indices: NDArray[np.int32]  # (N,) movie rows
    values: NDArray[np.float32]  # (N,) ratings
    times: NDArray[np.int64]  # (N,) seconds since 1970, 0 where not known

    @classmethod
    def build(
        cls,
        users: int,
        user_rows: NDArray[np.integer],
        movie_rows: NDArray[np.integer],
        values: NDArray[np.floating],
        times: NDArray[np.integer] | None = None,
    ) -> "Interactions":
        """Of N ratings in any order; rows run from 0, the unknown user, to `users`."""
        rows, columns = np.asarray(user_rows, np.int64), np.asarray(movie_rows, np.int64)
        order = sorting(rows, columns)
        return cls(
            _pointers(np.bincount(rows, minlength=users + 1)),
            columns[order].astype(np.int32),
            np.asarray(values, np.float32)[order],
            np.zeros(len(order), np.int64) if times is None else np.asarray(times, np.int64)[order],
        )

    @classmethod
    def empty(cls, rows: int) -> "Interactions":
        """Of rows without ratings."""
        none = np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros(0, np.int64)
        return cls(np.zeros(rows + 1, np.int64), *none)

    @property
    def rows(self) -> int:
        """R, the number of rows, the unknown user's among them."""
        return len(self.indptr) - 1

    @property
    def counts(self) -> NDArray[np.int64]:
        """(R,) how many ratings each row has."""
        return np.asarray(self.indptr[1:] - self.indptr[:-1])

    @property
    def owners(self) -> NDArray[np.int64]:
        """(N,) the row of each entry."""
        if self.rows == 1:  # soonest
            return np.zeros(len(self.indices), np.int64)
        return np.repeat(np.arange(self.rows), self.counts)

    def of(self, row: int) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int64]]:
        """Movie rows, values and times of one row (views)."""
        entries = slice(self.indptr[row], self.indptr[row + 1])
        return self.indices[entries], self.values[entries], self.times[entries]

    def entries(self, rows: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(E,) where the entries of B rows are, one row's after the other's; (E,) of which row."""
        rows = np.asarray(rows, np.int64)
        starts = self.indptr[rows]
        counts = self.indptr[rows + 1] - starts
        if len(rows) == 1:  # soonest
            owners = np.zeros(counts[0], np.int64)
            return np.arange(starts[0], starts[0] + counts[0]), owners
        owners = np.repeat(np.arange(len(rows)), counts)
        first = np.cumsum(counts) - counts  # (B,) of each row's entries among all E
        return np.arange(len(owners)) - np.repeat(first - starts, counts), owners

    def take(self, rows: NDArray[np.integer]) -> "Interactions":
        """Some of the rows, copied, in the order given."""
        entries, owners = self.entries(rows)
        pointers = _pointers(np.bincount(owners, minlength=len(rows)))
        columns = self.indices[entries], self.values[entries], self.times[entries]
        return Interactions(pointers, *columns)

    def keep(self, mask: NDArray[np.bool_]) -> "Interactions":
        """The same rows with the entries where a mask (N,) is true."""
        columns = self.indices[mask], self.values[mask], self.times[mask]
        return Interactions(_pointers(mask)[self.indptr], *columns)

    def updated(self, owners: NDArray[np.integer], *newer: NDArray) -> "Interactions":
        """With newer entries (rows of users and movies, values, times) in any order.

        Of a user's of a movie the latest stays, of equal times the newer.
        """
        pairs: Iterator[Any] = zip(self[1:], newer, strict=True)
        columns = [np.concatenate(pair, dtype=pair[0].dtype, casting="unsafe") for pair in pairs]
        owners = np.concatenate((self.owners, np.asarray(owners, np.int64)))
        order, last = by_pair(owners, columns[0], columns[-1])
        order = order[last]
        pointers = _pointers(np.bincount(owners[order], minlength=self.rows))
        return Interactions(pointers, *(each[order] for each in columns))

    def transposed(self, columns: int) -> tuple["Interactions", NDArray[np.int64]]:
        """Who rated each of `columns` movies, and (N,) the order that sorts entries by movie."""
        by_movie = self.matrix(columns, np.arange(len(self.indices))).tocsc()
        order, raters = by_movie.data, by_movie.indices.astype(np.int32, copy=False)
        pointers = by_movie.indptr.astype(np.int64)
        return Interactions(pointers, raters, self.values[order], self.times[order]), order

    def matrix(self, columns: int, values: NDArray | None = None) -> "csr_matrix":
        """(R, columns) as scipy has it, with (N,) other values if given; it shares memory."""
        from scipy.sparse import csr_matrix

        data = self.values if values is None else values
        return csr_matrix((data, self.indices, self.indptr), (self.rows, columns))

    def dot(
        self, table: NDArray[np.floating], values: NDArray[np.floating] | float | None = None
    ) -> NDArray[np.float32]:
        """(R, C) for each row the sum over its entries of value times row of a (M + 1, C) table.

        Values are (N,) or one number, what each entry counts, if not its rating.
        """
        data = np.asarray(self.values if values is None else values, table.dtype)
        if self.rows == 1:  # soonest
            rows = table.take(self.indices, 0)
            sums = product(data[None], rows) if data.ndim else data * rows.sum(0, keepdims=True)
            return sums.astype(np.float32, copy=False)
        data = data if data.ndim else np.full(len(self.indices), data)
        if self.rows > FEW:
            found = sparse_product(self.matrix(len(table), data), table)
            return found.astype(np.float32, copy=False)
        sums = np.zeros((self.rows, table.shape[1]), np.float32)
        for row, (start, end) in enumerate(pairwise(self.indptr.tolist())):
            if start < end:
                sums[row] = product(data[None, start:end], table[self.indices[start:end]])
        return sums


def cores() -> int:
    """How many this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def sparse_product(
    matrix: "csr_matrix", table: "NDArray[np.floating] | csr_matrix"
) -> NDArray[np.floating]:
    """(R, C) a sparse matrix times a table, which may be sparse; on all cores if it is large."""
    if free_cores() == 1 or matrix.nnz * table.shape[1] < WORTH_THREADS:
        found = matrix @ table
        return found if isinstance(found, np.ndarray) else found.toarray()
    parts = BLOCKS * free_cores()
    ends = np.searchsorted(matrix.indptr, np.arange(1, parts) * (matrix.nnz // parts))
    bounds = [*pairwise([0, *ends.tolist(), matrix.shape[0]])]
    dtype = np.result_type(matrix.dtype, table.dtype)
    product = np.empty((matrix.shape[0], table.shape[1]), dtype)

    def compute(rows: tuple[int, int]) -> None:
        found = matrix[slice(*rows)] @ table
        product[slice(*rows)] = found if isinstance(found, np.ndarray) else found.toarray()

    on_cores(compute, bounds)
    return product


def on_cores(work: Callable[[Any], Any], some: Sequence[Any]) -> list[Any]:
    """What the work, in NumPy or SciPy, which let go of Python's lock, gives for each."""
    if len(some) == 1 or free_cores() == 1:
        return [*map(work, some)]
    with ThreadPoolExecutor(cores(), initializer=lambda: setattr(_thread, "busy", True)) as pool:
        return [*pool.map(work, some)]


def free_cores() -> int:
    """How many to divide work among: 1 in what is divided, and where OMP_NUM_THREADS is set.

    That is for what else uses the cores.
    """
    return 1 if "OMP_NUM_THREADS" in os.environ or hasattr(_thread, "busy") else cores()


def product(rows: NDArray[np.floating], table: NDArray[np.floating]) -> NDArray[np.floating]:
    """(B, C) products of (B, N) rows and an (N, C) table; of a single row without BLAS.

    Its threads, among which it divides even that, would spin for several times the work's time.
    """
    return np.einsum("bn,nc->bc", rows, table) if len(rows) == 1 else rows @ table


def _pointers(counts: NDArray) -> NDArray[np.int64]:
    """(R + 1,) where each row's entries begin, and the end."""
    pointers = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=pointers[1:])
    return pointers


def sorting(first: NDArray[np.number], second: NDArray[np.number]) -> NDArray[np.int64]:
    """(N,) the order that sorts by one column, then by another; equal pairs stay as they are."""
    if len(first) < MANY or second.dtype.kind not in "iu" or first.min() < 0:
        return np.lexsort((second, first))
    low, bits = int(second.min()), len(first).bit_length()
    span = int(second.max()) - low + 1
    most = (int(first.max()) + 1) * span
    if most >= 1 << 63:
        return np.lexsort((second, first))
    pairs = first.astype(np.int64) * span + (second.astype(np.int64) - low)
    if most >= 1 << 63 - bits:
        return np.argsort(pairs, kind="stable")
    pairs = np.sort(pairs << bits | np.arange(len(pairs)))  # numbers are sorted sooner than places
    return pairs & (1 << bits) - 1


def by_pair(
    users: NDArray[np.integer], movies: NDArray[np.integer], times: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(N,) the order by user, movie and time; (N,) in it, whether a rating is its pair's last."""
    pairs = users.astype(np.int64) << 32 | movies
    order = np.lexsort((times, pairs))
    last = np.ones(len(order), np.bool_)
    last[:-1] = pairs[order[1:]] != pairs[order[:-1]]
    return order, last


def later(
    owners: NDArray[np.integer], times: NDArray[np.number], inclusive: bool = False
) -> NDArray[np.int64]:
    """(N,) how many ratings of the same owner are later, or not earlier if `inclusive`.

    >>> later(np.array([1, 1, 1, 4]), np.array([20, 10, 20, 5])).tolist()
    [0, 2, 0, 0]
    """
    order = sorting(owners, times)
    owner, time = owners[order], times[order]
    ends = np.searchsorted(owner, owner, side="right")  # (N,) behind the owner's last
    edge = np.ones(len(order), bool)
    edge[1:] = (owner[1:] != owner[:-1]) | (time[1:] != time[:-1])
    starts = np.flatnonzero(edge)  # of the groups of equal owner and time
    bounds = starts if inclusive else np.append(starts[1:], len(order))
    counts = np.empty(len(order), np.int64)
    counts[order] = ends - bounds[np.cumsum(edge) - 1]
    return counts


class Recency(NamedTuple):
    """What a rating counts that has so many of its owner's behind it: less, the more there are.

    floor + (1 - floor) exp(-later / span): 1 for the latest rating; floor 1 means no recency.
    """

    floor: float = 1.0
    span: float = 10.0  # ratings

    def weights(self, counts: NDArray[np.integer]) -> NDArray[np.float32]:
        """(N,) what ratings count that have (N,) ratings of their owner's behind them."""
        decay = np.exp(np.asarray(counts, np.float32) * np.float32(-1 / self.span))
        return (self.floor + (1 - self.floor) * decay).astype(np.float32)


def first_times(
    movies: NDArray[np.integer], times: NDArray[np.integer], count: int
) -> NDArray[np.int64]:
    """(count,) when each row of movies was first rated; of one never rated, the latest time."""
    first = np.full(count, times.max(initial=0), np.int64)
    np.minimum.at(first, movies, times)
    return first


def hold_out(
    ratings: "Ratings", share: float, seed: int, latest: bool = True
) -> tuple[NDArray[np.bool_], str]:
    """(N,) the latest `share` of each user's ratings, or random ones; and which, in words.

    Random ones are drawn where times tell nothing, or not `latest`. Equal times stay together; a
    user whose ratings would all be held out keeps them. Where users have too few ratings for a
    share of each, a share of all is drawn.
    """
    rng = np.random.default_rng(seed)
    order = sorting(ratings.user_ids, ratings.movie_ids)
    users, times = ratings.user_ids[order], ratings.times[order]
    counts = np.unique(users, return_counts=True)[1]
    most = np.repeat(np.rint(counts * share).astype(np.int64), counts)
    held, how = later(users, times, inclusive=True) <= most, "each user's latest"
    if not latest or held.mean() < share / 2:
        held, how = later(users, rng.permutation(len(users))) < most, "drawn at random"
    if held.mean() < share / 2:
        held = rng.random(len(users)) < share
    out = np.zeros(len(ratings), bool)
    out[order] = held
    return out, how

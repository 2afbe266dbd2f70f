"""Rating and ranking metrics, kept by user, and bootstrap intervals over users."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.ids import PADDING
from recsys.errors import ModelError

DRAWS = 1000  # of users, for an interval
MANY = 200  # times as many scores as are sought from which on it pays to group them
_GAINS = 1 / np.log2(np.arange(2, 12))


class PerUser(NamedTuple):
    """A metric as a pair of numbers for each user: sum(totals) / sum(weights), or its root."""

    totals: NDArray  # (E,)
    weights: NDArray  # (E,)
    root: bool = False

    @classmethod
    def mean(cls, values: NDArray[np.floating]) -> "PerUser":
        """The mean of (E,) values, one a user."""
        return cls(values.astype(np.float64), np.ones(len(values)))

    @property
    def each(self) -> list[float | None]:
        """(E,) of each user alone, None where there is nothing to judge."""
        there = np.where(self.weights > 0, self.weights, np.nan)
        values = np.sqrt(self.totals / there) if self.root else self.totals / there
        return [None if np.isnan(each) else each for each in values.tolist()]

    @property
    def value(self) -> float:
        mean = float(self.totals.sum() / self.weights.sum())
        return mean**0.5 if self.root else mean


class Interval(NamedTuple):
    """A value and where it would lie, in 95 of 100 cases, with other users like these."""

    value: float
    low: float
    high: float


def top_k(scores: NDArray[np.floating], k: int) -> NDArray[np.intp]:
    """(B, k) columns of the largest of (B, M) scores, of equal ones the first column first.

    -inf is never chosen; PADDING fills a row with fewer than k other scores.

    >>> top_k(np.array([[0.5, 2, 0.5, -np.inf]]), 2).tolist()
    [[1, 0]]
    """
    found, size = np.full((len(scores), k), PADDING, np.intp), scores.shape[1]
    width, depth = min(k, size), max(1, round((size / k) ** 0.5))
    for row, each in enumerate(scores):
        groups = each[: size - size % depth].reshape(depth, -1).max(0)
        least = np.partition(groups, -width)[-width]  # of the k largest none is less
        columns = (each >= least).nonzero()[0]
        columns = columns[each[columns] > -np.inf]
        best = columns[np.argsort(-each[columns], kind="stable")[:k]]
        found[row, : len(best)] = best
    return found


def largest(scores: NDArray[np.floating], k: int) -> NDArray[np.floating]:
    """(B, k) the largest of (B, M) scores, the least of them first; -inf where there are fewer.

    Of many they are sought among the groups of columns that have the largest scores of their own.

    >>> largest(np.array([[0.5, 2, 0.5, -np.inf]]), 2).tolist()
    [[0.5, 2.0]]
    """
    rows, size = scores.shape
    if size < k:
        scores = np.pad(scores, ((0, 0), (0, k - size)), constant_values=-np.inf)
    if size > MANY * k:
        depth = round((size / k) ** 0.5)
        end = size - size % depth
        groups = scores[:, :end].reshape(rows, depth, -1)
        best = np.argpartition(groups.max(1), -k, 1)[:, -k:]
        among = groups[np.arange(rows)[:, None], :, best].reshape(rows, -1)
        scores = np.concatenate([among, scores[:, end:]], 1)
    return np.partition(scores, -k, 1)[:, -k:]


def ndcg(hits: NDArray[np.bool_], relevant: NDArray[np.integer]) -> NDArray[np.float64]:
    """(B,) ndcg@10 of (B, K) lists, best first, of which `hits` are of the (B,) relevant movies.

    The ideal is cut at min(10, relevant).

    >>> ndcg(np.array([[False, True]]), np.array([1])).round(3).tolist()
    [0.631]
    """
    first, ideal = hits[:, :10], np.cumsum(_GAINS)[np.clip(relevant, 1, 10) - 1]
    return first @ _GAINS[: first.shape[1]] / ideal


def overlap(exact: NDArray[np.integer], other: NDArray[np.integer]) -> PerUser:
    """overlap@10: movies of the exact list that the other has too / movies of the exact list."""
    listed = exact[:, :10] != PADDING
    common = (exact[:, :10, None] == other[:, None, :10]).any(axis=2) & listed
    return PerUser(common.sum(axis=1) * 1.0, listed.sum(axis=1) * 1.0)


def rating_metrics(
    user_ids: NDArray[np.integer], values: NDArray[np.floating], predicted: NDArray[np.floating]
) -> dict[str, PerUser]:
    """rmse and mae over all (N,) held-out ratings, by user; ModelError if one is not finite."""
    if not np.isfinite(predicted).all():
        raise ModelError("a predicted rating is not finite", "train again", "train")
    errors = np.asarray(predicted, np.float64) - values
    rows = np.unique(user_ids, return_inverse=True)[1]
    counts, squares = np.bincount(rows) * 1.0, np.bincount(rows, errors**2)
    mae = PerUser(np.bincount(rows, np.abs(errors)), counts)
    return {"rmse": PerUser(squares, counts, root=True), "mae": mae}


def interval(metric: PerUser, seed: int) -> Interval:
    """The percentile bootstrap over users (Efron 1979)."""
    return Interval(metric.value, *np.percentile(_draw(metric, seed), (2.5, 97.5)).tolist())


def difference(ours: PerUser, theirs: PerUser, seed: int) -> Interval:
    """ours - theirs, both computed from the same users in every draw."""
    drawn = _draw(ours, seed) - _draw(theirs, seed)
    return Interval(ours.value - theirs.value, *np.percentile(drawn, (2.5, 97.5)).tolist())


def _draw(metric: PerUser, seed: int) -> NDArray[np.float64]:
    """(DRAWS,) the metric of as many users, drawn with replacement."""
    rng, count, means = np.random.default_rng(seed), len(metric.totals), []
    at_once = 1 + 2**17 // count
    for begin in range(0, DRAWS, at_once):
        drawn = rng.integers(0, count, (min(at_once, DRAWS - begin), count))
        means.append(metric.totals[drawn].sum(1) / metric.weights[drawn].sum(1))
    found = np.concatenate(means)
    return np.sqrt(found) if metric.root else found

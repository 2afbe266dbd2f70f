"""Rating and ranking metrics, kept by user, and bootstrap intervals over users.

Ranking metrics are computed from lists of the k best movies and nothing else, so exact scores and
what Milvus returned are judged by the same code. Every movie of the catalogue is a candidate;
movies a user has seen are left out; a held-out rating of LIKED or more makes a movie relevant.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Ratings
from recsys.data.ids import positions
from recsys.data.interactions import Interactions
from recsys.data.movielens import LIKED
from recsys.errors import DataError, ModelError
from recsys.serving.catalogue import NO_MOVIE

DEPTH = 20  # how many movies are recommended to be judged
BLOCK = 1 << 22  # scores held at a time

Scorer = Callable[[NDArray[np.int64]], NDArray[np.floating]]
"""(B,) user ids -> (B, M) scores, the movies in the order of the task's `movie_ids`."""


class PerUser(NamedTuple):
    """A metric as a pair of numbers for each user: sum(totals) / sum(weights), or its root."""

    totals: NDArray[np.float64]  # (E,)
    weights: NDArray[np.float64]  # (E,)
    root: bool = False

    @property
    def value(self) -> float:
        mean = float(self.totals.sum() / self.weights.sum())
        return mean**0.5 if self.root else mean


class Interval(NamedTuple):
    """A value and where it would lie, in 95 of 100 cases, with other users like these."""

    value: float
    low: float
    high: float


class Histories:
    """Who rated what, by user id; the movies are columns of a given order.

    Args:
        ratings: N ratings; those of movies that are not among `movie_ids` are dropped.
        movie_ids: (M,) unique ids, column by column.
        values: (N,) what stands for each rating, 1 if not given.
    """

    def __init__(
        self,
        ratings: Ratings,
        movie_ids: NDArray[np.integer],
        values: NDArray[np.floating] | None = None,
    ) -> None:
        columns = positions(movie_ids, ratings.movie_ids)
        kept = columns >= 0
        values = np.ones(len(ratings), np.float32) if values is None else values
        self.user_ids, rows = np.unique(ratings.user_ids[kept], return_inverse=True)
        self._rows = Interactions.build(
            len(self.user_ids), rows + 1, columns[kept] + 1, values[kept], ratings.times[kept]
        )
        self._columns = np.arange(1, len(movie_ids) + 1)

    def dense(self, user_ids: NDArray[np.integer]) -> NDArray[np.float32]:
        """(B, M) one row a user, zero where there is no rating."""
        return self._rows.dense(positions(self.user_ids, user_ids) + 1, self._columns)


@dataclass(frozen=True)
class RankingTask:
    """The users to recommend to, the movies to choose from, and the relevant ones."""

    user_ids: NDArray[np.int64]  # (E,) those with at least one relevant movie
    movie_ids: NDArray[np.int64]  # (M,) candidates, ascending
    seen: Histories
    relevant: Histories
    information: NDArray[np.float64]  # (M,) -log2 of the share of train users who rated each
    left_out: int  # users in the held-out part without a relevant movie

    def blocks(self) -> Iterator[slice]:
        """The users part by part, few enough for a score of every movie for each."""
        step = max(1, BLOCK // len(self.movie_ids))
        for start in range(0, len(self.user_ids), step):
            yield slice(start, start + step)


def ranking_task(
    train: Ratings, seen: Ratings, test: Ratings, movie_ids: NDArray[np.integer]
) -> RankingTask:
    """The ranking task of one part of a split.

    Args:
        train: the ratings trained on; they say how popular movies are.
        seen: what is not recommended again.
        test: the held-out ratings.
        movie_ids: the candidates.

    Raises:
        DataError: no user in `test` likes one of the candidates.
    """
    candidates = np.unique(np.asarray(movie_ids, np.int64))
    relevant = test[(test.values >= LIKED) & np.isin(test.movie_ids, movie_ids)]
    users = np.unique(np.asarray(relevant.user_ids, np.int64))
    if not len(users):
        raise DataError(
            f"no candidate is rated {LIKED:g} or more in the {len(test)} held-out ratings",
            "take more ratings or another split",
        )
    columns = positions(candidates, train.movie_ids)
    counts = np.bincount(columns[columns >= 0], minlength=len(candidates))
    return RankingTask(
        users,
        candidates,
        Histories(seen, candidates),
        Histories(relevant, candidates),
        np.log2(max(1, len(np.unique(train.user_ids)))) - np.log2(np.maximum(1, counts)),
        len(np.unique(test.user_ids)) - len(users),
    )


def best(task: RankingTask, score: Scorer, k: int = DEPTH) -> NDArray[np.int64]:
    """(E, k) ids of the unseen movies with the highest scores, best first, NO_MOVIE behind."""
    lists = []
    for part in task.blocks():
        users = task.user_ids[part]
        scores = np.where(task.seen.dense(users) > 0, -np.inf, score(users))
        lists.append(top_k(scores, k))
    columns = np.concatenate(lists)
    return np.where(columns >= 0, task.movie_ids[columns], NO_MOVIE)


def top_k(scores: NDArray[np.floating], k: int) -> NDArray[np.int64]:
    """(B, k) columns of the largest scores, best first, of equal ones the first column first.

    -inf is never chosen; -1 fills a row with fewer than k other scores.

    Raises:
        ModelError: a score is NaN.
    """
    if np.isnan(scores).any():
        raise ModelError("a score is not a number", "train again", "train")
    kept = min(k, scores.shape[1])
    bound = np.partition(scores, -kept, axis=1)[:, -kept, None]  # (B, 1) the k-th largest
    above, equal = scores > bound, scores == bound
    room = kept - above.sum(axis=1, keepdims=True)
    chosen = above | (equal & (np.cumsum(equal, axis=1) <= room))  # (B, M) kept a row
    columns = np.nonzero(chosen)[1].reshape(-1, kept)
    values = np.take_along_axis(scores, columns, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    columns = np.take_along_axis(np.where(values > -np.inf, columns, -1), order, axis=1)
    return np.pad(columns, ((0, 0), (0, k - kept)), constant_values=-1)


def ranking_metrics(task: RankingTask, lists: NDArray[np.integer]) -> dict[str, PerUser]:
    """The metrics of lists of recommended movies, by user.

    ndcg@10: the ideal is cut at min(10, relevant). recall@k: hits / min(k, relevant). mrr@20:
    1 / place of the first relevant movie, 0 if it is not among 20. novelty@10: mean of -log2 of
    the share of training users who rated a movie (one without ratings counts as rated by one user),
    over the movies that were recommended.

    Args:
        lists: (E, K) movie ids for `task.user_ids`, best first, NO_MOVIE where there is none;
            K at least DEPTH.

    Raises:
        DataError: a list is too short, or holds a movie twice, a seen one or no candidate.
    """
    columns = _checked(task, lists)
    hits = np.zeros(columns.shape, bool)
    relevant = np.zeros(len(columns), np.int64)
    for rows in task.blocks():
        truth = task.relevant.dense(task.user_ids[rows]) > 0
        found = np.take_along_axis(truth, np.maximum(columns[rows], 0), axis=1)
        hits[rows] = found & (columns[rows] >= 0)
        relevant[rows] = truth.sum(axis=1)
    gains = 1 / np.log2(np.arange(2, 12))
    ideal = np.cumsum(gains)[np.minimum(10, relevant) - 1]
    first = np.where(hits.any(axis=1), 1 / (1 + hits.argmax(axis=1)), 0)
    real = columns[:, :10] >= 0
    return {
        "ndcg@10": _mean(hits[:, :10] @ gains / ideal),
        "recall@10": _mean(hits[:, :10].sum(axis=1) / np.minimum(10, relevant)),
        "recall@20": _mean(hits.sum(axis=1) / np.minimum(20, relevant)),
        "mrr@20": _mean(first),
        "novelty@10": PerUser(
            (task.information[columns[:, :10]] * real).sum(axis=1),
            real.sum(axis=1).astype(np.float64),
        ),
    }


def coverage(task: RankingTask, lists: NDArray[np.integer], k: int = 10) -> float:
    """Catalogue coverage@k: different movies recommended to any user / candidates."""
    shown = np.unique(lists[:, :k])
    return float((shown != NO_MOVIE).sum() / len(task.movie_ids))


def overlap(exact: NDArray[np.integer], other: NDArray[np.integer], k: int = 10) -> PerUser:
    """overlap@k: movies of the exact list that the other one has too / movies of the exact list."""
    ours, theirs = exact[:, :k], other[:, :k]
    common = (ours[:, :, None] == theirs[:, None, :]).any(axis=2) & (ours != NO_MOVIE)
    return PerUser(common.sum(axis=1) * 1.0, (ours != NO_MOVIE).sum(axis=1) * 1.0)


def rating_metrics(
    user_ids: NDArray[np.integer], values: NDArray[np.floating], predicted: NDArray[np.floating]
) -> dict[str, PerUser]:
    """rmse and mae over all (N,) held-out ratings, kept by user for the intervals.

    Raises:
        ModelError: a prediction is not finite.
    """
    if not np.isfinite(predicted).all():
        raise ModelError("a predicted rating is not finite", "train again", "train")
    errors = np.asarray(predicted, np.float64) - values
    rows = np.unique(user_ids, return_inverse=True)[1]
    counts = np.bincount(rows).astype(np.float64)
    return {
        "rmse": PerUser(np.bincount(rows, errors**2).astype(np.float64), counts, root=True),
        "mae": PerUser(np.bincount(rows, np.abs(errors)).astype(np.float64), counts),
    }


def interval(metric: PerUser, seed: int, draws: int = 1000) -> Interval:
    """The percentile bootstrap over users (Efron 1979)."""
    drawn = _draw(metric, seed, draws)
    return Interval(metric.value, *np.percentile(drawn, (2.5, 97.5)).tolist())


def difference(ours: PerUser, theirs: PerUser, seed: int, draws: int = 1000) -> Interval:
    """ours - theirs, both computed from the same users in every draw."""
    if len(ours.totals) != len(theirs.totals):
        raise DataError("a paired difference needs the same users on both sides")
    drawn = _draw(ours, seed, draws) - _draw(theirs, seed, draws)
    return Interval(ours.value - theirs.value, *np.percentile(drawn, (2.5, 97.5)).tolist())


def _checked(task: RankingTask, lists: NDArray[np.integer]) -> NDArray[np.int64]:
    """(E, DEPTH) the lists as columns, after a look for what would flatter or spoil a metric."""
    if lists.shape[0] != len(task.user_ids) or lists.shape[1] < DEPTH:
        raise DataError(
            f"expected ({len(task.user_ids)}, {DEPTH}) recommended movies, got {lists.shape}"
        )
    lists = lists[:, :DEPTH]
    columns = positions(task.movie_ids, lists.ravel()).reshape(lists.shape)
    if ((columns < 0) & (lists != NO_MOVIE)).any():
        raise DataError("a recommended movie is not a candidate; publish the movies of this split")
    in_order = np.sort(columns, axis=1)
    if ((in_order[:, 1:] == in_order[:, :-1]) & (in_order[:, 1:] >= 0)).any():
        raise DataError("a movie is recommended twice to one user; the index holds duplicates")
    for rows in task.blocks():
        seen = task.seen.dense(task.user_ids[rows]) > 0
        again = np.take_along_axis(seen, np.maximum(columns[rows], 0), axis=1)
        if (again & (columns[rows] >= 0)).any():
            raise DataError("a movie the user has seen is recommended; exclude the seen ones")
    return columns


def _draw(metric: PerUser, seed: int, draws: int) -> NDArray[np.float64]:
    """(draws,) the metric of as many users, drawn with replacement."""
    rng = np.random.default_rng(seed)
    values = np.empty(draws)
    for number in range(draws):
        users = rng.integers(0, len(metric.totals), len(metric.totals))
        values[number] = metric.totals[users].sum() / metric.weights[users].sum()
    return np.sqrt(values) if metric.root else values


def _mean(values: NDArray[np.floating]) -> PerUser:
    return PerUser(values.astype(np.float64), np.ones(len(values)))

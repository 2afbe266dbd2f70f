"""Rating and ranking metrics, kept by user, and bootstrap intervals over users.

Ranking metrics are computed from lists of the k best movies and nothing else, so exact scores and
what Milvus returned are judged by the same code. Every movie of the catalogue is a candidate;
movies a user has seen are left out; a held-out rating of LIKED or more makes a movie relevant.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.ids import positions
from recsys.data.scale import LIKED
from recsys.data.schema import PADDING
from recsys.errors import DataError, ModelError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from recsys.data.dataset import Ratings

DEPTH = 20  # how many movies are recommended to be judged
BLOCK = 1 << 22  # scores held at a time
DRAWS = 1000  # of users, for an interval
_GAINS = 1 / np.log2(np.arange(2, 12))

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


def matrix(
    ratings: "Ratings",
    user_ids: NDArray[np.integer],
    movie_ids: NDArray[np.integer],
    values: NDArray[np.floating] | None = None,
) -> "csr_matrix":
    """(U, M) ratings of some users and movies, in the order of their ids; others are dropped.

    Args:
        values: (N,) float32, what each rating counts, 1 if not given; a 0 is not stored.
    """
    from scipy.sparse import csr_matrix

    rows, columns = positions(user_ids, ratings.user_ids), positions(movie_ids, ratings.movie_ids)
    values = np.ones(len(ratings), np.float32) if values is None else values
    stored = (rows >= 0) & (columns >= 0) & (values != 0)
    cells = values[stored].astype(np.float32), (rows[stored], columns[stored])
    return csr_matrix(cells, (len(user_ids), len(movie_ids)))


@dataclass(frozen=True)
class RankingTask:
    """The users to recommend to, the movies to choose from, and the held-out ratings."""

    user_ids: NDArray[np.int64]  # (E,) those with at least one relevant movie
    movie_ids: NDArray[np.int64]  # (M,) candidates, ascending
    seen: "csr_matrix"  # (E, M) what is not recommended again
    held_out: "csr_matrix"  # (E, M) ratings; LIKED and more are relevant
    information: NDArray[np.float64]  # (M,) -log2 of the share of train users who rated each
    left_out: int  # users in the held-out part without a relevant movie
    first_times: NDArray[np.int64] | None = None  # (M,) of each movie's first rating
    cutoff_times: NDArray[np.int64] | None = None  # (E,) when each user asks; both or none

    def take(self, rows: NDArray[np.integer]) -> "RankingTask":
        """The same task for some of the users."""
        cutoffs = None if self.cutoff_times is None else self.cutoff_times[rows]
        seen, held_out = self.seen[rows], self.held_out[rows]
        ids = self.user_ids[rows]
        return replace(self, user_ids=ids, seen=seen, held_out=held_out, cutoff_times=cutoffs)

    def blocks(self) -> Iterator[slice]:
        """Slices of the users, few enough at a time for a score of every movie for each."""
        step = max(1, BLOCK // len(self.movie_ids))
        for start in range(0, len(self.user_ids), step):
            yield slice(start, start + step)

    def excluded(self, rows: slice) -> NDArray[np.bool_]:
        """(B, M) movies that must not be recommended: seen, or not available yet.

        Not available are movies first rated after a user's cutoff time, but for those that the
        user rates later: they are what the task asks for.
        """
        mask = self.seen[rows].toarray() > 0
        if self.first_times is not None and self.cutoff_times is not None:
            late = self.first_times > self.cutoff_times[rows, None]
            mask |= late & (self.held_out[rows].toarray() == 0)
        return mask


def ranking_task(
    train: "Ratings", seen: "Ratings", test: "Ratings", movie_ids: NDArray[np.integer]
) -> RankingTask:
    """The ranking task of one part of a split, with `movie_ids` as candidates.

    Args:
        train: the ratings trained on; they say how popular movies are.
        seen: what is not recommended again.
        test: the held-out ratings.

    Raises:
        DataError: no user in `test` likes one of the candidates.
    """
    candidates = np.unique(np.asarray(movie_ids, np.int64))
    relevant = (test.values >= LIKED) & np.isin(test.movie_ids, candidates)
    users = np.unique(test.user_ids[relevant].astype(np.int64))
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
        matrix(seen, users, candidates),
        matrix(test, users, candidates, test.values),
        np.log2(max(1, len(np.unique(train.user_ids)))) - np.log2(np.maximum(1, counts)),
        len(np.unique(test.user_ids)) - len(users),
    )


def best(task: RankingTask, score: Scorer) -> NDArray[np.int64]:
    """(E, DEPTH) ids of the allowed movies with the highest scores, best first, PADDING behind.

    Raises:
        ModelError: a score is NaN.
    """
    lists = []
    for rows in task.blocks():
        scores = np.where(task.excluded(rows), -np.inf, score(task.user_ids[rows]))
        if np.isnan(scores).any():
            raise ModelError("a score is not a number", "train again", "train")
        lists.append(top_k(scores, DEPTH))
    columns = np.concatenate(lists)
    return np.where(columns >= 0, task.movie_ids[columns], PADDING)


def top_k(scores: NDArray[np.floating], k: int) -> NDArray[np.intp]:
    """(B, k) columns of the largest of (B, M) scores, of equal ones the first column first.

    -inf is never chosen; PADDING fills a row with fewer than k other scores.

    >>> top_k(np.array([[0.5, 2, 0.5, -np.inf]]), 2).tolist()
    [[1, 0]]
    """
    width = min(k, scores.shape[1])
    columns = np.argpartition(scores, -width, axis=1)[:, -width:]
    values = np.take_along_axis(scores, columns, axis=1)
    least = values.min(axis=1, keepdims=True)
    tied = (scores == least).sum(axis=1) > (values == least).sum(axis=1)
    tied &= least[:, 0] > -np.inf  # of these more equal the least than fit
    columns[tied] = np.argsort(-scores[tied], axis=1, kind="stable")[:, :width]
    values = np.take_along_axis(scores, columns, axis=1)
    order = np.lexsort((columns, -values), axis=-1)
    columns = np.take_along_axis(np.where(values > -np.inf, columns, PADDING), order, axis=1)
    return np.pad(columns, ((0, 0), (0, k - width)), constant_values=PADDING)


def ranking_metrics(task: RankingTask, lists: NDArray[np.integer]) -> dict[str, PerUser]:
    """The metrics of lists of recommended movies, by user.

    ndcg@10: the ideal is cut at min(10, relevant). recall@k: hits / min(k, relevant). mrr@20:
    1 / rank of the first relevant movie, 0 if it is not among 20. novelty@10: mean of -log2 of
    the share of training users who rated a movie (one without ratings counts as rated by one user),
    over the movies that were recommended.

    Args:
        lists: (E, K) movie ids for `task.user_ids`, best first, PADDING where there is none;
            K at least DEPTH.

    Raises:
        DataError: a list is too short, or holds a movie twice, an excluded one or no candidate.
    """
    columns = _checked(task, lists)
    rows = np.arange(len(columns))[:, None]
    listed = columns >= 0
    hits = np.asarray(task.held_out[rows, columns].toarray() >= LIKED) & listed
    relevant = np.asarray((task.held_out >= LIKED).sum(axis=1)).ravel()
    shown = listed[:, :10]
    novelty = task.information[columns[:, :10]] * shown
    return {
        "ndcg@10": _mean(ndcg(hits, relevant)),
        "recall@10": _mean(hits[:, :10].sum(axis=1) / np.minimum(10, relevant)),
        "recall@20": _mean(hits.sum(axis=1) / np.minimum(20, relevant)),
        "mrr@20": _mean(np.where(hits.any(axis=1), 1 / (1 + hits.argmax(axis=1)), 0)),
        "novelty@10": PerUser(novelty.sum(axis=1), shown.sum(axis=1) * 1.0),
    }


def ndcg(hits: NDArray[np.bool_], relevant: NDArray[np.integer]) -> NDArray[np.float64]:
    """(B,) ndcg@10 of (B, K) lists, best first, of which `hits` are relevant.

    Args:
        relevant: (B,) relevant movies, listed or not; the ideal is cut at min(10, relevant).

    >>> ndcg(np.array([[False, True]]), np.array([1])).round(3).tolist()
    [0.631]
    """
    first, ideal = hits[:, :10], np.cumsum(_GAINS)[np.clip(relevant, 1, 10) - 1]
    return first @ _GAINS[: first.shape[1]] / ideal


def coverage(task: RankingTask, lists: NDArray[np.integer]) -> float:
    """Catalogue coverage@10: different movies recommended to any user / candidates."""
    shown = np.unique(lists[:, :10])
    return float((shown != PADDING).sum() / len(task.movie_ids))


def overlap(exact: NDArray[np.integer], other: NDArray[np.integer]) -> PerUser:
    """overlap@10: movies of the exact list that the other has too / movies of the exact list."""
    ours, theirs = exact[:, :10], other[:, :10]
    listed = ours != PADDING
    common = (ours[:, :, None] == theirs[:, None, :]).any(axis=2) & listed
    return PerUser(common.sum(axis=1) * 1.0, listed.sum(axis=1) * 1.0)


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


def interval(metric: PerUser, seed: int) -> Interval:
    """The percentile bootstrap over users (Efron 1979)."""
    return Interval(metric.value, *np.percentile(_draw(metric, seed), (2.5, 97.5)).tolist())


def difference(ours: PerUser, theirs: PerUser, seed: int) -> Interval:
    """ours - theirs, both computed from the same users in every draw."""
    if len(ours.totals) != len(theirs.totals):
        raise DataError("a paired difference needs the same users on both sides")
    drawn = _draw(ours, seed) - _draw(theirs, seed)
    return Interval(ours.value - theirs.value, *np.percentile(drawn, (2.5, 97.5)).tolist())


def _checked(task: RankingTask, lists: NDArray[np.integer]) -> NDArray[np.int64]:
    """(E, DEPTH) the lists as columns, after a look for what would flatter or spoil a metric."""
    if lists.shape[0] != len(task.user_ids) or lists.shape[1] < DEPTH:
        raise DataError(
            f"expected ({len(task.user_ids)}, {DEPTH}) recommended movies, got {lists.shape}"
        )
    columns = positions(task.movie_ids, lists[:, :DEPTH])
    if ((columns < 0) & (lists[:, :DEPTH] != PADDING)).any():
        raise DataError("a recommended movie is not a candidate; publish the movies of this split")
    ascending = np.sort(columns, axis=1)
    if ((ascending[:, 1:] == ascending[:, :-1]) & (ascending[:, 1:] >= 0)).any():
        raise DataError("a movie is recommended twice to one user; the index holds duplicates")
    for rows in task.blocks():
        again = np.take_along_axis(task.excluded(rows), np.maximum(columns[rows], 0), axis=1)
        if (again & (columns[rows] >= 0)).any():
            raise DataError("a movie the user has seen is recommended; exclude the seen ones")
    return columns


def _draw(metric: PerUser, seed: int) -> NDArray[np.float64]:
    """(DRAWS,) the metric of as many users, drawn with replacement."""
    rng, count = np.random.default_rng(seed), len(metric.totals)
    drawn = (rng.integers(0, count, count) for _ in range(DRAWS))
    means = np.array([metric.totals[each].sum() / metric.weights[each].sum() for each in drawn])
    return np.sqrt(means) if metric.root else means


def _mean(values: NDArray[np.floating]) -> PerUser:
    return PerUser(values.astype(np.float64), np.ones(len(values)))

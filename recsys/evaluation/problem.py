"""What is to be recommended and predicted on one stage of a split, and how answers are judged.

Every movie of a problem is a candidate; movies a user has seen are left out; a held-out rating of
LIKED or more makes a movie relevant. Lists are judged by what is in them and nothing else, so exact
scores and what Milvus returned are judged by the same code.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from recsys.data.dataset import Dataset, Ratings
from recsys.data.ids import PADDING, positions
from recsys.data.interactions import Recency, first_times, later
from recsys.data.scale import LIKED
from recsys.errors import DataError, ModelError
from recsys.evaluation import MOVIES_HELD_OUT
from recsys.evaluation.splits import Stage
from recsys.metrics import PerUser, ndcg, rating_metrics, top_k

DEPTH = 20  # how many movies are recommended to be judged
BLOCK = 1 << 22  # scores held at a time
FLOOR = 0.1  # what the oldest ratings count, with recency
LARGEST = 10_000  # movies; a square matrix of more takes 4 bytes a pair, and several times over
ROUGH_MOVIES, ROUGH_USERS = 2048, 1000  # that options are chosen on, where there are more

Array = NDArray[np.floating]
Ids = NDArray[np.integer]
Scorer = Callable[[Ids], Array]
"""(B,) user ids -> (B, M) scores, the movies in the order of the problem's `movie_ids`."""
Predict = Callable[[Ids, Ids], Array]
"""(N,) user ids and (N,) movie ids -> (N,) predicted ratings."""


@dataclass(frozen=True, eq=False)
class Problem:
    """A stage of a split, and what describes its users and movies.

    U are the users of the dataset, E those of them who like a movie of the test part; M movies are
    ranked: if not given all, or the held-out ones where they are ranked by themselves.
    """

    stage: Stage
    dataset: Dataset
    protocol: str = "random"
    most_movies: int = LARGEST  # the most rated ones, that a square matrix may have
    movie_ids: NDArray[np.int64] = None  # type: ignore[assignment]  # (M,) ascending

    def __post_init__(self) -> None:
        if self.movie_ids is None:
            held_out = self.protocol in MOVIES_HELD_OUT
            ids = self.stage.test.movie_ids if held_out else self.dataset.movies.ids
            object.__setattr__(self, "movie_ids", np.unique(ids).astype(np.int64))

    @cached_property
    def user_ids(self) -> NDArray[np.int64]:
        """(E,) ascending, users with at least one relevant movie; DataError where there is none."""
        test = self.stage.test
        relevant = (test.values >= LIKED) & np.isin(test.movie_ids, self.movie_ids)
        if not relevant.any():
            cause = f"no candidate is rated {LIKED:g} or more in the {len(test)} held-out ratings"
            raise DataError(cause, "take more ratings or another split")
        return np.unique(test.user_ids[relevant].astype(np.int64))

    @property
    def left_out(self) -> int:
        """How many users of the test part have no relevant movie."""
        return len(np.unique(self.stage.test.user_ids)) - len(self.user_ids)

    @cached_property
    def seen(self) -> csr_matrix:
        """(E, M) 1 where a movie is not recommended again."""
        return rated(self.stage.seen, self.user_ids, self.movie_ids)

    @cached_property
    def held_out(self) -> csr_matrix:
        """(E, M) ratings of the test part; LIKED and more are relevant."""
        test = self.stage.test
        return rated(test, self.user_ids, self.movie_ids, test.values)

    @cached_property
    def _times(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(M,) when each movie was first rated; (E,) each user's last folded-in rating."""
        fold_in, every = self.stage.fold_in, Ratings.joined(self.stage)
        columns = positions(self.movie_ids, every.movie_ids)
        first = first_times(columns, every.times, len(self.movie_ids))
        cutoffs = np.full(len(self.user_ids) + 1, np.iinfo(np.int64).min)  # the last: of others
        np.maximum.at(cutoffs, positions(self.user_ids, fold_in.user_ids), fold_in.times)
        return first, cutoffs[:-1]

    def excluded(self, rows: slice) -> NDArray[np.bool_]:
        """(B, M) what must not be recommended to some of the E users: what they have seen.

        Under fold-in, movies first rated after a user's cutoff time but those to be found, too.
        """
        mask = self.seen[rows].toarray() > 0
        if self.protocol == "fold-in":
            first, cutoffs = self._times
            mask |= (first > cutoffs[rows, None]) & (self.held_out[rows].toarray() == 0)
        return mask

    def best(self, score: Scorer) -> NDArray[np.int64]:
        """(E, DEPTH) ids of the movies with the highest scores, best first, PADDING behind."""
        lists, step = [], max(1, BLOCK // len(self.movie_ids))
        for start in range(0, len(self.user_ids), step):
            rows = slice(start, start + step)
            scores = np.where(self.excluded(rows), -np.inf, score(self.user_ids[rows]))
            if np.isnan(scores).any():
                raise ModelError("a score is not a number", "train again", "train")
            lists.append(top_k(scores, DEPTH))
        columns = np.concatenate(lists)
        return np.where(columns >= 0, self.movie_ids[columns], PADDING)

    def judged(self, lists: NDArray[np.integer]) -> dict[str, PerUser]:
        """The metrics of lists of recommended movies, by user.

        ndcg@10: the ideal is cut at min(10, relevant). recall@k: hits / min(k, relevant). mrr@20:
        1 / rank of the first relevant movie, 0 if it is not among 20. novelty@10: mean of -log2 of
        the share of training users who rated a movie (one without ratings counts as rated by one
        user), over the movies that were recommended.

        Args:
            lists: (E, K) movie ids, best first, PADDING where there is none; no metric @ more.

        Raises:
            DataError: a list holds what would flatter or spoil a metric.
        """
        columns, rows = positions(self.movie_ids, lists), np.arange(len(lists))[:, None]
        listed, ascending = columns >= 0, np.sort(columns, axis=1)
        again = (self.seen[rows, columns].toarray() > 0) & listed
        twice = (ascending[:, 1:] == ascending[:, :-1]) & (ascending[:, 1:] >= 0)
        if again.any() or twice.any() or (~listed & (lists != PADDING)).any():
            cause = "a recommended movie is no candidate, was seen before, or is there twice"
            raise DataError(cause, "publish the movies of this split")
        hits = np.asarray(self.held_out[rows, columns].toarray() >= LIKED) & listed
        relevant = np.asarray((self.held_out >= LIKED).sum(axis=1)).ravel()
        shown = listed[:, :10]
        novelty = self._information[columns[:, :10]] * shown
        found = {
            "ndcg@10": PerUser.mean(ndcg(hits, relevant)),
            "recall@10": PerUser.mean(hits[:, :10].sum(axis=1) / np.minimum(10, relevant)),
            "recall@20": PerUser.mean(hits.sum(axis=1) / np.minimum(20, relevant)),
            "mrr@20": PerUser.mean(np.where(hits.any(axis=1), 1 / (1 + hits.argmax(axis=1)), 0)),
            "novelty@10": PerUser(novelty.sum(axis=1), shown.sum(axis=1) * 1.0),
        }
        deep = lists.shape[1] >= DEPTH
        return {name: each for name, each in found.items() if deep or name.endswith("@10")}

    @cached_property
    def _information(self) -> NDArray[np.float64]:
        """(M,) -log2 of the share of training users who rated each movie."""
        users = max(1, len(np.unique(self.stage.train.user_ids)))
        counts = self.matrix(self.stage.train).getnnz(axis=0)
        return np.log2(users) - np.log2(np.maximum(1, counts))

    def coverage(self, lists: NDArray[np.integer]) -> float:
        """Catalogue coverage@10: different movies recommended to any user / candidates."""
        shown = np.unique(lists[:, :10])
        return float((shown != PADDING).sum() / len(self.movie_ids))

    def errors(self, predict: Predict) -> dict[str, PerUser]:
        """The metrics of predicted ratings of the test part, in the scale of the data."""
        predicted, true = self._ratings(predict)
        return rating_metrics(self.stage.test.user_ids, true, predicted)

    def calibration(self, predict: Predict) -> dict[str, dict[str, float]]:
        """Tenths of the test part by rising predicted ratings: means of these and the true ones."""
        predicted, true = self._ratings(predict)
        tenths = np.array_split(np.argsort(predicted, kind="stable"), min(10, len(true)))
        return {
            str(n): {
                "predicted": float(predicted[rows].mean()),
                "rated": float(true[rows].mean()),
                "count": len(rows),
            }
            for n, rows in enumerate(tenths, 1)
        }

    def _ratings(self, predict: Predict) -> tuple[Array, Array]:
        """(N,) predicted and true ratings of the test part, in the scale of the data."""
        test, outward = self.stage.test, self.dataset.scale.outward
        return outward(predict(test.user_ids, test.movie_ids)), outward(test.values)

    def rough(self) -> "Problem":
        """The same on fewer users of the test part, drawn at random, and smaller matrices."""
        users, test = self.user_ids, self.stage.test
        drawn = np.random.default_rng(0).permutation(users)[:ROUGH_USERS]
        if len(drawn) < len(users):
            test = test[np.isin(test.user_ids, drawn)]
        return replace(self, stage=self.stage._replace(test=test), most_movies=ROUGH_MOVIES)

    # What baselines learn from

    def rows(self, user_ids: Ids) -> NDArray[np.intp]:
        """(B,) positions among the U users: rows of `matrix`."""
        return positions(self.dataset.users.ids, user_ids)

    def matrix(
        self,
        ratings: Ratings,
        kind: str = "rated",
        movie_ids: Ids | None = None,
        span: float = np.inf,
    ) -> csr_matrix:
        """(U, M) what ratings count: liked: 1 or 0; rating/5; rating-3; rated: 1 always.

        Args:
            movie_ids: of other columns than those to rank.
            span: of recency; inf for none.
        """
        values: NDArray = ratings.values
        counts = {"liked": values >= LIKED, "rating/5": values / np.float32(5)}
        values = (counts | {"rating-3": values - 3}).get(kind, np.ones_like(values))
        if span < np.inf:
            values = values * Recency(FLOOR, span).weights(later(ratings.user_ids, ratings.times))
        columns = self.movie_ids if movie_ids is None else movie_ids
        return rated(ratings, self.dataset.users.ids, columns, values)

    @cached_property
    def genres(self) -> NDArray[np.float64]:
        """(M', G) 1 where a movie of the dataset has a genre."""
        genres = self.dataset.movies.genres
        names = sorted(set().union(*genres)) or ["none"]
        return np.array([[name in each for name in names] for each in genres], np.float64)


def rated(
    ratings: Ratings, user_ids: Ids, movie_ids: Ids, values: Array | None = None
) -> csr_matrix:
    """(U, M) ratings of some users and movies, in the order of their ids; others are dropped.

    Each counts its (N,) value, 1 if not given; a 0 is not stored.
    """
    rows, columns = positions(user_ids, ratings.user_ids), positions(movie_ids, ratings.movie_ids)
    values = np.ones(len(ratings), np.float32) if values is None else values
    stored = (rows >= 0) & (columns >= 0) & (values != 0)
    cells = values[stored].astype(np.float32), (rows[stored], columns[stored])
    return csr_matrix(cells, (len(user_ids), len(movie_ids)))

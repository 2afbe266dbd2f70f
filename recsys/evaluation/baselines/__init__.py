"""What all baselines share: the problem they solve, the options they are tried with, the choice.

A baseline's options are tried on the validation part; with the best it is fitted again, on training
and validation parts together, before it is reported. A new one is a function in `simple` or
`libraries`, a `Baseline` beside it, and its name under its protocols in `compare.BASELINES`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Dataset, Ratings
from recsys.data.ids import positions
from recsys.data.interactions import Recency, first_times
from recsys.data.scale import LIKED
from recsys.data.schema import padded
from recsys.evaluation import MOVIES_HELD_OUT
from recsys.evaluation.splits import Stage
from recsys.metrics import (
    RankingTask,
    best,
    matrix,
    ranking_metrics,
    ranking_task,
    rating_metrics,
)

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

TUNED_USERS = 1000  # options are chosen on a sample of this many users, where there are more
TUNED_RATINGS = 150_000  # ratings, of a sample of users, that those of libraries are tuned on
FLOOR = 0.1  # what the oldest ratings count, with recency

Array = NDArray[np.floating]
Ids = NDArray[np.integer]
Options = tuple[Any, ...]
Grid = Sequence[Options]
Predict = Callable[[Ids, Ids], Array]
"""(N,) user ids and (N,) movie ids -> (N,) predicted ratings."""


@dataclass(frozen=True)
class Problem:
    """What a baseline is fitted on: the ratings of a stage, and what describes users and movies."""

    stage: Stage
    dataset: Dataset
    protocol: str = "random"

    @cached_property
    def movie_ids(self) -> NDArray[np.int64]:
        """(M,) ascending, the movies to rank: columns of the matrices.

        All movies, or the held-out ones where they are ranked among themselves.
        """
        held_out = self.protocol in MOVIES_HELD_OUT
        movie_ids = self.stage.test.movie_ids if held_out else self.dataset.movies.ids
        return np.unique(movie_ids).astype(np.int64)

    @cached_property
    def task(self) -> RankingTask:
        """What rankings are judged by; under fold-in a user's last folded-in rating is the cutoff.

        Raises:
            DataError: no user of the test likes one of the movies.
        """
        seen, fold_in, test = self.stage.seen, self.stage.fold_in, self.stage.test
        task = ranking_task(self.stage.train, seen, test, self.movie_ids)
        if self.protocol != "fold-in":
            return task
        every = Ratings.joined([seen, test])
        movies = positions(task.movie_ids, every.movie_ids)
        users = positions(task.user_ids, fold_in.user_ids)
        cutoffs = np.full(len(task.user_ids), np.iinfo(np.int64).min)
        np.maximum.at(cutoffs, users[users >= 0], fold_in.times[users >= 0])
        first = first_times(movies, every.times, len(task.movie_ids))
        return replace(task, first_times=first, cutoff_times=cutoffs)

    @cached_property
    def genre_rows(self) -> NDArray[np.int64]:
        """(M', G) rows of the genres of all movies of the dataset, PADDING behind the last."""
        genres = self.dataset.movies.genres
        rows = {name: row for row, name in enumerate(sorted(set().union(*genres)), 1)}
        return padded([[rows[name] for name in names] for names in genres])

    @cached_property
    def genres(self) -> NDArray[np.float64]:
        """(M', G) 1 where a movie of the dataset has a genre."""
        rows = self.genre_rows
        table = np.zeros((len(rows), rows.max(initial=0) + 2))  # its last column is of PADDING
        table[np.arange(len(rows))[:, None], rows] = 1
        return table[:, 1:-1]

    def rows(self, user_ids: Ids) -> NDArray[np.intp]:
        """(B,) positions among the (U,) users of the dataset: rows of the matrices."""
        return positions(self.dataset.users.ids, user_ids)

    def train(self, kind: str = "rated", movie_ids: Ids | None = None) -> "csr_matrix":
        """(U, M) what training ratings count, of the movies to rank or of others."""
        return self._matrix(self.stage.train, kind, movie_ids)

    def seen(
        self, kind: str = "rated", movie_ids: Ids | None = None, span: float = np.inf
    ) -> "csr_matrix":
        """The same of training and folded-in ratings, with recency where the span is finite."""
        return self._matrix(self.stage.seen, kind, movie_ids, span)

    def _matrix(
        self, ratings: Ratings, kind: str, movie_ids: Ids | None, span: float = np.inf
    ) -> "csr_matrix":
        values = weights(ratings.values, kind)
        if span < np.inf:
            values = values * Recency(FLOOR, span).by_user(ratings.user_ids, ratings.times)
        columns = self.movie_ids if movie_ids is None else movie_ids
        return matrix(ratings, self.dataset.users.ids, columns, values)


Fit = Callable[[Problem, Grid], Iterator[Any]]


class Baseline(NamedTuple):
    """A way to rank movies or to predict ratings, and the options it is tried with.

    `fit` yields for each of some options a `Scorer`, or a `Predict` where the baseline predicts
    ratings. Use one before the next is taken.
    """

    name: str
    grid: tuple[Options, ...]
    fit: Fit
    library: str = ""  # the module it is made of, where that is not our own
    predicts: bool = False  # ratings, instead of ranking
    most_movies: float = np.inf  # it is left out where more are ranked


def one_by_one(fit: Callable[..., Any]) -> Fit:
    """The `fit` of a baseline by a function of the problem and the options."""
    return lambda problem, grid: (fit(problem, *options) for options in grid)


def missing(library: str) -> str:
    """Why a baseline is left out, in one line; empty where its library can be imported."""
    try:
        if library:
            import_module(library)
        return ""
    except Exception as error:  # a library built for another NumPy raises whatever it likes
        absent = isinstance(error, ModuleNotFoundError) and error.name == library.partition(".")[0]
        cause = (str(error).strip().splitlines() or [type(error).__name__])[0]
        state = "not installed" if absent else f"broken ({cause})"
        extra = "sasrec" if library.startswith("rectools.") else "bench"
        return f"left out: {library} is {state}; pip install 'recsys[{extra}]'"


def tune(baseline: Baseline, problem: Problem) -> Options:
    """The options of the largest ndcg@10 on the problem's test part, or of the smallest RMSE.

    A single one is not tried. Of more than TUNED_USERS users a random sample is ranked for;
    libraries that predict ratings get TUNED_RATINGS of them.
    """
    if len(baseline.grid) == 1:
        return baseline.grid[0]
    if not baseline.predicts:
        task, count = problem.task, len(problem.task.user_ids)
        if count > TUNED_USERS:
            task = task.take(np.sort(np.random.default_rng(0).permutation(count)[:TUNED_USERS]))
        ndcg = [
            ranking_metrics(task, best(task, scorer))["ndcg@10"].value
            for scorer in baseline.fit(problem, baseline.grid)
        ]
        return baseline.grid[int(np.argmax(ndcg))]
    if baseline.library:
        problem = replace(problem, stage=_sample(problem.stage))
    test = problem.stage.test
    errors = [
        rating_metrics(test.user_ids, test.values, predict(test.user_ids, test.movie_ids))["rmse"]
        for predict in baseline.fit(problem, baseline.grid)
    ]
    return baseline.grid[int(np.argmin([each.value for each in errors]))]


def weights(values: NDArray[np.float32], kind: str) -> NDArray[np.float32]:
    """What a rating counts: liked: 1 or 0; rating/5; rating-3; rating: itself; rated: 1 always."""
    if kind == "liked":
        return (values >= LIKED).astype(np.float32)
    counts = {"rating/5": values / np.float32(5), "rating-3": values - 3, "rating": values}
    return counts.get(kind, np.ones_like(values))


def _sample(stage: Stage) -> Stage:
    """The stage as some of its users, with all they rated, make it, in about TUNED_RATINGS."""
    share = TUNED_RATINGS / max(1, len(stage.train))
    if share >= 1:
        return stage
    users = np.unique(np.concatenate([stage.train.user_ids, stage.test.user_ids]))
    drawn = users[np.random.default_rng(0).random(len(users)) < share]
    return Stage(*(each[np.isin(each.user_ids, drawn)] for each in stage))

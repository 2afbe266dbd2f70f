"""What all ranking baselines share: their options, how these are chosen, and what a rating counts.

A baseline's options are tried on the validation part; with the best it is fitted again, on training
and validation parts together, before it is reported. Baselines out of libraries of the optional
extras `bench` and `sasrec` are left out, with a note, where their library is missing or broken.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Dataset, Ratings
from recsys.data.ids import positions
from recsys.data.movielens import LIKED, MAX_RATING
from recsys.evaluation.splits import Part
from recsys.metrics import RankingTask, Scorer, best, ranking_metrics

TUNED_USERS = 1000  # options are chosen on a sample of this many users, where there are more

Options = tuple[str | float, ...]
Ids = NDArray[np.int64]
Fit = Callable[[Part, Dataset, Ids, Options], Scorer]  # scores the (M,) movies named
FitAll = Callable[[Part, Dataset, Ids, Sequence[Options]], Iterator[tuple[Options, Scorer]]]


class Baseline(NamedTuple):
    """A way to rank and the options it is tried with."""

    name: str
    grid: tuple[Options, ...]
    fit: Fit
    fit_all: FitAll | None = None  # many options at the cost of one; may be approximate
    library: str = ""  # the module it is made of, where that is not our own


def missing(library: str) -> str:
    """Why a baseline is left out, in one line; empty where its library can be imported."""
    if not library:
        return ""
    try:
        import_module(library)
    except Exception as error:  # a library built for another NumPy raises whatever it likes
        state = "not installed" if _absent(error, library) else f"broken ({_first_line(error)})"
        extra = "sasrec" if library.startswith("rectools.") else "bench"
        return f"left out: {library} is {state}; pip install 'recsys[{extra}]'"
    return ""


def tune(
    baseline: Baseline, part: Part, dataset: Dataset, task: RankingTask
) -> tuple[Options, float]:
    """The options of the largest ndcg@10 on the ranking task of validation, and that ndcg@10.

    Of more than TUNED_USERS users a random sample is ranked for. A single option is not tried:
    its ndcg@10 is nan.
    """
    if len(baseline.grid) == 1:
        return baseline.grid[0], float("nan")
    if len(task.user_ids) > TUNED_USERS:
        users = np.random.default_rng(0).permutation(task.user_ids)[:TUNED_USERS]
        task = replace(task, user_ids=np.sort(users))
    tried = {}
    fit_all = baseline.fit_all or _one_by_one(baseline.fit)
    for options, scorer in fit_all(part, dataset, task.movie_ids, baseline.grid):
        tried[options] = ranking_metrics(task, best(task, scorer))["ndcg@10"].value
    winner = max(tried, key=lambda options: tried[options])
    return winner, tried[winner]


def weights(values: NDArray[np.float32], kind: str) -> NDArray[np.float32]:
    """What a rating counts: 1 if liked else 0, a fifth of itself, or 1 always."""
    if kind == "liked":
        return (values >= LIKED).astype(np.float32)
    return values / np.float32(MAX_RATING) if kind == "rating/5" else np.ones_like(values)


def sums(ratings: Ratings, movie_ids: Ids, values: NDArray[np.floating]) -> NDArray[np.float64]:
    """(M,) the sum of the values of each movie's ratings."""
    columns = positions(movie_ids, ratings.movie_ids)
    there = columns >= 0
    return np.bincount(columns[there], values[there], len(movie_ids)).astype(np.float64)


def _one_by_one(fit: Fit) -> FitAll:
    return lambda part, dataset, movie_ids, grid: (
        (options, fit(part, dataset, movie_ids, options)) for options in grid
    )


def _absent(error: Exception, library: str) -> bool:
    return isinstance(error, ModuleNotFoundError) and error.name == library.partition(".")[0]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

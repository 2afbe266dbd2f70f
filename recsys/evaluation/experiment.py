"""The comparison behind `recsys evaluate`: our model and its baselines on one split, reported once.

Everything is chosen on the validation part: the options of each baseline, and how many epochs our
model trains. Then all of them are trained on training and validation parts together and judged on
the test part: the same users, the same candidates, the same movies left out.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys import metrics
from recsys.data.dataset import Dataset, Ratings
from recsys.data.scale import Scale
from recsys.errors import QueryError, quoted
from recsys.evaluation import baselines
from recsys.evaluation.baselines import Baseline, RatingBaseline
from recsys.evaluation.ours import Ours, our_model, train
from recsys.evaluation.protocols import WHOLE_MOVIES
from recsys.evaluation.splits import Part, Split, split, unreleased
from recsys.metrics import Interval, PerUser, RankingTask
from recsys.milvus.address import Index
from recsys.training.options import Options

INDEXES = (
    "FLAT",
    "IVF_FLAT:nprobe=8",
    "IVF_FLAT:nprobe=32",
    "HNSW:ef=32",
    "HNSW:ef=128",
)
OURS, BY_RATING, TUTORIAL = "recsys", "recsys by rating", "recsys, the tutorial's way"
IN_MILVUS = "recsys in Milvus"
QUICK, ALL = "quick", "all"  # baselines that need no library, all baselines
_LINEAR = (baselines.EASE, baselines.EDLAE)
_BY_TIME = (
    baselines.POPULARITY,
    baselines.RECENT_POPULARITY,
    *_LINEAR,
    baselines.RECENT_EDLAE,
    baselines.IALS,
)
_BY_CONTENT = (baselines.CHANCE, baselines.GENRE_PROFILE, baselines.CONTENT_RIDGE)
_BY_PROFILE = (baselines.POPULARITY, baselines.GROUP_POPULARITY)
BASELINES: dict[str, tuple[Baseline, ...]] = {  # ranking baselines by protocol
    "random": (baselines.POPULARITY, *_LINEAR, baselines.IALS),
    "user-time": (*_BY_TIME, baselines.SASREC),
    "fold-in": (*_BY_TIME, baselines.SASREC),
    "temporal": _BY_TIME,  # SASRec has no list for users without a history
    "cold-users": (*_BY_PROFILE, baselines.PROFILE_KERNEL),
    "few-likes": (*_BY_PROFILE, *_LINEAR, baselines.IALS),
    **dict.fromkeys(WHOLE_MOVIES, _BY_CONTENT),
}
RATING_BASELINES = (baselines.BIASES, baselines.SVDPP, baselines.MYFM)  # of every protocol


class Compared(NamedTuple):
    """The baselines of a comparison."""

    ranking: tuple[Baseline, ...]
    rating: tuple[RatingBaseline, ...]


class Row(NamedTuple):
    """The metrics of one way to recommend on one split."""

    protocol: str
    seed: int
    name: str
    chosen: str  # on validation; of a row through an index, the index
    metrics: dict[str, Interval]  # by name, in the order of the table's columns
    coverage: float | None  # of the catalogue, at 10; None where nothing is ranked
    behind: Interval | None  # our ndcg@10 - this one's, of the same users
    rmse_behind: Interval | None  # this one's rmse - ours, of the same ratings
    users: int  # ranked for
    left_out: int  # users who like none of their held-out movies
    note: str = ""  # what a reader should know of the figures


def evaluate(
    dataset: Dataset,
    protocol: str,
    seeds: Sequence[int] = (0,),
    options: Options | None = None,
    *,
    likes: int = 5,
    indexes: Sequence[str] = INDEXES,
    uri: str = "",
    compared: str = QUICK,
    log: Callable[[str], None] = lambda _: None,
) -> Iterator[Row]:
    """The rows of a protocol, seed by seed: ours, the baselines, ours through each index.

    Args:
        protocol: one of PROTOCOLS; likes is the N of few-likes.
        seeds: of the splits, the training and the intervals; one table each.
        indexes: as `load-movies --index` takes them; none to leave Milvus out.
        uri: a Milvus server, or a file; a temporary file if not given.
        compared: which baselines, as `select` takes them.
        log: is called with what happens next.

    Raises:
        DataError: the data do not make such a split. ModelError, StoreError: as they come.

    >>> import recsys
    >>> dataset = recsys.read_dataset("data/sample")
    >>> options = recsys.Options(epochs=1, dimension=4)
    >>> ours = next(recsys.evaluate(dataset, "random", options=options, indexes=()))
    >>> ours.name, ours.protocol
    ('recsys', 'random')
    """
    chosen_baselines = select(protocol, compared, log)
    scale, dataset = dataset.scale, dataset.coded
    for seed in seeds:
        parts = split(dataset.ratings, protocol, seed, likes)
        with TemporaryDirectory(prefix="recsys-") as folder:
            log(f"{protocol}, seed {seed}: training")
            chosen = replace(options or Options(), seed=seed)
            final = parts.final
            model = train(dataset, final.train, protocol, chosen, Path(folder) / "model")
            task = task_of(final, dataset, protocol)
            ours = our_model(model, dataset, final.fold_in, task.movie_ids, protocol)
            comparison = _Comparison(dataset, scale, parts, Report(protocol, seed, task), log)
            exact = metrics.best(task, ours.scorer("relevance"))
            yield from comparison.ours(ours, exact)
            yield from comparison.baselines(chosen_baselines)
            yield from comparison.through(indexes, ours, exact, uri)


def select(
    protocol: str, which: str = QUICK, log: Callable[[str], None] = lambda _: None
) -> Compared:
    """The baselines of a protocol: QUICK, ALL, or some by name with commas between them.

    A baseline whose library is missing or broken is left out, and `log` called with a line that
    says so.

    Raises:
        QueryError: a name is of no baseline of the protocol.
    """
    ranking, rating = BASELINES.get(protocol, ()), RATING_BASELINES
    libraries = {baseline.name: baseline.library for baseline in ranking}
    libraries |= {baseline.name: baseline.library for baseline in rating}
    names = {name.casefold() for name in libraries}
    wanted = {name.strip().casefold() for name in which.split(",")}
    if wanted in ({QUICK}, {ALL}):
        quick = {name.casefold() for name, library in libraries.items() if not library}
        wanted = quick if wanted == {QUICK} else names
    elif unknown := sorted(wanted - names):
        there = ", ".join(libraries)
        cause = f"no baseline {quoted(unknown[0])} for {protocol}"
        raise QueryError(cause, f"choose {QUICK}, {ALL} or of: {there}", "baselines")

    def kept(baseline: Baseline | RatingBaseline) -> bool:
        if baseline.name.casefold() not in wanted:
            return False
        note = baselines.missing(baseline.library)
        if note:
            log(f"{baseline.name} {note}")
        return not note

    return Compared(tuple(filter(kept, ranking)), tuple(filter(kept, rating)))


@dataclass(frozen=True)
class _Comparison:
    """All that is judged on one split, in the order of the table; errors in the ratings' scale."""

    dataset: Dataset
    scale: Scale
    parts: Split
    report: "Report"
    log: Callable[[str], None]

    def ours(self, ours: Ours, exact: NDArray[np.int64]) -> Iterator[Row]:
        """Our model as it is served, with its (E, K) lists, and ranked in its other ways."""
        task, rated = self.report.task, self.scale.rated
        epoch = ours.model.config["epoch"]
        errors = self._errors(ours.predicted(self.parts.final.test)) if rated else {}
        yield self.report.row(OURS, f"epoch {epoch}", exact, errors)
        if rated:
            yield self.report.row(BY_RATING, "", metrics.best(task, ours.scorer("rating")))
            yield self.report.row(TUTORIAL, "", metrics.best(task, ours.scorer("tutorial")))

    def baselines(self, compared: Compared) -> Iterator[Row]:
        """Each with the options that are best on validation."""
        final, choice, task = self.parts.final, self.parts.choice, self.report.task
        chosen_by = (
            task_of(choice, self.dataset, self.report.protocol) if compared.ranking else task
        )
        for ranking in compared.ranking:
            self._say(ranking.name)
            winner, _ = baselines.tune(ranking, choice, self.dataset, chosen_by)
            scorer = ranking.fit(final, self.dataset, task.movie_ids, winner)
            yield self.report.row(ranking.name, _in_words(winner), metrics.best(task, scorer))
        for rating in compared.rating if self.scale.rated else ():
            self._say(rating.name)
            winner, _ = baselines.tune_ratings(rating, choice, self.dataset)
            predict = rating.fit(final, self.dataset, winner)
            errors = self._errors(predict(final.test.user_ids, final.test.movie_ids))
            yield self.report.row(rating.name, _in_words(winner), None, errors)

    def through(
        self, indexes: Sequence[str], ours: Ours, exact: NDArray[np.int64], uri: str
    ) -> Iterator[Row]:
        """Our model asked through Milvus, by each index."""
        task = self.report.task
        seen = _left_out(self.parts.final, self.dataset, self.report.protocol)
        found: list[tuple[Index, NDArray[np.int64]]] = []
        for index in indexes:
            self._say(f"through {index}")
            found.append(ours.through_milvus(task, seen, index, uri))
            used, lists = found[-1]
            overlap = {"overlap@10": metrics.overlap(exact, lists)}
            row = self.report.row(IN_MILVUS, str(used), lists, overlap)
            yield row._replace(note=_idle(found))

    def _say(self, what: str) -> None:
        self.log(f"{self.report.protocol}, seed {self.report.seed}: {what}")

    def _errors(self, predicted: NDArray[np.floating]) -> dict[str, PerUser]:
        test, outward = self.parts.final.test, self.scale.outward
        return metrics.rating_metrics(test.user_ids, outward(test.values), outward(predicted))


class Report:
    """Rows of one split: what is the same in all of them, and our own result to compare with."""

    def __init__(self, protocol: str, seed: int, task: RankingTask) -> None:
        self.protocol, self.seed, self.task = protocol, seed, task
        self.ours: dict[str, PerUser] = {}

    def row(
        self,
        name: str,
        chosen: str,
        lists: NDArray[np.int64] | None,
        more: dict[str, PerUser] | None = None,
    ) -> Row:
        """A row; the first one is what later ones are compared with."""
        ranked = {} if lists is None else metrics.ranking_metrics(self.task, lists)
        found = {**ranked, **(more or {})}
        behind = rmse_behind = None
        if self.ours and "ndcg@10" in found:
            behind = metrics.difference(self.ours["ndcg@10"], found["ndcg@10"], self.seed)
        if self.ours and "rmse" in found:
            rmse_behind = metrics.difference(found["rmse"], self.ours["rmse"], self.seed)
        self.ours = self.ours or found
        return Row(
            self.protocol,
            self.seed,
            name,
            chosen,
            {name: metrics.interval(metric, self.seed) for name, metric in found.items()},
            None if lists is None else metrics.coverage(self.task, lists),
            behind,
            rmse_behind,
            len(self.task.user_ids),
            self.task.left_out,
        )


def mean(rows: Sequence[Row]) -> list[Row]:
    """A row for each name, the mean over seeds of values and of the intervals' ends; seed -1."""
    names = dict.fromkeys((row.name, row.chosen if row.name == IN_MILVUS else "") for row in rows)
    means = []
    for name, index in names:
        same = [row for row in rows if row.name == name and index in ("", row.chosen)]
        chosen = " | ".join(dict.fromkeys(row.chosen for row in same))
        covered = [row.coverage for row in same if row.coverage is not None]
        behind = [row.behind for row in same if row.behind is not None]
        rmse_behind = [row.rmse_behind for row in same if row.rmse_behind is not None]
        means.append(
            same[0]._replace(
                seed=-1,
                chosen=chosen,
                metrics={m: _mean([row.metrics[m] for row in same]) for m in same[0].metrics},
                coverage=float(np.mean(covered)) if covered else None,
                behind=_mean(behind) if behind else None,
                rmse_behind=_mean(rmse_behind) if rmse_behind else None,
                users=round(np.mean([row.users for row in same])),
                left_out=round(np.mean([row.left_out for row in same])),
            )
        )
    return means


def task_of(part: Part, dataset: Dataset, protocol: str) -> RankingTask:
    """The ranking task of a part: among all movies, or new movies among themselves."""
    candidates = part.test.movie_ids if protocol in WHOLE_MOVIES else dataset.movies.ids
    left_out = _left_out(part, dataset, protocol)
    return metrics.ranking_task(part.train, left_out, part.test, candidates)


def _left_out(part: Part, dataset: Dataset, protocol: str) -> Ratings:
    """What is not recommended: seen movies; under fold-in also those that were not out yet."""
    if protocol != "fold-in":
        return part.seen
    return Ratings.concatenate([part.seen, unreleased(part, np.sort(dataset.movies.ids))])


def _in_words(options: Sequence[str | float]) -> str:
    return ", ".join(map(str, options))


def _idle(found: list[tuple[Index, NDArray[np.int64]]]) -> str:
    """A note when the last index answered as one before it that is searched otherwise.

    Neither backend complains of a search parameter it ignores.
    """
    last, lists = found[-1]
    for index, others in found[:-1]:
        same = (index.name, index.build) == (last.name, last.build) and index != last
        if same and np.array_equal(others, lists):
            return f"the same movies as {index}: ignored by the backend, or enough already"
    return ""


def _mean(intervals: Sequence[Interval]) -> Interval:
    return Interval(*np.mean(intervals, axis=0).tolist())

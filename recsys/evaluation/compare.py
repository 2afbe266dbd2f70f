"""The comparison behind `recsys evaluate`: our model and its baselines on one split, reported once.

Everything is chosen on the validation part: the options of each baseline, and how many epochs our
model trains. Then all of them are trained on training and validation parts together and judged on
the test part: the same users, the same candidates, the same movies left out. Our model goes
through its folder, and queries are those of `recommend`: a user it was trained on by id, a
cold-start user by profile and likes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys import infer, metrics
from recsys.data.dataset import Dataset
from recsys.data.ids import positions
from recsys.data.interactions import hold_out
from recsys.data.schema import profile
from recsys.errors import QueryError, quoted
from recsys.evaluation import BY_TIME, MOVIES_HELD_OUT
from recsys.evaluation.baselines import Baseline, Problem, libraries, missing, simple, tune
from recsys.evaluation.splits import split
from recsys.metrics import Interval, PerUser
from recsys.milvus.address import Index, MilvusAddress
from recsys.milvus_store import MilvusStore
from recsys.serving.model_folder import Model
from recsys.train import finish, fit, save
from recsys.training.options import Options

INDEXES = ("FLAT", "IVF_FLAT:nprobe=8", "IVF_FLAT:nprobe=32", "HNSW:ef=32", "HNSW:ef=128")
OURS, BY_RATING, TUTORIAL = "recsys", "recsys by rating", "recsys, the tutorial's way"
IN_MILVUS = "recsys in Milvus"
QUICK, ALL = "quick", "all"  # baselines that need no library, all baselines
HELD_OUT = 0.1  # of the ratings, to choose our epoch by

_LINEAR = (simple.EASE, simple.EDLAE)
_BY_TIME = (
    simple.POPULARITY,
    simple.RECENT_POPULARITY,
    *_LINEAR,
    simple.RECENT_EDLAE,
    libraries.IALS,
)
_BY_PROFILE = (simple.POPULARITY, simple.GROUP_POPULARITY)
_RANKING: dict[str, tuple[Baseline, ...]] = {
    "random": (simple.POPULARITY, *_LINEAR, libraries.IALS),
    "user-time": (*_BY_TIME, libraries.SASREC),
    "fold-in": (*_BY_TIME, libraries.SASREC),
    "temporal": _BY_TIME,  # SASRec has no list for users without a history
    "cold-users": (*_BY_PROFILE, simple.PROFILE_KERNEL),
    "few-likes": (*_BY_PROFILE, *_LINEAR, libraries.IALS),
    **dict.fromkeys(MOVIES_HELD_OUT, (simple.CHANCE, simple.GENRE_PROFILE, simple.CONTENT_RIDGE)),
}
BASELINES = {  # by protocol, in the order of the table
    protocol: (*ranking, simple.BIASES, libraries.SVDPP, libraries.MYFM)
    for protocol, ranking in _RANKING.items()
}


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
    chosen = select(protocol, compared, log)
    for seed in seeds:
        stages = split(dataset.ratings, protocol, seed, likes)
        choice, final = (Problem(stage, dataset, protocol) for stage in stages)

        def say(what: str, seed: int = seed) -> None:
            log(f"{protocol}, seed {seed}: {what}")

        say("training")
        with TemporaryDirectory(prefix="recsys-") as folder:
            ours = replace(options or Options(), seed=seed)
            comparison = Comparison(final, ours, Path(folder), say)
            yield from comparison.ours()
            yield from comparison.baselines(chosen, choice)
            yield from comparison.through(indexes, uri)


def select(
    protocol: str, which: str = QUICK, log: Callable[[str], None] = lambda _: None
) -> tuple[Baseline, ...]:
    """The baselines of a protocol: QUICK, ALL, or some by name with commas between them.

    A baseline whose library is missing or broken is left out, and `log` called with a line that
    says so.

    Raises:
        QueryError: a name is of no baseline of the protocol.
    """
    every = {each.name.casefold(): each for each in BASELINES.get(protocol, ())}
    names = {name.strip().casefold() for name in which.split(",")}
    if names == {QUICK}:
        names = {name for name, each in every.items() if not each.library}
    elif names == {ALL}:
        names = set(every)
    elif unknown := sorted(names - set(every)):
        cause = f"no baseline {quoted(unknown[0])} for {protocol}"
        known = ", ".join(each.name for each in every.values())
        raise QueryError(cause, f"choose {QUICK}, {ALL} or of: {known}", "baselines")
    chosen = []
    for name in (name for name in every if name in names):
        if reason := missing(every[name].library):
            log(f"{every[name].name} {reason}")
        else:
            chosen.append(every[name])
    return tuple(chosen)


class Comparison:
    """Our model trained for a problem, and the rows of all that is judged on its test part.

    Args:
        folder: of the model, and of Milvus where there is no other; as long as this is used.
    """

    def __init__(
        self,
        problem: Problem,
        options: Options,
        folder: Path,
        log: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.problem, self.task, self.test = problem, problem.task, problem.stage.test
        self.seed, self.folder, self.log = options.seed, folder, log
        self.model = trained(problem, options, folder / "model")
        movies = problem.dataset.movies
        movies = movies[positions(movies.ids, self.task.movie_ids)]
        self.movies = infer.catalogue(self.model, movies)  # in the order of the task's
        self.exact = self.lists("relevance")
        self.served = metrics.ranking_metrics(self.task, self.exact)
        if problem.dataset.scale.rated:
            self.served |= self._errors(self.predicted())

    def queries(self, user_ids: NDArray[np.integer]) -> list[infer.UserQuery]:
        """Users by id, or where the model does not know them by profile and likes or history."""
        known = self.model.vocabulary.user_rows(user_ids) > 0
        users = self.problem.dataset.users[self.problem.rows(user_ids)]
        rated: dict[int, list[tuple]] = {user: [] for user in user_ids.tolist()}
        columns = (column.tolist() for column in vars(self.problem.stage.fold_in).values())
        for user, *rating in zip(*columns, strict=True):
            rated.get(user, []).append(tuple(rating))
        queries = []
        for (user, history), in_model, rows in zip(rated.items(), known, users.rows, strict=True):
            attributes = tuple(profile(users.attributes, rows).items())
            query = infer.UserQuery(user if in_model else None, attributes=attributes)
            if self.problem.protocol == "few-likes":  # bare likes, without ratings and times
                query = query._replace(likes=tuple(movie for movie, *_ in history))
            else:
                query = query._replace(rated=tuple(history))
            queries.append(query)
        return queries

    def vectors(self, user_ids: NDArray[np.integer], rank_by: infer.RankBy) -> NDArray[np.float32]:
        """(B, V) queries of different users."""
        return infer.users_of(self.model, self.queries(user_ids)).vectors(rank_by)

    def lists(self, rank_by: infer.RankBy) -> NDArray[np.int64]:
        """(E, K) our movies for the users of the task, best first."""
        users = self.vectors(self.task.user_ids, rank_by)
        rows, movies = self.task.user_ids, self.movies.vectors.T
        return metrics.best(self.task, lambda ids: users[positions(rows, ids)] @ movies)

    def predicted(self) -> NDArray[np.float32]:
        """(N,) our ratings of the test part, in the model's scale."""
        user_ids, user = np.unique(self.test.user_ids, return_inverse=True)
        movies = self.movies.vectors[positions(self.movies.ids, self.test.movie_ids)]
        return infer.predicted_ratings(self.vectors(user_ids, "rating")[user], movies)

    def ours(self) -> Iterator[Row]:
        """Our model as it is served, and ranked in its other ways."""
        epoch = f"epoch {self.model.config['epoch']}"
        row = self._row(OURS, epoch, self.exact, **self.served)
        yield row._replace(behind=None, rmse_behind=None)
        if self.problem.dataset.scale.rated:
            yield self._row(BY_RATING, "", self.lists("rating"))
            yield self._row(TUTORIAL, "", self.lists("tutorial"))

    def baselines(self, chosen: Sequence[Baseline], choice: Problem) -> Iterator[Row]:
        """Each with the options that are best on validation."""
        count = len(self.task.movie_ids)
        for baseline in chosen:
            if baseline.predicts and not self.problem.dataset.scale.rated:
                continue
            if count > baseline.most_movies:
                most = f"{count:,} movies are more than {baseline.most_movies:,.0f}"
                self.log(f"{baseline.name} left out: {most}")
                continue
            self.log(baseline.name)
            options = tune(baseline, choice)
            fitted = next(baseline.fit(self.problem, (options,)))
            words = ", ".join(map(str, options))
            if baseline.predicts:
                errors = self._errors(fitted(self.test.user_ids, self.test.movie_ids))
                yield self._row(baseline.name, words, None, **errors)
            else:
                yield self._row(baseline.name, words, metrics.best(self.task, fitted))

    def through(self, indexes: Sequence[str], uri: str = "") -> Iterator[Row]:
        """Our model asked through Milvus user by user, as `recommend` does, by each index.

        A row has a note where the index answered as one before it that is searched otherwise:
        neither backend complains of a search parameter it ignores.

        Args:
            indexes: as `load-movies --index` takes them.
            uri: a Milvus server or file; one in the folder if not given.

        Raises:
            StoreError: whatever goes wrong in Milvus.
        """
        if not indexes:
            return
        answered: dict[tuple, Index] = {}
        file = str(self.folder / "evaluate.db")
        queries = self.vectors(self.task.user_ids, "relevance")
        with MilvusStore(MilvusAddress(uri or file, collection="recsys_evaluate")) as store:
            for index in indexes:
                self.log(f"through {index}")
                store.publish(self.movies, self.model.fingerprint, index=index, keep=0)
                used = store.open(self.model.fingerprint).index
                lists = self._searched(store, queries)
                overlap = metrics.overlap(self.exact, lists)
                row = self._row(IN_MILVUS, str(used), lists, **{"overlap@10": overlap})
                other = answered.setdefault((used.name, str(used.build), lists.tobytes()), used)
                if other != used:
                    note = f"the same movies as {other}: ignored by the backend, or enough already"
                    row = row._replace(note=note)
                yield row

    def _searched(self, store: MilvusStore, queries: NDArray[np.float32]) -> NDArray[np.int64]:
        """(E, K) what a store returns to the users of the task, one after the other."""
        lists = []
        for row in range(len(queries)):
            user = slice(row, row + 1)
            exclude = [self.task.movie_ids[self.task.excluded(user)[0]]]
            lists.append(store.search(queries[user], metrics.DEPTH, exclude=exclude).movie_ids)
        return np.concatenate(lists).astype(np.int64)

    def _errors(self, predicted: NDArray[np.floating]) -> dict[str, PerUser]:
        """Of the test part, in the scale of the data."""
        outward = self.problem.dataset.scale.outward
        values = outward(self.test.values), outward(predicted)
        return metrics.rating_metrics(self.test.user_ids, *values)

    def _row(
        self, name: str, chosen: str, lists: NDArray[np.int64] | None = None, **more: PerUser
    ) -> Row:
        by_user = {} if lists is None else metrics.ranking_metrics(self.task, lists)
        by_user |= more
        behind = rmse_behind = None
        if "ndcg@10" in by_user:
            behind = metrics.difference(self.served["ndcg@10"], by_user["ndcg@10"], self.seed)
        if "rmse" in by_user:
            rmse_behind = metrics.difference(by_user["rmse"], self.served["rmse"], self.seed)
        return Row(
            self.problem.protocol,
            self.seed,
            name,
            chosen,
            {name: metrics.interval(metric, self.seed) for name, metric in by_user.items()},
            None if lists is None else metrics.coverage(self.task, lists),
            behind,
            rmse_behind,
            len(self.task.user_ids),
            self.task.left_out,
        )


def trained(problem: Problem, options: Options, folder: Path) -> Model:
    """Our model as `recsys.train_model` makes it of the problem's training ratings.

    It knows no cold-start users and new movies. Where the protocol asks for what came later,
    epochs and recency are chosen on the latest ratings, as those of what ships are; where it asks
    for ratings of any time, on such.
    """
    dataset, ratings = problem.dataset.coded, problem.stage.train
    users, movies = dataset.users, dataset.movies
    users = users[np.isin(users.ids, ratings.user_ids)]
    if problem.protocol in MOVIES_HELD_OUT:
        movies = movies[np.flatnonzero(np.isin(movies.ids, ratings.movie_ids))]
    dataset = replace(dataset, users=users, movies=movies)
    latest = problem.protocol in BY_TIME
    held_out = hold_out(ratings, HELD_OUT, options.seed, latest).chosen
    first = fit(dataset, ratings[~held_out], options, ratings[held_out])
    return save(finish(first, dataset, ratings), folder)


def mean(rows: Sequence[Row]) -> list[Row]:
    """A row for each name, the mean over seeds of values and of the intervals' ends; seed -1."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        index = row.chosen if row.name == IN_MILVUS else ""
        groups.setdefault((row.name, index), []).append(row)
    means = []
    for same in groups.values():
        metrics = {name: _mean([row.metrics[name] for row in same]) for name in same[0].metrics}
        covered = [row.coverage for row in same if row.coverage is not None]
        means.append(
            same[0]._replace(
                seed=-1,
                chosen=" | ".join(dict.fromkeys(row.chosen for row in same)),
                metrics=metrics,
                coverage=float(np.mean(covered)) if covered else None,
                behind=_mean([row.behind for row in same if row.behind]),
                rmse_behind=_mean([row.rmse_behind for row in same if row.rmse_behind]),
                users=round(np.mean([row.users for row in same])),
                left_out=round(np.mean([row.left_out for row in same])),
            )
        )
    return means


def _mean(intervals: Sequence[Interval]) -> Any:
    """The interval of mean value and ends; None of none."""
    return Interval(*np.mean(intervals, axis=0).tolist()) if intervals else None

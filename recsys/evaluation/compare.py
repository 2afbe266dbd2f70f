"""The comparison behind `recsys evaluate`: our model and its baselines on one split, reported once.

Everything is chosen on the validation part: the options of each baseline, and how many epochs our
model trains. Then all of them are trained on training and validation parts together and judged on
the test part: the same users, the same candidates, the same movies left out. Our model goes
through its folder, and queries are those of `recommend`: a user it was trained on by id, a
cold-start user by profile and likes.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, groupby, tee
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys import infer, metrics
from recsys.data.dataset import Dataset
from recsys.data.ids import positions, raw_ids
from recsys.data.interactions import hold_out
from recsys.data.schema import profile
from recsys.errors import QueryError, check_choice, check_types, checked, listed_values
from recsys.evaluation import BY_TIME, MOVIES_HELD_OUT, PROTOCOLS
from recsys.evaluation.baselines import QUICK, Baseline, select, tune
from recsys.evaluation.given import coded, groups, known_to, split_given
from recsys.evaluation.problem import DEPTH, LARGEST, Ids, Predict, Problem
from recsys.evaluation.splits import split
from recsys.metrics import Interval, PerUser
from recsys.milvus.address import MilvusAddress
from recsys.milvus_store import MilvusStore
from recsys.options import Options
from recsys.serving.choice import Choice, contents
from recsys.serving.model_folder import Model
from recsys.train import Trained, finish, fit, save

INDEXES = ("FLAT", "IVF_FLAT:nprobe=8", "IVF_FLAT:nprobe=32", "HNSW:ef=32", "HNSW:ef=128")
OURS, BY_RATING, TUTORIAL = "recsys", "recsys by rating", "recsys, the tutorial's way"
IN_MILVUS = "recsys in Milvus"
HELD_OUT = 0.1  # of the ratings, to choose our epoch by


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
    by: str = ""  # what the group is of, where the row is of one; its name is in `name`, too
    group: str = ""
    calibration: dict[str, dict[str, float]] = {}  # noqa: RUF012  # as `Problem.calibration`
    per_user: dict[str, list[Any]] = {}  # noqa: RUF012  # user_id, and the metrics by name


class Answer(NamedTuple):
    """What one way to recommend says of a test part: lists, predicted ratings, or both."""

    name: str
    chosen: str
    lists: NDArray[np.int64] | None = None  # (E, K) movie ids, best first
    predict: Predict | None = None
    more: dict[str, PerUser] = {}  # noqa: RUF012  # further metrics


def evaluate(
    dataset: Dataset | Sequence[Model],
    protocol: str,
    seeds: Sequence[int] = (0,),
    options: Options | None = None,
    *,
    test: Dataset | None = None,
    likes: int = 5,
    indexes: Sequence[str] = INDEXES,
    uri: str = "",
    compared: str = QUICK,
    diversity: Sequence[float] = (),
    by: Sequence[str] = (),
    log: Callable[[str], None] = lambda _: None,
) -> Iterator[Row]:
    """The rows of a protocol, seed by seed: ours, the baselines, ours through each index.

    Args:
        dataset: ratings to be split by the protocol; or trained models, compared on `test`.
        protocol: one of PROTOCOLS.
        seeds: of the splits, the training and the intervals; one table each.
        options: of the training of our model.
        test: ratings to judge on, read with `model=` the dataset or the first model; all of the
            dataset is then training data.
        likes: the N of few-likes.
        indexes: as `load-movies --index` takes them; none to leave Milvus out.
        uri: a Milvus server, or a file; a temporary file if not given.
        compared: "quick", "all", or names of baselines with commas between them.
        diversity: values of `Choice.diversity`; a row of our model for each.
        by: attributes of users, their "activity", or "popularity", "genre" or "decade" of held-out
            movies: also rows for each of their groups.
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
    check_types(options=(options, Options | None), test=(test, Dataset | None), log=(log, Callable))
    models = [] if isinstance(dataset, Dataset) else listed_values("dataset", dataset, "models")
    for each in models:
        check_types(dataset=(each, Model))
    every = [dataset] if isinstance(dataset, Dataset) else [known_to(each) for each in models]
    if not every or (test is None and models):
        raise QueryError("no models, or no ratings to judge them on", "give some", "test")
    check_choice("protocol", protocol, PROTOCOLS)
    indexes = listed_values("indexes", indexes, "a list of names")
    seeds = listed_values("seeds", seeds, "a list of whole numbers")
    diversity = [Choice(diversity=each).diversity for each in diversity]
    for seed in seeds:
        checked("seeds", seed, int, min=0, max=2**32 - 1)
    checked("likes", likes, int, min=1)
    chosen = select(protocol, checked("compared", compared, str), log)

    def rows(seed: int) -> Iterator[Row]:
        def say(what: str) -> None:
            log(f"{protocol}, seed {seed}: {what}")

        if test is not None:
            data, stages = split_given([*every, test], protocol, seed, log)
        else:
            data, stages = every[0], split(every[0].ratings, protocol, seed, likes)
        choice, final = (Problem(stage, data, protocol) for stage in stages)
        parts = [*groups(final, by)]
        judged = [coded(each, data) for each in models]
        with TemporaryDirectory(prefix="recsys-") as folder:
            if not models:
                say("training")
                ours = trained(final, replace(options or Options(), seed=seed))
                judged = [save(ours, Path(folder) / "model")]
            first, *others = [Comparison(final, each, seed, say) for each in judged]
            beside = (next(each.ours())._replace(name=each.model.path.name) for each in others)
            more = first.baselines(chosen, choice), first.through(indexes, uri)
            answers, again = tee(chain(first.ours(), beside, first.diverse(diversity), *more))
            yield from first.rows(answers)
            by_group = [each for each in again if each.name not in (BY_RATING, TUTORIAL, IN_MILVUS)]
            for of, group, part in parts:
                for row in first.rows(by_group, part):
                    yield row._replace(name=f"{row.name}, {of} {group}", by=of, group=group)

    return chain.from_iterable(map(rows, dict.fromkeys(seeds)))


class Comparison:
    """Our model, `trained` for a problem, and what is compared with it on the same test part."""

    def __init__(
        self,
        problem: Problem,
        model: Model,
        seed: int = 0,  # of the intervals
        log: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.problem, self.model, self.seed, self.log = problem, model, seed, log
        movies = problem.dataset.movies
        self.movies = infer.catalogue(model, movies[positions(movies.ids, problem.movie_ids)])

    def queries(self, user_ids: Ids) -> list[infer.UserQuery]:
        """Users by id, or where the model does not know them by profile and likes or history."""
        users = self.problem.dataset.users[self.problem.rows(user_ids)]
        rated: dict[int, list[tuple]] = {user: [] for user in user_ids.tolist()}
        columns = (column.tolist() for column in vars(self.problem.stage.fold_in).values())
        for user, *rating in zip(*columns, strict=True):
            rated.get(user, []).append(tuple(rating))
        known = self.model.vocabulary
        in_model, names = known.user_rows(user_ids) > 0, {each.name for each in known.users}
        queries = []
        for (user, history), here, rows in zip(rated.items(), in_model, users.rows, strict=True):
            described = profile(users.attributes, rows).items()
            given: dict[str, Any] = {"attributes": {n: each for n, each in described if n in names}}
            if self.problem.protocol == "few-likes":  # bare likes, without ratings and times
                given["likes"] = tuple(movie for movie, *_ in history)
            else:
                given["rated"] = tuple(history)
            queries.append(infer.UserQuery(user if here else None, **given))
        return queries

    def vectors(self, user_ids: Ids, rank_by: infer.RankBy) -> NDArray[np.float32]:
        """(B, V) queries of different users."""
        return infer.users_of(self.model, self.queries(user_ids)).vectors(rank_by)

    def lists(self, rank_by: infer.RankBy) -> NDArray[np.int64]:
        """(E, K) our movies for the users of the problem, best first."""
        user_ids, movies = self.problem.user_ids, self.movies.vectors.T
        users = self.vectors(user_ids, rank_by)
        return self.problem.best(lambda ids: users[positions(user_ids, ids)] @ movies)

    def predicted(self, user_ids: Ids, movie_ids: Ids) -> NDArray[np.float32]:
        """(N,) our ratings of (N,) movies by (N,) users, in the model's scale."""
        different, user = np.unique(user_ids, return_inverse=True)
        movies = self.movies.vectors[positions(self.movies.ids, movie_ids)]
        return infer.predicted_ratings(self.vectors(different, "rating")[user], movies)

    def ours(self) -> Iterator[Answer]:
        """Our model as it is served, and ranked in its other ways."""
        epoch = f"epoch {self.model.config['epoch']}"
        yield Answer(OURS, epoch, self.lists("relevance"), self.predicted)
        if self.problem.dataset.scale.rated:
            yield Answer(BY_RATING, "", self.lists("rating"))
            yield Answer(TUTORIAL, "", self.lists("tutorial"))

    def diverse(self, settings: Sequence[float]) -> Iterator[Answer]:
        """Our model as `recommend -k 10` lists it with each of these for its diversity."""
        users, excluded = self.vectors(self.problem.user_ids, "relevance"), self._excluded()
        for setting in settings:
            choice = Choice(diversity=setting)
            pool = choice.pools(10)[0]
            hits = self.movies.search(users, pool, exclude=excluded, with_movies=True)
            lists = choice.of(hits, 10, self.model).movie_ids
            yield Answer(OURS, f"diversity {setting:g}", lists)

    def _excluded(self) -> list[Ids]:
        """(E,) the movies that must not be recommended to each user."""
        rows = (slice(row, row + 1) for row in range(len(self.problem.user_ids)))
        return [self.problem.movie_ids[self.problem.excluded(row)[0]] for row in rows]

    def distance(self, lists: NDArray[np.int64]) -> PerUser:
        """distance@10: 1 - the mean cosine of two movies of a list, as diversity takes it."""
        columns = positions(self.movies.ids, lists[:, :10])
        listed = columns >= 0
        vectors = contents(self.movies, self.model)[columns] * listed[..., None]  # (E, 10, G + T)
        counts = listed.sum(axis=1) * 1.0
        alike = np.square(vectors.sum(axis=1)).sum(axis=1) - np.square(vectors).sum(axis=(1, 2))
        pairs = counts * (counts - 1)
        return PerUser(pairs - alike, pairs)

    def baselines(self, chosen: Iterable[Baseline], choice: Problem) -> Iterator[Answer]:
        """Each with the options that are best on validation."""
        if len(self.problem.movie_ids) > LARGEST:
            self.log(f"EASE and EDLAE rank the {LARGEST:,} most rated movies only")
        for baseline in chosen:
            if baseline.predicts and not self.problem.dataset.scale.rated:
                continue
            self.log(baseline.name)
            options = tune(baseline, choice)
            fitted, words = baseline.fit(self.problem, *options), ", ".join(map(str, options))
            if baseline.predicts:
                yield Answer(baseline.name, words, predict=fitted)
            else:
                yield Answer(baseline.name, words, self.problem.best(fitted))

    def through(self, indexes: Sequence[str], uri: str = "") -> Iterator[Answer]:
        """Our model asked through Milvus user by user, as `recommend` does, by each index."""
        if not indexes:
            return
        exact, excluded = self.lists("relevance"), self._excluded()
        queries = self.vectors(self.problem.user_ids, "relevance")
        with TemporaryDirectory(prefix="recsys-") as folder:
            address = MilvusAddress(uri or f"{folder}/evaluate.db", collection="recsys_evaluate")
            with MilvusStore(address) as store:
                for index in indexes:
                    self.log(f"through {index}")
                    store.publish(self.movies, self.model.fingerprint, index=index, keep=0)
                    used = store.open(self.model.fingerprint).index
                    found = [
                        store.search(query[None], DEPTH, exclude=[seen]).movie_ids[0]
                        for query, seen in zip(queries, excluded, strict=True)
                    ]
                    more = {"overlap@10": metrics.overlap(exact, np.array(found))}
                    yield Answer(IN_MILVUS, str(used), np.array(found), more=more)

    def rows(self, answers: Iterable[Answer], part: Problem | None = None) -> Iterator[Row]:
        """A row for each answer, beside the first of them; of a part of the problem, if given."""
        part, ours = part or self.problem, None
        users = np.unique(part.stage.test.user_ids)
        user_ids = raw_ids(users, part.dataset.user_names).tolist()
        ranked = positions(part.user_ids, users)  # None follows the last
        for answer in answers:
            by_user, coverage = dict[str, PerUser](), None
            if answer.lists is not None:
                lists = answer.lists[positions(self.problem.user_ids, part.user_ids)]
                by_user = part.judged(lists) | {"distance@10": self.distance(lists)} | answer.more
                coverage = part.coverage(lists)
            calibration = {}
            if answer.predict and part.dataset.scale.rated:
                by_user |= part.errors(answer.predict)
                calibration = part.calibration(answer.predict) if part is self.problem else {}
            ours = ours or by_user
            behind, rmse_behind = (
                metrics.difference(one[name], other[name], self.seed)
                if one is not other and name in one and name in other
                else None
                for name, one, other in (("ndcg@10", ours, by_user), ("rmse", by_user, ours))
            )
            each = {name: np.array([*metric.each, None]) for name, metric in by_user.items()}
            yield Row(
                part.protocol,
                self.seed,
                answer.name,
                answer.chosen,
                {name: metrics.interval(metric, self.seed) for name, metric in by_user.items()},
                coverage,
                behind,
                rmse_behind,
                len(part.user_ids),
                part.left_out,
                calibration=calibration,
                per_user={"user_id": user_ids}
                | {n: v[ranked if "@" in n else slice(-1)].tolist() for n, v in each.items()},
            )


def trained(problem: Problem, options: Options) -> Trained:
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
    dataset = replace(dataset, users=users, movies=movies, ratings=ratings)
    latest = problem.protocol in BY_TIME
    return finish(fit(dataset, options, hold_out(ratings, HELD_OUT, options.seed, latest)[0]))


def mean(rows: Iterable[Row]) -> list[Row]:
    """The mean over seeds, of the intervals' ends too, of each row of the table; seed -1."""
    alike: dict[tuple[str, int], list[Row]] = {}  # by name, and place among those of the name
    for _, of_seed in groupby(rows, lambda row: row.seed):
        places = Counter[str]()
        for row in of_seed:
            same = alike.setdefault((row.name, places[row.name]), [])
            same.append(row._replace(seed=-1, per_user={}, calibration={}))
            places[row.name] += 1
    return [*map(_mean, alike.values())]


def _mean(values: Sequence[Any]) -> Any:
    """Of numbers, or of each in dicts and tuples; of texts the different ones; None of none."""
    first = values[0]
    if isinstance(first, str):
        return " | ".join(dict.fromkeys(values))
    if isinstance(first, dict):
        return {name: _mean([each[name] for each in values]) for name in first}
    if isinstance(first, tuple):
        return type(first)(*map(_mean, zip(*values, strict=True)))
    if first is None:
        return None
    return round(np.mean(values)) if isinstance(first, int) else float(np.mean(values))

"""The comparison behind `recsys evaluate`: our model and its baselines on one split, reported once.

Everything is chosen on the validation part: the options of each baseline, and how many epochs our
model trains. Then all of them are trained on training and validation parts together and judged on
the test part: the same users, the same candidates, the same movies left out. Our model goes
through its folder, and queries are those of `recommend`: a user it was trained on by id, a
cold-start user by profile and likes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain, groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys import infer, metrics
from recsys.data.dataset import Dataset
from recsys.data.ids import PADDING, positions, raw_ids
from recsys.data.interactions import hold_out
from recsys.data.schema import profile
from recsys.errors import QueryError, check_choice, check_types, checked, listed_values
from recsys.evaluation import BY_TIME, MOVIES_HELD_OUT, PROTOCOLS
from recsys.evaluation.baselines import QUICK, Baseline, select, tune
from recsys.evaluation.given import coded, groups, known_to, split_given
from recsys.evaluation.problem import DEPTH, LARGEST, Ids, Problem
from recsys.evaluation.splits import split
from recsys.metrics import Interval, PerUser
from recsys.milvus.address import MilvusAddress
from recsys.milvus_store import MilvusStore
from recsys.serving.choice import Choice, contents
from recsys.serving.model_folder import Model
from recsys.train import Trained, finish, fit, save
from recsys.training.options import Options

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
    per_user: dict[str, list[Any]] = {}  # noqa: RUF012  # user_id, and the metrics by name


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
        dataset: is divided as the protocol says; or models to be judged on the test as they are,
            the others beside the first.
        protocol: one of PROTOCOLS.
        seeds: of the splits, the training and the intervals; one table each.
        options: of our model's training.
        test: ratings to be judged on, read with `model=` the dataset or the first model; then all
            of the dataset is trained on.
        likes: the N of few-likes.
        indexes: as `load-movies --index` takes them; none to leave Milvus out.
        uri: a Milvus server, or a file; a temporary file if not given.
        compared: which baselines, as `select` takes them.
        diversity: what `Choice` has of it; a row of our model for each.
        by: attributes of users, or "popularity" of what is held out: our row for each group.
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
        if test is not None:
            data, stages = split_given([*every, test], protocol, seed, log)
        else:
            data, stages = every[0], split(every[0].ratings, protocol, seed, likes)
        choice, final = (Problem(stage, data, protocol) for stage in stages)
        parts = [*groups(final, by)]

        def say(what: str) -> None:
            log(f"{protocol}, seed {seed}: {what}")

        with TemporaryDirectory(prefix="recsys-") as folder:
            judged = [coded(each, data, seed) for each in models]
            if not models:
                say("training")
                ours = trained(final, replace(options or Options(), seed=seed))
                judged = [save(ours, Path(folder) / "model")]
            comparison = Comparison(final, judged[0], say)
            yield from comparison.ours()
            yield from comparison.beside(judged[1:])
            for group, part in parts:
                of_group = Comparison(part, judged[0], say)
                for row in (next(of_group.ours()), *of_group.beside(judged[1:])):
                    yield row._replace(name=f"{row.name}, {group}")
            yield from comparison.diverse(diversity)
            yield from comparison.baselines(chosen, choice)
            yield from comparison.through(indexes, uri)

    return chain.from_iterable(map(rows, dict.fromkeys(seeds)))


class Comparison:
    """Our model, `trained` for a problem, and the rows of all that is judged on its test part."""

    def __init__(
        self, problem: Problem, model: Model, log: Callable[[str], None] = lambda _: None
    ) -> None:
        self.problem, self.model, self.log = problem, model, log
        self.seed: int = model.config["options"]["seed"]
        movies = problem.dataset.movies
        movies = movies[positions(movies.ids, problem.movie_ids)]
        self.movies = infer.catalogue(self.model, movies)
        self.exact = self.lists("relevance")
        self.served = self._judged(self.exact)
        if problem.dataset.scale.rated:
            self.served |= problem.errors(self.predicted)

    def queries(self, user_ids: Ids) -> list[infer.UserQuery]:
        """Users by id, or where the model does not know them by profile and likes or history."""
        known = self.model.vocabulary.user_rows(user_ids) > 0
        users = self.problem.dataset.users[self.problem.rows(user_ids)]
        rated: dict[int, list[tuple]] = {user: [] for user in user_ids.tolist()}
        columns = (column.tolist() for column in vars(self.problem.stage.fold_in).values())
        for user, *rating in zip(*columns, strict=True):
            rated.get(user, []).append(tuple(rating))
        queries, names = [], {each.name for each in self.model.vocabulary.users}
        for (user, history), in_model, rows in zip(rated.items(), known, users.rows, strict=True):
            described = profile(users.attributes, rows)
            attributes = {name: each for name, each in described.items() if name in names}
            query = infer.UserQuery(user if in_model else None, attributes=attributes)
            if self.problem.protocol == "few-likes":  # bare likes, without ratings and times
                query = query._replace(likes=tuple(movie for movie, *_ in history))
            else:
                query = query._replace(rated=tuple(history))
            queries.append(query)
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

    def ours(self) -> Iterator[Row]:
        """Our model as it is served, and ranked in its other ways."""
        row = self._row(OURS, f"epoch {self.model.config['epoch']}", self.served, self.exact)
        yield row._replace(behind=None, rmse_behind=None)
        if self.problem.dataset.scale.rated:
            yield self._ranked(BY_RATING, "", self.lists("rating"))
            yield self._ranked(TUTORIAL, "", self.lists("tutorial"))

    def beside(self, models: Iterable[Model]) -> Iterator[Row]:
        """Other models of the same ids, as they are served."""
        for model in models:
            other = Comparison(self.problem, model)
            epoch = f"epoch {model.config['epoch']}"
            yield self._row(model.path.name, epoch, other.served, other.exact)

    def diverse(self, settings: Sequence[float]) -> Iterator[Row]:
        """Our model as `recommend -k 10` lists it with each of these for its diversity."""
        if not settings:
            return
        users = self.vectors(self.problem.user_ids, "relevance")
        rows = map(self.problem.excluded, (slice(row, row + 1) for row in range(len(users))))
        exclude = [self.problem.movie_ids[each[0]] for each in rows]
        for setting in settings:
            choice = Choice(diversity=setting)
            pool = self.movies.search(users, choice.pools(10)[0], exclude=exclude, with_movies=True)
            ten = choice.of(pool, 10, self.model).movie_ids
            lists = np.pad(ten, ((0, 0), (0, DEPTH - 10)), constant_values=PADDING)
            judged = {n: each for n, each in self._judged(lists).items() if n.endswith("@10")}
            yield self._row(OURS, f"diversity {setting:g}", judged, lists)

    def distance(self, lists: NDArray[np.int64]) -> PerUser:
        """distance@10: 1 - the mean cosine of two movies of a list, as diversity takes it."""
        columns = positions(self.movies.ids, lists[:, :10])
        listed = columns >= 0
        vectors = self._contents[columns] * listed[..., None]  # (E, 10, G + T)
        counts = listed.sum(axis=1) * 1.0
        alike = np.square(vectors.sum(axis=1)).sum(axis=1) - np.square(vectors).sum(axis=(1, 2))
        pairs = counts * (counts - 1)
        return PerUser(pairs - alike, pairs)

    @cached_property
    def _contents(self) -> NDArray[np.float32]:
        return contents(self.movies, self.model)

    def baselines(self, chosen: Iterable[Baseline], choice: Problem) -> Iterator[Row]:
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
                yield self._row(baseline.name, words, self.problem.errors(fitted))
            else:
                yield self._ranked(baseline.name, words, self.problem.best(fitted))

    def through(self, indexes: Sequence[str], uri: str = "") -> Iterator[Row]:
        """Our model asked through Milvus user by user, as `recommend` does, by each index.

        Args:
            indexes: as `load-movies --index` takes them.
            uri: a Milvus server or file; a temporary one if not given.

        Raises:
            StoreError: whatever goes wrong in Milvus.
        """
        if not indexes:
            return
        queries = self.vectors(self.problem.user_ids, "relevance")
        with (
            TemporaryDirectory(prefix="recsys-") as folder,
            MilvusStore(
                MilvusAddress(uri or f"{folder}/evaluate.db", collection="recsys_evaluate")
            ) as store,
        ):
            for index in indexes:
                self.log(f"through {index}")
                store.publish(self.movies, self.model.fingerprint, index=index, keep=0)
                used = store.open(self.model.fingerprint).index
                lists = []
                for user in (slice(row, row + 1) for row in range(len(queries))):
                    exclude = [self.problem.movie_ids[self.problem.excluded(user)[0]]]
                    lists.append(store.search(queries[user], DEPTH, exclude=exclude).movie_ids)
                returned = np.concatenate(lists).astype(np.int64)
                more = {"overlap@10": metrics.overlap(self.exact, returned)}
                yield self._ranked(IN_MILVUS, str(used), returned, **more)

    def _ranked(self, name: str, chosen: str, lists: NDArray[np.int64], **more: PerUser) -> Row:
        return self._row(name, chosen, self._judged(lists) | more, lists)

    def _judged(self, lists: NDArray[np.int64]) -> dict[str, PerUser]:
        return self.problem.judged(lists) | {"distance@10": self.distance(lists)}

    def _row(
        self,
        name: str,
        chosen: str,
        by_user: dict[str, PerUser],
        lists: NDArray[np.int64] | None = None,
    ) -> Row:
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
            None if lists is None else self.problem.coverage(lists),
            behind,
            rmse_behind,
            len(self.problem.user_ids),
            self.problem.left_out,
            self._per_user(by_user),
        )

    def _per_user(self, by_user: dict[str, PerUser]) -> dict[str, list[Any]]:
        """Columns of a table of the users of the test part: those ranked for, or who rated."""
        users = np.unique(self.problem.stage.test.user_ids)
        ranked = positions(self.problem.user_ids, users)
        found: dict[str, list[Any]] = {
            "user_id": raw_ids(users, self.problem.dataset.user_names).tolist()
        }
        for name, metric in by_user.items():
            values = metric.each
            if name not in ("rmse", "mae"):
                values = [values[row] if row >= 0 else None for row in ranked]
            found[name] = values
        return found


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
    dataset = replace(dataset, users=users, movies=movies)
    latest = problem.protocol in BY_TIME
    held_out = hold_out(ratings, HELD_OUT, options.seed, latest).chosen
    first = fit(dataset, ratings[~held_out], options, ratings[held_out])
    return finish(first, dataset, ratings)


def mean(rows: Iterable[Row]) -> list[Row]:
    """The mean over seeds, of the intervals' ends too, of each row of the table; seed -1."""
    by_seed = [list(same) for _, same in groupby(rows, lambda row: row.seed)]
    return [
        same[0]._replace(
            seed=-1,
            per_user={},
            chosen=" | ".join(dict.fromkeys(row.chosen for row in same)),
            metrics={name: _mean([row.metrics[name] for row in same]) for name in same[0].metrics},
            users=round(_mean([row.users for row in same])),
            left_out=round(_mean([row.left_out for row in same])),
            **{
                name: _mean([getattr(row, name) for row in same])
                for name in ("coverage", "behind", "rmse_behind")
            },
        )
        for same in zip(*by_seed, strict=True)
    ]


def _mean(values: Sequence[Any]) -> Any:
    """Of numbers or intervals; None of none."""
    if values[0] is None:
        return None
    means = np.mean(values, axis=0).tolist()
    return Interval(*means) if isinstance(means, list) else means

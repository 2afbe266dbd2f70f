"""What is judged where nothing is to be held out: ratings of a split of one's own, trained models.

Train and test are read one by one, so their ids are brought together here; and what a model knows
of its users takes the place of the data it was trained on.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Dataset, Movies, Ratings, Users, of_kind
from recsys.data.ids import in_order, positions, raw_ids
from recsys.data.ids import parts as attribute_parts
from recsys.data.scale import LIKED, Scale
from recsys.errors import DataError, QueryError, quoted
from recsys.evaluation.problem import Problem
from recsys.evaluation.splits import Split, split
from recsys.serving.model_folder import Model

POPULARITY, ACTIVITY = "popularity", "activity"  # in GROUPS of a third of the ratings each
GENRE, DECADE = "genre", "decade"  # of movies
GROUPS = ("high", "middle", "low")


def known_to(model: Model) -> Dataset:
    """The data that a model keeps: users, movies and who rated what, their codes the rows."""
    known, history = model.vocabulary, model.history
    rows = (history.owners - 1).astype(np.int32), history.indices - 1
    ratings = Ratings(*rows, history.values, history.times)
    users = Users(np.arange(len(known.user_ids)), model.attributes[1:], known.users)
    movies = replace(model.movies, ids=np.arange(len(known.movie_ids)))
    names = known.user_ids, known.movie_ids
    return Dataset(model.path.name, users, movies, ratings, *names, model.scale)


def split_given(
    datasets: Sequence[Dataset],
    protocol: str,
    seed: int,
    log: Callable[[str], None] = lambda _: None,
) -> tuple[Dataset, Split]:
    """Datasets in one, and a split of it: all but the last are trained on, the last is the test.

    What several have is as the first has it. The validation part is split off as the protocol says.

    Raises:
        DataError: all ratings of the last are among the others'. QueryError: ids of two kinds.
    """
    first, *others = every = _same_codes(datasets)
    users, movies, vocabulary = first.users, first.movies, first.vocabulary
    for each in others:
        new = each.users[positions(users.ids, each.users.ids) < 0]
        if new.attributes != users.attributes:  # of another model
            new = Users.of(new.ids, attributes=users.attributes)
        ids, rows = np.append(users.ids, new.ids), np.append(users.rows, new.rows, axis=0)
        users = Users(ids, rows, users.attributes)
        more = each.movies[positions(movies.ids, each.movies.ids) < 0]
        movies = Movies.joined([movies, replace(more, columns=vocabulary.columns(more))])
    train, test = Ratings.joined([each.ratings for each in every[:-1]]), every[-1].ratings
    train = train[np.unique(_pairs(train), return_index=True)[1]]
    again, name = np.isin(_pairs(test), _pairs(train)), every[-1].name
    if again.all():
        cause = f"{name}: all of its ratings are among those trained on"
        raise DataError(cause, "name ratings that are not", "test")
    if again.any():
        log(f"{name}: {again.sum():,} ratings are among those trained on: left out")
    whole = replace(first, name=name, users=users, movies=movies, ratings=train)
    return whole, split(train, protocol, seed, test=test[~again])


def _same_codes(datasets: Sequence[Dataset]) -> list[Dataset]:
    """Datasets in which a code stands for the same id; of text, if the first has text."""
    every = list(datasets)
    for side in ("user", "movie"):
        raw = [
            raw_ids(getattr(each, f"{side}s").ids, getattr(each, f"{side}_names")) for each in every
        ]
        known = in_order(np.concatenate([of_kind(ids, raw[0], side) for ids in raw]))
        every = [_with_codes(each, side, known) for each in every]
    return every


def _with_codes(dataset: Dataset, side: str, known: NDArray) -> Dataset:
    """A dataset whose codes of users or movies are positions among ids."""
    names, frame, column = f"{side}_names", f"{side}s", f"{side}_ids"
    described, ratings = getattr(dataset, frame), dataset.ratings

    def code(codes: NDArray) -> NDArray[np.int32]:
        ids = of_kind(raw_ids(codes, getattr(dataset, names)), known, side)
        return positions(known, ids).astype(np.int32)

    changed: dict[str, Any] = {column: code(getattr(ratings, column))}
    changed = {"ratings": replace(ratings, **changed), names: known}
    return replace(dataset, **changed, **{frame: replace(described, ids=code(described.ids))})


def coded(model: Model, dataset: Dataset) -> Model:
    """A model whose ids are the codes of a dataset, and whose ratings are as it learned them.

    Raises:
        QueryError: its ratings have another scale than the dataset's.
    """
    if model.scale != dataset.scale:
        cause = f"{model.path}: learned from ratings of another scale"
        raise QueryError(cause, "compare models of the same ratings", "compare")
    known = model.vocabulary
    users: Any = dataset.user_names
    movies: Any = dataset.movie_names
    user_ids = positions(users, of_kind(known.user_ids, users, "user"))
    movie_ids = positions(movies, of_kind(known.movie_ids, movies, "movie"))
    config = {**model.config, "scale": Scale(rated=model.scale.rated).to_json()}
    config.pop("since_training", None)
    vocabulary = replace(known, user_ids=user_ids, movie_ids=movie_ids)
    return Model(config, vocabulary, replace(model.movies, ids=movie_ids), model.arrays, model.path)


def groups(problem: Problem, by: Sequence[str]) -> Iterator[tuple[str, str, Problem]]:
    """A problem in parts, each with what it is by and its name: what is held out of some.

    Args:
        by: attributes of users, or ACTIVITY of theirs, or POPULARITY, GENRE or DECADE of movies.
            Groups in which nothing is liked are left out.

    Raises:
        QueryError: users have no such attribute, or movies no genres or years.
    """
    stage, users, movies = problem.stage, problem.dataset.users, problem.dataset.movies
    test, vocabulary = stage.test, problem.dataset.vocabulary
    user, movie = problem.rows(test.user_ids), positions(movies.ids, test.movie_ids)
    slots = {each.name: (each, of) for each, of in attribute_parts(users.attributes, users.rows)}
    decades, values = movies.years // 10 * 10, dict[int, str]()
    for name in by:
        if name == POPULARITY:
            counts = problem.matrix(stage.train).getnnz(axis=0)
            rows: NDArray = thirds(counts)[positions(problem.movie_ids, test.movie_ids), None]
            values = dict(enumerate(GROUPS))
        elif name == ACTIVITY:
            counts = np.bincount(problem.rows(stage.seen.user_ids), minlength=len(users))
            rows, values = thirds(counts)[user, None], dict(enumerate(GROUPS))
        elif name == GENRE and vocabulary.genres:
            rows = vocabulary.genre_rows(movies.genres)[movie]  # (N, W)
            values = dict(enumerate(vocabulary.genres, 1))
        elif name == DECADE and decades.any():
            rows = decades[movie, None]
            values = {each: f"{each}s" for each in np.unique(decades[decades > 0]).tolist()}
        elif name in slots:
            attribute, slot = slots[name]
            rows = slot[user]  # (N, W)
            values = {n: attribute.value(n) for n in range(1, attribute.size + 1)} | {0: "unknown"}
        else:
            cause = f"no groups by {quoted(name)}: users have no such attribute"
            there = ", ".join((POPULARITY, ACTIVITY, GENRE, DECADE, *slots))
            raise QueryError(cause, f"name one of {there}", "by")
        for value, label in values.items():
            part = test[(rows == value).any(axis=1)]
            if (part.values >= LIKED).any():
                yield name, label, replace(problem, stage=stage._replace(test=part))


def thirds(counts: NDArray[np.integer]) -> NDArray[np.int64]:
    """(N,) 0 of those with most, 1 of the next, 2 of the least: a third of all counts each."""
    order = np.argsort(-counts, kind="stable")
    third = np.empty(len(order), np.int64)
    before = np.cumsum(counts[order]) - counts[order]
    third[order] = np.minimum(3 * before // max(1, counts.sum()), 2)
    return third


def _pairs(ratings: Ratings) -> NDArray[np.int64]:
    return ratings.user_ids.astype(np.int64) << 32 | ratings.movie_ids

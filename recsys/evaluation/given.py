"""What is judged where nothing is to be held out: ratings of a split of one's own, trained models.

Train and test are read one by one, so their ids are brought together here; and what a model knows
of its users takes the place of the data it was trained on.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Dataset, Movies, Ratings, Users, of_kind
from recsys.data.ids import MAX_CODE, in_order, is_text, positions, raw_ids
from recsys.data.ids import parts as attribute_parts
from recsys.data.scale import LIKED, Scale
from recsys.errors import DataError, QueryError, quoted
from recsys.evaluation.problem import Problem
from recsys.evaluation.splits import Split, split
from recsys.serving.model_folder import Model

POPULARITY = "popularity"  # of the movies held out, in GROUPS of a third of the ratings each
GROUPS = ("high", "middle", "low")


def known_to(model: Model) -> Dataset:
    """The data that a model keeps, with raw ids: users, movies and who rated what."""
    known, history = model.vocabulary, model.history
    ratings = Ratings(
        known.user_ids[history.owners - 1],
        known.movie_ids[history.indices - 1],
        np.asarray(history.values),
        np.asarray(history.times),
    )
    users = Users(known.user_ids, np.asarray(model.attributes[1:]), known.users)
    movies = replace(model.movies, columns=known.columns(model.movies))
    return Dataset(model.path.name, users, movies, ratings, scale=model.scale)


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
    first = datasets[0]
    every = [_raw(each, first) for each in datasets]
    users, movies = every[0].users, every[0].movies
    for each in every[1:]:
        new = each.users[positions(users.ids, each.users.ids) < 0]
        ids, rows = ([getattr(side, name) for side in (users, new)] for name in ("ids", "rows"))
        users = Users(np.concatenate(ids), np.concatenate(rows), users.attributes)
        movies = Movies.joined([movies, each.movies[positions(movies.ids, each.movies.ids) < 0]])
    (user_ids, user_names), (movie_ids, movie_names) = map(_codes, (users.ids, movies.ids))
    *parts, test = (
        replace(
            each.ratings,
            user_ids=user_ids[positions(users.ids, each.ratings.user_ids)].astype(np.int32),
            movie_ids=movie_ids[positions(movies.ids, each.ratings.movie_ids)].astype(np.int32),
        )
        for each in every
    )
    train = Ratings.joined(parts)
    train = train[np.unique(_pairs(train), return_index=True)[1]]
    again = np.isin(_pairs(test), _pairs(train))
    if again.all():
        cause = f"{every[-1].name}: all of its ratings are among those trained on"
        raise DataError(cause, "name ratings that are not", "test")
    if again.any():
        log(f"{every[-1].name}: {again.sum():,} ratings are among those trained on: left out")
    users, movies = replace(users, ids=user_ids), replace(movies, ids=movie_ids)
    names = user_names, movie_names, first.scale
    whole = Dataset(every[-1].name, users, movies, train, *names)
    return whole, split(train, protocol, seed, test=test[~again])


def coded(model: Model, dataset: Dataset, seed: int) -> Model:
    """A model whose ids are the codes of a dataset, and whose ratings are as it learned them.

    Args:
        seed: of the intervals, in place of the training's.

    Raises:
        QueryError: its ratings have another scale than the dataset's.
    """
    if model.scale != dataset.scale:
        cause = f"{model.path}: learned from ratings of another scale"
        raise QueryError(cause, "compare models of the same ratings", "compare")

    def codes(ids: NDArray, names: NDArray | None) -> NDArray:
        return ids if names is None else positions(names, ids)

    known, movies = model.vocabulary, model.movies
    vocabulary = replace(
        known,
        user_ids=codes(known.user_ids, dataset.user_names),
        movie_ids=codes(known.movie_ids, dataset.movie_names),
    )
    movies = replace(movies, ids=vocabulary.movie_ids)
    options = {**model.config["options"], "seed": seed}
    scale = Scale(rated=model.scale.rated).to_json()
    config = {**model.config, "scale": scale, "options": options}
    config.pop("since_training", None)
    return Model(config, vocabulary, movies, model.arrays, model.path)


def groups(problem: Problem, by: Sequence[str]) -> Iterator[tuple[str, Problem]]:
    """A problem in parts: what is held out of some users, or of movies more or less popular.

    Args:
        by: attributes of users, or POPULARITY. Groups in which nothing is liked are left out.

    Raises:
        QueryError: users have no such attribute.
    """
    test, users = problem.stage.test, problem.dataset.users
    slots = {
        each.name: (each, slot) for each, slot in attribute_parts(users.attributes, users.rows)
    }
    for name in by:
        if name == POPULARITY:
            counted = problem.matrix(problem.stage.train).getnnz(axis=0)
            order = np.argsort(-counted, kind="stable")
            before = np.cumsum(counted[order]) - counted[order]
            group = np.zeros(len(order), np.int64)
            group[order] = np.minimum(3 * before // max(1, counted.sum()), 2)
            columns = positions(problem.movie_ids, test.movie_ids)
            masks = {
                label: (group[columns] == n) & (columns >= 0) for n, label in enumerate(GROUPS)
            }
        elif name in slots:
            attribute, slot = slots[name]
            rows = slot[problem.rows(test.user_ids)]  # (N, W)
            values = [*range(1, attribute.size + 1), 0]
            masks = {attribute.value(n) or "unknown": (rows == n).any(axis=1) for n in values}
        else:
            cause = f"no groups by {quoted(name)}: users have no such attribute"
            there = ", ".join((POPULARITY, *slots))
            raise QueryError(cause, f"name one of {there}", "by")
        for label, mask in masks.items():
            liked = mask & (test.values >= LIKED) & np.isin(test.movie_ids, problem.movie_ids)
            if liked.any():
                stage = problem.stage._replace(test=test[mask])
                yield f"{name} {label}", replace(problem, stage=stage)


def _raw(dataset: Dataset, like: Dataset) -> Dataset:
    """A dataset with raw ids for codes, of the kind that another has."""

    def raw(ids: NDArray, side: str) -> NDArray:
        names = getattr(dataset, f"{side}_names")
        ids = ids if is_text(ids) else raw_ids(ids, names)
        other = getattr(like, f"{side}s").ids
        known = other if is_text(other) else raw_ids(other, getattr(like, f"{side}_names"))
        return of_kind(ids, known, side)

    users, movies, ratings = dataset.users, dataset.movies, dataset.ratings
    if users.attributes != like.users.attributes:  # of another model
        users = Users.of(users.ids, attributes=like.users.attributes)
    columns = like.vocabulary.columns(movies)
    return replace(
        dataset,
        users=replace(users, ids=raw(users.ids, "user")),
        movies=replace(movies, ids=raw(movies.ids, "movie"), columns=columns),
        ratings=replace(
            ratings,
            user_ids=raw(ratings.user_ids, "user"),
            movie_ids=raw(ratings.movie_ids, "movie"),
        ),
    )


def _codes(ids: NDArray) -> tuple[NDArray, NDArray | None]:
    """Codes for ids, and what they stand for where that is not themselves."""
    if not is_text(ids) and ids.max(initial=0) <= MAX_CODE and ids.min(initial=0) >= 0:
        return ids, None
    names = in_order(ids)
    return positions(names, ids), names


def _pairs(ratings: Ratings) -> NDArray[np.int64]:
    return ratings.user_ids.astype(np.int64) << 32 | ratings.movie_ids

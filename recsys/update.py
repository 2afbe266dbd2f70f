"""New ratings, users and movies in a trained model, or users out of it, without training.

A user's vector is made of the history and the profile, so a longer history is all that it takes.
What training made of movies stays as it is: one that is new gets its vector from its content, a
user who is new starts as the unknown one. Row r of a table is that of the r-th id in order.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys import parts
from recsys.data.dataset import Dataset, Movies, of_kind
from recsys.data.ids import Id, in_order, positions, raw_ids
from recsys.data.ids import parts as attribute_parts
from recsys.data.interactions import Interactions
from recsys.data.readers.formats import Arrow
from recsys.errors import QueryError
from recsys.preprocess import read_dataset
from recsys.serving.model_folder import Model
from recsys.serving.users import checked_ids


class Update(NamedTuple):
    """A model with what came in, and how much that is."""

    model: Model
    ratings: int  # of pairs of user and movie that the model had none of
    replaced: int  # of pairs whose older rating they replace
    users: int
    movies: int
    profiles: int  # of known users, of whom something else is known now

    def __bool__(self) -> bool:
        """Whether anything came in."""
        return any(self[1:])


def update_model(
    model: Model,
    data: Path | str | Arrow | Dataset,
    log: Callable[[str], None] = lambda line: None,
    **how: Any,
) -> Update:
    """Add ratings, users and movies to a model, in memory; `write_model` writes the result.

    A rating replaces the one that the user gave the same movie before, unless it is older. Answers
    to users whose ratings and attributes stay the same do not change, bit for bit.

    Args:
        model: as `load_model` has it; it stays as it is.
        data: what `read_dataset` takes, on the scale and with the kind of ids of the model; or a
            dataset that it read with `model=model`.
        log: receives what `read_dataset` logs.
        how: further parameters of `read_dataset`.

    Raises:
        DataError: the data are missing or bad. QueryError: its ids are of another kind.

    >>> import recsys
    >>> model = recsys.load_model("sample.model")
    >>> recsys.update_model(model, "data/sample").ratings  # which it was trained on
    0
    """
    if not isinstance(data, Dataset):
        data = read_dataset(data, model=model, log=log, **how)
    known, ratings, names = model.vocabulary, data.ratings, (data.user_names, data.movie_names)
    users, owners = (
        of_kind(raw_ids(codes, names[0]), known.user_ids, "user")
        for codes in (data.users.ids, ratings.user_ids)
    )
    movies, rated = (
        of_kind(raw_ids(codes, names[1]), known.movie_ids, "movie")
        for codes in (data.movies.ids, ratings.movie_ids)
    )
    new_users = users[known.user_rows(users) == 0]
    new_movies = replace(data.movies, ids=movies)[known.movie_rows(movies) == 0]
    grown = _with_movies(model, new_movies) if len(new_movies) else model
    if len(new_users):
        grown = _of_users(grown, in_order(np.concatenate([known.user_ids, new_users])))

    rows, attributes = grown.vocabulary.user_rows(users), np.array(grown.attributes)
    sides = (attribute_parts(known.users, each) for each in (attributes, data.users.rows))
    for (_, ours), (_, theirs) in zip(*sides, strict=True):
        said = theirs[:, 0] > 0
        ours[rows[said]] = theirs[said]
    others = (attributes != grown.attributes).any(1)
    newer = Interactions.build(
        len(grown.vocabulary.user_ids),
        grown.vocabulary.user_rows(owners),
        grown.vocabulary.movie_rows(rated),
        ratings.values,
        ratings.times,
    )
    history, added, replaced = merged(grown.history, newer)
    if same := len(newer.indices) - added - replaced:
        log(f"{same:,} ratings change nothing: the model has them, or later ones of the same pairs")
    profiles = int((others[rows] & (known.user_rows(users) > 0)).sum())
    update = Update(model, added, replaced, len(new_users), len(new_movies), profiles)
    if not update:
        return update
    changed = {"attributes": attributes} if others.any() else {}
    changed |= history._asdict() if added or replaced else {}
    came: dict[str, Any] = dict(zip(Update._fields[1:], update[1:], strict=True))
    came["new_movies"] = new_movies.ids.tolist()
    return update._replace(model=_changed(grown, changed, came))


def forget_users(model: Model, user_ids: Sequence[Id]) -> Model:
    """Remove users from a model, in memory: their ratings, attributes and ids.

    What the vectors of movies learned from them stays until the next training.

    Args:
        model: as `load_model` has it; it stays as it is.
        user_ids: of its users.

    Raises:
        QueryError: a user whom the model does not know.

    >>> import recsys
    >>> model = recsys.load_model("sample.model")
    >>> recsys.forget_users(model, [42])
    <Model sample.model ...: 338 movies, 307 users>
    """
    known = model.vocabulary
    ids = checked_ids(user_ids, known.user_ids, "user")
    rows = known.user_rows(ids)
    if not rows.all():
        cause = f"user {ids[rows.argmin()]} is not one of the {len(known.user_ids)} the model knows"
        raise QueryError(cause, "leave the id out", "user")
    left = np.delete(known.user_ids, rows - 1)
    gone = {"forgotten": len(known.user_ids) - len(left)}
    return _changed(_of_users(model, left), {}, gone)


def merged(before: Interactions, newer: Interactions) -> tuple[Interactions, int, int]:
    """Ratings with newer ones; how many are of new pairs; how many change an older one."""
    rows = np.flatnonzero(newer.counts)  # the others stay as they are
    old, rest = before.take(rows), before.keep(newer.counts[before.owners] == 0)
    some = newer.take(rows)
    now = old.updated(some.owners, *some[1:])
    at = np.searchsorted(now.owners << 32 | now.indices, old.owners << 32 | old.indices)
    replaced = (now.values[at] != old.values) | (now.times[at] != old.times)
    both: Any = zip(rest[1:], now[1:], strict=True)
    owners = np.append(rest.owners, rows[now.owners])
    history = Interactions.build(before.rows - 1, owners, *(np.append(*each) for each in both))
    return history, len(now.indices) - len(old.indices), int(replaced.sum())


def _tables(model: Model, kind: str) -> set[str]:
    """Names of the arrays that have a row per movie, or per user."""
    every = {
        f"{part.name}/{name}"
        for part in parts.PARTS
        for name in (*getattr(part, kind), *(part.slices if kind == "movie_tables" else ()))
    }
    return every & {*model.arrays}


def _of_users(model: Model, user_ids: NDArray) -> Model:
    """A model of those users in their order: whom it does not know is as the unknown user."""
    rows, arrays = np.append(0, model.vocabulary.user_rows(user_ids)), dict(model.arrays)
    for name in _tables(model, "user_tables") | {"history/attributes"}:
        arrays[name] = arrays[name][rows]
    arrays |= {f"history/{name}": each for name, each in model.history.take(rows)._asdict().items()}
    vocabulary = replace(model.vocabulary, user_ids=user_ids)
    return Model(model.config, vocabulary, model.movies, arrays, model.path)


def _with_movies(model: Model, movies: Movies) -> Model:
    """A model with further movies, of which it knows what their content says."""
    known, arrays = model.vocabulary, dict(model.arrays)
    guessed = parts.new_movies(arrays, model.layout, movies, known)
    sides = [replace(each, columns=known.columns(each)) for each in (model.movies, movies)]
    every = Movies.joined(sides)
    movie_ids = in_order(every.ids)
    grown = replace(known, movie_ids=movie_ids)
    rows = np.append(0, known.movie_rows(movie_ids))  # to histories it is the unknown movie
    for name in _tables(model, "movie_tables"):
        arrays[name] = arrays[name][rows]
        if (slice := name.partition("/")[2]) in guessed:
            arrays[name][grown.movie_rows(movies.ids)] = guessed[slice]
    indices = arrays["history/indices"]
    moved = np.append(0, grown.movie_rows(known.movie_ids))
    arrays["history/indices"] = moved[indices].astype(indices.dtype)
    return Model(model.config, grown, every[positions(every.ids, movie_ids)], arrays, model.path)


def _changed(model: Model, history: dict[str, NDArray], came: dict[str, Any]) -> Model:
    """A model with other arrays of its history, that says what came and went since training."""
    arrays = {**model.arrays, **{f"history/{name}": each for name, each in history.items()}}
    before = model.config.get("since_training", {})
    total = {name: before.get(name, type(each)()) + each for name, each in came.items()}
    total["last"] = datetime.now(timezone.utc).isoformat(timespec="seconds")
    config = {**model.config, "since_training": {**before, **total}}
    return Model(config, model.vocabulary, model.movies, arrays, model.path)

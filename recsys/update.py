"""New ratings, users and movies in a trained model, or users out of it, without training.

A user's vector is made of the history and the profile, so a longer history is all that it takes.
What training made of movies stays as it is, and so does what is published: a movie that is new gets
its vector from its content, a user who is new starts as the unknown user. Row r of a table is that
of the r-th id in order, so both get rows between the others, and rows that name movies move along.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys import parts
from recsys.data.dataset import Dataset, Movies, Vocabulary, of_kind
from recsys.data.ids import Id, id_array, in_order, is_text, positions, raw_ids
from recsys.data.ids import parts as attribute_parts
from recsys.data.interactions import Interactions
from recsys.data.readers.formats import Arrow
from recsys.errors import QueryError
from recsys.preprocess import read_dataset
from recsys.serving.model_folder import Model


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
    """A model that knows more ratings, users and movies, in memory; `write_model` writes it.

    A rating of a user and movie that have one replaces it, unless it is older. Users whose ratings
    and attributes stay the same are answered as before, bit for bit.

    Args:
        model: as `load_model` has it; it stays as it is.
        data: what `read_dataset` takes, on the scale and with the kind of ids of the model; or a
            dataset that it read with `model=model`.
        log: gets what `read_dataset` says of the data.
        how: further parameters of `read_dataset`.

    Raises:
        DataError: the data are missing or bad. QueryError: its ids are of another kind.

    >>> import recsys
    >>> model = recsys.load_model("sample.model")
    >>> recsys.update_model(model, "data/sample").ratings  # which it was trained on
    0
    """
    dataset = data
    if not isinstance(dataset, Dataset):
        dataset = read_dataset(dataset, model=model, log=log, **how)
    known, ratings = model.vocabulary, dataset.ratings
    users = of_kind(raw_ids(dataset.users.ids, dataset.user_names), known.user_ids, "user")
    movies = of_kind(raw_ids(dataset.movies.ids, dataset.movie_names), known.movie_ids, "movie")
    new_users = users[known.user_rows(users) == 0]
    new_movies = replace(dataset.movies, ids=movies)[known.movie_rows(movies) == 0]
    vocabulary, arrays, every_movie = _with_rows(model, new_users, new_movies)

    rows, attributes = vocabulary.user_rows(users), np.array(arrays["history/attributes"])
    sides = (attribute_parts(known.users, each) for each in (attributes, dataset.users.rows))
    for (_, ours), (_, theirs) in zip(*sides, strict=True):
        said = theirs[:, 0] > 0
        ours[rows[said]] = theirs[said]
    others = (attributes != arrays["history/attributes"]).any(1)
    if others.any():
        arrays["history/attributes"] = attributes
    newer = Interactions.build(
        len(vocabulary.user_ids),
        vocabulary.user_rows(of_kind(raw_ids(ratings.user_ids, dataset.user_names), users, "user")),
        vocabulary.movie_rows(
            of_kind(raw_ids(ratings.movie_ids, dataset.movie_names), movies, "movie")
        ),
        ratings.values,
        ratings.times,
    )
    before = Interactions(*(arrays[f"history/{name}"] for name in Interactions._fields))
    history, added, replaced = merged(before, newer)
    if same := len(newer.indices) - added - replaced:
        log(f"{same:,} ratings change nothing: the model has them, or later ones of the same pairs")
    arrays |= {f"history/{name}": each for name, each in history._asdict().items()}
    counts = {
        "ratings": added,
        "replaced": replaced,
        "users": len(new_users),
        "movies": len(new_movies),
        "profiles": int((others[rows] & (known.user_rows(users) > 0)).sum()),
    }
    if not any(counts.values()):
        return Update(model, **counts)
    config = _counted(model.config, {**counts, "new_movies": new_movies.ids.tolist()})
    return Update(Model(config, vocabulary, every_movie, arrays, model.path), **counts)


def forget_users(model: Model, user_ids: Sequence[Id]) -> Model:
    """A model without some of its users: their ratings, attributes and ids.

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
    known, ids = model.vocabulary, id_array(user_ids, is_text(model.vocabulary.user_ids))
    rows = known.user_rows(ids)
    if not rows.all():
        cause = f"user {ids[rows.argmin()]} is not one of the {len(known.user_ids)} the model knows"
        raise QueryError(cause, "leave the id out", "user")
    left = np.ones(len(known.user_ids) + 1, bool)
    left[rows] = False
    arrays = dict(model.arrays)
    for name in _tables(model, "user_tables") | {"history/attributes"}:
        arrays[name] = arrays[name][left]
    history = model.history.take(np.flatnonzero(left))
    arrays |= {f"history/{name}": each for name, each in history._asdict().items()}
    vocabulary = replace(known, user_ids=known.user_ids[left[1:]])
    config = _counted(model.config, {"forgotten": int((~left).sum())})
    return Model(config, vocabulary, model.movies, arrays, model.path)


def merged(before: Interactions, newer: Interactions) -> tuple[Interactions, int, int]:
    """Ratings with newer ones of the same rows, in the place of what is of the same pair and older.

    Returns:
        The ratings; how many are of new pairs; how many replace one that says something else.
    """
    wanted = newer.owners << 32 | newer.indices
    pairs = before.owners << 32 | before.indices
    places = np.searchsorted(pairs, wanted)
    there = places < len(pairs)
    there[there] = pairs[places[there]] == wanted[there]
    at = places[there]
    values, times = newer.values[there], newer.times[there]
    other = (before.values[at] != values) | (before.times[at] != times)
    other &= before.times[at] <= times
    if not there.all():
        new = ~there
        grown = [
            np.insert(getattr(before, name), places[new], getattr(newer, name)[new])
            for name in before._fields[1:]
        ]
        added = np.append(0, np.cumsum(np.bincount(newer.owners[new], minlength=before.rows)))
        at = at + np.searchsorted(places[new], at, "right")  # where those are now
        before = Interactions(before.indptr + added, *grown)
    if other.any():
        kept_values, kept_times = np.array(before.values), np.array(before.times)
        kept_values[at[other]], kept_times[at[other]] = values[other], times[other]
        before = before._replace(values=kept_values, times=kept_times)
    return before, int((~there).sum()), int(other.sum())


def _tables(model: Model, kind: str) -> set[str]:
    """Names of the arrays that have a row per movie, or per user."""
    every = {
        f"{part.name}/{name}"
        for part in parts.PARTS
        for name in (*getattr(part, kind), *(part.slices if kind == "movie_tables" else ()))
    }
    return every & {*model.arrays}


def _with_rows(
    model: Model, users: NDArray, movies: Movies
) -> tuple[Vocabulary, dict[str, NDArray], Movies]:
    """A model's vocabulary, arrays and movies with rows for further users and movies.

    Those of users are the unknown user's; those of movies say what their content does, and for
    histories what the unknown movie's do.
    """
    known, arrays, every = model.vocabulary, dict(model.arrays), model.movies
    if len(movies):
        guessed = parts.new_movies(model.arrays, model.layout, movies, known)
        movie_ids, places, moved = _inserted(known.movie_ids, movies.ids)
        for name in _tables(model, "movie_tables"):
            arrays[name] = _spread(arrays[name], moved, len(movie_ids))
            if (slice := name.partition("/")[2]) in guessed:
                arrays[name][places] = guessed[slice]
        indices = arrays["history/indices"]
        arrays["history/indices"] = moved[indices].astype(indices.dtype)
        movies = replace(movies, columns=known.columns(movies))
        both = Movies.joined([replace(every, columns=known.columns(every)), movies])
        every = both[positions(both.ids, movie_ids)]
        known = replace(known, movie_ids=movie_ids)
    if len(users):
        user_ids, _, moved = _inserted(known.user_ids, users)
        for name in _tables(model, "user_tables"):
            arrays[name] = _spread(arrays[name], moved, len(user_ids))
        attributes = _spread(arrays["history/attributes"], moved, len(user_ids))
        counts = _spread(model.history.counts, moved, len(user_ids), fill=0)
        arrays["history/attributes"] = attributes
        arrays["history/indptr"] = np.append(0, np.cumsum(counts))
        known = replace(known, user_ids=user_ids)
    return known, arrays, every


def _inserted(known: NDArray, new: NDArray) -> tuple[NDArray, NDArray[np.intp], NDArray[np.intp]]:
    """All ids in order; the rows of the new ones; and where each row is now, row 0 at 0."""
    every = in_order(np.concatenate([known, new]))
    return every, positions(every, new) + 1, np.append(0, positions(every, known) + 1)


def _spread(table: NDArray, moved: NDArray[np.intp], rows: int, fill: int | None = None) -> NDArray:
    """(rows + 1, ...) a table whose rows moved; the others are as its row 0, or filled."""
    first = table[0] if fill is None else fill
    found = np.empty((rows + 1, *table.shape[1:]), table.dtype)
    found[:] = first
    found[moved] = table
    return found


def _counted(config: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """A config that says what came and went since training, in all, and when last."""
    before = config.get("since_training", {})
    empty = {name: type(each)() for name, each in more.items()}
    total = {name: before.get(name, empty[name]) + each for name, each in more.items()}
    when = {"last": datetime.now(timezone.utc).isoformat(timespec="seconds")}
    return {**config, "since_training": {**before, **total, **when}}

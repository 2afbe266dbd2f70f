"""From files of any kind to a `Dataset`: what was read, what was left out, and why."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Dataset, Movies, Ratings, Users
from recsys.data.ids import MAX_CODE, as_text, in_order, is_text, positions, raw_ids, unique
from recsys.data.readers.cells import Cells, Rejects, Rows
from recsys.data.readers.describe import Understood, checked_columns, movies_of, noted, users_of
from recsys.data.readers.formats import Arrow, Table, first_rows, open_table, source_of
from recsys.data.readers.roles import (
    AGAINST,
    NONE,
    ROLES,
    STRENGTH,
    Columns,
    by_name,
    check_given,
    contents,
    is_of_use,
    matches,
    rating_columns,
)
from recsys.data.readers.sources import files_of, kind_of, no_table, stem
from recsys.data.readers.values import Values, ids
from recsys.data.readers.values import ratings as rating_values
from recsys.data.readers.values import times as time_values
from recsys.data.scale import (
    FIVE_STARS,
    MAX_RATING,
    MIN_RATING,
    OTHER_SCALE,
    Scale,
    are_events,
    are_strengths,
    counted,
    far_off,
    not_rated_of,
    scale_of,
    strengths,
)
from recsys.data.summary import summary
from recsys.errors import DataError, QueryError

if TYPE_CHECKING:
    from recsys.serving.model_folder import Model

OTHER_SHARE = 0.05  # of ratings on another scale, and OTHER_SCALE, are no slips of the pen
REPEATED = {"last": "the last one holds", "sum": "they are summed", "count": "they are counted"}
NOT_RATED = "which is taken for not rated: they are left out; --not-rated none keeps them"
EMPTY = "taken for not rated: they are left out; with --not-rated none they are bad lines"
STRONG = "taken for how strong events are, not for ratings; --liked-from N makes them ratings"

Log = Callable[[str], None]


class Reading(NamedTuple):
    """A dataset without its bad lines, and what was left out and why."""

    dataset: Dataset
    rejects: Rejects
    path: Path  # of the ratings
    duplicates: int  # ratings of a user and movie that have another one
    understood: dict[str, str]  # a table's columns by role
    unused: dict[str, str]  # other columns and files, and why

    def summary(self) -> dict[str, Any]:
        """How the data was understood and what it looks like, as `recsys inspect --json` has it.

        Raises:
            DataError: no rating is left.
        """
        if not len(self.dataset.ratings):
            raise unusable(self.path, self.rejects)
        return {
            "name": self.dataset.name,
            **summary(self.dataset),
            "columns": self.understood,
            "unused": self.unused,
            "bad_lines": len(self.rejects),
            "duplicates": self.duplicates,
            "empty_fields": self.rejects.empty_cells,
            "first_bad_lines": self.rejects.listed(),
        }


def unusable(path: Path, rejects: Rejects) -> DataError:
    """The error when nothing of a file is left."""
    found = f"the bad lines: {rejects.summary()}" if rejects else "none was found"
    cause = f"{path}: no usable line is left, {found}"
    return DataError(cause, "correct the file or name another", "file")


def read_all(
    data: Path | str | Arrow,
    items: Path | str | Arrow | None = None,
    users: Path | str | Arrow | None = None,
    columns: Columns = Columns(),
    *,
    liked_from: float | None = None,
    repeats: str | None = None,
    not_rated: float | str | None = None,
    complete: bool = True,
    model: "Model | Dataset | None" = None,
    log: Log = lambda line: None,
) -> Reading:
    """Read and check everything; bad lines are left out and put down.

    Args:
        liked_from: as `recsys.read_dataset` has it, and what is beside.
        complete: check ratings although some movies or users are bad.
        model: as `recsys.read_dataset` has it.

    Raises:
        DataError: a file is missing or unreadable, or is of a kind that is not supported.
    """
    columns = checked_columns(columns)
    place = source_of(data, "ratings")
    files, unused_files = files_of(place, items, users)
    data = place.path if isinstance(place, Table) else place
    if files["ratings"][1] and any(columns[:-1]):
        raise no_table(data, "ratings")
    rejects = Rejects()
    tables = {kind: open_table(*file) for kind, file in files.items()}
    table = tables["ratings"]
    if items is None and data.is_dir() and (found_items := _items_of(tables, unused_files)):
        tables["items"] = found_items
        log(f"guessed, as its ids say it: movies are of {found_items.path.name} (--items)")
        unused_files.remove(found_items.path)
    if not table.named and kind_of(table.path) == "items":
        cause = f"{table.path}: no table of ratings by its name, and its columns have no names"
        raise QueryError(cause, "name another file, or this one otherwise", "ratings")
    check_given(columns, tables)
    roles, guessed = rating_columns(table, columns)
    ids = {role: name for role in ("user", "item") if (name := columns.of(role))}
    numbers: Any = dict.fromkeys([role for role, name in ids.items() if name.isdecimal()])
    schema = model.vocabulary if model else None
    sides = [*schema.users, *schema.movies] if schema else []
    kinds = {**{each.name: each.kind for each in sides}, **dict(columns.kinds)}
    of_others = columns._replace(**numbers, kinds=tuple(kinds.items()))  # they were of the ratings
    attributes = schema.users if schema else None
    placed = of_others.placed(table.names)
    within = sorted({*table.names} & {placed.title, placed.genres, placed.year})
    if within := [] if "items" in tables else within:  # columns beside the ratings
        of_others, tables["items"] = placed, first_rows(table, roles["item"], within)
    parts: list[tuple[Path, Understood]] = []
    known_movies = known_users = None
    if movies := tables.get("items"):
        bad = Rejects() if within else rejects  # which are of the ratings
        known_movies, part = movies_of(movies, of_others, bad, log, roles["item"])
        parts.append((movies.path, part))
    if people := tables.get("users"):
        known_users, part = users_of(people, of_others, rejects, roles["user"], attributes)
        parts.append((people.path, part))
    if rejects and not complete:  # all ratings of a bad movie would be bad
        raise rejects.error()
    holds = {roles[role]: _NUMBERS[role][0] for role in roles}
    columns_read, rows = table.read(holds, rejects)
    found: dict[str, Values] = {}
    for role, name in roles.items():
        cells = columns_read.pop(name)
        found[role] = _NUMBERS[role][1](cells)
        if role == "rating" and not_rated != NONE and not table.strict and found[role].bad.any():
            empty = cells.empty()
            if (number := int(empty.sum())) >= OTHER_SCALE and number > OTHER_SHARE * len(empty):
                rows.left = rows.mask & ~empty
                log(f"{number:,} ratings are empty, {EMPTY}")
        rows.check(cells, found[role])
    found = rows.settle(found)
    different = {role: unique(found[role].values) for role in ("user", "item")}
    parts.insert(0, (table.path, _understood(rows, roles, found, different, within)))
    why = ("beside the ratings, but not named" if data.is_file()
           else "only ratings, movies and users are read")  # fmt: skip
    understood, unused = noted(parts, columns, {each.name: why for each in unused_files}, log)
    if told := [f"{role} {roles[role]} (--{role}-column)" for role in guessed]:
        log(f"guessed, as no name says it: {', '.join(told)}")
    if known_movies is None:
        movie_ids = raw_ids(different["item"], found["item"].names)
        titles = [f"Item {i}" for i in movie_ids.tolist()]
        known_movies = Movies(movie_ids, titles, [()] * len(movie_ids))
        log(f"{data}: no table of movies, so titles are Item and the id, and genres are unknown")
    if known_users is None:
        user_ids = raw_ids(different["user"], found["user"].names)
        known_users = Users.of(user_ids, attributes=attributes)
        log(f"{data}: no users file, so only ratings are known of users")
    of_users = _coded("user", found["user"], table.path, known_users.ids, people)
    of_movies = _coded("movie", found["item"], table.path, known_movies.ids, movies)
    if movies:
        _check_known(rows, "movie", of_movies)
    if people:
        _check_known(rows, "user", of_users)
    rated = wide = False
    values, times = np.ones(len(rows), np.float32), np.zeros(len(rows), np.int64)
    times = found["time"].values if "time" in found else times
    if "rating" in roles:
        ratings = found["rating"].values
        rated, wide = _meaning(rows, roles["rating"], ratings, not_rated, liked_from, log)
    if model and model.scale.rated:
        if "rating" not in roles:
            cause = f"{table.path}: no column of ratings, and the model learned from ratings"
            raise QueryError(cause, "name it", "rating_column")
        rated, wide = True, False
    strong = wide and liked_from is None
    values = ratings if rated else values
    how = repeats or ("sum" if strong else "last" if rated else "count")
    values, duplicates = _once(rows, of_users, of_movies, values, times, how)
    if duplicates:
        log(f"{duplicates:,} repeated events of a user and an item: {REPEATED[how]}")
    of_events = model is not None and not model.scale.rated
    rated = rated and not strong and how != "count" and not of_events
    if model and model.scale.rated:
        values, scale = _on_scale(rows, values, model.scale), model.scale
    else:
        values, scale = _scaled(rows, values, rated, liked_from, wide or how == "sum")
    if scale != FIVE_STARS or not table.strict:
        log(scale.in_words())
    left = rows.left
    dataset = Dataset(
        data.resolve().name if data.is_dir() else stem(data),
        replace(known_users, ids=of_users.known),
        replace(known_movies, ids=of_movies.known),
        Ratings(of_users.codes[left], of_movies.codes[left], values, times[left]),
        of_users.names,
        of_movies.names,
        scale,
    )
    return Reading(dataset, rejects, table.path, duplicates, understood, unused)


def _items_of(tables: Mapping[str, Table], paths: Sequence[Path]) -> Table | None:
    """The one table that has a row for each id of the ratings, where no name says which it is."""
    ratings = tables["ratings"]
    if ratings.strict or not paths or "items" in tables:
        return None
    roles = by_name(ratings, ROLES, Columns(), contents(ratings))
    item, user = roles.get("item"), roles.get("user")  # which only ratings have
    some = [each for each in map(open_table, paths) if {*each.names} & {item, user} == {item}]
    some = [each for each in some if contents(each)[str(item)].differs]
    return some[0] if len(some) == 1 else None


_NUMBERS: dict[str, tuple[str, Callable[[Cells], Values]]] = {  # what cells hold, and are read by
    "user": ("id", partial(ids, what="user")),
    "item": ("id", partial(ids, what="movie")),
    "rating": ("rating", rating_values),
    "time": ("time", time_values),
}


def _understood(
    rows: Rows,
    roles: Mapping[str, str],
    found: Mapping[str, Values],
    different: Mapping[str, NDArray],
    within: Sequence[str],
) -> Understood:
    """What the log says of a table of ratings; nothing of a family, where all is known."""
    if (table := rows.table).strict:
        return Understood({}, {})
    words = {role: roles.get(role, NONE) for role in ROLES}
    for role, (values, _, _, names, unit) in found.items() if len(rows) else ():
        if role == "rating":
            words[role] += f" {values.min():g}-{values.max():g}"
            words[role] += " (0 is a like)" * matches(AGAINST, roles[role])
        elif role == "time":
            words[role] += f" ({unit})"
        else:
            text = ", text" if names is not None else ""
            words[role] += f" ({len(different[role]):,}{text})"
    first = contents(table) if "rating" not in roles else {}
    return Understood(words, {
        name: "of use if --rating-column names it"
        if name and first and is_of_use(name, first[name]) else "not about a rating"
        for name in table.names if name not in (*roles.values(), *within)
    })  # fmt: skip


class Coded(NamedTuple):
    """Ids of two columns as codes: the ids themselves, or positions among the names of both."""

    codes: NDArray[np.int32]  # (N,)
    known: NDArray[np.int64]  # (K,)
    names: NDArray | None  # as `in_order` has them; None where codes are the ids


def _coded(what: str, ids: Values, path: Path, known: NDArray, beside: Table | None) -> Coded:
    """Ids of the ratings and of the table beside them as codes of one list of names.

    Raises:
        DataError: the ones are numbers, the others text, and hardly any fit.
    """
    codes, names = ids.values, ids.names
    if not len(codes):
        names = known[:0] if is_text(known) else None
    mixed = len(known) > 0 and is_text(known) != (names is not None)
    if names is None:
        if not mixed and max(codes.max(initial=0), known.max(initial=0)) <= MAX_CODE:
            return Coded(codes.astype(np.int32, copy=False), known, None)
        names, codes = np.unique(codes, return_inverse=True)
    if mixed:
        words, others = as_text(names), as_text(known)
        if beside and 2 * np.isin(words, others).sum() < len(words):
            raise DataError(
                f"{path}: {what} ids such as {names.tolist()[0]!r}, in {beside.path} such as "
                f"{known.tolist()[0]!r}: whole numbers in one, text in the other",
                "write them alike in both",
                "file",
            )
        names, known = words, others
    every = in_order(np.concatenate([names, known]))
    found = positions(every, names).astype(np.int32)[codes]
    return Coded(found, positions(every, known).astype(np.int64), every)


def _check_known(rows: Rows, what: str, codes: Coded) -> None:
    """Refuse ratings of movies, or by users, that the table of such lacks."""
    unknown = ~np.isin(codes.codes, codes.known)
    expected = f"expected one that the {what}s file has"
    name = partial(raw_ids, names=codes.names)
    rows.refuse(unknown, lambda i: f"unknown {what} {name(codes.codes[[i]])[0]}, {expected}")


def _once(
    rows: Rows, users: Coded, movies: Coded, values: NDArray, times: NDArray, how: str
) -> tuple[NDArray[np.float32], int]:
    """One rating of each user and movie, and how many others there were.

    Args:
        how: "last" takes the one of the latest time, of equal times the last of the file; "sum" and
            "count" take what they say, where the last one stands.
    """
    values = np.ones(len(values), np.float32) if how == "count" else values
    user, movie = users.codes[rows.left], movies.codes[rows.left]
    if not _repeats(user, movie):
        return values, 0
    left = np.flatnonzero(rows.mask)
    pairs = user.astype(np.int64) << 32 | movie
    order = np.lexsort((times[left], pairs))
    starts = np.flatnonzero(np.append(True, np.diff(pairs[order]) != 0))
    last = left[order[np.append(starts[1:], len(order)) - 1]]
    if how != "last":
        values = values.copy()
        values[last] = np.add.reduceat(values[left][order], starts)
    rows.left = np.zeros(len(values), np.bool_)
    rows.left[last] = True
    return values, len(order) - len(starts)


def _repeats(users: NDArray[np.int32], movies: NDArray[np.int32]) -> bool:
    """Whether some user rates some movie twice; files sorted by both need no sorting."""
    same = users[1:] == users[:-1]
    same &= movies[1:] > movies[:-1]
    same |= users[1:] > users[:-1]
    if same.all():
        return False
    pairs = users.astype(np.int64)
    pairs <<= 32
    pairs |= movies
    pairs.sort()
    return bool((pairs[1:] == pairs[:-1]).any())


def _meaning(
    rows: Rows, name: str, values: NDArray, not_rated: Any, liked: float | None, log: Log
) -> tuple[bool, bool]:
    """Whether values are more than events; and whether they are counts or hours, which say how
    strong those were. Rows whose value says "not rated", as is given or inferred, are left out.

    Raises:
        QueryError: none is more than 0.
    """
    different, counts = counted(values[rows.left])
    column = f"{rows.table.path}: {name}"
    value: Any = not_rated_of(different, counts, column) if not_rated is None else not_rated
    others = different != (np.nan if value in (None, NONE) else float(value))
    wide = matches(STRENGTH, name) or are_strengths(different[others], counts[others])
    if not others.all() and not (wide and not_rated is None and value >= 0):
        rated = values != float(value)
        rows.left, number = rows.mask & rated, int((rows.mask & ~rated).sum())
        different, counts = different[others], counts[others]
        log(f"{number:,} ratings are {value:g}, {NOT_RATED}")
    rated = not are_events(different, counts)
    if len(different) and different[-1] <= 0 and (wide or not rated):
        cause = f"{column}: nothing is more than 0, so nothing is liked"
        raise QueryError(cause, "name another column, or none", "rating_column")
    if wide := wide and rated and len(different) > 0:
        rows.refuse(values < 0, lambda i: f"rating {values[i]:g}, expected 0 or more")
    if wide and liked is None:
        log(f"{name}: {max(different[0], 0):g} to {different[-1]:g}, {STRONG}")
    return rated, wide


def _on_scale(rows: Rows, values: NDArray, scale: Scale) -> NDArray[np.float32]:
    """The ratings that are left as a model of that scale has them; others are bad lines."""
    off = (values < scale.low) | (values > scale.high)
    words = f"expected {scale.low:g} to {scale.high:g}, the scale of the model"
    rows.refuse(off, lambda i: f"rating {values[i]:g}, {words}")
    return scale.inward(values[rows.left])


def _scaled(
    rows: Rows, values: NDArray, rated: bool, liked: float | None, wide: bool
) -> tuple[NDArray[np.float32], Scale]:
    """The ratings that are left as the model has them, and their scale; or strengths of events.

    MovieLens' scale is 0.5 to 5 in half steps; the few ratings that are none of these are bad
    lines. Where many are not, or values are `wide` as sums and counts are, the scale is what the
    ratings span, but for slips far off it.

    Raises:
        DataError: nothing, or everything, would be liked.
    """
    left = values[rows.left]
    if not rated:
        return strengths(left), Scale(rated=False)
    different, counts = counted(left)
    fits = (different >= MIN_RATING) & (different <= MAX_RATING)
    fits &= np.rint(2 * different) == 2 * different
    others, words = int(counts[~fits].sum()), "expected 0.5 to 5 in steps of a half"
    if (others >= OTHER_SCALE and others > OTHER_SHARE * len(left)) or (
        others and (wide or different[0] < different[-1] <= 1)
    ):
        words = "expected a finite number"
        fits = np.ones(len(different), np.bool_)
        if not wide and len(different) > 1 and (far := far_off(different, counts)).any():
            fits, span = ~far, different[~far]
            words = f"expected {span[0]:g} to {span[-1]:g} as the others are"
    if counts[fits].sum() < len(left):
        good = np.isin(left, different[fits])
        bad = np.zeros(len(values), np.bool_)
        bad[rows.left] = ~good
        rows.refuse(bad, lambda i: f"rating {values[i]:g}, {words}")
        left = left[good]
    if not len(left):
        return left, Scale()
    scale = scale_of(different[fits], counts[fits], liked)
    if liked is not None and not 0 < (share := (left >= liked).mean()) < 1:
        raise QueryError(
            f"{rows.table.path}: {'every' if share else 'no'} rating is {liked:g} or more, they "
            f"are {left.min():g} to {left.max():g}",
            "say another from which on a rating is a like",
            "liked_from",
        )
    return scale.inward(left), scale

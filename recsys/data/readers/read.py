"""From files of any kind to a `Dataset`: what was read, what was left out, and why."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data import scale as scales
from recsys.data.dataset import Dataset, Movies, Ratings, Users
from recsys.data.ids import MAX_CODE, as_text, in_order, is_text, positions, raw_ids, unique
from recsys.data.interactions import by_pair
from recsys.data.readers import roles as names_of
from recsys.data.readers import values as numbers_of
from recsys.data.readers.cells import Cells, Notes, Rows
from recsys.data.readers.describe import checked_columns, movies_of, users_of
from recsys.data.readers.formats import Arrow, Table, open_table, source_of
from recsys.data.readers.roles import NONE, ROLES, Columns
from recsys.data.readers.sources import files_of, kind_of, no_table
from recsys.data.readers.text import unpacked
from recsys.data.scale import OTHER_SCALE, Scale
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
Names = Mapping[str, NDArray | None]  # of ids that are text, by role


class Reading(NamedTuple):
    """A dataset without its bad lines, and what was left out and why."""

    dataset: Dataset
    notes: Notes
    path: Path  # of the ratings
    duplicates: int  # ratings of a user and movie that have another one

    def summary(self) -> dict[str, Any]:
        """How the data was understood and what it looks like, as `recsys inspect --json` has it."""
        if not len(self.dataset.ratings):
            raise unusable(self.path, self.notes)
        return {
            "name": self.dataset.name,
            **summary(self.dataset),
            "columns": self.notes.roles,
            "unused": self.notes.unused,
            "bad_lines": len(self.notes),
            "duplicates": self.duplicates,
            "empty_fields": self.notes.empty_cells,
            "first_bad_lines": self.notes.listed(),
        }


def unusable(path: Path, notes: Notes) -> DataError:
    """The error when nothing of a file is left."""
    found = f"the bad lines: {notes.summary()}" if notes else "none was found"
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
    """Read and check everything, as `recsys.read_dataset` has it; bad lines are put down.

    Ratings are checked although some movies or users are bad only if that is to be `complete`.
    """
    columns = checked_columns(columns)
    place = source_of(data, "ratings")
    files, unused_files = files_of(place, items, users)
    data = place.path if isinstance(place, Table) else place
    if files["ratings"][1] and any(columns[:-1]):
        raise no_table(data, "ratings")
    notes = Notes(log)
    tables = {kind: open_table(*file) for kind, file in files.items()}
    table = tables["ratings"]
    if items is None and data.is_dir() and (found := _items_of(tables, unused_files)):
        tables["items"] = found
        log(f"guessed, as its ids say it: movies are of {found.path.name} (--items)")
        unused_files.remove(found.path)
    if not table.named and kind_of(table.path) == "items":
        cause = f"{table.path}: no table of ratings by its name, and its columns have no names"
        raise QueryError(cause, "name another file, or this one otherwise", "ratings")
    names_of.check_given(columns, tables)
    roles, guessed = names_of.rating_columns(table, columns)
    schema = model.vocabulary if model else None
    known = [*schema.users, *schema.movies] if schema else []
    kinds: dict[str, str] = {each.name: each.kind for each in known} | dict(columns.kinds)
    both = [None if (name or "").isdecimal() else name for name in columns[:2]]  # of these ratings
    of_others = columns._replace(user=both[0], item=both[1], kinds=tuple(kinds.items()))
    placed = of_others.placed(table.names)
    within = sorted({*table.names} & {placed.title, placed.genres, placed.year})
    if within := [] if "items" in tables else within:  # columns beside the ratings
        of_others, tables["items"] = placed, replace(table, names=(roles["item"], *within))
    movies = people = None
    if "items" in tables:
        movies = movies_of(tables["items"], of_others, notes, roles["item"], bool(within))
    if "users" in tables:
        attributes = schema.users if schema else None
        people = users_of(tables["users"], of_others, notes, roles["user"], attributes)
    if notes and not complete:  # all ratings of a bad movie would be bad
        raise notes.error()
    rows, names, ids = _read_ratings(table, roles, within, notes, not_rated)
    why = "beside the ratings, but not named"
    why = why if data.is_file() else "only ratings, movies and users are read"
    notes.unused |= {each.name: why for each in unused_files}
    notes.tell(columns.kinds)
    if told := [f"{role} {roles[role]} (--{role}-column)" for role in guessed]:
        log(f"guessed, as no name says it: {', '.join(told)}")
    if movies is None:
        movies = Movies(ids["item"], [f"Item {i}" for i in ids["item"]], [()] * len(ids["item"]))
        log(f"{data}: no table of movies, so titles are Item and the id, and genres are unknown")
    if people is None:
        people = Users.of(ids["user"], attributes=schema.users if schema else None)
        log(f"{data}: no users file, so only ratings are known of users")
    ours = (schema.movie_ids, schema.user_ids) if schema else (None, None)
    movie_ids, movie_names = _coded(rows, "item", names, movies.ids, tables, ours[0])
    user_ids, user_names = _coded(rows, "user", names, people.ids, tables, ours[1])
    scale = model.scale if model else None
    if "rating" not in roles and scale and scale.rated:
        cause = f"{table.path}: no column of ratings, and the model learned from ratings"
        raise QueryError(cause, "name it", "rating_column")
    rated, wide = False, False
    if "rating" in roles:
        rated, wide = _meaning(rows, roles["rating"], not_rated, liked_from)
    if scale and scale.rated:
        rated, wide = True, False
    strong = wide and liked_from is None
    how = repeats or ("sum" if strong else "last" if rated else "count")
    if not rated or how == "count":
        rows.columns["rating"] = np.ones(len(rows), np.float32)
    rows.columns.setdefault("time", np.zeros(len(rows), np.int64))
    if duplicates := _drop_repeats(rows, how):
        log(f"{duplicates:,} repeated events of a user and an item: {REPEATED[how]}")
    if not (scale and scale.rated) and (scale or not rated or strong or how == "count"):
        scale = Scale(rated=False)
        rows.columns["rating"] = scales.strengths(rows.columns["rating"])
    else:
        scale = _on_scale(rows, scale, liked_from, wide or how == "sum")
    if scale != scales.FIVE_STARS or not table.strict:
        log(scale.in_words())
    dataset = Dataset(
        data.resolve().name if data.is_dir() else unpacked(data).stem,
        replace(people, ids=user_ids),
        replace(movies, ids=movie_ids),
        Ratings(*(rows.columns[role] for role in ROLES)),
        user_names,
        movie_names,
        scale,
    )
    return Reading(dataset, notes, table.path, duplicates)


def _items_of(tables: Mapping[str, Table], paths: Sequence[Path]) -> Table | None:
    """The one table that has a row for each id of the ratings, where no name says which it is."""
    ratings = tables["ratings"]
    if ratings.strict or not paths or "items" in tables:
        return None
    roles = names_of.by_name(ratings, ROLES, Columns())
    item, user = roles.get("item"), roles.get("user")  # which only ratings have
    some = [each for each in map(open_table, paths) if {*each.names} & {item, user} == {item}]
    some = [each for each in some if each.first[str(item)].differs]
    return some[0] if len(some) == 1 else None


_READ_BY: dict[str, Callable[[Cells], numbers_of.Values]] = {
    "user": partial(numbers_of.ids, what="user"),
    "item": partial(numbers_of.ids, what="movie"),
    "rating": numbers_of.ratings,
    "time": numbers_of.times,
}


def _read_ratings(
    table: Table, roles: Mapping[str, str], within: Sequence[str], notes: Notes, not_rated: Any
) -> tuple[Rows, Names, dict[str, NDArray]]:
    """The good rows, with columns of numbers by role; names of ids that are text; different ids.

    What the columns are is noted, but for those `within` the table that are of movies.
    """
    holds = {name: "id" if role in ("user", "item") else role for role, name in roles.items()}
    columns, rows = table.read(holds, notes)
    left, names, unit = np.ones(len(rows), np.bool_), {}, ""
    for role, name in roles.items():
        cells = columns.pop(name)
        rows.columns[role], bad, expected, names[role], unit = _READ_BY[role](cells)
        if not bad.any():
            continue
        if role == "rating" and not_rated != NONE and not table.strict:
            empty = cells.empty()
            if (number := int(empty.sum())) >= OTHER_SCALE and number > OTHER_SHARE * len(empty):
                left &= ~empty
                notes.log(f"{number:,} ratings are empty, {EMPTY}")
        rows.note_cells(cells, bad & left, expected)
        left &= ~bad
    rows.keep(left)
    ids = {role: raw_ids(unique(rows.columns[role])[0], names[role]) for role in ("user", "item")}
    if table.strict:  # the columns that a family does not name are no surprise
        return rows, names, ids
    words = {role: roles.get(role, NONE) for role in ROLES}
    if len(rows):
        words |= {r: f"{words[r]} ({len(n):,}{', text' * is_text(n)})" for r, n in ids.items()}
        words["time"] += f" ({unit})" * ("time" in roles)  # which are the last
    if len(rows) and "rating" in roles:
        values = rows.columns["rating"]
        words["rating"] += f" {values.min():g}-{values.max():g}"
        words["rating"] += " (0 is a like)" * names_of.matches(names_of.AGAINST, roles["rating"])
    notes.roles = words | notes.roles
    others = [name for name in table.names if name not in (*roles.values(), *within)]
    notes.names += others
    for name in others:
        of_use = "rating" not in roles and name and names_of.is_of_use(name, table.first[name])
        why = "of use if --rating-column names it" if of_use else "not about a rating"
        notes.unused[f"{name or 'a column without a name'} of {table.path.name}"] = why
    return rows, names, ids


def _coded(
    rows: Rows, role: str, text: Names, known: NDArray, tables: Mapping[str, Table], ours: Any
) -> tuple[NDArray[np.int64], NDArray | None]:
    """Make codes of the ids of the ratings; refuse those that neither the table nor a model has.

    Returns:
        The codes of what is known; and the names that codes are positions among, those of both
        tables `in_order`, or None where the ids themselves are codes.
    """
    what, codes, every = "movie" if role == "item" else role, rows.columns[role], None
    names, beside = text[role], tables.get(f"{role}s")
    if not len(codes):
        names = known[:0] if is_text(known) else None
    mixed = len(known) > 0 and is_text(known) != (names is not None)
    if names is None and (mixed or max(codes.max(initial=0), known.max(initial=0)) > MAX_CODE):
        names, codes = np.unique(codes, return_inverse=True)
    if mixed and names is not None:
        words, others = as_text(names), as_text(known)
        if beside and 2 * np.isin(words, others).sum() < len(words):
            one, other = names.tolist()[0], known.tolist()[0]
            cause = f"{rows.path}: {what} ids such as {one!r}, in {beside.path} such as {other!r}"
            cause += ": whole numbers in one, text in the other"
            raise DataError(cause, "write them alike in both", "file")
        names, known = words, others
    if names is not None:
        every = in_order(np.concatenate([names, known]))
        codes, known = positions(every, names)[codes], positions(every, known).astype(np.int64)
    rows.columns[role] = codes = codes.astype(np.int32, copy=False)
    if beside:
        expected = f"expected one that the {what}s file{' or the model' * (ours is not None)} has"
        name, unknown = partial(raw_ids, names=every), ~np.isin(codes, known)
        if ours is not None and unknown.any():
            unknown[unknown] = ~np.isin(as_text(name(codes[unknown])), as_text(ours))
        rows.refuse(unknown, lambda i: f"unknown {what} {name(codes[[i]])[0]}, {expected}")
    return known, every


def _drop_repeats(rows: Rows, how: str) -> int:
    """Leave the last rating of each user and movie, or the sum of all; how many others there were.

    The last one is of the latest time, of equal times the last of the file.
    """
    users, movies, values, times = (rows.columns[role] for role in ROLES)
    ascends = (users[1:] == users[:-1]) & (movies[1:] > movies[:-1])
    if (ascends | (users[1:] > users[:-1])).all():  # files sorted by both need no sorting
        return 0
    pairs = np.sort(users.astype(np.int64) << 32 | movies)
    if (pairs[1:] > pairs[:-1]).all():
        return 0
    order, last = by_pair(users, movies, times)
    if how != "last":
        rows.columns["rating"] = values = values.copy()
        starts = np.flatnonzero(np.append(True, last[:-1]))
        values[order[last]] = np.add.reduceat(values[order], starts)
    left = np.zeros(len(rows), np.bool_)
    left[order[last]] = True
    rows.keep(left)
    return len(order) - len(rows)


def _meaning(rows: Rows, name: str, not_rated: Any, liked: float | None) -> tuple[bool, bool]:
    """Whether values are more than events; and whether they are counts or hours, which say how
    strong those were. Rows whose value says "not rated", as is given or inferred, are left out.
    """
    different, counts = scales.counted(rows.columns["rating"])
    column = f"{rows.path}: {name}"
    value: Any = not_rated
    if value is None:
        value = scales.not_rated_of(different, counts, column)
    others = different != (np.nan if value in (None, NONE) else float(value))
    wide = names_of.matches(names_of.STRENGTH, name) or scales.are_strengths(
        different[others], counts[others]
    )
    if not others.all() and not (wide and not_rated is None and value >= 0):
        rows.notes.log(f"{counts[~others][0]:,} ratings are {value:g}, {NOT_RATED}")
        rows.keep(rows.columns["rating"] != float(value))
        different, counts = different[others], counts[others]
    rated = not scales.are_events(different, counts)
    if len(different) and different[-1] <= 0 and (wide or not rated):
        cause = f"{column}: nothing is more than 0, so nothing is liked"
        raise QueryError(cause, "name another column, or none", "rating_column")
    if wide := wide and rated and len(different) > 0:
        values = rows.columns["rating"]
        rows.refuse(values < 0, lambda i: f"rating {values[i]:g}, expected 0 or more")
    if wide and liked is None:
        rows.notes.log(f"{name}: {max(different[0], 0):g} to {different[-1]:g}, {STRONG}")
    return rated, wide


def _on_scale(rows: Rows, ours: Scale | None, liked: float | None, wide: bool) -> Scale:
    """Ratings as the model has them, and their scale.

    MovieLens' scale is 0.5 to 5 in half steps; the few ratings that are none of these are bad
    lines. Where many are not, or values are `wide` as sums and counts are, the scale is what the
    ratings span, but for slips far off it. Off the scale of a model all are bad.
    """
    values = rows.columns["rating"]
    different, counts = scales.counted(values)
    if ours:
        fits = (different >= ours.low) & (different <= ours.high)
        words = f"{ours.low:g} to {ours.high:g}, the scale of the model"
    else:
        fits = (different >= scales.MIN_RATING) & (different <= scales.MAX_RATING)
        fits &= np.rint(2 * different) == 2 * different
        others, words = int(counts[~fits].sum()), "0.5 to 5 in steps of a half"
        if (others >= OTHER_SCALE and others > OTHER_SHARE * len(values)) or (
            others and (wide or different[0] < different[-1] <= 1)
        ):
            fits = np.ones(len(different), np.bool_) if wide else ~scales.far_off(different, counts)
            words = f"{different[fits][0]:g} to {different[fits][-1]:g} as the others are"
    if counts[fits].sum() < len(values):
        bad = ~np.isin(values, different[fits])
        rows.refuse(bad, lambda i: f"rating {values[i]:g}, expected {words}")
    left = rows.columns["rating"]
    scale = ours or (
        scales.scale_of(different[fits], counts[fits], liked) if len(left) else Scale()
    )
    if liked is not None and len(left) and not 0 < (share := (left >= liked).mean()) < 1:
        they = f"they are {left.min():g} to {left.max():g}"
        cause = f"{rows.path}: {'every' if share else 'no'} rating is {liked:g} or more, {they}"
        raise QueryError(cause, "say another from which on a rating is a like", "liked_from")
    rows.columns["rating"] = scale.inward(left)
    return scale

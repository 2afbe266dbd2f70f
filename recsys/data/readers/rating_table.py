"""The table of ratings to typed columns, and what was understood of it."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.columns import NAMES, Columns, plain_name
from recsys.data.dataset import Ratings
from recsys.data.ids import unique
from recsys.data.readers.inferred import ROLES, rating_columns
from recsys.data.readers.problems import Problems
from recsys.data.readers.ratings import RatingLines
from recsys.data.readers.table_columns import Column, Numbers, ids, kept, ratings, times
from recsys.data.readers.tabular import Table, Understood, open_table

_TYPES = {"user": "id", "item": "id", "rating": "float", "time": "int64"}  # in most files


class RatingTable(NamedTuple):
    """The ratings of a table; where ids are text, codes are their places among the names."""

    raw: RatingLines
    users: NDArray | None
    movies: NDArray | None
    rated: bool  # False: there is no column of ratings
    understood: Understood
    different: tuple[NDArray, NDArray]  # ids (or codes) of users and of movies, ascending
    columns: dict[str, str]  # by role, as the file calls them


def read_rating_table(path: Path, given: Columns, problems: Problems) -> RatingTable:
    """The ratings of a table in their own scale, 1 where there are none, and how it was read.

    Raises:
        DataError: a column is missing, or what it holds is not supported.
    """
    table = open_table(path)
    found = rating_columns(table, given)
    types = {name: _TYPES[role] for role, name in found.items()}
    read = table.read(list(found.values()), problems, types=types)
    if not len(read.lines):
        none = Ratings(*(np.zeros(0, t) for t in ("i4", "i4", "f4", "i8")))
        empty = RatingLines(none, [])
        different = none.user_ids, none.movie_ids
        return RatingTable(empty, None, None, True, Understood(dict(found), {}), different, found)
    columns: dict[str, Numbers] = {}
    for role, parse in (
        ("user", lambda c: ids(c, "user")),
        ("item", lambda c: ids(c, "movie")),
        ("rating", ratings),
        ("time", times),
    ):
        if role in found:
            columns[role] = parse(Column(table, read, found[role]))
            if columns[role].good is None:
                read.give_back(found[role])
    rows = len(read.lines)
    values: dict[str, NDArray] = {role: each.values for role, each in columns.items()}
    if "rating" not in found:
        values["rating"] = np.ones(rows, np.float32)
    if "time" not in found:
        values["time"] = np.zeros(rows, np.int64)
    whole = Ratings(*(values[role] for role in ROLES))
    raw = kept(RatingLines(whole, read.lines), table, columns, problems)
    ids_of = unique(raw.ratings.user_ids), unique(raw.ratings.movie_ids)
    words = _in_words(raw.ratings, ids_of, found, columns)
    understood = Understood(words, _unused(table, found))
    names = columns["user"].names, columns["item"].names
    return RatingTable(raw, *names, "rating" in found, understood, ids_of, found)


def _in_words(
    ratings: Ratings,
    different: tuple[NDArray, NDArray],
    found: dict[str, str],
    columns: dict[str, Numbers],
) -> dict[str, str]:
    words = {}
    for role, column in zip(("user", "item"), different, strict=True):
        text = ", text" if columns[role].names is not None else ""
        words[role] = f"{found[role]} ({len(column):,}{text})"
    words["rating"] = "none"
    if len(ratings) and "rating" in found:
        low, high = np.fmin.reduce(ratings.values), np.fmax.reduce(ratings.values)  # but nan
        words["rating"] = f"{found['rating']} {low:g}-{high:g}"
    words["time"] = f"{found['time']} ({columns['time'].unit})" if "time" in found else "none"
    return words


def _unused(table: Table, found: dict[str, str]) -> dict[str, str]:
    """The other columns, and why each is not used."""
    counts = () if "rating" in found else NAMES["count"]
    why = dict.fromkeys(counts, "taken for ratings if named so")
    others = [name for name in table.names if name not in found.values()]
    return {name: why.get(plain_name(name), "not about a rating") for name in others}

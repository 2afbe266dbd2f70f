"""Which columns of a table of ratings are what, by names, by content and by their usual order."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from recsys.data.columns import NONE, Columns, by_content, by_name, listed, missing, two
from recsys.data.readers.table_columns import THUMBS
from recsys.data.readers.tabular import Table
from recsys.data.readers.text import decoded
from recsys.errors import DataError

ROLES = ("user", "item", "rating", "time")  # in the order that most files have
STEPS = 11  # different ratings of a column that may be one
_PRODUCT = re.compile(r"B[0-9A-Z]{9}|[0-9]{9}[0-9X]")
_DECIMAL = re.compile(r"-?\d+([.,]\d+)?")
PLAIN = 0.95  # of texts that are ids have no space


def rating_columns(table: Table, given: Columns) -> dict[str, str]:
    """The columns of user, item and, where there are such, rating and time.

    Raises:
        DataError: one cannot be told, or is taken for two things.
    """
    path, names = table.path, table.names
    given = given.placed(names)
    if table.named:
        found = by_name(path, names, ROLES, given)
        if not {"user", "item", "rating"} <= set(found):
            found = _by_content(table, found, given)
    else:
        found = _by_order(table, by_name(path, names, ROLES, given), given)
    for role in ("user", "item"):
        if role not in found:
            raise missing(path, role, names)
    twice = [name for name in found.values() if list(found.values()).count(name) > 1]
    if twice:
        raise DataError(f"{path}: {twice[0]!r} is taken for two things", "name each column", "file")
    return {role: found[role] for role in ROLES if role in found}


def _by_content(table: Table, found: dict[str, str], given: Columns) -> dict[str, str]:
    """Columns that have names which say nothing."""
    first = table.beginning()
    tests = {
        "rating": lambda name: _like_ratings(first[name]),
        "time": lambda name: _like_times(first[name]),
    }
    if sum(role in found for role in ("user", "item")) == 1:
        # of two columns of numbers none can know which is the user
        tests |= dict.fromkeys(("user", "item"), lambda name: _like_ids(first[name]))
    return by_content(table.path, table.names, found, tests, given)


def _by_order(table: Table, found: dict[str, str], given: Columns) -> dict[str, str]:
    """Columns without names: the usual order where it fits, else the only ones that may be it."""
    first = table.beginning()
    free = [name for name in table.names if name not in found.values()]
    if "time" not in found and given.time != NONE:
        found |= _only(table, "time", [name for name in free if _like_times(first[name])])
        free = [name for name in free if name != found.get("time")]
    ids = [role for role in ("user", "item") if role not in found]
    if "rating" not in found and given.rating != NONE:
        usual = free[len(ids) : len(ids) + 1]
        if usual and (_few(first[usual[0]]) or _like_ratings(first[usual[0]])):
            found |= {"rating": usual[0]}
            free = free[: len(ids)]
        elif len(free) > len(ids):
            like = [n for n in free if _like_ratings(first[n]) and not _ascends(first[n])]
            found |= _only(table, "rating", like)
    free = [name for name in free if name != found.get("rating")]
    like = [name for name in free if _like_ids(first[name]) or len(free) == len(ids)]
    if len(like) == len(ids) + 1 and _counts(first[like[0]]):
        like = like[1:]  # the first one numbers the rows
    if len(like) > len(ids) > 0:
        raise DataError(
            f"{table.path}: no names of columns, and several may be the {' or the '.join(ids)}: "
            f"{listed(like)}",
            "give the numbers of the columns",
            "user_item_column",
        )
    if len(ids) == 2 and len(like) == 2 and _are_products(table.beginning(True)[like[0]]):
        like.reverse()  # as in Amazon's ratings since 2018
    return found | dict(zip(ids, like, strict=False))


def without_names(
    table: Table, key: str, roles: Sequence[str], found: dict[str, str], given: Columns
) -> dict[str, str]:
    """Columns of a table of movies or users that has no names: ids first, titles, genres.

    A title is the first text of which most are different, genres are several separated by "|".
    """
    found = {key: table.names[0]} | found
    first = {name: _texts(each) for name, each in table.beginning().items()}
    if "title" in roles and "title" not in found and given.title != NONE:
        like = [name for name, each in first.items() if 2 * len(set(each)) > len(each)]
        free = [name for name in like if name not in found.values()]
        found |= dict(zip(["title"], free, strict=False))
    if "genres" in roles and "genres" not in found and given.genres != NONE:
        like = [name for name, each in first.items() if any("|" in field for field in each)]
        free = [name for name in like if name not in found.values()]
        found |= _only(table, "genres", free)
    return found


def _only(table: Table, role: str, like: Sequence[str]) -> Mapping[str, str]:
    if len(like) > 1:
        raise two(table.path, role, like)
    return {role: like[0]} if like else {}


def _like_ratings(column: Any) -> bool:
    """Whether a column has half stars."""
    values = _numbers(column)
    halves = len(values) and np.isin(values * 2, np.arange(1, 11)).all()
    return bool(halves) and len(np.unique(values)) <= 10


def _few(column: Any) -> bool:
    """Whether a column has few different numbers of a scale, or yes and no."""
    values, fields = _numbers(column), set(_texts(column))
    if fields and all(field.strip().lower() in THUMBS for field in fields):
        return True
    if fields and all(_DECIMAL.fullmatch(field) for field in fields):
        values = np.array([float(field.replace(",", ".")) for field in fields])
    few = len(np.unique(values)) <= STEPS
    return bool(len(values) and few and values.min() >= -10 and values.max() <= 100)


def _like_times(column: Any) -> bool:
    import pyarrow as pa

    values = _numbers(column)
    dated = pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)
    return dated or bool(len(values) and np.median(values) > 1e8)


def _are_products(column: Any) -> bool:
    """Whether a column has Amazon's product numbers (users' begin with A)."""
    fields = _texts(column)
    return sum(map(bool, map(_PRODUCT.fullmatch, fields))) > PLAIN * len(fields) > 0


def _like_ids(column: Any) -> bool:
    """Whether a column has whole numbers, or text without spaces."""
    values, fields = _numbers(column), _texts(column)
    if fields:
        return sum(" " not in field.strip() for field in fields) >= PLAIN * len(fields)
    return bool(len(values) and (values == np.rint(values)).all() and (values >= 0).all())


def _ascends(column: Any) -> bool:
    """Whether a file is sorted by a column, as by ids."""
    values = _numbers(column)
    return bool((values[1:] >= values[:-1]).all())


def _counts(column: Any) -> bool:
    """Whether a column numbers the rows."""
    values = _numbers(column)
    return len(values) > 1 and values[0] in (0, 1) and bool((np.diff(values) == 1).all())


def _numbers(column: Any) -> Any:
    import pyarrow as pa

    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return np.zeros(0)
    return column.drop_null().to_numpy()


def _texts(column: Any) -> list[str]:
    import pyarrow as pa

    kind = column.type
    if pa.types.is_boolean(kind):
        return [str(each) for each in column.drop_null().to_pylist()]
    text = pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_large_string(kind)
    return [decoded(each) for each in column.drop_null().to_pylist()] if text else []

"""Which movies may answer, as a condition: one tree for Milvus' expression and for NumPy.

`recsys.serving.where` parses what a user writes into the tree; nothing else is ever sent. `mask`
applies a tree to movies here, `recsys.milvus.expression` writes it for Milvus. A value that is not
known fits no comparison, so `not` of one fits it; `is null` asks for it.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Type = Literal["text", "texts", "number", "whole", "flag"]
Types = Mapping[str, Type]  # by the names of columns
Compared = Literal["==", "<", "<=", ">", ">="]


class Compare(NamedTuple):
    """A comparison with a value; two texts are compared by their UTF-8 bytes."""

    column: str
    type: Type
    compared: Compared
    value: Any


class OneOf(NamedTuple):
    """The value is one of these."""

    column: str
    type: Type
    values: tuple[Any, ...]


class Like(NamedTuple):
    """A text fits a pattern, where % is any text and _ any character."""

    column: str
    pattern: str


class Contains(NamedTuple):
    """Of several values there is one of these, or `every` one."""

    column: str
    values: tuple[str, ...]
    every: bool


class Length(NamedTuple):
    """How many values there are, compared with a number."""

    column: str
    compared: str
    value: int


class Known(NamedTuple):
    """There is a value."""

    column: str
    type: Type


@dataclass(frozen=True)
class Not:
    part: "Condition"


@dataclass(frozen=True)
class And:
    """Every part fits; without parts every movie does."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True)
class Or:
    parts: tuple["Condition", ...]


Condition = Compare | OneOf | Like | Contains | Length | Known | Not | And | Or
Values = Callable[[str], Any]  # a column's values by its name: an array, or a list of tuples
COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def compare(column: str, type: Type, how: str, value: Any) -> Condition:
    """A comparison that unknown values do not fit, whatever stands for them."""
    if how == "!=":
        return And((Known(column, type), Not(Compare(column, type, "==", value))))
    found = Compare(column, type, how, value)  # type: ignore[arg-type]
    return found if how == "==" else And((Known(column, type), found))


def patterns(condition: Condition) -> list[str]:
    """The patterns of its `Like`s."""
    match condition:
        case And(parts) | Or(parts):
            return [pattern for part in parts for pattern in patterns(part)]
        case Not(part):
            return patterns(part)
        case Like(_, pattern):
            return [pattern]
    return []


def mask(condition: Condition, values: Values, rows: int) -> NDArray[np.bool_]:
    """(rows,) which movies fit; texts are arrays of str, numbers nan where unknown."""
    match condition:
        case And(parts):
            return np.logical_and.reduce([np.ones(rows, bool), *_masks(parts, values, rows)])
        case Or(parts):
            return np.logical_or.reduce([np.zeros(rows, bool), *_masks(parts, values, rows)])
        case Not(part):
            return ~mask(part, values, rows)
        case Contains(column, wanted, every):
            fits = set(wanted).issubset if every else _meets(wanted)
            return np.array([fits(each) for each in values(column)], bool)
        case Length(column, compared, number):
            return np.array([COMPARE[compared](len(e), number) for e in values(column)], bool)
        case Like(column, pattern):
            fits_pattern = like(pattern).fullmatch
            return np.array([fits_pattern(each) is not None for each in values(column)], bool)
        case Known(column, type):
            return known(values(column), type)
        case OneOf(column, type, wanted):
            return np.isin(_plain(values(column), type), _plain(list(wanted), type))
        case Compare(column, type, compared, value):
            return COMPARE[compared](_plain(values(column), type), _plain([value], type)[0])
    raise TypeError(condition)


def _masks(parts: Sequence[Condition], values: Values, rows: int) -> list[NDArray[np.bool_]]:
    return [mask(part, values, rows) for part in parts]


def _meets(wanted: Sequence[str]) -> Callable[[Sequence[str]], bool]:
    return lambda has: not set(wanted).isdisjoint(has)


def _plain(values: Any, type: Type) -> NDArray:
    """Values as they are compared: texts as bytes, so that both sides order them alike."""
    if type != "text":
        return np.asarray(values)
    return np.array([str(each).encode("utf-8", "replace") for each in values], object)


def known(values: Any, type: Type) -> NDArray[np.bool_]:
    """(rows,) where a value is known."""
    if type == "texts":
        return np.array([bool(each) for each in values], bool)
    if type == "text":
        return np.array([each != "" for each in values], bool)
    if type == "number":
        return np.isfinite(values)
    return np.asarray(values) != 0 if type == "whole" else np.ones(len(values), bool)


def like(pattern: str) -> re.Pattern[str]:
    """The pattern of `Like` as a regular expression."""
    wild = {"%": ".*", "_": "."}
    return re.compile("".join(wild.get(each, re.escape(each)) for each in pattern), re.DOTALL)

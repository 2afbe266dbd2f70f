"""Which columns describe users and movies, of what kind, and what their values are: data.

A schema is learned from the data a model is trained on and kept in its folder. Every attribute has
a kind, and of each kind values become rows of a table, 0 for unknown:

    category     one value of a few: the row of it
    categories   several of them, separated within a field: a row each, PADDING behind the last
    number       the row of its bin; bins are cut at quantiles of the training data, or given
    text         free text of movies: a row each of its words that several movies have

MovieLens' attributes of users (gender, age, job) are given here, with other words for their
values; every movie has genres, a title and a year besides.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from itertools import chain
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from recsys.data.ids import PADDING, parts
from recsys.data.movielens import AGE_NAMES, AGES, CODES, GENDERS, JOBS, MAX_AGE, OCCUPATIONS
from recsys.errors import QueryError, listed, quoted

_WORD = re.compile(r"\w+")

Kind = Literal["category", "categories", "number", "text"]
Chosen = NDArray[np.bool_] | NDArray[np.integer]
FrameType = TypeVar("FrameType", bound="Frame")
BINS = 10  # of a number
MOST_VALUES = 10_000  # of categories and words that have a row; the rarer ones are unknown
MOST_OF_USERS = 200  # the same of users: the closed forms' regressions are over all of them
MOST_WORDS, COMMON = 100, 0.5  # of one text; a word in more of the texts says nothing
READ_WORDS = 24  # of these the towers read so many: the time of a step grows with them


@dataclass(frozen=True)
class Frame:
    """Columns of one length, arrays, lists or dicts of `Column`s; texts and tuples tell of all."""

    def __len__(self) -> int:
        return len(getattr(self, next(iter(self.__dataclass_fields__))))

    def __getitem__(self: FrameType, chosen: Chosen) -> FrameType:
        columns = (getattr(self, name) for name in self.__dataclass_fields__)
        return type(self)(*(_chosen(each, chosen) for each in columns))

    @classmethod
    def joined(cls: type[FrameType], frames: Sequence[FrameType]) -> FrameType:
        """At least one, one after the other, with what further columns the first has."""
        names = cls.__dataclass_fields__
        return cls(*(_joined([getattr(each, name) for each in frames]) for name in names))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self):,}>"


def _chosen(values: Any, chosen: Chosen) -> Any:
    """Some cells of a column, or of each in a dict."""
    if isinstance(values, np.ndarray):  # soonest
        return values[chosen]
    if isinstance(values, dict):
        return {name: column[chosen] for name, column in values.items()}
    if isinstance(values, list):
        rows = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
        return [values[row] for row in rows.tolist()]
    return values if isinstance(values, str | tuple) else values[chosen]


def _joined(columns: Sequence[Any]) -> Any:
    """Columns, or dicts of them, one after the other."""
    first = columns[0]
    if isinstance(first, dict):
        return {name: _joined([each[name] for each in columns]) for name in first}
    if isinstance(first, Frame):
        return first.joined(columns)
    if isinstance(first, np.ndarray):
        return np.concatenate(columns)
    return first if isinstance(first, str | tuple) else [*chain(*columns)]


@dataclass(frozen=True)
class Column(Frame):
    """One column as its file has it.

    Of a category, or of text, a text each, "" where unknown; of several categories a tuple of
    texts each; of a number an array of float64, nan where unknown.
    """

    kind: Kind
    values: Any

    def __len__(self) -> int:
        return len(self.values)

    def value(self, row: int) -> str | float | list[str] | None:
        """One cell; a whole number without its fraction, None where unknown."""
        value = self.values[row]
        if self.kind == "categories":
            return list(value)
        if self.kind != "number":
            return value or None
        if np.isnan(value):
            return None
        return int(value) if value == int(value) else float(value)

    @classmethod
    def unknown(cls, kind: Kind, rows: int) -> "Column":
        """So many cells of which nothing is known."""
        if kind == "number":
            return cls(kind, np.full(rows, np.nan))
        return cls(kind, [() if kind == "categories" else ""] * rows)


@dataclass(frozen=True)
class Attribute:
    """A column that describes users or movies, and the values it had in training.

    >>> city = Attribute.of("city", Column("category", ["Oslo", "", "Seoul", "Oslo"]))
    >>> city.values, city.rows(Column("category", ["Seoul", "Rome"])).tolist()
    (('Oslo', 'Seoul'), [[2], [0]])
    >>> AGE.rows_of(25), AGE.value(3), GENDER.rows_of("female"), JOB.rows_of("wri")
    ([3], '25-34', [2], [21])
    """

    name: str
    kind: Kind
    values: tuple[str, ...] = ()  # in the order of their rows; of a number its bins' names, if any
    edges: tuple[float, ...] = ()  # of a number: where its bins end but the last
    width: int = 1  # rows a user has of it
    synonyms: tuple[tuple[str, str], ...] = ()  # other text, in lower case, and its value

    @classmethod
    def of(cls, name: str, column: Column, most: int = MOST_VALUES) -> "Attribute":
        """An attribute with so many of a column's values at most, the most frequent first."""
        if column.kind == "number":
            known = column.values[np.isfinite(column.values)]
            shares = np.linspace(0, 1, BINS + 1)[1:-1]
            cuts = np.quantile(known, shares, method="higher") if len(known) else []
            return cls(name, "number", edges=tuple(np.unique(cuts).tolist()))
        several = _several(column)
        counts = Counter(value for each in several for value in each if value)
        if column.kind == "text":
            often = COMMON * len(column)
            counts = Counter({word: n for word, n in counts.items() if 1 < n <= often})
        values = tuple(value for value, _ in counts.most_common(most))
        return cls(name, column.kind, values, width=max([1, *map(len, several)]))

    @property
    def size(self) -> int:
        """Vocabulary size (row 0, unknown, not counted)."""
        return len(self.edges) + 1 if self.kind == "number" else len(self.values)

    def rows(self, column: Column) -> NDArray[np.int32]:
        """(B, W) rows of a column's values, W being 1 but of several categories."""
        if self.kind == "number":
            bins = np.searchsorted(np.array(self.edges), column.values, "right") + 1
            return np.where(np.isfinite(column.values), bins, 0).astype(np.int32)[:, None]
        if self.kind == "category":
            return np.array([*map(self._row, column.values)], np.int32).reshape(-1, 1)
        lists = [[self._row(value) for value in each] for each in _several(column)]
        if self.kind == "text":  # of words nobody has learned anything
            lists = [[row for row in each if row] for each in lists]
        return padded([each or [0] for each in lists], np.int32)

    @cached_property
    def _rows(self) -> dict[str, int]:
        """Rows by what values are called: in lower case, by synonyms, and as `value` has them."""
        rows = {self.value(row): row for row in range(1, self.size + 1)}
        folded = {value.casefold(): row for value, row in rows.items()}
        return folded | {other: rows[value] for other, value in self.synonyms} | rows

    def _row(self, text: str) -> int:
        return self._rows.get(text) or self._rows.get(text.casefold(), 0)

    def value(self, row: int) -> str:
        """What a row stands for, in words; "" for unknown."""
        if row <= 0:
            return ""
        if self.values:
            return self.values[row - 1]
        low, high = ([-np.inf, *self.edges, np.inf][edge] for edge in (row - 1, row))
        if np.isinf(low):
            return f"under {in_digits(high)}" if np.isfinite(high) else "any"
        less = "or more" if np.isinf(high) else f"to {in_digits(high)}"
        return f"{in_digits(low)} {less}"

    def rows_of(self, value: str | float) -> list[int]:
        """The rows of a value as a query names it: what `value` says, a number, or a|b of several.

        MovieLens' attributes may be given by CODES, a job by the beginning of it.

        Raises:
            QueryError: training had no such value, near ones are named; or nobody so many.
        """
        text = f"{value:.15g}" if isinstance(value, float) else str(value)
        words = text.split("|") if self.kind == "categories" else [text]
        rows = [self._asked(word) for word in map(str.strip, words)]
        if len(rows) > self.width:
            cause = f"{quoted(text)} is {len(rows)} values, no user has more than {self.width}"
            raise QueryError(f"{self.name}: {cause}", "name fewer", "user_attribute")
        return rows

    def _asked(self, text: str) -> int:
        """The row of a value, or of a number's bin; QueryError where there is none."""
        ours, numbers = self in MOVIELENS, self.kind == "number"
        if row := self._row(CODES[self.name].get(text, text) if ours else text):
            return row
        found: list[str] = []
        if numbers:
            with suppress(ValueError):
                row = int(self.rows(Column("number", np.array([float(text)])))[0, 0])
                if row and (not ours or AGES[0] <= float(text) <= MAX_AGE):
                    return row
        elif ours and text:
            begins = re.compile(rf"(.*[ /])?{re.escape(text)}", re.IGNORECASE)
            found = [*filter(begins.match, self.values)]
        near = [self._rows[n] for n in found or get_close_matches(text.casefold(), self._rows, 5)]
        if len(found) == 1:
            return near[0]
        values = [*map(self.value, dict.fromkeys(near or range(1, self.size + 1)))]
        some = listed(values, len(JOBS) if ours else 10)
        cause = f"{self.name}: no user is {quoted(text)}, {'near' if near else 'there'} are {some}"
        years = f" from {AGES[0]} to {MAX_AGE}" * ours
        remedy = f"name one of them{f' or a number{years}' * numbers}"
        raise QueryError(cause, remedy, self.name if ours else "user_attribute")

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Attribute":
        """Of what dataclasses.asdict makes of one, after JSON."""
        lists = {name: tuple(data[name]) for name in ("values", "edges")}
        return cls(**{**data, **lists, "synonyms": tuple(map(tuple, data["synonyms"]))})


def _several(column: Column) -> Sequence[Sequence[str]]:
    """A column's values, of text its different words, as lists."""
    if column.kind == "categories":
        return column.values
    if column.kind == "category":
        return [(value,) for value in column.values]
    words = (_WORD.findall(text.lower()) for text in column.values)
    return [tuple(dict.fromkeys(each))[:MOST_WORDS] for each in words]


def in_digits(number: float) -> str:
    """A number in at most six digits, or whole where it has more, as dates have.

    >>> in_digits(3.14159265), in_digits(19950831.5)
    ('3.14159', '19950832')
    """
    return f"{number:.0f}" if 1e6 <= abs(number) < 1e15 else f"{number:g}"


def padded(lists: Sequence[Sequence[int]], dtype: type[np.integer] = np.int64) -> NDArray:
    """(N, longest, at least 1) the lists, PADDING behind the end of each.

    >>> padded([[4, 5], []]).tolist()
    [[4, 5], [-1, -1]]
    """
    lengths = np.array([len(each) for each in lists], np.int64)
    rows = np.full((len(lists), lengths.max(initial=1)), PADDING, dtype)
    rows[np.arange(rows.shape[1]) < lengths[:, None]] = [*chain.from_iterable(lists)]
    return rows


Attributes = tuple[Attribute, ...]
GENDER = Attribute("gender", "category", GENDERS, synonyms=(("male", "M"), ("female", "F")))
AGE = Attribute("age", "number", AGE_NAMES, edges=tuple(map(float, AGES[1:])))  # in years
JOB = Attribute("job", "category", JOBS, synonyms=tuple(OCCUPATIONS.items()))
MOVIELENS: Attributes = (GENDER, AGE, JOB)  # of users


def movielens_attribute(name: str, column: Column) -> Attribute | None:
    """MovieLens' attribute of the name and kind, where most of a column's values are its values."""
    for each in MOVIELENS:
        if (each.name, each.kind) == (name, column.kind):
            known = good = each.rows(column)[:, 0] > 0
            if name == "age":
                good = (column.values >= AGES[0]) & (column.values <= MAX_AGE)
            else:
                known = np.array([*map(bool, column.values)])
            return each if 2 * good.sum() >= known.sum() else None
    return None


def profile(attributes: Sequence[Attribute], rows: NDArray) -> dict[str, str]:
    """What one user's (W,) rows say, by the attributes' names; several categories with "|"."""
    texts = {
        attribute.name: "|".join(attribute.value(row) for row in part[0].tolist() if row > 0)
        for attribute, part in parts(attributes, rows[None])
    }
    return {name: text for name, text in texts.items() if text}

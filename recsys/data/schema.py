"""Which columns describe users and movies, of what kind, and what their values are: data.

A schema is learned from the data a model is trained on and kept in its folder. Every attribute has
a kind, and of each kind values become rows of a table, 0 for unknown:

    category     one value of a few: the row of it
    categories   several of them, separated within a field: a row each, NO_VALUE behind the last
    number       the row of its bin; bins are cut at quantiles of the training data
    text         free text of movies: a row each of its words that several movies have

MovieLens' own attributes of users (gender, age, job) are the built-in case; every movie has
genres, a title and a year besides.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recsys.data.movielens import AGE_NAMES, GENDERS, JOBS
from recsys.errors import QueryError

_WORD = re.compile(r"\w+")

Kind = Literal["category", "categories", "number", "text"]
NO_VALUE = -1  # behind the last of several categories
BINS = 10  # of a number
MOST_VALUES = 10_000  # of categories and words that have a row; the rarer ones are unknown
MOST_OF_USERS = 200  # the same of users: the closed forms' regressions are over all of them
MOST_WORDS, COMMON = 100, 0.5  # of one text; a word in more of the texts says nothing
READ_WORDS = 24  # of these the towers read so many: the time of a step grows with them


@dataclass(frozen=True)
class Column:
    """One column as its file has it.

    Of a category, or of text, a text each, "" where unknown; of several categories a tuple of
    texts each; of a number an array of float64, nan where unknown.
    """

    kind: Kind
    values: Any

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, chosen: NDArray[np.integer] | NDArray[np.bool_]) -> "Column":
        if self.kind == "number":
            return Column(self.kind, self.values[chosen])
        return Column(self.kind, [self.values[i] for i in np.arange(len(self))[chosen].tolist()])

    def value(self, place: int) -> str | float | list[str] | None:
        """One field; a whole number without its fraction, None where unknown."""
        value = self.values[place]
        if self.kind == "categories":
            return list(value)
        if self.kind != "number":
            return value or None
        if np.isnan(value):
            return None
        return int(value) if value == int(value) else float(value)

    @classmethod
    def joined(cls, columns: Sequence["Column"]) -> "Column":
        """At least one column of a kind, one after the other."""
        kind, values = columns[0].kind, [each.values for each in columns]
        if kind == "number":
            return cls(kind, np.concatenate(values))
        return cls(kind, [value for each in values for value in each])

    def same(self, other: "Column") -> NDArray[np.bool_]:
        """(N,) where two columns of N fields say the same."""
        if self.kind == "number":
            unknown = np.isnan(self.values) & np.isnan(other.values)
            return unknown | (self.values == other.values)
        return np.array([a == b for a, b in zip(self.values, other.values, strict=True)], bool)

    def at(self, places: NDArray[np.integer]) -> "Column":
        """The fields at some places, unknown ones at -1.

        >>> Column("category", ["Oslo", "Seoul"]).at(np.array([1, -1])).values
        ['Seoul', '']
        """
        return Column.joined([self, Column.unknown(self.kind, 1)])[places]

    @classmethod
    def unknown(cls, kind: Kind, rows: int) -> "Column":
        """So many fields of which nothing is known."""
        if kind == "number":
            return cls(kind, np.full(rows, np.nan))
        return cls(kind, [() if kind == "categories" else ""] * rows)


@dataclass(frozen=True)
class Attribute:
    """A column that describes users or movies, and the values it had in training.

    >>> city = Attribute.of("city", Column("category", ["Oslo", "", "Seoul", "Oslo"]))
    >>> city.values, city.rows(Column("category", ["Seoul", "Rome"])).tolist()
    (('Oslo', 'Seoul'), [[2], [0]])
    """

    name: str
    kind: Kind
    values: tuple[str, ...] = ()  # of categories, or words, in the order of their rows
    edges: tuple[float, ...] = ()  # of a number: where its bins end but the last
    width: int = 1  # rows a user has of it

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
        width = max([1, *map(len, several)]) if column.kind != "category" else 1
        return cls(name, column.kind, values, width=width)

    @property
    def size(self) -> int:
        """How many rows its table has, without the unknown one."""
        return len(self.edges) + 1 if self.kind == "number" else len(self.values)

    def rows(self, column: Column) -> NDArray[np.int32]:
        """(B, W) rows of a column's values, W being 1 but of several categories."""
        if self.kind == "number":
            bins = np.searchsorted(np.array(self.edges), column.values, "right") + 1
            return np.where(np.isfinite(column.values), bins, 0).astype(np.int32)[:, None]
        known = {value: row for row, value in enumerate(self.values, 1)}
        if self.kind == "category":
            return np.array([known.get(v, 0) for v in column.values], np.int32).reshape(-1, 1)
        lists = [[known.get(v, 0) for v in each] or [0] for each in _several(column)]
        if self.kind == "text":  # of words nobody has learned anything
            lists = [[row for row in each if row] or [0] for each in lists]
        found = np.full((len(lists), max(map(len, lists), default=1)), NO_VALUE, np.int32)
        for place, each in enumerate(lists):
            found[place, : len(each)] = each
        return found

    def value(self, row: int) -> str:
        """What a row stands for, in words; "" for unknown."""
        if row <= 0:
            return ""
        if self.kind != "number":
            return self.values[row - 1]
        low, high = ([-np.inf, *self.edges, np.inf][place] for place in (row - 1, row))
        if np.isinf(low):
            return f"under {in_digits(high)}" if np.isfinite(high) else "any"
        less = "or more" if np.isinf(high) else f"to {in_digits(high)}"
        return f"{in_digits(low)} {less}"

    def named(self, text: str) -> list[int]:
        """The rows of a value as a query names it: what `value` says, a number, or a|b of several.

        Raises:
            QueryError: training had no such value; near ones are named.
        """
        words = text.split("|") if self.kind == "categories" else [text]
        return [self._named(word.strip()) for word in words][: self.width]

    def _named(self, text: str) -> int:
        known = {self.value(row): row for row in range(1, self.size + 1)}
        if text in known:
            return known[text]
        if self.kind == "number":
            with suppress(ValueError):
                return int(self.rows(Column("number", np.array([float(text)])))[0, 0])
            raise QueryError(f"{self.name}: {text!r} is not a number", "name one", "user_attribute")
        folded = {value.casefold(): row for value, row in known.items()}
        if text.casefold() in folded:
            return folded[text.casefold()]
        near = [
            self.values[folded[each] - 1] for each in get_close_matches(text.casefold(), folded, 5)
        ]
        some = f"near are {', '.join(near)}" if near else f"there are {listed(self.values)}"
        raise QueryError(
            f"{self.name}: no user is {text!r}, {some}", "name one of them", "user_attribute"
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": self.kind,
            "values": list(self.values),
            "edges": list(self.edges),
            "width": self.width,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Attribute":
        lists = {name: tuple(data[name]) for name in ("values", "edges")}
        return cls(data["name"], data["kind"], width=data["width"], **lists)


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


def listed(values: Sequence[str]) -> str:
    """The first ten values, and how many more there are."""
    more = f" and {len(values) - 10} more" if len(values) > 10 else ""
    return ", ".join(values[:10]) + more


Attributes = tuple[Attribute, ...]
GENDER = Attribute("gender", "category", GENDERS)
AGE = Attribute("age", "category", AGE_NAMES)
JOB = Attribute("job", "category", JOBS)
MOVIELENS: Attributes = (GENDER, AGE, JOB)  # of users


def parts(attributes: Sequence[Attribute], rows: NDArray) -> Iterator[tuple[Attribute, NDArray]]:
    """Each attribute with its (B, width) of users' (B, W) rows side by side."""
    start = 0
    for each in attributes:
        yield each, rows[:, start : start + each.width]
        start += each.width


def profile(attributes: Sequence[Attribute], rows: NDArray) -> dict[str, str]:
    """What one user's (W,) rows say, by the attributes' names; several categories with "|"."""
    found: dict[str, str] = {}
    for attribute, part in parts(attributes, rows[None]):
        values = [attribute.value(row) for row in part[0].tolist() if row > 0]
        found |= {attribute.name: "|".join(values)} if values else {}
    return found

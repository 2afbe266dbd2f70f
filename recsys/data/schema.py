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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recsys.data.movielens import AGE_NAMES, AGES, GENDERS, JOBS, OCCUPATIONS
from recsys.errors import QueryError, listed

_WORD = re.compile(r"\w+")

Kind = Literal["category", "categories", "number", "text"]
PADDING = -1  # behind the last row of a list, unlike row 0, an unknown value
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
    def joined(cls, columns: Sequence["Column"]) -> "Column":
        """At least one column of a kind, one after the other."""
        kind, values = columns[0].kind, [each.values for each in columns]
        if kind == "number":
            return cls(kind, np.concatenate(values))
        return cls(kind, [value for each in values for value in each])

    def at(self, rows: NDArray[np.integer]) -> "Column":
        """The cells of some rows, an unknown one for -1.

        >>> Column("category", ["Oslo", "Seoul"]).at(np.array([1, -1])).values
        ['Seoul', '']
        """
        return Column.joined([self, Column.unknown(self.kind, 1)])[rows]

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
    >>> AGE.rows_of("25"), AGE.value(3), GENDER.rows_of("female")
    ([3], '25-34', [2])
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
        width = max([1, *map(len, several)]) if column.kind != "category" else 1
        return cls(name, column.kind, values, width=width)

    @property
    def size(self) -> int:
        """Vocabulary size (row 0, unknown, not counted)."""
        return len(self.edges) + 1 if self.kind == "number" else len(self.values)

    def rows(self, column: Column) -> NDArray[np.int32]:
        """(B, W) rows of a column's values, W being 1 but of several categories."""
        if self.kind == "number":
            bins = np.searchsorted(np.array(self.edges), column.values, "right") + 1
            return np.where(np.isfinite(column.values), bins, 0).astype(np.int32)[:, None]
        known = {value: row for row, value in enumerate(self.values, 1)}
        if self.kind == "category":
            others = {text: known[value] for text, value in self.synonyms}
            rows = [known.get(v) or others.get(v.casefold(), 0) for v in column.values]
            return np.array(rows, np.int32).reshape(-1, 1)
        lists = [[known.get(v, 0) for v in each] or [0] for each in _several(column)]
        if self.kind == "text":  # of words nobody has learned anything
            lists = [[row for row in each if row] or [0] for each in lists]
        return padded(lists, np.int32)

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

    def rows_of(self, text: str) -> list[int]:
        """The rows of a value as a query names it: what `value` says, a number, or a|b of several.

        Raises:
            QueryError: training had no such value, near ones are named; or nobody so many.
        """
        words = text.split("|") if self.kind == "categories" else [text]
        rows = [self._row_of(word.strip()) for word in words]
        if len(rows) > self.width:
            raise QueryError(
                f"{self.name}: {text!r} is {len(rows)} values, no user has more than {self.width}",
                f"name at most {self.width}",
                "user_attribute",
            )
        return rows

    def _row_of(self, text: str) -> int:
        """The row of one value, bin or number."""
        names = {self.value(row): row for row in range(1, self.size + 1)}
        if text in names:
            return names[text]
        folded = {value.casefold(): row for value, row in names.items()}
        folded |= {other: names[value] for other, value in self.synonyms}
        if text.casefold() in folded:
            return folded[text.casefold()]
        if self.kind == "number":
            with suppress(ValueError):
                return int(self.rows(Column("number", np.array([float(text)])))[0, 0])
            more = f" nor one of {listed(self.values)}" if self.values else ""
            wrong, remedy = f"{text!r} is not a number{more}", "name one"
        else:
            near = get_close_matches(text.casefold(), folded, 5)
            values = dict.fromkeys(self.value(folded[each]) for each in near)
            some = f"near are {', '.join(values)}" if near else f"there are {listed(self.values)}"
            wrong, remedy = f"no user is {text!r}, {some}", "name one of them"
        raise QueryError(f"{self.name}: {wrong}", remedy, "user_attribute")

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Attribute":
        """Of what dataclasses.asdict makes of one, after JSON."""
        lists = {name: tuple(data[name]) for name in ("values", "edges")}
        synonyms = tuple((text, value) for text, value in data["synonyms"])
        return cls(**{**data, **lists, "synonyms": synonyms})


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
    rows = np.full((len(lists), max(map(len, lists), default=0) or 1), PADDING, dtype)
    for row, each in enumerate(lists):
        rows[row, : len(each)] = each
    return rows


Attributes = tuple[Attribute, ...]
GENDER = Attribute(
    "gender",
    "category",
    GENDERS,
    synonyms=(("male", "M"), ("female", "F"), ("m", "M"), ("f", "F")),
)
AGE = Attribute("age", "number", AGE_NAMES, edges=tuple(map(float, AGES[1:])))  # in years
JOB = Attribute("job", "category", JOBS, synonyms=tuple(OCCUPATIONS.items()))
MOVIELENS: Attributes = (GENDER, AGE, JOB)  # of users


def parts(attributes: Sequence[Attribute], rows: NDArray) -> Iterator[tuple[Attribute, NDArray]]:
    """Each attribute with its (B, width) of users' (B, W) rows side by side."""
    start = 0
    for each in attributes:
        yield each, rows[:, start : start + each.width]
        start += each.width


def profile(attributes: Sequence[Attribute], rows: NDArray) -> dict[str, str]:
    """What one user's (W,) rows say, by the attributes' names; several categories with "|"."""
    texts = {
        attribute.name: "|".join(attribute.value(row) for row in part[0].tolist() if row > 0)
        for attribute, part in parts(attributes, rows[None])
    }
    return {name: text for name, text in texts.items() if text}

"""Columns that describe movies or users: of what kind each is, or why it is of no use."""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from recsys.data.dataset import title_words
from recsys.data.readers.roles import NONE
from recsys.data.schema import MOST_VALUES, Column, in_digits

SHARE = 0.95  # of the fields that must be what a column is taken for
SEPARATORS = "|;,"
RESERVED = {  # names of other inputs and outputs, words of Milvus' expressions, fields of its own
    *("user", "movie", "movie_id", "history", "ratings", "recency", "title", "year", "genres"),
    *("is_new", "vector", "new", "score", "rating", "rank", "user_id"),
    *("and", "or", "not", "in", "like", "is", "null", "true", "false", "exists"),
    *("array_contains", "array_contains_all", "array_contains_any", "array_length"),
    *("json_contains", "json_contains_all", "json_contains_any", "random_sample"),
    *("text_match", "phrase_match", "minimum_should_match", "interval", "iso"),
    *("rowid", "timestamp"),
}
_ADDRESS = re.compile(r"https?://|www\.|.*\.(jpe?g|png|gif|webp)$", re.IGNORECASE)
_DATE = re.compile(r"\d{1,4}[-/. ]([A-Za-z]{3}|\d{1,2})[-/. ]\d{2,4}")
_ISO = re.compile(r"(\d{4})[-/](0[1-9]|1[0-2])[-/](0[1-9]|[12]\d|3[01])(?!\d)")
_ID = re.compile(r"(id|code|zip|isbn|ean|sku|phone|hash)\d*$", re.IGNORECASE)


class Described(NamedTuple):
    """Columns by the names they are asked by, how each was understood, and why others are not."""

    columns: dict[str, Column]
    words: dict[str, str]  # by the file's own name
    unused: dict[str, str]  # likewise


def described(
    cells: Mapping[str, Sequence[Any]], kinds: Mapping[str, str], several: bool = True
) -> Described:
    """What columns say, each field being text, None, or a list of texts.

    Args:
        cells: by the names of the file.
        kinds: of columns that are not to be inferred, by the file's name or the one they are
            asked by; "none" for not to be used.
        several: whether there may be text: of users there may not.
    """
    found = Described({}, {}, {})
    for name, each in cells.items():
        column = _column(name, each, kinds.get(name) or kinds.get(field_name(name)))
        if isinstance(column, Column) and column.kind == "text" and not several:
            column = "free text of users is not used"
        if isinstance(column, str):
            found.unused[name] = column
            continue
        plain = field_name(name, found.columns)
        found.columns[plain] = column
        found.words[name] = ("" if plain == name else f"as {plain} ") + _in_words(column)
    return found


def field_name(name: str, taken: Iterable[str] = ()) -> str:
    """A column's name as it is asked by: letters, digits and "_", and none that means something.

    >>> field_name("Price (EUR):float")
    'Price_EUR'
    """
    plain = re.sub(r"[^A-Za-z0-9]+", "_", name.split(":")[0]).strip("_")[:60] or "column"
    plain = f"_{plain}" if plain[0].isdigit() else plain
    while plain.lower() in RESERVED or plain in taken:
        plain += "_"
    return plain


def _column(name: str, cells: Sequence[Any], kind: str | None) -> Column | str:
    """A column, or the reason why it is of no use."""
    if kind == NONE:
        return "left out as asked"
    if any(isinstance(each, list | tuple) for each in cells):
        lists = [tuple(dict.fromkeys(map(str, each or ()))) for each in cells]
        return Column("categories", lists)
    texts = [" ".join(str(each).split()) if each is not None else "" for each in cells]
    filled = [each for each in texts if each]
    different = set(filled)
    if not filled:
        return "empty"
    if kind:
        return _as(kind, texts)
    if len(different) == 1:
        return f"always {filled[0][:40]!r}"
    if _most(_ADDRESS.match(each) for each in filled):
        return "addresses of pages or pictures"
    numbers = [_number(each) for each in filled]
    if _most(each is not None for each in numbers) and not _ID.search(name.split(":")[0]):
        return _as("number", texts)
    if _most(_DATE.match(each) for each in filled):
        return "dates, which are read only as year-month-day"
    return _of_words(texts, filled, different)


def _of_words(texts: list[str], filled: list[str], different: set[str]) -> Column | str:
    """A column of words: several categories, a category, text, or of no use."""
    if _lists(filled) or _separator(filled):
        return _as("categories", texts)
    words = sum(len(each.split()) for each in filled) / len(filled)
    if len(different) <= min(MOST_VALUES, max(1, len(filled) // 2)):
        return _as("category" if words < 12 else "text", texts)
    if words >= 4:
        return _as("text", texts)
    return f"{len(different):,} different values in {len(filled):,} fields"


def _as(kind: str, texts: list[str]) -> Column:
    if kind == "number":
        numbers = [_number(each) for each in texts]
        return Column("number", np.array([np.nan if n is None else n for n in numbers], float))
    if kind == "categories":
        filled = [each for each in texts if each]
        if _lists(filled):
            return Column("categories", [_literal(each) or () for each in texts])
        separator = _separator(filled) or next(
            (s for s in SEPARATORS if any(s in each for each in filled)), SEPARATORS[0]
        )
        return Column("categories", [_split(each, separator) for each in texts])
    return Column("text" if kind == "text" else "category", texts)


def _separator(filled: list[str]) -> str:
    """What separates values within fields, "" if nothing does: they must come again and again."""
    for separator in SEPARATORS:
        several = sum(separator in each for each in filled)
        if several < max(2, 0.1 * len(filled)):
            continue
        lists = [_split(each, separator) for each in filled]
        values = Counter(value for each in lists for value in each)
        long = sum(len(value.split()) for value in values) > 4 * len(values)
        if 2 * len(values) <= values.total() and len(values) <= MOST_VALUES and not long:
            return separator
    return ""


def _split(text: str, separator: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(v for each in text.split(separator) if (v := each.strip())))


def _lists(filled: list[str]) -> bool:
    return _most(each.startswith("[") and _literal(each) is not None for each in filled)


def _literal(text: str) -> tuple[str, ...] | None:
    """A list of texts written as JSON or Python writes it."""
    with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
        found = ast.literal_eval(text)
        if isinstance(found, list) and all(isinstance(v, str | int | float) for v in found):
            return tuple(dict.fromkeys(str(value).strip() for value in found))
    return None


def _number(text: str) -> float | None:
    """A finite number; a currency's or percent sign beside it is passed over.

    A date is a number that is read as it is: 1995-08-31 is 19950831, whatever time is behind it.
    """
    if date := _ISO.match(text):
        return float("".join(date.groups()))
    plain = text.strip("$€£% ")
    comma = "." if re.fullmatch(r"-?\d+,\d{1,2}", plain) else ""  # 9,99 is as good as 9.99
    with suppress(ValueError):
        value = float(plain.replace(",", comma) if "_" not in text else "")
        return value if np.isfinite(value) and abs(value) < 1e300 else None
    return None


def _most(tests: Iterable[Any]) -> bool:
    found = [bool(each) for each in tests]
    return sum(found) >= SHARE * len(found)


def _in_words(column: Column) -> str:
    """A column's kind and how many values it has."""
    if column.kind == "number":
        known = column.values[np.isfinite(column.values)]
        span = f" {in_digits(known.min())}-{in_digits(known.max())}" if len(known) else ""
        return f"number{span}"
    if column.kind == "text":
        return f"text ({len({w for each in column.values for w in title_words(each)}):,} words)"
    several = column.values if column.kind == "categories" else [(v,) for v in column.values]
    return f"{column.kind} ({len({v for each in several for v in each if v}):,})"

"""Files of movies and of users: ids, titles, genres, profiles, and columns that describe them."""

import ast
import html
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from recsys.data.dataset import Movies, Users
from recsys.data.ids import id_array, raw_ids
from recsys.data.movielens import AGES, CODES, GENRES_100K, JOBS, MAX_AGE
from recsys.data.readers.cells import Notes, control_character
from recsys.data.readers.formats import Table
from recsys.data.readers.roles import MISSING, NONE, ROLES, Columns, describing_columns
from recsys.data.readers.values import ids, texts
from recsys.data.schema import MOST_VALUES, MOVIELENS, Attribute, Attributes, Column, in_digits
from recsys.data.titles import name_and_year, title_words
from recsys.errors import check_types, listed_values, quoted, wrong

MANY_GENRES, SOME_GENRES = 100, 20  # of any catalogue, and of one of half as many movies
SHARE = 0.95  # of the fields that must be what a column is taken for
SEPARATORS, LISTS = "|;,", "(lists)"
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
_YEAR = re.compile(r"(?<!\d)[1-9]\d{3}(?!\d)")
_MADE_FOR_VIDEO = re.compile(r"(?<=\(\d{4}\)) \(V\)$")  # ML-100K has it behind the year


def checked_columns(columns: Columns) -> Columns:
    """Columns with numbers as text; QueryError where a name or kind is none."""
    check_types(columns=(columns, Columns))
    form = "pairs of a column and its kind, as [('price', 'number')]"
    kinds = listed_values("kinds", columns.kinds, form)
    for each in kinds:
        if not (isinstance(each, tuple | list) and len(each) == 2 and isinstance(each[0], str)):
            raise wrong("kinds", columns.kinds, form)
    names = [str(name) if type(name) is int else name for name in columns[:-1]]
    for role, name in zip(Columns._fields, names, strict=False):
        check_types(**{role: (name, str | None)})
    return Columns._make([*names, tuple(map(tuple, kinds))])


def movies_of(
    table: Table,
    given: Columns,
    notes: Notes,
    elsewhere: str | None = None,
    repeated: bool = False,
) -> Movies:
    """The movies of a file, in its order; without titles a movie is called "Item ID".

    `elsewhere` is what their ids are called in the ratings; if a movie may have `repeated` rows,
    as in a table of ratings, the first counts, and bad ones are passed over.
    """
    roles = describing_columns(table, "item", ("title", "year", "genres"), given, elsewhere)
    side = Side(table, roles, "item", notes, repeated)
    separator, genres = side.genres()
    many, most = len({name for each in genres for name in each}), sum(map(bool, genres)) / 2
    if many > MANY_GENRES or many >= max(SOME_GENRES, most):
        notes.log(f"{table.path}: {many:,} different genres, are they separated as expected ('|')?")
    words = {"title": "none, Item ID instead", **roles}
    words["genres"] = f"{roles.get('genres', NONE)} {separator}".strip()
    return Movies(side.ids, side.titles(), genres, side.described(words, given))


def users_of(
    table: Table,
    given: Columns,
    notes: Notes,
    elsewhere: str | None = None,
    attributes: Attributes | None = None,
) -> Users:
    """The users of a file: gender, age and job as MovieLens has them, and what is beside.

    `elsewhere` is what their ids are called in the ratings; a model that knows them has attributes.
    """
    roles = describing_columns(table, "user", [each.name for each in MOVIELENS], given, elsewhere)
    side = Side(table, roles, "user", notes)
    known: dict[str, Column] = {}
    for attribute in [each for each in MOVIELENS if each.name in roles]:
        role, cells = attribute.name, side.column(attribute.name)
        column = _profile(attribute, cells)
        odd = [cell for n, cell in enumerate(cells) if cell and column.value(n) is None]
        if 2 * len(odd) > sum(map(bool, cells)) and not table.strict:
            del roles[role]  # a column of the file's own
            continue
        known[role] = column
        if odd:
            why = f"not understood, so unknown, such as {quoted(odd[0])}"
            notes.unused[f"{len(odd):,} cells of {role} of {table.path.name}"] = why
    if {"age", "job"} <= {*known}:
        for i, cell in enumerate(side.column("job")):
            if cell == "student" and known["age"].values[i] < AGES[1]:
                known["job"].values[i] = JOBS[10]
    return Users.of(side.ids, known | side.described(roles, given, text=False), attributes)


def _profile(attribute: Attribute, cells: Sequence[str]) -> Column:
    """Genders, ages in years or jobs (words, or MovieLens' codes), unknown where a cell is none."""
    if attribute.kind == "number":
        ages = np.array([*map(_number, cells)], float)
        return Column("number", np.where((ages >= AGES[0]) & (ages <= MAX_AGE), ages, np.nan))
    jobs = CODES["job"] if attribute.name == "job" else {}
    rows = attribute.rows(Column("category", [jobs.get(cell, cell) for cell in cells]))
    return Column("category", [attribute.value(row) for row in rows[:, 0].tolist()])


class Side:
    """The rows of a file of movies or users that are left: their ids, and cells by column."""

    def __init__(
        self, table: Table, roles: dict[str, str], key: str, notes: Notes, repeats: bool = False
    ) -> None:
        self.table, self.roles, self.notes = table, roles, notes
        what, rejects = "movie" if key == "item" else key, Notes() if repeats else notes
        columns, rows = table.read(dict.fromkeys(filter(None, table.names), "text"), rejects)
        keys = columns[roles[key]]
        found = ids(keys, what)
        # No column that is read is called "".
        rows.columns = {name: texts(each) for name, each in columns.items()} | {"": found.values}
        rows.note_cells(keys, found.bad, found.expected)
        rows.keep(~found.bad)
        for name in roles.values():
            cells = rows.columns.get(name, ())
            rows.refuse_each([control_character(c) if isinstance(c, str) else "" for c in cells])
        _, starts, codes = np.unique(rows.columns[""], return_index=True, return_inverse=True)
        first = starts[codes] == np.arange(len(rows))

        def again(i: int) -> str:
            at = f"{rows.path.name}{rows.place(int(rows.numbers(starts[codes[i]])))}"
            return f"{what} {rows.columns[roles[key]][i]} again, expected once, first at {at}"

        if not repeats:
            rows.note(~first, again)
        rows.keep(first)
        self.ids = id_array(raw_ids(rows.columns.pop(""), found.names))
        self.rows, self.cells = rows, rows.columns

    def fields(self, name: str) -> list[Any]:
        """The cells of a column: text, None for an unknown one, or a list."""
        return [None if str(cell).strip() in MISSING else cell for cell in self.cells[name]]

    def column(self, role: str) -> list[str]:
        """The cells of a role as text, "" for an unknown one."""
        cells = self.fields(self.roles[role]) if role in self.roles else [None] * len(self.ids)
        return [*map(_spaced, cells)]

    def described(
        self, words: Mapping[str, str], given: Columns, text: bool = True
    ) -> dict[str, Column]:
        """The columns that have no role, by the names they are asked by; in `words`, what has one.

        Kinds that are not to be inferred are by either name. Of users there may be no free text.
        """
        strict, dialect, notes = self.table.strict, self.table.dialect, self.notes
        file, kinds = self.table.path.name, dict(given.kinds)
        if not strict:
            notes.roles |= {role: each for role, each in words.items() if role not in ROLES}
        cells = {name: self.fields(name) for name in self.cells if name not in self.roles.values()}
        if strict and not (dialect and dialect.header):  # its family says what each is
            cells = {}
        for name in [name for name in cells if strict and name.endswith("_seq")]:
            lists = [(cell or "").split() for cell in cells[name]]  # taken where they are short
            cells[name] = lists if sum(map(len, lists)) <= 8 * len(lists) else cells[name]
        columns: dict[str, Column] = {}
        own: dict[str, str] = {}
        notes.names += cells
        for name, each in cells.items():
            column = _column(name, each, kinds.get(name) or kinds.get(field_name(name)))
            if isinstance(column, Column) and column.kind == "text" and not text:
                column = "free text of users is not used"
            if isinstance(column, str):
                notes.unused[f"{name} of {file}"] = column
                continue
            plain = field_name(name, columns)
            columns[plain] = column
            own[name] = ("" if plain == name else f"as {plain} ") + _in_words(column)
        if own:
            notes.own[file] = own
        return columns

    def titles(self) -> list[str]:
        """A title of each row, with the year at its end where there is one."""
        titles = self.column("title")
        if "title" in self.roles:  # "NA" is one too
            titles = [*map(_spaced, self.cells[self.roles["title"]])]
        found = []
        for key, title, cell in zip(self.ids.tolist(), titles, self.column("year"), strict=True):
            title = re.sub(r"&#?\w+;", lambda entity: html.unescape(entity[0]), title)
            title = _MADE_FOR_VIDEO.sub("", title) or f"Item {key}"
            year = _YEAR.search(cell)
            found.append(f"{title} ({year[0]})" if year and not name_and_year(title)[1] else title)
        return found

    def genres(self) -> tuple[str, list[tuple[str, ...]]]:
        """What separates genres, in words, and those of each row."""
        if "genres" not in self.roles:  # each in a column of 0 and 1, as ML-100K has them
            flags = {n: self.cells[n] for n in GENRES_100K if n in self.cells and self.table.strict}
            every = range(len(self.ids))
            return "", [tuple(n for n in flags if flags[n][i] == "1") for i in every]
        cells = self.fields(self.roles["genres"])
        if any(isinstance(each, list) for each in cells):
            return LISTS, [_values(each or ()) for each in cells]
        none = (None, "(no genres listed)", "unknown")
        texts = ["" if each in none else each for each in cells]
        separator = self.table.dialect.genres if self.table.dialect else ""
        return _lists(texts, "" if any("|" in each for each in texts) else separator)


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
        return Column("categories", [_values(each or ()) for each in cells])
    texts = [*map(_spaced, cells)]
    filled = [*filter(None, texts)]
    kind = (kind or _kind(name, filled)) if filled else "empty"
    if kind == "number":
        return Column("number", np.array([_number(each) for each in texts], float))
    if kind == "categories":
        return Column("categories", _lists(texts)[1])
    return Column(kind, texts) if kind in ("category", "text") else kind  # type: ignore[arg-type]


def _kind(name: str, filled: Sequence[str]) -> str:
    """Of what kind a column is by its fields, or why it is of no use."""
    different, words = len({*filled}), sum(len(each.split()) for each in filled) / len(filled)
    if different == 1:
        return f"always {filled[0][:40]!r}"
    if _most(map(_ADDRESS.match, filled)):
        return "addresses of pages or pictures"
    if _most(_number(each) is not None for each in filled) and not _ID.search(name.split(":")[0]):
        return "number"
    if _most(map(_DATE.match, filled)):
        return "dates, which are read only as year-month-day"
    if _most(_literal(each) is not None for each in filled) or _separator(filled):
        return "categories"
    if different <= min(MOST_VALUES, max(1, len(filled) // 2)):
        return "category" if words < 12 else "text"
    return "text" if words >= 4 else f"{different:,} different values in {len(filled):,} fields"


def _lists(texts: Sequence[str], separator: str = "") -> tuple[str, list[tuple[str, ...]]]:
    """What separates several values in a text, in words, and the values of each."""
    filled = [each for each in texts if each]
    if filled and _most(_literal(each) is not None for each in filled):
        return LISTS, [_literal(each) or () for each in texts]
    used = [each for each in SEPARATORS if any(each in text for text in filled)]
    separator = separator or _separator(filled) or "".join(used[:1])
    parts = (text.split(separator or SEPARATORS[0]) for text in texts)
    lists = [tuple(dict.fromkeys(filter(None, map(str.strip, each)))) for each in parts]
    return repr(separator) if separator else "", lists


def _separator(filled: Sequence[str]) -> str:
    """What separates values within fields, "" if nothing does: they must come again and again."""
    for separator in SEPARATORS:
        several = sum(separator in each for each in filled)
        if several < max(2, 0.1 * len(filled)):
            continue
        values = Counter(value.strip() for each in filled for value in {*each.split(separator)})
        long = sum(len(value.split()) for value in values) > 4 * len(values)
        if 2 * len(values) <= values.total() and len(values) <= MOST_VALUES and not long:
            return separator
    return ""


def _literal(text: str) -> tuple[str, ...] | None:
    """The values of a list written as JSON or Python writes it."""
    with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
        found = ast.literal_eval(text) if text.startswith("[") else None
        return _values(found) if isinstance(found, list) else None
    return None


def _values(cells: Iterable[Any]) -> tuple[str, ...]:
    """A list's different values as text, of objects their names."""
    names = (each.get("name", each) if isinstance(each, dict) else each for each in cells)
    return tuple(dict.fromkeys(str(name).strip() for name in names))


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
        return value if abs(value) < 1e300 else None
    return None


def _spaced(cell: Any) -> str:
    """A cell as text without more space than it needs, "" for an empty one."""
    return " ".join(str(cell or "").split())


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

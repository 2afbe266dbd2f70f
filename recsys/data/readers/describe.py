"""Files of movies and of users: ids, titles, genres, profiles, and columns that describe them."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Movies, Users, name_and_year
from recsys.data.ids import id_array, raw_ids
from recsys.data.movielens import AGES, GENRES_100K, JOBS, MAX_AGE
from recsys.data.readers.formats import Rejects, Table
from recsys.data.readers.kinds import described
from recsys.data.readers.roles import MISSING, Columns, describing_columns
from recsys.data.readers.text import control_character
from recsys.data.readers.values import Cells, Rows, ids, texts
from recsys.data.schema import MOVIELENS, Column
from recsys.errors import DataError, quoted

MANY_GENRES, SOME_GENRES = 100, 20  # of any catalogue, and of one of half as many movies
_YEAR = re.compile(r"(?<!\d)[1-9]\d{3}(?!\d)")
_AGE = re.compile(r"[0-9]{1,3}(\.0+)?")
_MADE_FOR_VIDEO = re.compile(r"(?<=\(\d{4}\)) \(V\)$")  # ML-100K has it behind the year


class Understood(NamedTuple):
    """How a file was read: its columns by role in words, and why the others are not used."""

    roles: dict[str, str]
    unused: dict[str, str]
    own: dict[str, str] = {}  # noqa: RUF012 - what describes movies or users besides, in words


def movies_of(
    table: Table,
    given: Columns,
    rejects: Rejects,
    log: Callable[[str], None],
    elsewhere: str | None = None,
) -> tuple[Movies, Understood]:
    """The movies of a file, in its order; without titles a movie is called "Item ID".

    Args:
        log: gets a line where so many genres are named that their separator may be another.
        elsewhere: what ids of movies are called in the ratings.
    """
    roles = describing_columns(table, "item", ("title", "genres", "year"), given, elsewhere)
    side = Side(table, roles, "item", "movie", rejects)
    separator, genres = side.genres()
    movies = Movies(side.ids(), side.titles(), genres)
    many, most = len({name for each in genres for name in each}), sum(map(bool, genres)) / 2
    if many > MANY_GENRES or many >= max(SOME_GENRES, most):
        log(f"{table.path}: {many:,} different genres, are they separated as expected ('|')?")
    own = described(side.others(), dict(given.kinds))
    words: dict[str, str] = {role: roles[role] for role in ("title", "year") if role in roles}
    words.setdefault("title", "none, Item ID instead")
    words["genres"] = f"{roles['genres']} {separator}".strip() if "genres" in roles else "none"
    movies.columns.update(own.columns)
    return movies, Understood({} if table.strict else words, own.unused, own.words)


def users_of(
    table: Table, given: Columns, rejects: Rejects, elsewhere: str | None = None
) -> tuple[Users, Understood]:
    """The users of a file: gender, age and job as MovieLens has them, and what is beside.

    Args:
        elsewhere: what ids of users are called in the ratings.
    """
    profile = [each.name for each in MOVIELENS]
    roles = describing_columns(table, "user", profile, given, elsewhere)
    side = Side(table, roles, "user", "user", rejects)
    known: dict[str, Column] = {}
    unknown: dict[str, str] = {}
    for role in [role for role in profile if role in roles]:
        cells = side.column(roles[role])
        column, odd = _profile(role, cells)
        if 2 * len(odd) > sum(map(bool, cells)) and not table.strict:
            del roles[role]  # a column of the file's own
            continue
        known[role] = column
        if odd:
            why = f"not understood, so unknown, such as {quoted(odd[0])}"
            unknown[f"{len(odd):,} cells of {role}"] = why
    if {"age", "job"} <= {*known}:
        pairs = zip(side.column(roles["job"]), known["age"].values, strict=True)
        for i, (cell, age) in enumerate(pairs):
            if cell == "student" and age < AGES[1]:
                known["job"].values[i] = JOBS[10]
    words = {} if table.strict else {role: roles[role] for role in known}
    own = described(side.others(), dict(given.kinds), several=False)
    users = Users.of(side.ids(), known | own.columns, MOVIELENS)
    return users, Understood(words, unknown | own.unused, own.words)


def _profile(role: str, cells: Sequence[str]) -> tuple[Column, list[str]]:
    """Genders, ages in years or jobs (words, or MovieLens' codes), and cells that are none."""
    attribute = next(each for each in MOVIELENS if each.name == role)
    if role == "age":
        fits: Any = [_AGE.fullmatch(cell) and AGES[0] <= float(cell) <= MAX_AGE for cell in cells]
        ages = [float(cell) if fit else np.nan for cell, fit in zip(cells, fits, strict=True)]
        column = Column("number", np.array(ages, float))
    else:
        jobs = dict(zip(map(str, range(len(JOBS))), JOBS, strict=True)) if role == "job" else {}
        rows = attribute.rows(Column("category", [jobs.get(cell, cell) for cell in cells]))[:, 0]
        fits = rows > 0
        column = Column("category", [attribute.value(row) for row in rows.tolist()])
    return column, [cell for cell, fit in zip(cells, fits, strict=True) if cell and not fit]


class Side:
    """The rows of a file of movies or users: texts by column, and which rows are left."""

    def __init__(
        self, table: Table, roles: Mapping[str, str], key: str, what: str, rejects: Rejects
    ) -> None:
        self.table, self.roles, self.what = table, roles, what
        columns, at = table.read(dict.fromkeys(filter(None, table.names), "text"), rejects)
        self.rows = Rows(table, at, rejects)
        keys = Cells(table.path, roles[key], columns.pop(roles[key]))
        self.keys = ids(keys, what)
        self.rows.check(keys, self.keys)
        self.cells: dict[str, list[Any]] = {}
        for name, chunks in columns.items():
            self.cells[name], wrong = texts(Cells(table.path, name, chunks))
            if name in roles.values():
                for i, cell in enumerate(self.cells[name]):
                    if isinstance(cell, str) and (odd := control_character(cell)):
                        wrong.setdefault(i, odd)
                self.rows.refuse_each(wrong)
        self._once()
        self.places: NDArray[np.intp] = np.flatnonzero(self.rows.mask)

    def _once(self) -> None:
        """Refuse rows of an id that an earlier one has."""
        bad = self.rows.mask.copy()
        left = np.flatnonzero(bad)
        bad[left[np.unique(self.keys.values[left], return_index=True)[1]]] = False

        def words(i: int) -> str:
            key = raw_ids(self.keys.values[i : i + 1], self.keys.names)[0]
            return f"{self.what} {key} again, expected once"

        self.rows.refuse(bad, words)

    def ids(self) -> NDArray:
        """The ids of the rows that are left."""
        return id_array(raw_ids(self.keys.values[self.places], self.keys.names))

    def fields(self, name: str) -> list[Any]:
        """The cells of a column: text, None for an unknown one, or a list."""
        cells = self.cells[name]
        return [None if isinstance(cell := cells[i], str) and cell.strip() in MISSING else cell
                for i in self.places.tolist()]  # fmt: skip

    def column(self, name: str) -> list[str]:
        """The same as text, "" for an unknown one."""
        return [" ".join(str(cell or "").split()) for cell in self.fields(name)]

    def others(self) -> dict[str, list[Any]]:
        """The columns that have no role, unless a family of files says what each is."""
        if self.table.strict and not (self.table.dialect and self.table.dialect.header):
            return {}
        found = {}
        for name in [name for name in self.cells if name not in self.roles.values()]:
            found[name] = self.fields(name)
            if self.table.strict and name.endswith("_seq"):  # RecBole's, lists where they are short
                words = [(cell or "").split() for cell in found[name]]
                found[name] = words if sum(map(len, words)) <= 8 * len(words) else found[name]
        return found

    def titles(self) -> list[str]:
        """A title of each row, with the year at its end where there is one."""
        places = self.places.tolist()
        titles = [f"Item {key}" for key in self.ids().tolist()]
        if "title" in self.roles:
            cells = [str(self.cells[self.roles["title"]][i] or "") for i in places]
            cells = cells if self.table.strict else [" ".join(cell.split()) for cell in cells]
            titles = [cell.strip() or item for cell, item in zip(cells, titles, strict=True)]
        if "year" in self.roles:
            years = map(_YEAR.search, self.column(self.roles["year"]))
            titles = [f"{title} ({year[0]})" if year and not name_and_year(title)[1] else title
                      for title, year in zip(titles, years, strict=True)]  # fmt: skip
        if "video" in self.table.names and self.table.strict:
            titles = [_MADE_FOR_VIDEO.sub("", title) for title in titles]
        return titles

    def genres(self) -> tuple[str, list[tuple[str, ...]]]:
        """What separates genres, in words, and those of each row."""
        if "genres" not in self.roles:  # each in a column of 0 and 1, as ML-100K has them
            flags = [n for n in GENRES_100K if n in self.cells and self.table.strict]
            return "", [tuple(n for n in flags if self.cells[n][i] == "1") for i in self.places]
        cells = self.fields(self.roles["genres"])
        if any(isinstance(each, list) for each in cells):
            return "(lists)", [tuple(dict.fromkeys(map(str, each or ()))) for each in cells]
        filled = [str(each) for each in cells if each]
        if not self.table.strict and any(each.lstrip().startswith(("[", "{")) for each in filled):
            raise DataError(
                f"{self.table.path}: genres such as {quoted(filled[0])} are not supported yet",
                "separate them by '|'",
                "genres_column",
            )
        separator = self.table.dialect.genres if self.table.dialect else ""
        if not separator or any("|" in each for each in filled):
            separator = next((s for s in "|;," if any(s in each for each in filled)), "")
        genres = [_genre_names(str(cell or ""), separator or "|") for cell in cells]
        return repr(separator) if separator else "", genres


def _genre_names(text: str, separator: str) -> tuple[str, ...]:
    """A movie's genres without repetition; none for an empty list or "(no genres listed)"."""
    if text.strip() in ("(no genres listed)", "unknown"):
        return ()
    return tuple(dict.fromkeys(filter(None, map(str.strip, text.split(separator)))))

"""Files of movies and of users: ids, titles, genres, profiles, and columns that describe them."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Movies, Users, name_and_year
from recsys.data.ids import id_array, raw_ids
from recsys.data.movielens import AGES, GENDERS, GENRES_100K, JOBS, MAX_AGE, OCCUPATIONS
from recsys.data.readers.formats import BadCell, Rejects, Table
from recsys.data.readers.kinds import described
from recsys.data.readers.roles import Columns, describing_columns
from recsys.data.readers.text import Dialect, control_character
from recsys.data.readers.values import Cells, Rows, ids, texts, whole_number
from recsys.data.schema import MOVIELENS, Column
from recsys.errors import DataError, quoted

LOOKED_AT = 1000  # users whose gender, age or job decides whether it is MovieLens'
_YEAR = re.compile(r"\d{4}")
_MADE_FOR_VIDEO = re.compile(r"(?<=\(\d{4}\)) \(V\)$")  # ML-100K has it behind the year


class Understood(NamedTuple):
    """How a file was read: its columns by role in words, and why the others are not used."""

    roles: dict[str, str]
    unused: dict[str, str]
    own: dict[str, str] = {}  # noqa: RUF012 - what describes movies or users besides, in words


def movies_of(
    table: Table, given: Columns, rejects: Rejects, elsewhere: str | None = None
) -> tuple[Movies, Understood]:
    """The movies of a file, in its order; without titles a movie is called "Item ID".

    Args:
        elsewhere: what ids of movies are called in the ratings.
    """
    roles = describing_columns(table, "item", ("title", "genres", "year"), given, elsewhere)
    side = Side(table, roles, "item", "movie", rejects)
    titles = side.titles()
    separator, genres = side.genres()
    side.once()
    own = described(side.others(), dict(given.kinds))
    places = side.places.tolist()
    words: dict[str, str] = {role: roles[role] for role in ("title", "year") if role in roles}
    words.setdefault("title", "none, Item ID instead")
    words["genres"] = f"{roles['genres']} {separator}".strip() if "genres" in roles else "none"
    movies = Movies(
        side.ids(), [titles[i] for i in places], [genres[i] for i in places], own.columns
    )
    return movies, Understood({} if table.strict else words, own.unused, own.words)


def users_of(
    table: Table, given: Columns, rejects: Rejects, elsewhere: str | None = None
) -> tuple[Users, Understood]:
    """The users of a file: gender, age in years and job as MovieLens has them, and what is beside.

    Args:
        elsewhere: what ids of users are called in the ratings.
    """
    roles = describing_columns(table, "user", ("gender", "age", "job"), given, elsewhere)
    side = Side(table, roles, "user", "user", rejects)
    profile: dict[str, list[Any]] = {}
    for role in [role for role in ("gender", "age", "job") if role in roles]:
        cells, parse = side.cells[roles[role]], partial(_profile, role, table.dialect)
        filled = [cell for cell in cells[:LOOKED_AT] if cell and cell.strip()]
        problems = side.made(filled, parse)[1]
        if table.strict or 2 * sum(cell in problems for cell in filled) <= len(filled):
            profile[role] = side.parsed(cells, parse)
        else:  # a column of the file's own
            del roles[role]
    side.once()
    places = side.places
    if {"age", "job"} <= {*profile} and not (table.dialect and table.dialect.codes):
        for i, (cell, age) in enumerate(zip(side.cells[roles["job"]], profile["age"], strict=True)):
            if (cell or "").strip() == "student" and age and age < AGES[1]:
                profile["job"][i] = JOBS[10]
    own = described(side.others(), dict(given.kinds), several=False)
    at = places.tolist()
    known = {role: _profile_column(role, [each[i] for i in at]) for role, each in profile.items()}
    users = Users.of(side.ids(), known | own.columns, MOVIELENS)
    words = {} if table.strict else {role: roles[role] for role in profile}
    return users, Understood(words, own.unused, own.words)


def _profile_column(role: str, values: list[Any]) -> Column:
    """Genders, ages or jobs as a column of the kind that their attribute has."""
    if role == "age":
        return Column("number", np.array([each or np.nan for each in values], float))
    return Column("category", [each or "" for each in values])


def _profile(role: str, dialect: Dialect | None, cell: str | None) -> Any:
    """A gender, an age in years or a job, None where it is unknown.

    In `users.dat` ages and jobs are MovieLens' codes; in the files of families a gender is M or F,
    and only atomic ones have empty cells.

    Raises:
        BadCell: it is none.
    """
    strict, codes = dialect is not None and dialect.strict, dialect is not None and dialect.codes
    text = (cell or "").strip()
    if not text and not (dialect and strict and not dialect.header):
        return None
    if role == "age" and not codes:
        age = whole_number(text.removesuffix(".0"), "an age in years", MAX_AGE)
        if age < AGES[0]:
            words = f"expected an age in years from {AGES[0]} to {MAX_AGE}, got {quoted(text)}"
            raise BadCell(words)
        return age
    if role == "gender" and not strict:
        text = {"male": "M", "female": "F"}.get(text.lower(), text.upper())
    job = "job code" if codes or text.isdigit() else "occupation"
    what = {"gender": "gender", "age": "age code", "job": job}[role]
    known = _KNOWN[what]
    if text not in known:
        raise BadCell(f"unknown {what} {quoted(text)}, expected one of {', '.join(known)}")
    return known[text]


_KNOWN: dict[str, dict[str, Any]] = {
    "gender": {each: each for each in GENDERS},
    "age code": {str(age): age for age in AGES},
    "job code": {str(code): job for code, job in enumerate(JOBS)},
    "occupation": dict(OCCUPATIONS),
}


class Side:
    """The rows of a file of movies or users: texts by column, and which rows are left."""

    def __init__(
        self, table: Table, roles: dict[str, str], key: str, what: str, rejects: Rejects
    ) -> None:
        self.table, self.roles, self.what = table, roles, what
        dialect = table.dialect
        self.names = table.names  # of the columns that are read
        if dialect and dialect.strict and not dialect.header:
            self.names = (*roles.values(), *(n for n in GENRES_100K if n in table.names))
        self.names = tuple(name for name in self.names if name)
        columns, at = table.read(dict.fromkeys(self.names, "text"), rejects)
        self.rows = Rows(table, at, rejects)
        keys = Cells(table.path, roles[key], columns.pop(roles[key]))
        self.keys = ids(keys, what)
        self.rows.check(keys, self.keys)
        self.cells: dict[str, list[Any]] = {}
        used = {*roles.values(), *GENRES_100K}
        for name, chunks in columns.items():
            cells, wrong = texts(Cells(table.path, name, chunks))
            if name in roles.values() and name != roles.get("genres"):
                cells = [str(each) if isinstance(each, list) else each for each in cells]
            self.cells[name] = cells
            if name in used or table.strict:
                self.refuse(wrong)

    def refuse(self, wrong: Mapping[int, str]) -> None:
        """Refuse rows, by what is wrong with them."""
        bad = np.zeros(len(self.rows.rows), np.bool_)
        bad[list(wrong)] = True
        self.rows.refuse(bad, wrong.__getitem__)

    def once(self) -> None:
        """Refuse rows of an id that an earlier one has."""
        left = np.flatnonzero(self.rows.mask)
        different, first = np.unique(self.keys.values[left], return_index=True)
        bad = self.rows.mask.copy()
        bad[left[first]] = False

        def words(i: int) -> str:
            key = self.keys.values[i]
            place = left[first[np.searchsorted(different, key)]]
            where = self.table.place(int(self.rows.numbers(np.array([place]))[0]))
            where = f"in {where[2:]}" if where.startswith(": ") else f"on line {where[1:]}"
            shown = key if self.keys.names is None else self.keys.names[key]
            return f"{self.what} {shown} again, expected once, first {where}"

        self.rows.refuse(bad, words)

    @property
    def places(self) -> NDArray[np.intp]:
        """The rows that are left."""
        return np.flatnonzero(self.rows.mask)

    def ids(self) -> NDArray:
        """The ids of the rows that are left."""
        return id_array(raw_ids(self.keys.values[self.places], self.keys.names))

    def others(self) -> dict[str, list[Any]]:
        """The columns that have no role, of the rows that are left."""
        if self.table.strict and not (self.table.dialect and self.table.dialect.header):
            return {}
        found, places = {}, self.places.tolist()
        for name in [name for name in self.cells if name not in self.roles.values()]:
            cells = [self.cells[name][i] for i in places]
            if self.table.strict and name.endswith("_seq"):  # RecBole's, lists where they are short
                words = [(each or "").split() for each in cells]
                cells = words if sum(map(len, words)) <= 8 * len(words) else cells
            found[name] = cells
        return found

    def made(
        self, cells: Sequence[Any], parse: Callable[[Any], Any]
    ) -> tuple[dict[Any, Any], dict[Any, str]]:
        """What is made of each of the different cells, or else what is wrong with it."""
        made: dict[Any, Any] = {}
        problems: dict[Any, str] = {}
        for cell in {*cells}:
            try:
                made[cell] = parse(cell)
            except BadCell as problem:
                problems[cell] = str(problem)
        return made, problems

    def parsed(self, cells: Sequence[Any], parse: Callable[[Any], Any]) -> list[Any]:
        """What is made of each cell; rows of bad ones are refused."""
        made, problems = self.made(cells, parse)
        if problems:
            self.refuse({i: problems[cell] for i, cell in enumerate(cells) if cell in problems})
        return [made.get(cell) for cell in cells]

    def titles(self) -> list[str]:
        """A title of each row, with the year at its end where there is one."""
        if "title" not in self.roles:
            names = self.keys.names
            keys = self.keys.values if names is None else np.append(names, "")[self.keys.values]
            return [f"Item {key}" for key in keys.tolist()]
        cells = self.cells[self.roles["title"]]
        years = self.cells[self.roles["year"]] if "year" in self.roles else [None] * len(cells)
        strict, video = self.table.strict, "video" in self.table.names

        def title(cell: tuple[str | None, Any]) -> str:
            text = (cell[0] or "") if strict else " ".join((cell[0] or "").split())
            if odd := control_character(text):
                raise BadCell(odd)
            if not (text := text.strip()):
                raise BadCell("expected a title, found none")
            year = str(cell[1] or "").removesuffix(".0").strip()
            if _YEAR.fullmatch(year) and not name_and_year(text)[1]:
                text = f"{text} ({year})"
            return _MADE_FOR_VIDEO.sub("", text) if strict and video else text

        return self.parsed(list(zip(cells, years, strict=True)), title)

    def genres(self) -> tuple[str, list[tuple[str, ...]]]:
        """What separates genres, in words, and those of each row."""
        if "genres" not in self.roles:
            return "", self._flagged()
        cells = self.cells[self.roles["genres"]]
        if any(isinstance(each, list) for each in cells):
            return "(lists)", [tuple(dict.fromkeys(map(str, each or ()))) for each in cells]
        filled = [str(each) for each in cells if each and each.strip()]
        if not self.table.strict and any(each.lstrip().startswith(("[", "{")) for each in filled):
            raise DataError(
                f"{self.table.path}: genres such as {quoted(filled[0])} are not supported yet",
                "separate them by '|'",
                "genres_column",
            )
        separator = self.table.dialect.genres if self.table.dialect else ""
        if not separator or any("|" in each for each in filled):
            separator = next((s for s in "|;," if any(s in each for each in filled)), "")
        genres = self.parsed(cells, lambda cell: _genre_names(cell or "", separator or "|"))
        return repr(separator) if separator else "", genres

    def _flagged(self) -> list[tuple[str, ...]]:
        """Genres of which each has a column of 0 and 1, as ML-100K has them."""
        found: list[tuple[str, ...]] = [()] * len(self.rows.rows)
        for genre in [name for name in GENRES_100K if name in self.cells and self.table.strict]:

            def flag(cell: str | None, genre: str = genre) -> tuple[str, ...]:
                if cell not in ("0", "1"):
                    words = f"expected 0 or 1 for the genre {genre}, got {quoted(cell or '')}"
                    raise BadCell(words)
                return (genre,) * int(cell)

            flags = self.parsed(self.cells[genre], flag)
            found = [(*each, *(more or ())) for each, more in zip(found, flags, strict=True)]
        return found


def _genre_names(text: str, separator: str) -> tuple[str, ...]:
    """A movie's genres without repetition; none for an empty list or "(no genres listed)"."""
    if odd := control_character(text):
        raise BadCell(odd)
    if text.strip() in ("", "(no genres listed)", "unknown"):
        return ()
    names = [name.strip() for name in text.strip().split(separator)]
    if "" in names:
        raise BadCell(f"expected genres separated by {separator!r}, found an empty one")
    return tuple(dict.fromkeys(names))

"""Tables of movies and users to typed columns, and what was understood of each."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from recsys.data.columns import Columns, by_name, missing
from recsys.data.dataset import Movies, Users
from recsys.data.ids import Id, id_array
from recsys.data.readers.column import Column
from recsys.data.readers.described import described
from recsys.data.readers.fields import shown
from recsys.data.readers.inferred import without_names
from recsys.data.readers.movies import genre_names, titled
from recsys.data.readers.problems import BadLine, Problems
from recsys.data.readers.table_columns import ids
from recsys.data.readers.tabular import Read, Table, Understood, open_table, texts
from recsys.data.readers.text import plain_text
from recsys.data.readers.users import UNKNOWN, user_codes, users_of
from recsys.errors import DataError

T = TypeVar("T")
_LOOKED_AT = 1000  # rows whose content decides what a column is


def read_movie_table(
    path: Path, given: Columns, problems: Problems, key: str | None = None
) -> tuple[Movies, Understood]:
    """The movies of a table; without a column of titles a movie is called "Item ID".

    Args:
        key: what ids of movies are called elsewhere.
    """
    table = open_table(path)
    found = _described(table, "item", ("title", "genres", "year"), given, key)
    own = _others(table, found)
    read = _all_text(table, [*found.values(), *own], problems)
    texts_of = {
        role: _texts(table, read, name, problems) for role, name in found.items() if role != "item"
    }
    separator, names = _genres(path, texts_of.get("genres"))

    def movie(place: int, movie_id: Id) -> tuple[str, tuple[str, ...]]:
        title = _title(texts_of, place, movie_id)
        return title, names(texts_of["genres"][place]) if "genres" in texts_of else ()

    rows, places = _by_id(Column(table, read, found["item"]), "movie", movie, problems)
    more = described(_cells(table, read, own, places), dict(given.kinds))
    titles, genres = [title for title, _ in rows.values()], [each for _, each in rows.values()]
    words: dict[str, str] = {r: found[r] for r in ("title", "year") if r in found}
    words.setdefault("title", "none, Item ID instead")
    words["genres"] = f"{found['genres']} {separator}".strip() if "genres" in found else "none"
    movies = Movies(id_array(rows), titles, genres, more.columns)
    return movies, Understood(words, more.unused, more.words)


def _by_id(
    column: Column, what: str, parse: Callable[[int, Id], T], problems: Problems
) -> tuple[dict[Id, T], list[int]]:
    """What `parse` makes of a row and its id, by id and in the order of the rows; and those rows.

    Rows without a good id, that `parse` refuses, or of an id that was there, are put down.
    """
    path, numbers = column.table.path, ids(column, what)
    found: dict[Id, T] = {}
    first: dict[Id, int] = {}  # line of each id
    places: list[int] = []
    for place, line in enumerate(column.read.lines):
        try:
            if not numbers.is_good(place):
                raise BadLine(numbers.words(place))
            each = numbers.id(place)
            value = parse(place, each)
            if each in found:
                where = problems.within(path, first[each])
                raise BadLine(f"{what} {each} again, expected once, first {where}")
        except BadLine as problem:
            problems.add(path, int(line), str(problem))
            continue
        found[each], first[each] = value, int(line)
        places.append(place)
    return found, places


def _all_text(table: Table, names: Sequence[str], problems: Problems) -> Read:
    return table.read(names, problems, types=dict.fromkeys(names, "text"))


def _others(table: Table, found: Mapping[str, str]) -> list[str]:
    """The names of the other columns of a table that have one."""
    return [name for name in table.names if name and name not in found.values()]


def _cells(table: Table, read: Read, names: Sequence[str], rows: Sequence[int]) -> dict[str, list]:
    """Some rows of some columns as text, or as lists."""
    found = {name: _texts(table, read, name, Problems()) for name in names}
    return {name: [cells[row] for row in rows] for name, cells in found.items()}


def _described(
    table: Table, key: str, roles: Sequence[str], given: Columns, elsewhere: str | None
) -> dict[str, str]:
    """The columns that describe movies or users; a key may be called as elsewhere, or id."""
    given = given.placed(table.names)
    if given.of(key) is None and elsewhere in table.names:
        given = given._replace(**{key: elsewhere})  # type: ignore[arg-type]
    found = by_name(table.path, table.names, (key, *roles), given)
    if not table.named:
        return without_names(table, key, roles, found, given)
    if key not in found:
        like = [name for name in table.names if name.lower() == "id"]
        if not like:
            raise missing(table.path, key, table.names)
        found[key] = like[0]
    return found


def _texts(table: Table, read: Read, name: str, problems: Problems) -> list[Any]:
    """A column's fields as text; lists of texts stay lists."""
    import pyarrow as pa

    column = read.columns[name]
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return column.to_pylist()
    return texts(column, table.path, read.lines, problems)


def _title(texts_of: dict[str, list[Any]], place: int, movie: Id) -> str:
    if "title" not in texts_of:
        return f"Item {movie}"
    title = " ".join((texts_of["title"][place] or "").split())
    year = texts_of["year"][place] if "year" in texts_of else None
    return titled(plain_text(title) if title else "", (year or "").removesuffix(".0").strip())


def _genres(path: Path, cells: list[Any] | None) -> tuple[str, Callable[[Any], tuple[str, ...]]]:
    """What separates genres in a column, in words, and what reads a field of it."""
    if cells and any(isinstance(each, list) for each in cells):
        return "(lists)", lambda cell: tuple(dict.fromkeys(map(str, cell or ())))
    filled = [str(each) for each in cells or () if each and each.strip()]
    if any(each.lstrip().startswith(("[", "{")) for each in filled):
        raise DataError(
            f"{path}: genres such as {shown(filled[0])} are not supported yet",
            "separate them by '|'",
            "genres_column",
        )
    separator = next((s for s in "|;," if any(s in each for each in filled)), "")

    def names(cell: str | None) -> tuple[str, ...]:
        return genre_names(plain_text(cell).strip() if cell else "", separator or "|")

    return repr(separator) if separator else "", names


def read_user_table(
    path: Path, given: Columns, problems: Problems, key: str | None = None
) -> tuple[Users, Understood]:
    """The users of a table: gender, age in years and job, as MovieLens has them."""
    table = open_table(path)
    found = _described(table, "user", ("gender", "age", "job"), given, key)
    own = _others(table, found)
    read = _all_text(table, [*found.values(), *own], problems)
    columns = {r: _texts(table, read, n, problems) for r, n in found.items() if r != "user"}
    for role in [role for role in columns if not _like_movielens(role, columns)]:
        own = [name for name in table.names if name in (*own, found[role])]
        del columns[role]

    def user(place: int, user_id: Id) -> tuple[int, int, int]:
        return _codes({role: each[place] for role, each in columns.items()})

    rows, places = _by_id(Column(table, read, found["user"]), "user", user, problems)
    codes = np.array(list(rows.values()), np.int32).reshape(len(rows), 3)
    more = described(_cells(table, read, own, places), dict(given.kinds), several=False)
    users = users_of(id_array(rows), codes, columns, more.columns)
    return users, Understood({r: found[r] for r in columns}, more.unused, more.words)


def _codes(row: dict[str, str | None]) -> tuple[int, int, int]:
    """Codes of gender, age and job; an empty field is unknown."""
    fields = {role: (text or "").strip() for role, text in row.items()}
    gender = fields.get("gender", "")
    fields["gender"] = {"male": "M", "female": "F"}.get(gender.lower(), gender.upper())
    if "age" in fields:
        fields["age"] = fields["age"].removesuffix(".0")
    return user_codes({"age": "", **fields}, may_lack=True)


def _like_movielens(role: str, columns: dict[str, list[str | None]]) -> bool:
    """Whether most of a column's fields mean something as a gender, age or job."""
    good = filled = 0
    for text in columns[role][:_LOOKED_AT]:
        if text and text.strip():
            filled += 1
            try:
                good += _codes({role: text})[("gender", "age", "job").index(role)] != UNKNOWN
            except BadLine:
                continue
    return 2 * good >= filled

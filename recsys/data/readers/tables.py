"""Tables of ratings, movies and users to typed columns, and what was understood of each."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.columns import Columns, by_content, by_name, missing
from recsys.data.dataset import UNKNOWN, Movies, Ratings, Users
from recsys.data.ids import Id, id_array, unique
from recsys.data.readers.described import described
from recsys.data.readers.fields import shown
from recsys.data.readers.movies import genre_names, titled
from recsys.data.readers.problems import BadLine, Problems
from recsys.data.readers.ratings import RatingLines
from recsys.data.readers.table_columns import Column, Numbers, ids, kept, ratings, times
from recsys.data.readers.tabular import DISTINCT, Read, Table, open_table, texts
from recsys.data.readers.text import plain_text
from recsys.data.readers.users import user_codes, users_of
from recsys.errors import DataError

_TYPES = {"user": DISTINCT, "item": DISTINCT, "rating": "float", "time": "int64"}  # in most files
_LOOKED_AT = 1000  # rows whose content decides what a column is


class RatingTable(NamedTuple):
    """The ratings of a table; where ids are text, codes are their places among the names."""

    raw: RatingLines
    users: NDArray | None
    movies: NDArray | None
    rated: bool  # False: there is no column of ratings
    understood: "Understood"


class Understood(NamedTuple):
    """How a table was read: its columns by role in words, and why the others are not used."""

    roles: dict[str, str]
    unused: dict[str, str]
    own: dict[str, str] = {}  # noqa: RUF012 - what describes movies or users besides, in words


def read_rating_table(path: Path, given: Columns, problems: Problems) -> RatingTable:
    """The ratings of a table in their own scale, 1 where there are none, and how it was read.

    Raises:
        DataError: a column is missing, or what it holds is not supported.
    """
    table = open_table(path)
    found = _rating_columns(table, given)
    types = {name: _TYPES[role] for role, name in found.items()}
    read = table.read(list(found.values()), problems, types=types)
    if not len(read.lines):
        empty = RatingLines(Ratings(*(np.zeros(0, t) for t in ("i4", "i4", "f4", "i8"))), [])
        return RatingTable(empty, None, None, True, Understood(dict(found), {}))
    columns: dict[str, Numbers] = {}
    for role, parse in (
        ("user", lambda c: ids(c, "user")),
        ("item", lambda c: ids(c, "movie")),
        ("rating", ratings),
        ("time", times),
    ):
        if role in found:
            columns[role] = parse(Column(table, read, found[role]))
    rows = len(read.lines)
    values: dict[str, NDArray] = {role: each.values for role, each in columns.items()}
    values.setdefault("rating", np.ones(rows, np.float32))
    values.setdefault("time", np.zeros(rows, np.int64))
    whole = Ratings(*(values[role] for role in ("user", "item", "rating", "time")))
    raw = kept(RatingLines(whole, read.lines), table, columns, problems)
    words = _in_words(raw.ratings, found, columns)
    understood = Understood(words, _unused(table, found, "a rating"))
    return RatingTable(raw, *_names_of(columns), "rating" in found, understood)


def _rating_columns(table: Table, given: Columns) -> dict[str, str]:
    """The columns of user, item and, where there are such, rating and time."""
    path, names = table.path, table.names
    found = by_name(path, names, ("user", "item", "rating", "time"), given)
    if not {"user", "item", "rating"} <= set(found):
        first = {
            n: c.slice(0, _LOOKED_AT) for n, c in table.read(names, Problems()).columns.items()
        }
        one = sum(role in found for role in ("user", "item")) == 1
        tests: dict[str, Callable[[str], bool]] = {
            "rating": lambda name: _like_ratings(first[name]),
            "time": lambda name: _like_times(first[name]),
        }
        if one:  # of two columns of numbers none can know which is the user
            tests |= dict.fromkeys(("user", "item"), lambda name: _like_ids(first[name]))
        found = by_content(path, names, found, tests, given)
    for role in ("user", "item"):
        if role not in found:
            raise missing(path, role, names)
    twice = [name for name in found.values() if list(found.values()).count(name) > 1]
    if twice:
        raise DataError(f"{path}: {twice[0]!r} is taken for two things", "name each column", "file")
    return found


def _like_ratings(column: Any) -> bool:
    values = _numbers(column)
    halves = len(values) and np.isin(values * 2, np.arange(1, 11)).all()
    return bool(halves) and len(np.unique(values)) <= 10


def _like_times(column: Any) -> bool:
    import pyarrow as pa

    values = _numbers(column)
    dated = pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)
    return dated or bool(len(values) and np.median(values) > 1e8)


def _like_ids(column: Any) -> bool:
    values = _numbers(column)
    return bool(len(values) and (values == np.rint(values)).all() and (values >= 0).all())


def _numbers(column: Any) -> Any:
    import pyarrow as pa

    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return np.zeros(0)
    return column.drop_null().to_numpy()


def _names_of(columns: dict[str, Numbers]) -> tuple[NDArray | None, NDArray | None]:
    return columns["user"].names, columns["item"].names


def _in_words(
    ratings: Ratings, found: dict[str, str], columns: dict[str, Numbers]
) -> dict[str, str]:
    words = {}
    for role, column in (("user", ratings.user_ids), ("item", ratings.movie_ids)):
        text = ", text" if columns[role].names is not None else ""
        words[role] = f"{found[role]} ({_distinct(column):,}{text})"
    words["rating"] = "none"
    if len(ratings) and "rating" in found:
        low, high = ratings.values.min(), ratings.values.max()
        words["rating"] = f"{found['rating']} {low:g}-{high:g}"
    words["time"] = f"{found['time']} ({columns['time'].unit})" if "time" in found else "none"
    return words


def _distinct(column: Any) -> int:
    return len(unique(column))


def _unused(table: Table, found: dict[str, str], what: str) -> dict[str, str]:
    """The other columns, and why each is not used."""
    why = f"not about {what}"
    return {name: why for name in table.names if name not in found.values()}


def read_movie_table(path: Path, given: Columns, problems: Problems) -> tuple[Movies, Understood]:
    """The movies of a table; without a column of titles a movie is called "Item ID"."""
    table = open_table(path)
    found = _described(table, "item", ("title", "genres", "year"), given)
    own = _others(table, found)
    read = table.read([*found.values(), *own], problems, as_text=True)
    lines = read.lines
    numbers = ids(Column(table, read, found["item"]), "movie") if len(lines) else None
    texts_of = {
        role: _texts(table, read, name, problems) for role, name in found.items() if role != "item"
    }
    separator, names = _genres(path, texts_of.get("genres"))
    rows: dict[Id, tuple[str, tuple[str, ...]]] = {}
    first: dict[Id, int] = {}
    places: list[int] = []
    for place, line in enumerate(lines):
        try:
            if numbers is None or not numbers.good[place]:
                raise BadLine(numbers.words(place) if numbers else "")
            movie = numbers.id(place)
            title = _title(texts_of, place, movie)
            genres = names(texts_of["genres"][place]) if "genres" in texts_of else ()
            if movie in rows:
                raise BadLine(f"movie {movie} again, expected once, first on line {first[movie]}")
        except BadLine as problem:
            problems.add(path, int(line), str(problem))
            continue
        rows[movie], first[movie] = (title, genres), int(line)
        places.append(place)
    titles = [title for title, _ in rows.values()]
    more = described(_cells(table, read, own, places), dict(given.kinds))
    genres_of = [genres for _, genres in rows.values()]
    movies = Movies(id_array(rows), titles, genres_of, more.columns)
    words: dict[str, str] = {r: found[r] for r in ("title", "year") if r in found}
    words.setdefault("title", "none, Item ID instead")
    words["genres"] = f"{found['genres']} {separator}".strip() if "genres" in found else "none"
    return movies, Understood(words, more.unused, more.words)


def _others(table: Table, found: Mapping[str, str]) -> list[str]:
    """The names of the other columns of a table that have one."""
    return [name for name in table.names if name and name not in found.values()]


def _cells(table: Table, read: Read, names: Sequence[str], rows: Sequence[int]) -> dict[str, list]:
    """Some rows of some columns as text, or as lists."""
    found = {name: _texts(table, read, name, Problems()) for name in names}
    return {name: [cells[row] for row in rows] for name, cells in found.items()}


def _described(table: Table, key: str, roles: Sequence[str], given: Columns) -> dict[str, str]:
    """The columns that describe movies or users; a key may be called as in the ratings, or id."""
    if given.of(key) not in table.names:
        given = given._replace(**{key: None})  # type: ignore[arg-type]
    found = by_name(table.path, table.names, (key, *roles), given)
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


def read_user_table(path: Path, given: Columns, problems: Problems) -> tuple[Users, Understood]:
    """The users of a table: gender, age in years and job, as MovieLens has them."""
    table = open_table(path)
    found = _described(table, "user", ("gender", "age", "job"), given)
    own = _others(table, found)
    read = table.read([*found.values(), *own], problems, as_text=True)
    if not len(read.lines):
        return Users.without_attributes(np.zeros(0, np.int64)), Understood({}, {})
    numbers = ids(Column(table, read, found["user"]), "user")
    columns = {r: _texts(table, read, n, problems) for r, n in found.items() if r != "user"}
    for role in [role for role in columns if not _like_movielens(role, columns)]:
        own = [name for name in table.names if name in (*own, found[role])]
        del columns[role]
    rows: dict[Id, tuple[int, int, int]] = {}
    places: list[int] = []
    for place, line in enumerate(read.lines):
        try:
            if not numbers.good[place]:
                raise BadLine(numbers.words(place))
            user = numbers.id(place)
            if user in rows:
                raise BadLine(f"user {user} again, expected once")
            rows[user] = _codes({role: each[place] for role, each in columns.items()})
            places.append(place)
        except BadLine as problem:
            problems.add(path, int(line), str(problem))
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

"""Which file has the ratings, the movies, the users, and which of its columns is what.

Names come first, what a column holds second, the usual order third; the names are in `NAMES` and
`STEMS`, the families of files that need no telling in `FAMILIES`. Nothing but Python is needed, so
that the command line has `Columns` at once.
"""

import re
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from recsys.data.movielens import GENRES_100K
from recsys.errors import DataError, QueryError, quoted

if TYPE_CHECKING:
    from recsys.data.readers.formats import Table

NONE = "none"  # in place of a column's name: there is none, although one looks like it
KINDS = ("category", "categories", "number", "text")  # of columns that describe movies and users
REPEATS = ("last", "sum", "count")  # what becomes of several ratings of a movie by a user
ROLES = ("user", "item", "rating", "time")  # in the order that most files have
PACKED = (".gz", ".zst", ".bz2", ".lz4")  # what pyarrow unpacks by the name

# Names of columns by role, as `plain_name` writes them.
NAMES: dict[str, tuple[str, ...]] = {
    "user": (
        *("user", "userid", "uid", "userno", "customer", "customerid", "member", "memberid"),
        *("reviewer", "reviewerid", "visitor", "visitorid", "account", "accountid"),
    ),
    "item": (
        *("item", "itemid", "iid", "movie", "movieid", "mid", "film", "filmid", "product"),
        *("productid", "book", "bookid", "asin", "parentasin", "isbn", "sku", "article"),
        *("articleid", "track", "trackid", "song", "songid", "game", "gameid", "businessid"),
        *("artist", "artistid", "recipe", "recipeid", "joke", "jokeid", "hotel", "hotelid"),
    ),
    "rating": (
        *("rating", "ratings", "star", "stars", "score", "userrating", "starrating"),
        *("overall", "grade", "ratingvalue"),
    ),
    "thumb": (  # ratings where no column is called so
        *("liked", "like", "islike", "isliked", "thumb", "thumbs", "vote", "feedback"),
        *("preference", "recommended", "isrecommended"),
    ),
    "time": (
        *("timestamp", "time", "date", "ts", "datetime", "ratedat", "createdat", "unixtime"),
        *("eventtime", "unixreviewtime", "reviewtime", "ratingtime", "ratingdate"),
    ),
    "title": ("title", "movietitle", "itemtitle", "producttitle", "name", "itemname", "moviename"),
    "genres": ("genres", "genre", "categories", "category", "class"),
    "count": (  # no ratings: known, so that no such column is taken for them by its content
        *("count", "counts", "quantity", "qty", "plays", "playcount", "listens", "clicks"),
        *("views", "weight", "amount", "price", "duration", "session", "sessionid", "orderid"),
    ),
    "year": ("year", "releaseyear"),
    "gender": ("gender", "sex"),
    "age": ("age",),
    "job": ("occupation", "job", "profession"),
}
THUMBS = {
    **dict.fromkeys(("up", "like", "liked", "yes", "true", "y", "t", "+", "thumbs up", "👍"), 1.0),
    **dict.fromkeys(("down", "dislike", "disliked", "no", "false", "n", "f", "-"), 0.0),
    **dict.fromkeys(("thumbs down", "thumbs_down", "👎", "negative"), 0.0),
    **dict.fromkeys(("thumbs_up", "positive"), 1.0),
}
# Names of files by what they hold, without the suffix.
STEMS = {
    "ratings": ("ratings", "rating", "interactions", "reviews", "events"),
    "items": ("movies", "items", "products", "books", "movie", "item"),
    "users": ("users", "user", "customers"),
}
_FOREIGN = (".txt", ".data", ".dat", "")  # suffixes of files that are tables if called as above
STEPS = 11  # different ratings of a column that may be one
PLAIN = 0.95  # of texts that are ids have no space
_PRODUCT = re.compile(r"B[0-9A-Z]{9}|[0-9]{9}[0-9X]")
_DECIMAL = re.compile(r"-?\d+([.,]\d+)?")
_DATED = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?")


class Dialect(NamedTuple):
    """How a file of separated text is written."""

    separator: str
    names: tuple[str, ...] = ()  # of the columns; none: those of the first line
    header: bool = False  # whether the first line has names, or numbers in their place
    quotes: bool = True  # cells may be within quotes
    strict: bool = False  # blank lines and second ratings of a movie by a user are bad lines
    codes: bool = False  # ages and jobs are MovieLens' numbers
    genres: str = ""  # what separates genres; "": found out


def family(separator: str, *names: str, **more: Any) -> Dialect:
    """The dialect of a file whose name says all."""
    return Dialect(separator, names, quotes=False, strict=True, **more)


ATOMIC = family("\t", header=True, genres=" ")
DAT_ITEMS = family("::", "item", "title", "genres", genres="|")
U_ITEMS = family("|", "item", "title", "released", "video", "imdb", "none", *GENRES_100K)
# Files by what they hold: names, or suffixes of atomic files; those that a folder needs come first.
FAMILIES: tuple[dict[str, tuple[str, Dialect]], ...] = (
    {
        "ratings": ("ratings.dat", family("::", *ROLES)),
        "items": ("movies.dat", DAT_ITEMS),
        "users": ("users.dat", family("::", "user", "gender", "age", "job", "zip", codes=True)),
    },
    {
        "ratings": ("u.data", family("\t", *ROLES)),
        "items": ("u.item", U_ITEMS),
        "users": ("u.user", family("|", "user", "age", "gender", "job", "zip")),
    },
    {"ratings": (".inter", ATOMIC), "items": (".item", ATOMIC), "users": (".user", ATOMIC)},
)


class Columns(NamedTuple):
    """Names of columns that are given rather than inferred; None is inferred, "none" no column.

    >>> Columns(user="who").of("user")
    'who'
    """

    user: str | None = None
    item: str | None = None
    rating: str | None = None
    time: str | None = None
    title: str | None = None
    genres: str | None = None
    kinds: tuple[tuple[str, str], ...] = ()  # of columns that describe movies and users

    def of(self, role: str) -> str | None:
        return getattr(self, role, None)

    def placed(self, names: Sequence[str]) -> "Columns":
        """The same with names for numbers: 3 is the third column, where none is called so.

        >>> Columns(user="2").placed(["a", "b"]).user
        'b'
        """

        def name(given: str | None) -> str | None:
            number = given if given and given not in names and given.isdecimal() else "0"
            return names[int(number) - 1] if 0 < int(number[-9:]) <= len(names) else given

        given = {role: name(self.of(role)) for role in self._fields[:-1]}
        return self._replace(**given)  # type: ignore[arg-type]


class Files(NamedTuple):
    """The files of a dataset, each with how it is written unless that is to be found out."""

    ratings: tuple[Path, Dialect | None]
    items: tuple[Path, Dialect | None] | None
    users: tuple[Path, Dialect | None] | None
    unused: tuple[str, ...] = ()  # tables beside them


def files_of(data: Path, items: Path | None, users: Path | None) -> Files:
    """The files of a folder, or a file of ratings and what is given beside it.

    Raises:
        DataError: none has the ratings, or several may.
    """
    if data.is_file():
        beside = [each for each in sorted(data.parent.iterdir()) if is_table(each)]
        left = [each.name for each in beside if each not in (data, items, users)
                and stem(each) in (*STEMS["items"], *STEMS["users"])]  # fmt: skip
        return _files(data, items, users, left)
    try:
        names = sorted(each.name for each in data.iterdir())
    except OSError as error:
        reason = error.strerror or error
        raise DataError(
            f"{data}: expected a folder of ratings ({reason})",
            "name another or download a dataset",
            "data",
        ) from error
    for each in FAMILIES:
        if any(_in_family(name, each[kind][0]) for name in names for kind in ("ratings", "items")):
            if items or users:
                raise no_table(data, "ratings")
            return Files(*(_of_family(data, names, kind, *each[kind]) for kind in STEMS))
    there = [data / name for name in names if (data / name).is_file()]
    called = {name for each in STEMS.values() for name in each}
    tables = [each for each in there
              if is_table(each) or (suffix(each) in _FOREIGN and stem(each) in called)]  # fmt: skip
    if not tables:
        raise DataError(
            f"{data}: no ratings found, expected ratings.dat and movies.dat, or u.data and u.item, "
            "or *.inter and *.item, or a table such as ratings.csv",
            "name another folder or download a dataset",
            "data",
        )
    found = {kind: _one(data, kind, tables) for kind in STEMS}
    ratings = found["ratings"] or (tables[0] if len(tables) == 1 else None)
    if ratings is None:
        raise DataError(
            f"{data}: which table has the ratings? expected ratings.csv or the like, there are "
            f"{', '.join(each.name for each in tables)}",
            "name the file itself",
            "ratings",
        )
    items, users = items or found["items"], users or found["users"]
    read = (ratings, items, users)
    return _files(*read, [each.name for each in tables if each not in read])


def _files(ratings: Path, items: Path | None, users: Path | None, unused: Sequence[str]) -> Files:
    one, other = ((each, None) if each else None for each in (items, users))
    return Files((ratings, None), one, other, tuple(unused))


def _in_family(name: str, ending: str) -> bool:
    return name.endswith(ending) if ending.startswith(".") else name == ending


def _of_family(folder: Path, names: Sequence[str], kind: str, ending: str, how: Dialect) -> Any:
    """The file of a family, None where users have none."""
    found = [name for name in names if _in_family(name, ending)]
    if ending.startswith(".") and (len(found) > 1 or not (found or kind == "users")):
        raise DataError(
            f"{folder}: expected one *{ending} file, found {len(found)}",
            "keep one dataset in a folder",
            "ratings",
        )
    return (folder / (found or [ending])[0], how) if found or kind != "users" else None


def _one(folder: Path, kind: str, tables: Sequence[Path]) -> Path | None:
    found = [each for each in tables if stem(each) in STEMS[kind]]
    if len(found) > 1:
        raise DataError(
            f"{folder}: several tables may be the {kind}: {', '.join(each.name for each in found)}",
            "keep one of them there, or name the files",
            "ratings",
        )
    return found[0] if found else None


def dialect_of_items(path: Path, first: bytes) -> Dialect | None:
    """How a file of movies is written, by its name or its first line; None: as a table."""
    if is_table(path):
        return None
    if path.name == "u.item" or first.count(b"|") == len(U_ITEMS.names) - 1:
        return U_ITEMS
    return ATOMIC if path.suffix == ".item" or first.startswith(b"item_id:") else DAT_ITEMS


def suffix(path: Path) -> str:
    """A file's last suffix in small letters, behind that of its compression."""
    parts = [each.lower() for each in path.suffixes]
    while parts and parts[-1] in PACKED:
        parts.pop()
    return parts[-1] if parts else ""


def stem(path: Path) -> str:
    """A file's name in small letters without the suffixes of its form and compression."""
    name = path.name.lower()
    for packed in PACKED:
        name = name.removesuffix(packed)
    return name.removesuffix(suffix(path))


def is_table(path: Path) -> bool:
    """Whether a file is a table by its suffix."""
    from recsys.data.readers.formats import FORMATS

    return suffix(path) in FORMATS


def no_table(path: Path, fix: str) -> DataError:
    """The error when columns or other files are named beside what is no table."""
    return DataError(
        f"{path}: no table, only of tables (CSV, JSON lines, Parquet) can other files and "
        "columns be named",
        "name it alone",
        fix,
    )


def numbered(place: int) -> str:
    """What a column is called in a file that does not name its columns, counted from 1."""
    return f"column {place}"


def is_number(name: str) -> bool:
    """Whether a column is called by its number only."""
    return re.fullmatch(r"column [0-9]+", name) is not None


def plain_name(name: str) -> str:
    """A column's name in small letters and digits only, without an atomic file's type.

    >>> plain_name("user_ID:token")
    'userid'
    """
    return re.sub(r"[^a-z0-9]", "", name.split(":")[0].lower())


def by_name(
    path: object, names: Sequence[str], roles: Sequence[str], given: Columns
) -> dict[str, str]:
    """The column of each role that has one, by what is given or else by its name.

    Raises:
        DataError: a column that is given is not there, or two may be the same.

    >>> by_name("r.csv", ["userId", "stars", "x"], ["user", "rating", "time"], Columns())
    {'user': 'userId', 'rating': 'stars'}
    """
    found: dict[str, str] = {}
    for role in roles:
        column = given.of(role)
        if column is not None and column != NONE and column not in names:
            raise QueryError(
                f"{path}: no column {quoted(column)}, there are {listed(names)}",
                "name one of them",
                f"{role}_column",
            )
        if column is not None:
            found |= {role: column} if column != NONE else {}
            continue
        free = [name for name in names if name not in {given.of(other) for other in roles}]
        like = [name for name in free if plain_name(name) in NAMES[role]]
        if role == "rating" and not like:
            like = [name for name in free if plain_name(name) in NAMES["thumb"]]
        found |= _only(path, role, like)
    return found


def rating_columns(table: "Table", given: Columns) -> dict[str, str]:
    """The columns of user, item and, where there are such, rating and time.

    Raises:
        DataError: one cannot be told, or is taken for two things.
    """
    path, names = table.path, table.names
    given = given.placed(names)
    found = by_name(path, names, ROLES, given)
    if not table.named:
        found = _by_order(table, found, given)
    elif not {"user", "item", "rating"} <= set(found) and not table.strict:
        found = _by_content(table, found, given)
    for role in ("user", "item"):
        if role not in found:
            raise missing(path, role, names)
    twice = [name for name in found.values() if list(found.values()).count(name) > 1]
    if twice:
        raise DataError(f"{path}: {twice[0]!r} is taken for two things", "name each column", "file")
    return {role: found[role] for role in ROLES if role in found}


def _by_content(table: "Table", found: dict[str, str], given: Columns) -> dict[str, str]:
    """Columns of roles that no name gave: the one unnamed column that looks like each.

    Of two columns that may be ids none can know which is the user.
    """
    first = table.beginning()
    tests: dict[str, Callable[[Sequence[Any]], bool]] = {
        "rating": _like_ratings,
        "time": _like_times,
    }
    if sum(role in found for role in ("user", "item")) == 1:
        tests |= dict.fromkeys(("user", "item"), _like_ids)
    known = {name for each in NAMES.values() for name in each}
    for role, looks in tests.items():
        if role not in found and given.of(role) != NONE:
            free = [name for name in table.names
                    if name not in found.values() and plain_name(name) not in known]  # fmt: skip
            like = [name for name in free if looks(first[name])]
            found = found | _only(table.path, role, like)
    return found


def _by_order(table: "Table", found: dict[str, str], given: Columns) -> dict[str, str]:
    """Columns without names: the usual order where it fits, else the only ones that may be it."""
    path, first = table.path, table.beginning()
    free = [name for name in table.names if name not in found.values()]
    if "time" not in found and given.time != NONE:
        found = found | _only(path, "time", [name for name in free if _like_times(first[name])])
        free = [name for name in free if name != found.get("time")]
    ids = [role for role in ("user", "item") if role not in found]
    if "rating" not in found and given.rating != NONE:
        usual = free[len(ids) : len(ids) + 1]
        if usual and (_few(first[usual[0]]) or _like_ratings(first[usual[0]])):
            found |= {"rating": usual[0]}
            free = free[: len(ids)]
        elif len(free) > len(ids):
            like = [n for n in free if _like_ratings(first[n]) and not _ascends(first[n])]
            found |= _only(path, "rating", like)
    free = [name for name in free if name != found.get("rating")]
    like = [name for name in free if _like_ids(first[name]) or len(free) == len(ids)]
    if len(like) == len(ids) + 1 and _counts(first[like[0]]):
        like = like[1:]  # the first one numbers the rows
    if len(like) > len(ids) > 0:
        raise DataError(
            f"{path}: no names of columns, and several may be the {' or the '.join(ids)}: "
            f"{listed(like)}",
            "give the numbers of the columns",
            "user_item_column",
        )
    if len(ids) == 2 and len(like) == 2 and _are_products(first[like[0]]):
        like.reverse()  # as in Amazon's ratings since 2018
    return found | dict(zip(ids, like, strict=False))


def describing_columns(
    table: "Table", key: str, roles: Sequence[str], given: Columns, elsewhere: str | None
) -> dict[str, str]:
    """The columns of a table of movies or users: the key, which is their id, and other roles.

    Without names ids come first; a title is the first text of which most are different, and genres
    are several separated by "|".

    Args:
        elsewhere: what the key is called in the ratings, the same name being the same thing.
    """
    given = given.placed(table.names)
    if given.of(key) is None and elsewhere in table.names and table.named:
        given = given._replace(**{key: elsewhere})  # type: ignore[arg-type]
    found = by_name(table.path, table.names, (key, *roles), given)
    if table.named:
        like = [name for name in table.names if name.lower() == "id"]
        if key not in found and not like:
            raise missing(table.path, key, table.names)
        return found if key in found else {**found, key: like[0]}
    found = {key: table.names[0]} | found
    first = {name: _texts(cells) for name, cells in table.beginning().items()}
    if "title" in roles and "title" not in found and given.title != NONE:
        like = [name for name, each in first.items() if 2 * len(set(each)) > len(each)]
        free = [name for name in like if name not in found.values()]
        found |= dict(zip(["title"], free, strict=False))
    if "genres" in roles and "genres" not in found and given.genres != NONE:
        like = [name for name, each in first.items() if any("|" in cell for cell in each)]
        free = [name for name in like if name not in found.values()]
        found |= _only(table.path, "genres", free)
    return found


def _only(path: object, role: str, like: Sequence[str]) -> dict[str, str]:
    """The one column that may be it, if there is one.

    Raises:
        DataError: several may be it.
    """
    if len(like) > 1:
        raise DataError(
            f"{path}: several columns may be the {role}: {listed(like)}",
            "give its number" if is_number(like[0]) else "name the one",
            f"{role}_column",
        )
    return {role: like[0]} if like else {}


def missing(path: object, role: str, names: Sequence[str]) -> DataError:
    """The error when a column that must be there is not."""
    return DataError(
        f"{path}: no {role} column found, expected a name such as "
        f"{', '.join(NAMES[role][:4])}, there are {listed(names)}",
        "give its number" if is_number(names[0]) else "name it",
        f"{role}_column",
    )


def listed(names: Sequence[str]) -> str:
    """Names of columns as an error shows them, the first twenty."""
    shown = ", ".join(repr(n if len(n) <= 40 else n[:37] + "...") for n in names[:20])
    return shown + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _like_ratings(cells: Sequence[Any]) -> bool:
    """Whether a column has half stars."""
    values = set(_numbers(cells))
    return bool(values) and len(values) <= 10 and values <= {half / 2 for half in range(1, 11)}


def _few(cells: Sequence[Any]) -> bool:
    """Whether a column has few different numbers of a scale, or yes and no."""
    values, texts = set(_numbers(cells)), set(_texts(cells))
    if texts and all(text.strip().lower() in THUMBS for text in texts):
        return True
    if texts and all(map(_DECIMAL.fullmatch, texts)):
        values = {float(text.replace(",", ".")) for text in texts}
    return 0 < len(values) <= STEPS and min(values) >= -10 and max(values) <= 100


def _like_times(cells: Sequence[Any]) -> bool:
    """Whether a column has dates, or seconds since 1970 or parts of such."""
    filled = [cell for cell in cells if cell is not None]
    if filled and all(isinstance(c, date) or (isinstance(c, str) and _DATED.fullmatch(c.strip()))
                      for c in filled):  # fmt: skip
        return True
    values = sorted(_numbers(cells))
    return bool(values) and values[len(values) // 2] > 1e8


def _are_products(cells: Sequence[Any]) -> bool:
    """Whether a column has Amazon's product numbers (users' begin with A)."""
    filled = [str(cell) for cell in cells if cell is not None]
    return sum(map(bool, map(_PRODUCT.fullmatch, filled))) > PLAIN * len(filled) > 0


def _like_ids(cells: Sequence[Any]) -> bool:
    """Whether a column has whole numbers, or text without spaces."""
    values, texts = _numbers(cells), _texts(cells)
    if texts:
        return sum(" " not in text.strip() for text in texts) >= PLAIN * len(texts)
    return bool(values) and all(value >= 0 and value == int(value) for value in values)


def _ascends(cells: Sequence[Any]) -> bool:
    """Whether a file is sorted by a column, as by ids."""
    values = _numbers(cells)
    return values == sorted(values)


def _counts(cells: Sequence[Any]) -> bool:
    """Whether a column numbers the rows."""
    values = _numbers(cells)
    return (
        len(values) > 1
        and values[0] in (0, 1)
        and values == [values[0] + place for place in range(len(values))]
    )


def _numbers(cells: Sequence[Any]) -> list[float]:
    """The cells of a column of numbers; none of any other."""
    filled = [cell for cell in cells if cell is not None]
    if any(isinstance(c, bool) or not isinstance(c, int | float | str) or "_" in str(c)
           for c in filled):  # fmt: skip
        return []
    try:
        numbers = [float(cell) for cell in filled]
    except (ValueError, OverflowError):
        return []
    return numbers if all(abs(number) < float("inf") for number in numbers) else []


def _texts(cells: Sequence[Any]) -> list[str]:
    """The cells of a column of text, or of yes and no; none of any other."""
    filled = [cell for cell in cells if cell is not None]
    if _numbers(cells) or any(not isinstance(cell, str | bool) for cell in filled):
        return []
    dated = filled and all(_DATED.fullmatch(str(cell).strip()) for cell in filled)
    return [] if dated else [str(cell) for cell in filled]

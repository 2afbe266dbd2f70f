"""Which files have the ratings, the movies and the users, and how families of files are written.

A family is a line of `FAMILIES`; other files are tables, found by the names in `STEMS`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from recsys.data.movielens import GENRES_100K
from recsys.data.readers.formats import FORMATS
from recsys.data.readers.roles import ROLES
from recsys.data.readers.text import PACKED, Dialect, suffix
from recsys.errors import DataError

# Names of files by what they hold, without the suffix.
STEMS = {
    "ratings": ("ratings", "rating", "interactions", "reviews", "events"),
    "items": ("movies", "items", "products", "books", "movie", "item"),
    "users": ("users", "user", "customers"),
}
_FOREIGN = (".txt", ".data", ".dat", "")  # suffixes of files that are tables if called as above


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


def stem(path: Path) -> str:
    """A file's name in small letters without the suffixes of its form and compression."""
    name = path.name.lower()
    for packed in PACKED:
        name = name.removesuffix(packed)
    return name.removesuffix(suffix(path))


def is_table(path: Path) -> bool:
    """Whether a file is a table by its suffix."""
    return suffix(path) in FORMATS


def no_table(path: Path, fix: str) -> DataError:
    """The error when columns or other files are named beside what is no table."""
    return DataError(
        f"{path}: no table, only of tables (CSV, JSON lines, Parquet) can other files and "
        "columns be named",
        "name it alone",
        fix,
    )

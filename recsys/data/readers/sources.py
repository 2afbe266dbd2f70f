"""Which files have the ratings, the movies and the users, and how families of files are written.

A family is a line of `FAMILIES`; other files are tables, found by the names in `STEMS`.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recsys.data.movielens import GENRES_100K
from recsys.data.readers.formats import FORMATS, Arrow, Table, source_of
from recsys.data.readers.roles import NONE, ROLES
from recsys.data.readers.text import PACKED, Dialect, suffix
from recsys.errors import DataError, QueryError, listed

# Names of files without the suffix, by what they hold; `_WORDS` in a name count behind these.
STEMS = {
    "ratings": ("ratings", "rating", "interactions", "reviews", "events"),
    "items": ("movies", "items", "products", "books", "movie", "item"),
    "users": ("users", "user", "customers"),
}
_WORDS = {
    "ratings": re.compile("rating|review|interaction|event|feedback|purchase|user_"),
    "items": re.compile("movie|film|item|product|book|game|anime|track|song|title|artist"),
    "users": re.compile("user|customer|member"),
}
EXPECTED = (
    "ratings.dat and movies.dat, or u.data and u.item, or *.inter and *.item, or a table such as "
    "ratings.csv"
)
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
        "users": ("users.dat", family("::", "user", "gender", "age", "job", "zip", fewer=True)),
    },
    {
        "ratings": ("u.data", family("\t", *ROLES)),
        "items": ("u.item", U_ITEMS),
        "users": ("u.user", family("|", "user", "age", "gender", "job", "zip", fewer=True)),
    },
    {"ratings": (".inter", ATOMIC), "items": (".item", ATOMIC), "users": (".user", ATOMIC)},
)


File = tuple[Path | Table, Dialect | None]  # and how it is written, unless that is to be found out


def files_of(
    data: Path | Table, items: Path | str | Arrow | None, users: Path | str | Arrow | None
) -> tuple[dict[str, File], list[Path]]:
    """The files of a folder by what they hold, or a file of ratings and those given beside it.

    Args:
        items: a table, or "none" to take none; users likewise.

    Returns:
        Those of "ratings", "items" and "users" that there are, and tables that are not used.

    Raises:
        DataError: none has the ratings, or several may.
    """
    given: dict[str, Any] = {"items": items, "users": users}
    said = {kind: each for kind, each in given.items() if isinstance(each, str | None)}
    files: dict[str, File] = {kind: (source_of(each, kind), None) for kind, each in given.items()
                              if said.get(kind, kind) not in (None, "", NONE)}  # fmt: skip
    kinds = [kind for kind in STEMS if said.get(kind) != NONE]
    if isinstance(data, Table):
        return {**files, "ratings": (data, None)}, []
    folder = data.parent if data.is_file() else data
    try:
        names = sorted(each.name for each in folder.iterdir())
    except OSError as error:
        pipe = isinstance(error, NotADirectoryError) and data.exists()
        reason = "it is a pipe or a device" if pipe else error.strerror or error
        cause = f"{data}: expected a folder or a file of ratings ({reason})"
        raise DataError(cause, "name another or download a dataset", "data") from error
    called = {name for each in STEMS.values() for name in each}
    tables = [path for name in names if (path := folder / name).is_file() and
              (is_table(path) or (suffix(path) in _FOREIGN and stem(path) in called))]  # fmt: skip
    if data.is_file():
        files["ratings"] = data, None
        tables = [each for each in tables if is_table(each) and kind_of(each) in given]
    for family in FAMILIES if data.is_dir() else ():
        there = {
            kind: [n for n in names if n == end or (end.startswith(".") and n.endswith(end))]
            for kind, (end, _) in family.items()
        }
        if not (there["ratings"] or there["items"]):
            continue
        if files:
            raise no_table(data, "ratings")
        for kind in kinds:
            end, dialect = family[kind]
            number = len(there[kind])
            if end.startswith(".") and (number > 1 or (number == 0 and kind != "users")):
                cause = f"{data}: expected one *{end} file, found {number}"
                remedy = "name the file of ratings itself"
                remedy = "keep one dataset in a folder" if number else remedy
                raise DataError(cause, remedy, "ratings")
            if number or kind != "users":
                files[kind] = folder / [*there[kind], end][0], dialect
        return files, []
    for kind in kinds if data.is_dir() else ():
        if kind not in files and (one := _one(data, kind, tables)):
            files[kind] = one, None
    if "ratings" not in files and len(tables) == 1 and kind_of(tables[0]) != "items":
        files["ratings"] = tables[0], None
    like = [n for n in names if is_table(folder / n) or suffix(folder / n) in _FOREIGN]
    like = [name for name in like if (folder / name).is_file()]
    others = f"there are {listed(like)}"
    if "ratings" not in files and not tables:
        cause = f"{data}: no ratings found, expected {EXPECTED}" + f"; {others}" * bool(like)
        raise DataError(cause, "name the file itself, another folder or download a dataset", "data")
    if "ratings" not in files:
        cause = f"{data}: which table has the ratings? expected ratings.csv or the like, {others}"
        raise QueryError(cause, "name the file itself", "ratings")
    used = [path for path, _ in files.values()]
    return files, [path for path in tables if path not in used]


def kind_of(path: Path) -> str:
    """What a table holds by its name: "ratings", "items", "users", or "" where that does not say.

    >>> kind_of(Path("tourism_rating.csv")), kind_of(Path("movie_titles.csv"))
    ('ratings', 'items')
    """
    name = stem(path)
    exact = [kind for kind in STEMS if name in STEMS[kind]]
    return next(iter([*exact, *(kind for kind in STEMS if _WORDS[kind].search(name))]), "")


def _one(folder: Path, kind: str, tables: Sequence[Path]) -> Path | None:
    """The table of a kind, by the whole of its name or else by a part of it."""
    found = [each for each in tables if stem(each) in STEMS[kind]]
    found = found or [each for each in tables if kind_of(each) == kind]
    if len(found) > 1:
        names = ", ".join(each.name for each in found)
        cause = f"{folder}: several tables may be the {kind}: {names}"
        raise DataError(cause, "keep one of them there, or name the files", "ratings")
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
    only = "only of tables (CSV, JSON lines, Parquet) can other files and columns be named"
    return DataError(f"{path}: no table, {only}", "name it alone", fix)

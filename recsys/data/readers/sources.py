"""Which files have the ratings, the movies and the users, and how families of files are written.

A family is a line of `FAMILIES`; other files are tables, found by `NAMES`.
"""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from recsys.data.movielens import GENRES_100K
from recsys.data.readers.formats import FORMATS, Arrow, Table, source_of
from recsys.data.readers.roles import NONE, ROLES
from recsys.data.readers.text import Dialect, unpacked
from recsys.errors import DataError, QueryError, listed

# Names of files without the suffix, by what they hold: whole ones count before words in a name.
NAMES = {
    "ratings": (
        "ratings?|interactions|reviews|events",
        ".*(rating|review|interaction|event|feedback|purchase|user_).*",
    ),
    "items": (
        "(movie|item)s?|products|books",
        ".*(movie|film|item|product|book|game|anime|track|song|title|artist).*",
    ),
    "users": ("users?|customers", ".*(user|customer|member).*"),
}
_FOREIGN = (".txt", ".data", ".dat", "")  # suffixes of files that are tables if called as above


family = partial(Dialect, strict=True)  # of files whose names say all
ATOMIC = family("\t", header=True, genres=" ")
DAT_ITEMS = family("::", ("item", "title", "genres"), genres="|")
U_ITEMS = family("|", ("item", "title", "released", "video", "imdb", "none", *GENRES_100K))
DAT_USERS = family("::", ("user", "gender", "age", "job", "zip"), fewer=True)
U_USERS = family("|", ("user", "age", "gender", "job", "zip"), fewer=True)
# Names of the files of ratings, movies and users, or suffixes of atomic files.
FAMILIES: tuple[tuple[tuple[str, Dialect], ...], ...] = (
    (("ratings.dat", family("::", ROLES)), ("movies.dat", DAT_ITEMS), ("users.dat", DAT_USERS)),
    (("u.data", family("\t", ROLES)), ("u.item", U_ITEMS), ("u.user", U_USERS)),
    ((".inter", ATOMIC), (".item", ATOMIC), (".user", ATOMIC)),
)
File = tuple[Path | Table, Dialect | None]  # and how it is written, unless that is to be found out


def files_of(
    data: Path | Table, items: Path | str | Arrow | None, users: Path | str | Arrow | None
) -> tuple[dict[str, File], list[Path]]:
    """The files of a folder, or a file and those given beside it ("none" to take none).

    Returns:
        Those of "ratings", "items" and "users" that there are, and tables that are not used.
    """
    files: dict[str, File] = {}
    kinds = [*NAMES]
    for kind, given in (("items", items), ("users", users)):
        if isinstance(given, str) and given == NONE:
            kinds.remove(kind)
        elif not (isinstance(given, str | None) and not given):
            files[kind] = source_of(given, kind), None
    if isinstance(data, Table):
        return {**files, "ratings": (data, None)}, []
    folder = data.parent if data.is_file() else data
    try:
        paths = sorted(each for each in folder.iterdir() if each.is_file())
    except OSError as error:
        pipe = isinstance(error, NotADirectoryError) and data.exists()
        reason = "it is a pipe or a device" if pipe else error.strerror or error
        cause = f"{data}: expected a folder or a file of ratings ({reason})"
        raise DataError(cause, "name another or download a dataset", "data") from error
    if data.is_file():
        files["ratings"] = data, None
        used = [path for path, _ in files.values()]
        beside = [each for each in paths if is_table(each) and kind_of(each) in ("items", "users")]
        return files, [each for each in beside if each not in used]
    if of_family := _family_of(data, paths, kinds):
        if files:
            raise no_table(data, "ratings")
        return of_family, []
    like = [each for each in paths if is_table(each) or unpacked(each).suffix in _FOREIGN]
    tables = [n for n in like if is_table(n) or any(_is_called(n, kind, 0) for kind in NAMES)]
    for kind in kinds:
        found = [each for each in tables if _is_called(each, kind, 0)]
        found = found or [each for each in tables if kind_of(each) == kind]
        if kind in files or not found:
            continue
        if len(found) > 1:
            names = ", ".join(each.name for each in found)
            cause = f"{data}: several tables may be the {kind}: {names}"
            raise DataError(cause, "keep one of them there, or name the files", "ratings")
        files[kind] = found[0], None
    if "ratings" not in files and len(tables) == 1 and kind_of(tables[0]) != "items":
        files["ratings"] = tables[0], None
    if "ratings" not in files:
        others = f"there are {listed([each.name for each in like])}"
        if tables:
            cause = f"{data}: which table has the ratings? expected ratings.csv or the like"
            raise QueryError(f"{cause}, {others}", "name the file itself", "ratings")
        cause = (
            f"{data}: no ratings found, expected ratings.dat and movies.dat, or u.data and u.item, "
            f"or *.inter and *.item, or a table such as ratings.csv" + f"; {others}" * bool(like)
        )
        raise DataError(cause, "name the file itself, another folder or download a dataset", "data")
    used = [path for path, _ in files.values()]
    return files, [path for path in tables if path not in used]


def _family_of(folder: Path, paths: Sequence[Path], kinds: Sequence[str]) -> dict[str, File]:
    """The files of the first family of which a folder has ratings or movies, if there is one."""
    for each in FAMILIES:
        there = [
            [n for n in paths if n.name == end or (end[0] == "." and n.name.endswith(end))]
            for end, _ in each
        ]
        if not (there[0] or there[1]):
            continue
        files: dict[str, File] = {}
        for kind, (end, dialect), found in zip(NAMES, each, there, strict=True):
            if kind not in kinds or not (found or kind != "users" or (folder / end).exists()):
                continue
            if end[0] == "." and len(found) != 1:
                cause = f"{folder}: expected one *{end} file, found {len(found)}"
                remedy = "name the file of ratings itself"
                remedy = "keep one dataset in a folder" if found else remedy
                raise DataError(cause, remedy, "ratings")
            files[kind] = (found or [folder / end])[0], dialect
        return files
    return {}


def kind_of(path: Path) -> str:
    """What a table holds by its name: "ratings", "items", "users", or "" where that does not say.

    >>> kind_of(Path("tourism_rating.csv")), kind_of(Path("movie_titles.csv"))
    ('ratings', 'items')
    """
    found = [kind for level in (0, 1) for kind in NAMES if _is_called(path, kind, level)]
    return found[0] if found else ""


def _is_called(path: Path, kind: str, level: int) -> bool:
    return re.fullmatch(NAMES[kind][level], unpacked(path).stem) is not None


def dialect_of_items(path: Path, first: bytes) -> Dialect | None:
    """How a file of movies is written, by its name or its first line; None: as a table."""
    if is_table(path):
        return None
    if path.name == "u.item" or first.count(b"|") == len(U_ITEMS.names) - 1:
        return U_ITEMS
    return ATOMIC if path.suffix == ".item" or first.startswith(b"item_id:") else DAT_ITEMS


def is_table(path: Path) -> bool:
    """Whether a file is a table by its suffix."""
    return unpacked(path).suffix in FORMATS


def no_table(path: Path, fix: str) -> DataError:
    """The error when columns or other files are named beside what is no table."""
    only = "only of tables (CSV, JSON lines, Parquet) can other files and columns be named"
    return DataError(f"{path}: no table, {only}", "name it alone", fix)

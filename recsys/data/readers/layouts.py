"""How files are written: which family a folder is of, and a line's fields by column.

Three families are known: MovieLens `.dat` (ml-1m, ml-10m), ML-100K's `u.*` and RecBole's atomic
files (tab-separated, a first line of typed column names). What differs between them is a `Layout`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from recsys.data.movielens import GENRES_100K as GENRES
from recsys.data.readers.fields import shown
from recsys.data.readers.problems import BadLine
from recsys.data.readers.text import BOM, file_bytes
from recsys.errors import DataError


@dataclass(frozen=True)
class Layout:
    """How one file is written: its separator, its columns, and how many lines name them first."""

    separator: str
    columns: tuple[str, ...]
    header: int = 0

    def row(self, line: str) -> dict[str, str]:
        """A line's fields by column; BadLine when there are more or fewer than columns."""
        fields = line.split(self.separator)
        if len(fields) != len(self.columns):
            raise BadLine(
                f"expected {len(self.columns)} fields separated by {self.separator!r}, "
                f"got {len(fields)}"
            )
        return dict(zip(self.columns, fields, strict=True))

    def fields(self, rows: Sequence[Mapping[str, str]]) -> dict[str, list[Any]]:
        """The file's own columns of some rows, by the names in its first line.

        RecBole's sequences of tokens, where they are short, are lists.
        """
        found: dict[str, list[Any]] = {}
        for name in (column for column in self.columns if column.startswith(OWN)):
            cells = [row[name].strip() for row in rows]
            if name.endswith("_seq") and sum(map(len, map(str.split, cells))) <= 8 * len(cells):
                found[name.removeprefix(OWN)] = [each.split() for each in cells]
            else:
                found[name.removeprefix(OWN)] = cells
        return found


DAT_MOVIES = Layout("::", ("movie_id", "title", "genres"))
DAT_USERS = Layout("::", ("user_id", "gender", "age_code", "job_code", "zip"))
DAT_RATINGS = Layout("::", ("user_id", "movie_id", "rating", "time"))
U_MOVIES = Layout("|", ("movie_id", "title", "released", "video", "imdb", "none", *GENRES))
U_USERS = Layout("|", ("user_id", "age", "gender", "job", "zip"))
OWN = "+"  # before the names of columns that only the file knows
U_RATINGS = Layout("\t", DAT_RATINGS.columns)
ENCODED_MOVIES = Layout("::", ("movie_id", "words", "genre_rows"))
ATOMIC_NAMES = {
    "user_id": "user_id",
    "item_id": "movie_id",
    "rating": "rating",
    "timestamp": "time",
    "title": "title",
    "movie_title": "title",
    "year": "year",
    "release_year": "year",
    "class": "genre_words",
    "genre": "genre_words",
    "genres": "genre_words",
    "age": "age",
    "gender": "gender",
    "occupation": "job",
}


def atomic_layout(path: Path, needed: tuple[str, ...]) -> Layout:
    """The columns an atomic file's first line names; DataError when a needed one is not there."""
    start = file_bytes(path, 2**16).removeprefix(BOM)
    first = start.split(b"\n")[0].decode("latin-1").rstrip("\r")
    columns = tuple(ATOMIC_NAMES.get(n.split(":")[0], OWN + n) for n in first.split("\t"))
    for column in dict.fromkeys([*needed, *columns]):
        if columns.count(column) != 1:
            wanted = [name for name, ours in ATOMIC_NAMES.items() if ours == column] or [column]
            raise DataError(
                f"{path}:1: expected one column named {' or '.join(wanted)}, separated by tabs, "
                f"found {columns.count(column)} in {shown(first)}",
                "correct the first line",
                "file",
            )
    return Layout("\t", columns, header=1)


class Files(NamedTuple):
    """The three files of a dataset and how each is written; no users file, no attributes."""

    movies: tuple[Path, Layout]
    users: tuple[Path, Layout] | None
    ratings: tuple[Path, Layout]


def files_of(folder: Path) -> Files:
    """The files of a dataset, of the family that their names belong to."""
    try:
        names = sorted(each.name for each in folder.iterdir())
    except OSError as error:
        reason = error.strerror or error
        raise DataError(
            f"{folder}: expected a folder of ratings ({reason})",
            "name another or download a dataset",
            "data",
        ) from error
    if {"ratings.dat", "movies.dat"} & set(names):
        users = (folder / "users.dat", DAT_USERS) if "users.dat" in names else None
        return Files(
            (folder / "movies.dat", DAT_MOVIES),
            users,
            (folder / "ratings.dat", DAT_RATINGS),
        )
    if {"u.data", "u.item"} & set(names):
        users = (folder / "u.user", U_USERS) if "u.user" in names else None
        return Files((folder / "u.item", U_MOVIES), users, (folder / "u.data", U_RATINGS))
    if any(name.endswith((".inter", ".item")) for name in names):
        return _atomic_files(folder, names)
    raise DataError(
        f"{folder}: no ratings found, expected ratings.dat and movies.dat, or u.data and u.item, "
        "or *.inter and *.item, or a table such as ratings.csv",
        "name another folder or download a dataset",
        "data",
    )


def _atomic_files(folder: Path, names: list[str]) -> Files:
    found = {
        kind: [folder / name for name in names if name.endswith(kind)]
        for kind in (".inter", ".item", ".user")
    }
    for kind, paths in found.items():
        if len(paths) > 1 or (not paths and kind != ".user"):
            raise DataError(
                f"{folder}: expected one *{kind} file, found {len(paths)}",
                "keep one dataset in a folder",
                "ratings",
            )
    movies, ratings = found[".item"][0], found[".inter"][0]
    users = found[".user"][0] if found[".user"] else None
    return Files(
        (movies, atomic_layout(movies, ("movie_id", "title"))),
        (users, atomic_layout(users, ("user_id",))) if users else None,
        (ratings, atomic_layout(ratings, ("user_id", "movie_id", "rating"))),
    )


def movie_layout(path: Path) -> Layout:
    """How a movie file is written, by its name or else by its first lines."""
    start = file_bytes(path, 2**16)
    if path.name == "u.item" or start.split(b"\n")[0].count(b"|") == 23:
        return U_MOVIES
    if path.suffix == ".item" or start.removeprefix(BOM).startswith(b"item_id:"):
        return atomic_layout(path, ("movie_id", "title"))
    return DAT_MOVIES

"""From files of any kind to a `Dataset`, with all that was found on the way."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.columns import Columns
from recsys.data.dataset import Dataset, Movies, Users
from recsys.data.ids import Coded, as_text, coded, is_text, named, unique
from recsys.data.readers.layouts import files_of
from recsys.data.readers.movies import read_movie_file
from recsys.data.readers.problems import Problems
from recsys.data.readers.ratings import RatingLines, check_pairs, read_rating_file
from recsys.data.readers.table_files import TableFiles, table_files
from recsys.data.readers.tables import (
    Understood,
    read_movie_table,
    read_rating_table,
    read_user_table,
)
from recsys.data.readers.tabular import stem
from recsys.data.readers.users import read_user_file
from recsys.errors import DataError

MANY_GENRES = 100  # more are named: their separator may be another

Log = Callable[[str], None]


class Reading(NamedTuple):
    """A dataset without its bad lines, and what was left out and why."""

    dataset: Dataset
    problems: Problems
    path: Path  # of the ratings
    total: int  # ratings in the file, bad ones too
    understood: dict[str, str]  # a table's columns by role
    unused: dict[str, str]  # other columns and files, and why


def read_all(
    data: Path | str,
    items: Path | str | None = None,
    users: Path | str | None = None,
    columns: Columns = Columns(),
    *,
    complete: bool = True,
    log: Log = lambda line: None,
) -> Reading:
    """Read and check everything; bad lines are left out and put down.

    Args:
        complete: check ratings against movies and users although some of those are bad.

    Raises:
        DataError: a file is missing or unreadable, or is of a kind that is not supported.
    """
    data = Path(data)
    tables = table_files(data, Path(items) if items else None, Path(users) if users else None)
    if tables:
        return _read_tables(tables, data, columns, complete, log)
    if items or users or any(columns):
        raise DataError(
            f"{data}: no table, only of tables (CSV, JSON lines, Parquet) can other files and "
            "columns be named",
            "name the folder alone",
            "data",
        )
    files = files_of(data)
    problems = Problems()
    movies = read_movie_file(*files.movies, problems)
    known = read_user_file(*files.users, problems) if files.users else None
    path, layout = files.ratings
    raw = read_rating_file(path, layout, problems)
    note_genres(movies, files.movies[0], log)
    if known is None:
        known = Users.without_attributes(unique(raw.ratings.user_ids))
        log(f"{data}: no users file, so gender, age and job of every user are unknown")
    dataset = Dataset(_name(data), known, movies, raw.ratings)
    return _checked(path, raw, dataset, problems, complete, {}, {})


def _read_tables(
    tables: TableFiles, data: Path, columns: Columns, complete: bool, log: Log
) -> Reading:
    problems = Problems()
    movies, known = None, None
    parts = []
    raw, user_names, movie_names, of_ratings = read_rating_table(tables.ratings, columns, problems)
    if tables.items:
        movies, described = read_movie_table(tables.items, columns, problems)
        parts.append((tables.items, described))
        note_genres(movies, tables.items, log)
    if tables.users:
        known, described = read_user_table(tables.users, columns, problems)
        parts.append((tables.users, described))
    understood = dict(of_ratings.roles)
    unused = _unused_of(tables.ratings, of_ratings)
    for path, part in parts:
        understood |= part.roles
        unused |= _unused_of(path, part)
    log(", ".join(f"{role}: {words}" for role, words in understood.items()))
    why = "only ratings, movies and users are read"
    if not data.is_dir():
        why = "beside the ratings, but not named"
    unused |= {name: why for name in tables.unused}
    for reason in dict.fromkeys(unused.values()):
        log(f"not used: {', '.join(n for n, why in unused.items() if why == reason)} ({reason})")
    if movies is None:
        found = named(unique(raw.ratings.movie_ids), movie_names)
        movies = Movies(found, [f"Item {i}" for i in found.tolist()], [()] * len(found))
        log(f"{data}: no table of movies, so titles are Item and the id, and genres are unknown")
    if known is None:
        known = Users.without_attributes(named(unique(raw.ratings.user_ids), user_names))
        log(f"{data}: no users file, so gender, age and job of every user are unknown")
    r, path = raw.ratings, tables.ratings
    user_ids, user_codes, user_names = _coded(
        "user", r.user_ids, user_names, path, known.ids, tables.users
    )
    movie_ids, movie_codes, movie_names = _coded(
        "movie", r.movie_ids, movie_names, path, movies.ids, tables.items
    )
    raw = raw._replace(ratings=replace(r, user_ids=user_ids, movie_ids=movie_ids))
    dataset = Dataset(
        _name(data),
        replace(known, ids=user_codes),
        replace(movies, ids=movie_codes),
        raw.ratings,
        user_names,
        movie_names,
    )
    return _checked(path, raw, dataset, problems, complete, understood, unused)


def _coded(
    what: str, ids: NDArray, names: NDArray | None, path: Path, known: NDArray, other: Path | None
) -> Coded:
    """Ids of the ratings and of the table beside them as codes of one list of names.

    Raises:
        DataError: the ones are numbers, the others text, and hardly any fit.
    """
    if not len(ids) or not len(known) or is_text(known) == (names is not None):
        return coded(ids, names, known)
    if names is None:
        names, ids = np.unique(ids, return_inverse=True)
    texts, others = as_text(names), as_text(known)
    if 2 * np.isin(texts, others).sum() < len(texts):
        raise DataError(
            f"{path}: {what} ids such as {names.tolist()[0]!r}, in {other} such as "
            f"{known.tolist()[0]!r}: whole numbers in one, text in the other",
            "write them alike in both",
            "file",
        )
    order = np.argsort(texts)
    return coded(np.argsort(order)[ids], texts[order], others)


def _unused_of(path: Path, part: Understood) -> dict[str, str]:
    return {f"{name or 'a column without a name'} of {path.name}": why
            for name, why in part.unused.items()}  # fmt: skip


def _name(data: Path) -> str:
    return data.resolve().name if data.is_dir() else stem(data)


def _checked(
    path: Path,
    raw: RatingLines,
    dataset: Dataset,
    problems: Problems,
    complete: bool,
    understood: dict[str, str],
    unused: dict[str, str],
) -> Reading:
    """The ratings that fit the movies and users."""
    if complete or not problems:  # else a bad movie would make all its ratings bad
        raw = check_pairs(path, raw, dataset, problems)
    total = len(raw.lines) + problems.counts[path]
    return Reading(replace(dataset, ratings=raw.ratings), problems, path, total, understood, unused)


def note_genres(movies: Movies, path: Path, log: Log) -> None:
    """Name a number of genres that no catalogue has."""
    genres = {genre for each in movies.genres for genre in each}
    if len(genres) > MANY_GENRES:
        log(f"{path}: {len(genres):,} different genres, are they separated as expected ('|')?")

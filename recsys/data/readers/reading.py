"""From files of any kind to a `Dataset`, with all that was found on the way."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.columns import Columns, is_number
from recsys.data.dataset import Dataset, Movies, Users
from recsys.data.ids import Coded, as_text, coded, is_text, named, unique
from recsys.data.readers.described import check_kinds
from recsys.data.readers.layouts import files_of
from recsys.data.readers.movies import read_movie_file
from recsys.data.readers.problems import Problems
from recsys.data.readers.rating_table import RatingTable, read_rating_table
from recsys.data.readers.ratings import (
    RatingLines,
    combined,
    known_only,
    once_only,
    read_rating_file,
)
from recsys.data.readers.scales import are_events, scaled
from recsys.data.readers.table_files import TableFiles, stem, table_files
from recsys.data.readers.tables import read_movie_table, read_user_table
from recsys.data.readers.tabular import Understood
from recsys.data.readers.users import read_user_file
from recsys.data.scale import FIVE_STARS
from recsys.errors import DataError

# More genres are named, and more than half as many as there are movies: their separator may be
# another.
MANY_GENRES, SOME_GENRES = 100, 20

Log = Callable[[str], None]


class Checks(NamedTuple):
    """How ratings are taken; see `read_all`."""

    liked_from: float | None
    repeats: str  # "" where there must be none
    complete: bool


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
    liked_from: float | None = None,
    repeats: str | None = None,
    complete: bool = True,
    log: Log = lambda line: None,
) -> Reading:
    """Read and check everything; bad lines are left out and put down.

    Args:
        liked_from: from what on a rating is a like; by default as `scale_of` has it.
        repeats: what becomes of several ratings of a movie by a user: "last", "sum" or "count". By
            default the last one holds in tables, events are counted, and in other files all but
            the first are bad lines.
        complete: check ratings against movies and users although some of those are bad.

    Raises:
        DataError: a file is missing or unreadable, or is of a kind that is not supported.
    """
    data = Path(data)
    tables = table_files(data, Path(items) if items else None, Path(users) if users else None)
    if tables:
        return _read_tables(tables, data, columns, Checks(liked_from, repeats or "", complete), log)
    if items or users or any(columns[:-1]):
        raise no_table(data, "ratings")
    files = files_of(data)
    problems = Problems()
    movies, own = read_movie_file(*files.movies, problems, dict(columns.kinds))
    parts = [(files.movies[0], Understood({}, own.unused, own.words))]
    known = None
    if files.users:
        known, own = read_user_file(*files.users, problems, dict(columns.kinds))
        parts.append((files.users[0], Understood({}, own.unused, own.words)))
    path, layout = files.ratings
    raw = read_rating_file(path, layout, problems)
    note_genres(movies, files.movies[0], log)
    if known is None:
        known = Users.of(unique(raw.ratings.user_ids))
        log(f"{data}: no users file, so only ratings are known of users")
    understood, unused = noted(parts, columns, {}, log)
    dataset = Dataset(_name(data), known, movies, raw.ratings)
    checks = Checks(liked_from, repeats or "", complete)
    rated = not are_events(raw.ratings.values)
    read, _ = _checked(path, raw, dataset, problems, checks, rated)
    if read.dataset.scale != FIVE_STARS:
        log(read.dataset.scale.in_words())
    return read._replace(understood=understood, unused=unused)


def _read_tables(
    tables: TableFiles, data: Path, columns: Columns, checks: Checks, log: Log
) -> Reading:
    problems = Problems()
    found = read_rating_table(tables.ratings, columns, problems)
    parts = [(tables.ratings, found.understood)]
    columns = columns._replace(user=None, item=None)  # they were those of the ratings
    movies = users = None
    if tables.items:
        key = _key(found.columns["item"])
        movies, part = read_movie_table(tables.items, columns, problems, key)
        parts.append((tables.items, part))
        note_genres(movies, tables.items, log)
    if tables.users:
        key = _key(found.columns["user"])
        users, part = read_user_table(tables.users, columns, problems, key)
        parts.append((tables.users, part))
    why = "only ratings, movies and users are read"
    if not data.is_dir():
        why = "beside the ratings, but not named"
    understood, unused = noted(parts, columns, {name: why for name in tables.unused}, log)
    dataset = _joined(_name(data), tables, found, users, movies)
    if movies is None:
        log(f"{data}: no table of movies, so titles are Item and the id, and genres are unknown")
    if users is None:
        log(f"{data}: no users file, so only ratings are known of users")
    raw = found.raw._replace(ratings=dataset.ratings)
    rated = found.rated and not are_events(raw.ratings.values)
    checks = checks._replace(repeats=checks.repeats or ("last" if rated else "count"))
    read, repeated = _checked(tables.ratings, raw, dataset, problems, checks, rated)
    if repeated:
        said = {"last": "the last one holds", "sum": "they are summed", "count": "they are counted"}
        log(f"{repeated:,} repeated events of a user and an item: {said[checks.repeats]}")
    log(read.dataset.scale.in_words())
    return read._replace(understood=understood, unused=unused)


def _key(name: str) -> str | None:
    """What users or items are called in the ratings: the same name is the same thing elsewhere."""
    return None if is_number(name) else name


def _joined(
    name: str, tables: TableFiles, found: RatingTable, users: Users | None, movies: Movies | None
) -> Dataset:
    """Ratings with the users and movies of tables beside them, else with those that they name."""
    r = found.raw.ratings
    if movies is None:
        ids = named(found.different[1], found.movies)
        movies = Movies(ids, [f"Item {i}" for i in ids.tolist()], [()] * len(ids))
    if users is None:
        users = Users.of(named(found.different[0], found.users))
    of_users = _coded("user", r.user_ids, found.users, tables.ratings, users.ids, tables.users)
    of_movies = _coded("movie", r.movie_ids, found.movies, tables.ratings, movies.ids, tables.items)
    return Dataset(
        name,
        replace(users, ids=of_users.known),
        replace(movies, ids=of_movies.known),
        replace(r, user_ids=of_users.codes, movie_ids=of_movies.codes),
        of_users.names,
        of_movies.names,
    )


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
    return coded(ids, texts, others)


def no_table(path: Path, fix: str) -> DataError:
    """The error when columns or other files are named beside what is no table."""
    return DataError(
        f"{path}: no table, only of tables (CSV, JSON lines, Parquet) can other files and "
        "columns be named",
        "name it alone",
        fix,
    )


def noted(
    parts: Sequence[tuple[Path, Understood]], columns: Columns, unused: dict[str, str], log: Log
) -> tuple[dict[str, str], dict[str, str]]:
    """Log how files were read, and what is not used; both by role or column.

    Raises:
        DataError: a column that a kind is given of is not there.
    """
    check_kinds(dict(columns.kinds), [n for _, each in parts for n in (*each.own, *each.unused)])
    understood: dict[str, str] = {}
    for _, part in parts:
        understood |= part.roles
    if understood:
        log(", ".join(f"{role}: {words}" for role, words in understood.items()))
    for path, part in parts:
        unused = _unused_of(path, part) | unused
        if part.own:
            own = {f"{path.name} {name}": words for name, words in part.own.items()}
            log(f"{path.name}: {', '.join(f'{n} {words}' for n, words in part.own.items())}")
            understood |= own
    for reason in dict.fromkeys(unused.values()):
        log(f"not used: {', '.join(n for n, why in unused.items() if why == reason)} ({reason})")
    return understood, unused


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
    checks: Checks,
    rated: bool,
) -> tuple[Reading, int]:
    """The ratings that fit the movies and users, in the model's scale, and how many repeat others.

    Args:
        rated: False where the ratings' values mean nothing.
    """
    repeated = 0
    if not rated:
        ones = np.ones(len(raw.ratings), np.float32)
        raw = raw._replace(ratings=replace(raw.ratings, values=ones))
    if checks.complete or not problems:  # else a bad movie would make all its ratings bad
        raw = known_only(path, raw, dataset, problems)
        if checks.repeats:
            raw, repeated = combined(raw, checks.repeats)
        else:
            raw = once_only(path, raw, dataset, problems)
    rated &= checks.repeats != "count"
    summed = checks.repeats == "sum"
    raw, scale = scaled(path, raw, rated, checks.liked_from, problems, summed)
    problems.kinds["duplicate"] += repeated
    total = len(raw.lines) + problems.counts[path]
    whole = replace(dataset, ratings=raw.ratings, scale=scale)
    return Reading(whole, problems, path, total, {}, {}), repeated


def note_genres(movies: Movies, path: Path, log: Log) -> None:
    """Log a number of genres that no catalogue has."""
    genres = {genre for each in movies.genres for genre in each}
    with_genres = sum(map(bool, movies.genres))
    if len(genres) > MANY_GENRES or len(genres) >= max(SOME_GENRES, with_genres / 2):
        log(f"{path}: {len(genres):,} different genres, are they separated as expected ('|')?")

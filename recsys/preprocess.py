"""Raw files to a checked `Dataset`, and raw movie files to encoded lines (`movies_data.txt`)."""

import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data import formats
from recsys.data.dataset import (
    NO_WORD,
    UNKNOWN,
    Dataset,
    Movies,
    Ratings,
    Users,
    Vocabulary,
    padded,
)
from recsys.data.formats import BadLine, Layout, Problems
from recsys.data.rating_file import check_pairs, check_scale, read_ratings
from recsys.errors import DataError

_ENCODED = re.compile(r"\d+::[\d,]*::[\d,]*")


class _Files(NamedTuple):
    """The three files of a dataset and how each is written; no users file, no attributes."""

    movies: tuple[Path, Layout]
    users: tuple[Path, Layout] | None
    ratings: tuple[Path, Layout]


def read_dataset(
    folder: Path, *, skip_bad_lines: bool = False, log: Callable[[str], None] | None = None
) -> Dataset:
    """Read and check a folder of MovieLens `.dat`, ML-100K `u.*` or RecBole atomic files.

    Args:
        folder: holds ratings, movies and, where there are any, users of one family.
        skip_bad_lines: leave bad lines out (and ratings of the movies and users on them).
        log: is told in a line each what was left out and that there is no users file.

    Raises:
        DataError: a file that is missing or unreadable; or bad lines, the first ten in words.
    """
    files = _files(folder)
    problems = Problems()
    movies = _read_movies(*files.movies, problems)
    users = _read_users(*files.users, problems) if files.users else None
    fit = skip_bad_lines or not problems  # else each bad movie would bring its ratings along
    path, layout = files.ratings
    raw = check_scale(path, read_ratings(path, layout, problems), problems)
    if fit:
        raw = check_pairs(path, raw, movies, users, problems)
    _settle(path, len(raw.lines), problems, skip_bad_lines, log)
    if users is None:
        users = _users_of(raw.ratings)
        if log:
            log(f"{folder}: no users file, so gender, age and job of every user are unknown")
    return Dataset(folder.resolve().name, users, movies, raw.ratings)


def read_movies(
    path: Path, *, skip_bad_lines: bool = False, log: Callable[[str], None] | None = None
) -> Movies:
    """Read and check one raw movie file: `movies.dat` or any like it, `u.item`, `*.item`."""
    problems = Problems()
    movies = _read_movies(path, _movie_layout(path), problems)
    _settle(path, len(movies), problems, skip_bad_lines, log)
    return movies


def _settle(
    path: Path, left: int, problems: Problems, skip: bool, log: Callable[[str], None] | None
) -> None:
    """Raise what there is to raise, or tell in a line what was dropped."""
    if problems and not skip:
        raise problems.error()
    if not left:
        found = f"the bad lines: {problems.summary()}" if problems else "none was found"
        raise DataError(f"{path}: no usable line is left, {found}; mend the file or name another")
    if problems and log:
        log(problems.summary())


def _files(folder: Path) -> _Files:
    """The family a folder's names say it is of."""
    try:
        names = sorted(each.name for each in folder.iterdir())
    except OSError as error:
        reason = error.strerror or error
        raise DataError(
            f"{folder}: expected a folder of ratings ({reason}); name one with --data or run "
            "recsys download"
        ) from error
    if {"ratings.dat", "movies.dat"} & set(names):
        users = (folder / "users.dat", formats.DAT_USERS) if "users.dat" in names else None
        return _Files(
            (folder / "movies.dat", formats.DAT_MOVIES),
            users,
            (folder / "ratings.dat", formats.DAT_RATINGS),
        )
    if {"u.data", "u.item"} & set(names):
        users = (folder / "u.user", formats.U_USERS) if "u.user" in names else None
        return _Files(
            (folder / "u.item", formats.U_MOVIES), users, (folder / "u.data", formats.U_RATINGS)
        )
    if any(name.endswith((".inter", ".item")) for name in names):
        return _atomic_files(folder, names)
    raise DataError(
        f"{folder}: no ratings found; expected ratings.dat and movies.dat, or u.data and u.item, "
        "or *.inter and *.item; name another folder with --data or run recsys download"
    )


def _atomic_files(folder: Path, names: list[str]) -> _Files:
    found = {
        kind: [folder / name for name in names if name.endswith(kind)]
        for kind in (".inter", ".item", ".user")
    }
    for kind, paths in found.items():
        if len(paths) > 1 or (not paths and kind != ".user"):
            raise DataError(
                f"{folder}: expected one *{kind} file, found {len(paths)}; "
                "keep one dataset in a folder"
            )
    movies, ratings = found[".item"][0], found[".inter"][0]
    users = found[".user"][0] if found[".user"] else None
    return _Files(
        (movies, formats.atomic_layout(movies, ("movie_id", "title"))),
        (users, formats.atomic_layout(users, ("user_id",))) if users else None,
        (ratings, formats.atomic_layout(ratings, ("user_id", "movie_id", "rating"))),
    )


def _movie_layout(path: Path) -> Layout:
    """How a movie file is written, by its name or else by its first lines."""
    start = formats.file_bytes(path, 2**16)
    if path.name == "u.item" or start.split(b"\n")[0].count(b"|") == 23:
        return formats.U_MOVIES
    if path.suffix == ".item" or start.removeprefix(formats.BOM).startswith(b"item_id:"):
        return formats.atomic_layout(path, ("movie_id", "title"))
    return formats.DAT_MOVIES


def _read_movies(path: Path, layout: Layout, problems: Problems) -> Movies:
    seen: dict[int, int] = {}
    titles: list[str] = []
    genres: list[tuple[str, ...]] = []
    for line, row in formats.rows(path, layout, problems):
        try:
            movie_id, title, names = formats.movie(row)
            _once(seen, movie_id, line, "movie")
        except BadLine as trouble:
            problems.add(path, line, str(trouble))
            continue
        titles.append(title)
        genres.append(names)
    return Movies(np.array(list(seen), np.int64), titles, genres)


def _read_users(path: Path, layout: Layout, problems: Problems) -> Users:
    seen: dict[int, int] = {}
    codes: list[tuple[int, int, int]] = []
    may_lack = layout.header > 0
    for line, row in formats.rows(path, layout, problems):
        try:
            each = formats.user_codes(row, may_lack)
            _once(seen, formats.whole_number(row["user_id"], "a user id"), line, "user")
        except BadLine as trouble:
            problems.add(path, line, str(trouble))
            continue
        codes.append(each)
    table = np.array(codes, np.int8).reshape(len(codes), 3)
    genders, ages, jobs = (np.ascontiguousarray(column) for column in table.T)
    return Users(np.array(list(seen), np.int64), genders, ages, jobs)


def _once(seen: dict[int, int], raw_id: int, line: int, what: str) -> None:
    if raw_id in seen:
        raise BadLine(f"{what} {raw_id} again, expected once, first on line {seen[raw_id]}")
    seen[raw_id] = line


def _users_of(ratings: Ratings) -> Users:
    """The users of the ratings, nothing being known of them."""
    ids = np.unique(ratings.user_ids).astype(np.int64)
    unknown = np.full(len(ids), UNKNOWN, np.int8)
    return Users(ids, unknown, unknown, unknown)


class Encoded(NamedTuple):
    """What `write_movies_data` wrote: movies, and words and genres the vocabulary lacks."""

    movies: int
    unknown_words: int
    unknown_genres: int


def write_movies_data(path: Path, movies: Movies, vocabulary: Vocabulary) -> Encoded:
    """Write each movie as `movie_id::t1,t2,...::g1,g2,...`, rows of the vocabulary, 0 if unknown.

    Written beside and renamed: a reader finds the old file or the new one, whole.
    """
    titles = vocabulary.title_rows(movies.titles)
    genres = vocabulary.genre_rows(movies.genres)
    lines = [
        f"{movie_id}::{_joined(title)}::{_joined(each)}\n"
        for movie_id, title, each in zip(
            movies.ids.tolist(), titles.tolist(), genres.tolist(), strict=True
        )
    ]
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text("".join(lines), encoding="ascii", newline="\n")
        beside.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{path}: cannot be written ({reason}); name another with -o") from error
    finally:
        with suppress(OSError):
            beside.unlink()
    return Encoded(len(movies), int((titles == 0).sum()), int((genres == 0).sum()))


def read_movies_data(
    path: Path, vocabulary: Vocabulary | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Read encoded movies: ids (M,), title rows (M, T) and genre rows (M, G), NO_WORD behind.

    A comma after the last row of a list is taken, as the tutorial writes it. Rows must be of the
    vocabulary, where one is given.

    Raises:
        DataError: the lines that are not of that form.
    """
    problems = Problems()
    most_words = len(vocabulary.words) if vocabulary else formats.MAX_ID
    most_genres = len(vocabulary.genres) if vocabulary else formats.MAX_ID
    seen: dict[int, int] = {}
    titles: list[list[int]] = []
    genres: list[list[int]] = []
    for line, row in formats.rows(path, formats.ENCODED_MOVIES, problems):
        try:
            movie_id = formats.whole_number(row["movie_id"], "a movie id")
            words = formats.row_numbers(row["words"], "a word's row", most_words)
            names = formats.row_numbers(row["genre_rows"], "a genre's row", most_genres)
            _once(seen, movie_id, line, "movie")
        except BadLine as trouble:
            problems.add(path, line, str(trouble))
            continue
        titles.append(words)
        genres.append(names)
    if problems:
        raise problems.error("mend the line or write the file again with recsys preprocess")
    return np.array(list(seen), np.int64), padded(titles), padded(genres)


def is_movies_data(path: Path) -> bool:
    """Whether most lines of a movie file's beginning are encoded ones, not raw titles."""
    lines = formats.file_bytes(path, 2**16).decode("latin-1").splitlines()[:100]
    encoded = sum(_ENCODED.fullmatch(line) is not None for line in lines)
    return 2 * encoded > len(lines)


def _joined(rows: list[int]) -> str:
    return ",".join(str(row) for row in rows if row != NO_WORD)

"""Raw files to a checked `Dataset`, and raw movie files to encoded lines (`movies_data.txt`)."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import NO_WORD, Dataset, Movies, Users, Vocabulary, padded
from recsys.data.files import replacing_file
from recsys.data.readers.fields import MAX_ID, row_numbers, whole_number
from recsys.data.readers.layouts import ENCODED_MOVIES, files_of, movie_layout
from recsys.data.readers.movies import read_movie_file
from recsys.data.readers.problems import Problems
from recsys.data.readers.ratings import check_pairs, read_rating_file
from recsys.data.readers.records import records
from recsys.data.readers.text import file_bytes
from recsys.data.readers.users import read_user_file
from recsys.errors import DataError

_ENCODED = re.compile(r"\d+::[\d,]*::[\d,]*")


def read_dataset(
    folder: Path | str,
    *,
    skip_bad_lines: bool = False,
    log: Callable[[str], None] = lambda line: None,
) -> Dataset:
    """Read and check a folder of MovieLens `.dat`, ML-100K `u.*` or RecBole atomic files.

    Args:
        folder: holds ratings, movies and, where there are any, users of one family.
        skip_bad_lines: leave bad lines out (and ratings of the movies and users on them).
        log: gets a line on what was left out, and one if there is no users file.

    Raises:
        DataError: a file that is missing or unreadable; or bad lines, the first ten in words.

    >>> dataset = read_dataset("data/sample")
    >>> len(dataset.movies), len(dataset.users), len(dataset.ratings)
    (338, 308, 15610)
    """
    folder = Path(folder)
    files = files_of(folder)
    problems = Problems()
    movies = read_movie_file(*files.movies, problems)
    users = read_user_file(*files.users, problems) if files.users else None
    complete = skip_bad_lines or not problems  # else a bad movie would make all its ratings bad
    path, layout = files.ratings
    raw = read_rating_file(path, layout, problems)
    if complete:
        raw = check_pairs(path, raw, movies, users, problems)
    _settle(path, len(raw.lines), problems, skip_bad_lines, log)
    if users is None:
        users = Users.without_attributes(np.unique(raw.ratings.user_ids))
        log(f"{folder}: no users file, so gender, age and job of every user are unknown")
    return Dataset(folder.resolve().name, users, movies, raw.ratings)


def read_movies(
    path: Path | str,
    *,
    skip_bad_lines: bool = False,
    log: Callable[[str], None] = lambda line: None,
) -> Movies:
    """Read and check one raw movie file: `movies.dat` or any like it, `u.item`, `*.item`.

    >>> read_movies("data/sample/movies.dat").titles[0]
    'Toy Story (1995)'
    """
    path = Path(path)
    problems = Problems()
    movies = read_movie_file(path, movie_layout(path), problems)
    _settle(path, len(movies), problems, skip_bad_lines, log)
    return movies


def _settle(
    path: Path, left: int, problems: Problems, skip: bool, log: Callable[[str], None]
) -> None:
    """Raise what there is to raise, or log what was dropped."""
    if problems and not skip:
        raise problems.error()
    if not left:
        found = f"the bad lines: {problems.summary()}" if problems else "none was found"
        raise DataError(
            f"{path}: no usable line is left, {found}", "correct the file or name another", "file"
        )
    if problems:
        log(problems.summary())


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
    with replacing_file(path) as beside:
        beside.write_text("".join(lines), encoding="ascii", newline="\n")
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
    most_words = len(vocabulary.words) if vocabulary else MAX_ID
    most_genres = len(vocabulary.genres) if vocabulary else MAX_ID

    def encoded(row: dict[str, str]) -> tuple[int, tuple[list[int], list[int]]]:
        movie_id = whole_number(row["movie_id"], "a movie id")
        words = row_numbers(row["words"], "a word's row", most_words)
        return movie_id, (words, row_numbers(row["genre_rows"], "a genre's row", most_genres))

    problems = Problems()
    found = records(path, ENCODED_MOVIES, problems, "movie", encoded)
    if problems:
        raise problems.error("correct the line, or encode the movies again", "preprocess")
    titles, genres = ([each[part] for each in found.values()] for part in (0, 1))
    return np.array(list(found), np.int64), padded(titles), padded(genres)


def is_movies_data(path: Path) -> bool:
    """Whether most lines of a movie file's beginning are encoded ones, not raw titles."""
    lines = file_bytes(path, 2**16).decode("latin-1").splitlines()[:100]
    encoded = sum(_ENCODED.fullmatch(line) is not None for line in lines)
    return 2 * encoded > len(lines)


def _joined(rows: list[int]) -> str:
    return ",".join(str(row) for row in rows if row != NO_WORD)

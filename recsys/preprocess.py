"""Raw files to a checked `Dataset`, and raw movie files to encoded lines (`movies_data.txt`)."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import numpy as np

from recsys.data.dataset import Dataset, Movies, Vocabulary
from recsys.data.files import replacing_file
from recsys.data.ids import PADDING, as_text, is_text
from recsys.data.readers.cells import Notes
from recsys.data.readers.describe import Side, checked_columns, field_name, movies_of
from recsys.data.readers.formats import Arrow, Table, open_table, source_of
from recsys.data.readers.read import read_all, unusable
from recsys.data.readers.roles import NONE, REPEATS, Columns, check_given
from recsys.data.readers.sources import dialect_of_items, family, no_table
from recsys.data.readers.text import file_bytes
from recsys.data.schema import Column
from recsys.data.titles import title_words
from recsys.errors import DataError, QueryError, check_choice, check_types, checked, quoted

if TYPE_CHECKING:
    from recsys.serving.model_folder import Model

MANY_LINES, MANY_SHARE = 10, 0.01  # bad lines beyond both are not left out for the mere asking
SkipBadLines = bool | Literal["all"]

ENCODED = family("::", ("item", "words", "genres"))
_DIGITS = re.compile(r"\s*[0-9]{1,18}\s*")
_ENCODED = re.compile(r"[^:]+::[\d,]*::[\d,]*")


def read_dataset(
    data: Path | str | Arrow,
    *,
    items: Path | str | Arrow | None = None,
    users: Path | str | Arrow | None = None,
    columns: Columns = Columns(),
    liked_from: float | None = None,
    repeats: str | None = None,
    not_rated: float | str | None = None,
    skip_bad_lines: SkipBadLines = False,
    model: "Model | Dataset | None" = None,
    log: Callable[[str], None] = lambda line: None,
) -> Dataset:
    """Read and check ratings: a folder of any family, or tables (CSV, JSON lines, Parquet).

    A table may be a file or in memory: a DataFrame of pandas or polars, or anything else with
    Arrow's interface.

    Args:
        data: a folder with ratings and optional tables of movies and users; or a table of ratings.
        items: a table of movies, if it is not in that folder.
        users: a table of users, likewise.
        columns: `recsys.Columns` that are not to be inferred.
        liked_from: the lowest rating that is a like; by default 4 of 5, or likewise of its scale.
        repeats: "last", "sum" or "count" several ratings of a movie by a user; by default the last
            one holds, and events without ratings are counted.
        not_rated: the value for "not rated", or "none"; by default -1 or 0 if it is far from all
            other ratings. Such rows are left out.
        skip_bad_lines: leave bad lines out (and ratings of the movies and users on them) if they
            are few: ten, or a hundredth of the ratings; "all" for any number.
        model: one that the data are to update, or a dataset beside which they are judged: its scale
            and its schema hold for them.
        log: gets a line on what was understood, on what is not used, on what was left out, and
            one if there is no users file.

    Raises:
        DataError: a file that is missing or unreadable; or bad lines, the first ten in words.

    >>> dataset = read_dataset("data/sample")
    >>> len(dataset.movies), len(dataset.users), len(dataset.ratings)
    (338, 308, 15610)
    """
    check_choice("repeats", repeats, (None, *REPEATS))
    check_choice("skip_bad_lines", skip_bad_lines, (False, True, "all"))
    for name, value in {"not_rated": not_rated, "liked_from": liked_from}.items():
        if value is not None and (name, value) != ("not_rated", NONE):
            checked(name, value, float, words="a number" + " or none" * (name == "not_rated"))
    check_types(log=(log, Callable))
    read = read_all(
        *(data, items, users, columns),
        liked_from=liked_from,
        repeats=repeats,
        not_rated=not_rated,
        complete=bool(skip_bad_lines),
        model=model,
        log=log,
    )
    _settle(read.path, len(read.dataset.ratings), read.notes, skip_bad_lines)
    return read.dataset


def read_movies(
    path: Path | str | Arrow,
    *,
    columns: Columns = Columns(),
    kinds: Mapping[str, str] = MappingProxyType({}),
    skip_bad_lines: SkipBadLines = False,
    log: Callable[[str], None] = lambda line: None,
) -> Movies:
    """Read and check a raw movie file: `movies.dat` or any like it, `u.item`, `*.item`, a table.

    Args:
        path: the file, or a DataFrame as `read_dataset` takes it.
        columns: `recsys.Columns` that are not to be inferred.
        kinds: kinds of columns, by name, as of a model.
        skip_bad_lines: as for `read_dataset`.
        log: likewise.

    Raises:
        DataError: as for `read_dataset`, or `columns` and `kinds` do not agree.

    >>> read_movies("data/sample/movies.dat").titles[0]
    'Toy Story (1995)'
    """
    columns = checked_columns(columns)
    check_types(kinds=(kinds, Mapping), log=(log, Callable))
    found, dialect, notes = source_of(path, "items"), None, Notes(log)
    path = found.path if isinstance(found, Table) else found
    for name, kind in columns.kinds:
        known = kinds.get(field_name(name), kind)
        if kind not in (NONE, known):
            cause = f"{path}: {name} cannot be {kind}, the model takes it for {known}"
            raise QueryError(cause, "leave it as it is, or out", "column")
    whole = columns._replace(kinds=tuple({**kinds, **dict(columns.kinds)}.items()))
    if found is path:
        dialect = dialect_of_items(path, file_bytes(path, 2**16).split(b"\n")[0])
    if dialect and any(columns[:-1]):
        raise no_table(path, "file")
    table = open_table(found, dialect)
    check_given(columns, {"items": table})
    movies = movies_of(table, whole, notes)
    notes.tell(columns.kinds)
    _settle(path, len(movies), notes, skip_bad_lines)
    return movies


def _settle(path: Path, left: int, notes: Notes, skip: SkipBadLines) -> None:
    """Raise what there is to raise, or log what was dropped."""
    if notes and not skip:
        raise notes.error()
    if not left:
        raise unusable(path, notes)
    if not notes:
        return
    bad = notes.counts[path]
    if skip != "all" and bad > MANY_LINES and bad > MANY_SHARE * (left + bad):
        cause = f"{path}: {bad:,} of {left + bad:,} lines are bad, more than one in a hundred"
        cause += f"; the first: {notes.listed()[0]}"
        raise DataError(cause, "correct the file, or leave out all the same", "skip_all_bad_lines")
    notes.log(notes.summary())


def write_movies_data(path: Path, movies: Movies, vocabulary: Vocabulary) -> tuple[int, int]:
    """Write each movie as `movie_id::t1,t2,...::g1,g2,...`, rows of the vocabulary, 0 if unknown.

    Returns how many words and genres are unknown.

    Raises:
        DataError: an id has "::" in it, which separates the fields.
    """
    if colons := [each for each in as_text(movies.ids).tolist() if "::" in each]:
        cause = f"movie {colons[0]}: ids with '::' cannot be written to {path.name}"
        raise DataError(cause, "publish the raw file instead")
    rows = vocabulary.title_rows(movies.titles), vocabulary.genre_rows(movies.genres)
    texts = [
        [",".join(str(row) for row in each if row != PADDING) for each in side.tolist()]
        for side in rows
    ]
    fields = zip(movies.ids.tolist(), *texts, strict=True)
    lines = [f"{movie_id}::{title}::{genres}\n" for movie_id, title, genres in fields]
    with replacing_file(path) as beside:
        beside.write_text("".join(lines), encoding="utf-8", newline="\n")
    return int((rows[0] == 0).sum()), int((rows[1] == 0).sum())


def read_movies_data(path: Path, known: Movies, vocabulary: Vocabulary) -> Movies:
    """Read encoded movies. The file has no titles: those of new movies are their words.

    What it cannot hold, titles and columns of their own, is as in the known movies. A comma after
    the last row of a list is taken, as the tutorial writes it.

    Args:
        known: the movies of the model, in the order of the vocabulary.

    Raises:
        DataError: the lines that are not of that form, or have rows the vocabulary lacks; or they
            were encoded with the vocabulary of another model.
    """
    notes = Notes()
    side = Side(open_table(path, ENCODED), {n: n for n in ENCODED.names}, "item", notes)
    lists: list[list[tuple[str, ...]]] = []
    for name in ("words", "genres"):
        values, cells = ["?", *getattr(vocabulary, name)], side.cells[name]
        expected = f"expected a {name[:-1]}'s row as a whole number from 0 to {len(values) - 1}"
        found = [_values(cell or "", values) for cell in cells]
        pairs = zip(found, cells, strict=True)
        side.rows.refuse_each(
            [f"{expected}, got {quoted(cell)}" if each is None else "" for each, cell in pairs]
        )
        lists.append([each for each in found if each is not None])
    if notes:
        raise notes.error("correct the line, or encode the movies again", "preprocess")
    words, genres = lists
    ids = as_text(side.ids) if is_text(vocabulary.movie_ids) else side.ids
    titles = [re.sub(r" (\d{4})$", r" (\1)", " ".join(each)) for each in words]  # the year
    rows, encodable, differ = vocabulary.movie_rows(ids), {*vocabulary.words}, 0
    for n in np.flatnonzero(rows).tolist():
        titles[n] = known.titles[rows[n] - 1]
        differ += words[n] != tuple(w if w in encodable else "?" for w in title_words(titles[n]))
    if differ * 2 > (old := np.count_nonzero(rows)):
        cause = f"{differ} of {old} have other words than the model's movies of the same ids"
        cause = f"encoded for another model, or other movies: {cause}"
        raise DataError(cause, "encode a file of the model's movies", "preprocess")
    columns = {
        name: Column.joined([column, Column.unknown(column.kind, 1)])[rows - 1]  # the last of new
        for name, column in known.columns.items()
    }
    return Movies(ids, titles, genres, columns)


def _values(cell: str, values: Sequence[str]) -> tuple[str, ...] | None:
    """What rows with commas between, or one behind, stand for; None where one is none."""
    rows = cell.strip().removesuffix(",").split(",")
    good = (_DIGITS.fullmatch(row) and int(row) < len(values) for row in rows)
    return () if not any(rows) else tuple(values[int(row)] for row in rows) if all(good) else None


def is_movies_data(path: Path) -> bool:
    """Whether most lines of a movie file's beginning are encoded ones, not raw titles."""
    lines = file_bytes(path, 2**16).decode("utf-8", "replace").splitlines()[:100]
    encoded = sum(_ENCODED.fullmatch(line) is not None for line in lines)
    return 2 * encoded > len(lines)

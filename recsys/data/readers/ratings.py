"""A ratings file to typed, checked columns: fast when it is in order, complete when it is not."""

import io
import warnings
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Dataset, Ratings
from recsys.data.readers import text
from recsys.data.readers.fields import number, seconds, whole_number
from recsys.data.readers.layouts import Layout
from recsys.data.readers.problems import BadLine, Problems

_BLOCK = 2**22  # bytes looked at together
_ROWS = 2**17  # ratings looked at together
_COLUMN_TYPES = {"user_id": "i4", "movie_id": "i4", "rating": "f4", "time": "i8"}


class RatingLines(NamedTuple):
    """Ratings as their file has them, and the line of each."""

    ratings: Ratings
    lines: Sequence[int] | NDArray[np.int64]


def read_rating_file(path: Path, layout: Layout, problems: Problems) -> RatingLines:
    """The ratings of any family of files.

    Read block by block: by NumPy's reader where it can be trusted, else line by line.
    """
    text.file_bytes(path, 2**16)
    parts: list[RatingLines] = []
    with path.open("rb") as file:
        if file.read(len(text.BOM)) != text.BOM:
            file.seek(0)
        for _ in range(layout.header):
            file.readline()
        line = 1 + layout.header
        while block := file.read(_BLOCK) + file.readline():
            part = _at_once(block, line, layout) or _by_line(block, line, layout, path, problems)
            parts.append(part)
            line += block.count(b"\n")
    return _joined(parts)


def _at_once(block: bytes, line: int, layout: Layout) -> RatingLines | None:
    """A block's ratings by `np.loadtxt`; None when a line might be anything but the plain fields.

    loadtxt knows separators of one character, so "::" is two with an empty field between; it
    skips blank lines and would take "+5" or a field too many. The bytes are therefore counted:
    digits and dots only, and as many separators as the lines must have. Every line having at
    least that many, or loadtxt would have failed, none has more.
    """
    if not set(layout.columns) <= set(_COLUMN_TYPES):
        return None
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n")
    lines = block.count(b"\n") + (not block.endswith(b"\n"))
    separator, gaps = layout.separator.encode(), len(layout.columns) - 1
    mark, width = separator[:1], len(separator)
    if (block.count(separator), block.count(mark)) != (gaps * lines, gaps * lines * width):
        return None
    if block.translate(None, b"0123456789.\n" + mark):
        return None
    types = [(name, _COLUMN_TYPES[name]) for name in layout.columns]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # older NumPy only warns of 1.5 in a column of ids
            table = np.loadtxt(
                io.StringIO(block.decode("ascii")),
                np.dtype(types),
                comments=None,
                delimiter=mark.decode(),
                usecols=range(0, gaps * width + 1, width),
                ndmin=1,
            )
    except (ValueError, Warning):
        return None
    if len(table) != lines:
        return None
    columns = {name: np.ascontiguousarray(table[name]) for name in layout.columns}
    return RatingLines(_ratings(columns), range(line, line + lines))


def _by_line(
    block: bytes, first: int, layout: Layout, path: Path, problems: Problems
) -> RatingLines:
    """A block's ratings, each line looked at, the bad ones put down as problems."""
    users, movies, values = array("i"), array("i"), array("f")
    times, lines = array("q"), array("q")
    decoded = block.decode("utf-8" if text.is_utf8(block) else "latin-1")
    for line, each in enumerate(decoded.removesuffix("\n").split("\n"), first):
        try:
            row = layout.row(text.plain_text(each))
            user = whole_number(row["user_id"], "a user id")
            movie = whole_number(row["movie_id"], "a movie id")
            value = number(row["rating"], "a rating")
            time = seconds(row.get("time", "0"))
        except BadLine as problem:
            problems.add(path, line, str(problem))
            continue
        users.append(user)
        movies.append(movie)
        values.append(value)
        times.append(time)
        lines.append(line)
    columns = {"user_id": users, "movie_id": movies, "rating": values, "time": times}
    arrays = {name: np.array(column, _COLUMN_TYPES[name]) for name, column in columns.items()}
    return RatingLines(_ratings(arrays), np.array(lines, np.int64))


def _joined(parts: list[RatingLines]) -> RatingLines:
    """The blocks one behind the other; the lines stay a range where none was left out."""
    if not parts:
        return RatingLines(
            _ratings({name: np.zeros(0, t) for name, t in _COLUMN_TYPES.items()}), []
        )
    lines: range | NDArray[np.int64]
    if all(isinstance(part.lines, range) for part in parts):
        lines = range(parts[0].lines[0], parts[-1].lines[-1] + 1)
    else:
        lines = np.concatenate([part.lines for part in parts])
    return RatingLines(Ratings.concatenate(part.ratings for part in parts), lines)


def _ratings(columns: dict[str, NDArray]) -> Ratings:
    times = columns.get("time", np.zeros(len(columns["user_id"]), np.int64))
    return Ratings(columns["user_id"], columns["movie_id"], columns["rating"], times)


def known_only(path: Path, raw: RatingLines, dataset: Dataset, problems: Problems) -> RatingLines:
    """Leave out ratings of unknown movies and by unknown users."""

    def unknown(what: str, ids: NDArray[np.int32], names: NDArray | None) -> Callable[[int], str]:
        return lambda i: (
            f"unknown {what} {_shown(ids[i], names)}, expected one that the {what}s file has"
        )

    for what, column, known, names in (
        ("movie", "movie_ids", dataset.movies.ids, dataset.movie_names),
        ("user", "user_ids", dataset.users.ids, dataset.user_names),
    ):
        ids = getattr(raw.ratings, column)
        raw = keep(path, raw, _are_among(ids, known), problems, unknown(what, ids, names))
    return raw


def _are_among(ids: NDArray[np.int32], known: NDArray) -> NDArray[np.bool_]:
    """(N,) whether each id, 0 or more, is among the known ones."""
    largest = max(ids.max(initial=0), known.max(initial=0))
    if largest > 4 * len(ids) + _BLOCK:
        return np.isin(ids, known)
    seen = np.zeros(int(largest) + 1, np.bool_)
    seen[known] = True
    return seen[ids]


def once_only(path: Path, raw: RatingLines, dataset: Dataset, problems: Problems) -> RatingLines:
    """Leave out second ratings of a movie by a user."""
    ratings, lines = raw
    first = _first_of_pair(ratings)
    if first is None:
        return raw

    def second(i: int) -> str:
        movie = _shown(ratings.movie_ids[i], dataset.movie_names)
        user = _shown(ratings.user_ids[i], dataset.user_names)
        line = lines[first[i]]
        return f"second rating of movie {movie} by user {user}, expected one; line {line} has one"

    kept = first == np.arange(len(first))
    return keep(path, raw, kept, problems, second, "duplicate")


def _shown(code: int, names: NDArray | None) -> str:
    return str(code if names is None else names[code])


def combined(raw: RatingLines, how: str) -> tuple[RatingLines, int]:
    """One rating of each user and movie, where its last one stands, and how many others went.

    Args:
        how: "last" takes the one of the latest time, of equal times the last of the file; "sum" and
            "count" take what they say.
    """
    ratings = raw.ratings
    if how == "count":
        ratings = replace(ratings, values=np.ones(len(ratings), np.float32))
    if not _repeats(ratings):
        return raw._replace(ratings=ratings), 0
    pairs = _pairs(ratings)
    order = np.lexsort((ratings.times, pairs))
    ordered = pairs[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    last = order[np.append(starts[1:], len(order)) - 1]
    values = ratings.values.copy()
    if how != "last":
        values[last] = np.add.reduceat(ratings.values[order], starts)
    last.sort()
    left = replace(ratings, values=values)[last]
    return RatingLines(left, np.asarray(raw.lines)[last]), len(ratings) - len(last)


def keep(
    path: Path,
    raw: RatingLines,
    good: NDArray[np.bool_],
    problems: Problems,
    words: Callable[[int], str],
    kind: str = "",
) -> RatingLines:
    """The good ratings; the others are problems, which `words(i)` describes for rating i."""
    if good.all():
        return raw
    bad = np.flatnonzero(~good)
    lines = np.asarray(raw.lines)
    problems.add_all(path, lines[bad], lambda i: words(bad[i]), kind)
    return RatingLines(raw.ratings[good], lines[good])


def _pairs(ratings: Ratings) -> NDArray[np.int64]:
    """(N,) a number for each user and movie."""
    pairs = ratings.user_ids.astype(np.int64)
    pairs <<= 32
    pairs |= ratings.movie_ids
    return pairs


def _repeats(ratings: Ratings) -> bool:
    """Whether some user rates some movie twice."""
    if _ascends(ratings):
        return False
    ordered = _pairs(ratings)
    ordered.sort()
    return any((part[1:] == part[:-1]).any() for part in _overlapping(ordered))


def _ascends(ratings: Ratings) -> bool:
    """Whether each rating is of a later user than the one before, or of the same and later movie.

    MovieLens' files are in that order, which spares the sorting.
    """
    columns = _overlapping(ratings.user_ids), _overlapping(ratings.movie_ids)
    for user, movie in zip(*columns, strict=True):
        further = (user[1:] == user[:-1]) & (movie[1:] > movie[:-1])
        if not (further | (user[1:] > user[:-1])).all():
            return False
    return True


def _overlapping(column: NDArray) -> Iterator[NDArray]:
    """A column part by part, each with the last row of the one before."""
    for start in range(0, len(column), _ROWS):
        yield column[max(0, start - 1) : start + _ROWS]


def _first_of_pair(ratings: Ratings) -> NDArray[np.int64] | None:
    """(N,) for each rating the first one of its user and movie; None when no pair comes twice."""
    if not _repeats(ratings):
        return None
    _, first, inverse = np.unique(_pairs(ratings), return_index=True, return_inverse=True)
    return first[inverse]

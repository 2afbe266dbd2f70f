"""Columns of cells as they are read, and which rows are left: bad ones are noted with a reason."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recsys.errors import DataError, QueryError, quoted

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\ufffd]")
Words = Callable[[int], str]  # of a row, or of one of several
LISTED = 10  # bad rows that are listed in words; the others are counted


class Notes:
    """What is to be said of the files being read: their columns, and bad rows.

    Bad rows are all counted, the first ten of each file in words.

    >>> notes = Notes()
    >>> notes.add(Path("movies.dat"), ":{}".format, [3], lambda i: "expected a title, found none")
    >>> str(notes.error("correct the line"))
    'movies.dat:3: expected a title, found none; correct the line'
    """

    def __init__(self, log: Callable[[str], None] = lambda line: None) -> None:
        self.log = log  # gets a line where something is to be said of what is read
        self.counts: Counter[Path] = Counter()
        self.empty_cells = 0  # rows that are bad for an empty cell
        self.roles: dict[str, str] = {}  # columns in words by what they are
        self.own: dict[str, dict[str, str]] = {}  # by file, columns that describe besides
        self.unused: dict[str, str] = {}  # other columns and files, and why
        self.names: list[str] = []  # of columns without a role
        self._listed: dict[Path, list[tuple[int, str]]] = {}

    def add(self, path: Path, place: Words, rows: NDArray | Sequence[int], words: Words) -> None:
        """Ascending rows of a file; `words(i)` is called for listed ones only."""
        if len(rows):
            self.counts[path] += len(rows)
            first = enumerate(map(int, rows[:LISTED]))
            more = [(row, f"{path}{place(row)}: {words(i)}") for i, row in first]
            self._listed[path] = sorted([*self._listed.get(path, ()), *more])[:LISTED]

    def __len__(self) -> int:
        return self.counts.total()

    def listed(self) -> list[str]:
        """The first ten, file by file in the order they were read."""
        return [words for each in self._listed.values() for _, words in each][:LISTED]

    def error(
        self, remedy: str = "correct the line, or leave bad lines out", fix: str = "skip_bad_lines"
    ) -> DataError:
        """A line for each that is listed, and how many more there are."""
        listed = self.listed()
        if rest := len(self) - len(listed):
            listed.append(f"... and {rest} more bad lines")
        return DataError(listed, remedy, fix)

    def summary(self) -> str:
        """What was dropped, in one line."""
        files = ", ".join(f"{count} of {path.name}" for path, count in self.counts.items())
        return f"dropped {len(self)} bad lines ({files}), the first: {self.listed()[0]}"

    def tell(self, kinds: Iterable[tuple[str, str]]) -> None:
        """Log how files were read; QueryError where kinds are given of what is no such column."""
        if lacking := [name for name, _ in kinds if name not in self.names]:
            cause = f"no column {quoted(lacking[0])} describes movies or users; there are"
            cause = f"{cause} {', '.join(self.names) or 'none'}"
            raise QueryError(cause, "name one of them", "column")
        if self.roles:
            self.log(", ".join(f"{role}: {words}" for role, words in self.roles.items()))
        for file, own in self.own.items():
            self.log(f"{file}: {', '.join(f'{name} {words}' for name, words in own.items())}")
            self.roles |= {f"{file} {name}": words for name, words in own.items()}
        for reason in dict.fromkeys(self.unused.values()):
            names = ", ".join(name for name, why in self.unused.items() if why == reason)
            self.log(f"not used: {names} ({reason})")


@dataclass
class Cells:
    """A column as it is read: arrays of pyarrow one behind the other, numbers of a type in one."""

    path: Path
    name: str
    chunks: list[Any]

    def add(self, cells: Any) -> None:
        """Put an array behind the others; `end` is to be called behind the last."""
        if cells.null_count or not is_numeric(cells):
            self.chunks.append(cells)
            return
        kind = cells.type.to_pandas_dtype()
        if not self.chunks or not isinstance(self.chunks[-1], tuple) or self.chunks[-1][0] != kind:
            self.chunks.append((kind, bytearray()))
        self.chunks[-1][1].extend(cells.to_numpy())  # the system moves it without a copy

    def end(self) -> None:
        """Make arrays of pyarrow of the numbers."""
        for n, each in enumerate(self.chunks):
            if isinstance(each, tuple):  # their type, and the bytes of all
                self.chunks[n] = pa.array(np.frombuffer(each[1], each[0]))

    def at(self, row: int) -> Any:
        """One cell, None where it is empty; a date as text."""
        for chunk in self.chunks:
            if row < len(chunk):
                cell = chunk[row : row + 1]
                return (cell.cast(pa.string()) if is_dated(cell) else cell)[0].as_py()
            row -= len(chunk)
        raise IndexError(row)

    def empty(self) -> NDArray[np.bool_]:
        """(N,) which cells are empty."""
        return np.concatenate([np.zeros(0, np.bool_), *map(nulls, self.chunks)])

    def wrong(self, expected: str, row: int) -> str:
        """What was expected of a cell, and what was found."""
        cell = self.at(row)
        found = "found an empty field" if cell is None else f"got {quoted(str(cell))}"
        return (isinstance(cell, str) and control_character(cell)) or f"{expected}, {found}"

    def example(self, bad: NDArray[np.bool_]) -> str:
        """The first bad cell that is not empty."""
        at = np.flatnonzero(bad & ~self.empty())
        return quoted(str(self.at(int(at[0]))) if len(at) else "")

    def question(self, words: str, remedy: str, fix: str) -> QueryError:
        """The error for a column that may not be what it is taken for."""
        return QueryError(f"{self.path}: {self.name}: {words}", remedy, fix)


@dataclass
class Rows:
    """Columns of the rows of a file that are left; those refused are put down with a reason."""

    path: Path
    place: Words
    notes: Notes
    size: int  # of the file
    missing: NDArray[np.int64]  # rows that are left out, ascending
    columns: dict[str, Any] = field(default_factory=dict)  # arrays and lists

    def __len__(self) -> int:
        return self.size - len(self.missing)

    def numbers(self, positions: NDArray[np.integer]) -> NDArray[np.integer]:
        """Which rows of the file those at some positions are."""
        before = self.missing - np.arange(len(self.missing))  # positions, of each missing row
        return positions + before.searchsorted(positions, "right")

    def keep(self, good: NDArray[np.bool_]) -> None:
        """Leave all other rows out."""
        if good.all():
            return
        self.missing = np.union1d(self.missing, self.numbers(np.flatnonzero(~good)))
        for name, each in self.columns.items():
            array = isinstance(each, np.ndarray)
            self.columns[name] = each[good] if array else [*compress(each, good.tolist())]

    def note(self, bad: NDArray[np.bool_], words: Words) -> None:
        """Put down rows that are to be left out."""
        at = np.flatnonzero(bad)
        self.notes.add(self.path, self.place, self.numbers(at), lambda i: words(int(at[i])))

    def note_cells(self, cells: Cells, bad: NDArray[np.bool_], expected: str) -> None:
        """Put down the rows of bad cells."""
        self.notes.empty_cells += int((bad & cells.empty()).sum())
        self.note(bad, lambda i: cells.wrong(expected, i))

    def refuse(self, bad: NDArray[np.bool_], words: Words) -> None:
        """Put rows down and leave them out."""
        self.note(bad, words)
        self.keep(~bad)

    def refuse_each(self, words: Sequence[str]) -> None:
        """The same of rows by what is wrong with each, "" for nothing."""
        self.refuse(np.array([*map(bool, words)], np.bool_), words.__getitem__)


def is_numeric(chunk: Any) -> bool:
    return pa.types.is_integer(chunk.type) or pa.types.is_floating(chunk.type)


def is_dated(chunk: Any) -> bool:
    return pa.types.is_date(chunk.type) or pa.types.is_timestamp(chunk.type)


def nulls(chunk: Any) -> NDArray[np.bool_]:
    """(N,) which cells are empty."""
    if not chunk.null_count:
        return np.zeros(len(chunk), np.bool_)
    return chunk.is_null().to_numpy(zero_copy_only=False)


def control_character(text: str) -> str:
    """What is wrong with a text that has a control character in it; "" where there is none."""
    found = _CONTROL.search(text)
    if not found:
        return ""
    if found[0] in "\r\n":
        return "a line end within a cell, expected one line"
    if "\0" < found[0] < " ":
        return f"control character {found[0]!r}, expected text"
    return (
        f"wrong encoding: character {found[0]!r}, expected text in UTF-8 or latin-1 "
        "(others need converting, e.g. iconv -f cp1252 -t utf-8)"
    )

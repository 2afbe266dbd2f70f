"""Opening tables: CSV of any delimiter, JSON lines and Parquet, read by pyarrow.

pyarrow is imported inside functions only, so that `.dat` and `u.*` files never wait for it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.columns import is_number
from recsys.data.readers import csv_table, json_lines
from recsys.data.readers.dialect import Dialect, dialect
from recsys.data.readers.fields import shown
from recsys.data.readers.problems import Problems
from recsys.data.readers.table_files import JSON_LINES, PACKED, PARQUET, suffix
from recsys.data.readers.text import check_beginning, file_bytes, is_utf8
from recsys.errors import DataError

_START = 2**16  # bytes looked at to see how a file is written
_ROWS = 1000  # of Parquet, likewise


class Understood(NamedTuple):
    """How a table was read: its columns by role in words, and why the others are not used."""

    roles: dict[str, str]
    unused: dict[str, str]
    own: dict[str, str] = {}  # noqa: RUF012 - what describes movies or users besides, in words


@dataclass(frozen=True)
class Read:
    """What was read of a table: columns of pyarrow by name, and the line (or row) of each row."""

    columns: dict[str, Any]
    lines: NDArray[np.int64] | range

    def give_back(self, name: str) -> None:
        """Have the memory of a column that is not needed any more."""
        import pyarrow as pa

        del self.columns[name]
        pa.default_memory_pool().release_unused()


@dataclass(frozen=True)
class Table:
    """A table that was opened: its columns' names, and how it is written."""

    path: Path
    names: tuple[str, ...]
    start: bytes = b""  # the beginning of a table of text
    dialect: Dialect | None = None  # of CSV; None: JSON lines, or Parquet where there is no start

    @property
    def named(self) -> bool:
        """Whether the file names its columns."""
        return self.dialect is None or not is_number(self.names[0])

    def read(
        self, wanted: Sequence[str], problems: Problems, types: Mapping[str, str] | None = None
    ) -> Read:
        """The wanted columns; a row that is no row is put down as a problem.

        Args:
            types: what columns of CSV are expected to be, see `csv_table`; others are inferred.
        """
        wanted = list(dict.fromkeys(wanted))
        with _readable(self.path):
            if self.dialect:
                return Read(*csv_table.read(
                    self.path, None, self.dialect, wanted, problems, types or {}
                ))  # fmt: skip
            if self.start:
                return Read(*json_lines.read(self.path, None, wanted, problems))
            return Read(*self._parquet(wanted, problems))

    def beginning(self, as_text: bool = False) -> dict[str, Any]:
        """All columns of the first rows, of CSV as the bytes of each field if so asked."""
        from pyarrow import parquet

        whole_lines = self.start[: self.start.rfind(b"\n") + 1] or self.start
        with _readable(self.path):
            if self.dialect:
                read, names = csv_table.read, list(self.names)
                types = dict.fromkeys(names, "text") if as_text else {}
                return read(self.path, whole_lines, self.dialect, names, Problems(), types)[0]
            if self.start:
                return json_lines.read(self.path, whole_lines, self.names, Problems())[0]
            file = parquet.ParquetFile(_source(self.path))
            first = next(file.iter_batches(_ROWS), file.schema_arrow.empty_table())
            return dict(zip(first.schema.names, first.columns, strict=True))

    def _parquet(self, wanted: list[str], problems: Problems) -> tuple[dict[str, Any], range]:
        from pyarrow import parquet

        file = parquet.ParquetFile(_source(self.path))
        groups = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
        problems.places[self.path] = _row_of_group(groups)
        table = file.read(wanted)
        table.validate(full=True)
        return {name: table.column(name) for name in wanted}, range(1, len(table) + 1)


def _row_of_group(groups: Sequence[int]) -> Callable[[int], str]:
    """Where a row of Parquet is, counted from 1, in words."""
    ends = np.cumsum(groups)

    def place(row: int) -> str:
        group = int(np.searchsorted(ends, row))
        return f"row group {group + 1}, row {row - int(ends[group]) + groups[group]}"

    return place


def open_table(path: Path) -> Table:
    """Find out how a table is written and what its columns are called.

    Raises:
        DataError: it cannot be read, names no columns, or is written in a way not supported.
    """
    from pyarrow import parquet

    kind = suffix(path)
    file_bytes(path, 16)
    if kind in PARQUET:
        with _readable(path):
            names = parquet.ParquetFile(_source(path)).schema_arrow.names
        return Table(path, _unique(path, names))
    start = _beginning(path)
    if kind in JSON_LINES:
        return Table(path, _unique(path, json_lines.names_of(path, start)), start)
    written = dialect(path, start)
    return Table(path, _unique(path, written.names), start, written)


def _source(path: Path) -> Any:
    """What pyarrow reads Parquet from: the file itself, or its bytes where it is packed."""
    import pyarrow as pa

    if path.suffix.lower() not in PACKED:
        return str(path)
    with pa.input_stream(str(path), compression="detect") as stream:
        return pa.BufferReader(stream.read())


def _beginning(path: Path) -> bytes:
    """The first bytes of a text file, unpacked; a DataError when they are no text."""
    import pyarrow as pa

    with _readable(path), pa.input_stream(str(path), compression="detect") as stream:
        start = stream.read(_START)
    check_beginning(path, start)
    if b"\0" in start:
        raise DataError(f"{path}: not a text file, byte 0 found", "name another", "file")
    return start


def texts(column: Any, path: Path, lines: Any, problems: Problems) -> list[str | None]:
    """A column's fields as text, None for an empty one.

    In whichever encoding most are; fields in the other are put down as problems, and empty.
    """
    import pyarrow as pa

    if not pa.types.is_binary(column.type):
        return [None if each is None else str(each) for each in column.to_pylist()]
    cells = column.to_pylist()
    odd = [not each.isascii() for each in cells if each]
    latin = False
    if any(odd):
        good = [is_utf8(each) for each in cells if each and not each.isascii()]
        latin = 2 * sum(good) < len(good)
    found: list[str | None] = []
    for place, each in enumerate(cells):
        if each and not each.isascii() and is_utf8(each) is latin:
            problems.add(path, int(lines[place]), "wrong encoding: UTF-8 and latin-1 in one file")
            each = None
        found.append(None if each is None else each.decode("latin-1" if latin else "utf-8"))
    return found


def _unique(path: Path, names: Sequence[str]) -> tuple[str, ...]:
    twice = [name for name in dict.fromkeys(names) if name and names.count(name) > 1]
    if twice:
        raise DataError(
            f"{path}: two columns are called {shown(twice[0])}", "rename one of them", "file"
        )
    return tuple(names)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turns what pyarrow says of a file that it cannot read into one line."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        words = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"{path}: cannot be read ({words[:120]})", "name another", "file"
        ) from error

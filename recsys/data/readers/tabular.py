"""Opening tables: CSV of any delimiter, JSON lines and Parquet, read by pyarrow.

pyarrow is imported inside functions only, so that `.dat` and `u.*` files never wait for it.
"""

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.readers.fields import shown
from recsys.data.readers.problems import Problems
from recsys.data.readers.text import BOM, file_bytes, is_utf8
from recsys.errors import DataError

PACKED = (".gz", ".zst", ".bz2", ".lz4")  # what pyarrow unpacks by the name
TEXT = (".csv", ".tsv", ".txt", ".psv", ".tab")
JSON_LINES = (".jsonl", ".ndjson")
PARQUET = (".parquet", ".pq")
DISTINCT = "distinct"  # a type of columns, in place of pyarrow's names of types
DELIMITERS = (",", "\t", ";", "|")
_START = 2**16  # bytes looked at to see how a file is written
_NUMBER = re.compile(r"[-+]?\d+([.,]\d+)?([eE][-+]?\d+)?")
_NULLS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")


def suffix(path: Path) -> str:
    """A file's last suffix in small letters, behind that of its compression."""
    parts = [each.lower() for each in path.suffixes]
    while parts and parts[-1] in PACKED:
        parts.pop()
    return parts[-1] if parts else ""


def stem(path: Path) -> str:
    """A file's name in small letters without the suffixes of its form and compression."""
    name = path.name.lower()
    for packed in PACKED:
        name = name.removesuffix(packed)
    return name.removesuffix(suffix(path))


def is_table(path: Path) -> bool:
    """Whether a file is a table by its name; `.txt` is not, other files are called so too."""
    return suffix(path) in (*TEXT, *JSON_LINES, *PARQUET, ".json") and suffix(path) != ".txt"


@dataclass(frozen=True)
class Read:
    """What was read of a table: columns of pyarrow by name, and the line (or row) of each row."""

    columns: dict[str, Any]
    lines: NDArray[np.int64] | range


@dataclass(frozen=True)
class Table:
    """A table that was opened: its columns' names, and how it is written."""

    path: Path
    kind: str  # csv, jsonl or parquet
    names: tuple[str, ...]
    delimiter: str = ","
    quoted: bool = False  # a field may hold the end of a line

    def read(
        self,
        wanted: Sequence[str],
        problems: Problems,
        as_text: bool = False,
        types: Mapping[str, str] | None = None,
    ) -> Read:
        """The wanted columns; a row that is no row is put down as a problem.

        Args:
            as_text: fields stay text (bytes of it), whatever they look like.
            types: of columns of CSV, if every field is of them; others are inferred, but DISTINCT
                stays: different fields, and which of them each row has.
        """
        wanted = list(dict.fromkeys(wanted))
        if self.kind == "csv":
            return self._csv(wanted, problems, as_text, types)
        problems.rows.add(self.path)
        table = self._parquet(wanted) if self.kind == "parquet" else _json_lines(self.path)
        columns = {name: table.column(name) for name in wanted}
        return Read(columns, range(1, len(table) + 1))

    def _parquet(self, wanted: list[str]) -> Any:
        import pyarrow as pa
        from pyarrow import parquet

        try:
            return parquet.read_table(self.path, columns=wanted)
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(self.path, error) from error

    def _csv(
        self,
        wanted: list[str],
        problems: Problems,
        as_text: bool,
        types: Mapping[str, str] | None = None,
    ) -> Read:
        """Read by all cores; where a row is bad again by one, which knows the lines of such."""
        bad: list[Any] = []
        try:
            table = self._csv_table(wanted, as_text, bad, threads=True, types=types)
        except DataError:
            bad.clear()
            types = {name: each for name, each in (types or {}).items() if each == DISTINCT}
            table = self._csv_table(wanted, as_text, bad, threads=True, types=types)
        if bad:
            bad.clear()
            table = self._csv_table(wanted, as_text, bad, threads=False, types=types)
        lines: NDArray[np.int64] | range = range(2, len(table) + 2)
        if self.quoted:
            problems.rows.add(self.path)
            lines = range(1, len(table) + 1)
        if bad:
            numbers = np.array([row.number for row in bad], np.int64) - self.quoted
            lines = np.setdiff1d(
                np.arange(lines[0] if lines else 2, len(table) + len(bad) + 2), numbers
            )[: len(table)]
            problems.add_all(self.path, numbers, lambda i: self._fields(bad[i]))
        return self._without_blank(table, wanted, lines)

    def _without_blank(self, table: Any, wanted: list[str], lines: Any) -> Read:
        """Leave blank lines out: rows of nothing but empty fields."""
        columns = {name: table.column(f"c{self.names.index(name)}") for name in wanted}
        if columns and all(column.null_count for column in columns.values()):
            blank = np.logical_and.reduce(
                [column.is_null().to_numpy() for column in columns.values()]
            )
            if blank.any():
                columns = {name: each.filter(_mask(~blank)) for name, each in columns.items()}
                lines = np.asarray(lines)[~blank]
        return Read(columns, lines)

    def _fields(self, row: Any) -> str:
        return (
            f"expected {row.expected_columns} fields separated by {self.delimiter!r}, "
            f"got {row.actual_columns}"
        )

    def _csv_table(
        self,
        wanted: list[str],
        as_text: bool,
        bad: list[Any],
        threads: bool,
        types: Mapping[str, str] | None = None,
    ) -> Any:
        import pyarrow as pa
        from pyarrow import csv as reader

        def leave_out(row: Any) -> str:
            bad.append(row)
            return "skip"

        own = [f"c{place}" for place in range(len(self.names))]  # names may be in any encoding
        used = [own[self.names.index(name)] for name in wanted]
        kinds = {name: pa.binary() for name in used} if as_text else None
        if types:
            distinct = pa.dictionary(pa.int32(), pa.binary())
            kinds = {own[self.names.index(name)]: distinct if each == DISTINCT
                     else pa.type_for_alias(each) for name, each in types.items()}  # fmt: skip
        try:
            return reader.read_csv(
                self.path,
                reader.ReadOptions(column_names=own, skip_rows=1, use_threads=threads),
                reader.ParseOptions(
                    delimiter=self.delimiter,
                    newlines_in_values=self.quoted,
                    ignore_empty_lines=False,
                    invalid_row_handler=leave_out,
                ),
                reader.ConvertOptions(
                    include_columns=used,
                    column_types=kinds,
                    null_values=[""] if as_text else list(_NULLS),
                    strings_can_be_null=True,
                ),
            )
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(self.path, error) from error


def open_table(path: Path) -> Table:
    """Find out how a table is written and what its columns are called.

    Raises:
        DataError: it cannot be read, names no columns, or is written in a way not supported.
    """
    kind = suffix(path)
    file_bytes(path, 16)
    if kind in PARQUET:
        return Table(path, "parquet", _unique(path, _parquet_names(path)))
    start = _beginning(path)
    if kind in (*JSON_LINES, ".json") and start.lstrip().startswith(b"["):
        raise DataError(
            f"{path}: a JSON array, expected an object a line", "write it as JSON lines", "file"
        )
    if kind in JSON_LINES or kind == ".json":
        return Table(path, "jsonl", _unique(path, _json_names(path, start)))
    first = start.removeprefix(BOM).splitlines()[0]
    line = first.decode("utf-8" if is_utf8(first) else "latin-1")
    delimiter = max(DELIMITERS, key=re.sub(r'"[^"]*"', "", line).count)
    names = [name.strip() for name in next(csv.reader([line], delimiter=delimiter))]
    if any(_NUMBER.fullmatch(name) for name in names):
        raise DataError(
            f"{path}:1: expected the names of columns, found {shown(line)}: files without a header "
            "are not supported yet",
            "add a first line such as user_id,item_id,rating,timestamp",
            "file",
        )
    if len(names) < 2:
        raise DataError(
            f"{path}:1: expected names of columns separated by a comma, tab, semicolon or '|', "
            f"found {shown(line)}",
            "correct the first line",
            "file",
        )
    return Table(path, "csv", _unique(path, names), delimiter, b'"' in start)


def _beginning(path: Path) -> bytes:
    """The first bytes of a text file, unpacked; a DataError when they are no text."""
    import pyarrow as pa

    try:
        with pa.input_stream(str(path), compression="detect") as stream:
            start = stream.read(_START)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(
            f"{path}:1: wrong encoding: UTF-16, expected UTF-8 or latin-1",
            "convert it, e.g. iconv -f utf-16 -t utf-8",
            "file",
        )
    if b"\0" in start:
        raise DataError(f"{path}: not a text file, byte 0 found", "name another", "file")
    if not start.strip():
        raise DataError(f"{path}:1: the file is empty", "copy it again or name another", "file")
    return start


def _parquet_names(path: Path) -> list[str]:
    import pyarrow as pa
    from pyarrow import parquet

    if path.suffix.lower() in PACKED:
        raise DataError(f"{path}: a packed Parquet file is not supported", "unpack it", "file")
    try:
        return parquet.read_schema(path).names
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error


def _json_names(path: Path, start: bytes) -> list[str]:
    """The keys of the objects at the beginning."""
    names: dict[str, None] = {}
    for number, line in enumerate(start.removeprefix(BOM).splitlines()[:200], 1):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if not isinstance(found, dict):
            raise DataError(
                f"{path}:{number}: expected a JSON object a line, found {shown(str(found))}",
                "write an object a line",
                "file",
            )
        names.update(dict.fromkeys(found))
    if not names:
        raise DataError(f"{path}:1: expected a JSON object a line", "name another", "file")
    return list(names)


def _json_lines(path: Path) -> Any:
    import pyarrow as pa
    from pyarrow import json as reader

    try:
        return reader.read_json(path)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error


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
    decoded: list[str | None] = []
    for place, each in enumerate(cells):
        if each and not each.isascii() and is_utf8(each) is latin:
            problems.add(path, int(lines[place]), "wrong encoding: UTF-8 and latin-1 in one file")
            each = None
        decoded.append(None if each is None else each.decode("latin-1" if latin else "utf-8"))
    return decoded


def _mask(kept: NDArray[np.bool_]) -> Any:
    import pyarrow as pa

    return pa.array(kept)


def _unique(path: Path, names: Sequence[str]) -> tuple[str, ...]:
    twice = [name for name in dict.fromkeys(names) if name and names.count(name) > 1]
    if twice:
        raise DataError(
            f"{path}: two columns are called {shown(twice[0])}", "rename one of them", "file"
        )
    return tuple(names)


def _unreadable(path: Path, error: Exception) -> DataError:
    words = " ".join(str(error).split()) or type(error).__name__
    return DataError(f"{path}: cannot be read ({words[:120]})", "name another", "file")

"""Tables of separated fields, read by pyarrow.

What columns hold is inferred, unless it is said:

    id            32-bit numbers where all are such; else the bytes of each field
    float, int64  where every field is one; else inferred
    text          the bytes of each field, also of those that say NA or the like
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.readers.dialect import Dialect
from recsys.data.readers.problems import Problems

STAND_IN = b"\x1f"  # for "::": pyarrow knows delimiters of one character
NULLS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
_BLOCK = 2**17  # bytes

Columns = dict[str, Any]
Types = Mapping[str, str]  # of columns by name, as above


def read(
    path: Path,
    start: bytes | None,
    dialect: Dialect,
    wanted: Sequence[str],
    problems: Problems,
    types: Types,
) -> tuple[Columns, NDArray[np.int64] | range]:
    """The wanted columns by name, and the line of each row; blank lines are passed over.

    Read by all cores; where a row has more or fewer fields again by one, which knows its number.

    Args:
        start: the beginning of the file, if no more is to be read.
    """
    file = _Csv(path, start, dialect, wanted)
    table, bad, plan = _as_planned(file, types)
    if bad and not dialect.quoted and any(b'"' in block for block in file.blocks()):
        return read(path, start, dialect._replace(quoted=True), wanted, problems, types)
    if bad:
        table, bad = file.table(plan, threads=False)
    if dialect.quoted:
        problems.places[path] = "row {}".format
    columns = {name: table.column(n) for n, name in enumerate(wanted)}
    return _without_blank(columns, _lines(file, len(table), bad, problems))


class _Csv(NamedTuple):
    """A file of separated fields, and the columns that are wanted of it."""

    path: Path
    start: bytes | None  # its beginning, if no more is to be read
    dialect: Dialect
    wanted: Sequence[str]

    def source(self) -> Any:
        """What pyarrow reads: the file itself, or bytes."""
        import pyarrow as pa

        start, whole = self.start, self.dialect.delimiter == "::"
        if start is None and not whole:
            return str(self.path)
        if start is None:
            with pa.input_stream(str(self.path), compression="detect") as stream:
                start = stream.read()
        return pa.BufferReader(start.replace(b"::", STAND_IN) if whole else start)

    def blocks(self) -> Iterator[bytes]:
        """The file block by block, with the two bytes before each."""
        import pyarrow as pa

        source = self.source()
        if isinstance(source, str):
            source = pa.input_stream(source, compression="detect")
        before = b"\n\n"
        with source as stream:
            while block := stream.read(_BLOCK):
                yield before + block
                before = block[-2:]

    def table(self, types: Types, threads: bool = True) -> tuple[Any, list[Any]]:
        """The wanted columns in that order, and the rows of more or fewer fields, left out.

        Args:
            threads: read by all cores; the rows left out have no numbers then.
        """
        import pyarrow as pa
        from pyarrow import csv as reader

        bad: list[Any] = []

        def leave_out(row: Any) -> str:
            bad.append(row)
            return "skip"

        names, whole = self.dialect.names, self.dialect.delimiter == "::"
        own = [f"c{place}" for place in range(len(names))]  # names may be in any encoding
        kinds = {
            own[names.index(name)]: pa.type_for_alias("binary" if each == "text" else each)
            for name, each in types.items()
        }
        table = reader.read_csv(
            self.source(),
            reader.ReadOptions(
                column_names=own, skip_rows=int(self.dialect.header), use_threads=threads
            ),
            reader.ParseOptions(
                delimiter=STAND_IN.decode() if whole else self.dialect.delimiter,
                quote_char=False if whole else '"',
                newlines_in_values=self.dialect.quoted,
                ignore_empty_lines=False,
                invalid_row_handler=leave_out,
            ),
            reader.ConvertOptions(
                include_columns=[own[names.index(name)] for name in self.wanted],
                column_types=kinds,
                null_values=[""] if "text" in types.values() else list(NULLS),
                strings_can_be_null=True,
            ),
        )
        return table, bad


def _as_planned(file: _Csv, types: Types) -> tuple[Any, list[Any], Types]:
    """A table of the first types that its columns are of, the rows left out, and those types."""
    import pyarrow as pa

    ids = [name for name, each in types.items() if each == "id"]
    texts = {**types, **dict.fromkeys(ids, "binary")}
    safe = {name: each for name, each in texts.items() if each in ("binary", "text")}
    for plan in ({**types, **dict.fromkeys(ids, "int32")}, texts) if ids else ():
        try:
            table, bad = file.table(plan)
        except pa.ArrowInvalid:
            continue
        columns = [table.column(file.wanted.index(name)) for name in ids]
        if plan is texts or (all(map(_natural, columns)) and not _leading_zeros(file)):
            return table, bad, plan
    return *file.table(safe), safe


def _lines(
    file: _Csv, rows: int, bad: Sequence[Any], problems: Problems
) -> NDArray[np.int64] | range:
    """The line of each row; those that were left out are put down."""
    header, quoted = file.dialect.header, file.dialect.quoted
    first = 1 + (header and not quoted)
    if not bad:
        return range(first, first + rows)
    numbers = np.array([row.number for row in bad], np.int64) - (quoted and header)
    problems.add_all(
        file.path,
        numbers,
        lambda i: (
            f"expected {bad[i].expected_columns} fields separated by {file.dialect.delimiter!r}, "
            f"got {bad[i].actual_columns}"
        ),
    )
    return np.setdiff1d(np.arange(first, first + rows + len(bad)), numbers)[:rows]


def _natural(column: Any) -> bool:
    """Whether no field of a column of numbers is empty or below 0."""
    import pyarrow.compute as pc

    return column.null_count == 0 and not (len(column) and pc.min(column).as_py() < 0)


def _leading_zeros(file: _Csv) -> bool:
    """Whether a field begins as in 007, which pyarrow takes for 7."""
    delimiter = file.dialect.delimiter
    before = (STAND_IN if delimiter == "::" else delimiter.encode()) + b"\n"
    before += b'"' if file.dialect.quoted else b""
    return any(_has_leading_zero(block, before) for block in file.blocks())


def _has_leading_zero(block: bytes, before: bytes) -> bool:
    """Whether one of the bytes `before`, a 0 and another digit come one after the other."""
    for shifted in (block, block[1:]):  # two bytes at a time, at even and at odd places
        pairs = np.frombuffer(shifted, "<u2", len(shifted) // 2)
        for each in before:
            found = pairs[:-1] == np.uint16(each + 256 * ord("0"))
            if found.any():
                found &= (pairs[1:] & np.uint16(255)) - np.uint16(ord("0")) < np.uint16(10)
                if found.any():
                    return True
    return False


def _without_blank(columns: Columns, lines: Any) -> tuple[Columns, Any]:
    """Leave blank lines out: rows of nothing but empty fields."""
    import pyarrow as pa

    if not columns or not all(column.null_count for column in columns.values()):
        return columns, lines
    blank = np.logical_and.reduce([column.is_null().to_numpy() for column in columns.values()])
    if not blank.any():
        return columns, lines
    kept = pa.array(~blank)
    return {name: each.filter(kept) for name, each in columns.items()}, np.asarray(lines)[~blank]

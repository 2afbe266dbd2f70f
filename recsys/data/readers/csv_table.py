"""Tables of separated fields, read by pyarrow.

What columns hold is inferred, unless it is said:

    id            32-bit numbers where all are such; else the bytes of each field
    float, int64  where every field is one; else inferred
    text          the bytes of each field, also of those that say NA or the like
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.readers.dialect import Dialect
from recsys.data.readers.problems import Problems

STAND_IN = b"\x1f"  # for "::": pyarrow knows delimiters of one character
NULLS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
_BLOCK = 2**17  # bytes

Columns = dict[str, Any]


def read(
    path: Path,
    start: bytes | None,
    dialect: Dialect,
    wanted: Sequence[str],
    problems: Problems,
    types: Mapping[str, str],
) -> tuple[Columns, NDArray[np.int64] | range]:
    """The wanted columns by name, and the line of each row; blank lines are passed over.

    Read by all cores; where a row has more or fewer fields again by one, which knows its number.

    Args:
        start: the beginning of the file, if no more is to be read.
    """
    bad: list[Any] = []
    table, plan = _as_planned(path, start, dialect, wanted, types, bad)
    if bad and not dialect.quoted and any(b'"' in block for block in _blocks(path, start, dialect)):
        return read(path, start, dialect._replace(quoted=True), wanted, problems, types)
    if bad:
        bad.clear()
        table = _table(path, start, dialect, wanted, plan, bad, threads=False)
    first = 1 + (dialect.header and not dialect.quoted)
    lines: NDArray[np.int64] | range = range(first, first + len(table))
    if dialect.quoted:
        problems.places[path] = "row {}".format
    if bad:
        numbers = np.array([row.number for row in bad], np.int64)
        numbers -= dialect.quoted and dialect.header
        every = np.arange(first, first + len(table) + len(bad))
        lines = np.setdiff1d(every, numbers)[: len(table)]
        problems.add_all(
            path,
            numbers,
            lambda i: (
                f"expected {bad[i].expected_columns} fields separated by {dialect.delimiter!r}, "
                f"got {bad[i].actual_columns}"
            ),
        )
    columns = {name: table.column(n) for n, name in enumerate(wanted)}
    return _without_blank(columns, lines)


def _as_planned(
    path: Path,
    start: bytes | None,
    dialect: Dialect,
    wanted: Sequence[str],
    types: Mapping[str, str],
    bad: list[Any],
) -> tuple[Any, Mapping[str, str]]:
    """A table of the first types that its columns are of, and those types."""
    import pyarrow as pa

    ids = [name for name, each in types.items() if each == "id"]
    texts = {**types, **dict.fromkeys(ids, "binary")}
    safe = {name: each for name, each in texts.items() if each in ("binary", "text")}
    for plan in ({**types, **dict.fromkeys(ids, "int32")}, texts) if ids else ():
        bad.clear()
        try:
            table = _table(path, start, dialect, wanted, plan, bad)
        except pa.ArrowInvalid:
            continue
        places = [wanted.index(name) for name in ids]
        if plan is texts or (
            all(_natural(table.column(place)) for place in places)
            and not _leading_zeros(path, start, dialect)
        ):
            return table, plan
    bad.clear()
    return _table(path, start, dialect, wanted, safe, bad), safe


def _natural(column: Any) -> bool:
    """Whether no field of a column of numbers is empty or below 0."""
    import pyarrow.compute as pc

    return column.null_count == 0 and not (len(column) and pc.min(column).as_py() < 0)


def _leading_zeros(path: Path, start: bytes | None, dialect: Dialect) -> bool:
    """Whether a field begins as in 007, which pyarrow takes for 7."""
    before = (STAND_IN if dialect.delimiter == "::" else dialect.delimiter.encode()) + b"\n"
    before += b'"' if dialect.quoted else b""
    return any(_has_leading_zero(block, before) for block in _blocks(path, start, dialect))


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


def _table(
    path: Path,
    start: bytes | None,
    dialect: Dialect,
    wanted: Sequence[str],
    types: Mapping[str, str],
    bad: list[Any],
    threads: bool = True,
) -> Any:
    """The wanted columns in that order; `bad` gets the rows of more or fewer fields."""
    import pyarrow as pa
    from pyarrow import csv as reader

    def leave_out(row: Any) -> str:
        bad.append(row)
        return "skip"

    own = [f"c{place}" for place in range(len(dialect.names))]  # names may be in any encoding
    used = [own[dialect.names.index(name)] for name in wanted]
    kinds = {
        own[dialect.names.index(name)]: pa.type_for_alias("binary" if each == "text" else each)
        for name, each in types.items()
    }
    whole = dialect.delimiter == "::"
    return reader.read_csv(
        _source(path, start, dialect),
        reader.ReadOptions(column_names=own, skip_rows=int(dialect.header), use_threads=threads),
        reader.ParseOptions(
            delimiter=STAND_IN.decode() if whole else dialect.delimiter,
            quote_char=False if whole else '"',
            newlines_in_values=dialect.quoted,
            ignore_empty_lines=False,
            invalid_row_handler=leave_out,
        ),
        reader.ConvertOptions(
            include_columns=used,
            column_types=kinds,
            null_values=[""] if "text" in types.values() else list(NULLS),
            strings_can_be_null=True,
        ),
    )


def _source(path: Path, start: bytes | None, dialect: Dialect) -> Any:
    """What pyarrow reads: the file itself, or bytes."""
    import pyarrow as pa

    if start is None and dialect.delimiter != "::":
        return str(path)
    if start is None:
        with pa.input_stream(str(path), compression="detect") as stream:
            start = stream.read()
    return pa.BufferReader(start.replace(b"::", STAND_IN) if dialect.delimiter == "::" else start)


def _blocks(path: Path, start: bytes | None, dialect: Dialect) -> Iterator[bytes]:
    """The file block by block, with the two bytes before each."""
    import pyarrow as pa

    source = _source(path, start, dialect)
    before = b"\n\n"
    with pa.input_stream(source, compression="detect") if isinstance(source, str) else source as s:
        while block := s.read(_BLOCK):
            yield before + block
            before = block[-2:]


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

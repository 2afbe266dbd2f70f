"""Files of any format to blocks of columns, the row of each cell, and rows that are none.

Cells are numbers where all of a block's column plainly are, else text as bytes, or what Parquet and
JSON have. A format is a function in `FORMATS` from a path to a `Table`; how text is separated and
what its columns are called is a `Dialect`: sniffed, or given, as that of `ratings.dat` is.

pyarrow and NumPy are imported inside functions, so that this module is there at once.
"""

import ast
import json
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from recsys.data.readers.roles import MISSING
from recsys.data.readers.text import (
    LINES,
    PACKED,
    Dialect,
    beginning,
    decoded,
    file_bytes,
    is_utf8,
    last_end,
    numbered,
    readable,
    sniffed,
    suffix,
    text_blocks,
)
from recsys.errors import DataError, quoted

SAMPLE = 1000  # rows of Parquet that are looked at
LISTED = 10  # bad rows that are listed in words; the others are counted
_STAND_IN = b"\x1f"  # for "::": pyarrow knows separators of one character
_BLANK = "blank line, expected none"
# What a column of separated text is read as: where all of a block is so, and else.
_TYPES = {"id": ("int32", "codes"), "rating": ("float", "codes"), "time": ("int64", "binary")}


class BadCell(ValueError):
    """What was found in a cell and what was expected."""


class Rejects:
    """The bad rows of the files being read: all counted, the first ten of each file in words.

    >>> rejects = Rejects()
    >>> rejects.add(Path("movies.dat"), ":{}".format, [3], lambda i: "expected a title, found none")
    >>> str(rejects.error("correct the line"))
    'movies.dat:3: expected a title, found none; correct the line'
    """

    def __init__(self) -> None:
        self.counts: Counter[Path] = Counter()
        self.empty_cells = 0  # rows that are bad for an empty cell
        self._listed: dict[Path, list[tuple[int, str]]] = {}

    def add(
        self,
        path: Path,
        place: Callable[[int], str],
        rows: Sequence[int],
        words: Callable[[int], str],
    ) -> None:
        """Ascending rows of a file; `words(i)` is called for listed ones only."""
        if not len(rows):
            return
        self.counts[path] += len(rows)
        listed = self._listed.setdefault(path, [])
        listed += [(int(row), f"{path}{place(int(row))}: {words(i)}")
                   for i, row in enumerate(rows[:LISTED])]  # fmt: skip
        listed[:] = sorted(listed)[:LISTED]

    def __len__(self) -> int:
        return self.counts.total()

    def listed(self) -> list[str]:
        """The first ten, file by file in the order they were read."""
        return [words for each in self._listed.values() for _, words in each][:LISTED]

    def error(
        self,
        remedy: str = "correct the line, or leave bad lines out",
        fix: str = "skip_bad_lines",
    ) -> DataError:
        """A line for each that is listed, and how many more there are."""
        listed = self.listed()
        rest = len(self) - len(listed)
        more = [f"... and {rest} more bad lines"] if rest else []
        return DataError("\n".join([*listed, *more]), remedy, fix)

    def summary(self) -> str:
        """What was dropped, in one line."""
        files = ", ".join(f"{count} of {path.name}" for path, count in self.counts.items())
        return f"dropped {len(self)} bad lines ({files}), the first: {self.listed()[0]}"


class Block(NamedTuple):
    """Some rows of a file."""

    columns: dict[str, Any]  # cells by the names of the columns, arrays of pyarrow
    size: int  # rows of the file
    rejected: Sequence[tuple[int, str]] = ()  # rows that are none, counted from 0, and why
    blank: Sequence[int] = ()  # rows that are left out besides


class Table(NamedTuple):
    """A file that was opened: the names of its columns, and what reads them."""

    path: Path
    names: tuple[str, ...]
    blocks: Callable[[Mapping[str, str], bool], Iterator[Block]]  # of columns, or of a beginning
    place: Callable[[int], str]  # of a row, behind the name of the file
    dialect: Dialect | None = None  # of separated text

    @property
    def named(self) -> bool:
        """Whether the file names its columns."""
        return self.names[0] != numbered(1)

    @property
    def strict(self) -> bool:
        """Whether it is of a family whose files have no blank lines and no second ratings."""
        return self.dialect is not None and self.dialect.strict

    def read(self, holds: Mapping[str, str], rejects: Rejects) -> tuple[dict[str, list[Any]], Any]:
        """Columns as lists of arrays, and the row of each cell; blank rows are left out.

        Args:
            holds: "id", "rating", "time" or "text", by the names of the columns.
        """
        import numpy as np

        columns: dict[str, list[Any]] = {name: [] for name in holds}
        first, missing = 0, []
        with readable(self.path):
            for block in self.blocks(holds, False):
                rows = [first + row for row, _ in block.rejected]
                reasons = [words for _, words in block.rejected]
                rejects.add(self.path, self.place, rows, reasons.__getitem__)
                for name, each in block.columns.items():
                    columns[name].append(each)
                missing += [*rows, *(first + row for row in block.blank)]
                first += block.size
        there = np.ones(first, np.bool_)
        there[missing] = False
        return columns, np.flatnonzero(there) if missing else range(first)

    def beginning(self) -> dict[str, list[Any]]:
        """All columns of the first rows: text, or what else they hold; None for an empty cell."""
        cells: dict[str, list[Any]] = {name: [] for name in self.names}
        with readable(self.path):
            for block in self.blocks(dict.fromkeys(self.names, "sample"), True):
                for name, column in block.columns.items():
                    cells[name] += map(decoded, column.to_pylist())
        return cells


def open_table(path: Path, dialect: Dialect | None = None) -> Table:
    """Find out how a file is written and what its columns are called.

    Args:
        dialect: how it is written, if that is not to be found out.

    Raises:
        DataError: it cannot be read, names no columns, or is written in a way not supported.
    """
    file_bytes(path, 16)
    if dialect:
        return separated(path, dialect)
    table = FORMATS.get(suffix(path), separated)(path)
    twice = [name for name in dict.fromkeys(table.names) if name and table.names.count(name) > 1]
    if twice:
        cause = f"{path}: two columns are called {quoted(twice[0])}"
        raise DataError(cause, "rename one of them", "file")
    return table


def separated(path: Path, dialect: Dialect | None = None) -> Table:
    """Text in which a character or two separate the cells: CSV, TSV, `.dat`, `u.*`, `.inter`."""
    start = beginning(path, named=dialect is not None)
    if dialect is None:
        dialect = sniffed(path, start)
    elif dialect.fewer or not dialect.names:
        first = decoded(start.split(b"\n")[0].rstrip(b"\r")).split(dialect.separator)
        if not dialect.names:
            dialect = dialect._replace(names=tuple(first))
        elif len(first) < len(dialect.names) - 1:
            others = map(numbered, range(2, len(first) + 1))
            dialect = dialect._replace(names=(dialect.names[0], *others))
    several = [dialect.quotes and b'"' in start]  # lines a row may have

    def blocks(holds: Mapping[str, str], sample: bool) -> Iterator[Block]:
        several[0] |= dialect.quotes and b'"' in start
        parse = partial(_parsed, dialect, holds, [0 if {*holds.values()} & {*_TYPES} else LINES])
        source = iter([start[: last_end(start) or None]]) if sample else text_blocks(path, several)
        with ThreadPoolExecutor(2) as pool:
            waiting: deque[Any] = deque()
            header = int(dialect.header)
            for each in source:
                waiting.append(pool.submit(parse, each, header))
                header = 0
                if len(waiting) > 2:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def place(row: int) -> str:
        return f": row {row + 1}" if several[0] else f":{row + 1 + dialect.header}"

    return Table(path, dialect.names, blocks, place, dialect)


def _parsed(
    dialect: Dialect, holds: Mapping[str, str], failed: list[int], data: bytes, header: int
) -> Block:
    """A block of separated text, as numbers unless that has failed too often."""
    import pyarrow as pa

    if dialect.separator == "::":
        data = data.replace(b"::", _STAND_IN)
    if not (data.isascii() or is_utf8(data)):  # pyarrow can tell of bad rows in UTF-8 only
        block = _parsed_as(dialect, holds, 1, data.decode("latin-1").encode(), header)
        return block._replace(columns={n: _latin(each) for n, each in block.columns.items()})
    if failed[0] < 3:
        try:
            block = _parsed_as(dialect, holds, 0, data, header)
            if "id" not in holds.values() or not _leading_zero(data, dialect.separator):
                return block
        except pa.ArrowInvalid:
            pass
        failed[0] += 1
    return _parsed_as(dialect, holds, 1, data, header)


def _parsed_as(
    dialect: Dialect, holds: Mapping[str, str], plan: int, data: bytes, header: int
) -> Block:
    import numpy as np
    import pyarrow as pa
    from pyarrow import csv as reader

    bad: list[tuple[int, str]] = []

    def leave_out(row: Any) -> str:
        expected = (f"expected {row.expected_columns} fields separated by {dialect.separator!r}, "
                    f"got {row.actual_columns}")  # fmt: skip
        blank = dialect.strict and not row.text.strip()
        bad.append((row.number - 1 - header, _BLANK if blank else expected))
        return "skip"

    own = {name: f"c{place}" for place, name in enumerate(dialect.names)}  # of any encoding
    kinds = {
        own[name]: _TYPES.get(each, ("binary", "binary"))[plan] for name, each in holds.items()
    }
    codes = pa.dictionary(pa.int32(), pa.binary())
    two = dialect.separator == "::"
    table = reader.read_csv(
        pa.BufferReader(data),
        reader.ReadOptions(
            column_names=list(own.values()),
            skip_rows=header,
            use_threads=False,  # else bad rows have no number
            block_size=max(1, len(data)),
        ),
        reader.ParseOptions(
            delimiter=_STAND_IN.decode() if two else dialect.separator,
            quote_char='"' if dialect.quotes and not two else False,
            newlines_in_values=dialect.quotes and b'"' in data,
            ignore_empty_lines=False,
            invalid_row_handler=leave_out,
        ),
        reader.ConvertOptions(
            include_columns=list(kinds),
            column_types={
                name: codes if each == "codes" else pa.type_for_alias(each)
                for name, each in kinds.items()
            },
            null_values=[""] if dialect.strict or "text" in holds.values() else list(MISSING),
            strings_can_be_null=True,
        ),
    )
    columns = {name: _one(each) for name, each in zip(holds, table.columns, strict=True)}
    size, blank = len(table) + len(bad), []
    if columns and all(each.null_count for each in columns.values()):
        empty = [each.is_null().to_numpy(zero_copy_only=False) for each in columns.values()]
        left = ~np.logical_and.reduce(empty)
        rows = np.setdiff1d(np.arange(size), [row for row, _ in bad])
        blank = rows[~left].tolist()
        columns = {name: each.filter(pa.array(left)) for name, each in columns.items()}
    if dialect.strict:
        bad, blank = sorted([*bad, *((row, _BLANK) for row in blank)]), []
    return Block(columns, size, bad, blank)


def _latin(column: Any) -> Any:
    """A column of cells as they were before their bytes were taken for characters."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        return pa.DictionaryArray.from_arrays(column.indices, _latin(column.dictionary))
    cells = [cell and cell.decode().encode("latin-1") for cell in column.to_pylist()]
    return pa.array(cells, pa.binary())


def _one(column: Any) -> Any:
    """A column of a block as one array."""
    if column.num_chunks == 1:
        return column.chunk(0)
    return column.unify_dictionaries().combine_chunks()


def _leading_zero(data: bytes, separator: str) -> bool:
    """Whether a number begins as in 007, which pyarrow takes for 7."""
    import numpy as np

    characters, step = np.frombuffer(data, np.uint8), 2**17
    zero, ten = np.uint8(ord("0")), np.uint8(10)
    for start in range(0, len(characters), step):  # in parts that a processor's cache holds
        part = characters[start : start + step + 2]
        before = part[:-2]
        found = before < np.uint8(ord("-"))  # a comma, quote, tab, space or line end
        if separator in "|;":
            found |= before == np.uint8(ord(separator))
        found &= part[1:-1] == zero
        found &= part[2:] - zero < ten
        if found.any():
            return True
    return data[:1] == b"0" and data[1:2].isdigit()


def json_lines(path: Path) -> Table:
    """An object a line: by pyarrow where all of a block are of one shape, else one by one."""
    start = beginning(path)
    if start.lstrip().startswith(b"["):
        cause = f"{path}: a JSON array, expected an object a line"
        raise DataError(cause, "write it as JSON lines", "file")
    names: dict[str, None] = {}
    for line in start.splitlines()[: 2 * LINES]:
        try:
            names.update(dict.fromkeys(_object(line)))
        except BadCell:
            continue
    if not names:
        raise DataError(f"{path}:1: expected a JSON object a line", "name another", "file")

    def blocks(holds: Mapping[str, str], sample: bool) -> Iterator[Block]:
        source = iter([start[: last_end(start) or None]]) if sample else text_blocks(path)
        return (_objects(block, list(holds)) for block in source)

    return Table(path, tuple(names), blocks, lambda row: f":{row + 1}")


def _objects(block: bytes, names: Sequence[str]) -> Block:
    import pyarrow as pa
    from pyarrow import json as reader

    lines = block.removesuffix(b"\n").split(b"\n")
    try:
        options = reader.ReadOptions(block_size=len(block) + 1)
        table = reader.read_json(pa.BufferReader(block), options)
        table.validate(full=True)  # text must be UTF-8
        if len(table) == len(lines):
            none = pa.chunked_array([pa.nulls(len(table))])
            found = {name: table.column(name) for name in table.column_names}
            return Block({name: _one(found.get(name, none)) for name in names}, len(lines))
    except pa.ArrowException:
        pass
    objects: list[dict[str, Any]] = []
    bad: list[tuple[int, str]] = []
    for row, line in enumerate(lines):
        try:
            objects += [_object(line)] if line.strip() else []
        except BadCell as problem:
            bad.append((row, str(problem)))
    columns = {name: _array([each.get(name) for each in objects]) for name in names}
    blank = [row for row, line in enumerate(lines) if not line.strip()]
    return Block(columns, len(lines), bad, blank)


def _array(cells: list[Any]) -> Any:
    """Cells as an array; of several types as text."""
    import pyarrow as pa

    try:
        return pa.array(cells)
    except (pa.ArrowException, OverflowError):
        return pa.array([each if each is None or isinstance(each, str) else json.dumps(each)
                         for each in cells], pa.string())  # fmt: skip


def _object(line: bytes) -> dict[str, Any]:
    try:
        text = decoded(line)
        found = ast.literal_eval(text) if text.startswith(("{'", "{u'")) else json.loads(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        raise BadCell(f"expected a JSON object, found {quoted(decoded(line.strip()))}") from None
    if not isinstance(found, dict):
        raise BadCell(f"expected a JSON object, found {quoted(str(found))}")
    return found


def parquet(path: Path) -> Table:
    """Columns that have types already, read as they are."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet as reader

    source: Any = str(path)
    with readable(path):
        if path.suffix.lower() in PACKED:
            with pa.input_stream(str(path), compression="detect") as stream:
                source = pa.py_buffer(stream.read())
        file = reader.ParquetFile(source if isinstance(source, str) else pa.BufferReader(source))
    groups = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    ends = np.cumsum(groups)

    def blocks(holds: Mapping[str, str], sample: bool) -> Iterator[Block]:
        for batch in file.iter_batches(SAMPLE if sample else 2**17, columns=list(holds)):
            batch.validate(full=True)
            columns = {name: batch.column(name) for name in holds}
            yield Block(columns, len(batch))
            if sample:
                break

    def place(row: int) -> str:
        group = int(np.searchsorted(ends, row, "right"))
        return f": row group {group + 1}, row {row - int(ends[group]) + groups[group] + 1}"

    return Table(path, tuple(file.schema_arrow.names), blocks, place)


FORMATS: dict[str, Callable[[Path], Table]] = {
    **dict.fromkeys((".csv", ".tsv", ".psv", ".tab"), separated),
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), json_lines),
    **dict.fromkeys((".parquet", ".pq"), parquet),
}  # fmt: skip

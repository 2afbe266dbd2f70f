"""Files of any format to columns of cells, the row of each cell, and rows that are none.

Cells are numbers where all of a block's column plainly are, else text, or what Parquet and JSON
have. A format is a function in `FORMATS` from a path to a `Table`; how text is separated and what
its columns are called is a `Dialect`: sniffed, or given, as that of `ratings.dat` is.
"""

import ast
import json
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from pyarrow import csv
from pyarrow import json as json_reader
from pyarrow import parquet as parquet_reader

from recsys.data.readers import text
from recsys.data.readers.cells import Cells, Notes, Rows, is_dated, nulls
from recsys.data.readers.roles import MISSING, Content
from recsys.data.readers.text import Dialect, beginning, readable, unpacked
from recsys.errors import DataError, quoted, wrong

SAMPLE = 1000  # rows that are looked at
MANY_TEXTS = 3  # blocks with texts for ids or ratings, after which none is tried as numbers
Holds = Mapping[str, str]  # "id", "rating", "time" or "text", by the names of columns


class Block(NamedTuple):
    """Some rows of a file."""

    columns: dict[str, Any]  # cells by the names of the columns, arrays of pyarrow
    size: int  # rows of the file
    rejected: Sequence[tuple[int, str]] = ()  # rows that are none, counted from 0, and why


@dataclass(frozen=True)
class Table:
    """A file that was opened: the names of its columns, and what reads them."""

    path: Path
    names: tuple[str, ...]
    blocks: Callable[[Holds], Iterator[Block]]  # of columns
    place: Callable[[int], str] = lambda row: f": row {row + 1}"  # behind the name of the file
    dialect: Dialect | None = None  # of separated text

    @property
    def named(self) -> bool:
        """Whether the file names its columns."""
        return self.names[:1] != text.numbered(range(1, 2))

    @property
    def strict(self) -> bool:
        """Whether it is of a family of files, whose columns are known."""
        return self.dialect is not None and self.dialect.strict

    def read(self, holds: Holds, notes: Notes) -> tuple[dict[str, Cells], Rows]:
        """The columns, and the rows of their cells; empty rows are left out."""
        columns = {name: Cells(self.path, name, []) for name in holds}
        size, missing = 0, [np.zeros(0, np.int64)]
        with readable(self.path):
            for block in self.blocks(holds):
                bad = np.array([row for row, _ in block.rejected], np.int64)
                words = [words for _, words in block.rejected]
                notes.add(self.path, self.place, size + bad, words.__getitem__)
                cells = list(block.columns.values())
                if cells and all(each.null_count for each in cells):
                    empty = np.logical_and.reduce([*map(nulls, cells)])
                    cells = [each.filter(pa.array(~empty)) for each in cells]
                    bad = np.append(bad, np.delete(np.arange(block.size), bad)[empty])
                for name, each in zip(block.columns, cells, strict=True):
                    columns[name].add(each)
                missing.append(size + bad)
                size += block.size
        for column in columns.values():
            column.end()
        return columns, Rows(self.path, self.place, notes, size, np.unique(np.concatenate(missing)))

    @cached_property
    def first(self) -> dict[str, Content]:
        """What the columns hold in the first rows: text, or what else, None for an empty cell."""
        cells: dict[str, Any] = {name: pa.nulls(0) for name in self.names}
        with readable(self.path):
            for block in self.blocks(dict.fromkeys(self.names, "text")):
                cells |= block.columns
                break
        return {name: Content(each[:SAMPLE].to_pylist()) for name, each in cells.items()}


class Arrow(Protocol):
    """A DataFrame of pandas or polars, or anything else with Arrow's interface."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...


def open_table(path: Path | Table, dialect: Dialect | None = None) -> Table:
    """Find out what a file's columns are called and, unless that is given, how it is written."""
    if isinstance(path, Table):
        table = path
    else:
        text.file_bytes(path, 1)
        if dialect:
            return separated(path, dialect)
        table = FORMATS.get(unpacked(path).suffix, separated)(path)
    twice = [name for name in dict.fromkeys(table.names) if name and table.names.count(name) > 1]
    if twice:
        cause = f"{table.path}: two columns are called {quoted(twice[0])}"
        raise DataError(cause, "rename one of them", "file")
    return table


def separated(path: Path, dialect: Dialect | None = None) -> Table:
    """Text in which a character or two separate the cells: CSV, TSV, `.dat`, `u.*`, `.inter`."""
    start = beginning(path, quotes=not (dialect and dialect.strict))
    if dialect is None:
        if b"\0" in start:
            raise DataError(f"{path}: not a text file, byte 0 found", "name another", "file")
        with readable(path):
            dialect = text.sniffed(path, start)
    elif dialect.fewer or not dialect.names:
        first = start.split(b"\n")[0].rstrip(b"\r").decode().split(dialect.separator)
        names = dialect.names or tuple(first)
        if len(first) < len(names) - 1:
            names = names[0], *text.numbered(range(2, len(first) + 1))
        dialect = dialect._replace(names=names)
    head = start[: start.find(b"\n") + 1] if dialect.header else b""
    several = False  # rows of several lines, in quotes
    texts = 0  # blocks in which ids or ratings are not all numbers
    if head and head.upper() == head.lower():  # numbers, which would be a row if they came again
        texts = MANY_TEXTS

    def parsed(holds: Holds, block: bytes, header: bool) -> Block:
        nonlocal several
        if not dialect.strict and b"\\" in block and re.search(rb'\\"[^",;|\s]', block):
            block = block.replace(b'\\"', b'""')  # as MySQL writes quotes
        found = typed(holds, block, header)
        if not dialect.strict and b'"' in block and found.size + header < text.lines_in(block):
            mended = text.closed(block, dialect.separator, len(dialect.names))
            found = typed(holds, mended, header) if mended != block else found
            several |= found.size + header < text.lines_in(block)
        return found

    def typed(holds: Holds, block: bytes, header: bool) -> Block:
        nonlocal texts
        if texts < MANY_TEXTS and {"id", "rating"} & {*holds.values()}:
            if not text.has_padded(block, dialect.separator):
                with suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
                    return _parsed(dialect, holds, block, header, numbers=True)
            texts += 1
        if head:  # which is no row of numbers
            again = f"{text.AGAIN}\n".encode()
            block = block.replace(b"\n" + head, b"\n" + again)
            if block.startswith(head) and not header:
                block = again + block[len(head) :]
        return _parsed(dialect, holds, block, header)

    def blocks(holds: Holds) -> Iterator[Block]:
        with ThreadPoolExecutor(2) as pool:
            waiting: deque[Future[Block]] = deque()
            for number, block in enumerate(text.text_blocks(path, not dialect.strict)):
                header = dialect.header and number == 0
                waiting.append(pool.submit(parsed, holds, block, header))
                if len(waiting) > 2:
                    yield waiting.popleft().result()
            yield from (each.result() for each in waiting)

    def place(row: int) -> str:
        return f": row {row + 1}" if several else f":{row + 1 + dialect.header}"

    return Table(path, dialect.names, blocks, place, dialect)


def _parsed(
    dialect: Dialect, holds: Holds, block: bytes, header: bool, numbers: bool = False
) -> Block:
    """A block of separated text, its ids and ratings as numbers (else ArrowInvalid) or as texts."""
    bad: list[tuple[int, str]] = []

    def leave_out(row: Any) -> str:
        expected = f"expected {row.expected_columns} fields separated by {dialect.separator!r}"
        known = {
            text.UNCLOSED: "unclosed quote, expected one at the end of its cell",
            text.AGAIN: "the first line again, expected a row",
        }
        words = known.get(row.text, f"{expected}, got {row.actual_columns}")
        bad.append((row.number - 1 - header, words))
        return "skip"

    separator = dialect.separator
    if separator == "::":
        separator, block = text.STAND_IN, block.replace(b"::", text.STAND_IN.encode())
    quotes = not dialect.strict and separator != text.STAND_IN
    kinds = dict.fromkeys(("id", "rating", "text"), pa.string())
    kinds |= {"id": pa.int32(), "rating": pa.float32()} if numbers else {}
    table = csv.read_csv(
        pa.BufferReader(block),
        csv.ReadOptions(
            column_names=dialect.names,
            skip_rows=int(header),
            use_threads=False,  # else bad rows have no number
            block_size=len(block),
        ),
        csv.ParseOptions(
            delimiter=separator,
            quote_char='"' if quotes else False,
            newlines_in_values=quotes and b'"' in block,
            ignore_empty_lines=False,
            invalid_row_handler=leave_out,
        ),
        csv.ConvertOptions(
            check_utf8=False,  # it is
            include_columns=list(holds),
            column_types={n: kind for n, each in holds.items() if (kind := kinds.get(each))},
            true_values=[],  # yes and no are text
            false_values=[],
            null_values=[""] if "text" in holds.values() else list(MISSING),
            strings_can_be_null=True,
        ),
        pa.system_memory_pool(),  # it gives the next block what the last one had
    )
    columns = dict(zip(holds, map(_one, table.columns), strict=True))
    for name in columns if not numbers else ():
        if holds[name] in ("id", "rating"):
            columns[name] = columns[name].dictionary_encode()
    return Block(columns, len(table) + len(bad), bad)


def _one(column: Any) -> Any:
    """A column of a block as one array."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def json_lines(path: Path) -> Table:
    """An object a line: by pyarrow where all of a block are of one shape, else one by one."""
    start = beginning(path)
    names: dict[str, None] = {}
    for line in start.splitlines()[: 2 * text.LINES]:
        names.update(dict.fromkeys(_object(line) or ()))
    rows = ""  # where they are, if not one a line
    if start.lstrip().startswith(b"["):
        rows = "[]"
    elif not names or (len(names) == 1 and b"[{" in start[: text.LINES].replace(b" ", b"")):
        rows = f"{''.join(names) or 'NAME'}[]"
    if rows:
        cause = f"{path}:1: expected a JSON object a line"
        raise DataError(cause, f"write its rows as JSON lines: jq -c '.{rows}'", "file")

    def blocks(holds: Holds) -> Iterator[Block]:
        return (_objects(each, holds) for each in text.text_blocks(path))

    return Table(path, tuple(names), blocks, lambda row: f":{row + 1}")


def _objects(block: bytes, holds: Holds) -> Block:
    lines = block.removesuffix(b"\n").split(b"\n")
    with suppress(pa.ArrowException):
        options = json_reader.ReadOptions(block_size=len(block) + 1)
        table = json_reader.read_json(pa.BufferReader(block), options)
        if len(table) == len(lines):
            none = pa.chunked_array([pa.nulls(len(table))])
            cells = dict(zip(table.column_names, table.columns, strict=True))
            return Block(
                _plain({name: _one(cells.get(name, none)) for name in holds}, holds), len(lines)
            )
    objects: list[dict[str, Any]] = []
    bad: list[tuple[int, str]] = []
    for row, line in enumerate(lines):
        found = _object(line) if line.strip() else {}
        if found is None:
            bad.append((row, f"expected a JSON object, found {quoted(line.decode().strip())}"))
        else:
            objects.append(found)
    return Block(
        {name: _array([each.get(name) for each in objects]) for name in holds}, len(lines), bad
    )


def _array(cells: list[Any]) -> Any:
    """Cells as an array; of several types as text, half a pair of surrogates as U+FFFD."""
    try:
        return pa.array(cells)
    except (pa.ArrowException, OverflowError, UnicodeError):
        texts = [c if c is None or isinstance(c, str) else json.dumps(c) for c in cells]
        raw = [text and text.encode("utf-16", "surrogatepass") for text in texts]
        return pa.array([each and each.decode("utf-16", "replace") for each in raw], pa.string())


def _object(line: bytes) -> dict[str, Any] | None:
    """What a line has, as JSON or Python writes it; None if that is no object."""
    text, found = line.decode().strip(), None
    with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
        found = ast.literal_eval(text) if text.startswith(("{'", "{u'")) else json.loads(text)
    return found if isinstance(found, dict) else None


def parquet(path: Path) -> Table:
    """Columns that have types already, read as they are."""
    source: Any = path
    with readable(path):
        if unpacked(path).name != path.name.lower():
            with pa.input_stream(str(path), compression="detect") as stream:
                source = pa.BufferReader(stream.read())
        file = parquet_reader.ParquetFile(source)
    names = file.schema_arrow.names
    return _typed(path, names, lambda names, size: file.iter_batches(size, columns=names))


def _typed(
    path: Path, names: Sequence[str], batches: Callable[[list[str], int], Iterable[Any]]
) -> Table:
    """A table of columns that have types already; `batches` has some of them, in so many rows."""

    def blocks(holds: Holds) -> Iterator[Block]:
        for batch in batches([*holds], 2**15):
            batch.validate(full=True)
            yield Block(_plain({name: batch.column(name) for name in holds}, holds), len(batch))

    return Table(path, tuple(names), blocks)


def _plain(columns: dict[str, Any], holds: Holds) -> dict[str, Any]:
    """Columns with text for bytes, and for dates that are to be text: Python has few years."""
    for name, each in columns.items():
        text = str(each.type).startswith(("binary", "large_binary", "string_view"))
        if text or (is_dated(each) and holds[name] == "text"):
            columns[name] = each.cast(pa.string())
    return columns


def source_of(data: Path | str | Arrow, what: str) -> Path | Table:
    """A path as such; a DataFrame as a table."""
    if isinstance(data, str | os.PathLike):
        return Path(data)
    path, remedy = Path(f"DataFrame of {what}"), "give a path or a DataFrame"
    try:
        table = pa.table(data)
    except (TypeError, ValueError, pa.ArrowException) as error:
        if not hasattr(data, "columns"):
            raise wrong(what, data, "a path or a DataFrame") from error
        raise DataError(f"{path}: {' '.join(str(error).split())[:120]}", remedy, what) from error
    if not table.column_names:
        raise DataError(f"{path}: no columns", remedy, what)
    names = [name for name in table.column_names if not name.startswith("__index_level_")]
    table = table.select(names)
    if names == [*map(str, range(len(names)))]:  # of pandas, where none is named
        table = table.rename_columns(text.numbered(range(1, len(names) + 1)))

    return _typed(path, table.column_names, lambda some, size: table.select(some).to_batches(size))


FORMATS: dict[str, Callable[[Path], Table]] = {
    **dict.fromkeys((".csv", ".tsv", ".psv", ".tab"), separated),
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), json_lines),
    **dict.fromkeys((".parquet", ".pq"), parquet),
}

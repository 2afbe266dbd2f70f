"""Tables of JSON lines: by pyarrow where all objects are of one shape, else line by line."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.readers.fields import shown
from recsys.data.readers.problems import BadLine, Problems
from recsys.data.readers.text import BOM, decoded
from recsys.errors import DataError

LINES = 200  # looked at for the names of columns


def names_of(path: Path, start: bytes) -> list[str]:
    """The keys of the objects at the beginning.

    Raises:
        DataError: there are none.
    """
    if start.lstrip().startswith(b"["):
        raise DataError(
            f"{path}: a JSON array, expected an object a line", "write it as JSON lines", "file"
        )
    names: dict[str, None] = {}
    for line in start.removeprefix(BOM).splitlines()[:LINES]:
        try:
            names.update(dict.fromkeys(_object(line)))
        except BadLine:
            continue
    if not names:
        raise DataError(f"{path}:1: expected a JSON object a line", "name another", "file")
    return list(names)


def read(
    path: Path, start: bytes | None, wanted: Sequence[str], problems: Problems
) -> tuple[dict[str, Any], NDArray[np.int64] | range]:
    """The wanted columns by name, and the line of each row; bad lines are put down.

    Args:
        start: the beginning of the file, if no more is to be read.
    """
    import pyarrow as pa
    from pyarrow import json as reader

    try:
        table = reader.read_json(str(path) if start is None else pa.BufferReader(start))
        if set(wanted) <= set(table.column_names) and len(table) == _lines(path, start):
            table = table.select(wanted)
            table.validate(full=True)  # text must be UTF-8
            return dict(zip(wanted, table.columns, strict=True)), range(1, len(table) + 1)
    except pa.ArrowException:
        pass
    return _by_line(path, b"".join(_blocks(path, start)), wanted, problems)


def _lines(path: Path, start: bytes | None) -> int:
    ends, last = 0, b""
    for block in _blocks(path, start):
        ends, last = ends + block.count(b"\n"), block
    return ends + (not last.endswith(b"\n"))


def _blocks(path: Path, start: bytes | None) -> Iterator[bytes]:
    """The file's bytes, unpacked."""
    import pyarrow as pa

    if start is not None:
        yield start
        return
    with pa.input_stream(str(path), compression="detect") as stream:
        while block := stream.read(2**20):
            yield block


def _by_line(
    path: Path, data: bytes, wanted: Sequence[str], problems: Problems
) -> tuple[dict[str, Any], NDArray[np.int64]]:
    """Each line looked at; blank ones are passed over."""
    import pyarrow as pa

    rows: list[dict[str, Any]] = []
    lines: list[int] = []
    for number, line in enumerate(data.removeprefix(BOM).split(b"\n"), 1):
        try:
            if line.strip():
                rows.append(_object(line))
                lines.append(number)
        except BadLine as problem:
            problems.add(path, number, str(problem))
    columns = {}
    for name in wanted:
        cells = [row.get(name) for row in rows]
        try:
            columns[name] = pa.chunked_array([pa.array(cells)])
        except pa.ArrowException:  # of several types
            texts = [each if each is None or isinstance(each, str) else json.dumps(each)
                     for each in cells]  # fmt: skip
            columns[name] = pa.chunked_array([pa.array(texts, pa.string())])
    return columns, np.array(lines, np.int64)


def _object(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(decoded(line))
    except (ValueError, RecursionError):
        raise BadLine(f"expected a JSON object, found {shown(decoded(line.strip()))}") from None
    if not isinstance(found, dict):
        raise BadLine(f"expected a JSON object, found {shown(str(found))}")
    return found

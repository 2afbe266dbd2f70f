"""How a table of text is written: what separates its fields, and whether it names its columns."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from recsys.data.columns import numbered
from recsys.data.readers.fields import shown
from recsys.data.readers.text import BOM, decoded
from recsys.errors import DataError

DELIMITERS = ("::", ",", "\t", ";", "|")  # a space separates where none of these does
LINES = 100  # looked at, at most
_VALUE = re.compile(r"[-+]?\d+([.,]\d+)?([eE][-+]?\d+)?|\d{4}-\d\d-\d\d([T ].*)?")


class Dialect(NamedTuple):
    """How a table of text is written."""

    delimiter: str
    names: tuple[str, ...]  # of the first line, or "column 1" and so on
    header: bool  # whether the first line has them, or numbers in their place
    quoted: bool  # a field may hold the end of a line


def dialect(path: Path, start: bytes) -> Dialect:
    """Find out from the beginning of a file.

    Raises:
        DataError: there is but one column.
    """
    lines = [line.decode("latin-1") for line in start.removeprefix(BOM).splitlines(True)[:LINES]]
    delimiter = _delimiter(lines)
    one = "\x1f" if delimiter == "::" else delimiter  # csv knows delimiters of one character
    plain = [line.replace(delimiter, one) for line in lines]
    mark = None if delimiter == "::" else '"'
    rows = list(csv.reader(plain, delimiter=one, quotechar=mark, quoting=0 if mark else 3))
    first = [decoded(name.encode("latin-1")).strip() for name in rows[0]] if rows else []
    if len(first) < 2:
        raise DataError(
            f"{path}:1: expected columns separated by a comma, tab, semicolon, '|', '::' or space, "
            f"found {shown(decoded(lines[0].strip().encode('latin-1')))}",
            "correct the first line",
            "file",
        )
    counted = [str(place) for place in range(len(first))]  # pandas writes them in place of names
    numbers = (first == counted and len(first) > 3) or first == ["", *counted[:-1]]
    named = not numbers and _names_columns(rows)
    names = first if named else [numbered(place) for place in range(1, len(first) + 1)]
    return Dialect(delimiter, tuple(names), named or numbers, b'"' in start)


def _delimiter(lines: Sequence[str]) -> str:
    """What comes equally often in most lines, and then most often in the first."""
    plain = [re.sub(r'"[^"]*"', "", line) for line in lines[:20] if line.strip()] or [""]

    def fit(delimiter: str) -> tuple[int, int]:
        counts = [line.count(delimiter) for line in plain]
        return sum(each == counts[0] > 0 for each in counts), counts[0]

    best = max(DELIMITERS, key=fit)
    return best if best in plain[0] else " "


def _names_columns(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row has names: no value, and nothing that comes again in its column."""
    first = [field.strip() for field in rows[0]]
    if any(_VALUE.fullmatch(field) for field in first):
        return False
    columns = [{row[n].strip() for row in rows[1:] if n < len(row)} for n in range(len(first))]
    return not any(field and field in columns[n] for n, field in enumerate(first))

"""Bytes of files to text: where it begins, in what encoding and dialect, in blocks of whole lines.

pyarrow is imported inside functions, so that this module is there at once.
"""

import csv
import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from recsys.errors import DataError, quoted

PACKED = (".gz", ".zst", ".bz2", ".lz4")  # what pyarrow unpacks by the name
DELIMITERS = ("::", ",", "\t", ";", "|")  # a space separates where none of these does
LINES = 100  # looked at for how a file is written, at most
START = 2**16  # bytes looked at, likewise
BLOCK = 2**22  # bytes read at a time
LONGEST = 2**26  # bytes in which quotes must end
BOM, UTF16 = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
_VALUE = re.compile(r"[-+]?\d+([.,]\d+)?([eE][-+]?\d+)?|\d{4}-\d\d-\d\d([T ].*)?")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\ufffd]")


class Dialect(NamedTuple):
    """How a file of separated text is written."""

    separator: str
    names: tuple[str, ...] = ()  # of the columns; none: those of the first line
    header: bool = False  # whether the first line has names, or numbers in their place
    quotes: bool = True  # cells may be within quotes
    strict: bool = False  # of a family of files, whose columns are known
    fewer: bool = False  # there may be fewer columns; those behind the first are others then
    genres: str = ""  # what separates genres; "": found out


def numbered(place: int) -> str:
    """What a column is called in a file that does not name its columns, counted from 1."""
    return f"column {place}"


def suffix(path: Path) -> str:
    """A file's last suffix in small letters, behind that of its compression."""
    parts = [each.lower() for each in path.suffixes]
    while parts and parts[-1] in PACKED:
        parts.pop()
    return parts[-1] if parts else ""


def beginning(path: Path, named: bool = False) -> bytes:
    """The beginning of a text file, unpacked and in UTF-8 where it is UTF-16.

    Args:
        named: its name says that it is text.

    Raises:
        DataError: it is empty, or no text.
    """
    with readable(path), _stream(path) as stream:
        start = stream.read(START).removeprefix(BOM)
    _check_filled(path, start)
    if b"\0" in start and not named:
        raise DataError(f"{path}: not a text file, byte 0 found", "name another", "file")
    return start


def file_bytes(path: Path, size: int) -> bytes:
    """The first bytes of a file.

    Raises:
        DataError: it is not there, is a directory, cannot be read or is empty.
    """
    try:
        with path.open("rb") as file:
            data = file.read(size)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file", "copy it there or name another", "file") from error
    except IsADirectoryError as error:
        cause = f"{path}: a directory, expected a file"
        raise DataError(cause, "name the file itself", "file") from error
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{path}: cannot be read ({reason})", "name another", "file") from error
    _check_filled(path, data)
    return data


def _check_filled(path: Path, start: bytes) -> None:
    if not start.removeprefix(BOM).strip():
        raise DataError(f"{path}:1: the file is empty", "copy it again or name another", "file")


@contextmanager
def _stream(path: Path) -> Iterator[Any]:
    import pyarrow as pa

    with pa.input_stream(str(path), compression="detect") as stream:
        start = stream.read(2)
    with pa.input_stream(str(path), compression="detect") as stream:
        wide = start in UTF16
        yield pa.transcoding_input_stream(stream, "utf-16", "utf-8") if wide else stream


def text_blocks(path: Path, several: list[bool] | None = None) -> Iterator[bytes]:
    """A text file in blocks of whole lines.

    Args:
        several: a row may have several lines, in quotes; set where there are quotes.
    """
    with _stream(path) as stream:
        left = stream.read(len(BOM)).removeprefix(BOM)
        while data := stream.read(BLOCK):
            if several is not None and (b'"' in left or b'"' in data):
                data, left = left + data, b""
            if end := last_end(data, several):
                yield b"".join((left, memoryview(data)[:end]))
                left = data[end:]
            else:
                left += data
        if left:
            yield left


def last_end(block: bytes, several: list[bool] | None = None) -> int:
    """Where the last line of a block ends that is not within quotes."""
    end = block.rfind(b"\n") + 1
    if several is None or b'"' not in block or len(block) > LONGEST:
        return end
    several[0] = True
    odd = block.count(b'"', 0, end) % 2
    while odd and end:
        before = block.rfind(b"\n", 0, end - 1) + 1
        odd = (odd + block.count(b'"', before, end)) % 2
        end = before
    return end


def sniffed(path: Path, start: bytes) -> Dialect:
    """How separated text is written, from its beginning.

    Raises:
        DataError: there is but one column.
    """
    lines = [line.decode("latin-1") for line in start.splitlines(True)[:LINES]]
    separator = _delimiter(lines)
    one = "\x1f" if separator == "::" else separator  # csv knows delimiters of one character
    plain = [line.replace(separator, one) for line in lines]
    mark = None if separator == "::" else '"'
    rows = list(csv.reader(plain, delimiter=one, quotechar=mark, quoting=0 if mark else 3))
    first = [decoded(name.encode("latin-1")).strip() for name in rows[0]] if rows else []
    if len(first) < 2:
        raise DataError(
            f"{path}:1: expected columns separated by a comma, tab, semicolon, '|', '::' or space, "
            f"found {quoted(decoded(lines[0].strip().encode('latin-1')))}",
            "correct the first line",
            "file",
        )
    lengths = [len(row) for row in rows]
    ragged = separator == " " and 1.2 * lengths.count(lengths[0]) < len(rows) > 3
    if ragged and all(map(str.isdecimal, itertools.chain(*rows))):
        raise DataError(
            f"{path}:1: rows of whole numbers of many lengths, as of a user and all of the user's "
            "items (as LightGCN has them)",
            "write a row of each user and item: "
            """awk '{for (i = 2; i <= NF; i++) print $1 "," $i}'""",
            "file",
        )
    counted = [str(place) for place in range(len(first))]  # pandas writes them in place of names
    numbers = (first == counted and len(first) > 3) or first == ["", *counted[:-1]]
    named = not numbers and _names_columns(rows)
    names = first if named else [numbered(place) for place in range(1, len(first) + 1)]
    return Dialect(separator, tuple(names), header=named or numbers)


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


def decoded(cell: Any) -> Any:
    """Bytes as text in UTF-8, or else latin-1; anything else as it is."""
    if not isinstance(cell, bytes):
        return cell
    return cell.decode("utf-8" if is_utf8(cell) else "latin-1")


def is_utf8(raw: bytes) -> bool:
    """Whether bytes are text in UTF-8."""
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def control_character(text: str) -> str:
    """What is wrong with a text that has a control character in it; "" where there is none."""
    found = _CONTROL.search(text)
    if not found:
        return ""
    return (
        f"wrong encoding: character {found[0]!r}, expected text in UTF-8 or latin-1 "
        "(others need converting, e.g. iconv -f cp1252 -t utf-8)"
    )


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turns what pyarrow says of a file that it cannot read into one line."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, UnicodeError) as error:
        words = " ".join(str(error).split()) or type(error).__name__
        cause = f"{path}: cannot be read ({words[:120]})"
        raise DataError(cause, "name another", "file") from error

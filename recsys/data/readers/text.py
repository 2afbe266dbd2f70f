"""Bytes of files to text: in what encoding it is, how its cells are separated, blocks of rows."""

import csv
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from recsys.errors import DataError, quoted

PACKED = (".gz", ".zst", ".bz2", ".lz4")  # what pyarrow unpacks by the name
DELIMITERS = ("::", ",", "\t", ";", "|")  # a space separates where none of these does
LINES = 100  # looked at for how a file is written, at most
START = 2**16  # bytes looked at, likewise
BLOCK = 2**20  # bytes read at a time: larger ones take the system more time for their memory
LONGEST = 10_000  # lines of one row at most, in quotes
LONGEST_LINE = 2**24  # bytes
BOM, UTF16 = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
STAND_IN = "\x1f"  # for "::": csv and pyarrow know separators of one character
UNCLOSED, AGAIN = "\x1c", "\x1d"  # lines in place of such as are no rows
FROM_NETFLIX = """awk 'BEGIN {print "item,user,rating,date"} /:/ {m=$0+0; next} {print m "," $0}'"""
FROM_LIGHTGCN = """awk '{for (i = 2; i <= NF; i++) print $1 "," $i}'"""
_VALUE = re.compile(r"[-+]?\d+([.,]\d+)?([eE][-+]?\d+)?|\d{4}-\d\d-\d\d([T ].*)?")


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


def file_bytes(path: Path, size: int) -> bytes:
    """The first bytes of a file.

    Raises:
        DataError: it is not there, is a directory or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(size)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file", "copy it there or name another", "file") from error
    except IsADirectoryError as error:
        cause = f"{path}: a directory, expected a file"
        raise DataError(cause, "name the file itself", "file") from error
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{path}: cannot be read ({reason})", "name another", "file") from error


def beginning(path: Path, quotes: bool = False) -> bytes:
    """The first rows of a text file, as `text_blocks` has them.

    Raises:
        DataError: it is empty, or cannot be read.
    """
    with readable(path):
        start = next(text_blocks(path, quotes, START), b"")
    if not start.strip():
        raise DataError(f"{path}:1: the file is empty", "copy it again or name another", "file")
    return start


def text_blocks(path: Path, quotes: bool = False, size: int = 0) -> Iterator[bytes]:
    """A text file in blocks of rows, unpacked and in UTF-8; lines in neither UTF are latin-1.

    Args:
        quotes: a row may have several lines, in quotes.
        size: bytes of a block, by default BLOCK; the rest of its last row comes on top.
    """

    def line() -> bytes:
        found = stream.readline(LONGEST_LINE)
        if len(found) == LONGEST_LINE:
            cause = f"{path}: a line is longer than {LONGEST_LINE // 2**20} MB"
            raise DataError(cause, "name another", "file")
        return found

    with pa.input_stream(str(path), compression="detect") as file:
        stream = io.BufferedReader(file)
        if stream.peek(2)[:2] in UTF16:
            recoded = pa.transcoding_input_stream(pa.PythonFile(stream), "utf-16", "utf-8")
            stream = io.BufferedReader(recoded)
        while block := stream.read(size or BLOCK):
            block = block.removeprefix(BOM) + line()
            if quotes and b'"' in block and block.count(b'"') % 2:
                more = [block]
                for each in itertools.islice(iter(line, b""), LONGEST):
                    more.append(each)
                    if each.count(b'"') % 2:
                        break
                block = b"".join(more)
            yield _in_utf8(block)


def lines_in(block: bytes) -> int:
    """How many lines a block has; the last may lack its end."""
    return block.count(b"\n") + (block[-1:] != b"\n")


def closed(block: bytes, separator: str, cells: int) -> bytes:
    """A block with UNCLOSED in place of each line with a quote that is not closed in its row.

    So it is where the row has other lines, and another number of cells or text behind the quote
    that ends it; or where each of the other lines is a row (as the last one is if the first cell of
    a row has several).
    """
    lines, at = list(io.StringIO(block.decode(), newline="\n")), 0

    def rows(strict: bool) -> Any:
        behind = (lines[n] for n in range(at, len(lines)))
        return csv.reader(behind, delimiter=separator, strict=strict)

    def is_row(line: str) -> bool:
        row = next(csv.reader([line], delimiter=separator)) if separator in line else []
        return len(row) == cells and not any(cell.startswith(" ") for cell in row)

    while at < len(lines):
        reader, start = rows(strict=True), at
        with suppress(csv.Error):
            for row in reader:
                end = start + reader.line_num
                behind = lines[at + 1 : end]
                tell = lines[at][0] != '"'
                if behind and (len(row) != cells or (tell and all(map(is_row, behind)))):
                    break
                at = end
        loose = rows(strict=False)
        with suppress(csv.Error, StopIteration):
            next(loose)
        if loose.line_num > 1:
            lines[at] = f"{UNCLOSED}\n"
        at += 1
    return "".join(lines).encode()


def _in_utf8(block: bytes) -> bytes:
    with suppress(UnicodeDecodeError):
        if not block.isascii():
            block.decode()
        return block
    lines = block.split(b"\n")
    return b"\n".join(map(_in_utf8, lines)) if len(lines) > 1 else block.decode("latin-1").encode()


def sniffed(path: Path, start: bytes) -> Dialect:
    """How separated text is written, from its beginning.

    Raises:
        DataError: there is but one column.
    """
    lines = [line.decode() for line in start.splitlines(True)[:LINES]]
    separator = _delimiter(lines)
    if separator == "::":
        plain = [line.replace(separator, STAND_IN) for line in lines]
        rows = list(csv.reader(plain, delimiter=STAND_IN, quoting=csv.QUOTE_NONE))
    else:
        rows = list(csv.reader(lines, delimiter=separator))
    first = [name.strip() for name in rows[0]] if rows else []
    if re.fullmatch(r"\d+:\s*", lines[0] if lines else ""):
        cause = f"{path}:1: rows of users below a line of their movie (as Netflix has them)"
        raise DataError(cause, f"write the movie into each row: {FROM_NETFLIX}", "file")
    if re.fullmatch(r"sep=.?\s*", lines[0] if lines else ""):
        cause = f"{path}:1: {quoted(lines[0].strip())}, a line for Excel, expected names or values"
        raise DataError(cause, "delete it: tail -n +2", "file")
    if len(first) < 2:
        expected = "expected columns separated by a comma, tab, semicolon, '|', '::' or space"
        cause = f"{path}:1: {expected}, found {quoted(lines[0].strip())}"
        raise DataError(cause, "correct the first line", "file")
    lengths = [len(row) for row in rows]
    ragged = separator == " " and 1.2 * lengths.count(lengths[0]) < len(rows) > 3
    if ragged and all(map(str.isdecimal, itertools.chain(*rows))):
        cause = "as of a user and all of the user's items (as LightGCN has them)"
        cause = f"{path}:1: rows of whole numbers of many lengths, {cause}"
        raise DataError(cause, f"write a row of each user and item: {FROM_LIGHTGCN}", "file")
    counted = [str(position) for position in range(len(first))]  # pandas has them for names
    numbers = (first == counted and len(first) > 3) or first == ["", *counted[:-1]]
    named = not numbers and _names_columns(rows)
    names = first if named else [numbered(position) for position in range(1, len(first) + 1)]
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
    others = [row for row in rows if row != rows[0]]  # of files one behind the other
    columns = [{row[n].strip() for row in others if n < len(row)} for n in range(len(first))]
    return not any(field and field in columns[n] for n, field in enumerate(first))


def has_padded(block: bytes, separator: str) -> bool:
    """Whether a cell may be as 007 or 0x7, which pyarrow would take for the number 7."""
    text, comma, end = np.frombuffer(block, np.uint8), ord(","), ord(separator[0])
    before = text[:-1] <= comma  # no letter or digit, as all that is below it
    if end > comma:
        before |= text[:-1] == end
    behind = np.flatnonzero(before[:-1] & (text[1:-1] == ord("0"))) + 2
    odd = (text[behind] > ord("/")) & (text[behind] != end)
    if separator != " ":  # the hour of a time is behind a day and a space
        odd &= (text[behind - 2] != ord(" ")) | (text[behind - 3] <= comma)
    return bool(odd.any()) or (block[:1] == b"0" and block[1:2].isalnum())


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turns what pyarrow or csv says of a file that it cannot read into one line."""
    try:
        yield
    except MemoryError:  # one of pyarrow, too; the file is not to blame
        raise
    except (pa.ArrowException, OSError, UnicodeError, csv.Error) as error:
        words = " ".join(str(error).split()) or type(error).__name__
        cause = f"{path}: cannot be read ({words[:120]})"
        raise DataError(cause, "name another", "file") from error

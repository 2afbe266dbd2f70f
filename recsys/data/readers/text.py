"""Bytes of files to text: in what encoding it is, how its cells are separated, blocks of rows."""

import csv
import errno
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from recsys.errors import DataError, quoted

DELIMITERS = ("::", ",", "\t", ";", "|")  # a space separates where none of these does
LINES = 100  # looked at for how a file is written, at most
START = 2**16  # bytes looked at, likewise
BLOCK = 2**20  # bytes read at a time: larger ones take the system more time for their memory
LONGEST = 10_000  # lines of one row at most, in quotes
LONGEST_LINE = 2**24  # bytes
BOM, UTF16 = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
STAND_IN = "\x1f"  # for "::": csv and pyarrow know separators of one character
UNCLOSED, AGAIN = "\x1c", "\x1d"  # lines in place of such as are no rows
# What a first line is that begins no table, and how to make it one.
NETFLIX = "rows of users below a line of their movie (as Netflix has them)"
NEARLY = {
    r"\d+:": (NETFLIX, "write the movie into each row, as item,user,rating,date"),
    "sep=.?": ("{}, a line for Excel, expected names or values", "delete it: tail -n +2"),
}
LIGHTGCN = "rows of a user and all of the user's items, of many lengths (as LightGCN has them)"
ONE_COLUMN = "expected columns separated by a comma, tab, semicolon, '|', '::' or space, found {}"
_VALUE = re.compile(r"[-+]?\d+([.,]\d+)?([eE][-+]?\d+)?|\d{4}-\d\d-\d\d([T ].*)?")


class Dialect(NamedTuple):
    """How a file of separated text is written."""

    separator: str
    names: tuple[str, ...] = ()  # of the columns; none: those of the first line
    header: bool = False  # whether the first line has names, or numbers in their place
    strict: bool = False  # of a family of files, whose columns are known; it has no quotes
    fewer: bool = False  # there may be fewer columns; those behind the first are others then
    genres: str = ""  # what separates genres; "": found out


def numbered(places: range) -> tuple[str, ...]:
    """What columns are called in a file that does not name its columns, counted from 1."""
    return tuple(f"column {place}" for place in places)


def unpacked(path: Path) -> Path:
    """A file's name in small letters without the ending of what pyarrow unpacks by the name."""
    return Path(re.sub(r"(\.(gz|zst|bz2|lz4))+$", "", path.name.lower()))


def file_bytes(path: Path, size: int) -> bytes:
    """The first bytes of a file; DataError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError as error:
        known = {
            errno.ENOENT: ("no such file", "copy it there or name another"),
            errno.EISDIR: ("a directory, expected a file", "name the file itself"),
        }
        unreadable = f"cannot be read ({error.strerror or error})", "name another"
        words, remedy = known.get(error.errno or 0, unreadable)
        raise DataError(f"{path}: {words}", remedy, "file") from error


def beginning(path: Path, quotes: bool = False) -> bytes:
    """The first rows of a text file, as `text_blocks` has them; DataError where there is none."""
    with readable(path):
        start = next(text_blocks(path, quotes, START), b"")
    if not start.strip():
        raise DataError(f"{path}:1: the file is empty", "copy it again or name another", "file")
    return start


def text_blocks(path: Path, quotes: bool = False, size: int = 0) -> Iterator[bytes]:
    """A text file in blocks of rows, unpacked and in UTF-8; lines in neither UTF are latin-1.

    A block has `size` bytes and the rest of its last row, which may have several lines in `quotes`.
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

    def row_here(strict: bool) -> tuple[list[str], int]:
        behind = (lines[n] for n in range(at, len(lines)))
        reader, row = csv.reader(behind, delimiter=separator, strict=strict), []
        with suppress(csv.Error):
            row = next(reader)
        return row, reader.line_num

    def is_row(line: str) -> bool:
        row = next(csv.reader([line], delimiter=separator)) if separator in line else []
        return len(row) == cells and not any(cell.startswith(" ") for cell in row)

    while at < len(lines):
        row, size = row_here(strict=True)
        size = size if row else row_here(strict=False)[1]
        others = lines[at + 1 : at + size]
        if others and (len(row) != cells or (lines[at][0] != '"' and all(map(is_row, others)))):
            lines[at], size = f"{UNCLOSED}\n", 1
        at += size
    return "".join(lines).encode()


def _in_utf8(block: bytes) -> bytes:
    with suppress(UnicodeDecodeError):
        if not block.isascii():
            block.decode()
        return block
    lines = block.split(b"\n")
    return b"\n".join(map(_in_utf8, lines)) if len(lines) > 1 else block.decode("latin-1").encode()


def sniffed(path: Path, start: bytes) -> Dialect:
    """How separated text is written, from its beginning; DataError where it is no table."""
    lines = [line.decode() for line in start.splitlines(True)[:LINES]]
    separator, head = _delimiter(lines), lines[0].strip()
    if separator == "::":
        plain = [line.replace(separator, STAND_IN) for line in lines]
        rows = list(csv.reader(plain, delimiter=STAND_IN, quoting=csv.QUOTE_NONE))
    else:
        rows = list(csv.reader(lines, delimiter=separator))
    first = [name.strip() for name in rows[0]]
    ragged = separator == " " and 1.2 * sum(len(row) == len(first) for row in rows) < len(rows) > 3
    odd = next((words for form, words in NEARLY.items() if re.fullmatch(form, head)), None)
    if not odd and len(first) < 2:
        odd = ONE_COLUMN, "correct the first line"
    elif not odd and ragged and all(map(str.isdecimal, itertools.chain(*rows))):
        odd = LIGHTGCN, "write a row of each user and item"
    if odd:
        cause, remedy = odd
        raise DataError(f"{path}:1: {cause.format(quoted(head))}", remedy, "file")
    counted = [str(position) for position in range(len(first))]  # pandas has them for names
    numbers = (first == counted and len(first) > 3) or first == ["", *counted[:-1]]
    named = not numbers and _names_columns(rows)
    names = tuple(first) if named else numbered(range(1, len(first) + 1))
    return Dialect(separator, names, header=named or numbers)


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

"""From bytes to the text of a line: UTF-8 or latin-1, nothing but plain characters."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from recsys.data.readers.problems import BadLine, Problems
from recsys.errors import DataError

BOM = b"\xef\xbb\xbf"  # UTF-8's, as some editors write it

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\ufffd]")


def lines(path: Path, header: int, problems: Problems) -> Iterator[tuple[int, str]]:
    """(number from 1, text) of the lines behind the header, in whichever encoding most are.

    Lines that are blank or in another encoding are put down as problems.

    Raises:
        DataError: the file is not there, is a directory, is empty or is UTF-16.
    """
    file_bytes(path, 2**16)
    with path.open("rb") as file:
        coded = Counter(is_utf8(raw) for raw in file if not raw.isascii())
    latin = coded[False] > coded[True]
    with path.open("rb") as file:
        for line, raw in enumerate(file, 1):
            if line <= header:
                continue
            try:
                text = _decoded(raw.removeprefix(BOM) if line == 1 else raw, latin)
            except BadLine as problem:
                problems.add(path, line, str(problem))
                continue
            yield line, text


def _decoded(raw: bytes, latin: bool) -> str:
    if not raw.isascii() and is_utf8(raw) is latin:
        names = ("UTF-8", "latin-1") if latin else ("latin-1", "UTF-8")
        raise BadLine(f"wrong encoding: {names[0]} in a file that is {names[1]} elsewhere")
    return plain_text(raw.decode("latin-1" if latin else "utf-8"))


def plain_text(text: str) -> str:
    """A line without its end; BadLine when it is blank or not plain text."""
    text = text.removesuffix("\n").removesuffix("\r")
    if found := _CONTROL.search(text):
        raise BadLine(
            f"wrong encoding: character {found[0]!r}, expected text in UTF-8 or latin-1 "
            "(others need converting, e.g. iconv -f cp1252 -t utf-8)"
        )
    if not text.strip():
        raise BadLine("blank line, expected none")
    return text


def file_bytes(path: Path, size: int = -1) -> bytes:
    """The first `size` bytes of a file (all of them by default), or a DataError that says why."""
    try:
        with path.open("rb") as file:
            data = file.read(size)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file", "copy it there or name another", "file") from error
    except IsADirectoryError as error:
        raise DataError(
            f"{path}: a directory, expected a file", "name the file itself", "file"
        ) from error
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{path}: cannot be read ({reason})", "name another", "file") from error
    check_beginning(path, data)
    return data


def check_beginning(path: Path, start: bytes) -> None:
    """
    Raises:
        DataError: a file that begins so is empty or UTF-16.
    """
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(
            f"{path}:1: wrong encoding: UTF-16, expected UTF-8 or latin-1",
            "convert it, e.g. iconv -f utf-16 -t utf-8",
            "file",
        )
    if not start.removeprefix(BOM).strip():
        raise DataError(f"{path}:1: the file is empty", "copy it again or name another", "file")


def decoded(field: bytes | str) -> str:
    """The text of a field: UTF-8, or else latin-1."""
    if isinstance(field, str):
        return field
    return field.decode("utf-8" if is_utf8(field) else "latin-1")


def is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True

"""How the files look: their lines, fields and codes, and where a bad line is written down.

Three families are known: MovieLens `.dat` (ml-1m, ml-10m), ML-100K's `u.*` and RecBole's atomic
files (tab-separated, a first line of typed column names). What differs between them is a `Layout`.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import UNKNOWN
from recsys.data.movielens import AGES, GENDERS, JOBS, OCCUPATIONS
from recsys.data.movielens import GENRES_100K as GENRES
from recsys.errors import DataError

LISTED = 10  # bad lines told in words; the others are counted
BOM = b"\xef\xbb\xbf"  # UTF-8's, as some editors write it
MAX_ID = 2**31 - 1
MAX_TIME = 2**63 - 1
MAX_AGE = 120

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\ufffd]")
_YEAR = re.compile(r"\d{4}")
_YEAR_LAST = re.compile(r"\(\d{4}\)$")
_MADE_FOR_VIDEO = re.compile(r"(?<=\(\d{4}\)) \(V\)$")  # ML-100K has it behind the year


class BadLine(ValueError):
    """One line's trouble: what was found and what was expected."""


class Problems:
    """The bad lines of the files being read: all counted, the first ten of each file in words."""

    def __init__(self) -> None:
        self.counts: Counter[Path] = Counter()
        self._words: dict[Path, list[tuple[int, str]]] = {}

    def add(self, path: Path, line: int, words: str) -> None:
        self.add_all(path, [line], lambda _: words)

    def add_all(
        self, path: Path, lines: Sequence[int] | NDArray[np.int64], words: Callable[[int], str]
    ) -> None:
        """Ascending lines with one trouble; `words(i)` is only asked for those that are listed."""
        self.counts[path] += len(lines)
        kept = self._words.setdefault(path, [])
        kept += [(int(line), words(i)) for i, line in enumerate(lines[:LISTED])]
        if len(kept) >= 2 * LISTED:
            kept[:] = sorted(kept)[:LISTED]

    def __len__(self) -> int:
        return self.counts.total()

    def listed(self) -> list[str]:
        """The first ten, file by file in the order they were read."""
        words = [
            f"{path}:{line}: {text}"
            for path, kept in self._words.items()
            for line, text in sorted(kept)[:LISTED]
        ]
        return words[:LISTED]

    def error(self, remedy: str = "mend the line or pass --skip-bad-lines") -> DataError:
        told = [f"{each}; {remedy}" for each in self.listed()]
        rest = len(self) - len(told)
        return DataError("\n".join([*told, *([f"... and {rest} more bad lines"] if rest else [])]))

    def summary(self) -> str:
        files = ", ".join(f"{count} of {path.name}" for path, count in self.counts.items())
        return f"dropped {len(self)} bad lines ({files}), the first: {self.listed()[0]}"


@dataclass(frozen=True)
class Layout:
    """How one file is written: its separator and its columns, of which `header` lines tell."""

    separator: str
    columns: tuple[str, ...]
    header: int = 0

    def row(self, text: str) -> dict[str, str]:
        """A line's fields by column; BadLine when there are more or fewer than columns."""
        fields = text.split(self.separator)
        if len(fields) != len(self.columns):
            raise BadLine(
                f"expected {len(self.columns)} fields separated by {self.separator!r}, "
                f"got {len(fields)}"
            )
        return dict(zip(self.columns, fields, strict=True))


DAT_MOVIES = Layout("::", ("movie_id", "title", "genres"))
DAT_USERS = Layout("::", ("user_id", "gender", "age_code", "job_code", "zip"))
DAT_RATINGS = Layout("::", ("user_id", "movie_id", "rating", "time"))
U_MOVIES = Layout("|", ("movie_id", "title", "released", "video", "imdb", "none", *GENRES))
U_USERS = Layout("|", ("user_id", "age", "gender", "job", "zip"))
U_RATINGS = Layout("\t", DAT_RATINGS.columns)
ENCODED_MOVIES = Layout("::", ("movie_id", "words", "genre_rows"))
ATOMIC_NAMES = {
    "user_id": "user_id",
    "item_id": "movie_id",
    "rating": "rating",
    "timestamp": "time",
    "title": "title",
    "movie_title": "title",
    "year": "year",
    "release_year": "year",
    "class": "genre_words",
    "genre": "genre_words",
    "genres": "genre_words",
    "age": "age",
    "gender": "gender",
    "occupation": "job",
}


def atomic_layout(path: Path, needed: tuple[str, ...]) -> Layout:
    """The columns an atomic file's first line names; DataError when a needed one is not there."""
    first = file_bytes(path, 2**16).removeprefix(BOM).split(b"\n")[0].decode("latin-1").rstrip("\r")
    columns = tuple(ATOMIC_NAMES.get(name.split(":")[0], "") for name in first.split("\t"))
    for column in dict.fromkeys([*needed, *filter(None, columns)]):
        if columns.count(column) != 1:
            wanted = [name for name, ours in ATOMIC_NAMES.items() if ours == column]
            raise DataError(
                f"{path}:1: expected one column named {' or '.join(wanted)}, separated by tabs, "
                f"found {columns.count(column)} in {shown(first)}; mend the first line"
            )
    return Layout("\t", columns, header=1)


def rows(path: Path, layout: Layout, problems: Problems) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, fields by column) of a file in UTF-8 or latin-1, whichever most of its lines are in.

    Lines that cannot be split into the columns are put down as problems.

    Raises:
        DataError: the file is not there, is a directory, is empty or is UTF-16.
    """
    file_bytes(path, 2**16)
    with path.open("rb") as file:
        coded = Counter(is_utf8(raw) for raw in file if not raw.isascii())
    latin = coded[False] > coded[True]
    with path.open("rb") as file:
        for line, raw in enumerate(file, 1):
            if line <= layout.header:
                continue
            try:
                text = _decoded(raw.removeprefix(BOM) if line == 1 else raw, latin)
                yield line, layout.row(text)
            except BadLine as trouble:
                problems.add(path, line, str(trouble))


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
        raise DataError(f"{path}: no such file; copy it there or name another") from error
    except IsADirectoryError as error:
        raise DataError(f"{path}: a directory, expected a file; name the file itself") from error
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{path}: cannot be read ({reason}); mend that and try again") from error
    if not data.strip():
        raise DataError(f"{path}:1: the file is empty; copy it again or name another")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(
            f"{path}:1: wrong encoding: UTF-16, expected UTF-8 or latin-1; "
            "convert it, e.g. iconv -f utf-16 -t utf-8"
        )
    return data


def is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def shown(text: str) -> str:
    """A found text as an error shows it: quoted, escaped and not too long."""
    return repr(text if len(text) <= 40 else text[:37] + "...")


def whole_number(text: str, what: str, largest: int = MAX_ID) -> int:
    digits = text.strip()
    plain = digits.isascii() and digits.isdigit()
    value = digits.lstrip("0") or "0"
    if not plain or len(value) > 19 or int(value) > largest:
        raise BadLine(f"expected {what} as a whole number from 0 to {largest}, got {shown(text)}")
    return int(value)


def row_numbers(text: str, what: str, largest: int) -> list[int]:
    """Numbers separated by commas, of which one may stand at the end; an empty list is one."""
    text = text.strip().removesuffix(",")
    return [whole_number(each, what, largest) for each in text.split(",")] if text else []


def number(text: str, what: str) -> float:
    try:
        if "_" in text:  # Python would read 1_0 as ten
            raise ValueError(text)
        return float(text)
    except ValueError as error:
        raise BadLine(f"expected {what} as a number, got {shown(text)}") from error


def seconds(text: str) -> int:
    """A time in seconds since 1970; atomic files may write it as 8.8e8."""
    if text.isdigit():
        return whole_number(text, "a time in seconds since 1970", MAX_TIME)
    value = number(text, "a time in seconds since 1970")
    if not 0 <= value < MAX_TIME + 1:
        raise BadLine(f"expected a time in seconds since 1970, got {shown(text)}")
    return int(value)


def _one_of(text: str, known: Sequence[str], what: str) -> int:
    if text.strip() not in known:
        raise BadLine(f"unknown {what} {shown(text)}, expected one of {', '.join(known)}")
    return known.index(text.strip())


_AGE_CODES = [str(age) for age in AGES]
_JOB_CODES = [str(job) for job in range(len(JOBS))]


def gender_code(text: str) -> int:
    return _one_of(text, GENDERS, "gender")


def age_bracket(text: str) -> int:
    """An age in years as a position in AGES."""
    age = whole_number(text, "an age in years", MAX_AGE)
    if age < AGES[0]:
        raise BadLine(f"expected an age in years from {AGES[0]} to {MAX_AGE}, got {shown(text)}")
    return sum(age >= lowest for lowest in AGES) - 1


def user_codes(row: dict[str, str], may_lack: bool) -> tuple[int, int, int]:
    """Gender, age bracket and job of a user, UNKNOWN for what the file leaves out.

    A column that is not there is unknown. An empty field is unknown where `may_lack`, as in
    atomic files, and a bad line elsewhere.
    """
    readers: dict[str, Callable[[str], int]] = {
        "gender": gender_code,
        "age": age_bracket,
        "age_code": lambda text: _one_of(text, _AGE_CODES, "age code"),
        "job_code": lambda text: _one_of(text, _JOB_CODES, "job code"),
        "job": lambda text: _job(text, row.get("age", "")),
    }
    codes = {
        column: readers[column](text)
        for column, text in row.items()
        if column in readers and (text.strip() or not may_lack)
    }
    age = codes.get("age", codes.get("age_code", UNKNOWN))
    return codes.get("gender", UNKNOWN), age, codes.get("job", codes.get("job_code", UNKNOWN))


def _job(text: str, age: str) -> int:
    """An occupation by ML-100K's name or by ML-1M's number."""
    if text.strip().isdigit():
        return _one_of(text, _JOB_CODES, "job code")
    _one_of(text, tuple(OCCUPATIONS), "occupation")
    if text.strip() == "student" and age.strip() and age_bracket(age) == 0:
        return JOBS.index("K-12 student")
    return OCCUPATIONS[text.strip()]


def genre_names(text: str, separator: str) -> tuple[str, ...]:
    """A movie's genres without repetition; none for an empty list or "(no genres listed)"."""
    if text.strip() in ("", "(no genres listed)", "unknown"):
        return ()
    names = [name.strip() for name in text.split(separator)]
    if "" in names:
        raise BadLine(f"expected genres separated by {separator!r}, found an empty one")
    return tuple(dict.fromkeys(names))


def movie(row: dict[str, str]) -> tuple[int, str, tuple[str, ...]]:
    """A movie's id, title with the year at its end, and genres, from a row of any family."""
    movie_id = whole_number(row["movie_id"], "a movie id")
    title = row["title"].strip()
    year = row.get("year", "").strip()
    if not title:
        raise BadLine("expected a title, found none")
    if _YEAR.fullmatch(year) and not _YEAR_LAST.search(title):
        title += f" ({year})"
    if "genres" in row:
        return movie_id, title, genre_names(row["genres"], "|")
    if "genre_words" in row:
        return movie_id, title, genre_names(row["genre_words"].strip(), " ")
    title = _MADE_FOR_VIDEO.sub("", title)
    return movie_id, title, tuple(name for name in GENRES if name in row and _flag(row, name))


def _flag(row: dict[str, str], genre: str) -> bool:
    if row[genre] not in ("0", "1"):
        raise BadLine(f"expected 0 or 1 for the genre {genre}, got {shown(row[genre])}")
    return row[genre] == "1"

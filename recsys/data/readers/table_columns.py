"""Columns of a table to numbers: whole arrays where they are in order, field by field else."""

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from recsys.data.readers.fields import MAX_ID, MAX_TIME, number, shown, whole_number
from recsys.data.readers.problems import BadLine, Problems
from recsys.data.readers.ratings import RatingLines
from recsys.data.readers.tabular import Read, Table, texts
from recsys.errors import DataError

T = TypeVar("T", int, float)
UNITS = ((1e17, "ns", 10**9), (1e14, "us", 10**6), (1e11, "ms", 10**3))  # of times this large


class Numbers(NamedTuple):
    """A column as numbers, which are good, and of bad ones what was expected and found."""

    values: NDArray
    good: NDArray[np.bool_]
    words: Callable[[int], str]
    unit: str = ""


class Column(NamedTuple):
    """One column of a table that was read."""

    table: Table
    read: Read
    name: str

    @property
    def data(self) -> Any:
        return self.read.columns[self.name]

    def refuse(self, words: str, remedy: str, fix: str = "") -> DataError:
        return DataError(f"{self.table.path}: {self.name}: {words}", remedy, fix)

    def numeric(self) -> Numbers | None:
        """Integers and floats as they are, an empty field being not good; None for other types."""
        import pyarrow as pa

        data = self.data
        if not (pa.types.is_integer(data.type) or pa.types.is_floating(data.type)):
            return None
        good = data.is_valid().to_numpy() if data.null_count else np.ones(len(data), np.bool_)
        values = (data.fill_null(0) if data.null_count else data).to_numpy()
        return Numbers(values, good, lambda i: "found an empty field")

    def parsed(self, parse: Callable[[str], T], what: str, kind: type) -> Numbers:
        """Field by field; `parse` raises BadLine."""
        cells = texts(self.data, self.table.path, self.read.lines, Problems())
        values: NDArray = np.zeros(len(cells), kind)
        good = np.ones(len(cells), np.bool_)

        def words(i: int) -> str:
            if cells[i] is None:
                return f"expected {what}, found an empty field"
            try:
                parse(cells[i] or "")
            except BadLine as problem:
                return str(problem)
            return ""

        for i, each in enumerate(cells):
            try:
                if each is None:
                    raise BadLine("")
                values[i] = parse(each)
            except (BadLine, OverflowError):
                good[i] = False
        return Numbers(values, good, words)

    def got(self, i: int) -> str:
        """Field i, as an error shows it."""
        field = self.data[i].as_py()
        text = field.decode("latin-1") if isinstance(field, bytes) else str(field)
        return "found an empty field" if field is None else f"got {shown(text)}"

    def example(self, numbers: Numbers) -> str:
        """The first bad field, as an error shows it."""
        return self.got(int(np.flatnonzero(~numbers.good)[0])).removeprefix("got ")


def ids(column: Column, what: str) -> Numbers:
    """Ids as whole numbers from 0 to MAX_ID.

    Raises:
        DataError: most are not: they are words, or too large.
    """
    expected = f"expected a {what} id as a whole number from 0 to {MAX_ID}"
    found = column.numeric()
    if found:
        raw, valid = found.values, found.good
        with np.errstate(invalid="ignore"):
            good = valid & (raw >= 0) & (raw <= MAX_ID)
            if raw.dtype.kind == "f":
                good &= raw == np.rint(raw)

        def words(i: int) -> str:
            return f"{expected}, {column.got(i)}"

        values = raw if good.all() else np.where(good, raw, 0)
        found = Numbers(values.astype(np.int32, copy=False), good, words)
    else:
        found = column.parsed(lambda t: whole_number(t, f"a {what} id"), expected, np.int32)
    if 2 * found.good.sum() < len(found.good):
        raise column.refuse(
            f"{what} ids such as {column.example(found)} are not whole numbers from 0 to {MAX_ID}, "
            "other ids are not supported yet",
            "number them",
        )
    return found


def ratings(column: Column) -> Numbers:
    """Ratings as float32, of any scale.

    Raises:
        DataError: they are no numbers.
    """
    found = column.numeric()
    if found:
        return found._replace(
            values=found.values.astype(np.float32, copy=False),
            words=lambda i: "expected a rating as a number, found an empty field",
        )

    def parse(text: str) -> float:
        decimal = text.replace(",", ".") if column.table.delimiter != "," else text
        try:
            return number(decimal, "a rating")
        except BadLine:
            raise BadLine(f"expected a rating as a number, got {shown(text)}") from None

    found = column.parsed(parse, "a rating as a number", np.float32)
    if 2 * found.good.sum() < len(found.good):
        raise column.refuse(
            f"ratings such as {column.example(found)} are no numbers, others (thumbs, words) are "
            "not supported yet",
            "write them as 0.5 to 5",
        )
    return found


def times(column: Column) -> Numbers:
    """Times in seconds since 1970, from numbers (their unit by their size), dates or ISO 8601.

    Raises:
        DataError: most are none of these.
    """
    import pyarrow as pa

    data, kind = column.data, column.data.type
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        zone = getattr(kind, "tz", None)
        whole = data.cast(pa.timestamp("us", tz=zone), safe=False).cast(pa.int64())
        values = whole.fill_null(0).to_numpy() // 10**6
        good = whole.is_valid().to_numpy() & (values >= 0)
        return Numbers(
            values, good, lambda i: f"expected a time since 1970, {column.got(i)}", "ISO 8601"
        )
    found = column.numeric() or _texts_of_numbers(column)
    if found:
        raw = found.values
        good = found.good & (raw >= 0) & (raw < MAX_TIME)
        largest = float(np.median(raw[good])) if good.any() else 0.0
        unit, parts = next(((u, n) for least, u, n in UNITS if largest >= least), ("s", 1))
        safe = np.where(good, raw, 0) if not good.all() else raw
        seconds = safe.astype(np.int64, copy=False)
        seconds = seconds // parts if parts > 1 else seconds
        expected = f"expected a time in {unit} since 1970"
        return Numbers(seconds, good, lambda i: f"{expected}, {column.got(i)}", unit)
    found = column.parsed(iso_seconds, "a time in ISO 8601", np.int64)
    if 2 * found.good.sum() < len(found.good):
        raise column.refuse(
            f"times such as {column.example(found)} are neither numbers nor ISO 8601, others are "
            "not supported yet",
            'write them so, or give "none" for no times',
            "time_column",
        )
    return found._replace(unit="ISO 8601")


def _texts_of_numbers(column: Column) -> Numbers | None:
    """A column that one bad field made text, if most of its fields are numbers."""
    found = column.parsed(lambda text: number(text, "a time"), "a time", float)
    return found if 2 * found.good.sum() > len(found.good) else None


def iso_seconds(text: str) -> int:
    """Seconds since 1970 of a date and time in ISO 8601, in UTC where it has no zone.

    >>> iso_seconds("1970-01-02T00:00:01Z")
    86401
    """
    wanted = f"expected a time in ISO 8601, got {shown(text)}"
    try:
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise BadLine(wanted) from None
    seconds = int((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp())
    if seconds < 0:
        raise BadLine(wanted)
    return seconds


def kept(
    raw: RatingLines, table: Table, columns: dict[str, Numbers], problems: Problems
) -> RatingLines:
    """Leave out rows with a field that is not good; the first such field is the problem."""
    good = np.logical_and.reduce([each.good for each in columns.values()])
    if good.all():
        return raw
    lines = np.asarray(raw.lines)
    left = np.ones(len(good), np.bool_)
    for each in columns.values():
        bad = np.flatnonzero(left & ~each.good)
        left &= each.good
        words = [each.words(int(i)) for i in bad[:10]]
        empty = sum("empty field" in each.words(int(i)) for i in bad)
        problems.kinds["missing"] += empty
        problems.add_all(table.path, lines[bad], words.__getitem__)
    return RatingLines(raw.ratings[good], lines[good])

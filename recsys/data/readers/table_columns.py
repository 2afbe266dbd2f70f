"""Columns of a table to numbers: whole arrays where they are in order, field by field else."""

import re
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from recsys.data.ids import MAX_CODE, MAX_ID, MAX_TEXT, Id, positions
from recsys.data.readers.fields import MAX_TIME, number, shown
from recsys.data.readers.problems import BadLine, Problems
from recsys.data.readers.ratings import RatingLines
from recsys.data.readers.tabular import Read, Table
from recsys.data.readers.text import decoded
from recsys.errors import DataError

T = TypeVar("T", int, float)
NO_NUMBER, TOO_LARGE = -1, -2  # in place of an id that is no number of 64 bits
ODD_IDS, ODD_SHARE = 3, 0.02  # more different ids, and a larger share, are no slips of the pen
THUMBS = {
    **dict.fromkeys(("up", "like", "liked", "yes", "true", "y", "t", "+", "thumbs up", "👍"), 1.0),
    **dict.fromkeys(("down", "dislike", "disliked", "no", "false", "n", "f", "-"), 0.0),
    **dict.fromkeys(("thumbs down", "thumbs_down", "👎"), 0.0),
    **dict.fromkeys(("thumbs_up", "positive"), 1.0),
    "negative": 0.0,
}  # fmt: skip
_WHOLE = re.compile(r"(0|[1-9][0-9]*)(\.0+)?")
UNITS = ((1e17, "ns", 10**9), (1e14, "us", 10**6), (1e11, "ms", 10**3))  # of times this large


class Numbers(NamedTuple):
    """A column as numbers, which are good, and of bad ones what was expected and found."""

    values: NDArray
    good: NDArray[np.bool_]
    words: Callable[[int], str]
    unit: str = ""
    names: NDArray | None = None  # of ids that are text: values are their places here

    def id(self, i: int) -> Id:
        """Id i itself, where it is good."""
        value = int(self.values[i])
        return value if self.names is None else str(self.names[value])


class Column(NamedTuple):
    """One column of a table that was read."""

    table: Table
    read: Read
    name: str

    @property
    def data(self) -> Any:
        return self.read.columns[self.name]

    def cast(self, kind: Any) -> "Column":
        """The same of another of pyarrow's types."""
        columns = {self.name: self.data.cast(kind)}
        return self._replace(read=Read(columns, self.read.lines))

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

    def distinct(self) -> tuple[NDArray[np.int32], list[str]]:
        """(N,) places of the fields among the different ones, -1 for an empty one; and those."""
        import pyarrow as pa

        data = self.data
        if not pa.types.is_dictionary(data.type):
            plain = pa.types.is_binary(data.type) or pa.types.is_string(data.type)
            data = (data if plain else data.cast(pa.string())).dictionary_encode()
        whole = data.unify_dictionaries()
        parts = [chunk.indices.fill_null(-1).to_numpy() for chunk in whole.chunks]
        fields = whole.chunk(0).dictionary.to_pylist() if parts else []
        codes = np.concatenate(parts) if parts else np.zeros(0, np.int32)
        return codes, [decoded(each) for each in fields]

    def parsed(self, parse: Callable[[str], T], what: str, kind: type) -> Numbers:
        """Field by different field; `parse` raises BadLine."""
        codes, fields = self.distinct()
        values: NDArray = np.zeros(len(fields) + 1, kind)
        problems: dict[int, str] = {-1: f"expected {what}, found an empty field"}
        for place, field in enumerate(fields):
            try:
                values[place] = parse(field)
            except (BadLine, OverflowError) as problem:
                problems[place] = str(problem)
        good = np.ones(len(values), np.bool_)
        good[list(problems)] = False
        return Numbers(values[codes], good[codes], lambda i: problems.get(int(codes[i]), ""))

    def got(self, i: int) -> str:
        """Field i, as an error shows it."""
        field = self.data[i].as_py()
        text = field.decode("latin-1") if isinstance(field, bytes) else str(field)
        return "found an empty field" if field is None else f"got {shown(text)}"

    def example(self, numbers: Numbers) -> str:
        """The first bad field, as an error shows it."""
        return self.got(int(np.flatnonzero(~numbers.good)[0])).removeprefix("got ")


def ids(column: Column, what: str) -> Numbers:
    """Whole numbers from 0 to MAX_ID, or codes of `names` where the ids are text.

    They are text where most are no whole numbers, or where several are not and they are no slips
    of the pen (`_are_text`); a leading zero makes a number text. Otherwise such ids are not good.
    """
    import pyarrow as pa

    kind = column.data.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _whole_numbers(column, what)
    codes, fields = column.distinct()
    texts = [_id_text(each) for each in fields]
    values = np.array([_number(each) for each in texts], np.int64)
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    odd = values == NO_NUMBER
    expected = f"expected a {what} id as a whole number from 0 to {MAX_ID}"
    names: NDArray | None = None
    if _are_text(odd, counts):
        expected = f"expected a {what} id of at most {MAX_TEXT} bytes"
        fit = np.array([text != "" for text in texts], np.bool_) & (values != TOO_LARGE)
        names, values = np.unique(np.array(texts, object)[fit]), np.full(len(texts), NO_NUMBER)
        values[fit] = positions(names, np.array(texts, object)[fit])
    values = np.append(values, NO_NUMBER)  # for code -1, an empty field
    if values.max(initial=0) <= MAX_CODE:
        values = values.astype(np.int32)
    found = values[codes]
    return Numbers(found, found >= 0, lambda i: f"{expected}, {column.got(i)}", names=names)


def _whole_numbers(column: Column, what: str) -> Numbers:
    """Ids of a column of numbers, of floats those that are whole."""
    numeric = column.numeric()
    assert numeric is not None
    raw = numeric.values
    with np.errstate(invalid="ignore"):
        good = numeric.good & (raw >= 0) & (raw <= (MAX_ID if raw.dtype.kind != "f" else 2**53))
        if raw.dtype.kind == "f":
            good &= raw == np.rint(raw)
    whole = raw if good.all() else np.where(good, raw, 0)
    small = not len(whole) or whole.max() <= MAX_CODE
    expected = f"expected a {what} id as a whole number from 0 to {MAX_ID}"
    return Numbers(
        whole.astype(np.int32 if small else np.int64, copy=False),
        good,
        lambda i: f"{expected}, {column.got(i)}",
    )


def _id_text(field: str) -> str:
    """An id without space around it; "" for what is no id."""
    text = field.strip()
    return "" if len(text.encode()) > MAX_TEXT or not text.isprintable() else text


def _number(text: str) -> int:
    """The whole number that a text is, also as 7.0; NO_NUMBER or TOO_LARGE where it is none."""
    if not (found := _WHOLE.fullmatch(text)):
        return NO_NUMBER
    return int(found[1]) if len(found[1]) <= 19 and int(found[1]) <= MAX_ID else TOO_LARGE


def _are_text(odd: NDArray[np.bool_], counts: NDArray[np.int64]) -> bool:
    """Whether ids are text, by which of the different ones are no numbers and how often each is."""
    rows = counts[odd].sum()
    many = int(odd.sum()) >= ODD_IDS and rows > ODD_SHARE * counts.sum()
    return bool(2 * rows > counts.sum() or many)


def ratings(column: Column) -> Numbers:
    """Ratings as float32, of any scale; thumbs and booleans as 1 and 0.

    Raises:
        DataError: they are no numbers.
    """
    import pyarrow as pa

    if pa.types.is_boolean(column.data.type):
        column = column.cast(pa.int8())
    found = column.numeric()
    if found:
        return found._replace(
            values=found.values.astype(np.float32, copy=False),
            words=lambda i: "expected a rating as a number, found an empty field",
        )

    def parse(text: str) -> float:
        if (thumb := THUMBS.get(text.strip().lower())) is not None:
            return thumb
        decimal = text.replace(",", ".") if column.table.delimiter != "," else text
        try:
            return number(decimal, "a rating")
        except BadLine:
            raise BadLine(f"expected a rating as a number, got {shown(text)}") from None

    found = column.parsed(parse, "a rating as a number", np.float32)
    if 2 * found.good.sum() < len(found.good):
        raise column.refuse(
            f"ratings such as {column.example(found)} are neither numbers nor yes and no",
            "write them as numbers, or name another column, or none",
            "rating_column",
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

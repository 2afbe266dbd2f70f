"""Columns of a table to numbers: whole arrays where they are in order, field by field else."""

import re
from datetime import datetime, timezone

import numpy as np
from numpy.typing import NDArray

from recsys.data.ids import MAX_CODE, MAX_ID, MAX_TEXT, in_order, positions
from recsys.data.readers.column import Column, Numbers
from recsys.data.readers.fields import MAX_TIME, number, shown
from recsys.data.readers.problems import BadLine, Problems
from recsys.data.readers.ratings import RatingLines
from recsys.data.readers.tabular import Table

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
_LOOKED_AT = 10_000  # times that say which unit they are in
UNITS = ((1e17, "ns", 10**9), (1e14, "us", 10**6), (1e11, "ms", 10**3))  # of times this large


def ids(column: Column, what: str) -> Numbers:
    """Whole numbers from 0 to MAX_ID, or codes of `names` where the ids are text.

    They are text where most are no whole numbers, or where several are not and they are no slips
    of the pen (`_are_text`); a leading zero makes a number text. Otherwise such ids are not good.
    """
    if column.is_numeric:
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
        names, values = in_order(np.array(texts, object)[fit]), np.full(len(texts), NO_NUMBER)
        values[fit] = positions(names, np.array(texts, object)[fit])
    values = np.append(values, NO_NUMBER)  # for code -1, an empty field
    if values.max(initial=0) <= MAX_CODE:
        values = values.astype(np.int32)
    found = values[codes]
    good = None if found.min(initial=0) >= 0 else found >= 0
    return Numbers(found, good, lambda i: f"{expected}, {column.got(i)}", names=names)


def _whole_numbers(column: Column, what: str) -> Numbers:
    """Ids of a column of numbers, of floats those that are whole."""
    expected = f"expected a {what} id as a whole number from 0 to {MAX_ID}"

    def words(i: int) -> str:
        return f"{expected}, {column.got(i)}"

    low, high = column.span()
    floats = column.data.type.to_pandas_dtype()(0).dtype.kind == "f"
    if not floats and low >= 0 and high <= MAX_CODE:
        return Numbers(column.filled(np.int32), column.valid(), words)
    raw, good = column.filled(), column.valid()
    good = np.ones(len(raw), np.bool_) if good is None else good
    with np.errstate(invalid="ignore"):
        good = good & (raw >= 0) & (raw <= (2**53 if floats else MAX_ID))
        if floats:
            good &= raw == np.rint(raw)
    whole = raw if good.all() else np.where(good, raw, 0)
    small = not len(whole) or whole.max() <= MAX_CODE
    return Numbers(whole.astype(np.int32 if small else np.int64, copy=False), good, words)


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
    if column.is_numeric or column.data.type == "bool":
        empty = "expected a rating as a number, found an empty field"
        return Numbers(column.filled(np.float32), column.valid(), lambda i: empty)

    def parse(text: str) -> float:
        if (thumb := THUMBS.get(text.strip().lower())) is not None:
            return thumb
        try:
            return number(text.replace(",", "."), "a rating")
        except BadLine:
            raise BadLine(f"expected a rating as a number, got {shown(text)}") from None

    found = column.parsed(parse, "a rating as a number", np.float32)
    if not found.most_are_good:
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
    found = None if column.is_numeric else _texts_of_numbers(column)
    if column.is_numeric or found:
        return _since_1970(column, found)
    found = column.parsed(iso_seconds, "a time in ISO 8601", np.int64)
    if not found.most_are_good:
        raise column.refuse(
            f"times such as {column.example(found)} are neither numbers nor ISO 8601, others are "
            "not supported yet",
            'write them so, or give "none" for no times',
            "time_column",
        )
    return found._replace(unit="ISO 8601")


def _since_1970(column: Column, texts: Numbers | None) -> Numbers:
    """Times of a column of numbers, or of texts that are such."""
    raw, good = (texts.values, texts.good) if texts else (column.filled(), column.valid())
    if good is not None or raw.dtype.kind != "i" or raw.min(initial=0) < 0:
        fit = (raw >= 0) & (raw < MAX_TIME)
        good = fit if good is None else good & fit
    step = max(1, len(raw) // _LOOKED_AT)
    some = raw[::step] if good is None else raw[::step][good[::step]]
    usual = float(np.median(some)) if len(some) else 0.0
    unit, parts = next(((u, n) for least, u, n in UNITS if usual >= least), ("s", 1))
    good = None if good is None or good.all() else good
    seconds = raw if good is None else np.where(good, raw, 0)
    seconds = seconds.astype(np.int64, copy=False)
    if parts > 1:
        seconds //= parts
    return Numbers(
        seconds,
        good,
        lambda i: f"expected a time in {unit} since 1970, {column.got(i)}",
        unit,
    )


def _texts_of_numbers(column: Column) -> Numbers | None:
    """A column that one bad field made text, if most of its fields are numbers."""
    found = column.parsed(lambda text: number(text, "a time"), "a time", float)
    return found if found.most_are_good else None


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
    checked = [(each, each.good) for each in columns.values() if each.good is not None]
    left = np.ones(len(raw.ratings), np.bool_) if checked else np.zeros(0, np.bool_)
    for each, good in checked:
        bad = np.flatnonzero(left & ~good)
        left &= good
        if not len(bad):
            continue
        words = [each.words(int(i)) for i in bad[:10]]
        empty = sum("empty field" in each.words(int(i)) for i in bad)
        problems.kinds["missing"] += empty
        problems.add_all(table.path, np.asarray(raw.lines)[bad], words.__getitem__)
    return raw if left.all() else RatingLines(raw.ratings[left], np.asarray(raw.lines)[left])

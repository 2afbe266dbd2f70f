"""Columns of cells to ids, ratings, times and texts: arrays at once, different texts one by one."""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recsys.data.ids import MAX_CODE, MAX_ID, MAX_TEXT, in_order, positions
from recsys.data.readers.cells import Cells, is_dated, is_numeric, nulls
from recsys.data.readers.roles import AGAINST, MISSING, THUMBS, matches
from recsys.errors import DataError

UNITS = ((1e17, "ns", 10**9), (1e14, "us", 10**6), (1e11, "ms", 10**3), (0, "s", 1))  # by size
ODD_IDS, ODD_SHARE = 3, 0.02  # more different ids, and a larger share, are no slips of the pen
_SINCE_1973 = 10**8  # seconds; smaller numbers may be no seconds since 1970
_YEAR_10000 = 253_402_300_800
_GUESSED = "guessed; --time-column none if they are not"
EXCEL, EARLY = f"days as Excel counts, {_GUESSED}", f"s since 1970, {_GUESSED}"
_REMEDY = 'write them as year-month-day, or give "none" for no times'
_LOOKED_AT = 10_000  # times that say which unit they are in
_WHOLE = re.compile(r"(0|[1-9][0-9]*)(\.0+)?")
_VARIANT = re.compile(r"[0-9]{3,}-?[A-Za-z]{1,2}")  # such as 85126A: an id that is text
_DAY_AND_MONTH = re.compile(r"(\d\d?)[-/. ](\d\d?),?[-/. ](\d{4})(?!\d)")  # or the other way round
_DAY = re.compile(r"(\d{4})[-/.]?(\d\d?)[-/.]?(\d\d?)(?!\d)")
_HALF = re.compile(r" ?([AP])\.?M\.?$", re.IGNORECASE)  # of a day


class Values(NamedTuple):
    """A column as numbers."""

    values: NDArray  # (N,) of ids that are text their positions among `names`
    bad: NDArray[np.bool_]  # (N,)
    expected: str  # of a cell
    names: NDArray | None = None
    unit: str = ""  # of times


def ids(cells: Cells, what: str) -> Values:
    """Whole numbers from 0 to MAX_ID, or positions among `names` where the ids are text.

    They are text where most are no whole numbers, or several that are no slips of the pen, or where
    one is larger or as 85126A; else those are bad. A leading zero makes a number text.
    """
    odd = set()

    def number(text: str) -> int | None:
        text = text.strip()
        if (found := _WHOLE.fullmatch(text)) and len(found[1]) <= 19 and int(found[1]) <= MAX_ID:
            return int(found[1])
        odd.add(text)
        return None

    values, bad = _numbers(replace(cells, chunks=[*map(_whole, cells.chunks)]), number)
    share = (bad & ~cells.empty()).sum() / max(1, len(bad))
    many = share > 0.5 or (len(odd) >= ODD_IDS and share > ODD_SHARE)
    expected = f"expected a {what} id"
    if many or any(_VARIANT.fullmatch(text) or _WHOLE.fullmatch(text) for text in odd):
        codes, different = _distinct(cells)
        texts = np.array([*map(_id_text, different)], object)
        names = in_order(texts[texts != ""])
        values = np.append(positions(names, texts), -1).astype(np.int32)[codes]
        return Values(values, values < 0, f"{expected} of at most {MAX_TEXT} bytes", names)
    if values.max(initial=0) <= MAX_CODE:
        values = values.astype(np.int32, copy=False)
    return Values(values, bad | (values < 0), f"{expected} as a whole number from 0 to {MAX_ID}")


def _whole(chunk: Any) -> Any:
    """An array with whole numbers of 63 bits for numbers, or text where it has others."""
    if is_numeric(chunk):
        with suppress(pa.ArrowInvalid):
            return chunk if chunk.type == pa.int32() else chunk.cast(pa.int64())
        return chunk.cast(pa.string())
    return chunk


def _id_text(cell: str) -> str:
    """An id without space around it; "" for what is no id."""
    text = cell.strip()
    good = len(text.encode()) <= MAX_TEXT and text.isprintable() and text not in MISSING
    return text if good and "\ufffd" not in text else ""  # which was no character


def ratings(cells: Cells) -> Values:
    """Ratings as float32, of any scale; thumbs and yes and no as 1 and 0."""
    with np.errstate(over="ignore"):
        values, bad = _numbers(cells, _rating, np.float32)
    if 2 * (bad & ~cells.empty()).sum() > len(bad):
        words = f"ratings such as {cells.example(bad)} are neither numbers nor yes and no"
        remedy = "write them as numbers, or name another column, or none"
        raise cells.question(words, remedy, "rating_column")
    bad = bad | ~np.isfinite(values)
    if matches(AGAINST, cells.name):
        values = 1 - values
        if not np.isin(values[~bad], (0, 1)).all():
            words = "says what is not liked, but not by 0 and 1"
            raise cells.question(words, "name another column, or none", "rating_column")
    return Values(values, bad, "expected a rating as a number")


def _rating(text: str) -> float:
    thumb = THUMBS.get(text.strip().lower())
    return _to_number(text.replace(",", ".")) if thumb is None else thumb


def _to_number(text: str) -> float:
    return float(text.replace("_", "no"))  # Python would read 1_0 as ten


def times(cells: Cells) -> Values:
    """Times in seconds since 1970, from numbers (their unit by their size), dates or ISO 8601."""
    plain = replace(cells, chunks=[*map(_typed, cells.chunks)])
    dated = any(map(is_dated, plain.chunks))
    if not dated:
        values, bad = _numbers(plain, _to_number)
        step = max(1, len(values) // _LOOKED_AT)
        some = values[::step][~bad[::step]]
        some = some[some >= 0]
        days = len(some) and ((some >= 18_000_101) & (some <= 21_001_231)).mean() > 0.9
        if 2 * bad.sum() <= len(bad) and not days:  # days are as 20010115
            return _since_1970(cells, values, bad, some)
    texts = [c.cast(pa.string()) if is_numeric(c) else c for c in plain.chunks]
    parse = partial(_iso_seconds, order=() if dated else _order(replace(cells, chunks=texts)))
    plain = replace(cells, chunks=[_seconds(c) if is_dated(c) else c for c in texts])
    values, bad = _numbers(plain, parse)
    if 2 * bad.sum() > len(bad) and not dated:
        words = f"times such as {cells.example(bad)} are neither numbers nor ISO 8601"
        raise cells.question(f"{words}, others are not supported yet", _REMEDY, "time_column")
    return Values(values, bad, "expected a time in ISO 8601, since 1970", unit="ISO 8601")


def _order(cells: Cells) -> Sequence[int]:
    """Where year, month and day are in dates that end with the year, by a day above 12."""
    texts = [text.strip() for text in _distinct(cells)[1]]
    dates = [found for text in texts if (found := _DAY_AND_MONTH.match(text))]
    first, second = (any(int(each[i]) > 12 for each in dates) for i in (1, 2))
    if 2 * len(dates) > len(texts) and first == second:
        words = f"{dates[0][0]!r} may begin with the day or with the month"
        raise cells.question(words, _REMEDY, "time_column")
    return (3, 2, 1) if first else (3, 1, 2)


def _since_1970(cells: Cells, values: NDArray, bad: NDArray[np.bool_], some: NDArray) -> Values:
    """Times of a column of numbers; some that are good say of which unit all are."""
    usual = float(np.median(some)) if len(some) else 0.0
    least, unit, parts = next(each for each in UNITS if usual >= each[0])
    most = 1000 * (least or _SINCE_1973)
    others = (some >= _SINCE_1973) & ((some < least) | (some >= most))
    if others.sum() >= ODD_IDS and others.mean() > ODD_SHARE:
        words = f"times in {unit}, but {some[others][0]:.0f} and others are in another unit"
        raise cells.question(words, _REMEDY, "time_column")
    with np.errstate(invalid="ignore"):
        if values.dtype.kind != "i" or values.min(initial=0) < 0:
            bad = bad | ~((values >= 0) & (values < MAX_ID))
        bad |= values >= most  # seconds among parts of such, or the other way round
        if parts > 1:
            bad |= (values >= _SINCE_1973) & (values < least)
    seconds = (np.where(bad, 0, values) if bad.any() else values).astype(np.int64, copy=False)
    seconds = seconds // parts if parts > 1 else seconds
    if len(some) and ((some >= 25_569) & (some <= 75_000)).mean() > 0.9:
        seconds = (seconds - 25_569) * 86_400
        return Values(seconds, bad | (seconds < 0), "expected a day as Excel counts", unit=EXCEL)
    expected = f"expected a time in {unit} since 1970"
    early = usual < _SINCE_1973 and some.min(initial=usual) < some.max(initial=usual)
    return Values(seconds, bad, expected, unit=EARLY if early else unit)


def _iso_seconds(text: str, order: Sequence[int] = ()) -> int:
    """Seconds since 1970 of a date in ISO 8601, or in an `_order`, in UTC where it has no zone."""
    text = text.strip()
    if order and (found := _DAY_AND_MONTH.match(text)):
        text = "-".join(found[place].zfill(2) for place in order) + text[found.end() :]
    half = _HALF.search(text)
    text = _HALF.sub("", text).replace(" UTC", "Z").replace("Z", "+00:00")
    if day := _DAY.match(text):
        text = "-".join(part.zfill(2) for part in day.groups()) + text[day.end() :]
    time = datetime.fromisoformat(re.sub(r"(?<=[ T])(\d:)", r"0\1", text))
    if half:
        if not 0 < time.hour <= 12:
            raise ValueError(text)
        time = time.replace(hour=time.hour % 12 + 12 * (half[1] in "Pp"))
    seconds = int((time if time.tzinfo else time.replace(tzinfo=timezone.utc)).timestamp())
    if seconds < 0:
        raise ValueError(text)
    return seconds


def texts(cells: Cells) -> list[Any]:
    """Cells as text; None for an empty one, lists of texts as they are."""
    found = [cell for chunk in cells.chunks for cell in chunk.to_pylist()]
    return [cell if cell is None or isinstance(cell, list) else str(cell) for cell in found]


def _typed(chunk: Any) -> Any:
    """Text as whole numbers or times if all of it is written so, else as it is."""
    chunk = chunk.dictionary_decode() if pa.types.is_dictionary(chunk.type) else chunk
    if str(chunk.type) in ("string", "large_string") and chunk.null_count < len(chunk):
        for kind in (pa.int64(), pa.timestamp("us"), pa.timestamp("us", "UTC")):
            with suppress(pa.ArrowInvalid):
                chunk.drop_null()[:1].cast(pa.string()).cast(kind)  # it takes long to fail at each
                return chunk.cast(pa.string()).cast(kind)
    return chunk


def _seconds(chunk: Any) -> Any:
    """Dates as seconds since 1970, empty where Python has none."""
    kind = pa.timestamp("s", getattr(chunk.type, "tz", None))
    seconds = _filled(chunk.cast(kind, safe=False).cast(pa.int64()))
    return pa.array(seconds, mask=nulls(chunk) | (seconds < 0) | (seconds >= _YEAR_10000))


def _filled(chunk: Any) -> NDArray:
    """(N,) an array's numbers, 0 in place of empty cells."""
    chunk = chunk.fill_null(0) if chunk.null_count else chunk
    return chunk.to_numpy(zero_copy_only=False)


def _joined(parts: Sequence[NDArray], kind: Any = None) -> NDArray:
    """Arrays one behind the other; of numbers of several kinds those that hold all."""
    if len(parts) == 1:
        return parts[0].astype(kind or parts[0].dtype, copy=False)
    return np.concatenate([*parts, np.zeros(0, np.bool_)], dtype=kind, casting="unsafe")


def _distinct(cells: Cells) -> tuple[NDArray[np.int32], list[str]]:
    """(N,) positions of cells among their different texts, -1 for an empty one; and those."""
    if not cells.chunks:
        return np.zeros(0, np.int32), []
    encoded = []
    for chunk in cells.chunks:
        try:
            if not pa.types.is_dictionary(chunk.type):
                chunk = chunk.cast(pa.string()) if chunk.type == pa.null() else chunk
                chunk = chunk.dictionary_encode()
            words = chunk.dictionary.cast(pa.string())
        except pa.ArrowException as error:
            cause = f"a column of {str(chunk.type)[:60]}, expected numbers or text"
            cause = f"{cells.path}: {cells.name}: {cause}"
            raise DataError(cause, "name another", "file") from error
        encoded.append(pa.DictionaryArray.from_arrays(chunk.indices, words, safe=False))
    every = pa.chunked_array(encoded).unify_dictionaries()
    codes = [chunk.indices.fill_null(-1).to_numpy() for chunk in every.chunks]
    return np.concatenate(codes), every.chunk(0).dictionary.to_pylist()


def _numbers(
    cells: Cells, parse: Callable[[str], float | None], kind: Any = None
) -> tuple[NDArray, NDArray[np.bool_]]:
    """(N,) numbers of cells, and which are none; different texts are parsed."""
    texts = [each for each in cells.chunks if not is_numeric(each)]
    codes, different = _distinct(replace(cells, chunks=texts))
    found = [*(_parsed(parse, text) for text in different), None]
    numbers, none = np.array([n or 0 for n in found]), np.array([n is None for n in found])
    split = iter(np.split(codes, np.cumsum([*map(len, texts)])))
    chunks = [
        each if is_numeric(each) else pa.array(numbers[at := next(split)], mask=none[at])
        for each in cells.chunks
    ]
    return _joined([*map(_filled, chunks)], kind), _joined([*map(nulls, chunks)], np.bool_)


def _parsed(parse: Callable[[str], float | None], text: str) -> float | None:
    with suppress(ValueError, OverflowError):
        return parse(text)
    return None

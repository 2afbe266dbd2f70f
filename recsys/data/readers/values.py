"""Columns of cells to ids, ratings, times and texts: arrays at once, different texts one by one."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.ids import MAX_CODE, MAX_ID, MAX_TEXT, in_order, positions
from recsys.data.readers.formats import Rejects, Table
from recsys.data.readers.roles import MISSING, THUMBS
from recsys.data.readers.text import control_character, decoded
from recsys.errors import DataError, quoted

MAX_TIME = 2**63 - 1
UNITS = ((1e17, "ns", 10**9), (1e14, "us", 10**6), (1e11, "ms", 10**3))  # of times this large
NO_NUMBER, TOO_LARGE = -1, -2  # in place of an id that is no number of 63 bits
ODD_IDS, ODD_SHARE = 3, 0.02  # more different ids, and a larger share, are no slips of the pen
_LOOKED_AT = 10_000  # times that say which unit they are in
_WHOLE = re.compile(r"(0|[1-9][0-9]*)(\.0+)?")
_DAY = re.compile(r"(\d{4})[-/.](\d\d?)[-/.](\d\d?)(?!\d)")
_ZONED = re.compile(r"[T:].*(Z|[+-]\d\d(:?\d\d)?)$")


class Cells(NamedTuple):
    """A column as it was read: arrays of pyarrow one behind the other."""

    path: Path
    name: str
    chunks: list[Any]

    def at(self, row: int) -> Any:
        """One cell, None where it is empty."""
        for chunk in self.chunks:
            if row < len(chunk):
                return decoded(chunk[row].as_py())
            row -= len(chunk)
        raise IndexError(row)

    def wrong(self, expected: str, row: int) -> str:
        """What was expected of a cell, and what was found."""
        cell = self.at(row)
        if isinstance(cell, str) and (odd := control_character(cell)):
            return odd
        return (
            f"{expected}, {'found an empty field' if cell is None else f'got {quoted(str(cell))}'}"
        )

    def refuse(self, bad: NDArray[np.bool_], words: str, remedy: str, fix: str) -> DataError:
        """The error when most cells are bad; `words` has {} for the first of them."""
        cell = self.at(int(np.flatnonzero(bad)[0]))
        example = "found an empty field" if cell is None else quoted(str(cell))
        return DataError(f"{self.path}: {self.name}: {words.format(example)}", remedy, fix)


class Values(NamedTuple):
    """A column as numbers."""

    values: NDArray  # (N,) of ids that are text their places among `names`
    bad: NDArray[np.bool_]  # (N,)
    expected: str  # of a cell
    names: NDArray | None = None
    unit: str = ""  # of times


class Rows:
    """The rows of a file that are left; those that are refused are put down with a reason."""

    def __init__(self, table: Table, rows: Sequence[int], rejects: Rejects) -> None:
        self.table, self.rows, self.rejects = table, rows, rejects
        self.left: NDArray[np.bool_] | slice = slice(None)

    def refuse(self, bad: NDArray[np.bool_], words: Callable[[int], str]) -> None:
        """Refuse rows that are not refused yet; the first reason is what counts."""
        if not bad.any():
            return
        if isinstance(self.left, slice):
            self.left = np.ones(len(self.rows), np.bool_)
        places = np.flatnonzero(bad & self.left)
        self.left &= ~bad
        rows = self.numbers(places).tolist()
        self.rejects.add(self.table.path, self.table.place, rows, lambda i: words(int(places[i])))

    def refuse_each(self, words: Mapping[int, str]) -> None:
        """Refuse rows, by what is wrong with them."""
        bad = np.zeros(len(self.rows), np.bool_)
        bad[list(words)] = True
        self.refuse(bad, words.__getitem__)

    def check(self, cells: Cells, values: Values) -> None:
        """Refuse the rows of bad cells."""
        if values.bad.any():
            empty = values.bad & self.mask & np.concatenate([_nulls(c) for c in cells.chunks])
            self.rejects.empty_cells += int(empty.sum())
            self.refuse(values.bad, lambda i: cells.wrong(values.expected, i))

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(N,) the rows that are left."""
        return np.ones(len(self.rows), np.bool_) if isinstance(self.left, slice) else self.left

    def numbers(self, places: NDArray[np.integer]) -> NDArray[np.integer]:
        """The rows of the file at some places."""
        if isinstance(self.rows, range):
            return places + self.rows.start
        return np.asarray(self.rows)[places]


def ids(cells: Cells, what: str) -> Values:
    """Whole numbers from 0 to MAX_ID, or codes of `names` where the ids are text.

    They are text where most are no whole numbers, or where several are not and they are no slips
    of the pen, or any is larger; a leading zero makes a number text. Otherwise such ids are bad.
    """
    expected = f"expected a {what} id as a whole number from 0 to {MAX_ID}"
    parts = {n: _whole_numbers(c) for n, c in enumerate(cells.chunks) if _is_numeric(c)
             and not (c.type == "uint64" and _filled(c, 0).max(initial=0) > MAX_ID)}  # fmt: skip
    others = [n for n in range(len(cells.chunks)) if n not in parts]
    names: NDArray | None = None
    if others:
        codes, texts = _distinct(cells, [cells.chunks[n] for n in others])
        plain = [_id_text(each) for each in texts]
        numbers = np.array([*map(_number, plain), NO_NUMBER], np.int64)
        counts = np.bincount(np.concatenate(codes) + 1, minlength=len(plain) + 1)[1:]
        odd = numbers[:-1] == NO_NUMBER
        rows, words = sum(map(len, cells.chunks)), counts[odd].sum()
        many = odd.sum() >= ODD_IDS and words > ODD_SHARE * rows
        if many or 2 * words > rows or TOO_LARGE in numbers:
            if parts:
                return ids(cells._replace(chunks=[_as_text(c) for c in cells.chunks]), what)
            expected = f"expected a {what} id of at most {MAX_TEXT} bytes"
            names = in_order(np.array([text for text in plain if text], object))
            numbers = np.append(positions(names, np.array(plain, object)), NO_NUMBER)
        parts |= {n: numbers[each] for n, each in zip(others, codes, strict=True)}
    narrow = (np.int32, np.int16, np.int8, np.uint16, np.uint8)
    small = all(each.dtype in narrow or each.max(initial=0) <= MAX_CODE for each in parts.values())
    values = _joined([parts[n] for n in sorted(parts)], np.int32 if small else np.int64)
    return Values(values, values < 0, expected, names)


def _whole_numbers(chunk: Any) -> NDArray[np.signedinteger]:
    """Ids of an array of numbers, of floats those that are whole; NO_NUMBER for others."""
    values = _filled(chunk, 0)
    bad = _nulls(chunk)
    with np.errstate(invalid="ignore"):
        if values.dtype.kind == "f":
            bad |= ~((values >= 0) & (values <= 2**53) & (values == np.rint(values)))
        elif values.dtype != np.uint32 and values.dtype.itemsize < 8 and not bad.any():
            return values  # a bad one is below 0
        else:
            bad |= (values < 0) | (values > MAX_ID)
        return np.where(bad, NO_NUMBER, np.where(bad, 0, values).astype(np.int64))


def _id_text(cell: str) -> str:
    """An id without space around it; "" for what is no id."""
    text = cell.strip()
    good = len(text.encode()) <= MAX_TEXT and text.isprintable() and text not in MISSING
    return text if good else ""


def _number(text: str) -> int:
    """The whole number that a text is, also as 7.0; NO_NUMBER or TOO_LARGE where it is none."""
    if not (found := _WHOLE.fullmatch(text)):
        return NO_NUMBER
    return int(found[1]) if len(found[1]) <= 19 and int(found[1]) <= MAX_ID else TOO_LARGE


def ratings(cells: Cells) -> Values:
    """Ratings as float32, of any scale; thumbs and yes and no as 1 and 0.

    Raises:
        DataError: most are no numbers.
    """
    parts, bad = [], []
    for chunk in cells.chunks:
        if _is_numeric(chunk) or chunk.type == "bool":
            parts.append(_filled(chunk, False if chunk.type == "bool" else 0))
            bad.append(_nulls(chunk))
        else:
            values, wrong = _parsed(cells, chunk, _rating)
            parts.append(values)
            bad.append(wrong)
    with np.errstate(over="ignore"):
        found = _joined(parts, np.float32)
    wrong = _joined(bad, np.bool_)
    if 2 * wrong.sum() > len(wrong) and not all(map(_is_numeric, cells.chunks)):
        raise cells.refuse(
            wrong,
            "ratings such as {} are neither numbers nor yes and no",
            "write them as numbers, or name another column, or none",
            "rating_column",
        )
    return Values(found, wrong, "expected a rating as a number")


def _rating(text: str) -> float:
    thumb = THUMBS.get(text.strip().lower())
    return _to_number(text.replace(",", ".")) if thumb is None else thumb


def _to_number(text: str) -> float:
    if "_" in text:  # Python would read 1_0 as ten
        raise ValueError(text)
    return float(text)


def times(cells: Cells) -> Values:
    """Times in seconds since 1970, from numbers (their unit by their size), dates or ISO 8601.

    Raises:
        DataError: most are none of these.
    """
    numbers = [_time_numbers(cells, chunk) for chunk in cells.chunks]
    bad = _joined([each for _, each in numbers], np.bool_)
    dated = [_is_dated(chunk) for chunk in cells.chunks]
    if not any(dated) and 2 * bad.sum() <= len(bad):
        return _since_1970(cells, _joined([each for each, _ in numbers]), bad)
    iso = [_iso(cells, chunk) for chunk in cells.chunks]
    bad = _joined([each for _, each in iso], np.bool_)
    if not any(dated) and 2 * bad.sum() > len(bad):
        raise cells.refuse(
            bad,
            "times such as {} are neither numbers nor ISO 8601, others are not supported yet",
            'write them so, or give "none" for no times',
            "time_column",
        )
    expected = "expected a time since 1970" if any(dated) else "expected a time in ISO 8601"
    return Values(_joined([each for each, _ in iso], np.int64), bad, expected, unit="ISO 8601")


def _time_numbers(cells: Cells, chunk: Any) -> tuple[NDArray, NDArray[np.bool_]]:
    import pyarrow as pa

    if not _is_numeric(chunk):
        if not _is_text(chunk):
            return np.zeros(len(chunk)), np.ones(len(chunk), np.bool_)
        try:
            chunk = chunk.cast(pa.string()).cast(pa.int64())
        except pa.ArrowInvalid:
            return _parsed(cells, chunk, _to_number)
    return _filled(chunk, 0), _nulls(chunk)


def _since_1970(cells: Cells, values: NDArray, bad: NDArray[np.bool_]) -> Values:
    """Times of a column of numbers, the unit of which their median says."""
    with np.errstate(invalid="ignore"):
        if values.dtype.kind != "i" or values.min(initial=0) < 0:
            bad |= ~((values >= 0) & (values < MAX_TIME))
    step = max(1, len(values) // _LOOKED_AT)
    some = values[::step][~bad[::step]]
    usual = float(np.median(some)) if len(some) else 0.0
    unit, parts = next(((u, n) for least, u, n in UNITS if usual >= least), ("s", 1))
    with np.errstate(invalid="ignore"):  # seconds among parts of such, or the other way round
        bad |= (values >= 1e8) & (values < 4.3e9) if parts > 1 else values >= UNITS[-1][0]
    for low, high in ((18_000_101, 21_001_231), (25_569, 75_000)):
        if len(some) and ((some >= low) & (some <= high)).mean() > 0.9:
            return _days(values, bad, usual)
    if bad.any():
        values = np.where(bad, 0, values)
    seconds = values.astype(np.int64, copy=False)
    seconds = seconds // parts if parts > 1 else seconds
    return Values(seconds, bad, f"expected a time in {unit} since 1970", unit=unit)


def _days(values: NDArray, bad: NDArray[np.bool_], usual: float) -> Values:
    """Times of days written as 20010115, or counted since the end of 1899 as Excel does."""
    days = np.where(bad, 0, values).astype(np.int64)
    if usual > 75_000:
        months = (days // 10_000 - 1970) * 12 + days // 100 % 100 - 1
        bad = bad | ~np.isin(days // 100 % 100, range(1, 13)) | ~np.isin(days % 100, range(1, 32))
        days = months.astype("M8[M]").astype("M8[D]").astype(np.int64) + days % 100 - 1
        return Values(days * 86_400, bad | (days < 0), "expected a day as 20010115", unit="days")
    days = days - 25_569
    return Values(days * 86_400, bad | (days < 0), "expected a day as Excel counts", unit="days")


def _iso(cells: Cells, chunk: Any) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Seconds of dates and times; of text at once where pyarrow understands all, else each."""
    import pyarrow as pa

    if _is_numeric(chunk):
        return np.zeros(len(chunk), np.int64), np.ones(len(chunk), np.bool_)
    try:
        if not _is_dated(chunk):
            chunk = chunk.cast(pa.string())
            first = next((each.as_py() for each in chunk if each.is_valid), "")
            chunk = chunk.cast(pa.timestamp("us", "UTC" if _ZONED.search(first) else None))
        zone = getattr(chunk.type, "tz", None)
        micro = chunk.cast(pa.timestamp("us", zone), safe=False).cast(pa.int64())
    except pa.ArrowInvalid:
        return _parsed(cells, chunk, _iso_seconds)
    seconds = _filled(micro, -1) // 10**6
    return seconds, seconds < 0


def _iso_seconds(text: str) -> int:
    """Seconds since 1970 of a date and time in ISO 8601, in UTC where it has no zone."""
    text = text.strip().replace(" UTC", "Z").replace("Z", "+00:00")
    if day := _DAY.match(text):
        text = "-".join(part.zfill(2) for part in day.groups()) + text[day.end() :]
    time = datetime.fromisoformat(text)
    seconds = int((time if time.tzinfo else time.replace(tzinfo=timezone.utc)).timestamp())
    if seconds < 0:
        raise ValueError(text)
    return seconds


def texts(cells: Cells) -> list[Any]:
    """Cells as text, of any encoding; None for an empty one, lists of texts as they are."""
    found = [decoded(cell) for chunk in cells.chunks for cell in chunk.to_pylist()]
    return [cell if cell is None or isinstance(cell, list) else str(cell) for cell in found]


def _is_numeric(chunk: Any) -> bool:
    import pyarrow as pa

    return pa.types.is_integer(chunk.type) or pa.types.is_floating(chunk.type)


def _is_dated(chunk: Any) -> bool:
    import pyarrow as pa

    return pa.types.is_date(chunk.type) or pa.types.is_timestamp(chunk.type)


def _is_text(chunk: Any) -> bool:
    import pyarrow as pa

    kind = chunk.type.value_type if pa.types.is_dictionary(chunk.type) else chunk.type
    return str(kind).removeprefix("large_") in ("binary", "string")


def _as_text(chunk: Any) -> Any:
    """An array of numbers as text, one of text as it is."""
    import pyarrow as pa

    kind = chunk.type.value_type if pa.types.is_dictionary(chunk.type) else chunk.type
    return chunk if pa.types.is_binary(kind) else chunk.cast(pa.string())


def _nulls(chunk: Any) -> NDArray[np.bool_]:
    """(N,) which cells are empty."""
    if not chunk.null_count:
        return np.zeros(len(chunk), np.bool_)
    return chunk.is_null().to_numpy(zero_copy_only=False)


def _filled(chunk: Any, empty: float) -> NDArray:
    """(N,) an array's numbers, with one in place of empty cells."""
    chunk = chunk.fill_null(empty) if chunk.null_count else chunk
    return chunk.to_numpy(zero_copy_only=False)


def _joined(parts: Sequence[NDArray], kind: Any = None) -> NDArray:
    """Arrays one behind the other; of numbers of several kinds those that hold all."""
    if not parts:
        return np.zeros(0, kind or np.int64)
    return np.concatenate(parts, dtype=kind, casting="unsafe") if kind else np.concatenate(parts)


def _distinct(cells: Cells, chunks: Sequence[Any]) -> tuple[list[NDArray[np.int32]], list[str]]:
    """The places of each chunk's cells among their different ones, -1 for an empty one; and those.

    Raises:
        DataError: they are neither numbers nor text.
    """
    import pyarrow as pa

    encoded = []
    for chunk in chunks:
        try:
            if pa.types.is_dictionary(chunk.type) and pa.types.is_binary(chunk.type.value_type):
                encoded.append(chunk)
            else:
                encoded.append(_as_text(chunk).cast(pa.binary()).dictionary_encode())
        except pa.ArrowException as error:
            raise DataError(
                f"{cells.path}: {cells.name}: a column of {str(chunk.type)[:60]}, expected numbers "
                "or text", "name another", "file",
            ) from error  # fmt: skip
    whole = pa.chunked_array(encoded).unify_dictionaries()
    codes = [chunk.indices.fill_null(-1).to_numpy() for chunk in whole.chunks]
    return codes, [decoded(each) for each in whole.chunk(0).dictionary.to_pylist()]


def _parsed(
    cells: Cells, chunk: Any, parse: Callable[[str], float]
) -> tuple[NDArray, NDArray[np.bool_]]:
    """Text to numbers, different text by different text; bad ones are 0."""
    codes, texts = _distinct(cells, [chunk])
    values: list[float] = [0] * (len(texts) + 1)
    bad = np.zeros(len(texts) + 1, np.bool_)
    bad[-1] = True  # an empty cell
    for place, text in enumerate(texts):
        try:
            values[place] = parse(text)
        except (ValueError, OverflowError):
            bad[place] = True
    return np.array(values)[codes[0]], bad[codes[0]]

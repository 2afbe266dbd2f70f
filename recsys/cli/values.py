"""The kinds of values that options take."""

import math
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any, NoReturn

import click

from recsys.data.movielens import AGE_NAMES, AGES, GENDERS, JOBS
from recsys.errors import StoreError, quoted
from recsys.milvus.address import choose_index

LATEST_YEAR = 9999


def id_of(text: str) -> int | None:
    """The id a text is, None where it is none."""
    digits = text.strip()
    fits = digits.isascii() and digits.isdecimal() and len(digits) <= 19
    return int(digits) if fits and int(digits) < 2**63 else None


class _Value(click.ParamType):
    """A value whose refusal repeats what was found."""

    def refuse(self, value: Any, why: str, param: Any, context: Any) -> NoReturn:
        self.fail(f"{quoted(str(value))} {why}", param, context)


class _Listed(click.ParamType):
    """A value that may come several times; a variable of the environment has ";" between them."""

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        return [part.strip() for part in rv.split(";") if part.strip()]


class Text(_Listed):
    """A text."""

    name = "text"


class _Several(_Listed, _Value):
    """A value that becomes several, in a tuple; click hands a default on as it is."""

    def convert(self, value: Any, param: Any, context: Any) -> Any:
        return value if isinstance(value, tuple) else self.parse(str(value), param, context)

    def parse(self, value: str, param: Any, context: Any) -> tuple[Any, ...]:
        raise NotImplementedError


class Whole(click.IntRange):
    """A whole number in ASCII digits, within bounds."""

    def convert(self, value: Any, param: Any, context: Any) -> Any:
        text = str(value).strip()
        if not (text.isascii() and text.removeprefix("-").isdecimal()):
            self.fail(f"{quoted(str(value))} is not a whole number.", param, context)
        if len(text) > 18:
            self.fail(f"{quoted(str(value))} is too large.", param, context)
        return super().convert(int(text), param, context)


class Number(click.FloatRange):
    """A finite number within bounds."""

    def convert(self, value: Any, param: Any, context: Any) -> Any:
        try:
            finite = str(value).isascii() and math.isfinite(float(value))
        except ValueError:
            finite = False
        if not finite:
            self.fail(f"{quoted(str(value))} is not a number.", param, context)
        return super().convert(value, param, context)


class File(click.Path):
    """A path; an empty one is refused, as an unset variable of a shell leaves it."""

    def convert(self, value: Any, param: Any, context: Any) -> Any:
        if not str(value):
            self.fail("it is empty.", param, context)
        return super().convert(value, param, context)


class Gender(_Value):
    name = "F|M"

    def convert(self, value: Any, param: Any, context: Any) -> int:
        if isinstance(value, int):
            return value
        text = str(value).strip().casefold()
        for code, letter in enumerate(GENDERS):
            if text in (letter.casefold(), str(code), ("male", "female")[code]):
                return code
        self.refuse(value, "is not one of F, M (or 1, 0).", param, context)


class Age(_Value):
    """Years, or a bracket by name; the code of the bracket."""

    name = "years"

    def convert(self, value: Any, param: Any, context: Any) -> int:
        text = str(value).strip().casefold().replace("+", " and over")
        text = " ".join(text.split())
        if text in AGE_NAMES:
            return AGE_NAMES.index(text)
        years = id_of(text)
        if years is not None and AGES[0] <= years <= 120:
            return sum(years >= bound for bound in AGES) - 1
        known = ", ".join(AGE_NAMES)
        self.refuse(value, f"is neither years (1 to 120) nor one of {known}.", param, context)


class Job(_Value):
    """A code, a name, or the beginning of one part of a name that no other has."""

    name = "job"

    def convert(self, value: Any, param: Any, context: Any) -> int:
        text = str(value).strip().casefold()
        names = [name.casefold() for name in JOBS]
        if text in names:
            return names.index(text)
        code = id_of(text)
        if code is not None and code < len(JOBS):
            return code
        parts = [[name, *name.replace("/", " ").split()] for name in names]
        found = [code for code, each in enumerate(parts) if any(p.startswith(text) for p in each)]
        if text and len(found) == 1:
            return found[0]
        several = len(found) > 1 and bool(text)
        known = ", ".join(
            f"{code} {JOBS[code]}" for code in (found if several else range(len(JOBS)))
        )
        self.refuse(value, f"{'may be' if several else 'is not one of'} {known}.", param, context)


class Years(_Several):
    """A year or a span of years; both ends are included."""

    name = "year|from-to"

    def parse(self, value: str, param: Any, context: Any) -> tuple[int, int]:
        first, dash, last = value.partition("-")
        years = id_of(first), id_of(last if dash else first)
        if years[0] is None or years[1] is None or max(years[0], years[1]) > LATEST_YEAR:
            self.refuse(value, "is not a year or a span like 1990-1999.", param, context)
        if years[0] > years[1]:
            self.refuse(value, "ends before it begins.", param, context)
        return years[0], years[1]


class IndexName(_Value):
    """NAME or NAME:parameter=value,... of an index, checked before anything is done."""

    name = "name"

    def convert(self, value: Any, param: Any, context: Any) -> str:
        try:
            choose_index(str(value), 1)
        except StoreError as error:
            self.fail(str(error), param, context)
        return str(value)


class NameValue(_Several):
    """A name and a value."""

    name = "name=value"

    def parse(self, value: str, param: Any, context: Any) -> tuple[str, str]:
        name, equal, text = value.partition("=")
        if not name.strip() or not equal or not text.strip():
            self.refuse(value, "is not a name and a value such as city=Seoul.", param, context)
        return name.strip(), text.strip()


class ColumnKind(_Several):
    """A column's name and kind."""

    name = "name=kind"

    def parse(self, value: str, param: Any, context: Any) -> tuple[str, str]:
        name, _, kind = value.rpartition("=")
        kinds = ("category", "categories", "number", "text", "none")
        if not name or kind not in kinds:
            self.refuse(value, f"is not a column and one of {', '.join(kinds)}.", param, context)
        return name, kind


class Seeds(_Several):
    """Numbers such as 0,1,2 or 0-4, in a tuple."""

    name = "seeds"

    def parse(self, value: str, param: Any, context: Any) -> tuple[int, ...]:
        first, dash, last = value.partition("-")
        found = [id_of(part) for part in ([first, last] if dash else value.split(","))]
        numbers = [number for number in found if number is not None and number < 2**32]
        if len(numbers) < len(found) or (dash and not 0 <= numbers[1] - numbers[0] < 1000):
            self.refuse(value, "is not numbers such as 0,1,2 or 0-4.", param, context)
        return tuple(range(numbers[0], numbers[1] + 1)) if dash else tuple(numbers)


class Time(_Value):
    """A date or time as ISO 8601 has it, UTC where it names no zone, or seconds since 1970."""

    name = "time"

    def convert(self, value: Any, param: Any, context: Any) -> int:
        seconds = id_of(str(value))
        if seconds is not None:
            return seconds
        text = str(value).strip()
        try:
            time = datetime.fromisoformat(text.removesuffix("Z") + "+00:00" * text.endswith("Z"))
        except ValueError:
            why = "is neither a time such as 1998-04-01T12:00 nor seconds since 1970."
            self.refuse(value, why, param, context)
        return math.floor(time.replace(tzinfo=time.tzinfo or timezone.utc).timestamp())

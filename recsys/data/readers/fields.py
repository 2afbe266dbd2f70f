"""From the text of one field to a number or a code; BadLine says what was expected."""

from collections.abc import Sequence

from recsys.data.readers.problems import BadLine
from recsys.errors import quoted

MAX_ID = 2**31 - 1
MAX_TIME = 2**63 - 1


def shown(text: str) -> str:
    """A found text as an error shows it: quoted, escaped and not too long."""
    return quoted(text)


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


def one_of(text: str, known: Sequence[str], what: str) -> int:
    """The position of the field among the known ones."""
    if text.strip() not in known:
        raise BadLine(f"unknown {what} {shown(text)}, expected one of {', '.join(known)}")
    return known.index(text.strip())

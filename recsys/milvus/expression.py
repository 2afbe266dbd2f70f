"""A condition on movies as Milvus' expression.

Values are written here and nowhere else: no text can end its string, for quotes, backslashes and
ends of lines are escaped, and numbers are written as numbers.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from recsys.data.ids import Id
from recsys.serving.conditions import (
    COMPARE,
    And,
    Compare,
    Condition,
    Contains,
    Known,
    Length,
    Like,
    Not,
    OneOf,
    Or,
    Type,
)

UNKNOWN_NUMBER = -1e301  # what is stored where a number is not known; no number is as low
MAX_GENRE = 256  # UTF-8 bytes of a genre, or of one of several categories
MAX_GENRES = 256  # of a movie; of several categories too
NOWHERE, EVERYWHERE = (f"(is_new == true {how} is_new == false)" for how in ("and", "or"))
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t"})


def written(condition: Condition) -> str:
    """The expression that the same movies fit, "" where all do.

    >>> written(Contains("genres", ("War", 'a "b"'), False))
    'array_contains_any(genres, ["War", "a \\\\"b\\\\""])'
    """
    return "" if condition == And(()) else _written(condition)


def _written(condition: Condition) -> str:
    match condition:
        case And(parts):
            return _joined([_written(part) for part in parts], "and") or EVERYWHERE
        case Or(parts):
            return _joined([_written(part) for part in parts], "or") or NOWHERE
        case Not(part):
            return f"not ({_written(part)})"
        case Contains(column, values, every):
            if not values:
                return EVERYWHERE if every else NOWHERE
            stored = listed(cut(value, MAX_GENRE) for value in values)
            return f"array_contains_{'all' if every else 'any'}({column}, {stored})"
        case Length(column, compared, number):
            return _length(column, COMPARE[compared], number)
        case Like(column, pattern):
            return f"{column} like {quoted(pattern)}"
        case Known(column, type):
            return _known(column, type)
        case OneOf(column, type, values):
            some = ", ".join(_value(value, type) for value in values)
            return f"{column} in [{some}]" if values else NOWHERE
        case Compare(column, type, compared, value):
            return f"{column} {compared} {_value(value, type)}"
    raise TypeError(condition)


def _length(column: str, fits: Callable[[int, int], bool], number: int) -> str:
    """Lengths one by one, those that fit or the others: a server compares for equality only."""
    by_fit: dict[bool, list[str]] = {True: [], False: []}
    for length in range(MAX_GENRES + 1):
        by_fit[fits(length, number)].append(f"array_length({column}) == {length}")
    no = "not " if len(by_fit[False]) < len(by_fit[True]) else ""
    return f"{no}({_joined(by_fit[not no], 'or') or NOWHERE})"


def _joined(parts: Sequence[str], how: str) -> str:
    """The parts as halves of halves: a server takes expressions at most about 50 deep."""
    if len(parts) < 2:
        return "".join(parts)
    halves = parts[: len(parts) // 2], parts[len(parts) // 2 :]
    return f" {how} ".join(f"({_joined(each, how)})" for each in halves)


def _known(column: str, type: Type) -> str:
    tests = {
        "texts": f"array_length({column}) != 0",
        "text": f'{column} != ""',
        "number": f"{column} > {UNKNOWN_NUMBER!r}",
        "whole": f"{column} != 0",
    }
    return tests.get(type, EVERYWHERE)


def _value(value: Any, type: Type) -> str:
    if type == "text":
        return quoted(value)
    if type == "flag":
        return "true" if value else "false"
    return repr(float(value)) if type == "number" else str(int(value))


def listed(values: Iterable[Id]) -> str:
    """Texts, or whole numbers, as a list of an expression."""
    return f"[{', '.join(map(literal, values))}]"


def literal(value: Id) -> str:
    """A text or a whole number."""
    return quoted(value) if isinstance(value, str) else str(int(value))


def cut(text: str, size: int) -> str:
    """The text cut to at most `size` bytes of UTF-8, as Milvus counts."""
    return text.encode("utf-8", "replace")[:size].decode("utf-8", "ignore")


def quoted(text: str) -> str:
    """A text as a string of an expression."""
    return f'"{text.translate(_ESCAPED)}"'

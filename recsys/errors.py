"""Errors with a cause and a remedy apart; the command line words the remedy as its own options."""

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import fields
from numbers import Integral, Real
from typing import Any

QUOTED = 80  # characters of a found value that a message repeats at most
# What steers a terminal: controls, ends of lines, directions of writing; and bytes that are no text
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_CREDENTIALS = re.compile(
    r"""(\b[a-z][\w+.-]{0,20}:/+).*@|(?<![^\s'"(=,/])[^\s'"(=,/:]*:\S*@""", re.I | re.S
)


def escaped(text: str) -> str:
    """A found text for people to read: in one line, and nothing in it that steers a terminal.

    >>> print(escaped("Heat\\n\\x1b[31mred"))
    Heat\\n\\x1b[31mred
    """
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def without_credentials(text: str) -> str:
    """A text without users and passwords: what is before the last @ of anything like an address.

    >>> without_credentials("http://root:Milvus@localhost:19530")
    'http://localhost:19530'
    """
    return _CREDENTIALS.sub(r"\1", text) if "@" in text else text


def printable(text: str) -> str:
    """What a message says of found texts: in one line, without passwords."""
    return without_credentials(escaped(text))


def shortened(text: str, most: int = QUOTED) -> str:
    """A found text, and not all of a long one."""
    return text if len(text) <= most else text[: most - 3] + "..."


def quoted(text: str) -> str:
    """A found text as a message repeats it: in quotes, and not all of a long one.

    >>> quoted("x" * 5000)[-9:]
    "xxxxx...'"
    """
    return repr(shortened(without_credentials(text[:1000])))


def listed(texts: Sequence[str], most: int = 10) -> str:
    """The first texts, and how many more there are."""
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


class RecsysError(Exception):
    """Anything recsys refuses to do.

    Args:
        cause: what is wrong and where, in one line, or a line for each of several places.
        remedy: what to do about it, in words that hold for the library and the command line alike.
        fix: the parameter or action that the remedy is about, such as "uri", "model" or "publish";
            the command line turns it into an option or a command.

    Attributes:
        exit_code: of a command that ends with it: 2 for what was typed, 1 for everything else.

    >>> str(RecsysError("movies.dat:3: no title", "correct the line"))
    'movies.dat:3: no title; correct the line'
    """

    exit_code = 1

    def __init__(self, cause: str | Sequence[str], remedy: str = "", fix: str = "") -> None:
        self.cause = "\n".join(map(printable, [cause] if isinstance(cause, str) else cause))
        self.remedy, self.fix = printable(remedy), fix
        super().__init__("; ".join(filter(None, [self.cause, self.remedy])))


class DataError(RecsysError):
    """Ratings, users or movies that cannot be read or do not fit together."""


class QueryError(DataError):
    """What is asked for or named is not there, or cannot be: a user, column, device or option."""

    exit_code = 2


def check_choice(what: str, given: Any, known: Sequence[Any]) -> None:
    """Raises a QueryError unless what is given is one of the known."""
    if not isinstance(given, Hashable) or given not in known:
        cause = f"{what}: there is no {quoted(str(given))}"
        raise QueryError(cause, f"choose from {', '.join(map(str, known))}", what)


def described(into: type) -> str:
    """What a docstring says of a dataclass's fields, whose metadata has "help"."""
    lines = [f"        {each.name}: {each.metadata['help']}" for each in fields(into)]
    return "\n".join(["    Args:", *lines, ""])


_KINDS = {int: (Integral, "a whole number"), float: (Real, "a number"), str: (str, "a text")}
_BOUNDS = {"min": " from {}", "max": " to {}", "choices": " of {}"}  # in a field's metadata


def wrong(name: str, value: Any, words: str) -> QueryError:
    """The error for a value that is not what the words say."""
    return QueryError(f"{name} {quoted(str(value))}: expected {words}", "give such a value", name)


def check_types(**given: tuple[Any, Any]) -> None:
    """Refuse what is not of a type: by name a value, and the type or union that it should be of."""
    for name, (value, kind) in given.items():
        if not isinstance(value, kind):
            raise wrong(name, value, getattr(kind, "__name__", str(kind)))


def listed_values(name: str, given: Any, words: str) -> list[Any]:
    """What is given as a list, an array, a generator or another collection; text is refused."""
    values = given.tolist() if hasattr(given, "tolist") else given  # of NumPy, pandas or Arrow
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise wrong(name, given, words)
    return list(values)


def checked(
    name: str, value: Any, into: type, refuse: type[RecsysError] = QueryError, **about: Any
) -> Any:
    """A value as int, float or str; refused if it is none within `min`, `max` and `choices`.

    Args:
        about: of these bounds some; and what the error says was expected, as `words`.
    """
    kind, words = _KINDS[into]
    fits = isinstance(value, kind) and not isinstance(value, bool)
    if fits and kind is not str:
        fits = about.get("min", -1e308) <= value <= about.get("max", 1e308)
    if not fits or value not in about.get("choices", [value]):
        words += "".join(text.format(about[n]) for n, text in _BOUNDS.items() if n in about)
        words = about.get("words", words)
        hidden = kind is str and not isinstance(value, str)  # it may be a password
        shown = type(value).__name__ if hidden else quoted(str(value))
        raise refuse(f"{name} {shown}: expected {words}", "give such a value", name)
    return into(value)


def check_fields(given: Any, refuse: type[RecsysError] = QueryError) -> None:
    """Refuse a dataclass with a value of another type than its default, or out of its bounds."""
    for each in fields(given):
        about = {name: bound for name, bound in each.metadata.items() if bound is not None}
        value = checked(each.name, getattr(given, each.name), type(each.default), refuse, **about)
        object.__setattr__(given, each.name, value)


class ModelError(RecsysError):
    """A model folder that is missing, damaged or does not fit, or a training that failed."""


class StoreError(RecsysError):
    """Milvus is unreachable, refuses, or holds something other than what is asked for."""


class AddressError(StoreError):
    """An address or an index that no Milvus could have."""

    exit_code = 2

"""Errors with a cause and a remedy apart; the command line words the remedy as its own options."""

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import fields
from numbers import Integral, Real
from typing import Any

QUOTED = 80  # characters of a found value that a message repeats at most
# What steers a terminal: controls, ends of lines, directions of writing; and bytes that are no text
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_KINDS = {int: (Integral, "a whole number"), float: (Real, "a number"), str: (str, "a text")}
_CREDENTIALS = re.compile(
    r"""(\b[a-z][\w+.-]{0,20}:/+).*@|(?<![^\s'"(=,/])[^\s'"(=,/:]*:\S*@""", re.I | re.S
)


def escaped(text: str) -> str:
    """A found text for people to read: in one line, and nothing in it that steers a terminal."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def without_credentials(text: str) -> str:
    """A text without users and passwords: what is before the last @ of anything like an address."""
    return _CREDENTIALS.sub(r"\1", text) if "@" in text else text


def printable(text: str) -> str:
    """What a message says of found texts: in one line, without passwords."""
    return without_credentials(escaped(text))


def shortened(text: str, most: int = QUOTED) -> str:
    """A found text, and not all of a long one."""
    return text if len(text) <= most else text[: most - 3] + "..."


def quoted(text: str) -> str:
    """A found text as a message repeats it: in quotes, and not all of a long one."""
    return repr(shortened(without_credentials(text[:1000])))


def listed(texts: Sequence[str], most: int = 10) -> str:
    """The first texts, and how many more there are."""
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


class RecsysError(Exception):
    """The base of all errors of recsys.

    Args:
        cause: what is wrong and where, in one line or several.
        remedy: what to do about it, for the library and the command line alike.
        fix: the parameter or action of the remedy, such as "uri", "model" or "publish"; the command
            line turns it into an option or a command.

    Attributes:
        exit_code: of a command that ends with it: 2 for mistakes on the command line, else 1.

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


def described(into: type) -> str:
    """What a docstring says of a dataclass's fields, whose metadata has "help"."""
    lines = [f"        {each.name}: {each.metadata['help']}" for each in fields(into)]
    return "\n".join(["    Args:", *lines, ""])


def wrong(name: str, value: Any, words: str, refuse: type[RecsysError] = QueryError) -> RecsysError:
    """The error for a value that is not what the words say."""
    return refuse(f"{name} {quoted(str(value))}: expected {words}", "give such a value", name)


def check_choice(
    what: str, given: Any, known: Sequence[Any], refuse: type[RecsysError] = QueryError
) -> None:
    """Refuse what is not one of the known."""
    if not isinstance(given, Hashable) or given not in known:
        cause = f"{what}: there is no {quoted(str(given))}"
        raise refuse(cause, f"choose from {', '.join(map(str, known))}", what)


def check_types(**given: tuple[Any, Any]) -> None:
    """Refuse what is not of a type: by name a value, and the type or union that it should be of."""
    for name, (value, kind) in given.items():
        if not isinstance(value, kind):
            raise wrong(name, value, getattr(kind, "__name__", str(kind)))


def listed_values(name: str, given: Any, words: str) -> list[Any]:
    """What is given as a list, an array, a generator or another collection; text is refused."""
    if type(given) in (list, tuple):  # soonest
        return list(given)
    values = given.tolist() if hasattr(given, "tolist") else given  # of NumPy, pandas or Arrow
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise wrong(name, given, words)
    return list(values)


def checked(
    name: str, value: Any, into: type, refuse: type[RecsysError] = QueryError, **about: Any
) -> Any:
    """A value as int, float or str, from `min` to `max`; else refused as not what `words` say."""
    kind, words = _KINDS[into]
    low, high = about.get("min"), about.get("max")
    fits = isinstance(value, kind) and not isinstance(value, bool)
    if fits and into is not str:
        fits = (-1e308 if low is None else low) <= value <= (1e308 if high is None else high)
    if not fits:
        words += f" from {low}" * (low is not None) + f" to {high}" * (high is not None)
        shown = type(value).__name__ if into is str else value  # it may be a password
        raise wrong(name, shown, about.get("words", words), refuse)
    return into(value)


def check_fields(given: Any, refuse: type[RecsysError] = QueryError) -> None:
    """Refuse a dataclass with a value of another type than its default, or out of its bounds."""
    for each in fields(given):
        name, about = each.name, each.metadata
        value = checked(name, getattr(given, name), type(each.default), refuse, **about)
        if "choices" in about:
            check_choice(name, value, about["choices"], refuse)
        object.__setattr__(given, name, value)


class ModelError(RecsysError):
    """A model folder that is missing, damaged or does not fit, or a training that failed."""


class StoreError(RecsysError):
    """Milvus is unreachable, refuses, or holds something other than what is asked for."""


class AddressError(StoreError):
    """An address or an index that no Milvus could have."""

    exit_code = 2

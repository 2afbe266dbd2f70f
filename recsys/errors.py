"""Errors with a cause and a remedy apart; the command line words the remedy as its own options."""

from collections.abc import Sequence

QUOTED = 80  # characters of a found value that a message repeats at most


def shortened(text: str, most: int = QUOTED) -> str:
    """A found text, and not all of a long one."""
    return text if len(text) <= most else text[: most - 3] + "..."


def quoted(text: str) -> str:
    """A found text as a message repeats it: in quotes, and not all of a long one.

    >>> quoted("x" * 5000)[-9:]
    "xxxxx...'"
    """
    return repr(shortened(text))


def listed(texts: Sequence[str], most: int = 10) -> str:
    """The first texts, and how many more there are."""
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


class RecsysError(Exception):
    """Anything recsys refuses to do.

    Args:
        cause: what is wrong and where, in one line (or a line for each of several places).
        remedy: what to do about it, in words that hold for the library and the command line alike.
        fix: the parameter or action that the remedy is about, such as "uri", "model" or "publish";
            the command line turns it into an option or a command.

    Attributes:
        exit_code: of a command that ends with it: 2 for what was typed, 1 for everything else.

    >>> str(RecsysError("movies.dat:3: no title", "correct the line"))
    'movies.dat:3: no title; correct the line'
    """

    exit_code = 1

    def __init__(self, cause: str, remedy: str = "", fix: str = "") -> None:
        super().__init__(f"{cause}; {remedy}" if remedy else cause)
        self.cause, self.remedy, self.fix = cause, remedy, fix


class DataError(RecsysError):
    """Ratings, users or movies that cannot be read or do not fit together."""


class QueryError(DataError):
    """What is asked for or named is not there: a user, movie, column, baseline or device."""

    exit_code = 2


class ModelError(RecsysError):
    """A model folder that is missing, damaged or does not fit, or a training that failed."""


class StoreError(RecsysError):
    """Milvus is unreachable, refuses, or holds something other than what is asked for."""


class AddressError(StoreError):
    """An address or an index that no Milvus could have."""

    exit_code = 2

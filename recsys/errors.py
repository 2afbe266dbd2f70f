"""Errors with a cause and a remedy apart; the command line words the remedy as its own options."""


class RecsysError(Exception):
    """Anything recsys refuses to do.

    Args:
        cause: what is wrong and where, in one line (or a line for each of several places).
        remedy: what to do about it, in words that hold for the library and the command line alike.
        fix: the parameter or action that the remedy is about, such as "uri", "model" or "publish";
            the command line turns it into an option or a command.

    >>> str(RecsysError("movies.dat:3: no title", "correct the line"))
    'movies.dat:3: no title; correct the line'
    """

    def __init__(self, cause: str, remedy: str = "", fix: str = "") -> None:
        super().__init__(f"{cause}; {remedy}" if remedy else cause)
        self.cause, self.remedy, self.fix = cause, remedy, fix


class DataError(RecsysError):
    """Ratings, users or movies that cannot be read or do not fit together."""


class ModelError(RecsysError):
    """A model folder that is missing, damaged or does not fit, or a training that failed."""


class StoreError(RecsysError):
    """Milvus is unreachable, refuses, or holds something other than what is asked for."""

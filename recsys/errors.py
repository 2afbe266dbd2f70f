"""The errors a reader of a CI log sees: one line saying what, where and what to do."""


class RecsysError(Exception):
    """Anything recsys refuses to do; the message is one line and ends with the remedy."""


class DataError(RecsysError):
    """Ratings, users or movies that cannot be read or do not fit together."""


class ModelError(RecsysError):
    """A model folder that is missing, damaged or does not fit, or a training that failed."""


class StoreError(RecsysError):
    """Milvus is unreachable, refuses, or holds something other than what is asked for."""

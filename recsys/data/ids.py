"""The one look-up from ids to their places."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def positions(ids: NDArray[np.integer], wanted: ArrayLike) -> NDArray[np.intp]:
    """The places of `wanted` in the ascending, unique `ids`; -1 where an id is missing.

    >>> positions(np.array([2, 4, 6]), [6, 5, 2]).tolist()
    [2, -1, 0]
    """
    sought = np.asarray(wanted)
    if not len(ids):
        return np.full(sought.shape, -1, np.intp)
    places = np.minimum(np.searchsorted(ids, sought), len(ids) - 1)
    return np.where(ids[places] == sought, places, -1)

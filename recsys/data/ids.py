"""Raw ids to places: the one look-up."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def positions(ids: NDArray, wanted: NDArray | Sequence) -> NDArray[np.intp]:
    """Where each of `wanted` stands in unique `ids`, -1 where it does not.

    >>> positions(np.array([3, 7, 9]), [7, 4]).tolist()
    [1, -1]
    """
    sought = np.asarray(wanted)
    if not len(ids) or not sought.size:
        return np.full(sought.shape, -1, np.intp)
    order = None if (ids[1:] > ids[:-1]).all() else np.argsort(ids)
    places = np.minimum(np.searchsorted(ids, sought, sorter=order), len(ids) - 1)
    places = places if order is None else order[places]
    return np.where(ids[places] == sought, places, -1)

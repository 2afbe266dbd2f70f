"""Raw ids to positions: the one look-up that everything else uses."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def positions(ids: NDArray, wanted: ArrayLike) -> NDArray[np.intp]:
    """Where each wanted id stands in `ids`, -1 where it does not.

    Args:
        ids: (N,) whole numbers or strings, unique; fastest where they ascend.
        wanted: (...) of the same kind, in any order and number.

    >>> positions(np.array([2, 5, 9]), [9, 2, 3, 9]).tolist()
    [2, 0, -1, 2]
    """
    wanted = np.asarray(wanted)
    if not len(ids) or not wanted.size:
        return np.full(wanted.shape, -1, np.intp)
    order = None if (ids[1:] > ids[:-1]).all() else np.argsort(ids)
    place = np.minimum(np.searchsorted(ids, wanted, sorter=order), len(ids) - 1)
    place = place if order is None else order[place]
    return np.where(ids[place] == wanted, place, -1)


def unique(ids: NDArray[np.integer]) -> NDArray[np.integer]:
    """The different ids in ascending order, counted rather than sorted where they are dense.

    Args:
        ids: (N,) whole numbers from 0 on.

    >>> unique(np.array([7, 2, 7])).tolist()
    [2, 7]
    """
    if not len(ids) or ids.max() > 4 * len(ids):
        return np.unique(ids)
    seen = np.zeros(int(ids.max()) + 1, np.bool_)
    seen[ids] = True
    return np.flatnonzero(seen).astype(ids.dtype)

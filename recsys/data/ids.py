"""Raw ids, whole numbers or text, and their positions: the one look-up that all else uses.

Ids of a kind are an array of int64, or of Python's str (dtype object, so that none is cut).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from recsys.data.schema import Attribute

Id = int | str
MAX_ID = 2**63 - 1
MAX_CODE = 2**31 - 1  # ids are taken as codes up to here
PADDING = -1  # behind the last row of a list, unlike row 0, an unknown value
MAX_TEXT = 512  # bytes of UTF-8 of an id that is text
_DIGITS, _LONGEST = re.compile("[0-9]+"), 20  # digits of numbers that are compared as such


def id_array(ids: Iterable[Id], text: bool | None = None) -> NDArray:
    """(N,) ids of one kind, which the first says unless it is given.

    >>> id_array(["b", "a"]).dtype, id_array([3]).dtype
    (dtype('O'), dtype('int64'))
    """
    if isinstance(ids, np.ndarray) and ids.dtype == np.int64 and not text:
        return ids
    listed = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
    text = bool(listed) and isinstance(listed[0], str) if text is None else text
    return np.array(listed, object if text else np.int64)


def in_order(ids: NDArray) -> NDArray:
    """The different ids in ascending order, of text by the numbers in it: m9 before m10.

    >>> in_order(id_array(["m10", "m9", "m9"])).tolist()
    ['m9', 'm10']
    """
    if not is_text(ids):
        return np.unique(ids)
    number = partial(_DIGITS.sub, lambda digits: digits[0].zfill(_LONGEST))
    return id_array(sorted({*ids.tolist()}, key=lambda text: (number(text), text)), text=True)


def raw_ids(codes: NDArray[np.integer], names: NDArray | None) -> NDArray:
    """The ids that codes stand for."""
    return codes.astype(np.int64) if names is None else names[codes]


def as_text(ids: NDArray) -> NDArray:
    """Ids as text, whatever they are."""
    return ids if is_text(ids) else id_array(map(str, ids.tolist()), text=True)


def is_text(ids: NDArray) -> bool:
    """Whether ids are text."""
    return ids.dtype.kind in "OU"


class Index:
    """(N,) ids, unique whole numbers or strings, and where they stand."""

    def __init__(self, ids: NDArray) -> None:
        self.ids, self.text = ids, is_text(ids)
        self._places = {each: n for n, each in enumerate(ids.tolist() if self.text else ())}
        ascend = self.text or (ids[1:] > ids[:-1]).all()
        self._order = None if ascend else np.argsort(ids)

    def of(self, wanted: ArrayLike) -> NDArray[np.intp]:
        """See `positions`."""
        wanted = np.asarray(wanted)
        if not len(self.ids) or not wanted.size or self.text != is_text(wanted):
            return np.full(wanted.shape, -1, np.intp)
        if self.text:
            found = [self._places.get(each, -1) for each in wanted.ravel().tolist()]
            return np.array(found, np.intp).reshape(wanted.shape)
        near = self.ids.searchsorted(wanted, sorter=self._order)  # their number if behind all
        if self._order is not None:
            near = self._order.take(near, mode="clip")
        return np.where(self.ids.take(near, mode="clip") == wanted, near, -1)


def positions(ids: NDArray, wanted: ArrayLike) -> NDArray[np.intp]:
    """Where each wanted id stands in `ids`, -1 where it does not.

    Args:
        ids: (N,) whole numbers or strings, unique; where they are the same ones again and again
            an `Index` of them is sooner.
        wanted: (...) in any order and number; one of the other kind is not there.

    >>> positions(np.array([2, 5, 9]), [9, 2, 3, 9]).tolist()
    [2, 0, -1, 2]
    """
    return Index(ids).of(wanted)


def unique(ids: NDArray[np.integer]) -> tuple[NDArray[np.integer], NDArray[np.int64]]:
    """The different ids, from 0 on, ascending, and how often each comes; sparse ones are sorted."""
    if not len(ids) or ids.max() > 4 * len(ids):
        return np.unique(ids, return_counts=True)
    counts = np.zeros(int(ids.max()) + 1, np.int64)
    step = max(len(counts), 1 << 18)  # bincount copies what it counts
    for start in range(0, len(ids), step):
        counts += np.bincount(ids[start : start + step], minlength=len(counts))
    different = np.flatnonzero(counts)
    return different.astype(ids.dtype), counts[different]


def parts(
    attributes: Sequence["Attribute"], rows: NDArray
) -> Iterator[tuple["Attribute", NDArray]]:
    """Each attribute with its (B, width) of users' (B, W) rows side by side."""
    start = 0
    for each in attributes:
        yield each, rows[:, start : start + each.width]
        start += each.width

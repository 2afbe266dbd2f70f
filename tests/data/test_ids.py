"""Ids to positions."""

import numpy as np
import pytest

from recsys.data.ids import positions


@pytest.mark.parametrize(
    ("ids", "wanted", "found"),
    [
        ([2, 5, 9], [9, 2, 3, 9, 1, 10], [2, 0, -1, 2, -1, -1]),
        (["a", "bb", "c"], ["c", "b", "bb", ""], [2, -1, 1, -1]),
        ([9, 2, 5], [5, 9, 3], [2, 0, -1]),  # in any order
        ([], [1, 2], [-1, -1]),
        ([1, 2], [], []),
        ([7], [[7, 8], [6, 7]], [[0, -1], [-1, 0]]),
    ],
)
def test_positions(ids, wanted, found):
    places = positions(np.array(ids), wanted)
    assert places.tolist() == found
    assert places.dtype == np.intp


def test_integers_of_different_sizes():
    ids = np.array([1, 2**31, 2**40])
    assert positions(ids, np.array([1, 5], np.int32)).tolist() == [0, -1]
    assert positions(np.array([1, 5], np.int8), ids).tolist() == [0, -1, -1]

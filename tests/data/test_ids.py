"""Ids to positions."""

import numpy as np
import pytest

from recsys.data.ids import id_array, in_order, positions


@pytest.mark.parametrize(
    ("ids", "wanted", "found"),
    [
        ([2, 5, 9], [9, 2, 3, 9, 1, 10], [2, 0, -1, 2, -1, -1]),
        (["a", "bb", "c"], ["c", "b", "bb", ""], [2, -1, 1, -1]),
        ([9, 2, 5], [5, 9, 3], [2, 0, -1]),  # in any order
        *(([], [1, 2], [-1, -1]), ([1, 2], [], []), (["7"], [7], [-1])),
        ([7], [[7, 8], [6, 7]], [[0, -1], [-1, 0]]),
        ([1, 2**31, 2**40], np.array([1, 5], np.int32), [0, -1]),
        (np.array([1, 5], np.int8), [1, 2**31, 2**40], [0, -1, -1]),
    ],
)
def test_positions(ids, wanted, found):
    places = positions(np.array(ids), wanted)
    assert (places.tolist(), places.dtype) == (found, np.intp)


def test_ids_are_in_the_order_of_the_numbers_in_them():
    for ids, wanted in (
        (["m10", "m9", "M1", "m9"], ["M1", "m9", "m10"]),
        (["10", "9", "a", ""], ["", "9", "10", "a"]),
        (["a1b2", "a1b10", "a1", "a01"], ["a01", "a1", "a1b2", "a1b10"]),
        ([10, 9, 9], [9, 10]),
    ):
        assert in_order(id_array(ids)).tolist() == wanted

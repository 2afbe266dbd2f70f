"""Compressed rows, computed by hand."""

import numpy as np
import pytest

from recsys.data.history import History

#           row 1: movies 2 (4.0), 5 (3.0)    row 2: none    row 3: movies 1 (5.0), 2 (1.0), 9 (2.5)
HISTORY = History.build(
    3, [3, 1, 3, 1, 3], [9, 5, 1, 2, 2], [2.5, 3, 5, 4, 1], [90, 50, 10, 20, 21]
)


def test_rows_are_sorted_by_user_and_then_by_movie():
    assert HISTORY.offsets.tolist() == [0, 0, 2, 2, 5]
    assert HISTORY.movie_rows.tolist() == [2, 5, 1, 2, 9]
    assert HISTORY.ratings.tolist() == [4, 3, 5, 1, 2.5]
    assert HISTORY.times.tolist() == [20, 50, 10, 21, 90]
    assert [column.dtype for column in HISTORY] == [np.int64, np.int32, np.float32, np.int64]
    assert HISTORY.users == 3
    assert HISTORY.counts.tolist() == [0, 2, 0, 3]


def test_one_user():
    rows, ratings, times = HISTORY.of(3)
    assert (rows.tolist(), ratings.tolist(), times.tolist()) == (
        [1, 2, 9],
        [5, 1, 2.5],
        [10, 21, 90],
    )
    assert np.shares_memory(rows, HISTORY.movie_rows)
    assert [len(column) for column in HISTORY.of(0)] == [0, 0, 0]


def test_entries_of_several_users_in_the_order_asked():
    entries, owners = HISTORY.entries(np.array([3, 2, 0, 1, 3]))
    assert entries.tolist() == [2, 3, 4, 0, 1, 2, 3, 4]
    assert owners.tolist() == [0, 0, 0, 3, 3, 4, 4, 4]
    entries, owners = HISTORY.entries(np.array([], np.int64))
    assert entries.tolist() == owners.tolist() == []


def test_dense_ratings_of_all_movies_or_of_some():
    users = np.array([1, 0, 3])
    every = HISTORY.dense(users, 10)
    assert every.shape == (3, 10)
    assert every[0].tolist() == [0, 0, 4, 0, 0, 3, 0, 0, 0, 0]
    assert every[2].tolist() == [0, 5, 1, 0, 0, 0, 0, 0, 0, 2.5]
    assert not every[1].any()
    some = HISTORY.dense(users, np.array([2, 3, 9]))
    assert some.tolist() == [[4, 0, 0], [0, 0, 0], [1, 0, 2.5]]
    assert some.dtype == np.float32
    assert HISTORY.dense(users, 3).tolist() == every[:, :3].tolist()


def test_blocks_cover_every_user_once():
    assert [block.tolist() for block in HISTORY.blocks(2)] == [[1, 2], [3]]
    assert [block.tolist() for block in HISTORY.blocks(9)] == [[1, 2, 3]]


def test_without_ratings_or_times():
    empty = History.build(2, [], [], [])
    assert empty.offsets.tolist() == [0, 0, 0, 0]
    assert empty.dense(np.array([1, 2]), np.array([1, 4])).tolist() == [[0, 0], [0, 0]]
    assert History.build(1, [1], [1], [5]).times.tolist() == [0]


@pytest.mark.parametrize("density", [1, 10**9])
def test_sums_are_those_of_a_dense_product(monkeypatch, density):
    """Both ways: gathered row by row, and in dense blocks."""
    monkeypatch.setattr("recsys.data.history.DENSE", density)
    monkeypatch.setattr("recsys.data.history.BLOCK", 2)
    monkeypatch.setattr("recsys.data.history.GATHERED", 4)
    table = np.random.default_rng(0).standard_normal((10, 3)).astype(np.float32)
    dense = HISTORY.dense(np.arange(4), 10)
    np.testing.assert_allclose(HISTORY.sums(table), (dense > 0) @ table, atol=1e-6)
    np.testing.assert_allclose(HISTORY.sums(table, HISTORY.ratings), dense @ table, atol=1e-5)


def test_take_copies_rows_in_the_order_asked():
    taken = HISTORY.take(np.array([3, 0, 1, 3]))
    assert taken.offsets.tolist() == [0, 3, 3, 5, 8]
    assert taken.movie_rows.tolist() == [1, 2, 9, 2, 5, 1, 2, 9]
    assert taken.times.tolist() == [10, 21, 90, 20, 50, 10, 21, 90]


def test_part_is_some_rows_as_views():
    part = HISTORY.part(2, 4)
    assert (part.offsets.tolist(), part.ratings.tolist()) == ([0, 0, 3], [5, 1, 2.5])
    assert np.shares_memory(part.ratings, HISTORY.ratings)


def test_keep_leaves_the_rows_and_some_entries():
    kept = HISTORY.keep(HISTORY.ratings >= 3)
    assert kept.offsets.tolist() == [0, 0, 2, 2, 3]
    assert kept.movie_rows.tolist() == [2, 5, 1]
    assert kept.owners.tolist() == [1, 1, 3]


def test_transposed_is_who_rated_each_movie():
    raters, order = HISTORY.transposed(10)
    assert raters.of(2)[0].tolist() == [1, 3]
    assert raters.of(2)[1].tolist() == [4, 1]
    assert raters.counts.tolist() == [0, 1, 2, 0, 0, 1, 0, 0, 0, 1]
    assert HISTORY.movie_rows[order].tolist() == raters.owners.tolist()

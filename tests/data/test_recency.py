"""How much a rating of a history counts, by hand and by the definition."""

import numpy as np

from recsys.data.recency import Recency, first_times, later


def test_later_ratings_of_the_same_user_are_counted_and_equal_times_alike():
    owners = np.array([1, 1, 1, 1, 3])
    times = np.array([20, 10, 20, 30, 5])
    assert later(owners, times).tolist() == [1, 3, 1, 0, 0]
    assert later(owners, times, inclusive=True).tolist() == [3, 4, 3, 1, 1]
    assert later(owners[:0], times[:0]).tolist() == []


def test_the_latest_rating_weighs_1_and_the_oldest_the_floor():
    weights = Recency(0.1, 10).weights(np.array([0, 10, 10_000]))
    np.testing.assert_allclose(weights, [1, 0.1 + 0.9 / np.e, 0.1], rtol=1e-6)
    assert weights.dtype == np.float32


def test_with_floor_1_all_ratings_count_alike():
    assert (Recency(1.0, 3.0).by_user(np.zeros(9, int), np.arange(9)) == 1).all()


def test_recency_is_by_user_and_knows_nothing_without_times():
    owners = np.array([0, 0, 2, 2])
    found = Recency(0.0, 1.0).by_user(owners, np.array([7, 8, 9, 9]))
    np.testing.assert_allclose(found, [np.exp(-1), 1, 1, 1], rtol=1e-6)


def test_a_movie_is_first_rated_at_its_earliest_time_and_one_without_ratings_at_the_latest():
    assert first_times(np.array([1, 3, 1]), np.array([7, 9, 5]), 4).tolist() == [9, 5, 9, 9]
    assert first_times(np.zeros(0, int), np.zeros(0, int), 3).tolist() == [0, 0, 0]

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.data.schema import padded
from recsys.errors import ModelError
from recsys.metrics import PerUser, difference, interval, largest, overlap, rating_metrics, top_k


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 2000), st.integers(1, 9))
def test_the_largest_are_those_at_the_end_of_a_sort_the_least_first(seed, width, k):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 2 * width, (3, width)).astype(np.float32)
    scores[rng.random(scores.shape) < rng.choice([0, 0.3, 0.99])] = -np.inf
    found = largest(scores, k)
    expected = np.sort(np.pad(scores, ((0, 0), (k, 0)), constant_values=-np.inf), 1)[:, -k:]
    np.testing.assert_array_equal(np.sort(found, 1), expected)
    np.testing.assert_array_equal(found[:, 0], expected[:, 0])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12) | st.integers(30, 90), st.integers(1, 15))
def test_top_k_is_a_stable_sort(seed, width, k):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, (3, width)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.3] = -np.inf
    for row, columns in zip(scores, top_k(scores, k), strict=True):
        order = [c for c in np.argsort(-row, kind="stable") if row[c] > -np.inf][:k]
        assert columns.tolist() == order + [-1] * (k - len(order))


def test_rmse_and_mae_by_hand():
    metrics = rating_metrics(
        np.array([5, 5, 2]), np.array([4.0, 1.0, 3.0]), np.array([4.0, 3.0, 2.0])
    )
    assert metrics["rmse"].value == pytest.approx((5 / 3) ** 0.5)
    assert metrics["mae"].value == 1
    assert metrics["rmse"].weights.tolist() == [1, 2]  # by user, in the order of their ids
    with pytest.raises(ModelError, match="not finite"):
        rating_metrics(np.array([1]), np.array([3.0]), np.array([np.inf]))


def test_overlap_counts_common_movies_whatever_their_order():
    exact = padded([[1, 2, 3, 4], [5], []])
    other = padded([[4, 3, 9, 8], [5, 6], [7]])
    metric = overlap(exact, other)
    assert metric.totals.tolist() == [2, 1, 0]
    assert metric.weights.tolist() == [4, 1, 0]
    assert overlap(exact, exact).value == 1


def test_the_interval_covers_the_normal_one_and_is_seeded_and_of_a_root_is_that_of_the_root():
    values = np.random.default_rng(1).normal(3, 2, 2000)
    metric = PerUser(values, np.ones(2000))
    value, low, high = interval(metric, seed=5)
    assert value == pytest.approx(values.mean())
    half = 1.96 * values.std() / 2000**0.5
    assert low == pytest.approx(value - half, abs=half * 0.15)
    assert high == pytest.approx(value + half, abs=half * 0.15)
    assert interval(metric, seed=5) == (value, low, high)
    assert interval(metric, seed=6) != (value, low, high)
    root = PerUser(np.array([4.0, 4.0]), np.array([1.0, 1.0]), root=True)
    assert interval(root, seed=0) == (2, 2, 2)


def test_a_paired_difference_is_sharper_than_two_intervals():
    rng = np.random.default_rng(2)
    hard = rng.normal(0, 1, 500)
    ours = PerUser(hard + 0.05 + rng.normal(0, 0.01, 500), np.ones(500))
    theirs = PerUser(hard, np.ones(500))
    paired = difference(ours, theirs, seed=0)
    assert paired.value == pytest.approx(ours.value - theirs.value)
    assert 0.04 < paired.low < paired.high < 0.06
    assert interval(ours, seed=0).low < interval(theirs, seed=0).high

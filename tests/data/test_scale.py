"""Scales: what is liked, and ratings inward and outward."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.data import scale as module
from recsys.data.scale import FIVE_STARS, LIKED, Scale, are_events, counted, scale_of
from recsys.errors import QueryError


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([1, 2, 3, 4, 5], (0.5, 5, 4)),
        ([1.25, 3.7, 4.9], (0.5, 5, 4)),
        (range(1, 11), (1, 10, 8)),
        (range(0, 101, 5), (0, 100, 75)),
        ([0, 1], (0, 1, 1)),
        ([-1, 0, 1], (-1, 1, 1)),
        ([0] * 5 + [1, 2, 3, 4, 5], (0, 5, 4)),
        ([1] * 60 + [2] * 30 + [3] * 9 + [5000], (1, 5000, 2)),  # plays
    ],
)
def test_scales_and_what_is_liked(values, wanted):
    scale = scale_of(*counted(np.array(values, np.float32)))
    assert (scale.low, scale.high, scale.liked) == wanted


def test_what_says_nothing_but_that_there_was_an_event_is_no_scale():
    for events, several in ((True, ([1], [7] * 3)), (False, ([], [4] * 9, [7], [1, np.nan, 2]))):
        for values in several:
            assert are_events(*counted(np.array(values, np.float32))) == events


def test_movielens_stays_as_it_is():
    values = np.arange(0.5, 5.5, 0.5, np.float32)
    scale = scale_of(*counted(values))
    assert scale is FIVE_STARS
    assert scale.inward(values).tobytes() == scale.outward(values).tobytes() == values.tobytes()


@given(
    st.lists(st.integers(-50, 200), min_size=2, max_size=30, unique=True),
    st.floats(0, 1),
)
def test_inward_and_outward_undo_each_other_and_likes_stay_likes(numbers, share):
    values = np.array(sorted(numbers), np.float32)
    liked = float(values[1 + int(share * (len(values) - 2))])
    scale = scale_of(*counted(values), liked)
    inside = scale.inward(values)
    assert ((inside >= LIKED) == (values >= liked)).all()
    assert inside.min() >= 0.5
    assert inside.max() <= 5
    assert (np.diff(inside) >= 0).all()
    np.testing.assert_allclose(scale.outward(inside), values, atol=1e-3 * np.ptp(values))
    assert Scale(**scale.to_json()) == scale


def test_five_stars_liked_from_three_and_strengths_are_likes():
    scale = scale_of(*counted(np.arange(1, 6, dtype=np.float32)), 3)
    assert scale.inward([3, 5]).tolist() == [4, 5]
    assert scale.inward([2])[0] < 4
    liked = module.strengths(np.arange(1, 100))
    assert (liked[0], liked[-1]) == (LIKED, 5)
    assert (np.diff(liked) >= 0).all()


def test_a_rating_of_a_query_is_on_the_scale_and_an_event_is_an_event():
    assert Scale(1, 10, 8).learned([8]) == [4]
    assert Scale(rated=False).learned([1, 4.5, 30]).tolist() == [4, 4.5, 5]
    for scale, rating in ((Scale(1, 10, 8), 11), (Scale(rated=False), 0), (Scale(), None)):
        with pytest.raises(QueryError, match=f"rating {rating}: the model's are"):
            scale.learned([rating])

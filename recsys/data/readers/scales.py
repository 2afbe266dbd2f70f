"""What a file's ratings mean: their scale, what of them is liked, or that they are none."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys.data.movielens import MAX_RATING, MIN_RATING
from recsys.data.readers.problems import Problems
from recsys.data.readers.ratings import RatingLines, keep
from recsys.data.scale import EVENTS, Scale, scale_of, strengths
from recsys.errors import QueryError

_ROWS = 2**17  # ratings looked at together
OTHER_SCALE, OTHER_SHARE = 3, 0.05  # more ratings, and a larger share, are no slips of the pen


def are_events(values: NDArray[np.floating]) -> bool:
    """Whether (N,) values say nothing but that there was an event: all are 1, or any other one.

    Of a value that MovieLens' scale does not have, fewer than OTHER_SCALE are slips.
    """
    if not len(values) or not (values == values[0]).all():
        return False
    if MIN_RATING <= values[0] <= MAX_RATING:
        return bool(values[0] == 1)
    return len(values) >= OTHER_SCALE


def scaled(
    path: Path,
    raw: RatingLines,
    rated: bool,
    liked: float | None,
    problems: Problems,
    summed: bool = False,
) -> tuple[RatingLines, Scale]:
    """Ratings as the model has them, and their own scale; or counts of events as strengths.

    MovieLens' scale is 0.5 to 5 in half steps; the few ratings that are none of these are bad
    lines. Where many are not, or ratings were summed, the scale is what the ratings span.

    Raises:
        DataError: nothing, or everything, would be liked.
    """
    values = raw.ratings.values
    if not rated:
        return _with_values(raw, strengths(values)), EVENTS
    good = _are_half_stars(values)
    expected = "expected 0.5 to 5 in steps of a half"
    if not good.all():
        finite = np.isfinite(values)
        others, span = int(finite.sum() - good.sum()), values[finite]
        if (others >= OTHER_SCALE and others > OTHER_SHARE * len(values)) or (
            others and (summed or span.min() < span.max() <= 1)
        ):
            good, expected = finite, "expected a finite number"
    raw = keep(path, raw, good, problems, lambda i: f"rating {values[i]:g}, {expected}")
    if not len(raw.ratings):
        return raw, Scale()
    scale = scale_of(raw.ratings.values, liked)
    if liked is not None:
        share = (raw.ratings.values >= liked).mean()
        if not 0 < share < 1:
            low, high = raw.ratings.values.min(), raw.ratings.values.max()
            raise QueryError(
                f"{path}: {'every' if share else 'no'} rating is {liked:g} or more, they are "
                f"{low:g} to {high:g}",
                "say another from which on a rating is a like",
                "liked_from",
            )
    return _with_values(raw, scale.inward(raw.ratings.values)), scale


def _are_half_stars(values: NDArray[np.floating]) -> NDArray[np.bool_]:
    """(N,) whether each is 0.5, 1 and so on to 5; part by part, to need no memory."""
    good = np.empty(len(values), np.bool_)
    for start in range(0, len(values), _ROWS):
        part = slice(start, start + _ROWS)
        twice = values[part] * 2
        good[part] = (twice >= 2 * MIN_RATING) & (twice <= 2 * MAX_RATING)
        good[part] &= twice == np.rint(twice)
    return good


def _with_values(raw: RatingLines, values: NDArray[np.float32]) -> RatingLines:
    r = raw.ratings
    return raw._replace(ratings=type(r)(r.user_ids, r.movie_ids, values, r.times))

"""The scale of a file's ratings, and the model's own: 0.5 to 5, of which 4 and more is liked."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recsys.errors import QueryError

MIN_RATING, MAX_RATING = 0.5, 5.0
LIKED = 4.0  # from this rating on a movie counts as liked
NEUTRAL_RATING = 3.5  # neither liked nor disliked
LIKED_SHARE = 0.05  # of the ratings; where fewer are in the last quarter of the scale
NO_SCALE, MOST_STARS = 20, 10  # above so many medians, and above that, values are no scale
OTHER_SCALE = 3  # so many ratings on another scale are no slips of the pen
SLIPS, FAR_SHARE, FEW = 2, 0.01, 20  # ratings, or of FEW and more a share, may be far off the rest
UNRATED = (-1, 0, *(sign * nines for sign in (1, -1) for nines in (99, 999, 9999)))
NUMBER = (int, float, Real)  # of which the usual ones are recognised at once
_BELOW = np.nextafter(np.float32(LIKED), np.float32(0))  # the highest rating that is no like


@dataclass(frozen=True)
class Scale:
    """Ratings from `low` to `high`, liked from `liked` on; or events, which have no ratings.

    The model's ratings are affine in the file's where that keeps likes and others apart, as on 0.5
    to 5, on 1 to 10 and with thumbs; else in two pieces, which meet where liking begins.

    >>> ten = Scale(1, 10, 8)
    >>> ten.inward([1, 7, 8, 10]).tolist()
    [0.5, 3.5, 4.0, 5.0]
    >>> ten.outward([0.5, 4.5]).tolist()
    [1.0, 9.0]
    """

    low: float = MIN_RATING
    high: float = MAX_RATING
    liked: float = LIKED
    rated: bool = True  # False: every event is a like
    bent: bool = False  # in two pieces

    def inward(self, ratings: ArrayLike) -> NDArray[np.float32]:
        """Ratings of the file as the model has them; a like is LIKED or more, another is less."""
        ratings = np.asarray(ratings)
        if self._same:
            return ratings.astype(np.float32, copy=False)
        ours = np.interp(ratings, *self._knots).astype(np.float32)
        return np.where(ratings >= self.liked, np.maximum(ours, LIKED), np.minimum(ours, _BELOW))

    def learned(self, ratings: Sequence[float]) -> NDArray[np.float32]:
        """(N,) ratings that a query gives, as the model has them; of events, that there were some.

        Raises:
            QueryError: one is not on the scale.
        """
        low, high = (self.low, self.high) if self.rated else (1e-300, np.inf)
        for each in ratings:
            if isinstance(each, bool) or not isinstance(each, NUMBER) or not low <= each <= high:
                span = f"{low:g} to {high:g}" if self.rated else "more than 0"
                raise QueryError(f"rating {each}: the model's are {span}", "give one of that scale")
        return self.inward(ratings) if self.rated else np.clip(ratings, LIKED, MAX_RATING)

    def outward(self, ratings: ArrayLike) -> NDArray[np.float32]:
        """Ratings of the model as the file would have them, what is off the scale at its end."""
        ours = np.asarray(ratings, np.float32).clip(MIN_RATING, MAX_RATING)
        theirs, knots = self._knots
        return ours if self._same else np.interp(ours, knots, theirs).astype(np.float32)

    @property
    def _same(self) -> bool:
        return not self.bent and (self.low, self.high) == (MIN_RATING, MAX_RATING)

    @property
    def _knots(self) -> tuple[list[float], list[float]]:
        """Ratings of the file, and those of the model that they are."""
        if self.bent and self.liked < self.high:
            return [self.low, self.liked, self.high], [MIN_RATING, LIKED, MAX_RATING]
        return [self.low, self.high], [MIN_RATING, LIKED if self.bent else MAX_RATING]

    @property
    def unit(self) -> float:
        """How much of the file's scale one of the model's is, on the whole."""
        return (self.high - self.low) / (MAX_RATING - MIN_RATING)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def in_words(self) -> str:
        """What the ratings are taken for, in a line for the log."""
        if not self.rated:
            return "no ratings: every event is a like, and no rating is predicted"
        learned = "" if self._same else f", {self.low:g} to {self.high:g} learned as 0.5 to 5"
        return f"ratings: liked from {self.liked:g}{learned}"


def scale_of(
    values: NDArray[np.floating], counts: NDArray[np.int64], liked: float | None = None
) -> Scale:
    """The scale of ratings that are all good, by their different values as `counted` has them.

    They are MovieLens' own where they lie from 0.5 to 5 and reach beyond 1. What is `liked` is in
    the last quarter of the scale (4 of 5, 8 of 10, 75 of 100), or the better half of the ratings
    where hardly any is.
    """
    low, high = float(values[0]), float(values[-1])
    if low >= MIN_RATING and 1 < high <= MAX_RATING:
        low, high = MIN_RATING, MAX_RATING
        if liked in (None, LIKED):
            return FIVE_STARS
    if liked is None:
        liked = low + 0.75 * (high - low)
        if counts[values >= liked].sum() < LIKED_SHARE * counts.sum():
            half = values[np.searchsorted(np.cumsum(counts), counts.sum() / 2)]
            liked = float(half if half > low else values[1])
        liked = float(values[np.searchsorted(values, liked)])
    straight = np.interp(values, [low, high], [MIN_RATING, MAX_RATING])
    bent = bool(((straight >= LIKED) != (values >= liked)).any())
    return Scale(low, high, liked, bent=bent)


def counted(values: NDArray) -> tuple[NDArray, NDArray[np.int64]]:
    """Different finite values in ascending order, and how often there is each."""
    different, counts = np.unique(values, return_counts=True)
    finite = np.isfinite(different)
    return different[finite], counts[finite]


def not_rated_of(different: NDArray, counts: NDArray[np.int64], column: str = "") -> float | None:
    """The one of UNRATED that stands for "not rated", if it is apart from all others.

    So is -1 where none is below 0; and 0 where the others begin farther from it than from each
    other, or are 1 to 5 or to 10 and the lowest of them is rarer; and what is farther from the
    others than they span, but too often there for a slip.

    Raises:
        QueryError: such is no usual one, and so large that the others would be no ratings.
    """
    if len(different) < 4:
        return None
    for end, others in ((-1, different[:-1]), (0, different[1:])):
        far = np.abs(different[end] - others).min() > np.ptp(others)
        if far and counts[end] > max(SLIPS, FAR_SHARE * counts.sum()):
            if different[end] in UNRATED:
                return float(different[end])
            if abs(different[end]) > max(NO_SCALE * np.median(others), MOST_STARS):
                cause = f"{column}: {different[end]:g} is far from {others[0]:g} to {others[-1]:g}"
                raise QueryError(cause, "say that it means not rated, or none", "not_rated")
    if counts[0] <= SLIPS or different[0] not in (-1, 0) or different[1] < 0:
        return None
    usual = different[1] in (0.5, 1) and different[-1] in (5, 10) and counts[0] > counts[1]
    apart = different[1] > 1.5 * np.median(np.diff(different[1:]))
    return float(different[0]) if different[0] < 0 or usual or apart else None


def far_off(different: NDArray, counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of different values are slips: few, and farther from the rest than that spans."""
    ends, slips = np.cumsum(counts), max(SLIPS, int(FAR_SHARE * counts.sum()))
    if ends[-1] < FEW:
        return np.zeros(len(different), np.bool_)
    low, high = different[np.searchsorted(ends, (slips, ends[-1] - slips - 1), "right")]
    near = (different >= 2 * low - high) & (different <= 2 * high - low)
    rest = different[near]
    gaps = np.where(different > high, different - rest[-1], rest[0] - different)
    return ~near & (gaps > high - low) & bool(high > low)


def are_events(different: NDArray, counts: NDArray[np.int64]) -> bool:
    """Whether values say nothing but that there was an event: all are 1, or one of no scale."""
    if len(different) == 1 and not MIN_RATING <= different[0] <= MAX_RATING:
        return bool(counts[0] >= OTHER_SCALE)  # fewer are slips
    return bool(different.tolist() == [1])


def are_strengths(different: NDArray, counts: NDArray[np.int64]) -> bool:
    """Whether values, but for slips, are counts or hours and no scale: few are far above usual."""
    if not len(different) or different[0] < 0 or different[-1] <= MOST_STARS:
        return False
    some = ~far_off(different, counts) & (different > 0)
    ends, largest = np.cumsum(counts[some]), different[some][-1]
    usual = different[some][np.searchsorted(ends, ends[-1] / 2)]
    return bool(largest > max(NO_SCALE * usual, MOST_STARS))


def strengths(values: NDArray) -> NDArray[np.float32]:
    """How strong events were as ratings of the model: 4 to 5, by the logarithm."""
    found, some = np.full(len(values), LIKED, np.float32), values[values > 0]
    if not len(some) or some.min() == some.max():
        return found
    low, high = np.percentile(some, (1, 99))
    low, high = (low, high) if low < high else (some.min(), some.max())
    share = np.log(np.clip(values, low, high) / low) / np.log(high / low)
    return found + share.astype(np.float32)


FIVE_STARS = Scale()

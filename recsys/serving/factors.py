"""Rating factors at query time: users and movies as vectors whose inner product is a rating.

The model is  rating ~ N(mean + scale * (a_u + b_m + p_u . q_m), noise)  with Gaussian posteriors
of [q_m, b_m] held in tables, and a Gaussian prior of [p_u, a_u] whose mean is a linear regression
on the user's profile and on which movies the user rated. The posterior of any user, trained on
or not, is one (D + 1) x (D + 1) solve over the movies of the history. NumPy only.

Source: Lim & Teh 2007, "Variational Bayesian approach to movie rating prediction"; the
regression prior: Agarwal & Chen 2009, "Regression-based latent factor models".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.interactions import Interactions

Floats = NDArray[np.floating]

SOLVED = 1 << 20  # numbers of the matrices inverted at once
FEATURE_SCALE = 0.3  # of user features; with the ridge, the prior of their weights


@dataclass(frozen=True)
class RatingFactors:
    """The learned tables; every field is an array, so that a folder of .npy files holds them.

    D factors, d = D + 1, F features, K singular vectors. Ratings are standardised inside:
    (rating - mean) / scale.
    """

    movies: Floats  # (M + 1, d) posterior means [q, b]; the prior mean without ratings
    moments: Floats  # (M + 1, d (d + 1) / 2) upper triangle of E f f', f = [q, 1]
    crosses: Floats  # (M + 1, d) E f b
    user_weights: Floats  # (F, d) prior mean of a user: 1, profile, coordinates, log count
    basis: Floats  # (M + 1, K) what a movie in a history adds to the user's coordinates
    centre: Floats  # (K + 1,) mean coordinates, and mean log count
    sizes: NDArray[np.int64]  # (A,) codes of each column, unknown included; 0: of the one before
    user_variance: Floats  # (d,) of the prior
    precision: Floats  # () of a standardised rating
    mean: Floats  # () rating
    scale: Floats  # () ratings
    rating_range: Floats  # (2,) lowest and highest rating
    radius: Floats  # () longer than any [q, b, 1]

    def arrays(self) -> dict[str, NDArray]:
        """The fields by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray]) -> "RatingFactors":
        """What `arrays` gave, other names being left alone."""
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})

    def user_features(
        self, histories: Interactions, attributes: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """(B, F) features of users; coordinates and count are 0 without a history.

        Args:
            attributes: (B, A) codes, 0 or a code beyond training's for unknown.
        """
        sums = histories.sums(self.basis)
        rated = implicit_features(sums, histories.counts, self.centre)
        return np.hstack([np.ones((len(rated), 1)), one_hot(attributes, self.sizes), rated])

    def users(
        self,
        histories: Interactions,
        attributes: NDArray[np.integer],
        rated: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.float64]:
        """(B, d) posterior means [p, a] of users, trained on or not, in closed form.

        The prior mean where the history is empty. Entries of movie row 0 are left out; a movie
        without ratings counts with its prior.

        Args:
            histories: of the B users, every row a user (no unknown row in front is assumed).
            attributes: (B, A) codes of gender, age, job or what else `sizes` describes.
            rated: (N,) False of entries without a rating, which count in the prior only.
        """
        known = histories.movie_rows > 0
        prior = self.user_features(histories.keep(known), attributes) @ self.user_weights
        histories = histories.keep(known if rated is None else known & rated)
        out = np.empty(prior.shape)
        terms = Terms(np.asarray(self.movies), self.moments, self.crosses)
        scores = (histories.ratings - self.mean) / self.scale  # (N,)
        for lo, hi in blocks(len(histories.counts), prior.shape[1]):
            gram, right = terms.sums(histories, scores, lo, hi)
            out[lo:hi] = posterior(
                gram, right, prior[lo:hi], self.user_variance, float(self.precision)
            )[0]
        return out

    def movie_parts(self, movies: Floats) -> NDArray[np.float32]:
        """(B, d + 1) vectors [q, b, 1] / radius, shorter than 1, of (B, d) means [q, b]."""
        ones = np.ones((len(movies), 1))
        return (np.hstack([movies, ones]) / float(self.radius)).astype(np.float32)

    def user_parts(self, users: Floats) -> NDArray[np.float32]:
        """(B, d + 1) vectors whose inner product with a movie part is the predicted rating."""
        scale = float(self.scale)
        ones = np.full((len(users), 1), scale)
        offset = float(self.mean) + scale * users[:, -1:]
        part = np.hstack([scale * users[:, :-1], ones, offset])
        return (part * float(self.radius)).astype(np.float32)

    def clip(self, ratings: Floats) -> Floats:
        """Predicted ratings inside the range of the data."""
        return np.clip(ratings, *np.asarray(self.rating_range))


def one_hot(attributes: NDArray[np.integer], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """(B, sum of sizes - A) FEATURE_SCALE in the place of each column's code, 0 elsewhere."""
    columns = [np.zeros((len(attributes), 0))]
    for column, size in zip(attributes.T, sizes.tolist(), strict=True):
        codes = np.arange(1, size or columns[-1].shape[1] + 1)
        ones = FEATURE_SCALE * (column[:, None] == codes)
        if size:
            columns.append(ones)
        else:
            columns[-1] = columns[-1] + ones
    return np.hstack(columns)


def implicit_features(
    sums: Floats, counts: NDArray[np.int64], centre: Floats
) -> NDArray[np.float64]:
    """(B, K + 1) centred coordinates and log of the count, 0 where nothing was rated.

    Args:
        sums: (B, K) of the basis over what was rated. counts: (B,) of what was rated.
    """
    several = np.maximum(counts, 1)[:, None]
    features = np.hstack([sums / np.sqrt(several), FEATURE_SCALE * np.log(several)]) - centre
    return np.where(counts[:, None] > 0, features, 0)


def posterior(
    gram: Floats, right: Floats, prior: Floats, variance: Floats, precision: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means (B, d) and covariances (B, d, d) of Gaussian linear regressions.

    Args:
        gram: (B, d (d + 1) / 2) upper triangles of sum E f f'. right: (B, d) sums of E f r.
        prior: (B, d) means. variance: (d,) of the prior. precision: of one rating.
    """
    d = prior.shape[1]
    matrices = np.zeros((len(prior), d, d))
    up, across = np.triu_indices(d)
    matrices[:, up, across] = precision * gram
    matrices[:, across, up] = matrices[:, up, across]
    matrices[:, np.arange(d), np.arange(d)] += 1 / variance
    covariance = np.linalg.inv(matrices).astype(np.float64, copy=False)
    pulled = prior / variance + precision * right
    return (covariance @ pulled[:, :, None])[:, :, 0], covariance


class Terms(NamedTuple):
    """What the other side of a rating adds to a user's (or a movie's) equations."""

    means: Floats  # (R, d) [q, b]
    moments: Floats  # (R, d (d + 1) / 2) upper triangle of E f f', f = [q, 1]
    crosses: Floats  # (R, d) E f b

    def sums(
        self, histories: Interactions, scores: Floats, lo: int, hi: int
    ) -> tuple[Floats, Floats]:
        """Gram matrices (B, d (d + 1) / 2) and right-hand sides (B, d) of rows lo to hi."""
        part = histories.part(lo, hi)
        start = int(histories.offsets[lo])
        theirs = scores[start : start + len(part.movie_rows)]
        right = part.sums(self.means, theirs)
        right[:, -1] = np.bincount(part.owners, theirs, hi - lo)  # f ends in 1
        return part.sums(self.moments), right - part.sums(self.crosses)

    @classmethod
    def empty(cls, rows: int, d: int) -> "Terms":
        pairs = d * (d + 1) // 2
        return cls(*(np.zeros((rows, n), np.float32) for n in (d, pairs, d)))

    def put(self, rows: slice | NDArray[np.integer], means: Floats, covariances: Floats) -> None:
        """Set the posteriors of some rows."""
        d = means.shape[1]
        f = np.hstack([means[:, :-1], np.ones((len(means), 1))])
        full = f[:, :, None] * f[:, None, :]  # (B, d, d)
        full[:, :-1, :-1] += covariances[:, :-1, :-1]
        cross = f * means[:, -1:]
        cross[:, :-1] += covariances[:, :-1, -1]
        self.means[rows], self.crosses[rows] = means, cross
        up, across = np.triu_indices(d)
        self.moments[rows] = full[:, up, across]


def blocks(rows: int, d: int) -> Iterator[tuple[int, int]]:
    """(first, end) of blocks of rows small enough for their (d, d) matrices."""
    step = max(1, SOLVED // (d * d))
    for lo in range(0, rows, step):
        yield lo, min(lo + step, rows)

"""Rating factors in closed form: variational Bayesian factors with a regression prior.

One sweep solves all users, then all movies, each side from the posteriors of the other; the
prior of a side is a ridge regression of its means on features: profile or content, and which
movies the user rated (whose users rated the movie), as coordinates on the leading singular
vectors of the 0/1 matrix divided by the roots of its row and column sums. Only tables of one row
a user and a movie are held, and blocks of histories; nothing of the size users x movies.

Source: Lim & Teh 2007, "Variational Bayesian approach to movie rating prediction"; the
regression prior: Agarwal & Chen 2009, "Regression-based latent factor models".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.interactions import Interactions
from recsys.serving.factors import (
    FEATURE_SCALE,
    Floats,
    RatingFactors,
    Terms,
    blocks,
    implicit_features,
    one_hot,
    posterior,
)
from recsys.training.options import Options
from recsys.training.subspace import leading

START = 0.44  # standard deviation of the first movie factors, of standardised ratings
VARIANCE = 0.16  # of the first prior
YEAR_BUMPS = 10  # features of a movie's year
POWER_ITERATIONS = 5  # of the singular vectors
FREE_RIDGE = 0.01  # of the intercept
OVERSAMPLED = 10  # singular vectors beyond those kept


def fit(
    histories: Interactions,
    attributes: NDArray[np.integer],
    content: Floats,
    rating_range: tuple[float, float],
    options: Options = Options(),
    widths: Sequence[int] = (),
) -> RatingFactors:
    """Learn the tables from all histories.

    Args:
        histories: of users 0 (unknown, empty) to U; no user rates a movie twice.
        attributes: (U + 1, A) codes of categories, 0 for unknown.
        content: (M + 1, F) features of the movies, row 0 zeros (`content_features`).
        rating_range: lowest and highest rating there can be, on any scale.
        options: the factors' knobs and the seed of the first movie factors and the singular
            vectors' start.
        widths: how many columns each attribute has, one if not given.

    Raises:
        ValueError: there is no rating, or shapes do not fit.
    """
    histories = histories.keep(histories.movie_rows > 0)
    _check(histories, attributes, content)
    model = _Model(histories, attributes, content, rating_range, options, widths)
    for _ in range(options.factor_sweeps):
        model.sweep()
    return model.factors()


def content_features(genres: Floats, years: NDArray[np.integer]) -> NDArray[np.float32]:
    """(M, G + Y) of (M, G) 0/1 genres and (M,) years, 0 for an unknown one.

    A year is as near as it is to quantiles of the known ones: bumps as wide as these are apart.
    """
    known = years[years > 0]
    if not len(known):
        return genres.astype(np.float32)
    centres = np.unique(np.round(np.quantile(known, np.linspace(0.02, 1, YEAR_BUMPS))))
    widths = np.maximum(np.gradient(centres) if len(centres) > 1 else 1, 2.0)
    distance = (years[:, None] - centres) / widths
    bumps = np.exp(-0.5 * distance**2) * (years > 0)[:, None]
    return np.hstack([genres, bumps]).astype(np.float32)


@dataclass
class _Side:
    """The users, or the movies: what they rated (were rated by), and what a sweep updates."""

    histories: Interactions
    scores: Floats  # (N,) standardised ratings, in the order of the histories
    features: Floats  # (R, F)
    terms: Terms  # posteriors, (R, ...) each
    prior: Floats  # (R, d) means
    variance: Floats  # (d,) of the prior
    weights: Floats  # (F, d)

    def solve(self, other: Terms, precision: float) -> "_Errors":
        """Set all posteriors from the other side's."""
        counts, d = self.histories.counts, len(self.variance)
        up, across = np.triu_indices(d)
        double = np.where(up == across, 1.0, 2.0)
        spread, own, fit_error = np.zeros(d), 0.0, 0.0
        for lo, hi in blocks(len(counts), d):
            gram, right = other.sums(self.histories, self.scores, lo, hi)
            means, covariances = posterior(gram, right, self.prior[lo:hi], self.variance, precision)
            self.terms.put(slice(lo, hi), means, covariances)
            variances = np.einsum("bii->bi", covariances)
            spread += variances[counts[lo:hi] > 0].sum(0)
            own += float((counts[lo:hi] * (means[:, -1] ** 2 + variances[:, -1])).sum())
            second = means[:, up] * means[:, across] + covariances[:, up, across]
            fit_error += float((gram * second * double).sum() - 2 * (means * right).sum())
        return _Errors(spread / np.count_nonzero(counts), own, fit_error)

    def regress(self, spread: Floats, ridge: float) -> None:
        """Set the prior by ridge regression of the means on the features of rows with ratings."""
        known = self.histories.counts > 0
        features, means = self.features[known], self.terms.means[known].astype(np.float64)
        penalty = np.full(features.shape[1], ridge)
        penalty[0] = FREE_RIDGE
        gram = features.T @ features + np.diag(penalty)
        self.weights = np.linalg.solve(gram, features.T @ means)
        self.variance = np.square(means - features @ self.weights).mean(0) + spread
        self.prior = self.features @ self.weights
        self.follow_prior(np.flatnonzero(~known))

    def follow_prior(self, rows: NDArray[np.integer]) -> None:
        """Set the posteriors of rows to the prior: what they are without ratings."""
        d = len(self.variance)
        for lo, hi in blocks(len(rows), d):
            spread = np.broadcast_to(np.diag(self.variance), (hi - lo, d, d))
            self.terms.put(rows[lo:hi], self.prior[rows[lo:hi]], spread)


class _Errors(NamedTuple):
    """Parts of the expected squared error that only the pass over a side can sum."""

    spread: Floats  # (d,) mean posterior variances of rows with ratings
    own: float  # sum over ratings of E a^2 (or E b^2)
    fit: float  # sum of E (f . x)^2 - 2 r (f . x)


class _Model:
    """Both sides and what they share."""

    def __init__(
        self,
        histories: Interactions,
        attributes: NDArray[np.integer],
        content: Floats,
        rating_range: tuple[float, float],
        options: Options,
        widths: Sequence[int],
    ) -> None:
        self.options, self.rating_range = options, rating_range
        self.mean = float(histories.ratings.mean(dtype=np.float64))
        self.scale = float(histories.ratings.std(dtype=np.float64)) or 1.0
        scores = ((histories.ratings - self.mean) / self.scale).astype(np.float32)
        self.squares = float(np.square(scores, dtype=np.float64).sum())
        self.precision = 1.0
        self.sizes = _sizes(attributes, widths)  # (A,)
        reverse, order = histories.transposed(len(content))
        left, right = singular_bases(histories, reverse, options)
        self.basis, self.centre, coordinates = _standardised(histories, right)
        profile = one_hot(attributes, self.sizes)
        self.users = self._side(histories, scores, [profile, coordinates])
        of_movies = _standardised(reverse, left)[2]
        self.movies = self._side(reverse, scores[order], [content, of_movies])
        self._start(np.random.default_rng(options.seed))

    def _side(self, histories: Interactions, scores: Floats, features: list[Floats]) -> _Side:
        rows, d = len(histories.counts), self.options.factor_dimension + 1
        every = np.hstack([np.ones((rows, 1)), *features])
        return _Side(
            histories=histories,
            scores=scores,
            features=every,
            terms=Terms.empty(rows, d),
            prior=np.zeros((rows, d)),
            variance=np.full(d, VARIANCE),
            weights=np.zeros((every.shape[1], d)),
        )

    def _start(self, rng: np.random.Generator) -> None:
        """Random first movie factors."""
        rows, d = self.movies.prior.shape
        self.movies.prior[1:, :-1] = START * rng.standard_normal((rows - 1, d - 1))
        self.movies.follow_prior(np.arange(rows))

    def sweep(self) -> None:
        """Users, then movies, then the precision of a rating; the prior after each side."""
        users, movies, ridge = self.users, self.movies, self.options.factor_ridge
        errors = users.solve(movies.terms, self.precision)
        users.regress(errors.spread, ridge)
        # sum of E (r - a)^2: the rest of the error is the movies' pass
        sums = np.bincount(users.histories.owners, users.scores, len(users.prior))
        base = self.squares - 2 * float(users.terms.means[:, -1] @ sums) + errors.own
        errors = movies.solve(users.terms, self.precision)
        movies.regress(errors.spread, ridge)
        self.precision = len(users.scores) / (base + errors.fit)

    def factors(self) -> RatingFactors:
        """The tables as they stand."""
        users, movies = self.users, self.movies
        longest = np.square(movies.terms.means, dtype=np.float64).sum(1).max()
        return RatingFactors(
            movies=movies.terms.means,
            moments=movies.terms.moments,
            crosses=movies.terms.crosses,
            user_weights=users.weights,
            basis=self.basis,
            centre=self.centre,
            sizes=self.sizes,
            user_variance=users.variance,
            precision=np.array(self.precision),
            mean=np.array(self.mean),
            scale=np.array(self.scale),
            rating_range=np.array(self.rating_range, np.float64),
            radius=np.array(np.sqrt(1 + longest) * 1.001),
        )


def singular_bases(
    histories: Interactions, reverse: Interactions, options: Options
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(U + 1, K) and (M + 1, K): rows that, summed over who rated what, give coordinates.

    The matrix is R^-1/2 Y C^-1/2 with Y 0/1, R and C its row and column sums; its leading
    singular vectors by subspace iteration (Halko, Martinsson & Tropp 2011). With left and right
    vectors u, v and values s, u = R^-1/2 (Y C^-1/2 v / s): the bracket is a sum over a history.
    """
    rows, columns = (1 / np.sqrt(np.maximum(h.counts, 1))[:, None] for h in (histories, reverse))
    known = min(int(np.count_nonzero(h.counts)) for h in (histories, reverse))
    found = leading(
        lambda right: rows * histories.sums((columns * right).astype(np.float32)),
        lambda left: columns * reverse.sums((rows * left).astype(np.float32)),
        len(reverse.counts),
        max(0, min(options.factor_coordinates, known - 1)),
        spare=OVERSAMPLED,
        rounds=POWER_ITERATIONS,
        seed=options.seed,
    )
    values = np.maximum(found.values.astype(np.float64), 1e-6)
    # u = R^-1/2 Y C^-1/2 v / s, and v the other way round
    return rows * found.left / values, columns * found.right / values


def _standardised(
    histories: Interactions, basis: Floats
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
    """(basis, centre, features): scaled so that features spread by FEATURE_SCALE around 0."""
    known, counts = histories.counts > 0, histories.counts
    nothing = np.zeros(basis.shape[1] + 1)
    raw = implicit_features(histories.sums(basis.astype(np.float32)), counts, nothing)[known]
    scale = FEATURE_SCALE / np.maximum(raw[:, :-1].std(0), 1e-9)
    scaled = (basis * scale).astype(np.float32)
    sums = histories.sums(scaled)
    centre = implicit_features(sums, counts, nothing)[known].mean(0)
    return scaled, centre, implicit_features(sums, counts, centre)


def _sizes(attributes: NDArray[np.integer], widths: Sequence[int]) -> NDArray[np.int64]:
    """(A,) codes of each attribute in its first column, and 0 in those that it has besides."""
    sizes = attributes.max(0, initial=0).astype(np.int64) + 1
    first = 0
    for width in widths:
        sizes[first] = sizes[first : first + width].max()
        sizes[first + 1 : first + width] = 0
        first += width
    return sizes


def _check(histories: Interactions, attributes: NDArray[np.integer], content: Floats) -> None:
    if not len(histories.movie_rows):
        raise ValueError("expected at least one rating of a known movie, got none")
    if len(attributes) != len(histories.counts):
        raise ValueError("histories and attributes are of different users")
    if histories.movie_rows.max() >= len(content):
        raise ValueError(f"expected movie rows below {len(content)}, the rows of content")

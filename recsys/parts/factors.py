"""Rating factors in closed form: users and movies as vectors whose inner product is a rating.

The model is  rating ~ N(mean + scale * (a_u + b_m + p_u . q_m), noise)  with Gaussian posteriors
of [q_m, b_m] held in tables, and a Gaussian prior of [p_u, a_u] whose mean is a linear regression
on the user's profile and on which movies the user rated. The posterior of any user, trained on
or not, is one (D + 1) x (D + 1) solve over the movies of the history.

One sweep of the training solves all users, then all movies, each side from the posteriors of the
other; the prior of a side is a ridge regression of its means on features: profile or content, and
which movies the user rated (whose users rated the movie), as coordinates on the leading singular
vectors of the 0/1 matrix divided by the roots of its row and column sums. Only tables of one row
a user and a movie are held, and blocks of histories; nothing of the size users x movies.

Source: Lim & Teh 2007, "Variational Bayesian approach to movie rating prediction"; the
regression prior: Agarwal & Chen 2009, "Regression-based latent factor models".
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.interactions import Interactions
from recsys.data.schema import Attributes, parts
from recsys.parts.lowrank import leading
from recsys.parts.part import Array, Arrays, Asked, Part, Training

if TYPE_CHECKING:
    from recsys.training.options import Options

Floats = NDArray[np.floating]

SOLVED = 1 << 20  # numbers of the matrices inverted at once
FEATURE_SCALE = 0.3  # of user features; with the ridge, the prior of their weights
START = 0.44  # standard deviation of the first movie factors, of standardised ratings
VARIANCE = 0.16  # of the first prior
LIKED = 1.0  # standard deviations of ratings that a like is above what was expected
NOISE = 0.01  # variance of a standardised rating, at least
YEAR_BUMPS = 10  # features of a movie's year
POWER_ITERATIONS = 5  # of the singular vectors
ALIKE = 0.03  # of a coordinate's size: one that spreads no more says nothing
FREE_RIDGE = 0.01  # of the intercept
OVERSAMPLED = 10  # singular vectors beyond those of the basis
MOST_FEATURES = 200  # of a column of movies in the regression that is the movies' prior


class Factors(Part):
    """(M + 1, d + 1) movies [q, b, 1] / radius; users such that the inner product is a rating.

    D factors, d = D + 1, F features, K singular vectors. Ratings are standardised inside:
    (rating - mean) / scale.
    """

    name = "factors"
    slices: tuple[str, ...] = ("factors",)
    by_ratings = True

    def fit(self, data: Training, options: "Options") -> Arrays:
        """Nothing where there are no ratings, else

        Returns:
            factors   (M + 1, d + 1)
            means     (M + 1, d) posterior means [q, b]; the prior mean without ratings
            moments   (M + 1, d (d + 1) / 2) upper triangle of E f f', f = [q, 1]
            crosses   (M + 1, d) E f b
            weights   (F, d) prior mean of a user: 1, profile, coordinates, log count
            basis     (M + 1, K) what a movie in a history adds to the user's coordinates
            centre    (K + 1,) mean coordinates, and mean log count
            variance  (d,) of the users' prior
            noise     (4,) precision of a standardised rating, mean and scale of ratings, radius
        """
        if not data.scale.rated:
            return {}
        sweeps = _Sweeps(data, options)
        for _ in range(options.factor_sweeps):
            sweeps.sweep()
        return sweeps.arrays()

    def users(self, tables: Arrays, asked: Asked) -> dict[str, Array]:
        """Likes and dislikes named with a query turn the factors only; the bias stays."""
        precision, mean, scale, radius = tables["noise"].tolist()
        history = asked.history
        sums = history.dot(tables["basis"], 1.0)
        features = np.hstack(
            [
                np.ones((history.rows, 1)),
                *profile_features(asked.described, asked.attributes),
                implicit_features(sums, history.counts, tables["centre"]),
            ]
        )
        prior = features @ tables["weights"]
        history = history._replace(values=(history.values - mean) / scale)
        terms = Terms(tables["means"], tables["moments"], tables["crosses"])
        found = np.empty(prior.shape)  # (B, d) posterior means [p, a]
        for block, part in blocks(history, prior.shape[1]):
            equations = terms.equations(part)
            solved = posterior(*equations, prior[block], tables["variance"], precision)
            found[block] = solved[0]
            if asked.named is not None:
                for row in block.start + np.flatnonzero(asked.named.counts[block]):
                    movies, signs, _ = asked.named.of(row)
                    factors = tables["means"][movies, :-1]
                    spread = solved[1][row - block.start, :-1, :-1] @ factors.T  # (D, N)
                    products = factors @ spread + np.eye(len(signs)) / precision
                    found[row, :-1] += spread @ np.linalg.solve(products, LIKED * signs)
        ones = np.full((len(found), 1), scale)
        whole = np.hstack([scale * found[:, :-1], ones, mean + scale * found[:, -1:]])
        return {"factors": (whole * radius).astype(np.float32)}


def profile_features(described: Attributes, rows: NDArray[np.integer]) -> list[Floats]:
    """(B, size) of each attribute FEATURE_SCALE at the rows that a user has, 0 elsewhere."""
    return [
        FEATURE_SCALE * sum((row[:, None] == np.arange(1, a.size + 1) for row in each.T), 0)
        for a, each in parts(described, rows)
    ]


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


def blocks(history: Interactions, d: int) -> Iterator[tuple[slice, Interactions]]:
    """Rows few enough for their (d, d) matrices: which, and their entries (views)."""
    step = max(1, SOLVED // (d * d))
    for first in range(0, history.rows, step):
        rows = slice(first, min(first + step, history.rows))
        pointers = history.indptr[rows.start : rows.stop + 1]
        entries = slice(int(pointers[0]), int(pointers[-1]))
        columns = (history.indices[entries], history.values[entries], history.times[entries])
        yield rows, Interactions(pointers - pointers[0], *columns)


class Terms(NamedTuple):
    """What the other side of a rating adds to a user's (or a movie's) equations."""

    means: Floats  # (R, d) [q, b]
    moments: Floats  # (R, d (d + 1) / 2) upper triangle of E f f', f = [q, 1]
    crosses: Floats  # (R, d) E f b

    def equations(self, history: Interactions) -> tuple[Floats, Floats]:
        """Gram matrices (B, d (d + 1) / 2) and right-hand sides (B, d) of B standardised rows."""
        right = history.dot(self.means)
        right[:, -1] = np.bincount(history.owners, history.values, history.rows)  # f ends in 1
        return history.dot(self.moments, 1.0), right - history.dot(self.crosses, 1.0)

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


class _Errors(NamedTuple):
    """Parts of the expected squared error that only the pass over a side can sum."""

    spread: Floats  # (d,) mean posterior variances of rows with ratings
    squares: float  # sum over ratings of E a^2 (or E b^2)
    fit: float  # sum of E (f . x)^2 - 2 r (f . x)


class _Side:
    """The users, or the movies: what they rated (were rated by), and what a sweep updates.

    Args:
        history: R rows of standardised ratings.
        features: (R, F) in pieces, without the constant.
    """

    def __init__(self, history: Interactions, features: list[Floats], d: int) -> None:
        rows, pairs = history.rows, d * (d + 1) // 2
        self.history = history
        self.features = np.hstack([np.ones((rows, 1)), *features])
        self.terms = Terms(*(np.zeros((rows, n), np.float32) for n in (d, pairs, d)))  # posteriors
        self.prior = np.zeros((rows, d))  # means
        self.variance = np.full(d, VARIANCE)  # of the prior
        self.weights = np.zeros((self.features.shape[1], d))

    def solve(self, other: Terms, precision: float) -> _Errors:
        """Set all posteriors from the other side's."""
        counts, d = self.history.counts, len(self.variance)
        up, across = np.triu_indices(d)
        double = np.where(up == across, 1.0, 2.0)
        spread, squares, fit = np.zeros(d), 0.0, 0.0
        for rows, part in blocks(self.history, d):
            gram, right = other.equations(part)
            means, covariances = posterior(gram, right, self.prior[rows], self.variance, precision)
            self.terms.put(rows, means, covariances)
            variances = np.einsum("bii->bi", covariances)
            spread += variances[counts[rows] > 0].sum(0)
            squares += float((counts[rows] * (means[:, -1] ** 2 + variances[:, -1])).sum())
            second = means[:, up] * means[:, across] + covariances[:, up, across]
            fit += float((gram * second * double).sum() - 2 * (means * right).sum())
        return _Errors(spread / np.count_nonzero(counts), squares, fit)

    def regress(self, spread: Floats, ridge: float) -> None:
        """Set the prior by ridge regression of the means on the features of rows with ratings."""
        known = self.history.counts > 0
        features, means = self.features[known], self.terms.means[known].astype(np.float64)
        penalty = np.full(features.shape[1], ridge)
        penalty[0] = FREE_RIDGE
        self.weights = np.linalg.solve(features.T @ features + np.diag(penalty), features.T @ means)
        self.variance = np.square(means - features @ self.weights).mean(0) + spread
        self.prior = self.features @ self.weights
        self.follow_prior(np.flatnonzero(~known))

    def follow_prior(self, rows: NDArray[np.integer]) -> None:
        """Set the posteriors of rows to the prior: what they are without ratings."""
        d = len(self.variance)
        step = max(1, SOLVED // (d * d))
        for first in range(0, len(rows), step):
            block = rows[first : first + step]
            spread = np.broadcast_to(np.diag(self.variance), (len(block), d, d))
            self.terms.put(block, self.prior[block], spread)


class _Sweeps:
    """Both sides and what they share."""

    def __init__(self, data: Training, options: "Options") -> None:
        history, (raters, order) = data.history, data.raters
        d, self.ridge, self.precision = options.factor_dimension + 1, options.factor_ridge, 1.0
        self.mean = float(history.values.mean(dtype=np.float64))
        spread = float(history.values.std(dtype=np.float64))
        self.scale = spread if spread > 1e-5 * abs(self.mean) else 1.0
        scores = ((history.values - self.mean) / self.scale).astype(np.float32)
        self.squares = float(np.square(scores, dtype=np.float64).sum())
        left, right = singular_bases(history, raters, options)
        self.basis, self.centre, coordinates = _standardised(history, right)
        profile = profile_features(data.vocabulary.users, data.attributes)
        self.users = _Side(history._replace(values=scores), [*profile, coordinates], d)
        of_movies = [*content_features(data), _standardised(raters, left)[2]]
        self.movies = _Side(raters._replace(values=scores[order]), of_movies, d)
        rng, movies = np.random.default_rng(options.seed), self.movies
        movies.prior[1:, :-1] = START * rng.standard_normal((raters.rows - 1, d - 1))
        movies.follow_prior(np.arange(raters.rows))

    def sweep(self) -> None:
        """Users, then movies, then the precision of a rating; the prior after each side."""
        users, movies = self.users, self.movies
        errors = users.solve(movies.terms, self.precision)
        users.regress(errors.spread, self.ridge)
        # sum of E (r - a)^2: the rest of the error is the movies' pass
        sums = np.bincount(users.history.owners, users.history.values, len(users.prior))
        base = self.squares - 2 * float(users.terms.means[:, -1] @ sums) + errors.squares
        errors = movies.solve(users.terms, self.precision)
        movies.regress(errors.spread, self.ridge)
        self.precision = 1 / max((base + errors.fit) / len(users.history.values), NOISE)

    def arrays(self) -> Arrays:
        """The tables as they stand, see `Factors.fit`."""
        means = self.movies.terms.means
        longest = np.square(means, dtype=np.float64).sum(1).max()
        radius = float(np.sqrt(1 + longest) * 1.001)
        whole = np.hstack([means, np.ones((len(means), 1))]) / radius
        whole[0] = 0
        return {
            "factors": whole.astype(np.float32),
            **self.movies.terms._asdict(),
            "weights": self.users.weights,
            "basis": self.basis,
            "centre": self.centre,
            "variance": self.users.variance,
            "noise": np.array([self.precision, self.mean, self.scale, radius]),
        }


def singular_bases(
    history: Interactions, raters: Interactions, options: "Options"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(U + 1, K) and (M + 1, K): rows that, summed over who rated what, give coordinates.

    The matrix is R^-1/2 Y C^-1/2 with Y 0/1, R and C its row and column sums; its leading
    singular vectors by subspace iteration (Halko, Martinsson & Tropp 2011). With left and right
    vectors u, v and values s, u = R^-1/2 (Y C^-1/2 v / s): the bracket is a sum over a history.
    """
    rows, columns = (1 / np.sqrt(np.maximum(h.counts, 1))[:, None] for h in (history, raters))
    known = min(int(np.count_nonzero(h.counts)) for h in (history, raters))
    found = leading(
        lambda right: rows * history.dot((columns * right).astype(np.float32), 1.0),
        lambda left: columns * raters.dot((rows * left).astype(np.float32), 1.0),
        raters.rows,
        max(0, min(options.factor_coordinates, known - 1)),
        spare=OVERSAMPLED,
        rounds=POWER_ITERATIONS,
        seed=options.seed,
    )
    values = found.values.astype(np.float64)
    inverse = np.where(values > ALIKE * values.max(initial=0), 1 / np.maximum(values, 1e-9), 0)
    # u = R^-1/2 Y C^-1/2 v / s, and v the other way round
    return rows * found.left * inverse, columns * found.right * inverse


def _standardised(
    history: Interactions, basis: Floats
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
    """(basis, centre, features): scaled so that features spread by FEATURE_SCALE around 0."""
    known, counts = history.counts > 0, history.counts
    nothing = np.zeros(basis.shape[1] + 1)
    raw = implicit_features(history.dot(basis.astype(np.float32), 1.0), counts, nothing)[known]
    spread, size = raw[:, :-1].std(0), np.sqrt(np.square(raw[:, :-1]).mean(0))
    alike = spread <= ALIKE * size  # of everybody: another user would be far off all of them
    scale = np.where(alike, 0, FEATURE_SCALE / np.where(alike, 1, spread))
    scaled = (basis * scale).astype(np.float32)
    sums = history.dot(scaled, 1.0)
    centre = implicit_features(sums, counts, nothing)[known].mean(0)
    return scaled, centre, implicit_features(sums, counts, centre)


def content_features(data: Training) -> list[Floats]:
    """(M + 1, F) features of the movies, row 0 zeros: genres, years, columns of the schema.

    A year is as near as it is to quantiles of the known ones: bumps as wide as these are apart.
    """
    vocabulary, movies = data.vocabulary, data.movies
    rows = [(vocabulary.genre_rows(movies.genres), len(vocabulary.genres))]
    sides = zip(vocabulary.movies, vocabulary.side_rows(movies), strict=True)
    rows += [(each, min(a.size, MOST_FEATURES)) for a, each in sides if a.kind != "text"]
    genres, *columns = [_ones(each, size) for each, size in rows]
    years = np.concatenate([[0], movies.years])
    known = years[years > 0]
    steps = np.linspace(0.02, 1, YEAR_BUMPS)
    centres = np.unique(np.round(np.quantile(known, steps))) if len(known) else known
    widths = np.maximum(np.gradient(centres) if len(centres) > 1 else 1, 2.0)
    distance = (years[:, None] - centres) / widths
    bumps = np.exp(-0.5 * distance**2) * (years > 0)[:, None]
    return [genres, bumps.astype(np.float32), *columns]


def _ones(rows: NDArray[np.integer], size: int) -> Array:
    """(M + 1, size) 1 where a movie has the value of a row from 1 on; 0 for the unknown movie."""
    found = np.zeros((len(rows) + 1, size), np.float32)
    movie, place = np.nonzero((rows > 0) & (rows <= size))
    found[movie + 1, rows[movie, place] - 1] = 1
    return found

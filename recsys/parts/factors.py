"""Rating factors in closed form: users and movies as vectors whose inner product is a rating.

The model is  rating ~ N(mean + scale * (a_u + b_m + p_u . q_m), noise)  with Gaussian posteriors
of [q_m, b_m] held in tables, and a Gaussian prior of [p_u, a_u] whose mean is a linear regression
on the user's profile and on which movies the user rated. The posterior of any user, trained on
or not, is one (D + 1) x (D + 1) solve over the movies of the history.

One sweep of the training solves all users, then all movies, each side from the posteriors of the
other; the prior of a side is a ridge regression of its means on features: profile or content, and
coordinates of which movies the user rated (which users rated the movie).

Source: Lim & Teh 2007, "Variational Bayesian approach to movie rating prediction"; the
regression prior: Agarwal & Chen 2009, "Regression-based latent factor models".
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.ids import parts
from recsys.data.interactions import Interactions, on_cores, product
from recsys.data.schema import Attributes
from recsys.options import Options
from recsys.parts.lowrank import leading
from recsys.parts.part import Array, Arrays, Asked, Part, Training

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
    by_ratings = shared = True
    movie_tables = ("means", "moments", "crosses", "basis")

    def fit(self, data: Training, options: Options) -> Arrays:
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
        history, (raters, order) = data.history, data.raters
        d, ridge, precision = options.factor_dimension + 1, options.factor_ridge, 1.0
        mean, spread = (float(f(history.values, dtype=np.float64)) for f in (np.mean, np.std))
        scale = spread if spread > 1e-5 * abs(mean) else 1.0
        scores = ((history.values - mean) / scale).astype(np.float32)
        left, right = singular_bases(history, raters, options)
        basis, centre, coordinates = _standardised(history, right)
        content = [content_features(data), _standardised(raters, left)[2]]
        mine, total = data.mine(history.rows), data.total
        own = history._replace(values=scores)
        if (some := np.arange(history.rows)[mine]).size < history.rows:
            own = own.take(some)
            raters, order = own.transposed(raters.rows)
        profile = profile_features(data.vocabulary.users, data.attributes[mine])
        users = _Side(own, own.counts, [*profile, coordinates[mine]], d, of_rows=total)
        by_movie = raters._replace(values=own.values[order])
        movies = _Side(by_movie, data.counts, content, d, of_ratings=total)
        rng = np.random.default_rng(options.seed)
        movies.prior[1:, :-1] = START * rng.standard_normal((raters.rows - 1, d - 1))
        start = users.terms, movies.history, movies.prior, movies.variance, 0.0
        for rows in blocks(raters, d):  # precision 0: the prior
            movies.terms.put(rows, *posterior(rows, *start)[:2])
        squares = float(np.square(scores, dtype=np.float64).sum())
        sums = np.bincount(own.owners, own.values, own.rows)
        for sweep in range(options.factor_sweeps):
            biases, _ = users.solve(movies.terms, precision, ridge)
            # The sum of E (r - a)^2
            biases += squares - 2 * float(total(users.terms.means[:, -1] @ sums))
            _, fit = movies.solve(users.terms, precision, ridge)
            before, precision = precision, 1 / max((biases + fit) / len(scores), NOISE)
            precision = float(total(np.array(0.0 if mine.start else precision)))  # to end together
            if precision <= before and sweep >= options.factor_sweeps // 2:  # a thousandth is left
                break
        means = movies.terms.means
        factors = np.hstack([means, np.ones((len(means), 1))])
        factors[0] = 0
        radius = float(np.linalg.norm(factors, axis=1).max() * 1.001)
        return {
            "factors": (factors / radius).astype(np.float32),
            **movies.terms._asdict(),
            "weights": users.weights,
            "basis": basis,
            "centre": centre,
            "variance": users.variance,
            "noise": np.array([precision, mean, scale, radius]),
        }

    def users(self, tables: Arrays, asked: Asked) -> dict[str, Array]:
        """Likes and dislikes named with a query turn the factors only; the bias stays."""
        precision, mean, scale, radius = tables["noise"].tolist()
        history, named, ones = asked.history, asked.named, np.ones((asked.history.rows, 1))
        sums = history.dot(tables["basis"], 1.0)
        implicit = implicit_features(sums, history.counts, tables["centre"])
        profile = profile_features(asked.described, asked.attributes)
        prior = product(np.concatenate([ones, *profile, implicit], 1), tables["weights"])
        history = history._replace(values=(history.values - mean) / scale)
        terms = Terms(tables["means"], tables["moments"], tables["crosses"])
        solved = np.empty(prior.shape)  # (B, d) posterior means [p, a]
        for rows in blocks(history, prior.shape[1]):
            precisions, pulled, *_ = system(
                rows, terms, history, prior, tables["variance"], precision
            )
            solved[rows] = np.linalg.solve(precisions, pulled)[:, :, 0]
            if named is not None and len(named.indices):
                for row in rows[named.counts[rows] > 0]:
                    movies, signs, _ = named.of(row)
                    factors = np.pad(tables["means"][movies, :-1], ((0, 0), (0, 1)))
                    turned = np.linalg.solve(precisions[row - rows[0]], factors.T)  # (d, N)
                    products = factors @ turned + np.eye(len(signs)) / precision
                    solved[row, :-1] += turned[:-1] @ np.linalg.solve(products, LIKED * signs)
        columns = scale * solved[:, :-1], scale * ones, mean + scale * solved[:, -1:]
        users = np.concatenate(columns, 1)
        return {"factors": (users * radius).astype(np.float32)}


def profile_features(described: Attributes, rows: NDArray[np.integer]) -> list[Floats]:
    """(B, size) of each attribute FEATURE_SCALE at the rows that a user has, 0 elsewhere."""
    return [FEATURE_SCALE * ones_at(each, a.size) for a, each in parts(described, rows)]


def ones_at(rows: NDArray[np.integer], size: int) -> NDArray[np.float64]:
    """(N, size) 1 in the columns of (N, W) rows from 1 to the size, 0 elsewhere."""
    if rows.shape[1] == 1:  # soonest
        return (rows == np.arange(1, size + 1)).astype(np.float64)
    ones = np.zeros((len(rows), size + 1))
    np.put_along_axis(ones, np.where((rows > 0) & (rows <= size), rows, 0), 1, 1)
    return ones[:, 1:]


def implicit_features(
    sums: Floats, counts: NDArray[np.int64], centre: Floats | float
) -> NDArray[np.float64]:
    """(B, K + 1) of (B, K) sums of the basis: coordinates, and log of the count; 0 of no rating."""
    several = np.maximum(counts, 1)[:, None]
    columns = sums / np.sqrt(several), FEATURE_SCALE * np.log(several)
    features = np.concatenate(columns, 1) - centre
    features[counts == 0] = 0
    return features


triangle = cache(np.triu_indices)  # rows and columns of the upper triangle of a (d, d) matrix


@cache
def places(d: int) -> NDArray[np.intp]:
    """(d, d) where the cells of a symmetric matrix are in its upper triangle."""
    found, (up, across) = np.empty((d, d), np.intp), triangle(d)
    found[up, across] = found[across, up] = np.arange(len(up))
    return found


def blocks(history: Interactions, d: int) -> list[NDArray[np.int64]]:
    """The rows, each time (B,) few enough for their (d, d) matrices."""
    step = max(1, SOLVED // (d * d))
    return [np.arange(n, min(n + step, history.rows)) for n in range(0, history.rows, step)]


def posterior(*regressions: Any) -> tuple[Floats, Floats, Floats, Floats]:
    """Of a `system` posterior means (B, d), covariances (B, d, d), and the sums."""
    precisions, pulled, *sums = system(*regressions)
    covariances = np.linalg.inv(precisions)
    return (covariances @ pulled)[:, :, 0], covariances, sums[0], sums[1]


def system(
    rows: NDArray[np.int64],
    terms: "Terms",
    history: Interactions,
    prior: Floats,
    variance: Floats,
    precision: float,
    total: Callable[[NDArray], NDArray] = np.asarray,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Gaussian linear regressions of (B,) rows of standardised ratings, from (R, d) prior means.

    Returns the equations that give their posterior means, (B, d, d), the inverse of the
    covariances, and (B, d, 1); and sums over their ratings r of E f f' (B, d, d) and E f r (B, d).
    The ratings may be divided: `total` adds sums over them.
    """
    some = history.take(rows) if len(rows) < history.rows else history
    gram = total(some.dot(terms.moments, 1.0)).take(places(prior.shape[1]), 1)  # of E f f'
    gram = gram.astype(prior.dtype, copy=False)
    right = some.dot(terms.means)  # sums of E f r
    right[:, -1] = np.bincount(some.owners, some.values, some.rows)  # f ends in 1
    right = total(right - some.dot(terms.crosses, 1.0))
    pulled = prior[rows] / variance + precision * right
    return precision * gram + np.diag(1 / variance), pulled[:, :, None], gram, right


class Terms(NamedTuple):
    """What the other side of a rating adds to a user's (or a movie's) equations."""

    means: Floats  # (R, d) [q, b]
    moments: Floats  # (R, d (d + 1) / 2) upper triangle of E f f', f = [q, 1]
    crosses: Floats  # (R, d) E f b

    def put(self, rows: NDArray[np.integer], means: Floats, covariances: Floats) -> None:
        """Set the posteriors of some rows."""
        f = means.copy()
        f[:, -1] = 1
        moments = f[:, :, None] * f[:, None, :]  # (B, d, d)
        moments[:, :-1, :-1] += covariances[:, :-1, :-1]
        crosses = f * means[:, -1:]
        crosses[:, :-1] += covariances[:, :-1, -1]
        up, across = triangle(means.shape[1])
        self.means[rows], self.crosses[rows] = means, crosses
        self.moments[rows] = moments[:, up, across]


class _Side:
    """The users, or the movies: standardised ratings of each, and what a sweep updates.

    Of several processes each has some users and their ratings; functions add up sums over the rows,
    or over the ratings of a row.
    """

    def __init__(
        self,
        history: Interactions,
        counts: NDArray[np.int64],
        features: Sequence[Floats],
        d: int,
        of_rows: Callable[[NDArray], NDArray] = np.asarray,
        of_ratings: Callable[[NDArray], NDArray] = np.asarray,
    ) -> None:
        rows, pairs = history.rows, d * (d + 1) // 2
        self.history, self.counts, self.known = history, counts, counts > 0
        self.of_rows, self.of_ratings = of_rows, of_ratings
        self.features = np.hstack([np.ones((rows, 1)), *features])
        self.terms = Terms(*(np.zeros((rows, n), np.float32) for n in (d, pairs, d)))  # posteriors
        # Single precision takes half the time
        self.prior: Floats = np.zeros((rows, d), np.float32)  # means
        self.variance: Floats = np.full(d, VARIANCE, np.float32)  # of the prior
        self.weights = np.zeros((self.features.shape[1], d))

    def solve(self, other: Terms, precision: float, ridge: float) -> tuple[float, float]:
        """Set all posteriors from the other side's, and the prior by regression on the features.

        Returns sums over the ratings: E a^2 (or E b^2), and E (f . x)^2 - 2 r (f . x).
        """
        given = other, self.history, self.prior, self.variance, precision, self.of_ratings

        def solved(rows: NDArray[np.int64]) -> tuple[Floats, float, float]:
            means, covariances, gram, right = posterior(rows, *given)
            self.terms.put(rows, means, covariances)
            variances = np.einsum("bii->bi", covariances)
            squares = float(self.counts[rows] @ (means[:, -1] ** 2 + variances[:, -1]))
            second = means[:, :, None] * means[:, None, :] + covariances
            fit = float((gram * second).sum() - 2 * (means * right).sum())
            return variances[self.known[rows]].sum(0), squares, fit

        some = blocks(self.history, len(self.variance))
        divided = self.of_ratings is not np.asarray  # then all processes go in the same order
        every = [*map(solved, some)] if divided else on_cores(solved, some)
        spread, squares, fit = (sum(each) for each in zip(*every, strict=True))
        features = self.features[self.known]
        learned = self.terms.means[self.known].astype(np.float64)
        penalty = np.full(features.shape[1], ridge)
        penalty[0] = FREE_RIDGE
        products = self.of_rows(features.T @ features) + np.diag(penalty)
        self.weights = np.linalg.solve(products, self.of_rows(features.T @ learned))
        rest = np.square(learned - features @ self.weights).sum(0)
        sums = self.of_rows(np.array([*rest, *spread, len(learned), squares, fit]))
        rest, spread, (known, squares, fit) = np.split(sums, [len(rest), 2 * len(rest)])
        self.variance = (rest / known + spread / known).astype(np.float32)
        self.prior = (self.features @ self.weights).astype(np.float32)
        return float(squares), float(fit)


def singular_bases(
    history: Interactions, raters: Interactions, options: Options
) -> tuple[Floats, Floats]:
    """(U + 1, K) and (M + 1, K): rows that, summed over who rated what, give coordinates.

    The matrix is R^-1/2 Y C^-1/2 with Y 0/1, R and C its row and column sums; its leading
    singular vectors by subspace iteration (Halko, Martinsson & Tropp 2011). With left and right
    vectors u, v and values s, u = R^-1/2 (Y C^-1/2 v / s): the bracket is a sum over a history,
    whose scale is left to `_standardised`.
    """
    rows, columns = (1 / np.sqrt(np.maximum(h.counts, 1))[:, None] for h in (history, raters))
    known = min(int(np.count_nonzero(h.counts)) for h in (history, raters))

    def sums(right: Floats) -> Floats:
        return rows * history.dot((columns * right).astype(np.float32), 1.0)

    def product(right: Floats) -> Floats:
        return columns * raters.dot((rows * sums(right)).astype(np.float32), 1.0)

    rank = max(0, min(options.factor_coordinates, known - 1))
    precise = {"spare": OVERSAMPLED, "rounds": POWER_ITERATIONS}
    values, right = leading(product, raters.rows, rank, None, options.seed, **precise)
    real = values > ALIKE * values.max(initial=0)
    return rows * sums(right) * (real / np.maximum(values, 1e-12)), columns * right * real


def _standardised(history: Interactions, basis: Floats) -> tuple[Array, Floats, Floats]:
    """(basis, centre, features): scaled so that features spread by FEATURE_SCALE around 0."""
    known, sums = history.counts > 0, history.dot(basis.astype(np.float32), 1.0)
    features = implicit_features(sums, history.counts, 0.0)
    spread = features[known, :-1].std(0)
    size = np.sqrt(np.square(features[known, :-1]).mean(0))
    alike = spread <= ALIKE * size  # of everybody: another user would be far off all of them
    scale = np.where(alike, 0, FEATURE_SCALE / np.where(alike, 1, spread))
    features[:, :-1] *= scale
    centre = features[known].mean(0)
    return (basis * scale).astype(np.float32), centre, (features - centre) * known[:, None]


def content_features(data: Training) -> NDArray[np.float64]:
    """(M + 1, F) features of the movies, row 0 zeros: genres, years, columns of the schema.

    A year is as near as it is to quantiles of the known ones: bumps as wide as these are apart.
    """
    vocabulary, movies = data.vocabulary, data.movies
    sides = zip(vocabulary.movies, vocabulary.side_rows(movies), strict=True)
    columns = [ones_at(r, min(a.size, MOST_FEATURES)) for a, r in sides if a.kind != "text"]
    genres = ones_at(vocabulary.genre_rows(movies.genres), len(vocabulary.genres))
    years = movies.years
    known = years[years > 0]
    steps = np.linspace(0.02, 1, YEAR_BUMPS)
    centres = np.unique(np.round(np.quantile(known, steps))) if len(known) else known
    widths = np.maximum(np.gradient(centres) if len(centres) > 1 else 1, 2.0)
    distance = (years[:, None] - centres) / widths
    bumps = np.exp(-0.5 * distance**2) * (years > 0)[:, None]
    return np.pad(np.hstack([genres, bumps, *columns]), ((1, 0), (0, 0)))

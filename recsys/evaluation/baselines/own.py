"""Baselines that need no library: popularity, item-to-item weights, profiles, content, biases."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby, product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Movies, Ratings, Users
from recsys.data.ids import positions
from recsys.errors import DataError
from recsys.evaluation.baselines import Baseline, Options, Predict, Problem
from recsys.metrics import Scorer
from recsys.serving.content import NO_TOKEN, Block, Kernel, Numbers, Tokens
from recsys.training.ease import solve

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

DAMPING = 10  # how many average ratings a movie's mean starts from
DAY = 86_400  # seconds
LARGEST = 20_000  # movies; the square matrix of EASE needs 4 bytes a pair of them, three times over
TUNED = 2048  # most rated movies that the options of EASE and EDLAE are chosen on
ROUNDS = 10  # of alternating between the users' and the movies' biases

Array = NDArray[np.floating]
Grid = Sequence[Options]


# Rankings that are the same for all users, or for all of a group


def popularity(problem: Problem, grid: Grid) -> Iterator[Scorer]:
    """The movies most rated, most liked, with the largest sum of ratings, or of the best mean.

    Options: one of these, and how many days up to the last training rating count, inf for all;
    movies equal in them follow by their popularity of all time.
    """
    train = problem.stage.train
    for kind, days in grid:
        scores = _popular(problem, kind)
        if np.isfinite(days):
            recent = train[train.times > train.times.max() - days * DAY]
            latest = replace(problem, stage=problem.stage._replace(train=recent))
            scores = _popular(latest, kind) + 1e-3 * scores / max(1e-9, scores.max())
        yield partial(_by_group, problem, np.zeros(len(problem.dataset.users), int), scores[None])


def group_popularity(problem: Problem, grid: Grid) -> Iterator[Scorer]:
    """Popularity among users of the same age and gender, mixed with some average users.

    Options: what a rating counts, and how many average users.
    """
    groups = _profiles(problem.dataset.users, "age", "gender")[1]
    for kind, leaning in grid:
        totals, sizes = _group_sums(problem, kind, groups)
        average = totals.sum(axis=0) / max(1, sizes.sum())
        mixed = totals + (leaning + 1e-6) * average
        yield partial(_by_group, problem, groups, mixed / (sizes[:, None] + leaning + 1e-6))


def profile_kernel(problem: Problem, grid: Grid) -> Iterator[Scorer]:
    """Gaussian process regression of what users rated on age, gender and job.

    Users of one profile count together, so that time grows with the number of different profiles.
    An unknown attribute is like no other.

    Options: what a rating counts, the weights of age, gender and job in the kernel, and how many
    users of no effect it starts from.
    """
    profiles, groups = _profiles(problem.dataset.users, "age", "gender", "job")
    one, other = profiles[:, None], profiles[None]
    alike = (one == other).astype(np.float64)  # (P, P, 3)
    alike[..., 0] = np.exp(-np.abs(one - other)[..., 0] / 2)
    alike *= (one > 0) & (other > 0)
    for kind, same in groupby(grid, lambda options: options[0]):
        totals, sizes = _group_sums(problem, kind, groups)
        mean = totals.sum(axis=0) / max(1, sizes.sum())
        trained = np.flatnonzero(sizes)
        offsets = totals[trained] / sizes[trained, None] - mean
        for _, *factors, ridge in same:
            kernel = alike @ factors  # (P, P)
            noise = np.diag(ridge / sizes[trained])
            learned = np.linalg.solve(kernel[np.ix_(trained, trained)] + noise, offsets)
            yield partial(_by_group, problem, groups, mean + kernel[:, trained] @ learned)


def chance(problem: Problem, grid: Grid) -> Iterator[Scorer]:
    """An order at random, another one for every user. Options: the seed."""
    for (seed,) in grid:
        order = np.random.default_rng(seed).random(len(problem.movie_ids))
        yield partial(_by_chance, order)


def _by_chance(order: Array, user_ids: NDArray[np.integer]) -> Array:
    return (order + user_ids[:, None] * 0.6180339887498949) % 1


# Rankings by what users rated


def ease(problem: Problem, grid: Grid) -> Iterator[Scorer]:
    """EASE (Steck, WWW 2019). Options: what a rating counts, the ridge."""
    return _closed_form(problem, grid, lambda diagonal, ridge: np.full_like(diagonal, ridge))


def edlae(problem: Problem, grid: Grid) -> Iterator[Scorer]:
    """EDLAE, with histories as they are or weighted by recency at the time of asking.

    Steck, "Autoencoders that don't overfit towards the Identity" (NeurIPS 2020): a movie's ridge is
    c (ratings of the movie + prior); c is p / (1 - p) of a dropout p.

    Options: what a rating counts, the prior, c, and the span of recency, inf for none.
    """
    return _closed_form(problem, grid, lambda diagonal, prior, c: c * (diagonal + prior))


def _closed_form(
    problem: Problem, grid: Grid, ridges: Callable[..., NDArray[np.float32]]
) -> Iterator[Scorer]:
    """Each movie from all the others; popularity for users without a history.

    With X the (U, M) ratings, P = inverse(X'X + diag(ridges)): scores = x - (x P) / diag(P) for
    the columns not in x. While options are chosen the TUNED most rated movies stand for all.

    Raises:
        DataError: more than LARGEST movies.
    """
    for kind, same_kind in groupby(grid, lambda options: options[0]):
        x = problem.train(kind)
        popular = _sums(x)
        columns = np.arange(x.shape[1])
        if len(grid) > 1:
            columns = np.sort(np.argsort(-_sums(problem.train()), kind="stable")[:TUNED])
        elif len(columns) > LARGEST:
            cause = f"EASE of {len(columns)} movies needs too much memory; leave it out"
            raise DataError(cause)
        products = (x[:, columns].T @ x[:, columns]).toarray()
        for (_, *chosen), same in groupby(same_kind, lambda options: options[:3]):
            system = products.copy()
            system.flat[:: len(system) + 1] += ridges(products.diagonal(), *chosen)
            weights = solve(system, 0.0)
            for span in (float(options[3]) if len(options) > 3 else np.inf for options in same):
                seen = problem.seen(kind, span)
                yield partial(_by_history, problem, seen, columns, weights, popular)


def genre_profile(problem: Problem, grid: Grid) -> Iterator[Scorer]:
    """Movies with the genres of the movies a user rated; it needs no rating of the movie itself.

    Options: what a rating counts; rows of genres "plain", of one length or of one sum; "lift" over
    how often genres are rated, or the "sum".
    """
    movies = problem.dataset.movies
    candidates = positions(movies.ids, problem.movie_ids)
    rated = problem.train(movie_ids=movies.ids)
    for kind, scale, lift in grid:
        genres = _genre_table(movies, scale)  # (M', G)
        usual = np.maximum(1, _sums(rated) @ genres) if lift == "lift" else 1
        users = problem.seen(kind, movie_ids=movies.ids) @ genres / usual  # (U, G)
        yield partial(_by_factors, problem, users, genres[candidates])


def content_ridge(problem: Problem, grid: Grid) -> Iterator[Scorer]:
    """Kernel ridge regression of each user's ratings on genres and year; new movies too.

    A user's targets are a fifth of the ratings, and 0 of other training movies, less their mean.

    Options: the weight of the year in the kernel, the ridge.
    """
    movies = problem.dataset.movies
    trained = np.flatnonzero(np.isin(movies.ids, problem.stage.train.movie_ids))
    histories = problem.seen("rating/5", movie_ids=movies.ids[trained])
    for year_weight, ridge in grid:
        blocks = _blocks(movies[trained], movies, year_weight)
        kernel = Kernel.fit(blocks)
        features = kernel.features(blocks).astype(np.float64)  # (M', F)
        products = features.T @ features + ridge * np.eye(kernel.size)
        learned = np.linalg.solve(products, (features - features.mean(0)).T)  # (F, M')
        new = kernel.features(_blocks(movies.take(problem.movie_ids), movies, year_weight))
        yield partial(_by_factors, problem, histories @ learned.T.astype(np.float32), new)


def _by_history(
    problem: Problem,
    histories: "csr_matrix",
    columns: NDArray[np.integer],
    weights: Array,
    popular: Array,
    user_ids: NDArray[np.integer],
) -> Array:
    """(B, M) weighted sums over what each user rated; `popular` (M,) where that is nothing.

    Args:
        histories: (U, M) what ratings count.
        columns: (C,) which of the movies have weights; the others are never recommended.
        weights: (C, C) of a row's movie for a column's.
    """
    rows = histories[problem.rows(user_ids)]
    scores = np.full(rows.shape, -1e9, np.float32)
    scores[:, columns] = rows[:, columns] @ weights
    return np.where(rows.getnnz(1)[:, None], scores, popular)


def _by_factors(
    problem: Problem, users: Array, movies: Array, user_ids: NDArray[np.integer]
) -> Array:
    """(B, M) inner products of (U, F) users and (M, F) movies."""
    return users[problem.rows(user_ids)] @ movies.T


def _by_group(
    problem: Problem,
    groups: NDArray[np.integer],
    scores: Array,
    user_ids: NDArray[np.integer],
) -> Array:
    """(B, M) of (G, M) scores for the groups of (U,) users."""
    return scores[groups[problem.rows(user_ids)]]


def _sums(x: "csr_matrix") -> NDArray[np.float64]:
    """(M,) the sum of each column."""
    return np.bincount(x.indices, x.data, x.shape[1]).astype(np.float64)


def _popular(problem: Problem, kind: str) -> NDArray[np.float64]:
    if kind != "mean":
        return _sums(problem.train(kind))
    totals, counts = _sums(problem.train("rating")), _sums(problem.train())
    return (totals + DAMPING * problem.stage.train.values.mean()) / (counts + DAMPING)


def _profiles(users: Users, *names: str) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """The (P, names) different rows of some attributes, 0 for unknown, and (U,) whose each is."""
    rows = np.stack([users.column(name).astype(np.int64) for name in names], axis=1)
    profiles, groups = np.unique(rows, axis=0, return_inverse=True)
    return profiles, groups.reshape(-1)


def _group_sums(problem: Problem, kind: str, groups: NDArray[np.integer]) -> tuple[Array, Array]:
    """(G, M) what the training ratings of each group's users count, (G,) users who rated."""
    from scipy.sparse import csr_matrix

    ids = problem.dataset.users.ids
    member = csr_matrix((np.ones(len(ids)), (groups, np.arange(len(ids)))))
    trained = np.isin(ids, problem.stage.train.user_ids)
    return (member @ problem.train(kind)).toarray(), np.bincount(groups, trained).astype(np.float64)


def _genre_table(movies: Movies, scale: str) -> NDArray[np.float64]:
    """(M, G) 1 for each genre of a movie; "unit" or "share" make rows of one length or sum."""
    columns = {name: column for column, name in enumerate(sorted(set().union(*movies.genres)))}
    table = np.zeros((len(movies), len(columns)))
    for row, names in enumerate(movies.genres):
        table[row, [columns[name] for name in names]] = 1
    counts = np.maximum(1, table.sum(axis=1, keepdims=True))
    return table / {"plain": 1, "unit": np.sqrt(counts), "share": counts}[scale]


def _blocks(movies: Movies, every: Movies, year_weight: float) -> list[Block]:
    """Genres and year of some of the movies."""
    names = {name: row for row, name in enumerate(sorted(set().union(*every.genres)), 1)}
    rows = np.full((len(movies), max(1, *map(len, every.genres))), NO_TOKEN)
    for row, genres in zip(rows, movies.genres, strict=True):
        row[: len(genres)] = [names[genre] for genre in genres]
    years = movies.years.astype(np.float64)
    return [Tokens(rows), Numbers(np.where(years > 0, years, np.nan), year_weight)]


# Predicted ratings


def biases(problem: Problem, grid: Grid) -> Iterator[Predict]:
    """`fit_biases` of training and folded-in ratings."""
    return (fit_biases(problem.stage.seen, *options) for options in grid)


def fit_biases(ratings: Ratings, of_user: float, of_movie: float) -> Predict:
    """rating = mean + the user's bias + the movie's bias, within the range of the ratings.

    Regularised biases by alternating least squares (Koren 2009, "Factor in the neighbors"); an
    unknown user or movie has none.

    Args:
        of_user, of_movie: how many ratings at the mean a bias starts from.

    >>> known = Ratings(*np.array([[1, 1, 2, 2], [10, 20, 10, 20], [5, 1, 5, 1], [0, 0, 0, 0]]))
    >>> fit_biases(known, 0, 2)(np.array([1, 9, 9]), np.array([10, 20, 30])).tolist()
    [4.0, 2.0, 3.0]
    """
    user_ids, user = np.unique(ratings.user_ids, return_inverse=True)
    movie_ids, movie = np.unique(ratings.movie_ids, return_inverse=True)
    mean = float(ratings.values.mean(dtype=np.float64))
    rest = ratings.values - mean
    by_user = np.zeros(len(user_ids))
    of_users, of_movies = np.bincount(user) + of_user, np.bincount(movie) + of_movie
    for _ in range(ROUNDS):
        by_movie = np.bincount(movie, rest - by_user[user]) / of_movies
        by_user = np.bincount(user, rest - by_movie[movie]) / of_users
    by_user, by_movie = np.append(by_user, 0), np.append(by_movie, 0)  # of the unknown, at -1
    limits = float(ratings.values.min()), float(ratings.values.max())

    def predict(users: NDArray[np.integer], movies: NDArray[np.integer]) -> Array:
        found = mean + by_user[positions(user_ids, users)] + by_movie[positions(movie_ids, movies)]
        return np.clip(found, *limits)

    return predict


KINDS = ("rated", "liked", "rating/5")
RIDGES = tuple(100.0 * 2**n for n in range(9))  # users with few likes need the large ones
EDLAE_GRID = (("liked", "rating/5"), (20.0, 80.0), (0.5, 1.0, 2.0, 4.0))


def _baseline(name: str, fit: Callable, *grid: Sequence[object]) -> Baseline:
    return Baseline(name, tuple(product(*grid)), fit)


POPULARITY = _baseline("popularity", popularity, (*KINDS, "mean"), (np.inf,))
RECENT_POPULARITY = _baseline(
    "popularity of the last days", popularity, KINDS, (7.0, 30.0, 90.0, 365.0)
)
GROUP_POPULARITY = _baseline(
    "popularity by age and gender", group_popularity, KINDS, (0, 3, 10, 30, 100, 300)
)
PROFILE_KERNEL = _baseline(
    "kernel of age, gender and job",
    profile_kernel,
    KINDS,
    (1.0,),
    (0.3, 1.0),
    (0.3, 1.0),
    (10.0, 30.0, 100.0, 300.0),
)
CHANCE = _baseline("chance", chance, (0,))
EASE = _baseline("EASE", ease, ("liked", "rating/5", "rated"), RIDGES)
EDLAE = _baseline("EDLAE", edlae, *EDLAE_GRID, (np.inf,))
RECENT_EDLAE = _baseline("EDLAE with recency", edlae, *EDLAE_GRID, (3.0, 10.0, 30.0))
GENRE_PROFILE = _baseline(
    "genre profile",
    genre_profile,
    (*KINDS, "rating-3"),
    ("plain", "unit", "share"),
    ("sum", "lift"),
)
CONTENT_RIDGE = _baseline(
    "content kernel ridge", content_ridge, (0.35, 0.6, 1.0), (4.0, 8.0, 16.0, 32.0, 64.0)
)
BIASES = _baseline("biases", biases, *[(0.5, 1, 2, 5, 10, 20)] * 2)._replace(predicts=True)

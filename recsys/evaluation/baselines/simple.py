"""Baselines that need no library: popularity, item-to-item weights, profiles, content, biases."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Ratings
from recsys.data.ids import positions
from recsys.evaluation.baselines import (
    Array,
    Baseline,
    Fit,
    Grid,
    Ids,
    Predict,
    Problem,
    one_by_one,
)
from recsys.metrics import Scorer
from recsys.parts.content import CATEGORIES_WEIGHT, Block, Kernel
from recsys.parts.ease import solve

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

DAMPING = 10  # how many average ratings a movie's mean starts from
DAY = 86_400  # seconds
LARGEST = 20_000  # movies; a square matrix of more takes 4 bytes a pair, three times over
TUNED = 2048  # most rated movies that the options of EASE and EDLAE are chosen on
ROUNDS = 10  # of alternating between the users' and the movies' biases


# Rankings that are the same for all users, or for all of a group


@one_by_one
def popularity(problem: Problem, kind: str, days: float) -> Scorer:
    """The movies most rated, most liked, with the largest sum of ratings, or of the best mean.

    Args:
        kind: one of these.
        days: up to the last training rating that count, inf for all; movies equal in them follow
            by their popularity of all time.
    """
    scores, train = _popular(problem, kind), problem.stage.train
    if np.isfinite(days):
        recent = train[train.times > train.times.max() - days * DAY]
        latest = replace(problem, stage=problem.stage._replace(train=recent))
        scores = _popular(latest, kind) + 1e-3 * scores / max(1e-9, scores.max())
    return lambda user_ids: np.broadcast_to(scores, (len(user_ids), len(scores)))


@one_by_one
def group_popularity(problem: Problem, kind: str, leaning: float) -> Scorer:
    """Popularity among users of the same age and gender, mixed with `leaning` average users."""
    _, groups, totals, sizes = _by_profile(problem, kind, "age", "gender")
    average = totals.sum(axis=0) / max(1, sizes.sum())
    scores = (totals + (leaning + 1e-6) * average) / (sizes[:, None] + leaning + 1e-6)
    return lambda user_ids: scores[groups[problem.rows(user_ids)]]


@one_by_one
def profile_kernel(
    problem: Problem, kind: str, age: float, gender: float, job: float, ridge: float
) -> Scorer:
    """Gaussian process regression of what users rated on age, gender and job.

    Users of one profile count together, so that time grows with the number of different profiles.
    An unknown attribute is like no other.

    Args:
        kind: what a rating counts.
        age, gender, job: their weights in the kernel.
        ridge: how many users of no effect it starts from.
    """
    profiles, groups, totals, sizes = _by_profile(problem, kind, "age", "gender", "job")
    one, other = profiles[:, None], profiles[None]
    alike = (one == other).astype(np.float64)  # (P, P, 3)
    alike[..., 0] = np.exp(-np.abs(one - other)[..., 0] / 2)
    alike *= (one > 0) & (other > 0)
    kernel = alike @ np.array([age, gender, job])  # (P, P)
    mean = totals.sum(axis=0) / max(1, sizes.sum())
    trained = np.flatnonzero(sizes)
    noise = np.diag(ridge / sizes[trained])
    offsets = totals[trained] / sizes[trained, None] - mean
    learned = np.linalg.solve(kernel[np.ix_(trained, trained)] + noise, offsets)
    scores = mean + kernel[:, trained] @ learned
    return lambda user_ids: scores[groups[problem.rows(user_ids)]]


@one_by_one
def chance(problem: Problem, seed: int) -> Scorer:
    """A seeded order at random, another one for every user."""
    order = np.random.default_rng(seed).random(len(problem.movie_ids))
    return lambda user_ids: (order + user_ids[:, None] * 0.6180339887498949) % 1


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


def _closed_form(problem: Problem, grid: Grid, ridges: Callable[..., Array]) -> Iterator[Scorer]:
    """Each movie from all the others; popularity for users without a history.

    With X the (U, M) ratings, P = inverse(X'X + diag(ridges)): scores = x - (x P) / diag(P) for
    the columns not in x. While options are chosen the TUNED most rated movies stand for all.
    """
    for kind, same_kind in groupby(grid, lambda options: options[0]):
        x = problem.train(kind)
        popular = _sums(x)
        columns = np.arange(x.shape[1])
        if len(grid) > 1:
            columns = np.sort(np.argsort(-_sums(problem.train()), kind="stable")[:TUNED])
        products = (x[:, columns].T @ x[:, columns]).toarray()
        for (_, *chosen), same in groupby(same_kind, lambda options: options[:3]):
            system = products.copy()
            system.flat[:: len(system) + 1] += ridges(products.diagonal(), *chosen)
            weights = solve(system, 0.0)
            for options in same:
                seen = problem.seen(kind, span=options[3] if len(options) > 3 else np.inf)
                yield _by_history(problem, seen, columns, weights, popular)


@one_by_one
def genre_profile(problem: Problem, kind: str, scale: str, lift: str) -> Scorer:
    """Movies with the genres of the movies a user rated; it needs no rating of the movie itself.

    Args:
        kind: what a rating counts.
        scale: rows of genres "plain", of length 1 ("unit") or of sum 1 ("share").
        lift: "lift" over how often genres are rated, or the "sum".
    """
    movies, genres = problem.dataset.movies, problem.genres  # (M', G)
    counts = np.maximum(1, genres.sum(axis=1, keepdims=True))
    genres = genres / {"plain": 1, "unit": np.sqrt(counts), "share": counts}[scale]
    users = problem.seen(kind, movies.ids) @ genres  # (U, G)
    if lift == "lift":
        users = users / np.maximum(1, _sums(problem.train(movie_ids=movies.ids)) @ genres)
    ranked = genres[positions(movies.ids, problem.movie_ids)]  # (M, G)
    return lambda user_ids: users[problem.rows(user_ids)] @ ranked.T


@one_by_one
def content_ridge(problem: Problem, year_weight: float, ridge: float) -> Scorer:
    """Kernel ridge regression of each user's ratings on genres and year; new movies too.

    A user's targets are a fifth of the ratings, and 0 of other training movies, less their mean.
    """
    movies = problem.dataset.movies
    years = np.where(movies.years > 0, movies.years, np.nan)

    def blocks(rows: Ids) -> list[Block]:
        genres = Block(problem.genre_rows[rows], CATEGORIES_WEIGHT)
        return [genres, Block(years[rows], year_weight)]

    trained = np.flatnonzero(np.isin(movies.ids, problem.stage.train.movie_ids))
    kernel = Kernel.fit(blocks(trained))
    features = kernel.features(blocks(trained)).astype(np.float64)  # (M', F)
    products = features.T @ features + ridge * np.eye(features.shape[1])
    learned = np.linalg.solve(products, (features - features.mean(0)).T)  # (F, M')
    history = problem.seen("rating/5", movies.ids[trained])
    users = history @ learned.T.astype(np.float32)  # (U, F)
    ranked = kernel.features(blocks(positions(movies.ids, problem.movie_ids)))  # (M, F)
    return lambda user_ids: users[problem.rows(user_ids)] @ ranked.T


def _by_history(
    problem: Problem, seen: "csr_matrix", columns: Ids, weights: Array, popular: Array
) -> Scorer:
    """What users rated (U, M) times (C, C) weights, a row's movie for a column's, of C columns.

    Other movies are never recommended; a user without a history gets (M,) `popular`.
    """

    def score(user_ids: Ids) -> Array:
        rows = seen[problem.rows(user_ids)]
        scores = np.full(rows.shape, -1e9, np.float32)
        scores[:, columns] = rows[:, columns] @ weights
        return np.where(rows.getnnz(1)[:, None], scores, popular)

    return score


def _sums(x: "csr_matrix") -> NDArray[np.float64]:
    """(M,) the sum of each column."""
    return np.bincount(x.indices, x.data, x.shape[1]).astype(np.float64)


def _popular(problem: Problem, kind: str) -> NDArray[np.float64]:
    if kind != "mean":
        return _sums(problem.train(kind))
    totals, counts = _sums(problem.train("rating")), _sums(problem.train())
    return (totals + DAMPING * problem.stage.train.values.mean()) / (counts + DAMPING)


def _by_profile(problem: Problem, kind: str, *names: str) -> tuple[Ids, Ids, Array, Array]:
    """Users who are alike in some attributes, and what they rated.

    Returns:
        (P, names) the different rows of the attributes, 0 for unknown; (U,) whose each user is;
        (P, M) sums of what their training ratings count; (P,) how many of them rated.
    """
    from scipy.sparse import csr_matrix

    users = problem.dataset.users
    rows = np.stack([users.column(name).astype(np.int64) for name in names], axis=1)
    profiles, groups = np.unique(rows, axis=0, return_inverse=True)
    groups = groups.reshape(-1)
    member = csr_matrix((np.ones(len(users)), (groups, np.arange(len(users)))))
    trained = np.isin(users.ids, problem.stage.train.user_ids) * 1.0
    totals, sizes = (member @ problem.train(kind)).toarray(), member @ trained
    return profiles, groups, totals, sizes


# Predicted ratings


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

    def predict(users: Ids, movies: Ids) -> Array:
        user, movie = positions(user_ids, users), positions(movie_ids, movies)
        return np.clip(mean + by_user[user] + by_movie[movie], *limits)

    return predict


def _baseline(name: str, fit: Fit, *grid: Sequence[object]) -> Baseline:
    return Baseline(name, tuple(product(*grid)), fit)


KINDS = ("rated", "liked", "rating/5")
RIDGES = tuple(100.0 * 2**n for n in range(9))  # users with few likes need the large ones
DAYS, AVERAGE_USERS = (7.0, 30.0, 90.0, 365.0), (0, 3, 10, 30, 100, 300)
PROFILE = ((1.0,), (0.3, 1.0), (0.3, 1.0), (10.0, 30.0, 100.0, 300.0))
EDLAE_GRID = (("liked", "rating/5"), (20.0, 80.0), (0.5, 1.0, 2.0, 4.0))
GENRES = ((*KINDS, "rating-3"), ("plain", "unit", "share"), ("sum", "lift"))
CONTENT = ((0.35, 0.6, 1.0), (4.0, 8.0, 16.0, 32.0, 64.0))
RATINGS = (0.5, 1, 2, 5, 10, 20)  # that a bias starts from

POPULARITY = _baseline("popularity", popularity, (*KINDS, "mean"), (np.inf,))
RECENT_POPULARITY = _baseline("popularity of the last days", popularity, KINDS, DAYS)
GROUP_POPULARITY = _baseline("popularity by age and gender", group_popularity, KINDS, AVERAGE_USERS)
PROFILE_KERNEL = _baseline("kernel of age, gender and job", profile_kernel, KINDS, *PROFILE)
CHANCE = _baseline("chance", chance, (0,))
EASE = _baseline("EASE", ease, ("liked", "rating/5", "rated"), RIDGES)._replace(most_movies=LARGEST)
EDLAE = _baseline("EDLAE", edlae, *EDLAE_GRID, (np.inf,))._replace(most_movies=LARGEST)
RECENT_EDLAE = EDLAE._replace(
    name="EDLAE with recency", grid=tuple(product(*EDLAE_GRID, (3.0, 10.0, 30.0)))
)
GENRE_PROFILE = _baseline("genre profile", genre_profile, *GENRES)
CONTENT_RIDGE = _baseline("content kernel ridge", content_ridge, *CONTENT)
BIASES = Baseline(
    "biases",
    tuple(product(RATINGS, RATINGS)),
    one_by_one(lambda problem, *options: fit_biases(problem.stage.seen, *options)),
    predicts=True,
)

"""What recsys is compared with: popularity, item-to-item weights, profiles, content, biases, more.

A baseline's options are tried on the validation part; with the best it is fitted again, on training
and validation parts together, before it is reported. The first of most is what a rating counts, see
`Problem.matrix`. A new one is a function here or in `libraries`, and a line of BASELINES.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from recsys.data.ids import positions
from recsys.errors import QueryError, quoted
from recsys.evaluation import MOVIES_HELD_OUT, PROTOCOLS, libraries
from recsys.evaluation.problem import Array, Ids, Predict, Problem, Scorer
from recsys.parts.content import Block, Kernel
from recsys.parts.ease import solve

DAY = 86_400  # seconds
ROUNDS = 10  # of alternating between the users' and the movies' biases
QUICK, ALL = "quick", "all"  # baselines that need no library, all baselines


class Baseline(NamedTuple):
    """A way to rank movies or to predict ratings, and the options it is tried with."""

    name: str
    protocols: tuple[str, ...]  # that it is compared in
    fit: Callable[..., Any]  # (problem, *options) -> a `Scorer`, or a `Predict`
    grid: Sequence[tuple]
    library: str = ""  # the module it is made of, where that is not our own
    predicts: bool = False  # ratings, instead of ranking


def tune(baseline: Baseline, problem: Problem) -> tuple:
    """The options of the largest ndcg@10 on the problem's test part, or of the smallest RMSE.

    A single one is not tried; large problems are made rough.
    """
    if len(baseline.grid) == 1:
        return baseline.grid[0]
    problem = problem.rough()

    def error(options: tuple) -> float:
        fitted = baseline.fit(problem, *options)
        if baseline.predicts:
            return problem.errors(fitted)["rmse"].value
        return -problem.judged(problem.best(fitted))["ndcg@10"].value

    return min(baseline.grid, key=error)


def select(
    protocol: str, which: str = QUICK, log: Callable[[str], None] = lambda _: None
) -> list[Baseline]:
    """The baselines of a protocol: QUICK, ALL, or some by name with commas between them.

    One whose library cannot be imported is left out, and the log says so.

    Raises:
        QueryError: a name is of no baseline of the protocol.
    """
    every = {each.name.casefold(): each for each in BASELINES if protocol in each.protocols}
    names = {name.strip().casefold() for name in which.split(",")}
    if names == {QUICK}:
        return [each for each in every.values() if not each.library]
    if unknown := sorted(names - {*every, ALL}):
        cause = f"no baseline {quoted(unknown[0])} for {protocol}"
        known = ", ".join(each.name for each in every.values())
        raise QueryError(cause, f"choose {QUICK}, {ALL} or of: {known}", "baselines")
    chosen = []
    for baseline in (every[name] for name in every if names & {name, ALL}):
        try:
            if baseline.library:
                import_module(baseline.library)
            chosen.append(baseline)
        except Exception as error:  # a library built for another NumPy raises whatever it likes
            cause = str(error).partition("\n")[0] or type(error).__name__
            log(f"{baseline.name} left out: {cause}; pip install 'recsys[bench]'")
    return chosen


# Rankings that are the same for all users, or for all of one profile


def popularity(problem: Problem, kind: str, days: float) -> Scorer:
    """The movies most rated, most liked, or with the largest sum of ratings, of the last days.

    Movies equal in them follow by their popularity of all time.
    """
    train = problem.stage.train
    scores = _sums(problem.matrix(train, kind))
    if days < np.inf:
        recent = train[train.times > train.times.max() - days * DAY]
        scores = _sums(problem.matrix(recent, kind)) + 1e-3 * scores / max(1e-9, scores.max())
    return lambda user_ids: np.broadcast_to(scores, (len(user_ids), len(scores)))


def profile_kernel(problem: Problem, kind: str, gender: float, job: float, ridge: float) -> Scorer:
    """Gaussian process regression of what users rated on age, gender and job.

    Users of one profile count together, so that time grows with the number of different profiles.
    An unknown attribute is like no other. Age weighs 1 in the kernel; the ridge is how many users
    of no effect it starts from.
    """
    users, train = problem.dataset.users, problem.stage.train
    rows = [users.column(name).astype(np.int64) for name in ("age", "gender", "job")]
    profiles, groups = np.unique(np.stack(rows, axis=1), axis=0, return_inverse=True)
    groups = groups.reshape(-1)  # (U,)
    member = csr_matrix((np.ones(len(users)), (groups, np.arange(len(users)))))
    totals = (member @ problem.matrix(train, kind)).toarray()  # (P, M)
    sizes = member @ (np.isin(users.ids, train.user_ids) * 1.0)  # (P,)
    one, other = profiles[:, None], profiles[None]
    alike = (one == other).astype(np.float64)  # (P, P, 3)
    alike[..., 0] = np.exp(-np.abs(one - other)[..., 0] / 2)
    alike *= (one > 0) & (other > 0)
    kernel = alike @ np.array([1, gender, job])  # (P, P)
    mean = totals.sum(axis=0) / max(1, sizes.sum())
    trained = np.flatnonzero(sizes)
    noise = np.diag(ridge / sizes[trained])
    offsets = totals[trained] / sizes[trained, None] - mean
    learned = np.linalg.solve(kernel[np.ix_(trained, trained)] + noise, offsets)
    scores = mean + kernel[:, trained] @ learned
    return lambda user_ids: scores[groups[problem.rows(user_ids)]]


def chance(problem: Problem) -> Scorer:
    """A seeded order at random, another one for every user."""
    order = np.random.default_rng(0).random(len(problem.movie_ids))
    return lambda user_ids: (order + user_ids[:, None] * 0.6180339887498949) % 1


# Rankings by what users rated


def linear(
    problem: Problem, kind: str, ridge: float, share: float = 0.0, span: float = np.inf
) -> Scorer:
    """Each movie from all the others; popularity for users without a history.

    With X the (U, M) ratings and P = inverse(X'X + diag(ridge + share x ratings of each movie)):
    scores = x - (x P) / diag(P) for the columns not in x. A share of 0 makes EASE (Steck, WWW
    2019); EDLAE (Steck, "Autoencoders that don't overfit towards the Identity", NeurIPS 2020) has
    share p / (1 - p), of a dropout p, and ridge = share x prior. The span is of the recency that
    histories are weighed by when asked.
    """
    columns, weights = _item_weights(problem, kind, ridge, share)
    popular = _sums(problem.matrix(problem.stage.train, kind))
    seen = problem.matrix(problem.stage.seen, kind, span=span)

    def score(user_ids: Ids) -> Array:
        rows = seen[problem.rows(user_ids)]
        scores = np.full(rows.shape, -1e9, np.float32)  # movies behind the most rated come last
        scores[:, columns] = rows[:, columns] @ weights
        return np.where(rows.getnnz(1)[:, None], scores, popular)

    return score


@lru_cache(maxsize=1)  # options that differ in the span alone share it
def _item_weights(problem: Problem, kind: str, ridge: float, share: float) -> tuple[Ids, Array]:
    """(C,) columns of the most rated movies; (C, C) weights, a row's movie for a column's."""
    columns, products = _products(problem, kind)
    system = products.copy()
    system.flat[:: len(system) + 1] += ridge + share * products.diagonal()
    return columns, solve(system, 0.0)


@lru_cache(maxsize=1)
def _products(problem: Problem, kind: str) -> tuple[Ids, Array]:
    """(C,) columns of the most rated movies; (C, C) the products of their ratings."""
    counts = _sums(problem.matrix(problem.stage.train))
    columns = np.sort(np.argsort(-counts, kind="stable")[: problem.most_movies])
    x = problem.matrix(problem.stage.train, kind)[:, columns]
    return columns, (x.T @ x).toarray()


def genre_profile(problem: Problem, kind: str, scale: str, lift: str) -> Scorer:
    """Movies with the genres of the movies a user rated; it needs no rating of the movie itself.

    Rows of genres are plain, of length 1 ("unit") or of sum 1 ("share"); "lift" is over how often
    genres are rated.
    """
    ids, genres, stage = problem.dataset.movies.ids, problem.genres, problem.stage
    counts = np.maximum(1, genres.sum(axis=1, keepdims=True))
    genres = genres / {"plain": 1, "unit": np.sqrt(counts), "share": counts}[scale]  # (M', G)
    users = problem.matrix(stage.seen, kind, ids) @ genres  # (U, G)
    if lift == "lift":
        rated = _sums(problem.matrix(stage.train, movie_ids=ids)) @ genres
        users = users / np.maximum(1, rated)
    ranked = genres[positions(ids, problem.movie_ids)]  # (M, G)
    return lambda user_ids: users[problem.rows(user_ids)] @ ranked.T


def content_ridge(problem: Problem, year_weight: float, ridge: float) -> Scorer:
    """Kernel ridge regression of each user's ratings on genres and year; new movies too.

    A user's targets are a fifth of the ratings, and 0 of other training movies, less their mean.
    """
    movies = problem.dataset.movies
    years = np.where(movies.years > 0, movies.years, np.nan)
    genres = np.where(problem.genres > 0, np.arange(problem.genres.shape[1]) + 1, 0)

    def blocks(rows: Ids) -> list[Block]:
        return [Block(genres[rows], 1.0), Block(years[rows], year_weight)]

    trained = np.flatnonzero(np.isin(movies.ids, problem.stage.train.movie_ids))
    kernel = Kernel.fit(blocks(trained))
    features = kernel.features(blocks(trained)).astype(np.float64)  # (M', F)
    products = features.T @ features + ridge * np.eye(features.shape[1])
    learned = np.linalg.solve(products, (features - features.mean(0)).T)  # (F, M')
    history = problem.matrix(problem.stage.seen, "rating/5", movies.ids[trained])
    users = history @ learned.T.astype(np.float32)  # (U, F)
    ranked = kernel.features(blocks(positions(movies.ids, problem.movie_ids)))  # (M, F)
    return lambda user_ids: users[problem.rows(user_ids)] @ ranked.T


def _sums(x: Any) -> Array:
    """(M,) the sum of each column of a sparse matrix."""
    return np.bincount(x.indices, x.data, x.shape[1]).astype(np.float64)


# Predicted ratings


def biases(problem: Problem, of_user: float, of_movie: float) -> Predict:
    """rating = mean + the user's bias + the movie's bias, within the range of the ratings.

    Regularised biases by alternating least squares (Koren 2009, "Factor in the neighbors"), which
    start from so many ratings at the mean; an unknown user or movie has none.
    """
    ratings = problem.stage.seen
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


KINDS = ("rated", "liked", "rating/5")
RIDGES = [100.0 * 2**n for n in range(9)]  # users with few likes need the large ones
EDLAE = [  # what a rating counts, the ridge, the share
    (kind, share * prior, share)
    for kind, prior, share in product(("liked", "rating/5"), (20.0, 80.0), (0.5, 1.0, 2.0, 4.0))
]
RECENT_EDLAE = [(*options, span) for options in EDLAE for span in (3.0, 10.0, 30.0)]
GENRES = [*product((*KINDS, "rating-3"), ("plain", "unit", "share"), ("sum", "lift"))]
CONTENT = [*product((0.35, 0.6, 1.0), (4.0, 8.0, 16.0, 32.0, 64.0))]
PROFILE = [*product(KINDS, (0.3, 1.0), (0.3, 1.0), (10.0, 30.0, 100.0, 300.0))]
IALS = [*product(("rated", "liked"), (32, 64), (2.0, 5.0, 10.0), (3.0, 10.0, 30.0))]
BIASES = [*product((0.5, 1, 2, 5, 10, 20), repeat=2)]

RECENT = [*product(KINDS, (7.0, 30.0, 90.0, 365.0))]

LATER = ("user-time", "fold-in", "temporal")
BY_HISTORY = ("random", *LATER, "few-likes")
COLD_USERS = ("cold-users",)
BASELINES = (  # in the order of the tables
    Baseline("chance", MOVIES_HELD_OUT, chance, [()]),
    Baseline("genre profile", MOVIES_HELD_OUT, genre_profile, GENRES),
    Baseline("content kernel ridge", MOVIES_HELD_OUT, content_ridge, CONTENT),
    Baseline("popularity", BY_HISTORY + COLD_USERS, popularity, [*product(KINDS, (np.inf,))]),
    Baseline("popularity of the last days", LATER, popularity, RECENT),
    Baseline("kernel of age, gender and job", COLD_USERS, profile_kernel, PROFILE),
    Baseline("EASE", BY_HISTORY, linear, [*product(("liked", "rating/5", "rated"), RIDGES)]),
    Baseline("EDLAE", BY_HISTORY, linear, EDLAE),
    Baseline("EDLAE with recency", LATER, linear, RECENT_EDLAE),
    Baseline("iALS", BY_HISTORY, libraries.ials, IALS, "implicit.als"),
    Baseline("biases", PROTOCOLS, biases, BIASES, predicts=True),
    Baseline("SVD++", PROTOCOLS, libraries.svdpp, [(20, 20, 0.02)], "surprise", predicts=True),
    Baseline("myFM", PROTOCOLS, libraries.myfm, [(10, 300)], "myfm", predicts=True),
)

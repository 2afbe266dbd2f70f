"""The baselines, each at its best: popularity, popularity in a group, EASE, genres, biases.

A baseline's options are tried on the validation part; with the best it is fitted again, on training
and validation parts together, before it is reported.
"""

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Dataset, Movies, Ratings
from recsys.data.ids import positions
from recsys.data.movielens import LIKED
from recsys.errors import DataError
from recsys.evaluation.splits import Part
from recsys.metrics import (
    Histories,
    RankingTask,
    Scorer,
    best,
    ranking_metrics,
    rating_metrics,
)

EASE_MOVIES = 20_000  # its square matrix needs 8 bytes a pair of movies, several times over
RIDGES = tuple(100 * 2**n for n in range(9))  # cold-start users with few likes need the large ones
DAMPING = 10  # how many average ratings a movie's mean starts from
ROUNDS = 10  # of alternating between the users' and the movies' biases

Options = tuple[str | float, ...]
Ids = NDArray[np.int64]


class Baseline(NamedTuple):
    """A way to rank and the options it is tried with."""

    name: str
    grid: tuple[Options, ...]
    fit: Callable[[Part, Dataset, Ids, Options], Scorer]  # scores the (M,) movies named


class Biases(NamedTuple):
    """rating = mean + the user's bias + the movie's bias, kept within the range of the ratings."""

    mean: float
    lowest: float
    highest: float
    user_ids: Ids  # (U,) ascending
    user_biases: NDArray[np.float64]  # (U,)
    movie_ids: Ids  # (M,) ascending
    movie_biases: NDArray[np.float64]  # (M,)

    def predict(
        self, user_ids: NDArray[np.integer], movie_ids: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """(N,) ratings of N pairs; an unknown user or movie has no bias."""
        user, movie = positions(self.user_ids, user_ids), positions(self.movie_ids, movie_ids)
        values = self.mean + np.where(user >= 0, self.user_biases[user], 0)
        values = values + np.where(movie >= 0, self.movie_biases[movie], 0)
        return np.clip(values, self.lowest, self.highest)


def tune(
    baseline: Baseline, part: Part, dataset: Dataset, task: RankingTask
) -> tuple[Options, float]:
    """The options of the largest ndcg@10 on the ranking task of validation, and that ndcg@10."""
    tried = {}
    for options in baseline.grid:
        scorer = baseline.fit(part, dataset, task.movie_ids, options)
        tried[options] = ranking_metrics(task, best(task, scorer))["ndcg@10"].value
    winner = max(tried, key=lambda options: tried[options])
    return winner, tried[winner]


def weights(values: NDArray[np.float32], kind: str) -> NDArray[np.float32]:
    """What a rating counts: 1 if liked else 0, a fifth of itself, or 1 always."""
    if kind == "liked":
        return (values >= LIKED).astype(np.float32)
    return values / np.float32(5) if kind == "rating/5" else np.ones_like(values)


def popularity(part: Part, dataset: Dataset, movie_ids: Ids, options: Options) -> Scorer:
    """The movies most rated, most liked, with the largest sum of ratings, or of the best mean."""
    (kind,) = options
    known = part.train
    values = known.values if kind == "mean" else weights(known.values, str(kind))
    scores = _sums(known, movie_ids, values)
    if kind == "mean":
        counts = _sums(known, movie_ids, np.ones(len(known), np.float32))
        scores = (scores + DAMPING * known.values.mean()) / (counts + DAMPING)
    return lambda user_ids: np.broadcast_to(scores, (len(user_ids), len(scores)))


def group_popularity(part: Part, dataset: Dataset, movie_ids: Ids, options: Options) -> Scorer:
    """Popularity among users of the same age and gender, mixed with some average users."""
    kind, leaning = str(options[0]), float(options[1])
    users, known = dataset.users, part.train
    codes = (users.ages.astype(np.int64) + 1) * 8 + users.genders + 1  # UNKNOWN is a group too
    groups = np.unique(codes, return_inverse=True)[1]  # (U,)
    rater = groups[positions(users.ids, known.user_ids)]  # (N,)
    values = weights(known.values, kind)
    average = _sums(known, movie_ids, values) / max(1, len(np.unique(known.user_ids)))
    scores = np.empty((groups.max() + 1, len(movie_ids)))
    for group in range(len(scores)):
        of_group = known[rater == group]
        size = len(np.unique(of_group.user_ids))
        sums = _sums(of_group, movie_ids, values[rater == group])
        scores[group] = (sums + (leaning + 1e-6) * average) / (size + leaning + 1e-6)
    return lambda user_ids: scores[groups[positions(users.ids, user_ids)]]


def ease(part: Part, dataset: Dataset, movie_ids: Ids, options: Options) -> Scorer:
    """EASE (Steck 2019): the closed form of a linear model of each movie from all the others.

    Movies are scored by a user's history times B, so cold-start users who name likes are folded in
    without fitting again; a user without any history gets what is popular.

    Raises:
        DataError: more than EASE_MOVIES movies.
    """
    kind, ridge = str(options[0]), float(options[1])
    if len(movie_ids) > EASE_MOVIES:
        raise DataError(f"EASE of {len(movie_ids)} movies needs too much memory; leave it out")
    values = weights(part.train.values, kind)
    known = Histories(part.train, movie_ids, values)
    gram = np.zeros((len(movie_ids), len(movie_ids)), np.float32)
    for start in range(0, len(known.user_ids), 4096):
        block = known.dense(known.user_ids[start : start + 4096])
        gram += block.T @ block
    np.fill_diagonal(gram, gram.diagonal() + ridge)
    inverse = np.linalg.inv(gram.astype(np.float64))
    matrix = (inverse / -inverse.diagonal()).astype(np.float32)  # (M, M) column by column
    np.fill_diagonal(matrix, 0)
    histories = Histories(part.seen, movie_ids, weights(part.seen.values, kind))
    popular = _sums(part.train, movie_ids, values)

    def score(user_ids: NDArray[np.int64]) -> NDArray[np.floating]:
        rows = histories.dense(user_ids)
        return np.where(rows.any(axis=1, keepdims=True), rows @ matrix, popular)

    return score


def genre_profile(part: Part, dataset: Dataset, movie_ids: Ids, options: Options) -> Scorer:
    """Movies with the genres of the movies a user rated; it needs no rating of the movie itself."""
    kind, scale, lift = str(options[0]), str(options[1]), options[2] == "lift"
    movies = dataset.movies
    genres = _genre_table(movies, scale)  # (M', G)
    values = part.seen.values - 3 if kind == "rating-3" else weights(part.seen.values, kind)
    histories = Histories(part.seen, movies.ids, values)
    usual = np.ones(genres.shape[1])
    if lift:
        usual = np.maximum(1, _sums(part.train, movies.ids, np.ones(len(part.train))) @ genres)
    candidates = genres[positions(movies.ids, movie_ids)]  # (M, G)
    return lambda user_ids: (histories.dense(user_ids) @ genres / usual) @ candidates.T


def chance(part: Part, dataset: Dataset, movie_ids: Ids, options: Options) -> Scorer:
    """A seeded order at random, another one for every user."""
    order = np.random.default_rng(int(options[0])).random(len(movie_ids))
    return lambda user_ids: (order + user_ids[:, None] * 0.6180339887498949) % 1


def fit_biases(known: Ratings, of_user: float, of_movie: float) -> Biases:
    """Regularised biases by alternating least squares (Koren 2009, "Factor in the neighbors").

    Args:
        known: N ratings.
        of_user, of_movie: how many ratings at the mean a bias starts from.
    """
    user_ids, user = np.unique(known.user_ids.astype(np.int64), return_inverse=True)
    movie_ids, movie = np.unique(known.movie_ids.astype(np.int64), return_inverse=True)
    mean = float(known.values.mean(dtype=np.float64))
    rest = known.values - mean
    by_user, by_movie = np.zeros(len(user_ids)), np.zeros(len(movie_ids))
    of_users, of_movies = np.bincount(user) + of_user, np.bincount(movie) + of_movie
    for _ in range(ROUNDS):
        by_movie = np.bincount(movie, rest - by_user[user]) / of_movies
        by_user = np.bincount(user, rest - by_movie[movie]) / of_users
    limits = float(known.values.min()), float(known.values.max())
    return Biases(mean, *limits, user_ids, by_user, movie_ids, by_movie)


def tune_biases(part: Part) -> tuple[Options, float]:
    """The two regularisations with the smallest RMSE on the validation part, and that RMSE."""
    tried = {}
    for options in product((0.5, 1, 2, 5, 10, 20), repeat=2):
        values = fit_biases(part.train, *options).predict(part.test.user_ids, part.test.movie_ids)
        tried[options] = rating_metrics(part.test.user_ids, part.test.values, values)["rmse"].value
    winner = min(tried, key=lambda options: tried[options])
    return winner, tried[winner]


POPULARITY = Baseline("popularity", (("rated",), ("liked",), ("rating/5",), ("mean",)), popularity)
GROUP_POPULARITY = Baseline(
    "popularity by age and gender",
    tuple(product(("rated", "liked", "rating/5"), (0, 3, 10, 30, 100, 300))),
    group_popularity,
)
EASE = Baseline(
    "EASE",
    tuple(product(("liked", "rating/5", "rated"), RIDGES)),
    ease,
)
GENRE_PROFILE = Baseline(
    "genre profile",
    tuple(
        product(
            ("liked", "rating/5", "rated", "rating-3"),
            ("plain", "unit", "share"),
            ("sum", "lift"),
        )
    ),
    genre_profile,
)
CHANCE = Baseline("chance", ((0,),), chance)


def _sums(ratings: Ratings, movie_ids: Ids, values: NDArray[np.floating]) -> NDArray[np.float64]:
    """(M,) the sum of the values of each movie's ratings."""
    columns = positions(movie_ids, ratings.movie_ids)
    there = columns >= 0
    return np.bincount(columns[there], values[there], len(movie_ids)).astype(np.float64)


def _genre_table(movies: Movies, scale: str) -> NDArray[np.float64]:
    """(M, G) 1 for each genre of a movie; "unit" or "share" make rows of one length or sum."""
    columns = {name: place for place, name in enumerate(sorted(set().union(*movies.genres)))}
    table = np.zeros((len(movies), len(columns)))
    for row, names in enumerate(movies.genres):
        table[row, [columns[name] for name in names]] = 1
    counts = np.maximum(1, table.sum(axis=1, keepdims=True))
    return table / {"plain": 1, "unit": np.sqrt(counts), "share": counts}[scale]

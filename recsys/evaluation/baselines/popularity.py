"""Popularity: of all time, of the last days, in a group; genre profile; chance."""

from itertools import product

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Dataset, Movies, Ratings
from recsys.data.ids import positions
from recsys.evaluation.baselines.base import Baseline, Ids, Options, sums, weights
from recsys.evaluation.splits import Part
from recsys.metrics import Histories, Scorer

DAMPING = 10  # how many average ratings a movie's mean starts from
DAY = 86_400  # seconds


def popularity(part: Part, dataset: Dataset, movie_ids: Ids, options: Options) -> Scorer:
    """The movies most rated, most liked, with the largest sum of ratings, or of the best mean.

    Args:
        options: one of these, and how many days up to the last training rating count, inf for
            all; movies equal in them follow by their popularity of all time.
    """
    kind, days = str(options[0]), float(options[1])
    known = part.train
    scores = _popular(known, movie_ids, kind)
    if np.isfinite(days):
        recent = known[known.times > known.times.max() - days * DAY]
        scores = _popular(recent, movie_ids, kind) + 1e-3 * scores / max(1e-9, scores.max())
    return lambda user_ids: np.broadcast_to(scores, (len(user_ids), len(scores)))


def group_popularity(part: Part, dataset: Dataset, movie_ids: Ids, options: Options) -> Scorer:
    """Popularity among users of the same age and gender, mixed with some average users."""
    kind, leaning = str(options[0]), float(options[1])
    users, known = dataset.users, part.train
    codes = users.column("age") * 8 + users.column("gender")  # 0, unknown, is a group too
    groups = np.unique(codes, return_inverse=True)[1].reshape(-1)  # (U,)
    rater = groups[positions(users.ids, known.user_ids)]  # (N,)
    values = weights(known.values, kind)
    average = sums(known, movie_ids, values) / max(1, len(np.unique(known.user_ids)))
    scores = np.empty((groups.max() + 1, len(movie_ids)))
    for group in range(len(scores)):
        of_group = known[rater == group]
        size = len(np.unique(of_group.user_ids))
        own = sums(of_group, movie_ids, values[rater == group])
        scores[group] = (own + (leaning + 1e-6) * average) / (size + leaning + 1e-6)
    return lambda user_ids: scores[groups[positions(users.ids, user_ids)]]


def genre_profile(part: Part, dataset: Dataset, movie_ids: Ids, options: Options) -> Scorer:
    """Movies with the genres of the movies a user rated; it needs no rating of the movie itself."""
    kind, scale, lift = str(options[0]), str(options[1]), options[2] == "lift"
    movies = dataset.movies
    genres = _genre_table(movies, scale)  # (M', G)
    values = part.seen.values - 3 if kind == "rating-3" else weights(part.seen.values, kind)
    histories = Histories(part.seen, movies.ids, values)
    usual = np.ones(genres.shape[1])
    if lift:
        usual = np.maximum(1, sums(part.train, movies.ids, np.ones(len(part.train))) @ genres)
    candidates = genres[positions(movies.ids, movie_ids)]  # (M, G)
    return lambda user_ids: (histories.dense(user_ids) @ genres / usual) @ candidates.T


def chance(part: Part, dataset: Dataset, movie_ids: Ids, options: Options) -> Scorer:
    """A seeded order at random, another one for every user."""
    order = np.random.default_rng(int(options[0])).random(len(movie_ids))
    return lambda user_ids: (order + user_ids[:, None] * 0.6180339887498949) % 1


def _popular(known: Ratings, movie_ids: Ids, kind: str) -> NDArray[np.float64]:
    values = known.values if kind == "mean" else weights(known.values, kind)
    scores = sums(known, movie_ids, values)
    if kind == "mean":
        counts = sums(known, movie_ids, np.ones(len(known), np.float32))
        scores = (scores + DAMPING * known.values.mean()) / (counts + DAMPING)
    return scores


def _genre_table(movies: Movies, scale: str) -> NDArray[np.float64]:
    """(M, G) 1 for each genre of a movie; "unit" or "share" make rows of one length or sum."""
    columns = {name: place for place, name in enumerate(sorted(set().union(*movies.genres)))}
    table = np.zeros((len(movies), len(columns)))
    for row, names in enumerate(movies.genres):
        table[row, [columns[name] for name in names]] = 1
    counts = np.maximum(1, table.sum(axis=1, keepdims=True))
    return table / {"plain": 1, "unit": np.sqrt(counts), "share": counts}[scale]


KINDS = ("rated", "liked", "rating/5")
POPULARITY = Baseline("popularity", tuple(product((*KINDS, "mean"), (float("inf"),))), popularity)
RECENT_POPULARITY = Baseline(
    "popularity of the last days", tuple(product(KINDS, (7.0, 30.0, 90.0, 365.0))), popularity
)
GROUP_POPULARITY = Baseline(
    "popularity by age and gender",
    tuple(product(KINDS, (0, 3, 10, 30, 100, 300))),
    group_popularity,
)
GENRE_PROFILE = Baseline(
    "genre profile",
    tuple(
        product((*KINDS, "rating-3"), ("plain", "unit", "share"), ("sum", "lift")),
    ),
    genre_profile,
)
CHANCE = Baseline("chance", ((0,),), chance)

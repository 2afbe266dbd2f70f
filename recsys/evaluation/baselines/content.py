"""Kernel ridge regression: new movies by their content, cold-start users by their profile."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Dataset, Movies
from recsys.data.ids import positions
from recsys.data.movielens import MAX_RATING
from recsys.evaluation.baselines.base import Baseline, Ids, Options, weights
from recsys.evaluation.splits import Part
from recsys.metrics import Histories, Scorer
from recsys.serving.content import NO_TOKEN, Block, Kernel, Numbers, Tokens

Array = NDArray[np.float32]


def content_ridge(part: Part, dataset: Dataset, movie_ids: Ids, options: Options) -> Scorer:
    """Kernel ridge regression of each user's ratings on genres and year; new movies too.

    A user's targets are a fifth of the ratings, and 0 of other training movies, less their mean.

    Args:
        options: the weight of the year in the kernel, the ridge.
    """
    year_weight, ridge = map(float, options)
    movies = dataset.movies
    rated = np.flatnonzero(np.isin(movies.ids, part.train.movie_ids))
    blocks = _blocks(movies, rated, year_weight)
    kernel = Kernel.fit(blocks)
    features = kernel.features(blocks).astype(np.float64)  # (M', F)
    products = features.T @ features + ridge * np.eye(kernel.size)
    asking = np.linalg.solve(products, (features - features.mean(0)).T)  # (F, M')
    candidates = kernel.features(_blocks(movies, positions(movies.ids, movie_ids), year_weight))
    matrix = asking.T.astype(np.float32)  # (M', F)
    histories = Histories(part.seen, movies.ids[rated], part.seen.values / MAX_RATING)
    return lambda user_ids: histories.dense(user_ids) @ matrix @ candidates.T


class Profiles(NamedTuple):
    """What users of each profile rated."""

    codes: NDArray[np.int64]  # (P, 3) age, gender and job
    place: NDArray[np.int64]  # (U,) each user's profile
    counts: NDArray[np.float64]  # (P,) users who rated
    totals: NDArray[np.float64]  # (P, M) their ratings, summed


def profile_kernel(part: Part, dataset: Dataset, movie_ids: Ids, options: Options) -> Scorer:
    """Gaussian process regression of what users rated on age, gender and job.

    Users of one profile count together, so that time grows with the number of different profiles.

    Args:
        options: what a rating counts, the weights of age, gender and job in the kernel, and how
            many users of no effect it starts from.
    """
    return next(profile_kernel_all(part, dataset, movie_ids, (options,)))[1]


def profile_kernel_all(
    part: Part, dataset: Dataset, movie_ids: Ids, grid: Sequence[Options]
) -> Iterator[tuple[Options, Scorer]]:
    """`profile_kernel` for many options; ratings are summed once for each kind."""
    users = dataset.users
    for kind in dict.fromkeys(str(options[0]) for options in grid):
        found = _profiles(part, dataset, movie_ids, kind)
        mean = found.totals.sum(0) / max(1.0, found.counts.sum())
        there = np.flatnonzero(found.counts)
        off = found.totals[there] / found.counts[there, None] - mean
        for options in grid:
            if options[0] != kind:
                continue
            *factors, ridge = map(float, options[1:])
            likeness = _profile_likeness(found.codes, factors)  # (P, P)
            noise = np.diag(ridge / found.counts[there])
            learned = np.linalg.solve(likeness[np.ix_(there, there)] + noise, off)
            scores = mean + likeness[:, there] @ learned  # (P, M)
            yield options, partial(_by_profile, scores, found.place, users.ids)


def _by_profile(
    scores: NDArray[np.float64],
    place: NDArray[np.int64],
    ids: NDArray[np.int64],
    user_ids: NDArray[np.int64],
) -> NDArray[np.float64]:
    """(B, M) the scores of each user's profile."""
    return scores[place[positions(ids, user_ids)]]


def _profiles(part: Part, dataset: Dataset, movie_ids: Ids, kind: str) -> Profiles:
    users = dataset.users
    names = ("age", "gender", "job")
    codes = np.stack([users.column(name) - 1 for name in names], 1, dtype=np.int64)
    codes, place = np.unique(codes, axis=0, return_inverse=True)
    place = place.reshape(-1)
    train = part.train
    profile = place[positions(users.ids, train.user_ids)]
    column = positions(movie_ids, train.movie_ids)
    there = column >= 0
    cells = profile[there] * len(movie_ids) + column[there]
    size = len(codes) * len(movie_ids)
    totals = np.bincount(cells, weights(train.values, kind)[there], size)
    raters = positions(users.ids, np.unique(train.user_ids))
    counts = np.bincount(place[raters], minlength=len(codes)).astype(np.float64)
    return Profiles(codes, place, counts, totals.astype(np.float64).reshape(len(codes), -1))


def _profile_likeness(profiles: NDArray[np.int64], factors: Sequence[float]) -> NDArray[np.float64]:
    """(P, P) the weighted sum of how near ages are and whether gender and job are the same.

    An unknown attribute is like no other.
    """
    apart = np.abs(profiles[:, None, :] - profiles[None, :, :])  # (P, P, 3)
    both = (profiles[:, None, :] >= 0) & (profiles[None, :, :] >= 0)
    alike = np.where(both, (apart == 0).astype(np.float64), 0)
    alike[..., 0] = np.where(both[..., 0], np.exp(-apart[..., 0] / 2), 0)
    return alike @ np.asarray(factors)


def _blocks(movies: Movies, places: NDArray[np.integer], year_weight: float) -> list[Block]:
    """Genres and year of some movies."""
    names = {name: row for row, name in enumerate(sorted(set().union(*movies.genres)), 1)}
    rows = np.full((len(places), max(1, *map(len, movies.genres))), NO_TOKEN)
    for row, place in enumerate(places):
        genres = movies.genres[place]
        rows[row, : len(genres)] = [names[genre] for genre in genres]
    years = movies.years[places].astype(np.float64)
    return [Tokens(rows), Numbers(np.where(years > 0, years, np.nan), year_weight)]


CONTENT_RIDGE = Baseline(
    "content kernel ridge",
    tuple(product((0.35, 0.6, 1.0), (4.0, 8.0, 16.0, 32.0, 64.0))),
    content_ridge,
)
PROFILE_KERNEL = Baseline(
    "kernel of age, gender and job",
    tuple(
        product(
            ("rated", "liked", "rating/5"),
            (1.0,),
            (0.3, 1.0),
            (0.3, 1.0),
            (10.0, 30.0, 100.0, 300.0),
        )
    ),
    profile_kernel,
    profile_kernel_all,
)

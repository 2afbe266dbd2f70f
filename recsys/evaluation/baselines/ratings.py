"""Baselines that predict ratings: biases, SVD++ (Surprise) and Bayesian factorization machines."""

from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from io import StringIO
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Dataset, Ratings
from recsys.data.ids import positions
from recsys.evaluation.baselines.base import Options
from recsys.evaluation.splits import Part
from recsys.metrics import rating_metrics

ROUNDS = 10  # of alternating between the users' and the movies' biases
SAMPLE = 150_000  # ratings, those of a sample of users, that slow baselines are tuned on

Predict = Callable[[NDArray[np.integer], NDArray[np.integer]], NDArray[np.floating]]
"""(N,) user ids and (N,) movie ids -> (N,) predicted ratings."""


class RatingBaseline(NamedTuple):
    """A way to predict ratings and the options it is tried with."""

    name: str
    grid: tuple[Options, ...]
    fit: Callable[[Part, Dataset, Options], Predict]
    library: str = ""  # the module it is made of, where that is not our own


class Biases(NamedTuple):
    """rating = mean + the user's bias + the movie's bias, kept within the range of the ratings."""

    mean: float
    lowest: float
    highest: float
    user_ids: NDArray[np.int64]  # (U,) ascending
    user_biases: NDArray[np.float64]  # (U,)
    movie_ids: NDArray[np.int64]  # (M,) ascending
    movie_biases: NDArray[np.float64]  # (M,)

    def predict(
        self, user_ids: NDArray[np.integer], movie_ids: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """(N,) ratings of N pairs; an unknown user or movie has no bias."""
        user, movie = positions(self.user_ids, user_ids), positions(self.movie_ids, movie_ids)
        found = self.mean + np.where(user >= 0, self.user_biases[user], 0)
        found = found + np.where(movie >= 0, self.movie_biases[movie], 0)
        return np.clip(found, self.lowest, self.highest)


def tune_ratings(baseline: RatingBaseline, part: Part, dataset: Dataset) -> tuple[Options, float]:
    """The options of the smallest RMSE on the validation part, and that RMSE.

    A single option is not tried: its RMSE is nan. Those of a library are tried on a sample of
    users with SAMPLE ratings.
    """
    if len(baseline.grid) == 1:
        return baseline.grid[0], float("nan")
    if baseline.library:
        part = _sample(part)
    tried = {}
    for options in baseline.grid:
        predict = baseline.fit(part, dataset, options)
        test = part.test
        predicted = predict(test.user_ids, test.movie_ids)
        tried[options] = rating_metrics(test.user_ids, test.values, predicted)["rmse"].value
    winner = min(tried, key=lambda options: tried[options])
    return winner, tried[winner]


def biases(part: Part, dataset: Dataset, options: Options) -> Predict:
    """`fit_biases` of training and folded-in ratings."""
    return fit_biases(part.seen, *map(float, options)).predict


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


def svdpp(part: Part, dataset: Dataset, options: Options) -> Predict:
    """SVD++ (Koren, KDD 2008) as Surprise computes it.

    Args:
        options: factors, epochs, regularisation.
    """
    from surprise import SVDpp, Trainset

    factors, epochs, regularisation = int(options[0]), int(options[1]), float(options[2])
    known = part.seen
    user_ids, user = np.unique(known.user_ids, return_inverse=True)
    movie_ids, movie = np.unique(known.movie_ids, return_inverse=True)
    by_user: dict[int, list[tuple[int, float]]] = {n: [] for n in range(len(user_ids))}
    by_movie: dict[int, list[tuple[int, float]]] = {n: [] for n in range(len(movie_ids))}
    for u, m, r in zip(user.tolist(), movie.tolist(), known.values.tolist(), strict=True):
        by_user[u].append((m, r))
        by_movie[m].append((u, r))
    limits = float(known.values.min()), float(known.values.max())
    inner_user = {int(raw): n for n, raw in enumerate(user_ids)}
    inner_movie = {int(raw): n for n, raw in enumerate(movie_ids)}
    data = Trainset(
        by_user, by_movie, len(user_ids), len(movie_ids), len(known), limits,
        inner_user, inner_movie,
    )  # fmt: skip
    model = SVDpp(
        n_factors=factors, n_epochs=epochs, reg_all=regularisation, cache_ratings=True,
        random_state=0,
    )  # fmt: skip
    model.fit(data)

    def predict(users: NDArray[np.integer], movies: NDArray[np.integer]) -> NDArray[np.floating]:
        pairs = zip(users.tolist(), movies.tolist(), strict=True)
        return np.array([model.predict(u, m).est for u, m in pairs])

    return predict


def myfm(part: Part, dataset: Dataset, options: Options) -> Predict:
    """A Bayesian factorization machine with implicit features, profiles and content.

    Rendle, Zhang and Koren, "On the difficulty of evaluating baselines" (2019), as myFM computes
    it. Relation blocks: a user's id, the movies rated / sqrt(their number), gender, age and job;
    a movie's id, its raters / sqrt(their number), genres and year.

    Args:
        options: rank, iterations; a sixth of them is thrown away.
    """
    from myfm import MyFMRegressor, RelationBlock
    from scipy.sparse import csr_matrix

    rank, iterations = int(options[0]), int(options[1])
    known, users, movies = part.seen, dataset.users, dataset.movies
    user, movie = positions(users.ids, known.user_ids), positions(movies.ids, known.movie_ids)
    ones = np.ones(len(known))
    rated = csr_matrix((ones, (user, movie)), (len(users), len(movies)))
    by_user = _sides(rated, [*users.rows.T])
    years = np.where(movies.years > 0, movies.years // 3, 0)
    by_movie = _sides(rated.T.tocsr(), [years], movies.genres)

    def relations(u: NDArray[np.int64], m: NDArray[np.int64]) -> list[RelationBlock]:
        return [RelationBlock(u, by_user), RelationBlock(m, by_movie)]

    model = MyFMRegressor(rank=rank, random_seed=0)
    with redirect_stderr(StringIO()):  # its progress bar cannot be switched off
        model.fit(
            None,
            known.values.astype(np.float64),
            relations(user, movie),
            n_iter=iterations,
            n_kept_samples=iterations * 5 // 6,
        )
    lowest, highest = float(known.values.min()), float(known.values.max())

    def predict(
        user_ids: NDArray[np.integer], movie_ids: NDArray[np.integer]
    ) -> NDArray[np.floating]:
        asked = relations(positions(users.ids, user_ids), positions(movies.ids, movie_ids))
        return np.clip(model.predict(None, asked), lowest, highest)

    return predict


def _sides(
    rated: Any, columns: Sequence[NDArray[np.integer]], several: Sequence[Sequence[str]] = ()
) -> Any:
    """One (E, F) sparse row an entity: its id, who or what it is rated with, its attributes."""
    from scipy.sparse import csr_matrix, diags, hstack, identity

    counts = np.asarray(rated.sum(axis=1)).ravel()
    blocks = [identity(rated.shape[0]), diags(1 / np.sqrt(np.maximum(1, counts))) @ rated]
    for values in columns:
        codes = np.unique(values, return_inverse=True)[1].reshape(-1)
        blocks.append(csr_matrix((np.ones(len(codes)), (np.arange(len(codes)), codes))))
    names = {name: n for n, name in enumerate(sorted(set().union(*several)))}
    if names:
        pairs = [(row, names[name]) for row, each in enumerate(several) for name in each]
        rows, places = np.array(pairs).T
        shape = (len(several), len(names))
        blocks.append(csr_matrix((np.ones(len(pairs)), (rows, places)), shape))
    return hstack(blocks).tocsr()


def _sample(part: Part) -> Part:
    """The part as some of its users would make it, whole, in about SAMPLE ratings."""
    share = SAMPLE / max(1, len(part.train))
    if share >= 1:
        return part
    users = np.unique(np.concatenate([part.train.user_ids, part.test.user_ids]))
    kept = users[np.random.default_rng(0).random(len(users)) < share]
    return Part(*(each[np.isin(each.user_ids, kept)] for each in part))


BIASES = RatingBaseline("biases", tuple(product((0.5, 1, 2, 5, 10, 20), repeat=2)), biases)
SVDPP = RatingBaseline("SVD++", tuple(product((20,), (20,), (0.02, 0.05, 0.1))), svdpp, "surprise")
MYFM = RatingBaseline("myFM", ((10, 300),), myfm, "myfm")

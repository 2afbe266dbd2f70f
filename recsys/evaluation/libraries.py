"""Baselines out of libraries, of the extra `bench`; each library is imported when it is fitted."""

from contextlib import redirect_stderr
from io import StringIO
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, diags, hstack, identity

from recsys.data.ids import positions
from recsys.evaluation.problem import Array, Ids, Predict, Problem, Scorer


def ials(problem: Problem, kind: str, factors: int, ratio: float, alpha: float) -> Scorer:
    """Implicit alternating least squares (Hu, Koren and Volinsky, ICDM 2008), 15 rounds.

    Every user is folded in anew, with all ratings; one without any gets the mean of all users. The
    ratio is regularisation / alpha.
    """
    from implicit.als import AlternatingLeastSquares

    how: dict[str, Any] = {"iterations": 15, "use_gpu": False, "random_state": 0}
    model = AlternatingLeastSquares(factors, ratio * alpha, alpha, **how)
    train = problem.stage.train
    model.fit(problem.matrix(train, kind)[problem.rows(np.unique(train.user_ids))], False)
    popular = (model.user_factors @ model.item_factors.T).mean(0)
    seen = problem.matrix(problem.stage.seen, kind)

    def score(user_ids: Ids) -> Array:
        rows = seen[problem.rows(user_ids)]
        users = model.recalculate_user(np.arange(len(user_ids)), rows)
        return np.where(rows.getnnz(1)[:, None], users @ model.item_factors.T, popular)

    return score


def svdpp(problem: Problem, factors: int, epochs: int, regularisation: float) -> Predict:
    """SVD++ (Koren, KDD 2008) as Surprise computes it."""
    from surprise import Dataset, Reader, SVDpp

    ratings = problem.stage.seen
    reader = Reader(rating_scale=(float(ratings.values.min()), float(ratings.values.max())))
    rows = list(zip(*(each.tolist() for each in vars(ratings).values()), strict=True))
    model = SVDpp(factors, epochs, reg_all=regularisation, cache_ratings=True, random_state=0)
    model.fit(Dataset(reader).construct_trainset(rows))

    return lambda users, movies: np.array(
        [model.predict(*pair).est for pair in zip(users.tolist(), movies.tolist(), strict=True)]
    )


def myfm(problem: Problem, rank: int, iterations: int) -> Predict:
    """A Bayesian factorization machine with implicit features, profiles and content.

    Rendle, Zhang and Koren, "On the difficulty of evaluating baselines" (2019), as myFM computes
    it; a sixth of the iterations is thrown away. Relation blocks: a user's id, the movies rated /
    sqrt(their number), and attributes; a movie's id, its raters / sqrt(their number), year and
    genres.
    """
    from myfm import MyFMRegressor, RelationBlock

    users, movies, ratings = problem.dataset.users, problem.dataset.movies, problem.stage.seen
    rated = problem.matrix(ratings, movie_ids=movies.ids).astype(np.float64)
    years = np.where(movies.years > 0, movies.years // 3, 0)
    of_users = _features(rated, *map(_one_hot, users.rows.T))
    of_movies = _features(rated.T.tocsr(), _one_hot(years), csr_matrix(problem.genres))

    def pairs(user_ids: Ids, movie_ids: Ids) -> list[Any]:
        user, movie = positions(users.ids, user_ids), positions(movies.ids, movie_ids)
        return [RelationBlock(user, of_users), RelationBlock(movie, of_movies)]

    model = MyFMRegressor(rank=rank, random_seed=0)
    with redirect_stderr(StringIO()):  # its progress bar cannot be switched off
        blocks, values = pairs(ratings.user_ids, ratings.movie_ids), ratings.values
        counts = {"n_iter": iterations, "n_kept_samples": iterations * 5 // 6}
        model.fit(None, values.astype(np.float64), blocks, **counts)
    limits = float(values.min()), float(values.max())
    return lambda users, movies: np.clip(model.predict(None, pairs(users, movies)), *limits)


def _one_hot(values: Ids) -> csr_matrix:
    """(E, V) 1 in the column of each value."""
    codes = np.unique(values, return_inverse=True)[1].reshape(-1)
    return csr_matrix((np.ones(len(codes)), (np.arange(len(codes)), codes)))


def _features(rated: csr_matrix, *attributes: csr_matrix) -> csr_matrix:
    """(E, F) one row an entity: its id, who or what it is rated with, its attributes."""
    shares = diags(1 / np.sqrt(np.maximum(1, rated.getnnz(1)))) @ rated
    return hstack([identity(rated.shape[0]), shares, *attributes]).tocsr()

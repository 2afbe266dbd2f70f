"""Four movies, eight users and a few ratings that the tests of evaluation share."""

import numpy as np

from recsys.data.dataset import Dataset, Movies, Ratings, Users
from recsys.data.schema import MOVIELENS
from recsys.evaluation.problem import Problem
from recsys.evaluation.splits import Stage

MOVIES = np.array([10, 20, 30, 40])


def ratings(*rows, times=None):
    """(user id, movie id, rating) each, all at time 0 if not said."""
    users, movies, values = zip(*rows, strict=True) if rows else ((), (), ())
    return Ratings(
        np.array(users, np.int32),
        np.array(movies, np.int32),
        np.array(values, np.float32),
        np.zeros(len(rows), np.int64) if times is None else np.array(times),
    )


TRAIN = ratings((1, 10, 5), (2, 10, 2), (3, 10, 2), (1, 20, 4), (2, 20, 4), (1, 30, 5), (4, 40, 3))


def dataset(rated, *, ages=1, genders=1, jobs=1, genres=("Drama",), movies=MOVIES, users=8):
    """Users 1, 2, ... with attributes by row, one for all or one each; genres likewise."""
    ids, rows = np.arange(1, users + 1), np.ones((users, 3), np.int32)
    rows.T[0], rows.T[1], rows.T[2] = genders, ages, jobs
    genres = [genres] * len(movies) if isinstance(genres, tuple) else genres
    described = Movies(movies, [f"Movie {n} (1999)" for n in movies], genres)
    return Dataset("hand", Users(ids, rows, MOVIELENS), described, rated)


def problem(train=TRAIN, fold_in=None, test=None, protocol="random", **about):
    stage = Stage(train, fold_in or ratings(), test or ratings())
    return Problem(stage, dataset(train, **about), protocol)


def scores(fit, asked, options, users):
    """(B, M) what a baseline with some options says to users."""
    return fit(asked, *options)(np.array(users))

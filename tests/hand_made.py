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


def dataset(rated, ages=None, genders=None, genres=None, jobs=None, movies=MOVIES):
    """Attributes of the eight users by row, the first of each if not given."""
    rows = np.stack([np.ones(8) if each is None else each for each in (genders, ages, jobs)], 1)
    users = Users(np.arange(1, 9), rows.astype(np.int32), MOVIELENS)
    titles = [f"Movie {n} (1999)" for n in movies]
    return Dataset(
        "hand", users, Movies(movies, titles, genres or [("Drama",)] * len(movies)), rated
    )


def problem(train=TRAIN, fold_in=None, test=None, protocol="random", **about):
    stage = Stage(train, fold_in or ratings(), test or ratings())
    return Problem(stage, dataset(train, **about), protocol)


def scores(fit, asked, options, users):
    """(B, M) what a baseline with some options says to users."""
    return fit(asked, *options)(np.array(users))

"""Four movies, eight users and a few ratings that the tests of baselines share."""

import numpy as np

from recsys.data.dataset import Dataset, Movies, Ratings, Users
from recsys.evaluation.splits import Part

MOVIES = np.array([10, 20, 30, 40])


def ratings(*rows):
    """(user id, movie id, rating) each."""
    users, movies, values = zip(*rows, strict=True) if rows else ((), (), ())
    return Ratings(
        np.array(users, np.int32),
        np.array(movies, np.int32),
        np.array(values, np.float32),
        np.zeros(len(rows), np.int64),
    )


def dataset(rated, ages=None, genders=None, genres=None, jobs=None):
    ids = np.arange(1, 9)
    codes = np.zeros(8, np.int8)
    users = Users.movielens(
        ids,
        codes if genders is None else np.array(genders, np.int8),
        codes if ages is None else np.array(ages, np.int8),
        codes if jobs is None else np.array(jobs, np.int8),
    )
    movies = Movies(MOVIES, [f"Movie {n} (1999)" for n in MOVIES], genres or [("Drama",)] * 4)
    return Dataset("hand", users, movies, rated)


TRAIN = ratings((1, 10, 5), (2, 10, 2), (3, 10, 2), (1, 20, 4), (2, 20, 4), (1, 30, 5), (4, 40, 3))
PART = Part(TRAIN, ratings(), ratings())

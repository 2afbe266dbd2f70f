"""Four movies, eight users and a few ratings that the tests of baselines share."""

import numpy as np

from recsys.data.dataset import Dataset, Movies, Ratings, Users
from recsys.data.schema import MOVIELENS
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
    """Attributes of the eight users by row, the first of each if not given."""
    rows = np.stack([np.ones(8) if each is None else each for each in (genders, ages, jobs)], 1)
    users = Users(np.arange(1, 9), rows.astype(np.int32), MOVIELENS)
    movies = Movies(MOVIES, [f"Movie {n} (1999)" for n in MOVIES], genres or [("Drama",)] * 4)
    return Dataset("hand", users, movies, rated)


TRAIN = ratings((1, 10, 5), (2, 10, 2), (3, 10, 2), (1, 20, 4), (2, 20, 4), (1, 30, 5), (4, 40, 3))
PART = Part(TRAIN, ratings(), ratings())

"""What tests of queries and of their answers share: the sample's sizes, and asking."""

import numpy as np

from recsys.infer import Recommender, UserQuery, users_of

MOVIES, USERS = 338, 308  # of the sample


def one(recommender: Recommender, query: UserQuery, k: int = 10, **options):
    (answer,) = recommender.recommend([query], k, **options)
    return answer


def ids(answer) -> list[int]:
    return [movie.movie_id for movie in answer]


def vectors_of(folder, *queries: UserQuery, rank_by="relevance") -> np.ndarray:
    return users_of(folder, queries).vectors(rank_by)


def share(answer, genre: str) -> float:
    return float(np.mean([genre in movie.genres for movie in answer]))

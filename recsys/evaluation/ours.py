"""Our own model as one of those compared: trained on part of a split, judged as it is served.

The model goes through its folder, and queries are those of `recommend`: a user it was trained on by
id, a cold-start user by profile and likes.
"""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys import metrics
from recsys.data.dataset import Dataset, Ratings, Users
from recsys.data.ids import positions
from recsys.data.interactions import hold_out_latest
from recsys.data.schema import profile
from recsys.evaluation.protocols import BY_TIME, WHOLE_MOVIES
from recsys.infer import (
    RankBy,
    UserQuery,
    catalogue,
    predicted_ratings,
    ranking_vectors,
    user_parts_of,
)
from recsys.metrics import Histories, RankingTask
from recsys.milvus.address import Index, MilvusAddress
from recsys.milvus_store import MilvusStore
from recsys.serving.catalogue import Catalogue
from recsys.serving.model_folder import ModelFolder
from recsys.train import finish, fit, save
from recsys.training.options import Options

HELD_OUT = 0.1  # of the ratings, to choose the epoch by


class Ours(NamedTuple):
    """A trained model, the movies it ranks, and what queries of all users are made of."""

    model: ModelFolder
    movies: Catalogue
    users: Users
    fold_in: Ratings  # what queries name
    as_likes: bool = False  # as bare likes, or with its ratings and times

    def queries(self, user_ids: NDArray[np.integer]) -> list[UserQuery]:
        """Users by id, or where the model does not know it by profile and likes."""
        known = self.model.vocabulary.user_rows(user_ids) > 0
        places = positions(self.users.ids, user_ids)
        users = self.users[places]
        profiles = [tuple(profile(users.attributes, rows).items()) for rows in users.rows]
        named: dict[int, list[tuple[int, float, int]]] = {}
        columns = (column.tolist() for column in vars(self.fold_in).values())
        for user, movie, rating, time in zip(*columns, strict=True):
            named.setdefault(user, []).append((movie, rating, time))
        found = []
        for user, trained, said in zip(user_ids.tolist(), known, profiles, strict=True):
            query = UserQuery(user if trained else None, attributes=said)
            rated = tuple(named.get(user, ()))
            if self.as_likes:
                query = query._replace(likes=tuple(movie for movie, _, _ in rated))
            found.append(query if self.as_likes else query._replace(rated=rated))
        return found

    def vectors(self, user_ids: NDArray[np.integer], rank_by: RankBy) -> NDArray[np.float32]:
        """(B, V) queries of the users."""
        parts = user_parts_of(self.model, self.queries(user_ids)).parts
        return ranking_vectors(self.model, parts, rank_by)

    def scorer(self, rank_by: RankBy) -> metrics.Scorer:
        """Scores of all movies, in the order of their ids."""
        movies = self.movies.take(np.sort(self.movies.ids)).vectors
        return lambda user_ids: self.vectors(user_ids, rank_by) @ movies.T

    def predicted(self, test: Ratings) -> NDArray[np.float32]:
        """(N,) predicted ratings of the pairs."""
        user_ids, user = np.unique(test.user_ids, return_inverse=True)
        movies = self.movies.vectors[positions(self.movies.ids, test.movie_ids)]
        return predicted_ratings(self.vectors(user_ids, "rating")[user], movies)

    def through_milvus(
        self, task: RankingTask, seen: Ratings, index: str, uri: str = ""
    ) -> tuple[Index, NDArray[np.int64]]:
        """The (E, K) movies Milvus returns, searched for user by user as `recommend` does.

        Args:
            seen: the movies to leave out.
            index: as `load-movies --index` takes it.
            uri: a Milvus server or file; a temporary file if not given.

        Returns:
            The index with all its parameters, and the movies.

        Raises:
            StoreError: whatever goes wrong in Milvus.
        """
        queries = self.vectors(task.user_ids, "relevance")
        columns = Histories(seen, self.movies.ids)
        lists = np.empty((len(queries), metrics.DEPTH), np.int64)
        with (
            TemporaryDirectory(prefix="recsys-") as folder,
            MilvusStore(
                MilvusAddress(uri or f"{folder}/evaluate.db", collection="recsys_evaluate")
            ) as store,
        ):
            store.publish(self.movies, self.model.fingerprint, index=index, keep=0)
            opened = store.open(self.model.fingerprint)
            for row, user in enumerate(task.user_ids):
                leave_out = self.movies.ids[columns.dense(np.array([user]))[0] > 0]
                hits = store.search(queries[row : row + 1], metrics.DEPTH, exclude=[leave_out])
                lists[row] = hits.movie_ids[0]
        return opened.index, lists


def train(
    dataset: Dataset, ratings: Ratings, protocol: str, options: Options, folder: Path
) -> ModelFolder:
    """Our model as `recsys.train` makes it of those ratings.

    Cold-start users and new movies are left out whole. Where the protocol asks for what came later,
    epochs and recency are chosen on the latest ratings, as those of what ships are; where it asks
    for ratings of any time, on such.
    """
    learned = _without_cold_users(dataset, ratings, protocol)
    if protocol in BY_TIME:
        held = hold_out_latest(ratings, HELD_OUT, options.seed).chosen
    else:
        held = np.random.default_rng(options.seed).random(len(ratings)) < HELD_OUT
    first = fit(learned, ratings[~held], options, ratings[held])
    return save(finish(first, learned, ratings), folder, {})


def our_model(
    model: ModelFolder,
    dataset: Dataset,
    fold_in: Ratings,
    movie_ids: NDArray[np.integer],
    protocol: str = "",
) -> Ours:
    """The model, and the movies of a task with their vectors."""
    movies = catalogue(model, dataset.movies.take(movie_ids))
    return Ours(model, movies, dataset.users, fold_in, protocol == "few-likes")


def _without_cold_users(dataset: Dataset, known: Ratings, protocol: str) -> Dataset:
    """The users who rated something; under WHOLE_MOVIES only the rated movies too."""
    users, movies = dataset.users, dataset.movies
    there = np.isin(users.ids, known.user_ids)
    users = users[there]
    if protocol in WHOLE_MOVIES:
        movies = movies.take(movies.ids[np.isin(movies.ids, known.movie_ids)])
    return replace(dataset, users=users, movies=movies)

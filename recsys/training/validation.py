"""How good a model in training is on held-out ratings."""

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Movies, Ratings, Vocabulary
from recsys.data.history import History
from recsys.data.ids import positions
from recsys.data.movielens import LIKED
from recsys.metrics import best, ranking_metrics, ranking_task, rating_metrics
from recsys.serving.folded import Weights, movie_vectors, parts, predicted_ratings, user_vectors


class Validation:
    """Held-out ratings, and what a model in training makes of them.

    Args:
        vocabulary, movies, attributes, history: what the model learns from, as `train.fit` has it.
        known: the ratings learned from.
        held_out: ratings of the same users and movies.
        weights: of the parts in the score.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        movies: Movies,
        attributes: NDArray[np.int8],
        history: History,
        known: Ratings,
        held_out: Ratings,
        weights: Weights,
    ) -> None:
        self.held_out, self.weights = held_out, weights
        self.users = np.unique(held_out.user_ids)
        rows = vocabulary.user_rows(self.users)
        self._user_inputs = (rows, attributes[rows], [history.of(row)[:2] for row in rows])
        self._movie_inputs = (
            np.arange(1, len(movies) + 1),
            vocabulary.genre_rows(movies.genres),
            vocabulary.title_rows(movies.titles),
        )
        self._user = positions(self.users, held_out.user_ids)
        self._movie = positions(movies.ids, held_out.movie_ids)
        likes = (held_out.values >= LIKED).any()  # else there is nothing to rank well
        self.task = ranking_task(known, known, held_out, movies.ids) if likes else None

    def __call__(self, tables: dict[str, NDArray[np.float32]]) -> dict[str, float]:
        """rmse and mae of the rating head, ndcg@10 of the score, from the folded tables."""
        vectors = user_vectors(tables.__getitem__, *self._user_inputs)
        movies = movie_vectors(tables.__getitem__, *self._movie_inputs)
        user_rating, movie_rating = parts(vectors)[1], parts(movies)[1]
        ratings = predicted_ratings(user_rating[self._user], movie_rating[self._movie])
        found = rating_metrics(self.held_out.user_ids, self.held_out.values, ratings)
        if self.task:
            queries = self.weights.query(vectors)
            lists = best(self.task, lambda ids: queries[positions(self.users, ids)] @ movies.T)
            found |= {"ndcg@10": ranking_metrics(self.task, lists)["ndcg@10"]}
        return {name: metric.value for name, metric in found.items()}

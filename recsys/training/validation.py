"""How good a model in training is on held-out ratings."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Movies, Ratings, Vocabulary
from recsys.data.ids import positions
from recsys.data.interactions import Interactions, Recency
from recsys.data.movielens import LIKED, MAX_RATING, MIN_RATING
from recsys.data.scale import FIVE_STARS, Scale
from recsys.metrics import best, ranking_metrics, ranking_task, rating_metrics
from recsys.serving.users import Asked, ease_part, factor_part, head_parts
from recsys.serving.vector import Array
from recsys.training.closed_forms import ClosedForms
from recsys.training.options import Options

PAIRS = 1 << 18  # held-out ratings predicted at a time
HEAD_DAMPING = 500.0  # squared rating points between head and factors that the option counts


class Validation:
    """Held-out ratings, and what a model in training makes of them.

    Args:
        vocabulary, movies, attributes, history: what the model learns from, as `train.fit` has it.
        known: the ratings learned from.
        held_out: ratings of the same users and movies.
        scale: in which errors are given.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        movies: Movies,
        attributes: NDArray[np.int32],
        history: Interactions,
        known: Ratings,
        held_out: Ratings,
        closed: ClosedForms,
        scale: Scale = FIVE_STARS,
    ) -> None:
        self.scale = scale
        self.held_out, self.closed = held_out, closed
        self.users, self._described = np.unique(held_out.user_ids), vocabulary.users
        rows = vocabulary.user_rows(self.users)
        self._rows, self._attributes = rows, attributes[rows].astype(np.int64)
        self._history = history.take(rows)
        self._user = positions(self.users, held_out.user_ids)
        self._movie = positions(movies.ids, held_out.movie_ids)
        likes = (held_out.values >= LIKED).any()  # else there is nothing to rank well
        self.task = ranking_task(known, known, held_out, movies.ids) if likes else None

    def recency_floor(self, options: Options) -> float:
        """The options' floor, or 1 if the EASE part ranks held-out movies as well without recency.

        Ratings held out at random have no earlier or later: recency would leave out what they
        need. The latest ones do.
        """
        if self.task is None or options.recency_floor == 1:
            return options.recency_floor
        floors = (1.0, options.recency_floor)
        worth = []
        for floor in floors:
            closed = self.closed.suited(replace(options, recency_floor=floor))
            asked = self.asked(Recency(floor, options.recency_span))
            users = ease_part(closed.tables.__getitem__, asked)
            worth.append(self._ndcg(users, closed.parts["ease"][1:]))
        return floors[int(worth[1] > worth[0])]

    def prepare(self, options: Options) -> None:
        """Fix the options, and all that does not change from epoch to epoch."""
        self._options, self.closed = options, self.closed.suited(options)
        self._asked = self.asked(Recency(options.recency_floor, options.recency_span))
        users = factor_part(self.closed.factors, self._asked)
        self._factors = self._products(users, self.closed.parts["factors"][1:])
        ease = ease_part(self.closed.tables.__getitem__, self._asked)
        self._ease = np.float32(options.ease_weight) * ease  # (B, R)

    def __call__(self, tables: dict[str, Array], heads: Array) -> dict[str, float]:
        """ndcg@10 of the score; if there are ratings, rmse and mae of the predicted ones, and the
        weight of the rating head in them, head_weight, that suits the held-out ones.

        Args:
            tables: the folded user tower.
            heads: (M, 2 D) of the movie tower.
        """
        options = self._options
        users = head_parts(tables.__getitem__, self._asked)
        rating = np.split(heads, 2, axis=1)[1]
        metrics: dict[str, float] = {}
        if self.scale.rated:
            apart = MAX_RATING * self._products(users["rating"], rating) - self._factors
            weight = self._head_weight(apart)
            ratings = np.clip(self._factors + weight * apart, MIN_RATING, MAX_RATING)
            true, outward = self.held_out.values, self.scale.outward
            found = rating_metrics(self.held_out.user_ids, outward(true), outward(ratings))
            metrics = {name: each.value for name, each in found.items()}
            metrics["head_weight"] = weight
        if self.task is None:
            return metrics
        weighed = np.float32(options.rating_weight) * users["rating"]
        asking = np.concatenate([users["retrieval"], weighed, self._ease], 1)
        movies = np.concatenate([heads, self.closed.parts["ease"][1:]], 1)
        return {**metrics, "ndcg@10": self._ndcg(asking, movies)}

    def _head_weight(self, apart: NDArray[np.floating]) -> float:
        """The weight of the rating head in the predicted rating, by damped least squares.

        Args:
            apart: (N,) how far the head's predictions of the held-out ratings are above those of
                the factors.
        """
        prior = self._options.head_weight
        missed = self.held_out.values - self._factors
        moved = (apart @ missed + HEAD_DAMPING * prior) / (apart @ apart + HEAD_DAMPING)
        return float(np.clip(moved, 0, 1))

    def asked(self, recency: Recency) -> Asked:
        """All users with held-out ratings, with their histories."""
        owners, times = self._history.owners, self._history.times
        shown = np.ones(len(owners), np.float32)
        recent = recency.by_user(owners, times)
        sides = self._attributes, self._history
        return Asked(self._rows, *sides, recent, shown, self._described)

    def _products(self, users: Array, movies: Array) -> Array:
        """(N,) inner products of the held-out ratings' (B, D) users and (M, D) movies."""
        found = np.empty(len(self._user), np.float32)
        for start in range(0, len(found), PAIRS):
            part = slice(start, start + PAIRS)
            pairs = users[self._user[part]], movies[self._movie[part]]
            found[part] = np.einsum("nd,nd->n", *pairs)
        return found

    def _ndcg(self, users: Array, movies: Array) -> float:
        """ndcg@10 where (B, D) users get the movies of the largest inner products, of (M, D)."""
        assert self.task is not None
        lists = best(self.task, lambda ids: users[positions(self.users, ids)] @ movies.T)
        return ranking_metrics(self.task, lists)["ndcg@10"].value

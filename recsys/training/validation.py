"""How good a model in training is on held-out ratings, by the code that answers queries."""

from dataclasses import replace
from typing import Any

import numpy as np

from recsys import parts
from recsys.data.dataset import Ratings
from recsys.data.ids import positions
from recsys.data.interactions import Recency
from recsys.data.movielens import LIKED, MAX_RATING, MIN_RATING
from recsys.metrics import best, ranking_metrics, ranking_task, rating_metrics
from recsys.parts import Weights
from recsys.parts.part import Array, Arrays, Asked, Training
from recsys.training.options import Options

PAIRS = 1 << 18  # held-out ratings predicted at a time
DAMPING = 500.0  # squared rating points between predictions that the weights of before count


class Validation:
    """Held-out ratings, and what a model in training makes of them.

    Args:
        data: what the model learns from.
        known: the ratings learned from.
        held_out: ratings of the same users and movies.
        closed: the arrays of the parts that do not change from epoch to epoch.
    """

    def __init__(self, data: Training, known: Ratings, held_out: Ratings, closed: Arrays) -> None:
        self.scale, self._held_out, self._closed = data.scale, held_out, closed
        self._users = np.unique(held_out.user_ids)
        rows = data.vocabulary.user_rows(self._users)
        sides = data.attributes[rows], data.vocabulary.users, data.history.take(rows)
        self._asked = Asked.of(rows, *sides)
        self._pairs = (
            positions(self._users, held_out.user_ids),
            positions(data.movies.ids, held_out.movie_ids),
        )
        self._movies = {name: each[1:] for name, each in parts.movies(closed).items()}
        likes = (held_out.values >= LIKED).any()  # else there is nothing to rank well
        self.task = ranking_task(known, known, held_out, data.movies.ids) if likes else None

    def prepare(self, options: Options) -> Options:
        """The options with the better recency; fixes all that does not change by epochs.

        A recency floor of 1, none, is better where the parts at hand rank held-out movies as well
        without recency. Ratings held out at random have no earlier or later: recency would leave
        out what they need. The latest ones do.
        """
        self._questions = parts.questions(self.scale.rated)
        floors = list(dict.fromkeys((options.recency_floor, 1.0)))
        asked = [self._by_recency(Recency(floor, options.recency_span)) for floor in floors]
        users = [parts.users(self._closed, each) for each in asked]
        chosen = 0
        if self.task and len(floors) > 1:
            with_recency, without = (self._ndcg(each, self._movies) for each in users)
            chosen = int(without >= with_recency)
        self._asked, self._fixed = asked[chosen], users[chosen]
        self._predicted = self._predictions(self._fixed, self._movies)
        return replace(options, recency_floor=floors[chosen])

    def __call__(self, trained: Arrays) -> dict[str, Any]:
        """ndcg@10 of the score; if there are ratings, rmse and mae of the predicted ones, and the
        `weights` of the slices in them that suit the held-out ones.

        Args:
            trained: the arrays of the parts that the epoch has changed.
        """
        users = parts.users(trained, self._asked)
        movies = {name: each[1:] for name, each in parts.movies(trained).items()}
        metrics: dict[str, Any] = {}
        if self.scale.rated:
            predictions = self._predicted | self._predictions(users, movies)
            weights, ratings = self._blend(predictions)
            true, outward = self._held_out.values, self.scale.outward
            ratings = outward(np.clip(ratings, MIN_RATING, MAX_RATING))
            found = rating_metrics(self._held_out.user_ids, outward(true), ratings)
            metrics = {name: each.value for name, each in found.items()}
            metrics["weights"] = {"rating": {**self._questions["rating"], **weights}}
        if self.task is not None:
            metrics["ndcg@10"] = self._ndcg(self._fixed | users, self._movies | movies)
        return metrics

    def _by_recency(self, recency: Recency) -> Asked:
        """All users with held-out ratings, their histories weighed."""
        asked = self._asked
        return Asked.of(asked.user_rows, asked.attributes, asked.described, asked.history, recency)

    def _blend(self, predictions: dict[str, Array]) -> tuple[Weights, Array]:
        """Weights of slices in the predicted rating, by damped least squares; and the ratings.

        The shares of the slices' own predictions are from 0 to 1 and add up to 1.
        """
        ours = {name: predictions[name] for name in parts.RATINGS if name in predictions}
        *others, rest = ours.values()
        apart = np.array([each - rest for each in others]).reshape(len(others), len(rest))
        start = [self._questions["rating"][name] / parts.RATINGS[name] for name in ours][:-1]
        products = apart @ apart.T + DAMPING * np.eye(len(start))
        missed = apart @ (self._held_out.values - rest) + DAMPING * np.array(start)
        shares = np.clip(np.linalg.solve(products, missed), 0, 1)
        shares /= max(1.0, shares.sum())
        each = zip(ours, [*shares.tolist(), 1 - float(shares.sum())], strict=True)
        weights = {name: share * parts.RATINGS[name] for name, share in each}
        return weights, rest + shares.astype(np.float32) @ apart

    def _predictions(self, users: dict[str, Array], movies: dict[str, Array]) -> dict[str, Array]:
        """(N,) ratings of the held-out pairs as each slice predicts them."""
        found = {}
        user, movie = self._pairs
        for name in (name for name in parts.RATINGS if name in users):
            found[name] = np.empty(len(user), np.float32)
            for start in range(0, len(user), PAIRS):
                part = slice(start, start + PAIRS)
                pairs = users[name][user[part]], movies[name][movie[part]]
                found[name][part] = np.einsum("nd,nd->n", *pairs)
            found[name] *= np.float32(parts.RATINGS[name])
        return found

    def _ndcg(self, users: dict[str, Array], movies: dict[str, Array]) -> float:
        """ndcg@10 of users' slices and movies'."""
        assert self.task is not None
        score = parts.scorer(users, movies, self._questions["relevance"])
        lists = best(self.task, lambda user_ids: score(positions(self._users, user_ids)))
        return ranking_metrics(self.task, lists)["ndcg@10"].value

"""How good a model in training is on held-out ratings, and what they choose for it."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys import parts
from recsys.data.dataset import Ratings
from recsys.data.ids import positions
from recsys.data.interactions import Interactions, Recency, later
from recsys.data.scale import LIKED, MAX_RATING, MIN_RATING
from recsys.metrics import rating_metrics
from recsys.parts import EVIDENCE, HISTORY, LIKES, Weights
from recsys.parts.part import Array, Arrays, Asked, Training
from recsys.training.options import Options
from recsys.training.weights import Lists, Pool

PAIRS = 1 << 18  # held-out ratings predicted at a time
DAMPING = 500.0  # squared rating points between predictions that the weights of before count
RANKED = 2000  # users whose lists are judged
NAMED = 5  # likes that a user names where few are known

Slices = dict[str, Array]


class Validation:
    """Held-out ratings, and what a model in training makes of them; a `Judge` for its parts.

    Args:
        data: what the model learns from.
        held_out: ratings of the same users and movies.
        log: receives a line for each choice.
    """

    def __init__(
        self, data: Training, held_out: Ratings, log: Callable[[str], None] = lambda line: None
    ) -> None:
        self.log, self.data, self.scale, self._held_out = log, data, data.scale, held_out
        users, user = np.unique(held_out.user_ids, return_inverse=True)
        rows = data.vocabulary.user_rows(users)
        self._pairs = user, positions(data.movies.ids, held_out.movie_ids)
        described, history = data.vocabulary.users, data.history.take(rows)
        self._asked = Asked.of(rows, data.attributes[rows], described, history)
        liked = held_out.values >= LIKED
        liking = np.random.default_rng(data.seed).permutation(np.unique(user[liked]))
        self._ranked = np.sort(liking[:RANKED])
        self.ranks = len(liking) > 0  # else there is nothing to rank well
        columns = len(data.movies) + 1
        likes = Interactions.build(
            len(users) - 1, user[liked], self._pairs[1][liked] + 1, np.ones(liked.sum())
        )
        seen = self._asked.history.take(self._ranked)
        ones = np.ones(len(seen.indices), np.float32)
        self._lists = Lists(
            seen.matrix(columns, ones)[:, 1:], likes.take(self._ranked).matrix(columns)[:, 1:]
        )
        self._questions = parts.questions(self.scale.rated)

    def asked(self, recency: Recency) -> Asked:
        """The users with held-out likes, RANKED of them at most, their histories weighed."""
        return self._known(self._ranked, recency)

    def ndcg(self, users: Array, movies: Array, rows: NDArray[np.integer]) -> float:
        """ndcg@10 of inner products of (B, D) those users and (F, D) the movies of F rows."""
        return self._lists.columns(rows - 1).ndcg(users, movies)

    def choose(self, options: Options) -> Options:
        """The options as the parts choose theirs."""
        for part in parts.PARTS if self.ranks else ():
            options = part.choose(self.data, options, self)
        return options

    def prepare(self, closed: Arrays, options: Options) -> None:
        """Fix all that does not change by epochs: the arrays of the other parts, recency."""
        self._closed, self._recency = closed, Recency(options.recency_floor, options.recency_span)
        self._asked = self._known(np.arange(len(self._asked.user_rows)), self._recency)
        self._fixed = parts.users(closed, self._asked)
        self._movies = {name: each[1:] for name, each in parts.movies(closed).items()}
        self._predicted = self._predictions(self._fixed, self._movies)

    def __call__(self, trained: Arrays) -> dict[str, Any]:
        """ndcg@10 of the score; if there are ratings, rmse and mae of the predicted ones, and the
        `weights` of the slices in them that suit the held-out ones.

        Args:
            trained: the arrays of the parts that the epoch has changed; none before the first.
        """
        users = parts.users(trained, self._asked)
        movies = {name: each[1:] for name, each in parts.movies(trained).items()}
        metrics: dict[str, Any] = {"weights": {}}
        if self.scale.rated:
            weights, ratings = self._blend(self._predicted | self._predictions(users, movies))
            true, outward = self._held_out.values, self.scale.outward
            ratings = outward(np.clip(ratings, MIN_RATING, MAX_RATING))
            found = rating_metrics(self._held_out.user_ids, outward(true), ratings)
            metrics |= {name: each.value for name, each in found.items()}
            metrics["weights"]["rating"] = {**self._questions["rating"], **weights}
        if self.ranks:
            pool = self._pool(self._fixed | users, self._movies | movies, self._ranked)
            _, metrics["ndcg@10"] = pool.search(self._questions["relevance"], rounds=1)
        return metrics

    def score(self, metrics: dict[str, Any]) -> float:
        """What epochs are compared by: ndcg@10 - rmse."""
        return metrics.get("ndcg@10", 0.0) - metrics.get("rmse", 0.0) / self.scale.unit

    def weights(self, trained: Arrays) -> dict[str, Weights]:
        """What slices weigh in every question, by what is known of a user; logs what each gives."""
        questions = dict(self._questions)
        if self.scale.rated:
            questions["rating"] = self(trained)["weights"]["rating"]
        if not self.ranks:
            return questions
        arrays = {**self._closed, **trained}
        movies = {name: each[1:] for name, each in parts.movies(arrays).items()}
        start, chosen = self._questions["relevance"], {}
        for kind in EVIDENCE:
            asked = self._knowing(kind)
            pool = self._pool(parts.users(arrays, asked), movies, np.arange(len(self._ranked)))
            weights, ndcg = pool.search(start)
            alone = ", ".join(f"{n} {pool.ndcg({n: 1.0}).mean():.4f}" for n in pool.scores)
            taken = ", ".join(f"{n} {weight:.2f}" for n, weight in weights.items() if weight)
            self.log(f"by {kind}: ndcg@10 {ndcg:.4f} of {taken}; alone {alone}")
            named = {n: w for n, w in self._questions["relevance"].items() if "." in n}
            chosen[kind] = {**{n: w for n, w in weights.items() if w}, **named}
        return {**questions, "relevance": chosen}

    def _pool(self, users: Slices, movies: Slices, rows: NDArray[np.integer]) -> Pool:
        """Of the slices that rank; what a query names is weighed by itself."""
        names = [n for n in self._questions["relevance"] if n in users and "." not in n]
        ranking = {n: users[n][rows] for n in names}
        return Pool.of(self._lists, {n: e for n, e in ranking.items() if e.any()}, movies)

    def _known(self, rows: NDArray[np.integer], recency: Recency) -> Asked:
        """Some of the users with held-out ratings, with their histories."""
        every = self._asked
        user_rows, attributes = every.user_rows[rows], every.attributes[rows]
        history = every.history.take(rows)
        return Asked.of(user_rows, attributes, every.described, history, recency)

    def _knowing(self, kind: str) -> Asked:
        """The ranked users as one would ask who knows no more of them."""
        asked = self.asked(self._recency)
        if kind == HISTORY:
            return asked
        history = asked.history
        mask = np.zeros(len(history.values), bool)
        if kind == LIKES:
            liked = np.flatnonzero(history.values >= LIKED)
            turn = np.argsort(np.random.default_rng(self.data.seed).permutation(len(liked)))
            mask[liked] = later(history.owners[liked], -turn) < NAMED
        named = history.keep(mask)
        named = named._replace(times=np.zeros_like(named.times))
        nobody = np.zeros_like(asked.user_rows)
        return Asked.of(nobody, asked.attributes, asked.described, named)

    def _blend(self, predictions: Slices) -> tuple[Weights, Array]:
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

    def _predictions(self, users: Slices, movies: Slices) -> Slices:
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

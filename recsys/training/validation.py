"""How good a model in training is on held-out ratings, and what they choose for it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from recsys import parts
from recsys.data.dataset import Ratings
from recsys.data.ids import positions
from recsys.data.interactions import Recency, later, sorting
from recsys.data.scale import LIKED, MAX_RATING, MIN_RATING
from recsys.metrics import rating_metrics
from recsys.options import Options
from recsys.parts import EVIDENCE, FEW_LIKES, HISTORY, LIKES, Weights
from recsys.parts.part import Array, Arrays, Asked, Training
from recsys.training.weights import Pool, Slices, ndcg

PAIRS = 1 << 18  # held-out ratings predicted at a time
DAMPING = 500.0  # squared rating points between predictions that the weights of before count
JUDGED = 10_000  # users with held-out ratings that are predicted
RANKED = 2000  # users whose lists are judged
NAMED = 5  # likes that a user names where few are known


class Validation:
    """Held-out ratings of users and movies of the training; the judge of a model and its parts."""

    def __init__(
        self, data: Training, held_out: Ratings, log: Callable[[str], None] = lambda line: None
    ) -> None:
        held_out = held_out[sorting(held_out.user_ids, held_out.movie_ids)]  # sums in one order
        users = np.unique(held_out.user_ids)
        if len(users) > JUDGED:  # the others would not change what is chosen, but take the time
            users = np.random.default_rng(data.seed).choice(users, JUDGED, replace=False)
            held_out = held_out[np.isin(held_out.user_ids, users)]
            log(f"judged by the {len(held_out)} held-out ratings of {JUDGED} users")
        users, user = np.unique(held_out.user_ids, return_inverse=True)
        self.log, self.data, self.scale, self._held_out = log, data, data.scale, held_out
        rows = data.vocabulary.user_rows(users)
        self._pairs = user, positions(data.movies.ids, held_out.movie_ids)
        described, history = data.vocabulary.users, data.history.take(rows)
        self._asked = Asked(rows, data.attributes[rows], described, history)
        liked = held_out.values >= LIKED
        liking = np.random.default_rng(data.seed).permutation(np.unique(user[liked]))
        self._ranked = np.sort(liking[:RANKED])
        self.ranks = len(liking) > 0  # else there is nothing to rank well
        shape = len(users), len(data.movies)
        likes = csr_matrix((np.ones(liked.sum()), [each[liked] for each in self._pairs]), shape)
        seen = history.matrix(shape[1] + 1, np.ones_like(history.values))[:, 1:]
        self._lists = seen[self._ranked], likes[self._ranked]  # (B, M) each
        self._questions = parts.questions(self.scale.rated)
        self._ranking = {n: w for n, w in self._questions["relevance"].items() if "." not in n}
        self.choice: dict[str, Any] = {}  # ndcg@10 by what is known of users, and of slices alone

    def asked(self, recency: Recency) -> Asked:
        """The users with held-out likes, RANKED of them at most, their histories weighed."""
        every, rows = self._asked, self._ranked
        sides, history = every.attributes[rows], every.history.take(rows)
        return Asked(every.user_rows[rows], sides, every.described, history, recency)

    def ndcg(self, users: Array, movies: Array, rows: NDArray[np.integer]) -> float:
        """ndcg@10 of inner products of (B, D) those users and (F, D) the movies of F rows."""
        seen, likes = (each[:, rows - 1] for each in self._lists)
        scores, counts = users @ movies.T, np.diff(likes.indptr)
        scores[seen.nonzero()] = -np.inf
        found = ndcg(scores, likes.nonzero(), counts)
        return float(found.sum() / max(1, np.count_nonzero(counts)))

    def choose(self, options: Options) -> Options:
        """The options as the parts choose theirs."""
        for part in parts.PARTS if self.ranks else ():
            options = part.choose(self.data, options, self)
        return options

    def prepare(self, closed: Arrays, options: Options) -> None:
        """Fix all that does not change by epochs: the arrays of the other parts, recency."""
        recency = Recency(options.recency_floor, options.recency_span)
        self._closed, self._asked = closed, replace(self._asked, recency=recency)
        self._fixed = parts.users(parts.tables_by_part(closed), self._asked)

    def __call__(self, trained: Arrays) -> dict[str, Any]:
        """ndcg@10 of the score; if there are ratings, rmse and mae of the predicted ones, and the
        `weights` of slices in them. Of the arrays that an epoch has changed, and the others.
        """
        users = self._fixed | parts.users(parts.tables_by_part(trained), self._asked)
        movies = self._movies(trained)
        metrics: dict[str, Any] = {"weights": {}}
        if self.scale.rated:
            weights, ratings = self._blend(users, movies)
            true, outward = self._held_out.values, self.scale.outward
            ratings = outward(np.clip(ratings, MIN_RATING, MAX_RATING))
            found = rating_metrics(self._held_out.user_ids, outward(true), ratings)
            metrics |= {name: each.value for name, each in found.items()}
            metrics["weights"]["rating"] = {**self._questions["rating"], **weights}
        if self.ranks:
            ranked = {name: each[self._ranked] for name, each in users.items()}
            _, metrics["ndcg@10"] = self._pool(ranked, movies).search(self._ranking, rounds=1)
        return metrics

    def score(self, metrics: dict[str, Any]) -> float:
        """What epochs are compared by: ndcg@10 - rmse."""
        return metrics.get("ndcg@10", 0.0) - metrics.get("rmse", 0.0) / self.scale.unit

    def relevance(self, trained: Arrays) -> Weights:
        """What slices weigh in the ranking, by what is known of a user; logs what each gives."""
        question = self._questions["relevance"]
        if not self.ranks:
            return question
        tables = parts.tables_by_part({**self._closed, **trained})
        movies, chosen = self._movies(trained), {}
        for kind in EVIDENCE:
            users = parts.users(tables, self._knowing(kind), {*self._ranking})
            pool = self._pool(users, movies)
            starts = (self._ranking, FEW_LIKES) if kind == LIKES else (self._ranking,)
            weights, ndcg = pool.search(*starts)
            each = {n: float(pool.ndcg({n: 1.0}).mean()) for n in pool.scores}
            self.choice[kind] = {"ndcg@10": ndcg, "alone": each}
            alone = ", ".join(f"{name} {value:.4f}" for name, value in each.items())
            taken = ", ".join(f"{n} {weight:.2f}" for n, weight in weights.items() if weight)
            self.log(f"by {kind}: ndcg@10 {ndcg:.4f} of {taken}; alone {alone}")
            named = {n: w for n, w in question.items() if n not in self._ranking}
            chosen[kind] = {**{n: w for n, w in weights.items() if w}, **named}
        return chosen

    def _movies(self, trained: Arrays) -> Slices:
        """(M, D) of each slice."""
        return {n: each[1:] for n, each in parts.movies({**self._closed, **trained}).items()}

    def _pool(self, users: Slices, movies: Slices) -> Pool:
        """Of the slices that rank and say anything of the ranked users."""
        ranking = {n: users[n] for n in self._ranking if n in users and users[n].any()}
        return Pool.of(*self._lists, ranking, movies)

    def _knowing(self, kind: str) -> Asked:
        """The ranked users as one would ask who knows no more of them."""
        asked = self.asked(self._asked.recency)
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
        return replace(asked, user_rows=nobody, history=named, recency=Recency())

    def _blend(self, users: Slices, movies: Slices) -> tuple[Weights, Array]:
        """Weights of both slices that predict ratings, by damped least squares; the ratings."""
        one, other = parts.RATINGS
        rest = self._predicted(other, users, movies)
        apart = self._predicted(one, users, movies) - rest
        start = self._questions["rating"][one] / parts.RATINGS[one]
        missed = apart @ (self._held_out.values - rest) + DAMPING * start
        share = float(np.clip(missed / (apart @ apart + DAMPING), 0, 1))
        weights = {one: share * parts.RATINGS[one], other: (1 - share) * parts.RATINGS[other]}
        return weights, rest + np.float32(share) * apart

    def _predicted(self, name: str, users: Slices, movies: Slices) -> Array:
        """(N,) ratings of the held-out pairs as a slice predicts them."""
        user, movie = self._pairs
        found = np.empty(len(user), np.float32)
        for start in range(0, len(user), PAIRS):
            part = slice(start, start + PAIRS)
            found[part] = np.einsum("nd,nd->n", users[name][user[part]], movies[name][movie[part]])
        return found * np.float32(parts.RATINGS[name])

"""What the slices of the vector weigh in the ranking, as held-out likes choose.

Each slice's best movies of each user, and the held-out likes, are the pool in which weights are
compared: a sum of slices puts no other movie first, or hardly any. The search goes slice by slice
through a few factors, 0 among them, and takes what gains more than chance would: SURE standard
errors of the gain over the users. So weights stay where they begin unless the data object.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from recsys import metrics
from recsys.parts.part import Array

DEEP = 100  # best movies of each slice in the pool
FACTORS = (0.0, 0.25, 0.5, 0.7, 1.4, 2.0, 4.0)  # of a weight
SHARES = (1 / 32, 1 / 8, 1 / 2)  # of all weights, for one that is 0
SURE = 1.0  # standard errors of a gain, as Breiman's rule has it
ROUNDS = 3
BLOCK = 1 << 23  # scores held at a time


class Lists(NamedTuple):
    """Held-out likes of B users among M movies."""

    seen: csr_matrix  # (B, M) not 0 where a movie is not asked for
    relevant: csr_matrix  # (B, M) 1 for a held-out like; each user has one at least

    def columns(self, chosen: NDArray[np.integer]) -> "Lists":
        """The same among some of the movies."""
        return Lists(self.seen[:, chosen], self.relevant[:, chosen])

    def blocks(self) -> Sequence[slice]:
        """Users few enough for a score of every movie for each."""
        users, movies = self.relevant.shape
        step = max(1, BLOCK // max(1, movies))
        return [slice(start, start + step) for start in range(0, users, step)]

    def ndcg(self, users: Array, movies: Array) -> float:
        """Mean ndcg@10 of inner products, of the users whose likes are among the movies, or 0."""
        found = [np.zeros(0)]
        for block in self.blocks():
            relevant = self.relevant[block].toarray() > 0
            scores = users[block] @ movies.T
            scores[self.seen[block].nonzero()] = -np.inf
            found.append(ndcg(scores, relevant, relevant.sum(1))[relevant.any(1)])
        every = np.concatenate(found)
        return float(every.sum() / max(1, len(every)))


class Pool(NamedTuple):
    """P movies of each of B users, among which are the best of any weights."""

    scores: dict[str, Array]  # (B, P) by slice, -inf behind the last movie of a user
    relevant: NDArray[np.bool_]  # (B, P)
    all_relevant: NDArray[np.int64]  # (B,)

    @classmethod
    def of(cls, lists: Lists, users: Mapping[str, Array], movies: Mapping[str, Array]) -> "Pool":
        """
        Args:
            users, movies: (B, D) and (M, D) by slice.
        """
        count = np.asarray(lists.relevant.sum(1), np.int64).ravel()
        width, used = DEEP * len(users) + int(count.max(initial=0)), 1
        shape = len(count), min(lists.relevant.shape[1], width)
        scores = {name: np.full(shape, -np.inf, np.float32) for name in users}
        pooled = np.zeros(shape, bool)
        for block in lists.blocks():
            relevant, seen = lists.relevant[block].toarray() > 0, lists.seen[block].nonzero()
            every = {name: each[block] @ movies[name].T for name, each in users.items()}
            mask = relevant.copy()
            for each in every.values():
                each[seen] = -np.inf
                np.put_along_axis(mask, _largest(each, DEEP), True, 1)
            mask[seen] = False
            columns = np.argsort(~mask, 1, kind="stable")[:, : shape[1]]
            inside = np.take_along_axis(mask, columns, 1)
            used = max(used, int(inside.sum(1).max()))
            pooled[block] = np.take_along_axis(relevant, columns, 1)
            for name, each in every.items():
                found = np.take_along_axis(each, columns, 1)
                scores[name][block] = np.where(inside, found, -np.inf)
        return cls({n: each[:, :used] for n, each in scores.items()}, pooled[:, :used], count)

    def ndcg(self, weights: Mapping[str, float]) -> NDArray[np.float64]:
        """(B,) ndcg@10 of a weighted sum of the slices; 0 of no slice."""
        if not any(weights.values()):
            return np.zeros(len(self.relevant))
        total = np.zeros(self.relevant.shape, np.float32)
        for name, weight in weights.items():
            if weight:
                total += np.float32(weight) * self.scores[name]
        return ndcg(total, self.relevant, self.all_relevant)

    def search(
        self, start: Mapping[str, float], rounds: int = ROUNDS
    ) -> tuple[dict[str, float], float]:
        """Weights, 1 in all, that rank the held-out likes best, and their mean ndcg@10."""
        weights = {name: start.get(name, 0.0) for name in self.scores}
        best = self.ndcg(weights)
        for _ in range(rounds):
            before = weights
            for name in self.scores:
                total, weight = sum(weights.values()) or 1.0, weights[name]
                tried = [weight * f for f in FACTORS] if weight else [total * s for s in SHARES]
                for each in tried:
                    other = {**weights, name: each}
                    found = self.ndcg(other)
                    gain = found - best
                    if gain.mean() > SURE * gain.std() / np.sqrt(len(gain)):
                        weights, best = other, found
            if weights == before:
                break
        total = sum(weights.values()) or 1.0
        return {name: weight / total for name, weight in weights.items()}, float(best.mean())


def ndcg(
    scores: Array, relevant: NDArray[np.bool_], count: NDArray[np.integer]
) -> NDArray[np.float64]:
    """(B,) ndcg@10 of (B, P) scores, of which `relevant` are, and of all movies `count` (B,)."""
    top = _largest(scores, 10)
    order = np.argsort(-np.take_along_axis(scores, top, 1), 1, kind="stable")
    hits = np.take_along_axis(relevant, np.take_along_axis(top, order, 1), 1)
    return metrics.ndcg(hits, count)


def _largest(scores: Array, most: int) -> NDArray[np.intp]:
    """(B, most) columns of the largest of (B, P) scores, in no order; P where there are fewer."""
    most = min(most, scores.shape[1])
    return np.argpartition(-scores, most - 1, 1)[:, :most]

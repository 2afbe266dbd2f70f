"""What the slices of the vector weigh in the ranking, as held-out likes choose.

Each slice's best movies of each user, and the held-out likes, are the pool in which weights are
compared: a sum of slices puts no other movie first, or hardly any. The search goes slice by slice
through a few factors, 0 among them, and takes what gains more than chance would: SURE standard
errors of the gain over the users. So weights stay where they begin unless the data object.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from recsys import metrics
from recsys.data.interactions import on_cores
from recsys.parts.part import Array

DEEP = 50  # best movies of each slice in the pool
FACTORS = (0.0, 0.25, 0.5, 0.7, 1.4, 2.0, 4.0)  # of a weight
SHARES = (1 / 32, 1 / 8, 1 / 2)  # of all weights, for one that is 0
SURE = 1.0  # standard errors of a gain, as Breiman's rule has it
ROUNDS = 3
BLOCK, LEAST = 1 << 22, 32  # scores of a slice held at a time, of so many users at least

Slices = Mapping[str, Array]


class Pool(NamedTuple):
    """P movies of each of B users, among which are the best of any weights."""

    scores: dict[str, Array]  # (B, P) by slice, -inf behind the last movie of a user
    likes: tuple[NDArray[np.int64], NDArray[np.int64]]  # rows and columns of the held-out likes
    counts: NDArray[np.int64]  # (B,) held-out likes of each user

    @classmethod
    def of(cls, seen: csr_matrix, likes: csr_matrix, users: Slices, movies: Slices) -> "Pool":
        """Of (B, M) what is seen and what is liked, and (B, D) users and (M, D) movies by slice."""
        size, step = likes.shape[0], max(LEAST, BLOCK // max(1, likes.shape[1]))

        def best(start: int) -> list[NDArray]:
            """Users, whether liked, and scores by slice of the pool of a block of users."""
            block = slice(start, start + step)
            relevant, left_out = likes[block].toarray() > 0, seen[block].nonzero()
            mask, every = relevant.copy(), [u[block] @ movies[n].T for n, u in users.items()]
            for scores in every:
                scores[left_out] = -np.inf
                mask |= scores > metrics.largest(scores, DEEP + 1)[:, :1]
            mask[left_out] = False
            row, column = np.nonzero(mask)
            return [start + row, relevant[row, column], *(each[row, column] for each in every)]

        blocks = on_cores(best, range(0, size, step))
        row, mask, *values = map(np.concatenate, zip(*blocks, strict=True))
        counts = np.bincount(row, minlength=size)
        column = np.arange(len(row)) - (np.cumsum(counts) - counts)[row]
        pooled = {n: np.full((size, counts.max()), -np.inf, np.float32) for n in users}
        for each, scores in zip(pooled.values(), values, strict=True):
            each[row, column] = scores
        return cls(pooled, (row[mask], column[mask]), np.diff(likes.indptr).astype(np.int64))

    def ndcg(self, weights: Mapping[str, float]) -> NDArray[np.float64]:
        """(B,) ndcg@10 of a weighted sum of the slices; 0 of no slice."""
        used = {name: weight for name, weight in weights.items() if weight}
        if not used:
            return np.zeros(len(self.counts))
        total = sum(np.float32(weight) * self.scores[name] for name, weight in used.items())
        return ndcg(total, self.likes, self.counts)

    def search(
        self, *starts: Mapping[str, float], rounds: int = ROUNDS
    ) -> tuple[dict[str, float], float]:
        """Weights, 1 in all, that rank the likes best, and their ndcg@10; from the best start."""
        begun = [{name: start.get(name, 0.0) for name in self.scores} for start in starts]
        weights = max(begun, key=lambda each: self.ndcg(each).mean())
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
    scores: Array, likes: tuple[NDArray, NDArray], counts: NDArray[np.integer]
) -> NDArray[np.float64]:
    """(B,) ndcg@10 of (B, P) scores; of equal ones none is better placed than the last of them.

    Likes are (E,) rows and columns, (B,) counts those of each user, also of no score.
    """
    rows, columns = likes
    best, values = metrics.largest(scores, 11), scores[rows, columns]
    among = values > best[rows, 0]
    rows, values = rows[among], values[among]
    hits = np.zeros((len(scores), 10), bool)
    hits[rows, (best[rows, 1:] >= values[:, None]).sum(1) - 1] = True
    return metrics.ndcg(hits, counts)

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
from recsys.parts.part import Array

DEEP = 50  # best movies of each slice in the pool
FACTORS = (0.0, 0.25, 0.5, 0.7, 1.4, 2.0, 4.0)  # of a weight
SHARES = (1 / 32, 1 / 8, 1 / 2)  # of all weights, for one that is 0
SURE = 1.0  # standard errors of a gain, as Breiman's rule has it
ROUNDS = 3
BLOCK = 1 << 23  # scores held at a time

Slices = Mapping[str, Array]


class Pool(NamedTuple):
    """P movies of each of B users, among which are the best of any weights."""

    scores: dict[str, Array]  # (B, P) by slice, -inf behind the last movie of a user
    likes: tuple[NDArray[np.int64], NDArray[np.int64]]  # rows and columns of the held-out likes
    counts: NDArray[np.int64]  # (B,) held-out likes of each user

    @classmethod
    def of(cls, seen: csr_matrix, likes: csr_matrix, users: Slices, movies: Slices) -> "Pool":
        """Of (B, M) what is seen and what is liked, and (B, D) users and (M, D) movies by slice."""
        owners, liked, values = [], [], {name: [np.zeros(0, np.float32)] for name in users}
        size, step = likes.shape[0], max(1, BLOCK // max(1, likes.shape[1]))
        for block in (slice(start, start + step) for start in range(0, size, step)):
            relevant, left_out = likes[block].toarray() > 0, seen[block].nonzero()
            mask, every = relevant.copy(), {n: u[block] @ movies[n].T for n, u in users.items()}
            for scores in every.values():
                scores[left_out] = -np.inf
                mask |= scores > metrics.largest(scores, DEEP + 1)[:, :1]
            mask[left_out] = False
            row, column = np.nonzero(mask)
            owners.append(block.start + row)
            liked.append(relevant[row, column])
            for name, scores in every.items():
                values[name].append(scores[row, column])
        row = np.concatenate(owners)
        counts = np.bincount(row, minlength=size)
        column = np.arange(len(row)) - (np.cumsum(counts) - counts)[row]
        pooled = {n: np.full((size, counts.max()), -np.inf, np.float32) for n in users}
        for name, each in pooled.items():
            each[row, column] = np.concatenate(values[name])
        mask = np.concatenate(liked)
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

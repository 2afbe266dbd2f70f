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

DEEP = 50  # best movies of each slice in the pool
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

    @property
    def counts(self) -> NDArray[np.int64]:
        """(B,) held-out likes of each user."""
        return np.diff(self.relevant.indptr).astype(np.int64)

    def blocks(self) -> Sequence[slice]:
        """Users few enough for a score of every movie for each."""
        users, movies = self.relevant.shape
        step = max(1, BLOCK // max(1, movies))
        return [slice(start, start + step) for start in range(0, users, step)]

    def ndcg(self, users: Array, movies: Array) -> float:
        """Mean ndcg@10 of inner products, of the users whose likes are among the movies, or 0."""
        found = [np.zeros(0)]
        for block in self.blocks():
            scores = users[block] @ movies.T
            scores[self.seen[block].nonzero()] = -np.inf
            rows, columns = self.relevant[block].nonzero()
            found.append(ndcg(scores, rows, columns, self.counts[block]))
        return float(np.concatenate(found).sum() / max(1, np.count_nonzero(self.counts)))


class Pool(NamedTuple):
    """P movies of each of B users, among which are the best of any weights."""

    scores: dict[str, Array]  # (B, P) by slice, -inf behind the last movie of a user
    likes: tuple[NDArray[np.int64], NDArray[np.int64]]  # rows and columns of the held-out likes
    counts: NDArray[np.int64]  # (B,) held-out likes of each user

    @classmethod
    def of(cls, lists: Lists, users: Mapping[str, Array], movies: Mapping[str, Array]) -> "Pool":
        """
        Args:
            users, movies: (B, D) and (M, D) by slice.
        """
        owners, liked, values = [], [], {name: [np.zeros(0, np.float32)] for name in users}
        for block in lists.blocks():
            relevant, seen = lists.relevant[block].toarray() > 0, lists.seen[block].nonzero()
            mask, every = relevant.copy(), {n: u[block] @ movies[n].T for n, u in users.items()}
            for scores in every.values():
                scores[seen] = -np.inf
                mask |= scores > _largest(scores, DEEP)[:, :1]
            mask[seen] = False
            row, column = np.nonzero(mask)
            owners.append(block.start + row)
            liked.append(relevant[row, column])
            for name, scores in every.items():
                values[name].append(scores[row, column])
        row = np.concatenate(owners)
        counts = np.bincount(row, minlength=lists.relevant.shape[0])
        column = np.arange(len(row)) - (np.cumsum(counts) - counts)[row]
        pooled = {n: np.full((len(counts), counts.max()), -np.inf, np.float32) for n in users}
        for name, each in pooled.items():
            each[row, column] = np.concatenate(values[name])
        mask = np.concatenate(liked)
        return cls(pooled, (row[mask], column[mask]), lists.counts)

    def ndcg(self, weights: Mapping[str, float]) -> NDArray[np.float64]:
        """(B,) ndcg@10 of a weighted sum of the slices; 0 of no slice."""
        used = {name: weight for name, weight in weights.items() if weight}
        if not used:
            return np.zeros(len(self.counts))
        total = sum(np.float32(weight) * self.scores[name] for name, weight in used.items())
        return ndcg(total, *self.likes, self.counts)

    def search(
        self, *starts: Mapping[str, float], rounds: int = ROUNDS
    ) -> tuple[dict[str, float], float]:
        """Weights, 1 in all, that rank the held-out likes best, and their mean ndcg@10.

        The search begins from the best of the starts.
        """
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
    scores: Array,
    rows: NDArray[np.integer],
    columns: NDArray[np.integer],
    counts: NDArray[np.integer],
) -> NDArray[np.float64]:
    """(B,) ndcg@10 of (B, P) scores; of equal ones none is better placed than the last of them.

    Args:
        rows, columns: (E,) where the scores of relevant movies are.
        counts: (B,) relevant movies of each user, those without a score among them.
    """
    best, values = _largest(scores, 10), scores[rows, columns]
    among = values > best[rows, 0]
    rows, values = rows[among], values[among]
    hits = np.zeros((len(scores), 10), bool)
    hits[rows, (best[rows, 1:] >= values[:, None]).sum(1) - 1] = True
    return metrics.ndcg(hits, counts)


def _largest(scores: Array, most: int) -> Array:
    """(B, 1 + most) the largest of (B, P) scores, before them the one that follows."""
    if scores.shape[1] <= most:
        missing = (0, 0), (0, most + 1 - scores.shape[1])
        scores = np.pad(scores, missing, constant_values=-np.inf)
    return np.partition(scores, -most - 1, 1)[:, -most - 1 :]

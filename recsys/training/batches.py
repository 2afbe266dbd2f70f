"""What training is shown: batches of users with part of their history, and ratings to predict.

One epoch shows every rating once to the rating head, and every user several times to the retrieval
head; of more users than MAX_STEPS can show, as many of them as it can. Both come from one batch of
users, so that one pass of the movie tower, and one sum over their histories, serves both. NumPy and
SciPy, nothing per rating in Python.

Where recency counts, the retrieval head learns what it will be asked: each user's history is cut at
a random cutoff time; what came before it is shown, the nearer the heavier, and what followed it is
the target, the nearer the heavier. The rating head is shown the whole history, all of it alike.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from recsys.data.interactions import Recency, first_times, later
from recsys.data.scale import LIKED
from recsys.options import Options
from recsys.parts.heads import channel_values, heads
from recsys.parts.part import Array, Training

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]

TARGET_FLOOR = 0.1  # weight of the furthest target of a user with a cutoff time
BATCH_SIZE, MIN_STEPS, MAX_STEPS = 2048, 32, 36  # ratings a step, and steps an epoch
MORE_STEPS = 50  # to show more users, where no step would have more ratings than BATCH_SIZE


class Batch(NamedTuple):
    """B users of one step and all E of their ratings; C candidates."""

    user_rows: Rows  # (B,) 0 where the id is hidden
    attributes: Rows  # (B, W) 0 where hidden
    owners: Rows  # (E,) positions in the batch
    columns: Rows  # (E,) positions among the candidates
    ratings: Array  # (E,)
    recent: Array  # (E,) weight in the history of the retrieval head, 0: not shown
    shown: Array  # (E,) 1 where in the history of the rating head
    target: Array  # (E,) weight as a target of the retrieval head
    predicted: Mask  # (E,) to be predicted by the rating head; none of them is shown
    candidates: Rows  # (C,) movie rows, ascending
    chance: Array | None  # (C,) of being a candidate; None: all movies are
    available: Mask | None  # (B, C) first rated before a user's last rating; None: all

    def of_users(self, some: slice) -> "Batch":
        """Of a run of the users, and all that is theirs."""
        if some == slice(0, len(self.user_rows)):
            return self
        entries = slice(*np.searchsorted(self.owners, (some.start, some.stop)))
        by_rating = "columns", "ratings", "recent", "shown", "target", "predicted"
        cut = {name: getattr(self, name)[entries] for name in by_rating}
        cut |= {name: getattr(self, name)[some] for name in ("user_rows", "attributes")}
        available = None if self.available is None else self.available[some]
        return self._replace(owners=self.owners[entries] - some.start, available=available, **cut)

    def scattered(self, values: NDArray[np.floating]) -> Array:
        """(B, C) of (E,) values of the ratings, 0 elsewhere."""
        matrix = np.zeros((len(self.user_rows), len(self.candidates)), np.float32)
        matrix[self.owners, self.columns] = values
        return matrix

    def channels(self, names: Sequence[str], movies: int) -> Iterator[tuple[csr_matrix, ...]]:
        """For each of such channels (B, M + 1) what the history weighs in it, of each head."""
        users, rows = len(self.user_rows), self.candidates[self.columns]
        ends = np.append(0, np.cumsum(np.bincount(self.owners, minlength=users)))
        weights = np.stack([self.recent, self.shown][: heads(names)])
        for each in channel_values(names, self.ratings, weights, self.owners, users):
            yield tuple(csr_matrix((v, rows, ends), (users, movies + 1)) for v in each)

    @property
    def targets(self) -> Array:
        """(B, C) 2^((rating - 4) / 2) times its weight, over the square root of the user's sum.

        So a user of many ratings weighs more than one of few, but not as many times more.
        """
        targets = np.exp2((self.ratings - 4) / 2) * self.target
        sums = np.bincount(self.owners, targets, len(self.user_rows))
        return self.scattered(targets / np.sqrt(np.maximum(sums, 1e-9))[self.owners])

    @property
    def multiplicity(self) -> Array:
        """(B, C), or (1,): how many movies a candidate stands for in the softmax's denominator.

        A user's movies are always among the candidates of the user's batch; those rated before the
        user's cutoff time are left out, and those first rated after the user's last rating.
        """
        before = self.target == 0
        if self.chance is None and self.available is None and not before.any():
            return np.ones(1, np.float32)
        drawn = np.ones(len(self.candidates)) if self.chance is None else 1 / self.chance
        weights = np.tile(drawn.astype(np.float32), (len(self.user_rows), 1))
        weights[self.owners, self.columns] = ~before
        return weights if self.available is None else weights * self.available


class BatchSampler:
    """Cuts batches from the histories."""

    def __init__(self, data: Training, options: Options) -> None:
        self.history, self.attributes, history = data.history, data.attributes, data.history
        self.movies, self.options = len(data.movies), options
        owners, times, ratings = history.owners, history.times, len(history.values)
        self.users = np.flatnonzero(history.counts)  # rows of the users who rated anything
        batches = -(-len(self.users) // options.batch_users)  # that show each user once
        most = MORE_STEPS if ratings <= MORE_STEPS * BATCH_SIZE else MAX_STEPS
        self.batches = min(batches, most // 2)  # of an epoch, each pass
        size = max(min(BATCH_SIZE, ratings / MIN_STEPS), ratings / MAX_STEPS)
        passes = round(ratings / (options.batch_size or size) / batches)
        self.passes = max(2, passes)  # times that each user is shown in an epoch; history is left
        self.steps = self.passes * self.batches  # of an epoch
        self._recency = Recency(options.recency_floor, options.recency_span)
        # (N,) each: ratings of the same user later than each, and not earlier than each
        self._later = [later(owners, times, bound).astype(np.int32) for bound in (False, True)]
        self._first = first_times(history.indices, times, self.movies + 1)  # (M + 1,) first rated
        self._last = np.zeros(history.rows, np.int64)  # (U + 1,) rated last
        np.maximum.at(self._last, owners, times)
        missed = max(0.0, 1 - options.batch_users / max(1, len(self.users)))
        # (M,) chance that one of a batch's users rated the movie
        self._in_batch = (1 - missed ** data.counts[1:]).astype(np.float32)

    def epoch(self, rng: Generator) -> Iterator[Batch]:
        """Every rating once, every user `passes` times, in random order; of many users, of some."""
        # (N,) the pass that predicts each
        turn = rng.integers(0, self.passes, len(self.history.values)).astype(np.int32)
        most = self.batches * self.options.batch_users
        for number in range(self.passes):
            for users in np.array_split(rng.permutation(self.users)[:most], self.batches):
                yield self._batch(users, turn, number, rng)

    def _batch(self, users: Rows, turn: NDArray, number: int, rng: Generator) -> Batch:
        entries, owners = self.history.entries(users)
        rows, ratings = self.history.indices[entries], self.history.values[entries]
        candidates, chance = self._candidates(rows, rng)
        columns = np.searchsorted(candidates, rows)
        kind = rng.random(len(users))  # cold-start users, those with a few likes, then the others
        cold = kind < self.options.cold_user_rate
        hidden_id = kind < self.options.cold_user_rate + self.options.few_likes_rate
        predicted = turn[entries] == number
        # Some are shown without id and history, or with a few likes: as cold-start users will ask
        liked, few = (ratings >= LIKED) & ~predicted, self.options.few_likes
        likes = np.maximum(np.bincount(owners, liked, len(users)), 1)
        few_rate = rng.uniform(0, 2 * few, len(users)) / likes
        rate = np.where(hidden_id[owners], few_rate[owners] * liked, self.options.history_keep_rate)
        rate[cold[owners]] = 0
        shown = (~predicted & (rng.random(len(entries), np.float32) < rate)).astype(np.float32)
        weights, target = self._cut(entries, owners, hidden_id, rng)
        known_id = ~hidden_id & (rng.random(len(users)) >= self.options.drop_user)
        sides = self.attributes[users].astype(np.int64)
        known = (rng.random(sides.shape) >= self.options.drop_side) | (sides < 0)
        available = None
        if self._recency.floor < 1:
            available = self._first[candidates] <= self._last[users][:, None]
        user_rows, attributes, recent = users * known_id, sides * known, shown * weights
        given = ratings, recent, shown, target
        pool = candidates, chance, available
        return Batch(user_rows, attributes, owners, columns, *given, predicted, *pool)

    def _cut(self, entries: Rows, owners: Rows, hidden_id: Mask, rng: Generator) -> Array:
        """(2, E) what ratings weigh if shown, 0 from a cutoff time on; and as targets, 0 before it.

        Users shown without id have no cutoff time: their likes are named all at once.
        """
        if self._recency.floor == 1:
            return np.ones((2, len(entries)), np.float32)
        after, behind = self._later[0][entries], self._later[1][entries]
        counts = np.bincount(owners, minlength=len(hidden_id))
        first = np.cumsum(counts) - counts
        cutoff = (rng.random(len(counts)) * counts).astype(np.int64)  # (B,) one of their ratings
        left = behind[first + cutoff][owners]  # (E,) ratings from the cutoff time on
        cut = ~hidden_id[owners] & (left < counts[owners])  # else nothing came before
        past = behind > left
        after = np.where(hidden_id[owners], 0, after) - np.where(cut & past, left, 0)
        ahead = Recency(TARGET_FLOOR, self.options.target_span).weights(left - behind)
        shown = self._recency.weights(after) * (past | ~cut)
        return np.stack([shown, np.where(cut, ahead * ~past, 1)]).astype(np.float32)

    def _candidates(self, rated: NDArray[np.integer], rng: Generator) -> tuple[Rows, Array | None]:
        """All movies, or of a large catalogue those the batch rated and others drawn evenly."""
        if self.movies <= self.options.candidates:
            return np.arange(1, self.movies + 1), None
        drawn = rng.choice(self.movies, self.options.candidates, replace=False) + 1
        share = self.options.candidates / self.movies
        candidates = np.union1d(drawn, rated)
        return candidates, 1 - (1 - self._in_batch[candidates - 1]) * np.float32(1 - share)

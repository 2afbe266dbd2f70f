"""What training is shown: batches of users with part of their history, and ratings to predict.

One epoch shows every rating once to the rating head, and every user several times to the retrieval
head. Both come from one batch of users, so that one pass of the movie tower, and one sum over
their histories, serves both. NumPy only, nothing per rating in Python.

Where recency counts, the retrieval head learns what it will be asked: users are cut at a moment of
their own; what came before it is shown, the nearer the heavier, and what followed it is the target,
the nearer the heavier. The rating head is shown the whole history, all of it alike.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.interactions import Interactions, Recency, first_times, later
from recsys.data.movielens import LIKED
from recsys.training.options import Options

TARGET_FLOOR = 0.1  # weight of the furthest target of a user cut at a moment
BATCH_SIZE, MIN_STEPS, MAX_STEPS = 2048, 32, 50  # ratings a step, and steps an epoch


class Batch(NamedTuple):
    """B users of one step, all E of their ratings, and P of these to predict; C candidates."""

    user_rows: NDArray[np.int64]  # (B,) 0 where the id is hidden
    attributes: NDArray[np.int64]  # (B, W) 0 where hidden
    owners: NDArray[np.int64]  # (E,) places in the batch
    columns: NDArray[np.int64]  # (E,) places among the candidates
    ratings: NDArray[np.float32]  # (E,)
    recent: NDArray[np.float32]  # (E,) weight in the history of the retrieval head, 0: not shown
    shown: NDArray[np.float32]  # (E,) 1 where in the history of the rating head
    target: NDArray[np.float32]  # (E,) weight as a target of the retrieval head
    candidates: NDArray[np.int64]  # (C,) movie rows, ascending
    chance: NDArray[np.float32] | None  # (C,) of being a candidate; None: all movies are
    there: NDArray[np.bool_] | None  # (B, C) candidates rated before a user's last; None: any
    pair_users: NDArray[np.int64]  # (P,) places in the batch
    pair_columns: NDArray[np.int64]  # (P,) places among the candidates
    pair_ratings: NDArray[np.float32]  # (P,) to predict; none of them is shown


@dataclass(frozen=True)
class BatchSampler:
    """Cuts batches from the histories."""

    history: Interactions
    attributes: NDArray[np.int32]  # (U + 1, W) rows of the attributes; row 0 unknown
    movies: int  # M
    options: Options

    @cached_property
    def _recency(self) -> Recency:
        return Recency(self.options.recency_floor, self.options.recency_span)

    @cached_property
    def _later(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(N,) each: ratings of the same user later than each, and not earlier than each."""
        owners, times = self.history.owners, self.history.times
        return later(owners, times), later(owners, times, inclusive=True)

    @cached_property
    def _times(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(M + 1,) when each movie was first rated, (U + 1,) when each user rated last."""
        history = self.history
        last = np.zeros(history.users + 1, np.int64)
        np.maximum.at(last, history.owners, history.times)
        return first_times(history.movie_rows, history.times, self.movies + 1), last

    @cached_property
    def users(self) -> NDArray[np.int64]:
        """Rows of the users who rated anything."""
        return np.flatnonzero(self.history.counts)

    @property
    def batches(self) -> int:
        """Batches that show each user once."""
        return -(-len(self.users) // self.options.batch_users)

    @property
    def passes(self) -> int:
        """Times that each user is shown in an epoch: at least twice, or no history were left."""
        ratings = len(self.history.ratings)
        size = self.options.batch_size or max(
            min(BATCH_SIZE, ratings / MIN_STEPS), ratings / MAX_STEPS
        )
        return max(2, round(ratings / size / self.batches))

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self.passes * self.batches

    @cached_property
    def _in_batch(self) -> NDArray[np.float32]:
        """(M,) chance that one of a batch's users rated the movie."""
        raters = np.bincount(self.history.movie_rows, minlength=self.movies + 1)[1:]
        missed = max(0.0, 1 - self.options.batch_users / len(self.users))
        return (1 - missed**raters).astype(np.float32)

    def epoch(self, rng: np.random.Generator) -> Iterator[Batch]:
        """Every rating once, every user `passes` times, in random order."""
        turn = rng.integers(
            0, self.passes, len(self.history.ratings)
        )  # the pass that predicts each
        for number in range(self.passes):
            for users in np.array_split(rng.permutation(self.users), self.batches):
                yield self._batch(users, turn == number, rng)

    def _batch(
        self, users: NDArray[np.int64], now: NDArray[np.bool_], rng: np.random.Generator
    ) -> Batch:
        entries, owners = self.history.entries(users)
        rows, ratings = self.history.movie_rows[entries], self.history.ratings[entries]
        candidates, chance = self._candidates(rows, rng)
        columns = np.searchsorted(candidates, rows)
        kind = rng.random(len(users))  # cold-start users, those with a few likes, then the others
        cold = kind < self.options.cold_user_rate
        hidden_id = kind < self.options.cold_user_rate + self.options.few_likes_rate
        predicted = now[entries]
        rate = self._show_rates(cold, hidden_id, owners, (ratings >= LIKED) & ~predicted, rng)
        shown = ~predicted & (rng.random(len(entries), np.float32) < rate)
        past, count, target = self._moments(entries, owners, hidden_id, rng)
        known_id = ~hidden_id & (rng.random(len(users)) >= self.options.drop_user)
        sides = self.attributes[users].astype(np.int64)
        known = (rng.random(sides.shape) >= self.options.drop_side) | (sides < 0)
        return Batch(
            users * known_id,
            sides * known,
            owners,
            columns,
            ratings,
            (shown & past) * self._recency.weights(count),
            shown.astype(np.float32),
            target,
            candidates,
            chance,
            self._there(users, candidates),
            owners[predicted],
            columns[predicted],
            ratings[predicted],
        )

    def _moments(
        self,
        entries: NDArray[np.int64],
        owners: NDArray[np.int64],
        hidden_id: NDArray[np.bool_],
        rng: np.random.Generator,
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.float32]]:
        """Users cut at a moment: what came before may be shown, what follows is the target.

        Users shown without id are not cut: their likes are named at one moment.

        Returns:
            (E,) each: whether a rating may be shown; how many of those that may are later than
            it; and what it weighs as a target, 0 for what came before the moment. Of users who
            are not cut all ratings may be shown and all are targets.
        """
        after, behind = self._later[0][entries], self._later[1][entries]
        after = np.where(hidden_id[owners], 0, after)
        if self._recency.floor == 1:
            return np.ones(len(entries), bool), after, np.ones(len(entries), np.float32)
        counts = np.bincount(owners, minlength=len(hidden_id))
        first = np.cumsum(counts) - counts
        moment = (rng.random(len(counts)) * counts).astype(np.int64)  # (B,) one of their ratings
        left = behind[first + moment]  # (B,) ratings from that moment on
        cut = (~hidden_id & (left < counts))[owners]  # else nothing came before
        past = behind > left[owners]
        ahead = Recency(TARGET_FLOOR, self.options.target_span).weights(left[owners] - behind)
        return (
            past | ~cut,
            after - np.where(cut & past, left[owners], 0),
            np.where(cut, ahead * ~past, 1).astype(np.float32),
        )

    def _there(
        self, users: NDArray[np.int64], candidates: NDArray[np.int64]
    ) -> NDArray[np.bool_] | None:
        """(B, C) whether users could have rated candidates: None, all, where recency is off."""
        if self._recency.floor == 1:
            return None
        first, last = self._times
        return first[candidates] <= last[users][:, None]

    def _show_rates(
        self,
        cold: NDArray[np.bool_],
        hidden_id: NDArray[np.bool_],
        owners: NDArray[np.int64],
        liked: NDArray[np.bool_],
        rng: np.random.Generator,
    ) -> NDArray[np.float64]:
        """(N,) chance of being shown as history of each of a batch's ratings not to predict.

        Some users are shown as cold-start users, without id and history, some without id and with
        a few likes; else the model would meet such users without having been trained on any.
        """
        likes = np.bincount(owners, liked, len(cold))
        few = rng.uniform(0, 2 * self.options.few_likes, len(cold)) / np.maximum(likes, 1)
        rate = np.where(hidden_id[owners], few[owners] * liked, self.options.history_keep_rate)
        return np.where(cold[owners], 0, rate)

    def _candidates(
        self, rated: NDArray[np.integer], rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.float32] | None]:
        """All movies, or of a large catalogue those the batch rated and others drawn evenly."""
        if self.movies <= self.options.candidates:
            return np.arange(1, self.movies + 1), None
        drawn = rng.choice(self.movies, self.options.candidates, replace=False) + 1
        share = self.options.candidates / self.movies
        candidates = np.union1d(drawn, rated)
        return candidates, 1 - (1 - self._in_batch[candidates - 1]) * np.float32(1 - share)

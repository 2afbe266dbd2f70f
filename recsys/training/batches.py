"""What training is fed: batches of users with part of their history, and ratings to predict.

One epoch shows every rating once to the rating head, in batches, and every
user several times to the retrieval head. Both come from one batch of users, so that one pass of the
movie tower, and one sum over their histories, serves both. NumPy only, nothing per rating in
Python.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Ratings, Vocabulary
from recsys.data.movielens import LIKED
from recsys.serving.model_folder import History
from recsys.training.options import Options

FEW = 8  # favourites named by those who name a few, on average
BATCH, LEAST, MOST = 2048, 32, 50  # ratings a step, and steps an epoch at least and at most


class Batch(NamedTuple):
    """B users of one step, and P of their ratings; C candidates are candidates (columns)."""

    user_rows: NDArray[np.int64]  # (B,) 0 where the id is kept from the model
    attributes: NDArray[np.int64]  # (B, 3) 0 where kept from it
    history: NDArray[np.float32]  # (B, C) ratings of the part of the history shown, 0 elsewhere
    rated: NDArray[np.float32]  # (B, C) ratings of all candidates rated, 0 elsewhere
    candidates: NDArray[np.int64]  # (C,) their rows, ascending
    chance: NDArray[np.float32] | None  # (C,) of being a candidate; None: all candidates are
    pair_users: NDArray[np.int64]  # (P,) places in the batch
    pair_columns: NDArray[np.int64]  # (P,) columns
    pair_ratings: NDArray[np.float32]  # (P,) to predict; none of them is shown


@dataclass(frozen=True)
class BatchSampler:
    """Ratings in the form that batches are cut from."""

    history: History
    attributes: NDArray[np.int8]  # (U + 1, 3) rows of gender, age and job; row 0 unknown
    movies: int
    options: Options

    @cached_property
    def users(self) -> NDArray[np.int64]:
        """Rows of the users who rated anything."""
        return np.flatnonzero(np.diff(self.history.offsets))

    @property
    def batches(self) -> int:
        """Blocks that show each user once."""
        return -(-len(self.users) // self.options.block_users)

    @property
    def passes(self) -> int:
        """Times that each user is shown in an epoch: at least twice, or no history were left."""
        ratings = len(self.history.ratings)
        batch = self.options.batch_size or max(min(BATCH, ratings / LEAST), ratings / MOST)
        return max(2, round(ratings / batch / self.batches))

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self.passes * self.batches

    @cached_property
    def _in_batch(self) -> NDArray[np.float32]:
        """(M,) chance that one of a batch's users rated the movie."""
        raters = np.bincount(self.history.movie_rows, minlength=self.movies + 1)[1:]
        missed = max(0.0, 1 - self.options.block_users / len(self.users))
        return (1 - missed**raters).astype(np.float32)

    def epoch(self, rng: np.random.Generator) -> Iterator[Batch]:
        """Every rating once, every user `passes` times, in random order."""
        turn = rng.integers(0, self.passes, len(self.history.ratings))  # when each is predicted
        for number in range(self.passes):
            for users in np.array_split(rng.permutation(self.users), self.batches):
                yield self._batch(users, turn == number, rng)

    def _batch(
        self, users: NDArray[np.int64], now: NDArray[np.bool_], rng: np.random.Generator
    ) -> Batch:
        entries, owners = self._entries(users)
        rows, ratings = self.history.movie_rows[entries], self.history.ratings[entries]
        candidates, chance = self._candidates(rows, rng)
        columns = np.searchsorted(candidates, rows)
        kind = rng.random(
            len(users)
        )  # below `stranger` a cold-start user, then cold-start users with favourites
        shown_rate = self.options.stranger + self.options.few
        stranger, teller = kind < self.options.stranger, kind < shown_rate
        asked = now[entries]
        share = self._shares(stranger, teller, owners, (ratings >= LIKED) & ~asked, rng)
        shown = ~asked & (rng.random(len(entries), np.float32) < share)
        rated = np.zeros((len(users), len(candidates)), np.float32)
        rated[owners, columns] = ratings
        history = np.zeros_like(rated)
        history[owners[shown], columns[shown]] = ratings[shown]
        known_id = ~teller & (rng.random(len(users)) >= self.options.drop_user)
        known = rng.random((len(users), 3)) >= self.options.drop_side
        return Batch(
            users * known_id,
            self.attributes[users].astype(np.int64) * known,
            history,
            rated,
            candidates,
            chance,
            owners[asked],
            columns[asked],
            ratings[asked],
        )

    def _shares(
        self,
        stranger: NDArray[np.bool_],
        teller: NDArray[np.bool_],
        owners: NDArray[np.int64],
        favourite: NDArray[np.bool_],
        rng: np.random.Generator,
    ) -> NDArray[np.float64]:
        """(N,) chance of being shown as history of each of a batch's ratings not to predict.

        Some users are shown as cold-start users, without id and history, some as cold-start users who name a
        few favourites; else such people would be asked for and never have been trained.
        """
        favourites = np.bincount(owners, favourite, len(stranger))
        few = rng.uniform(0, 2 * FEW, len(stranger)) / np.maximum(favourites, 1)
        share = np.where(teller[owners], few[owners] * favourite, self.options.keep)
        return np.where(stranger[owners], 0, share)

    def _entries(self, users: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Places in the history of all ratings of some users, and whose each one is."""
        starts = self.history.offsets[users]
        counts = self.history.offsets[users + 1] - starts
        owners = np.repeat(np.arange(len(users)), counts)
        first = np.cumsum(counts) - counts
        return np.arange(len(owners)) - np.repeat(first - starts, counts), owners

    def _candidates(
        self, rated: NDArray[np.int32], rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.float32] | None]:
        """The candidates: all candidates, or those the batch rated and others drawn evenly."""
        if self.movies <= self.options.candidates:
            return np.arange(1, self.movies + 1), None
        drawn = rng.choice(self.movies, self.options.candidates, replace=False) + 1
        share = self.options.candidates / self.movies
        candidates = np.union1d(drawn, rated)
        return candidates, 1 - (1 - self._in_batch[candidates - 1]) * np.float32(1 - share)


def history_of(ratings: Ratings, vocabulary: Vocabulary) -> History:
    """Ratings by user row."""
    return History.build(
        len(vocabulary.user_ids),
        vocabulary.user_rows(ratings.user_ids),
        vocabulary.movie_rows(ratings.movie_ids),
        ratings.values,
    )

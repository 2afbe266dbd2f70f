"""The obvious way to train the same towers: one rating a row, both towers called for every row.

Kind to itself where it can be: no history to sum, titles and genres padded beforehand, nothing
dropped at random, the batches cut by NumPy, and the towers' own forward passes.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from paddle.nn import functional as F

from recsys.data.scale import MAX_RATING
from recsys.model import paddle, unit_heads
from recsys.training.batches import BatchSampler
from recsys.training.step import TrainStep

BATCH = 256  # the tutorial's


class Naive:
    """The rating loss by squared error, retrieval by a softmax over the batch, stock operators."""

    def __init__(self, step: TrainStep, sampler: BatchSampler) -> None:
        """Takes the towers and the optimiser over; the step is of no use afterwards."""
        self.users, self.movies, self.optimizer = step.users, step.movies, step.optimizer
        self.options, self.attributes = step.options, sampler.attributes.astype(np.int64)
        self.titles, self.genres = step.title_rows, step.genre_rows
        history = sampler.history
        self.movie_rows, self.ratings = history.indices.astype(np.int64), history.values
        self.user_rows = history.owners  # (N,)

    def epoch(self, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        """The places of each batch's ratings."""
        order = rng.permutation(len(self.ratings))
        yield from np.split(order, range(BATCH, len(order), BATCH))

    def __call__(self, batch: NDArray[np.int64]) -> tuple[float, float]:
        """One optimiser step; the retrieval and the rating loss before it."""
        users, movies = self.user_rows[batch], self.movie_rows[batch]
        sides = [paddle.to_tensor(each.copy()) for each in self.attributes[users].T]
        profile = self.users.profile(paddle.to_tensor(users), sides)
        user_retrieval, user_rating = unit_heads(profile, 2)
        movie_retrieval, movie_rating = self.movies(
            paddle.to_tensor(movies),
            paddle.to_tensor(self.genres[movies - 1]),
            paddle.to_tensor(self.titles[movies - 1]),
        )
        logits = paddle.matmul(user_retrieval, movie_retrieval, transpose_y=True)
        retrieval = F.cross_entropy(logits / self.options.temperature, paddle.arange(len(batch)))
        cosine = (user_rating * movie_rating).sum(-1)
        rating = F.mse_loss(MAX_RATING * cosine, paddle.to_tensor(self.ratings[batch]))
        (self.options.retrieval_weight * retrieval + rating).backward()
        self.optimizer.step()
        self.optimizer.clear_grad()
        return float(retrieval), float(rating)

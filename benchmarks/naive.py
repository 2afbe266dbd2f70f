"""The obvious way to train the same towers: one rating a row, both towers called for every row.

Kind to itself where it can be: no history to sum, titles and genres padded beforehand, nothing
dropped at random, the batches cut by NumPy, and the towers' own forward passes.
"""

import numpy as np
from paddle.nn import functional as F

from recsys.model import paddle, unit_heads
from recsys.movielens import MAX_STARS
from recsys.trainer import Trainer

BATCH = 256  # the tutorial's


class Naive:
    """Stars by squared error, match by a softmax over the batch, stock operators."""

    def __init__(self, trainer: Trainer) -> None:
        """Takes the towers and the optimiser over; the trainer is of no use afterwards."""
        self.users, self.movies, self.optimizer = trainer.users, trainer.movies, trainer.optimizer
        self.options, self.attributes = trainer.options, trainer.feed.attributes.astype(np.int64)
        self.titles, self.genres = trainer.title_rows, trainer.genre_rows
        history = trainer.feed.history
        self.film_rows, self.stars = history.movie_rows.astype(np.int64), history.stars
        self.user_rows = np.repeat(
            np.arange(len(history.offsets) - 1), np.diff(history.offsets)
        )  # (N,)

    def epoch(self, rng: np.random.Generator):
        """The places of each batch's ratings."""
        order = rng.permutation(len(self.stars))
        yield from np.split(order, range(BATCH, len(order), BATCH))

    def step(self, batch: np.ndarray) -> tuple[float, float]:
        """One optimiser step; the match and the stars loss before it."""
        users, films = self.user_rows[batch], self.film_rows[batch]
        asked = [users, *self.attributes[users].T]
        profile = self.users.profile(*(paddle.to_tensor(each.copy()) for each in asked))
        user_match, user_stars = unit_heads(profile)
        movie_match, movie_stars = self.movies(
            paddle.to_tensor(films),
            paddle.to_tensor(self.genres[films - 1]),
            paddle.to_tensor(self.titles[films - 1]),
        )
        logits = paddle.matmul(user_match, movie_match, transpose_y=True)
        match = F.cross_entropy(logits / self.options.temperature, paddle.arange(len(batch)))
        cosine = (user_stars * movie_stars).sum(-1)
        stars = F.mse_loss(MAX_STARS * cosine, paddle.to_tensor(self.stars[batch]))
        (self.options.match_weight * match + stars).backward()
        self.optimizer.step()
        self.optimizer.clear_grad()
        return match.item(), stars.item()

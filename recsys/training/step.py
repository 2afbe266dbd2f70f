"""A training step: both losses from one batch of users and one pass of the movie tower."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.ids import parts
from recsys.data.scale import MAX_RATING
from recsys.model import MovieTower, UserTower, Windows, folded, paddle, unit_heads
from recsys.parts.heads import CHANNELS, Heads, channel_values
from recsys.parts.part import Training
from recsys.training.batches import Batch, BatchSampler
from recsys.training.options import Options


class RetrievalLoss(paddle.autograd.PyLayer):
    """Softmax cross-entropy over candidates, its gradient written out.

    Paddle's own log-softmax takes fifty times as long on a CPU; the tests hold the two equal.
    """

    @staticmethod
    def forward(
        context: Any,
        users: paddle.Tensor,
        movies: paddle.Tensor,
        targets: paddle.Tensor,
        weights: paddle.Tensor,
        temperature: float,
    ) -> paddle.Tensor:
        """Mean over users of -sum of targets x log-softmax.

        Args:
            users: (B, D); movies: (C, D) unit vectors.
            targets: (B, C), at least 0.
            weights: (B, C), or 1, how many movies a candidate stands for in the denominator:
                1 / its chance of being drawn (the logQ correction).
        """
        cosines = paddle.matmul(users, movies, transpose_y=True)  # (B, C)
        logits = paddle.scale(cosines, 1 / temperature, -1 / temperature)  # 0 at most
        powers = paddle.exp(logits) * weights
        total = powers.sum(1, keepdim=True)
        mass = targets.sum(1, keepdim=True)
        loss = (paddle.log(total) * mass).sum() - (logits * targets).sum()
        context.scale = 1 / (temperature * users.shape[0])
        context.save_for_backward(users, movies, powers * (mass / total) - targets)
        return loss / users.shape[0]

    @staticmethod
    def backward(  # type: ignore[override]
        context: Any, upstream: paddle.Tensor
    ) -> tuple[paddle.Tensor | None, ...]:
        users, movies, slope = context.saved_tensor()
        slope = slope * (upstream * context.scale)
        by_users = paddle.matmul(slope, movies)
        return by_users, paddle.matmul(slope, users, transpose_x=True), None, None


class TrainStep:
    """Towers, optimiser and the movies' features; a call is a forward and a backward pass."""

    def __init__(self, data: Training, options: Options) -> None:
        paddle.seed(options.seed)
        vocabulary, movies = data.vocabulary, data.movies
        self.sampler = BatchSampler(data.history, data.attributes, len(movies), options)
        with paddle.utils.unique_name.guard():  # names in a checkpoint do not depend on the past
            self.users = UserTower(vocabulary, options)
            self.movies = MovieTower(vocabulary, options)
            self.towers = self.users, self.movies
            towers = paddle.nn.LayerDict({"users": self.users, "movies": self.movies})
            self._parameters = towers.state_dict()
            self.optimizer = paddle.optimizer.AdamW(
                options.learning_rate,
                parameters=towers.parameters(),
                weight_decay=options.weight_decay,
            )
        self.rated = data.scale.rated  # else the rating head is left as it is
        self.options, self.steps, self.number = options, options.epochs * self.sampler.steps, 0
        self.title_rows = vocabulary.title_rows(movies.titles)
        self.genre_rows = vocabulary.genre_rows(movies.genres)
        self.side_rows = vocabulary.side_rows(movies)
        self._all_movies = self._features(np.arange(1, len(movies) + 1))

    def __call__(self, batch: Batch, rng: np.random.Generator) -> tuple[float, float]:
        """One optimiser step; the retrieval and the rating loss before it."""
        try:
            retrieval, rating = self._losses(batch, rng)
            loss = self.options.retrieval_weight * retrieval
            (loss + rating if self.rated else loss).backward()
        except OSError as error:  # so Paddle passes on what is raised in a PyLayer of ours
            if "KeyboardInterrupt" in str(error):
                raise KeyboardInterrupt from error
            raise
        rate = 0.5 * (1 + math.cos(math.pi * self.number / self.steps))
        self.optimizer.set_lr(self.options.learning_rate * rate)
        with paddle.utils.unique_name.guard():  # the moments are named in the first step
            self.optimizer.step()
        self.optimizer.clear_grad()
        self.number += 1
        return float(retrieval), float(rating)

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """Every parameter, copied."""
        return {name: value.numpy().copy() for name, value in self._parameters.items()}

    def set_weights(self, values: dict[str, NDArray[np.float32]]) -> None:
        for name, parameter in self._parameters.items():
            parameter.set_value(values[name])

    def optimizer_state(self) -> dict[str, NDArray[np.float32]]:
        """AdamW's moments."""
        state = self.optimizer.state_dict()
        return {name: v.numpy() for name, v in state.items() if isinstance(v, paddle.Tensor)}

    def set_optimizer_state(self, state: dict[str, NDArray], number: int) -> None:
        self.optimizer.set_state_dict({name: paddle.to_tensor(v) for name, v in state.items()})
        self.number = number

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """The arrays of the part: both towers as `recsys.parts.heads` reads them."""
        with paddle.no_grad():
            heads = self._movie_vectors(np.arange(1, len(self.title_rows) + 1))
        found = folded(self.users)
        for name, head in zip(Heads.slices, heads, strict=True):
            found[name] = np.pad(head.numpy(), ((1, 0), (0, 0)))
        return {f"{Heads.name}/{name}": each for name, each in found.items()}

    def _losses(
        self, batch: Batch, rng: np.random.Generator
    ) -> tuple[paddle.Tensor, paddle.Tensor]:
        movie_retrieval, movie_rating = self._movie_vectors(batch.candidates, rng)  # (C, D)
        total = self.users.profile(
            paddle.to_tensor(batch.user_rows), self._sides(batch)
        )  # (B, 2 D)
        candidates = paddle.to_tensor(batch.candidates)
        by_head = [
            channel_values(batch.ratings, weights, batch.owners, len(batch.user_rows))
            for weights in (batch.recent, batch.shown)
        ]
        for name, recent, shown in zip(CHANNELS, *by_head, strict=True):
            table = paddle.index_select(getattr(self.users, name), candidates)  # (C, 2 D)
            if np.array_equal(recent, shown):  # one product for both heads
                total = total + paddle.to_tensor(batch.scattered(recent)) @ table
            else:
                halves = zip((recent, shown), paddle.split(table, 2, axis=-1), strict=True)
                parts = [paddle.to_tensor(batch.scattered(each)) @ half for each, half in halves]
                total = total + paddle.concat(parts, 1)
        user_retrieval, user_rating = unit_heads(total)  # (B, D) each
        retrieval = RetrievalLoss.apply(
            user_retrieval,
            movie_retrieval,
            paddle.to_tensor(batch.targets),
            paddle.to_tensor(batch.multiplicity),
            self.options.temperature,
        )
        cosines = paddle.matmul(user_rating, movie_rating, transpose_y=True).flatten()  # (B C,)
        cells = (batch.owners * len(batch.candidates) + batch.columns)[batch.predicted]
        ratings = batch.ratings[batch.predicted]
        predicted = MAX_RATING * paddle.gather(cosines, paddle.to_tensor(cells))
        error = paddle.square(predicted - paddle.to_tensor(ratings))
        return retrieval, error.sum() / max(len(ratings), 1)

    def _sides(self, batch: Batch) -> list[paddle.Tensor]:
        """A batch's attributes as the user tower takes them."""
        sides = parts(self.users.attributes, batch.attributes)
        return [paddle.to_tensor(rows[:, 0] if a.width == 1 else rows) for a, rows in sides]

    def _features(self, candidates: NDArray[np.int64]) -> tuple[NDArray[np.float32], Windows]:
        """(C, G + 1) genres as ones, and the titles' windows."""
        rows = self.genre_rows[candidates - 1]
        genres = np.zeros((len(candidates), int(self.genre_rows.max(initial=0)) + 1), np.float32)
        movie, column = np.nonzero(rows >= 0)
        genres[movie, rows[movie, column]] = 1
        return genres, Windows.of(paddle.to_tensor(self.title_rows[candidates - 1]))

    def _movie_vectors(
        self, candidates: NDArray[np.int64], rng: np.random.Generator | None = None
    ) -> tuple[paddle.Tensor, paddle.Tensor]:
        """(C, D) of each head; with a generator some of what is known of movies is dropped."""
        all_movies = len(candidates) == len(self.title_rows)
        genres, windows = self._all_movies if all_movies else self._features(candidates)
        sides = [each[candidates - 1] for each in self.side_rows]
        if rng:
            drop = self.options.drop_side
            candidates = candidates * (rng.random(len(candidates)) >= self.options.drop_movie)
            known = genres * (rng.random(genres.shape) >= drop)
            known[:, 0] += (genres - known).sum(1)  # column 0 is the unknown genre
            genres = known
            shown = paddle.to_tensor(rng.random(len(windows.rows)) >= drop)
            windows = windows._replace(rows=windows.rows * paddle.cast(shown, "int64"))
            sides = [np.where((s > 0) & (rng.random(s.shape) < drop), 0, s) for s in sides]
        inputs = paddle.to_tensor(candidates), paddle.to_tensor(genres), windows
        return self.movies.catalogue(*inputs, [paddle.to_tensor(each) for each in sides])

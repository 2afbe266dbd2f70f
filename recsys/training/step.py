"""A training step: both losses from one batch of users and one pass of the movie tower."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from recsys.data.ids import parts
from recsys.data.scale import MAX_RATING
from recsys.model import MovieTower, Tensor, UserTower, Vectors, Windows, folded, paddle, unit_heads
from recsys.options import Options
from recsys.parts.heads import Heads
from recsys.parts.part import Array, Training
from recsys.training.batches import Batch, BatchSampler
from recsys.training.ranks import ALONE, Ranks

AT_ONCE = 1 << 16  # movies that go through their tower at once


class RetrievalLoss(paddle.autograd.PyLayer):
    """Softmax cross-entropy over candidates, in NumPy, in place, its gradient written out.

    Paddle's own log-softmax takes fifty times as long on a CPU; the tests hold the two equal.
    """

    @staticmethod
    def forward(
        context: Any,
        users: Tensor,
        movies: Tensor,
        targets: Array,
        weights: Array,
        temperature: float,
    ) -> Tensor:
        """Mean over (B, D) users of -sum of (B, C) targets x log-softmax of (C, D) movies.

        Weights, (B, C) or 1, say how many movies a candidate stands for in the denominator: 1 over
        its chance of being drawn (the logQ correction).
        """
        user, movie = users.numpy(), movies.numpy()
        logits = user @ movie.T  # (B, C)
        logits -= 1
        logits /= np.float32(temperature)  # 0 at most
        loss = -np.vdot(logits, targets)
        slope = np.exp(logits, out=logits)
        slope *= weights
        total, mass = slope.sum(1), targets.sum(1)
        loss += np.log(total) @ mass
        slope *= (mass / total)[:, None]
        slope -= targets
        context.scale = 1 / (temperature * len(user))
        context.saved = user, movie, slope
        return paddle.to_tensor(loss / len(user), "float32")

    @staticmethod
    def backward(context: Any, upstream: Tensor) -> Vectors:
        user, movie, slope = context.saved
        scale = np.float32(context.scale * float(upstream))
        return paddle.to_tensor(slope @ movie * scale), paddle.to_tensor(slope.T @ user * scale)


class Gathered(paddle.autograd.PyLayer):
    """(C, N) rows of all processes, each of which has computed a run of them."""

    @staticmethod
    def forward(context: Any, mine: Tensor, count: int, ranks: Ranks) -> Tensor:
        context.saved = ranks, ranks.slice(count)
        rows = paddle.zeros([count, mine.shape[1]])
        rows[ranks.slice(count)] = mine
        return ranks.add([rows])[0]

    @staticmethod
    def backward(context: Any, upstream: Tensor) -> Tensor:
        ranks, some = context.saved
        return ranks.add([upstream])[0][some]


class HistorySum(paddle.autograd.PyLayer):
    """(B, W D) what a channel says of histories, by SciPy: Paddle has no sparse product there."""

    @staticmethod
    def forward(context: Any, table: Tensor, *weights: csr_matrix) -> Tensor:
        """Of the channel's (M + 1, W D) table, by (B, M + 1) of each head, what movies weigh."""
        context.weights = weights
        halves = np.split(table.numpy(), len(weights), 1)
        sums = [each @ half for each, half in zip(weights, halves, strict=True)]
        return paddle.to_tensor(np.hstack(sums))

    @staticmethod
    def backward(context: Any, upstream: Tensor) -> Tensor:
        halves = np.split(upstream.numpy(), len(context.weights), 1)
        sums = [each.T @ half for each, half in zip(context.weights, halves, strict=True)]
        return paddle.to_tensor(np.hstack(sums))


class TrainStep:
    """Towers, optimiser and the movies' features; a call is a forward and a backward pass."""

    def __init__(self, data: Training, options: Options, ranks: Ranks = ALONE) -> None:
        paddle.seed(options.seed)
        self.ranks = ranks
        vocabulary, movies = data.vocabulary, data.movies
        self.rated = data.scale.rated  # else there is no rating head
        with paddle.utils.unique_name.guard():  # names in a checkpoint do not depend on the past
            self.users = UserTower(vocabulary, options, self.rated)
            self.movies = MovieTower(vocabulary, options, self.rated)
            self.towers = self.users, self.movies
            towers = paddle.nn.LayerDict({"users": self.users, "movies": self.movies})
            self._parameters = towers.state_dict()
        self.title_rows = vocabulary.title_rows(movies.titles)
        self.genre_rows = vocabulary.genre_rows(movies.genres)
        self.side_rows = vocabulary.side_rows(movies)
        self._titles = Windows.of(paddle.to_tensor(self.title_rows))
        self.begin(data, options)

    def begin(self, data: Training, options: Options) -> None:
        """Train from step 0 on such data; weights stay as they are."""
        self.end()
        self.sampler, self.number = BatchSampler(data, options), 0
        self.options, self.steps = options, options.epochs * self.sampler.steps
        rate, decay = options.learning_rate, options.weight_decay
        every = [*self._parameters.values()]
        with paddle.utils.unique_name.guard():
            self.optimizer = paddle.optimizer.AdamW(rate, parameters=every, weight_decay=decay)

    def end(self) -> None:
        """Let go of what only steps need: at size its arrays take more room than all ratings."""
        for name in ("sampler", "optimizer"):
            vars(self).pop(name, None)

    def __call__(self, batch: Batch, rng: np.random.Generator) -> tuple[float, float]:
        """One optimiser step; the retrieval and the rating loss before it."""
        mine = batch.of_users(self.ranks.slice(len(batch.user_rows)))
        try:
            retrieval, rating = self._losses(mine, rng)
            retrieval = retrieval * (len(mine.user_rows) / len(batch.user_rows))
            rating = rating * float(mine.predicted.sum() / max(1, batch.predicted.sum()))
            (self.options.retrieval_weight * retrieval + rating).backward()
            retrieval, rating = self._added_up(batch, retrieval, rating)
        except OSError as error:  # so Paddle passes on what is raised in a PyLayer of ours
            if "KeyboardInterrupt" in str(error):
                raise KeyboardInterrupt from error
            raise
        rate = 0.5 * (1 + math.cos(math.pi * self.number / self.steps))
        self.optimizer.set_lr(self.options.learning_rate * rate)
        with paddle.utils.unique_name.guard():  # the moments are named in the first step
            self.optimizer.step()
        self.optimizer.clear_grad(set_to_zero=False)
        self.number += 1
        return float(retrieval), float(rating)

    def _added_up(self, batch: Batch, *losses: Tensor) -> Sequence[Tensor]:
        """The losses of all processes in one, and so the gradients, of the rows that have any."""
        if self.ranks.size == 1:
            return losses
        movies = np.append(0, batch.candidates)
        channels = [f"users.{name}" for name in self.users.channels]
        rows = dict.fromkeys(["movies.movie.embedding", *channels], movies)
        rows["users.user.embedding"] = np.unique(batch.user_rows)
        touched = {name: paddle.to_tensor(each) for name, each in rows.items()}
        every: dict[str, Any] = self._parameters
        slopes = {name: each.grad.detach() for name, each in every.items()}
        some = [paddle.gather(g, touched[n]) if n in rows else g for n, g in slopes.items()]
        *some, retrieval, rating = self.ranks.add([*some, *losses])
        for (name, slope), added in zip(slopes.items(), some, strict=True):
            if name in rows:
                paddle.scatter_(slope, touched[name], added)
            else:
                slope.set_value(added)
        return retrieval, rating

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """Every parameter, copied."""
        return {name: value.numpy().copy() for name, value in self._parameters.items()}

    def set_weights(self, values: dict[str, NDArray[np.float32]]) -> None:
        for name, parameter in self._parameters.items():
            parameter.set_value(values[name])

    def state(self) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """All that a training goes on from, one after the other: weights, and AdamW's moments."""
        kinds = {"weights": self._parameters, "optimizer": self.optimizer.state_dict()}
        for kind, tensors in kinds.items():
            for name, value in tensors.items():
                if isinstance(value, paddle.Tensor):
                    yield f"{kind}/{name}", value.numpy()

    def set_optimizer_state(self, state: dict[str, NDArray], number: int) -> None:
        self.optimizer.set_state_dict({name: paddle.to_tensor(v) for name, v in state.items()})
        self.number = number

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """The arrays of the part: both towers as `recsys.parts.heads` reads them."""
        found, rows = folded(self.users), np.arange(1, len(self.title_rows) + 1)
        with paddle.no_grad():
            some = (rows[first : first + AT_ONCE] for first in range(0, len(rows), AT_ONCE))
            heads = [[head.numpy() for head in self._movie_vectors(each)] for each in some]
        for name, each in zip(Heads.slices, zip(*heads, strict=True), strict=False):
            found[name] = np.pad(np.concatenate(each), ((1, 0), (0, 0)))
        return {f"{Heads.name}/{name}": each for name, each in found.items()}

    def _losses(self, batch: Batch, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        movies, channels = self._movie_vectors(batch.candidates, rng), self.users.channels
        total = self.users.profile(paddle.to_tensor(batch.user_rows), self._sides(batch))
        histories = batch.channels(channels, len(self.title_rows))
        for name, weights in zip(channels, histories, strict=True):
            total = total + HistorySum.apply(getattr(self.users, name), *weights)  # (B, W D)
        users = unit_heads(total, len(movies))
        targets, temperature = (batch.targets, batch.multiplicity), self.options.temperature
        retrieval = RetrievalLoss.apply(users[0], movies[0], *targets, temperature)
        if not self.rated:
            return retrieval, paddle.zeros([])
        each = [
            paddle.gather(vectors, paddle.to_tensor(rows[batch.predicted]))
            for vectors, rows in ((users[1], batch.owners), (movies[1], batch.columns))
        ]
        ratings = paddle.to_tensor(batch.ratings[batch.predicted])
        error = paddle.square(MAX_RATING * (each[0] * each[1]).sum(1) - ratings)
        return retrieval, error.sum() / max(len(ratings), 1)

    def _sides(self, batch: Batch) -> list[Tensor]:
        """A batch's attributes as the user tower takes them."""
        sides = parts(self.users.attributes, batch.attributes)
        return [paddle.to_tensor(rows[:, 0] if a.width == 1 else rows) for a, rows in sides]

    def _movie_vectors(
        self, candidates: NDArray[np.int64], rng: np.random.Generator | None = None
    ) -> Vectors:
        """(C, D) of each head; with a generator some of what is known of movies is dropped."""
        rows, windows = self.genre_rows[candidates - 1], self._titles
        genres = np.zeros((len(rows), self.movies.genre.embedding.shape[0]), np.float32)
        movie, column = np.nonzero(rows >= 0)
        genres[movie, rows[movie, column]] = 1
        if len(candidates) < len(self.title_rows):
            windows = Windows.of(paddle.to_tensor(self.title_rows[candidates - 1]))
        sides = [each[candidates - 1] for each in self.side_rows]
        if rng:
            drop = self.options.drop_side
            candidates = candidates * (rng.random(len(candidates)) >= self.options.drop_movie)
            known = genres * (rng.random(genres.shape) >= drop)
            known[:, 0] += (genres - known).sum(1)  # column 0 is the unknown genre
            genres = known
            dropped = paddle.to_tensor(rng.random(len(windows.rows)) < drop)
            words = paddle.where(dropped, paddle.clip(windows.rows, max=1), windows.rows)
            windows = windows._replace(rows=words)
            sides = [np.where((s > 0) & (rng.random(s.shape) < drop), 0, s) for s in sides]
        shared, count = rng is not None and self.ranks.size > 1, len(candidates)
        if shared:
            some = self.ranks.slice(count)
            candidates, genres, windows = candidates[some], genres[some], windows.of_texts(some)
            sides = [each[some] for each in sides]
        inputs = paddle.to_tensor(candidates), paddle.to_tensor(genres), windows
        heads = self.movies.catalogue(*inputs, [paddle.to_tensor(each) for each in sides])
        if not shared:
            return heads
        every = Gathered.apply(paddle.concat(heads, 1), count, self.ranks)
        return tuple(paddle.split(every, len(heads), 1))

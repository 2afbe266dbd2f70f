"""A training step: both losses from one block of users and one pass of the movie tower."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.dataset import Movies, Vocabulary
from recsys.feed import Block, Feed
from recsys.model import Config, MovieTower, TitleWindows, UserTower, paddle, unit_heads
from recsys.movielens import MAX_STARS
from recsys.options import Options
from recsys.towers import CHANNELS, channels


class MatchLoss(paddle.autograd.PyLayer):
    """Softmax cross-entropy over films, its gradient written out.

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
            weights: (B, C), or 1, for how many films each candidate stands in the sum below the
                line: 1 / its chance of being drawn (the logQ correction).
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


def match_targets(rated: NDArray[np.float32]) -> NDArray[np.float32]:
    """(B, C) 2^((stars - 4) / 2) for every rated film, over the square root of the user's sum.

    The root lets somebody with many ratings say more than somebody with few, but not as many
    times more.
    """
    targets = np.exp2((rated - 4) / 2)
    targets *= rated > 0
    targets /= np.sqrt(np.maximum(targets.sum(1, keepdims=True), 1e-9))
    return targets


class Trainer:
    """Towers, optimiser and the films' features; a step is a forward and a backward pass."""

    def __init__(self, movies: Movies, vocabulary: Vocabulary, feed: Feed, options: Options):
        paddle.seed(options.seed)
        with paddle.utils.unique_name.guard():  # names in a checkpoint do not depend on the past
            config = Config.of(vocabulary, dimension=options.dimension)
            self.users, self.movies = self.towers = UserTower(config), MovieTower(config)
            parameters = [p for tower in self.towers for p in tower.parameters()]
            self.optimizer = paddle.optimizer.AdamW(
                options.learning_rate, parameters=parameters, weight_decay=options.weight_decay
            )
        self.options, self.feed, self.step_number = options, feed, 0
        self.title_rows = vocabulary.title_rows(movies.titles)
        self.genre_rows = vocabulary.genre_rows(movies.genres)
        self._all_films = self._features(np.arange(1, len(movies) + 1))

    def step(self, block: Block, rng: np.random.Generator) -> tuple[float, float]:
        """One optimiser step; the match and the stars loss before it."""
        match, stars = self._losses(block, rng)
        (self.options.match_weight * match + stars).backward()
        total = self.options.epochs * self.feed.steps
        rate = 0.5 * (1 + math.cos(math.pi * self.step_number / total))
        self.optimizer.set_lr(self.options.learning_rate * rate)
        with paddle.utils.unique_name.guard():  # nor do those of the moments made at first
            self.optimizer.step()
        self.optimizer.clear_grad()
        self.step_number += 1
        return float(match), float(stars)

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """Every parameter, copied."""
        return {name: value.numpy().copy() for name, value in self._parameters()}

    def set_weights(self, values: dict[str, NDArray[np.float32]]) -> None:
        for name, parameter in self._parameters():
            parameter.set_value(values[name])

    def _parameters(self) -> list[tuple[str, paddle.Tensor]]:
        named = zip(("users", "movies"), self.towers, strict=True)
        return [
            (f"{owner}.{name}", value)
            for owner, tower in named
            for name, value in tower.state_dict().items()
        ]

    def optimizer_state(self) -> dict[str, NDArray[np.float32]]:
        """AdamW's moments."""
        state = self.optimizer.state_dict()
        return {name: v.numpy() for name, v in state.items() if isinstance(v, paddle.Tensor)}

    def set_optimizer_state(self, state: dict[str, NDArray], step_number: int) -> None:
        self.optimizer.set_state_dict({name: paddle.to_tensor(v) for name, v in state.items()})
        self.step_number = step_number

    def _losses(
        self, block: Block, rng: np.random.Generator
    ) -> tuple[paddle.Tensor, paddle.Tensor]:
        movie_match, movie_stars = self._movie_vectors(block.films, rng)  # (C, D)
        users, sides = paddle.to_tensor(block.user_rows), block.attributes.T.copy()
        total = self.users.profile(users, *paddle.to_tensor(sides))  # (B, 2 D)
        films = paddle.to_tensor(block.films)
        for name, weights in zip(CHANNELS, channels(block.history), strict=True):
            count = np.abs(weights).sum(1, keepdims=True) + 1  # (B, 1)
            table = paddle.index_select(getattr(self.users, name), films)  # (C, 2 D)
            total = total + (paddle.to_tensor(weights) @ table) * paddle.to_tensor(count**-0.5)
        user_match, user_stars = unit_heads(total)  # (B, D) each
        match = MatchLoss.apply(
            user_match,
            movie_match,
            paddle.to_tensor(match_targets(block.rated)),
            paddle.to_tensor(_stands_for(block)),
            self.options.temperature,
        )
        cosines = paddle.matmul(user_stars, movie_stars, transpose_y=True).flatten()  # (B C,)
        pairs = paddle.to_tensor(block.pair_users * len(block.films) + block.pair_films)
        error = MAX_STARS * paddle.gather(cosines, pairs) - paddle.to_tensor(block.pair_stars)
        return match, paddle.square(error).sum() / max(len(block.pair_stars), 1)

    def _features(self, films: NDArray[np.int64]) -> tuple[NDArray[np.float32], TitleWindows]:
        """(C, G + 1) genres as ones, and the titles' windows."""
        rows = self.genre_rows[films - 1]
        genres = np.zeros((len(films), int(self.genre_rows.max()) + 1), np.float32)
        film, place = np.nonzero(rows >= 0)
        genres[film, rows[film, place]] = 1
        return genres, TitleWindows(self.title_rows[films - 1])

    def _movie_vectors(
        self, films: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[paddle.Tensor, paddle.Tensor]:
        everything = len(films) == len(self.title_rows)
        genres, windows = self._all_films if everything else self._features(films)
        known = rng.random(len(films)) >= self.options.drop_movie
        return self.movies.catalogue(
            paddle.to_tensor(films * known),
            paddle.to_tensor(_unknown_genres(genres, self.options.drop_side, rng)),
            windows,
            rng.random(len(windows.rows)) >= self.options.drop_side,
        )


def _stands_for(block: Block) -> NDArray[np.float32]:
    """(B, C), or (1,) when all films are candidates: how many films a candidate stands for.

    A user's own films are always among the candidates of the user's block.
    """
    if block.chance is None:
        return np.ones(1, np.float32)
    return np.where(block.rated > 0, 1, 1 / block.chance).astype(np.float32)


def _unknown_genres(
    genres: NDArray[np.float32], drop: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Some genres moved to column 0, the unknown one."""
    shown = genres * (rng.random(genres.shape) >= drop)
    shown[:, 0] += (genres - shown).sum(1)
    return shown

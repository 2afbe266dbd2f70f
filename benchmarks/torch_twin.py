"""The training step of `recsys.training.step` in PyTorch, the same mathematics on the same batches.

Written as well as ours: one pass over the catalogue, ragged titles, fused AdamW, nothing copied
that need not be. It starts from our weights and draws from the generator in our order, so the
losses of both must agree; `training.py` makes sure of it before it times anything.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from recsys.data.scale import MAX_RATING
from recsys.parts.heads import CHANNELS, channel_values
from recsys.training.batches import Batch
from recsys.training.step import TrainStep


def unit(vectors: Tensor) -> Tensor:
    return vectors * torch.rsqrt(torch.square(vectors).sum(-1, keepdim=True) + 1e-12)


class TorchTwin:
    """A train step with the same weights as ours at this moment."""

    def __init__(self, step: TrainStep) -> None:
        self.options, self.steps, self.number = step.options, step.steps, 0
        self.weights = {
            name: torch.tensor(value).requires_grad_() for name, value in step.weights().items()
        }
        self.optimizer = torch.optim.AdamW(
            self.weights.values(),
            lr=self.options.learning_rate,
            weight_decay=self.options.weight_decay,
            fused=True,
        )
        self.title_rows, self.genre_rows = step.title_rows, step.genre_rows
        self._all_movies = self._features(np.arange(1, len(self.title_rows) + 1))

    def __call__(self, batch: Batch, rng: np.random.Generator) -> tuple[float, float]:
        """One optimiser step; the retrieval and the rating loss before it."""
        retrieval, rating = self._losses(batch, rng)
        (self.options.retrieval_weight * retrieval + rating).backward()
        done = self.number / self.steps
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.number += 1
        return retrieval.item(), rating.item()

    def _losses(self, batch: Batch, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        w, d = self.weights, self.options.dimension
        movies = self._movie_vectors(batch.candidates, rng)  # (C, 2 D)
        movie_retrieval, movie_rating = (unit(half) for half in movies.split(d, -1))
        rows = torch.from_numpy(batch.candidates)
        total = self._profile(batch)  # (B, 2 D)
        weights = np.stack([batch.recent, batch.shown])
        users = len(batch.user_rows)
        scaled = channel_values(CHANNELS, batch.ratings, weights, batch.owners, users)
        for name, (recent, shown) in zip(CHANNELS, scaled, strict=True):
            table = w[f"users.{name}"].index_select(0, rows)  # (C, 2 D)
            if np.array_equal(recent, shown):
                total = total + torch.from_numpy(batch.scattered(recent)) @ table
            else:
                halves = zip((recent, shown), table.split(d, -1), strict=True)
                parts = [torch.from_numpy(batch.scattered(each)) @ half for each, half in halves]
                total = total + torch.cat(parts, 1)
        user_retrieval, user_rating = (unit(half) for half in total.split(d, -1))
        logits = user_retrieval @ movie_retrieval.T / self.options.temperature  # (B, C)
        targets = torch.from_numpy(batch.targets)
        counts = batch.multiplicity
        if counts.size == 1:
            retrieval = -(targets * F.log_softmax(logits, 1)).sum() / len(logits)
        else:
            weighed = logits + torch.log(torch.from_numpy(counts))  # -inf: left out
            below = torch.logsumexp(weighed, 1, keepdim=True)
            retrieval = (targets * (below - logits)).sum() / len(logits)
        cells = (batch.owners * len(batch.candidates) + batch.columns)[batch.predicted]
        pairs = torch.from_numpy(cells)
        cosine = (user_rating @ movie_rating.T).flatten().index_select(0, pairs)
        ratings = batch.ratings[batch.predicted]
        return retrieval, F.mse_loss(MAX_RATING * cosine, torch.from_numpy(ratings))

    def _profile(self, batch: Batch) -> Tensor:
        w = self.weights
        rows = {"user": batch.user_rows}
        rows |= {f"sides.{n}": each for n, each in enumerate(batch.attributes.T)}
        total = w["users.bias"]
        for name, each in rows.items():
            embedding = w[f"users.{name}.embedding"].index_select(0, torch.tensor(each))
            total = total + embedding @ w[f"users.{name}.weight"]
        return total

    def _movie_vectors(self, movies: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
        w, drop = self.weights, self.options.drop_side
        all_movies = len(movies) == len(self.title_rows)
        genres, rows, movie, has_word = self._all_movies if all_movies else self._features(movies)
        known = rng.random(len(movies)) >= self.options.drop_movie
        named = genres * (rng.random(genres.shape) >= drop)
        named[:, 0] += (genres - named).sum(1)
        shown = rng.random(len(rows)) >= drop
        embedding = w["movies.movie.embedding"].index_select(0, torch.from_numpy(movies * known))
        total = embedding @ w["movies.movie.weight"] + w["movies.bias"]
        total = total + torch.from_numpy(named) @ (
            w["movies.genre.embedding"] @ w["movies.genre.weight"]
        )
        words = w["movies.title.word"].index_select(0, torch.from_numpy(rows * shown)) * has_word
        window = words.reshape(-1, w["movies.title.window"].shape[0])
        filtered = torch.tanh(window @ w["movies.title.window"] + w["movies.title.bias"])
        titles = torch.zeros(len(movies), filtered.shape[1]).index_add(0, movie, filtered)
        return total + titles @ w["movies.title.weight"]

    def _features(
        self, movies: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], Tensor, Tensor]:
        """Genres as ones (C, G + 1); of the titles' windows the words (3 N,), movies, and masks."""
        kinds = self.genre_rows[movies - 1]
        genres = np.zeros((len(movies), int(self.genre_rows.max()) + 1), np.float32)
        movie, place = np.nonzero(kinds >= 0)
        genres[movie, kinds[movie, place]] = 1
        titles = self.title_rows[movies - 1]
        around = np.pad(titles, ((0, 0), (1, 1)), constant_values=-1)
        movie, place = np.nonzero(titles >= 0)
        window = np.stack([around[movie, place + step] for step in range(3)], 1)
        has_word = torch.from_numpy((window >= 0).astype(np.float32).reshape(-1, 1))
        return genres, np.maximum(window, 0).ravel(), torch.from_numpy(movie), has_word

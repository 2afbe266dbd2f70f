"""The taste part of a vector: which movies the same users like, beyond what they like in general.

A movie's ratings less the biases of their users and of the movie, shrunk where they are few, cut
to the largest singular vectors (their cosine is the adjusted cosine of Sarwar et al., "Item-based
collaborative filtering recommendation algorithms", WWW 2001), beside the largest directions of its
content. `similar` asks for it; of a user it has only the likes and dislikes named with a query.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsys.data.interactions import Interactions
from recsys.parts.content import Block, Kernel
from recsys.parts.lowrank import leading
from recsys.parts.part import Array, Arrays, Asked, Training, unit

if TYPE_CHECKING:
    from recsys.training.options import Options

DAMPING = 5.0  # ratings of no bias that a bias starts from
SHRINKING = 6.0  # length of the residuals that counts half
BIAS_ROUNDS = 15


class Taste:
    """(M + 1, T) movies of length 1; of a user the dislikes less the likes."""

    name = "taste"
    slices: tuple[str, ...] = ("taste",)
    by_ratings = False

    def fit(self, data: Training, options: "Options") -> Arrays:
        """Learn the movies; the user's side has no tables of its own."""
        history, (raters, order) = data.history, data.raters
        rest = residuals(history, raters.rows)
        lengths = np.sqrt(np.bincount(raters.owners, rest[order] ** 2, raters.rows))
        shrunk = (1 / (lengths + SHRINKING)).astype(np.float32)
        by_user = (rest * shrunk[history.indices]).astype(np.float32)
        by_movie = (rest[order] * shrunk[raters.owners]).astype(np.float32)
        likes = leading(
            lambda movies: history.dot(movies, by_user),
            lambda users: raters.dot(users, by_movie),
            raters.rows,
            options.taste_rank,
        )
        kernel, blocks = data.kernel, data.blocks
        content = np.zeros((raters.rows, options.taste_content_rank), np.float32)
        directions = _principal(kernel, blocks, options.taste_content_rank)
        for rows, features in kernel.in_blocks(blocks):
            content[rows.start + 1 : rows.stop + 1] = unit(features @ directions)
        weight = np.sqrt(np.float32(options.taste_content_weight))
        return {"taste": unit(np.hstack([unit(likes.right * likes.values), weight * content]))}

    def users(self, tables: Arrays, asked: Asked) -> dict[str, Array]:
        """(B, T) the sum of what each query's dislikes are, less that of its likes."""
        named = asked.named
        if named is None or not len(named.indices):
            return {}
        total = np.zeros((named.rows, tables["taste"].shape[1]), np.float32)
        signed = -named.values[:, None] * unit(tables["taste"][named.indices])
        np.add.at(total, named.owners, signed)
        return {"taste": total}


def _principal(kernel: Kernel, blocks: list[Block], rank: int) -> Array:
    """(F, rank) directions that keep most of the features' length."""
    products = np.zeros((kernel.size, kernel.size), np.float32)
    for _, features in kernel.in_blocks(blocks):
        products += features.T @ features
    return leading(products.__matmul__, products.__matmul__, kernel.size, rank).right


def residuals(history: Interactions, movies: int) -> NDArray[np.float64]:
    """(N,) ratings less their mean and the biases of user and movie, by alternating means."""
    owners, rows, users = history.owners, history.indices, history.rows
    rest = history.values - history.values.mean(dtype=np.float64)
    of_movies = np.bincount(rows, minlength=movies) + DAMPING
    of_users = history.counts + DAMPING
    by_user = np.zeros(users)
    for _ in range(BIAS_ROUNDS):
        by_movie = np.bincount(rows, rest - by_user[owners], movies) / of_movies
        by_user = np.bincount(owners, rest - by_movie[rows], users) / of_users
    return rest - by_user[owners] - by_movie[rows]

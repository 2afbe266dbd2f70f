"""The taste part of a vector: which movies the same users like, beyond what they like in general.

A movie's ratings less the biases of their users and of the movie, shrunk where they are few, cut
to the largest singular vectors (their cosine is the adjusted cosine of Sarwar et al., "Item-based
collaborative filtering recommendation algorithms", WWW 2001), beside the largest directions of its
content. `similar` asks for it, and a dislike takes it away; a user has none.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsys.data.interactions import Interactions
from recsys.serving.content import Block, Kernel
from recsys.serving.vector import Array, unit
from recsys.training.options import Options
from recsys.training.subspace import leading

DAMPING = 5.0  # ratings of no bias that a bias starts from
SHRINKING = 6.0  # length of the residuals that counts half
BIAS_ROUNDS = 15


def fit(
    history: Interactions, movies: int, kernel: Kernel, blocks: list[Block], options: Options
) -> Array:
    """(M + 1, T) of length 1, row 0 being 0.

    Args:
        history: what is learned from.
        movies: M.
        blocks: the content of the M movies by row.
    """
    residuals = _residuals(history, movies + 1)
    raters, order = history.transposed(movies + 1)
    residuals_by_movie = residuals[order]
    lengths = np.sqrt(np.bincount(raters.owners, residuals_by_movie**2, movies + 1))
    shrunk = (1 / (lengths + SHRINKING)).astype(np.float32)
    by_user = (residuals * shrunk[history.movie_rows]).astype(np.float32)
    by_movie = (residuals_by_movie * shrunk[raters.owners]).astype(np.float32)
    found = leading(
        lambda basis: history.sums(basis, by_user),
        lambda users: raters.sums(users, by_movie),
        movies + 1,
        options.taste_rank,
    )
    content = np.zeros((movies + 1, options.taste_content_rank), np.float32)
    directions = _principal(kernel, blocks, options.taste_content_rank)
    for part, features in kernel.in_blocks(blocks):
        content[part.start + 1 : part.stop + 1] = unit(features @ directions)
    weight = np.sqrt(np.float32(options.taste_content_weight))
    return unit(np.concatenate([unit(found.right * found.values), weight * content], 1))


def _principal(kernel: Kernel, blocks: Sequence[Block], rank: int) -> Array:
    """(F, rank) directions that keep most of the features' length."""
    products = np.zeros((kernel.size, kernel.size), np.float32)
    for _, features in kernel.in_blocks(blocks):
        products += features.T @ features
    return leading(products.__matmul__, products.__matmul__, kernel.size, rank).right


def _residuals(history: Interactions, movies: int) -> NDArray[np.float64]:
    """(N,) ratings less their mean and the biases of user and movie, by alternating means."""
    owners, rows = history.owners, history.movie_rows
    users = len(history.counts)
    rest = history.ratings - history.ratings.mean(dtype=np.float64)
    of_movies = np.bincount(rows, minlength=movies) + DAMPING
    by_user = np.zeros(users)
    for _ in range(BIAS_ROUNDS):
        by_movie = np.bincount(rows, rest - by_user[owners], movies) / of_movies
        by_user = np.bincount(owners, rest - by_movie[rows], users) / (history.counts + DAMPING)
    return rest - by_user[owners] - by_movie[rows]

"""The taste part of a vector: which movies the same users like, beyond what they like in general.

A movie's ratings less the biases of their users and of the movie, shrunk where they are few, cut
to the largest singular vectors (their cosine is the adjusted cosine of Sarwar et al., "Item-based
collaborative filtering recommendation algorithms", WWW 2001), beside the largest directions of its
content. A movie that few rated is shorter, so that chance does not bring it forward. `similar` asks
for it, likes and dislikes that a query names are for and against it, and a history may be asked
by what it has in common.
"""

import numpy as np
from numpy.typing import NDArray

from recsys.data.interactions import Interactions
from recsys.data.scale import LIKED
from recsys.options import Options
from recsys.parts.content import batches, sample
from recsys.parts.lowrank import leading
from recsys.parts.part import Array, Arrays, Asked, Part, Training, unit

DAMPING = 5.0  # ratings of no bias that a bias starts from
SHRINKING = 6.0  # length of the residuals that counts half
BIAS_ROUNDS = 15
DISLIKE = 0.25  # of a named like
FEW = 5.0  # ratings with which a movie has half its length


class Taste(Part):
    """(M + 1, T) movies at most 1 long; of users the direction of what they like or name."""

    name = "taste"
    slices: tuple[str, ...] = ("taste",)
    by_ratings = False

    def fit(self, data: Training, options: Options) -> Arrays:
        """Learn the movies; the user's side has no tables of its own."""
        history, (raters, order) = data.history, data.raters
        rest = residuals(history, raters.rows)
        lengths = np.sqrt(np.bincount(raters.owners, rest[order] ** 2, raters.rows))
        shrunk = (1 / (lengths + SHRINKING)).astype(np.float32)
        by_user = (rest * shrunk[history.indices]).astype(np.float32)
        by_movie = (rest[order] * shrunk[raters.owners]).astype(np.float32)

        def product(movies: Array) -> Array:
            return raters.dot(history.dot(movies, by_user), by_movie)

        values, vectors = leading(product, raters.rows, options.taste_rank)
        kernel, blocks = data.kernel, data.blocks
        content = np.zeros((raters.rows, options.taste_content_rank), np.float32)
        products = np.zeros((kernel.root.shape[1],) * 2, np.float32)
        learned = sample(np.arange(len(data.movies)), options.seed)
        for _, some in batches([block.take(learned) for block in blocks]):
            features = kernel.features(some)
            products += features.T @ features
        _, directions = leading(products.__matmul__, len(products), options.taste_content_rank)
        directions = kernel.root @ directions
        for rows, some in batches(blocks):
            content[rows.start + 1 : rows.stop + 1] = unit(kernel.products(some) @ directions)
        weight = np.sqrt(np.float32(options.taste_content_weight))
        tastes = unit(np.hstack([unit(vectors * values), weight * content]))
        known = data.counts / (data.counts + FEW)
        return {"taste": (tastes * known[:, None]).astype(np.float32)}

    def users(self, tables: Arrays, asked: Asked) -> dict[str, Array]:
        """(B, T) the direction of what a history likes; and of what a query names.

        `taste.named` is the mean of the likes less a share of each dislike, `taste.each` each like
        less each dislike.
        """
        history, table, named = asked.history, tables["taste"], asked.named
        liked = asked.recent * (history.values >= LIKED)
        found = {"taste": unit(history.dot(table, liked.astype(np.float32)))}
        if named is not None and len(named.indices):
            likes = np.bincount(named.owners, named.values > 0, named.rows)
            share = np.where(named.values > 0, 1 / np.maximum(likes, 1)[named.owners], -DISLIKE)
            found["taste.named"] = named.dot(table, share.astype(np.float32))
            found["taste.each"] = named.dot(table, named.values)
        return found


def residuals(history: Interactions, movies: int) -> NDArray[np.float64]:
    """(N,) ratings less their mean and the biases of user and movie, by alternating means."""
    rest = history.values - history.values.mean(dtype=np.float64)
    ones, of = history.matrix(movies, np.ones(len(rest))), history.matrix(movies, rest)
    sums = of.sum(0).A1, of.sum(1).A1  # of movies, of users
    counts = ones.sum(0).A1 + DAMPING, history.counts + DAMPING
    by_user = np.zeros(history.rows)
    for _ in range(BIAS_ROUNDS):
        by_movie = (sums[0] - ones.T @ by_user) / counts[0]
        by_user = (sums[1] - ones @ by_movie) / counts[1]
    return rest - by_user[history.owners] - by_movie[history.indices]

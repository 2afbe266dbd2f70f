"""The EASE part of a vector: item-to-item weights of a shallow autoencoder, in few numbers.

EASE (Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019) predicts what a user
rated from what else the user rated, in one closed form. It errs elsewhere than the towers do, so
both together rank better than either. With each user's ratings over the square root of their
number, as in the retrieval loss, and the diagonal of EDLAE ("Autoencoders that don't overfit
towards the Identity", NeurIPS 2020), p being the share of a history hidden in it,

    Y = ratings / 5 / sqrt(number of the user's ratings)  (U, M)
    G = Y'Y + diag(Y'Y) p / (1 - p) + ridge I
    B = I - P / diag(P),  P = inverse(G)                  (M, M), 0 on the diagonal
    B ~ source @ target'                              (M, R - 1) each, largest singular values

A user's slice is unit(bias + attributes + sum of weights x ratings / 5 x rows of source). A
movie's is its `target` over the longest of all, so the inner product keeps what is in the lengths,
above all how popular a movie is. Cold-start users count as having rated one movie, as users of
their profile do.

The last dimension corrects for late arrival, where recency counts: a user's share of the bias
times the movie's shortfall, (exposure ratio - 1) x its score under the bias. It fades as the
history grows.

Beyond the most rated movies, whose number bounds time and memory, a movie's rows are found by ridge
regression on those of the movies its raters rated too.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsys.data.interactions import first_times
from recsys.data.movielens import MAX_RATING
from recsys.data.schema import parts
from recsys.parts.lowrank import leading
from recsys.parts.part import Array, Arrays, Asked, Training, means, side_effects, unit

if TYPE_CHECKING:
    from recsys.training.options import Options

ARRIVAL_DAMPING = 5.0  # ratings that every movie is taken to have, evenly over all time
PROJECTION_RIDGE = 3.0  # average users; of the rows of movies beyond the most rated
_BLOCK = 2048  # users at a time


class Ease:
    """(B, R) unit vectors of users, (M + 1, R) movies at most 1 long."""

    name = "ease"
    slices: tuple[str, ...] = ("ease",)
    by_ratings = False

    def fit(self, data: Training, options: "Options") -> Arrays:
        """
        Returns:
            ease (M + 1, R); source (M + 1, R), bias (R,) and user_NAME of each attribute by its
            rows.
        """
        counts = data.counts
        most = np.argsort(-counts, kind="stable")[: options.ease_movies]
        chosen = np.sort(most[counts[most] > 0])
        rank = max(1, options.ease_rank - 1)
        source, target = np.zeros((2, len(counts), rank + 1), np.float32)
        weights = item_weights(data, chosen, options.ease_ridge, options.ease_dropout)
        found = leading(weights.__matmul__, weights.T.__matmul__, len(weights), rank)
        roots = np.sqrt(found.values)
        source[chosen, :-1], target[chosen, :-1] = found.left * roots, found.right * roots
        rest = np.setdiff1d(np.flatnonzero(counts), chosen)
        if len(rest):
            _project(data, rest, source[:, :-1], target[:, :-1])
        target /= max(1.001 * float(np.linalg.norm(target, axis=1).max()), 1e-6)
        bias, effects = self._profiles(data, source, options.ease_damping)
        if options.recency_floor < 1:
            target[:, -1] = (arrivals(data) - 1) * (target @ unit(bias))
            target /= np.maximum(np.linalg.norm(target, axis=1, keepdims=True), 1)
            bias[-1] = options.ease_arrival * np.linalg.norm(bias)
        return {"ease": target, "source": source, "bias": bias, **effects}

    def _profiles(
        self, data: Training, source: Array, damping: float
    ) -> tuple[Array, dict[str, Array]]:
        """What users have of one movie: the mean, and what their attributes add, by regression."""
        users = np.flatnonzero(data.history.counts)
        sums = data.history.dot(source, data.history.values / np.float32(MAX_RATING))[users]
        one_movie = sums / (len(data.history.values) / len(users))
        sides = list(parts(data.vocabulary.users, data.attributes[users]))
        ones = [means(np.eye(each.size + 1, dtype=np.float32), rows) for each, rows in sides]
        features = np.concatenate([np.zeros((len(users), 0), np.float32), *ones], 1)
        bias = one_movie.mean(0)
        products = features.T @ features + damping * np.eye(features.shape[1], dtype=np.float32)
        effects = np.linalg.solve(products, features.T @ (one_movie - bias))
        pieces = np.split(effects, np.cumsum([each.size + 1 for each, _ in sides])[:-1])
        named = zip(sides, pieces, strict=False)  # without attributes there is one empty piece
        return bias, {f"user_{each.name}": piece for (each, _), piece in named}

    def users(self, tables: Arrays, asked: Asked) -> dict[str, Array]:
        values = asked.recent * asked.history.values / np.float32(MAX_RATING)
        total = tables["bias"] + asked.history.dot(tables["source"], values)
        total = total + side_effects(tables, asked)
        if asked.recency.floor == 1:
            total[:, -1] = 0  # no arrival counts
        return {"ease": unit(total)}


def arrivals(data: Training) -> Array:
    """(M + 1,) how many times as often a movie were rated had it been there all along, at least 1.

    A movie with n ratings that was first rated when only a share s of all ratings was still to
    come would have n / s. Of that (n + damping) / (s n + damping) is believed.
    """
    times, counts = data.history.times, data.counts
    first = first_times(data.history.indices, times, len(counts))
    share = 1 - np.searchsorted(np.sort(times), first) / max(1, len(times))
    damped = (counts + ARRIVAL_DAMPING) / (share * counts + ARRIVAL_DAMPING)
    return damped.astype(np.float32)


def item_weights(
    data: Training, chosen: NDArray[np.integer], ridge: float, dropout: float = 0.0
) -> Array:
    """B, (F, F): what having rated the movie of a row says for the movie of a column."""
    ratings = data.history.matrix(len(data.counts))[:, chosen]
    products = np.zeros((len(chosen), len(chosen)), np.float32)
    for first in range(0, ratings.shape[0], _BLOCK):
        block = ratings[first : first + _BLOCK].toarray()
        block = block[block.any(1)]
        shares = block / (MAX_RATING * np.sqrt((block > 0).sum(1, keepdims=True)))
        products += shares.astype(np.float32).T @ shares.astype(np.float32)
    diagonal = np.arange(len(products))
    products[diagonal, diagonal] /= 1 - dropout
    return solve(products, ridge)


def solve(products: Array, ridge: float) -> Array:
    """B = I - P / diag(P), P = inverse(products + ridge I); (F, F), Steck's closed form."""
    diagonal = np.arange(len(products))
    products[diagonal, diagonal] += ridge
    inverse = np.linalg.inv(products)
    inverse /= -np.diag(inverse)
    inverse[diagonal, diagonal] = 0
    return inverse


def _project(data: Training, rest: NDArray[np.integer], source: Array, target: Array) -> None:
    """Rows of the `rest`, rated movies beyond the most rated ones, in place.

    With y a movie's column of Y and X = Y source (U, R) what its raters say by the other movies,
    target = (X'X + ridge I)^-1 X'y; source the same with X = Y target.
    """
    history, (raters, order) = data.history, data.raters
    shares = history.values / np.float32(MAX_RATING) / np.sqrt(history.counts[history.owners])
    shares = shares.astype(np.float32)
    found = []
    for top in (source, target):  # 0 for the rest
        users = history.dot(top, shares)  # (U + 1, R)
        squares = users.T @ users + PROJECTION_RIDGE * np.eye(top.shape[1], dtype=np.float32)
        sums = raters.dot(users, shares[order])[rest]
        found.append(np.linalg.solve(squares, sums.T).T)
    target[rest], source[rest] = found

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

A user's part sums `source` over the user's history. A movie's part is its `target` over the
longest of all, so the inner product keeps what is in the lengths, above all how popular a movie
is. Cold-start users count as having rated one movie, as users of their profile do.

Who rated before a movie was there says nothing of it, so that the newest are rated less than they
would be. The last number makes good for it, where recency counts: a user's share of the bias times
what the movie's inner product with it falls short. It fades as the history grows.

Beyond the most rated movies, whose number bounds time and memory, a movie's rows are found by ridge
regression on those of the movies its raters rated too.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from recsys.data.interactions import Interactions, first_times
from recsys.data.movielens import MAX_RATING
from recsys.data.schema import MOVIELENS, Attributes, parts
from recsys.serving.users import means
from recsys.serving.vector import unit
from recsys.training.options import Options
from recsys.training.subspace import leading

ARRIVAL_DAMPING = 5.0  # ratings that every movie is taken to have, evenly over all time
ARRIVAL_WEIGHT = 1.5  # of what is made good for: the heads do not
PROJECTION_RIDGE = 3.0  # average users; of the rows of movies beyond the most rated
_BLOCK = 2048  # users at a time

Array = NDArray[np.float32]


def fit(
    history: Interactions,
    movies: int,
    attributes: NDArray[np.integer],
    options: Options,
    described: Attributes = MOVIELENS,
) -> tuple[dict[str, Array], Array]:
    """The tables of the user's part, and (M + 1, R) movie parts, at most 1 long.

    Args:
        history: what is learned from.
        movies: M.
        attributes: (U + 1, W) rows of what is `described`; row 0 is the unknown user's.

    Returns:
        ease_source (M + 1, R), ease_bias (R,), and ease_user_NAME of each attribute by its rows.
    """
    counts = np.bincount(history.movie_rows, minlength=movies + 1)
    most = np.argsort(-counts, kind="stable")[: min(options.ease_movies, np.count_nonzero(counts))]
    chosen = np.sort(most)
    rank = max(1, options.ease_rank - 1)
    source, target = np.zeros((2, movies + 1, rank + 1), np.float32)
    weights = item_weights(history, chosen, options.ease_ridge, options.ease_dropout)
    source[chosen, :-1], target[chosen, :-1] = _factors(weights, rank)
    rest = np.setdiff1d(np.flatnonzero(counts), chosen)
    if len(rest):
        _project(history, rest, source[:, :-1], target[:, :-1])
    target /= max(1.001 * float(np.linalg.norm(target, axis=1).max()), 1e-6)

    users = np.flatnonzero(history.counts)
    sums = history.sums(source, history.ratings / np.float32(MAX_RATING))[users]
    one_movie = sums / (len(history.ratings) / len(users))
    sizes = [each.size + 1 for each in described]
    ones = [
        means(np.eye(each.size + 1, dtype=np.float32), rows)
        for each, rows in parts(described, attributes[users])
    ]
    features = np.concatenate([np.zeros((len(users), 0), np.float32), *ones], 1)
    bias, effects = _explained(one_movie, features, options.ease_damping)
    sides = np.split(effects, np.cumsum(sizes)[:-1])
    if options.recency_floor < 1:
        target[:, -1] = (arrivals(history, movies) - 1) * (target @ unit(bias))
        target /= np.maximum(np.linalg.norm(target, axis=1, keepdims=True), 1)
        bias[-1] = ARRIVAL_WEIGHT * np.linalg.norm(bias)
    tables = {f"ease_user_{a.name}": side for a, side in zip(described, sides, strict=False)}
    return {**tables, "ease_bias": bias, "ease_source": source}, target


def timeless(tables: dict[str, Array], movies: Array) -> tuple[dict[str, Array], Array]:
    """The same tables and movie parts without what is made good for late arrivals."""
    bias, movies = tables["ease_bias"].copy(), movies.copy()
    bias[-1] = movies[:, -1] = 0
    return {**tables, "ease_bias": bias}, movies


def arrivals(history: Interactions, movies: int) -> Array:
    """(M + 1,) how many times as often a movie were rated had it been there all along, at least 1.

    A movie with n ratings that was first rated when only a share s of all ratings was still to
    come would have n / s. Of that (n + damping) / (s n + damping) is believed.
    """
    first = first_times(history.movie_rows, history.times, movies + 1)
    share = 1 - np.searchsorted(np.sort(history.times), first) / max(1, len(history.times))
    counts = np.bincount(history.movie_rows, minlength=movies + 1)
    damped = (counts + ARRIVAL_DAMPING) / (share * counts + ARRIVAL_DAMPING)
    return damped.astype(np.float32)


def item_weights(
    history: Interactions, chosen: NDArray[np.integer], ridge: float, dropout: float = 0.0
) -> Array:
    """B, (F, F): what having rated the movie of a row says for the movie of a column."""
    products = np.zeros((len(chosen), len(chosen)), np.float32)
    for ratings in _blocks(history, chosen):
        shares = ratings / (MAX_RATING * np.sqrt((ratings > 0).sum(1, keepdims=True)))
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


def _factors(weights: Array, rank: int) -> tuple[Array, Array]:
    """Two (F, R) whose product is nearly the best of that rank."""
    found = leading(weights.__matmul__, weights.T.__matmul__, len(weights), rank)
    roots = np.sqrt(found.values)
    return found.left * roots, found.right * roots


def _project(
    history: Interactions, rest: NDArray[np.integer], source: Array, target: Array
) -> None:
    """Rows of the `rest`, rated movies beyond the most rated ones, in place.

    With y a movie's column of Y and X = Y source (U, R) what its raters say by the other movies,
    target = (X'X + ridge I)^-1 X'y; source the same with X = Y target.
    """
    owners = history.owners
    shares = history.ratings / np.float32(MAX_RATING) / np.sqrt(history.counts[owners])
    shares = shares.astype(np.float32)
    raters, order = history.transposed(len(source))
    found = []
    for top in (source, target):  # 0 for the rest
        users = history.sums(top, shares)  # (U + 1, R)
        squares = users.T @ users + PROJECTION_RIDGE * np.eye(top.shape[1], dtype=np.float32)
        sums = raters.sums(users, shares[order])[rest]
        found.append(np.linalg.solve(squares, sums.T).T)
    target[rest], source[rest] = found


def _explained(targets: Array, features: Array, damping: float) -> tuple[Array, Array]:
    """The mean of (N, K) targets, and by ridge regression what each of (N, F) features adds."""
    mean = targets.mean(0)
    products = features.T @ features + damping * np.eye(features.shape[1], dtype=np.float32)
    return mean, np.linalg.solve(products, features.T @ (targets - mean))


def _blocks(history: Interactions, chosen: NDArray[np.integer]) -> Iterator[Array]:
    """(B, F) ratings of users who rated some of the chosen movies, 0 if not rated."""
    for rows in history.blocks(_BLOCK):
        ratings = history.dense(rows, chosen)
        yield ratings[ratings.any(1)]

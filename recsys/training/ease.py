"""The EASE part of a vector: item-to-item weights of a shallow autoencoder, in few numbers.

EASE (Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019) predicts what a user
rated from what else the user rated, in one closed form. It errs elsewhere than the towers do, so
both together rank better than either. With each user's ratings over the square root of their
number, as in the retrieval loss,

    Y = ratings / 5 / sqrt(number of the user's ratings)  (U, M)
    B = I - P / diag(P),  P = inverse(Y'Y + ridge I)      (M, M), 0 on the diagonal
    B ~ source @ target'                                  (M, RANK) each, largest singular values

A user's part sums `source` over the user's history. A movie's part is its `target` over the
longest of all, and a last number that makes its length 1 and that no user has: so the cosine
keeps what is in the lengths, above all how popular a movie is. Cold-start users count as having
rated one movie, as users of their profile do; of new movies `target` is predicted from the genres.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import History
from recsys.data.movielens import ATTRIBUTES, MAX_RATING, NEUTRAL_RATING
from recsys.serving.folded import EASE_DIM
from recsys.training.options import Options

RANK = EASE_DIM - 1
SPARE, ROUNDS = 16, 4  # of the subspace iteration that finds singular vectors
_BLOCK = 2048  # users at a time

Array = NDArray[np.float32]


def fit(
    history: History,
    movies: int,
    attributes: NDArray[np.integer],
    genres: NDArray[np.integer],
    options: Options,
) -> dict[str, Array]:
    """EASE_DIM columns for each of the towers' folded tables that has an EASE part, by its name.

    Args:
        history: what is learned from.
        movies: M.
        attributes: (U + 1, 3) rows of gender, age and job; row 0 is the unknown user's.
        genres: (M, G) genre rows, NO_WORD behind the last.
    """
    counts = np.bincount(history.movie_rows, minlength=movies + 1)
    chosen = np.sort(
        np.argsort(-counts, kind="stable")[: min(options.ease_movies, np.count_nonzero(counts))]
    )
    source, target = np.zeros((2, movies + 1, RANK), np.float32)
    source[chosen], target[chosen] = _factors(item_weights(history, chosen, options.ease_ridge))
    longest = float(np.linalg.norm(target, axis=1).max())
    target /= max(1.001 * longest, 1e-6)  # a last number of exactly 0 would be ill-conditioned

    users, sums = [], []
    for rows, ratings in _blocks(history, chosen):
        users.append(rows)
        sums.append(ratings @ source[chosen] / MAX_RATING)
    profiles = attributes[np.concatenate(users)]
    one_movie = np.concatenate(sums) / (counts.sum() / len(profiles))
    sizes = [size + 1 for size in ATTRIBUTES.values()]
    ones = [np.eye(size, dtype=np.float32)[profiles[:, n]] for n, size in enumerate(sizes)]
    bias, effects = _explained(one_movie, np.concatenate(ones, 1), options.ease_damping)
    sides = np.split(effects, np.cumsum(sizes)[:-1])

    has_genre = np.zeros((movies + 1, max(0, int(genres.max())) + 1), np.float32)
    movie, place = np.nonzero(genres >= 0)
    has_genre[movie + 1, genres[movie, place]] = 1
    movie_bias, genre = _explained(target[chosen], has_genre[chosen], options.ease_damping)
    own = target - movie_bias - has_genre @ genre
    own[0] = 0

    tables = dict(zip(ATTRIBUTES, sides, strict=True))
    tables |= {"bias": bias, "movie_bias": movie_bias, "genre": genre, "movie": own}
    tables |= {"seen": source * (NEUTRAL_RATING / MAX_RATING), "rated": source / MAX_RATING}
    tables["liked"] = np.zeros_like(source)
    zero = {name: np.zeros((*table.shape[:-1], 1), np.float32) for name, table in tables.items()}
    return {name: np.concatenate([table, zero[name]], -1) for name, table in tables.items()}


def joined(tables: dict[str, Array], columns: dict[str, Array]) -> dict[str, Array]:
    """The towers' tables with the EASE part's columns to the right of theirs."""
    return {
        name: np.concatenate([table, columns[name]], -1) if name in columns else table
        for name, table in tables.items()
    }


def item_weights(history: History, chosen: NDArray[np.integer], ridge: float) -> Array:
    """B, (F, F): what having rated the movie of a row says for the movie of a column."""
    products = np.zeros((len(chosen), len(chosen)), np.float32)
    for _, ratings in _blocks(history, chosen):
        shares = ratings / (MAX_RATING * np.sqrt(_counts(ratings)))
        products += shares.T @ shares
    return solve(products, ridge)


def solve(products: Array, ridge: float) -> Array:
    """B = I - P / diag(P), P = inverse(products + ridge I); (F, F), Steck's closed form."""
    diagonal = np.arange(len(products))
    products[diagonal, diagonal] += ridge
    inverse = np.linalg.inv(products)
    inverse /= -np.diag(inverse)
    inverse[diagonal, diagonal] = 0
    return inverse


def _factors(weights: Array) -> tuple[Array, Array]:
    """Two (F, RANK) whose product is nearly the best of that rank, by subspace iteration.

    Halko, Martinsson and Tropp, "Finding Structure with Randomness", algorithm 4.4.
    """
    movies = len(weights)
    rng = np.random.default_rng(0)
    basis = rng.standard_normal((movies, min(movies, RANK + SPARE)), np.float32)
    for _ in range(ROUNDS):
        basis = np.linalg.qr(weights.T @ basis)[0]
        basis = np.linalg.qr(weights @ basis)[0]
    left, values, right = np.linalg.svd(basis.T @ weights, full_matrices=False)
    missing = [(0, 0), (0, max(0, RANK - movies))]
    roots = np.sqrt(values[:RANK])
    source, target = basis @ left[:, :RANK] * roots, right[:RANK].T * roots
    return np.pad(source, missing), np.pad(target, missing)


def _explained(targets: Array, features: Array, damping: float) -> tuple[Array, Array]:
    """The mean of (N, K) targets, and by ridge regression what each of (N, F) features adds."""
    mean = targets.mean(0)
    products = features.T @ features + damping * np.eye(features.shape[1], dtype=np.float32)
    return mean, np.linalg.solve(products, features.T @ (targets - mean))


def _blocks(
    history: History, chosen: NDArray[np.integer]
) -> Iterator[tuple[NDArray[np.int64], Array]]:
    """Rows of the users who rated some of the chosen, and their (B, F) ratings, 0 if not rated."""
    for rows in history.blocks(_BLOCK):
        ratings = history.dense(rows, chosen)
        there = ratings.any(1)
        yield rows[there], ratings[there]


def _counts(ratings: Array) -> Array:
    """(B, 1) how many chosen each user rated."""
    return (ratings > 0).sum(1, keepdims=True).astype(np.float32)

"""The linear part of a vector: item-to-item weights of a shallow autoencoder, in few numbers.

EASE (Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019) foretells what a user
rated from what else the user rated, in one closed form. It errs elsewhere than the towers do, so
both together rank better than either. With each user's ratings over the square root of their
number, as in the match loss,

    Y = stars / 5 / sqrt(ratings of the user)             (U, M)
    B = I - P / diag(P),  P = inverse(Y'Y + RIDGE I)      (M, M), 0 on the diagonal
    B ~ asking @ answering'                               (M, RANK) each, largest singular values

A person's part sums `asking` over the person's history. A film's part is its `answering` over the
longest of all, and a last number that makes its length 1 and that no person has: so the cosine
keeps what is in the lengths, above all how popular a film is. Strangers count as having rated one
film, such as people of their profile rate; of new films `answering` is foretold from the genres.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from recsys.folder import History
from recsys.model import ATTRIBUTES
from recsys.movielens import MAX_STARS
from recsys.towers import LINEAR, MIDDLE

RANK = LINEAR - 1
RIDGE = 3.0  # average users; 1 to 6 rank alike
FILMS = 4096  # of larger catalogues the most rated: time grows with the square of their number
DAMPING = 10.0  # users, or films, of no effect that an attribute's or a genre's effect starts from
SPARE, ROUNDS = 16, 4  # of the subspace iteration that finds singular vectors
_BLOCK = 2048  # users at a time

Array = NDArray[np.float32]


def fit(
    history: History,
    movies: int,
    attributes: NDArray[np.integer],
    genres: NDArray[np.integer],
) -> dict[str, Array]:
    """LINEAR columns for each of the towers' folded tables that has a linear part, by its name.

    Args:
        history: what is learned from.
        movies: M.
        attributes: (U + 1, 3) rows of gender, age and job; row 0 is the unknown user's.
        genres: (M, G) genre rows, NO_WORD behind the last.
    """
    counts = np.bincount(history.movie_rows, minlength=movies + 1)
    films = np.sort(np.argsort(-counts, kind="stable")[: min(FILMS, np.count_nonzero(counts))])
    asking, answering = np.zeros((2, movies + 1, RANK), np.float32)
    asking[films], answering[films] = _factors(_weights(history, films))
    longest = float(np.linalg.norm(answering, axis=1).max())
    answering /= max(1.001 * longest, 1e-6)  # a last number of exactly 0 would be ill-conditioned

    users, sums = [], []
    for rows, stars in _blocks(history, films):
        users.append(rows)
        sums.append(stars @ asking[films] / MAX_STARS)
    profiles = attributes[np.concatenate(users)]
    one_film = np.concatenate(sums) / (counts.sum() / len(profiles))
    sizes = [size + 1 for size in ATTRIBUTES.values()]
    ones = [np.eye(size, dtype=np.float32)[profiles[:, n]] for n, size in enumerate(sizes)]
    bias, effects = _explained(one_film, np.concatenate(ones, 1))
    sides = np.split(effects, np.cumsum(sizes)[:-1])

    has_genre = np.zeros((movies + 1, max(0, int(genres.max())) + 1), np.float32)
    film, place = np.nonzero(genres >= 0)
    has_genre[film + 1, genres[film, place]] = 1
    movie_bias, genre = _explained(answering[films], has_genre[films])
    own = answering - movie_bias - has_genre @ genre
    own[0] = 0

    tables = dict(zip(ATTRIBUTES, sides, strict=True))
    tables |= {"bias": bias, "movie_bias": movie_bias, "genre": genre, "movie": own}
    tables |= {"seen": asking * (MIDDLE / MAX_STARS), "rated": asking / MAX_STARS}
    tables["liked"] = np.zeros_like(asking)
    zero = {name: np.zeros((*table.shape[:-1], 1), np.float32) for name, table in tables.items()}
    return {name: np.concatenate([table, zero[name]], -1) for name, table in tables.items()}


def joined(tables: dict[str, Array], linear: dict[str, Array]) -> dict[str, Array]:
    """The towers' tables with the linear part's columns to the right of theirs."""
    return {
        name: np.concatenate([table, linear[name]], -1) if name in linear else table
        for name, table in tables.items()
    }


def _weights(history: History, films: NDArray[np.integer]) -> Array:
    """B, (F, F): what having rated the film of a row says for the film of a column."""
    products = np.zeros((len(films), len(films)), np.float32)
    for _, stars in _blocks(history, films):
        shares = stars / (MAX_STARS * np.sqrt(_ratings(stars)))
        products += shares.T @ shares
    diagonal = np.arange(len(films))
    products[diagonal, diagonal] += RIDGE
    inverse = np.linalg.inv(products)
    inverse /= -np.diag(inverse)
    inverse[diagonal, diagonal] = 0
    return inverse


def _factors(weights: Array) -> tuple[Array, Array]:
    """Two (F, RANK) whose product is nearly the best of that rank, by subspace iteration.

    Halko, Martinsson and Tropp, "Finding Structure with Randomness", algorithm 4.4.
    """
    films = len(weights)
    rng = np.random.default_rng(0)
    basis = rng.standard_normal((films, min(films, RANK + SPARE)), np.float32)
    for _ in range(ROUNDS):
        basis = np.linalg.qr(weights.T @ basis)[0]
        basis = np.linalg.qr(weights @ basis)[0]
    left, values, right = np.linalg.svd(basis.T @ weights, full_matrices=False)
    missing = [(0, 0), (0, max(0, RANK - films))]
    roots = np.sqrt(values[:RANK])
    asking, answering = basis @ left[:, :RANK] * roots, right[:RANK].T * roots
    return np.pad(asking, missing), np.pad(answering, missing)


def _explained(targets: Array, features: Array) -> tuple[Array, Array]:
    """The mean of (N, K) targets, and by ridge regression what each of (N, F) features adds."""
    mean = targets.mean(0)
    products = features.T @ features + DAMPING * np.eye(features.shape[1], dtype=np.float32)
    return mean, np.linalg.solve(products, features.T @ (targets - mean))


def _blocks(
    history: History, films: NDArray[np.integer]
) -> Iterator[tuple[NDArray[np.int64], Array]]:
    """Rows of the users who rated some of the films, and their (B, F) stars, 0 if not rated."""
    column = np.full(max(int(films.max()), int(history.movie_rows.max())) + 1, -1)
    column[films] = np.arange(len(films))
    for first in range(1, len(history.offsets) - 1, _BLOCK):
        last = min(first + _BLOCK, len(history.offsets) - 1)
        part = slice(history.offsets[first], history.offsets[last])
        owner = np.repeat(np.arange(last - first), np.diff(history.offsets[first : last + 1]))
        place = column[history.movie_rows[part]]
        stars = np.zeros((last - first, len(films)), np.float32)
        stars[owner[place >= 0], place[place >= 0]] = history.stars[part][place >= 0]
        there = stars.any(1)
        yield np.arange(first, last)[there], stars[there]


def _ratings(stars: Array) -> Array:
    """(B, 1) how many films each user rated."""
    return (stars > 0).sum(1, keepdims=True).astype(np.float32)

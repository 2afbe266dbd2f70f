"""EASE and EDLAE: each movie from all the others, in closed form, all ridges at the cost of one.

With X the (U, M) ratings of users and D a diagonal, both are

    P = inverse(X'X + D),   scores = x - (x P) / diag(P)  for the columns not in x

EASE (Steck, WWW 2019): D = ridge I. EDLAE (Steck, "Autoencoders that don't overfit towards the
Identity", NeurIPS 2020): D = ridge I + p / (1 - p) diag(X'X). Written D = c (diag(X'X) + prior),
or c I, the singular values of X / sqrt(D / c) serve every c, and the smaller of its two Gram
matrices gives them: that of the users where they are fewer than movies (Woodbury). While options
are chosen the most rated TUNED movies stand for all; what is reported is computed of all.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Dataset, Ratings
from recsys.data.interactions import Recency, later
from recsys.errors import DataError
from recsys.evaluation.baselines.base import Baseline, Ids, Options, sums, weights
from recsys.evaluation.splits import Part
from recsys.metrics import Histories, Scorer
from recsys.training.ease import solve

LARGEST = 20_000  # movies; the square matrix needs 4 bytes a pair of them, three times over
TUNED = 2048  # movies that options are chosen on: eigenvectors of more take minutes
RIDGES = tuple(100.0 * 2**n for n in range(9))  # users with few likes need the large ones
SHARES = (0.5, 1.0, 2.0, 4.0)  # EDLAE's c: p / (1 - p) of a dropout p
PRIORS = (20.0, 80.0)  # ratings of no effect beside a movie's own
FLOOR = 0.1  # what the oldest ratings count, with recency
_BLOCK = 4096  # users at a time

Array = NDArray[np.float32]
Scale = Callable[[Array], Array]  # (M,) diag(X'X) -> (M,) D / c


class Spectrum(NamedTuple):
    """V S V' = Z'Z of Z = X / sqrt(D / c), as far as S is not 0."""

    scale: Array  # (M,) D / c
    values: Array  # (R,) S
    vectors: Array  # (M, R) V

    def minus_own(self, rows: Array, c: float) -> Array:
        """(B, M) scores of histories; in their own columns they mean nothing."""
        root = np.sqrt(self.scale)
        kept = self.values / (self.values + c)  # (R,)
        smooth = (rows / root) @ self.vectors * kept @ self.vectors.T  # z V S/(S+c) V'
        diagonal = (1 - np.square(self.vectors) @ kept) / self.scale  # c diag(P)
        inner = (rows / root - smooth) / root  # c x P
        return rows - inner / diagonal


def spectrum(part: Part, movie_ids: Ids, kind: str, scale: Scale) -> Spectrum:
    """From the Gram matrix of users or of movies, whichever is smaller."""
    known = Histories(part.train, movie_ids, weights(part.train.values, kind))
    users = known.user_ids
    if len(users) < len(movie_ids):
        x = known.dense(users)
        d = scale(np.square(x).sum(0))
        z = x / np.sqrt(d)
        values, left = np.linalg.eigh((z @ z.T).astype(np.float64))
        there = values > 1e-5 * values[-1]
        right = z.T @ (left[:, there] / np.sqrt(values[there])).astype(np.float32)
        return Spectrum(d, values[there].astype(np.float32), right)
    products = gram(known, len(movie_ids))
    d = scale(products.diagonal())
    values, vectors = np.linalg.eigh((products / np.sqrt(d * d[:, None])).astype(np.float64))
    return Spectrum(d, np.maximum(values, 0).astype(np.float32), vectors.astype(np.float32))


def inverse(part: Part, movie_ids: Ids, kind: str, scale: Scale, c: float) -> Array:
    """(M, M) weights of the movie of a row for that of a column, 0 on the diagonal.

    Raises:
        DataError: more than LARGEST movies.
    """
    if len(movie_ids) > LARGEST:
        raise DataError(f"EASE of {len(movie_ids)} movies needs too much memory; leave it out")
    known = Histories(part.train, movie_ids, weights(part.train.values, kind))
    if 2 * len(known.user_ids) < len(movie_ids):
        found = spectrum(part, movie_ids, kind, scale)
        matrix = found.minus_own(np.eye(len(movie_ids), dtype=np.float32), c)
    else:
        products = gram(known, len(movie_ids))
        diagonal = np.arange(len(products))
        products[diagonal, diagonal] += c * scale(products.diagonal())
        matrix = solve(products, 0.0)
    np.fill_diagonal(matrix, 0)
    return matrix


def ease(part: Part, dataset: Dataset, movie_ids: Ids, options: Options) -> Scorer:
    """EASE; cold-start users who name likes are folded in; without a history it is popularity.

    Args:
        options: what a rating counts, the ridge.
    """
    kind, ridge = str(options[0]), float(options[1])
    matrix = inverse(part, movie_ids, kind, np.ones_like, ridge)
    return _scorer(part, movie_ids, kind, np.inf, lambda rows: rows @ matrix)


def edlae(part: Part, dataset: Dataset, movie_ids: Ids, options: Options) -> Scorer:
    """EDLAE, with histories as they are or weighted by recency at the moment of asking.

    Args:
        options: what a rating counts, the prior, c, and the span of recency, inf for none.
    """
    kind, prior, c, span = str(options[0]), *map(float, options[1:])
    matrix = inverse(part, movie_ids, kind, partial(np.add, np.float32(prior)), c)
    return _scorer(part, movie_ids, kind, span, lambda rows: rows @ matrix)


def ease_all(
    part: Part, dataset: Dataset, movie_ids: Ids, grid: Sequence[Options]
) -> Iterator[tuple[Options, Scorer]]:
    """`ease` for many options, a decomposition for each kind; of the TUNED most rated movies."""
    places = _most_rated(part, movie_ids)
    for kind in dict.fromkeys(str(options[0]) for options in grid):
        found = spectrum(part, movie_ids[places], kind, np.ones_like)
        for options in grid:
            if options[0] == kind:
                yield (
                    options,
                    _approximate(part, movie_ids, places, kind, np.inf, found, float(options[1])),
                )


def edlae_all(
    part: Part, dataset: Dataset, movie_ids: Ids, grid: Sequence[Options]
) -> Iterator[tuple[Options, Scorer]]:
    """`edlae` for many options, a decomposition for each kind and prior."""
    places = _most_rated(part, movie_ids)
    for kind, prior in dict.fromkeys((str(options[0]), float(options[1])) for options in grid):
        found = spectrum(part, movie_ids[places], kind, partial(np.add, np.float32(prior)))
        for options in grid:
            if options[:2] == (kind, prior):
                c, span = map(float, options[2:])
                yield options, _approximate(part, movie_ids, places, kind, span, found, c)


def _approximate(
    part: Part,
    movie_ids: Ids,
    places: NDArray[np.int64],
    kind: str,
    span: float,
    found: Spectrum,
    c: float,
) -> Scorer:
    """Scores of some columns by a decomposition; the others are never recommended."""

    def score(rows: Array) -> Array:
        scores = np.full(rows.shape, -1e9, np.float32)
        scores[:, places] = found.minus_own(rows[:, places], c)
        return scores

    return _scorer(part, movie_ids, kind, span, score)


def recency(ratings: Ratings, span: float) -> Array:
    """(N,) what ratings count at the moment of asking: FLOOR + (1 - FLOOR) exp(-later / span)."""
    order = np.argsort(ratings.user_ids, kind="stable")
    counts = np.empty(len(order), np.int64)
    counts[order] = later(ratings.user_ids[order], ratings.times[order])
    return Recency(FLOOR, span).weights(counts)


def _scorer(
    part: Part, movie_ids: Ids, kind: str, span: float, score: Callable[[Array], Array]
) -> Scorer:
    values = weights(part.seen.values, kind)
    if np.isfinite(span):
        values = values * recency(part.seen, span)
    histories = Histories(part.seen, movie_ids, values)
    popular = sums(part.train, movie_ids, weights(part.train.values, kind))

    def scorer(user_ids: NDArray[np.int64]) -> NDArray[np.floating]:
        rows = histories.dense(user_ids)
        return np.where(rows.any(axis=1, keepdims=True), score(rows), popular)

    return scorer


def _most_rated(part: Part, movie_ids: Ids) -> NDArray[np.int64]:
    counts = sums(part.train, movie_ids, np.ones(len(part.train)))
    return np.sort(np.argsort(-counts, kind="stable")[:TUNED])


def gram(known: Histories, movies: int) -> Array:
    """(M, M) X'X, the sums over users of the products of their values."""
    products = np.zeros((movies, movies), np.float32)
    for start in range(0, len(known.user_ids), _BLOCK):
        block = known.dense(known.user_ids[start : start + _BLOCK])
        products += block.T @ block
    return products


EASE = Baseline("EASE", tuple(product(("liked", "rating/5", "rated"), RIDGES)), ease, ease_all)
EDLAE = Baseline(
    "EDLAE",
    tuple(product(("liked", "rating/5"), PRIORS, SHARES, (np.inf,))),
    edlae,
    edlae_all,
)
RECENT_EDLAE = EDLAE._replace(
    name="EDLAE with recency",
    grid=tuple(product(("liked", "rating/5"), PRIORS, SHARES, (3.0, 10.0, 30.0))),
)

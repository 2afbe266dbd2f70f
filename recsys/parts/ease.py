"""The EASE part of a vector: a shallow autoencoder of histories, in as few numbers as data need.

EASE (Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019) predicts what a user
rated from what else the user rated. With the diagonal of EDLAE ("Autoencoders that don't overfit
towards the Identity", NeurIPS 2020), p being the share of a history hidden in it,

    Y = (ratings / 5) ^ exponent / (number of the user's ratings) ^ power  (U, M)
    G = Y'Y + diag(Y'Y) p / (1 - p) + ridge I
    B = I - P / diag(P),  P = inverse(G)                            (M, M), 0 on the diagonal
    V = the leading right singular vectors of Y B                   (M, R)
    source = B V,  target = V

so that source @ target' is the reduced-rank regression: of all B of rank R the one whose
predictions Y B err least (Izenman 1975). Held-out ratings choose exponent, power, p, ridge and R.

A user's slice is unit(bias + attributes + sum of weights x (ratings / 5) ^ exponent x rows of
source). A movie's is its `target` over the longest of all, so the inner product keeps what is in
the lengths, above all how popular a movie is. Cold-start users count as having rated one movie, as
users of their profile do.

The last dimension corrects for late arrival, where recency counts: a user's share of the bias
times the movie's shortfall, (exposure ratio - 1) x its score under the bias.

Beyond the most rated movies, whose number bounds time and memory, a movie's rows are found by ridge
regression on those of the movies its raters rated too.
"""

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.ids import parts
from recsys.data.interactions import Recency, first_times, sparse_product
from recsys.data.scale import MAX_RATING
from recsys.options import Options
from recsys.parts.lowrank import leading
from recsys.parts.part import Array, Arrays, Asked, Part, Training, means, side_effects, unit

if TYPE_CHECKING:
    from recsys.training.validation import Validation

Rows = NDArray[np.integer]

RANKS = (32, 64, 128, 256, 512)  # that are tried
ENOUGH = 0.995  # of the best ndcg: the smallest rank, or the plain exponent, with so much is taken
RIDGES = {0.0: 20.0, 0.5: 1.0}  # where the search begins, by power
DROPOUTS = (0.0, 0.5)
TRIED_USERS, TRIED_MOVIES, TRIED_RANK = 20_000, 2000, 128  # while power and ridge are searched for
UNCHOSEN = {"exponent": 1.0, "power": 0.5, "dropout": 0.5, "ridge": 2.0, "rank": 128}
ARRIVAL_DAMPING = 5.0  # ratings that every movie is taken to have, evenly over all time
DENSE = 200  # products of dense rows in the time of one of sparse ones
BLOCK = 1 << 22  # numbers of dense rows at a time
COLUMNS, AT_ONCE = 64, 4096  # of rows of users, and rows of movies, at a time
PROJECTION_RIDGE = 3.0  # average users; of the rows of movies beyond the most rated


def decided(options: Options) -> Options:
    """The options; of the part's, those that held-out ratings are to choose as without any."""
    values: dict[str, Any] = {f"ease_{name}": UNCHOSEN[name] for name in _free(options)}
    return replace(options, **values)


def _free(options: Options) -> set[str]:
    """Which of the part's options held-out ratings are to choose."""
    return {name for name in UNCHOSEN if getattr(options, f"ease_{name}") == -1}


class Ease(Part):
    """(B, R) unit vectors of users, (M + 1, R) movies at most 1 long."""

    name = "ease"
    slices: tuple[str, ...] = ("ease",)
    by_ratings = False
    movie_tables = ("source",)

    def choose(self, data: Training, options: Options, judge: "Validation") -> Options:
        """Recency, power and dropout, ridge, exponent: on the most rated movies and some users, who
        count for all, each at the best of the ranks; then the rank, on all, up to four times that
        one: the smallest that is as good as the best.
        """
        free, best = _free(options), decided(options)
        movies = _most_rated(data, min(options.ease_movies, TRIED_MOVIES))
        rows = np.flatnonzero(data.history.counts)
        share = np.float32(max(1, len(rows) / TRIED_USERS))
        rows = np.random.default_rng(options.seed).permutation(rows)[:TRIED_USERS]
        some = data if share == 1 else replace(data, history=data.history.take(rows))
        products = cache(lambda exponent, power: share * _products(some, movies, exponent, power))
        targets: list[Array | None] = [None]  # of the candidate before

        @cache
        def solution(tried: Options) -> tuple[Array, Array]:
            tried_products = products(tried.ease_exponent, tried.ease_power)
            found = _solved(tried_products, tried, TRIED_RANK, targets.pop())
            targets.append(found[1])
            return found

        @cache
        def score(tried: Options) -> float:
            found = solution(replace(tried, recency_floor=1.0))
            return max(_by_rank(judge, data, tried, movies, found).values())

        grid = [
            replace(best, ease_power=power, ease_dropout=dropout)
            for power in (RIDGES if "power" in free else [best.ease_power])
            for dropout in (DROPOUTS if "dropout" in free else [best.ease_dropout])
        ]
        if "ridge" in free:
            grid = [replace(each, ease_ridge=RIDGES.get(each.ease_power, 1.0)) for each in grid]
        alike = [replace(each, recency_floor=1.0) for each in grid]
        # No recency is better where it ranks as well
        best = max(alike if score(alike[-1]) >= score(grid[-1]) else grid, key=score)
        if not np.ptp(data.history.values):
            free -= {"exponent"}
        for name, factors in {"ridge": (0.25, 4.0), "exponent": (2.0, 0.5)}.items():
            worth, option = ENOUGH if name == "exponent" else 1.0, f"ease_{name}"
            for factor in factors if name in free else ():
                before = other = best
                while other is best or worth * score(other) > score(best):
                    best = other
                    other = replace(best, **{option: getattr(best, option) * factor})
                if best is not before:
                    break
        if "rank" in free:
            few = _by_rank(judge, data, best, movies, solution(replace(best, recency_floor=1.0)))
            most = min(max(RANKS), 4 * max(few, key=few.__getitem__))
            movies = _most_rated(data, options.ease_movies)
            on_all = _products(data, movies, best.ease_exponent, best.ease_power)
            largest = _solved(on_all, best, most)
            by_rank = _by_rank(judge, data, best, movies, largest)
            enough = ENOUGH * max(by_rank.values())
            rank = next(rank for rank, ndcg in by_rank.items() if ndcg >= enough)
            best = replace(best, ease_rank=rank)
            data.cache[best] = largest
            said = [f"{name} {getattr(best, f'ease_{name}'):g}" for name in UNCHOSEN]
            ranks = ", ".join(f"{rank} {ndcg:.4f}" for rank, ndcg in by_rank.items())
            judge.log(f"EASE part: {', '.join(said)}, by ndcg@10 of ranks {ranks}")
        return best

    def fit(self, data: Training, options: Options) -> Arrays:
        """ease and source (M + 1, R + 1), bias (R + 1,), exponent (1,); user_NAME by its rows."""
        options, counts = decided(options), data.counts
        chosen, exponent = _most_rated(data, options.ease_movies), options.ease_exponent
        rank = min(options.ease_rank, len(chosen))
        found = data.cache.get(options)
        if not found:
            found = _solved(_products(data, chosen, exponent, options.ease_power), options, rank)
        source, target = np.zeros((2, len(counts), rank + 1), np.float32)
        source[chosen, :-1], target[chosen, :-1] = (each[:, :rank] for each in found)
        rest = np.setdiff1d(np.flatnonzero(counts), chosen)
        if len(rest):
            _project(data, chosen, rest, exponent, source[:, :-1], target[:, :-1])
        target /= max(1.001 * float(np.linalg.norm(target, axis=1).max()), 1e-6)
        bias, effects = self._profiles(data, source, options)
        if options.recency_floor < 1:
            target[:, -1] = (arrivals(data) - 1) * (target @ unit(bias))
            target /= np.maximum(np.linalg.norm(target, axis=1, keepdims=True), 1)
            bias[-1] = options.ease_arrival * np.linalg.norm(bias)
        tables = {"ease": target, "source": source, "bias": bias}
        return tables | effects | {"exponent": np.array([exponent], np.float32)}

    def _profiles(
        self, data: Training, source: Array, options: Options
    ) -> tuple[Array, dict[str, Array]]:
        """What users have of one movie: the mean, and what their attributes add, by regression."""
        users = np.flatnonzero(data.history.counts)
        strengths = _strengths(data.history.values, options.ease_exponent)
        sides = list(parts(data.vocabulary.users, data.attributes[users]))
        ones = [means(np.eye(each.size + 1, dtype=np.float32), rows) for each, rows in sides]
        features = np.concatenate([np.ones((len(users), 1), np.float32), *ones], 1)
        strengths *= np.float32(len(users) / len(strengths))  # of one movie
        of_movies = data.history.matrix(len(source), strengths)[users].T @ features
        every = of_movies.T @ source  # (1 + F, R + 1) of all users, and of those with a feature
        bias, features = every[0] / len(users), features[:, 1:]
        products = features.T @ features
        products[np.diag_indices(len(products))] += options.ease_damping
        effects = np.linalg.solve(products, every[1:] - np.outer(features.sum(0), bias))
        pieces = np.split(effects, np.cumsum([each.size + 1 for each, _ in sides])[:-1])
        named = zip(sides, pieces, strict=False)  # without attributes there is one empty piece
        return bias, {f"user_{each.name}": piece for (each, _), piece in named}

    def users(self, tables: Arrays, asked: Asked) -> dict[str, Array]:
        values = asked.recent * _strengths(asked.history.values, tables["exponent"])
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


def _most_rated(data: Training, most: int) -> NDArray[np.int64]:
    """(F,) rows of the most rated movies, ascending."""
    order = np.argsort(-data.counts, kind="stable")[:most]
    return np.sort(order[data.counts[order] > 0])


def _strengths(values: Array, exponent: float | Array) -> Array:
    """(N,) what ratings count: 1 for the highest."""
    return ((values / np.float32(MAX_RATING)) ** exponent).astype(np.float32)


def _products(data: Training, movies: Rows, exponent: float, power: float) -> Array:
    """(F, F) Y'Y of the movies of F rows."""
    history = data.history
    share = np.maximum(history.counts, 1)[history.owners] ** -power
    values = (_strengths(history.values, exponent) * share).astype(np.float32)
    shares = history.matrix(len(data.counts), values)[:, movies]
    pairs, cells = np.square(np.diff(shares.indptr)).sum(), len(movies) ** 2
    if pairs * DENSE < history.rows * cells:
        return sparse_product(shares.T.tocsr(), shares)
    products, step = np.zeros((len(movies), len(movies)), np.float32), max(1, BLOCK // len(movies))
    for block in (shares[first : first + step].toarray() for first in range(0, history.rows, step)):
        products += block.T @ block
    return products


def _solved(
    products: Array, tried: Options, rank: int, start: Array | None = None
) -> tuple[Array, Array]:
    """(F, rank) source and target by Y'Y; `start` is the target of a solution like it."""
    hidden = products.copy()
    hidden[np.diag_indices(len(products))] /= 1 - tried.ease_dropout
    weights = solve(hidden, tried.ease_ridge)

    def product(movies: Array) -> Array:
        return weights.T @ (products @ (weights @ movies))

    size = len(weights)
    _, target = leading(product, size, min(rank, size), start=start)
    return weights @ target, target


def _by_rank(
    judge: "Validation", data: Training, tried: Options, movies: Rows, found: tuple[Array, Array]
) -> dict[int, float]:
    """ndcg@10 of each of RANKS that the movies of F rows have."""
    source, target = found
    asked = judge.asked(Recency(tried.recency_floor, tried.recency_span))
    values = asked.recent * _strengths(asked.history.values, tried.ease_exponent)
    users = asked.history.matrix(len(data.counts), values)[:, movies] @ source
    ranks = sorted({min(rank, target.shape[1]) for rank in RANKS})
    return {r: judge.ndcg(users[:, :r], target[:, :r], movies) for r in ranks}


def solve(products: Array, ridge: float) -> Array:
    """B = I - P / diag(P), P = inverse(products + ridge I); (F, F), Steck's closed form."""
    from scipy.linalg.lapack import spotrf, spotri

    diagonal = np.arange(len(products))
    products = products.astype(np.float32)
    products[diagonal, diagonal] += ridge
    lower, failed = spotrf(products.T, lower=1, overwrite_a=1)  # half the time of a general one
    inverse, _ = spotri(lower, lower=1, overwrite_c=1)  # of which the upper triangle is 0
    if failed:
        inverse = np.tril(np.linalg.inv(products))
    scale = -1 / np.diag(inverse)
    inverse = inverse + inverse.T
    inverse[diagonal, diagonal] = 0
    return np.ascontiguousarray(inverse * scale)


def _project(
    data: Training, chosen: Rows, rest: Rows, exponent: float, source: Array, target: Array
) -> None:
    """Rows of the `rest`, rated movies beyond the most rated ones, in place.

    With y a movie's column of Y and X = Y source (U, R) what its raters say by the chosen movies,
    target = (X'X + ridge I)^-1 X'y; source the same with X = Y target. X is never there as a whole.
    """
    history = data.history
    shares = _strengths(history.values, exponent)
    shares /= np.sqrt(history.counts[history.owners]).astype(np.float32)
    ratings = history.matrix(len(data.counts), shares)
    near, far = ratings[:, chosen], ratings[:, rest].T.tocsr()
    for top, learned in ((source[chosen], target), (target[chosen], source)):
        squares = PROJECTION_RIDGE * np.eye(top.shape[1])
        products = np.empty((len(rest), top.shape[1]), np.float32)
        for some in (slice(first, first + COLUMNS) for first in range(0, top.shape[1], COLUMNS)):
            users = sparse_product(near, top[:, some])
            squares[:, some] += top.T @ (near.T @ users)
            products[:, some] = sparse_product(far, users)
        inverse = np.linalg.inv(squares).astype(np.float32)
        for first in range(0, len(rest), AT_ONCE):
            some = slice(first, first + AT_ONCE)
            learned[rest[some]] = products[some] @ inverse

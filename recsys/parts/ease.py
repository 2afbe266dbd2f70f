"""The EASE part of a vector: a shallow autoencoder of histories, in as few numbers as data need.

EASE (Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019) predicts what a user
rated from what else the user rated, in one closed form. It errs elsewhere than the towers do. With
the diagonal of EDLAE ("Autoencoders that don't overfit towards the Identity", NeurIPS 2020), p
being the share of a history hidden in it,

    Y = ratings / 5 / (number of the user's ratings) ^ power       (U, M)
    G = Y'Y + diag(Y'Y) p / (1 - p) + ridge I
    B = I - P / diag(P),  P = inverse(G)                            (M, M), 0 on the diagonal
    V = the leading right singular vectors of Y B                   (M, R)
    source = B V,  target = V

so that source @ target' is the reduced-rank regression: of all B of rank R the one whose
predictions Y B err least (Izenman 1975). Held-out ratings choose power, p, ridge and R.

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

from dataclasses import replace
from functools import cache
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsys.data.ids import parts
from recsys.data.interactions import Recency, first_times
from recsys.data.scale import MAX_RATING
from recsys.parts.lowrank import ROUNDS, leading
from recsys.parts.part import Array, Arrays, Asked, Judge, Part, Training, means, side_effects, unit

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from recsys.training.options import Options

RANKS = (32, 64, 128, 256, 512)  # that are tried
ENOUGH = 0.995  # of the best rank's ndcg: the smallest rank with so much is taken
RIDGES = {0.0: 20.0, 0.5: 1.0}  # where the search begins, by power
DROPOUTS = (0.0, 0.5)
TRIED_MOVIES, TRIED_RANK, TRIED_ROUNDS = 2000, 256, 2  # while power and ridge are searched for
CHOSEN = -1.0  # an option that held-out ratings choose; without any it is one of
UNCHOSEN = {"ease_power": 0.5, "ease_dropout": 0.5, "ease_ridge": 2.0, "ease_rank": 128}
ARRIVAL_DAMPING = 5.0  # ratings that every movie is taken to have, evenly over all time
PROJECTION_RIDGE = 3.0  # average users; of the rows of movies beyond the most rated


class Ease(Part):
    """(B, R) unit vectors of users, (M + 1, R) movies at most 1 long."""

    name = "ease"
    slices: tuple[str, ...] = ("ease",)
    by_ratings = False

    def choose(self, data: Training, options: "Options", judge: Judge) -> "Options":
        """Recency, then power and dropout, then the ridge, on the most rated movies, each at the
        best of the ranks; then the rank, on all: the smallest that is as good as the best.
        """
        tried_movies = _most_rated(data, min(options.ease_movies, TRIED_MOVIES))
        shares = cache(lambda power: _shares(data, tried_movies, power))

        @cache
        def score(tried: "Options") -> float:
            solution = solutions(tried.ease_power, tried.ease_dropout, tried.ease_ridge)
            return max(_by_rank(judge, data, tried, tried_movies, *solution).values())

        @cache
        def solutions(power: float, dropout: float, ridge: float) -> tuple[Array, Array]:
            tried = replace(options, ease_power=power, ease_dropout=dropout, ease_ridge=ridge)
            return _solved(shares(power), tried, TRIED_RANK, TRIED_ROUNDS)

        powers = RIDGES if options.ease_power == CHOSEN else [options.ease_power]
        dropouts = DROPOUTS if options.ease_dropout == CHOSEN else [options.ease_dropout]
        grid = [
            replace(options, ease_power=power, ease_dropout=dropout, ease_ridge=ridge)
            for power, dropout in product(powers, dropouts)
            for ridge in [options.ease_ridge if options.ease_ridge > 0 else RIDGES.get(power, 1.0)]
        ]
        best = grid[-1]
        if options.recency_floor < 1:  # none is better where it ranks as well
            best = max((replace(best, recency_floor=1.0), best), key=score)
        floor = best.recency_floor
        best = max((replace(each, recency_floor=floor) for each in grid), key=score)
        for factor in (0.25, 4.0) if options.ease_ridge == CHOSEN else ():
            while score(other := replace(best, ease_ridge=best.ease_ridge * factor)) > score(best):
                best = other
        if options.ease_rank != CHOSEN:
            return best
        movies = _most_rated(data, options.ease_movies)
        largest = _solved(_shares(data, movies, best.ease_power), best, max(RANKS))
        data.cache[_key(best)] = largest
        by_rank = _by_rank(judge, data, best, movies, *largest)
        enough = ENOUGH * max(by_rank.values())
        rank = next(rank for rank, ndcg in by_rank.items() if ndcg >= enough)
        tried = ", ".join(f"{rank} {ndcg:.4f}" for rank, ndcg in by_rank.items())
        judge.log(
            f"EASE part: power {best.ease_power:g}, dropout {best.ease_dropout:g}, ridge "
            f"{best.ease_ridge:g}, rank {rank}, by ndcg@10 of ranks {tried}"
        )
        return replace(best, ease_rank=rank)

    def fit(self, data: Training, options: "Options") -> Arrays:
        """
        Returns:
            ease (M + 1, R + 1); source (M + 1, R + 1), bias (R + 1,) and user_NAME of each
            attribute by its rows.
        """
        unchosen = {n: v for n, v in UNCHOSEN.items() if getattr(options, n) == CHOSEN}
        options = replace(options, **unchosen)  # type: ignore[arg-type]
        counts, chosen = data.counts, _most_rated(data, options.ease_movies)
        rank = min(options.ease_rank, len(chosen))
        found = data.cache.get(_key(options)) or _solved(
            _shares(data, chosen, options.ease_power), options, rank
        )
        source, target = np.zeros((2, len(counts), rank + 1), np.float32)
        source[chosen, :-1], target[chosen, :-1] = (each[:, :rank] for each in found)
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


def _most_rated(data: Training, most: int) -> NDArray[np.int64]:
    """(F,) rows of the most rated movies, ascending."""
    order = np.argsort(-data.counts, kind="stable")[:most]
    return np.sort(order[data.counts[order] > 0])


def _key(options: "Options") -> tuple:
    """What a solution depends on, of the same data."""
    power, dropout, ridge = options.ease_power, options.ease_dropout, options.ease_ridge
    return "ease", power, dropout, ridge, options.ease_movies


def _shares(
    data: Training, movies: NDArray[np.integer], power: float
) -> tuple["csr_matrix", Array]:
    """Y (U + 1, F) of the movies of F rows, and Y'Y."""
    history = data.history
    share = np.maximum(history.counts, 1)[history.owners] ** -power / MAX_RATING
    shares = history.matrix(len(data.counts), (history.values * share).astype(np.float32))
    shares = shares[:, movies]
    return shares, (shares.T.tocsr() @ shares).toarray()


def _solved(
    shares: tuple["csr_matrix", Array], options: "Options", rank: int, rounds: int = ROUNDS
) -> tuple[Array, Array]:
    """(F, rank) source and target of Y and Y'Y, the largest columns first."""
    ratings, products = shares[0], shares[1].copy()
    products[np.diag_indices(len(products))] /= 1 - options.ease_dropout
    weights = solve(products, options.ease_ridge)
    target = leading(
        lambda movies: ratings @ (weights @ movies),
        lambda users: weights.T @ (ratings.T @ users),
        len(weights),
        min(rank, len(weights)),
        rounds=rounds,
    ).right
    return weights @ target, target


def _by_rank(
    judge: Judge,
    data: Training,
    options: "Options",
    movies: NDArray[np.integer],
    source: Array,
    target: Array,
) -> dict[int, float]:
    """ndcg@10 of each of RANKS that the movies of F rows have."""
    asked = judge.asked(Recency(options.recency_floor, options.recency_span))
    values = (asked.recent * asked.history.values).astype(np.float32)
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
    inverse, _ = spotri(lower, lower=1, overwrite_c=1)
    if failed:
        inverse = np.linalg.inv(products)
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    inverse /= -np.diag(inverse)
    inverse[diagonal, diagonal] = 0
    return np.ascontiguousarray(inverse)


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

"""What a movie's content says of its vector: the answer for movies that nobody has rated.

Rows of any table of movies (the EASE part's, a retrieval head's, the rating factors') are
predicted from content by kernel ridge regression, so that a movie without ratings gets the
numbers that movies like it have, shrunk towards the mean of all: every part of its vector then
works with the same query as for any other movie. Content comes in blocks of one kind each

    tokens   (N, G) rows of categories or words, PADDING behind the last: the cosine of their
             inverse document frequencies
    numbers  (N,) floats, nan where unknown: exp(-|a - b| / scale), scale NUMBER_SCALE deviations

and the kernel of all of them multiplies out to their weighted sum and all their products:

    k(a, b) = (1 + w1 k1(a, b)) (1 + w2 k2(a, b)) ... - 1

(an ANOVA kernel; Durrande et al., "ANOVA kernels and RKHS of zero mean functions", 2013). A block
that is missing in one of the two movies counts as 0. The kernel becomes features by Nystroem's
method (Williams and Seeger, NIPS 2000) on at most LANDMARKS movies, so time and memory are linear
in the number of movies. NumPy only.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Movies, Vocabulary, name_and_year
from recsys.data.schema import Attributes

LANDMARKS = 1024  # movies of different content that features are made of
CATEGORIES_WEIGHT = 1.0  # of a block of categories in the kernel
WORDS_WEIGHT = 0.3  # of a block of words
NUMBER_WEIGHT = 0.6
NUMBER_SCALE = 0.6  # standard deviations at which the likeness of two numbers falls to 1/e
_BLOCK = 8192  # movies at a time

Array = NDArray[np.float32]


class Tokens(NamedTuple):
    """A block of categories, or words, of N movies."""

    values: NDArray[np.integer]  # (N, G) rows, 0 for an unknown one, PADDING behind the last
    weight: float = CATEGORIES_WEIGHT

    def codes(self) -> NDArray[np.int64]:
        """(N,) the same number for the same content."""
        return _codes(np.sort(self.values, 1))

    def spread(self) -> NDArray[np.float64]:
        """(W + 1,) idf of each token, 0 of unknown and missing ones."""
        tokens = self._once(int(self.values.max(initial=0)) + 1)
        counts = np.bincount(tokens[tokens > 0], minlength=max(1, tokens.max(initial=0) + 1))
        idf = np.log((1 + len(tokens)) / (1 + counts)) + 1e-3
        return np.where((counts > 0) & (np.arange(len(counts)) > 0), idf, 0)

    def likeness(self, landmarks: "Tokens", spread: NDArray[np.float64]) -> Array:
        """(N, L) cosines with the landmarks' tokens, weighted by their idf."""
        theirs, weights = landmarks._unit(spread)
        table = np.zeros((len(spread), len(theirs)), np.float32)  # (W + 1, L)
        np.add.at(table, (theirs, np.arange(len(theirs))[:, None]), weights)
        total = np.zeros((len(self.values), len(theirs)), np.float32)
        for tokens, weight in zip(*(each.T for each in self._unit(spread)), strict=True):
            some = np.flatnonzero(weight)
            total[some] += weight[some, None] * table[tokens[some]]
        return total

    def _once(self, size: int) -> NDArray[np.integer]:
        """(N, G) tokens below a size, each once a movie, 0 elsewhere."""
        rows = np.sort(self.values, 1)
        mask = (rows > 0) & (rows < size)
        mask[:, 1:] &= rows[:, 1:] != rows[:, :-1]
        return np.where(mask, rows, 0)

    def _unit(self, idf: NDArray[np.float64]) -> tuple[NDArray[np.integer], Array]:
        """(N, G) tokens, each once, and their weights, of length 1 a movie."""
        tokens = self._once(len(idf))
        weights = idf[tokens] * (tokens > 0)
        lengths = np.sqrt(np.square(weights).sum(1, keepdims=True))
        return tokens, (weights / np.maximum(lengths, 1e-9)).astype(np.float32)


class Numbers(NamedTuple):
    """A block of one number of N movies."""

    values: NDArray[np.floating]  # (N,) nan where unknown
    weight: float = NUMBER_WEIGHT

    def codes(self) -> NDArray[np.int64]:
        """(N,) the same number for the same content."""
        return _codes(self.values)

    def spread(self) -> NDArray[np.float64]:
        """(1,) the scale of the numbers."""
        known = self.values[np.isfinite(self.values)]
        deviation = float(known.std()) if len(known) else 0.0
        return np.array([NUMBER_SCALE * deviation or 1.0])

    def likeness(self, landmarks: "Numbers", spread: NDArray[np.float64]) -> Array:
        """(N, L) how near they are to the landmarks', 0 where one of the two is unknown."""
        apart = np.abs(self.values[:, None].astype(np.float64) - landmarks.values) / spread[0]
        return np.where(np.isfinite(apart), np.exp(-apart), 0).astype(np.float32)


Block = Tokens | Numbers


def _codes(values: NDArray) -> NDArray[np.int64]:
    return np.unique(values, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def take(block: Block, chosen: slice | NDArray[np.integer] | NDArray[np.bool_]) -> Block:
    """The block of some of its movies."""
    values: Any = block.values[chosen]
    return block._replace(values=values)


@dataclass(frozen=True)
class Kernel:
    """Content of movies as L features whose inner products are nearly the kernel."""

    landmarks: Sequence[Block]  # blocks of the movies that the others are compared with
    spread: Sequence[NDArray[np.float64]]  # of each block, see `Tokens.spread`

    @cached_property
    def root(self) -> Array:
        """(L, F) that makes features of the kernel with the landmarks."""
        values, vectors = np.linalg.eigh(self.products(self.landmarks).astype(np.float64))
        real = values > 1e-6 * max(values[-1], 1e-6)
        return (vectors[:, real] / np.sqrt(values[real])).astype(np.float32)

    @classmethod
    def fit(cls, blocks: Sequence[Block], landmarks: int = LANDMARKS, seed: int = 0) -> "Kernel":
        """Landmarks, frequencies and scales of (N) movies.

        Args:
            blocks: what there is to know of the movies, all of the same N.
            landmarks: at most so many; of more different ones the draw is random, each movie
                having the same chance.
        """
        codes = np.stack([block.codes() for block in blocks], 1)  # (N, blocks)
        different = np.unique(codes, axis=0, return_index=True)[1]
        if len(different) > landmarks:
            order = np.random.default_rng(seed).permutation(len(codes))
            first = np.unique(codes[order], axis=0, return_index=True)[1]
            different = order[np.sort(first)[:landmarks]]
        chosen = [take(block, np.sort(different)) for block in blocks]
        return cls(chosen, [block.spread() for block in blocks])

    @property
    def size(self) -> int:
        """F, the number of features."""
        return self.root.shape[1]

    def features(self, blocks: Sequence[Block]) -> Array:
        """(N, F) features of movies; rows of 0 where nothing is known of a movie."""
        return self.products(blocks) @ self.root

    def in_blocks(
        self,
        blocks: Sequence[Block],
        of: Callable[[Sequence[Block]], Array] | None = None,
    ) -> Iterator[tuple[slice, Array]]:
        """The features, or what `of` makes, of some movies after the other: (which, (B, F))."""
        count = len(blocks[0].values)
        for start in range(0, count, _BLOCK):
            rows = slice(start, min(start + _BLOCK, count))
            yield rows, (of or self.features)([take(block, rows) for block in blocks])

    def products(self, blocks: Sequence[Block]) -> Array:
        """(N, L) the kernel of movies with the landmarks."""
        total = np.float32(1)
        for block, landmarks, spread in zip(blocks, self.landmarks, self.spread, strict=True):
            likeness = block.likeness(landmarks, spread)  # type: ignore[arg-type]  # of one kind
            total = total * (1 + block.weight * likeness)
        return total - 1


class Prior(NamedTuple):
    """What content says of K numbers of a movie: mean + kernel with the landmarks @ weights."""

    mean: Array  # (K,) of the movies learned from
    weights: Array  # (L, K)

    def predict(self, kernel: Kernel, blocks: Sequence[Block]) -> Array:
        """(N, K) the numbers of movies known by their content only."""
        found = np.empty((len(blocks[0].values), len(self.mean)), np.float32)
        for rows, products in kernel.in_blocks(blocks, kernel.products):
            found[rows] = self.mean + products @ self.weights
        return found


def fit_prior(
    kernel: Kernel,
    blocks: Sequence[Block],
    *learned: tuple[Array, NDArray],
    ridge: float,
) -> Prior:
    """Kernel ridge regression of numbers of movies on their content, all side by side.

    Args:
        blocks: of the N movies that were rated.
        learned: (N, K) numbers each, and (N,) what each movie weighs in their regression.
        ridge: average movies of no effect that it starts from.
    """
    means = [np.average(targets, 0, weights) for targets, weights in learned]
    moments = [np.zeros((kernel.size, targets.shape[1])) for targets, _ in learned]
    different = {id(weights): weights / max(weights.mean(), 1e-9) for _, weights in learned}
    products = {key: ridge * np.eye(kernel.size) for key in different}
    for rows, features in kernel.in_blocks(blocks):
        for key, shares in different.items():
            weighed = (features * shares[rows, None]).astype(np.float32)
            products[key] += weighed.T @ features
            for (targets, weights), mean, moment in zip(learned, means, moments, strict=True):
                if id(weights) == key:
                    moment += weighed.T @ (targets[rows] - mean.astype(np.float32))
    solved = [
        np.linalg.solve(products[id(weights)], moment)
        for (_, weights), moment in zip(learned, moments, strict=True)
    ]
    found = kernel.root @ np.concatenate(solved, 1)
    return Prior(np.concatenate(means).astype(np.float32), found.astype(np.float32))


def movie_blocks(movies: Movies, vocabulary: Vocabulary) -> list[Block]:
    """The content of movies: genres, years, the words of titles, and the schema's columns."""
    titles = [name_and_year(title)[0] for title in movies.titles]
    years = movies.years.astype(np.float64)
    columns = vocabulary.columns(movies)
    values = [
        vocabulary.genre_rows(movies.genres),
        np.where(years > 0, years, np.nan),
        vocabulary.title_rows(titles),
        *(
            columns[each.name].values if each.kind == "number" else each.rows(columns[each.name])
            for each in vocabulary.movies
        ),
    ]
    return _blocks(values, vocabulary.movies)


def _blocks(values: Sequence[NDArray], attributes: Attributes) -> list[Block]:
    """Genres, years, words of titles and movies' attributes as blocks."""
    kinds = ("categories", "number", "text", *(each.kind for each in attributes))
    return [
        Numbers(each)
        if kind == "number"
        else Tokens(each, WORDS_WEIGHT if kind == "text" else CATEGORIES_WEIGHT)
        for kind, each in zip(kinds, values, strict=True)
    ]


def kernel_arrays(kernel: Kernel) -> dict[str, NDArray]:
    """A kernel of `movie_blocks` as arrays by name."""
    arrays = {f"landmark_{n}": block.values for n, block in enumerate(kernel.landmarks)}
    return arrays | {f"spread_{n}": each for n, each in enumerate(kernel.spread)}


def kernel_of(arrays: Mapping[str, NDArray], attributes: Attributes = ()) -> Kernel:
    """The kernel that `kernel_arrays` gave the arrays of, `attributes` being those of movies."""
    numbers = range(3 + len(attributes))
    landmarks = _blocks([arrays[f"landmark_{n}"] for n in numbers], attributes)
    return Kernel(landmarks, [arrays[f"spread_{n}"] for n in numbers])

"""What a movie's content says of its vector: the answer for movies that nobody has rated.

Rows of any table of movies are predicted from content by kernel ridge regression: a movie without
ratings gets the numbers that movies like it have, shrunk towards the mean of all, and works with
the same query as any other. Content comes in blocks of one kind each

    tokens   (N, G) rows of categories or words, PADDING behind the last: the cosine of their
             inverse document frequencies
    numbers  (N,) floats, nan where unknown: exp(-|a - b| / scale), scale NUMBER_SCALE deviations

and the kernel of all of them multiplies out to their weighted sum and all their products:

    k(a, b) = (1 + w1 k1(a, b)) (1 + w2 k2(a, b)) ... - 1

(an ANOVA kernel; Durrande et al., "ANOVA kernels and RKHS of zero mean functions", 2013). A block
that is missing in one of the two movies counts as 0. The kernel becomes features by Nystroem's
method (Williams and Seeger, NIPS 2000) on at most LANDMARKS movies, and what features weigh is
learned from at most SAMPLED, so time and memory are linear in the number of movies.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from recsys.data.dataset import Movies, Vocabulary

LANDMARKS = 1024  # movies of different content that features are made of
SAMPLED = 1 << 16  # movies at most that landmarks, directions and weights are learned from
# Of a block of a kind in the kernel
WEIGHTS = {"category": 1.0, "categories": 1.0, "text": 0.3, "number": 0.6}
NUMBER_SCALE = 0.6  # standard deviations at which the likeness of two numbers falls to 1/e
_BATCH = 1024  # movies at a time, few enough for a processor's cache

Array = NDArray[np.float32]


class Block(NamedTuple):
    """Tokens (categories or words) of N movies, or a number of each."""

    values: NDArray  # (N, G) rows, 0 for an unknown one, PADDING behind the last; or (N,) numbers
    weight: float

    def take(self, chosen: slice | NDArray[np.integer] | NDArray[np.bool_]) -> "Block":
        """The block of some of its movies."""
        return self._replace(values=self.values[chosen])

    def spread(self) -> NDArray[np.float64]:
        """(W + 1,) idf of each token, 0 of unknown and missing ones; (1,) the scale of numbers."""
        if self.values.ndim == 1:
            known = self.values[np.isfinite(self.values)]
            deviation = float(known.std()) if len(known) else 0.0
            return np.array([NUMBER_SCALE * deviation or 1.0])
        counts = self._ones(int(self.values.max(initial=0)) + 1).sum(0)
        return np.where(counts > 0, np.log((1 + len(self.values)) / (1 + counts)) + 1e-3, 0)

    def likeness(self, landmarks: "Block", spread: NDArray[np.float64]) -> Array:
        """(N, L) how alike they are to the landmarks, 0 where one of the two is unknown."""
        if self.values.ndim == 1:
            known = landmarks.values[np.isfinite(landmarks.values)]
            if not len(known):
                return np.zeros((len(self.values), len(landmarks.values)), np.float32)
            far = ((block.values - known.mean()) / spread[0] for block in (self, landmarks))
            a, b = (np.where(np.isfinite(x), x, np.inf).astype(np.float32) for x in far)
            apart = a[:, None] - np.where(b < np.inf, b, -np.inf)
            return np.exp(np.negative(np.abs(apart, out=apart), out=apart), out=apart)
        return (self._unit(spread) @ landmarks._unit(spread).T).toarray()

    def _ones(self, size: int) -> "csr_array":
        """(N, size) 1 of each token below a size that a movie has."""
        from scipy.sparse import csr_array

        movies, columns = np.nonzero((self.values > 0) & (self.values < size))
        entries = movies, self.values[movies, columns]
        matrix = csr_array((np.ones(len(movies)), entries), (len(self.values), size))
        matrix.data[:] = 1  # of a token that is there twice
        return matrix

    def _unit(self, idf: NDArray[np.float64]) -> "csr_array":
        """(N, W + 1) the idf of the tokens, of length 1 a movie."""
        matrix = self._ones(len(idf))
        matrix.data = idf[matrix.indices]
        lengths = np.sqrt(matrix.power(2).sum(1))
        matrix.data /= np.repeat(np.maximum(lengths, 1e-9), np.diff(matrix.indptr))
        return matrix.astype(np.float32)


@dataclass(frozen=True)
class Kernel:
    """Content of movies as F features whose inner products are nearly the kernel."""

    landmarks: Sequence[Block]  # blocks of the L movies that the others are compared with
    spread: Sequence[NDArray[np.float64]]  # of each block, see `Block.spread`

    @classmethod
    def fit(cls, blocks: Sequence[Block], seed: int = 0) -> "Kernel":
        """Frequencies and scales of N movies; the landmarks are drawn of the different ones."""
        some = sample(np.arange(len(blocks[0].values)), seed)
        values = [block.values[some] for block in blocks]
        content = np.column_stack([np.sort(each, 1) if each.ndim > 1 else each for each in values])
        content = np.nan_to_num(content, nan=-np.inf)  # unknown numbers are equal
        different = np.unique(content, axis=0, return_index=True)[1]
        if len(different) > LANDMARKS:
            order = np.random.default_rng(seed).permutation(len(content))
            first = np.unique(content[order], axis=0, return_index=True)[1]
            different = order[np.sort(first)[:LANDMARKS]]
        chosen = some[np.sort(different)]
        return cls([block.take(chosen) for block in blocks], [block.spread() for block in blocks])

    @cached_property
    def root(self) -> Array:
        """(L, F) that makes features of the kernel with the landmarks."""
        values, vectors = np.linalg.eigh(self.products(self.landmarks).astype(np.float64))
        real = values > 1e-6 * max(values[-1], 1e-6)
        return (vectors[:, real] / np.sqrt(values[real])).astype(np.float32)

    def products(self, blocks: Sequence[Block]) -> Array:
        """(N, L) the kernel of movies with the landmarks."""
        total = np.ones((len(blocks[0].values), len(self.landmarks[0].values)), np.float32)
        for block, landmarks, spread in zip(blocks, self.landmarks, self.spread, strict=True):
            alike = block.likeness(landmarks, spread)
            alike *= block.weight
            alike += 1
            total *= alike
        total -= 1
        return total

    def features(self, blocks: Sequence[Block]) -> Array:
        """(N, F) features of movies; rows of 0 where nothing is known of a movie."""
        return self.products(blocks) @ self.root

    def arrays(self) -> dict[str, NDArray]:
        """As `predict` reads it."""
        landmarks = {f"landmark_{n}": block.values for n, block in enumerate(self.landmarks)}
        return landmarks | {f"spread_{n}": each for n, each in enumerate(self.spread)}


def sample(rows: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """The rows, or SAMPLED of them where there are more, in the order given."""
    if len(rows) <= SAMPLED:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, SAMPLED, replace=False))


def batches(blocks: Sequence[Block]) -> Iterator[tuple[slice, list[Block]]]:
    """Some movies after the others: which, and their blocks."""
    count = len(blocks[0].values)
    for start in range(0, count, _BATCH):
        rows = slice(start, min(start + _BATCH, count))
        yield rows, [block.take(rows) for block in blocks]


def fit_content(
    kernel: Kernel,
    blocks: Sequence[Block],
    targets: Array,
    counts: NDArray[np.integer],
    by_ratings: NDArray[np.bool_],
    ridge: float,
) -> dict[str, NDArray]:
    """Kernel ridge regression of (N, K) targets on the content of the N movies.

    Args:
        by_ratings: (K,) targets in which movies weigh by their counts of ratings, else all alike.
        ridge: average movies of no effect that it starts from.

    Returns:
        mean (K,) and weights (L, K): numbers are mean + kernel with the landmarks @ weights;
        landmark_N and spread_N of the kernel's blocks.
    """
    size = kernel.root.shape[1]
    weighings = (by_ratings, counts / counts.mean()), (~by_ratings, np.ones(len(counts)))
    groups = [(*each, ridge * np.eye(size)) for each in weighings if each[0].any()]
    mean = np.zeros(targets.shape[1], np.float32)
    for columns, shares, _ in groups:
        mean[columns] = np.average(targets[:, columns], 0, shares)
    moments = np.zeros((size, targets.shape[1]))
    for rows, some in batches(blocks):
        features, rest = kernel.features(some), targets[rows] - mean
        for columns, shares, products in groups:
            weighed = (features * shares[rows, None]).astype(np.float32)
            products += weighed.T @ features
            moments[:, columns] += weighed.T @ rest[:, columns]
    for columns, _, products in groups:
        moments[:, columns] = np.linalg.solve(products, moments[:, columns])
    weights = (kernel.root @ moments).astype(np.float32)
    return {"mean": mean, "weights": weights, **kernel.arrays()}


def predict(tables: Mapping[str, NDArray], blocks: Sequence[Block]) -> Array:
    """(N, K) the numbers of movies known by their content only, by what `fit_content` returned."""
    landmarks = [block._replace(values=tables[f"landmark_{n}"]) for n, block in enumerate(blocks)]
    kernel = Kernel(landmarks, [tables[f"spread_{n}"] for n in range(len(blocks))])
    numbers = np.empty((len(blocks[0].values), len(tables["mean"])), np.float32)
    for rows, some in batches(blocks):
        numbers[rows] = tables["mean"] + kernel.products(some) @ tables["weights"]
    return numbers


def movie_blocks(movies: "Movies", vocabulary: "Vocabulary") -> list[Block]:
    """The content of movies: genres, years, the words of titles, and the schema's columns."""
    years, columns = movies.years.astype(np.float64), vocabulary.columns(movies)
    blocks = [
        Block(vocabulary.genre_rows(movies.genres), WEIGHTS["category"]),
        Block(np.where(years > 0, years, np.nan), WEIGHTS["number"]),
        Block(vocabulary.title_rows(movies.names), WEIGHTS["text"]),
    ]
    for each in vocabulary.movies:
        column = columns[each.name]
        values = column.values if each.kind == "number" else each.rows(column)
        blocks.append(Block(values, WEIGHTS[each.kind]))
    return blocks

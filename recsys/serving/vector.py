"""The vector: five parts side by side, so that every question is one inner product.

A movie's vector is [retrieval | rating | EASE | factors | taste] / sqrt(5) and a last number that
brings its length to 1: each part is at most 1 long, of movies without ratings shorter. A query is
a user's parts, each times its weight in the question, times sqrt(5), and a last 0. So the inner
product is exactly the weighted sum of the parts' own.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class Weights(NamedTuple):
    """What training chose that queries need."""

    rating: float  # of the rating head's cosine in the score; the retrieval head's weighs 1
    ease: float  # of the EASE part's
    head: float  # of the rating head in the predicted rating; the factors weigh the rest
    recency_floor: float  # see recsys.data.interactions
    recency_span: float


class Layout(NamedTuple):
    """How many numbers each part has.

    >>> layout = Layout(2, 2, 1, 1, 1)
    >>> movie = layout.movies({"retrieval": np.array([[0.6, 0.8]], np.float32)})
    >>> (layout.queries({"retrieval": np.array([[1, 0]], np.float32)}) @ movie.T).round(3)
    array([[0.6]], dtype=float32)
    """

    retrieval: int
    rating: int
    ease: int
    factors: int
    taste: int

    @property
    def size(self) -> int:
        """V, with the last number."""
        return sum(self) + 1

    def movies(self, parts: Mapping[str, Array]) -> Array:
        """(M, V) of length 1; each part (M, its size) and at most 1 long, 0 where not given."""
        vectors = self._joined(parts) / np.sqrt(np.float32(len(self)))
        room = 1 - np.square(vectors, dtype=np.float64).sum(1)
        vectors[:, -1] = np.sqrt(np.maximum(room, 0))
        return vectors

    def queries(self, parts: Mapping[str, Array]) -> Array:
        """(B, V) of weighted parts (B, its size), 0 where not given."""
        return self._joined(parts) * np.sqrt(np.float32(len(self)))

    def split(self, vectors: Array) -> dict[str, Array]:
        """The parts that `movies` made (..., V) vectors of."""
        pieces = np.split(vectors * np.sqrt(np.float32(len(self))), np.cumsum(self), axis=-1)
        return dict(zip(self._fields, pieces[:-1], strict=True))

    def _joined(self, parts: Mapping[str, Array]) -> Array:
        rows = len(next(iter(parts.values())))
        pieces = [
            parts.get(name, np.zeros((rows, size), np.float32))
            for name, size in zip(self._fields, self, strict=True)
        ]
        return np.concatenate([*pieces, np.zeros((rows, 1))], 1, dtype=np.float32)


def unit(vectors: Array) -> Array:
    """(..., D) brought to length 1; one that is all 0 stays so."""
    lengths = np.sqrt(np.square(vectors).sum(-1, keepdims=True))
    return vectors / np.maximum(lengths, np.float32(1e-6))

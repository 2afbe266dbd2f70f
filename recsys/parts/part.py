"""What a part of the vector is: what it learns from, what it is asked, what it answers.

A part is one file with one class. `fit` learns arrays from the training data; `users` computes a
user's side from those arrays, the same for users of the training and for new ones, in training's
validation, in serving and in evaluation. NumPy only.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from recsys.data.ids import parts
from recsys.data.interactions import Interactions, Recency, later
from recsys.data.scale import FIVE_STARS, Scale
from recsys.options import Options
from recsys.parts.content import Block, Kernel, movie_blocks

if TYPE_CHECKING:
    from recsys.data.dataset import Dataset, Movies, Ratings, Vocabulary
    from recsys.data.schema import Attributes
    from recsys.training.validation import Validation

NO_RECENCY = Recency()
Array = NDArray[np.float32]
Arrays = Mapping[str, NDArray]  # by name


@dataclass(frozen=True)
class Training:
    """What parts learn from: U users, M movies and who rated what."""

    vocabulary: "Vocabulary"
    movies: "Movies"  # in the order of their rows
    attributes: NDArray[np.int32]  # (U + 1, W) rows of the users' attributes; row 0 unknown
    history: Interactions  # U + 1 rows, row 0 empty
    scale: Scale = FIVE_STARS
    seed: int = 0
    cache: dict[Any, Any] = field(default_factory=dict)  # what `choose` leaves for `fit`
    # Of several processes with the same data: which of so many users are this one's; sums over all
    mine: Callable[[int], slice] = slice
    total: Callable[[NDArray], NDArray] = np.asarray

    @classmethod
    def of(cls, dataset: "Dataset", ratings: "Ratings", seed: int = 0) -> "Training":
        """Some ratings of a dataset; all its users and movies get rows."""
        vocabulary, users = dataset.vocabulary, dataset.users
        attributes = np.zeros((len(users) + 1, users.rows.shape[1]), np.int32)
        attributes[vocabulary.user_rows(users.ids)] = users.rows
        rows = vocabulary.user_rows(ratings.user_ids), vocabulary.movie_rows(ratings.movie_ids)
        history = Interactions.build(len(users), *rows, ratings.values, ratings.times)
        movies, scale = dataset.movies[np.argsort(dataset.movies.ids)], dataset.scale
        return cls(vocabulary, movies, attributes, history, scale, seed)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """(M + 1,) how many ratings each movie has."""
        return np.bincount(self.history.indices, minlength=len(self.movies) + 1)

    @cached_property
    def raters(self) -> tuple[Interactions, NDArray[np.int64]]:
        """Who rated each movie, M + 1 rows; (N,) the order that sorts entries by movie."""
        return self.history.transposed(len(self.movies) + 1)

    @cached_property
    def blocks(self) -> list[Block]:
        """The content of the M movies."""
        return movie_blocks(self.movies, self.vocabulary)

    @cached_property
    def kernel(self) -> Kernel:
        """The likeness of movies' content, scaled by the rated ones."""
        rated = self.counts[1:] > 0
        return Kernel.fit([block.take(rated) for block in self.blocks], seed=self.seed)


@dataclass(frozen=True)
class Asked:
    """What is known of B users at the moment of asking."""

    user_rows: NDArray[np.int64]  # (B,) 0 for cold-start users
    attributes: NDArray[np.integer]  # (B, W) rows of the attributes, 0 for unknown
    described: "Attributes"  # whose rows `attributes` are
    history: Interactions  # B rows, in the order of the users
    recency: Recency = NO_RECENCY
    named: Interactions | None = None  # B rows: 1 of a like named with the query, -1 of a dislike

    @cached_property
    def slices(self) -> dict[str, Array]:
        """(B, size) each, not weighted: those of one model that were asked for so far."""
        return {}

    @cached_property
    def recent(self) -> Array:
        """(N,) weights of the history by recency."""
        owners, times = self.history.owners, self.history.times
        if self.history.rows == 1:  # soonest
            return self.recency.weights(len(times) - np.sort(times).searchsorted(times, "right"))
        return self.recency.weights(later(owners, times))


class Part(Protocol):
    """A part of the vector: one or more slices, each asked by an inner product."""

    name: str  # of the folder its arrays lie in
    slices: tuple[str, ...]  # names of its pieces of the vector
    by_ratings: bool  # for movies without ratings a movie counts by its ratings; else all alike
    shared: bool = False  # `fit` divides users among several processes: all of them have to call it
    movie_tables: tuple[str, ...] = ()  # arrays besides the slices that have a row per movie
    user_tables: tuple[str, ...] = ()  # arrays that have a row per user

    def choose(self, data: Training, options: Options, judge: "Validation") -> Options:
        """The options with those of the part that rank held-out ratings best."""
        return options

    def fit(self, data: Training, options: Options) -> Arrays:
        """Learn the part.

        Returns:
            Arrays by name: of each slice (M + 1, size) movies by row, at most 1 long, row 0 being
            0; and whatever `users` needs. Nothing where the data say nothing.
        """
        ...

    def users(self, tables: Arrays, asked: Asked) -> dict[str, Array]:
        """(B, size) of each slice, for users trained on or not; none of a slice that is all 0.

        A name SLICE.WHAT is asked of the same movies as SLICE, with a weight of its own.

        Args:
            tables: what `fit` returned, perhaps memory-mapped.
        """
        ...


def unit(vectors: Array) -> Array:
    """(..., D) brought to length 1; one that is all 0 stays so."""
    lengths = np.sqrt(np.square(vectors).sum(-1, keepdims=True))
    return vectors / np.maximum(lengths, np.float32(1e-6))


def means(table: Array, rows: NDArray[np.integer]) -> Array:
    """(B, V) the mean of each user's rows of a table, of (B, w) padded with -1."""
    if rows.shape[1] == 1:
        return table[rows[:, 0]]
    mask = (rows >= 0)[:, :, None]
    sums = (table[np.maximum(rows, 0)] * mask).sum(1)
    return (sums / np.maximum(mask.sum(1), 1)).astype(np.float32)


def side_effects(tables: Arrays, asked: Asked) -> Array | float:
    """(B, V) the sum over the users' attributes of the tables `user_NAME`."""
    sides = parts(asked.described, asked.attributes)
    return sum((means(tables[f"user_{each.name}"], rows) for each, rows in sides), 0.0)

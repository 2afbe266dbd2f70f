"""What is published and searched: movies with their vectors, and the exact search over them.

`Catalogue.search` (NumPy, exact) and `MilvusStore.search` keep one contract, so either can
answer a query and one test holds for both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from recsys.data.ids import Id, id_array, is_text, positions
from recsys.data.schema import Column, Kind
from recsys.serving.conditions import And, Compare, Condition, Contains, Not, Type, Types, mask

# What fills a row of answers when fewer than k movies fit; of ids that are text NO_TEXT.
NO_MOVIE, NO_TEXT = -1, ""
_BLOCK = 1 << 24  # scores held at a time


class Hits(NamedTuple):
    """The best movies of each query, best first; of equal scores the smaller id first.

    Which of several movies with the score of the k-th come is left open.
    """

    movie_ids: NDArray  # (B, K), NO_MOVIE (or NO_TEXT) where there are fewer than K
    scores: NDArray[np.float32]  # (B, K) inner products, -inf where there is no movie

    @property
    def there(self) -> NDArray[np.bool_]:
        """(B, K) where there is a movie."""
        return self.scores > -np.inf


@dataclass(frozen=True)
class Filter:
    """Which movies may answer; an empty part asks nothing.

    >>> comedies_of_the_nineties = Filter(any_genre=("Comedy",), years=(1990, 1999))
    """

    any_genre: tuple[str, ...] = ()  # has at least one of these
    all_genres: tuple[str, ...] = ()  # has every one of these
    not_genres: tuple[str, ...] = ()  # has none of these
    years: tuple[int, int] | None = None  # first and last year, both included
    where: Condition | None = None  # see recsys.serving.conditions

    def __bool__(self) -> bool:
        return self != EVERYTHING

    @property
    def condition(self) -> Condition:
        """All of it as one condition."""
        parts: list[Condition] = []
        if self.any_genre:
            parts.append(Contains("genres", self.any_genre, False))
        if self.all_genres:
            parts.append(Contains("genres", self.all_genres, True))
        if self.not_genres:
            parts.append(Not(Contains("genres", self.not_genres, False)))
        if self.years:
            first, last = self.years
            parts += [Compare("year", "whole", ">=", first), Compare("year", "whole", "<=", last)]
        return And((*parts, *([self.where] if self.where else [])))


EVERYTHING = Filter()
TYPES: dict[str, Type] = {"title": "text", "year": "whole", "genres": "texts", "is_new": "flag"}
OF_KIND: dict[Kind, Type] = {
    "category": "text",
    "text": "text",
    "categories": "texts",
    "number": "number",
}


def types(kinds: Mapping[str, Kind]) -> Types:
    """What movies may be asked by: what all have, and columns of the schema."""
    return TYPES | {name: OF_KIND[kind] for name, kind in kinds.items()}


@dataclass(frozen=True)
class Catalogue:
    """M movies ready to be published: unit vectors, and what is shown of a movie."""

    ids: NDArray  # (M,) unique, int64 or text
    titles: list[str]
    genres: list[tuple[str, ...]]
    years: NDArray[np.int32]  # (M,) 0 where unknown
    is_new: NDArray[np.bool_]  # (M,) movies the model was not trained on
    vectors: NDArray[np.float32]  # (M, V) of unit length
    columns: dict[str, Column] = field(default_factory=dict)  # of the schema, M values each

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def joined(cls, parts: Sequence["Catalogue"]) -> "Catalogue":
        """At least one catalogue of a model, one after the other."""
        return cls(
            np.concatenate([part.ids for part in parts]),
            [title for part in parts for title in part.titles],
            [genres for part in parts for genres in part.genres],
            np.concatenate([part.years for part in parts]),
            np.concatenate([part.is_new for part in parts]),
            np.concatenate([part.vectors for part in parts]),
            {n: Column.joined([part.columns[n] for part in parts]) for n in parts[0].columns},
        )

    def updated(self, other: "Catalogue") -> "Catalogue":
        """The movies of both, of one model; one that is in both is as the other has it."""
        kept = self.take(self.ids[positions(other.ids, self.ids) < 0])
        return Catalogue.joined([kept, other])

    def take(self, movie_ids: NDArray | Sequence[Id]) -> "Catalogue":
        """The named movies in the order asked for; KeyError when one is not there."""
        order, ids, _ = self._by_id
        wanted = id_array(movie_ids)
        found = positions(ids, wanted)
        if (found < 0).any():
            raise KeyError(wanted[found < 0].min())
        places = order[found]
        return Catalogue(
            self.ids[places],
            [self.titles[p] for p in places],
            [self.genres[p] for p in places],
            self.years[places],
            self.is_new[places],
            self.vectors[places],
            {name: column[places] for name, column in self.columns.items()},
        )

    def search(
        self,
        vectors: NDArray[np.float32],
        k: int,
        filter: Filter = EVERYTHING,
        exclude: Sequence[NDArray] | None = None,
    ) -> Hits:
        """The k movies with the largest inner products, for each query.

        Args:
            vectors: (B, V) float32 queries.
            k: how many answers a query gets, at least 1.
            filter: movies that do not fit are left out, for every query.
            exclude: for each of the B queries the ids of movies that must not come.
        """
        queries = check_queries(vectors, k, self.vectors.shape[1], exclude)
        order, ids, movies = self._by_id
        misfits = ~mask(filter.condition, self._values, len(self))[order]
        answer = no_hits(len(queries), k, is_text(self.ids))
        step = max(1, _BLOCK // max(1, len(ids)))
        for start in range(0, len(queries) if len(ids) else 0, step):
            scores = queries[start : start + step] @ movies.T  # (b, M)
            scores[:, misfits] = -np.inf
            for row, excluded in enumerate(
                exclude[start : start + step] if exclude is not None else ()
            ):
                places = positions(ids, excluded)
                scores[row, places[places >= 0]] = -np.inf
            best = _top(ids, scores, k)
            width = best.movie_ids.shape[1]
            answer.movie_ids[start : start + step, :width] = best.movie_ids
            answer.scores[start : start + step, :width] = best.scores
        return answer

    @cached_property
    def _by_id(self) -> tuple[NDArray[np.intp], NDArray, NDArray[np.float32]]:
        """The movies' places in the order of their ids, and ids and vectors in that order."""
        order = np.argsort(self.ids, kind="stable")
        in_order = bool((order[1:] > order[:-1]).all())
        return order, self.ids[order], self.vectors if in_order else self.vectors[order]

    def _values(self, name: str) -> Any:
        """A column's values, as `mask` takes them."""
        own = {
            "title": self.titles,
            "year": self.years,
            "genres": self.genres,
            "is_new": self.is_new,
        }
        return own[name] if name in own else self.columns[name].values


class Store(Protocol):
    """What `infer` asks of a place where vectors are searched."""

    def search(
        self,
        vectors: NDArray[np.float32],
        k: int,
        filter: Filter = EVERYTHING,
        exclude: Sequence[NDArray] | None = None,
    ) -> Hits: ...

    def take(self, movie_ids: NDArray | Sequence[Id]) -> Catalogue: ...


def no_hits(queries: int, k: int, text: bool = False) -> Hits:
    """Answers of `queries` rows with no movie in them yet."""
    blank = np.full((queries, k), NO_TEXT, object) if text else np.full((queries, k), NO_MOVIE)
    return Hits(blank, np.full((queries, k), -np.inf, np.float32))


def check_queries(
    vectors: NDArray[np.float32],
    k: int,
    dimension: int,
    exclude: Sequence[NDArray] | None,
) -> NDArray[np.float32]:
    """The queries as a contiguous (B, V) float32 array.

    Raises:
        ValueError: the shape, a value, k or the number of exclusions is wrong.
    """
    queries = np.ascontiguousarray(vectors, np.float32)
    if queries.ndim != 2 or queries.shape[1] != dimension:
        raise ValueError(f"queries must be (B, {dimension}), got {queries.shape}")
    if not np.isfinite(queries).all():
        raise ValueError("a query holds a value that is not a finite number")
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    if exclude is not None and len(exclude) != len(queries):
        raise ValueError(f"{len(queries)} queries, but exclusions for {len(exclude)}")
    return queries


def best_first(ids: NDArray, scores: NDArray[np.float32]) -> Hits:
    """(B, K) hits sorted by falling score, then by rising id."""
    order = np.lexsort((ids, -scores), axis=-1)
    return Hits(np.take_along_axis(ids, order, -1), np.take_along_axis(scores, order, -1))


def _top(ids: NDArray, scores: NDArray[np.float32], k: int) -> Hits:
    """The k best of each row of (B, M) scores, fewer where M is less; `ids` (M,)."""
    if k < scores.shape[1]:
        places = np.argpartition(-scores, k - 1, axis=-1)[:, :k]
        best = best_first(ids[places], np.take_along_axis(scores, places, -1))
    else:
        best = best_first(np.broadcast_to(ids, scores.shape), scores)
    best.movie_ids[~best.there] = NO_TEXT if is_text(ids) else NO_MOVIE
    return best

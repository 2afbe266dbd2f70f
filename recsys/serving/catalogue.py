"""What is published and searched: movies with their vectors, and the exact search over them."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from numbers import Integral
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.ids import Id, Index, id_array, is_text, positions
from recsys.data.interactions import product
from recsys.data.schema import Column, Frame, Kind
from recsys.errors import QueryError, StoreError, check_types, checked, listed_values, quoted, wrong
from recsys.metrics import top_k
from recsys.serving.filters import And, Condition, Not, Term, Type, Types, mask, parse

if TYPE_CHECKING:
    from recsys.data.dataset import Vocabulary

# What fills a row of answers when fewer than k movies fit; of ids that are text NO_TEXT.
NO_MOVIE, NO_TEXT = -1, ""
MOST = 10_000_000  # answers to a query
_BLOCK = 1 << 24  # scores held at a time
_STEP = 64  # numbers that NumPy multiplies at once, at most
GENRES = ("any_genre", "all_genres", "not_genres")  # the parts of a filter that are such


class Hits(NamedTuple):
    """The best movies of each query, best first; of equal scores the smaller id first.

    Which of several movies with the score of the k-th come is left open.
    """

    movie_ids: NDArray  # (B, K), NO_MOVIE (or NO_TEXT) where there are fewer than K
    scores: NDArray[np.float32]  # (B, K) inner products, -inf where there is no movie
    movies: "Catalogue" = None  # type: ignore[assignment]  # where asked for: these among them

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(B, K) where there is a movie."""
        return self.scores > -np.inf

    def distinct(self) -> NDArray:
        """The ids of all movies that are hits, each once, rising."""
        return np.unique(self.movie_ids[self.mask])


@dataclass(frozen=True)
class Filter:
    """Which movies may be recommended; an empty field is no condition.

    Args:
        any_genre: has at least one of these, or this one.
        all_genres: has every one of these.
        not_genres: has none of these.
        years: the first and the last year, both included, or one year.
        where: a condition on columns, as of `recommend --where`.

    >>> Filter(any_genre="Comedy", years=(1990, 1999), where="year != 1995").any_genre
    ('Comedy',)
    """

    any_genre: Sequence[str] = ()
    all_genres: Sequence[str] = ()
    not_genres: Sequence[str] = ()
    years: tuple[int, int] | int | None = None
    where: Condition | str | None = None

    def __post_init__(self) -> None:
        for name in GENRES:
            given = getattr(self, name)
            genres = [given] if isinstance(given, str) else listed_values(name, given, "genres")
            for each in genres:
                check_types(**{name: (each, str)})
            object.__setattr__(self, name, tuple(genres))
        if self.years is not None:
            form, one = "a year, or the first and the last as (1990, 1999)", self.years
            years = [one, one] if isinstance(one, Integral) else listed_values("years", one, form)
            years = [checked("years", each, int, min=0, max=9999, words=form) for each in years]
            if len(years) != 2:
                raise wrong("years", one, form)
            object.__setattr__(self, "years", tuple(years))
            if years[0] > years[1]:
                cause = f"years {years[0]} to {years[1]} end before they begin"
                raise QueryError(cause, "turn them round", "year")
        if not isinstance(self.where, str | Condition | None):
            raise wrong("where", self.where, "a condition as 'year >= 1990'")

    def checked(self, vocabulary: "Vocabulary") -> "Filter":
        """The same with the genres as a model spells them, and the condition parsed."""
        if self == EVERYTHING:
            return self
        every = {_letters(each): each for each in vocabulary.genres}
        every |= {each: each for each in vocabulary.genres}

        def spelled(text: str) -> Iterator[str]:
            """A genre, or several with , or | between them, as the model has them."""
            for name in [text] if _letters(text) in every else re.split("[,|]", text):
                if _letters(name) not in every:
                    known = ", ".join(sorted(vocabulary.genres))
                    raise QueryError(f"no genre {quoted(name)}; there are {known}")
                yield every.get(name) or every[_letters(name)]

        genres: Any = {part: tuple(chain(*map(spelled, getattr(self, part)))) for part in GENRES}
        return replace(self, **genres).parsed({each.name: each.kind for each in vocabulary.movies})

    def parsed(self, kinds: Mapping[str, Kind]) -> "Filter":
        """The same with the condition parsed, if that is text, for movies with those columns."""
        if not isinstance(self.where, str):
            return self
        return replace(self, where=parse(self.where, types(kinds)))

    @property
    def condition(self) -> Condition:
        """All of it as one condition, where that is parsed."""
        wanted = [self.any_genre] if self.any_genre else []
        wanted += [(each,) for each in self.all_genres]
        parts: list[Condition] = [Term("genres", "texts", "in", each) for each in wanted]
        if self.not_genres:
            parts.append(Not(Term("genres", "texts", "in", self.not_genres)))
        if self.years:
            ends = zip((">=", "<="), self.years, strict=True)  # type: ignore[arg-type]
            parts += [Term("year", "whole", how, year) for how, year in ends]
        if self.where:
            parts.append(self.where)  # type: ignore[arg-type]
        return And(tuple(parts))


def _letters(name: str) -> str:
    """A genre in letters and digits alone, in lower case; as it is where it has none."""
    return re.sub(r"[\W_]", "", name).casefold() or name


EVERYTHING = Filter()
VectorsOf = Callable[[NDArray], NDArray[np.float32] | None]  # ids -> (N, V), None if not of all


class Field(NamedTuple):
    """A field of a movie, as it is called where movies are published and filtered."""

    name: str
    type: Type
    limit: int = 8192  # UTF-8 bytes of a text


FIELDS = {  # by the attributes of a catalogue
    "titles": Field("title", "text", 1024),
    "genres": Field("genres", "texts"),
    "years": Field("year", "whole"),
    "is_new": Field("is_new", "flag"),
}
_OF_KIND: dict[Kind, Type] = {"categories": "texts", "number": "number"}  # others are text


def fields_of(kinds: Mapping[str, Kind]) -> list[Field]:
    """The fields of movies with those columns: by them movies are published, read and filtered."""
    own = [Field(name, _OF_KIND.get(kind, "text")) for name, kind in kinds.items()]
    return [*FIELDS.values(), *own]


def types(kinds: Mapping[str, Kind]) -> Types:
    """What movies may be asked by: what all have, and columns of the schema."""
    return {each.name: each.type for each in fields_of(kinds)}


@dataclass(frozen=True, repr=False)
class Catalogue(Frame):
    """M movies ready to be published: unit vectors, and what is shown of a movie."""

    ids: NDArray  # (M,) unique, int64 or text
    titles: list[str]
    genres: list[tuple[str, ...]]
    years: NDArray[np.int32]  # (M,) 0 where unknown
    is_new: NDArray[np.bool_]  # (M,) not trained on
    vectors: NDArray[np.float32]  # (M, V) of unit length
    columns: dict[str, Column] = field(default_factory=dict)  # of the schema, M values each
    model: str = ""  # the fingerprint of the one whose vectors they are

    def check_model(self, model: str) -> None:
        """Refuse queries of another model, by its fingerprint."""
        if self.model != model:
            cause = f"the movies are of model {self.model or 'without folder'}, not of {model}"
            raise StoreError(cause, "take the catalogue of this model", "model")

    @property
    def kinds(self) -> dict[str, Kind]:
        """The kinds of the columns."""
        return {name: column.kind for name, column in self.columns.items()}

    def updated(self, other: "Catalogue") -> "Catalogue":
        """The movies of both, of one model; one that is in both is as the other has it."""
        return Catalogue.joined([self[positions(other.ids, self.ids) < 0], other])

    def take(self, movie_ids: NDArray | Sequence[Id]) -> "Catalogue":
        """The named movies in the order asked for; QueryError when one is not there."""
        order, index, _ = self._by_id
        wanted = id_array(movie_ids)
        rows = index.of(wanted)
        if (rows < 0).any():
            cause = f"movie {wanted[rows < 0].min()} is not published"
            raise QueryError(cause, "name another, or publish the movies with it", "publish")
        return self[order[rows]]

    def cells(self, name: str) -> Any:
        """The M values of a field or column."""
        if name in self.columns:
            return self.columns[name].values
        return getattr(self, next(key for key, field in FIELDS.items() if field.name == name))

    def search(
        self,
        vectors: NDArray[np.float32],
        k: int,
        filter: Filter = EVERYTHING,
        exclude: Sequence[NDArray] | None = None,
        with_movies: "bool | VectorsOf" = False,
    ) -> Hits:
        """The k movies with the largest inner products, for each query.

        Args:
            vectors: (B, V) float32 queries.
            k: how many answers a query gets, at least 1.
            filter: movies that do not fit are left out, for every query.
            exclude: for each of the B queries the ids of movies that must not come.
            with_movies: give the movies too; or what gives their vectors, for a store that would
                have to read them.
        """
        queries, excluded = checked_queries(vectors, k, self.vectors.shape[1], exclude)
        order, index, movies = self._by_id
        fits = None
        if filter != EVERYTHING:
            condition = filter.parsed(self.kinds).condition
            fits = mask(condition, self.cells, len(self))[order]
        hits = no_hits(len(queries), k, is_text(self.ids))
        if len(queries) == 1:  # the last slices often weigh nothing; steps keep the last digit
            used = np.flatnonzero(queries[0])
            queries = queries[:, : (used[-1] | _STEP - 1) + 1 if len(used) else 0]
        step = max(1, _BLOCK // max(1, len(self)))
        for start in range(0, len(queries) if len(self) else 0, step):
            scores = product(
                queries[start : start + step], movies[:, : queries.shape[1]].T
            )  # (b, M)
            if fits is not None:
                scores[:, ~fits] = -np.inf
            for row, each in enumerate(excluded[start : start + step]):
                columns = index.of(each)
                scores[row, columns[columns >= 0]] = -np.inf
            columns = top_k(scores, k)
            rows, places = np.nonzero(columns >= 0)
            chosen = columns[rows, places]
            hits.movie_ids[start + rows, places] = index.ids[chosen]
            hits.scores[start + rows, places] = scores[rows, chosen]
        return hits._replace(movies=self) if with_movies else hits

    @cached_property
    def _by_id(self) -> tuple[NDArray[np.intp], Index, NDArray[np.float32]]:
        """The movies' rows in the order of their ids, and ids and vectors in that order."""
        order = np.argsort(self.ids, kind="stable")
        in_order = bool((order[1:] > order[:-1]).all())
        return order, Index(self.ids[order]), self.vectors if in_order else self.vectors[order]


def no_hits(queries: int, k: int, text: bool = False) -> Hits:
    """Answers of `queries` rows with no movie in them yet."""
    blank = np.full((queries, k), NO_TEXT, object) if text else np.full((queries, k), NO_MOVIE)
    return Hits(blank, np.full((queries, k), -np.inf, np.float32))


def check_k(k: int) -> None:
    """Refuse what is no number of answers."""
    checked("k", k, int, min=1, max=MOST, words="a whole number from 1 on")


def checked_queries(
    vectors: NDArray[np.float32], k: int, dimension: int, exclude: Sequence[NDArray] | None
) -> tuple[NDArray[np.float32], Sequence[NDArray]]:
    """The queries as a contiguous (B, V) float32 array, and B exclusions."""
    check_k(k)
    queries = np.ascontiguousarray(vectors, np.float32)
    excluded = [np.empty(0, int)] * len(queries) if exclude is None else exclude
    fits = queries.ndim == 2 and queries.shape[1] == dimension and np.isfinite(queries).all()
    if not fits or len(excluded) != len(queries):
        found = f"{queries.shape} and {len(excluded)}"
        raise QueryError(
            f"expected finite queries, (B, {dimension}), and B exclusions, got {found}"
        )
    return queries, excluded

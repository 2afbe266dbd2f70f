"""Which of the best movies are taken: other than the most relevant ones, and not all alike.

One after the other is taken the movie with the largest

    (1 - diversity) x relevance - diversity x mean cosine with those that are taken

of a pool of the best by score, and what is taken is listed by relevance. The relevance is the
score, 0 for the least of the pool and 1 for the best, and with novelty (1 - novelty) x that
+ novelty x (1 - log(1 + ratings) / its largest). The cosine is that of the genres; movies without
genres are compared by taste.

Source: Carbonell & Goldstein, "The use of MMR, diversity-based reranking for reordering documents
and producing summaries", SIGIR 1998, with the mean of Bradley & Smyth, "Improving recommendation
diversity", AICS 2001.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.ids import Id, is_text, positions
from recsys.errors import QueryError, checked, listed_values, quoted, wrong
from recsys.serving.catalogue import no_hits

if TYPE_CHECKING:
    from recsys.parts.part import Array
    from recsys.serving.catalogue import Catalogue, Hits
    from recsys.serving.model_folder import Model

POOL, TIMES = 100, 10  # movies of a pool at least, and for each one wanted
MOST = 10_000  # of them at most
MOST_GENRES = 512  # that movies are compared by, where they have more: the most common ones
GENRE, YEAR = "genre", "year"  # what movies have besides the columns of the schema


@dataclass(frozen=True)
class Choice:
    """Which of the best movies are listed; by default the best.

    Args:
        exclude: ids of movies that are left out.
        only: ids of the candidates; None for all movies.
        diversity: 0 to 1, the penalty for similarity to movies already chosen.
        novelty: 0 to 1, the bonus for movies with few ratings.
        max_per: pairs of "genre", "year" or a column, and the most movies for each of its values.

    >>> Choice(diversity=0.3, max_per=[("genre", 2)]).reorders
    True
    """

    exclude: Sequence[Id] = ()
    only: Sequence[Id] | None = None
    diversity: float = 0.0
    novelty: float = 0.0
    max_per: Sequence[tuple[str, int]] = ()

    def __post_init__(self) -> None:
        for name in ("diversity", "novelty"):
            checked(name, getattr(self, name), float, min=0, max=1)
        form = "pairs such as ('genre', 2)"
        for pair in listed_values("max_per", self.max_per, form):
            if not isinstance(pair, tuple | list) or [*map(type, pair)] != [str, int]:
                raise wrong("max_per", pair, form)
            checked("max_per", pair[1], int, min=1)

    @property
    def reorders(self) -> bool:
        """Whether a pool of movies is needed to choose from."""
        return bool(self.diversity or self.novelty or self.max_per)

    def pools(self, k: int) -> list[int]:
        """How many of the best movies are looked at for k; and, if those are not enough, then."""
        if not self.reorders:
            return [k]
        return [max(k, min(MOST, max(POOL, TIMES * k))), *[max(k, MOST)] * bool(self.max_per)]

    def of(self, hits: "Hits", k: int, model: "Model") -> "Hits":
        """(B, k) of (B, pool) hits, by relevance."""
        found = no_hits(len(hits.movie_ids), k, is_text(hits.movie_ids))
        movies = hits.movies.take(hits.distinct())
        alike = contents(movies, model)
        rows = model.vocabulary.movie_rows(movies.ids)
        counts = np.bincount(model.history.indices, minlength=len(model.vocabulary.movie_ids) + 1)
        rated = np.log1p(np.where(rows > 0, counts[rows], 0))
        novel = 1 - rated / max(np.log1p(counts.max()), 1e-9)
        limited = [values_of(movies, name) for name, _ in self.max_per]
        kinds = [
            [(limit, value) for limit, values in enumerate(limited) for value in values[movie]]
            for movie in range(len(movies))
        ]
        for row, mask in enumerate(hits.mask):
            ids, scores = hits.movie_ids[row, mask], hits.scores[row, mask]
            at = positions(movies.ids, ids)
            span = max(float(np.ptp(scores)) if len(scores) else 0.0, 1e-9)
            worth = (1 - self.novelty) * (scores - scores.min(initial=np.inf)) / span
            worth += self.novelty * novel[at]
            taken = self._taken(worth, alike[at], [kinds[each] for each in at.tolist()], k)
            found.movie_ids[row, : len(taken)] = ids[taken]
            found.scores[row, : len(taken)] = scores[taken]
        return found._replace(movies=movies)

    def _taken(
        self,
        worth: NDArray[np.floating],
        vectors: "Array",
        kinds: Sequence[Sequence[tuple[int, Any]]],
        k: int,
    ) -> list[int]:
        """Which of N movies are taken, by worth: k at most, and of each limit's values so many."""
        taken: list[int] = []
        near = np.zeros(len(worth), np.float32)  # to those taken: the sum of cosines
        left = (1 - self.diversity) * worth  # -inf once looked at
        counted: Counter[tuple[int, Any]] = Counter()
        while len(taken) < min(k, len(worth)):
            best = int((left - near * (self.diversity / max(1, len(taken)))).argmax())
            if left[best] == -np.inf:
                break
            left[best] = -np.inf
            if any(counted[each] >= self.max_per[each[0]][1] for each in kinds[best]):
                continue
            counted.update(kinds[best])
            taken.append(best)
            if self.diversity:
                near += vectors @ vectors[best]  # too few for BLAS to divide among threads
        return sorted(taken, key=lambda each: -worth[each])


def contents(movies: "Catalogue", model: "Model") -> "Array":
    """(M, G + T) unit vectors whose cosine says how alike movies are: genres, taste where none."""
    counts = Counter(name for names in movies.genres for name in names)
    places = {name: place for place, (name, _) in enumerate(counts.most_common(MOST_GENRES))}
    genres = np.zeros((len(movies), len(places)), np.float32)
    for row, names in enumerate(movies.genres):
        genres[row, [places[name] for name in names if name in places]] = 1
    without = ~genres.any(axis=1, keepdims=True)
    tastes = model.layout.split(movies.vectors)["taste"] * without
    vectors = np.hstack([genres, tastes]) if without.any() else genres
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)


def values_of(movies: "Catalogue", name: str) -> Sequence[Sequence[Any]]:
    """The values that each movie has of a genre, the year or a column."""
    if name == GENRE:
        return movies.genres
    if name == YEAR:
        return [(year,) for year in movies.years.tolist()]
    kinds = {each: column for each, column in movies.columns.items() if column.kind != "text"}
    if name not in kinds:
        cause = f"max_per: movies have no {quoted(name)}"
        raise QueryError(cause, f"name one of {', '.join((GENRE, YEAR, *kinds))}", "max_per")
    values = map(kinds[name].value, range(len(movies)))
    return [each if isinstance(each, list) else [each] * (each is not None) for each in values]

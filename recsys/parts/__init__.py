"""The vector: its parts, side by side, and the questions that weigh them.

A movie's vector is its slices / sqrt(number of slices), and a last number that brings its length to
1: each slice is at most 1 long, of movies without ratings shorter. A query is a user's slices, each
times its weight in the question, times that root, and a last 0. So the inner product is exactly
the score, the weighted sum of the slices' own, and one collection answers every question.

    part       slices              a user's side
    heads      retrieval, rating   the user tower, folded into tables
    ease       ease                a shallow autoencoder of the history, and the profile
    factors    factors             Gaussian posterior of the history, profile as prior
    taste      taste               what the history and named likes and dislikes have in common
    popular    popular, recent     1 for everybody
    content                        no part: what a movie's content says of all slices

Arrays have names PART/NAME. A new part is a class as `recsys.parts.part.Part` has it, in a file of
its own, named in PARTS and, with its weights, in QUESTIONS.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.scale import MAX_RATING
from recsys.options import Options
from recsys.parts.content import fit_content, movie_blocks, predict, sample
from recsys.parts.ease import Ease
from recsys.parts.factors import Factors
from recsys.parts.heads import Heads
from recsys.parts.part import Array, Arrays, Asked, Part, Training
from recsys.parts.popular import Popular
from recsys.parts.taste import Taste

if TYPE_CHECKING:
    from recsys.data.dataset import Movies, Vocabulary

PARTS: tuple[Part, ...] = (Heads(), Ease(), Factors(), Taste(), Popular())

Weights = Mapping[str, Any]  # of users' slices: a number each, or (B, 1) one for each user
HISTORY, LIKES, PROFILE = EVIDENCE = ("history", "likes", "profile")  # what is known of a user
FEW = 10  # ratings from which on there is a history
QUESTIONS: dict[str, Weights] = {  # what a score is made of, until held-out ratings say more
    "relevance": {
        **{"retrieval": 1 / 3.7, "rating": 0.7 / 3.7, "ease": 2 / 3.7},
        **{"taste": 0.0, "popular": 0.0, "recent": 0.0, "taste.named": 0.2},
    },
    "rating": {"rating": 0.1 * MAX_RATING, "factors": 0.9, "taste.each": 0.1},
    "tutorial": {"rating": MAX_RATING},
    "taste": {"taste": 1.0, "taste.named": 1.0},
    "similar": {"taste": 1.0},
}
# Where the search may begin too for users of a few likes, whom popularity tells about more
FEW_LIKES: Weights = {"retrieval": 0.25, "rating": 0.25, "ease": 0.15, "popular": 0.35}
RATINGS: Weights = {"rating": MAX_RATING, "factors": 1.0}  # predict a rating, times this


def questions(rated: bool = True) -> dict[str, Weights]:
    """QUESTIONS of data with ratings, or without: those that ask for none, without such slices."""
    if rated:
        return QUESTIONS
    kept = ("relevance", "taste", "similar")
    return {q: {n: w for n, w in QUESTIONS[q].items() if n not in RATINGS} for q in kept}


def weights_of(question: Mapping[str, Any], asked: Asked) -> Weights:
    """A question's weights for users, of a question that depends on what is known of them."""
    if HISTORY not in question:
        return question
    counts = asked.history.counts
    kind = np.where(counts >= FEW, 0, np.where(counts > 0, 1, 2))
    if len(kind) == 1:  # no arrays are quicker
        return question[EVIDENCE[kind[0]]]
    every = [question[each] for each in EVIDENCE]
    names = dict.fromkeys(name for each in every for name in each)
    return {n: np.array([each.get(n, 0) for each in every], "f4")[kind, None] for n in names}


def used_slices(questions: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Movies' slices that some question weighs; the others need no place in the vector."""
    every = [question.get(kind, question) for question in questions.values() for kind in EVIDENCE]
    return {name.partition(".")[0] for weights in every for name, w in weights.items() if w}


def without(arrays: Arrays, used: set[str]) -> dict[str, NDArray]:
    """The arrays of used slices only, and of parts that have one."""
    unused = {place for _, name, place in _slices(arrays) if name not in used}
    idle = tuple(f"{part.name}/" for part in PARTS if not used & {*part.slices})
    return {n: a for n, a in arrays.items() if n not in unused and not n.startswith(idle)}


@dataclass(frozen=True)
class Layout:
    """How many numbers each slice of a vector has.

    >>> layout = Layout({"retrieval": 2, "ease": 1})
    >>> movie = layout.movies({"retrieval": np.array([[0.6, 0.8]], np.float32)})
    >>> query = layout.queries({"retrieval": np.array([[1, 0]], np.float32)}, {"retrieval": 0.5})
    >>> (query @ movie.T).round(3)
    array([[0.3]], dtype=float32)
    """

    sizes: Mapping[str, int]

    @cached_property
    def size(self) -> int:
        """V, with the last number."""
        return sum(self.sizes.values()) + 1

    @property
    def names(self) -> list[str]:
        """(V,) which slice each number is of, as "ease.0"; the last has nothing to say."""
        sizes = self.sizes.items()
        return [*(f"{name}.{n}" for name, size in sizes for n in range(size)), "rest"]

    @cached_property
    def _root(self) -> np.float32:
        return np.sqrt(np.float32(len(self.sizes)))

    def movies(self, slices: Mapping[str, Array]) -> Array:
        """(M, V) of length 1; each slice (M, its size), brought to 1 if longer, 0 if not given."""
        vectors = self._zeros(slices)
        for name, each in slices.items():
            lengths = np.maximum(1, np.linalg.norm(each, axis=1))
            vectors[:, self._places[name]] = each / lengths[:, None]
        vectors /= self._root
        room = 1 - np.square(vectors, dtype=np.float64).sum(1)
        vectors[:, -1] = np.sqrt(np.maximum(room, 0))
        return vectors

    def queries(self, slices: Mapping[str, Array], weights: Weights) -> Array:
        """(B, V) of users' slices (B, its size) times their weights, 0 where one is not given.

        A slice NAME.WHAT is asked of the movies' slice NAME, as others of it are.
        """
        vectors = self._zeros(slices)
        for name, weight in weights.items():
            place = self._places.get(name.partition(".")[0])
            if name in slices and place:
                vectors[:, place] += slices[name] * np.float32(weight)
        vectors *= self._root
        return vectors

    def _zeros(self, slices: Mapping[str, Array]) -> Array:
        """(N, V) zeros for N rows of slices."""
        return np.zeros((len(next(iter(slices.values()))), self.size), np.float32)

    def split(self, vectors: Array) -> dict[str, Array]:
        """The slices that `movies` made (..., V) vectors of."""
        return self.cut(vectors[..., :-1] * self._root)

    def cut(self, numbers: Array) -> dict[str, Array]:
        """(..., V - 1) numbers by slice."""
        return {name: numbers[..., place] for name, place in self._places.items()}

    @cached_property
    def _places(self) -> dict[str, slice]:
        ends = zip(self.sizes.items(), accumulate(self.sizes.values()), strict=True)
        return {name: slice(end - size, end) for (name, size), end in ends}


def fit(
    data: Training, options: Options, which: Sequence[Part] | None = None
) -> dict[str, NDArray]:
    """The arrays of all parts, or some, but those that learn by epochs (`TrainStep.arrays`)."""
    found = {
        f"{part.name}/{name}": array
        for part in (PARTS if which is None else which)
        for name, array in part.fit(data, options).items()
    }
    vars(data).pop("raters", None)  # larger than the history; computed again if it is asked for
    data.cache.clear()
    return found


def tables_of(arrays: Arrays, folder: str) -> dict[str, NDArray]:
    """Those arrays that lie in a folder, by their names in it."""
    start = f"{folder}/"
    return {name[len(start) :]: each for name, each in arrays.items() if name.startswith(start)}


def users(
    tables: Mapping[str, Arrays], asked: Asked, used: set[str] | None = None
) -> dict[str, Array]:
    """(B, size) users' slices of those parts that there are arrays of, by `tables_by_part`.

    Args:
        used: slices that are needed; all if not given.
    """
    found: dict[str, Array] = {}
    for part in PARTS:
        if tables[part.name] and (used is None or used & {*part.slices}):
            found |= part.users(tables[part.name], asked)
    return found


def tables_by_part(arrays: Arrays) -> dict[str, Arrays]:
    """The arrays of each part, those of files as plain arrays: what is cut out sooner."""
    plain = {name: np.asarray(each) for name, each in arrays.items()}
    return {part.name: tables_of(plain, part.name) for part in PARTS}


def movies(arrays: Arrays) -> dict[str, Array]:
    """(M + 1, size) movies' slices by row, in the order of the vector."""
    return {name: arrays[place] for _, name, place in _slices(arrays)}


def _slices(arrays: Arrays) -> list[tuple[Part, str, str]]:
    """The slices that there are: part, name, and name of the array of movies."""
    every = [(part, name, f"{part.name}/{name}") for part in PARTS for name in part.slices]
    return [each for each in every if each[2] in arrays]


def layout_of(arrays: Arrays) -> Layout:
    """How many numbers each slice has."""
    return Layout({name: each.shape[1] for name, each in movies(arrays).items()})


def complete(data: Training, arrays: Arrays, options: Options) -> dict[str, NDArray]:
    """All arrays, with an answer for movies without ratings, those trained on and those to come.

    They get in every slice what movies of like content have: the towers, which have not seen them
    either, say less. `content/` holds the regression, the slices side by side.
    """
    slices, rated = _slices(arrays), data.counts[1:] > 0
    some = sample(np.flatnonzero(rated), data.seed)
    learned = [arrays[place][1:][some] for _, _, place in slices]
    by_ratings = [part.by_ratings for part, _, _ in slices]
    content = fit_content(
        data.kernel,
        [block.take(some) for block in data.blocks],
        np.hstack(learned),
        data.counts[1:][some],
        np.repeat(by_ratings, [each.shape[1] for each in learned]),
        options.content_ridge,
    )
    found = {**arrays, **{f"content/{name}": each for name, each in content.items()}}
    if rated.all():
        return found
    guessed = predict(content, [block.take(~rated) for block in data.blocks])
    for (_, _, place), guess in zip(slices, layout_of(arrays).cut(guessed).values(), strict=True):
        found[place] = np.array(arrays[place])
        found[place][1:][~rated] = guess
    return found


def new_movies(
    arrays: Arrays, layout: Layout, new: "Movies", vocabulary: "Vocabulary"
) -> dict[str, Array]:
    """(N, size) slices of movies that the model was not trained on, by their content."""
    return layout.cut(predict(tables_of(arrays, "content"), movie_blocks(new, vocabulary)))

"""Why a movie is recommended: what of the user carried it, by leaving each piece out.

The score is asked again of the same user without one rating, without one like that the query names,
without the profile; the difference is what that gave. Nothing is approximated: it is the difference
that deleting the rating would make.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.ids import Id
from recsys.data.interactions import Interactions
from recsys.data.scale import LIKED
from recsys.data.titles import name_and_year, title_words

if TYPE_CHECKING:
    from recsys.parts.part import Array
    from recsys.serving.catalogue import Catalogue
    from recsys.serving.model_folder import Model
    from recsys.serving.users import Users

MOST = 3  # reasons of a movie
LEAST = 1e-6  # of a score; less is rounding
AT_ONCE = 1 << 20  # ratings of all variants of a user that are computed together


class Reason(NamedTuple):
    """A rating, or a like that the query names, that carried a movie."""

    movie_id: Id
    title: str
    rating: float | None  # on the scale of the data; None of a like, and of events
    share: float  # of the score: what it would be less without


class Why(NamedTuple):
    """What of the user carried a movie, most first; and what the profile gave, if one is known."""

    reasons: tuple[Reason, ...]
    profile: float | None


def why(
    users: "Users",
    row: int,
    question: str,
    shown: Callable[["Array"], NDArray],
    movies: "Catalogue",
) -> list[Why]:
    """For each of N movies what of one user's ratings, likes and profile carried it, as shown."""
    model, asked = users.model, users.asked
    history = users.predicted.history.take(np.array([row]))
    assert asked.named is not None  # as `users_of` has it
    named = asked.named.take(np.array([row]))
    n, m = len(history.indices), len(named.indices)
    variants, scores = 1 + n + m + 1, []  # all; without each rating; each like; the profile
    step = max(1, AT_ONCE // max(1, n + m))
    for start in range(0, variants, step):
        numbers = np.arange(start, min(variants, start + step))
        sides = np.repeat(asked.attributes[row : row + 1], len(numbers), 0)
        sides[numbers == variants - 1] = model.attributes[0]
        rows = np.repeat(asked.user_rows[row], len(numbers))
        kept = _without(history, numbers - 1), _without(named, numbers - 1 - n)
        vectors = users.of(model, rows, sides, *kept).vectors(question)
        scores.append(shown(np.einsum("bv,mv->bm", vectors, movies.vectors)))  # see `product`
    every = np.concatenate(scores)
    shares = every[0] - every[1:]  # (n + m + 1, N)
    given = model.scale.outward(history.values).tolist() if model.scale.rated else [None] * n
    ratings = [*given, *[None] * m]
    places = np.append(history.indices, named.indices) - 1
    ids, titles = model.vocabulary.movie_ids[places].tolist(), model.movies.titles
    profiled = (asked.attributes[row] > 0).any()
    return [
        Why(
            tuple(
                Reason(ids[each], titles[places[each]], ratings[each], share[each].item())
                for each in np.argsort(-share[:-1], kind="stable")[:MOST].tolist()
                if share[each] > LEAST
            ),
            share[-1].item() if profiled else None,
        )
        for share in shares.T
    ]


def _without(one: Interactions, places: NDArray[np.integer]) -> Interactions:
    """A row for each of some places: the one row without its entry there; outside, with all."""
    count = len(one.indices)
    repeated = one.take(np.zeros(len(places), np.int64))
    return repeated.keep((np.arange(count) != places[:, None]).ravel())


class Shared(NamedTuple):
    """What two movies have in common."""

    genres: tuple[str, ...]
    words: tuple[str, ...]  # of their titles
    users: int  # who like both


def shared(model: "Model", movie: "Catalogue", others: "Catalogue") -> list[Shared]:
    """What one movie has in common with each of N others."""
    rows = model.vocabulary.movie_rows(np.append(movie.ids, others.ids))
    liked = model.history.values >= LIKED
    movies, users = model.history.indices[liked], model.history.owners[liked]
    fans = np.isin(users, users[movies == rows[0]])
    both = np.bincount(movies[fans], minlength=len(model.vocabulary.movie_ids) + 1)
    names = [name_and_year(each)[0] for each in [*movie.titles, *others.titles]]
    words, *of_others = [dict.fromkeys(title_words(each)) for each in names]
    return [
        Shared(
            tuple(each for each in movie.genres[0] if each in genres),
            tuple(each for each in words if each in theirs),
            count,
        )
        for genres, theirs, count in zip(
            others.genres, of_others, both[rows[1:]].tolist(), strict=True
        )
    ]

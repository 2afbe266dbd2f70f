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
    users: "Users", row: int, question: str, movies: "Array", score: Callable[["Array"], NDArray]
) -> list[Why]:
    """For each of N movies what of one user's ratings, likes and profile carried it.

    Args:
        row: of the user among the users.
        movies: (N, V) their vectors.
        score: what is shown of inner products.
    """
    model, asked, query = users.model, users.asked, users.queries[row]
    history, named = users.rated.take(np.array([row])), asked.named
    assert named is not None  # as `users_of` has it
    named = named.take(np.array([row]))
    n, m = len(history.indices), len(named.indices)
    variants, scores = 1 + n + m + 1, []  # all; without each rating; each like; the profile
    step = max(1, AT_ONCE // max(1, n + m))
    for start in range(0, variants, step):
        numbers = np.arange(start, min(variants, start + step))
        sides = np.repeat(asked.attributes[row : row + 1], len(numbers), 0)
        sides[numbers == variants - 1] = model.attributes[0]
        some = users.otherwise(
            row, sides, _without(history, numbers - 1), _without(named, numbers - 1 - n)
        )
        products = np.einsum("bv,mv->bm", some.vectors(question), movies)  # as `product` has it
        scores.append(score(products))
    every = np.concatenate(scores)
    shares = every[0] - every[1:]  # (n + m + 1, N)
    rows = np.append(history.indices, named.indices)
    about = _named(model, rows, np.append(history.values, np.full(m, np.nan)))
    best = np.argsort(-shares[:-1], axis=0, kind="stable")[:MOST].T  # (N, MOST)
    profile = shares[-1].tolist() if query.attributes else [None] * len(movies)
    return [
        Why(
            tuple(
                about(place)._replace(share=float(shares[place, movie]))
                for place in places.tolist()
                if shares[place, movie] > LEAST
            ),
            profile[movie],
        )
        for movie, places in enumerate(best)
    ]


def _named(model: "Model", rows: NDArray, values: NDArray) -> Callable[[int], Reason]:
    """What makes a reason of the rating or like at a place, without its share."""
    given = model.scale.outward(values) if model.scale.rated else np.full(len(values), np.nan)

    def about(place: int) -> Reason:
        movie, rating = int(rows[place]) - 1, float(given[place])
        known = model.vocabulary.movie_ids
        title = model.movies.titles[movie]
        return Reason(known.item(movie), title, None if np.isnan(rating) else rating, 0.0)

    return about


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
    likes = np.flatnonzero(model.history.values >= LIKED)
    likes = likes[np.isin(model.history.indices[likes], rows[rows > 0])]
    movies, users = model.history.indices[likes], model.history.owners[likes]
    fans = users[movies == rows[0]]
    both = np.bincount(movies[np.isin(users, fans)], minlength=len(model.vocabulary.movie_ids) + 1)
    titles = [name_and_year(each)[0] for each in [*movie.titles, *others.titles]]
    words = [dict.fromkeys(title_words(each)) for each in titles]
    return [
        Shared(
            tuple(each for each in movie.genres[0] if each in genres),
            tuple(each for each in words[0] if each in theirs),
            int(both[row]) if row and rows[0] else 0,
        )
        for genres, theirs, row in zip(others.genres, words[1:], rows[1:].tolist(), strict=True)
    ]

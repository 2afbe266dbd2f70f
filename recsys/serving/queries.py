"""Who asks, as parts of a vector: queries completed with what the model knows of their users."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.ids import Id
from recsys.data.interactions import Interactions, Recency
from recsys.data.movielens import MAX_RATING, MIN_RATING
from recsys.data.schema import MOVIELENS, NO_VALUE, Attributes, parts, profile
from recsys.errors import QueryError
from recsys.serving.model_folder import ModelFolder
from recsys.serving.users import Asked, ease_part, factor_part, head_parts
from recsys.serving.vector import Array, unit

UNKNOWN = -1  # the code of an attribute that is not given
NOW = np.iinfo(np.int64).max  # the time of likes and dislikes named with a query


class UserQuery(NamedTuple):
    """A known user, a profile, likes and dislikes, any of them together, or nothing at all.

    >>> UserQuery(42).user_id, UserQuery(likes=(50, 181)).likes
    (42, (50, 181))
    """

    user_id: Id | None = None
    gender: int = UNKNOWN  # codes, see movielens; a known user's own where not given
    age: int = UNKNOWN
    job: int = UNKNOWN
    likes: tuple[Id, ...] = ()  # movie ids, each taken as rated highest
    dislikes: tuple[Id, ...] = ()  # what is near to them ranks lower
    rated: tuple[tuple[Id, float, int], ...] = ()  # (movie id, rating, time) new to the model
    as_of: int | None = None  # seconds since 1970: later ratings are not known yet; None: now
    attributes: tuple[tuple[str, str], ...] = ()  # name and value of any attribute of the schema

    def profile(self) -> dict[str, str]:
        """What is given of the attributes, in words."""
        codes = zip(MOVIELENS, (self.gender, self.age, self.job), strict=True)
        named = {each.name: each.value(code + 1) for each, code in codes if code != UNKNOWN}
        return named | dict(self.attributes)


class UserParts(NamedTuple):
    """Queries with all that is known of them, and their parts of a vector."""

    queries: list[UserQuery]  # completed with what the model knows
    asked: Asked
    parts: dict[str, Array]  # (B, size) each, not weighted yet


def user_parts_of(model: ModelFolder, queries: Sequence[UserQuery]) -> UserParts:
    """Queries completed with what the model knows of the users, and their parts.

    Raises:
        QueryError: a user id the model does not know.
    """
    rows = _user_rows(model, queries)
    described = model.vocabulary.users
    sides = model.attributes[rows].astype(np.int64)  # (B, W)
    for row, query in enumerate(queries):
        _name(described, query.profile(), sides[row : row + 1])
    completed = [_completed(q, described, each) for q, each in zip(queries, sides, strict=True)]
    asked = _asked(model, completed, rows, sides)
    found = head_parts(model.table, asked)
    found |= {
        "ease": ease_part(model.table, asked),
        "factors": factor_part(model.factors, asked),
        "taste": _disliked(model, completed),
    }
    return UserParts(completed, asked, found)


def _name(described: Attributes, profile: dict[str, str], rows: NDArray[np.int64]) -> None:
    """Put what a query says of a user into the user's (1, W) rows."""
    slots = {each.name: (each, part) for each, part in parts(described, rows)}
    for name, text in profile.items():
        if name not in slots:
            names = ", ".join(slots) or "none"
            raise QueryError(
                f"the model knows no {name} of its users; attributes it knows: {names}",
                "leave it out",
            )
        attribute, slot = slots[name]
        values = attribute.named(text)
        slot[0] = [*values, *[NO_VALUE] * (attribute.width - len(values))]


def _completed(query: UserQuery, described: Attributes, rows: NDArray[np.int64]) -> UserQuery:
    """A query with all that its (W,) rows say; MovieLens' attributes as codes."""
    said = profile(described, rows)
    codes: dict[str, Any] = {
        each.name: each.values.index(said.pop(each.name))
        for each in MOVIELENS
        if said.get(each.name) in each.values
    }
    return query._replace(**codes, attributes=tuple(said.items()))


def _user_rows(model: ModelFolder, queries: Sequence[UserQuery]) -> NDArray[np.int64]:
    """(B,) rows of the queries' users, 0 for cold-start users."""
    named = [query.user_id for query in queries if query.user_id is not None]
    found = model.vocabulary.user_rows(named)
    if not found.all():
        raise QueryError(
            f"user {named[int(np.argmin(found))]} is not one of the "
            f"{len(model.vocabulary.user_ids)} the model was trained on",
            "leave the id out and give a profile or likes",
            "user",
        )
    rows = np.zeros(len(queries), np.int64)
    rows[[query.user_id is not None for query in queries]] = found
    return rows


def _asked(
    model: ModelFolder,
    queries: Sequence[UserQuery],
    rows: NDArray[np.int64],
    attributes: NDArray[np.int64],
) -> Asked:
    """Histories at the moment of asking: likes and dislikes take precedence over what was rated.

    A dislike is no sighting: only the rating factors are told of it. A like is no rating: to the
    factors it says only that the movie was rated. As a rating of 5 it would raise all the others,
    for users name what they like best.
    """
    history = model.history.take(rows)
    until = np.array([NOW if query.as_of is None else query.as_of for query in queries])
    kept = history.times <= until[history.owners]
    named = [
        (owner, row, *more)
        for owner, query in enumerate(queries)
        for row, *more in _named(model, query)
    ]
    history, shown, rated = _with_named(history, kept, named)
    recency = Recency(model.weights.recency_floor, model.weights.recency_span)
    seen = shown > 0
    recent = shown.copy()
    recent[seen] = recency.by_user(history.owners[seen], history.times[seen])
    return Asked(rows, attributes, history, recent, shown, model.vocabulary.users, rated)


def _with_named(
    history: Interactions, kept: NDArray[np.bool_], named: Sequence[tuple]
) -> tuple[Interactions, Array, NDArray[np.bool_]]:
    """Histories of B users, some of their entries, and what queries name instead of or besides.

    Args:
        named: (user, movie row, rating, time, 0 for a dislike, 0 for a like) each.

    Returns:
        The histories with both; (N,) 0 for a dislike, else 1; (N,) whether each is a rating.
    """
    if not named:
        history = history if kept.all() else history.keep(kept)
        ones = np.ones(len(history.ratings), np.float32)
        return history, ones, ones > 0
    user, movie, rating, time, liked, judged = map(np.array, zip(*named, strict=True))
    places = set(zip(user.tolist(), movie.tolist(), strict=True))
    pairs = zip(history.owners.tolist(), history.movie_rows.tolist(), strict=True)
    history = history.keep(kept & np.array([pair not in places for pair in pairs], bool))
    order = np.argsort(np.concatenate([history.owners, user]), kind="stable")
    more = np.cumsum(np.bincount(user, minlength=len(history.counts)))
    ones = np.ones(len(history.ratings), np.float32)
    whole = Interactions(
        history.offsets + np.concatenate([[0], more]),
        np.concatenate([history.movie_rows, movie])[order].astype(np.int32),
        np.concatenate([history.ratings, rating])[order].astype(np.float32),
        np.concatenate([history.times, time])[order],
    )
    shown = np.concatenate([ones, liked])[order].astype(np.float32)
    return whole, shown, np.concatenate([ones, judged])[order] > 0


def _named(model: ModelFolder, query: UserQuery) -> list[tuple[int, float, int, int, int]]:
    """What a query adds to the user's history.

    Returns:
        (movie row, rating, time, 0 for a dislike, 0 for a like that is no rating) each.
    """
    found = {}
    for movie, rating, time in query.rated:
        if query.as_of is None or time <= query.as_of:
            found[movie] = (float(model.scale.inward(rating)), time, 1, 1)
    now = int(NOW)
    found |= {movie: (MAX_RATING, now, 1, 0) for movie in query.likes}
    found |= {movie: (MIN_RATING, now, 0, 1) for movie in query.dislikes}
    rows = model.vocabulary.movie_rows(list(found)).tolist()
    return [(row, *more) for row, more in zip(rows, found.values(), strict=True) if row]


def _disliked(model: ModelFolder, queries: Sequence[UserQuery]) -> Array:
    """(B, T) the sum of what each query's dislikes are in the taste part."""
    layout = model.layout
    total = np.zeros((len(queries), layout.taste), np.float32)
    for row, query in enumerate(queries):
        movies = model.vocabulary.movie_rows(list(query.dislikes))
        if len(movies):
            total[row] = unit(model.table("movies")[movies][:, -layout.taste :]).sum(0)
    return total

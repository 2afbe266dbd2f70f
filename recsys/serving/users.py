"""What is known of users when they ask, and what the vector of it is."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys import parts
from recsys.data.ids import MAX_ID, PADDING, Id, id_array, is_text
from recsys.data.ids import parts as attribute_parts
from recsys.data.interactions import Interactions
from recsys.data.scale import MAX_RATING
from recsys.data.schema import MOVIELENS, Attributes, profile
from recsys.errors import (
    ModelError,
    QueryError,
    RecsysError,
    check_types,
    checked,
    listed_values,
    quoted,
    wrong,
)
from recsys.parts.part import Array, Asked

if TYPE_CHECKING:
    from recsys.serving.model_folder import Model

NOW = 2**62  # the time of likes and dislikes named with a query
_LATEST = 253_402_300_799  # the end of the year 9999; what is beyond is no time in seconds
_time = functools.partial(
    checked, into=float, min=-_LATEST, max=_LATEST, words="a time in seconds since 1970"
)


class UserQuery(NamedTuple):
    """A known user, a profile, likes and dislikes, any of them together, or nothing at all.

    Args:
        user_id: one of the users that the model was trained on.
        attributes: what else is known of the user, by the schema's names, as text or numbers; of a
            known user what differs. MovieLens': gender, age (years) and job.
        likes: ids of movies; what is near to them ranks higher.
        dislikes: the same; what is near to them ranks lower.
        rated: (movie id, rating) or (movie id, rating, time) of ratings that are new to the model,
            on the scale of the data; to a model of events each of them is an event. Of several of a
            movie, the model's too, the latest counts; one without a time is of now, or of `as_of`.
        as_of: seconds since 1970; later ratings are not known yet. None: now.

    >>> UserQuery(42).user_id, UserQuery(likes=(50, 181)).likes
    (42, (50, 181))
    >>> UserQuery(attributes={"gender": "F", "age": 25, "job": "artist"}).attributes["age"]
    25
    >>> UserQuery(rated=[(50, 4.5), (181, 3, 978300000)]).rated[0]
    (50, 4.5)
    """

    user_id: Id | None = None
    attributes: Mapping[str, str | float] = MappingProxyType({})
    likes: Sequence[Id] = ()
    dislikes: Sequence[Id] = ()
    rated: Sequence[tuple[Any, ...]] = ()
    as_of: int | None = None


class Users(NamedTuple):
    """B queries with all that is known of their users, and the users' slices of a vector."""

    model: "Model"
    queries: list[UserQuery]  # completed with what the model knows
    rated: Interactions  # B rows; to what is asked likes are added
    asked: Asked
    slices: dict[str, Array]  # (B, size) each, not weighted yet
    predicting: dict[str, Array]  # the same for predicted ratings, to which a like is no rating

    def vectors(self, question: str) -> Array:
        """(B, V) queries whose inner product with a movie is its score.

        Raises:
            QueryError: the question is of ratings, and the model has none.
        """
        if question not in self.model.weights:
            cause = "trained on events without ratings, so none can be predicted"
            remedy = "ask for recommendations by relevance"
            raise QueryError(f"{self.model.path}: {cause}", remedy)
        weights = parts.weights_of(self.model.weights[question], self.asked)
        slices = self.predicting if question == "rating" else self.slices
        return self.model.layout.queries(slices, weights)

    def otherwise(
        self, row: int, sides: NDArray[np.int64], history: Interactions, named: Interactions
    ) -> "Users":
        """One of the users in N ways: (N, W) attributes, N rows of ratings and of likes."""
        rows = np.repeat(self.asked.user_rows[row], len(sides))
        queries = [self.queries[row]] * len(sides)
        return described(self.model, queries, rows, sides, history, named)


def naming_damage(compute: Callable[..., Any]) -> Callable[..., Any]:
    """A function of a model which, where it fails or finds no numbers, names a damaged file.

    A query reads some rows of the arrays, so their digests are looked at only then. Where they are
    well, the arrays do not go with each other or with what is asked.
    """

    @functools.wraps(compute)
    def call(model: "Model", *args: Any, **more: Any) -> Any:
        try:
            with np.errstate(all="ignore"):  # a warning would not say which file
                found = compute(model, *args, **more)
            numbers = [found]
            if isinstance(found, Users):
                numbers = [*found.slices.values(), *found.predicting.values()]
            finite = all(np.isfinite(each).all() for each in numbers)
            if not finite or len({*map(len, numbers)}) > 1:
                raise ValueError("not a finite number for each")
        except RecsysError:
            raise
        except Exception as error:
            model.verify()
            cause = f"{model.path}: does not go together, or with the question ({error})"
            raise ModelError(cause, "train again", "train") from error
        return found

    return call


def checked_queries(model: "Model", queries: Iterable[UserQuery]) -> list[UserQuery]:
    """Queries as they are meant: ids of the model's kind in lists, every rating with its time.

    Raises:
        QueryError: a value is of another kind.
    """
    known, found = model.vocabulary.movie_ids, []
    for query in listed_values("queries", queries, "a list of recsys.UserQuery"):
        check_types(query=(query, UserQuery))
        check_types(attributes=(query.attributes, Mapping))
        as_of = None if query.as_of is None else int(_time("as_of", query.as_of))
        rated, now = [], NOW if as_of is None else as_of
        form = "(movie id, rating) or (movie id, rating, time), in a list"
        for each in listed_values("rated", query.rated, form):
            values = listed_values("rated", each, form)
            if len(values) not in (2, 3):
                raise wrong("rated", each, form)
            movie, rating, *times = values
            at = int(_time("rated at", *times)) if times else now
            rated.append((movie, rating, at))
        ids = checked_ids([each[0] for each in rated], known, "movie").tolist()
        rated = [(movie, *each[1:]) for movie, each in zip(ids, rated, strict=True)]
        likes, dislikes = (tuple(checked_ids(ids, known, "movie").tolist()) for ids in query[2:4])
        found.append(query._replace(likes=likes, dislikes=dislikes, rated=rated, as_of=as_of))
    return found


@naming_damage
def users_of(model: "Model", queries: Sequence[UserQuery]) -> Users:
    """Checked queries completed with what the model knows of the users, and their slices.

    Raises:
        QueryError: a query names what the model does not know, or contradicts itself.
    """
    vocabulary, has_id = model.vocabulary, [query.user_id is not None for query in queries]
    known = [query.user_id for query in queries if query.user_id is not None]
    user_ids = checked_ids(known, vocabulary.user_ids, "user")
    rows = np.zeros(len(queries), np.int64)
    rows[has_id] = vocabulary.user_rows(user_ids)
    if not rows[has_id].all():
        unknown, count = user_ids[int(np.argmin(rows[has_id]))], len(vocabulary.user_ids)
        cause = f"user {unknown} is not one of the {count} the model was trained on"
        profiled = not {*MOVIELENS}.isdisjoint(vocabulary.users)
        remedy = f"leave the id out and give {'a profile or ' * bool(vocabulary.users)}likes"
        raise QueryError(cause, remedy, "user" if profiled else "like")
    sides, completed = model.attributes[rows].astype(np.int64), []  # (B, W)
    for query, row in zip(queries, sides, strict=True):
        _set_profile(vocabulary.users, query.attributes, row[None])
        completed.append(query._replace(attributes=profile(vocabulary.users, row)))

    until = np.array([NOW if each.as_of is None else each.as_of for each in queries], np.int64)
    history = model.history.take(rows) if rows.any() else Interactions.empty(len(rows))
    if any(each.as_of is not None for each in queries):
        history = history.keep(history.times <= until[history.owners])
    rated = [
        (n, movie, model.scale.learned(rating), time)
        for n, query in enumerate(queries)
        for movie, rating, time in query.rated
        if time <= until[n]
    ]
    likes = [(n, movie, 1.0, NOW) for n, query in enumerate(queries) for movie in query.likes]
    dislikes = [(n, movie, -1.0, NOW) for n, q in enumerate(queries) for movie in q.dislikes]
    new = _interactions(model, len(queries), rated)
    history = history.updated(new) if len(history.indices) else new
    named = _interactions(model, len(queries), [*likes, *dislikes])
    for query in queries:
        if both := {*query.likes} & {*query.dislikes}:
            title = model.movies.titles[int(vocabulary.movie_rows([*both])[0]) - 1]
            raise QueryError(f"{title} is both liked and disliked", "name it once")

    return described(model, completed, rows, sides, history, named)


def described(
    model: "Model",
    queries: list[UserQuery],
    rows: NDArray[np.int64],
    sides: NDArray[np.int64],
    history: Interactions,
    named: Interactions,
) -> Users:
    """B users by what is known of them.

    Args:
        rows: (B,) of the users, 0 for cold-start users.
        sides: (B, W) rows of their attributes.
        history: B rows; and likewise `named`, 1 for a like, -1 for a dislike.
    """

    def asked_with(ratings: Interactions) -> Asked:
        return Asked.of(rows, sides, model.vocabulary.users, ratings, model.recency, named)

    asked, rated = asked_with(history), history
    liking = len(named.indices) > 0
    rating = parts.used_slices({"rating": model.weights.get("rating", {})}) if liking else None
    slices = predicting = parts.users(model.arrays, asked, model.tables, rating)
    if liking:  # a like ranks as a rating of just now, a dislike is no sighting
        values = np.where(named.values > 0, np.float32(MAX_RATING), 0)
        history = history.updated(named._replace(values=values))
        asked = asked_with(history.keep(history.values > 0))
        others = {name: each for name, each in model.weights.items() if name != "rating"}
        slices = parts.users(model.arrays, asked, model.tables, parts.used_slices(others))
    return Users(model, queries, rated, asked, slices, predicting)


def _set_profile(described: Attributes, given: Mapping[str, Any], rows: NDArray[np.int64]) -> None:
    """Put what a query says of a user into the user's (1, W) rows."""
    slots = {each.name: (each, slot) for each, slot in attribute_parts(described, rows)}
    for name, value in given.items():
        if name not in slots:
            names = ", ".join(slots) or "none"
            cause = f"the model knows no {name} of its users; attributes it knows: {names}"
            raise QueryError(cause, "leave it out")
        attribute, slot = slots[name]
        values = attribute.rows_of(value)
        slot[0] = [*values, *[PADDING] * (attribute.width - len(values))]


def _interactions(
    model: "Model", users: int, ratings: Sequence[tuple[int, Id, float, int]]
) -> Interactions:
    """Ratings (user, movie id, value, time), of a movie the latest, of equal ones the last.

    Raises:
        QueryError: a movie that the model does not know.
    """
    if not ratings:
        return Interactions.empty(users)
    by_time = sorted(ratings, key=itemgetter(3))
    latest = {(user, movie): (user, *values) for user, movie, *values in by_time}
    known = model.vocabulary.movie_ids
    movies = id_array([movie for _, movie in latest], is_text(known))
    rows = model.vocabulary.movie_rows(movies)
    if not rows.all():
        raise unknown_movie(movies[rows.argmin()])
    owners, *columns = np.array([*latest.values()], np.float64).reshape(-1, 3).T
    return Interactions.build(users - 1, owners, rows, *columns)


def checked_ids(given: NDArray | Iterable[Id], known: NDArray, what: str) -> NDArray:
    """(N,) ids of the kind that the model's are, whole numbers or text.

    Raises:
        QueryError: one is of another kind.
    """
    ids, text = listed_values(f"{what} ids", given, "a list of ids"), is_text(known)
    for each in ids:
        whole = isinstance(each, int | np.integer) and abs(each) <= MAX_ID
        if not (isinstance(each, str) if text else whole) or isinstance(each, bool):
            kind = "text" if text else "whole numbers"
            cause = f"{what} {quoted(each) if isinstance(each, str) else each}: ids are {kind} here"
            raise QueryError(cause, f"give one such as {known[:1].tolist()}")
    return id_array(ids, text)


def unknown_movie(movie_id: Id) -> QueryError:
    """The error for a movie that a query names."""
    cause = f"movie {movie_id} is not one the model was trained on"
    return QueryError(cause, "name another, or publish the movies with it", "publish")

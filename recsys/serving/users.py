"""What is known of users when they ask, and what the vector of it is."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys import parts
from recsys.data.ids import MAX_ID, PADDING, Id, id_array, is_text
from recsys.data.ids import parts as attribute_parts
from recsys.data.interactions import Interactions
from recsys.data.scale import MAX_RATING
from recsys.data.schema import MOVIELENS
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
    """A user to recommend to: any combination of an id, a profile, likes, dislikes and ratings.

    Args:
        user_id: one of the users that the model was trained on.
        attributes: values by the schema's names, as text or numbers; for a known user they replace
            those of the model. MovieLens has gender, age (years) and job.
        likes: ids of movies; similar ones rank higher.
        dislikes: ids of movies; similar ones rank lower.
        rated: (movie id, rating) or (movie id, rating, time) of ratings that are new to the model,
            on the scale of the data; for a model of events each is an event. The latest rating of a
            movie counts, also against the model's; one without a time is of now, or of `as_of`.
        as_of: seconds since 1970; later ratings are ignored. None: now.

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
    """What is known of B users who ask, and their slices of a vector, as these are asked for."""

    model: "Model"
    asked: Asked  # with likes as ratings
    predicted: Asked  # for predicted ratings, to which a like is none

    @classmethod
    def of(
        cls,
        model: "Model",
        rows: NDArray[np.int64],
        sides: NDArray[np.int64],
        history: Interactions,
        named: Interactions,
    ) -> "Users":
        """B users by rows, attributes, ratings, and what is named: 1 a like, -1 a dislike."""
        asked = Asked(rows, sides, model.vocabulary.users, history, model.recency, named)
        if not len(named.indices):
            return cls(model, asked, asked)
        values = np.where(named.values > 0, np.float32(MAX_RATING), 0)  # a dislike is no sighting
        liked = history.updated(named.owners, named.indices, values, named.times)  # of just now
        return cls(model, replace(asked, history=liked.keep(liked.values > 0)), asked)

    def vectors(self, question: str) -> Array:
        """(B, V) queries whose inner product with a movie is its score."""
        if question not in self.model.weights:
            cause = "trained on events without ratings, so none can be predicted"
            remedy = "ask for recommendations by relevance"
            raise QueryError(f"{self.model.path}: {cause}", remedy)
        weights = parts.weights_of(self.model.weights[question], self.asked)
        return _vectors(self.model, self.predicted if question == "rating" else self.asked, weights)


def naming_damage(compute: Callable[..., Any]) -> Callable[..., Any]:
    """A function of a model which, where it fails or gives no numbers, names a damaged file."""

    @functools.wraps(compute)
    def call(model: "Model", *args: Any) -> Any:
        try:
            with np.errstate(all="ignore"):  # a warning would not say which file
                found = compute(model, *args)
            if isinstance(found, np.ndarray) and not np.isfinite(found).all():
                raise ValueError("not a finite number for each")
            return found
        except (RecsysError, ImportError):  # scipy may be left out
            raise
        except Exception as error:
            model.verify()
            cause = f"{model.path}: does not go together, or with the question ({error})"
            raise ModelError(cause, "train again", "train") from error

    return call


@naming_damage
def _vectors(model: "Model", asked: Asked, weights: parts.Weights) -> Array:
    """(B, V) users' slices times weights."""
    named = asked.named is not None and len(asked.named.indices)
    asks = [n for n, w in weights.items() if (w.any() if isinstance(w, np.ndarray) else w)]
    used = {n.partition(".")[0] for n in asks if named or "." not in n}
    asked.slices.update(parts.users(model.tables, asked, used - asked.slices.keys()))
    if not asked.slices:
        return np.zeros((asked.history.rows, model.layout.size), np.float32)
    return model.layout.queries(asked.slices, weights)


def checked_queries(model: "Model", queries: Iterable[UserQuery]) -> list[UserQuery]:
    """Queries as they are meant: ids of the model's kind in lists, every rating with its time."""
    known, found = model.vocabulary.movie_ids, []
    for query in listed_values("queries", queries, "a list of recsys.UserQuery"):
        check_types(query=(query, UserQuery))
        check_types(attributes=(query.attributes, Mapping))
        as_of = None if query.as_of is None else int(_time("as_of", query.as_of))
        rated, form = [], "(movie id, rating) or (movie id, rating, time), in a list"
        for each in listed_values("rated", query.rated, form):
            values = each if type(each) is tuple else listed_values("rated", each, form)
            if len(values) not in (2, 3):
                raise wrong("rated", each, form)
            now = NOW if as_of is None else as_of
            time = int(_time("rated at", values[2])) if values[2:] else now
            rated.append((values[0], values[1], time))
        checked_ids([each[0] for each in rated], known, "movie")
        likes, dislikes = (tuple(checked_ids(ids, known, "movie").tolist()) for ids in query[2:4])
        found.append(query._replace(likes=likes, dislikes=dislikes, rated=rated, as_of=as_of))
    return found


def known_users(
    model: "Model", queries: Sequence[UserQuery]
) -> tuple[NDArray[np.int64], NDArray[np.int64], Sequence[NDArray], Sequence[NDArray]]:
    """(B,) rows of users who ask, 0 for new ones; (B, W) those of their attributes; and as columns
    for `Interactions.updated` what is named, and what is rated until then, nothing if none is.

    Raises a QueryError where a query names what the model does not know, or contradicts itself.
    """
    vocabulary, rows = model.vocabulary, np.zeros(len(queries), np.int64)
    ids = {n: query.user_id for n, query in enumerate(queries) if query.user_id is not None}
    user_ids = checked_ids([*ids.values()], vocabulary.user_ids, "user")
    if ids:
        rows[[*ids]] = vocabulary.user_rows(user_ids)
    if unknown := [each for n, each in ids.items() if not rows[n]]:
        count = len(vocabulary.user_ids)
        cause = f"user {unknown[0]} is not one of the {count} the model was trained on"
        profiled = not {*MOVIELENS}.isdisjoint(vocabulary.users)
        remedy = f"leave the id out and give {'a profile or ' * bool(vocabulary.users)}likes"
        raise QueryError(cause, remedy, "user" if profiled else "like")
    sides = model.attributes[rows].astype(np.int64)  # (B, W)
    described = vocabulary.users if any(query.attributes for query in queries) else ()
    slots = {each.name: (each, slot) for each, slot in attribute_parts(described, sides)}
    for row, query in enumerate(queries):
        if both := [each for each in query.likes if each in {*query.dislikes}]:
            title = model.movies.titles[movie_rows(model, both)[0] - 1]
            raise QueryError(f"{title} is both liked and disliked", "name it once")
        for name, value in query.attributes.items():
            if name not in slots:
                names = ", ".join(slots) or "none"
                cause = f"the model knows no {name} of its users; attributes it knows: {names}"
                raise QueryError(cause, "leave it out")
            attribute, slot = slots[name]
            values = attribute.rows_of(value)
            slot[row] = [*values, *[PADDING] * (attribute.width - len(values))]
    named = [
        (n, movie, value, NOW)
        for n, query in enumerate(queries)
        for value, movies in ((1.0, query.likes), (-1.0, query.dislikes))
        for movie in dict.fromkeys(movies)
    ]
    rated = [
        (n, *each)
        for n, query in enumerate(queries)
        for each in query.rated
        if each[2] <= (NOW if query.as_of is None else query.as_of)
    ]
    likes = _entries(model, named, np.array)
    return rows, sides, likes, _entries(model, rated, model.scale.learned)


@naming_damage
def users_of(model: "Model", queries: Sequence[UserQuery]) -> Users:
    """What the model and checked queries say of the users, and their slices."""
    rows, sides, named, rated = known_users(model, queries)
    history, likes = model.history.take(rows), Interactions.empty(len(rows))
    until = [NOW if each.as_of is None else each.as_of for each in queries]
    if min(until, default=NOW) < NOW:
        history = history.keep(history.times <= np.array(until)[history.owners])
    history = history.updated(*rated) if rated else history
    return Users.of(model, rows, sides, history, likes.updated(*named) if named else likes)


def _entries(
    model: "Model", given: Sequence[tuple[int, Id, float, int]], learned: Callable[[Any], NDArray]
) -> Sequence[NDArray]:
    """Rows of queries and movies, values and times, of those by movie ids; nothing of none."""
    if not given:
        return ()
    owners, movies, values, times = zip(*given, strict=True)
    return np.array(owners), movie_rows(model, movies), learned(values), np.array(times)


def movie_rows(model: "Model", movie_ids: Iterable[Id]) -> NDArray[np.int64]:
    """(N,) rows of movies; QueryError where the model was not trained on one."""
    ids = id_array(movie_ids, is_text(model.vocabulary.movie_ids))
    rows = model.vocabulary.movie_rows(ids)
    if not rows.all():
        cause = f"movie {ids[rows.argmin()]} is not one the model was trained on"
        raise QueryError(cause, "name another, or publish the movies with it", "publish")
    return rows


def checked_ids(given: NDArray | Iterable[Id], known: NDArray, what: str) -> NDArray:
    """(N,) ids of the kind that the model's are, whole numbers or text; QueryError if not."""
    ids, text = listed_values(f"{what} ids", given, "a list of ids"), is_text(known)
    for each in ids:
        whole = isinstance(each, (int, np.integer)) and abs(each) <= MAX_ID
        if not (isinstance(each, str) if text else whole) or isinstance(each, bool):
            kind = "text" if text else "whole numbers"
            cause = f"{what} {quoted(each) if isinstance(each, str) else each}: ids are {kind} here"
            raise QueryError(cause, f"give one such as {known[:1].tolist()}")
    return id_array(ids, text)

"""A query to a vector, a vector to ranked movies. NumPy only: a query does not load Paddle.

A question is what the slices of a user's vector weigh in the inner product, which is the score;
see `recsys.parts.QUESTIONS`. Likes and dislikes named with a query say what a user is fond of, not
how high the user rates: they turn the directions of predicted ratings, not the level.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, count, islice, repeat
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from recsys import parts
from recsys.data.dataset import Movies, of_kind
from recsys.data.ids import Id, id_array, is_text
from recsys.data.scale import MAX_RATING, MIN_RATING
from recsys.data.schema import profile
from recsys.errors import QueryError, check_choice, check_types, listed, shortened, wrong
from recsys.parts.part import Array, unit
from recsys.serving import RankBy as RankBy
from recsys.serving.catalogue import Catalogue, Filter, Hits, check_k
from recsys.serving.choice import Choice as Choice
from recsys.serving.model_folder import Model
from recsys.serving.reasons import Shared, Why, shared, why
from recsys.serving.users import UserQuery as UserQuery
from recsys.serving.users import (
    checked_ids,
    checked_queries,
    known_users,
    movie_rows,
    naming_damage,
)
from recsys.serving.users import users_of as users_of

if TYPE_CHECKING:
    from recsys.milvus_store import MilvusStore

BATCH = 100  # users asked for at a time
AT_ONCE = 4096  # movies whose vectors are computed at a time, which bounds memory
RATINGS: tuple[RankBy, ...] = ("rating", "tutorial")  # questions whose scores are ratings


class Recommendation(NamedTuple):
    """One movie of an answer.

    Args:
        rank: from 1.
        movie_id: as in the data.
        title: with the year at its end.
        genres: their names.
        year: 0 if unknown.
        score: what the list is sorted by: an inner product, or a predicted rating.
        rating: the predicted rating, on the scale of the data; None if there is none.
        is_new: the model was not trained on this movie.
        columns: values of your own columns by name, None if unknown.
        why: contributions to the score, or what it shares with the movie it is similar to.

    >>> Recommendation(1, 50, "Star Wars (1977)", ("Sci-Fi",), 1977, 0.54, 4.4, False).title
    'Star Wars (1977)'
    """

    rank: int
    movie_id: Id
    title: str
    genres: tuple[str, ...]
    year: int
    score: float
    rating: float | None
    is_new: bool
    columns: dict[str, Any] = {}  # noqa: RUF012
    why: Why | Shared | None = None  # where it was asked to be explained


class Answer(list[Recommendation]):
    """The movies for a query, best first."""

    def __init__(self, query: UserQuery, movies: Sequence[Recommendation]) -> None:
        super().__init__(movies)
        self.query = query  # with all attributes that the model knows of the user

    def __repr__(self) -> str:
        given = {name: each for name, each in self.query._asdict().items() if each}
        whom = shortened(", ".join(f"{name} {each}" for name, each in given.items()) or "anybody")
        return f"<{len(self)} movies for {whom}: {listed([each.title for each in self], 3)}>"


class Recommender:
    """Answers queries from a store that holds the movies of a model.

    Args:
        model: as `load_model` or `train_model` has it.
        store: a `MilvusStore`, or a `catalogue` to search in memory.

    Raises:
        StoreError: the movies there are those of another model; also raised by queries.

    >>> import recsys
    >>> model = recsys.load_model("sample.model")
    >>> with recsys.MilvusStore("sample.db") as store:
    ...     movies = recsys.Recommender(model, store)
    ...     (answer,) = movies.recommend([recsys.UserQuery(42)], k=10)
    >>> [movie.rank for movie in answer]
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    """

    def __init__(self, model: Model, store: "Catalogue | MilvusStore") -> None:
        check_types(model=(model, Model))
        if not hasattr(store, "check_model"):
            raise wrong("store", store, "a MilvusStore or a catalogue")
        self.model, self.store = model, store
        store.check_model(model.fingerprint)

    def recommend(
        self,
        queries: Iterable[UserQuery],
        k: int,
        *,
        rank_by: RankBy = "relevance",
        filter: Filter = Filter(),
        include_seen: bool = False,
        choice: Choice = Choice(),
        explain: bool = False,
    ) -> Iterator[Answer]:
        """The k best movies for each query, best first, fewer where fewer fit.

        Movies rated before are left out unless `include_seen`; named likes and dislikes always are.

        Args:
            rank_by: what the score is: "relevance", "rating", "tutorial" or "taste"; by taste there
                is nothing for a user of whom neither ratings nor likes are known.
            choice: which of the best are taken; candidates, and movies that must not come.
            explain: say which ratings carried each movie.

        Raises:
            QueryError: what a query names is not there: a user, an attribute or its value, a movie,
                a genre, a column, a rating off the scale; or a model of events has no ratings; or
                the one user has no taste to rank by.
        """
        check_choice("rank_by", rank_by, get_args(RankBy))
        check_choice("include_seen", include_seen, (False, True))
        check_types(choice=(choice, Choice))
        check_k(k)
        asked, filter = checked_queries(self.model, queries), self._checked(filter)
        known, movie_ids = self._known(asked), self.model.vocabulary.movie_ids
        if others := known[BATCH:]:  # those before are asked for at once
            naming_damage(known_users)(self.model, others)
        unwanted, searched = checked_ids(choice.exclude, movie_ids, "movie"), self.store
        if choice.only is not None:
            searched = self.store.take(np.unique(checked_ids(choice.only, movie_ids, "movie")))
        shown = self.model.scale.outward if rank_by in RATINGS else np.asarray

        def answers(start: int) -> Iterator[Answer]:
            self.store.check_model(self.model.fingerprint)
            some = asked[start : start + BATCH]
            users, exclude = users_of(self.model, known[start : start + BATCH]), []
            vectors = users.vectors(rank_by)
            for row, query in enumerate(some):
                named = id_array([*query.likes, *query.dislikes], is_text(movie_ids))
                rated = movie_ids[users.predicted.history.of(row)[0] - 1]
                seen = rated[:0] if include_seen else rated
                exclude.append(np.concatenate([unwanted, named, seen]))
            untasted = ~vectors.any(1) if rank_by == "taste" else ()  # nothing is near to nothing
            if len(asked) == 1 and any(untasted):
                cause = "no ratings or likes are known, and only they say anything of taste"
                raise QueryError(cause, "name a movie the user likes", "like")
            for pool in choice.pools(k):
                best = searched.search(vectors, pool, filter, exclude, self._vectors_of)
                hits = choice.of(best, k, self.model) if choice.reorders else best
                if not choice.reorders or hits.mask.all() or not best.mask.all(1).any():
                    break
            if any(untasted):
                hits.scores[untasted] = -np.inf
            predicting = users.vectors("rating") if self.model.scale.rated else [None] * len(some)
            for row, query in enumerate(some):
                reasons = partial(why, users, row, rank_by, shown) if explain else None
                found = self._listed(hits, row, predicting[row], shown, reasons)
                about = profile(self.model.vocabulary.users, users.asked.attributes[row])
                yield Answer(query._replace(attributes=about), found)

        every = chain.from_iterable(map(answers, range(0, len(asked), BATCH)))
        return chain([*islice(every, 1)], every)  # what is wrong is raised before one is looked at

    def similar(
        self, movie_id: Id, k: int, filter: Filter = Filter(), explain: bool = False
    ) -> list[Recommendation]:
        """The k movies nearest to one in taste; the score is a cosine, no rating is predicted.

        Args:
            explain: say what each has in common with it.

        Raises:
            QueryError: the movie is not published, or a genre or column is not there.
        """
        filter = self._checked(filter)
        ids = checked_ids([movie_id], self.model.vocabulary.movie_ids, "movie")
        movie = self.store.take(ids)
        hits = self.store.search(self._near(movie), k, filter, [ids], self._vectors_of)
        return self._listed(hits, reasons=partial(shared, self.model, movie) if explain else None)

    def _checked(self, filter: Filter) -> Filter:
        """A filter as the model understands it, where the store answers for this model."""
        check_types(filter=(filter, Filter))
        self.store.check_model(self.model.fingerprint)
        return filter.checked(self.model.vocabulary)

    def _vectors_of(self, movie_ids: NDArray) -> Array | None:
        """(N, V) vectors of movies, None unless the model knows all of them."""
        rows = self.model.vocabulary.movie_rows(movie_ids)
        return _vectors(self.model, rows) if rows.all() else None

    def _near(self, movies: Catalogue) -> Array:
        """(N, V) queries for what is near to N movies in taste."""
        layout, weights = self.model.layout, self.model.weights["similar"]
        slices = layout.split(movies.vectors)
        return layout.queries({name: unit(slices[name]) for name in weights}, weights)

    def _known(self, queries: list[UserQuery]) -> list[UserQuery]:
        """Queries with the nearest known movies for likes and dislikes that are only published."""
        vocabulary = self.model.vocabulary
        every = [each for query in queries for each in (*query.likes, *query.dislikes)]
        if not every:
            return queries
        named = id_array(dict.fromkeys(every), is_text(vocabulary.movie_ids))
        new = named[vocabulary.movie_rows(named) == 0]
        if not len(new):
            return queries
        near = catalogue(self.model).search(self._near(self.store.take(new)), 1)
        instead = dict(zip(new.tolist(), near.movie_ids[:, 0].tolist(), strict=True))

        def known(ids: Sequence[Id]) -> list[Id]:
            return [instead.get(each, each) for each in ids]

        return [q._replace(likes=known(q.likes), dislikes=known(q.dislikes)) for q in queries]

    def _listed(
        self,
        hits: Hits,
        row: int = 0,
        user: Array | None = None,
        shown: Callable[[Array], Array] = np.asarray,
        reasons: Callable[[Catalogue], Sequence[Why | Shared]] | None = None,
    ) -> list[Recommendation]:
        """The movies of a query; with ratings as a (V,) user's vector predicts them, if any."""
        mask = hits.scores[row] > -np.inf
        movies = hits.movies.take(hits.movie_ids[row, mask])
        columns, ratings = movies.columns, repeat(None)
        if user is not None:
            ratings = self.model.scale.outward(np.einsum("v,nv->n", user, movies.vectors)).tolist()
        every = zip(
            count(1),
            movies.ids.tolist(),
            movies.titles,
            movies.genres,
            movies.years.tolist(),
            shown(hits.scores[row, mask]).tolist(),
            ratings,
            movies.is_new.tolist(),
            [{name: columns[name].value(n) for name in columns} for n in range(len(movies))],
            reasons(movies) if reasons and len(movies) else repeat(None),
            strict=False,
        )
        return [Recommendation(*each) for each in every]


def predict(
    model: Model,
    user_ids: NDArray | Sequence[Id],
    movie_ids: NDArray | Sequence[Id],
    as_of: int | None = None,
    published: Catalogue | None = None,
    rank_by: RankBy = "rating",
) -> NDArray[np.float32]:
    """(N,) predicted ratings, or other scores, of (N,) pairs of known users and movies.

    Args:
        model: as `load_model` has it.
        user_ids: (N,) of its users.
        movie_ids: (N,) of movies, one for each of these.
        as_of: as `UserQuery` has it.
        published: of this model, as `MilvusStore.read_all` gives them; for those movies among
            the pairs that the model was not trained on.
        rank_by: what the score is, as `Recommender.recommend` has it; the predicted rating, on
            the scale of the data, if not given.

    Raises:
        QueryError: a user or movie that is not known, or there are no ratings.

    >>> import recsys
    >>> model = recsys.load_model("sample.model")
    >>> recsys.predict(model, np.array([42, 42]), np.array([1, 50])).shape
    (2,)
    """
    check_choice("rank_by", rank_by, get_args(RankBy))
    check_types(model=(model, Model), published=(published, Catalogue | None))
    known = model.vocabulary
    of_users = checked_ids(user_ids, known.user_ids, "user")
    of_movies = checked_ids(movie_ids, known.movie_ids, "movie")
    if len(of_users) != len(of_movies):
        cause = f"{len(of_users)} users and {len(of_movies)} movies are no pairs"
        raise QueryError(cause, "give as many movies as users")
    users, user = np.unique(of_users, return_inverse=True)
    movies, movie = np.unique(of_movies, return_inverse=True)
    rows = movie_rows(model, movies) if published is None else known.movie_rows(movies)
    vectors = _vectors(model, rows)
    if published is not None and not rows.all():
        published.check_model(model.fingerprint)
        vectors[rows == 0] = published.take(movies[rows == 0]).vectors
    queries = [UserQuery(each, as_of=as_of) for each in users.tolist()]
    asked = user_vectors(model, queries, rank_by).vectors[user]
    scores = np.einsum("nv,nv->n", asked, vectors[movie])
    return model.scale.outward(scores) if rank_by in RATINGS else scores


def predicted_ratings(users: Array, movies: Array) -> Array:
    """(N,) inner products of (N, V) users (or one) and movies, within the scale."""
    return np.clip(np.einsum("nv,nv->n", users, movies), MIN_RATING, MAX_RATING)


def catalogue(model: Model, movies: Movies | None = None) -> Catalogue:
    """Movies with their vectors, ready to be published or searched.

    Args:
        model: whose vectors they are.
        movies: by default those the model was trained on. Movies unknown to it get vectors from
            their genres, year, title words and columns.

    Raises:
        QueryError: the model's ids are numbers, those of the movies are text.

    >>> import recsys
    >>> movies = recsys.catalogue(recsys.load_model("sample.model"))
    >>> len(movies), movies.is_new.any().item()
    (338, False)
    """
    check_types(model=(model, Model), movies=(movies, Movies | None))
    movies = movies or model.movies
    ids = of_kind(movies.ids, model.vocabulary.movie_ids, "movie", "file")
    rows = model.vocabulary.movie_rows(ids)
    return Catalogue(
        ids=ids,
        titles=movies.titles,
        genres=movies.genres,
        years=movies.years,
        is_new=(rows == 0) | np.isin(rows, model.new_rows),
        vectors=_vectors(model, rows, movies[np.flatnonzero(rows == 0)]),
        columns=model.vocabulary.columns(movies),
        model=model.fingerprint,
    )


@naming_damage
def _vectors(model: Model, rows: NDArray[np.integer], new: Movies | None = None) -> Array:
    """(N, V) vectors of movies by row, those of row 0 being, in their order, the `new` ones."""
    slices, layout = parts.movies(model.arrays), model.layout
    vectors = np.empty((len(rows), layout.size), np.float32)
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        some_slices = {name: np.asarray(each)[some] for name, each in slices.items()}
        vectors[start : start + AT_ONCE] = layout.movies(some_slices)
    if new is not None and len(new):
        guessed = parts.new_movies(model.arrays, layout, new, model.vocabulary)
        vectors[rows == 0] = layout.movies(guessed)
    return vectors


class Vectors(NamedTuple):
    """Vectors of N movies or users: an inner product of one of each is a score."""

    ids: NDArray  # (N,)
    vectors: Array  # (N, V)
    names: list[str]  # (V,) which part a number is of, as "ease.0"


def item_vectors(model: Model) -> Vectors:
    """Ids and vectors of all movies of a model, in order of rows, of unit length, as published.

    Args:
        model: as `load_model` has it.

    >>> import recsys
    >>> recsys.item_vectors(recsys.load_model("sample.model")).ids[:3].tolist()
    [1, 2, 3]
    """
    ids = model.vocabulary.movie_ids
    return Vectors(ids, _vectors(model, np.arange(1, len(ids) + 1)), model.layout.names)


def user_vectors(
    model: Model, queries: Iterable[UserQuery] | None = None, rank_by: RankBy = "relevance"
) -> Vectors:
    """Ids and vectors of queries; `recommend` ranks by their inner products with movies' vectors.

    Args:
        model: as `load_model` has it.
        queries: one for each of the model's users if not given; the id of others is None.
        rank_by: which score, as `Recommender.recommend` has it.

    Raises:
        QueryError: a query names what the model does not know, or it has no ratings.

    >>> import recsys
    >>> model = recsys.load_model("sample.model")
    >>> users = recsys.user_vectors(model, [recsys.UserQuery(42), recsys.UserQuery(likes=(50,))])
    >>> (users.vectors @ recsys.item_vectors(model).vectors.T).shape
    (2, 338)
    """
    check_choice("rank_by", rank_by, get_args(RankBy))
    if queries is None:
        queries = map(UserQuery, model.vocabulary.user_ids.tolist())
    asked = checked_queries(model, queries)
    given: list[Any] = [each.user_id for each in asked]
    ids = np.array(given, object) if None in given else id_array(given)
    return Vectors(ids, users_of(model, asked).vectors(rank_by), model.layout.names)

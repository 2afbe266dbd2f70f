"""A query to a vector, a vector to ranked movies. NumPy only: a query does not load Paddle.

One collection answers every question (`recsys.serving.vector`); a question is what the parts of a
user's vector weigh in the inner product, which is the score:

    relevance  the weighted mean of the cosines of retrieval head, rating head and EASE part
    rating     the predicted rating: 5 x cosine of the rating head and the rating factors, blended
    tutorial   5 x cosine of the rating head
    similar    the taste part of a movie; a dislike takes DISLIKE of it away from a query
"""

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import UNKNOWN, Movies
from recsys.data.history import History
from recsys.data.ids import positions
from recsys.data.movielens import MAX_RATING, MIN_RATING
from recsys.data.recency import Recency
from recsys.errors import DataError
from recsys.serving.catalogue import NO_MOVIE, Catalogue, Filter, Store
from recsys.serving.content import Prior, kernel_of, movie_blocks
from recsys.serving.model_folder import ModelFolder
from recsys.serving.users import Asked, ease_part, factor_part, head_parts
from recsys.serving.vector import Array, unit

BATCH = 1_000  # users asked for at a time
DISLIKE = 0.05  # of the similarity to a disliked movie, taken away from the score
NOW = np.iinfo(np.int64).max  # the time of likes and dislikes named with a query

RankBy = Literal["relevance", "rating", "tutorial"]


class UserQuery(NamedTuple):
    """A known user, a profile, likes and dislikes, any of them together, or nothing at all.

    >>> UserQuery(42).user_id, UserQuery(likes=(50, 181)).likes
    (42, (50, 181))
    """

    user_id: int | None = None
    gender: int = UNKNOWN  # codes, see movielens; a known user's own where not given
    age: int = UNKNOWN
    job: int = UNKNOWN
    likes: tuple[int, ...] = ()  # movie ids, each taken as rated highest
    dislikes: tuple[int, ...] = ()  # what is near to them ranks lower
    as_of: int | None = None  # seconds since 1970: later ratings are not known yet; None: now


class Recommendation(NamedTuple):
    """One movie of an answer.

    >>> Recommendation(1, 50, "Star Wars (1977)", ("Sci-Fi",), 1977, 0.54, 4.4, False).title
    'Star Wars (1977)'
    """

    rank: int  # from 1
    movie_id: int
    title: str
    genres: tuple[str, ...]
    year: int  # 0 where unknown
    score: float  # what the list is sorted by: the inner product of query and movie
    rating: float  # predicted, 0.5 to 5
    is_new: bool  # the model was not trained on this movie


class UserParts(NamedTuple):
    """Queries with all that is known of them, and their parts of a vector."""

    queries: list[UserQuery]  # completed with what the model knows
    asked: Asked
    parts: dict[str, Array]  # (B, size) each, not weighted yet


class Recommender:
    """Answers queries out of a store that holds this model's movies.

    >>> import recsys
    >>> model = recsys.load_model("sample.model")
    >>> with recsys.MilvusStore("sample.db") as store:
    ...     movies = recsys.Recommender(model, store)
    ...     (answer,) = movies.recommend([recsys.UserQuery(42)], k=10)
    >>> [movie.rank for movie in answer]
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    """

    def __init__(self, model: ModelFolder, store: Store) -> None:
        self.model, self.store = model, store

    def recommend(
        self,
        queries: Sequence[UserQuery],
        k: int,
        *,
        rank_by: RankBy = "relevance",
        filter: Filter = Filter(),
        include_seen: bool = False,
    ) -> Iterator[list[Recommendation]]:
        """The k best movies for each query, best first, fewer where fewer fit.

        Movies rated before are left out unless `include_seen`; named likes and dislikes always are.

        Raises:
            DataError: a user id the model does not know.
        """
        for _, movies in self.answers(queries, k, rank_by, filter, include_seen):
            yield movies

    def answers(
        self,
        queries: Sequence[UserQuery],
        k: int,
        rank_by: RankBy = "relevance",
        filter: Filter = Filter(),
        include_seen: bool = False,
    ) -> Iterator[tuple[UserQuery, list[Recommendation]]]:
        """As `recommend`, each with its query, completed by what the model knows of the user."""
        for start in range(0, len(queries), BATCH):
            users = user_parts_of(self.model, queries[start : start + BATCH])
            exclude = [
                self._excluded(query, users.asked.history.of(row)[0], include_seen)
                for row, query in enumerate(users.queries)
            ]
            vectors = ranking_vectors(self.model, users.parts, rank_by)
            hits = self.store.search(vectors, k, filter, exclude)
            found = np.unique(hits.movie_ids[hits.movie_ids != NO_MOVIE])
            movies = self.store.take(found)
            predicted = ranking_vectors(self.model, users.parts, "rating")
            for query, vector, ids, scores in zip(users.queries, predicted, *hits, strict=True):
                there = ids != NO_MOVIE
                places = positions(found, ids[there])
                yield query, _described(vector, movies, places, scores[there])

    def similar(self, movie_id: int, k: int, filter: Filter = Filter()) -> list[Recommendation]:
        """The k movies nearest to one in taste; the score is a cosine, no rating is predicted (0).

        Raises:
            DataError: the movie is not published.
        """
        layout = self.model.layout
        try:
            taste = layout.split(self.store.take([movie_id]).vectors)["taste"]
        except KeyError as error:
            cause = f"movie {movie_id} is not published"
            raise DataError(cause, "publish the movies with it", "publish") from error
        query = layout.queries({"taste": unit(taste)})
        hits = self.store.search(query, k, filter, [np.array([movie_id])])
        there = hits.movie_ids[0] != NO_MOVIE
        ids = hits.movie_ids[0][there]
        nobody = np.zeros(layout.size, np.float32)
        return _described(nobody, self.store.take(ids), np.arange(len(ids)), hits.scores[0][there])

    def _excluded(
        self, query: UserQuery, rated: NDArray[np.integer], include_seen: bool
    ) -> NDArray[np.int64]:
        named = np.array([*query.likes, *query.dislikes], np.int64)
        if include_seen or query.user_id is None:
            return named
        return np.union1d(self.model.vocabulary.movie_ids[rated - 1], named)


def user_parts_of(model: ModelFolder, queries: Sequence[UserQuery]) -> UserParts:
    """Queries completed with what the model knows of the users, and their parts.

    Raises:
        DataError: a user id the model does not know.
    """
    rows = _user_rows(model, queries)
    known = model.attributes[rows].astype(int) - 1
    completed = [
        query._replace(
            gender=query.gender if query.gender != UNKNOWN else gender,
            age=query.age if query.age != UNKNOWN else age,
            job=query.job if query.job != UNKNOWN else job,
        )
        for query, (gender, age, job) in zip(queries, known.tolist(), strict=True)
    ]
    codes = np.array([[q.gender, q.age, q.job] for q in completed], np.int64).reshape(-1, 3)
    asked = _asked(model, completed, rows, codes + 1)
    parts = head_parts(model.table, asked)
    parts |= {
        "ease": ease_part(model.table, asked),
        "factors": factor_part(model.factors, asked),
        "taste": _disliked(model, completed),
    }
    return UserParts(completed, asked, parts)


def ranking_vectors(model: ModelFolder, parts: dict[str, Array], rank_by: RankBy) -> Array:
    """(B, V) users' parts as queries whose inner product with a movie is its score."""
    chosen = model.weights
    head = chosen.head if rank_by == "rating" else 1.0
    weights = {"rating": head * MAX_RATING, "factors": 1 - head}
    if rank_by == "relevance":
        weights = {"retrieval": 1.0, "rating": chosen.rating, "ease": chosen.ease}
        total = sum(weights.values())
        weights = {name: weight / total for name, weight in weights.items()}
    weights["taste"] = -DISLIKE if rank_by == "relevance" else 0.0
    return model.layout.queries(
        {name: parts[name] * np.float32(weight) for name, weight in weights.items() if weight}
    )


def predict(
    model: ModelFolder,
    user_ids: NDArray[np.int64],
    movie_ids: NDArray[np.int64],
    as_of: int | None = None,
) -> NDArray[np.float32]:
    """(N,) predicted ratings of (N,) pairs of known users and movies.

    Args:
        as_of: as `UserQuery` has it.

    Raises:
        DataError: a user or movie the model does not know.

    >>> import recsys
    >>> model = recsys.load_model("sample.model")
    >>> recsys.predict(model, np.array([42, 42]), np.array([1, 50])).shape
    (2,)
    """
    users, user = np.unique(user_ids, return_inverse=True)
    movies, movie = np.unique(movie_ids, return_inverse=True)
    rows = model.vocabulary.movie_rows(movies)
    if not rows.all():
        cause = f"movie {movies[rows == 0][0]} is not one the model was trained on"
        raise DataError(cause, "name another", "movie")
    parts = user_parts_of(model, [UserQuery(int(each), as_of=as_of) for each in users]).parts
    vectors = ranking_vectors(model, parts, "rating")
    return predicted_ratings(vectors[user], catalogue(model).vectors[rows - 1][movie])


def predicted_ratings(users: Array, movies: Array) -> Array:
    """(N,) inner products of (N, V) users ranked by rating and movies, within the scale."""
    return np.clip(np.einsum("nv,nv->n", users, movies), MIN_RATING, MAX_RATING)


def catalogue(model: ModelFolder, movies: Movies | None = None) -> Catalogue:
    """Movies with their vectors, ready to be published or searched.

    Args:
        movies: those the model was trained on if not given. Movies it does not know get their
            vectors from what movies of like genres, year and title words have.

    >>> import recsys
    >>> movies = recsys.catalogue(recsys.load_model("sample.model"))
    >>> len(movies), movies.is_new.any().item()
    (338, False)
    """
    movies = movies or model.movies
    rows = model.vocabulary.movie_rows(movies.ids)
    numbers = np.array(model.table("movies")[rows])
    new = np.flatnonzero(rows == 0)
    if len(new):
        prior = Prior(model.table("prior_mean"), model.table("prior_weights"))
        blocks = movie_blocks(movies[new], model.vocabulary)
        numbers[new] = prior.predict(kernel_of(model.table), blocks)
    parts = np.split(numbers, np.cumsum(model.layout)[:-1], axis=1)
    shortened = [part / np.maximum(1, np.linalg.norm(part, axis=1))[:, None] for part in parts]
    named = dict(zip(model.layout._fields, shortened, strict=True))
    return Catalogue(
        ids=movies.ids,
        titles=movies.titles,
        genres=movies.genres,
        years=movies.years,
        is_new=rows == 0,
        vectors=model.layout.movies(named),
    )


def decoded_movies(
    model: ModelFolder,
    ids: NDArray[np.int64],
    title_rows: NDArray[np.int64],
    genre_rows: NDArray[np.int64],
) -> Movies:
    """Movies of a `movies_data.txt`, which has no titles: those the model knows, words of others.

    Raises:
        DataError: the lines were encoded with the vocabulary of another model.
    """
    known, vocabulary = model.movies, model.vocabulary
    places = vocabulary.movie_rows(ids)
    expected = vocabulary.title_rows(known.titles)
    width = max(expected.shape[1], title_rows.shape[1])
    old = np.flatnonzero(places)
    differs = (_wide(expected, width)[places[old] - 1] != _wide(title_rows, width)[old]).any(1)
    if differs.sum() * 2 > len(old):
        raise DataError(
            f"encoded for another model: {differs.sum()} of {len(old)} known movies have other "
            "words than in this one",
            "encode them again",
            "preprocess",
        )
    words, genres = ["?", *vocabulary.words], ["?", *vocabulary.genres]
    titles = [" ".join(words[row] for row in rows if row >= 0) for rows in title_rows]
    titles = [re.sub(r" (\d{4})$", r" (\1)", title) for title in titles]  # the year is a word
    for place in old:
        titles[place] = known.titles[places[place] - 1]
    names = [tuple(genres[row] for row in rows if row >= 0) for rows in genre_rows]
    return Movies(ids, titles, names)


def _wide(rows: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    return np.pad(rows, ((0, 0), (0, width - rows.shape[1])), constant_values=-1)


def _user_rows(model: ModelFolder, queries: Sequence[UserQuery]) -> NDArray[np.int64]:
    """(B,) rows of the queries' users, 0 for cold-start users."""
    ids = [0 if query.user_id is None else query.user_id for query in queries]
    rows = model.vocabulary.user_rows(ids)
    cold = np.array([query.user_id is None for query in queries], bool)
    if (~cold & (rows == 0)).any():
        unknown = ids[int(np.argmax(~cold & (rows == 0)))]
        raise DataError(
            f"user {unknown} is not one of the {len(model.vocabulary.user_ids)} the model was "
            "trained on",
            "leave the id out and give a profile or likes",
            "user",
        )
    return np.where(cold, 0, rows)


def _asked(
    model: ModelFolder,
    queries: Sequence[UserQuery],
    rows: NDArray[np.int64],
    attributes: NDArray[np.int64],
) -> Asked:
    """Histories at the moment of asking: likes and dislikes take precedence over what was rated.

    A dislike is no sighting: only the rating factors are told of it.
    """
    history = model.history.take(rows)
    owners, kept = history.owners, np.ones(len(history.ratings), bool)
    until = np.array([NOW if query.as_of is None else query.as_of for query in queries])
    kept &= history.times <= until[owners]
    named = {  # a movie once; of one liked and disliked the dislike holds
        (owner, row): (rating, liked)
        for owner, query in enumerate(queries)
        for ids, rating, liked in ((query.likes, MAX_RATING, 1), (query.dislikes, MIN_RATING, 0))
        for row in model.vocabulary.movie_rows(list(ids)).tolist()
        if row
    }
    if named:
        user, movie = np.array(list(named)).T
        rating, liked = np.array(list(named.values())).T
        pairs = zip(owners.tolist(), history.movie_rows.tolist(), strict=True)
        kept &= np.array([pair not in named for pair in pairs], bool)
        history = history.keep(kept)
        order = np.argsort(np.concatenate([history.owners, user]), kind="stable")
        more = np.cumsum(np.bincount(user, minlength=len(rows)))
        offsets = history.offsets + np.concatenate([[0], more])
        columns = (
            np.concatenate([history.movie_rows, movie])[order].astype(np.int32),
            np.concatenate([history.ratings, rating])[order].astype(np.float32),
            np.concatenate([history.times, np.full(len(user), NOW)])[order],
        )
        shown = np.concatenate([np.ones(len(history.ratings)), liked])[order].astype(np.float32)
        history = History(offsets, *columns)
    else:
        history = history.keep(kept) if not kept.all() else history
        shown = np.ones(len(history.ratings), np.float32)
    recency = Recency(model.weights.recency_floor, model.weights.recency_span)
    seen = shown > 0
    recent = shown.copy()
    recent[seen] = recency.by_user(history.owners[seen], history.times[seen])
    return Asked(rows, attributes, history, recent, shown)


def _disliked(model: ModelFolder, queries: Sequence[UserQuery]) -> Array:
    """(B, T) the sum of what each query's dislikes are in the taste part."""
    layout = model.layout
    total = np.zeros((len(queries), layout.taste), np.float32)
    for row, query in enumerate(queries):
        movies = model.vocabulary.movie_rows(list(query.dislikes))
        if len(movies):
            total[row] = unit(model.table("movies")[movies][:, -layout.taste :]).sum(0)
    return total


def _described(
    vector: Array, movies: Catalogue, places: NDArray[np.intp], scores: Array
) -> list[Recommendation]:
    """The movies at some places of a catalogue, as answers to one user.

    Args:
        vector: (V,) of the user, ranked by rating; all 0 where no rating is predicted.
    """
    found = movies.vectors[places]
    ratings = predicted_ratings(np.broadcast_to(vector, found.shape), found)
    return [
        Recommendation(
            rank,
            int(movies.ids[place]),
            movies.titles[place],
            movies.genres[place],
            int(movies.years[place]),
            float(scores[rank - 1]),
            float(ratings[rank - 1]),
            bool(movies.is_new[place]),
        )
        for rank, place in enumerate(places, 1)
    ]

"""A query to a vector, a vector to ranked movies. NumPy only: a query does not load Paddle.

A published vector is one unit vector of three parts, [retrieval | rating | EASE] / sqrt(3). A query
is a user's vector with each part weighted, times sqrt(3), so that the inner product Milvus ranks by
is exactly that weighted mean of the parts' cosines: the score. Ranked by rating, the rating head
alone weighs, five times its cosine.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import UNKNOWN, Movies
from recsys.data.ids import positions
from recsys.data.movielens import MAX_RATING
from recsys.errors import DataError
from recsys.serving.catalogue import NO_MOVIE, Catalogue, Filter, Store
from recsys.serving.folded import (
    Rated,
    Weights,
    movie_vectors,
    parts,
    predicted_ratings,
    unit,
    user_vectors,
)
from recsys.serving.model_folder import ModelFolder

SQRT_PARTS = np.sqrt(np.float32(3))  # the length of a vector of three unit parts
BATCH = 1_000  # queries searched for at a time
DISLIKED = 1.0  # the rating that a named dislike is taken for
RATING_HEAD = Weights(0, 1, 0)

RankBy = Literal["relevance", "rating"]


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
    dislikes: tuple[int, ...] = ()  # taken as rated lowest


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


class UserVectors(NamedTuple):
    """Queries completed with what the model knows, and their vectors."""

    queries: list[UserQuery]  # completed
    rows: NDArray[np.int64]  # (B,) 0 for cold-start users
    vectors: NDArray[np.float32]  # (B, V) each part of unit length


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
            users = user_vectors_of(self.model, queries[start : start + BATCH])
            exclude = [
                self._excluded(query, row, include_seen)
                for query, row in zip(users.queries, users.rows, strict=True)
            ]
            vectors = ranking_vectors(self.model, users.vectors, rank_by)
            hits = self.store.search(vectors, k, filter, exclude)
            found = np.unique(hits.movie_ids[hits.movie_ids != NO_MOVIE])
            movies = self.store.take(found)
            for query, vector, ids, scores in zip(users.queries, users.vectors, *hits, strict=True):
                there = ids != NO_MOVIE
                places = positions(found, ids[there])
                yield query, _described(vector, movies, places, scores[there])

    def similar(self, movie_id: int, k: int, filter: Filter = Filter()) -> list[Recommendation]:
        """The k movies nearest to one: those recommended to a user whose vector is the movie's.

        Raises:
            DataError: the movie is not published.
        """
        try:
            vector = self.store.take([movie_id]).vectors * SQRT_PARTS
        except KeyError as error:
            cause = f"movie {movie_id} is not published"
            raise DataError(cause, "publish the movies with it", "publish") from error
        vector[:, -1] = 0  # the number that users lack
        vector = unit(vector)
        query = ranking_vectors(self.model, vector, "relevance")
        hits = self.store.search(query, k, filter, [np.array([movie_id])])
        there = hits.movie_ids[0] != NO_MOVIE
        ids = hits.movie_ids[0][there]
        movies = self.store.take(ids)
        return _described(vector[0], movies, np.arange(len(ids)), hits.scores[0][there])

    def _excluded(self, query: UserQuery, row: int, include_seen: bool) -> NDArray[np.int64]:
        named = np.array([*query.likes, *query.dislikes], np.int64)
        if include_seen or not row:
            return named
        seen = self.model.vocabulary.movie_ids[self.model.history.of(row)[0] - 1]
        return np.union1d(seen, named)


def user_vectors_of(model: ModelFolder, queries: Sequence[UserQuery]) -> UserVectors:
    """Queries completed with what the model knows of the users, and their vectors.

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
    histories = [_history(model, query, row) for query, row in zip(completed, rows, strict=True)]
    return UserVectors(completed, rows, user_vectors(model.table, rows, codes + 1, histories))


def ranking_vectors(
    model: ModelFolder, vectors: NDArray[np.float32], rank_by: RankBy
) -> NDArray[np.float32]:
    """(B, V) users' vectors as queries whose inner product with a movie is its score."""
    if rank_by == "rating":
        return RATING_HEAD.query(vectors) * SQRT_PARTS * np.float32(MAX_RATING)
    return model.weights.query(vectors) * SQRT_PARTS


def predict(
    model: ModelFolder, user_ids: NDArray[np.int64], movie_ids: NDArray[np.int64]
) -> NDArray[np.float32]:
    """(N,) predicted ratings of (N,) pairs of known users and movies.

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
    vectors = user_vectors_of(model, [UserQuery(int(each)) for each in users]).vectors
    movie_parts = parts(catalogue(model).vectors[rows - 1] * SQRT_PARTS)
    return predicted_ratings(parts(vectors)[1][user], movie_parts[1][movie])


def catalogue(
    model: ModelFolder,
    movies: Movies | None = None,
    rows: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
) -> Catalogue:
    """Movies with their vectors, ready to be published or searched.

    Args:
        movies: those the model was trained on if not given. Movies it does not know get their
            vectors from genres and title alone.
        rows: (M, T) title rows and (M, G) genre rows, where they were encoded before.

    >>> import recsys
    >>> movies = recsys.catalogue(recsys.load_model("sample.model"))
    >>> len(movies), movies.is_new.any().item()
    (338, False)
    """
    movies = movies or model.movies
    vocabulary = model.vocabulary
    titles, genres = rows or (
        vocabulary.title_rows(movies.titles),
        vocabulary.genre_rows(movies.genres),
    )
    movie_rows = vocabulary.movie_rows(movies.ids)
    vectors = movie_vectors(model.table, movie_rows, genres, titles)
    return Catalogue(
        ids=movies.ids,
        titles=movies.titles,
        genres=movies.genres,
        years=movies.years,
        is_new=movie_rows == 0,
        vectors=vectors / SQRT_PARTS,
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


def _history(model: ModelFolder, query: UserQuery, row: int) -> Rated:
    """Movie rows and ratings of a user's history, likes and dislikes taking precedence."""
    movie_rows, ratings = model.history.of(row)[:2]
    if not (query.likes or query.dislikes):
        return movie_rows, ratings
    named = dict.fromkeys(query.likes, MAX_RATING) | dict.fromkeys(query.dislikes, DISLIKED)
    named_rows = model.vocabulary.movie_rows(list(named))
    given = np.array(list(named.values()), np.float32)
    old = ~np.isin(movie_rows, named_rows)
    return (
        np.concatenate([movie_rows[old], named_rows[named_rows > 0]]),
        np.concatenate([ratings[old], given[named_rows > 0]]),
    )


def _described(
    vector: NDArray[np.float32],
    movies: Catalogue,
    places: NDArray[np.intp],
    scores: NDArray[np.float32],
) -> list[Recommendation]:
    """The movies at some places of a catalogue, as answers to one user."""
    movie_parts = parts(movies.vectors[places] * SQRT_PARTS)
    ratings = predicted_ratings(parts(vector[None])[1], movie_parts[1])
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

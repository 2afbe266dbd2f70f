"""A query to a vector, a vector to ranked movies. NumPy only: a query does not load Paddle.

A published vector is one unit vector of three parts, [match | ratings | linear] / sqrt(3). A query is
a query's vector with each part weighted, times sqrt(3), so that the inner product Milvus ranks by
is exactly that mean of the parts' cosines; `--rank-by ratings` gives the others no weight.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import UNKNOWN, Movies
from recsys.data.movielens import MAX_RATING
from recsys.errors import DataError
from recsys.serving.catalogue import NO_MOVIE, Catalogue, Filter, Store
from recsys.serving.folded import (
    RankBy,
    Rated,
    movie_vectors,
    parts,
    predicted_ratings,
    ranking,
    unit,
    user_vectors,
)
from recsys.serving.model_folder import ModelFolder

SQRT_PARTS = np.sqrt(np.float32(3))  # of a vector of three unit parts
BATCH = 1_000  # queries asked for at a time
DISLIKED = 1.0  # ratings that a named dislike is taken for


class UserQuery(NamedTuple):
    """Who asks: a known user, a profile, favourites, or any of them together; or nobody."""

    user_id: int | None = None
    gender: int = UNKNOWN  # codes, see movielens; a known user's own where not given
    age: int = UNKNOWN
    job: int = UNKNOWN
    likes: tuple[int, ...] = ()  # movie ids, each taken as rated the most ratings
    dislikes: tuple[int, ...] = ()  # taken as rated the fewest


class Recommendation(NamedTuple):
    """One movie of an answer."""

    rank: int  # from 1
    movie_id: int
    title: str
    genres: tuple[str, ...]
    year: int  # 0 where unknown
    score: float  # -1 to 1: how likely somebody like this chooses the movie and likes it
    rating: float  # predicted ratings, 5 x cosine
    is_new: bool  # the model was not trained on this movie


def catalogue(
    model: ModelFolder,
    movies: Movies | None = None,
    rows: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
) -> Catalogue:
    """Movies with their vectors, ready to be published or searched.

    Args:
        movies: the movies; those the model was trained on if not given. Movies it does not know
            get their vectors from genres and title alone.
        rows: (M, T) title rows and (M, G) genre rows, where they were encoded before.
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
            f"{differs.sum()} of {len(old)} known movies have other words than in the model: "
            "encoded for another model; run recsys preprocess again"
        )
    words, genres = ["?", *vocabulary.words], ["?", *vocabulary.genres]
    titles = [" ".join(words[row] for row in rows if row >= 0) for rows in title_rows]
    for place in old:
        titles[place] = known.titles[places[place] - 1]
    names = [tuple(genres[row] for row in rows if row >= 0) for rows in genre_rows]
    return Movies(ids, titles, names)


def _wide(rows: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    return np.pad(rows, ((0, 0), (0, width - rows.shape[1])), constant_values=-1)


class Recommender:
    """Answers queries's questions out of a store that holds this model's movies."""

    def __init__(self, model: ModelFolder, store: Store) -> None:
        self.model, self.store = model, store

    def recommend(
        self,
        queries: Sequence[UserQuery],
        k: int,
        *,
        rank_by: RankBy = "relevance",
        where: Filter = Filter(),
        include_seen: bool = False,
    ) -> Iterator[list[Recommendation]]:
        """The k best movies for each query, best first, fewer where fewer fit.

        Movies rated before are left out unless `include_seen`; named favourites and dislikes
        always are.

        Raises:
            DataError: a user id the model does not know.
        """
        for start in range(0, len(queries), BATCH):
            yield from self._answer(queries[start : start + BATCH], k, rank_by, where, include_seen)

    def _answer(
        self,
        queries: Sequence[UserQuery],
        k: int,
        rank_by: RankBy,
        where: Filter,
        include_seen: bool,
    ) -> Iterator[list[Recommendation]]:
        vectors = self.vectors(queries)
        exclude = [self._excluded(query, include_seen) for query in queries]
        hits = self.store.search(query(vectors, rank_by), k, where, exclude)
        found = np.unique(hits.movie_ids[hits.movie_ids != NO_MOVIE])
        movies = self.store.take(found)
        for vector, ids in zip(vectors, hits.movie_ids, strict=True):
            yield _described(vector, movies, np.searchsorted(found, ids[ids != NO_MOVIE]))

    def similar(self, movie_id: int, k: int, where: Filter = Filter()) -> list[Recommendation]:
        """The k movies nearest to one: what is asked for a query whose vector is the movie's.

        Raises:
            DataError: the movie is not published.
        """
        try:
            vector = self.store.take([movie_id]).vectors * SQRT_PARTS
        except KeyError as error:
            raise DataError(
                f"movie {movie_id} is not published; run recsys load-movies with it"
            ) from error
        vector[:, -1] = 0  # the number that queries have not
        vector = unit(vector)
        hits = self.store.search(query(vector, "relevance"), k, where, [np.array([movie_id])])
        ids = hits.movie_ids[0][hits.movie_ids[0] != NO_MOVIE]
        return _described(vector[0], self.store.take(ids), np.arange(len(ids)))

    def vectors(self, queries: Sequence[UserQuery]) -> NDArray[np.float32]:
        """(B, V) vectors of queries, each part of unit length."""
        queries = self.completed(queries)
        rows = self._rows(queries)
        codes = np.array([[p.gender, p.age, p.job] for p in queries], np.int64).reshape(-1, 3)
        histories = [self._history(p, row) for p, row in zip(queries, rows, strict=True)]
        return user_vectors(self.model.table, rows, codes + 1, histories)

    def completed(self, queries: Sequence[UserQuery]) -> list[UserQuery]:
        """Queries with what the model knows of them where they say nothing themselves.

        Raises:
            DataError: a user id the model does not know.
        """
        known = self.model.attributes[self._rows(queries)].astype(int) - 1
        return [
            query._replace(
                gender=query.gender if query.gender != UNKNOWN else gender,
                age=query.age if query.age != UNKNOWN else age,
                job=query.job if query.job != UNKNOWN else job,
            )
            for query, (gender, age, job) in zip(queries, known.tolist(), strict=True)
        ]

    def predict(
        self, user_ids: NDArray[np.int64], movie_ids: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """(N,) predicted ratings of (N,) pairs of known users and movies.

        Raises:
            DataError: a user or movie the model does not know.
        """
        users, places = np.unique(user_ids, return_inverse=True)
        movies, columns = np.unique(movie_ids, return_inverse=True)
        rows = self.model.vocabulary.movie_rows(movies)
        if not rows.all():
            raise DataError(f"movie {movies[rows == 0][0]} is not one the model was trained on")
        queries = [UserQuery(int(user)) for user in users]
        vectors = parts(self.vectors(queries))[1]
        ratings = parts(catalogue(self.model).vectors[rows - 1] * SQRT_PARTS)[1]
        return predicted_ratings(vectors[places], ratings[columns])

    def _rows(self, queries: Sequence[UserQuery]) -> NDArray[np.int64]:
        ids = [0 if p.user_id is None else p.user_id for p in queries]
        rows = self.model.vocabulary.user_rows(ids)
        stranger = np.array([p.user_id is None for p in queries], bool)
        if (~stranger & (rows == 0)).any():
            unknown = ids[int(np.argmax(~stranger & (rows == 0)))]
            raise DataError(
                f"user {unknown} is not one of the {len(self.model.vocabulary.user_ids)} the model "
                "was trained on; leave the id out and give a profile or --like"
            )
        return np.where(stranger, 0, rows)

    def _history(self, query: UserQuery, row: int) -> Rated:
        movie_rows, ratings = self.model.history.of(row)
        if not (query.likes or query.dislikes):
            return movie_rows, ratings
        said = dict.fromkeys(query.likes, MAX_RATING) | dict.fromkeys(query.dislikes, DISLIKED)
        told = self.model.vocabulary.movie_rows(list(said))
        given = np.array(list(said.values()), np.float32)
        old = ~np.isin(movie_rows, told)  # what is said now goes before what was rated
        return (
            np.concatenate([movie_rows[old], told[told > 0]]),
            np.concatenate([ratings[old], given[told > 0]]),
        )

    def _excluded(self, query: UserQuery, include_seen: bool) -> NDArray[np.int64]:
        told = np.array([*query.likes, *query.dislikes], np.int64)
        if include_seen or query.user_id is None:
            return told
        row = int(self.model.vocabulary.user_rows([query.user_id])[0])
        seen = self.model.vocabulary.movie_ids[self.model.history.of(row)[0] - 1]
        return np.union1d(seen, told)


def query(vectors: NDArray[np.float32], rank_by: RankBy) -> NDArray[np.float32]:
    """(B, V) vectors as queries whose inner product with a movie is what it is ranked by."""
    return ranking(vectors, rank_by) * SQRT_PARTS


def _described(
    vector: NDArray[np.float32], movies: Catalogue, places: NDArray[np.intp]
) -> list[Recommendation]:
    """The movies at some places of a catalogue, as answers to one query."""
    vectors = movies.vectors[places] * SQRT_PARTS
    score = vectors @ ranking(vector, "relevance")
    ratings = predicted_ratings(parts(vector[None])[1], parts(vectors)[1])
    return [
        Recommendation(
            rank,
            int(movies.ids[place]),
            movies.titles[place],
            movies.genres[place],
            int(movies.years[place]),
            float(score[rank - 1]),
            float(ratings[rank - 1]),
            bool(movies.is_new[place]),
        )
        for rank, place in enumerate(places, 1)
    ]

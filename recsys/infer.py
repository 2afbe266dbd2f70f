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
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Movies
from recsys.data.ids import Id, as_text, id_array, is_text, positions
from recsys.data.movielens import MAX_RATING, MIN_RATING
from recsys.data.scale import Scale
from recsys.errors import DataError, QueryError
from recsys.serving import RankBy
from recsys.serving.catalogue import Catalogue, Filter, Store
from recsys.serving.content import Prior, kernel_of, movie_blocks
from recsys.serving.model_folder import ModelFolder
from recsys.serving.queries import UserParts as UserParts
from recsys.serving.queries import UserQuery as UserQuery
from recsys.serving.queries import user_parts_of as user_parts_of
from recsys.serving.vector import Array, unit

BATCH = 1_000  # users asked for at a time
DISLIKE = 0.05  # of the similarity to a disliked movie, taken away from the score


class Recommendation(NamedTuple):
    """One movie of an answer.

    >>> Recommendation(1, 50, "Star Wars (1977)", ("Sci-Fi",), 1977, 0.54, 4.4, False).title
    'Star Wars (1977)'
    """

    rank: int  # from 1
    movie_id: Id
    title: str
    genres: tuple[str, ...]
    year: int  # 0 where unknown
    score: float  # what the list is sorted by: the inner product of query and movie
    rating: float | None  # predicted, on the scale of the data; None where they have no ratings
    is_new: bool  # the model was not trained on this movie
    columns: dict[str, Any] = {}  # noqa: RUF012 - of the schema, None where unknown


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
        if rank_by != "relevance":
            check_rated(self.model)
        scale = self.model.scale
        for start in range(0, len(queries), BATCH):
            users = user_parts_of(self.model, queries[start : start + BATCH])
            exclude = [
                self._excluded(query, users.asked.history.of(row)[0], include_seen)
                for row, query in enumerate(users.queries)
            ]
            vectors = ranking_vectors(self.model, users.parts, rank_by)
            ids, scores, movies = hits = self.store.search(
                vectors, k, filter, exclude, with_movies=True
            )
            predicted = ranking_vectors(self.model, users.parts, "rating")
            for row, query in enumerate(users.queries):
                places = positions(movies.ids, ids[row, hits.mask[row]])
                found = scores[row, hits.mask[row]]
                yield query, _described(predicted[row], movies, places, found, scale)

    def similar(self, movie_id: Id, k: int, filter: Filter = Filter()) -> list[Recommendation]:
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
        hits = self.store.search(query, k, filter, [id_array([movie_id])], with_movies=True)
        ids, scores = hits.movie_ids[0, hits.mask[0]], hits.scores[0, hits.mask[0]]
        nobody, places = np.zeros(layout.size, np.float32), positions(hits.movies.ids, ids)
        return _described(nobody, hits.movies, places, scores, self.model.scale)

    def _excluded(
        self, query: UserQuery, rated: NDArray[np.integer], include_seen: bool
    ) -> NDArray:
        known = self.model.vocabulary.movie_ids
        named = id_array([*query.likes, *query.dislikes], is_text(known))
        if include_seen or query.user_id is None:
            return named
        return np.union1d(known[rated - 1], named)


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
    user_ids: NDArray | Sequence[Id],
    movie_ids: NDArray | Sequence[Id],
    as_of: int | None = None,
    published: Catalogue | None = None,
) -> NDArray[np.float32]:
    """(N,) predicted ratings of (N,) pairs of known users and movies, on the scale of the data.

    Args:
        as_of: as `UserQuery` has it.
        published: of this model, as `MilvusStore.read_all` gives them; for those movies among
            the pairs that the model was not trained on.

    Raises:
        DataError: a user or movie that is not known, or there are no ratings.

    >>> import recsys
    >>> model = recsys.load_model("sample.model")
    >>> recsys.predict(model, np.array([42, 42]), np.array([1, 50])).shape
    (2,)
    """
    check_rated(model)
    users, user = np.unique(id_array(user_ids), return_inverse=True)
    movies, movie = np.unique(id_array(movie_ids), return_inverse=True)
    rows = model.vocabulary.movie_rows(movies)
    vectors = catalogue(model).vectors[rows - 1]
    if not rows.all():
        new = positions(published.ids, movies[rows == 0]) if published else np.array([-1])
        if published is None or new.min() < 0:
            cause = f"movie {movies[rows == 0][new.argmin()]} is not one the model was trained on"
            raise QueryError(cause, "name another, or publish the movies with it", "publish")
        vectors[rows == 0] = published.vectors[new]
    parts = user_parts_of(model, [UserQuery(each, as_of=as_of) for each in users.tolist()]).parts
    asking = ranking_vectors(model, parts, "rating")
    return model.scale.outward(predicted_ratings(asking[user], vectors[movie]))


def check_rated(model: ModelFolder) -> None:
    """
    Raises:
        QueryError: the model was trained on events without ratings.
    """
    if not model.scale.rated:
        raise QueryError(
            f"{model.path}: trained on events without ratings, so none can be predicted",
            "ask for recommendations by relevance",
        )


def predicted_ratings(users: Array, movies: Array) -> Array:
    """(N,) inner products of (N, V) users ranked by rating and movies, within the scale."""
    return np.clip(np.einsum("nv,nv->n", users, movies), MIN_RATING, MAX_RATING)


def catalogue(model: ModelFolder, movies: Movies | None = None) -> Catalogue:
    """Movies with their vectors, ready to be published or searched.

    Args:
        movies: those the model was trained on if not given. Movies it does not know get their
            vectors from what movies of like genres, year and title words have.

    Raises:
        DataError: the model's ids are numbers, those of the movies are text.

    >>> import recsys
    >>> movies = recsys.catalogue(recsys.load_model("sample.model"))
    >>> len(movies), movies.is_new.any().item()
    (338, False)
    """
    movies = _of_kind(movies, model.movies) if movies else model.movies
    rows = model.vocabulary.movie_rows(movies.ids)
    numbers = np.array(model.table("movies")[rows])
    new = np.flatnonzero(rows == 0)
    if len(new):
        prior = Prior(model.table("prior_mean"), model.table("prior_weights"))
        blocks = movie_blocks(movies[new], model.vocabulary)
        numbers[new] = prior.predict(kernel_of(model.table, model.vocabulary.movies), blocks)
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
        columns=model.vocabulary.columns(movies),
    )


def _of_kind(movies: Movies, known: Movies) -> Movies:
    """Movies with ids of the kind that the model's have; whole numbers will do as text."""
    if is_text(movies.ids) == is_text(known.ids) or not len(movies):
        return movies
    if is_text(movies.ids):
        raise DataError(
            f"movie ids such as {movies.ids[0]!r} are text, the model's are whole numbers such as "
            f"{known.ids[0]}",
            "take a file of the model's movies",
            "file",
        )
    return replace(movies, ids=as_text(movies.ids))


def decoded_movies(
    model: ModelFolder,
    ids: NDArray,
    title_rows: NDArray[np.int64],
    genre_rows: NDArray[np.int64],
) -> Movies:
    """Movies of a `movies_data.txt`, which has no titles: words of new movies.

    What the file cannot hold, the titles and columns of their own, is as the model knows it.

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
            f"encoded for another model, or other movies: {differs.sum()} of {len(old)} have other "
            "words than the model's movies of the same ids",
            "encode a file of the model's movies",
            "preprocess",
        )
    words, genres = ["?", *vocabulary.words], ["?", *vocabulary.genres]
    titles = [" ".join(words[row] for row in rows if row >= 0) for rows in title_rows]
    titles = [re.sub(r" (\d{4})$", r" (\1)", title) for title in titles]  # the year is a word
    for place in old:
        titles[place] = known.titles[places[place] - 1]
    names = [tuple(genres[row] for row in rows if row >= 0) for rows in genre_rows]
    own = {name: column.at(places - 1) for name, column in known.columns.items()}
    return Movies(ids, titles, names, own)


def _wide(rows: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    return np.pad(rows, ((0, 0), (0, width - rows.shape[1])), constant_values=-1)


def _described(
    vector: Array,
    movies: Catalogue,
    places: NDArray[np.intp],
    scores: Array,
    scale: Scale,
) -> list[Recommendation]:
    """The movies at some places of a catalogue, as answers to one user.

    Args:
        vector: (V,) of the user, ranked by rating; all 0 where no rating is predicted.
    """
    found = movies.vectors[places]
    ratings = predicted_ratings(np.broadcast_to(vector, found.shape), found)
    ratings = scale.outward(ratings)
    return [
        Recommendation(
            rank,
            movies.ids.item(place),
            movies.titles[place],
            movies.genres[place],
            int(movies.years[place]),
            float(scores[rank - 1]),
            float(ratings[rank - 1]) if scale.rated else None,
            bool(movies.is_new[place]),
            {name: column.value(int(place)) for name, column in movies.columns.items()},
        )
        for rank, place in enumerate(places, 1)
    ]

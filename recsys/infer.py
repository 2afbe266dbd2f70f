"""A person to a vector, a vector to ranked films. NumPy only: a query does not load Paddle.

A published vector is one unit vector of three parts, [match | stars | linear] / sqrt(3). A query is
a person's vector with each part weighted, times sqrt(3), so that the inner product Milvus ranks by
is exactly that mean of the parts' cosines; `--rank-by stars` gives the others no weight.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.catalogue import NO_MOVIE, Catalogue, Store, Where
from recsys.dataset import UNKNOWN, Movies
from recsys.errors import DataError
from recsys.folder import ModelFolder
from recsys.movielens import MAX_STARS
from recsys.towers import (
    RankBy,
    Rated,
    movie_vectors,
    parts,
    predicted_stars,
    ranking,
    unit,
    user_vectors,
)

LENGTH = np.sqrt(np.float32(3))  # of a vector of three unit parts
BATCH = 1_000  # people asked for at a time
DISLIKED = 1.0  # stars that a named dislike is taken for


class Person(NamedTuple):
    """Who asks: a known user, a profile, favourites, or any of them together; or nobody."""

    user_id: int | None = None
    gender: int = UNKNOWN  # codes, see movielens; a known user's own where not given
    age: int = UNKNOWN
    job: int = UNKNOWN
    likes: tuple[int, ...] = ()  # movie ids, each taken as rated the most stars
    dislikes: tuple[int, ...] = ()  # taken as rated the fewest


class Recommendation(NamedTuple):
    """One film of an answer."""

    rank: int  # from 1
    movie_id: int
    title: str
    genres: tuple[str, ...]
    year: int  # 0 where unknown
    match: float  # -1 to 1: how likely somebody like this chooses the film and likes it
    score: float  # predicted stars, 5 x cosine
    is_new: bool  # the model was not trained on this film


def catalogue(
    model: ModelFolder,
    movies: Movies | None = None,
    rows: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
) -> Catalogue:
    """Films with their vectors, ready to be published or searched.

    Args:
        movies: the films; those the model was trained on if not given. Films it does not know
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
        vectors=vectors / LENGTH,
    )


def encoded_movies(
    model: ModelFolder,
    ids: NDArray[np.int64],
    title_rows: NDArray[np.int64],
    genre_rows: NDArray[np.int64],
) -> Movies:
    """Films of a `movies_data.txt`, which has no titles: those the model knows, words of others.

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
            f"{differs.sum()} of {len(old)} known films have other words than in the model: "
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
    """Answers people's questions out of a store that holds this model's films."""

    def __init__(self, model: ModelFolder, store: Store) -> None:
        self.model, self.store = model, store

    def recommend(
        self,
        people: Sequence[Person],
        k: int,
        *,
        rank_by: RankBy = "match",
        where: Where = Where(),
        include_seen: bool = False,
    ) -> Iterator[list[Recommendation]]:
        """The k best films for each person, best first, fewer where fewer fit.

        Films rated before are left out unless `include_seen`; named favourites and dislikes
        always are.

        Raises:
            DataError: a user id the model does not know.
        """
        for start in range(0, len(people), BATCH):
            yield from self._answer(people[start : start + BATCH], k, rank_by, where, include_seen)

    def _answer(
        self,
        people: Sequence[Person],
        k: int,
        rank_by: RankBy,
        where: Where,
        include_seen: bool,
    ) -> Iterator[list[Recommendation]]:
        vectors = self.vectors(people)
        exclude = [self._excluded(person, include_seen) for person in people]
        hits = self.store.search(query(vectors, rank_by), k, where, exclude)
        found = np.unique(hits.movie_ids[hits.movie_ids != NO_MOVIE])
        films = self.store.take(found)
        for vector, ids in zip(vectors, hits.movie_ids, strict=True):
            yield _described(vector, films, np.searchsorted(found, ids[ids != NO_MOVIE]))

    def similar(self, movie_id: int, k: int, where: Where = Where()) -> list[Recommendation]:
        """The k films nearest to one: what is asked for a person whose vector is the film's.

        Raises:
            DataError: the film is not published.
        """
        try:
            vector = self.store.take([movie_id]).vectors * LENGTH
        except KeyError as error:
            raise DataError(
                f"film {movie_id} is not published; run recsys load-movies with it"
            ) from error
        vector[:, -1] = 0  # the number that people have not
        vector = unit(vector)
        hits = self.store.search(query(vector, "match"), k, where, [np.array([movie_id])])
        ids = hits.movie_ids[0][hits.movie_ids[0] != NO_MOVIE]
        return _described(vector[0], self.store.take(ids), np.arange(len(ids)))

    def vectors(self, people: Sequence[Person]) -> NDArray[np.float32]:
        """(B, V) vectors of people, each part of unit length."""
        people = self.completed(people)
        rows = self._rows(people)
        codes = np.array([[p.gender, p.age, p.job] for p in people], np.int64).reshape(-1, 3)
        histories = [self._history(p, row) for p, row in zip(people, rows, strict=True)]
        return user_vectors(self.model.table, rows, codes + 1, histories)

    def completed(self, people: Sequence[Person]) -> list[Person]:
        """People with what the model knows of them where they say nothing themselves.

        Raises:
            DataError: a user id the model does not know.
        """
        known = self.model.attributes[self._rows(people)].astype(int) - 1
        return [
            person._replace(
                gender=person.gender if person.gender != UNKNOWN else gender,
                age=person.age if person.age != UNKNOWN else age,
                job=person.job if person.job != UNKNOWN else job,
            )
            for person, (gender, age, job) in zip(people, known.tolist(), strict=True)
        ]

    def predict(
        self, user_ids: NDArray[np.int64], movie_ids: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """(N,) predicted stars of (N,) pairs of known users and films.

        Raises:
            DataError: a user or film the model does not know.
        """
        users, places = np.unique(user_ids, return_inverse=True)
        films, columns = np.unique(movie_ids, return_inverse=True)
        rows = self.model.vocabulary.movie_rows(films)
        if not rows.all():
            raise DataError(f"film {films[rows == 0][0]} is not one the model was trained on")
        people = [Person(int(user)) for user in users]
        vectors = parts(self.vectors(people))[1]
        stars = parts(catalogue(self.model).vectors[rows - 1] * LENGTH)[1]
        return predicted_stars(vectors[places], stars[columns])

    def _rows(self, people: Sequence[Person]) -> NDArray[np.int64]:
        ids = [0 if p.user_id is None else p.user_id for p in people]
        rows = self.model.vocabulary.user_rows(ids)
        stranger = np.array([p.user_id is None for p in people], bool)
        if (~stranger & (rows == 0)).any():
            unknown = ids[int(np.argmax(~stranger & (rows == 0)))]
            raise DataError(
                f"user {unknown} is not one of the {len(self.model.vocabulary.user_ids)} the model "
                "was trained on; leave the id out and give a profile or --like"
            )
        return np.where(stranger, 0, rows)

    def _history(self, person: Person, row: int) -> Rated:
        movie_rows, stars = self.model.history.of(row)
        if not (person.likes or person.dislikes):
            return movie_rows, stars
        said = dict.fromkeys(person.likes, MAX_STARS) | dict.fromkeys(person.dislikes, DISLIKED)
        told = self.model.vocabulary.movie_rows(list(said))
        given = np.array(list(said.values()), np.float32)
        old = ~np.isin(movie_rows, told)  # what is said now goes before what was rated
        return (
            np.concatenate([movie_rows[old], told[told > 0]]),
            np.concatenate([stars[old], given[told > 0]]),
        )

    def _excluded(self, person: Person, include_seen: bool) -> NDArray[np.int64]:
        told = np.array([*person.likes, *person.dislikes], np.int64)
        if include_seen or person.user_id is None:
            return told
        row = int(self.model.vocabulary.user_rows([person.user_id])[0])
        seen = self.model.vocabulary.movie_ids[self.model.history.of(row)[0] - 1]
        return np.union1d(seen, told)


def query(vectors: NDArray[np.float32], rank_by: RankBy) -> NDArray[np.float32]:
    """(B, V) vectors as queries whose inner product with a film is what it is ranked by."""
    return ranking(vectors, rank_by) * LENGTH


def _described(
    vector: NDArray[np.float32], films: Catalogue, places: NDArray[np.intp]
) -> list[Recommendation]:
    """The films at some places of a catalogue, as answers to one person."""
    vectors = films.vectors[places] * LENGTH
    match = vectors @ ranking(vector, "match")
    stars = predicted_stars(parts(vector[None])[1], parts(vectors)[1])
    return [
        Recommendation(
            rank,
            int(films.ids[place]),
            films.titles[place],
            films.genres[place],
            int(films.years[place]),
            float(match[rank - 1]),
            float(stars[rank - 1]),
            bool(films.is_new[place]),
        )
        for rank, place in enumerate(places, 1)
    ]

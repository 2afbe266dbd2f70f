"""Columns of raw ids, and the vocabulary that turns them into rows."""

from dataclasses import replace

import numpy as np
import pytest

from recsys.data.dataset import (
    NO_WORD,
    UNKNOWN,
    Movies,
    Ratings,
    Users,
    Vocabulary,
    title_words,
    title_year,
)
from recsys.data.interactions import attribute_rows, interactions_of
from recsys.data.movielens import AGE_NAMES, AGES, GENDERS, JOBS, OCCUPATIONS
from recsys.data.schema import MOVIELENS, READ_WORDS, Attribute, Column
from recsys.errors import DataError

MOVIES = Movies(
    np.array([7, 3, 5]),
    ["Heat (1995)", "Toy Story (1995)", "M"],
    [("Action", "Crime"), ("Comedy",), ()],
)
USERS = Users.movielens(np.array([9, 4]), *np.array([[1, 0], [2, UNKNOWN], [UNKNOWN, 20]], np.int8))
RATINGS = Ratings(
    np.array([9, 4, 9], np.int32),
    np.array([7, 3, 3], np.int32),
    np.array([4, 5, 0.5], np.float32),
    np.array([30, 10, 20]),
)


def test_movies_by_id_and_as_asked():
    assert MOVIES.years.tolist() == [1995, 1995, 0]
    ordered = MOVIES.sorted()
    assert ordered.ids.tolist() == [3, 5, 7]
    assert ordered.titles == ["Toy Story (1995)", "M", "Heat (1995)"]
    assert ordered.genres == [("Comedy",), (), ("Action", "Crime")]
    taken = MOVIES.take([5, 7, 5])
    assert taken.ids.tolist() == [5, 7, 5]
    assert taken.titles == ["M", "Heat (1995)", "M"]
    assert len(MOVIES.take([])) == 0
    with pytest.raises(DataError, match="movie 6 is not one of the 3 movies"):
        MOVIES.take(np.array([3, 6]))


def test_users_chosen_and_without_attributes():
    assert USERS[np.array([False, True])].codes("job").tolist() == [20]
    plain = Users.without_attributes(np.array([2, 8], np.int32))
    assert plain.ids.dtype == np.int64
    assert {*plain.codes("gender"), *plain.codes("age"), *plain.codes("job")} == {UNKNOWN}


def test_ratings_chosen_and_concatenated():
    both = Ratings.concatenate([RATINGS[RATINGS.values >= 4], RATINGS[np.array([2])]])
    assert both.user_ids.tolist() == [9, 4, 9]
    assert both.values.tolist() == [4, 5, 0.5]
    assert [column.dtype for column in vars(both).values()] == [
        np.int32,
        np.int32,
        np.float32,
        np.int64,
    ]


def test_titles():
    assert [title_year(title) for title in ("M (1931)", "M (1931) ", "M", "(1931) M")] == [
        *(1931, 1931, 0, 0),
    ]
    assert title_words("L'Avventura: Part 2 (1960)") == ["l", "avventura", "part", "2", "1960"]


def test_a_vocabulary_numbers_from_one():
    vocabulary = Vocabulary.of(USERS, MOVIES)
    assert vocabulary.user_rows([4, 9, 5]).tolist() == [1, 2, 0]
    assert vocabulary.movie_rows(np.array([7, 3, 1])).tolist() == [3, 1, 0]
    assert vocabulary.words == ["heat", "1995", "toy", "story", "m"]
    assert vocabulary.genres == ["Action", "Crime", "Comedy"]
    assert vocabulary.title_rows(["Toy Heat", "Up"]).tolist() == [[3, 1], [0, NO_WORD]]
    assert vocabulary.genre_rows([("Comedy", "Opera"), ()]).tolist() == [[3, 0], [NO_WORD] * 2]
    again = Vocabulary.from_json(vocabulary.to_json())
    assert again.to_json() == vocabulary.to_json()


def test_attributes_and_history_by_row():
    vocabulary = Vocabulary.of(USERS, MOVIES)
    assert attribute_rows(USERS, vocabulary).tolist() == [[0, 0, 0], [1, 0, 21], [2, 3, 0]]
    history = interactions_of(RATINGS, vocabulary)
    assert history.offsets.tolist() == [0, 0, 1, 3]
    assert history.movie_rows.tolist() == [1, 1, 3]
    assert history.ratings.tolist() == [5, 0.5, 4]
    assert history.times.tolist() == [10, 20, 30]


def test_codes_fit_together():
    assert [each.size for each in MOVIELENS] == [len(GENDERS), len(AGES), len(JOBS)]
    assert len(AGE_NAMES) == len(AGES)
    assert set(OCCUPATIONS.values()) <= set(range(len(JOBS)))


def test_the_towers_read_the_first_words_of_a_text():
    words = [f"w{n}" for n in range(40)]
    texts = Column("text", [" ".join(words), " ".join(reversed(words)), "w3", ""])
    movies = Movies(np.arange(4), ["a"] * 4, [()] * 4, {"about": texts})
    about = replace(Attribute.of("about", texts), values=tuple(words))
    (rows,) = Vocabulary([1], movies.ids, [], [], (), (about,)).side_rows(movies)
    assert rows.shape == (4, READ_WORDS)
    assert rows[0].tolist() == list(range(1, READ_WORDS + 1))
    assert rows[1].tolist() == list(range(40, 40 - READ_WORDS, -1))
    assert rows[2].tolist() == [4] + [NO_WORD] * (READ_WORDS - 1)
    assert rows[3].tolist() == [0] + [NO_WORD] * (READ_WORDS - 1)

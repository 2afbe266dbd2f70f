"""Columns of raw ids, and the vocabulary that turns them into rows."""

from dataclasses import replace

import numpy as np

from recsys.data.dataset import Dataset, Movies, Ratings, Users, Vocabulary
from recsys.data.ids import PADDING
from recsys.data.schema import GENDER, READ_WORDS, Attribute, Column
from recsys.parts.part import Training

MOVIES = Movies(
    np.array([7, 3, 5]),
    ["Heat (1995)", "Toy Story (1995)", "M"],
    [("Action", "Crime"), ("Comedy",), ()],
)
USERS = Users.of(
    np.array([9, 4]),
    {
        "gender": Column("category", ["F", "M"]),
        "age": Column("number", np.array([25, np.nan])),
        "job": Column("category", ["", "writer"]),
    },
)
RATINGS = Ratings(
    np.array([9, 4, 9], np.int32),
    np.array([7, 3, 3], np.int32),
    np.array([4, 5, 0.5], np.float32),
    np.array([30, 10, 20]),
)


def test_movies_users_and_ratings_are_chosen_in_any_order():
    assert MOVIES.years.tolist() == [1995, 1995, 0]
    ordered = MOVIES[np.argsort(MOVIES.ids)]
    assert ordered.ids.tolist() == [3, 5, 7]
    assert ordered.titles == ["Toy Story (1995)", "M", "Heat (1995)"]
    assert ordered.genres == [("Comedy",), (), ("Action", "Crime")]
    assert USERS[np.array([False, True])].column("job").tolist() == [21]
    both = Ratings.joined([RATINGS[RATINGS.values >= 4], RATINGS[np.array([2])]])
    assert (both.user_ids.tolist(), both.values.tolist()) == ([9, 4, 9], [4, 5, 0.5])
    assert [column.dtype for column in vars(both).values()] == ["i4", "i4", "f4", "i8"]


def test_users_are_described_by_attributes_of_movielens_and_learned():
    hobbies = Column("categories", [("golf",), (), ("chess", "golf")])
    columns = {"gender": Column("category", ["male", "", "F"]), "hobby": hobbies}
    users = Users.of([1, 2, 3], columns)
    assert users.attributes == (GENDER, Attribute("hobby", "categories", ("golf", "chess"), (), 2))
    assert users.rows.tolist() == [[1, 1, -1], [0, 0, -1], [2, 2, 1]]
    plain = Users.of(np.array([2, 8], np.int32))
    assert (plain.ids.dtype, plain.rows.shape) == (np.int64, (2, 0))
    assert plain.column("job").tolist() == [0, 0]
    born = Column("number", np.array([1970.0, 1990]))
    assert Users.of([1, 2], {"age": born}).attributes[0].edges == (1990,)  # of its own
    jobs = Users.of([1, 2], {"job": Column("category", ["Baker", "Smith"])})
    assert jobs.attributes[0].values == ("Baker", "Smith")
    assert jobs.rows.tolist() == [[1], [2]]


def test_a_vocabulary_numbers_from_one():
    vocabulary = Dataset("x", USERS, MOVIES, RATINGS).vocabulary
    assert vocabulary.user_rows([4, 9, 5]).tolist() == [1, 2, 0]
    assert vocabulary.movie_rows(np.array([7, 3, 1])).tolist() == [3, 1, 0]
    assert vocabulary.words == ["heat", "1995", "toy", "story", "m"]
    assert vocabulary.genres == ["Action", "Crime", "Comedy"]
    assert vocabulary.title_rows(["Toy Heat", "Up"]).tolist() == [[3, 1], [0, PADDING]]
    assert vocabulary.genre_rows([("Comedy", "Opera"), ()]).tolist() == [[3, 0], [PADDING] * 2]
    again = Vocabulary.from_json(vocabulary.to_json())
    assert again.to_json() == vocabulary.to_json()


def test_a_training_has_attributes_and_history_by_row():
    data = Training.of(Dataset("x", USERS, MOVIES, RATINGS), RATINGS)
    assert data.attributes.tolist() == [[0, 0, 0], [1, 0, 21], [2, 3, 0]]
    assert data.history.indptr.tolist() == [0, 0, 1, 3]
    assert data.history.indices.tolist() == [1, 1, 3]
    assert data.history.values.tolist() == [5, 0.5, 4]
    assert data.history.times.tolist() == [10, 20, 30]


def test_the_towers_read_the_first_words_of_a_text():
    words = [f"w{n}" for n in range(40)]
    texts = Column("text", [" ".join(words), " ".join(reversed(words)), "w3", ""])
    movies = Movies(np.arange(4), ["a"] * 4, [()] * 4, {"about": texts})
    about = replace(Attribute.of("about", texts), values=tuple(words))
    (rows,) = Vocabulary([1], movies.ids, [], [], (), (about,)).side_rows(movies)
    assert rows[0].tolist() == list(range(1, READ_WORDS + 1))
    assert rows[1].tolist() == list(range(40, 40 - READ_WORDS, -1))
    assert rows[2:].tolist() == [[row] + [PADDING] * (READ_WORDS - 1) for row in (4, 0)]

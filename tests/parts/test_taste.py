"""The taste part: who likes the same movies, and what the movies are."""

import numpy as np
from learned_from import asked, training

from recsys.data.interactions import Interactions
from recsys.parts.taste import Taste
from recsys.training.options import Options

# Movies 1 and 2 are seen by all and divide them the same way; 3 divides them the other way; 4 is
# seen by half of either camp. Of content, 1 and 4 are alike.
CAMPS = {1: (5, 1), 2: (5, 1), 3: (1, 5)}
GENRES = [("War",), ("Drama",), ("Crime",), ("War",)]


def data():
    entries = []
    for user in range(1, 21):
        entries += [(user, movie, ratings[user % 2]) for movie, ratings in CAMPS.items()]
        if user % 4 < 2:
            entries.append((user, 4, 3))
    return training(Interactions.build(20, *zip(*entries, strict=True)), 4, genres=GENRES)


def tastes(**options):
    return Taste().fit(data(), Options(**options))["taste"]


def test_movies_that_the_same_users_like_are_near():
    found = tastes(taste_content_weight=0.0)
    assert found[1] @ found[2] > 0.9
    assert found[1] @ found[3] < -0.9


def test_each_movie_has_length_1_and_the_unknown_one_none_whatever_the_sizes():
    for sizes in ((3, 2), (7, 5)):
        found = tastes(taste_rank=sizes[0], taste_content_rank=sizes[1])
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), [0, 1, 1, 1, 1], atol=1e-5)
        assert found.shape == (5, sum(sizes))


def test_content_brings_movies_near_as_far_as_it_weighs():
    near = [tastes(taste_content_weight=weight) for weight in (0.0, 0.5, 50.0)]
    likeness = [float(found[1] @ found[4]) for found in near]
    assert likeness[0] < likeness[1] < likeness[2]
    assert likeness[2] > 0.85


def test_a_user_is_what_the_query_dislikes_less_what_it_likes():
    table, known = tastes(), data()
    named = Interactions.build(1, [0, 0, 0], [1, 3, 4], [-1, -1, 1])
    found = Taste().users({"taste": table}, asked(known, np.array([2, 3]), named=named))["taste"]
    np.testing.assert_allclose(found, [table[1] + table[3] - table[4], 0 * table[1]], atol=1e-6)
    assert Taste().users({"taste": table}, asked(known, np.array([2, 3]))) == {}

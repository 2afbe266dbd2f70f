"""The taste part: who likes the same movies, and what the movies are."""

import numpy as np
from learned_from import asked, training

from recsys.data.interactions import Interactions
from recsys.options import Options
from recsys.parts.part import unit
from recsys.parts.taste import DISLIKE, Taste

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


def test_a_movie_is_the_longer_the_more_rated_it():
    """20 ratings, and 10 of the last movie; the unknown one has none."""
    for sizes in ((3, 2), (7, 5)):
        found = tastes(taste_rank=sizes[0], taste_content_rank=sizes[1])
        lengths = [0, 0.8, 0.8, 0.8, 2 / 3]
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), lengths, atol=1e-5)
        assert found.shape == (5, sum(sizes))


def test_movies_that_the_same_users_like_are_near_and_alike_ones_as_far_as_content_weighs():
    near = [unit(tastes(taste_content_weight=weight)) for weight in (0.0, 0.5, 50.0)]
    assert near[0][1] @ near[0][2] > 0.9
    assert near[0][1] @ near[0][3] < -0.9
    likeness = [float(found[1] @ found[4]) for found in near]
    assert likeness[0] < likeness[1] < likeness[2]
    assert likeness[2] > 0.85


def users(**named):
    """Of user 3, who rated movies 1 and 2 with 1, and 3 with 5; and the table."""
    known, table = data(), tastes()
    movies = [int(name[1:]) for name in named]
    signs = Interactions.build(0, [0] * len(named), movies, [*named.values()])
    return Taste().users({"taste": table}, asked(known, np.array([3]), named=signs)), table


def test_a_history_is_the_direction_of_what_it_likes_and_dislikes_take_away_from_named_likes():
    found, table = users()
    np.testing.assert_allclose(found["taste"], unit(table[[3]]), atol=1e-6)
    assert set(found) == {"taste"}
    found, table = users(m1=1, m2=1, m3=-1)
    mean, total = table[[1, 2]].mean(0), table[[1, 2]].sum(0)
    np.testing.assert_allclose(found["taste.named"], [mean - DISLIKE * table[3]], atol=1e-6)
    np.testing.assert_allclose(found["taste.each"], [total - table[3]], atol=1e-6)
    assert (found["taste.named"] @ table.T)[0].argmax() in (1, 2)

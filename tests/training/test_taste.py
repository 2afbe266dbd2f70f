import numpy as np

from recsys.data.interactions import Interactions
from recsys.serving.content import Kernel, Tokens
from recsys.training import taste
from recsys.training.options import Options

# Movies 1 and 2 are seen by all and divide them the same way; 3 divides them the other way; 4 is
# seen by half of either camp. Of content, 1 and 4 are alike.
CAMPS = {1: (5, 1), 2: (5, 1), 3: (1, 5)}
GENRES = np.array([[1, -1], [2, -1], [3, -1], [1, -1]])


def histories():
    entries = []
    for user in range(1, 21):
        camp = user % 2
        entries += [(user, movie, ratings[camp]) for movie, ratings in CAMPS.items()]
        if user % 4 < 2:
            entries.append((user, 4, 3))
    users, movies, ratings = zip(*entries, strict=True)
    return Interactions.build(20, users, movies, ratings, [0] * len(entries))


def tastes(**options):
    blocks = [Tokens(GENRES)]
    return taste.fit(histories(), 4, Kernel.fit(blocks), blocks, Options(**options))


def test_movies_that_the_same_users_like_are_near():
    found = tastes(taste_content_weight=0.0)
    assert found[1] @ found[2] > 0.9
    assert found[1] @ found[3] < -0.9


def test_each_movie_has_length_1_and_the_unknown_one_none():
    lengths = np.linalg.norm(tastes(taste_rank=3, taste_content_rank=2), axis=1)
    np.testing.assert_allclose(lengths, [0, 1, 1, 1, 1], atol=1e-5)


def test_content_brings_movies_near_as_far_as_it_weighs():
    near = [tastes(taste_content_weight=weight) for weight in (0.0, 0.5, 50.0)]
    likeness = [float(found[1] @ found[4]) for found in near]
    assert likeness[0] < likeness[1] < likeness[2]
    assert likeness[2] > 0.9


def test_the_sizes_are_the_options_whatever_there_is():
    assert tastes(taste_rank=7, taste_content_rank=5).shape == (5, 12)

"""The kernel ridge regressions, by hand."""

import numpy as np
from hand_made import MOVIES, PART, TRAIN, dataset, ratings

from recsys.evaluation.baselines.content import CONTENT_RIDGE, content_ridge, profile_kernel
from recsys.evaluation.splits import Part


def test_the_content_ridge_finds_movies_nobody_rated():
    genres = [("Horror",), ("Romance", "Drama"), ("Horror", "Drama"), ("Romance",)]
    train = ratings((1, 10, 5), (2, 20, 5))
    part, data = Part(train, ratings(), ratings()), dataset(train, genres=genres)
    for options in CONTENT_RIDGE.grid:
        scores = content_ridge(part, data, np.array([30, 40]), options)(np.array([1, 2]))
        assert scores[0, 0] > scores[0, 1], options
        assert scores[1, 1] > scores[1, 0], options


def test_the_content_ridge_is_the_kernel_form_of_it():
    """W = inverse(K + ridge I) K_new, of ratings / 5 less a user's mean over all train movies."""
    genres = [("A",), ("B",), ("A", "B"), ("A",)]
    train = ratings((1, 10, 5), (1, 20, 2), (2, 30, 4), (3, 10, 1))
    part, data = Part(train, ratings(), ratings()), dataset(train, genres=genres)
    scores = content_ridge(part, data, np.array([40]), (0.5, 2.0))(np.array([1, 2, 3]))
    idf = np.log(4 / 3) + 1e-3  # both genres are in two of three movies
    a, b, ab = np.array([[idf, 0], [0, idf], [idf, idf]]) / np.array([[idf], [idf], [idf * 2**0.5]])
    rows = np.stack([a, b, ab])
    kernel = (1 + rows @ rows.T) * 1.5 - 1  # all of one year
    new = (1 + rows @ a) * 1.5 - 1
    x = np.array([[1, 0.4, 0], [0, 0, 0.8], [0.2, 0, 0]])
    x -= x.mean(1, keepdims=True)
    expected = x @ np.linalg.solve(kernel + 2 * np.eye(3), new)
    np.testing.assert_allclose(scores[:, 0], expected, atol=1e-4)


def test_a_profile_learns_from_its_like_and_shrinks_to_all_users():
    # 1 and 2 are young men, 3 a young woman, 4 an old man; 5 is as 1, nothing is train of 8
    data = dataset(
        TRAIN,
        ages=[2, 2, 2, 7, 2, 2, 7, 0],
        genders=[1, 1, 2, 1, 1, 2, 1, 0],
        jobs=[3, 3, 4, 5, 3, 6, 7, 0],
    )
    mean = np.array([3, 2, 1, 1]) / 4
    test = np.array([5, 8])
    own, nobody = profile_kernel(PART, data, MOVIES, ("rated", 1, 1, 1, 1e-6))(test)
    np.testing.assert_allclose(own, [1, 1, 0.5, 0], atol=1e-4)
    np.testing.assert_allclose(nobody, mean, atol=1e-6)
    shrunk, _ = profile_kernel(PART, data, MOVIES, ("rated", 1, 1, 1, 1e9))(test)
    np.testing.assert_allclose(shrunk, mean, atol=1e-6)

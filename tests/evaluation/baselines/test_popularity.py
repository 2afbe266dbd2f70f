"""Popularity, genre profile and chance, by hand."""

import dataclasses

import numpy as np
import pytest
from hand_made import MOVIES, PART, TRAIN, dataset, ratings

from recsys.evaluation.baselines.popularity import (
    GENRE_PROFILE,
    chance,
    genre_profile,
    group_popularity,
    popularity,
)
from recsys.evaluation.splits import Part
from recsys.metrics import best, ranking_task


@pytest.mark.parametrize(
    ("kind", "order"),
    [
        ("rated", [10, 20, 30, 40]),
        ("liked", [20, 10, 30, 40]),
        ("rating/5", [10, 20, 30, 40]),
        ("mean", [30, 20, 40, 10]),
    ],
)
def test_popularity_by_hand(kind, order):
    scores = popularity(PART, dataset(TRAIN), MOVIES, (kind, np.inf))(np.array([1, 8]))
    assert scores.shape == (2, 4)
    assert MOVIES[np.argsort(-scores[1], kind="stable")].tolist() == order


def test_popularity_scores_the_movies_asked_for_and_no_others():
    scores = popularity(PART, dataset(TRAIN), np.array([15, 20, 40]), ("rated", np.inf))(
        np.array([1])
    )
    assert scores.tolist() == [[0, 2, 1]]


def test_a_group_prefers_what_it_rated_and_leans_on_all_users():
    # users 1 and 2 are young men, 3 is a young woman, 4 an old man
    data = dataset(TRAIN, ages=[2, 2, 2, 7, 2, 2, 7, 0], genders=[1, 1, 2, 1, 1, 2, 1, 2])
    alone = group_popularity(PART, data, MOVIES, ("rated", 0))(np.array([5, 6, 7]))
    assert alone[0] == pytest.approx([1, 1, 0.5, 0], abs=1e-5)
    assert alone[1] == pytest.approx([1, 0, 0, 0], abs=1e-5)
    assert alone[2] == pytest.approx([0, 0, 0, 1], abs=1e-5)
    mixed = group_popularity(PART, data, MOVIES, ("rated", 2))(np.array([5]))
    assert mixed[0] == pytest.approx(
        [(2 + 2 * 3 / 4) / 4, (2 + 2 * 2 / 4) / 4, (1 + 2 / 4) / 4, 2 / 4 / 4], abs=1e-5
    )


def test_an_empty_group_falls_back_to_all_users():
    data = dataset(TRAIN, ages=[2, 2, 2, 2, 2, 2, 2, 0])
    scores = group_popularity(PART, data, MOVIES, ("rated", 0))(np.array([8]))
    assert scores[0] == pytest.approx([3 / 4, 2 / 4, 1 / 4, 1 / 4])


def test_the_genre_profile_finds_movies_nobody_rated():
    genres = [("Horror",), ("Romance", "Drama"), ("Horror", "Drama"), ("Romance",)]
    train = ratings((1, 10, 5), (2, 20, 5))
    data = dataset(train, genres=genres)
    for options in GENRE_PROFILE.grid:
        part = Part(train, ratings(), ratings())
        scores = genre_profile(part, data, np.array([30, 40]), options)(np.array([1, 2]))
        assert scores[0, 0] > scores[0, 1], options
        assert scores[1, 1] > 0, options


def test_chance_is_seeded_and_differs_between_users():
    first, again = (chance(PART, dataset(TRAIN), MOVIES, (3,))(np.arange(500)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    top = np.bincount(first.argmax(axis=1), minlength=4)
    assert (top > 0).all()


def test_popularity_recommends_the_unseen_favourite():
    test = ratings((4, 10, 5))
    question = ranking_task(TRAIN, TRAIN, test, MOVIES)
    lists = best(question, popularity(PART, dataset(TRAIN), MOVIES, ("liked", np.inf)))
    assert lists[0, :3].tolist() == [20, 10, 30]
    assert (lists[0, 3:] == -1).all()


def test_popularity_of_the_last_days_forgets_what_is_older():
    times = np.array([0, 0, 0, 9, 9, 10, 10]) * 86_400
    train = dataclasses.replace(TRAIN, times=times)
    score = popularity(Part(train, ratings(), ratings()), dataset(train), MOVIES, ("rated", 2.0))
    scores = score(np.array([1]))[0]
    assert MOVIES[np.argsort(-scores, kind="stable")].tolist() == [20, 30, 40, 10]
    assert scores[0] == pytest.approx(1e-3)  # only from of all time

"""SASRec: what it learns from, and what it says of the unknown; skipped without `rectools`."""

import dataclasses

import numpy as np
import pytest
from hand_made import MOVIES, dataset, ratings

from recsys.evaluation.baselines import SASREC, missing
from recsys.evaluation.splits import Part

if missing(SASREC.library):
    pytest.skip(missing(SASREC.library), allow_module_level=True)

CHAINS = ratings(
    *((user, movie, 5) for user in (1, 2, 3) for movie in ((10, 20) if user % 2 else (20, 30)))
)


def scores_of(train, fold_in, users, epochs=(80,)):
    """Those of the last of some epochs; ratings are in the order of time."""
    train, fold_in = (
        dataclasses.replace(rated, times=np.arange(len(rated))) for rated in (train, fold_in)
    )
    part = Part(train, fold_in, ratings())
    grid = [("rated", 4, 1, 8, 0.0, each) for each in epochs]
    fits = SASREC.fit_all(part, dataset(train), MOVIES, grid)
    return [scorer(np.array(users)) for _, scorer in fits][-1]


def test_it_tells_what_comes_next_to_users_it_was_not_trained_on():
    scores = scores_of(CHAINS, ratings((6, 20, 5), (7, 10, 5)), [7, 6], (200,))
    assert MOVIES[scores.argmax(axis=1)].tolist() == [20, 30]


def test_it_learns_nothing_from_what_others_fold_in():
    mine = ratings((6, 20, 5))
    more = ratings((5, 10, 5), (5, 40, 5), (6, 20, 5), (8, 40, 5), (8, 10, 5))
    np.testing.assert_array_equal(scores_of(CHAINS, mine, [6]), scores_of(CHAINS, more, [6]))


def test_it_goes_by_popularity_where_it_knows_nothing():
    """A user without a history; the movie that nobody rated comes last for everybody."""
    scores = scores_of(CHAINS, ratings((6, 40, 5), (7, 10, 5)), [6, 7, 8])
    assert (
        MOVIES[(-scores).argsort(axis=1, kind="stable")][[0, 2]].tolist() == [[20, 10, 30, 40]] * 2
    )
    assert scores[1].argmin() == 3


def test_it_goes_on_training_from_one_number_of_epochs_to_the_next():
    asked = (CHAINS, ratings((7, 10, 5)), [7])
    first, at_once, in_steps = (scores_of(*asked, epochs=each) for each in ((5,), (20,), (5, 20)))
    np.testing.assert_allclose(at_once, in_steps, rtol=1e-5)
    assert not np.allclose(first, at_once)


def test_it_goes_by_popularity_where_nobody_rated_two_movies():
    scores = scores_of(ratings((1, 20, 5), (2, 20, 5), (3, 10, 5)), ratings(), [1, 8])
    assert MOVIES[(-scores).argsort(axis=1, kind="stable")].tolist() == [[20, 10, 30, 40]] * 2

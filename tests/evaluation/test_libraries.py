"""Baselines out of libraries; skipped where these are not installed."""

import numpy as np
import pytest
from hand_made import MOVIES, TRAIN, problem, ratings, scores

from recsys.evaluation.baselines import missing
from recsys.evaluation.baselines.libraries import IALS, MYFM, SASREC, SVDPP
from recsys.evaluation.baselines.simple import BIASES


def need(baseline):
    if missing(baseline.library):
        pytest.skip(missing(baseline.library))
    return baseline.fit


def test_ials_puts_what_goes_together_together():
    pairs = [
        (user, movie) for user in range(1, 9) for movie in ((10, 20) if user % 2 else (30, 40))
    ]
    train = ratings(*[(*pair, 5) for pair in pairs if pair not in ((1, 20), (2, 40))])
    found = scores(need(IALS), problem(train), ("rated", 2, 0.1, 1.0), [1, 2])
    assert found[0, 1] > found[0, 2:].max()
    assert found[1, 3] > found[1, :2].max()


@pytest.mark.parametrize(
    ("baseline", "options"),
    [(BIASES, (0.5, 0.5)), (SVDPP, (2, 200, 0.001)), (MYFM, (2, 60))],
    ids=["biases", "SVD++", "myFM"],
)
def test_rating_baselines_learn_planted_biases_and_stay_within_the_scale(baseline, options):
    rng = np.random.default_rng(0)
    users, movies = rng.normal(0, 0.7, 8), rng.normal(0, 0.7, 4)
    user, movie = np.divmod(np.arange(32), 4)
    values = np.clip(3 + users[user] + movies[movie], 1, 5)
    every = ratings(*zip(user + 1, MOVIES[movie], values, strict=True))
    held_out = np.arange(32) % 5 == 3
    train, test = every[~held_out], every[held_out]
    predict = next(iter(need(baseline)(problem(train, test=test), (options,))))
    found = predict(test.user_ids, test.movie_ids)
    usual = np.sqrt(np.mean((train.values.mean() - test.values) ** 2))
    assert np.sqrt(np.mean((found - test.values) ** 2)) < 0.8 * usual
    cold = predict(np.array([8 if baseline is MYFM else 99999]), MOVIES[:1])
    assert train.values.min() <= cold[0] <= train.values.max()


def test_myfm_takes_data_without_genres():
    about = problem(TRAIN, test=TRAIN, genres=[()] * 4)
    predict = next(iter(need(MYFM)(about, ((2, 12),))))
    assert np.isfinite(predict(TRAIN.user_ids, TRAIN.movie_ids)).all()


CHAINS = ratings(
    *((user, movie, 5) for user in (1, 2, 3) for movie in ((10, 20) if user % 2 else (20, 30))),
    times=range(6),
)


def sasrec(train, fold_in, users, epochs=(80,)):
    """Scores after the last of some epochs; ratings are in the order of time."""
    for rated in (train, fold_in):
        rated.times[:] = np.arange(len(rated))
    grid = [("rated", 4, 1, 8, 0.0, each) for each in epochs]
    fit = need(SASREC)
    return [scorer(np.array(users)) for scorer in fit(problem(train, fold_in), grid)][-1]


def test_sasrec_tells_what_comes_next_to_users_that_it_learns_nothing_from():
    found = sasrec(CHAINS, ratings((6, 20, 5), (7, 10, 5)), [7, 6], (200,))
    assert MOVIES[found.argmax(axis=1)].tolist() == [20, 30]
    mine = ratings((6, 20, 5))
    more = ratings((5, 10, 5), (5, 40, 5), (6, 20, 5), (8, 40, 5), (8, 10, 5))
    np.testing.assert_array_equal(sasrec(CHAINS, mine, [6]), sasrec(CHAINS, more, [6]))


def test_sasrec_goes_by_popularity_where_it_knows_nothing():
    """A user without a history; the movie that nobody rated comes last for everybody."""
    found = sasrec(CHAINS, ratings((6, 40, 5), (7, 10, 5)), [6, 7, 8])
    orders = MOVIES[(-found).argsort(axis=1, kind="stable")]
    assert orders[[0, 2]].tolist() == [[20, 10, 30, 40]] * 2
    assert found[1].argmin() == 3
    nothing_follows = ratings((1, 20, 5), (2, 20, 5), (3, 10, 5))
    found = sasrec(nothing_follows, ratings(), [1, 8])
    assert MOVIES[(-found).argsort(axis=1, kind="stable")].tolist() == [[20, 10, 30, 40]] * 2


def test_sasrec_goes_on_training_from_one_number_of_epochs_to_the_next():
    asked = (CHAINS, ratings((7, 10, 5)), [7])
    first, at_once, in_steps = (sasrec(*asked, epochs=each) for each in ((5,), (20,), (5, 20)))
    np.testing.assert_allclose(at_once, in_steps, rtol=1e-5)
    assert not np.allclose(first, at_once)

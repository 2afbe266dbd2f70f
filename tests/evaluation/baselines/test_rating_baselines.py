"""Baselines that predict ratings."""

import numpy as np
import pytest
from hand_made import MOVIES, dataset, ratings

from recsys.evaluation.baselines import missing
from recsys.evaluation.baselines import ratings as rating_baselines
from recsys.evaluation.baselines.ratings import (
    BIASES,
    MYFM,
    SVDPP,
    RatingBaseline,
    fit_biases,
    tune_ratings,
)
from recsys.evaluation.splits import Part, split


def test_biases_by_hand():
    """One rating, no regularisation of the movie: half of what is left is the user's."""
    biases = fit_biases(ratings((1, 10, 5), (1, 20, 1), (2, 10, 5), (2, 20, 1)), 0, 2)
    # mean 3; movie 10 is 2 above: 2 * 2 / (2 + 2) = 1
    assert biases.mean == 3
    assert biases.movie_biases == pytest.approx([1, -1])
    assert biases.user_biases == pytest.approx([0, 0])
    test = np.array([1, 1, 7, 7]), np.array([10, 20, 10, 99])
    assert biases.predict(*test) == pytest.approx([4, 2, 4, 3])


def test_biases_find_the_planted_ones():
    rng = np.random.default_rng(0)
    of_user, of_movie = rng.normal(0, 0.4, 60), rng.normal(0, 0.4, 50)
    user, movie = np.nonzero(rng.random((60, 50)) < 0.7)
    values = 3 + of_user[user] + of_movie[movie] + rng.normal(0, 0.05, len(user))
    biases = fit_biases(ratings(*zip(user, movie, values, strict=True)), 0.1, 0.1)
    predicted = biases.predict(user, movie)
    assert np.sqrt(np.mean((predicted - values) ** 2)) < 0.06


def test_predictions_stay_within_the_ratings_seen():
    train = ratings(*((u, f, 4 if u == f / 10 else 2) for u in (1, 2, 3) for f in (10, 20)))
    biases = fit_biases(train, 0, 0)._replace(user_biases=np.array([9.0, -9.0, 0]))
    predicted = biases.predict(np.array([1, 2]), np.array([10, 10]))
    assert predicted.tolist() == [4, 2]


def test_biases_are_tuned_on_validation():
    rng = np.random.default_rng(0)
    user, movie = np.nonzero(rng.random((40, 30)) < 0.8)
    noise = ratings(*zip(user, movie, rng.integers(1, 6, len(user)), strict=True))
    parts = split(noise, "random", seed=0)
    options, value = tune_ratings(BIASES, parts.choice, dataset(noise))
    assert options == (20, 20)  # there is nothing but noise to learn
    assert value == pytest.approx(noise.values.std(), abs=0.15)


def planted(seed=0):
    """(train, test) ratings that a user's and a movie's bias explain."""
    rng = np.random.default_rng(seed)
    users, movies = rng.normal(0, 0.7, 8), rng.normal(0, 0.7, 4)
    pairs = [
        (u + 1, MOVIES[m], np.clip(3 + users[u] + movies[m], 1, 5))
        for u in range(8)
        for m in range(4)
    ]
    test = [pair for place, pair in enumerate(pairs) if place % 5 == 3]
    return ratings(*(pair for pair in pairs if pair not in test)), ratings(*test)


@pytest.mark.parametrize(
    ("baseline", "options"),
    [(BIASES, (0.5, 0.5)), (SVDPP, (2, 200, 0.001)), (MYFM, (2, 60))],
    ids=lambda each: getattr(each, "name", ""),
)
def test_rating_baselines_learn_and_stay_within_the_scale(baseline, options):
    if missing(baseline.library):
        pytest.skip(missing(baseline.library))
    train, test = planted()
    predict = baseline.fit(Part(train, ratings(), test), dataset(train), options)
    found = predict(test.user_ids, test.movie_ids)
    assert found.shape == test.values.shape
    usual = np.sqrt(np.mean((train.values.mean() - test.values) ** 2))
    assert np.sqrt(np.mean((found - test.values) ** 2)) < 0.8 * usual
    cold = predict(np.array([99999 if baseline is not MYFM else 8]), np.array([MOVIES[0]]))
    assert train.values.min() <= cold[0] <= train.values.max()


def test_options_of_slow_baselines_are_chosen_on_whole_users(monkeypatch):
    train, test = planted()
    monkeypatch.setattr(rating_baselines, "SAMPLE", len(train) // 2)
    sizes = []

    def fit(part, data, options):
        sizes.append(len(part.train))
        for user in np.unique(part.train.user_ids):
            assert (part.train.user_ids == user).sum() == (train.user_ids == user).sum()
        return lambda users, movies: np.full(len(users), float(options[0]))

    part = Part(train, ratings(), test)
    own = RatingBaseline("own", ((3,), (1,)), fit)
    assert tune_ratings(own, part, dataset(train))[0] == (3,)
    tune_ratings(own._replace(library="numpy"), part, dataset(train))
    assert sizes[0] == len(train) > sizes[-1]
    assert np.isnan(tune_ratings(own._replace(grid=((3,),)), part, dataset(train))[1])


def test_myfm_gets_ids_who_rated_what_and_sides():
    """A row an entity: its id, what it is rated with / sqrt(their number), columns, genres."""
    sparse = pytest.importorskip("scipy.sparse")
    rated = sparse.csr_matrix(np.array([[1.0, 1, 1, 1], [0, 1, 0, 0]]))
    sides, genres = [np.array([7, 3])], [("War", "Crime"), ("War",)]
    found = rating_baselines._sides(rated, sides, genres).toarray()
    assert found.tolist() == [
        [1, 0, 0.5, 0.5, 0.5, 0.5, 0, 1, 1, 1],
        [0, 1, 0, 1, 0, 0, 1, 0, 0, 1],
    ]
    without = rating_baselines._sides(rated, sides, [(), ()]).toarray()
    np.testing.assert_array_equal(without, found[:, :8])

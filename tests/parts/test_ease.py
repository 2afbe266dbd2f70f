"""The EASE part: a shallow autoencoder's weights in few numbers, and its cold-start answers."""

from dataclasses import replace

import numpy as np
import pytest
from learned_from import GENDER, asked, training

from recsys.data.interactions import Interactions, Recency
from recsys.options import Options
from recsys.parts import ease
from recsys.parts.ease import Ease

OPTIONS = Options(ease_exponent=1, ease_power=0.5, ease_dropout=0.5, ease_ridge=2, ease_rank=128)
TIMED = Recency(0.1, 10)


def two_tastes(users, movies, share, seed=0):
    """Users who like movies of odd rows, others who like even ones; and the (U, M) ratings."""
    rng = np.random.default_rng(seed)
    odd = np.arange(movies) % 2
    likes = rng.integers(0, 2, users)[:, None] == odd
    rated = rng.random((users, movies)) < share * np.where(likes, 1, 0.2)
    rated[:, 0] |= ~rated.any(1)
    ratings = np.where(rated, np.where(likes, 5, 2), 0).astype(np.float32)
    pairs = np.argwhere(ratings) + 1
    history = Interactions.build(users, pairs[:, 0], pairs[:, 1], ratings[ratings > 0])
    return training(history, movies, described=GENDER), ratings


def exact_predictions(ratings):
    """(U, M) Y B by Steck's formula with EDLAE's diagonal, in float64."""
    shares = ratings / 5 / np.sqrt((ratings > 0).sum(1, keepdims=True)).astype(np.float64)
    products = shares.T @ shares
    products[np.diag_indices(len(products))] /= 1 - OPTIONS.ease_dropout
    products += OPTIONS.ease_ridge * np.eye(ratings.shape[1])
    inverse = np.linalg.inv(products)
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return shares @ weights


WEAK = 4e-3  # of the largest singular value: directions that subspace iteration may lose


@pytest.mark.parametrize(("movies", "rank"), [(15, 15), (30, 30), (150, 32)])
def test_predictions_err_as_little_as_any_of_their_rank(movies, rank):
    """Not at all where the rank is the number of movies and none of them is weak, as of 15."""
    data, ratings = two_tastes(500, movies, 0.3)
    tables = Ease().fit(data, replace(OPTIONS, ease_rank=rank))
    shares = ratings / 5 / np.sqrt((ratings > 0).sum(1, keepdims=True))
    found = shares @ tables["source"][1:] @ tables["ease"][1:].T
    expected = exact_predictions(ratings)
    found *= (found * expected).sum() / (found**2).sum()
    values = np.linalg.svd(expected)[1]
    values[:rank][values[:rank] >= WEAK * values[0]] = 0
    least, size = np.linalg.norm(values), np.linalg.norm(expected)
    assert (least == 0) == (movies == 15)
    assert np.linalg.norm(found - expected) < 1.001 * least + 1e-6 * size
    longest = np.linalg.norm(tables["ease"], axis=1).max()
    assert longest == pytest.approx(0.999, abs=1e-4)  # 1 would leave nothing for the last number


def cosines(data, tables, gender=0, liked=(), recency=TIMED):
    """(M,) of a cold-start user with every movie."""
    liked = np.array(liked, int)
    history = Interactions.build(0, 0 * liked, liked, np.full(len(liked), 5))
    one = asked(data, np.zeros(1, int), history, np.array([[gender]]), recency)
    return (Ease().users(tables, one)["ease"] @ tables["ease"].T)[0, 1:]


@pytest.mark.parametrize("most", [6000, 20])
def test_likes_of_a_cold_start_user_raise_movies_of_that_taste(most):
    """Also those beyond the most rated."""
    data, _ = two_tastes(300, 40, 0.4)
    tables = Ease().fit(data, replace(OPTIONS, ease_movies=most))
    for odd in (0, 1):
        found = cosines(data, tables, liked=range(1 + odd, 9, 2))
        of_taste = np.arange(40) % 2 == odd
        best = np.argsort(-found, kind="stable")[:10]
        assert of_taste[best].all()
        assert found[of_taste].mean() > 2 * found[~of_taste].mean()
    assert np.linalg.norm(tables["ease"], axis=1).max() <= 1


def test_a_cold_start_user_gets_what_users_of_the_profile_rate():
    """One gender rates odd rows, the other even ones; without a profile: what most rate."""
    rng = np.random.default_rng(1)
    odd = np.arange(30) % 2
    gender = np.concatenate([[0], np.repeat([1, 2], [60, 140])])
    rated = rng.random((201, 30)) < np.where((gender[:, None] == 1) == (odd == 1), 0.8, 0.1)
    rated[0] = False
    users, movies = np.nonzero(rated)
    history = Interactions.build(200, users, movies + 1, np.full(len(users), 4))
    data = training(history, 30, gender[:, None], GENDER)
    tables = Ease().fit(data, OPTIONS)
    for profile, rates in ((1, 1), (2, 0), (0, 0)):
        found = cosines(data, tables, profile)
        assert found[odd == rates].min() > found[odd != rates].max()


def test_a_late_arrival_that_all_rate_now_is_what_a_cold_start_user_gets():
    """But without recency, whether it was off in training or only when asked."""
    rated = np.random.default_rng(2).random((200, 9)) < np.array([0.5] * 8 + [0.0])
    rated[160:, 8] = True  # by all of the last 40 users, each of whom has a time of their own
    users, movies = np.argwhere(rated).T + 1
    history = Interactions.build(200, users, movies, np.full(len(users), 4), users)
    data = training(history, 9, described=GENDER)
    tables, without = (Ease().fit(data, o) for o in (OPTIONS, replace(OPTIONS, recency_floor=1)))
    assert cosines(data, tables).argmax() == 8
    assert cosines(data, without, recency=Recency()).argmin() == 8
    both = (cosines(data, each, recency=Recency()) for each in (tables, without))
    np.testing.assert_allclose(*both, atol=0.01)  # a number more is in its length of 1


class Judge:
    """Likes whom it is told to: the ndcg of a rank; a list of what it was told."""

    def __init__(self, data, ndcg):
        self.data, self.by_rank, self.log_lines = data, ndcg, []
        self.log = self.log_lines.append

    def asked(self, recency):
        return asked(self.data, np.arange(1, self.data.history.rows), recency=recency)

    def ndcg(self, users, movies, rows):
        assert users.shape[1] == movies.shape[1] <= len(movies) == len(rows)
        return self.by_rank[users.shape[1]]


def test_the_smallest_rank_within_half_a_per_cent_of_the_best_is_chosen_and_said():
    data, _ = two_tastes(300, 100, 0.3)
    judge = Judge(data, {32: 0.3, 64: 0.3986, 100: 0.4})
    chosen = Ease().choose(data, Options(), judge)
    assert (chosen.ease_rank, chosen.recency_floor) == (64, 1)  # no recency: it ranks as well
    assert chosen.ease_power in ease.RIDGES
    assert chosen.ease_dropout in ease.DROPOUTS
    assert chosen.ease_ridge > 0
    assert "rank 64, by ndcg@10 of ranks 32 0.3000, 64 0.3986, 100 0.4000" in judge.log_lines[-1]
    assert Ease().fit(data, chosen)["source"].shape == (101, 65)


def test_some_of_many_users_choose_alike(monkeypatch):
    data, _ = two_tastes(300, 100, 0.3)
    options = Options(ease_power=0.0, ease_dropout=0.5, ease_exponent=1, recency_floor=1)
    tried = []
    solved = ease._solved
    monkeypatch.setattr(ease, "_solved", lambda p, *rest: tried.append(p) or solved(p, *rest))
    Ease().choose(data, options, Judge(data, {32: 0.3, 64: 0.3986, 100: 0.4}))
    every = tried[0].sum()
    monkeypatch.setattr(ease, "TRIED_USERS", 100)
    Ease().choose(data, options, Judge(data, {32: 0.3, 64: 0.3986, 100: 0.4}))
    some = next(p for p in tried if p.sum() != every)
    assert some.sum() == pytest.approx(every, rel=0.2)


def test_options_that_are_given_are_kept():
    data, _ = two_tastes(100, 40, 0.3)
    given = {"ease_power": 0.3, "ease_dropout": 0.2, "ease_ridge": 7.0, "ease_rank": 5}
    options = Options(recency_floor=1, ease_exponent=2, **given)
    assert Ease().choose(data, options, Judge(data, {32: 0.1, 40: 0.2})) == options
    free = Ease().choose(data, replace(options, ease_ridge=-1), Judge(data, {32: 0.1, 40: 0.2}))
    assert free == replace(options, ease_ridge=free.ease_ridge)


class TasteJudge(Judge):
    """Counts how many of ten listed movies that a user does not have are of the user's taste."""

    def __init__(self, data, likes, rated):
        super().__init__(data, {})
        self.likes, self.rated = likes, rated

    def ndcg(self, users, movies, rows):
        scores = np.where(self.rated, -np.inf, users @ movies.T)
        listed = np.argsort(-scores, 1)[:, :10]
        return np.take_along_axis(self.likes, listed, 1).mean()


@pytest.mark.parametrize("strong_is_taste", [True, False])
def test_held_out_ratings_choose_how_much_the_strength_of_an_event_counts(strong_is_taste):
    rng = np.random.default_rng(0)
    likes = rng.integers(0, 2, 1000)[:, None] == np.arange(100) % 2
    rated = rng.random((1000, 100)) < np.where(likes, 0.12, 0.08)
    rated[:, 0] |= ~rated.any(1)
    strong = likes if strong_is_taste else rng.random(likes.shape) < 0.5
    users, movies = np.nonzero(rated)
    values = np.where(strong, 5, 4)[users, movies]
    data = training(Interactions.build(1000, users + 1, movies + 1, values), 100)
    options = Options(ease_power=0.5, ease_dropout=0.5, ease_ridge=2, recency_floor=1)
    chosen = Ease().choose(data, options, TasteJudge(data, likes, rated))
    assert (chosen.ease_exponent > 2) == strong_is_taste

"""Ranking metrics by hand and beside trec_eval, and what is never recommended."""

import numpy as np
import pytest
import pytrec_eval
from hand_made import dataset, problem, ratings

from recsys.data.ids import PADDING
from recsys.errors import DataError, ModelError
from recsys.evaluation.problem import Problem
from recsys.evaluation.splits import Stage

MOVIES = np.arange(10, 40)  # ids, not columns


def padded(*lists):
    return np.array([[*each, *[PADDING] * (20 - len(each))] for each in lists])


def asked(train, test, seen=None):
    return problem(train, seen, test, movies=MOVIES)


@pytest.fixture
def hand():
    """User 1 likes 12 and 14 of the movies; user 2 likes 30; user 3 likes nothing held out."""
    train = ratings((1, 10, 5), (2, 10, 3), (2, 11, 1), (3, 10, 4), (4, 10, 4), (4, 12, 5))
    test = ratings((1, 12, 4), (1, 13, 3.5), (1, 14, 5), (2, 30, 4.5), (3, 31, 2))
    return asked(train, test)


def test_metrics_by_hand(hand):
    lists = padded([11, 12, 13, 14], [20, 21, 22])
    found = hand.judged(lists)
    ideal = 1 + 1 / np.log2(3)
    gained = 1 / np.log2(3) + 1 / np.log2(5)
    assert found["ndcg@10"].totals == pytest.approx([gained / ideal, 0])
    assert found["recall@10"].totals.tolist() == [1, 0]
    assert found["mrr@20"].totals.tolist() == [0.5, 0]
    # 11 and 12 were rated by one of four users (2 bits), the rest by none, which counts as one
    assert (found["mrr@20"].value, found["novelty@10"].value) == (0.25, 2)
    assert hand.coverage(lists) == 7 / 30
    assert (hand.user_ids.tolist(), hand.left_out) == ([1, 2], 1)


def test_only_candidates_are_relevant_and_at_most_k_of_them():
    one = asked(ratings(), ratings((1, 12, 5), (1, 99, 5)))
    assert one.judged(padded([12]))["recall@10"].value == 1
    every = asked(ratings((2, 10, 1)), ratings(*((1, movie, 4) for movie in MOVIES)))
    found = every.judged(MOVIES[None, :20])
    assert found["ndcg@10"].value == pytest.approx(1)
    assert found["recall@20"].value == 1
    assert set(every.judged(MOVIES[None, :10])) == {"ndcg@10", "recall@10", "novelty@10"}


def test_lists_that_would_flatter_and_users_who_like_nothing_are_refused(hand):
    for first in ([10], [12, 13, 12], [99]):  # seen, twice, no candidate
        with pytest.raises(DataError, match="no candidate, was seen before, or is there twice"):
            hand.judged(padded(first, [30]))
    with pytest.raises(DataError, match="no candidate is rated 4 or more"):
        assert asked(ratings(), ratings((1, 12, 3.5))).user_ids


def test_best_recommends_no_seen_movie_and_takes_no_odd_score(hand, monkeypatch):
    scored = []

    def score(users):
        scored.append(users.tolist())
        return np.tile(-np.arange(30.0), (len(users), 1))

    lists = hand.best(score)
    assert lists[:, :2].tolist() == [[11, 12], [12, 13]]
    monkeypatch.setattr("recsys.evaluation.problem.BLOCK", 1)
    np.testing.assert_array_equal(hand.best(score), lists)
    assert scored == [[1, 2], [1], [2]]
    with pytest.raises(ModelError, match="not a number"):
        hand.best(lambda users: np.full((len(users), 30), np.nan))


def history(*rows):
    """(user id, movie id, time) each, all rated 5."""
    return ratings(*((user, movie, 5) for user, movie, _ in rows), times=[row[2] for row in rows])


def test_movies_first_rated_after_the_cutoff_time_are_not_available():
    train = history((1, 10, 1), (2, 20, 2))
    fold_in = history((5, 10, 50), (5, 20, 60), (6, 10, 90))
    stage = Stage(train, fold_in, history((5, 30, 70), (6, 40, 95), (6, 30, 96)))
    every = slice(None)
    # user 5 at 60: 30 is what is to be found, 40 comes at 95; user 6 at 90: 30 is available
    found = Problem(stage, dataset(train), "fold-in").excluded(every)
    assert found.tolist() == [[True, True, False, True], [True, False, False, False]]
    always = Problem(stage, dataset(train)).excluded(every)
    assert always.tolist() == [[True, True, False, False], [True, False, False, False]]
    nobody = Stage(train, history((5, 10, 50)), history((5, 30, 70)))  # rated 40
    assert Problem(nobody, dataset(train), "fold-in").excluded(every)[0, 3]


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_trec_eval(seed):
    rng = np.random.default_rng(seed)
    shape = users, movies = 60, 80
    known = rng.random(shape) < 0.1
    held_out = (rng.random(shape) < rng.random((users, 1)) * 0.4) & ~known
    rating, scores = rng.integers(1, 6, shape), rng.standard_normal(shape)

    def of(mask):
        user, movie = np.nonzero(mask)
        return ratings(*zip(user + 1, movie + 1, rating[mask], strict=True))

    def texts(user, mask, values):
        return {str(movie): values[user, movie].item() for movie in np.flatnonzero(mask[user])}

    ours = problem(of(known), None, of(held_out), movies=np.arange(1, movies + 1))
    found = ours.judged(ours.best(lambda ids: scores[ids - 1]))
    liked = held_out & (rating >= 4)
    asked = np.flatnonzero(liked.any(1))
    assert (ours.user_ids - 1).tolist() == asked.tolist()
    truth = {str(user): texts(user, liked, liked.astype(int)) for user in asked}
    run = {str(user): texts(user, ~known, scores) for user in asked}
    measures = {"ndcg_cut.10", "P.10,20", "recip_rank"}
    theirs = pytrec_eval.RelevanceEvaluator(truth, measures).evaluate(run)
    names = ("ndcg_cut_10", "P_10", "P_20", "recip_rank")
    right, *hits, rank = np.array([[theirs[user][name] for name in names] for user in truth]).T
    np.testing.assert_allclose(found["ndcg@10"].totals, right, atol=1e-7)
    for k, share in zip((10, 20), hits, strict=True):
        recall = share * k / np.minimum(k, liked.sum(1)[asked])
        np.testing.assert_allclose(found[f"recall@{k}"].totals, recall)
    np.testing.assert_allclose(found["mrr@20"].totals, np.where(rank >= 0.05 - 1e-9, rank, 0))


def test_a_rough_problem_has_fewer_users_of_the_test_part_and_all_they_rated(monkeypatch):
    test = ratings(*((user, movie, 5) for user in range(1, 9) for movie in (10, 20)))
    assert len(problem(test=test).rough().stage.test) == 16
    monkeypatch.setattr("recsys.evaluation.problem.ROUGH_USERS", 3)
    rough = problem(test=test).rough()
    assert (len(rough.user_ids), len(rough.stage.test)) == (3, 6)
    assert len(rough.stage.train) == len(problem().stage.train)

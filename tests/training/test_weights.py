"""Weights of the slices, searched among the best movies of each."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from recsys.training.weights import Pool, ndcg

USERS, MOVIES = 60, 300


def lists(seed=0):
    """(B, M) twenty movies that each user has seen, and five others that are liked."""
    rng = np.random.default_rng(seed)
    drawn = np.argsort(rng.random((USERS, MOVIES)), 1)
    both = np.zeros((2, USERS, MOVIES), np.float32)
    for one, columns in zip(both, (drawn[:, :20], drawn[:, 20:25]), strict=True):
        np.put_along_axis(one, columns, 1, 1)
    return csr_matrix(both[0]), csr_matrix(both[1])


def slices(judged, seed=1, **helps):
    """Users and movies of slices that know the likes as well as said, and noise beside."""
    rng = np.random.default_rng(seed)
    likes, every = judged[1].toarray(), np.eye(MOVIES, dtype=np.float32)
    noise = {name: rng.standard_normal(likes.shape).astype(np.float32) for name in helps}
    return {n: noise[n] + share * likes for n, share in helps.items()}, dict.fromkeys(helps, every)


def test_ndcg_by_hand():
    scores = np.array([[0.1, 0.9, 0.5], [3, 2, 1], [1, 2, 3]], np.float32)
    found = ndcg(scores, (np.array([0, 1, 1]), np.array([0, 0, 1])), np.array([1, 3, 0]))
    third = (1 + 1 / np.log2(3)) / (1 + 1 / np.log2(3) + 1 / 2)  # of three likes two are there
    np.testing.assert_allclose(found, [1 / 2, third, 0])


def test_what_scores_all_alike_ranks_nothing_first():
    alike = np.zeros((1, 40), np.float32)
    assert ndcg(alike, (np.zeros(2, int), np.array([0, 1])), np.array([2])) == 0


@pytest.mark.parametrize("weights", [{"a": 1.0}, {"b": 1.0}, {"a": 0.3, "b": 0.7}])
def test_the_sum_in_the_pool_ranks_as_in_all_movies(weights):
    judged = lists()
    users, movies = slices(judged, a=1.0, b=2.0)
    total = sum(weight * users[name] for name, weight in weights.items())
    total[judged[0].nonzero()] = -np.inf
    expected = ndcg(total, judged[1].nonzero(), np.full(USERS, 5))
    np.testing.assert_allclose(Pool.of(*judged, users, movies).ndcg(weights), expected)


def test_a_useless_slice_gets_nothing_and_one_of_weight_0_that_helps_is_found():
    judged = lists()
    pool = Pool.of(*judged, *slices(judged, useful=2.0, helpful=2.0, noise=0.0))
    found, best = pool.search({"useful": 0.5, "noise": 0.5})
    assert found["noise"] == 0
    assert found["helpful"] > 0.2
    assert sum(found.values()) == pytest.approx(1)
    assert best == pytest.approx(pool.ndcg(found).mean())
    assert best > max(pool.ndcg({name: 1.0}).mean() for name in found)
    begun = pool.search({"noise": 2.0}, {"useful": 2.0}, rounds=0)[0]  # from the better one
    assert begun == {"useful": 1, "helpful": 0, "noise": 0}


def test_what_gains_no_more_than_chance_changes_no_weight():
    judged = lists()
    users, movies = slices(judged, a=1.0)
    same = {"a": users["a"], "again": users["a"]}, {"a": movies["a"], "again": movies["a"]}
    assert Pool.of(*judged, *same).search({"a": 1.0})[0] == {"a": 1.0, "again": 0.0}
    assert Pool.of(*judged, users, movies).search({})[0] == {"a": 1.0}

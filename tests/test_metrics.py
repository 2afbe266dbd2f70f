import numpy as np
import pytest
import pytrec_eval
from hand_made import ratings
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.errors import DataError, ModelError
from recsys.metrics import (
    PADDING,
    PerUser,
    best,
    coverage,
    difference,
    interval,
    matrix,
    overlap,
    ranking_metrics,
    ranking_task,
    rating_metrics,
    top_k,
)


def padded(*lists):
    return np.array([[*each, *[PADDING] * (20 - len(each))] for each in lists])


MOVIES = np.arange(10, 40)  # ids, not columns


@pytest.fixture
def hand():
    """User 1 likes 12 and 14 of the movies; user 2 likes 30; user 3 likes nothing held out."""
    train = ratings((1, 10, 5), (2, 10, 3), (2, 11, 1), (3, 10, 4), (4, 10, 4), (4, 12, 5))
    test = ratings((1, 12, 4), (1, 13, 3.5), (1, 14, 5), (2, 30, 4.5), (3, 31, 2))
    return ranking_task(train, train, test, MOVIES)


def test_metrics_by_hand(hand):
    lists = padded([11, 12, 13, 14], [20, 21, 22])
    metrics = ranking_metrics(hand, lists)
    ideal = 1 + 1 / np.log2(3)
    assert metrics["ndcg@10"].totals == pytest.approx(
        [(1 / np.log2(3) + 1 / np.log2(5)) / ideal, 0]
    )
    assert metrics["recall@10"].totals.tolist() == [1, 0]
    assert metrics["mrr@20"].totals.tolist() == [0.5, 0]
    assert metrics["mrr@20"].value == 0.25
    # 11 and 12 were rated by one of four users (2 bits), the rest by none, which counts as one
    assert metrics["novelty@10"].value == 2
    assert coverage(hand, lists) == 7 / 30
    assert (hand.user_ids.tolist(), hand.left_out) == ([1, 2], 1)


def test_novelty_is_minus_log2_of_the_share_of_training_users():
    train = ratings((1, 10, 5), (2, 10, 3), (3, 10, 1), (4, 11, 1), (3, 11, 2))
    task = ranking_task(train, ratings(), ratings((9, 12, 5)), MOVIES)
    value = ranking_metrics(task, padded([10, 11, 12]))["novelty@10"].value
    assert value == pytest.approx((-np.log2(3 / 4) - np.log2(2 / 4) - np.log2(1 / 4)) / 3)


def test_the_tenth_place_counts_at_10_and_the_eleventh_does_not(hand):
    tenth, eleventh = (
        {name: each.totals[0] for name, each in ranking_metrics(hand, padded(row, [30])).items()}
        for row in ([*range(15, 24), 12], [*range(15, 25), 12])
    )
    assert tenth["ndcg@10"] > 0
    assert [eleventh[name] for name in ("ndcg@10", "recall@10", "recall@20")] == [0, 0, 0.5]
    assert eleventh["mrr@20"] == pytest.approx(1 / 11)


def test_denominators_are_cut_at_k():
    """Thirty relevant movies: ten hits of ten are everything there is to have at 10."""
    test = ratings(*((1, movie, 4) for movie in MOVIES))
    task = ranking_task(ratings((2, 10, 1)), ratings(), test, MOVIES)
    names = "ndcg@10", "recall@10", "recall@20"
    every, half = (ranking_metrics(task, each) for each in (MOVIES[None, :20], padded(MOVIES[:5])))
    assert [every[name].value for name in names] == pytest.approx([1, 1, 1])
    assert [half[name].value for name in names[1:]] == [5 / 10, 5 / 20]


def test_a_movie_outside_the_candidates_is_not_relevant():
    test = ratings((1, 12, 5), (1, 99, 5))
    metrics = ranking_metrics(ranking_task(ratings(), ratings(), test, MOVIES), padded([12]))
    assert metrics["recall@10"].value == 1


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ([10], "has seen"),
        ([12, 13, 12], "twice"),
        ([99], "no candidate|not a candidate"),
    ],
)
def test_lists_that_would_flatter_are_refused(hand, first, message):
    with pytest.raises(DataError, match=message):
        ranking_metrics(hand, padded(first, [30]))
    with pytest.raises(DataError, match=r"expected \(2, 20\)"):
        ranking_metrics(hand, padded([12], [30])[:, :10])


def test_no_relevant_movie_at_all_is_refused():
    with pytest.raises(DataError, match="no candidate is rated 4 or more"):
        ranking_task(ratings(), ratings(), ratings((1, 12, 3.5)), MOVIES)


def test_best_never_recommends_a_seen_movie_and_takes_no_score_that_is_not_a_number(hand):
    lists = best(hand, lambda users: np.tile(-np.arange(30.0), (len(users), 1)))
    assert lists[:, :2].tolist() == [[11, 12], [12, 13]]
    with pytest.raises(ModelError, match="not a number"):
        best(hand, lambda users: np.full((len(users), 30), np.nan))


def test_best_scores_users_in_blocks_and_in_order(hand, monkeypatch):
    scored = []

    def score(users):
        scored.append(users.tolist())
        return np.zeros((len(users), 30))

    monkeypatch.setattr("recsys.metrics.BLOCK", 1)
    blocks = best(hand, score)
    metrics = ranking_metrics(hand, blocks)
    assert scored == [[1], [2]]
    monkeypatch.undo()
    np.testing.assert_array_equal(best(hand, score), blocks)
    for name, metric in ranking_metrics(hand, blocks).items():
        np.testing.assert_array_equal(metric.totals, metrics[name].totals)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 15))
def test_top_k_is_a_stable_sort(seed, width, k):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, (3, width)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.3] = -np.inf
    for row, columns in zip(scores, top_k(scores, k), strict=True):
        order = [c for c in np.argsort(-row, kind="stable") if row[c] > -np.inf][:k]
        assert columns.tolist() == order + [-1] * (k - len(order))


def test_a_matrix_has_users_and_movies_in_the_order_given():
    rated = ratings((7, 13, 2), (5, 11, 4), (5, 99, 1), (7, 10, 3), (8, 11, 0))
    found = matrix(rated, np.array([7, 1, 5, 8]), np.array([13, 10, 11]), rated.values)
    assert found.toarray().tolist() == [[2, 3, 0], [0, 0, 0], [0, 0, 4], [0, 0, 0]]
    assert found.nnz == 3  # what counts nothing is not stored
    assert matrix(rated, np.array([8]), np.array([11])).toarray() == [[1]]


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_trec_eval(seed):
    rng = np.random.default_rng(seed)
    users, movies = 60, 80
    train_mask = rng.random((users, movies)) < 0.1
    test_mask = (rng.random((users, movies)) < rng.random((users, 1)) * 0.4) & ~train_mask
    values = rng.integers(1, 6, (users, movies))
    scores = rng.standard_normal((users, movies))

    def of(mask):
        user, movie = np.nonzero(mask)
        return ratings(*zip(user + 1, movie + 1, values[mask], strict=True))

    task = ranking_task(of(train_mask), of(train_mask), of(test_mask), np.arange(1, movies + 1))
    lists = best(task, lambda ids: scores[ids - 1])
    ours = ranking_metrics(task, lists)

    liked = test_mask & (values >= 4)
    truth = {str(u): {str(m): 1 for m in np.flatnonzero(liked[u])} for u in range(users)}
    truth = {user: relevant for user, relevant in truth.items() if relevant}
    run = {
        user: {str(m): float(scores[int(user), m]) for m in np.flatnonzero(~train_mask[int(user)])}
        for user in truth
    }
    measures = {"ndcg_cut.10", "P.10,20", "recip_rank"}
    theirs = pytrec_eval.RelevanceEvaluator(truth, measures).evaluate(run)
    assert task.user_ids.tolist() == [int(user) + 1 for user in truth]

    def column(name):
        return np.array([theirs[user][name] for user in truth])

    relevant = np.array([len(movies) for movies in truth.values()])
    np.testing.assert_allclose(ours["ndcg@10"].totals, column("ndcg_cut_10"), atol=1e-7)
    for k in (10, 20):
        hits = column(f"P_{k}") * k
        np.testing.assert_allclose(ours[f"recall@{k}"].totals, hits / np.minimum(k, relevant))
    reciprocal = column("recip_rank")
    np.testing.assert_allclose(
        ours["mrr@20"].totals, np.where(reciprocal >= 1 / 20 - 1e-9, reciprocal, 0)
    )


def test_rmse_and_mae_by_hand():
    metrics = rating_metrics(
        np.array([5, 5, 2]), np.array([4.0, 1.0, 3.0]), np.array([4.0, 3.0, 2.0])
    )
    assert metrics["rmse"].value == pytest.approx((5 / 3) ** 0.5)
    assert metrics["mae"].value == 1
    assert metrics["rmse"].weights.tolist() == [1, 2]  # by user, in the order of their ids
    with pytest.raises(ModelError, match="not finite"):
        rating_metrics(np.array([1]), np.array([3.0]), np.array([np.inf]))


def test_overlap_counts_common_movies_whatever_their_order():
    exact = padded([1, 2, 3, 4], [5], [])
    other = padded([4, 3, 9, 8], [5, 6], [7])
    metric = overlap(exact, other)
    assert metric.totals.tolist() == [2, 1, 0]
    assert metric.weights.tolist() == [4, 1, 0]
    assert overlap(exact, exact).value == 1


def test_the_interval_covers_the_normal_one_and_is_seeded_and_of_a_root_is_that_of_the_root():
    values = np.random.default_rng(1).normal(3, 2, 2000)
    metric = PerUser(values, np.ones(2000))
    value, low, high = interval(metric, seed=5)
    assert value == pytest.approx(values.mean())
    half = 1.96 * values.std() / 2000**0.5
    assert low == pytest.approx(value - half, abs=half * 0.15)
    assert high == pytest.approx(value + half, abs=half * 0.15)
    assert interval(metric, seed=5) == (value, low, high)
    assert interval(metric, seed=6) != (value, low, high)
    root = PerUser(np.array([4.0, 4.0]), np.array([1.0, 1.0]), root=True)
    assert interval(root, seed=0) == (2, 2, 2)


def test_a_paired_difference_is_sharper_than_two_intervals():
    rng = np.random.default_rng(2)
    hard = rng.normal(0, 1, 500)
    ours = PerUser(hard + 0.05 + rng.normal(0, 0.01, 500), np.ones(500))
    theirs = PerUser(hard, np.ones(500))
    paired = difference(ours, theirs, seed=0)
    assert paired.value == pytest.approx(ours.value - theirs.value)
    assert 0.04 < paired.low < paired.high < 0.06
    assert interval(ours, seed=0).low < interval(theirs, seed=0).high
    with pytest.raises(DataError, match="same users"):
        difference(ours, PerUser(hard[1:], np.ones(499)), seed=0)

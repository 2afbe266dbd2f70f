"""A train step computes what its twin, written the slow and obvious way, computes."""

from dataclasses import fields, replace

import numpy as np
import pytest

from recsys import parts
from recsys.data.dataset import Dataset, Movies, Ratings, Users
from recsys.data.interactions import Interactions
from recsys.data.scale import MAX_RATING
from recsys.data.schema import MOVIELENS
from recsys.model import paddle
from recsys.options import Options
from recsys.parts.part import Asked, Training
from recsys.training.ranks import ALONE
from recsys.training.step import RetrievalLoss, TrainStep

GENRES = ("Drama", "War", "Comedy")
NO_DROPPING: dict = {each.name: 0.0 for each in fields(Options) if each.name.startswith("drop_")}
PLAIN = Options(
    dimension=4, batch_users=8, batch_size=40, epochs=4, cold_user_rate=0, **NO_DROPPING
)


def small(options=PLAIN, users=13, movies=30, density=0.3, ranks=ALONE):
    """A step and its batches, of invented ratings."""
    rng = np.random.default_rng(5)
    pairs = np.argwhere(rng.random((users, movies)) < density).astype(np.int32).T + 1
    values, times = rng.integers(1, 6, pairs.shape[1]), rng.integers(0, 50, pairs.shape[1])
    ratings = Ratings(*pairs, values.astype(np.float32), times)
    profile = [rng.integers(0, size, users) + 1 for size in (2, 7, 21)]
    known = Users(np.arange(1, users + 1), np.stack(profile, 1).astype(np.int32), MOVIELENS)
    titles = [f"{'The ' * (n % 3)}Movie {n} ({1950 + n})" for n in range(movies)]
    catalogue = Movies(np.arange(1, movies + 1), titles, [GENRES[: n % 4] for n in range(movies)])
    data = Training.of(Dataset("small", known, catalogue, ratings), ratings)
    step = TrainStep(data, options, ranks)
    return step, step.sampler


def batches_of(sampler, seed):
    return list(sampler.epoch(np.random.default_rng(seed)))


def unit_rows(seed, *shape):
    vectors = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def plain_retrieval_loss(users, movies, targets, weights, temperature):
    """The same by autograd. Not by `F.log_softmax`, which on a CPU cuts off at -64."""
    logits = paddle.matmul(users, movies, transpose_y=True) / temperature
    below = paddle.logsumexp(logits + paddle.to_tensor(np.log(weights)), -1, keepdim=True)
    return (paddle.to_tensor(targets) * (below - logits)).sum() / len(users)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("temperature", [1.0, 0.22, 0.01])
def test_retrieval_loss_and_its_gradients_are_those_of_log_softmax(temperature, weighted):
    rng = np.random.default_rng(0)
    targets = (rng.random((6, 9)) * (rng.random((6, 9)) < 0.4)).astype(np.float32)
    targets[2] = 0  # a user without a target
    weights = 1 + 3 * rng.random(9).astype(np.float32) * weighted
    found = []
    for loss_of in (RetrievalLoss.apply, plain_retrieval_loss):
        users = paddle.to_tensor(unit_rows(1, 6, 4), stop_gradient=False)
        movies = paddle.to_tensor(unit_rows(2, 9, 4), stop_gradient=False)
        loss = loss_of(users, movies, targets, weights, temperature)
        (loss * 1.7).backward()
        found.append((loss.item(), users.grad.numpy(), movies.grad.numpy()))
    for ours, plain in zip(*found, strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-4, atol=5e-6 / temperature)


def test_retrieval_targets_by_hand():
    """Of three users the second has no target left."""
    batch = batches_of(small()[1], 0)[0]._replace(
        user_rows=np.arange(3),
        candidates=np.arange(1, 5),
        owners=np.array([0, 0, 0, 1, 2]),
        columns=np.array([0, 1, 3, 2, 1]),
        ratings=np.array([4, 5, 2, 5, 4], np.float32),
        target=np.array([1, 1, 0.5, 0, 1], np.float32),
    )
    expected = np.array([[1, 2**0.5, 0, 0.25], [0] * 4, [0, 1, 0, 0]])
    expected[0] /= np.sqrt(1.25 + 2**0.5)
    np.testing.assert_allclose(batch.targets, expected, rtol=1e-6)


def folded_vectors(step, batch):
    """(B, 2 D) and (C, 2 D) heads of a batch's users, through the arrays, and candidates."""
    counts = np.bincount(batch.owners, minlength=len(batch.user_rows))
    rows = batch.candidates[batch.columns].astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    history = Interactions(offsets, rows, batch.ratings, np.zeros(len(rows), np.int64))
    shown = batch.shown > 0
    assert not batch.recent[~shown].any()
    asked = Asked(batch.user_rows, batch.attributes, MOVIELENS, history.keep(shown))
    vars(asked)["recent"] = batch.recent[shown]
    arrays = step.arrays()
    slices = parts.users(parts.tables_by_part(arrays), asked), parts.movies(arrays)
    users, movies = (np.hstack([each["retrieval"], each["rating"]]) for each in slices)
    return users, movies[batch.candidates]


def test_movies_go_through_their_tower_in_parts(monkeypatch):
    step, _ = small(PLAIN)
    whole = step.arrays()
    monkeypatch.setattr("recsys.training.step.AT_ONCE", 7)
    for name, each in step.arrays().items():
        np.testing.assert_allclose(each, whole[name], atol=1e-6, err_msg=name)


def losses(step, batch):
    """Over all movies but those before a user's cutoff time, or too late; and of each rating."""
    d = step.options.dimension
    users, movies = folded_vectors(step, batch)
    each = (users[batch.owners, d:] * movies[batch.columns, d:]).sum(1)
    squares = np.square(MAX_RATING * each - batch.ratings)[batch.predicted]
    logits = (users[:, :d] @ movies[:, :d].T / step.options.temperature).astype(np.float64)
    left = (batch.scattered(batch.target == 0) == 0) & (
        True if batch.available is None else batch.available
    )
    log_shares = logits - np.log((np.exp(logits) * left).sum(1, keepdims=True))
    return float(-(batch.targets * log_shares).sum() / len(users)), float(squares.mean())


@pytest.mark.parametrize("keep_rate", [0.0, 0.7, 1.0])
def test_losses_are_those_of_the_folded_towers(keep_rate):
    step, sampler = small(replace(PLAIN, history_keep_rate=keep_rate))
    rng = np.random.default_rng(1)
    for batch in batches_of(sampler, 2):
        assert batch.predicted.sum() > 5
        expected = losses(step, batch)
        assert step(batch, rng) == pytest.approx(expected, rel=2e-4)


@pytest.mark.slow  # the towers must be well trained
def test_sampled_candidates_estimate_the_full_softmax():
    """Averaged over many draws, the retrieval loss of some movies is that of all of them.

    On trained towers: a movie its user rated, always a candidate in that user's own batch, has
    much of the sum below the line there, and must not be weighted up for its chance elsewhere.
    """
    size = {"users": 60, "movies": 80, "density": 0.05}
    options = replace(
        PLAIN, history_keep_rate=1.0, learning_rate=0.05, epochs=8, batch_users=4, candidates=80
    )
    trained, sampler = small(options, **size)
    rng = np.random.default_rng(0)
    for _ in range(options.epochs):
        for batch in sampler.epoch(rng):
            trained(batch, rng)
    full, _ = small(replace(options, learning_rate=1e-9), **size)
    sampled, sampler = small(replace(options, learning_rate=1e-9, candidates=30), **size)
    full.set_weights(trained.weights())
    sampled.set_weights(trained.weights())
    found = []
    for _ in range(3):
        for batch in sampler.epoch(rng):
            assert batch.chance is not None
            assert len(batch.candidates) < 80
            batch = batch._replace(available=None)  # of those drawn; every movie was always there
            whole = {"candidates": np.arange(1, 81), "chance": None}
            every = batch._replace(columns=batch.candidates[batch.columns] - 1, **whole)
            found.append((sampled(batch, rng)[0], full(every, rng)[0]))
    estimate, exact = np.mean(found, 0)
    assert 0.97 * exact < estimate < exact  # the log of an estimate is a little below


def test_both_losses_and_the_learning_rate_fall_over_all_epochs():
    options = replace(PLAIN, epochs=15, learning_rate=0.01)
    step, sampler = small(options)
    rng, rates, found = np.random.default_rng(0), [], []
    for _ in range(options.epochs):
        for batch in sampler.epoch(rng):
            found.append(step(batch, rng))
            rates.append(step.optimizer.get_lr())
    assert len(rates) == step.steps == step.number
    assert rates[0] == pytest.approx(options.learning_rate)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < options.learning_rate * 0.05
    first, last = (np.mean(some, 0) for some in (found[:10], found[-10:]))
    assert (last < 0.8 * first).all(), (first, last)


def test_what_is_dropped_is_learned_from_as_unknown():
    """With every id, word and genre dropped, a step moves row 0 alone."""
    all_dropped = {name: 1.0 for name in NO_DROPPING}
    step, sampler = small(replace(PLAIN, weight_decay=0.0, history_keep_rate=0.0, **all_dropped))
    before = step.weights()
    step(batches_of(sampler, 0)[0], np.random.default_rng(0))
    after = step.weights()
    embeddings = [name for name in before if name.endswith((".embedding", ".word"))]
    assert len(embeddings) == 7
    for name in embeddings:
        moved = np.flatnonzero((before[name] != after[name]).any(1))
        assert moved.tolist() == [0], name


def test_a_batch_without_a_rating_to_predict_trains_the_retrieval_head_alone():
    step, sampler = small(replace(PLAIN, batch_size=1))
    batch = next(each for each in batches_of(sampler, 0) if not each.predicted.any())
    retrieval, rating = step(batch, np.random.default_rng(0))
    assert rating == 0
    assert np.isfinite(retrieval)
    assert all(np.isfinite(each).all() for each in step.weights().values())


def test_an_interruption_within_paddle_is_one(monkeypatch):
    step, sampler = small()
    rng = np.random.default_rng(0)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(RetrievalLoss, "backward", staticmethod(interrupted))
    with pytest.raises(KeyboardInterrupt):
        step(next(sampler.epoch(rng)), rng)

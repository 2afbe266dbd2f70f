"""A training step computes what its twin, written the slow and obvious way, computes."""

from dataclasses import fields, replace

import numpy as np
import pytest
from tables import towers_alone

from recsys.data.dataset import Movies, Ratings, Users, Vocabulary
from recsys.data.history import attribute_rows, history_of
from recsys.data.movielens import MAX_RATING
from recsys.model import paddle
from recsys.serving import folded as towers
from recsys.training.batches import BatchSampler
from recsys.training.options import Options
from recsys.training.step import RetrievalLoss, TrainStep, retrieval_targets

GENRES = ("Drama", "War", "Comedy")
NO_DROPPING: dict = {each.name: 0.0 for each in fields(Options) if each.name.startswith("drop_")}
PLAIN = Options(dimension=4, block_users=8, batch_size=40, epochs=4, stranger=0, **NO_DROPPING)


def small(
    options: Options = PLAIN, users: int = 13, movies: int = 30, density: float = 0.3
) -> TrainStep:
    """A trainer over invented ratings."""
    rng = np.random.default_rng(5)
    pairs = np.argwhere(rng.random((users, movies)) < density)
    values = rng.integers(1, 6, len(pairs)).astype(np.float32)
    people = Users(
        np.arange(1, users + 1),
        *[rng.integers(0, codes, users).astype(np.int8) for codes in (2, 7, 21)],
    )
    movies = Movies(
        np.arange(1, movies + 1),
        [f"{'The ' * (n % 3)}Movie {n} ({1950 + n})" for n in range(movies)],
        [GENRES[: n % 4] for n in range(movies)],
    )
    vocabulary = Vocabulary.of(people, movies)
    ratings = Ratings(
        pairs[:, 0].astype(np.int32) + 1,
        pairs[:, 1].astype(np.int32) + 1,
        values,
        np.zeros(len(pairs), np.int64),
    )
    feed = BatchSampler(
        history_of(ratings, vocabulary), attribute_rows(people, vocabulary), movies, options
    )
    return TrainStep(movies, vocabulary, feed, options)


def unit_rows(rng, *shape):
    vectors = rng.normal(size=shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def plain_retrieval(users, movies, targets, weights, temperature):
    """The same by autograd. Not by `F.log_softmax`, which on a CPU cuts off at -64."""
    logits = paddle.matmul(users, movies, transpose_y=True) / temperature
    below = paddle.logsumexp(logits + paddle.log(weights), -1, keepdim=True)
    return (targets * (below - logits)).sum() / len(users)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("temperature", [1.0, 0.22, 0.01])
def test_match_loss_and_its_gradients_are_those_of_log_softmax(temperature, weighted):
    rng = np.random.default_rng(0)
    targets = (rng.random((6, 9)) * (rng.random((6, 9)) < 0.4)).astype(np.float32)
    targets[2] = 0  # somebody with nothing to say
    weights = 1 + 3 * rng.random(9).astype(np.float32) * weighted
    found = []
    for form in ("ours", "plain"):
        users = paddle.to_tensor(unit_rows(np.random.default_rng(1), 6, 4), stop_gradient=False)
        movies = paddle.to_tensor(unit_rows(np.random.default_rng(2), 9, 4), stop_gradient=False)
        given = paddle.to_tensor(targets), paddle.to_tensor(weights)
        apply = RetrievalLoss.apply if form == "ours" else plain_retrieval
        loss = apply(users, movies, *given, temperature)
        (loss * 1.7).backward()
        found.append((loss.item(), users.grad.numpy(), movies.grad.numpy()))
    for ours, plain in zip(*found, strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-4, atol=5e-6 / temperature)


def test_match_targets_by_hand():
    rated = np.array([[4, 5, 0, 2], [0, 0, 0, 0], [0, 4, 0, 0]], np.float32)
    expected = np.array([[1, 2**0.5, 0, 0.5], [0] * 4, [0, 1, 0, 0]])
    expected[0] /= np.sqrt(1.5 + 2**0.5)
    np.testing.assert_allclose(retrieval_targets(rated), expected, rtol=1e-6)


def squared_error(trainer: TrainStep, block) -> float:
    """The values loss, one rating at a time, through the folded towers."""
    tables = towers_alone(*trainer.towers).__getitem__
    d = trainer.options.dimension
    movies = towers.movie_vectors(
        tables,
        block.movies,
        trainer.genre_rows[block.movies - 1],
        trainer.title_rows[block.movies - 1],
    )
    errors = []
    for place, column, values in zip(
        block.pair_users, block.pair_movies, block.pair_ratings, strict=True
    ):
        shown = np.flatnonzero(block.history[place])
        vector = towers.user_vectors(
            tables,
            block.user_rows[place : place + 1],
            block.attributes[place : place + 1],
            [(block.movies[shown], block.history[place, shown])],
        )
        errors.append(MAX_RATING * float(vector[0, d : 2 * d] @ movies[column, d : 2 * d]) - values)
    return float(np.square(errors).mean())


def full_softmax(trainer: TrainStep, block) -> float:
    """The match loss through the folded towers, over all movies, in float64."""
    tables = towers_alone(*trainer.towers).__getitem__
    d = trainer.options.dimension
    movies = towers.movie_vectors(
        tables,
        block.movies,
        trainer.genre_rows[block.movies - 1],
        trainer.title_rows[block.movies - 1],
    )
    histories = [(block.movies[row > 0], row[row > 0]) for row in block.history]
    users = towers.user_vectors(tables, block.user_rows, block.attributes, histories)
    logits = (users[:, :d] @ movies[:, :d].T / trainer.options.temperature).astype(np.float64)
    chances = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    return float(-(retrieval_targets(block.rated) * chances).sum() / len(users))


@pytest.mark.parametrize("keep", [0.0, 0.7, 1.0])
def test_a_step_computes_what_the_towers_say_one_rating_at_a_time(keep):
    trainer = small(replace(PLAIN, keep=keep))
    rng = np.random.default_rng(1)
    for block in trainer.feed.epoch(np.random.default_rng(2)):
        assert len(block.pair_ratings) > 5
        expected = full_softmax(trainer, block), squared_error(trainer, block)
        assert trainer.step(block, rng) == pytest.approx(expected, rel=2e-4)


def test_sampled_candidates_estimate_the_full_softmax():
    """Averaged over many draws, the match loss of some of the movies is that of all of them.

    On trained towers: a movie its user rated, always a candidate in that user's own block, has
    much of the sum below the line there, and must not be weighted up for its chance elsewhere.
    """
    size = {"users": 60, "movies": 80, "density": 0.05}
    whole = replace(
        PLAIN, keep=1.0, retrieval_weight=1.0, learning_rate=0.05, epochs=8, block_users=4
    )
    taught = small(replace(whole, candidates=80), **size)
    rng = np.random.default_rng(0)
    for _ in range(whole.epochs):
        for block in taught.feed.epoch(rng):
            taught.step(block, rng)
    full, sampled = (
        small(replace(whole, candidates=movies, learning_rate=0.0), **size) for movies in (80, 30)
    )
    full.set_weights(taught.weights())
    sampled.set_weights(taught.weights())
    losses = []
    for _ in range(3):
        for block in sampled.feed.epoch(rng):
            assert block.chance is not None
            assert len(block.movies) < 80
            everything = with_all_movies(block, 80)
            losses.append((sampled.step(block, rng)[0], full.step(everything, rng)[0]))
    estimate, exact = np.mean(losses, 0)
    assert estimate == pytest.approx(exact, rel=0.03)  # log of an estimate: a little below


def with_all_movies(block, movies: int):
    """The same users, histories and ratings, every movie a candidate."""
    dense = np.zeros((2, len(block.rated), movies), np.float32)
    dense[:, :, block.movies - 1] = block.history, block.rated
    return block._replace(
        history=dense[0],
        rated=dense[1],
        movies=np.arange(1, movies + 1),
        chance=None,
        pair_movies=block.movies[block.pair_movies] - 1,
    )


def test_all_movies_as_candidates_is_the_full_softmax():
    trainer = small(replace(PLAIN, candidates=30))
    blocks = list(trainer.feed.epoch(np.random.default_rng(0)))
    assert all(block.chance is None and len(block.movies) == 30 for block in blocks)


def test_learning_rate_falls_to_nothing_over_all_epochs():
    trainer, rng, rates = small(), np.random.default_rng(0), []
    for _ in range(PLAIN.epochs):
        for block in trainer.feed.epoch(rng):
            trainer.step(block, rng)
            rates.append(trainer.optimizer.get_lr())
    assert rates[0] == pytest.approx(PLAIN.learning_rate)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < PLAIN.learning_rate * 0.05


def test_a_trainer_goes_on_from_weights_and_optimizer_state():
    def steps(trainer, numbers):
        blocks = list(trainer.feed.epoch(np.random.default_rng(4)))
        return [trainer.step(blocks[n], np.random.default_rng(n)) for n in numbers]

    unbroken, broken, fresh = small(), small(), small()
    expected = steps(unbroken, range(4))
    steps(broken, range(2))
    fresh.set_weights(broken.weights())
    fresh.set_optimizer_state(broken.optimizer_state(), broken.step_number)
    assert steps(fresh, range(2, 4)) == expected[2:]
    for name, value in unbroken.weights().items():
        np.testing.assert_array_equal(fresh.weights()[name], value, err_msg=name)


def test_same_seed_same_towers_other_seed_others():
    one, same, other = (small(replace(PLAIN, seed=seed)).weights() for seed in (1, 1, 2))
    assert all((one[name] == same[name]).all() for name in one)
    assert any((one[name] != other[name]).any() for name in one)


def test_what_is_dropped_is_shown_as_unknown():
    """With every id, word and genre dropped, a step learns about row 0 alone."""
    all_dropped = {name: 1.0 for name in NO_DROPPING}
    trainer = small(replace(PLAIN, weight_decay=0.0, keep=0.0, **all_dropped))
    before = trainer.weights()
    rng = np.random.default_rng(0)
    trainer.step(next(iter(trainer.feed.epoch(rng))), rng)
    after = trainer.weights()
    learnt = [name for name in before if name.endswith((".embedding", ".word"))]
    assert len(learnt) == 7
    for name in learnt:
        moved = np.flatnonzero((before[name] != after[name]).any(1))
        assert moved.tolist() == [0], name


def test_learning_lowers_both_losses():
    trainer = small(replace(PLAIN, epochs=15, learning_rate=0.01))
    rng = np.random.default_rng(0)
    losses = [
        np.mean([trainer.step(block, rng) for block in trainer.feed.epoch(rng)], 0)
        for _ in range(15)
    ]
    assert (np.array(losses[-1]) < 0.8 * np.array(losses[0])).all(), losses


def test_a_block_with_no_rating_to_predict_teaches_the_match_head_alone():
    trainer = small(replace(PLAIN, batch_size=1))
    block = next(b for b in trainer.feed.epoch(np.random.default_rng(0)) if not len(b.pair_ratings))
    match, values = trainer.step(block, np.random.default_rng(0))
    assert values == 0
    assert np.isfinite(match)
    assert all(np.isfinite(each).all() for each in trainer.weights().values())

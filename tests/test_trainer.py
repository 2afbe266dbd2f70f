"""A training step computes what its twin, written the slow and obvious way, computes."""

from dataclasses import fields, replace

import numpy as np
import pytest

from recsys import towers
from recsys.dataset import Movies, Ratings, Users, Vocabulary
from recsys.feed import Feed, attribute_rows, history_of
from recsys.model import folded, paddle
from recsys.movielens import MAX_STARS
from recsys.options import Options
from recsys.trainer import MatchLoss, Trainer, match_targets

GENRES = ("Drama", "War", "Comedy")
NO_DROPPING: dict = {each.name: 0.0 for each in fields(Options) if each.name.startswith("drop_")}
PLAIN = Options(dimension=4, block_users=8, batch_size=40, epochs=4, stranger=0, **NO_DROPPING)


def small(
    options: Options = PLAIN, users: int = 13, films: int = 30, density: float = 0.3
) -> Trainer:
    """A trainer over invented ratings."""
    rng = np.random.default_rng(5)
    pairs = np.argwhere(rng.random((users, films)) < density)
    stars = rng.integers(1, 6, len(pairs)).astype(np.float32)
    people = Users(
        np.arange(1, users + 1),
        *[rng.integers(0, codes, users).astype(np.int8) for codes in (2, 7, 21)],
    )
    movies = Movies(
        np.arange(1, films + 1),
        [f"{'The ' * (n % 3)}Film {n} ({1950 + n})" for n in range(films)],
        [GENRES[: n % 4] for n in range(films)],
    )
    vocabulary = Vocabulary.of(people, movies)
    ratings = Ratings(
        pairs[:, 0].astype(np.int32) + 1,
        pairs[:, 1].astype(np.int32) + 1,
        stars,
        np.zeros(len(pairs), np.int64),
    )
    feed = Feed(history_of(ratings, vocabulary), attribute_rows(people, vocabulary), films, options)
    return Trainer(movies, vocabulary, feed, options)


def unit_rows(rng, *shape):
    vectors = rng.normal(size=shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def plain_match(users, movies, targets, weights, temperature):
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
        apply = MatchLoss.apply if form == "ours" else plain_match
        loss = apply(users, movies, *given, temperature)
        (loss * 1.7).backward()
        found.append((loss.item(), users.grad.numpy(), movies.grad.numpy()))
    for ours, plain in zip(*found, strict=True):
        np.testing.assert_allclose(ours, plain, rtol=2e-5, atol=2e-5)


def test_match_targets_by_hand():
    rated = np.array([[4, 5, 0, 2], [0, 0, 0, 0], [0, 4, 0, 0]], np.float32)
    expected = np.array([[1, 2, 0, 0.25], [0] * 4, [0, 1, 0, 0]])
    expected[0] /= np.sqrt(3.25)
    np.testing.assert_allclose(match_targets(rated), expected, rtol=1e-6)


def leave_one_out(trainer: Trainer, block) -> float:
    """The stars loss, one rating at a time, through the folded towers."""
    tables = folded(*trainer.towers).__getitem__
    d = trainer.options.dimension
    films = towers.movie_vectors(
        tables,
        block.films,
        trainer.genre_rows[block.films - 1],
        trainer.title_rows[block.films - 1],
    )
    errors = []
    for place, column, stars in zip(
        block.pair_users, block.pair_films, block.pair_stars, strict=True
    ):
        others = block.history[place].copy()
        others[column] = 0  # whether it was shown or not
        shown = np.flatnonzero(others)
        vector = towers.user_vectors(
            tables,
            block.user_rows[place : place + 1],
            block.attributes[place : place + 1],
            [(block.films[shown], others[shown])],
        )
        errors.append(MAX_STARS * float(vector[0, d:] @ films[column, d:]) - stars)
    return float(np.square(errors).mean())


def full_softmax(trainer: Trainer, block) -> float:
    """The match loss through the folded towers, over all films, in float64."""
    tables = folded(*trainer.towers).__getitem__
    d = trainer.options.dimension
    films = towers.movie_vectors(
        tables,
        block.films,
        trainer.genre_rows[block.films - 1],
        trainer.title_rows[block.films - 1],
    )
    histories = [(block.films[row > 0], row[row > 0]) for row in block.history]
    users = towers.user_vectors(tables, block.user_rows, block.attributes, histories)
    logits = (users[:, :d] @ films[:, :d].T / trainer.options.temperature).astype(np.float64)
    chances = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    return float(-(match_targets(block.rated) * chances).sum() / len(users))


@pytest.mark.parametrize("keep", [0.0, 0.7, 1.0])
def test_a_step_computes_what_the_towers_say_one_rating_at_a_time(keep):
    """The stars head never sees the rating it foretells: its twin takes it out by hand."""
    trainer = small(replace(PLAIN, keep=keep))
    rng = np.random.default_rng(1)
    for block in trainer.feed.epoch(np.random.default_rng(2)):
        assert len(block.pair_stars) > 5
        expected = full_softmax(trainer, block), leave_one_out(trainer, block)
        assert trainer.step(block, rng) == pytest.approx(expected, rel=2e-4)


def test_a_foretold_rating_does_not_reach_its_own_forecast():
    """Two blocks that differ in the rating to foretell only: the forecast is the same."""
    trainer = small()
    block = next(iter(trainer.feed.epoch(np.random.default_rng(2))))
    place, column = block.pair_users[0], block.pair_films[0]
    forecasts = []
    for stars in (1.0, 5.0):
        history = block.history.copy()
        history[place, column] = stars
        one = block._replace(
            history=history,
            pair_users=block.pair_users[:1],
            pair_films=block.pair_films[:1],
            pair_stars=np.array([stars], np.float32),
            pair_shown=np.array([True]),
        )
        _, loss = small().step(one, np.random.default_rng(0))  # (forecast - stars) squared
        forecasts.append({stars - np.sqrt(loss), stars + np.sqrt(loss)})
    assert any(abs(a - b) < 1e-4 for a in forecasts[0] for b in forecasts[1]), forecasts


def test_sampled_candidates_estimate_the_full_softmax():
    """Averaged over many draws, the match loss of some of the films is that of all of them."""
    options = replace(PLAIN, candidates=30, keep=1.0, learning_rate=0.0)
    trainer = small(options, users=60, films=80)
    everything = small(replace(options, candidates=80), users=60, films=80)
    rng = np.random.default_rng(0)
    sampled, full = [], []
    for _ in range(40):
        for block in trainer.feed.epoch(rng):
            assert block.chance is not None
            assert len(block.films) < 80
            sampled.append(trainer.step(block, rng)[0])
            full.append(everything.step(with_all_films(block, 80), rng)[0])
    assert np.mean(sampled) == pytest.approx(np.mean(full), rel=0.005)


def with_all_films(block, films: int):
    """The same users, histories and ratings, every film a candidate."""
    dense = np.zeros((2, len(block.rated), films), np.float32)
    dense[:, :, block.films - 1] = block.history, block.rated
    return block._replace(
        history=dense[0],
        rated=dense[1],
        films=np.arange(1, films + 1),
        chance=None,
        pair_films=block.films[block.pair_films] - 1,
    )

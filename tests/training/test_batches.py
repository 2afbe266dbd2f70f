"""What training is shown: every rating once, every user several times, nothing invented."""

from dataclasses import fields, replace

import numpy as np
import pytest

from recsys.data.dataset import UNKNOWN, Users, Vocabulary
from recsys.serving.folded import LIKED
from recsys.data.history import History, attribute_rows
from recsys.training.batches import FEW, BatchSampler
from recsys.training.options import Options

USERS, MOVIES = 37, 50
NO_DROPPING: dict = {each.name: 0.0 for each in fields(Options) if each.name.startswith("drop_")}
# Without cold-start users and dropping, ids tell whose row it is.
OPTIONS = Options(block_users=8, batch_size=30, stranger=0, few=0, **NO_DROPPING)
SAMPLED = replace(OPTIONS, candidates=12)


def ratings() -> np.ndarray:
    """(U + 1, M + 1) values by user and movie row, 0 where not rated; some users rated nothing."""
    rng = np.random.default_rng(8)
    values = rng.integers(1, 11, (USERS + 1, MOVIES + 1)) / 2
    values *= rng.random(values.shape) < 0.15
    values[0], values[:, 0], values[[4, 9]] = 0, 0, 0
    return values.astype(np.float32)


def feed(options: Options = OPTIONS) -> BatchSampler:
    values = ratings()
    rows, movies = np.nonzero(values)
    history = History.build(USERS, rows, movies, values[rows, movies])
    attributes = np.random.default_rng(1).integers(0, 3, (USERS + 1, 3)).astype(np.int8)
    return BatchSampler(history, attributes, MOVIES, options)


def blocks(options: Options = OPTIONS, seed: int = 0):
    return list(feed(options).epoch(np.random.default_rng(seed)))


BOTH = pytest.mark.parametrize("options", [OPTIONS, SAMPLED], ids=["all movies", "candidates"])


@BOTH
def test_every_rating_is_predicted_once_an_epoch(options):
    predicted = np.zeros((USERS + 1, MOVIES + 1), np.float32)
    times = np.zeros(predicted.shape, int)
    for block in blocks(options):
        rows, movies = block.user_rows[block.pair_users], block.movies[block.pair_movies]
        np.add.at(times, (rows, movies), 1)
        predicted[rows, movies] = block.pair_ratings
    np.testing.assert_array_equal(predicted, ratings())
    np.testing.assert_array_equal(times, ratings() > 0)


@BOTH
def test_every_user_who_rated_is_shown_as_often_as_all(options):
    shown = np.concatenate([block.user_rows for block in blocks(options)])
    counts = np.bincount(shown, minlength=USERS + 1)
    expected = np.where((ratings() > 0).any(1), feed(options).passes, 0)
    np.testing.assert_array_equal(counts, expected)
    assert feed(options).passes > 1
    assert len(blocks(options)) == feed(options).steps


@BOTH
def test_what_is_rated_is_what_was_rated(options):
    for block in blocks(options):
        whole = ratings()[block.user_rows]
        np.testing.assert_array_equal(block.rated, whole[:, block.movies])
        others = np.setdiff1d(np.arange(MOVIES + 1), block.movies)
        assert not whole[:, others].any()  # no rated movie is missing among the candidates
        assert (np.diff(block.movies) > 0).all()
        assert block.movies[0] >= 1
        assert block.movies[-1] <= MOVIES


@BOTH
def test_the_history_shown_is_part_of_what_was_rated(options):
    for block in blocks(options):
        shown = block.history > 0
        np.testing.assert_array_equal(block.history[shown], block.rated[shown])


@BOTH
def test_a_rating_to_predict_is_never_shown(options):
    for block in blocks(replace(options, keep=1.0)):
        pairs = block.pair_users, block.pair_movies
        np.testing.assert_array_equal(block.rated[pairs], block.pair_ratings)
        assert len(block.pair_ratings)
        assert not block.history[pairs].any()


def test_however_large_a_batch_may_be_there_is_history():
    """All of a user's ratings in one step would leave nothing to predict them from."""
    greedy = replace(OPTIONS, batch_size=10**6, keep=1.0)
    assert feed(greedy).passes == 2
    rated = sum((block.rated > 0).sum() for block in blocks(greedy))
    shown = sum((block.history > 0).sum() for block in blocks(greedy))
    assert shown / rated == pytest.approx(0.5, abs=0.1)


def test_users_attributes_are_theirs():
    for block in blocks():
        np.testing.assert_array_equal(block.attributes, feed().attributes[block.user_rows])


@pytest.mark.parametrize("keep", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("stranger", [0.0, 0.4])
def test_how_much_history_is_shown(keep, stranger):
    options = replace(OPTIONS, keep=keep, stranger=stranger, few=0)
    rated, shown, without, people = 0, 0, 0, 0
    for seed in range(12):
        for block in blocks(options, seed):
            asked = np.bincount(block.pair_users, minlength=len(block.rated))
            many = (block.rated > 0).sum(1) - asked >= 6  # a chance of .3^6 to be bare untold
            people += many.sum()
            without += (~(block.history > 0).any(1) & many).sum()
            rated += (block.rated > 0).sum() - len(block.pair_ratings)
            shown += (block.history > 0).sum()
    assert shown / rated == pytest.approx(keep * (1 - stranger), abs=0.03)
    if keep:
        assert without / people == pytest.approx(stranger, abs=0.04)


def test_some_users_name_a_few_favourites_only():
    options = replace(OPTIONS, stranger=0, few=1.0)
    shown = [block.history for seed in range(12) for block in blocks(options, seed)]
    values = np.concatenate([history[history > 0] for history in shown])
    assert values.min() >= LIKED
    assert 1 < np.mean([(history > 0).sum(1).mean() for history in shown]) <= FEW


@pytest.mark.parametrize("kind", ["stranger", "few"])
def test_who_is_shown_as_a_cold_user_has_no_id(kind):
    share = {"stranger": 0.3, "few": 0.0} if kind == "stranger" else {"stranger": 0.0, "few": 0.3}
    told = [
        block.user_rows for seed in range(12) for block in blocks(replace(OPTIONS, **share), seed)
    ]
    assert (np.concatenate(told) == 0).mean() == pytest.approx(0.3, abs=0.04)
    shown = [
        (block.history > 0).sum(1)[block.user_rows == 0]
        for block in blocks(replace(OPTIONS, **share))
    ]
    assert (np.concatenate(shown) == 0).all() == (kind == "stranger")


def test_ids_and_attributes_are_dropped_apart():
    dropping = replace(OPTIONS, **{name: 0.5 for name in NO_DROPPING})
    unknown_id, unknown_side = [], []
    for seed in range(12):
        for block in blocks(dropping, seed):
            unknown_id.append(block.user_rows == 0)
            unknown_side.append(block.attributes == 0)
    base = (feed().attributes[feed().users] == 0).mean()
    assert np.concatenate(unknown_id).mean() == pytest.approx(0.5, abs=0.04)
    assert np.concatenate(unknown_side).mean() == pytest.approx(0.5 + base / 2, abs=0.04)


def test_a_seed_is_an_epoch():
    for one, same in zip(blocks(seed=3), blocks(seed=3), strict=True):
        for a, b in zip(one, same, strict=True):
            np.testing.assert_array_equal(a, b)
    first = blocks(seed=3)[0].user_rows.tolist()
    assert first != blocks(seed=4)[0].user_rows.tolist()


def test_all_movies_are_candidates_while_there_are_few():
    for block in blocks():
        assert block.chance is None
        assert block.movies.tolist() == list(range(1, MOVIES + 1))


def test_the_chance_of_a_movie_to_be_a_candidate_is_how_often_it_is_one():
    options = replace(SAMPLED, candidates=6, block_users=5)
    came, chances, count = np.zeros(MOVIES + 1), np.zeros(MOVIES + 1), 0
    for seed in range(150):
        for block in blocks(options, seed):
            assert block.chance is not None
            assert block.chance.shape == block.movies.shape
            came[block.movies] += 1
            chances[block.movies] = block.chance
            count += 1
    assert (came[1:] > 0).all()
    np.testing.assert_allclose(came[1:] / count, chances[1:], atol=0.09)
    assert abs((came[1:] / count - chances[1:]).mean()) < 0.02


def test_a_batch_is_about_as_large_as_asked():
    sizes = [len(block.pair_ratings) for block in blocks()]
    assert np.mean(sizes) == pytest.approx(OPTIONS.batch_size, rel=0.35)


def test_attribute_rows_count_from_one_and_stand_at_the_users_row():
    users = Users(
        np.array([7, 3, 5]),
        np.array([1, 0, UNKNOWN], np.int8),
        np.array([6, UNKNOWN, 0], np.int8),
        np.array([20, 0, UNKNOWN], np.int8),
    )
    rows = attribute_rows(users, Vocabulary([3, 5, 7], [1], [], []))
    assert rows.tolist() == [[0, 0, 0], [1, 0, 1], [0, 1, 0], [2, 7, 21]]

"""Validation computes its metrics as anybody would from the model's own predictions."""

import numpy as np
import pytest
from hand_made import dataset, ratings
from learned_from import asked

from recsys import parts
from recsys.data.dataset import Dataset, Movies, Ratings, Users
from recsys.data.interactions import Recency, hold_out
from recsys.options import Options
from recsys.parts.part import Training
from recsys.train import fit
from recsys.training import validation as module
from recsys.training import weights
from recsys.training.validation import Validation

OPTIONS = Options(epochs=1, dimension=4)
TRAIN = ratings((1, 10, 5), (1, 20, 2), (2, 10, 4), (2, 30, 5), (3, 40, 1), (3, 20, 3.5))
HELD_OUT = ratings((1, 30, 4), (1, 40, 2), (2, 40, 5), (3, 10, 3))


@pytest.fixture(scope="module")
def trained():
    attributes = {"genders": [1, 2, 0], "ages": [1, 2, 0], "jobs": [1, 2, 0]}
    genres = [("War",), (), (), ()]
    every = Ratings.joined([TRAIN, HELD_OUT])
    known = dataset(every, users=3, genres=genres, **attributes)
    return fit(known, OPTIONS, np.arange(len(every)) >= len(TRAIN))


def inner_products(trained):
    """(U, M) inner products of each slice."""
    options, data = trained.options, trained.data
    arrays = {**trained.closed, **trained.step.arrays()}
    recency = Recency(options.recency_floor, options.recency_span)
    users = parts.users(parts.tables_by_part(arrays), asked(data, np.arange(1, 4), recency=recency))
    return {name: users[name] @ parts.movies(arrays)[name][1:].T for name in users}


def validation(trained, held_out, log=lambda line: None):
    judge = Validation(trained.data, held_out, log)
    judge.prepare(trained.closed, trained.options)
    return judge


def judged(trained, held_out):
    return validation(trained, held_out)(trained.step.arrays())


def test_metrics_are_those_computed_by_hand(trained, monkeypatch):
    slices = inner_products(trained)
    rating, factors = 5 * slices["rating"], slices["factors"]
    pairs = [(0, 2, 4), (0, 3, 2), (1, 3, 5), (2, 0, 3)]  # of HELD_OUT, by row
    users, movies, values = map(np.array, zip(*pairs, strict=True))
    apart = (rating - factors)[users, movies]
    missed = values - factors[users, movies]
    weight = (apart @ missed + 500 * 0.1) / (apart @ apart + 500)
    assert 0 < weight < 1
    errors = np.clip(factors[users, movies] + weight * apart, 0.5, 5) - values
    monkeypatch.setattr(weights, "BLOCK", 1)
    monkeypatch.setattr(module, "PAIRS", 1)  # judged in blocks, as in one
    found, (line,) = judged(trained, HELD_OUT), trained.progress.log
    expected = {"rating": 5 * weight, "factors": 1 - weight, "taste.each": 0.1}
    assert found["weights"]["rating"] == pytest.approx(expected, abs=1e-5)
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)), abs=1e-6)
    assert found["mae"] == pytest.approx(np.mean(np.abs(errors)), abs=1e-6)
    for name in ("ndcg@10", "rmse", "mae"):
        assert line[name] == pytest.approx(found[name])
    assert set(line) > {"ndcg@10", "weights"}


def test_users_are_ranked_for_out_of_what_they_have_not_rated(trained):
    """As a judge of parts: of users 1 and 2, who like what is held out."""
    judge = validation(trained, HELD_OUT)
    assert judge.asked(Recency()).user_rows.tolist() == [1, 2]
    scores = np.array([[9, 8, 1, 2], [9, 2, 8, 3]], np.float32)  # of movies 10, 20, 30, 40
    every = np.eye(4, dtype=np.float32), np.arange(1, 5)
    assert judge.ndcg(scores, *every) == pytest.approx((1 / np.log2(3) + 1) / 2)
    some = np.array([2, 4])  # user 1 likes none of them
    assert judge.ndcg(scores[:, some - 1], np.eye(2, dtype=np.float32), some) == 1


def test_of_many_users_some_are_judged(trained, monkeypatch):
    monkeypatch.setattr(module, "JUDGED", 1)
    lines: list[str] = []
    validation(trained, HELD_OUT, lines.append)
    counts = np.unique(HELD_OUT.user_ids, return_counts=True)[1]
    assert lines in [[f"judged by the {n} held-out ratings of 1 users"] for n in counts]


def test_without_a_like_held_out_only_ratings_are_judged(trained):
    judge = validation(trained, ratings((1, 30, 3), (2, 40, 1)))
    found = judge(trained.step.arrays())
    assert set(found) == {"rmse", "mae", "weights"}
    assert judge.choose(OPTIONS) == OPTIONS
    assert judge.relevance(trained.step.arrays()) == parts.QUESTIONS["relevance"]


def test_weights_are_chosen_by_what_is_known_of_a_user_and_said(trained):
    lines = []
    found = validation(trained, HELD_OUT, lines.append).relevance(trained.step.arrays())
    assert set(found) == {"history", "likes", "profile"}
    for kind, line in zip(found, lines, strict=True):
        chosen = dict(found[kind])
        assert chosen.pop("taste.named") == parts.QUESTIONS["relevance"]["taste.named"]
        assert sum(chosen.values()) == pytest.approx(1)
        assert min(chosen.values()) > 0
        of, alone = line.removeprefix(f"by {kind}: ndcg@10 ").split("; alone ")
        assert all(name in of for name in chosen)
        assert ("taste" in alone) == (kind != "profile")  # which has nothing to say there


def changing_taste():
    """60 users who like five of the eight movies of one of six kinds, then five of the next's."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(1, 61):
        for turn in range(2):
            kind = (user + turn) % 6
            seen = rng.choice(np.arange(8 * kind, 8 * kind + 8), 5, replace=False) + 1
            rows += [(user, movie, 5, 10 * turn + place) for place, movie in enumerate(seen)]
    users, movies, values, times = map(np.array, zip(*rows, strict=True))
    known = Ratings(users.astype("i4"), movies.astype("i4"), values.astype("f4"), times)
    catalogue = Movies(np.arange(1, 49), [f"M {n}" for n in range(48)], [()] * 48)
    return Dataset("changing", Users.of(np.arange(1, 61)), catalogue, known)


def floor_by(dataset, held):
    data = Training.of(dataset, dataset.ratings[~held])
    return Validation(data, dataset.ratings[held]).choose(OPTIONS).recency_floor


def test_held_out_ratings_say_whether_recency_counts():
    """What is asked for later needs it; drawn at random, ratings of any time do not."""
    dataset = changing_taste()
    latest, how = hold_out(dataset.ratings, 0.2, 0)
    assert how == "each user's latest"
    assert floor_by(dataset, latest) == OPTIONS.recency_floor == 0.1
    at_random = np.random.default_rng(0).random(len(dataset.ratings)) < 0.2
    assert floor_by(dataset, at_random) == 1

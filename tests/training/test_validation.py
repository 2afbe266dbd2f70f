"""Validation computes its metrics as anybody would from the model's own predictions."""

import numpy as np
import pytest
from learned_from import asked

from recsys import metrics, parts
from recsys.data.dataset import Dataset, Movies, Ratings, Users
from recsys.data.interactions import Recency, hold_out_latest
from recsys.data.schema import MOVIELENS
from recsys.metrics import ranking_task
from recsys.parts.part import Training
from recsys.train import Trained, fit
from recsys.training import validation as module
from recsys.training.options import Options
from recsys.training.validation import Validation

OPTIONS = Options(epochs=1, dimension=4)
MOVIES = Movies(np.array([10, 20, 30, 40]), ["A", "B b", "C", "D d d"], [("War",), (), (), ()])
USERS = Users(np.array([1, 2, 3]), np.array([[1] * 3, [2] * 3, [0] * 3], np.int32), MOVIELENS)


def ratings(*rows: tuple[int, int, float]) -> Ratings:
    """(user id, movie id, rating) each."""
    users, movies, values = zip(*rows, strict=True)
    return Ratings(
        np.array(users, np.int32),
        np.array(movies, np.int32),
        np.array(values, np.float32),
        np.zeros(len(rows), np.int64),
    )


TRAIN = ratings((1, 10, 5), (1, 20, 2), (2, 10, 4), (2, 30, 5), (3, 40, 1), (3, 20, 3.5))
HELD_OUT = ratings((1, 30, 4), (1, 40, 2), (2, 40, 5), (3, 10, 3))


@pytest.fixture(scope="module")
def trained() -> Trained:
    return fit(Dataset("hand", USERS, MOVIES, TRAIN), TRAIN, OPTIONS, HELD_OUT)


def inner_products(trained: Trained) -> dict[str, np.ndarray]:
    """(U, M) inner products of each slice."""
    options, data = trained.options, trained.data
    arrays = {**trained.closed, **trained.step.arrays()}
    recency = Recency(options.recency_floor, options.recency_span)
    users = parts.users(arrays, asked(data, np.arange(1, 4), recency=recency))
    return {name: users[name] @ parts.movies(arrays)[name][1:].T for name in users}


def validation(trained: Trained, held_out: Ratings) -> Validation:
    judge = Validation(trained.data, TRAIN, held_out, trained.closed)
    judge.prepare(trained.options)
    return judge


def judged(trained: Trained, held_out: Ratings) -> dict[str, float]:
    return validation(trained, held_out)(trained.step.arrays())


def test_metrics_are_those_computed_by_hand(trained):
    slices = inner_products(trained)
    rating, factors = 5 * slices["rating"], slices["factors"]
    pairs = [(0, 2, 4), (0, 3, 2), (1, 3, 5), (2, 0, 3)]  # of HELD_OUT, by row
    users, movies, values = map(np.array, zip(*pairs, strict=True))
    apart = (rating - factors)[users, movies]
    missed = values - factors[users, movies]
    weight = (apart @ missed + 500 * 0.1) / (apart @ apart + 500)
    assert 0 < weight < 1
    errors = np.clip(factors[users, movies] + weight * apart, 0.5, 5) - values
    score = slices["retrieval"] + 0.7 * slices["rating"] + 2 * slices["ease"]
    # User 1 has 30 and 40 unseen and likes 30; user 2 has 20 and 40 and likes 40.
    gains = [1.0 if score[0, 2] > score[0, 3] else 1 / np.log2(3)]
    gains += [1.0 if score[1, 3] > score[1, 1] else 1 / np.log2(3)]
    found = judged(trained, HELD_OUT)
    expected = {"rating": 5 * weight, "factors": 1 - weight, "taste": -0.1}
    assert found["weights"]["rating"] == pytest.approx(expected, abs=1e-5)
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)), abs=1e-6)
    assert found["mae"] == pytest.approx(np.mean(np.abs(errors)), abs=1e-6)
    assert found["ndcg@10"] == pytest.approx(np.mean(gains))


def test_fit_logs_them(trained):
    (line,) = trained.progress.log
    found = judged(trained, HELD_OUT)
    assert found["weights"]["rating"] == pytest.approx(line["weights"]["rating"])
    names = ("ndcg@10", "rmse", "mae")
    assert [line[name] for name in names] == pytest.approx([found[name] for name in names])


def test_users_are_ranked_for_out_of_what_they_have_not_rated(trained):
    task = validation(trained, HELD_OUT).task
    expected = ranking_task(TRAIN, TRAIN, HELD_OUT, MOVIES.ids)
    assert task.user_ids.tolist() == expected.user_ids.tolist() == [1, 2]
    assert task.left_out == 1


def test_without_a_like_held_out_only_ratings_are_judged(trained):
    found = judged(trained, ratings((1, 30, 3), (2, 40, 1)))
    assert set(found) == {"rmse", "mae", "weights"}


def test_users_and_pairs_are_judged_in_blocks(trained, monkeypatch):
    """No table of all users by all movies is ever made."""
    whole, scored = judged(trained, HELD_OUT), []

    def best(task, score):
        def noted(user_ids):
            scored.append(score(user_ids))
            return scored[-1]

        return metrics.best(task, noted)

    monkeypatch.setattr(metrics, "BLOCK", len(MOVIES))
    monkeypatch.setattr(module, "PAIRS", 1)
    monkeypatch.setattr(module, "best", best)
    blocks = judged(trained, HELD_OUT)
    for name in ("ndcg@10", "rmse", "mae"):
        assert blocks[name] == pytest.approx(whole[name])
    assert [each.shape for each in scored] == [(1, len(MOVIES))] * 2


# Recency, chosen by what is held out


def changing_taste() -> Dataset:
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


def floor_by(dataset: Dataset, held: np.ndarray) -> float:
    known, held_out = dataset.ratings[~held], dataset.ratings[held]
    data = Training.of(dataset, known)
    validate = Validation(data, known, held_out, parts.fit(data, OPTIONS))
    return validate.prepare(OPTIONS).recency_floor


def test_held_out_ratings_say_whether_recency_counts():
    """What is asked for later needs it; drawn at random, ratings of any time do not."""
    dataset = changing_taste()
    latest, how = hold_out_latest(dataset.ratings, 0.2, 0)
    assert how == "each user's latest"
    assert floor_by(dataset, latest) == OPTIONS.recency_floor == 0.1
    at_random = np.random.default_rng(0).random(len(dataset.ratings)) < 0.2
    assert floor_by(dataset, at_random) == 1

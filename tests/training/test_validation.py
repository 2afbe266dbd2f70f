"""Validation computes its metrics as anybody would from the model's own predictions."""

import numpy as np
import pytest

from recsys import metrics
from recsys.data.dataset import Dataset, Movies, Ratings, Users
from recsys.data.interactions import Recency, hold_out_latest
from recsys.data.schema import MOVIELENS
from recsys.metrics import ranking_task
from recsys.serving.users import ease_part, factor_part, head_parts
from recsys.train import Fitted, Learned, fit
from recsys.training import closed_forms
from recsys.training import validation as module
from recsys.training.options import Options
from recsys.training.validation import Validation

OPTIONS = Options(epochs=1, dimension=4, rating_weight=0.5, ease_weight=2.0)
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
def fitted() -> Fitted:
    return fit(Dataset("hand", USERS, MOVIES, TRAIN), TRAIN, OPTIONS, HELD_OUT)


def inner_products(fitted: Fitted) -> dict[str, np.ndarray]:
    """(U, M) inner products of each part."""
    d = fitted.layout.retrieval
    judge = validation(fitted, HELD_OUT)
    asked = judge.asked(Recency(fitted.options.recency_floor, fitted.options.recency_span))
    read = fitted.tables.__getitem__
    users = head_parts(read, asked)
    users |= {"ease": ease_part(read, asked), "factors": factor_part(judge.closed.factors, asked)}
    retrieval, rating = np.split(fitted.step.movie_heads(), [d], axis=1)
    movies = {"retrieval": retrieval, "rating": rating}
    movies |= {name: judge.closed.parts[name][1:] for name in ("ease", "factors")}
    return {name: users[name] @ movies[name].T for name in movies}


def validation(fitted: Fitted, held_out: Ratings) -> Validation:
    inputs = (
        fitted.learned.vocabulary,
        fitted.learned.movies,
        fitted.learned.attributes,
        fitted.learned.history,
    )
    closed = closed_forms.fit(
        fitted.learned.history,
        fitted.learned.movies,
        fitted.learned.vocabulary,
        fitted.learned.attributes,
        OPTIONS,
    )
    judge = Validation(*inputs, TRAIN, held_out, closed)
    judge.prepare(fitted.options)
    return judge


def judged(fitted: Fitted, held_out: Ratings) -> dict[str, float]:
    return validation(fitted, held_out)(fitted.tables, fitted.step.movie_heads())


def test_metrics_are_those_computed_by_hand(fitted):
    retrieval, rating, ease, factors = inner_products(fitted).values()
    pairs = [(0, 2, 4), (0, 3, 2), (1, 3, 5), (2, 0, 3)]  # of HELD_OUT, by place
    users, movies, values = map(np.array, zip(*pairs, strict=True))
    apart = (5 * rating - factors)[users, movies]
    missed = values - factors[users, movies]
    weight = (apart @ missed + 500 * 0.1) / (apart @ apart + 500)
    assert 0 < weight < 1
    errors = np.clip(factors[users, movies] + weight * apart, 0.5, 5) - values
    score = retrieval + 0.5 * rating + 2 * ease
    # User 1 has 30 and 40 unseen and likes 30; user 2 has 20 and 40 and likes 40.
    gains = [1.0 if score[0, 2] > score[0, 3] else 1 / np.log2(3)]
    gains += [1.0 if score[1, 3] > score[1, 1] else 1 / np.log2(3)]
    found = judged(fitted, HELD_OUT)
    assert found["head_weight"] == pytest.approx(weight, abs=1e-6)
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)), abs=1e-6)
    assert found["mae"] == pytest.approx(np.mean(np.abs(errors)), abs=1e-6)
    assert found["ndcg@10"] == pytest.approx(np.mean(gains))


def test_fit_logs_them(fitted):
    (line,) = fitted.progress.log
    found = judged(fitted, HELD_OUT)
    assert {name: line[name] for name in found} == pytest.approx(found)


def test_users_are_ranked_for_out_of_what_they_have_not_rated(fitted):
    task = validation(fitted, HELD_OUT).task
    expected = ranking_task(TRAIN, TRAIN, HELD_OUT, MOVIES.ids)
    assert task.user_ids.tolist() == expected.user_ids.tolist() == [1, 2]
    assert task.left_out == 1


def test_without_a_like_held_out_only_ratings_are_judged(fitted):
    found = judged(fitted, ratings((1, 30, 3), (2, 40, 1)))
    assert set(found) == {"rmse", "mae", "head_weight"}


def test_users_and_pairs_are_judged_in_blocks(fitted, monkeypatch):
    """No table of all users by all movies is ever made."""
    whole, scored = judged(fitted, HELD_OUT), []

    def best(task, score):
        def noted(user_ids):
            scored.append(score(user_ids))
            return scored[-1]

        return metrics.best(task, noted)

    monkeypatch.setattr(metrics, "BLOCK", len(MOVIES))
    monkeypatch.setattr(module, "PAIRS", 1)
    monkeypatch.setattr(module, "best", best)
    assert judged(fitted, HELD_OUT) == pytest.approx(whole)
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
    learned = Learned(dataset, known, OPTIONS)
    inputs = (learned.vocabulary, learned.movies, learned.attributes, learned.history)
    return Validation(*inputs, known, held_out, learned.closed).recency_floor(OPTIONS)


def test_held_out_ratings_say_whether_recency_counts():
    """What is asked for later needs it; drawn at random, ratings of any time do not."""
    dataset = changing_taste()
    latest, how = hold_out_latest(dataset.ratings, 0.2, 0)
    assert how == "each user's latest"
    assert floor_by(dataset, latest) == OPTIONS.recency_floor == 0.1
    at_random = np.random.default_rng(0).random(len(dataset.ratings)) < 0.2
    assert floor_by(dataset, at_random) == 1

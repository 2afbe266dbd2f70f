"""Training: when it stops, what it keeps, what it refuses, and what it writes."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from command_line import DIMENSION, EPOCHS, ROOT, SAMPLE, environment, refused
from families import put
from learned_from import TINY, recommends
from threadpoolctl import threadpool_info, threadpool_limits

from recsys.errors import ModelError, QueryError, RecsysError
from recsys.infer import Recommender, UserQuery, catalogue
from recsys.options import Options
from recsys.parts import QUESTIONS, RATINGS
from recsys.parts.heads import Heads
from recsys.serving.model_folder import load_model
from recsys.train import METRICS, finish, fit, save, train_model
from recsys.training.step import TrainStep
from recsys.training.validation import Validation

OPTIONS = Options(epochs=EPOCHS, dimension=DIMENSION)
LAST_TWO = np.arange(6) >= 4  # of six ratings


@pytest.fixture(scope="module")
def trained_once(six):
    return fit(six, TINY)


def bytes_of(trained):
    return {name: array.tobytes() for name, array in trained.model().arrays.items()}


def scores(monkeypatch, *found):
    """Validation finds the epochs as good as we want."""
    values = iter(found)
    monkeypatch.setattr(Validation, "score", lambda self, metrics: next(values))


def test_it_stops_when_validation_gets_no_better_and_keeps_the_best(six, monkeypatch):
    options, kept = replace(TINY, epochs=9, patience=2), []
    for found, best, stops in (
        ((0.1, 0.3, 0.2, 0.3, 0.9), 2, 4),
        ((0.1, 0.3, float("nan"), 0.3), 2, 4),
        ((0.1, 0.2, 0.3, 0.2, 0.2), 3, 5),
    ):
        scores(monkeypatch, *found)
        fitted = fit(six, options, LAST_TWO)
        assert [line["epoch"] for line in fitted.progress.log] == [*range(1, stops + 1)]
        assert fitted.progress.best_epoch == best
        kept.append(bytes_of(fitted))
    assert kept[0] == kept[1] != kept[2]


def test_without_validation_the_last_epoch_is_kept(six, tmp_path):
    model = train_model(six, tmp_path / "m", TINY, validation=0)
    assert model.config["validation"] == {}
    assert "held_out" not in model.config  # no metric is of anything
    assert model.config["epoch"] == TINY.epochs
    assert recommends(model.path)


def test_what_is_no_number_is_never_kept_and_the_old_model_stands(six, shipped, monkeypatch):
    """Also when the very last step breaks the weights, after the last loss was still a number."""
    whole = TrainStep.__call__

    def breaking(self, batch, rng):
        losses = whole(self, batch, rng)
        if self.number == self.steps:
            self.set_weights({name: each * np.nan for name, each in self.weights().items()})
        return losses

    for broken, said in (
        (lambda *_: (np.nan, np.nan), r"epoch \d+: the loss of step \d+ is not a number"),
        (breaking, "epoch 3: a weight is not a number"),
    ):
        monkeypatch.setattr(TrainStep, "__call__", broken)
        with refused(ModelError, said, fix="learning_rate"):
            train_model(six, shipped.path, TINY, validation=0)
        assert load_model(shipped.path).fingerprint == shipped.fingerprint
    assert recommends(shipped.path)


def test_a_validation_that_is_no_number_never_chooses_an_epoch(six, monkeypatch):
    scores(monkeypatch, float("nan"))
    with pytest.raises(ModelError, match="not a number"):
        fit(six, replace(TINY, epochs=1), LAST_TWO)


@pytest.fixture
def views(tmp_path):
    """Which of 40 movies 60 people looked at, ten each: those of one half, or of the other."""
    rng = np.random.default_rng(0)
    rows = [(user, movie) for user in range(60)
            for movie in rng.choice(20, 10, replace=False) + 20 * (user % 2)]  # fmt: skip
    text = "".join(f"u{user},m{movie}\n" for user, movie in rows)
    return put(tmp_path, {"views.csv": ("user_id,item_id\n" + text).encode()})


@pytest.mark.slow  # trains, publishes and evaluates
def test_towers_that_give_nothing_to_events_are_left_out(views, tmp_path, monkeypatch, store, run):
    """And the model answers, publishes and evaluates without them."""
    monkeypatch.setattr("recsys.train.WORTH", 2.0)  # more than there is
    lines = []
    model = train_model(views, tmp_path / "m", replace(TINY, epochs=9), log=lines.append)
    assert "the towers rank no better than the other parts alone: left out" in lines
    assert len([line for line in lines if line.startswith("epoch ")]) == 2
    assert not set(model.layout.sizes) & {*Heads.slices}
    assert not [name for name in model.arrays if name.startswith("heads/")]
    store.publish(catalogue(model), model.fingerprint)
    for place in (store, catalogue(model)):
        for query in (UserQuery("u4"), UserQuery(likes=("m3",)), UserQuery()):
            (answer,) = Recommender(model, place).recommend([query], 8)
            assert len(answer) == 8
            assert {movie.rating for movie in answer} == {None}
        (answer,) = Recommender(model, place).recommend([UserQuery("u4")], 8)
        assert all(int(movie.movie_id[1:]) < 20 for movie in answer)
    quick = ["--baselines=popularity"]
    quick += [f"--set={name}=4" for name in ("dimension", "id_size", "side_size", "filters")]
    done = run("evaluate", "--data", views, "--epochs", 1, "--no-index", *quick)
    assert "recsys" in done.stdout


def test_towers_stay_where_ratings_are_predicted(six, monkeypatch):
    monkeypatch.setattr("recsys.train.WORTH", 2.0)
    trained = fit(six, TINY, LAST_TWO)
    assert {*RATINGS} <= set(trained.model().layout.sizes)


@pytest.mark.slow  # trains on the whole sample once more
def test_one_seed_one_model_wherever_it_is_trained(folder, tmp_path):
    """In this process as in the command's own; bit by bit."""
    model = train_model(SAMPLE, tmp_path / "again", OPTIONS)
    assert model.fingerprint == folder.fingerprint
    files = list(folder.path.rglob("*.npy"))
    assert len(files) > 10
    for file in files:
        same = model.path / file.relative_to(folder.path)
        assert same.read_bytes() == file.read_bytes(), file


def test_the_seed_decides_the_model(six, trained_once):
    same, other = (fit(six, replace(TINY, seed=seed)) for seed in (0, 1))
    assert bytes_of(trained_once) == bytes_of(same) != bytes_of(other)


def test_a_folder_and_nothing_to_resume_train_as_the_dataset_itself(tiny, tmp_path, shipped_once):
    assert recommends(shipped_once.path)
    model = train_model(tiny, tmp_path / "resumed", TINY, resume=True)
    assert model.fingerprint == shipped_once.fingerprint


def test_a_model_in_memory_answers_like_its_folder(trained_once, tmp_path):
    both = trained_once.model(), save(trained_once, tmp_path / "model")
    queries = UserQuery(), UserQuery(1), UserQuery(attributes={"age": 25}, likes=(7,))
    asked = [Recommender(each, catalogue(each)).recommend(queries, 3) for each in both]
    in_memory, of_folder = map(list, asked)
    assert in_memory == of_folder
    assert all(in_memory)


def test_config_and_log_say_what_made_the_model(folder, trained):
    config = folder.config
    log = [json.loads(line) for line in (folder.path / "training_log.jsonl").open()]
    assert [line["epoch"] for line in log] == list(range(1, len(log) + 1))
    names = {"epoch", "retrieval_loss", "rating_loss", "weights", "seconds", *METRICS}
    assert all(set(line) == names for line in log)
    assert log[-1]["retrieval_loss"] < log[0]["retrieval_loss"]
    assert config["seed"] == 0
    assert config["options"]["epochs"] == EPOCHS
    weights = config["weights"]
    assert set(weights) == set(QUESTIONS)
    assert weights["rating"] == log[config["epoch"] - 1]["weights"]["rating"]
    for kind, chosen in weights["relevance"].items():
        of = [weight for name, weight in chosen.items() if name != "taste.named"]
        assert sum(of) == pytest.approx(1)
        assert f"by {kind}: ndcg@10 0." in trained.train.stderr
    assert {each for each in config["options"].values() if each == -1} == set()
    assert f"rank {config['options']['ease_rank']}, by ndcg@10 of ranks " in trained.train.stderr
    assert config["recency"] == {"floor": config["options"]["recency_floor"], "span": 10}
    assert config["recency"]["floor"] in (0.1, 1)
    assert config["data"] == {"name": "sample", "ratings": 15610, "users": 308}
    assert len(folder.history.values) == 15610  # what validation held out was seen all the same
    assert folder.history.times.min() > 0
    held_out = config["held_out"]
    assert held_out == {"ratings": held_out["ratings"], "how": "each user's latest"}
    assert f"metrics are of {held_out['ratings']} held-out ratings" in trained.train.stderr
    assert set(config["validation"]) == {*METRICS}
    assert 0.5 < config["validation"]["rmse"] < 1.0
    assert f"rmse {config['validation']['rmse']:.4f}" in trained.train.stdout
    assert {"recsys", "paddlepaddle", "numpy"} <= set(config["versions"])


def test_nothing_in_the_model_folder_is_a_pickle(folder):
    for file in folder.path.rglob("*.*"):
        assert not file.read_bytes().startswith(b"\x80"), file
        assert file.suffix != ".npy" or np.load(file, allow_pickle=False) is not None
    assert {f.name for f in folder.path.iterdir()} >= {"user_tower.pdiparams", "user_tower.json"}


def test_what_ships_has_learned_from_held_out_ratings_too(six):
    """The epoch is chosen without them; then the closed forms and the towers get them."""
    chosen = fit(six, TINY, LAST_TWO)
    before = chosen.model().arrays
    shipped = finish(chosen)
    assert len(chosen.data.history.values) == 4
    assert len(shipped.data.history.values) == len(six.ratings)
    assert shipped.progress is chosen.progress
    every = fit(six, chosen.options).model().arrays
    arrays = shipped.model().arrays
    for name in arrays:
        if name.startswith(("ease/source", "factors/means", "content/landmark_")):
            np.testing.assert_array_equal(arrays[name], every[name], err_msg=name)
    assert (arrays["heads/bias"] != before["heads/bias"]).any()  # the towers went on


def test_a_place_that_is_no_model_is_refused_before_training(tiny, tmp_path, monkeypatch):
    place = tmp_path / "photos"
    place.mkdir()
    (place / "me.jpg").write_bytes(b"jpg")
    monkeypatch.setattr(TrainStep, "__call__", lambda *_: pytest.fail("trained for nothing"))
    with pytest.raises(ModelError, match="is there and is no model"):
        train_model(tiny, place, TINY)
    assert [file.name for file in place.iterdir()] == ["me.jpg"]
    (tmp_path / "m.checkpoint.npz").write_text("years of work")
    with pytest.raises(ModelError, match="is there and is no checkpoint; move it away"):
        train_model(tiny, tmp_path / "m", TINY)
    (tmp_path / "file").write_text("")
    with pytest.raises(RecsysError, match="cannot be written"):
        train_model(tiny, tmp_path / "file" / "model", TINY)


def test_a_wrong_device_is_one_line(six, tmp_path):
    for device in ("gpu", "toaster", "cpu:x"):
        with refused(QueryError, f"device '{device}': Paddle has none", fix="device"):
            train_model(six, tmp_path / "m", TINY, device=device)


def share_of(genres, loved):
    return float(np.mean([bool(set(loved) & set(each)) for each in genres]))


def test_the_planted_taste_is_recommended(folder, monkeypatch):
    """Every invented group gets its favourite genres, by profile alone."""
    recommender = Recommender(folder, catalogue(folder))
    monkeypatch.syspath_prepend(ROOT / "data")
    taste = import_module("make_sample").TASTE  # genres by gender and age code
    overall = np.mean([share_of(folder.movies.genres, loved) for loved in taste.values()])
    shares = {}
    for (gender, age), loved in taste.items():
        query = UserQuery(attributes={"gender": gender, "age": str(age)})
        (answer,) = recommender.recommend([query], 10)
        shares[gender, age] = share_of([movie.genres for movie in answer], loved)
    assert np.mean(list(shares.values())) > 0.75, shares
    assert min(shares.values()) >= 0.5, shares
    assert overall < 0.4


def blas():
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


def test_blas_has_one_thread_in_training_and_more_afterwards(six, tmp_path, monkeypatch):
    whole, seen = TrainStep.__call__, []
    monkeypatch.setattr(TrainStep, "__call__", lambda *args: seen.append(blas()) or whole(*args))
    with threadpool_limits(2, "blas"):
        train_model(six, tmp_path / "model", TINY)
        assert blas() == {2}
    assert len(seen) > TINY.epochs
    assert all(each == {1} for each in seen)


THREADS = """
import os
from threadpoolctl import threadpool_info
from recsys.train import use_all_cores
use_all_cores()
threads = [each["num_threads"] for each in threadpool_info() if each["prefix"] == "libiomp"]
print(os.environ.get("OMP_NUM_THREADS"), *threads)
"""


@pytest.mark.slow  # starts Paddle in a process of its own
@pytest.mark.parametrize("chosen", [None, "1"])
def test_all_cores_unless_the_user_chose(chosen):
    """Paddle sets OMP_NUM_THREADS when imported; that is not the user's choice."""
    env = {name: value for name, value in environment().items() if name != "OMP_NUM_THREADS"}
    env |= {"OMP_NUM_THREADS": chosen} if chosen else {}
    code = [sys.executable, "-c", THREADS]
    done = subprocess.run(code, env=env, check=True, capture_output=True, text=True)
    left, *threads = done.stdout.split()
    assert left == str(chosen)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert threads in ([], [chosen or str(cores)])

"""Training as people live it: equal by seed, broken off, resumed, killed, refused."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import DIMENSION, EPOCHS, ROOT, SAMPLE, environment, recsys
from families import DAT, put
from interrupts import epochs_behind, interrupt_at
from recsys.training.run import Run

from recsys.data.movielens import AGES, GENDERS
from recsys.errors import DataError, ModelError
from recsys.infer import Recommender, UserQuery, catalogue
from recsys.serving.model_folder import DEFAULT, ModelFolder
from recsys.train import train_folder
from recsys.training.options import Options
from recsys.training.step import TrainStep

OPTIONS = Options(epochs=EPOCHS, dimension=DIMENSION)
TINY = Options(epochs=3, dimension=4, batch_size=2)


@pytest.fixture
def tiny(tmp_path):
    """A folder with six ratings, trained in no time."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    return put(folder, DAT)


@pytest.fixture(scope="session")
def middling(tmp_path_factory):
    """Forty users of the sample: an epoch takes a moment, long enough to be broken off."""
    folder = tmp_path_factory.mktemp("middling")
    for name in ("users.dat", "ratings.dat"):
        lines = (SAMPLE / name).read_bytes().splitlines(keepends=True)
        (folder / name).write_bytes(b"".join(li for li in lines if int(li.split(b"::")[0]) <= 40))
    shutil.copy(SAMPLE / "movies.dat", folder)
    return folder


LONG = Options(epochs=60, dimension=4, patience=99)
LONG_ARGS = ("--epochs", "60", "--dimension", "4", "--patience", "99")


def answers(model: Path) -> bool:
    """Whether the model there is whole and recommends."""
    folder = ModelFolder(model)
    folder.verify()
    movies = catalogue(folder)
    (answer,) = Recommender(folder, movies).recommend([UserQuery()], 3)
    return len(answer) == 3


def started(*args: str, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "recsys", *args],
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell's background job, as CI may be, hands on that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def wait_for_epochs(process: subprocess.Popen[str], checkpoint: Path, count: int) -> None:
    end = time.monotonic() + 90
    while epochs_behind(checkpoint) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.03)


def test_one_seed_one_model_wherever_it_is_trained(trained, folder, tmp_path):
    """In this process as in the command's own; bit by bit."""
    model = tmp_path / "again"
    config = train_folder(SAMPLE, model, OPTIONS)
    assert config["fingerprint"] == folder.fingerprint
    files = [file for file in folder.path.rglob("*.npy")]
    assert len(files) > 10
    for file in files:
        assert (model / file.relative_to(folder.path)).read_bytes() == file.read_bytes(), file


def test_another_seed_another_model(tiny, tmp_path):
    prints = {
        train_folder(tiny, tmp_path / f"m{seed}", replace(TINY, seed=seed), validation=0)[
            "fingerprint"
        ]
        for seed in (0, 1, 2)
    }
    assert len(prints) == 3


def test_sigkill_then_resume_is_the_unbroken_run(middling, tmp_path):
    unbroken = train_folder(middling, tmp_path / "unbroken", LONG)
    place = tmp_path / "place"
    place.mkdir()
    command = ("train", "--data", str(middling), *LONG_ARGS)
    broken = started(*command, cwd=place)
    wait_for_epochs(broken, place / f"{DEFAULT}.checkpoint.npz", 2)
    os.killpg(broken.pid, signal.SIGKILL)
    broken.communicate()
    assert not (place / DEFAULT).exists()
    resumed = recsys(*command, "--resume", cwd=place)
    assert resumed.returncode == 0, resumed.stderr
    assert unbroken["fingerprint"] in resumed.stdout
    assert ModelFolder(place / DEFAULT).config["epoch"] == unbroken["epoch"]
    log = [json.loads(line) for line in (place / DEFAULT / "training_log.jsonl").open()]
    assert [line["epoch"] for line in log] == list(range(1, LONG.epochs + 1))
    assert [file.name for file in place.iterdir()] == [DEFAULT]  # nothing else is left


def test_ctrl_c_keeps_the_best_and_says_so(middling, tmp_path):
    command = (
        "train",
        "--data",
        str(middling),
        *LONG_ARGS,
        "--epochs",
        "5000",
        "--patience",
        "5000",
    )
    broken = started(*command, cwd=tmp_path)
    wait_for_epochs(broken, tmp_path / f"{DEFAULT}.checkpoint.npz", 1)
    os.killpg(broken.pid, signal.SIGINT)
    out, err = broken.communicate(timeout=90)
    assert broken.returncode == 0, err
    assert "stopped by Ctrl-C: keeping the best so far, of epoch " in err
    assert "Traceback" not in err
    assert ModelFolder(tmp_path / DEFAULT).fingerprint in out
    assert answers(tmp_path / DEFAULT)
    assert [file.name for file in tmp_path.iterdir()] == [DEFAULT]


def test_ctrl_c_before_the_first_epoch_leaves_the_old_model(tiny, tmp_path, monkeypatch):
    model = tmp_path / "model"
    before = train_folder(tiny, model, TINY)["fingerprint"]

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(TrainStep, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_folder(tiny, model, replace(TINY, seed=1))
    assert ModelFolder(model).fingerprint == before
    assert answers(model)


@pytest.mark.parametrize(
    ("owner", "name", "number"),
    [
        (TrainStep, "step", 3),  # the first of the second epoch
        (TrainStep, "weights", 3),  # for the best so far, or for the checkpoint
        (TrainStep, "weights", 4),
        (TrainStep, "optimizer_state", 2),
        (Run, "save", 1),
    ],
)
def test_ctrl_c_at_any_moment_keeps_the_best(tiny, tmp_path, monkeypatch, owner, name, number):
    interrupt_at(monkeypatch, owner, name, number)
    said: list[str] = []
    options = replace(TINY, epochs=4, batch_size=6)
    try:
        train_folder(tiny, tmp_path / "model", options, validation=0, say=said.append)
    except KeyboardInterrupt:  # would end all tests
        pytest.fail("the best so far is lost")
    assert "stopped by Ctrl-C" in said[-1]
    assert answers(tmp_path / "model")


AGAIN_AND_AGAIN = """
import itertools, os, signal, sys, time
from pathlib import Path
from recsys.training.options import Options
from recsys.train import train_folder

data, model = map(Path, sys.argv[1:3])
for wait in map(float, sys.argv[3:]):
    told, tell = os.pipe()
    if not (child := os.fork()):  # a fork has Paddle loaded already
        for seed in itertools.count():
            options = Options(epochs=2, dimension=4, batch_size=6, seed=seed)
            train_folder(data, model, options)
            os.write(tell, b".")
    os.read(told, 1)  # the first training is through
    time.sleep(wait)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    print(flush=True)
    input()
"""


def test_kill_at_random_moments_leaves_the_model_before(tiny, tmp_path):
    """kill -9 while training, checkpointing or writing: what was there answers, old or new."""
    model = tmp_path / "model"
    train_folder(tiny, model, TINY)
    waits = [str(each) for each in (0.0, 0.05, 0.13, 0.21)]
    process = subprocess.Popen(
        [sys.executable, "-c", AGAIN_AND_AGAIN, str(tiny), str(model), *waits],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    for _ in waits:
        assert process.stdout.readline() == "\n"
        assert answers(model)
        process.stdin.write("\n")
        process.stdin.flush()
    process.communicate()
    train_folder(tiny, model, TINY)
    assert answers(model)


def test_a_loss_that_is_no_number_stops_and_leaves_the_old_model(tiny, tmp_path):
    model = tmp_path / "model"
    before = train_folder(tiny, model, TINY)["fingerprint"]
    with pytest.raises(ModelError, match=r"epoch \d+: the loss is not a number.*--learning-rate"):
        train_folder(tiny, model, replace(TINY, learning_rate=1e30, epochs=50))
    assert ModelFolder(model).fingerprint == before
    assert answers(model)


def test_weights_that_are_no_number_are_never_kept(tiny, tmp_path, monkeypatch):
    """Also when the very last step breaks them, after the last loss was still a number."""
    whole = TrainStep.step

    def breaking(self, block, rng):
        losses = whole(self, block, rng)
        if self.step_number == self.options.epochs * self.feed.steps:
            for tower in self.towers:
                for each in tower.parameters():
                    each.set_value(np.full(each.shape, np.nan, np.float32))
        return losses

    monkeypatch.setattr(TrainStep, "step", breaking)
    with pytest.raises(ModelError, match="not a number"):
        train_folder(tiny, tmp_path / "model", TINY, validation=0)
    assert not (tmp_path / "model").exists()


def test_resume_without_a_checkpoint_starts_anew(tiny, tmp_path):
    one = train_folder(tiny, tmp_path / "a", TINY)
    assert (
        train_folder(tiny, tmp_path / "b", TINY, resume=True)["fingerprint"] == (one["fingerprint"])
    )


def test_all_ratings_without_validation(tiny, tmp_path):
    config = train_folder(tiny, tmp_path / "m", TINY, validation=0)
    assert config["validation"] == {}
    assert config["epoch"] == TINY.epochs
    assert answers(tmp_path / "m")


def test_held_out_ratings_are_seen_movies_all_the_same(folder):
    """What validation held out was rated: the model knows it as history and leaves it out."""
    assert len(folder.history.ratings) == folder.config["data"]["ratings"]
    lines = (SAMPLE / "ratings.dat").read_text("latin-1").splitlines()
    assert len(folder.history.ratings) == len(lines)


def test_config_says_what_made_the_model(folder, trained):
    config = folder.config
    assert config["seed"] == 0
    assert config["options"]["epochs"] == EPOCHS
    assert config["data"] == {"name": "sample", "ratings": 15610, "users": 308}
    assert set(config["validation"]) == {"ndcg@10", "rmse", "mae"}
    assert 0.5 < config["validation"]["rmse"] < 1.0
    assert f"rmse {config['validation']['rmse']:.4f}" in trained.train.stdout
    assert {"recsys", "paddlepaddle", "numpy"} <= set(config["versions"])


def test_nothing_in_the_model_folder_is_a_pickle(folder):
    for file in folder.path.rglob("*"):
        if file.suffix == ".npy":
            np.load(file, allow_pickle=False)
        elif file.is_file():
            assert not file.read_bytes().startswith(b"\x80"), file
    assert {f.name for f in folder.path.iterdir()} >= {"user_tower.pdiparams", "user_tower.json"}


@pytest.mark.parametrize(
    "damage",
    [
        ("ratings.dat", b""),
        ("ratings.dat", b"1::1::5\n"),
        ("ratings.dat", b"1::1::7::1\n"),
        ("ratings.dat", b"1::1::five::1\n"),
        ("ratings.dat", b"1::99::5::1\n"),
        ("users.dat", b"1::X::1::10::0\n"),
        ("movies.dat", None),
        ("ratings.dat", None),
    ],
)
def test_bad_data_trains_nothing_and_leaves_the_old_model(own_model, tiny, damage):
    name, content = damage
    if content is None:
        (tiny / name).unlink()
    else:
        (tiny / name).write_bytes(content)
    before = ModelFolder(own_model).fingerprint
    with pytest.raises(DataError):
        train_folder(tiny, own_model, TINY)
    assert ModelFolder(own_model).fingerprint == before
    assert {file.name for file in own_model.parent.iterdir()} == {DEFAULT, "tiny"}


def test_a_place_that_is_no_model_is_refused_before_training(tiny, tmp_path, monkeypatch):
    place = tmp_path / "photos"
    place.mkdir()
    (place / "me.jpg").write_bytes(b"jpg")
    monkeypatch.setattr(TrainStep, "step", lambda *_: pytest.fail("trained for nothing"))
    with pytest.raises(ModelError, match="is there and is no model"):
        train_folder(tiny, place, TINY)
    assert [file.name for file in place.iterdir()] == ["me.jpg"]
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError):
        train_folder(tiny, tmp_path / "file" / "model", TINY)


def test_a_wrong_device_is_one_line(tiny, tmp_path):
    for device in ("gpu", "toaster", "cpu:x"):
        with pytest.raises(ModelError, match=f"--device {device}") as refused:
            train_folder(tiny, tmp_path / "m", TINY, device=device)
        assert "\n" not in str(refused.value)


def groups() -> dict:
    """The plant: (gender, age code) to the genres that group loves."""
    sys.path.insert(0, str(ROOT / "data"))
    try:
        from make_sample import TASTE
    finally:
        sys.path.remove(str(ROOT / "data"))
    return TASTE


def test_the_planted_taste_comes_back_on_top(folder):
    """Every invented group gets its favourite genres, by profile alone."""
    recommender = Recommender(folder, catalogue(folder))
    everybody = np.mean([share_of(folder.movies.genres, loved) for loved in groups().values()])
    shares = {}
    for (gender, age), loved in groups().items():
        person = UserQuery(gender=GENDERS.index(gender), age=AGES.index(age))
        (answer,) = recommender.recommend([person], 10)
        shares[gender, age] = share_of([movie.genres for movie in answer], loved)
    assert np.mean(list(shares.values())) > 0.75, shares
    assert min(shares.values()) >= 0.5, shares
    assert everybody < 0.4


def share_of(movies, loved) -> float:
    return float(np.mean([bool(set(loved) & set(genres)) for genres in movies]))


def test_girls_get_what_was_planted_from_the_real_command(run):
    ask = ("recommend", "--age", "12", "--gender", "F", "-k", "5", "--format", "json")
    whole = json.loads(run(*ask).stdout)
    loved = {"Animation", "Children's", "Musical"}
    of_taste = [bool(loved & set(movie["genres"])) for movie in whole["recommendations"]]
    assert sum(of_taste) >= 4, whole


def test_the_folder_of_the_model_is_made(tiny, tmp_path):
    model = tmp_path / "a" / "b" / "model"
    train_folder(tiny, model, TINY)
    assert answers(model)
    shutil.rmtree(model)


THREADS = """
import ctypes, os
from pathlib import Path
from recsys.model import paddle
from recsys.train import use_all_cores
use_all_cores()
library = Path(paddle.__file__).parent / "libs" / "libiomp5.so"
threads = ctypes.CDLL(str(library)).omp_get_max_threads() if library.exists() else "?"
print(os.environ.get("OMP_NUM_THREADS"), threads)
"""


@pytest.mark.parametrize("chosen", [None, "1"])
def test_all_cores_unless_the_user_chose(chosen):
    """Paddle sets OMP_NUM_THREADS when imported; that is not the user's choice."""
    place = {name: value for name, value in environment().items() if name != "OMP_NUM_THREADS"}
    told = place | ({"OMP_NUM_THREADS": chosen} if chosen else {})
    done = subprocess.run(
        [sys.executable, "-c", THREADS], env=told, check=True, capture_output=True, text=True
    )
    left, threads = done.stdout.split()
    assert left == str(chosen)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert threads in ("?", chosen or str(cores))

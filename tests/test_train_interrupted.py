"""Training that Ctrl-C or a kill interrupts: the best so far is kept, the old model stands."""

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
from command_line import SAMPLE, environment, recsys, started
from learned_from import TINY, recommends

from recsys.cli.prompt import terminated_as_interrupted
from recsys.options import Options
from recsys.serving.model_folder import DEFAULT, load_model
from recsys.train import train_model
from recsys.training.checkpoint import Checkpoint, Progress
from recsys.training.step import TrainStep

pytestmark = pytest.mark.slow  # trainings that are interrupted or killed, and begun again
CHECKPOINT = f"{DEFAULT}.checkpoint.npz"
LONG = Options(epochs=12, dimension=4, patience=99)


def epochs_done(checkpoint):
    if not checkpoint.exists():
        return 0
    with np.load(checkpoint, allow_pickle=False) as stored:
        return len(json.loads(str(stored["about"]))["log"])


def interrupt_at(monkeypatch, owner, name, number):
    """Ctrl-C at the end of the number-th call."""
    whole, calls = getattr(owner, name), []

    def interrupted(*args, **kwargs):
        answer = whole(*args, **kwargs)
        calls.append(1)
        if len(calls) == number:
            raise KeyboardInterrupt
        return answer

    monkeypatch.setattr(owner, name, interrupted)


def long_command(data, epochs=LONG.epochs):
    knobs = f"train --epochs {epochs} --set dimension=4 --set patience={max(99, epochs)}"
    return (*knobs.split(), "--data", str(data))


@pytest.fixture(scope="session")
def forty_users(tmp_path_factory):
    """Of the sample: an epoch takes a moment, long enough to be interrupted."""
    folder = tmp_path_factory.mktemp("forty")
    for name in ("users.dat", "ratings.dat"):
        lines = (SAMPLE / name).read_bytes().splitlines(keepends=True)
        (folder / name).write_bytes(b"".join(li for li in lines if int(li.split(b"::")[0]) <= 40))
    shutil.copy(SAMPLE / "movies.dat", folder)
    return folder


def test_ctrl_c_before_the_first_epoch_leaves_the_old_model(six, shipped, monkeypatch):
    interrupt_at(monkeypatch, TrainStep, "__call__", 1)
    with pytest.raises(KeyboardInterrupt):
        train_model(six, shipped.path, replace(TINY, seed=1))
    assert load_model(shipped.path).fingerprint == shipped.fingerprint
    assert recommends(shipped.path)


@pytest.mark.parametrize(
    ("owner", "name", "number"),
    [
        (TrainStep, "__call__", 3),  # the first of the second epoch
        (TrainStep, "weights", 2),  # for the best so far
        (TrainStep, "state", 2),  # for the checkpoint
        (Progress, "note", 1),
        (Checkpoint, "save", 1),
    ],
)
def test_ctrl_c_at_any_moment_keeps_the_best(six, tmp_path, monkeypatch, owner, name, number):
    interrupt_at(monkeypatch, owner, name, number)
    lines: list[str] = []
    options = replace(TINY, epochs=4, batch_size=6)
    try:
        train_model(six, tmp_path / "model", options, validation=0, log=lines.append)
    except KeyboardInterrupt:  # would end all tests
        pytest.fail("the best so far is lost")
    assert "stopped by Ctrl-C" in lines[-1]
    assert recommends(tmp_path / "model")


def test_ctrl_c_while_all_ratings_are_learned_keeps_the_best(six, tmp_path, monkeypatch):
    """The held-out ratings are known all the same: they are left out of recommendations."""
    for name, number in (("__call__", 2 * 2 + 1), ("set_weights", 2)):  # of TrainStep
        lines: list[str] = []
        with monkeypatch.context() as patch:
            interrupt_at(patch, TrainStep, name, number)
            options = replace(TINY, epochs=2)
            model = train_model(six, tmp_path / name, options, validation=0.3, log=lines.append)
        assert "stopped by Ctrl-C: keeping the best so far, of epoch" in lines[-1]
        assert len(model.history.indices) == len(six.ratings)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_last_writing_waits_for_its_end(six, tmp_path, monkeypatch, sent):
    train_model(six, tmp_path / "model", TINY, validation=0)
    seen, rename = [], os.rename

    def signalled(*paths):
        if {"model", "model.previous"} & {os.path.basename(each) for each in paths}:
            seen.append(signal.raise_signal(sent))
        rename(*paths)

    monkeypatch.setattr("os.rename", signalled)
    with terminated_as_interrupted() as came:
        model = train_model(six, tmp_path / "model", replace(TINY, seed=1), validation=0)
    assert came == [sent] * len(seen) * (sent == signal.SIGTERM)
    assert len(seen) >= 3
    assert model.config["options"]["seed"] == 1
    assert [each.name for each in tmp_path.iterdir() if "model" in each.name] == ["model"]


def wait_for_epochs(process, checkpoint, count):
    end = time.monotonic() + 90
    while epochs_done(checkpoint) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.03)


def test_a_killed_training_is_resumed_to_the_unbroken_model(forty_users, tmp_path):
    unbroken = train_model(forty_users, tmp_path / "unbroken", LONG)
    place = tmp_path / "place"
    place.mkdir()
    killed = started(*long_command(forty_users), cwd=place)
    wait_for_epochs(killed, place / CHECKPOINT, 2)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert not (place / DEFAULT).exists()
    resumed = recsys(*long_command(forty_users), "--resume", cwd=place)
    assert resumed.returncode == 0, resumed.stderr
    assert unbroken.fingerprint in resumed.stdout
    assert load_model(place / DEFAULT).config["epoch"] == unbroken.config["epoch"]
    log = [json.loads(line) for line in (place / DEFAULT / "training_log.jsonl").open()]
    assert [line["epoch"] for line in log] == list(range(1, LONG.epochs + 1))
    assert [file.name for file in place.iterdir()] == [DEFAULT]  # nothing else is left


@pytest.mark.parametrize(
    ("sent", "epochs", "name", "code"),
    [
        (signal.SIGINT, 1, "Ctrl-C", 0),
        (signal.SIGTERM, 1, "SIGTERM", 143),
        (signal.SIGTERM, 0, "SIGTERM", 143),
    ],
)
def test_a_signal_keeps_the_best_and_says_so(forty_users, tmp_path, sent, epochs, name, code):
    process = started(*long_command(forty_users, 5000), cwd=tmp_path)
    assert process.stderr is not None
    first = process.stderr.readline()  # of the data: Paddle is loaded
    wait_for_epochs(process, tmp_path / CHECKPOINT, epochs)
    os.killpg(process.pid, sent)
    out, err = process.communicate(timeout=90)
    assert process.returncode == code, err
    assert "Traceback" not in err
    (said,) = (line for line in (first + err).splitlines() if line.startswith("stopped"))
    assert said.startswith(f"stopped by {name}")
    if epochs:
        assert said.startswith(f"stopped by {name}: keeping the best so far, of epoch ")
        assert load_model(tmp_path / DEFAULT).fingerprint in out
        assert recommends(tmp_path / DEFAULT)
        assert [file.name for file in tmp_path.iterdir()] == [DEFAULT]
    else:
        assert (tmp_path / DEFAULT).exists() is bool(out)


# On two processes that Paddle's launcher starts: the model of one, or none at all


def launched(place, data, log, *options):
    """A training on two processes, each with its log in a folder of that name."""
    launcher = f"-m paddle.distributed.launch --nproc_per_node 2 --log_dir {log}".split()
    line = [*launcher, str(Path(sys.executable).with_name("recsys")), *long_command(data)]
    how = {"env": environment(), "start_new_session": True, "text": True}
    out = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen([sys.executable, *line, *options], cwd=place, **how, **out)


def killed(training, checkpoint, rank):
    """Kill one of its processes after the second epoch, and wait for the end of all."""
    wait_for_epochs(training, checkpoint, 2)
    of_all = Path(f"/proc/{training.pid}/task/{training.pid}/children").read_text().split()
    names = {each: Path(f"/proc/{each}/environ").read_text() for each in of_all}
    (victim,) = (each for each in of_all if f"PADDLE_TRAINER_ID={rank}\0" in names[each])
    os.kill(int(victim), signal.SIGKILL)
    training.communicate()
    assert training.returncode != 0


def losses(model):
    lines = [json.loads(line) for line in (model / "training_log.jsonl").open()]
    return [(each["retrieval_loss"], each["rating_loss"]) for each in lines]


def test_two_processes_resume_to_the_model_of_one_or_leave_what_was_there(forty_users, tmp_path):
    alone = train_model(forty_users, tmp_path / "alone", LONG)
    model, checkpoint = tmp_path / DEFAULT, tmp_path / CHECKPOINT
    killed(launched(tmp_path, forty_users, "first"), checkpoint, rank=1)
    assert not model.exists()
    resumed = launched(tmp_path, forty_users, "second", "--resume")
    said, _ = resumed.communicate()
    assert resumed.returncode == 0, said
    assert "resuming" in said
    assert len(losses(model)) == LONG.epochs
    np.testing.assert_allclose(losses(model), losses(alone.path), rtol=1e-4)
    assert {n: a.shape for n, a in load_model(model).arrays.items()} == {
        n: a.shape for n, a in alone.arrays.items()
    }
    assert recommends(model)
    made, line = load_model(model).fingerprint, f"{DEFAULT}\t"
    logs = [(tmp_path / f"second/workerlog.{n}").read_text() for n in (0, 1)]
    assert [line in each for each in logs] == [True, False]
    killed(launched(tmp_path, forty_users, "third", "--seed", "1"), checkpoint, rank=0)
    assert load_model(model).fingerprint == made
    for log in ("first/workerlog.0", "third/workerlog.1"):
        said = (tmp_path / log).read_text()
        assert "another has ended" in said.splitlines()[-1]
        assert "Traceback" not in said

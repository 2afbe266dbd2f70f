"""Training on two processes that Paddle's launcher starts: the model of one, or none at all."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import environment
from test_train import recommends
from test_train_interrupted import (  # noqa: F401
    CHECKPOINT,
    LONG,
    forty_users,
    long_command,
    wait_for_epochs,
)

from recsys.serving.model_folder import DEFAULT, load_model
from recsys.train import train_model

pytestmark = pytest.mark.slow  # two processes load Paddle, and one of them is killed


def launched(place, data, log, *options):
    """A training on two processes, each with its log in a folder of that name."""
    launcher = f"-m paddle.distributed.launch --nproc_per_node 2 --log_dir {log}".split()
    line = [*launcher, str(Path(sys.executable).with_name("recsys")), *long_command(data)]
    out = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    where: dict[str, Any] = {"cwd": place, "env": environment(), "start_new_session": True}
    return subprocess.Popen([sys.executable, *line, *options], **out, **where)


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


def test_two_processes_resume_to_the_model_of_one_or_leave_what_was_there(forty_users, tmp_path):  # noqa: F811
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
    assert [line in (tmp_path / f"second/workerlog.{n}").read_text() for n in (0, 1)] == [
        True,
        False,
    ]
    killed(launched(tmp_path, forty_users, "third", "--seed", "1"), checkpoint, rank=0)
    assert load_model(model).fingerprint == made
    for log in ("first/workerlog.0", "third/workerlog.1"):
        said = (tmp_path / log).read_text()
        assert "another has ended" in said.splitlines()[-1]
        assert "Traceback" not in said

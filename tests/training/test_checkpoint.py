"""A checkpoint brings a training back to where it was, and refuses to do so for another."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import SAMPLE
from interrupts import epochs_done, interrupt_at

from recsys.data.dataset import Dataset, Ratings
from recsys.errors import ModelError
from recsys.preprocess import read_dataset
from recsys.train import Trained, fit
from recsys.training.checkpoint import Checkpoint, Progress
from recsys.training.options import Options

ONE_EPOCH = Options(epochs=1, dimension=4, batch_size=256, id_size=8, side_size=4, filters=4)


@pytest.fixture(scope="module")
def small_split() -> tuple[Dataset, Ratings, Ratings]:
    """The sample, and the ratings of twenty users: every other one to train on, the rest."""
    dataset = read_dataset(SAMPLE)
    few = dataset.ratings[dataset.ratings.user_ids <= 20]
    return dataset, few[::2], few[1::2]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.npz"


def without_seconds(log: list[dict]) -> list[dict]:
    return [{name: value for name, value in line.items() if name != "seconds"} for line in log]


def assert_equal(one: Trained, other: Trained) -> None:
    others = other.model().arrays
    for name, table in one.model().arrays.items():
        np.testing.assert_array_equal(others[name], table, err_msg=name)
    assert without_seconds(other.progress.log) == without_seconds(one.progress.log)
    assert other.progress.best_epoch == one.progress.best_epoch


@pytest.mark.slow
@pytest.mark.parametrize("validated", [True, False])
def test_a_resumed_training_is_the_unbroken_one(small_split, checkpoint, monkeypatch, validated):
    dataset, train, held_out = small_split
    inputs = dataset, train, replace(ONE_EPOCH, epochs=4, patience=9)
    validation = held_out if validated else None
    unbroken = fit(*inputs, validation)
    with monkeypatch.context() as patch:
        interrupt_at(patch, Progress, "note", 3)  # the third epoch is trained but not saved
        first = fit(*inputs, validation, checkpoint=checkpoint)
    assert first.interrupted
    assert epochs_done(checkpoint) == 2
    assert_equal(unbroken, fit(*inputs, validation, checkpoint=checkpoint, resume=True))
    assert epochs_done(checkpoint) == 4
    assert_equal(unbroken, fit(*inputs, validation, checkpoint=checkpoint, resume=True))


@pytest.fixture(scope="module")
def whole(small_split, tmp_path_factory) -> bytes:
    """A checkpoint's bytes."""
    path = tmp_path_factory.mktemp("whole") / "checkpoint.npz"
    fit(*small_split[:2], ONE_EPOCH, checkpoint=path)
    return path.read_bytes()


@pytest.mark.parametrize("damage", ["empty", "no zip", "half", "list", "flipped"])
def test_a_damaged_checkpoint_is_refused_in_one_line(small_split, checkpoint, whole, damage):
    middle = len(whole) // 2
    flipped = whole[:middle] + b"\xff" * 99 + whole[middle + 99 :]
    damaged = {"empty": b"", "no zip": b"no zip", "half": whole[:middle], "flipped": flipped}
    checkpoint.write_bytes(damaged.get(damage, whole))
    if damage == "list":
        np.savez(checkpoint, about=np.array("[]"))
    with pytest.raises(ModelError, match=r"damaged checkpoint|other ratings") as refused:
        fit(*small_split[:2], ONE_EPOCH, checkpoint=checkpoint, resume=True)
    assert "\n" not in str(refused.value)
    assert refused.value.cause.startswith(f"{checkpoint}: ")


def test_what_is_no_checkpoint_is_neither_replaced_nor_followed(checkpoint, whole):
    theirs, link = checkpoint.with_name("theirs"), checkpoint
    for content in (b"years of work", whole):
        theirs.write_bytes(content)
        link.symlink_to(theirs)
        for place in (theirs, link) if content != whole else (link,):
            with pytest.raises(ModelError, match="is there and is no checkpoint; move it away"):
                Checkpoint(place, "").save(None, Progress())
        link.unlink()
        assert theirs.read_bytes() == content
    Checkpoint(theirs, "").check_ours()  # one of ours, by now

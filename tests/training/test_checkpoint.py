"""A checkpoint brings a training back to where it was, and refuses to do so for another."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from command_line import SAMPLE, refused

from recsys.errors import ModelError
from recsys.options import Options
from recsys.preprocess import read_dataset
from recsys.train import fit
from recsys.training.checkpoint import Checkpoint, Progress

ONE_EPOCH = Options(epochs=1, dimension=4, batch_size=256, id_size=8, side_size=4, filters=4)


@pytest.fixture(scope="module")
def few():
    """The sample with the ratings of twenty users."""
    dataset = read_dataset(SAMPLE)
    return replace(dataset, ratings=dataset.ratings[dataset.ratings.user_ids <= 20])


@pytest.fixture
def checkpoint(tmp_path):
    return tmp_path / "checkpoint.npz"


@pytest.fixture(scope="module")
def whole(few, tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "checkpoint.npz"
    fit(few, ONE_EPOCH, checkpoint=path)
    return path.read_bytes()


@pytest.mark.parametrize("damage", ["empty", "no zip", "half", "list", "flipped"])
def test_a_damaged_checkpoint_is_refused_in_one_line(few, checkpoint, whole, damage):
    middle = len(whole) // 2
    flipped = whole[:middle] + b"\xff" * 99 + whole[middle + 99 :]
    damaged = {"empty": b"", "no zip": b"no zip", "half": whole[:middle], "flipped": flipped}
    checkpoint.write_bytes(damaged.get(damage, whole))
    if damage == "list":
        np.savez(checkpoint, about=np.array("[]"))
    with refused(ModelError, rf"^{checkpoint}: .*(damaged checkpoint|other ratings)"):
        fit(few, ONE_EPOCH, checkpoint=checkpoint, resume=True)


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


def test_a_link_planted_after_the_look_is_replaced_itself(checkpoint, whole, monkeypatch):
    theirs = checkpoint.with_name("theirs")
    theirs.write_bytes(whole)
    monkeypatch.setattr(Checkpoint, "check_ours", lambda self: self.path.symlink_to(theirs))
    step = SimpleNamespace(state=tuple, number=1)
    Checkpoint(checkpoint, "").save(step, Progress())
    assert theirs.read_bytes() == whole
    assert not checkpoint.is_symlink()
    assert checkpoint.stat().st_size

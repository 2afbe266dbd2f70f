"""One training in memory: when it stops, what it keeps, and what a checkpoint brings back."""

from dataclasses import replace

import numpy as np
import pytest
from command_line import SAMPLE
from interrupts import epochs_behind, interrupt_at
from recsys.training.run import Run

from recsys.errors import ModelError
from recsys.preprocess import read_dataset
from recsys.train import fit
from recsys.training import run as training_run
from recsys.training.options import Options
from recsys.training.step import TrainStep


def judged(monkeypatch, scores: list[float]) -> None:
    """Validation says what we want it to."""
    told = iter(scores)
    judge = lambda *_: lambda tables: {"ndcg@10": next(told), "rmse": 0.0, "mae": 0.0}  # noqa: E731
    monkeypatch.setattr(training_run, "_judge", judge)


def small_split():
    dataset = read_dataset(SAMPLE)
    few = dataset.ratings[dataset.ratings.user_ids <= 20]
    return dataset, few[::2], few[1::2]


def test_it_stops_after_epochs_without_a_better_one_and_keeps_the_best(monkeypatch):
    dataset, known, held = small_split()
    judged(monkeypatch, [0.1, 0.3, 0.2, 0.3, 0.9])
    fitted = fit(dataset, known, Options(epochs=9, dimension=4, patience=2), held)
    assert [line["ndcg@10"] for line in fitted.log] == [0.1, 0.3, 0.2, 0.3]
    assert fitted.best_epoch == 2
    judged(monkeypatch, [0.1, 0.3])
    best = fit(dataset, known, Options(epochs=9, dimension=4, patience=1), None).tables
    assert any((best[name] != fitted.tables[name]).any() for name in best)  # not the last weights


def test_the_best_weights_are_those_of_its_epoch(monkeypatch):
    """Stopped in the middle of the same run, the best epoch has the same tables."""
    dataset, known, held = small_split()
    options = Options(epochs=4, dimension=4, patience=4)
    judged(monkeypatch, [0.1, 0.5, 0.2, 0.3])
    whole = fit(dataset, known, options, held)
    judged(monkeypatch, [0.1, 0.5])  # StopIteration after two epochs
    run = Run(dataset, known, options, held)
    bar = training_run.tqdm(disable=True)
    run.epoch(0, bar)
    run.epoch(1, bar)
    for name, table in run.fitted(False).tables.items():
        np.testing.assert_array_equal(table, whole.tables[name], err_msg=name)


def test_resume_in_this_process_is_the_unbroken_run(tmp_path, monkeypatch):
    dataset, known, held = small_split()
    options = Options(epochs=4, dimension=4, patience=9)
    unbroken = fit(dataset, known, options, held)
    checkpoint = tmp_path / "checkpoint.npz"
    with monkeypatch.context() as patch:
        interrupt_at(patch, TrainStep, "step", 3 * unbroken_steps(dataset, known, options))
        first = fit(dataset, known, options, held, checkpoint=checkpoint)
    assert first.interrupted
    assert epochs_behind(checkpoint) == 2
    resumed = fit(dataset, known, options, held, checkpoint=checkpoint, resume=True)
    for name, table in unbroken.tables.items():
        np.testing.assert_array_equal(resumed.tables[name], table, err_msg=name)
    assert without_time(resumed.log) == without_time(unbroken.log)
    assert resumed.best_epoch == unbroken.best_epoch


def unbroken_steps(dataset, known, options) -> int:
    return Run(dataset, known, options, None).feed.steps


def without_time(log):
    return [{name: value for name, value in line.items() if name != "seconds"} for line in log]


def test_resume_is_refused_for_another_training(tmp_path):
    dataset, known, held = small_split()
    options = Options(epochs=1, dimension=4)
    checkpoint = tmp_path / "c.npz"
    fit(dataset, known, options, held, checkpoint=checkpoint)
    for other, ratings in (
        (replace(options, seed=1), known),
        (replace(options, learning_rate=0.01), known),
        (replace(options, epochs=2), known),
        (options, known[1:]),
    ):
        with pytest.raises(ModelError, match="other ratings or options") as refused:
            fit(dataset, ratings, other, held, checkpoint=checkpoint, resume=True)
        assert "\n" not in str(refused.value)
    fit(dataset, known, replace(options, seed=1), held, checkpoint=checkpoint)  # without: anew


@pytest.mark.parametrize("damage", [b"", b"no zip", None, "list", "flipped"])
def test_a_damaged_checkpoint_is_one_line(tmp_path, damage):
    dataset, known, held = small_split()
    options = Options(epochs=1, dimension=4)
    checkpoint = tmp_path / "c.npz"
    fit(dataset, known, options, held, checkpoint=checkpoint)
    whole = checkpoint.read_bytes()
    if damage == "list":
        np.savez(checkpoint, about=np.array("[]"))
    elif damage == "flipped":
        middle = len(whole) // 2
        checkpoint.write_bytes(whole[:middle] + b"\xff" * 99 + whole[middle + 99 :])
    else:
        checkpoint.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    with pytest.raises(ModelError, match=r"damaged checkpoint|other ratings") as refused:
        fit(dataset, known, options, held, checkpoint=checkpoint, resume=True)
    assert "\n" not in str(refused.value)


def test_weights_that_are_no_number_are_judged_as_nothing(monkeypatch):
    dataset, known, held = small_split()
    judged(monkeypatch, [float("nan")])
    with pytest.raises(ModelError, match="not a number"):
        fit(dataset, known, Options(epochs=1, dimension=4), held)

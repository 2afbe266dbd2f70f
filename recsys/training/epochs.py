"""The epochs of a training: its steps, what validation makes of them, and when it ends."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from tqdm import tqdm

from recsys.errors import ModelError
from recsys.model import folded
from recsys.training.batches import BatchSampler
from recsys.training.checkpoint import Checkpoint, Progress
from recsys.training.options import Options
from recsys.training.step import TrainStep
from recsys.training.validation import Validation

RECENT = 50  # steps whose mean loss the progress bar shows


def run(
    step: TrainStep,
    sampler: BatchSampler,
    options: Options,
    progress: Progress,
    validate: Validation | None,
    saved: Checkpoint | None,
    *,
    quiet: bool,
    log: Callable[[str], None],
) -> bool:
    """Train until the last epoch, or until validation has not been better for `patience` epochs.

    Args:
        progress: what is behind already; it grows by an epoch at a time.
        validate: what judges an epoch; without it the last weights are the best.
        saved: where each epoch is kept.
        quiet: no progress bar; `log` is called with a line an epoch instead.

    Returns:
        Whether Ctrl-C ended it, after an epoch at least; before that it is raised.

    Raises:
        ModelError: a loss is not a number.
    """
    with tqdm(total=step.steps, initial=step.number, unit="step", disable=quiet) as bar:
        for epoch in range(len(progress.log), options.epochs):
            if epoch - progress.best_epoch >= options.patience:
                return False
            try:
                line = _epoch(step, sampler, epoch, options, progress, validate, bar)
                if quiet:
                    log(_in_words(line, options))
                if saved:
                    saved.save(step, progress)
            except KeyboardInterrupt:
                if not progress.best_weights:
                    raise
                return True
    return False


def _epoch(
    step: TrainStep,
    sampler: BatchSampler,
    epoch: int,
    options: Options,
    progress: Progress,
    validate: Validation | None,
    bar: tqdm,
) -> dict[str, Any]:
    """An epoch, noted in `progress`; its line of the training log."""
    started, losses = time.monotonic(), []
    rng = np.random.default_rng([options.seed, epoch])
    for batch in sampler.epoch(rng):
        losses.append(step(batch, rng))
        check_finite(losses[-1], f"the loss of step {len(losses)}", epoch, options)
        bar.update()
        if len(losses) % 10 == 0:
            bar.set_postfix(_postfix(losses, progress))
    retrieval, rating = np.mean(losses, 0).tolist()
    line = {"epoch": epoch + 1, "retrieval_loss": retrieval, "rating_loss": rating}
    score = float(epoch)
    if validate:
        line |= validate(folded(step.users), step.movie_heads())
        score = line.get("ndcg@10", 0.0) - line.get("rmse", 0.0) / validate.scale.unit
    line["seconds"] = round(time.monotonic() - started, 2)
    progress.note(line, score, step)
    bar.set_postfix(_postfix(losses, progress))
    return line


def check_finite(values: Any, what: str, epoch: int, options: Options) -> None:
    """Raise a ModelError when a training has diverged."""
    if not np.isfinite(values).all():
        raise ModelError(
            f"epoch {epoch + 1}: {what} is not a number",
            f"lower the learning rate (it is {options.learning_rate:g})",
            "learning_rate",
        )


def _in_words(line: dict[str, Any], options: Options) -> str:
    """A line of the training log, in words."""
    shown = ("ndcg@10", "rmse", "mae", "retrieval_loss", "rating_loss")
    metrics = [f"{name.replace('_', ' ')} {line[name]:.4f}" for name in shown if name in line]
    return f"epoch {line['epoch']} of {options.epochs}: {', '.join(metrics)}; {line['seconds']} s"


def _postfix(losses: list[tuple[float, float]], progress: Progress) -> dict[str, str]:
    """What the progress bar shows: recent losses, and the metrics of the last epoch."""
    retrieval, rating = np.mean(losses[-RECENT:], 0)
    last = progress.log[-1] if progress.log else {}
    shown = {"retrieval": retrieval, "rating": rating}
    shown |= {name: last[name] for name in ("ndcg@10", "rmse", "mae") if name in last}
    return {name: f"{value:.4f}" for name, value in shown.items()}

"""From ratings to a model folder: epochs, validation, early stopping, checkpoints."""

import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys import __version__
from recsys.data.dataset import Dataset, Ratings, Vocabulary
from recsys.data.interactions import attribute_rows, hold_out_latest, interactions_of
from recsys.errors import QueryError, quoted
from recsys.model import export, folded, paddle
from recsys.preprocess import read_dataset
from recsys.serving.model_folder import DEFAULT, ModelFolder, check_place, write_model
from recsys.serving.vector import Layout, Weights
from recsys.training import closed_forms
from recsys.training.batches import BatchSampler
from recsys.training.checkpoint import Checkpoint, Progress, identity
from recsys.training.epochs import check_finite, run
from recsys.training.options import Options
from recsys.training.step import TrainStep
from recsys.training.validation import Validation


@dataclass(frozen=True)
class Fitted:
    """A trained model in memory."""

    learned: "Learned"
    step: TrainStep  # holds the towers
    options: Options  # with the recency that the held-out ratings asked for
    progress: Progress  # a line per epoch, and the best
    interrupted: bool  # by Ctrl-C

    @property
    def tables(self) -> dict[str, NDArray]:
        """All tables of the model folder by name."""
        return self.served[0]

    @property
    def layout(self) -> Layout:
        """How many numbers each part of a vector has."""
        return self.served[1]

    @cached_property
    def served(self) -> tuple[dict[str, NDArray], Layout]:
        """The tables and the layout."""
        closed, heads = self.learned.closed, self.step.movie_heads()
        tables, layout = closed_forms.whole(closed, self.learned.history, heads, self.options)
        return {**folded(self.step.users), **closed.tables, **tables}, layout


def fit(
    dataset: Dataset,
    known: Ratings,
    options: Options = Options(),
    validation: Ratings | None = None,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
    quiet: bool = True,
    log: Callable[[str], None] = lambda line: None,
) -> Fitted:
    """Train both heads on `known`, and keep the weights of the best epoch on `validation`.

    Better is a larger ndcg@10 - rmse: both move by hundredths, and neither may pay for the other.
    Without validation the last weights are kept. Ctrl-C ends training with the best so far.

    Args:
        dataset: the users and movies; all of them get rows, also those without a rating.
        known: the ratings to train on, of which histories are made too.
        validation: held-out ratings of the same users and movies.
        checkpoint: a file written after each epoch; with `resume`, training goes on from it to
            the same model as an unbroken run.
        quiet: no progress bar on stderr.
        log: is called with where it goes on and which epoch is kept; if `quiet`, with each epoch.

    Raises:
        ModelError: the loss is not a number; or the checkpoint is of another training.
    """
    options = _suited(options, dataset, log)
    model = Learned(dataset, known, options)
    validate = None
    if validation is not None:
        inputs = (model.vocabulary, model.movies, model.attributes, model.history)
        validate = Validation(*inputs, known, validation, model.closed, dataset.scale)
        options = replace(options, recency_floor=validate.recency_floor(options))
        validate.prepare(options)
        model.closed = model.closed.suited(options)
    step, sampler = model.towers(options)
    saved = None
    if checkpoint:
        about = identity(options, model.vocabulary, model.history, model.attributes)
        saved = Checkpoint(checkpoint, about)
    progress = saved.load(step) if saved and resume else Progress()
    if resume:
        log(_resumed(progress, checkpoint, options))
    interrupted = run(step, sampler, options, progress, validate, saved, quiet=quiet, log=log)
    if not progress.best_weights:
        check_finite(np.nan, "the validation of every epoch", len(progress.log) - 1, options)
    for weight in progress.best_weights.values():
        check_finite(weight, "a weight", progress.best_epoch - 1, options)
    step.set_weights(progress.best_weights)
    if validate:
        log(f"best epoch: {progress.best_epoch} of {len(progress.log)}, by ndcg@10 - rmse")
    return Fitted(model, step, options, progress, interrupted)


def finish(fitted: Fitted, dataset: Dataset, ratings: Ratings) -> Fitted:
    """Let a model that stopped early learn from all ratings: what ships has seen every one.

    The closed forms are fitted anew, and the towers go on for `finish_epochs`, from `finish_rate`
    of the learning rate down to 0. After an interruption the towers stay as they were.
    """
    options = fitted.options
    model = Learned(dataset, ratings, options)
    rate = options.learning_rate * options.finish_rate
    last = replace(options, epochs=max(1, options.finish_epochs), learning_rate=rate)
    step, sampler = model.towers(last)
    step.set_weights(fitted.progress.best_weights)
    for epoch in range(options.finish_epochs if rate and not fitted.interrupted else 0):
        rng = np.random.default_rng([options.seed, options.epochs + epoch])
        for batch in sampler.epoch(rng):
            step(batch, rng)
    for weight in step.weights().values():
        check_finite(weight, "a weight", options.epochs, options)
    return Fitted(model, step, options, fitted.progress, fitted.interrupted)


class Learned:
    """What is learned from, and all that is learned of it but the towers."""

    def __init__(self, dataset: Dataset, known: Ratings, options: Options) -> None:
        self.vocabulary = Vocabulary.of(dataset.users, dataset.movies)
        self.names = dataset.user_names, dataset.movie_names
        self.scale = dataset.scale
        self.movies = dataset.movies.sorted()
        self.attributes = attribute_rows(dataset.users, self.vocabulary)
        self.history = interactions_of(known, self.vocabulary)
        inputs = (self.history, self.movies, self.vocabulary, self.attributes)
        self.closed = closed_forms.fit(*inputs, options)

    def towers(self, options: Options) -> tuple[TrainStep, BatchSampler]:
        """Untrained towers, and what they are trained on."""
        sampler = BatchSampler(self.history, self.attributes, len(self.movies), options)
        inputs = self.movies, self.vocabulary
        return TrainStep(*inputs, sampler, options, self.scale.rated), sampler


def save(fitted: Fitted, path: Path, about: dict[str, Any]) -> ModelFolder:
    """Write the model folder; it takes the place of an older one when it is whole.

    Args:
        about: what else config.json should say, e.g. of the data.

    Raises:
        ModelError: the folder cannot be written.
    """
    learned, progress, options = fitted.learned, fitted.progress, fitted.options
    vocabulary = learned.vocabulary.named(*learned.names)
    chosen = progress.log[progress.best_epoch - 1]
    config = {
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "scale": learned.scale.to_json(),
        "layout": fitted.layout._asdict(),
        "weights": Weights(
            options.rating_weight,
            options.ease_weight,
            chosen.get("head_weight", options.head_weight),
            options.recency_floor,
            options.recency_span,
        )._asdict(),
        "options": asdict(options),
        "epoch": progress.best_epoch,
        "validation": {k: chosen[k] for k in ("ndcg@10", "rmse", "mae") if k in chosen},
        "versions": {
            "recsys": __version__,
            "paddlepaddle": paddle.__version__,
            "numpy": np.__version__,
        },
        **about,
    }
    return write_model(
        path,
        config,
        vocabulary,
        replace(learned.movies, ids=vocabulary.movie_ids),
        learned.history,
        learned.attributes,
        fitted.tables,
        progress.log,
        lambda folder: export(*fitted.step.towers, folder),
    )


def train(
    data: Path | str | Dataset,
    model: Path | str = DEFAULT,
    options: Options = Options(),
    *,
    validation: float = 0.1,
    device: str = "cpu",
    resume: bool = False,
    skip_bad_lines: bool = False,
    quiet: bool = True,
    log: Callable[[str], None] = lambda line: None,
) -> ModelFolder:
    """From ratings to a model folder.

    Args:
        data: a folder of ratings, or a dataset that was read.
        model: the folder to write.
        validation: share of the ratings held out to choose the best epoch by, 0 for none.
        device: as Paddle names it.
        skip_bad_lines: leave bad lines of the folder out.
        quiet: no progress bar on stderr.
        log: is called with lines about what happens.

    Raises:
        DataError: the data is missing or bad.
        ModelError: training or writing failed; a model that was there still stands.

    >>> import recsys
    >>> options = recsys.Options(epochs=1, dimension=4)
    >>> recsys.train("data/sample", "tiny.model", options).config["epoch"]
    1
    """
    _use_device(device)
    model = Path(model)
    check_place(model)
    use_all_cores()
    if not isinstance(data, Dataset):
        data = read_dataset(Path(data), skip_bad_lines=skip_bad_lines, log=log)
    r = data.ratings
    log(f"{data.name}: {len(r)} ratings of {len(data.movies)} movies by {len(data.users)} users")
    held, how = hold_out_latest(r, validation, options.seed)
    checkpoint = model.with_name(model.name + ".checkpoint.npz")
    fitted = fit(
        data,
        r[~held],
        options,
        r[held] if held.any() else None,
        checkpoint=checkpoint,
        resume=resume,
        quiet=quiet,
        log=log,
    )
    if fitted.interrupted:
        log(_stopped(fitted))
    about: dict[str, Any] = {
        "data": {"name": data.name, "ratings": len(r), "users": len(data.users)},
        "seed": options.seed,
    }
    if held.any():
        about["held_out"] = {"ratings": int(held.sum()), "how": how}
        log(f"metrics are of {held.sum()} held-out ratings, {how}; the model now learns from all")
        try:
            fitted = finish(fitted, data, r)
        except KeyboardInterrupt:
            log(_stopped(fitted))
            fitted = finish(replace(fitted, interrupted=True), data, r)
    folder = save(fitted, model, about)
    checkpoint.unlink(missing_ok=True)
    return folder


def _stopped(fitted: Fitted) -> str:
    """What an interruption keeps, in words."""
    return f"stopped by Ctrl-C: keeping the best so far, of epoch {fitted.progress.best_epoch}"


def _use_device(device: str) -> None:
    """
    Raises:
        ModelError: Paddle has none of this name.
    """
    try:
        paddle.set_device(device)
    except ValueError as error:
        cause = f"device {quoted(device)}: Paddle has none of this name here"
        raise QueryError(cause, "take cpu, or install a Paddle that has it", "device") from error


def use_all_cores() -> None:
    """Paddle computes on one thread unless OMP_NUM_THREADS or a call such as this says more."""
    if "OMP_NUM_THREADS" not in os.environ:
        affinity = getattr(os, "sched_getaffinity", None)
        paddle.base.core.set_num_threads(len(affinity(0)) if affinity else os.cpu_count() or 1)


def _suited(options: Options, dataset: Dataset, log: Callable[[str], None]) -> Options:
    """The options without what the data say nothing of: ratings, times."""
    if not dataset.scale.rated:
        options = replace(options, rating_weight=0.0, factor_sweeps=1)
    if not _timed(dataset.ratings) and options.recency_floor < 1:
        log("no times that differ: recency is off")
        options = replace(options, recency_floor=1.0)
    return options


def _timed(ratings: Ratings) -> bool:
    """Whether times tell what came first."""
    return bool((ratings.times != ratings.times[:1]).any())


def _resumed(progress: Progress, checkpoint: Path | None, options: Options) -> str:
    """Where a training goes on, in words."""
    if not progress.log:
        return f"nothing to resume, there is no {checkpoint}: training from the first epoch"
    done = f"{checkpoint} has {len(progress.log)} of {options.epochs} epochs"
    return f"resuming: {done}, the best is {progress.best_epoch}"


class _Module(ModuleType):
    """A module that can be called.

    `recsys.train` is the name of this file and of the public function. Importing the file sets the
    attribute `train` of the package to the module, whatever stood there: so the module itself has
    to be what is called, whether the file is imported first or the function used first.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> ModelFolder:
        return train(*args, **kwargs)


sys.modules[__name__].__class__ = _Module

"""The training loop: held-out validation, early stopping, checkpoints, and the model folder."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from recsys import __version__
from recsys.data.dataset import Dataset, Ratings
from recsys.errors import ModelError
from recsys.model import export, paddle
from recsys.preprocess import read_dataset
from recsys.serving.model_folder import FORMAT, fingerprint, replacing, writable
from recsys.training.batches import history_of
from recsys.training.options import Options
from recsys.training.run import Fitted, Trainer


def use_all_cores() -> None:
    """Paddle computes on one thread unless told otherwise, by OMP_NUM_THREADS or here."""
    if "OMP_NUM_THREADS" not in os.environ:
        affinity = getattr(os, "sched_getaffinity", None)
        paddle.base.core.set_num_threads(len(affinity(0)) if affinity else os.cpu_count() or 1)


def fit(
    dataset: Dataset,
    known: Ratings,
    options: Options = Options(),
    validation: Ratings | None = None,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
    quiet: bool = True,
) -> Fitted:
    """Train both heads on `known`, and keep the weights that predicted `validation` best.

    Better is a larger ndcg@10 - rmse: both move by hundredths, and neither may pay for the other.
    Without validation the last weights are kept. Ctrl-C ends training with the best so far.

    Args:
        dataset: the users and movies; all of them get rows, also those without a rating.
        known: what is learned from, and what histories are made of.
        validation: held-out ratings of the same users and movies.
        checkpoint: a file written after each epoch; with `resume`, training goes on from it to
            the same model as an unbroken run.
        quiet: no progress bar on stderr.

    Raises:
        ModelError: the loss is not a number; or the checkpoint is of another training.
    """
    run = Trainer(dataset, known, options, validation)
    epoch = run.load(checkpoint) if checkpoint and resume else 0
    bar = tqdm(
        total=options.epochs * run.sampler.steps,
        initial=epoch * run.sampler.steps,
        unit="step",
        disable=quiet,
    )
    interrupted = False
    with bar:
        while epoch < options.epochs and epoch - run.best_epoch < options.patience:
            try:
                run.epoch(epoch, bar)
                if checkpoint:
                    run.save(checkpoint)
            except KeyboardInterrupt:
                if not run.best:
                    raise
                interrupted = True
                break
            epoch += 1
    return run.fitted(interrupted)


def save(fitted: Fitted, path: Path, about: dict[str, Any]) -> str:
    """Write the model folder; it takes the place of an older one when it is whole.

    Args:
        about: what else config.json should say, e.g. of the data.

    Returns:
        The fingerprint.

    Raises:
        ModelError: the folder cannot be written.
    """
    with replacing(path) as folder:
        for name in ("tables", "history"):
            (folder / name).mkdir()
        for name, table in fitted.tables.items():
            np.save(folder / "tables" / f"{name}.npy", table, allow_pickle=False)
        for name, column in {**fitted.history._asdict(), "attributes": fitted.attributes}.items():
            np.save(folder / "history" / f"{name}.npy", column, allow_pickle=False)
        trained = fitted.movies
        movies = list(zip(trained.ids.tolist(), trained.titles, trained.genres, strict=True))
        _write_json(folder / "vocabulary.json", fitted.vocabulary.to_json())
        _write_json(folder / "movies.json", movies)
        lines = [json.dumps(line) for line in fitted.log]
        (folder / "training_log.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
        export(*fitted.towers, fitted.tables, folder)
        chosen = fitted.log[fitted.best_epoch - 1]
        config = {
            "format": FORMAT,
            "fingerprint": fingerprint(folder),
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "dimension": fitted.options.dimension,
            "options": asdict(fitted.options),
            "epoch": fitted.best_epoch,
            "validation": {k: chosen[k] for k in ("ndcg@10", "rmse", "mae") if k in chosen},
            "versions": {
                "recsys": __version__,
                "paddlepaddle": paddle.__version__,
                "numpy": np.__version__,
            },
            **about,
        }
        _write_json(folder / "config.json", config, indent=2)
    return config["fingerprint"]


def _write_json(path: Path, value: Any, indent: int | None = None) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=indent) + "\n", "utf-8")


def train_folder(
    data: Path,
    model: Path,
    options: Options,
    *,
    validation: float = 0.1,
    device: str = "cpu",
    resume: bool = False,
    skip_bad_lines: bool = False,
    quiet: bool = True,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """From a folder of ratings to a model folder; returns its config.

    Args:
        validation: share of the ratings held out to choose the best epoch by, 0 for none.
        device: as Paddle names it.
        say: is told in lines what happens.

    Raises:
        DataError: the data is missing or bad.
        ModelError: training or writing failed; a model that was there still stands.
    """
    try:
        paddle.set_device(device)
    except ValueError as error:
        raise ModelError(f"--device {device}: {str(error).splitlines()[0]}") from error
    writable(model)
    use_all_cores()
    dataset = read_dataset(data, skip_bad_lines=skip_bad_lines, log=say)
    r = dataset.ratings
    say(f"{data}: {len(r)} ratings of {len(dataset.movies)} movies by {len(dataset.users)} users")
    held = np.random.default_rng(options.seed).random(len(r)) < validation
    checkpoint = model.with_name(model.name + ".checkpoint.npz")
    fitted = fit(
        dataset,
        r[~held],
        options,
        r[held] if held.any() else None,
        checkpoint=checkpoint,
        resume=resume,
        quiet=quiet,
    )
    if fitted.interrupted:
        say(f"stopped by Ctrl-C: keeping the best so far, of epoch {fitted.best_epoch}")
    about = {
        "data": {"name": dataset.name, "ratings": len(r), "users": len(dataset.users)},
        "seed": options.seed,
    }
    complete = fitted._replace(history=history_of(r, fitted.vocabulary))
    save(complete, model, about)
    checkpoint.unlink(missing_ok=True)
    return json.loads((model / "config.json").read_text("utf-8"))

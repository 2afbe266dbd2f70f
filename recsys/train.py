"""The training loop: held-out validation, early stopping, checkpoints, and the model folder."""

import json
import os
import time
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from recsys import __version__
from recsys.dataset import Dataset, Movies, Ratings, Vocabulary
from recsys.errors import ModelError
from recsys.evaluate import best, case, column_of, ranking_metrics, rating_metrics
from recsys.feed import Feed, attribute_rows, history_of
from recsys.folder import FORMAT, History, fingerprint, replacing
from recsys.model import MovieTower, UserTower, export, folded, paddle
from recsys.options import Options
from recsys.preprocess import read_dataset
from recsys.towers import movie_vectors, predicted_stars, ranking, user_vectors
from recsys.trainer import Trainer


class Fitted(NamedTuple):
    """A trained model in memory."""

    vocabulary: Vocabulary
    movies: Movies  # in the order of their rows
    attributes: NDArray[np.int8]  # (U + 1, 3) rows of gender, age and job
    history: History
    towers: tuple[UserTower, MovieTower]
    tables: dict[str, NDArray[np.float32]]
    options: Options
    log: list[dict[str, Any]]  # a line per epoch
    best_epoch: int
    interrupted: bool  # by Ctrl-C


def use_all_cores() -> None:
    """Paddle computes on one thread unless told otherwise, and only its library can be told."""
    import ctypes

    library = Path(paddle.__file__).parent / "libs" / "libiomp5.so"
    if library.exists():
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        ctypes.CDLL(str(library)).omp_set_num_threads(cores or 1)


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
    """Train both heads on `known`, and keep the weights that foretold `validation` best.

    Better is a larger ndcg@10 - rmse: both move by hundredths, and neither may pay for the other.
    Without validation the last weights are kept. Ctrl-C ends training with the best so far.

    Args:
        dataset: the users and films; all of them get rows, also those without a rating.
        known: what is learned from, and what histories are made of.
        validation: held-out ratings of the same users and films.
        checkpoint: a file written after each epoch; with `resume`, training goes on from it to
            the same model as an unbroken run.
        quiet: no progress bar on stderr.

    Raises:
        ModelError: the loss is not a number; or the checkpoint is of another training.
    """
    run = _Run(dataset, known, options, validation)
    epoch = run.load(checkpoint) if checkpoint and resume else 0
    bar = tqdm(
        total=options.epochs * run.feed.steps,
        initial=epoch * run.feed.steps,
        unit="step",
        disable=quiet,
    )
    interrupted = False
    with bar:
        while epoch < options.epochs and epoch - run.best_epoch < options.patience:
            try:
                run.epoch(epoch, bar)
            except KeyboardInterrupt:
                if not run.log:
                    raise
                interrupted = True
                break
            epoch += 1
            if checkpoint:
                run.save(checkpoint)
    return run.fitted(interrupted)


class _Run:
    """One training on its way: what a checkpoint holds."""

    def __init__(
        self, dataset: Dataset, known: Ratings, options: Options, validation: Ratings | None
    ) -> None:
        self.options, self.validation = options, validation
        self.vocabulary = Vocabulary.of(dataset.users, dataset.movies)
        self.movies = in_row_order(dataset.movies)
        self.attributes = attribute_rows(dataset.users, self.vocabulary)
        self.history = history_of(known, self.vocabulary)
        self.feed = Feed(self.history, self.attributes, len(self.movies), options)
        self.trainer = Trainer(self.movies, self.vocabulary, self.feed, options)
        self.log: list[dict[str, Any]] = []
        self.best: dict[str, NDArray] = {}
        self.best_score, self.best_epoch = -np.inf, 0
        self._judge = _judge(self, known, validation) if validation is not None else None

    def epoch(self, number: int, bar: tqdm) -> None:
        """Train on every rating once, judge, and remember the weights if they are the best."""
        started = time.monotonic()
        rng = np.random.default_rng([self.options.seed, number])
        losses = []
        for block in self.feed.epoch(rng):
            losses.append(self.trainer.step(block, rng))
            if not np.isfinite(losses[-1]).all():
                raise ModelError(
                    f"epoch {number + 1}: the loss is not a number after {len(losses)} steps; "
                    f"lower --learning-rate (it is {self.options.learning_rate:g})"
                )
            bar.update()
            if len(losses) % 10 == 0:
                bar.set_postfix(self._postfix(losses))
        match, stars = np.mean(losses, 0)
        line = {"epoch": number + 1, "match_loss": float(match), "stars_loss": float(stars)}
        score = float(number)  # without a judge the last weights are the best
        if self._judge:
            line |= self._judge(folded(*self.trainer.towers))
            score = line["ndcg@10"] - line["rmse"]
        if score > self.best_score:
            self.best_score, self.best_epoch = score, number + 1
            self.best = self.trainer.weights()
        self.log.append(line | {"seconds": round(time.monotonic() - started, 2)})
        bar.set_postfix(self._postfix(losses))

    def _postfix(self, losses: list[tuple[float, float]]) -> dict[str, str]:
        recent = np.mean(losses[-50:], 0)
        shown = {"match": recent[0], "stars": recent[1]}
        if self.log:
            shown |= {k: self.log[-1][k] for k in ("ndcg@10", "rmse", "mae") if k in self.log[-1]}
        return {name: f"{value:.4f}" for name, value in shown.items()}

    def fitted(self, interrupted: bool) -> Fitted:
        self.trainer.set_weights(self.best)
        return Fitted(
            self.vocabulary,
            self.movies,
            self.attributes,
            self.history,
            self.trainer.towers,
            folded(*self.trainer.towers),
            self.options,
            self.log,
            self.best_epoch,
            interrupted,
        )

    def _identity(self) -> str:
        """Changes with the options and with the ratings learned from."""
        digest = sha256(json.dumps(asdict(self.options), sort_keys=True).encode())
        digest.update(json.dumps(self.vocabulary.to_json()).encode())
        for column in (*self.history, self.attributes):
            digest.update(column.tobytes())
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Write all that the rest of this training depends on, beside, then renamed."""
        arrays = {f"weights/{k}": v for k, v in self.trainer.weights().items()}
        arrays |= {f"optimizer/{k}": v for k, v in self.trainer.optimizer_state().items()}
        arrays |= {f"best/{k}": v for k, v in self.best.items()}
        about = {
            "identity": self._identity(),
            "log": self.log,
            "step": self.trainer.step_number,
            "best_epoch": self.best_epoch,
            "best_score": self.best_score,
        }
        beside = path.with_name(f"{path.name}.tmp-{os.getpid()}")
        try:
            with open(beside, "wb") as file:
                np.savez(file, allow_pickle=False, about=np.array(json.dumps(about)), **arrays)
            os.replace(beside, path)
        except OSError as error:
            raise ModelError(f"{path}: checkpoint cannot be written ({error.strerror})") from error
        finally:
            beside.unlink(missing_ok=True)

    def load(self, path: Path) -> int:
        """Go back to a checkpoint; how many epochs it has behind it, 0 if there is none."""
        try:
            with np.load(path, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            about = json.loads(str(arrays.pop("about")))
        except FileNotFoundError:
            return 0
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise ModelError(f"{path}: damaged checkpoint; delete it and train again") from error
        if about["identity"] != self._identity():
            raise ModelError(
                f"{path}: checkpoint of a training with other ratings or options; repeat those, "
                "or train without --resume"
            )
        parts: dict[str, dict[str, NDArray]] = {"weights": {}, "optimizer": {}, "best": {}}
        for name, value in arrays.items():
            part, key = name.split("/", 1)
            parts[part][key] = value
        self.trainer.set_weights(parts["weights"])
        self.trainer.set_optimizer_state(parts["optimizer"], about["step"])
        self.best, self.log = parts["best"], about["log"]
        self.best_epoch, self.best_score = about["best_epoch"], about["best_score"]
        return len(self.log)


def _judge(
    run: _Run, known: Ratings, validation: Ratings
) -> Callable[[dict[str, NDArray[np.float32]]], dict[str, float]]:
    """What the folded tables are worth on validation: ndcg@10, rmse, mae."""
    movie_rows = np.arange(1, len(run.movies) + 1)
    genres = run.vocabulary.genre_rows(run.movies.genres)
    titles = run.vocabulary.title_rows(run.movies.titles)
    users = np.unique(validation.user_ids)
    rows = run.vocabulary.user_rows(users)
    place = column_of(users, validation.user_ids)
    column = column_of(run.movies.ids, validation.movie_ids)
    question = case(known, known, validation, run.movies.ids)
    asked = column_of(users, question.user_ids)

    def judge(tables: dict[str, NDArray[np.float32]]) -> dict[str, float]:
        d = run.options.dimension
        vectors = user_vectors(
            tables.__getitem__, rows, run.attributes[rows], [run.history.of(row) for row in rows]
        )
        films = movie_vectors(tables.__getitem__, movie_rows, genres, titles)
        asking = ranking(vectors[asked], "match")
        lists = best(question, lambda ids: asking[column_of(question.user_ids, ids)] @ films.T)
        stars = predicted_stars(vectors[place, d:], films[column, d:])
        found = ranking_metrics(question, lists)
        found |= rating_metrics(validation.user_ids, validation.stars, stars)
        return {name: found[name].value for name in ("ndcg@10", "rmse", "mae")}

    return judge


def in_row_order(movies: Movies) -> Movies:
    """The films in the order of their rows: by id."""
    order = np.argsort(movies.ids)
    return Movies(
        movies.ids[order], [movies.titles[i] for i in order], [movies.genres[i] for i in order]
    )


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
        movies = fitted.movies
        films = list(zip(movies.ids.tolist(), movies.titles, movies.genres, strict=True))
        _write_json(folder / "vocabulary.json", fitted.vocabulary.to_json())
        _write_json(folder / "movies.json", films)
        lines = [json.dumps(line) for line in fitted.log]
        (folder / "training_log.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
        export(*fitted.towers, folder)
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
    use_all_cores()
    dataset = read_dataset(data, skip_bad_lines=skip_bad_lines, warn=say)
    r = dataset.ratings
    say(f"{data}: {len(r)} ratings of {len(dataset.movies)} films by {len(dataset.users)} users")
    held = np.random.default_rng(options.seed).random(len(r)) < validation
    model.parent.mkdir(parents=True, exist_ok=True)
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

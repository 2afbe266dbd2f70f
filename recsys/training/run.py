"""One training on its way: its epochs, how good each was, and what a checkpoint holds."""

import json
import os
import time
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from recsys.data.dataset import Dataset, Movies, Ratings, Vocabulary, attribute_rows
from recsys.errors import ModelError
from recsys.metrics import LIKED, best, case, column_of, ranking_metrics, rating_metrics
from recsys.model import MovieTower, UserTower, folded
from recsys.serving.folded import movie_vectors, parts, predicted_ratings, ranking, user_vectors
from recsys.serving.model_folder import History
from recsys.training import ease
from recsys.training.batches import BatchSampler, history_of
from recsys.training.options import Options
from recsys.training.step import TrainStep


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


class Trainer:
    """One training on its way: what a checkpoint holds."""

    def __init__(
        self, dataset: Dataset, known: Ratings, options: Options, validation: Ratings | None
    ) -> None:
        self.options, self.validation = options, validation
        self.vocabulary = Vocabulary.of(dataset.users, dataset.movies)
        self.movies = dataset.movies.sorted()
        self.attributes = attribute_rows(dataset.users, self.vocabulary)
        self.history = history_of(known, self.vocabulary)
        self.sampler = BatchSampler(self.history, self.attributes, len(self.movies), options)
        self.step = TrainStep(self.movies, self.vocabulary, self.sampler, options)
        genres = self.vocabulary.genre_rows(self.movies.genres)
        self.ease = ease.fit(self.history, len(self.movies), self.attributes, genres)
        self.log: list[dict[str, Any]] = []
        self.best: dict[str, NDArray] = {}
        self.best_score, self.best_epoch = -np.inf, 0
        self._judge = _judge(self, known, validation) if validation is not None else None

    def epoch(self, number: int, bar: tqdm) -> None:
        """Train on every rating once, judge, and remember the weights if they are the best."""
        started = time.monotonic()
        rng = np.random.default_rng([self.options.seed, number])
        losses = []
        for batch in self.sampler.epoch(rng):
            losses.append(self.step.step(batch, rng))
            if not np.isfinite(losses[-1]).all():
                raise ModelError(
                    f"epoch {number + 1}: the loss is not a number after {len(losses)} steps; "
                    f"lower --learning-rate (it is {self.options.learning_rate:g})"
                )
            bar.update()
            if len(losses) % 10 == 0:
                bar.set_postfix(self._postfix(losses))
        retrieval, rating = np.mean(losses, 0)
        line = {
            "epoch": number + 1,
            "retrieval_loss": float(retrieval),
            "rating_loss": float(rating),
        }
        score = float(number)  # without a judge the last weights are the best
        if self._judge:
            line |= self._judge(self.tables())
            score = line.get("ndcg@10", 0.0) - line["rmse"]
        self.log.append(line | {"seconds": round(time.monotonic() - started, 2)})
        if score > self.best_score:
            weights = self.step.weights()  # Ctrl-C may fall in here
            self.best, self.best_score, self.best_epoch = weights, score, number + 1
        bar.set_postfix(self._postfix(losses))

    def _postfix(self, losses: list[tuple[float, float]]) -> dict[str, str]:
        recent = np.mean(losses[-50:], 0)
        shown = {"retrieval": recent[0], "rating": recent[1]}
        if self.log:
            shown |= {k: self.log[-1][k] for k in ("ndcg@10", "rmse", "mae") if k in self.log[-1]}
        return {name: f"{value:.4f}" for name, value in shown.items()}

    def fitted(self, interrupted: bool) -> Fitted:
        if not self.best or not all(np.isfinite(each).all() for each in self.best.values()):
            raise ModelError(
                f"epoch {len(self.log)}: a weight is not a number; lower --learning-rate (it is "
                f"{self.options.learning_rate:g})"
            )
        self.step.set_weights(self.best)
        return Fitted(
            self.vocabulary,
            self.movies,
            self.attributes,
            self.history,
            self.step.towers,
            self.tables(),
            self.options,
            self.log,
            self.best_epoch,
            interrupted,
        )

    def tables(self) -> dict[str, NDArray[np.float32]]:
        """The towers as they are now, and the EASE part, as `recsys.serving.folded` reads them."""
        return ease.joined(folded(*self.step.towers), self.ease)

    def _identity(self) -> str:
        """Changes with the options and with the ratings learned from."""
        digest = sha256(json.dumps(asdict(self.options), sort_keys=True).encode())
        digest.update(json.dumps(self.vocabulary.to_json()).encode())
        for column in (*self.history, self.attributes):
            digest.update(column.tobytes())
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Write all that the rest of this training depends on, beside, then renamed."""
        arrays = {f"weights/{k}": v for k, v in self.step.weights().items()}
        arrays |= {f"optimizer/{k}": v for k, v in self.step.optimizer_state().items()}
        arrays |= {f"best/{k}": v for k, v in self.best.items()}
        about = {
            "identity": self._identity(),
            "log": self.log,
            "step": self.step.step_number,
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
            about = dict(json.loads(str(arrays.pop("about"))))
        except FileNotFoundError:
            return 0
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise ModelError(f"{path}: damaged checkpoint; delete it and train again") from error
        if about.get("identity") != self._identity():
            raise ModelError(
                f"{path}: checkpoint of a training with other ratings or options; repeat those, "
                "or train without --resume"
            )
        parts: dict[str, dict[str, NDArray]] = {"weights": {}, "optimizer": {}, "best": {}}
        for name, value in arrays.items():
            part, key = name.split("/", 1)
            parts[part][key] = value
        self.step.set_weights(parts["weights"])
        self.step.set_optimizer_state(parts["optimizer"], about["step"])
        self.best, self.log = parts["best"], about["log"]
        self.best_epoch, self.best_score = about["best_epoch"], about["best_score"]
        return len(self.log)


def _judge(
    run: Trainer, known: Ratings, validation: Ratings
) -> Callable[[dict[str, NDArray[np.float32]]], dict[str, float]]:
    """What the folded tables are worth on validation: ndcg@10, rmse, mae."""
    movie_rows = np.arange(1, len(run.movies) + 1)
    genres = run.vocabulary.genre_rows(run.movies.genres)
    titles = run.vocabulary.title_rows(run.movies.titles)
    users = np.unique(validation.user_ids)
    rows = run.vocabulary.user_rows(users)
    place = column_of(users, validation.user_ids)
    column = column_of(run.movies.ids, validation.movie_ids)
    likes = (validation.values >= LIKED).any()  # else there is nothing to rank well
    question = case(known, known, validation, run.movies.ids) if likes else None

    def judge(tables: dict[str, NDArray[np.float32]]) -> dict[str, float]:
        vectors = user_vectors(
            tables.__getitem__, rows, run.attributes[rows], [run.history.of(row) for row in rows]
        )
        movies = movie_vectors(tables.__getitem__, movie_rows, genres, titles)
        ratings = predicted_ratings(parts(vectors)[1][place], parts(movies)[1][column])
        found = rating_metrics(validation.user_ids, validation.values, ratings)
        if question:
            source = ranking(vectors, "relevance")
            lists = best(question, lambda ids: source[column_of(users, ids)] @ movies.T)
            found |= {"ndcg@10": ranking_metrics(question, lists)["ndcg@10"]}
        return {name: metric.value for name, metric in found.items()}

    return judge

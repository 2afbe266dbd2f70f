"""From ratings to a model folder: closed forms, epochs, validation, early stopping, resume."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import scipy.linalg  # noqa: F401  so that its BLAS is there when threads are limited
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from recsys import __version__, parts
from recsys.data.dataset import Dataset
from recsys.data.files import interrupts_wait
from recsys.data.interactions import cores, hold_out
from recsys.data.readers.formats import Arrow
from recsys.data.scale import LIKED
from recsys.errors import ModelError, QueryError, check_types, checked, quoted
from recsys.model import export, paddle
from recsys.options import Options
from recsys.parts.heads import Heads
from recsys.parts.part import Training
from recsys.preprocess import read_dataset
from recsys.serving.model_folder import DEFAULT, Model, check_place, write_model
from recsys.training.checkpoint import Checkpoint, Progress, identity
from recsys.training.ranks import ALONE, Ranks
from recsys.training.step import TrainStep
from recsys.training.validation import Validation

WORTH = 0.0005  # of the score: towers end that gave less in two epochs, or nothing in the first
STOPPED = "stopped by Ctrl-C: keeping the best so far, of epoch {}"
MOST_HELD_OUT = 0.9  # of the ratings
METRICS = ("ndcg@10", "rmse", "mae")
SHOWN = (*METRICS, "retrieval_loss", "rating_loss")

Log = Callable[[str], None]


def train_model(
    data: Path | str | Arrow | Dataset,
    model: Path | str = DEFAULT,
    options: Options = Options(),
    *,
    validation: float = 0.1,
    device: str = "cpu",
    resume: bool = False,
    quiet: bool = True,
    log: Log = lambda line: None,
) -> Model:
    """Learn a model from ratings and write its folder.

    Args:
        data: a dataset, or what `read_dataset` takes, without bad lines.
        model: the folder to write.
        validation: share of the ratings held out to choose the best epoch by, 0 for none.
        options: the knobs.
        device: as Paddle names it.
        resume: continue after the last epoch of an interrupted training, from
            `MODEL.checkpoint.npz`.
        quiet: no progress bar on stderr.
        log: receives progress lines (the data, resume point, chosen epoch).

    Raises:
        DataError: the data is missing or bad.
        QueryError: Paddle has no device of this name, or `validation` is no such share.
        ModelError: training or writing failed; an existing model stays.

    >>> import recsys
    >>> options = recsys.Options(epochs=1, dimension=4)
    >>> recsys.train_model("data/sample", "tiny.model", options).config["epoch"]
    1
    """
    validation = checked("validation", validation, float, min=0, max=MOST_HELD_OUT)
    check_types(model=(model, Path | str), options=(options, Options))
    check_types(device=(device, str), log=(log, Callable))
    try:
        paddle.set_device(device)
    except ValueError as error:
        cause = f"device {quoted(device)}: Paddle has none of this name here"
        raise QueryError(cause, "take cpu, or install a Paddle that has it", "device") from error
    model = Path(model)
    check_place(model)
    checkpoint = model.with_name(model.name + ".checkpoint.npz")
    Checkpoint(checkpoint, "").check_ours()
    ranks = Ranks.launched()
    use_all_cores(ranks)
    if ranks.rank:
        quiet, log = True, lambda line: None
    dataset = data if isinstance(data, Dataset) else read_dataset(data, log=log)
    ratings, users = dataset.ratings, len(dataset.users)
    log(f"{dataset.name}: {len(ratings)} ratings of {len(dataset.movies)} movies by {users} users")
    if dataset.scale.rated and len(np.unique(ratings.values >= LIKED)) < 2:
        log("every rating is a like, or none is: nothing tells what is liked; see liked_from")
    data_read = {"name": dataset.name, "ratings": len(ratings), "users": users}
    about: dict[str, Any] = {"data": data_read, "seed": options.seed}
    held, how = hold_out(ratings, validation, options.seed)
    keep: dict[str, Any] = {"checkpoint": checkpoint, "resume": resume, "quiet": quiet, "log": log}
    with ranks.ending_together():
        done = fit(dataset, options, held, **keep, ranks=ranks)
        if count := int(held.sum()):
            about["held_out"] = {"ratings": count, "how": how}
            said = f"metrics are of {count} held-out ratings, {how}"
            log(f"{said}; the model now learns from all")
            done = replace(done, data=None)
            try:
                with _shown("fitting to all ratings", quiet):
                    done = finish(done)
            except KeyboardInterrupt:
                if ranks.size > 1:
                    raise
                log(STOPPED.format(done.progress.best_epoch))
                done = finish(replace(done, interrupted=True))
    if ranks.rank:
        return done.model(about)
    with interrupts_wait():
        folder = save(done, model, about)
        checkpoint.unlink(missing_ok=True)
    return folder


def _shown(stage: str, quiet: bool) -> tqdm:
    """A line on a terminal for what has no bar; it goes at the end."""
    return tqdm(desc=f"{stage} ...", bar_format="{desc}", leave=False, disable=quiet)


@dataclass(frozen=True)
class Trained:
    """A training that has ended: what it learned from, and all it has learned."""

    dataset: Dataset
    data: Training | None  # None between the two fits: at size there is no room for both
    options: Options  # with the recency that the held-out ratings asked for
    step: TrainStep  # holds the towers
    closed: dict[str, NDArray]  # arrays of the parts that have no epochs
    progress: Progress  # a line per epoch, and the best
    questions: dict[str, parts.Weights]  # what slices weigh, as the held-out ratings chose
    choice: dict[str, Any]  # how well they rank held-out likes, as `Validation.choice` has it
    seconds: dict[str, float]  # by stage
    interrupted: bool = False  # by Ctrl-C

    def model(self, about: Mapping[str, Any] = MappingProxyType({})) -> Model:
        """The model in memory, its config saying what else is given `about` it.

        Raises:
            ModelError: a weight is not a number.
        """
        data, progress, options = self.data, self.progress, self.options
        assert data
        for weight in self.step.weights().values():
            _check_finite(weight, "a weight", progress.best_epoch, options)
        learned = parts.without(self.closed | self.step.arrays(), parts.used_slices(self.questions))
        arrays = parts.complete(data, learned, options)
        chosen = progress.log[progress.best_epoch - 1]
        versions = {"recsys": __version__, "paddlepaddle": paddle.__version__}
        config = {
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "scale": data.scale.to_json(),
            "layout": parts.layout_of(arrays).sizes,
            "weights": self.questions,
            "recency": {"floor": options.recency_floor, "span": options.recency_span},
            "options": asdict(options),
            "epoch": progress.best_epoch,
            "validation": {name: chosen[name] for name in METRICS if name in chosen},
            "choice": self.choice,
            "seconds": self.seconds,
            "versions": versions | {"numpy": np.__version__},
            **about,
        }
        vocabulary = data.vocabulary.named(self.dataset.user_names, self.dataset.movie_names)
        who = {**data.history._asdict(), "attributes": data.attributes}
        arrays |= {f"history/{name}": each for name, each in who.items()}
        return Model(config, vocabulary, replace(data.movies, ids=vocabulary.movie_ids), arrays)


@threadpool_limits.wrap(limits=1, user_api="blas")  # more spin against Paddle's: 3 times the CPU
def fit(
    dataset: Dataset,
    options: Options = Options(),
    held: NDArray[np.bool_] | None = None,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
    quiet: bool = True,
    log: Log = lambda line: None,
    ranks: Ranks = ALONE,
) -> Trained:
    """Train all parts, and keep the towers' weights of the epoch that is best on held-out ratings.

    Better is a larger ndcg@10 - rmse: both move by hundredths, and neither may pay for the other.
    Where none are held out the last weights are kept. Ctrl-C ends training with the best so far.

    Args:
        held: (N,) which ratings are held out.
        checkpoint: a file written after each epoch; with `resume`, training goes on from it to
            the same model as an unbroken run.

    Raises:
        ModelError: the loss is not a number; or the checkpoint is of another training.
    """
    clock, ratings, times = _Clock(), dataset.ratings, dataset.ratings.times
    if (times == times[:1]).all() and options.recency_floor < 1:
        log("no times that differ: recency is off")
        options = replace(options, recency_floor=1.0)
    held = np.zeros(len(ratings), np.bool_) if held is None else held
    data = Training.of(dataset, ratings[~held], options.seed)
    ranks.check_same(lambda: identity(options, data))
    validate, worth = None, -np.inf
    if held.any() and ranks.rank == 0:
        validate = Validation(data, ratings[held], log)
        with _shown("choosing options", quiet):
            options = validate.choose(options)
    clock("choice of options")
    with _shown("fitting what has a closed form", quiet):
        closed = _fitted(data, options, ranks)
    options = Options(**ranks.once(lambda: asdict(options)))
    if validate:
        validate.prepare(closed, options)
        if not data.scale.rated:  # else the towers are needed
            worth = validate.score(validate({})) + WORTH
    worth = ranks.once(lambda: worth)
    clock("closed forms")
    limits = {1: worth - WORTH, 2: worth}  # after so many epochs

    step, progress = TrainStep(data, options, ranks), Progress()
    saved = Checkpoint(checkpoint, identity(options, data)) if checkpoint else None
    if saved and resume:
        progress = saved.load(step)
        done = f"{len(progress.log)} of {options.epochs} epochs, the best is {progress.best_epoch}"
        nothing = f"nothing to resume, there is no {checkpoint}: training from the first epoch"
        log(f"resuming: {checkpoint} has {done}" if progress.log else nothing)
    interrupted = False
    count = {"total": step.steps, "initial": step.number, "unit": " step"}
    with tqdm(desc="training", **count, disable=quiet) as bar:
        for epoch in range(len(progress.log), options.epochs):
            stale = epoch - progress.best_epoch >= options.patience
            if stale or (epoch in limits and progress.best_score <= limits[epoch]):
                break
            try:
                line = _epoch(step, epoch, progress, validate, bar)
                shown = [f"{name} {line[name]:.4f}" for name in SHOWN if name in line]
                said = f"{', '.join(shown).replace('_', ' ')}; {line['seconds']} s"
                log(f"epoch {epoch + 1} of {options.epochs}: {said}")
                if saved and ranks.rank == 0:
                    saved.save(step, progress)
            except KeyboardInterrupt:
                if not progress.best_weights or ranks.size > 1:
                    raise
                interrupted = True
                log(STOPPED.format(progress.best_epoch))
                break
    if not progress.best_weights:
        _check_finite(np.nan, "the validation of every epoch", len(progress.log), options)
    step.set_weights(progress.best_weights)
    clock("epochs")
    questions = parts.questions(data.scale.rated)
    if validate:
        log(f"best epoch: {progress.best_epoch} of {len(progress.log)}, by ndcg@10 - rmse")
        useless = progress.best_score < worth
        if useless:
            log("the towers rank no better than the other parts alone: left out")
        relevance = validate.relevance({} if useless else step.arrays())
        best_line = progress.log[progress.best_epoch - 1]
        questions = {**questions, **best_line["weights"], "relevance": relevance}
    questions = ranks.once(lambda: questions)
    clock("choice of weights")
    about = questions, validate.choice if validate else {}, clock.seconds
    return Trained(dataset, data, options, step, closed, progress, *about, interrupted)


def _epoch(
    step: TrainStep, epoch: int, progress: Progress, validate: Validation | None, bar: tqdm
) -> dict[str, Any]:
    """An epoch, noted in `progress`; its line of the training log."""
    step.ranks.meet()
    started, losses = time.monotonic(), []
    rng = np.random.default_rng([step.options.seed, epoch])
    for batch in step.sampler.epoch(rng):
        losses.append(step(batch, rng))
        _check_finite(losses[-1], f"the loss of step {len(losses)}", epoch + 1, step.options)
        bar.update()
    retrieval, rating = np.mean(losses, 0).tolist()
    line = {"epoch": epoch + 1, "retrieval_loss": retrieval, "rating_loss": rating}
    score = float(epoch)
    if validate:
        line |= validate(step.arrays())
        score = validate.score(line)
    line["seconds"] = round(time.monotonic() - started, 2)
    line, score = step.ranks.once(lambda: (line, score))
    progress.note(line, score, step)
    return line


@threadpool_limits.wrap(limits=1, user_api="blas")
def finish(trained: Trained) -> Trained:
    """Let a model learn from all ratings, the held-out too: closed forms anew, the towers on.

    After an interruption both stay as they were; the ratings held out are known all the same. The
    towers are those of `trained`, which has no others then: at size two of each would not fit.
    """
    clock, options = _Clock(trained.seconds), trained.options
    data = Training.of(trained.dataset, trained.dataset.ratings, options.seed)
    rate = options.learning_rate * options.finish_rate
    last = replace(options, epochs=max(1, options.finish_epochs), learning_rate=max(1e-9, rate))
    step, ranks = trained.step, trained.step.ranks
    step.begin(data, last)
    step.set_weights(trained.progress.best_weights)
    idle = trained.interrupted or not parts.used_slices(trained.questions) & {*Heads.slices}
    for epoch in range(options.finish_epochs if rate and not idle else 0):
        ranks.meet()
        rng = np.random.default_rng([options.seed, options.epochs + epoch])
        for batch in step.sampler.epoch(rng):
            step(batch, rng)
    step.end()
    clock("epochs on all ratings")
    closed = trained.closed if trained.interrupted else _fitted(data, options, ranks)  # may be long
    clock("closed forms of all ratings")
    return replace(trained, data=data, step=step, closed=closed, seconds=clock.seconds)


def _fitted(data: Training, options: Options, ranks: Ranks) -> dict[str, NDArray]:
    """The arrays of the parts with a closed form.

    Several processes fit those that are `shared` together, and of the others each some, EASE the
    first: there held-out ratings choose EASE's options; the other parts have none such.
    """
    if ranks.size == 1:
        return parts.fit(data, options, parts.PARTS[1:])
    others = [part for part in parts.PARTS[1:] if not part.shared]
    found = ranks.gathered(parts.fit(data, options, others[ranks.rank :: ranks.size]))
    together = replace(data, mine=ranks.slice, total=ranks.total)
    return found | parts.fit(together, options, [part for part in parts.PARTS if part.shared])


def save(trained: Trained, path: Path, about: Mapping[str, Any] = MappingProxyType({})) -> Model:
    """Write the model folder; it takes the place of an older one when it is complete."""
    model, towers = trained.model(about), trained.step.towers
    return write_model(path, model, trained.progress.log, lambda folder: export(*towers, folder))


def use_all_cores(ranks: Ranks = ALONE) -> None:
    """Paddle computes on one thread unless OMP_NUM_THREADS or a call such as this says more.

    The launcher of several processes sets it to 1: of them each takes its share of the cores.
    """
    if "OMP_NUM_THREADS" not in os.environ or ranks.size > 1:
        here = int(os.environ.get("PADDLE_LOCAL_SIZE", 1)) if ranks.size > 1 else 1
        paddle.base.core.set_num_threads(max(1, cores() // here))


class _Clock:
    """Notes the seconds of a stage when it has ended, behind those of others before."""

    def __init__(self, before: Mapping[str, float] = MappingProxyType({})) -> None:
        self.seconds, self._last = dict(before), time.monotonic()

    def __call__(self, stage: str) -> None:
        now = time.monotonic()
        self.seconds[stage], self._last = round(now - self._last, 2), now


def _check_finite(values: Any, what: str, epoch: int, options: Options) -> None:
    """Raise a ModelError when a training has diverged."""
    if not np.isfinite(values).all():
        remedy = f"lower the learning rate (it is {options.learning_rate:g})"
        raise ModelError(f"epoch {epoch}: {what} is not a number", remedy, "learning_rate")

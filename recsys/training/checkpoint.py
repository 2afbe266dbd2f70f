"""What a training in progress knows, and the file that it can go on from. No pickle."""

import json
import os
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from recsys.data.files import interrupts_wait, replacing_file
from recsys.errors import ModelError
from recsys.options import Options
from recsys.parts import tables_of
from recsys.parts.part import Training

if TYPE_CHECKING:
    from recsys.training.step import TrainStep


@dataclass
class Progress:
    """The epochs behind a training, and the best of them."""

    log: list[dict[str, Any]] = field(default_factory=list)  # a line an epoch
    best_weights: dict[str, NDArray] = field(default_factory=dict)
    best_score: float = -np.inf
    best_epoch: int = 0  # from 1; 0 before the first

    def note(self, line: dict[str, Any], score: float, step: "TrainStep") -> None:
        """Add an epoch; remember its weights if it is the best."""
        self.log.append(line)
        if score > self.best_score:
            weights = step.weights()  # Ctrl-C may fall in here
            self.best_weights, self.best_score, self.best_epoch = weights, score, len(self.log)


@dataclass(frozen=True)
class Checkpoint:
    """A file, and the training it belongs to."""

    path: Path
    identity: str  # changes with the options and with the ratings learned from

    def check_ours(self) -> None:
        """Raises ModelError where something is that is no checkpoint, or a link to one."""
        if not os.path.lexists(self.path):
            return
        try:
            with np.load(self.path, allow_pickle=False) as stored:
                ours = "identity" in json.loads(str(stored["about"])) and not self.path.is_symlink()
        except Exception:  # numpy raises anything of a foreign file
            ours = False
        if not ours:
            cause = f"{self.path}: is there and is no checkpoint"
            raise ModelError(cause, "move it away or choose another place", "model")

    def save(self, step: "TrainStep", progress: Progress) -> None:
        """Write all that the rest of the training depends on, beside, then renamed."""
        self.check_ours()
        best = {"best_epoch": progress.best_epoch, "best_score": progress.best_score}
        about = {"identity": self.identity, "step": step.number, "log": progress.log, **best}
        stored = ((f"best/{name}", each) for name, each in progress.best_weights.items())
        arrays = chain([("about", np.array(json.dumps(about)))], step.state(), stored)
        replacing = replacing_file(self.path, "model", follow=False)
        with interrupts_wait(last=False), replacing as beside, ZipFile(beside, "w") as file:
            for name, array in arrays:  # `np.savez` would need copies of all at once
                with file.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)

    def load(self, step: "TrainStep") -> Progress:
        """Bring `step` back to where it was; a new progress if there is no file.

        Raises:
            ModelError: the file is damaged or of another training.
        """
        arrays = step.ranks.arrays(self._read)
        if not arrays:
            return Progress()
        about = json.loads(str(arrays["about"]))
        step.set_weights(tables_of(arrays, "weights"))
        step.set_optimizer_state(tables_of(arrays, "optimizer"), about["step"])
        best = tables_of(arrays, "best")
        return Progress(about["log"], best, about["best_score"], about["best_epoch"])

    def _read(self) -> dict[str, NDArray]:
        """All that is in the file; nothing if there is none."""
        try:
            with np.load(self.path, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            about = dict(json.loads(str(arrays["about"])))
        except FileNotFoundError:
            return {}
        except Exception as error:  # numpy raises anything of a damaged file
            cause = f"{self.path}: damaged checkpoint"
            raise ModelError(cause, "delete it and train again", "train") from error
        if about.get("identity") != self.identity:
            cause = f"{self.path}: checkpoint of a training with other ratings or options"
            raise ModelError(cause, "repeat those, or train without resuming", "resume")
        return arrays


def identity(options: Options, data: Training) -> str:
    """A digest of everything that decides how a training goes."""
    digest = sha256(json.dumps(asdict(options), sort_keys=True).encode())
    digest.update(json.dumps(data.vocabulary.to_json()).encode())
    for column in (*data.history, data.attributes):
        digest.update(np.ascontiguousarray(column).data)
    return digest.hexdigest()

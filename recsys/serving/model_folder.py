"""The model folder: everything a trained model is, in files anybody can read. No Paddle here.

    config.json            sizes, training options, metrics, versions, the fingerprint
    vocabulary.json        raw ids, words and genres in the order of their rows
    movies.json            the movies trained on: [[movie_id, title, [genre, ...]], ...]
    tables/NAME.npy        both towers folded into tables, memory-mapped when read
    history/NAME.npy       who rated what (compressed rows), and each user's attributes
    user_tower.*           the towers as `paddle.jit.load` takes them
    movie_tower.*
    training_log.jsonl     a line per epoch

A folder is written beside its place and renamed into it; the one before it waits under
`NAME.previous` for the moment between the two renames, and answers if a kill falls there.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Movies, Vocabulary
from recsys.errors import ModelError

DEFAULT = "recommender_system.inference.model"
FORMAT = 1
STALE = 3600  # seconds after which an unfinished folder is taken for a killed training's


class History(NamedTuple):
    """What every user of the training data rated, row after row."""

    offsets: NDArray[np.int64]  # (U + 2,) user row u has entries offsets[u] to offsets[u + 1]
    movie_rows: NDArray[np.int32]  # (N,)
    ratings: NDArray[np.float32]  # (N,)

    def of(self, user_row: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Movie rows and ratings of one user; of row 0, the unknown user, none."""
        part = slice(self.offsets[user_row], self.offsets[user_row + 1])
        return self.movie_rows[part], self.ratings[part]

    @classmethod
    def build(
        cls, users: int, user_rows: NDArray, movie_rows: NDArray, ratings: NDArray
    ) -> "History":
        order = np.lexsort((movie_rows, user_rows))
        counts = np.bincount(user_rows, minlength=users + 1)
        return cls(
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            movie_rows[order].astype(np.int32),
            ratings[order].astype(np.float32),
        )


class ModelFolder:
    """A trained model as it lies on disk; parts are read when they are first asked for."""

    def __init__(self, path: Path | str = DEFAULT) -> None:
        """Raises ModelError when there is no model, or one of another format."""
        self.path = _standing(Path(path))
        self._number = self.path.stat().st_ino if self.path.exists() else None
        with self._reading("config.json") as file:
            self.config: dict[str, Any] = dict(_json(file))
            number = self.config["format"]
        if number != FORMAT:
            raise ModelError(
                f"{self.path}: model of format {number}, this recsys reads format {FORMAT}; "
                f"train again: recsys train --model {path}"
            )

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change with anything that decides a vector."""
        return self._setting("fingerprint")

    @property
    def dimension(self) -> int:
        """D, the length of one head's vector."""
        return self._setting("dimension")

    @cached_property
    def vocabulary(self) -> Vocabulary:
        with self._reading("vocabulary.json") as file:
            return Vocabulary.from_json(_json(file))

    @cached_property
    def movies(self) -> Movies:
        """The movies trained on, in the order of their rows (row r is entry r - 1)."""
        with self._reading("movies.json") as file:
            ids, titles, genres = zip(*_json(file), strict=True)
            return Movies(np.array(ids, np.int64), list(titles), [tuple(each) for each in genres])

    @cached_property
    def history(self) -> History:
        return History(*(self._array(f"history/{name}") for name in History._fields))

    @cached_property
    def attributes(self) -> NDArray[np.int8]:
        """(U + 1, 3) rows of gender, age and job of every user; of row 0 all unknown."""
        return self._array("history/attributes")

    def table(self, name: str) -> NDArray[np.float32]:
        """A folded table, memory-mapped: a query touches only the rows it needs."""
        return self._array(f"tables/{name}")

    def verify(self) -> None:
        """Raises ModelError when the files are not those the fingerprint was taken of."""
        with self._reading("vocabulary.json"):
            found = fingerprint(self.path)
        if found != self.fingerprint:
            raise ModelError(
                f"{self.path}: files do not match their fingerprint {self.fingerprint}: damaged "
                "or edited; train again: recsys train"
            )

    def _setting(self, name: str) -> Any:
        with self._reading("config.json"):
            return self.config[name]

    def _array(self, name: str) -> NDArray:
        with self._reading(f"{name}.npy") as file:
            return np.load(file, mmap_mode="r", allow_pickle=False)

    @contextmanager
    def _reading(self, name: str) -> Iterator[Path]:
        """A file of the folder; whatever is wrong with it is a ModelError.

        A training may put another folder in the place while this one is read: a file of that one
        must not pass for one of this.
        """
        try:
            yield self.path / name
            if self.path.stat().st_ino != self._number:
                raise ModelError(f"{self.path}: a new model has just taken its place; ask again")
        except FileNotFoundError as error:
            raise ModelError(f"{self.path}: no {name} there; train first: recsys train") from error
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise ModelError(
                f"{self.path / name}: cannot be read ({_line(error)}); train again: recsys train"
            ) from error


def _json(file: Path) -> Any:
    return json.loads(file.read_text("utf-8"))


def _line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _previous(path: Path) -> Path:
    return path.with_name(path.name + ".previous")


def _standing(path: Path) -> Path:
    """The folder, or the one it was about to replace when a kill fell between two renames."""
    if path.exists() or not _previous(path).exists():
        return path
    return _previous(path)


def writable(path: Path) -> None:
    """Make the folder a model is to lie in, before it is trained.

    Raises:
        ModelError: the place holds something that is no model, or nothing can be written there.
    """
    if path.exists() and not (path / "config.json").exists() and any_file(path):
        raise ModelError(f"{path}: is there and is no model; choose another --model")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        writes = os.access(path.parent, os.W_OK)
    except OSError as error:
        raise ModelError(
            f"{path.parent}: cannot be written ({error.strerror}); choose another --model"
        ) from error
    if not writes:
        raise ModelError(f"{path.parent}: cannot be written; choose another --model")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """An empty folder beside `path` that takes its place when the block ends without error.

    Raises ModelError when the place cannot be written, or holds something that is no model.
    """
    path = Path(path)
    writable(path)
    beside = path.with_name(f"{path.name}.tmp-{os.getpid()}")
    for left in path.parent.glob(f"{path.name}.tmp-*"):  # of a killed training
        if time.time() - left.stat().st_mtime > STALE:
            shutil.rmtree(left, ignore_errors=True)
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        yield beside
        if not path.exists() and _previous(path).exists():  # an earlier kill between the renames
            os.rename(_previous(path), path)
        shutil.rmtree(_previous(path), ignore_errors=True)
        if path.exists():
            os.rename(path, _previous(path))
        os.rename(beside, path)
        shutil.rmtree(_previous(path), ignore_errors=True)
    except OSError as error:
        raise ModelError(
            f"{error.filename or path}: cannot be written ({error.strerror}); "
            "free space or choose another --model"
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def any_file(path: Path) -> bool:
    return not path.is_dir() or any(path.iterdir())


def fingerprint(path: Path) -> str:
    """The first 16 hexadecimal digits of the SHA-256 over all that decides a vector."""
    digest = hashlib.sha256()
    arrays = [file for part in ("tables", "history") for file in (path / part).glob("*.npy")]
    for file in [*sorted(arrays), path / "vocabulary.json", path / "movies.json"]:
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        with open(file, "rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:16]

"""The model folder: everything a trained model is, in files anybody can read. No Paddle here.

    config.json            sizes, training options, metrics, versions, the fingerprint
    vocabulary.json        raw ids, words and genres in the order of their rows; the schema
    movies.json            the movies trained on: [[movie_id, title, [genre, ...], ...], ...],
                           behind these three the columns of the schema
    tables/NAME.npy        what vectors are made of, memory-mapped when read
    history/NAME.npy       who rated what (compressed rows), and each user's attributes
    user_tower.*           the towers as `paddle.jit.load` takes them
    movie_tower.*
    training_log.jsonl     a line per epoch

A folder is written beside its place and renamed into it; the one before it waits under
`NAME.previous` for the moment between the two renames, and answers if a kill falls there.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Movies, Vocabulary
from recsys.data.files import replacing_folder, standing, writable_folder
from recsys.data.ids import id_array
from recsys.data.interactions import Interactions
from recsys.data.scale import Scale
from recsys.data.schema import Column, Kind
from recsys.errors import ModelError
from recsys.serving import DEFAULT as DEFAULT
from recsys.serving.factors import RatingFactors
from recsys.serving.vector import Layout, Weights

FORMAT = 4  # 1: version 0.1; 2: three parts, no times; 3: MovieLens' attributes, ids numbers
_HISTORY = ("offsets", "movie_rows", "ratings", "times")  # files of Interactions' arrays


class ModelFolder:
    """A trained model as it was on disk when it was opened, whatever takes its place since.

    All files are opened at once, arrays memory-mapped; they are parsed when first asked for.
    """

    def __init__(self, path: Path | str = DEFAULT) -> None:
        """Raises ModelError when there is no model, or one of another format."""
        while True:
            self.path = standing(Path(path))
            opened = _inode(self.path)
            try:
                self._open()
            except ModelError:
                if _inode(standing(Path(path))) == opened:
                    raise
            if _inode(standing(Path(path))) == opened:
                break  # else another model has taken the place meanwhile

    def _open(self) -> None:
        self._texts: dict[str, bytes] = {}
        self._arrays: dict[str, NDArray] = {}
        self.config: dict[str, Any] = {}
        with self._reading("config.json") as file:
            self.config.update(_json(file.read_bytes()))
            number = self.config["format"]
        if number != FORMAT:
            raise ModelError(
                f"{self.path}: model of format {number}, this recsys reads format {FORMAT}",
                "train again",
                "train",
            )
        for name in ("vocabulary.json", "movies.json"):
            with self._reading(name) as file:
                self._texts[name] = file.read_bytes()
        for file in _arrays_in(self.path):
            name = f"{file.parent.name}/{file.name}"
            with self._reading(name):
                self._arrays[name] = np.load(file, mmap_mode="r", allow_pickle=False)

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change with anything that decides a vector."""
        return self._setting("fingerprint")

    @cached_property
    def layout(self) -> Layout:
        """How many numbers each part of a vector has."""
        return Layout(**self._setting("layout"))

    @cached_property
    def weights(self) -> Weights:
        """What training chose that queries need."""
        return Weights(**self._setting("weights"))

    @cached_property
    def scale(self) -> Scale:
        """The scale of the ratings it was trained on."""
        return Scale(**self._setting("scale"))

    @cached_property
    def factors(self) -> RatingFactors:
        """The tables of the rating factors, memory-mapped."""
        names = [field.name for field in fields(RatingFactors)]
        return RatingFactors.from_arrays({name: self.table(f"factors_{name}") for name in names})

    @cached_property
    def vocabulary(self) -> Vocabulary:
        with self._reading("vocabulary.json"):
            return Vocabulary.from_json(_json(self._texts["vocabulary.json"]))

    @cached_property
    def movies(self) -> Movies:
        """The movies trained on, in the order of their rows (row r is entry r - 1)."""
        with self._reading("movies.json"):
            ids, titles, genres, *own = zip(*_json(self._texts["movies.json"]), strict=True)
            columns = {
                each.name: _column(each.kind, values)
                for each, values in zip(self.vocabulary.movies, own, strict=True)
            }
            names = [tuple(each) for each in genres]
            return Movies(id_array(ids), list(titles), names, columns)

    @cached_property
    def history(self) -> Interactions:
        return Interactions(*(self._array(f"history/{name}") for name in _HISTORY))

    @cached_property
    def attributes(self) -> NDArray[np.int32]:
        """(U + 1, W) rows of the attributes of every user; of row 0 all unknown (0)."""
        return self._array("history/attributes")

    def table(self, name: str) -> NDArray[np.float32]:
        """A folded table, memory-mapped: a query touches only the rows it needs."""
        return self._array(f"tables/{name}")

    def verify(self) -> None:
        """Raises ModelError when the files are not those the fingerprint was taken of.

        All are read whole: .02 s for ML-100K's 11 MB, .5 GB/s. A query, which reads some rows of
        them, does not do it; what publishes does, and `recsys doctor`.
        """
        with self._reading("vocabulary.json"):
            found = fingerprint(self.path, self.config)
        if found != self.fingerprint:
            raise ModelError(
                f"{self.path}: damaged or edited, the files do not match their fingerprint "
                f"{self.fingerprint}",
                "train again",
                "train",
            )

    def _setting(self, name: str) -> Any:
        with self._reading("config.json"):
            return self.config[name]

    def _array(self, name: str) -> NDArray:
        file = f"{name}.npy"
        with self._reading(file):
            if file not in self._arrays:
                raise FileNotFoundError(file)
            return self._arrays[file]

    @contextmanager
    def _reading(self, name: str) -> Iterator[Path]:
        """A file of the folder; whatever is wrong with it is a ModelError."""
        try:
            yield self.path / name
        except FileNotFoundError as error:
            raise ModelError(f"{self.path}: no {name} there", "train first", "train") from error
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise ModelError(
                f"{self.path / name}: cannot be read ({_line(error)})", "train again", "train"
            ) from error


def _column(kind: Kind, values: Sequence[Any]) -> Column:
    """A column of movies as movies.json has it: null for an unknown number."""
    if kind == "number":
        return Column(kind, np.array(values, np.float64))
    return Column(kind, [tuple(each) for each in values] if kind == "categories" else list(values))


def _plain(column: Column) -> list[Any]:
    """What `_column` makes a column of."""
    values = column.values if column.kind != "number" else column.values.tolist()
    return [None if each != each else each for each in values]  # nan is no JSON


def _arrays_in(path: Path) -> list[Path]:
    return sorted(file for part in ("tables", "history") for file in (path / part).glob("*.npy"))


def _inode(path: Path) -> int | None:
    """Which folder is there."""
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _json(text: bytes) -> Any:
    return json.loads(text.decode("utf-8"))


def _line(error: Exception) -> str:
    text = (isinstance(error, OSError) and error.strerror) or str(error)
    return text.splitlines()[0] if text else type(error).__name__


def load_model(path: Path | str = DEFAULT) -> ModelFolder:
    """A trained model as it lies on disk.

    Raises:
        ModelError: there is none, or one of another format.

    >>> import recsys
    >>> recsys.load_model("sample.model").movies.titles[0]
    'Toy Story (1995)'
    """
    return ModelFolder(path)


def check_place(path: Path, fix: str = "model") -> None:
    """Make the folder that a model is to lie in, before it is trained.

    Args:
        fix: what the error names as the thing to change.

    Raises:
        ModelError: the place holds something that is no model, or nothing can be written there.
    """
    if path.exists() and not (path / "config.json").exists() and _holds_anything(path):
        raise ModelError(f"{path}: is there and is no model", "choose another place", fix)
    writable_folder(path, fix)


def write_model(
    path: Path,
    config: dict[str, Any],
    vocabulary: Vocabulary,
    movies: Movies,
    history: Interactions,
    attributes: NDArray[np.int32],
    tables: dict[str, NDArray],
    log: list[dict[str, Any]],
    export: Callable[[Path], Any],
) -> ModelFolder:
    """Write a model beside its place, then rename it.

    Args:
        config: becomes config.json, with the format and the fingerprint.
        movies: in the order of their rows.
        log: a line an epoch.
        export: writes the towers for plain Paddle into the folder; what it returns, their inputs,
            is noted in config.json.

    Raises:
        ModelError: the place holds something that is no model, or cannot be written.
    """
    check_place(path)
    with replacing_folder(path, "model") as folder:
        for name in ("tables", "history"):
            (folder / name).mkdir()
        for name, table in tables.items():
            np.save(folder / "tables" / f"{name}.npy", table, allow_pickle=False)
        columns = zip(_HISTORY, history._asdict().values(), strict=True)
        for name, column in [*columns, ("attributes", attributes)]:
            np.save(folder / "history" / f"{name}.npy", column, allow_pickle=False)
        _write_json(folder / "vocabulary.json", vocabulary.to_json())
        own = [_plain(each) for each in vocabulary.columns(movies).values()]
        rows = zip(movies.ids.tolist(), movies.titles, movies.genres, *own, strict=True)
        _write_json(folder / "movies.json", list(rows))
        lines = [json.dumps(line) for line in log]
        (folder / "training_log.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
        inputs = export(folder)
        about = {"format": FORMAT, "fingerprint": fingerprint(folder, config)}
        whole = {**about, **config, "inputs": inputs}
        _write_json(folder / "config.json", whole, indent=2)
    return ModelFolder(path)


def put_model(model: ModelFolder, path: Path) -> None:
    """Put a copy of a model in another place, whole or not at all.

    Raises:
        ModelError: the place holds something that is no model, or cannot be written.
    """
    check_place(path)
    with replacing_folder(path, "model") as beside:
        shutil.copytree(model.path, beside, dirs_exist_ok=True)


def _write_json(path: Path, value: Any, indent: int | None = None) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=indent) + "\n", "utf-8")


def _holds_anything(path: Path) -> bool:
    return not path.is_dir() or any(path.iterdir())


def fingerprint(path: Path, config: dict[str, Any]) -> str:
    """The first 16 hexadecimal digits of the SHA-256 over all that decides a vector."""
    deciding = {name: config.get(name) for name in ("layout", "weights")}
    digest = hashlib.sha256(json.dumps(deciding, sort_keys=True).encode())
    for file in [*_arrays_in(path), path / "vocabulary.json", path / "movies.json"]:
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        with open(file, "rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:16]

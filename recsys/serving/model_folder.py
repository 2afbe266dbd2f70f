"""The model: arrays by name, the vocabulary, who rated what; in memory, or as a folder. No Paddle.

    config.json            the slices' sizes, weights, training options, metrics, versions, the
                           names of the arrays, what came since training, digests of all files and
                           of itself; a fingerprint of what training learned, and one of histories
    vocabulary.json        raw ids, words and genres in the order of their rows; the schema
    movies.json            the movies trained on: [[movie_id, title, [genre, ...], ...], ...],
                           behind these three the columns of the schema
    arrays/PART/NAME.npy   what vectors are made of, memory-mapped when read; in `history` who rated
                           what (compressed rows), and each user's attributes
    user_tower.*           the towers as `paddle.jit.load` takes them
    movie_tower.*
    training_log.jsonl     a line per epoch

A folder is written beside its place and renamed into it; the one before it waits under
`NAME.previous` for the moment between the two renames, and answers if a kill falls there.
`put_model` keeps it there.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Movies, Vocabulary
from recsys.data.files import previous_of, replacing_folder, standing, writable_folder
from recsys.data.ids import id_array, is_text
from recsys.data.interactions import Interactions, Recency
from recsys.data.scale import Scale
from recsys.data.schema import Column
from recsys.errors import ModelError, check_types
from recsys.parts import EVIDENCE, HISTORY, PARTS, Layout, Weights, questions, tables_by_part
from recsys.parts.part import Arrays
from recsys.serving import DEFAULT as DEFAULT

FORMAT = 7  # another is refused
DAMAGED = "damaged or edited, it does not match its digest in config.json"
OWN = r"(config|vocabulary|movies)\.json|training_log\.jsonl|(user|movie)_tower\..*|arrays/.*\.npy"
DECIDING = ("layout", "weights", "recency", "arrays")  # of config.json: what decides a vector


class Model:
    """A trained model: the same in memory as when it was opened from a folder.

    Opened, it is as it was on disk then, whatever takes its place since: all files are opened at
    once, arrays memory-mapped; the movies' texts are parsed when first asked for.
    """

    def __init__(
        self,
        config: dict[str, Any],
        vocabulary: Vocabulary,
        movies: Movies | Callable[[], Movies],  # row r is entry r - 1
        arrays: Mapping[str, NDArray],
        path: Path = Path("model in memory"),
    ) -> None:
        self.config, self.vocabulary, self._movies = config, vocabulary, movies
        self.arrays, self.path = arrays, path  # by PART/NAME, and `history/...`
        # 16 hexadecimal digits that change with anything that decides a vector; "" in memory
        self.fingerprint: str = config.get("fingerprint", "")
        self.layout = Layout(config["layout"])  # how many numbers each slice of a vector has
        self.weights: dict[str, Weights] = config["weights"]  # what slices weigh, by question
        self.recency = Recency(**config["recency"])  # what the ratings of a history weigh
        self.scale = Scale(**config["scale"])  # of the ratings it was trained on

    def __repr__(self) -> str:
        movies, users = len(self.vocabulary.movie_ids), len(self.vocabulary.user_ids)
        return f"<Model {self.path} {self.fingerprint}: {movies:,} movies, {users:,} users>"

    @cached_property
    def movies(self) -> Movies:
        """The movies trained on, in the order of their rows."""
        return self._movies() if callable(self._movies) else self._movies

    @cached_property
    def log(self) -> list[dict[str, Any]]:
        """A line per epoch of its training; none of a model in memory."""
        name = "training_log.jsonl"
        if not (self.path / name).exists():
            return []
        with _reading(self.path, name) as file:
            data = file.read_bytes()
            _check(data, self.config, name)
            return [json.loads(line) for line in data.splitlines() if line.strip()]

    @cached_property
    def history(self) -> Interactions:
        """Who rated what, row 0 being the unknown user's."""
        names = (f"history/{name}" for name in Interactions._fields)
        return Interactions(*(np.asarray(self.arrays[name]) for name in names))

    @cached_property
    def tables(self) -> dict[str, Arrays]:
        """The arrays of each part."""
        return tables_by_part(self.arrays)

    @property
    def new_rows(self) -> NDArray[np.int64]:
        """Rows of movies that came after training."""
        came = self.config.get("since_training", {}).get("new_movies", [])
        return self.vocabulary.movie_rows(id_array(came, is_text(self.vocabulary.movie_ids)))

    @cached_property
    def attributes(self) -> NDArray[np.int32]:
        """(U + 1, W) rows of the attributes of every user; of row 0 all unknown (0)."""
        return np.asarray(self.arrays["history/attributes"])

    def verify(self) -> None:
        """Raises a ModelError that names the first file that is not as it was written.

        All are read whole: .02 s for ML-100K's 11 MB, .5 GB/s.
        """
        for name in self.config.get("files", ()):
            with _reading(self.path, name) as file:
                _check(np.memmap(file, np.uint8, "r").data, self.config, name)


def load_model(path: Path | str = DEFAULT) -> Model:
    """Open a trained model.

    Args:
        path: its folder.

    Raises:
        ModelError: there is none, or one of another format.

    >>> import recsys
    >>> recsys.load_model("sample.model").movies.titles[0]
    'Toy Story (1995)'
    """
    check_types(path=(path, Path | str))
    config = _config(standing(path))
    try:
        opened = _open(standing(path), config)
    except ModelError:
        if _config(standing(path)) == config:
            raise
        opened = None
    if opened is None or _config(standing(path)) != config:  # another took its place meanwhile
        return load_model(path)
    return opened


def _config(path: Path) -> dict[str, Any]:
    """config.json of a folder."""
    with _reading(path, "config.json") as file:
        config = dict(json.loads(file.read_bytes()))
        number = config["format"]
    if number != FORMAT:
        newer = isinstance(number, int) and number > FORMAT
        remedy = ("upgrade recsys",) if newer else ("train again", "train")
        cause = f"{path}: model of format {number}, this recsys reads format {FORMAT}"
        raise ModelError(cause, *remedy)
    with _reading(path, "config.json"):
        if config.pop("digest") != _digest_of(config):
            raise ValueError(DAMAGED)
    return config


def _open(path: Path, config: dict[str, Any]) -> Model:
    """All files of a folder opened."""
    contents: dict[str, Any] = {}
    for name in ("vocabulary.json", "movies.json"):
        with _reading(path, name) as file:
            contents[name] = file.read_bytes()
            _check(contents[name], config, name)
    with _reading(path, "vocabulary.json"):
        vocabulary = Vocabulary.from_json(json.loads(contents["vocabulary.json"]))

    def movies() -> Movies:
        with _reading(path, "movies.json"):
            ids, titles, genres, *cells = zip(*json.loads(contents["movies.json"]), strict=True)
            columns = {}
            for each, values in zip(vocabulary.movies, cells, strict=True):
                texts = [tuple(v) if isinstance(v, list) else v for v in values]
                given = np.array(values, float) if each.kind == "number" else texts
                columns[each.name] = Column(each.kind, given)
            return Movies(id_array(ids), list(titles), [tuple(g) for g in genres], columns)

    arrays: dict[str, NDArray] = {}
    with _reading(path, "config.json"):
        model, names = Model(config, vocabulary, movies, arrays, path), list(config["arrays"])
        _check_config(model)
    for name in names:
        with _reading(path, f"arrays/{name}.npy") as file:
            try:
                arrays[name] = np.load(file, mmap_mode="r", allow_pickle=False)
            except ValueError as error:  # with objects of Python's parser in its text
                raise ValueError("no array, or damaged") from error
            if arrays[name].dtype.kind not in "biuf":
                raise ValueError("no numbers")
    return model


def _check_config(model: Model) -> None:
    """Raises an error unless recency, scale and the weights of each question make sense."""
    scale, (floor, span) = model.scale, model.recency
    if not (0 <= floor <= 1 and 0 < span < np.inf):
        raise ValueError("odd recency")
    ordered = -np.inf < scale.low < scale.liked <= scale.high < np.inf
    if not (ordered and {scale.rated, scale.bent} <= {False, True}):
        raise ValueError("odd scale")
    known = {name for part in PARTS for name in part.slices}
    for question in questions(scale.rated):
        every: Mapping[str, Any] = model.weights[question]
        for each in [every[kind] for kind in EVIDENCE] if HISTORY in every else [every]:
            names = {name.partition(".")[0] for name in each}
            if names - known or not (np.abs([*each.values()]) < 1e6).all():
                raise ValueError(f"odd weights of {question}")


@contextmanager
def _reading(path: Path, name: str) -> Iterator[Path]:
    """A file of the folder; whatever is wrong with it (numpy raises anything) is a ModelError."""
    try:
        yield path / name
    except FileNotFoundError as error:
        cause, remedy, fix = f"{path}: no {name} there", "train first", "train"
        if name == "config.json" and path.exists() and any(path.iterdir()):
            cause, remedy, fix = f"{cause}, so it is no model", "name another", "model"
        raise ModelError(cause, remedy, fix) from error
    except Exception as error:
        text = (isinstance(error, OSError) and error.strerror) or str(error)
        why = text.splitlines()[0] if text else type(error).__name__
        if isinstance(error, MemoryError):
            why = "out of memory, or damaged"
        cause = f"{path / name}: cannot be read ({why})"
        if isinstance(error, PermissionError):
            raise ModelError(cause, "let this user read it") from error
        away = "move the folder away and " * (name == "config.json")
        raise ModelError(cause, f"{away}train again", "train") from error


def check_place(path: Path, fix: str = "model") -> None:
    """Make the folder that a model is to lie in; a ModelError where something else is there."""
    for folder in (path, previous_of(path)):
        found = [each for each in folder.rglob("*") if each.is_symlink() or not each.is_dir()]
        if not folder.exists() or (folder.is_dir() and not found):
            continue
        try:
            config = json.loads((folder / "config.json").read_bytes())
            ours = isinstance(config["format"], int) and isinstance(config["fingerprint"], str)
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            ours = False
        names = sorted(each.relative_to(folder).as_posix() for each in found)
        others = [name for name in names if not re.fullmatch(OWN, name)]
        cause = f"{folder}: is there and is no model"
        if ours and others:
            cause = f"{folder / others[0]}: is no part of the model there, which would be replaced"
        if others or not ours:
            raise ModelError(cause, "move it away or choose another place", fix)
    writable_folder(path, fix)


def write_model(
    path: Path | str,
    model: Model,
    log: Sequence[dict[str, Any]] = (),
    export: Callable[[Path], Any] = lambda folder: None,
    before: Model | None = None,
) -> Model:
    """Write a model beside its place, then rename it; returns it as opened from there.

    Args:
        path: the folder to write.
        model: in memory.
        log: a line an epoch.
        export: writes the towers for plain Paddle into the folder; what it returns, their inputs,
            is noted in config.json.
        before: the model there that this one was made from, whose fingerprint, towers and log it
            keeps; files that stay the same are links to its own.

    Raises:
        ModelError: the place holds something that is no model, or cannot be written; or no longer
            the model before, or one with a damaged file.

    >>> import recsys
    >>> model = recsys.load_model("sample.model")
    >>> update = recsys.update_model(model, "data/sample")
    >>> recsys.write_model("sample.model", update.model, before=model)
    <Model sample.model ...: 338 movies, 308 users>
    """
    path = Path(path)
    check_place(path)

    def unchanged(there: Path) -> None:
        if before and _config(there) != before.config:
            raise ModelError(f"{path}: is another model meanwhile", "do it again")

    if before:  # what is damaged would get a digest as it is
        unchanged(standing(path))
        before.verify()
    with replacing_folder(path, "model", check=unchanged) as folder:
        for name, array in model.arrays.items():
            file = folder / "arrays" / f"{name}.npy"
            file.parent.mkdir(parents=True, exist_ok=True)
            if before and before.arrays.get(name) is array:
                _link(before.path / "arrays" / f"{name}.npy", file)
            else:
                np.save(file, array, allow_pickle=False)
        vocabulary, movies = model.vocabulary, model.movies
        _write_json(folder / "vocabulary.json", vocabulary.to_json())
        cells = [
            [None if each != each else each for each in column.values]  # nan is no JSON
            for column in vocabulary.columns(movies).values()
        ]
        rows = zip(movies.ids.tolist(), movies.titles, movies.genres, *cells, strict=True)
        _write_json(folder / "movies.json", list(rows))
        if before:
            for name in before.config["files"]:
                if not (folder / name).exists():
                    _link(before.path / name, folder / name)
            write_config(folder, model.config, model.fingerprint)
            unchanged(standing(path))
        else:
            lines = [json.dumps(line) for line in log]
            (folder / "training_log.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
            inputs = export(folder)
            write_config(folder, {**model.config, "arrays": sorted(model.arrays), "inputs": inputs})
    return load_model(path)


def _link(file: Path, place: Path) -> None:
    """The same file in another place; a copy where there are no links."""
    try:
        os.link(file, place)
    except OSError:
        shutil.copyfile(file, place)


def write_config(folder: Path, config: dict[str, Any], trained: str | None = None) -> None:
    """Write config.json last, as it has the digests of all files; of `trained`, if that is given.

    That is the fingerprint of a model that is the same but for its users' histories.
    """
    found = [file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()]
    names = sorted({*found} - {"config.json"})
    files = {name: _digest(np.memmap(folder / name, np.uint8, "r").data) for name in names}
    who = {name: files[name] for name in names if name.startswith(("arrays/history/", "vocab"))}
    about = {
        "format": FORMAT,
        "fingerprint": trained or fingerprint({**config, "files": files}),
        "history": _digest_of(who),
    }
    config = json.loads(json.dumps({**config, **about, "files": files}))  # as it will be read
    _write_json(folder / "config.json", {**config, "digest": _digest_of(config)}, indent=2)


def put_model(model: Model, path: Path, fix: str = "model") -> None:
    """Put a copy of a model in another place, whole or not at all.

    Another model that was there is kept as `NAME.previous`, in place of an older one.
    """
    check_place(path, fix)
    another = True
    with suppress(ModelError):  # there is none, or it is damaged
        another = load_model(path).fingerprint != model.fingerprint
    with replacing_folder(path, fix, keep=another) as beside:
        for name in ("config.json", *model.config["files"]):
            (beside / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(model.path / name, beside / name)


def _write_json(path: Path, value: Any, indent: int | None = None) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=indent) + "\n", "utf-8")


def fingerprint(config: dict[str, Any]) -> str:
    """16 hexadecimal digits that change with anything that decides a vector."""
    deciding = {name: config.get(name) for name in DECIDING}
    files = [f"arrays/{name}.npy" for name in config.get("arrays", ())]
    files += ["vocabulary.json", "movies.json"]
    return _digest_of({**deciding, "files": {name: config["files"][name] for name in files}})


def _digest_of(value: Any) -> str:
    return _digest(json.dumps(value, sort_keys=True).encode())


def _digest(data: bytes | memoryview) -> str:
    """The first 16 hexadecimal digits of the SHA-256."""
    return hashlib.sha256(data).hexdigest()[:16]


def _check(data: bytes | memoryview, config: dict[str, Any], name: str) -> None:
    if _digest(data) != config["files"][name]:
        raise ValueError(DAMAGED)

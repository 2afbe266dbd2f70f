"""The model folder: replaced whole or not at all, read with suspicion, known by fingerprint."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import environment

from recsys.data.dataset import Movies, Vocabulary
from recsys.data.interactions import Interactions
from recsys.data.scale import FIVE_STARS
from recsys.errors import ModelError, RecsysError
from recsys.serving import model_folder
from recsys.serving.model_folder import FORMAT, Model, fingerprint, load_model, write_model

NOTHING = np.zeros(0, np.int64)
CONFIG = {
    "layout": {"retrieval": 1, "ease": 2},
    "weights": {"relevance": {"retrieval": 1.0, "ease": 0.5}},
    "recency": {"floor": 0.1, "span": 10.0},
    "scale": FIVE_STARS.to_json(),
}


def write(path: Path, name: str, export=lambda folder: None) -> Model:
    """The smallest model there may be; `name` tells one from another."""
    history = Interactions.build(1, NOTHING, NOTHING, NOTHING, NOTHING)._asdict()
    model = Model(
        {"name": name, **CONFIG},
        Vocabulary([1], [10], ["word"], ["War"]),
        Movies(np.array([10]), ["Word (1999)"], [("War",)]),
        {
            "heads/bias": np.zeros(3, np.float32),
            "history/attributes": np.zeros((2, 3), np.int8),
            **{f"history/{name}": each for name, each in history.items()},
        },
    )
    return write_model(path, model, [{"epoch": 1}], export)


def name_of(path: Path) -> str:
    return load_model(path).config["name"]


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def test_what_was_written_is_read(tmp_path):
    model = write(tmp_path / "model", "first")
    model.verify()
    assert model.path == tmp_path / "model"
    assert model.config["format"] == FORMAT
    assert model.layout.sizes == CONFIG["layout"]
    assert model.weights == CONFIG["weights"]
    assert model.recency == (0.1, 10)
    assert model.vocabulary.to_json() == Vocabulary([1], [10], ["word"], ["War"]).to_json()
    assert (model.movies.titles, model.movies.genres) == (["Word (1999)"], [("War",)])
    assert model.history.counts.tolist() == [0, 0]
    assert model.attributes.shape == (2, 3)
    assert model.arrays["heads/bias"].dtype == np.float32
    assert (model.path / "training_log.jsonl").read_text() == '{"epoch": 1}\n'


@pytest.mark.parametrize("killed", [False, True], ids=["", "killed between two renames"])
def test_a_model_is_replaced_whole(tmp_path, killed):
    path = tmp_path / "model"
    write(path, "old")
    (path / "left over").write_text("")
    if killed:
        path.rename(tmp_path / "model.previous")
    assert name_of(path) == "old"
    write(path, "new")
    assert name_of(path) == "new"
    assert not (path / "left over").exists()
    assert names(tmp_path) == {"model"}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError(28, "No space left")])
def test_an_error_while_writing_leaves_the_old_model(tmp_path, error):
    path = tmp_path / "model"
    write(path, "old")

    def fail(folder: Path) -> None:
        assert (folder / "arrays" / "heads" / "bias.npy").exists()
        raise error

    with pytest.raises(RecsysError if isinstance(error, OSError) else error):
        write(path, "new", fail)
    assert name_of(path) == "old"
    assert names(tmp_path) == {"model"}


KILLED = """
import os, shutil, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from test_model_folder import write
left = int(sys.argv[2])
def deadly(call):
    def killed(*args, **kwargs):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), 9)
        return call(*args, **kwargs)
    return killed
os.rename, shutil.rmtree = deadly(os.rename), deadly(shutil.rmtree)
write(Path(sys.argv[1]), "new")
"""


@pytest.mark.slow  # a process for each step of a write
@pytest.mark.parametrize("before", ["whole", "killed between two renames"])
def test_a_kill_before_any_step_of_a_write_leaves_a_model(tmp_path, before):
    """kill -9 before each rename and removal, until a write gets through."""
    found = set()
    here = Path(__file__).parent
    for step in range(10):
        path = tmp_path / str(step) / "model"
        write(path, "old")
        if before != "whole":
            path.rename(path.with_name("model.previous"))
        command = [sys.executable, "-c", KILLED, str(path), str(step), str(here)]
        env = environment()
        env["PYTHONPATH"] += os.pathsep + str(here.parent)
        done = subprocess.run(command, env=env, check=False, timeout=60)
        found.add((done.returncode, name_of(path)))
        write(path, "next")
        assert name_of(path) == "next"
        assert not path.with_name("model.previous").exists()
        if done.returncode == 0:
            break
    assert found == {(-9, "old"), (-9, "new"), (0, "new")}


def test_what_is_no_model_is_not_replaced(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "me.jpg").write_text("")
    (tmp_path / "file").write_text("mine")
    for place in (photos, tmp_path / "file"):
        with pytest.raises(ModelError, match="is there and is no model") as refused:
            write(place, "new")
        assert refused.value.fix == "model"
    assert (photos / "me.jpg").exists()
    assert (tmp_path / "file").read_text() == "mine"
    with pytest.raises(RecsysError, match=r"cannot be written \(.*\)") as refused:
        write(tmp_path / "file" / "model", "new")
    assert "\n" not in str(refused.value)
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty", "new")
    assert name_of(tmp_path / "empty") == "new"


def test_without_a_model_the_remedy_is_to_train(tmp_path):
    with pytest.raises(ModelError, match=r"no config\.json there; train first") as refused:
        load_model(tmp_path / "nowhere")
    assert refused.value.fix == "train"


def read_everything(path: Path) -> None:
    model = load_model(path)
    assert model.fingerprint
    assert model.layout
    assert model.weights
    assert len(model.vocabulary.user_ids)
    assert len(model.movies)
    assert model.history.of(1)
    assert model.attributes.any()
    for name in ("heads/user", "heads/bias", "ease/ease"):
        assert model.arrays[name].any()


def pickled() -> bytes:
    """An .npy file that runs code when it is read carelessly."""
    array = np.empty(1, object)
    array[0] = print
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


JSON, ARRAYS = ("config", "vocabulary", "movies"), ("heads/user", "history/values")
JSON_DAMAGE = (b"", b"{", b"[1, 2]", b"{}", b"null", b"\xff\xfe", b'{"format": 5}', None)
ARRAY_DAMAGE = (b"", b"no array", "half", "pickle", None)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("config.json", b'{"format": 99}'),
        *((f"{name}.json", each) for name in JSON for each in JSON_DAMAGE),
        *((f"arrays/{name}.npy", each) for name in ARRAYS for each in ARRAY_DAMAGE),
    ],
)
def test_a_damaged_file_is_one_line_that_names_it(own_model, name, damage):
    file = own_model / name
    if damage is None:
        file.unlink()
    elif damage == "half":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    else:
        file.write_bytes(pickled() if damage == "pickle" else damage)
    with pytest.raises(ModelError) as refused:
        read_everything(own_model)
    assert "\n" not in str(refused.value)
    assert str(own_model) in refused.value.cause
    assert refused.value.fix == "train"
    if damage != b'{"format": 99}':
        assert name in refused.value.cause


def test_an_undamaged_model_is_read_whole(folder):
    read_everything(folder.path)
    folder.verify()
    assert re.fullmatch("[0-9a-f]{16}", folder.fingerprint)
    assert isinstance(folder.arrays["heads/user"], np.memmap)  # mapped, not read


def deciding_files(path: Path) -> list[Path]:
    """The files that decide a vector."""
    arrays = sorted((path / "arrays").glob("*/*.npy"))
    return [*arrays, path / "vocabulary.json", path / "movies.json"]


def test_the_fingerprint_changes_with_everything_that_decides_a_vector(own_model):
    config = load_model(own_model).config
    seen = {fingerprint(own_model, config)}
    files = deciding_files(own_model)
    assert len(files) >= 14 + 5 + 2
    assert len(files) == len(load_model(own_model).arrays) + 2
    for file in files:
        whole = file.read_bytes()
        file.write_bytes(whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:])
        wrong = r"do not match their fingerprint|cannot be read"
        with pytest.raises(ModelError, match=wrong) as refused:
            load_model(own_model).verify()
        assert "\n" not in str(refused.value)
        seen.add(fingerprint(own_model, config))
        file.write_bytes(whole)
    assert len(seen) == len(files) + 1
    load_model(own_model).verify()
    config["weights"]["rating"]["rating"] += 0.5
    (own_model / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="do not match their fingerprint"):
        load_model(own_model).verify()


def test_a_renamed_or_missing_file_is_named(own_model):
    first, second = sorted((own_model / "arrays").glob("*/*.npy"))[:2]
    first.rename(first.with_name("renamed.npy"))
    with pytest.raises(ModelError, match=rf"no arrays/.*{first.name} there; train first"):
        load_model(own_model)
    first.with_name("renamed.npy").rename(first)
    model = load_model(own_model)
    second.unlink()
    (own_model / "vocabulary.json").unlink()
    with pytest.raises(ModelError, match=r"no vocabulary\.json"):
        model.verify()


def test_a_model_that_was_opened_stays_what_it_is(tmp_path):
    path = tmp_path / "model"
    reader = write(path, "old")
    write(path, "new")
    assert reader.arrays["heads/bias"].tolist() == [0, 0, 0]
    assert reader.movies.titles == ["Word (1999)"]
    assert reader.vocabulary.genres == ["War"]
    assert reader.config["name"] == "old"


@pytest.mark.parametrize("opened", range(6))
def test_a_model_replaced_while_it_is_opened_is_not_mixed_with_the_new_one(
    tmp_path, monkeypatch, opened
):
    path = tmp_path / "model"
    write(path, "old")
    calls, reading = [], model_folder._reading

    def replaced(folder: Path, name: str):
        calls.append(name)
        if len(calls) == opened + 1:
            write(path, "new")
        return reading(folder, name)

    with monkeypatch.context() as patch:
        patch.setattr(model_folder, "_reading", replaced)
        model = load_model(path)
    assert model.config["name"] == "new"
    assert calls.count("config.json") >= 3  # opened, written and looked at, opened again
    model.verify()

"""The model folder: replaced whole or not at all, read with suspicion, known by fingerprint."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import environment

from recsys.data.history import History
from recsys.errors import ModelError
from recsys.serving.model_folder import ModelFolder, fingerprint, replacing


def write(path: Path, word: str) -> None:
    with replacing(path) as beside:
        (beside / "config.json").write_text(json.dumps({"format": 1, "word": word}))
        (beside / "tables").mkdir()
        np.save(beside / "tables" / "bias.npy", np.zeros(3))


def word(path: Path) -> str:
    return ModelFolder(path).config["word"]


def test_a_folder_is_replaced_whole(tmp_path):
    path = tmp_path / "model"
    write(path, "old")
    (path / "left over").write_text("")
    write(path, "new")
    assert word(path) == "new"
    assert not (path / "left over").exists()
    assert [each.name for each in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError(28, "No space left")])
def test_an_error_while_writing_leaves_the_old_folder(tmp_path, error):
    path = tmp_path / "model"
    write(path, "old")
    expected = ModelError if isinstance(error, OSError) else error

    def fail():
        with replacing(path) as beside:
            (beside / "config.json").write_text("{")
            raise error

    with pytest.raises(expected):
        fail()
    assert word(path) == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["model"]


KILLED = """
import json, os, shutil, sys
from pathlib import Path
from recsys.serving import model_folder as folder
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
with folder.replacing(Path(sys.argv[1])) as beside:
    (beside / "config.json").write_text(json.dumps({"format": 1, "word": "new"}))
"""


@pytest.mark.parametrize("before", ["whole", "killed between two renames"])
def test_a_kill_before_any_step_leaves_an_answering_folder(tmp_path, before):
    """kill -9 before each rename and removal of a write, until one gets through."""
    survived = set()
    for step in range(10):
        path = tmp_path / str(step) / "model"
        write(path, "old")
        if before != "whole":
            path.rename(path.with_name("model.previous"))
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(path), str(step)],
            env=environment(),
            check=False,
            timeout=60,
        )
        survived.add((done.returncode, word(path)))
        write(path, "next")
        assert word(path) == "next"
        assert not path.with_name("model.previous").exists()
        if done.returncode == 0:
            break
    assert survived == {(-9, "old"), (-9, "new"), (0, "new")}


def test_the_previous_folder_answers_between_two_renames(tmp_path):
    path = tmp_path / "model"
    write(path, "old")
    path.rename(tmp_path / "model.previous")
    assert word(path) == "old"
    write(path, "new")
    assert word(path) == "new"
    assert [each.name for each in tmp_path.iterdir()] == ["model"]


def test_what_is_no_model_is_not_replaced(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "me.jpg").write_text("")
    (tmp_path / "file").write_text("mine")
    for place in (photos, tmp_path / "file"):
        with pytest.raises(ModelError, match="is there and is no model; choose another --model"):
            write(place, "new")
    assert (photos / "me.jpg").exists()
    assert (tmp_path / "file").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty", "new")
    assert word(tmp_path / "empty") == "new"


def test_a_place_that_cannot_be_written_is_a_model_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match=r"cannot be written \(.*\)"):
        write(tmp_path / "file" / "model", "new")


def test_no_model_at_all_says_how_to_get_one(tmp_path):
    with pytest.raises(ModelError, match=r"no config\.json there; train first: recsys train"):
        ModelFolder(tmp_path / "nowhere")


def touch_everything(path: Path) -> None:
    folder = ModelFolder(path)
    assert folder.fingerprint
    assert folder.dimension
    assert len(folder.vocabulary.user_ids)
    assert len(folder.movies)
    assert folder.history.of(1)
    assert folder.attributes.any()
    for name in ("user", "bias", "word"):
        assert folder.table(name).any()


def pickled() -> bytes:
    """An .npy file that runs code when it is read carelessly."""
    array = np.empty(1, object)
    array[0] = print
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


JSON_DAMAGE = (b"", b"{", b"[]", b"[1, 2]", b"{}", b"null", b"\xff\xfe", b'{"format": 1}')
ARRAY_DAMAGE = (b"", b"no array", "half", "pickle")


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *(("config.json", each) for each in (*JSON_DAMAGE, b'{"format": 99}', None)),
        *(("vocabulary.json", each) for each in (*JSON_DAMAGE, None)),
        *(("movies.json", each) for each in (*JSON_DAMAGE, None)),
        *(("tables/user.npy", each) for each in (*ARRAY_DAMAGE, None)),
        *(("tables/word.npy", each) for each in ARRAY_DAMAGE),
        *(("history/ratings.npy", each) for each in (*ARRAY_DAMAGE, None)),
        *(("history/attributes.npy", each) for each in ARRAY_DAMAGE),
    ],
)
def test_a_damaged_file_is_one_line_that_names_it(own_model, name, damage):
    touch_everything(own_model)
    file = own_model / name
    if damage is None:
        file.unlink()
    elif damage == "half":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    else:
        file.write_bytes(pickled() if damage == "pickle" else damage)
    with pytest.raises(ModelError) as refused:
        touch_everything(own_model)
    message = str(refused.value)
    assert "\n" not in message
    assert str(own_model) in message
    assert "recsys train" in message
    if damage != b'{"format": 99}':
        assert name in message


def decisive(path: Path) -> list[Path]:
    """The files that decide a vector."""
    arrays = [file for part in ("tables", "history") for file in sorted((path / part).iterdir())]
    return [*arrays, path / "vocabulary.json", path / "movies.json"]


def test_the_fingerprint_changes_with_everything_that_decides_a_vector(own_model):
    ModelFolder(own_model).verify()
    seen = {fingerprint(own_model)}
    files = decisive(own_model)
    assert len(files) >= 14 + 4 + 2
    for file in files:
        whole = file.read_bytes()
        file.write_bytes(whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:])
        with pytest.raises(ModelError, match="do not match their fingerprint") as refused:
            ModelFolder(own_model).verify()
        assert "\n" not in str(refused.value)
        seen.add(fingerprint(own_model))
        file.write_bytes(whole)
    assert len(seen) == len(files) + 1
    ModelFolder(own_model).verify()


def test_a_file_more_or_less_changes_the_fingerprint(own_model):
    first, second = sorted((own_model / "tables").iterdir())[:2]
    first.rename(first.with_name("renamed.npy"))
    with pytest.raises(ModelError, match="do not match"):
        ModelFolder(own_model).verify()
    second.unlink()
    with pytest.raises(ModelError, match="do not match"):
        ModelFolder(own_model).verify()
    (own_model / "vocabulary.json").unlink()
    with pytest.raises(ModelError):
        ModelFolder(own_model).verify()


def test_the_fingerprint_is_16_hexadecimal_digits(folder):
    assert len(folder.fingerprint) == 16
    int(folder.fingerprint, 16)
    assert folder.fingerprint == fingerprint(folder.path)


def test_history_by_hand():
    history = History.build(
        4, np.array([3, 1, 3, 1]), np.array([9, 5, 2, 7]), np.array([1, 2, 3, 4.5])
    )
    assert history.offsets.tolist() == [0, 0, 2, 2, 4, 4]
    assert [history.of(row)[0].tolist() for row in range(5)] == [[], [5, 7], [], [2, 9], []]
    assert history.of(1)[1].tolist() == [2, 4.5]
    assert history.of(3)[1].tolist() == [3, 1]


def test_tables_are_mapped_not_read(folder):
    assert isinstance(folder.table("user"), np.memmap)


def test_a_model_replaced_while_it_is_read_is_not_mixed_with_the_new_one(tmp_path):
    path = tmp_path / "model"
    write(path, "old")
    reader = ModelFolder(path)
    bias = reader.table("bias")
    write(path, "new")
    assert bias.tolist() == [0, 0, 0]  # what was opened stays the old one's
    with pytest.raises(ModelError, match="a new model has just taken its place; ask again"):
        reader.table("bias")


def test_the_rubbish_of_a_killed_training_is_swept_in_time(tmp_path):
    path, left, fresh = (tmp_path / name for name in ("model", "model.tmp-1", "model.tmp-2"))
    left.mkdir()
    fresh.mkdir()
    os.utime(left, (0, 0))
    write(path, "new")
    assert {each.name for each in tmp_path.iterdir()} == {"model", "model.tmp-2"}

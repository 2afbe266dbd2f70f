"""The model folder: replaced whole or not at all, read with suspicion, known by fingerprint."""

import io
import json
import re

import numpy as np
import pytest
from command_line import refused

from recsys.data.dataset import Movies, Vocabulary
from recsys.data.interactions import Interactions
from recsys.data.scale import FIVE_STARS
from recsys.errors import ModelError, RecsysError
from recsys.infer import Recommender, UserQuery, catalogue
from recsys.parts import QUESTIONS
from recsys.serving import model_folder
from recsys.serving.model_folder import (
    FORMAT,
    Model,
    fingerprint,
    load_model,
    write_config,
    write_model,
)

NOTHING = np.zeros(0, np.int64)
CONFIG = {
    "layout": {"retrieval": 1, "ease": 2},
    "weights": {**QUESTIONS, "relevance": {"retrieval": 1.0, "ease": 0.5}},
    "recency": {"floor": 0.1, "span": 10.0},
    "scale": FIVE_STARS.to_json(),
}


def write(path, name, export=lambda folder: None):
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


def name_of(path):
    return load_model(path).config["name"]


def test_what_was_written_is_read(tmp_path):
    model = write(tmp_path / "model", "first")
    model.verify()
    assert model.path == tmp_path / "model"
    assert model.config.items() >= {"format": FORMAT, **CONFIG}.items()
    assert model.recency == (0.1, 10)
    assert model.vocabulary.to_json() == Vocabulary([1], [10], ["word"], ["War"]).to_json()
    assert (model.movies.titles, model.movies.genres) == (["Word (1999)"], [("War",)])
    assert model.history.counts.tolist() == [0, 0]
    assert model.attributes.shape == (2, 3)
    assert model.arrays["heads/bias"].dtype == np.float32
    assert (model.path / "training_log.jsonl").read_text() == '{"epoch": 1}\n'


def test_a_model_answers_where_a_kill_between_two_renames_left_it(tmp_path):
    """What a kill at any rename leaves is in tests/data/test_files.py."""
    path = tmp_path / "model"
    write(path, "old").path.rename(tmp_path / "model.previous")
    assert name_of(path) == "old"
    write(path, "new")
    assert name_of(path) == "new"


@pytest.mark.parametrize("name", ["model", "model.previous"])
def test_what_is_no_model_or_has_files_of_somebody_is_not_replaced(tmp_path, name):
    write(tmp_path / "model", "old")
    write(tmp_path / name, "old")
    for mine in ("thesis.tex", "arrays/notes.txt"):
        (tmp_path / name / mine).write_text("mine")
        with pytest.raises(ModelError, match=f"{name}/{mine}: is no part of the model there"):
            write(tmp_path / "model", "new")
        (tmp_path / name / mine).unlink()
    (tmp_path / name / "config.json").write_text('{"mine": true}')
    photo = tmp_path / "photos" / "me.jpg"
    photo.parent.mkdir()
    photo.write_text("mine")
    for place in (tmp_path / "model", photo.parent, photo):
        with refused(ModelError, "is there and is no model", fix="model"):
            write(place, "new")
    assert (tmp_path / name / "config.json").read_text() == '{"mine": true}'
    assert photo.read_text() == "mine"
    with pytest.raises(RecsysError, match=r"^.* cannot be written \(.*\).*$"):
        write(photo / "model", "new")
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty", "new")
    assert name_of(tmp_path / "empty") == "new"


def read_everything(path):
    model = load_model(path)
    assert len(model.movies)
    assert len(model.history.of(1)[0])
    assert model.attributes.any()
    return model


def pickled():
    """An .npy file that runs code when it is read carelessly."""
    stream = io.BytesIO()
    np.save(stream, np.array([print], object), allow_pickle=True)
    return stream.getvalue()


JSON_DAMAGE = (b"", b"{", b"[1, 2]", b"{}", b"null", b"\xff\xfe", b'{"format": 7}', None)
PARSED = b"\x93NUMPY\x01\x00\x10\x00{'descr': float}\n"  # numpy shows a node of Python's parser
ARRAY_DAMAGE = (b"", b"no array", PARSED, "half", pickled(), None)


@pytest.mark.parametrize(
    ("name", "damages"),
    [
        *((f"{name}.json", JSON_DAMAGE) for name in ("config", "vocabulary", "movies")),
        *((f"arrays/{name}.npy", ARRAY_DAMAGE) for name in ("heads/user", "history/values")),
    ],
)
def test_a_damaged_file_is_one_line_that_names_it(own_model, name, damages):
    file = own_model / name
    before = file.read_bytes()
    for damage in damages:
        file.write_bytes(before[: len(before) // 2] if damage == "half" else damage or b"")
        if damage is None:
            file.unlink()
        whole = name == "config.json"  # without it a folder may be anything
        away = "move the folder away and " * whole
        gone = ("name another", "model") if whole else ("train first", "train")
        remedy, fix = gone if damage is None else (f"{away}train again", "train")
        with refused(ModelError, f"{own_model}.*; {remedy}$", fix=fix) as caught:
            read_everything(own_model)
        assert name in caught.value.cause
        assert "object at" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), r"npy: cannot be read \(out of memory, or damaged\)"),
        (PermissionError(13, "Permission denied"), r"\(Permission denied\); let this user read it"),
    ],
)
def test_what_is_no_damage_is_not_taken_for_it(own_model, monkeypatch, error, words):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(np, "load", fail)
    with pytest.raises(ModelError, match=words):
        load_model(own_model)


@pytest.mark.parametrize(
    ("name", "odd"),
    [
        ("weights", {"rating": {"rating": float("nan")}}),
        ("weights", {"rating": {"rating": "much"}}),
        ("weights", {"similar": {"tastes": 1.0}}),
        ("weights", {"taste": 3}),
        ("weights", {"relevance": {"history": {"ease": 1.0}}}),
        *(("recency", {name: odd}) for name in ("floor", "span") for odd in ("1", -1, 1e999)),
        ("recency", {"spam": 3}),
        *(("scale", {name: odd}) for name in ("low", "high", "rated") for odd in ("1", [], None)),
        ("scale", {"liked": 0.5}),
        ("scale", {"high": float("nan")}),
    ],
)
def test_odd_numbers_are_refused_though_every_digest_is_right(own_model, name, odd):
    config = load_model(own_model).config
    write_config(own_model, {**config, name: {**config[name], **odd}})
    with refused(ModelError, r"config\.json: cannot be read \(.*train again"):
        load_model(own_model)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("heads/user", lambda array: array[:, :-1]),
        ("heads/user", lambda array: array.astype("U5")),
        ("heads/user_gender", lambda array: array[:1]),
        ("heads/user", lambda array: array * np.nan),
        ("taste/taste", lambda array: array.reshape(-1)),
        ("factors/weights", lambda array: array.T),
    ],
)
def test_arrays_that_do_not_go_together_are_one_line(own_model, name, change):
    """Though every digest is right: somebody made them so."""
    config, file = load_model(own_model).config, own_model / "arrays" / f"{name}.npy"
    np.save(file, change(np.load(file)))
    write_config(own_model, config)

    def asked():
        model = load_model(own_model)
        return list(Recommender(model, catalogue(model)).recommend([UserQuery(user_id=1)], 3))

    with pytest.raises(ModelError, match=r"does not go together|no numbers"):
        asked()


def test_every_file_is_checked_and_what_decides_a_vector_is_in_the_fingerprint(own_model):
    model = read_everything(own_model)
    model.verify()
    assert re.fullmatch("[0-9a-f]{16}", model.fingerprint)
    assert isinstance(model.arrays["heads/user"], np.memmap)  # mapped, not read
    files = {file for file in own_model.rglob("*") if file.is_file()} - {own_model / "config.json"}
    assert len(files) >= 14 + 5 + 2 + 4
    deciding = [own_model / f"arrays/{name}.npy" for name in model.arrays]
    deciding += [own_model / "vocabulary.json", own_model / "movies.json"]
    seen = {model.fingerprint}
    for file in sorted(files):
        before, name = file.read_bytes(), file.relative_to(own_model).as_posix()
        file.write_bytes(before[:-3] + bytes([before[-3] ^ 1]) + before[-2:])
        with pytest.raises(ModelError, match=rf"{name}: .*\(damaged or edited"):
            model.verify()
        other = {**model.config, "files": {**model.config["files"], name: "x"}}
        seen.add(fingerprint(other))
        assert (fingerprint(other) != model.fingerprint) == (file in deciding)
        file.write_bytes(before)
    assert len(seen) == len(deciding) + 1
    model.config["weights"]["rating"]["rating"] += 0.5
    assert fingerprint(model.config) not in seen
    (own_model / "vocabulary.json").unlink()
    with pytest.raises(ModelError, match=r"no vocabulary\.json"):
        model.verify()


def test_an_edited_config_is_refused(run, own_model):
    file = own_model / "config.json"
    config = json.loads(file.read_text())
    for part in ("scale", "weights", "recency", "layout", "fingerprint", "files"):
        other = {**config["scale"], "high": 100} if part == "scale" else 1
        file.write_text(json.dumps({**config, part: other}))
        with pytest.raises(ModelError, match=r"config\.json: cannot be read \(damaged or edited"):
            load_model(own_model)
    for line in ("predict -u 42 -m 50", "doctor"):
        done = run(*line.split(), "--model", own_model, code=1)
        assert "config.json: cannot be read (damaged or edited" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "at", "damage"),
    [
        ("heads/bias", 10, b"{'descr': '<f4', ((((((("),  # TokenError
        ("heads/bias", 8, b"\xff\xff"),  # a header longer than the file
        ("heads/user", 10, b"{'descr': '<f4', 'fortran_order': False, 'shape': (9" + b"9" * 17),
        ("heads/rating", 128, np.full(40_000, np.nan, np.float32).tobytes()),
        ("taste/taste", 128, np.full(40_000, np.inf, np.float32).tobytes()),
        ("history/indices", 128, np.full(40_000, 2**30, np.int32).tobytes()),
        ("history/indptr", 128, (np.arange(400) << 34).tobytes()),  # MemoryError
    ],
)
def test_a_damaged_array_is_named_by_the_query_that_meets_it(run, own_model, name, at, damage):
    file = own_model / "arrays" / f"{name}.npy"
    data = file.read_bytes()
    damage = damage[: len(data) - at]
    file.write_bytes(data[:at] + damage + data[at + len(damage) :])
    for line in ("recommend -u 42 --exact", "predict -u 42 -m 50", "doctor"):
        done = run(*line.split(), "--model", own_model, code=1)
        assert f"{name}.npy: cannot be read (" in done.stdout + done.stderr
        assert done.stderr.count("\n") <= 1


@pytest.mark.parametrize("opened", range(6))
def test_a_model_replaced_while_it_is_opened_is_not_mixed(tmp_path, monkeypatch, opened):
    path = tmp_path / "model"
    before = write(path, "old")
    calls, reading = [], model_folder._reading

    def replaced(folder, name):
        calls.append(name)
        if len(calls) == opened + 1:
            write(path, "new")
        return reading(folder, name)

    monkeypatch.setattr(model_folder, "_reading", replaced)
    model = load_model(path)
    assert model.config["name"] == "new"
    model.verify()
    assert before.config["name"] == "old"  # and what was opened stays what it was
    assert before.movies.titles == ["Word (1999)"]
    assert before.arrays["heads/bias"].tolist() == [0, 0, 0]

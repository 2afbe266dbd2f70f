"""From one model to the next without a moment in which a query fails."""

import json
import shutil
import uuid

import numpy as np
import pytest
from command_line import SAMPLE, started
from milvus_server import address

from recsys.serving.model_folder import load_model, write_config

ASK = ("recommend", "-u", "42", "--format", "json")


@pytest.fixture
def next_model(trained, tmp_path):
    """A model folder of the same movies with other vectors."""
    folder = shutil.copytree(trained.model, tmp_path / "next.model")
    movies = folder / "arrays" / "heads" / "retrieval.npy"
    np.save(movies, np.load(movies)[:, ::-1])
    write_config(folder, load_model(trained.model).config)
    return folder


@pytest.fixture
def live(run, own_model):
    """A model in use and published; where; and what it answers."""
    where = ("--uri", own_model.with_name("a.db"))
    run("load-movies", "--model", own_model, *where)
    return own_model, where, run(*ASK, "--model", own_model, *where)


def test_the_model_before_answers_until_the_switch_and_comes_back(run, live, next_model):
    model, where, before = live
    old, new = (load_model(folder).fingerprint for folder in (model, next_model))
    run("load-movies", "--model", next_model, *where)
    done = run(*ASK, "--model", model, *where)
    assert done.stdout == before.stdout
    assert f"another model is published; this one, {old}, answers from what is kept" in done.stderr
    done = run("doctor", "--model", model, *where, code=1)
    assert "the movies of another model are published" in done.stdout
    for _ in range(3):  # the same model once more leaves the one before it
        done = run("load-movies", "--model", next_model, "--switch", model, *where)
        assert f"{model}: is the model {new} now" in done.stderr
        assert load_model(f"{model}.previous").fingerprint == old
    done = run(*ASK, "--model", model, *where)
    assert json.loads(done.stdout)["model"] == new
    assert done.stdout == run(*ASK, "--model", next_model, *where).stdout != before.stdout
    assert "another model" not in done.stderr
    run("doctor", "--model", model, *where)
    for _ in range(2):
        done = run("load-movies", "--rollback", "--model", model, *where)
    assert f"{model}: is the model {old} again" in done.stderr
    assert f"model {old}" in done.stdout
    assert load_model(f"{model}.previous").fingerprint == new
    after = run(*ASK, "--model", model, *where)
    assert (after.stdout, after.stderr) == (before.stdout, before.stderr)
    run("doctor", "--model", model, *where)


def test_rollback_says_what_to_do_where_the_model_before_is_gone(run, live, next_model):
    model, where, _ = live
    run("load-movies", "--model", next_model, *where)
    done = run("load-movies", "--rollback", "--model", next_model, *where)
    old = load_model(model).fingerprint
    assert f"is not the model {old} of this version: ask that one by --model" in done.stderr


def test_the_live_version_stays_until_the_switch_is_done(run, live, next_model, monkeypatch):
    model, where, before = live
    switch = ("load-movies", "--model", next_model, "--switch", model, *where)

    def full(*_, **__):
        raise OSError(28, "")

    with monkeypatch.context() as disk:
        disk.setattr("shutil.copyfile", full)
        for _ in range(3):
            done = run(*switch, code=1)
            words = "cannot be written (No space left on device); free space or name another folder"
            assert done.stderr.splitlines()[-1].startswith(f"recsys: {model}: {words}: --switch")
            assert run(*ASK, "--model", model, *where).stdout == before.stdout
    run(*switch)
    assert load_model(model).fingerprint == load_model(next_model).fingerprint


def test_nothing_is_switched_when_publishing_fails(run, own_model, next_model, tmp_path):
    old = load_model(own_model).fingerprint
    for wrong, code, words in (
        (("--uri", "http://127.0.0.1:1", "--timeout", "0.2"), 1, "127.0.0.1:1"),
        (("--keep", "0"), 2, "--switch needs --keep 1"),
        (("--rollback",), 2, "--rollback goes without --switch"),
        (("--dry-run", "--uri", tmp_path / "a.db"), 0, "movies: the 338"),
    ):
        done = run("load-movies", "--model", next_model, "--switch", own_model, *wrong, code=code)
        assert words in done.stderr
        assert load_model(own_model).fingerprint == old
    (tmp_path / "mine").write_text("no model")
    done = run("load-movies", "--model", next_model, "--switch", tmp_path / "mine", code=1)
    remedy = "move it away or choose another place: --switch"
    assert done.stderr.endswith(f"is there and is no model; {remedy}\n")
    assert (tmp_path / "mine").read_text() == "no model"


def test_a_damaged_model_is_neither_published_nor_changed(run, own_model, tmp_path):
    """Nor given new digests."""
    file, new = own_model / "arrays/ease/ease.npy", tmp_path / "new.csv"
    where = ("--model", own_model, "--uri", tmp_path / "a.db")
    whole = file.read_bytes()
    file.write_bytes(whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:])
    new.write_text("user_id,movie_id,rating,timestamp\n1,50,5,2000000000\n")
    for command in (("update", "--data", new), ("forget", "-u", 7)):
        assert "does not match its digest" in run(*command, *where[:2], code=1).stderr
    for command in ("load-movies", "load-movies --dry-run", "recommend -i"):
        assert "does not match its digest" in run(*command.split(), *where, code=1).stderr
    assert {*tmp_path.iterdir()} == {own_model, new}
    assert "does not match" in run("doctor", *where, code=1).stdout


@pytest.mark.slow  # a training in a process of its own, while queries are asked
@pytest.mark.parametrize("kind", ["lite", pytest.param("server", marks=pytest.mark.milvus_server)])
def test_queries_are_answered_all_the_while(run, trained, own_model, tmp_path, kind):
    live, beside = own_model, tmp_path / "next.model"
    where = ("--uri", address(kind, tmp_path), "--collection", f"switch_{uuid.uuid4().hex[:8]}")
    run("load-movies", "--model", live, *where)
    knobs = ("--epochs", "1", "--set", "dimension=4", "--data", str(SAMPLE))
    commands = (
        ("train", *knobs, "--model", str(beside)),
        ("load-movies", "--model", str(beside), "--switch", str(live), *where),
    )
    seen: list[str] = []
    for command in commands:
        process = started(*command, cwd=tmp_path)
        while process.poll() is None:
            answer = json.loads(run(*ASK, "--model", live, *where).stdout)
            assert len(answer["recommendations"]) == 5
            seen.append(answer["model"])
        assert process.returncode == 0, process.communicate()
    seen.append(json.loads(run(*ASK, "--model", live, *where).stdout)["model"])
    old, new = load_model(trained.model).fingerprint, load_model(beside).fingerprint
    assert len(seen) > 5
    switch = seen.index(new)
    assert seen == [old] * switch + [new] * (len(seen) - switch)

"""From one model to the next without a moment in which a query fails."""

import json
import shutil
import uuid

import numpy as np
import pytest
from command_line import SAMPLE, started
from milvus_cluster import address

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


def test_the_model_before_answers_until_the_next_takes_its_place(run, own_model, next_model):
    live, uri = own_model, own_model.with_name("a.db")
    run("load-movies", "--model", live, "--uri", uri)
    before = run(*ASK, "--model", live, "--uri", uri)
    old, new = (load_model(folder).fingerprint for folder in (live, next_model))
    run("load-movies", "--model", next_model, "--uri", uri)
    done = run(*ASK, "--model", live, "--uri", uri)
    assert done.stdout == before.stdout
    assert f"another model is published; this one, {old}, answers from what is kept" in done.stderr
    done = run("doctor", "--model", live, "--uri", uri, code=1)
    assert "the movies of another model are published" in done.stdout
    done = run("load-movies", "--model", next_model, "--switch", live, "--uri", uri)
    assert f"{live}: is the model {new} now" in done.stderr
    done = run(*ASK, "--model", live, "--uri", uri)
    assert json.loads(done.stdout)["model"] == new
    assert done.stdout == run(*ASK, "--model", next_model, "--uri", uri).stdout != before.stdout
    assert "another model" not in done.stderr
    run("doctor", "--model", live, "--uri", uri)


def test_rollback_brings_back_the_model_before_with_its_movies(run, own_model, next_model):
    live, where = own_model, ("--uri", own_model.with_name("a.db"))
    old, new = (load_model(folder).fingerprint for folder in (live, next_model))
    run("load-movies", "--model", live, *where)
    before = run(*ASK, "--model", live, *where)
    run("load-movies", "--model", next_model, "--switch", live, *where)
    assert load_model(f"{live}.previous").fingerprint == old
    done = run("load-movies", "--rollback", "--model", live, *where)
    assert f"{live}: is the model {old} again" in done.stderr
    assert f"model {old}" in done.stdout
    assert load_model(f"{live}.previous").fingerprint == new
    after = run(*ASK, "--model", live, *where)
    assert (after.stdout, after.stderr) == (before.stdout, before.stderr)
    run("doctor", "--model", live, *where)


def test_the_same_model_once_more_leaves_the_one_before_it(run, own_model, next_model):
    live, where = own_model, ("--uri", own_model.with_name("a.db"))
    old = load_model(live).fingerprint
    run("load-movies", "--model", live, *where)
    for _ in range(3):
        run("load-movies", "--model", next_model, "--switch", live, *where)
        assert load_model(f"{live}.previous").fingerprint == old
    for _ in range(2):
        done = run("load-movies", "--rollback", "--model", live, *where)
    assert f"{live}: is the model {old} again" in done.stderr
    run("doctor", "--model", live, *where)


def test_rollback_says_what_to_do_where_the_model_before_is_gone(run, own_model, next_model):
    where = ("--uri", own_model.with_name("a.db"))
    for folder in (own_model, next_model):
        run("load-movies", "--model", folder, *where)
    done = run("load-movies", "--rollback", "--model", next_model, *where)
    old = load_model(own_model).fingerprint
    assert f"is not the model {old} of this version: ask that one by --model" in done.stderr


def test_the_version_of_the_live_model_stays_until_the_switch_is_done(
    run, own_model, next_model, monkeypatch
):
    live, uri = own_model, ("--uri", own_model.with_name("a.db"))
    run("load-movies", "--model", live, *uri)
    before = run(*ASK, "--model", live, *uri)
    switch = ("load-movies", "--model", next_model, "--switch", live, *uri)
    with monkeypatch.context() as full:
        full.setattr(
            "shutil.copyfile", lambda *args, **more: (_ for _ in ()).throw(OSError(28, ""))
        )
        for _ in range(3):
            done = run(*switch, code=1)
            words = "cannot be written (No space left on device); free space or name another folder"
            assert done.stderr.splitlines()[-1].startswith(f"recsys: {live}: {words}: --switch")
            assert run(*ASK, "--model", live, *uri).stdout == before.stdout
    run(*switch)
    assert load_model(live).fingerprint == load_model(next_model).fingerprint


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


def test_a_damaged_model_is_not_published(run, own_model, tmp_path):
    for name in ("arrays/history/values.npy", "arrays/ease/ease.npy"):
        file = own_model / name
        whole = file.read_bytes()
        file.write_bytes(whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:])
        for command in (("load-movies",), ("load-movies", "--dry-run"), ("recommend", "-i")):
            uri = ("--uri", tmp_path / "a.db")
            done = run(*command, "--model", own_model, *uri, code=1)
            assert "does not match its digest" in done.stderr
        assert not (tmp_path / "a.db").exists()
        assert "does not match" in run("doctor", "--model", own_model, *uri, code=1).stdout
        file.write_bytes(whole)


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

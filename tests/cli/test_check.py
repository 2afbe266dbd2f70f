"""status and doctor: what there is, and what no longer fits together."""

import json

import pytest
from families import DAT, put

from recsys.serving.model_folder import ModelFolder

LIBRARIES = {"recsys", "paddlepaddle", "pymilvus", "milvus-lite", "numpy"}


@pytest.fixture
def another_model(run, tmp_path):
    data = tmp_path / "tiny"
    data.mkdir()
    put(data, DAT)
    model = tmp_path / "another"
    run("train", "--data", data, "--model", model, "--epochs", "1", "--validation", "0")
    return model


def status(run, *args) -> dict:
    return json.loads(run("status", "--json", *args).stdout)


def test_status_of_what_fits(run, folder):
    found = status(run)
    assert found["stale"] == []
    assert found["model"]["fingerprint"] == found["published"]["model"] == folder.fingerprint
    assert found["model"]["data"] == {"name": "sample", "ratings": 15610, "users": 308}
    assert set(found["model"]["validation"]) == {"ndcg@10", "rmse", "mae"}
    assert found["published"]["movies"] == 338
    assert found["published"]["collection"].startswith("recsys_movies_v")
    assert set(found["libraries"]) >= LIBRARIES


def test_status_in_lines(run, folder):
    text = run("status").stdout
    for part in (folder.fingerprint, "338", "recsys_movies", "rmse", "pymilvus", "sample"):
        assert part in text
    assert text.splitlines()[-1].split() == ["stale", "nothing"]


def test_movies_of_another_model_are_stale(run, another_model, folder):
    (line,) = status(run, "--model", another_model)["stale"]
    assert folder.fingerprint in line
    assert ModelFolder(another_model).fingerprint in line
    assert "recsys load-movies" in line


def test_no_model_and_nothing_published(run, tmp_path):
    found = status(run, "--model", tmp_path / "none", "--uri", tmp_path / "none.db")
    assert "recsys train" in found["model"]["error"]
    assert "recsys load-movies" in found["published"]["error"]
    assert len(found["stale"]) == 2
    assert list(tmp_path.iterdir()) == []  # looking makes nothing


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tables/user.npy", b"\0"),
        ("vocabulary.json", None),
        ("movies.json", b"[]"),
        ("config.json", b"{"),
        ("config.json", b'{"format": 1}'),
        ("config.json", b'{"format": 1, "fingerprint": "0123456789abcdef", "dimension": 16}'),
    ],
)
def test_a_damaged_model_is_stale(run, own_model, name, content):
    if content is None:
        (own_model / name).unlink()
    else:
        (own_model / name).write_bytes(content)
    found = status(run, "--model", own_model)
    assert "recsys train" in found["model"]["error"]
    assert found["stale"] == [found["model"]["error"]]


def test_doctor_finds_all_well(run):
    done = run("doctor", "--json")
    checks = json.loads(done.stdout)
    assert all(check["well"] for check in checks), checks
    assert len(checks) >= 4


def test_doctor_finds_what_is_wrong_and_exits_with_1(run, another_model, tmp_path):
    for wrong in (
        ("--model", tmp_path / "none"),
        ("--model", another_model),
        ("--uri", tmp_path / "no" / "such" / "folder.db"),
    ):
        done = run("doctor", *wrong, code=1)
        assert "WRONG" in done.stdout
        assert "recsys " in done.stdout or "--uri" in done.stdout
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("seeds", ["", "x", "1-", "0,,1", "-3"])
def test_evaluate_refuses_seeds_that_are_none(run, seeds):
    assert "--seeds" in run("evaluate", f"--seeds={seeds}", code=2).stderr

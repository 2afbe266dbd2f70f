"""doctor and evaluate: what there is, whether it fits together, and what they refuse."""

import json

from command_line import SAMPLE

from recsys.data.files import MARK
from recsys.serving.model_folder import FORMAT, load_model

LIBRARIES = {"recsys", "paddlepaddle", "pymilvus", "milvus-lite", "numpy", "scipy", "pyarrow"}


def doctor(run, *args, code=0):
    return json.loads(run("doctor", "--json", *args, code=code).stdout)


def test_all_is_well(run, folder):
    found = doctor(run, "--data", SAMPLE)
    assert found.pop("well") is True
    assert list(found) == ["libraries", "data", "model", "milvus", "published", "answers"]
    assert all(check["well"] for check in found.values()), found
    assert set(found["libraries"]["versions"]) >= LIBRARIES
    assert found["data"]["ratings"] == 15610
    model, published = found["model"], found["published"]
    assert model["fingerprint"] == published["model"] == folder.fingerprint
    assert model["data"] == {"name": "sample", "ratings": 15610, "users": 308}
    assert set(model["validation"]) == {"ndcg@10", "rmse", "mae"}
    assert (published["movies"], published["versions"]) == (338, 1)
    assert published["collection"].startswith("recsys_movies_v")
    assert found["milvus"]["uri"] == "recsys.db"
    lines = run("doctor", "--data", SAMPLE).stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [["ok", name] for name in found]
    for part in (folder.fingerprint, "338 movies", "recsys_movies", "rmse", "pymilvus"):
        assert any(part in line for line in lines)


def test_what_is_wrong_is_named_with_what_fixes_it(run, own_model, another_model, folder, tmp_path):
    left, none = own_model.with_name(f"{own_model.name}.tmp-0123abcd"), f"{tmp_path}/none"
    left.mkdir()
    line = ("doctor", "--model", own_model, "--uri", f"{none}.db")
    assert "left by" not in run(*line, code=1).stdout
    (left / MARK).touch()
    assert f"; left by a kill: {left}; the next train" in run(*line, code=1).stdout
    found = doctor(run, "--model", none, "--uri", f"{none}.db", code=1)
    assert f"recsys train --model {none}" in found["model"]["found"]
    assert f"recsys load-movies --model {none} --uri {none}.db" in found["milvus"]["found"]
    assert {*tmp_path.iterdir()} == {own_model, left}  # looking makes nothing
    found = doctor(run, "--model", another_model, code=1)
    published = found["published"]
    assert found["well"] is published["well"] is False
    assert published["model"] == folder.fingerprint  # what is there is shown all the same
    assert load_model(another_model).fingerprint in published["found"]
    assert published["found"].endswith(f"recsys load-movies --model {another_model}")
    assert "answers" not in found


def test_a_model_folder_of_another_version_is_named_as_such(run, own_model):
    config = json.loads((own_model / "config.json").read_text())
    again = f"train again: recsys train --model {own_model}"
    for form, remedy in ((3, again), (99, "upgrade recsys")):
        (own_model / "config.json").write_text(json.dumps({**config, "format": form}))
        for line in ("recommend --exact", "predict -u 1 -m 1", "load-movies"):
            done = run(*line.split(), "--model", own_model, code=1)
            cause = f"model of format {form}, this recsys reads format {FORMAT}"
            assert done.stderr.startswith(f"recsys: {own_model}: {cause}; {remedy}")

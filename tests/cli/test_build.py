"""train, preprocess and load-movies at the prompt, and what they refuse."""

import json
import re

import pytest
from command_line import EPOCHS, SAMPLE
from milvus_server import address

from recsys.serving.model_folder import DEFAULT, load_model

ASK = ("recommend", "--age", "1", "--gender", "F", "--job", "10")
QUICK = ("--epochs", "2", "--set", "dimension=4", "--validation", "0")


def test_train_and_load_movies_print_what_they_made(trained, folder):
    model, fingerprint, metrics = trained.train.stdout.rstrip("\n").split("\t")
    assert (model, fingerprint) == (DEFAULT, folder.fingerprint)
    number = r"\d+\.\d{4}"
    validation = f"ndcg@10 {number}, rmse {number}, mae {number}"
    assert re.fullmatch(validation, metrics)
    epochs = len((trained.model / "training_log.jsonl").read_text().splitlines())
    expected = [  # no terminal: an epoch is a line
        r".*15610 ratings of 338 movies by 308 users.*",
        r"EASE part: .*",
        *(
            rf"epoch {epoch} of {EPOCHS}: {validation}, retrieval loss {number}, "
            rf"rating loss {number}; \d+\.\d+ s"
            for epoch in range(1, epochs + 1)
        ),
        rf"best epoch: {folder.config['epoch']} of {epochs}, by ndcg@10 - rmse",
        *(rf"by {kind}: ndcg@10 {number} of .*; alone .*"
          for kind in ("history", "likes", "profile")),
        r".*held-out ratings, each user's latest.*",
    ]  # fmt: skip
    lines = trained.train.stderr.splitlines()
    assert len(lines) == len(expected)  # and nothing of Paddle's own
    for pattern, line in zip(expected, lines, strict=True):
        assert re.fullmatch(pattern, line)
    alias, collection, movies, model, _ = trained.load_movies.stdout.rstrip("\n").split("\t")
    assert (alias, movies, model) == ("recsys_movies", "338 movies", f"model {folder.fingerprint}")
    assert collection.startswith(f"recsys_movies_v{folder.fingerprint}_")


def test_preprocess_counts_what_the_model_never_saw_and_writes_over_nothing_it_reads(run, tmp_path):
    raw, link = tmp_path / "new.dat", tmp_path / "link.dat"
    line = "9001::Toy Xyzzy Qwerty (1995)::Drama|Western-Noir\n"
    raw.write_text(line)
    link.symlink_to(raw)
    done = run("preprocess", "-f", raw, "-o", tmp_path / "out.txt")
    assert "1 movies; unknown to the model: 2 words, 1 genres" in done.stderr
    assert done.stdout == f"{tmp_path}/out.txt\n"
    assert "0" in (tmp_path / "out.txt").read_text().split("::")[1].split(",")
    for output in (raw, link):
        done = run("preprocess", "-f", raw, "-o", output, code=2)
        assert f"{output} is what -f reads: name another by -o" in done.stderr
    done = run("recommend", "--exact", "--users", raw, "-o", raw, code=2)
    assert "is what --users reads" in done.stderr
    assert raw.read_text() == line


def test_train_and_load_movies_print_one_json_object(run, tiny, tmp_path):
    folder, uri = tmp_path / "a.model", ("--uri", tmp_path / "a.db")

    def printed(*command):
        return json.loads(run(*command, "--json").stdout)

    done = printed("train", "--data", tiny, "--model", folder, "--epochs", 1, *QUICK[2:])
    kept = {name: load_model(folder).config[name] for name in ("created", "epoch", "validation")}
    fingerprint = load_model(folder).fingerprint
    assert done == {"model": str(folder), "fingerprint": fingerprint, **kept}
    checked, first, second, back = (
        printed("load-movies", "--model", folder, *uri, *more)
        for more in (("--dry-run",), (), (), ("--rollback",))
    )
    count = len(load_model(folder).movies)
    assert checked == {"movies": count, "model": fingerprint, "index": "FLAT"}
    assert first.items() >= {"alias": "recsys_movies", **checked}.items()
    assert [*first] == ["alias", "collection", "movies", "model", "index", "when"]
    assert back == first != second


@pytest.mark.milvus_server
@pytest.mark.parametrize("kind", ["server", "cluster"])
def test_the_same_commands_serve_a_file_a_server_and_a_cluster(run, tmp_path, monkeypatch, kind):
    """Of what is printed only a version's random name differs."""
    fewer = tmp_path / "movies.dat"
    fewer.write_bytes((SAMPLE / "movies.dat").read_bytes().partition(b"\n")[2])

    def session(uri):
        monkeypatch.setenv("RECSYS_URI", uri)
        lines = [
            ("load-movies",),
            (*ASK, "--genre", "Comedy", "--year", "1990-1999", "--rank-by", "rating"),
            ("recommend", "--users", "all", "-k", "30", "--format", "csv"),
            ("similar", "toy story"),
            ("load-movies", "--replace", "-f", fewer),
            (*ASK, "-k", "337", "--format", "jsonl"),
            ("load-movies", "--index", "HNSW:ef=400"),
            ("recommend", "-u", "42", "--like", "toy story", "--format", "json"),
            ("load-movies", "--rollback"),
            (*ASK, "-k", "337"),
        ]
        done = [run(*line) for line in lines]
        checks = run("doctor", "--data", SAMPLE).stdout.splitlines()
        assert all(line.startswith("ok") for line in checks)
        return [re.sub(r"_v[0-9a-f]{16}_[0-9a-f]{8}", "", one.stdout) for one in done]

    assert session(address("lite", tmp_path)) == session(address(kind, tmp_path))


def test_vectors_and_lines_of_another_model_are_refused(trained, run, another_model):
    """A model trained again needs its movies published again, and the error says how."""
    done = run(*ASK, "--model", another_model, code=1)
    assert f"recsys load-movies --model {another_model}" in done.stderr
    assert load_model(another_model).fingerprint in done.stderr
    assert done.stdout == ""
    done = run("load", "-f", "movies_data.txt", "--model", another_model, "--dry-run", code=1)
    assert "encode the movies again: recsys preprocess -f FILE --model" in done.stderr


def test_damaged_input_is_one_line_and_leaves_the_old_model(run, tiny, own_model):
    def files():
        return sorted((file, file.stat().st_mtime_ns) for file in own_model.rglob("*"))

    before, ratings = files(), tiny / "ratings.dat"
    below_the_scale = ratings.read_bytes().replace(b"::7::2::", b"::7::0::")
    for damage in (lambda: ratings.write_bytes(below_the_scale), ratings.unlink, ratings.mkdir):
        damage()
        done = run("train", "--data", tiny, "--model", own_model, *QUICK, code=1)
        assert done.stdout == ""
        (line,) = done.stderr.splitlines()
        assert str(tiny) in line
        assert files() == before


def test_resume_with_other_options_is_refused(run, tiny, tmp_path, monkeypatch):
    model = tmp_path / "m"
    ask = ("train", "--data", tiny, "--model", model, *QUICK)

    def killed(*_):
        raise SystemExit(9)

    with monkeypatch.context() as patch:
        patch.setattr("recsys.train.save", killed)
        run(*ask, code=9)
    done = run(*ask, "--resume", "--seed", "1", code=1)
    assert "other ratings or options" in done.stderr
    done = run(*ask, "--resume")
    assert f"resuming: {model}.checkpoint.npz has 2 of 2 epochs, the best is 2" in done.stderr
    assert "epoch 1" not in done.stderr

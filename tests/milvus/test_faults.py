"""What can happen to a Milvus Lite file and to a process that writes it, done to them for real."""

import json
import os
import resource
import shutil
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
from command_line import refused
from movie_store import MODEL, OTHER, elsewhere, movies, processes, publish_and_die, unit

from recsys.errors import StoreError
from recsys.milvus.address import MilvusAddress
from recsys.milvus_store import MilvusStore

OLD, NEW = movies(60, seed=0), movies(300, seed=1)
QUERIES = unit(np.random.default_rng(3).normal(size=(2, 16)))
STEPS = ("create_collection", "insert", "flush", "create_index", "rename_collection")
STEPS += ("alter_alias", "drop_collection")


def look(path, report):
    """What a later process finds, and whether its publish leaves the place tidy."""
    with MilvusStore(path) as store:
        model = store.open(None).model
        catalogue = {MODEL: OLD, OTHER: NEW}[model]
        right = store.search(QUERIES, 20).movie_ids == catalogue.search(QUERIES, 20).movie_ids
        store.publish(NEW, OTHER)
        found = {
            "model": model,
            "right": bool(right.all()),
            "collections": len(store._milvus.client.list_collections()),
            "versions": len(store.versions()),
        }
    Path(report).write_text(json.dumps(found))


@pytest.mark.slow
@pytest.mark.parametrize("during", [False, True], ids=["before", "during"])
def test_a_publish_killed_at_any_step_changes_nothing_or_everything(tmp_path, during):
    first = tmp_path / "first.db"
    with MilvusStore(str(first)) as store:
        store.publish(movies(60, seed=8), MODEL)
        store.publish(OLD, MODEL)
    for step in STEPS:
        path, report = tmp_path / f"{step}.db", tmp_path / f"{step}.json"
        shutil.copytree(first, path)
        assert elsewhere(publish_and_die, str(path), step, 0.002 * during) == -signal.SIGKILL, step
        assert elsewhere(look, str(path), str(report)) == 0, step
        found = json.loads(report.read_text())
        moved = step == "drop_collection"
        if not (during and step == "alter_alias"):  # there it is one or the other
            assert found["model"] == (OTHER if moved else MODEL), step
        assert found["right"], step
        assert found["collections"] == found["versions"] == 2, step


def hold(path, ready, done):
    with MilvusStore(path):
        ready.set()
        done.wait(60)


def test_one_process_at_a_time_has_the_database_until_it_closes_its_last_store(tmp_path):
    path = str(tmp_path / "movies.db")
    first, second = MilvusStore(path), MilvusStore(path)
    first.publish(OLD, MODEL)
    first.close()
    assert second.open(MODEL).count == 60
    second.close()
    with pytest.raises(StoreError, match="the connection is closed"):
        second.versions()
    ready, done = processes.Event(), processes.Event()
    process = processes.Process(target=hold, args=(path, ready, done))
    process.start()
    try:
        assert ready.wait(30)
        with pytest.raises(StoreError, match=r"another process has this database open.*wait"):
            MilvusStore(MilvusAddress(path, timeout=0.3))
        threading.Timer(0.3, done.set).start()
        MilvusStore(path).close()  # waits
    finally:
        done.set()
        process.join(30)
    assert process.exitcode == 0


def on_a_small_disk(path, report):
    """Publish more than fits where no file may be larger than 1 MB."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with MilvusStore(path) as store:
        store.publish(OLD, MODEL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
        try:
            store.publish(movies(20_000, seed=1), OTHER)
        except StoreError as error:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            Path(report).write_text(str(error))
    with MilvusStore(path) as store:
        assert store.open(MODEL).count == 60
        found = store.search(QUERIES, 20).movie_ids.tolist()
        assert found == OLD.search(QUERIES, 20).movie_ids.tolist()
        store.publish(NEW, OTHER)
        assert len(store.versions()) == len(store._milvus.client.list_collections()) == 2


@pytest.mark.slow
def test_a_full_disk(tmp_path):
    report = tmp_path / "report"
    assert elsewhere(on_a_small_disk, str(tmp_path / "movies.db"), str(report)) == 0
    message = report.read_text()
    assert "the disk is full" in message
    assert "\n" not in message


def test_a_folder_that_may_not_be_written(tmp_path, monkeypatch):
    (tmp_path / "old.db").mkdir()
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    for file in ["new.db", "old.db"]:
        with pytest.raises(StoreError, match="may not be written; use another address"):
            MilvusStore(str(tmp_path / file))


@pytest.mark.parametrize(
    ("pattern", "damage", "words"),
    [
        ("**/*.parquet", "junk", "the database is damaged.*move it away"),
        ("**/*.parquet", "half", "the database is damaged"),
        ("**/*.parquet", "gone", "should hold 60 movies, Milvus counts 0; publish the movies"),
        ("**/manifest.json*", "junk", "the database is damaged"),
        ("**/manifest.json*", "gone", "should hold 60 movies, Milvus counts 0"),
        ("**/schema.json", "junk", "the database is damaged"),
        ("**/schema.json", "gone", "publish the movies"),
        ("aliases.json", "junk", "the database is damaged"),
        ("aliases.json", "gone", "no movies are published.*publish the movies"),
    ],
)
def test_a_damaged_database(tmp_path, pattern, damage, words):
    path = tmp_path / "movies.db"
    with MilvusStore(str(path)) as store:
        store.publish(OLD, MODEL)
    files = list(path.glob(pattern))
    assert files
    for file in files:
        content = file.read_bytes()
        if damage == "gone":
            file.unlink()
        else:
            file.write_bytes(b"junk" * 10 if damage == "junk" else content[: len(content) // 2])
    with MilvusStore(str(path)) as store:
        with refused(StoreError, words):
            store.open(MODEL)
        if "publish the movies" in words:  # then that must help
            store.publish(NEW, OTHER)
            assert store.open(OTHER).count == 300

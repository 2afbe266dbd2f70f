"""recommend --users in parts: by shards, and into a folder where a run that was killed goes on."""

import json
import os
import signal
import time

import pyarrow.dataset
import pytest
from command_line import started

from recsys.cli import output
from recsys.data.files import leftovers

ASK = ("recommend", "--users", "all", "--exact", "-k", 3)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Files of a hundred users, of which the sample has 308."""
    monkeypatch.setattr(output, "USERS_AT_ONCE", 100)


def contents(folder):
    return {each.name.partition("-")[2]: each.read_bytes() for each in sorted(folder.glob("[!.]*"))}


def test_the_shards_together_are_the_whole(run, tmp_path):
    whole = run(*ASK).stdout
    for parts in (1, 3, 8):
        shards = [run(*ASK, "--shard", f"{n + 1}/{parts}").stdout for n in range(parts)]
        assert "".join(shards) == whole
    (tmp_path / "ids").write_text("7\n3\n")
    few = [run(*ASK[:2], tmp_path / "ids", "--exact", "--shard", f"{n}/2").stdout for n in (1, 2)]
    assert [json.loads(line)["user_id"] for line in "".join(few).splitlines()] == [7, 3]
    for form in ("jsonl", "csv", "parquet"):
        together, alone = tmp_path / f"together-{form}", tmp_path / f"alone-{form}"
        for n in (3, 1, 2):
            run(*ASK, "--shard", f"{n}/3", "--format", form, "-o", f"{together}/")
        run(*ASK, "--format", form, "-o", f"{alone}/")
        assert [*contents(alone)] == [f"000000{n}00.{form}" for n in range(4)]
        if form == "jsonl":
            assert b"".join(contents(together).values()).decode() == whole
            assert b"".join(contents(alone).values()).decode() == whole
        if form == "parquet":
            read = pyarrow.dataset.dataset(together).to_table().sort_by("user_id")
            assert len(read) == 3 * 308


def test_a_run_goes_on_with_what_is_not_there(run, tmp_path):
    folder = tmp_path / "answers"
    run(*ASK, "-o", f"{folder}/")
    right, files = contents(folder), sorted(folder.iterdir())
    files[1].unlink()
    (folder / ".hidden").touch()
    kept = files[0].stat().st_mtime_ns
    again = run(*ASK, "-o", f"{folder}/")
    assert "3 of 4 files are there already" in again.stderr
    assert contents(folder) == right
    assert files[0].stat().st_mtime_ns == kept
    others = ("--max-per", "genre=1"), ("--genre", "drama"), ("--include-seen",), ("--shard", "1/2")
    for other in others:
        refused = run(*ASK, *other, "-o", f"{folder}/", code=1)
        assert "holds what is not of this question, model and list" in refused.stderr
        assert refused.stderr.count("\n") == 1
    assert contents(folder) == right


def test_what_does_not_go_together_is_refused(run, tmp_path):
    (tmp_path / "asked").write_text('{"id": 7}\n')
    lines = ("recommend", "--users", tmp_path / "asked", "--exact")
    for wrong, words in [
        (("recommend", "-u", 7, "--shard", "1/2"), "--shard is for --users"),
        (("recommend", "-u", 7, "-o", f"{tmp_path}/"), "is a folder, for --users"),
        ((*lines, "--shard", "1/2"), "are for user ids, not for JSON lines"),
        ((*lines, "-o", f"{tmp_path}/"), "are for user ids, not for JSON lines"),
        ((*ASK, "--shard", "0/2"), "'0/2' is not a part of so many, as 3/8"),
        ((*ASK, "--shard", "3/2"), "is not a part"),
        ((*ASK, "--shard", "1/2/3"), "is not a part"),
    ]:
        assert words in run(*wrong, code=2).stderr
    (tmp_path / "file").touch()
    assert "cannot be written" in run(*ASK, "-o", f"{tmp_path}/file/", code=1).stderr


@pytest.mark.slow  # a process is killed
def test_a_run_that_was_killed_goes_on(run, apart, tmp_path):
    users = tmp_path / "users"
    users.write_text("".join(f"{n % 308 + 1}\n" for n in range(40_000)))
    folder = tmp_path / "answers"
    ask = ("recommend", "--users", str(users), "--exact", "-o", f"{folder}/")
    process = started(*ask, cwd=apart)
    while not (folder.exists() and len([*folder.glob("*.jsonl")]) > 2):
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert 2 < len([*folder.glob("*.jsonl")]) < 40
    assert started(*ask, cwd=apart).wait(300) == 0
    answers = [json.loads(line) for text in contents(folder).values() for line in text.splitlines()]
    assert [each["user_id"] for each in answers] == [n % 308 + 1 for n in range(40_000)]
    assert not [left for each in folder.iterdir() for left in leftovers(each)]

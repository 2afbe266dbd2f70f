"""Command lines that make no sense, of every command: one line on stderr that says what to do."""

import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from command_line import SAMPLE

NOWHERE = "--uri http://127.0.0.1:1 --timeout 0.3"
# By exit code. Words in capitals are places that `place` makes; what has no --uri needs none.
ODD = {
    2: [
        *("recommend -k 0", "recommend -k -1", "recommend -k 1.5", "recommend -k ٣"),
        *("recommend -k ''", "recommend -u ''", "recommend -u -1", "recommend -u 1.0"),
        *("recommend -u ٣", "recommend -u 1e3", "recommend -u nan"),
        *("recommend -u 9223372036854775808", "recommend -a 0", "recommend -a 121"),
        *("recommend -a nan", "recommend -a ''", "recommend -g ''", "recommend -g X"),
        *("recommend -j ''", "recommend -j 99", "recommend -j ²", "recommend -j student"),
        *("recommend --like '' --exact", "recommend --like '!!!' --exact"),
        *("recommend --like id: --exact", "recommend --like id:x --exact"),
        *("recommend --like 🎬 --exact", "recommend --dislike '(1995)' --exact"),
        *("recommend --genre '' --exact", "recommend --genre 'Drama|Comedy' --exact"),
        *("recommend --year ''", "recommend --year -5", "recommend --year 1990-"),
        *("recommend --year 1990-1999-2000", "recommend --year ٣", "recommend --year 99999"),
        *("recommend --where '' --exact", "recommend --where 'year >' --exact"),
        *("recommend --where 'title == 5' --exact", "recommend --where 'x == 5' --exact"),
        *("recommend --where 'year == 1e400' --exact", "recommend --as-of ''"),
        *("recommend --as-of tomorrow", "recommend --as-of ٣", "recommend --user-attribute x"),
        *("recommend --user-attribute =x", "recommend --user-attribute x="),
        *("recommend --users all -u 1", "recommend --users ''", "recommend -o ''"),
        *("recommend --users all --format table", "recommend --format parquet"),
        *("recommend --uri ''", "recommend --uri x", "recommend --uri http://"),
        *("recommend --uri http://h:99999", "recommend --uri file:///x.db"),
        *("recommend --timeout 0", "recommend --timeout nan", "recommend --collection ''"),
        *("recommend --consistency x", "recommend --rank-by x", "recommend --format ''"),
        *("recommend --model ''", "recommend --nonsense", "recommend extra", "recommend -u"),
        *("recommend -i --exact", "evaluate --likes 5", "evaluate --protocol similar --likes 5"),
        "evaluate --protocol similar --baselines all",
        *("similar", "similar '' --exact", "similar a b", "similar the --exact", "similar -1"),
        *("similar 'toy story (9999)' --exact", "similar 'toy story' --format parquet"),
        *("predict -u 1", "predict -m 1", "predict -u 1 -m 1 --pairs x", "predict --pairs ''"),
        *("predict -u '' -m 1", "predict -u 1 -m ''", "predict --as-of x -u 1 -m 1"),
        *("preprocess", "preprocess -f ''", "preprocess -f SAMPLE/movies.dat -o ''"),
        *("load-movies --rollback -f x", "load-movies --rollback --index HNSW --dry-run"),
        *("load-movies -f ''", "load-movies --keep -1", "load-movies --keep 101"),
        *("load-movies --shards 0", "load-movies --replicas 0", "load-movies --index :"),
        *("load-movies --index FLAT:x=1", "load-movies --index HNSW:M=", "load-movies --uri DIR"),
        *("load-movies --index DISKANN", "load-movies --switch ''"),
        *("train --data ''", "train --model ''", "train --epochs 0", "train --epochs 1e3"),
        *("train --validation -1", "train --validation inf", "train --validation ٠.١"),
        *("train --seed 4294967296", "train --liked-from nan", "train --repeats x"),
        *("train --column a=b", "train --column =number", "train --data SAMPLE --liked-from 99"),
        *("train --data SAMPLE --column a=number", "train --data SAMPLE --device gpu:99"),
        *("train --data SAMPLE --device ''", "train extra", "inspect", "inspect ''"),
        *("inspect a b", "evaluate --protocol x", "evaluate --likes 0", "evaluate --seeds 1,x"),
        *("evaluate --data SAMPLE --baselines x --no-index", "evaluate --uri nonsense"),
        *("evaluate --data SAMPLE --baselines '' --no-index", "doctor extra", "doctor --uri x"),
        *("load-movies --index HNSW:M=1", "load-movies --index HNSW:M=DIGITS"),
        "load-movies --index LONG",
        *(f"evaluate --data SAMPLE --seeds={each}" for each in (
            "''", "x", "1-", "0,,1", "-3", "٣", "3-1", "0-99999999", "DIGITS")),
        *("train --data SAMPLE --set dimension=DIGITS", "train --set temperature"),
        *(f"train --data SAMPLE --validation {each}" for each in ("1", "nan", "-0.1")),
        *(f"train --data SAMPLE --seed {each}" for each in ("-1", "٣", "DIGITS")),
        *("train --epochs x", "train --data SAMPLE --device toaster"),
        *(f"recommend {each}" for each in (
            "-k 1000000000", "-k DIGITS", "-u DIGITS", "-u 99999", "--year 3000000000",
            "--year DIGITS", "--format DIGITS", "--uri ftp://x", "--collection 'a b'", "--LONG")),
        *(f"recommend --exact --like {each}" for each in (
            "DIGITS", "LONG", "'no such movie'", "'lord of the rings'")),
        *("recommend --exact --genre LONG", "LONG", "similar DIGITS", "predict -u 1 -m DIGITS"),
        *("predict -u 1 -m 9999", "predict -u 99999 -m 1"),
        *("download x", "download --from ''", "download --to ''", "nonsense", "--nonsense", "''"),
    ],
    1: [
        *(f"recommend --users {n} --exact" for n in ("NONE", "DIR", "NUL", "UTF16", "LOOP")),
        *(f"predict --pairs {n}" for n in ("NONE", "DIR", "NUL", "UTF16", "LOOP", "SWAPPED")),
        *(f"preprocess -f {n}" for n in ("NONE", "DIR", "EMPTY", "NUL", "LOOP", "/dev/null")),
        *(f"load-movies --uri NONE.db -f {n}" for n in ("NONE", "DIR", "EMPTY", "NUL", "LOOP")),
        *(f"recommend --exact -o {n}" for n in ("DIR", "DIR/", "FILE/x", "NONE/x", "LOOP", "/")),
        *(f"similar 'toy story' --exact -o {n}" for n in ("DIR", "/proc/x", "LOOP", ".")),
        *(f"preprocess -f SAMPLE/movies.dat -o {n}" for n in ("DIR", "/proc/x", "LOOP")),
        *(f"recommend --model {n}" for n in ("NONE", "DIR", "FILE", "FIFO", "LOOP", "/dev/null")),
        *(f"train --data {n}" for n in ("NONE", "DIR", "EMPTY", "FIFO", "LOOP", "/dev/null")),
        *(f"inspect {n}" for n in ("NONE", "DIR", "EMPTY", "NUL", "FIFO", "LOOP")),
        *(f"train --data SAMPLE --model {n}" for n in ("FILE", "FILE/x", "LOOP", ".", "/proc/x")),
        *(f"load-movies --uri NONE.db --switch {n}" for n in ("FILE", "LOOP", "/dev/null")),
        *(f"load-movies --uri {n}/x.db --timeout .5" for n in ("NONE", "FILE", "/proc")),
        *(f"download --from {n}" for n in ("NONE", "DIR", "EMPTY", "FILE", "LOOP")),
        *(f"{each} {NOWHERE}" for each in ("recommend", "similar x", "load-movies")),
        *("load-movies --rollback --uri NONE.db", "load-movies -f NONE --uri NONE.db"),
        *("recommend --uri FILE.db", "recommend --ca NONE --uri https://127.0.0.1:1"),
        *("train --data SAMPLE --items FILE", "train --data SAMPLE --user-column x"),
        *("evaluate --data NONE", "evaluate --data SAMPLE --uri NONE/x.db"),
        *(f"{each} LONG" for each in (
            "recommend --exact --users", "predict --pairs", "recommend --exact -o", "train --data",
            "recommend --model", "load-movies --uri NONE.db -f")),
    ],
}  # fmt: skip
PYTHON = re.compile(r"Traceback|\w(Error|Exception)\b|Errno|\[Errno|<class|object at|NoneType|re\.")


def odd_place(folder: Path) -> Path:
    """What the lines name in capitals, in a folder."""
    (folder / "DIR").mkdir()
    (folder / "LOOP").symlink_to("LOOP")
    os.mkfifo(folder / "FIFO")
    for name, content in {
        "FILE": b"1\n",
        "FILE.db": b"x",
        "EMPTY": b"",
        "NUL": bytes(100),
        "UTF16": "1\n2\n".encode("utf-16"),
        "SWAPPED": b"movie_id,user_id\n1,2\n",
    }.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return odd_place(tmp_path_factory.mktemp("odd"))


@pytest.mark.parametrize(
    ("code", "line"), [(code, line) for code, lines in ODD.items() for line in lines]
)
def test_an_odd_line_is_refused_in_one_line(run, place, monkeypatch, trained, code, line):
    monkeypatch.setenv("RECSYS_MODEL", str(trained.model))
    monkeypatch.setenv("RECSYS_URI", str(trained.place / "recsys.db"))
    monkeypatch.setattr("recsys.data.download.any_dataset", refused)
    monkeypatch.chdir(place)
    before = sorted(os.listdir(place))
    for word, value in (("SAMPLE", str(SAMPLE)), ("DIGITS", "9" * 5000), ("LONG", "x" * 5000)):
        line = line.replace(word, value)
    done = run(*shlex.split(line), code=code)
    assert not done.stdout
    assert not PYTHON.search(done.stderr), done.stderr
    *_, last = lines = done.stderr.splitlines()
    errors = [each for each in lines if each.startswith("recsys: ")]
    assert errors == [last] or "bad lines" in last, done.stderr
    assert len(last) < 700
    assert "99" * 45 not in last
    assert "x" * 81 not in last
    assert set(os.listdir(place)) - set(before) <= {"NONE.db", "data"}
    assert (place / "LOOP").is_symlink()


def refused(*_):
    pytest.fail("the odd value was passed over: data would be fetched")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has it")
@pytest.mark.parametrize(
    "line",
    [
        *(f"recommend --exact --format {each}" for each in ("table", "csv", "json", "parquet")),
        f"preprocess -f {SAMPLE}/movies.dat",
    ],
)
def test_a_full_disk_is_one_line(run, line):
    assert run(*line.split(), "-o", "/dev/full", code=1).stderr.splitlines()[-1] == (
        "recsys: /dev/full: cannot be written (No space left on device); free space or name "
        "another file: --output"
    )


def test_a_byte_order_mark_is_no_part_of_an_id(run, tmp_path):
    (tmp_path / "ids").write_bytes(b"\xef\xbb\xbf1\r\n2\r\n")
    (tmp_path / "pairs").write_bytes(b"\xef\xbb\xbfuser_id,movie_id\r\n1,2\r\n")
    done = run("recommend", "--users", tmp_path / "ids", "--exact", "-k", "1")
    assert [line[:14] for line in done.stdout.splitlines()] == ['{"user_id": 1,', '{"user_id": 2,']
    done = run("predict", "--pairs", tmp_path / "pairs")
    assert np.isfinite(float(done.stdout.splitlines()[1].removeprefix("1,2,")))

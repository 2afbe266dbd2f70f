"""Command lines that make no sense, of every command: one line on stderr that says what to do."""

import os
import re
import shlex

import pytest
from command_line import SAMPLE

NOWHERE = "--uri http://127.0.0.1:1 --timeout 0.3"
# By exit code. Words in capitals are places that `place` makes; what has no --uri needs none.
ODD = {
    2: [
        *(f"recommend {each}" for each in (
            "-k 0", "-k 1.5", "-k ٣", "-k ''", "-k DIGITS", "-u", "-u ''", "-u -1", "-u 1e3",
            "-u 9223372036854775808", "-u DIGITS", "-u 99999", "-a nan", "-g ''", "-j ²",
            "-u 1 -u 2", "--year ''", "--year -", "--year 10s", "--year ٣", "--year 1990-1999-2000",
            "--year DIGITS", "--as-of ''", "--as-of tomorrow", "--as-of 12345",
            "--as-of 880000000000", "--user-attribute =x", "--user-attribute x=",
            "--users all -u 1", "--users ''", "-o ''", "--users all --format table",
            "--format parquet", "--format DIGITS", "--uri ''", "--uri x", "--uri http://",
            "--uri http://h:99999", "--uri file:///x.db", "--timeout 0", "--timeout nan",
            "--collection 'a b'", "--consistency x", "--rank-by x", "--model ''", "--nonsense",
            "--LONG", "extra", "-i --exact", "--db \u202edesrever")),
        *(f"recommend --exact {each}" for each in (
            "--like ''", "--like '!!!'", "--like id:", "--like 🎬", "--like DIGITS", "--like LONG",
            "--like 'no such movie'", "--like 'lord of the rings'", "--dislike '(1995)'",
            "--rank-by taste -u 1 --as-of 1990", "--users all -o x.json", "-o DIR/", "-o /",
            "--users all --explain -o x.csv", "--genre ''", "--genre 'Drama|Comedi'",
            "--genre LONG", "--where 'year == 1e400'", "--where 'year >'", "--where 'title == 5'")),
        *("similar", "similar '' --exact", "similar a b", "similar the --exact", "similar DIGITS"),
        *("similar 'toy story (9999)' --exact", "similar 'toy story' --format parquet"),
        *("predict -u 1", "predict -m 1", "predict -u 1 -m 1 --pairs x", "predict --pairs ''"),
        *("predict -u '' -m 1", "predict -u 1 -m ''", "predict -u 0 -m 1", "predict --rank-by x"),
        *("preprocess", "preprocess -f ''", "preprocess -f SAMPLE/movies.dat -o ''"),
        *(f"load-movies {each}" for each in (
            "--rollback -f x", "--rollback --index HNSW --dry-run", "-f ''", "--keep 101",
            "--index :", "--index FLAT:x=1", "--index HNSW:M=", "--index HNSW:M=DIGITS",
            "--index LONG", "--uri DIR", "--switch ''")),
        *(f"train {each}" for each in (
            "--data ''", "--model ''", "--epochs 1e3", "--validation 1", "--validation inf",
            "--validation ٠.١", "--seed -1", "--seed 4294967296", "--liked-from nan", "--repeats x",
            "--column a=b", "--column =number", "--set temperature", "--set dimension=DIGITS",
            "--set dimension=1 --set dimension=2", "extra")),
        *(f"train --data SAMPLE {each}" for each in (
            "--liked-from 99", "--column a=number", "--device gpu:99", "--device toaster")),
        *(f"evaluate {each}" for each in (
            "--protocol x", "--likes 0", "--likes 5", "--protocol similar",
            "--uri nonsense", "--data SAMPLE --baselines x --no-index")),
        *(f"evaluate --seeds={each}" for each in ("''", "x", "1-", "0,,1", "-3", "3-1", "DIGITS")),
        *("inspect", "inspect ''", "inspect a b", "doctor extra", "doctor --uri x", "download x"),
        *("doctor --db é", "download --from ''", "nonsense", "--nonsense", "LONG", "''"),
    ],
    1: [
        *(f"recommend --users {n} --exact" for n in ("NONE", "DIR", "NUL", "LOOP", "/dev/zero")),
        *(f"predict --pairs {n}" for n in ("NONE", "UTF16", "LOOP", "OTHERS", "LONG")),
        *(f"preprocess -f {n}" for n in ("NONE", "DIR", "EMPTY", "NUL", "/dev/null", "/dev/zero")),
        *(f"load-movies --uri NONE.db -f {n}" for n in ("NONE", "DIR", "NUL", "LONG")),
        *(f"recommend --exact -o {n}" for n in ("DIR", "FILE/x", "NONE/x", "LOOP", "LONG")),
        *(f"preprocess -f SAMPLE/movies.dat -o {n}" for n in ("DIR", "/proc/x", "LOOP")),
        *(f"recommend --model {n}" for n in ("NONE", "DIR", "FILE", "FIFO", "LOOP", "LONG")),
        *(f"train --data {n}" for n in ("NONE", "DIR", "FIFO", "LOOP", "/dev/null", "LONG")),
        *(f"inspect {n}" for n in ("EMPTY", "NUL")),
        *(f"train --data SAMPLE --model {n}" for n in ("FILE", "FILE/x", "LOOP", ".", "/proc/x")),
        *(f"load-movies --uri NONE.db --switch {n}" for n in ("FILE", "LOOP", "/dev/null")),
        *(f"load-movies --uri {n}/x.db --timeout .5" for n in ("NONE", "FILE", "/proc")),
        *(f"download --from {n}" for n in ("NONE", "DIR", "EMPTY", "FILE")),
        *(f"{each} {NOWHERE}" for each in ("recommend", "similar 1", "load-movies")),
        *("load-movies --rollback --uri NONE.db", "recommend --uri FILE.db"),
        *("recommend --ca NONE --uri https://127.0.0.1:1", "train --data SAMPLE --items FILE"),
        *("train --data SAMPLE --user-column x", "evaluate --data SAMPLE --uri NONE/x.db"),
    ],
}  # fmt: skip
PYTHON = re.compile(r"Traceback|\w(Error|Exception)\b|Errno|\[Errno|<class|object at|NoneType|re\.")


def odd_place(folder):
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
        "OTHERS": b"when,user_id\n1,2\n",
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

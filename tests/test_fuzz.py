"""Odd command lines, damaged model folders, kills: nothing raw, nothing lost, nothing that hangs.

    FUZZ=20 pytest tests/test_fuzz.py -m slow -k lines    # twenty times as many as without FUZZ

A line may replace what it names and nothing else. What broke is shown with the seed and the line
that does it again.
"""

import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from command_line import SAMPLE, here, inside, started

from recsys.__main__ import cli

SECONDS = 10  # that a command may take
MODEL, DAMAGED = "recommender_system.inference.model", "damaged.model"
RAW = re.compile(r"Traceback|\b\w+(Error|Exception|Warning):|Errno|object at 0x|<class |NoneType")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u202e]")
ODD = (
    *("", " ", "-", "--", "0", "-1", "1e400", "nan", "٣", "9" * 40, "x" * 3000, "é", "'", '"'),
    *("a\nb", "\x1b[31mred", "\u202edesrever", "\ud83d", "a=b", "=", "=x", "%s", "{}", "$(date)"),
    *("../x", "nowhere/x", "/proc/x", "notes.txt", "folder", "*", ",", ";", "1,2", "None", "null"),
    *("user:pass@host", "http://root:secret@127.0.0.1:1", "==SUM(A1)", "<script>", "0x10", "1_000"),
)
GOOD = {
    "data": ["data", "data/ratings.dat", "ratings.csv"],
    "items": ["data/movies.dat"],
    "model": [MODEL],
    "uri": ["recsys.db", "http://127.0.0.1:1"],
    "timeout": ["0.2"],
    "user": ["1", "42", "7"],
    "users": ["all", "ids.txt", "ids.csv"],
    "pairs": ["pairs.csv"],
    "like": ["toy story", "50", "heat"],
    "dislike": ["jumanji", "100"],
    "genre": ["Comedy", "Drama"],
    "year": ["1990-1999", "1994"],
    "where": ["year > 1990", "title like 'T%'", "not (year in [1994])"],
    "age": ["25", "1"],
    "gender": ["F", "M"],
    "job": ["10", "programmer"],
    "file": ["data/movies.dat", "raw.dat"],
    "output": ["out.csv", "out.txt"],
    "set": ["dimension=8", "temperature=0.2"],
    "protocol": ["random"],
    "index": ["FLAT", "HNSW:M=8"],
    "movie": ["50", "toy story"],
    "as_of": ["2001-03-01"],
    "switch": ["live", "folder"],
}
MINE = {  # files of somebody that no command may touch unless its line names them
    "notes.txt": "mine",
    "folder/config.json": '{"mine": true}',
    "folder/thesis.tex": "years of work",
    "live.previous/keep.txt": "mine",
    "out.csv.tmp-mine": "mine",
    f"{MODEL}.tmp-mine/keep.txt": "mine",
    "raw.dat": "1::Toy Story (1995)::Animation\n",
}
TEXTS = {
    "ids.txt": "1\n2\n3\n",
    "ids.csv": "userId,age\n1,2\n",
    "pairs.csv": "user_id,movie_id\n1,50\n2,100\n",
    "ratings.csv": "user,item,rating\n" + "".join(f"{i % 9},{i % 7},{i % 5}\n" for i in range(99)),
    "new.csv": "user_id,movie_id,rating,timestamp\n42,1,3,2000000000\n9999,50,5,2000000000\n",
}


def write(texts):
    for name, text in texts.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text, "utf-8")


class Hanging(BaseException):
    """A command that takes longer than SECONDS."""


def hangs(*_):
    raise Hanging


def broken(line):
    """What is wrong with how a command line ends: "" if nothing is."""
    signal.signal(signal.SIGALRM, hangs)
    signal.alarm(SECONDS)
    try:
        done = CliRunner(env={"COLUMNS": "120"}).invoke(cli, line)
    except Hanging:
        return f"took over {SECONDS} s"
    finally:
        signal.alarm(0)
    if done.exception and not isinstance(done.exception, SystemExit):
        return f"raised {done.exception!r}"
    errors = [each for each in done.stderr.split("\n") if each.startswith("recsys: ")]
    if done.exit_code not in (0, 1, 2, 3):
        return f"exit code {done.exit_code}"
    found = line[0] == "doctor" and done.exit_code == 1 and done.stdout  # its data
    one_line = errors and done.stderr.endswith(f"{errors[-1]}\n")
    unknown = done.exit_code == 3 or done.stderr.endswith("left out, as unknown\n")
    one_line = (one_line and (len(errors) == 1 or unknown)) or "bad lines: --skip" in done.stderr
    if done.exit_code and not found and not one_line:
        return f"exit code {done.exit_code} without one last line on stderr: {done.stderr[-300:]!r}"
    if raw := RAW.search(done.stderr) or CONTROL.search(done.stderr):
        return f"{raw[0]!r} in {done.stderr[:300]!r}"
    return "the password is shown" if "secret" in done.stderr + done.stdout else ""


def made_line(random):
    """A command with some of its options, whose values are good, odd, or another option's."""
    name = random.choice(list(cli.commands))
    command = cli.commands[name]
    line = [name]
    for option in random.sample(command.params, min(len(command.params), random.randint(0, 5))):
        others = random.choice(list(GOOD.values()))
        pool = GOOD.get(str(option.name), others)
        value = random.choice(random.choice([pool, pool, others, ODD]))
        if isinstance(option, click.Argument):
            line.append(value)
        elif option.is_flag:
            line += [option.opts[-1]] * (option.name not in ("debug", "contract"))
        else:
            choices = getattr(option.type, "choices", None)
            if choices and random.random() < 0.7:
                value = random.choice(list(choices))
            line += [random.choice(option.opts), str(value)]
    short = {"train": ["--epochs", "0"], "evaluate": ["--epochs", "0"], "download": ["x"]}
    return line + short.get(name, [])  # no downloads, no long trainings, no trials of a Milvus


def touched():
    """Somebody's own files that are no longer what they were."""
    return [
        name
        for name, text in MINE.items()
        if not Path(name).is_file() or Path(name).read_text("utf-8") != text
    ]


def try_lines(numbers):
    for number in numbers:
        line = made_line(random.Random(number))
        wrong, changed = broken(line), touched()
        unnamed = [n for n in changed if n.split("/")[0] not in line or n == "raw.dat"]
        if unnamed and not wrong:
            wrong = f"changed {', '.join(unnamed)}"
        for folder in {Path(name).parts[0] for name in changed}:
            shutil.rmtree(folder, ignore_errors=True)
        write(MINE if changed else {})
        yield shlex.join(line), wrong


HOW = ("cut", "bytes", "gone", "empty", "folder", "value", "value", "key")


def edited(data, random, gone):
    """JSON of which a value, at any depth, is another or gone."""
    tree = inner = json.loads(data)
    while True:
        key = random.choice(list(inner) if isinstance(inner, dict) else range(len(inner)))
        if not (isinstance(inner[key], dict | list) and inner[key]) or random.random() < 0.2:
            break
        inner = inner[key]
    if gone:
        del inner[key]
    elif isinstance(inner[key], int | float) and random.random() < 0.7:
        inner[key] = type(inner[key])(inner[key] * 20 + 1)  # of the right type, and wrong
    else:
        inner[key] = random.choice((None, -1, 10**30, "x", [], {}, [[1]], True, 1e308))
    return json.dumps(tree).encode()


def damaged(folder, random):
    """Do something bad to a file of a folder; what it was."""
    file = random.choice(sorted(path for path in folder.rglob("*") if path.is_file()))
    data, how = bytearray(file.read_bytes()), random.choice(HOW)
    if how == "cut":
        del data[random.randrange(max(1, len(data))) :]
    elif how == "bytes":
        for _ in range(random.choice((1, 100))):
            data[random.randrange(len(data))] = random.randrange(256)
    elif how == "empty":
        data[:] = bytes(random.choice((0, len(data))))
    elif how in ("value", "key") and file.suffix == ".json":
        data[:] = edited(bytes(data), random, how == "key")
    file.unlink()
    if how == "folder":
        file.mkdir()
    elif how != "gone":
        file.write_bytes(bytes(data))
    return f"{how} {file.relative_to(folder)}"


ASKED = "recommend -u 42 --exact --format csv", "predict -u 42 -m 50"


def answers(model):
    done = [CliRunner().invoke(cli, [*shlex.split(line), "--model", model]) for line in ASKED]
    return max(each.exit_code for each in done), "".join(each.stdout for each in done)


def try_folders(numbers):
    right = answers(MODEL)[1]
    for number in numbers:
        shutil.rmtree(DAMAGED, ignore_errors=True)
        shutil.copytree(MODEL, DAMAGED)
        what = damaged(Path(DAMAGED), random.Random(number))
        lines = [[*shlex.split(each), "--model", DAMAGED] for each in (*ASKED, "doctor")]
        wrong = next(filter(None, map(broken, lines)), "")
        code, printed = answers(DAMAGED)
        if not wrong and code == 0 and printed != right:
            healthy = CliRunner().invoke(cli, lines[-1]).exit_code == 0
            wrong = "answers otherwise, and doctor says that all is well" if healthy else ""
        yield f"seed {number}: {what}", wrong


TRAIN = "train --data data --epochs 1 --set dimension=8"
KILLED = (
    *("update --data new.csv", "forget -u 42", "load-movies --replace -f raw.dat"),
    f"{TRAIN} --seed 1",
)


@contextmanager
def copied():
    """Within a copy of the folder."""
    folder = Path.cwd().with_name("copy")
    shutil.copytree(Path.cwd(), folder)
    with inside(folder):
        yield
    shutil.rmtree(folder)


def everything():
    """What the model folder answers, and what Milvus does."""
    done = CliRunner().invoke(cli, shlex.split("recommend -u 7 --format csv"))
    return *answers(MODEL), done.exit_code, done.stdout


def ended(line, after=None):
    """How a command line ends, which is killed after so many seconds."""
    process = started(*shlex.split(line), cwd=Path())
    try:
        process.communicate(timeout=after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    return process.returncode


def try_kills(numbers):
    """Killed at any moment, later ones more often: all answers as before, or all as after it."""
    before, usual = everything(), {}
    for line in KILLED:
        with copied():
            began = time.monotonic()
            assert ended(line) == 0, line
            usual[line] = time.monotonic() - began, everything()
            assert usual[line][1] != before, line
    for number in numbers:
        chance, line = random.Random(number), KILLED[number % len(KILLED)]
        seconds, after = usual[line]
        moment = 1.1 * max(chance.random(), chance.random())
        with copied():
            ended(line, moment * seconds)
            found = everything()
            wrong = "" if found in (before, after) else f"answers otherwise: {found}"
            again = KILLED[0] if found == after else line
            if ended(again) or (again is line and everything() != after):
                wrong = wrong or f"then {again} does not work"
            wrong = wrong or ", ".join(touched())
        yield f"seed {number}: {line}, at {moment:.2f} of its time", wrong


KINDS = {"lines": try_lines, "folders": try_folders, "kills": try_kills}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A trained model, its published movies, and somebody's own files."""
    folder = tmp_path_factory.mktemp("fuzz")
    shutil.copytree(SAMPLE, folder / "data")
    with inside(folder):
        write(MINE | TEXTS)
        for line in (TRAIN, "load-movies"):
            here(*line.split())
    return folder


@pytest.mark.slow  # much is tried, and processes are killed
@pytest.mark.parametrize(("kind", "count"), [("lines", 100), ("folders", 40), ("kills", 12)])
def test_whatever_is_tried_holds(place, kind, count):
    with inside(place):
        tried = KINDS[kind](range(count * int(os.environ.get("FUZZ", "1"))))
        assert "\n".join(f"{what}: {wrong}" for what, wrong in tried if wrong) == ""

"""Odd command lines, damaged model folders and kills, by the hundred: what held and what broke.

    python tests/fuzz.py lines 2000 --place fuzz    # command lines made from the commands' options
    python tests/fuzz.py folders 500 --place fuzz   # a model folder damaged, and asked
    python tests/fuzz.py kills 100 --place fuzz     # publishes and trainings killed at any moment

Everything is written within the place, which must not exist; a line may replace what it names and
nothing else. Exits with 1 if anything broke, each with the seed and the line that does it again.
"""

import argparse
import hashlib
import json
import os
import random
import re
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import click  # noqa: E402
from click.testing import CliRunner  # noqa: E402
from command_line import SAMPLE, recsys, started  # noqa: E402

from recsys.__main__ import cli  # noqa: E402

SECONDS = 10  # that a command may take
MODEL, DB = "recommender_system.inference.model", "recsys.db"
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
    "uri": [DB, "http://127.0.0.1:1"],
    "timeout": ["0.2"],
    "user": ["1", "42", "7"],
    "users": ["all", "ids.txt", "ids.csv"],
    "pairs": ["pairs.csv"],
    "like": ["toy story", "50", "heat"],
    "dislike": ["jumanji", "100"],
    "genre": ["Comedy", "Drama"],
    "not_genre": ["Horror"],
    "year": ["1990-1999", "1994"],
    "where": ["year > 1990", "title like 'T%'", "not (year in [1994])"],
    "age": ["25", "1"],
    "gender": ["F", "M"],
    "job": ["10", "programmer"],
    "file": ["data/movies.dat", "raw.dat"],
    "output": ["out.csv", "out.txt"],
    "set": ["dimension=8", "temperature=0.2"],
    "seeds": ["0"],
    "protocol": ["random"],
    "index": ["FLAT", "HNSW:M=8"],
    "movie": ["50", "toy story"],
    "movies": ["50", "toy story"],
    "as_of": ["2001-03-01"],
    "epochs": ["1"],
    "from": ["notes.txt"],
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
}


def prepared(place: Path) -> None:
    """A trained model, its published movies, and somebody's own files."""
    place.mkdir(parents=True)
    shutil.copytree(SAMPLE, place / "data")
    for name, text in (MINE | TEXTS).items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text, "utf-8")
    for line in ("train --data data --epochs 1 --set dimension=8", "load-movies"):
        done = recsys(*shlex.split(line), cwd=place)
        assert done.returncode == 0, done.stderr


class Hanging(BaseException):
    """A command that takes longer than SECONDS."""


@contextmanager
def bounded() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Hanging

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)


def broken(line: list[str]) -> str:
    """What is wrong with how a command line ends: "" if nothing is."""
    try:
        with bounded():
            done = CliRunner(env={"COLUMNS": "120"}).invoke(cli, line)
    except Hanging:
        return f"took over {SECONDS} s"
    if done.exception and not isinstance(done.exception, SystemExit):
        return f"raised {done.exception!r}"
    errors = [each for each in done.stderr.split("\n") if each.startswith("recsys: ")]
    if done.exit_code not in (0, 1, 2):
        return f"exit code {done.exit_code}"
    found = line[0] == "doctor" and done.exit_code == 1 and done.stdout  # its data
    one_line = len(errors) == 1 and done.stderr.endswith(f"{errors[0]}\n")
    if done.exit_code and not found and not one_line:
        return f"exit code {done.exit_code} without one last line on stderr: {done.stderr[-300:]!r}"
    if raw := RAW.search(done.stderr) or CONTROL.search(done.stderr):
        return f"{raw[0]!r} in {done.stderr[:300]!r}"
    return "the password is shown" if "secret" in done.stderr + done.stdout else ""


def made_line(random: random.Random) -> list[str]:
    """A command with some of its options, whose values are good, odd, or another option's."""
    name = random.choice(list(cli.commands))
    command = cli.commands[name]
    line = [name]
    for option in random.sample(command.params, min(len(command.params), random.randint(0, 5))):
        pool = GOOD.get(str(option.name), [])
        others = random.choice(list(GOOD.values()))
        value = random.choice(random.choice([pool or others, pool or others, others, ODD]))
        if isinstance(option, click.Argument):
            line.append(value)
        elif option.is_flag:
            line += [option.opts[-1]] * (option.name != "debug")
        else:
            choices = getattr(option.type, "choices", None)
            if choices and random.random() < 0.7:
                value = random.choice(list(choices))
            line += [random.choice(option.opts), str(value)]
    if name in ("train", "evaluate", "download"):  # no downloads, no long trainings
        line += {"train": ["--epochs", "0"], "evaluate": ["--epochs", "0"], "download": ["x"]}[name]
    return line


def digests(names: Iterator[str] | list[str]) -> dict[str, str]:
    return {
        name: hashlib.sha256(Path(name).read_bytes()).hexdigest() if Path(name).is_file() else ""
        for name in names
    }


def try_lines(count: int, seed: int) -> Iterator[tuple[str, str]]:
    before = digests(list(MINE))
    for number in range(seed, seed + count):
        line = made_line(random.Random(number))
        wrong = broken(line)
        named = " ".join(line)
        changed = [
            name
            for name, digest in digests(list(MINE)).items()
            if digest != before[name] and name.split("/")[0] not in line
        ]
        if "raw.dat" in named and digests(["raw.dat"])["raw.dat"] != before["raw.dat"]:
            changed.append("raw.dat")
        if changed and not wrong:
            wrong = f"changed {', '.join(changed)}"
        for name, text in MINE.items():
            if digests([name])[name] != before[name]:
                shutil.rmtree(Path(name).parts[0], ignore_errors=True) if "/" in name else None
                Path(name).parent.mkdir(parents=True, exist_ok=True)
                Path(name).write_text(text, "utf-8")
        yield shlex.join(line), wrong


HOW = ("cut", "byte", "bytes", "gone", "empty", "zeros", "folder", "value", "value", "key")


def damaged(folder: Path, random: random.Random) -> str:
    """Do something bad to a file of a folder; what it was."""
    file = random.choice(sorted(path for path in folder.rglob("*") if path.is_file()))
    data = bytearray(file.read_bytes())
    how = random.choice(HOW)
    if how == "cut":
        del data[random.randrange(max(1, len(data))) :]
    elif how in ("byte", "bytes"):
        for _ in range(1 if how == "byte" else 100):
            data[random.randrange(len(data))] = random.randrange(256)
    elif how == "empty":
        data.clear()
    elif how == "zeros":
        data[:] = bytes(len(data))
    elif how in ("value", "key") and file.suffix == ".json":
        tree = inner = json.loads(bytes(data))
        while True:  # down to any depth
            key = random.choice(list(inner) if isinstance(inner, dict) else range(len(inner)))
            if not (isinstance(inner[key], dict | list) and inner[key]) or random.random() < 0.2:
                break
            inner = inner[key]
        if how == "key":
            del inner[key]
        elif isinstance(inner[key], int | float) and random.random() < 0.7:
            inner[key] = type(inner[key])(inner[key] * 20 + 1)  # of the right type, and wrong
        else:
            inner[key] = random.choice((None, -1, 10**30, "x", [], {}, [[1]], True, 1e308))
        data[:] = json.dumps(tree).encode()
    if how in ("gone", "folder"):
        file.unlink()
    if how == "folder":
        file.mkdir()
    elif how != "gone":
        file.write_bytes(bytes(data))
    return f"{how} {file.relative_to(folder)}"


ASKED = "recommend -u 42 --exact --format csv", "predict -u 42 -m 50"


def answers(model: str) -> tuple[int, str]:
    """How a query and a prediction end that ask a model folder without Milvus."""
    done = [CliRunner().invoke(cli, [*shlex.split(line), "--model", model]) for line in ASKED]
    return max(each.exit_code for each in done), "".join(each.stdout for each in done)


def try_folders(count: int, seed: int) -> Iterator[tuple[str, str]]:
    right = answers(MODEL)[1]
    for number in range(seed, seed + count):
        shutil.rmtree("damaged.model", ignore_errors=True)
        shutil.copytree(MODEL, "damaged.model")
        what = damaged(Path("damaged.model"), random.Random(number))
        tries = (broken([*shlex.split(each), "--model", "damaged.model"])
                 for each in (*ASKED, "doctor"))  # fmt: skip
        wrong = next(filter(None, tries), "")
        code, printed = answers("damaged.model")
        if not wrong and code == 0 and printed != right:
            healthy = CliRunner().invoke(cli, ["doctor", "--model", "damaged.model"]).exit_code == 0
            wrong = "answers otherwise, and doctor says that all is well" if healthy else ""
        yield f"seed {number}: {what}", wrong


KILLED = (
    "load-movies",
    "load-movies -f data/movies.dat",
    "train --data data --epochs 1 --set dimension=8",
    "preprocess -f data/movies.dat -o movies_data.txt",
)


def try_kills(count: int, seed: int) -> Iterator[tuple[str, str]]:
    """A command killed at a random moment: what was there before answers, or what comes after."""
    query = "recommend -u 42 --format csv", "recommend -u 42 --format csv --exact"
    usual = {}
    for line in KILLED:
        began = time.monotonic()
        done = recsys(*shlex.split(line), cwd=Path())
        assert done.returncode == 0, done.stderr
        usual[line] = time.monotonic() - began
    recsys("load-movies", cwd=Path())
    for number in range(seed, seed + count):
        chance = random.Random(number)
        line = chance.choice(KILLED)
        sent = chance.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT))
        before = digests(list(MINE))
        process = started(*shlex.split(line), cwd=Path())
        time.sleep(chance.random() * 1.1 * usual[line])
        process.send_signal(sent)
        began = time.monotonic()
        _, stderr = process.communicate(timeout=120)
        took = time.monotonic() - began
        wrong = f"took {took:.0f} s to end" if took > SECONDS else ""
        importing = "in <module>" in stderr and stderr.endswith("KeyboardInterrupt\n")
        if RAW.search(stderr) and not importing:  # before a line of ours has run
            wrong = wrong or "raw: " + stderr[-300:]
        for each in query:
            done = recsys(*shlex.split(each), cwd=Path())
            refused = "--exact" not in each and line.startswith("train") and done.returncode == 1
            if not wrong and done.returncode and not refused:
                wrong = f"then {each}: {done.stderr[-300:]}"
        if not wrong and digests(list(MINE)) != before:
            wrong = "somebody's own files changed"
        if line.startswith("train"):
            recsys("load-movies", cwd=Path())
        yield f"seed {number}: {line}, {sent.name}", wrong


KINDS: dict[str, Callable[[int, int], Iterator[tuple[str, str]]]] = {
    "lines": try_lines,
    "folders": try_folders,
    "kills": try_kills,
}


def tried(kind: str, count: int, place: Path, seed: int = 0, bar: Any = iter) -> list[str]:
    """What broke of so many tries, a line each."""
    back = Path.cwd()
    prepared(place)
    os.chdir(place)
    try:
        return [f"{what}: {wrong}" for what, wrong in bar(KINDS[kind](count, seed)) if wrong]
    finally:
        os.chdir(back)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("count", type=int)
    parser.add_argument("--place", type=Path, required=True, help="a folder to be made")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    from tqdm import tqdm

    found = tried(
        args.kind, args.count, args.place.resolve(), args.seed,
        lambda tries: tqdm(tries, total=args.count, disable=not sys.stderr.isatty()),
    )  # fmt: skip
    print(*(repr(each)[1:-1] for each in found), sep="\n")
    print(f"{args.kind}: tried {args.count}, held {args.count - len(found)}, broke {len(found)}")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()

"""What the command line answers, to see that a change changes nothing but what it says it does.

    python tests/golden.py REVISION    # prints how this tree answers unlike that commit
    ... --data data/ml-100k            # on other data than the sample: no odd files

Text must be equal; numbers with a decimal point may differ by a thousandth or one of their last
digit. Fingerprints, versions and times are masked. Both have one thread, for equal sums.
"""

import argparse
import difflib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))  # behind the commit's, where that answers

FILTERS = (
    "--genre Comedy --genre Drama --all-genres",
    "--not-genre Comedy --year 1990-1999",
    "--where 'title like \"%Story%\" or not (year > 1950)'",
    "--where 'year in [1994, 1995] and array_contains(genres, \"Drama\")'",
)
QUERIES = (
    *("", "-u 42", "-u 42 --as-of 2001-03-01", "-u 42 --include-seen", "-g F -a 1 -j 10 -k 20"),
    *("--age 25-34 -g male", "-j programmer", "--user-attribute gender=F", "--dislike 50"),
    *("--like 'Toy Story'", "--like 1 --like 50 --dislike 100", "-u 42 --like 1", "--like toy"),
    *("-u 99999", "--user-attribute city=Oslo", *(f"-u 7 {each}" for each in FILTERS)),
    *(f"{who} --rank-by {by}" for who in ("-u 42", "--like 1") for by in ("rating", "tutorial")),
)
ANSWERS = [
    *(f"recommend {query}{exact}" for exact in ("", " --exact") for query in QUERIES),
    *(f"recommend {who} -k 3 --format {form}" for who in ("-u 42", "--like 1", "--users users.txt")
      for form in ("json", "jsonl", "csv")),
    "recommend --users users.txt -k 2 --rank-by rating --exact",
    *("recommend --users odd.csv", "recommend -u 42 --explain", "similar 1 --explain"),
    *("recommend -u 42 --max-per genre=1 --exclude 1 --diversity .3", "export -o m.npy"),
    *("predict --pairs pairs.csv", "predict --pairs odd.csv", "predict -u 42 -m 'Toy Story'"),
    *("similar 'Toy Story'", "similar 1 -k 3 --format json --exact", "similar 50 --genre Drama"),
    *("preprocess -f new.dat -o new.txt", "load-movies -f new.txt", "load-movies -f new.dat"),
    *("recommend --like 1 -k 3 --where is_new==true", "similar 'Toy Story Returns' -k 3"),
    *("predict -u 42 -m 9001", "load-movies --rollback", "load-movies -f new.dat --replace"),
    *("load-movies -f new.dat --replace --dry-run", "load-movies --index HNSW:M=16"),
    *("recommend -u 42", "doctor --data data", "doctor --json"),
]  # fmt: skip


def files(place: Path, sample: Path) -> None:
    """Everything that is read, in one folder: the dataset as `data`, and small files."""
    from cli.test_odd_lines import odd_place
    from data.readers.test_bad_lines import LINES
    from dialects import BAD, GOOD, MOVIES, TOLD
    from families import ATOMIC, DAT, FAMILIES, U, put

    shutil.copytree(sample, place / "data")
    folders = {"dat": DAT, "u": U, "atomic": ATOMIC}
    for name, (file, content, *_) in (GOOD | TOLD).items():
        folders[name] = {file: content, "movies.csv": MOVIES.encode()}
    for name, (content, _) in BAD.items():
        folders[f"bad {name}"] = {"ratings.csv": content}
    for number, (file, old, new, *_) in enumerate(LINES):
        family = next(each for each in FAMILIES if file in each)
        folders[f"line {number}"] = {**family, file: family[file].replace(old, new, 1)}
    for name, contents in folders.items():
        (place / name).mkdir()
        put(place / name, contents)
    odd_place(place)
    put(place, {
        "users.txt": "\n".join(map(str, range(1, 200, 11))).encode(),
        "pairs.csv": b"user_id,movie_id\n1,1\n1,2\n7,50\n42,100\n300,11\n",
        "odd.csv": b"1,1\n99999,2\n1,99999\n",
        "new.dat": b"9001::Toy Story Returns (2001)::Animation|Comedy\n"
                   b"9002::Heat Again (1997)::Action|Crime\n1::Toy Story Anew (1995)::Drama\n",
    })  # fmt: skip


def lines(sample: bool) -> list[str]:
    """Command lines; those of asking need those of training before them."""
    from cli.test_odd_lines import ODD
    from data.readers.test_bad_lines import LINES
    from dialects import BAD, GOOD, TOLD

    from recsys.__main__ import cli

    small = " --epochs 2 --set dimension=16" if sample else " --epochs 3"
    compared = " --protocol user-time --epochs 1 --set dimension=8 --no-index"
    found = [f"train --data data{small}", "doctor", "load-movies", *ANSWERS]
    found.append(f"evaluate --data data{compared}")
    if sample:
        read = ["data", "dat", "u", "atomic", *map(shlex.quote, GOOD)]
        read += [f"{shlex.quote(n)} {shlex.join(rest[0])}" for n, (_, _, *rest) in TOLD.items()]
        read += [f"'bad {name}'" for name in BAD] + [f"'line {n}'" for n in range(len(LINES))]
        read += [f"{each} --json" for each in ("data", "u", "plain")]
        found += [f"inspect {each}" for each in read]
        odd = "\n".join(line for lines in ODD.values() for line in lines)
        for word, value in ("SAMPLE", "data"), ("DIGITS", "9" * 5000), ("LONG", "x" * 5000):
            odd = odd.replace(word, value)
        found += odd.splitlines()
        found += [f"{each} --help" for each in cli.commands] + ["train --knobs"]
    return found


MASKS = (
    (r"(?<![.\w])[0-9a-f]{16}(_[0-9a-f]{8})?\b|_v[0-9a-f]{16}_[0-9a-f]{8}", "FINGERPRINT"),
    (r"\b\d+(\.\d+)? (s|seconds|MB)\b|\d{4}-\d\d-\d\dT[\d:.]+\+00:00", "TIME"),
    (r"([a-z]+(-lite)?)(\": \"| )\d+\.\d+(\.\d+)\w*", r"\1 VERSION"),
)


def answer() -> None:
    """Run the command lines of stdin, and print what each prints, and what it exits with."""
    from click.testing import CliRunner

    from recsys.__main__ import cli

    found, place = [], os.getcwd()
    for line in json.load(sys.stdin):
        done = CliRunner(env={"COLUMNS": "200"}).invoke(cli, shlex.split(line))
        text = done.stdout + "".join(f"! {each}\n" for each in done.stderr.splitlines())
        if done.exception and not isinstance(done.exception, SystemExit):
            text += f"{done.exception!r}\n"
        text = f"{text}exit code {done.exit_code}\n".replace(place, "")
        for pattern, by in MASKS:
            text = re.sub(pattern, by, text)
        found.append(text.splitlines())
    print("", json.dumps(found), sep="\n")


def answers(package: Path, sample: Path, asked: list[str]) -> list[list[str]]:
    """What the package in a folder answers to the command lines, in a process of its own."""
    with tempfile.TemporaryDirectory() as place:
        files(Path(place), sample)
        done = subprocess.run(
            [sys.executable, __file__, "-"],
            input=json.dumps(asked),
            cwd=place,
            env={**os.environ, "PYTHONPATH": str(package), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return json.loads(done.stdout.splitlines()[-1])


NUMBER = re.compile(r"(-?\d+\.\d+)")


def alike(one: str, other: str) -> bool:
    """Whether two lines are equal but for the last digits of their numbers."""
    ours, theirs = NUMBER.split(one), NUMBER.split(other)
    return len(ours) == len(theirs) and all(
        a.split() == b.split()
        if index % 2 == 0
        else abs(float(a) - float(b))
        <= max(1e-3 * abs(float(a)), 1.01 * 10.0 ** -len(a.partition(".")[2]))
        for index, (a, b) in enumerate(zip(ours, theirs, strict=True))
    )


def differences(old: list[str], new: list[str]) -> list[str]:
    """The lines that differ, before and after."""
    if len(old) == len(new) and all(map(alike, old, new)):
        return []
    pairs = difflib.unified_diff(old, new, lineterm="", n=0)
    return [each for each in pairs if not each.startswith(("---", "+++", "@@"))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("revision")
    parser.add_argument("--data", type=Path)
    args = parser.parse_args()
    if args.revision == "-":
        return answer()
    sample, asked = (args.data or ROOT / "data" / "sample").resolve(), lines(args.data is None)
    with tempfile.TemporaryDirectory() as before:
        packed = f"{before}/commit.tar"
        archive = ("git", "-C", ROOT, "archive", "-o", packed, args.revision, "recsys")
        subprocess.run(archive, check=True)
        shutil.unpack_archive(packed, before)
        old, new = (answers(each, sample, asked) for each in (Path(before), ROOT))
    changed = 0
    for number, line in enumerate(asked):
        if differ := differences(old[number], new[number]):
            changed += 1
            print(line[:99], *differ, sep="\n    ")
    print(f"{changed} of {len(asked)} commands differ")
    sys.exit(bool(changed))


if __name__ == "__main__":
    main()

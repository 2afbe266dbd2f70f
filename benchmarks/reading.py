"""How fast ratings are read and checked, and in how much memory.

    python benchmarks/reading.py [--ratings 1000209] [--rounds 3]

Writes generated ratings in ml-1m's format into a temporary folder and reads them in fresh
processes, the readers taking turns. Memory is what the peak of resident memory rose by over that
with everything imported; the columns take 20 bytes a rating. For tables see `reading_tables.py`.
"""

import argparse
import json
import shutil
import tempfile
from functools import partial
from pathlib import Path

from common import (
    by_turns,
    child,
    column_megabytes,
    heading,
    ratio,
    readers_table,
    seconds_and_megabytes,
    seconds_of,
)
from generated import generated, write

from recsys.preprocess import read_dataset


def python_split(folder: Path) -> None:
    """The usual loop: split each line, append to lists; nothing checked."""
    users, movies, values, times = [], [], [], []
    with (folder / "ratings.dat").open(encoding="latin-1") as file:
        for line in file:
            user, movie, value, time_ = line.split("::")
            users.append(int(user))
            movies.append(int(movie))
            values.append(float(value))
            times.append(int(time_))


def read_and_check(folder: Path) -> None:
    """read_dataset: movies and users too, known ids, no pair twice."""
    read_dataset(folder)


def with_bad_lines(folder: Path) -> None:
    """The same of a file in which two lines are bad: those are left out."""
    read_dataset(folder / "bad", skip_bad_lines=True)


READERS = {reader.__name__: reader for reader in (python_split, read_and_check, with_bad_lines)}


def measured(reader: str, folder: str) -> dict[str, float]:
    """Seconds and megabytes."""
    return seconds_and_megabytes(partial(READERS[reader], Path(folder)))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--ratings", type=int, default=1_000_209)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        print(json.dumps(measured(*asked.measure)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset = generated(asked.ratings)
        write(dataset, folder)
        del dataset
        shutil.copytree(folder, folder / "bad")
        lines = (folder / "ratings.dat").read_bytes().splitlines(keepends=True)
        lines[len(lines) // 2] = b"1::2::3\n"
        lines[-2] = b"1::two::3::4\n"
        (folder / "bad" / "ratings.dat").write_bytes(b"".join(lines))
        columns = column_megabytes(asked.ratings)
        heading(f"{asked.ratings:,} generated ratings, seed 0, {columns:.0f} MB as columns")
        runs = {reader: partial(child, __file__, reader, name) for reader in READERS}
        found = by_turns(runs, asked.rounds)
    seconds = seconds_of(found)
    factors = {name: ratio(seconds["python_split"], times) for name, times in seconds.items()}
    readers_table(found, asked.ratings, "x python_split", factors)


if __name__ == "__main__":
    main()

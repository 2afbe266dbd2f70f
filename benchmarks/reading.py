"""How fast ratings are read and checked, and in how much memory.

    python benchmarks/reading.py [--ratings 1000209] [--rounds 3]

Writes generated ratings in ml-1m's format into a temporary folder and reads them in fresh
processes, the readers taking turns. Memory is what the peak of resident memory rose by over that
with everything imported; the columns take 20 bytes a rating. For tables see `reading_tables.py`.
"""

import argparse
import json
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

from recsys.data.readers.layouts import DAT_RATINGS
from recsys.data.readers.problems import Problems
from recsys.data.readers.ratings import _by_line, read_rating_file
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


def read_only(folder: Path) -> None:
    """read_rating_file: typed columns, the form and range of every line checked."""
    read_rating_file(folder / "ratings.dat", DAT_RATINGS, Problems())


def line_by_line(folder: Path) -> None:
    """The line-by-line pass, which only blocks with a bad line need; read, not kept."""
    path = folder / "ratings.dat"
    with path.open("rb") as file:
        line = 1
        while block := file.read(2**22) + file.readline():
            _by_line(block, line, DAT_RATINGS, path, Problems())
            line += block.count(b"\n")


def read_and_check(folder: Path) -> None:
    """read_dataset: movies and users too, known ids, no pair twice."""
    read_dataset(folder)


READERS = {
    reader.__name__: reader for reader in (python_split, read_only, read_and_check, line_by_line)
}


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
        columns = column_megabytes(asked.ratings)
        heading(f"{asked.ratings:,} generated ratings, seed 0, {columns:.0f} MB as columns")
        runs = {reader: partial(child, __file__, reader, name) for reader in READERS}
        found = by_turns(runs, asked.rounds)
    seconds = seconds_of(found)
    factors = {name: ratio(seconds["python_split"], times) for name, times in seconds.items()}
    readers_table(found, asked.ratings, "x python_split", factors)


if __name__ == "__main__":
    main()

"""How fast ratings are read and checked, and in how much memory.

    python benchmarks/reading.py [--ratings 1000209] [--rounds 3]

Writes generated ratings in ml-1m's format, as CSV and as Parquet into a temporary folder and reads
them in fresh processes, the readers taking turns; tables beside pyarrow's own reading. Memory is
what the peak of resident memory rose by over that with everything imported; the columns take 20
bytes a rating.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import pyarrow as pa
from common import by_turns, heading, median, peak_megabytes, ratio, table
from generated import generated, write
from pyarrow import csv, parquet

from recsys.data.columns import Columns
from recsys.data.dataset import Dataset
from recsys.data.readers.layouts import DAT_RATINGS
from recsys.data.readers.problems import Problems
from recsys.data.readers.rating_table import read_rating_table
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


def plain_pyarrow_csv(folder: Path) -> None:
    """What pyarrow takes for the same table; nothing checked."""
    csv.read_csv(folder / "tables" / "ratings.csv")


def csv_only(folder: Path) -> None:
    """read_rating_table: columns found, typed and checked."""
    read_rating_table(folder / "tables" / "ratings.csv", Columns(), Problems())


def csv_and_check(folder: Path) -> None:
    """read_dataset of ratings.csv and movies.csv: known ids, no pair twice."""
    read_dataset(folder / "tables")


def plain_pyarrow_parquet(folder: Path) -> None:
    parquet.read_table(folder / "parquet" / "ratings.parquet")


def parquet_only(folder: Path) -> None:
    read_rating_table(folder / "parquet" / "ratings.parquet", Columns(), Problems())


READERS = {
    reader.__name__: reader
    for reader in (
        *(python_split, read_only, read_and_check, line_by_line),
        *(plain_pyarrow_csv, csv_only, csv_and_check, plain_pyarrow_parquet, parquet_only),
    )
}


def write_tables(dataset: Dataset, folder: Path) -> None:
    """The ratings and movies as MovieLens writes them since 2014, and the ratings as Parquet."""
    names = ("userId", "movieId", "rating", "timestamp")
    ratings = pa.table(dict(zip(names, vars(dataset.ratings).values(), strict=True)))
    genres = ["|".join(each) for each in dataset.movies.genres]
    movies = {"movieId": dataset.movies.ids, "title": dataset.movies.titles, "genres": genres}
    for name in ("tables", "parquet"):
        (folder / name).mkdir()
    csv.write_csv(ratings, folder / "tables" / "ratings.csv")
    csv.write_csv(pa.table(movies), folder / "tables" / "movies.csv")
    parquet.write_table(ratings, folder / "parquet" / "ratings.parquet")


def child(reader: str, folder: Path) -> dict[str, float]:
    """Seconds and megabytes, in a process of its own."""
    command = [sys.executable, __file__, "--measure", reader, str(folder)]
    return json.loads(subprocess.check_output(command, text=True))


def measured(reader: str, folder: str) -> dict[str, float]:
    before, started = peak_megabytes(), time.perf_counter()
    READERS[reader](Path(folder))
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "megabytes": peak_megabytes() - before}


def _beside_pyarrow(name: str, seconds: dict[str, list[float]]) -> str:
    """How many times as long as pyarrow a reader of tables takes."""
    plain = f"plain_pyarrow_{name.split('_')[0]}"
    return f"{ratio(seconds[name], seconds[plain]):.2f}" if plain in seconds else ""


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
        write_tables(dataset, folder)
        del dataset
        columns = 20 * asked.ratings / 2**20
        heading(f"{asked.ratings:,} generated ratings, seed 0, {columns:.0f} MB as columns")
        found = by_turns({name: partial(child, name, folder) for name in READERS}, asked.rounds)
    seconds = {name: [run["seconds"] for run in runs] for name, runs in found.items()}
    rows = []
    for name, times in seconds.items():
        peak = median(run["megabytes"] for run in found[name])
        rows.append(
            (
                name,
                f"{median(times):.2f}",
                f"{asked.ratings / median(times) / 1e6:.2f}",
                f"{ratio(seconds['python_split'], times):.1f}",
                _beside_pyarrow(name, seconds),
                f"{peak:.0f}",
                f"{peak / columns:.1f}",
            )
        )
    header = (
        "reader",
        "seconds",
        "M ratings/s",
        "x python_split",
        "x pyarrow's time",
        "peak MB",
        "x columns",
    )
    table(header, rows)


if __name__ == "__main__":
    main()

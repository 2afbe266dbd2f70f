"""How fast large tables of ratings are read and checked, and in how much memory.

    python benchmarks/reading.py [--ratings 32000204] [--rounds 3] [--folder FOLDER]

Writes generated ratings in the shape of ML-32M (200,948 users, 87,585 movies with gaps between
their ids, half stars, sorted by user and movie, or fewer of all) as ratings.csv and
ratings.parquet, and reads them in fresh processes that have everything imported, the readers taking
turns. Beside each stands what pyarrow takes to read the same file into its own columns, and polars
where it is installed. Memory is what the peak of resident memory rose by; the columns we keep take
20 bytes a rating: user, movie, rating and time. `--shuffled` writes the rows in any order, so that
repeated ones must be sought.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute  # before the clock starts
from common import by_turns, child, heading, median, peak_megabytes, ratio, table
from pyarrow import csv, parquet

from recsys.preprocess import read_dataset

RATINGS, USERS, MOVIES = 32_000_204, 200_948, 87_585  # ML-32M's
SHARES = np.array([2, 1, 3, 7, 5, 20, 13, 27, 9, 13]) / 100  # of 0.5 to 5
BORN = (789_652_004, 1_697_164_147)
RATING = 20 / 2**20  # megabytes as columns
LEAST = 20  # ratings of a user


def generated(ratings: int, seed: int = 0, shuffled: bool = False) -> pa.Table:
    """As many different pairs of a user and a movie as asked, with ratings and times."""
    rng = np.random.default_rng(seed)
    users, movies = (max(100, round(n * (ratings / RATINGS) ** 0.5)) for n in (USERS, MOVIES))
    activity = rng.lognormal(0, 1, users)
    more = max(0, round(1.3 * ratings) - LEAST * users)  # some are drawn twice
    counts = LEAST + rng.multinomial(more, activity / activity.sum())
    user = np.repeat(np.arange(1, users + 1), counts)
    pairs = np.unique(user << 32 | (movies * rng.random(len(user)) ** 3).astype(np.int64))
    pairs = np.sort(rng.choice(pairs, ratings, replace=False, shuffle=False))
    if shuffled:
        rng.shuffle(pairs)
    movie_ids = np.sort(rng.choice(3 * movies, movies, replace=False)) + 1
    return pa.table(
        {
            "userId": (pairs >> 32).astype(np.int32),
            "movieId": movie_ids[pairs & (2**32 - 1)].astype(np.int32),
            "rating": (rng.choice(10, ratings, p=SHARES).astype(np.float32) + 1) / 2,
            "timestamp": rng.integers(*BORN, ratings),
        }
    )


def write(ratings: pa.Table, folder: Path) -> None:
    csv.write_csv(ratings, folder / "ratings.csv", csv.WriteOptions(quoting_style="none"))
    parquet.write_table(ratings, folder / "ratings.parquet")
    with (folder / "ratings.csv").open("rb") as whole, (folder / "bad.csv").open("wb") as bad:
        for row, line in enumerate(whole):  # two bad ones, far from each other
            bad.write({len(ratings) // 2: b"1,2\n", len(ratings) - 9: b"x,1,2,3\n"}.get(row, line))


def _polars(reader: str, path: Path) -> None:
    import polars

    getattr(polars, reader)(path)


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "csv pyarrow": ("ratings.csv", csv.read_csv),
    "csv polars": ("ratings.csv", partial(_polars, "read_csv")),
    "csv read and check": ("ratings.csv", read_dataset),  # movies and users known, none twice
    "csv, bad rows": ("bad.csv", partial(read_dataset, skip_bad_lines=True)),
    "parquet pyarrow": ("ratings.parquet", parquet.read_table),
    "parquet polars": ("ratings.parquet", partial(_polars, "read_parquet")),
    "parquet read and check": ("ratings.parquet", read_dataset),
}


def measured(reader: str, folder: str) -> dict[str, float]:
    """Seconds, and by how much the peak of resident memory rises."""
    name, read = READERS[reader]
    if "polars" in reader:
        import polars  # noqa: F401
    before, started = peak_megabytes(), time.perf_counter()
    kept = read(Path(folder) / name)
    seconds = time.perf_counter() - started
    del kept
    return {"seconds": seconds, "megabytes": peak_megabytes() - before}


def compare(folder: Path, ratings: int, rounds: int) -> None:
    """Prints a line for each reader, beside what pyarrow takes for the same file."""
    polars = importlib.util.find_spec("polars")
    there = [name for name in READERS if polars or "polars" not in name]
    runs = {name: partial(child, __file__, name, str(folder)) for name in there}
    found = by_turns(runs, rounds, warm=True)
    rows = []
    for name, measured in found.items():
        seconds, megabytes = (
            [run[key] for run in runs]
            for runs, key in ((measured, "seconds"), (measured, "megabytes"))
        )
        plain = [run["seconds"] for run in found[f"{name.split()[0].rstrip(',')} pyarrow"]]
        numbers = median(seconds), ratings / median(seconds) / 1e6, ratio(seconds, plain)
        peak = median(megabytes)
        cells = (*(f"{each:.2f}" for each in numbers), f"{peak:.0f}")
        rows.append((name, *cells, f"{peak / (ratings * RATING):.1f}"))
    table(("reader", "seconds", "M ratings/s", "x pyarrow's time", "peak MB", "x columns"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--ratings", type=int, default=RATINGS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shuffled", action="store_true")
    parser.add_argument("--folder", type=Path, help="Where the tables are, or are to stay.")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        print(json.dumps(measured(*asked.measure)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = asked.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "ratings.parquet").exists():
            # In a process of its own: Linux counts the memory of the one that starts another.
            make = f"""from pathlib import Path; import reading as r
r.write(r.generated({asked.ratings}, shuffled={asked.shuffled}), Path({str(folder)!r}))"""
            subprocess.run([sys.executable, "-c", make], check=True, cwd=Path(__file__).parent)
        order = "in any order" if asked.shuffled else "sorted by user and movie"
        columns = f"{RATING * asked.ratings:.0f} MB as columns, {order}"
        heading(f"{asked.ratings:,} generated ratings, seed 0, {columns}")
        compare(folder, asked.ratings, asked.rounds)


if __name__ == "__main__":
    main()

"""How fast ratings are read and checked, and in how much memory.

    python benchmarks/reading.py [--ratings 1000000] [--rounds 3]

Writes N random ratings in ml-1m's format (6,040 users, 3,900 films, no pair twice) into a temporary
folder and reads them in fresh processes, round after round, each reader in turn. The times are the
medians; memory is what the peak of resident memory rose by over that with everything imported.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from recsys.formats import DAT_RATINGS, Problems
from recsys.preprocess import read_dataset
from recsys.rating_file import _by_line, read_ratings

USERS, MOVIES = 6040, 3900


def python_split(folder: Path) -> None:
    """The usual loop: split each line, append to lists; nothing checked."""
    users, movies, stars, times = [], [], [], []
    with (folder / "ratings.dat").open(encoding="latin-1") as file:
        for line in file:
            user, movie, star, time_ = line.split("::")
            users.append(int(user))
            movies.append(int(movie))
            stars.append(float(star))
            times.append(int(time_))


def read_only(folder: Path) -> None:
    """read_ratings: typed columns, the form of every line made sure of."""
    read_ratings(folder / "ratings.dat", DAT_RATINGS, Problems())


def line_by_line(folder: Path) -> None:
    """The careful pass, which only blocks with a bad line need; read, not kept."""
    path = folder / "ratings.dat"
    with path.open("rb") as file:
        line = 1
        while block := file.read(2**22) + file.readline():
            _by_line(block, line, DAT_RATINGS, path, Problems())
            line += block.count(b"\n")


def read_and_check(folder: Path) -> None:
    """read_dataset: films and users too, range, known ids, no pair twice."""
    read_dataset(folder)


READERS = {
    reader.__name__: reader for reader in (python_split, read_only, read_and_check, line_by_line)
}


def write_ratings(folder: Path, count: int) -> None:
    draw = np.random.default_rng(0)
    users = max(USERS, count // 1000)
    pairs = np.unique(draw.integers(0, users * MOVIES, count + count // 4, np.int64))
    pairs = draw.permutation(pairs)[:count]
    columns = (pairs // MOVIES + 1, pairs % MOVIES + 1, draw.integers(1, 6, len(pairs)),
               draw.integers(956703932, 1046454590, len(pairs)))  # fmt: skip
    with (folder / "ratings.dat").open("w") as file:
        for start in range(0, len(pairs), 100_000):
            part = (column[start : start + 100_000].tolist() for column in columns)
            file.writelines(f"{u}::{m}::{s}::{t}\n" for u, m, s, t in zip(*part, strict=True))
    films = (f"{movie}::Film {movie} (1999)::Drama\n" for movie in range(1, MOVIES + 1))
    people = (f"{user}::F::25::7::12345\n" for user in range(1, users + 1))
    (folder / "movies.dat").write_text("".join(films))
    (folder / "users.dat").write_text("".join(people))


def measure(reader: str, folder: Path) -> tuple[float, float]:
    """Seconds and megabytes, in a process of its own."""
    command = [sys.executable, __file__, "--measure", reader, str(folder)]
    seconds, megabytes = subprocess.check_output(command, text=True).split()
    return float(seconds), float(megabytes)


def measured(reader: str, folder: str) -> None:
    before = peak_kilobytes()
    start = time.perf_counter()
    READERS[reader](Path(folder))
    seconds = time.perf_counter() - start
    print(seconds, (peak_kilobytes() - before) / 1024)


def peak_kilobytes() -> int:
    """The peak of this process' memory; getrusage would tell its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ratings", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        return measured(*chosen.measure)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_ratings(folder, chosen.ratings)
        rounds = [{r: measure(r, folder) for r in READERS} for _ in range(chosen.rounds)]
    columns = 20 * chosen.ratings / 2**20
    print(
        f"{chosen.ratings:,} ratings, {columns:.0f} MB as columns, median of {len(rounds)} rounds"
    )
    print("| reader | seconds | M ratings/s | times python_split | peak MB | times the columns |")
    print("|---|---|---|---|---|---|")
    plain = statistics.median(each["python_split"][0] for each in rounds)
    for reader in READERS:
        seconds, peak = (statistics.median(each[reader][i] for each in rounds) for i in (0, 1))
        print(
            f"| {reader} | {seconds:.2f} | {chosen.ratings / seconds / 1e6:.2f} | "
            f"{plain / seconds:.1f} | {peak:.0f} | {peak / columns:.1f} |"
        )
    return None


if __name__ == "__main__":
    main()

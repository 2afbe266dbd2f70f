"""How the seconds and the memory of training grow with the number of ratings.

    python benchmarks/growth.py [--ratings 100000 1000000 10000000]

Generated ratings, as many a user as in ml-1m, of the same movies. Each size is read and trained on
for one epoch in a process of its own, the sizes taking turns. The columns are the least a rating
can take: user, movie, rating and time, 20 bytes; the peak of memory is what it rose by over
everything imported. An exponent of 1 is linear growth: seconds ~ ratings ^ exponent, between this
size and the one before.
"""

import argparse
import json
import math
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from common import by_turns, child, heading, median, peak_megabytes, table


def measured(folder: Path) -> dict[str, float]:
    """Seconds of reading, preparing and one epoch, and what each added to the peak of memory."""
    from recsys.preprocess import read_dataset
    from recsys.train import fit, use_all_cores
    from recsys.training.options import Options

    use_all_cores()
    idle, started = peak_megabytes(), time.perf_counter()
    dataset = read_dataset(folder)
    read, read_peak = time.perf_counter() - started, peak_megabytes()
    started = time.perf_counter()
    fitted = fit(dataset, dataset.ratings, Options(epochs=1))
    whole, epoch = time.perf_counter() - started, fitted.progress.log[0]["seconds"]
    columns = sum(column.nbytes for column in vars(dataset.ratings).values())
    return {
        "read": read,
        "prepare": whole - epoch,
        "seconds": epoch,
        "columns": columns / 2**20,
        "read megabytes": read_peak - idle,
        "megabytes": peak_megabytes() - idle,
        "parameters": sum(int(p.size) for t in fitted.step.towers for p in t.parameters()) / 1e6,
    }


def rows(sizes: Sequence[int], found: list[dict[str, float]]) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = []
    for place, (size, run) in enumerate(zip(sizes, found, strict=True)):
        powers = dict.fromkeys(("seconds", "megabytes"), "")
        if place:
            step, before = math.log(size / sizes[place - 1]), found[place - 1]
            powers = {key: f"{math.log(run[key] / before[key]) / step:.2f}" for key in powers}
        lines.append(
            (
                f"{size:,}",
                *(f"{run[key]:.1f}" for key in ("read", "prepare", "seconds")),
                powers["seconds"],
                *(f"{run[key]:.0f}" for key in ("columns", "read megabytes", "megabytes")),
                powers["megabytes"],
                f"{run['megabytes'] / run['columns']:.1f}",
                f"{run['parameters']:.1f}",
            )
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    sizes = [100_000, 1_000_000, 10_000_000]
    parser.add_argument("--ratings", type=int, nargs="+", default=sizes, help="ascending")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measured(args.measure)))
        return
    from generated import generated, write

    with tempfile.TemporaryDirectory() as folder:
        heading(f"generated, seed 0, default options, median of {args.rounds} rounds")
        for size in args.ratings:
            write(generated(size), Path(folder) / str(size))
        runs = {f"{n:,}": partial(child, __file__, f"{folder}/{n}") for n in args.ratings}
        rounds: dict[str, list[dict[str, Any]]] = by_turns(runs, args.rounds)
    found = [{key: median(run[key] for run in each) for key in each[0]} for each in rounds.values()]
    header = ["ratings", "read s", "prepare s", "epoch s", "exponent", "columns MB", "peak MB read"]
    header += ["peak MB", "exponent", "x columns", "M parameters"]
    table(header, rows(args.ratings, found))


if __name__ == "__main__":
    main()

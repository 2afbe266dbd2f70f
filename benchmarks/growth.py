"""How the seconds and the memory of training grow with the number of ratings.

    python benchmarks/growth.py [--ratings 100000 1000000 10000000] [--plot docs/growth.svg]

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

WIDTH, HEIGHT, EDGE = 560, 320, 60
COLOURS = {"seconds": "#1f6fb4", "megabytes": "#c2571a", "columns": "#888888"}
LABELS = {"seconds": "epoch, s", "megabytes": "peak, MB", "columns": "columns, MB"}


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
        powers = ["", ""]
        if place:
            step = math.log(size / sizes[place - 1])
            before = found[place - 1]
            powers = [
                f"{math.log(run[key] / before[key]) / step:.2f}" for key in ("seconds", "megabytes")
            ]
        lines.append(
            (
                f"{size:,}",
                f"{run['read']:.1f}",
                f"{run['prepare']:.1f}",
                f"{run['seconds']:.1f}",
                powers[0],
                f"{run['columns']:.0f}",
                f"{run['read megabytes']:.0f}",
                f"{run['megabytes']:.0f}",
                powers[1],
                f"{run['megabytes'] / run['columns']:.1f}",
                f"{run['parameters']:.1f}",
            )
        )
    return lines


def plot(sizes: Sequence[int], found: list[dict[str, float]]) -> str:
    """Seconds and megabytes over ratings, both axes logarithmic, as SVG."""
    values = [run[key] for run in found for key in COLOURS]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    first, last = math.log10(sizes[0]), math.log10(sizes[-1])

    def x(size: float) -> float:
        return EDGE + (math.log10(size) - first) / max(last - first, 1e-9) * (WIDTH - 2.6 * EDGE)

    def y(value: float) -> float:
        return HEIGHT - EDGE / 1.5 - (math.log10(value) - low) / (high - low) * (HEIGHT - EDGE)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for power in range(low, high + 1):
        at = f"{y(10**power):.1f}"
        parts.append(f'<path d="M{EDGE} {at}H{x(sizes[-1]):.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{EDGE - 6}" y="{at}" text-anchor="end">{10.0**power:g}</text>')
    for size in sizes:
        at = f'x="{x(size):.1f}" y="{HEIGHT - 20}"'
        parts.append(f'<text {at} text-anchor="middle">{size:,}</text>')
    parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 5}" text-anchor="middle">ratings</text>')
    for key, colour in COLOURS.items():
        points = [(x(s), y(run[key])) for s, run in zip(sizes, found, strict=True)]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in points]
        a, b = points[-1]
        parts.append(f'<text x="{a + 8:.1f}" y="{b + 4:.1f}" fill="{colour}">{LABELS[key]}</text>')
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    sizes = [100_000, 1_000_000, 10_000_000]
    parser.add_argument("--ratings", type=int, nargs="+", default=sizes, help="ascending")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--plot", type=Path, help="an SVG file to write")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measured(args.measure)))
        return
    with tempfile.TemporaryDirectory() as folder:
        heading(f"generated, seed 0, default options, median of {args.rounds} rounds")
        _generate(args.ratings, Path(folder))
        runs = {
            f"{n:,}": partial(child, __file__, str(Path(folder) / str(n))) for n in args.ratings
        }
        rounds: dict[str, list[dict[str, Any]]] = by_turns(runs, args.rounds)
    found = [{key: median(run[key] for run in each) for key in each[0]} for each in rounds.values()]
    header = ["ratings", "read s", "prepare s", "epoch s", "exponent", "columns MB", "peak MB read"]
    header += ["peak MB", "exponent", "x columns", "M parameters"]
    table(header, rows(args.ratings, found))
    if args.plot:
        args.plot.write_text(plot(args.ratings, found))


def _generate(sizes: Sequence[int], folder: Path) -> None:
    from generated import generated, write

    for size in sizes:
        write(generated(size), folder / str(size))


if __name__ == "__main__":
    main()

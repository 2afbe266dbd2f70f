"""How the seconds and the memory of training grow with the number of ratings.

    python benchmarks/growth.py [--shapes 100k 1m 10m 25m 32m] [--epochs 7 14 28 56] [--plot FILE]

Generated ratings in the shapes of MovieLens, users and movies growing too, as Parquet. A whole
`train` of each, with everything that held-out ratings choose, in a process of its own: reading,
then learning and writing the model. The columns are the least a rating can take: user, movie,
rating and time, 20 bytes; the peak of memory is what it rose by over everything imported. An
exponent of 1 is linear growth: seconds ~ ratings ^ exponent, between this size and the one before.
With several numbers of epochs, of about 36 steps each, each shape is trained with all of them to
the end: what more steps are worth. A plot is an SVG, by Vega-Lite: seconds and megabytes over
ratings, both logarithmic, and what grows as the ratings do from the smallest shape on.
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


def measured(folder: Path, epochs: int = 0) -> dict[str, float]:
    """Seconds of reading and of training, what memory rose by, and the validation of the model."""
    import recsys
    from recsys.train import use_all_cores

    options = recsys.Options(epochs=epochs, patience=epochs) if epochs else recsys.Options()
    use_all_cores()
    idle, started = peak_megabytes(), time.perf_counter()
    dataset = recsys.read_dataset(folder)
    read, read_peak = time.perf_counter() - started, peak_megabytes()
    columns = sum(column.nbytes for column in vars(dataset.ratings).values())
    sizes = len(dataset.ratings), len(dataset.users), len(dataset.movies)
    model = recsys.train_model(dataset, folder / "model", options)
    return {
        "read": read,
        "seconds": time.perf_counter() - started,
        "epochs": model.config["options"]["epochs"],
        "best": model.config["epoch"],
        "processor": time.process_time(),
        "columns": columns / 2**20,
        "read megabytes": read_peak - idle,
        "megabytes": peak_megabytes() - idle,
        **dict(zip(("ratings", "users", "movies"), sizes, strict=True)),
        **model.config["validation"],
    }


def rows(found: Sequence[dict[str, float]]) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = []
    for before, run in zip([None, *found], found, strict=False):
        powers = dict.fromkeys(("seconds", "megabytes"), "")
        if before and before["ratings"] < run["ratings"]:
            step = math.log(run["ratings"] / before["ratings"])
            powers = {key: f"{math.log(run[key] / before[key]) / step:.2f}" for key in powers}
        lines.append(
            (
                *(f"{run[key]:,.0f}" for key in ("ratings", "users", "movies")),
                *(f"{run[key]}" for key in ("epochs", "best")),
                *(f"{run[key]:.1f}" for key in ("read", "seconds")),
                powers["seconds"],
                *(f"{run[key]:.0f}" for key in ("processor", "columns", "megabytes")),
                powers["megabytes"],
                *(f"{run.get(key, math.nan):.4f}" for key in ("ndcg@10", "rmse")),
            )
        )
    return lines


def plot(found: Sequence[dict[str, float]], path: Path) -> None:
    import vl_convert

    measures = {"seconds": "seconds", "megabytes": "peak MB"}
    points = [
        {"ratings": run["ratings"], "value": value, "of": words, "line": line}
        for run in found
        for name, words in measures.items()
        for line, value in (
            ("measured", run[name]),
            ("as the ratings", found[0][name] * run["ratings"] / found[0]["ratings"]),
        )
    ]
    axis = {
        "type": "quantitative",
        "scale": {"type": "log"},
        "axis": {"format": "~s", "grid": False},
    }
    ratings = {"field": "ratings", **axis, "title": "ratings"}
    kind = {"field": "line", "type": "nominal", "title": None, "sort": ["measured"]}
    spec = {
        "data": {"values": points},
        "background": "white",
        "facet": {"column": {"field": "of", "title": None, "sort": [*measures.values()]}},
        "spec": {
            "width": 300,
            "height": 240,
            "mark": "line",
            "encoding": {
                "x": ratings,
                "y": {"field": "value", **axis, "title": None},
                "strokeDash": {**kind, "legend": None},
                "color": kind,
            },
        },
        "resolve": {"scale": {"y": "independent"}},
    }
    path.write_text(vl_convert.vegalite_to_svg(spec), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    shapes = ["100k", "1m", "10m", "25m", "32m"]
    parser.add_argument("--shapes", nargs="+", default=shapes, help="ascending")
    parser.add_argument("--epochs", type=int, nargs="+", default=[0], help="0: as `train` does")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--plot", type=Path, help="an SVG to write")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measured(args.measure, args.epochs[0])))
        return
    from generated import SHAPES, generated, write

    with tempfile.TemporaryDirectory() as folder:
        heading(f"generated, seed 0, median of {args.rounds} rounds")
        for name in args.shapes:
            users, movies, ratings = SHAPES[name]
            write(generated(ratings, users, movies), Path(folder) / name, "parquet")
        runs = {
            f"{name}, {epochs}": partial(
                child, __file__, f"{folder}/{name}", "--epochs", str(epochs)
            )
            for name in args.shapes
            for epochs in args.epochs
        }
        rounds: dict[str, list[dict[str, Any]]] = by_turns(runs, args.rounds)
    found = [{key: median(run[key] for run in each) for key in each[0]} for each in rounds.values()]
    header = ["ratings", "users", "movies", "epochs", "best", "read s", "train s", "exponent"]
    table([*header, "CPU s", "columns MB", "peak MB", "exponent", "ndcg@10", "rmse"], rows(found))
    if args.plot:
        plot(found, args.plot)


if __name__ == "__main__":
    main()

"""How long training takes until the model is as good as it gets: seconds first, epochs second.

    python benchmarks/quality.py [--data FOLDER] [--batch-size 0 4096 16384] [--seeds 0 1 2]

Each run is all of `recsys train` in a process of its own: reading, a tenth of the ratings held
out, every epoch and its validation, and the model folder. "To 1 %" is the time after which both
ndcg@10 and rmse on the held-out tenth are within 1 % of the best final ones of all runs of that
seed; reading and writing are counted in it. Runs that never get there have a dash.
"""

import argparse
import json
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from common import by_turns, child, heading, median, peak_megabytes, table


def measured(args: argparse.Namespace) -> dict[str, Any]:
    """One training: its seconds, its peak of memory, and its log."""
    started = time.perf_counter()
    from recsys.train import train_model
    from recsys.training.options import Options

    options = Options(seed=args.seeds[0], batch_size=args.batch_size[0], epochs=args.epochs)
    with tempfile.TemporaryDirectory() as folder:
        model = train_model(args.data, Path(folder) / "model", options)
        lines = (model.path / "training_log.jsonl").read_text().splitlines()
    return {
        "seconds": time.perf_counter() - started,
        "megabytes": peak_megabytes(),
        "validation": model.config["validation"],
        "log": [json.loads(line) for line in lines],
    }


def run(args: argparse.Namespace, batch: int, seed: int) -> dict[str, Any]:
    """`measured` in a process of its own."""
    options = ["--batch-size", str(batch), "--seeds", str(seed), "--epochs", str(args.epochs)]
    return child(__file__, "--data", str(args.data), *options)


def until(run: dict[str, Any], ndcg: float, rmse: float) -> float:
    """Seconds, all but those of the epochs after the first that is within 1 % of both."""
    left = run["seconds"]
    for place, line in enumerate(run["log"]):
        if line["ndcg@10"] >= 0.99 * ndcg and line["rmse"] <= 1.01 * rmse:
            return left - sum(later["seconds"] for later in run["log"][place + 1 :])
    return float("inf")


def show(args: argparse.Namespace, runs: dict[str, list[dict[str, Any]]]) -> None:
    """A line for each batch size, medians over seeds; then the epochs of the first seed."""
    best = [
        (
            max(runs[name][seed]["validation"]["ndcg@10"] for name in runs),
            min(runs[name][seed]["validation"]["rmse"] for name in runs),
        )
        for seed in range(len(args.seeds))
    ]
    rows = []
    for name, found in runs.items():
        times = [until(run, *goal) for run, goal in zip(found, best, strict=True)]
        finals = [[run["validation"][key] for run in found] for key in ("ndcg@10", "rmse")]
        rows.append(
            (
                name,
                *(f"{median(values):.4f}" for values in finals),
                f"{median(times):.1f}" if median(times) < float("inf") else "-",
                f"{median(run['seconds'] for run in found):.1f}",
                str(len(found[0]["log"])),
                f"{median(run['megabytes'] for run in found):.0f}",
            )
        )
    table(("batch size", "ndcg@10", "rmse", "s to 1 %", "s whole", "epochs", "peak MB"), rows)
    for name, found in runs.items():
        log = found[0]["log"]
        print(f"\nbatch size {name}, seed {args.seeds[0]}, by epoch:")
        lines = [
            (str(x["epoch"]), f"{x['seconds']:.1f}", f"{x['ndcg@10']:.4f}", f"{x['rmse']:.4f}")
            for x in log
        ]
        table(("epoch", "s", "ndcg@10", "rmse"), lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of ratings instead of generated ones")
    parser.add_argument("--ratings", type=int, default=1_000_209, help="to generate")
    parser.add_argument("--batch-size", type=int, nargs="+", default=[0], help="0: the default")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measured(args)))
        return
    with tempfile.TemporaryDirectory() as folder:
        if not args.data:
            from generated import generated, write

            args.data = Path(folder) / f"generated-{args.ratings}"
            write(generated(args.ratings), args.data)
        heading(f"{args.data.name}, seeds {args.seeds}, a tenth of the ratings held out")
        runs: dict[str, list[dict[str, Any]]] = {}
        for seed in args.seeds:
            sizes = {str(n or "default"): partial(run, args, n, seed) for n in args.batch_size}
            for name, found in by_turns(sizes, rounds=1).items():
                runs.setdefault(name, []).extend(found)
        show(args, runs)


if __name__ == "__main__":
    main()

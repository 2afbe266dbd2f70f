"""How many ratings a second are learned from, beside the naive form and PyTorch.

    pip install -e '.[bench]'
    python benchmarks/training.py              # ratings a second, on one core and on all
    python benchmarks/training.py --profile    # where a step's milliseconds go

Every run is a process of its own, bound to its cores, and the runs take turns. A second of ours
and of the PyTorch twin counts the ratings that the rating head predicted in it, the retrieval head
being trained along, and the cutting of the batches; both take theirs from
recsys.training.batches. The naive form trains the same towers, one rating a row. CPU time is the
steadier measure on one core of a busy machine. Ratings are generated in ml-1m's shape, or read
with --data.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import common
from common import ROOT, by_turns, cores, heading, median, peak_megabytes, ratio, table

if TYPE_CHECKING:
    from recsys.training.batches import BatchSampler
    from recsys.training.step import TrainStep

NAMES = {"ours": "recsys", "torch": "PyTorch, the same step", "naive": "naive, a rating a row"}
AGREE = 1e-4  # relative, of our losses and PyTorch's on the same weights and batch
WARM = 3  # steps before the clock starts


def train_step(args: argparse.Namespace) -> tuple["TrainStep", "BatchSampler"]:
    """The step that `recsys train` would make of the folder, and its batches."""
    from recsys.options import Options
    from recsys.parts.part import Training
    from recsys.preprocess import read_dataset
    from recsys.train import use_all_cores
    from recsys.training.step import TrainStep

    use_all_cores()
    dataset = read_dataset(args.data)
    step = TrainStep(Training.of(dataset, dataset.ratings), Options(seed=args.seed))
    return step, step.sampler


def batches(sampler: "BatchSampler", rng: Any) -> Iterator[Any]:
    """Batches without end."""
    while True:
        yield from sampler.epoch(rng)


def steps_of(name: str, args: argparse.Namespace) -> Callable[[], int]:
    """A function that does one step and returns how many ratings were predicted in it."""
    import numpy as np

    rng = np.random.default_rng(args.seed)
    step, sampler = train_step(args)
    if name == "naive":
        from naive import Naive

        naive = Naive(step, sampler)
        pieces = naive.epoch(rng)

        def naive_step() -> int:
            piece = next(pieces)
            naive(piece)
            return len(piece)

        return naive_step
    trained: Any = step
    if name == "torch":
        import torch
        from torch_twin import TorchTwin

        torch.set_num_threads(cores())
        trained = TorchTwin(step)
    given = batches(sampler, rng)

    def batch_step() -> int:
        batch = next(given)
        trained(batch, rng)
        return int(batch.predicted.sum())

    return batch_step


def measured(name: str, args: argparse.Namespace) -> dict[str, float]:
    """Ratings a second and a second of CPU time, and the peak of memory."""
    step = steps_of(name, args)
    for _ in range(WARM):
        step()
    ratings, started, worked = 0, time.perf_counter(), time.process_time()
    while (seconds := time.perf_counter() - started) < args.seconds:
        ratings += step()
    worked = time.process_time() - worked
    return {"rate": ratings / seconds, "cpu": ratings / worked, "megabytes": peak_megabytes()}


def agreement(args: argparse.Namespace) -> dict[str, float]:
    """How far our losses and PyTorch's are apart on the first batch, and three steps later."""
    import numpy as np
    from torch_twin import TorchTwin

    step, sampler = train_step(args)
    twin = TorchTwin(step)
    given = batches(sampler, np.random.default_rng(args.seed))
    apart = []
    for number in range(4):
        batch = next(given)
        ours = step(batch, np.random.default_rng(number))
        theirs = twin(batch, np.random.default_rng(number))
        apart.append(max(abs(a / b - 1) for a, b in zip(ours, theirs, strict=True)))
    return {"first": apart[0], "later": max(apart)}


def profile(args: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds of the parts of a step, and those of processor time."""
    import numpy as np

    step, sampler = train_step(args)
    rng = np.random.default_rng(args.seed)
    given = batches(sampler, rng)
    found: dict[str, list[tuple[float, ...]]] = {}

    def part(name: str, run: Callable[[], Any]) -> Any:
        started, worked = time.perf_counter(), time.process_time()
        result = run()
        spent = time.perf_counter() - started, time.process_time() - worked
        found.setdefault(name, []).append(tuple(1e3 * each for each in spent))
        return result

    steps, end = 0, time.perf_counter() + args.seconds
    while steps < WARM + 3 or time.perf_counter() < end:
        batch = part("batch", partial(next, given))
        retrieval, rating = part("forward", partial(step._losses, batch, rng))
        part("backward", (step.options.retrieval_weight * retrieval + rating).backward)
        part("optimiser", step.optimizer.step)
        step.optimizer.clear_grad()
        steps += 1
    return {
        name: [median(each) for each in zip(*values[WARM:], strict=True)]
        for name, values in found.items()
    }


def child(what: str, args: argparse.Namespace, count: int) -> dict[str, Any]:
    """What a process of its own on so many cores measures."""
    command = [what, "--data", str(args.data)]
    command += ["--seconds", str(args.seconds), "--seed", str(args.seed)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}  # as `train` has it
    bound = {"preexec_fn": partial(_bind, count)} if hasattr(os, "sched_setaffinity") else {}
    return common.child(__file__, *command, env=env, **bound)


def _bind(count: int) -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def compare(args: argparse.Namespace) -> None:
    baselines = [name for name in NAMES if name in args.of]
    if "torch" in baselines:
        apart = child("agreement", args, cores())
        print(f"losses of ours and PyTorch's: {apart['first']:.1e} apart on the same weights")
        print(f"and batch, {apart['later']:.1e} after three steps of both\n", flush=True)
        if apart["first"] > AGREE:
            sys.exit(f"they do not compute the same: expected less than {AGREE}")
    counts = args.cores
    runs = {
        f"{name} {count}": partial(child, name, args, count)
        for name in baselines
        for count in counts
    }
    found = by_turns(runs, args.rounds)
    rows = []
    for count in counts:
        for name in baselines:
            cells = [NAMES[name], str(count)]
            for key in ("rate", "cpu"):
                rates = {n: [run[key] for run in found[f"{n} {count}"]] for n in baselines}
                to = {other: f"{ratio(rates[name], rates[other]):.2f}" for other in baselines}
                cells.append(f"{median(rates[name]):,.0f}")
                cells += [to.get(other, "") for other in ("naive", "torch")]
            memory = median(run["megabytes"] for run in found[f"{name} {count}"])
            rows.append((*cells, f"{memory:.0f}"))
    columns = ("ratings/s", "x naive", "x PyTorch", "per CPU s", "x naive", "x PyTorch")
    table(("", "cores", *columns, "peak MB"), rows)


def show_profile(args: argparse.Namespace) -> None:
    rows = []
    for count in args.cores:
        found = child("profile", args, count)
        sums = [sum(each) for each in zip(*found.values(), strict=True)]
        for name, (spent, worked) in [*found.items(), ("step", sums)]:
            share = f"{spent / sums[0]:.0%}"
            rows.append((str(count), name, f"{spent:.1f}", share, f"{worked:.1f}"))
    table(("cores", "part", "ms", "share", "CPU ms"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of ratings instead of generated ones")
    parser.add_argument("--ratings", type=int, default=1_000_209, help="to generate")
    parser.add_argument("--of", nargs="+", choices=list(NAMES), default=list(NAMES))
    parser.add_argument("--cores", type=int, nargs="+", default=sorted({1, cores()}))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        other = {"agreement": agreement, "profile": profile}.get(args.measure)
        print(json.dumps(other(args) if other else measured(args.measure, args)))
        return
    with tempfile.TemporaryDirectory() as folder:
        if not args.data:
            from generated import generated, write

            args.data = Path(folder) / f"generated-{args.ratings}"
            write(generated(args.ratings, seed=args.seed), args.data)
        heading(f"{args.data.name}, seed {args.seed}, {args.seconds:g} s a run")
        show_profile(args) if args.profile else compare(args)


if __name__ == "__main__":
    main()

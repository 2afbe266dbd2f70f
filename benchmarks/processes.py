"""What a second process of the same training gives, and what many would give on paper.

    python benchmarks/processes.py --data DATA

Steps of one process with one thread, of one with all threads, and of processes with a thread each,
which Paddle's launcher starts on this machine; they take turns. On paper: the steps of one process
with one thread that does the share of one of so many and sends nothing, in processor time, and
beside it what a ring would take to send the rest.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from common import ROOT, by_turns, clean_environment, cores, cost, heading, table

WARM = 3  # steps before the clock starts
NODES = 2, 8, 64
LATENCY = 1e-4  # seconds from a node to the next, on paper
COLUMNS = {"batch": "batch ms", "step": "step", "optimiser": "optimiser", "add": "exchange"}
COLUMNS |= {"cpu": "CPU ms of all", "sent": "MB added up"}


def measured(args: argparse.Namespace) -> None:
    """Write the means of a step's milliseconds, by part, and what it adds up."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    from recsys.options import Options
    from recsys.parts.part import Training
    from recsys.preprocess import read_dataset
    from recsys.train import use_all_cores
    from recsys.training.ranks import Ranks
    from recsys.training.step import TrainStep

    spent = dict.fromkeys([*COLUMNS, "times"], 0.0)

    def timed(name: str, work: Any, *given: Any) -> Any:
        started = time.perf_counter()
        result = work(*given)
        spent[name] += 1e3 * (time.perf_counter() - started)
        return result

    class Counting(Ranks):
        def add(self, tensors: Sequence[Any]) -> Sequence[Any]:
            spent["sent"] += sum(4 * each.size for each in tensors) / 2**20
            spent["times"] += 1
            return timed("add", super().add, tensors) if self.wires else tensors

    ranks = Counting(0, args.of) if args.of > 1 else Counting.launched()
    use_all_cores(ranks if ranks.wires else Ranks())
    threadpool_limits(1, "blas")  # as training has it
    dataset = read_dataset(args.data)
    options = Options(seed=args.seed, batch_users=args.users)
    step: Any = TrainStep(Training.of(dataset, dataset.ratings), options, ranks)
    step.optimizer.step = partial(timed, "optimiser", step.optimizer.step)
    rng = np.random.default_rng(args.seed)
    batches = (batch for _ in range(args.steps + WARM) for batch in step.sampler.epoch(rng))
    for number in range(WARM + args.steps):
        if number == WARM:
            ranks.meet()
            spent |= dict.fromkeys(spent, 0.0)
            worked = time.process_time()
        batch = timed("batch", next, batches)
        timed("step", step, batch, rng)
    every = {str(ranks.rank): np.array(1e3 * (time.process_time() - worked))}
    if ranks.wires:
        every = ranks.gathered(every)
    spent["cpu"] = float(sum(every.values()))
    if not ranks.rank:
        args.measure.write_text(json.dumps({n: each / args.steps for n, each in spent.items()}))


def run(
    args: argparse.Namespace, folder: Path, processes: int, threads: int, of: int
) -> dict[str, float]:
    """What so many processes with so many threads measure."""
    result = folder / "found.json"
    launcher = f"-m paddle.distributed.launch --nproc_per_node {processes} --log_dir".split()
    how = [*launcher, str(folder / "log")] if processes > 1 else []
    given = {"--measure": result, "--data": args.data, "--steps": args.steps, "--of": of}
    given |= {"--seed": args.seed, "--users": args.users}
    options = [str(each) for pair in given.items() for each in pair]
    env = clean_environment(PYTHONPATH=str(ROOT), OMP_NUM_THREADS=str(threads))
    cost([sys.executable, *how, __file__, *options], env=env)
    return dict(json.loads(result.read_text()))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of ratings instead of generated ones")
    parser.add_argument("--processes", type=int, default=max(2, cores()))
    parser.add_argument("--users", type=int, default=256, help="a step")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--gbit", type=float, default=10.0, help="a second, of a network on paper")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--of", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measured(args)
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if not args.data:
            from generated import generated, write

            args.data = folder / "generated"
            write(generated(1_000_209, seed=args.seed), args.data)
        heading(f"{args.data.name}, seed {args.seed}, {args.steps} steps of {args.users:,} users")
        wanted = {"1": (1, 1, 1), "all": (1, cores(), 1), "many": (args.processes, 1, 1)}
        wanted |= {str(of): (1, 1, of) for of in NODES}
        found = by_turns(
            {n: partial(run, args, folder, *w) for n, w in wanted.items()}, args.rounds
        )
        each = {n: {k: median(r[k] for r in runs) for k in runs[0]} for n, runs in found.items()}
        rows = [
            (*map(str, wanted[name][:2]), *(f"{each[name][key]:.1f}" for key in COLUMNS))
            for name in ("1", "all", "many")
        ]
        table(("processes", "threads", *COLUMNS.values()), rows)
        print(f"\non paper: nodes of one thread, a network of {args.gbit:g} Gbit/s, CPU time")
        rows = []
        for nodes in NODES:
            own = each[str(nodes)]
            ring = 2 * (nodes - 1) / nodes * own["sent"] * 2**20 * 8 / (args.gbit * 1e9)
            send = 1e3 * (ring + own["times"] * 2 * (nodes - 1) * LATENCY)
            whole, cells = own["cpu"] + send, (own["cpu"], own["sent"], send)
            more = f"{whole:.1f}", f"{each['1']['cpu'] / whole:.2f}"
            rows.append((str(nodes), *(f"{each:.1f}" for each in cells), *more))
        table(("nodes", "CPU ms", "MB", "ms to send", "ms", "x one"), rows)


if __name__ == "__main__":
    main()

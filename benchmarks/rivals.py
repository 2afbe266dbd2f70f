"""Seconds to the ranking that each reaches: recsys, and what else one would take for it.

    pip install -e '.[bench]' lightfm-next
    python benchmarks/rivals.py DATA [DATA ...] [--rounds 1]

A random fifth of each user's ratings is the test. Each chooses its options on a fifth of the rest,
as `recsys evaluate` has them, and learns from all of the rest with the best; LightFM chooses likes
or all ratings, and its epochs. Everything is in a process of its own, on all cores, from the data
in memory to vectors or weights; asking is not in the seconds.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from common import by_turns, child, heading, median, peak_megabytes, table

NAMES = ("popularity", "EASE", "EDLAE", "iALS", "LightFM", "recsys, 1 epoch", "recsys")
LIGHTFM = {"no_components": 64, "loss": "warp", "learning_rate": 0.05, "random_state": 0}


def measured(path: str, name: str) -> dict[str, float]:
    """Seconds of choosing and of learning, of the processor, and the test's ndcg@10."""
    import recsys
    from recsys.evaluation.baselines import BASELINES, tune
    from recsys.evaluation.problem import Problem
    from recsys.evaluation.splits import split
    from recsys.train import use_all_cores

    use_all_cores()
    dataset = recsys.read_dataset(path)
    choice, final = (Problem(s, dataset) for s in split(dataset.ratings, "random", 0))
    idle, started, processor = peak_megabytes(), time.perf_counter(), time.process_time()
    fit: Callable[..., Any] = lightfm
    chosen: tuple[Any, ...] = ()
    if name.startswith("recsys"):
        fit = partial(ours, epochs=1 if "1" in name else recsys.Options().epochs)
    elif name == "LightFM":
        chosen = chosen_epochs(choice)
    else:
        baseline = next(each for each in BASELINES if each.name == name)
        fit, chosen = baseline.fit, tune(baseline, choice)
    choosing = time.perf_counter() - started
    best = fit(final, *chosen)
    found = {"choosing": choosing, "all": time.perf_counter() - started}
    found |= {"processor": time.process_time() - processor, "mb": peak_megabytes() - idle}
    lists = best() if name.startswith("recsys") else final.best(best)
    return found | {"ndcg": final.judged(lists)["ndcg@10"].value}


def ours(problem: Any, epochs: int) -> Callable[[], Any]:
    """All of `train`, and then its lists."""
    import recsys
    from recsys.evaluation.compare import Comparison, trained

    model = trained(problem, recsys.Options(epochs=epochs)).model()
    return lambda: Comparison(problem, model).lists("relevance")


def lightfm(problem: Any, kind: str, epochs: int) -> Any:
    """LightFM (Kula, 2015) with WARP, by ids alone."""
    (score,) = _grown(problem, kind, [epochs])
    return score


def chosen_epochs(problem: Any) -> tuple[str, int]:
    """What a rating counts to LightFM, and how many epochs are best on the test of a problem."""
    steps, found = [5] * 8, {}
    for kind in ("liked", "rated"):
        for number, score in enumerate(_grown(problem, kind, steps), 1):
            judged = problem.judged(problem.best(score))
            found[kind, sum(steps[:number])] = judged["ndcg@10"].value
    return max(found, key=lambda options: found[options])


def _grown(problem: Any, kind: str, steps: list[int]) -> Iterator[Any]:
    """A scorer after so many epochs, and so many more; it is of the present state."""
    from lightfm import LightFM

    model, seen = LightFM(**LIGHTFM), problem.matrix(problem.stage.train, kind).tocoo()
    seen.eliminate_zeros()

    def score(user_ids: Any) -> Any:
        users = model.get_user_representations()[1][problem.rows(user_ids)]
        popular, movies = model.get_item_representations()
        return users @ movies.T + popular

    for count in steps:
        model.fit_partial(seen, epochs=count, num_threads=2)
        yield score


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", nargs="+")
    parser.add_argument("--only", nargs="+", default=NAMES)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measured(args.data[0], args.only[0])))
        return
    heading(f"seed 0, median of {args.rounds} rounds")
    for path in args.data:
        runs = {n: partial(child, __file__, path, "--only", n) for n in args.only}
        found = by_turns(runs, args.rounds)
        rows = []
        for name, each in found.items():
            run = {key: median(one[key] for one in each) for key in each[0]}
            times = (f"{run[key]:.1f}" for key in ("choosing", "all", "processor"))
            rows.append((name, *times, f"{run['mb']:.0f}", f"{run['ndcg']:.4f}"))
        table(
            [path.rstrip("/").split("/")[-1], "choosing s", "all s", "CPU s", "MB", "ndcg@10"], rows
        )
        print(flush=True)


if __name__ == "__main__":
    main()

"""Do two heads trained together hold their best? Each alone beside both, seed by seed.

    python benchmarks/heads.py data/ml-100k --seeds 3

Random per-user split, trained on its training part, judged on its validation part; the test part
is not touched. One head alone is the same training with no weight, or all of it, on the match loss.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from recsys.options import Options
from recsys.preprocess import read_dataset
from recsys.show import table
from recsys.splits import split
from recsys.train import fit, use_all_cores

WAYS = {"both heads": Options().match_weight, "stars alone": 0.0, "match alone": 1000.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of ratings, as `recsys train --data`")
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    use_all_cores()
    dataset = read_dataset(asked.data)
    rows = []
    for way, weight in WAYS.items():
        found = []
        for seed in range(asked.seeds):
            part = split(dataset.ratings, "random", seed).choice
            options = replace(Options(), seed=seed, match_weight=weight)
            last = fit(dataset, part.known, options, part.asked).log[-1]
            found.append((last["ndcg@10"], last["rmse"]))
        ndcg, rmse = np.array(found).T
        seeds = " ".join(f"{n:.4f}/{r:.4f}" for n, r in found)
        rows.append((way, float(ndcg.mean()), float(rmse.mean()), seeds))
    print(f"{dataset.name}, validation, {asked.seeds} seeds")
    print(table(("", "ndcg@10", "rmse", "ndcg@10/rmse by seed"), rows))


if __name__ == "__main__":
    main()

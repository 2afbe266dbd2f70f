"""How well are ratings predicted? Ours beside Surprise's SVD++, fold by fold.

    pip install -e '.[bench]'
    python benchmarks/rmse_folds.py data/ml-100k

Random k-fold over ratings, the same folds for all; what is chosen is chosen on a validation part of
the others. Ours is what `recsys train` makes, a random tenth choosing its epoch.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from common import heading, table

import recsys


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of ratings, as `recsys train --data`")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--baselines", default="SVD++", help="as `recsys evaluate` has it")
    args = parser.parse_args()
    dataset = recsys.read_dataset(args.data)
    ratings = dataset.ratings[np.lexsort((dataset.ratings.movie_ids, dataset.ratings.user_ids))]
    fold = np.random.default_rng(args.seed).permutation(len(ratings)) % args.folds  # (N,)
    heading(f"{dataset.name}: RMSE, random {args.folds}-fold over ratings, seed {args.seed}")
    found: dict[str, list[float]] = {}
    for number in range(args.folds):
        train, test = (replace(dataset, ratings=ratings[(fold == number) == out]) for out in (0, 1))
        about = {"test": test, "indexes": (), "compared": args.baselines}
        for row in recsys.evaluate(train, "random", [args.seed], **about):
            if "rmse" in row.metrics:
                found.setdefault(row.name, []).append(row.metrics["rmse"].value)
    rows = [(n, *(f"{each:.4f}" for each in [*v, np.mean(v)])) for n, v in found.items()]
    table(("", *(f"fold {n + 1}" for n in range(args.folds)), "mean"), rows)


if __name__ == "__main__":
    main()

"""How well are ratings predicted? Ours beside Surprise's SVD++, fold by fold.

    pip install -e '.[bench]'
    python benchmarks/rmse_folds.py data/ml-100k

Random k-fold over ratings, the same folds for both, with their default options and nothing chosen
on a fold. Ours is what `recsys train` makes, a random tenth choosing its epoch.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from common import heading, table

from recsys.evaluation.compare import Comparison, trained
from recsys.evaluation.libraries import svdpp
from recsys.evaluation.problem import Predict, Problem
from recsys.evaluation.splits import Stage
from recsys.options import Options
from recsys.preprocess import read_dataset


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of ratings, as `recsys train --data`")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    dataset = read_dataset(args.data)
    ratings = dataset.ratings
    ratings = ratings[np.lexsort((ratings.movie_ids, ratings.user_ids))]
    fold = np.random.default_rng(args.seed).permutation(len(ratings)) % args.folds  # (N,)

    def ours(problem: Problem) -> Predict:
        return Comparison(problem, trained(problem, Options(seed=args.seed)).model()).predicted

    heading(f"{dataset.name}: RMSE, random {args.folds}-fold over ratings, seed {args.seed}")
    rows = []
    for name, fit in (("SVD++", lambda problem: svdpp(problem, 20, 20, 0.02)), ("recsys", ours)):
        started, errors = time.perf_counter(), []
        for number in range(args.folds):
            train, test = ratings[fold != number], ratings[fold == number]
            problem = Problem(Stage(train, test[np.arange(0)], test), dataset)
            errors.append(problem.errors(fit(problem))["rmse"].value)
        cells = [f"{error:.4f}" for error in [*errors, np.mean(errors)]]
        rows.append((name, *cells, f"{time.perf_counter() - started:.0f}"))
    table(("", *(f"fold {n + 1}" for n in range(args.folds)), "mean", "seconds"), rows)


if __name__ == "__main__":
    main()

"""How well are ratings predicted? Ours beside Surprise's SVD and SVD++, fold by fold.

    pip install -e '.[bench]'
    python benchmarks/rmse_folds.py ml-100k

Random k-fold over ratings, the same folds for all; every algorithm with its default options and
nothing chosen on a fold. Ours is what `recsys train` makes: rating head and rating factors.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from surprise import SVD, Reader, SVDpp, Trainset
from surprise import Dataset as SurpriseDataset
from surprise.prediction_algorithms.algo_base import AlgoBase

from recsys.data.dataset import Dataset, Ratings
from recsys.evaluation.compare import Comparison, trained
from recsys.evaluation.problem import Problem
from recsys.evaluation.splits import Stage
from recsys.metrics import rating_metrics
from recsys.preprocess import read_dataset
from recsys.training.options import Options

Predict = Callable[[Ratings, Ratings], NDArray[np.floating]]  # training, test -> (N,) ratings


def ours(dataset: Dataset, seed: int) -> Predict:
    """What `recsys train` makes by default, a random tenth choosing its epoch."""

    def predict(train: Ratings, test: Ratings) -> NDArray[np.floating]:
        problem = Problem(Stage(train, test[np.arange(0)], test), dataset)
        ours = Comparison(problem, trained(problem, Options(seed=seed)).model())
        return ours.predicted(test.user_ids, test.movie_ids)

    return predict


def surprise(algorithm: type[AlgoBase], seed: int) -> Predict:
    """An algorithm of Surprise with the options its documentation reports results for."""

    def predict(train: Ratings, test: Ratings) -> NDArray[np.floating]:
        fitted = algorithm(random_state=seed).fit(trainset(train))
        pairs = zip(test.user_ids.tolist(), test.movie_ids.tolist(), strict=True)
        return np.array([fitted.predict(user, movie).est for user, movie in pairs])

    return predict


def trainset(ratings: Ratings) -> Trainset:
    lines = zip(
        ratings.user_ids.tolist(), ratings.movie_ids.tolist(), ratings.values.tolist(), strict=True
    )
    scale = (float(ratings.values.min()), float(ratings.values.max()))
    data = SurpriseDataset(Reader(rating_scale=scale))
    return data.construct_trainset([(*line, None) for line in lines])


def folds(ratings: Ratings, count: int, seed: int) -> Iterator[tuple[Ratings, Ratings]]:
    """Random k-fold over ratings: (training, test) pairs, each rating in one test."""
    ratings = ratings[np.lexsort((ratings.movie_ids, ratings.user_ids))]
    fold = np.random.default_rng(seed).permutation(len(ratings)) % count  # (N,)
    for number in range(count):
        yield ratings[fold != number], ratings[fold == number]


def table(dataset: Dataset, count: int, seed: int) -> Iterator[tuple[str, list[float], float]]:
    """(name, RMSE of each fold, seconds)."""
    baselines = {
        "SVD": surprise(SVD, seed),
        "SVD++": surprise(SVDpp, seed),
        "recsys": ours(dataset, seed),
    }
    for name, predict in baselines.items():
        started, errors = time.perf_counter(), []
        for train, test in folds(dataset.ratings, count, seed):
            metrics = rating_metrics(test.user_ids, test.values, predict(train, test))
            errors.append(metrics["rmse"].value)
        yield name, errors, time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of ratings, as `recsys train --data`")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    dataset = read_dataset(args.data)
    print(f"{dataset.name}: RMSE, random {args.folds}-fold over ratings, seed {args.seed}")
    heads = " ".join(f"{f'fold {number}':>8}" for number in range(1, args.folds + 1))
    print(f"{'':20} {heads} {'mean':>8} {'seconds':>8}")
    for name, errors, seconds in table(dataset, args.folds, args.seed):
        cells = " ".join(f"{error:8.4f}" for error in [*errors, np.mean(errors)])
        print(f"{name:20} {cells} {seconds:8.0f}", flush=True)


if __name__ == "__main__":
    main()

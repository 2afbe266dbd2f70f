"""The share of each part in the quality: heads trained alone and together, and the EASE part.

    python benchmarks/heads.py data/ml-100k --seeds 3

Random per-user split, trained on its training part, judged on its validation part; the test part
is not touched. One head alone is the same training with no weight, or all, on the retrieval loss.
The second table ranks by the cosines of some parts only, and by EASE's whole matrix at its best.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys.cli.tables import table
from recsys.data.dataset import Dataset
from recsys.data.ids import positions
from recsys.data.recency import Recency
from recsys.evaluation import baselines
from recsys.evaluation.experiment import task_of
from recsys.evaluation.splits import Part, split
from recsys.metrics import best, ranking_metrics
from recsys.preprocess import read_dataset
from recsys.serving.users import ease_part, head_parts
from recsys.train import Fitted, fit, use_all_cores
from recsys.training.options import Options
from recsys.training.validation import Validation

DEFAULTS = Options()
HEADS = {  # weight of the retrieval loss
    "both heads": DEFAULTS.retrieval_weight,
    "rating head alone": 0.0,
    "retrieval head alone": 1000.0,
}
RANKINGS = {  # weights of the parts
    "retrieval": (1, 0, 0),
    "rating": (0, 1, 0),
    "EASE": (0, 0, 1),
    "retrieval and rating": (1, DEFAULTS.rating_weight, 0),
    "retrieval and EASE": (1, 0, DEFAULTS.ease_weight),
    "all three, as served": (1, DEFAULTS.rating_weight, DEFAULTS.ease_weight),
}


def cosines(fitted: Fitted, part: Part) -> list[NDArray[np.float32]]:
    """(users of the test, M) cosines of the heads and the EASE part."""
    learned, options = fitted.learned, fitted.options
    inputs = (learned.vocabulary, learned.movies, learned.attributes, learned.history)
    validation = Validation(*inputs, part.train, part.test, learned.closed)
    asked = validation.asked(Recency(options.recency_floor, options.recency_span))
    users = head_parts(fitted.tables.__getitem__, asked)
    users["ease"] = ease_part(fitted.tables.__getitem__, asked)
    movies = np.split(fitted.tables["movies"][1:], np.cumsum(fitted.layout)[:-1], axis=1)
    movie_parts = dict(zip(fitted.layout._fields, movies, strict=True))
    return [users[name] @ movie_parts[name].T for name in ("retrieval", "rating", "ease")]


def by_parts(fitted: Fitted, part: Part, dataset: Dataset) -> dict[str, float]:
    """ndcg@10 of the rankings, and of EASE."""
    task = task_of(part, dataset, "random")
    users, each = np.unique(part.test.user_ids), cosines(fitted, part)
    found = {}
    for name, weights in RANKINGS.items():
        scores = sum(weight * cosine for weight, cosine in zip(weights, each, strict=True))
        lists = best(task, lambda ids, scores=scores: scores[positions(users, ids)])
        found[name] = ranking_metrics(task, lists)["ndcg@10"].value
    _, found["EASE, the whole matrix"] = baselines.tune(baselines.EASE, part, dataset, task)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of ratings, as `recsys train --data`")
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    use_all_cores()
    dataset = read_dataset(args.data)
    rows, ranked = [], []
    for name, weight in HEADS.items():
        found = []
        for seed in range(args.seeds):
            part = split(dataset.ratings, "random", seed).choice
            options = replace(Options(), seed=seed, retrieval_weight=weight)
            fitted = fit(dataset, part.train, options, part.test)
            found.append((fitted.progress.log[-1]["ndcg@10"], fitted.progress.log[-1]["rmse"]))
            if name == "both heads":
                ranked.append(by_parts(fitted, part, dataset))
        ndcg, rmse = np.array(found).T
        seeds = " ".join(f"{n:.4f}/{r:.4f}" for n, r in found)
        rows.append((name, float(ndcg.mean()), float(rmse.mean()), seeds))
    print(f"{dataset.name}, validation, {args.seeds} seeds")
    print(table(("trained", "ndcg@10", "rmse", "ndcg@10/rmse by seed"), rows), end="\n\n")
    means = [(name, float(np.mean([one[name] for one in ranked]))) for name in ranked[0]]
    print(table(("ranked by", "ndcg@10"), means))


if __name__ == "__main__":
    main()

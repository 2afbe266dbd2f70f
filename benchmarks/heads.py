"""What each part of a vector is good for: heads trained alone and together, and the EASE part.

    python benchmarks/heads.py data/ml-100k --seeds 3

Random per-user split, trained on its training part, judged on its validation part; the test part
is not touched. One head alone is the same training with no weight, or all of it, on the match loss.
The second table ranks by the cosines of some parts only, and by EASE's whole matrix at its best.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from recsys.training.run import Fitted

from recsys.cli.tables import table
from recsys.data.dataset import Dataset
from recsys.evaluation import baselines
from recsys.evaluation.experiment import task_of
from recsys.evaluation.splits import Part, split
from recsys.metrics import best, positions, ranking_metrics
from recsys.preprocess import read_dataset
from recsys.serving.folded import EASE_WEIGHT, RATING_WEIGHT, movie_vectors, parts, user_vectors
from recsys.train import fit, use_all_cores
from recsys.training.options import Options

WAYS = {"both heads": Options().retrieval_weight, "values alone": 0.0, "match alone": 1000.0}
RANKINGS = {
    "match": (1, 0, 0),
    "stars": (0, 1, 0),
    "linear": (0, 0, 1),
    "match and stars": (1, RATING_WEIGHT, 0),
    "match and linear": (1, 0, EASE_WEIGHT),
    "all three, as served": (1, RATING_WEIGHT, EASE_WEIGHT),
}


def cosines(fitted: Fitted, part: Part) -> list[NDArray[np.float32]]:
    """(users asked, M) cosines of each part of the vectors."""
    users = np.unique(part.test.user_ids)
    rows, words, movies = fitted.vocabulary.user_rows(users), fitted.vocabulary, fitted.movies
    histories = [fitted.history.of(row) for row in rows]
    read = fitted.tables.__getitem__
    people = user_vectors(read, rows, fitted.attributes[rows], histories)
    known = np.arange(1, len(movies) + 1)
    genres, titles = words.genre_rows(movies.genres), words.title_rows(movies.titles)
    movies = movie_vectors(read, known, genres, titles)
    return [a @ b.T for a, b in zip(parts(people), parts(movies), strict=True)]


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
    asked = parser.parse_args()
    use_all_cores()
    dataset = read_dataset(asked.data)
    rows, ranked = [], []
    for way, weight in WAYS.items():
        found = []
        for seed in range(asked.seeds):
            part = split(dataset.ratings, "random", seed).choice
            options = replace(Options(), seed=seed, retrieval_weight=weight)
            fitted = fit(dataset, part.train, options, part.test)
            found.append((fitted.log[-1]["ndcg@10"], fitted.log[-1]["rmse"]))
            if way == "both heads":
                ranked.append(by_parts(fitted, part, dataset))
        ndcg, rmse = np.array(found).T
        seeds = " ".join(f"{n:.4f}/{r:.4f}" for n, r in found)
        rows.append((way, float(ndcg.mean()), float(rmse.mean()), seeds))
    print(f"{dataset.name}, validation, {asked.seeds} seeds")
    print(table(("trained", "ndcg@10", "rmse", "ndcg@10/rmse by seed"), rows), end="\n\n")
    means = [(name, float(np.mean([one[name] for one in ranked]))) for name in ranked[0]]
    print(table(("ranked by", "ndcg@10"), means))


if __name__ == "__main__":
    main()

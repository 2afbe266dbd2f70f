"""Recommendations beside SASRec of `rectools`, which learns from the order of ratings.

    pip install -e '.[sasrec]'
    python benchmarks/sasrec.py data/ml-100k --protocol user-time

Protocols are user-time and fold-in: it has no list for users without a history. Its epochs are
chosen on the validation part, as the options of all baselines of `recsys evaluate` are. Below
Python 3.13 it needs NumPy 1 where myFM needs NumPy 2: an environment of its own.
"""

import argparse
from logging import ERROR, getLogger
from pathlib import Path
from typing import Any
from warnings import simplefilter

import numpy as np
import torch
from common import heading, table
from numpy.typing import NDArray
from pandas import DataFrame
from rectools.dataset import Dataset
from rectools.models import SASRecModel

from recsys.data.dataset import Ratings
from recsys.data.ids import positions
from recsys.data.scale import LIKED
from recsys.evaluation.baselines import Baseline
from recsys.evaluation.compare import Comparison, trained
from recsys.evaluation.problem import Ids, Problem, Scorer
from recsys.evaluation.splits import split
from recsys.options import Options
from recsys.preprocess import read_dataset
from recsys.train import use_all_cores

EPOCHS = (5, 10, 15, 20, 25)
SHAPE = {"session_max_len": 100, "n_blocks": 2, "n_factors": 64, "n_heads": 2, "dropout_rate": 0.3}
BATCH = 32  # users a step: of the 943 of ML-100K more would make too few steps an epoch
FAR = 1e9  # below all scores


def sasrec(problem: Problem, epochs: int) -> Scorer:
    """Self-attentive sequential recommendation (Kang and McAuley, ICDM 2018).

    It learns from training histories alone; what a user folds in is asked about, never learned
    from. Trained with a softmax of all movies, and without positions: the order of ratings given in
    one sitting says little, and with positions ndcg@10 on validation data is lower. Movies without
    training ratings come last, by popularity.
    """
    stage, movies = problem.stage, problem.movie_ids
    popular = np.bincount(problem.matrix(stage.train).indices, minlength=len(movies))
    train, seen = sequences(stage.train), sequences(stage.seen)
    torch.manual_seed(0)
    model = SASRecModel(**SHAPE, use_pos_emb=False, batch_size=BATCH)
    model.fit_partial(train, epochs, epochs)

    def score(user_ids: Ids) -> NDArray[np.float64]:
        scores = np.tile(popular - FAR, (len(user_ids), 1))
        ranked = model.recommend(
            user_ids, seen, len(movies), False, on_unsupported_targets="ignore"
        )
        ranked = ranked[np.isin(ranked["item_id"], movies)]
        rows = positions(user_ids, ranked["user_id"].to_numpy())
        scores[rows, positions(movies, ranked["item_id"].to_numpy())] = ranked["score"]
        return scores

    return score


def sequences(ratings: Ratings) -> Any:
    """Liked movies in the order of time."""
    ratings = ratings[np.argsort(ratings.times, kind="stable")]
    ratings = ratings[ratings.values >= LIKED]
    columns = {
        "user_id": ratings.user_ids,
        "item_id": ratings.movie_ids,
        "weight": np.ones(len(ratings)),
        "datetime": np.arange(len(ratings)).astype("datetime64[ns]"),  # their order is what counts
    }
    return Dataset.construct(DataFrame(columns))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of ratings, as `recsys train --data`")
    parser.add_argument("--protocol", choices=("user-time", "fold-in"), default="user-time")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    simplefilter("ignore")  # advice on workers and logs, users without a history
    for name in ("pytorch_lightning", "lightning.pytorch"):  # they say which devices there are
        getLogger(name).setLevel(ERROR)
    use_all_cores()
    dataset = read_dataset(args.data)
    heading(f"{dataset.name}, {args.protocol}, seed {args.seed}")
    stages = split(dataset.ratings, args.protocol, args.seed)
    choice, final = (Problem(stage, dataset, args.protocol) for stage in stages)
    baseline = Baseline("SASRec", (args.protocol,), sasrec, [(epochs,) for epochs in EPOCHS])
    comparison = Comparison(final, trained(final, Options(seed=args.seed)).model())
    rows = comparison.rows([next(comparison.ours()), *comparison.baselines([baseline], choice)])
    cells = [
        (
            *(row.name, row.chosen),
            *(f"{row.metrics[name].value:.4f}" for name in ("ndcg@10", "recall@20")),
            "{:+.4f} [{:+.4f}, {:+.4f}]".format(*row.behind) if row.behind else "",
        )
        for row in rows
    ]
    table(("", "chosen", "ndcg@10", "recall@20", "our ndcg@10 lead"), cells)


if __name__ == "__main__":
    main()

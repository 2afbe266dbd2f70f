"""What an update keeps of a full training, week by week, and what it takes.

    python benchmarks/everyday.py [DATA] [--weeks 6] [--epochs N] [--seed 0]

The last weeks of the ratings come one after the other. Each is predicted by the model of before
these weeks, by the same after `update` with the weeks since, and by a model trained anew on all
that came before the week. ndcg@10 of the week's likes, over the users who have some, of all movies
that they had not rated before. `kept` is the share of the gain of training anew that updates keep.

    python benchmarks/everyday.py --size 1000000

times an update by a thousand ratings of a model of so many generated ones, in a process of its own.
"""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from common import cost, heading, median, table
from generated import generated
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.evaluation.compare import Comparison
from recsys.evaluation.problem import Problem
from recsys.evaluation.splits import Stage
from recsys.options import Options
from recsys.preprocess import read_dataset
from recsys.serving.model_folder import Model
from recsys.train import train_model
from recsys.update import update_model

WEEK, ROUNDS = 7 * 86_400, 5


def between(dataset: Dataset, first: float, last: float) -> Dataset:
    """The ratings from one time to before another, with all users and movies."""
    times = dataset.ratings.times
    return replace(dataset, ratings=dataset.ratings[(times >= first) & (times < last)])


def ndcg(model: Model, week: Dataset, seen: Dataset) -> NDArray[np.floating]:
    """(E,) of each user who likes something in the week, by rising id."""
    nothing = week.ratings[np.arange(0)]
    problem = Problem(Stage(seen.ratings, nothing, week.ratings), week)
    lists = Comparison(problem, model).lists("relevance")
    return problem.judged(lists)["ndcg@10"].totals


def weeks(data: str, count: int, options: Options) -> None:
    """Print the table by week."""
    dataset = read_dataset(data)
    end = int(dataset.ratings.times.max()) + 1
    start = end - count * WEEK
    old = between(dataset, -np.inf, start)
    with tempfile.TemporaryDirectory() as folder:
        before = train_model(old, Path(folder) / "before", options)
        updated, rows, sums = before, [], []
        for number in range(count):
            first = start + number * WEEK
            week, known = between(dataset, first, first + WEEK), between(dataset, -np.inf, first)
            anew = train_model(known, Path(folder) / "anew", options)
            scores = np.array([ndcg(each, week, known) for each in (before, updated, anew)])
            sums.append(scores)
            since = len(known.ratings) / len(old.ratings) - 1
            rows.append([str(number + 1), f"{since:.1%}", str(scores.shape[1]), *line(scores)])
            updated = update_model(updated, week).model
        every = np.hstack(sums)
        rows.append(["all", "", str(every.shape[1]), *line(every)])
    print(f"{len(old.ratings):,} ratings before; ndcg@10 of each week's likes")
    header = ("week", "ratings since", "users", "as it was", "updated", "trained anew", "kept")
    table(header, rows)


def line(scores: NDArray[np.floating]) -> list[str]:
    """The means of (3, U) ndcg, and the share of the gain that updates keep."""
    old, new, anew = scores.mean(1).tolist()
    kept = f"{(new - old) / (anew - old):.0%}" if anew > old else ""
    return [f"{old:.4f}", f"{new:.4f}", f"{anew:.4f}", kept]


def timed(size: int) -> None:
    """Print the seconds of an update by a thousand ratings, from its start to its end."""
    with tempfile.TemporaryDirectory() as name:
        folder, rng = Path(name), np.random.default_rng(0)
        dataset = generated(size)
        train_model(dataset, folder / "model", Options(epochs=1), validation=0)
        users = rng.choice(dataset.users.ids, 1000)
        movies = rng.choice(dataset.movies.ids, 1000)
        lines = [
            f"{u},{m},{r},2000000000"
            for u, m, r in zip(users, movies, rng.integers(1, 6, 1000), strict=True)
        ]
        (folder / "new.csv").write_text("\n".join(["user_id,movie_id,rating,timestamp", *lines]))
        command = (sys.executable, "-m", "recsys", "update", "-q", "--model", "model")
        rows = [cost([*command, "--data", "new.csv"], cwd=folder).seconds for _ in range(ROUNDS)]
    print(f"{size:,} ratings, {len(dataset.users):,} users, {len(dataset.movies):,} movies")
    span = f"median of {ROUNDS}, {min(rows):.2f} to {max(rows):.2f}"
    print(f"update by 1,000 ratings: {median(rows):.2f} s ({span})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", nargs="?", default="data/ml-100k")
    parser.add_argument("--weeks", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=Options().epochs)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, help="time an update of a model of so many ratings")
    given = parser.parse_args()
    heading(f"seed {given.seed}")
    options = Options(epochs=given.epochs, seed=given.seed)
    if given.size:
        timed(given.size)
    else:
        weeks(given.data, given.weeks, options)


if __name__ == "__main__":
    main()

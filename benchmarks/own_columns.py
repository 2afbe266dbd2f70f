"""What columns of one's own cost when they say nothing, and give when they say what MovieLens' do.

    python benchmarks/own_columns.py --data data/ml-100k --protocol random
    python benchmarks/own_columns.py --data data/ml-100k --protocol cold-users --seeds 0,1

Prints ndcg@10 and rmse of recsys on the same splits: of the data as it is; with random columns
added (of movies a category, a number, several categories, a text; of users two categories and a
number); and with the job as a column of another name, which recsys knows nothing of.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

import recsys
from recsys.data.dataset import Dataset, Users
from recsys.data.schema import JOB, MOST_OF_USERS, Attribute, Column


def variants(dataset: Dataset) -> Iterator[tuple[str, Dataset]]:
    """The data, and twice the same with other columns."""
    yield "as it is", dataset
    rng = np.random.default_rng(0)
    users, movies = dataset.users, dataset.movies
    words = [f"word{n}" for n in range(400)]
    of_movies = {
        "label": Column("category", rng.choice(words[:5], len(movies)).tolist()),
        "price": Column("number", rng.normal(50, 20, len(movies))),
        "tags": Column("categories", [(*rng.choice(words[:8], 2, False),) for _ in movies.titles]),
        "about": Column("text", [" ".join(rng.choice(words, 12)) for _ in movies.titles]),
    }
    of_users = {
        "city": Column("category", rng.choice(words[:6], len(users)).tolist()),
        "plan": Column("category", rng.choice(words[:2], len(users)).tolist()),
        "points": Column("number", rng.integers(1, 100, len(users)).astype(float)),
    }
    yield (
        "random columns added",
        replace(
            dataset, users=with_columns(users, of_users), movies=replace(movies, columns=of_movies)
        ),
    )
    codes = users.column("job") - 1
    place = users.attributes.index(JOB)
    rest = Users(
        users.ids, np.delete(users.rows, place, 1), tuple(a for a in users.attributes if a != JOB)
    )
    job = Column("category", ["" if code < 0 else f"b{code}" for code in codes.tolist()])
    yield "job of another name", replace(dataset, users=with_columns(rest, {"beruf": job}))


def with_columns(users: Users, columns: dict[str, Column]) -> Users:
    """Users with columns of one value a user added."""
    own = [Attribute.of(name, column, MOST_OF_USERS) for name, column in columns.items()]
    rows = [each.rows(columns[each.name]) for each in own]
    return Users(users.ids, np.hstack([users.rows, *rows]), (*users.attributes, *own))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="data/ml-100k")
    parser.add_argument("--protocol", default="random")
    parser.add_argument("--seeds", default="0")
    args = parser.parse_args()
    dataset = recsys.read_dataset(args.data)
    for seed in map(int, args.seeds.split(",")):
        for name, data in variants(dataset):
            ours = next(recsys.evaluate(data, args.protocol, seeds=[seed], indexes=()))
            values = {k: m.value for k, m in ours.metrics.items() if k in ("ndcg@10", "rmse")}
            shown = "  ".join(f"{k} {v:.4f}" for k, v in values.items())
            print(f"{args.protocol}  seed {seed}  {name:22}  {shown}", flush=True)


if __name__ == "__main__":
    main()

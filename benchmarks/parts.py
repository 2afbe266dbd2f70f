"""What each part of the vector gives: with all, without each, and each alone, on validation data.

    python benchmarks/parts.py data/ml-100k --seeds 3 --protocols random,user-time,fold-in

A model is trained on the training part of the split as `recsys train` does it, and asked for the
validation part; the test part is not touched. Parts that weigh nothing, and towers that `train`
leaves out, are kept here, so that what they give alone is known. The first table
is of rankings, with recency and without it at the moment of asking, the second one of predicted
ratings, the third one of movies without ratings, the last one of similar movies (trained on all
ratings; there is nothing to split), beside two neighbourhood methods. Data without stars have no
second table, those without genres no third and fourth one.
"""

import argparse
import csv
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from common import heading
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

import recsys
from recsys import parts
from recsys.cli.output import table
from recsys.data.dataset import Dataset, Movies
from recsys.data.ids import positions
from recsys.data.titles import name_and_year, plain
from recsys.evaluation.baselines import biases, chance
from recsys.evaluation.compare import Comparison, trained
from recsys.evaluation.problem import Problem, rated
from recsys.evaluation.splits import Stage, split
from recsys.infer import catalogue, predicted_ratings, users_of
from recsys.options import Options
from recsys.parts import RATINGS, weights_of
from recsys.parts.part import unit
from recsys.preprocess import read_dataset
from recsys.serving.model_folder import Model
from recsys.train import use_all_cores

SHRINKAGE = 10  # users of both movies, of no effect, that an adjusted cosine starts from
RANKING = ("retrieval", "rating", "ease", "taste", "popular", "recent")
RATING = ("rating", "factors")
WORDS = {"retrieval": "retrieval head", "rating": "rating head", "ease": "EASE part"}
WORDS |= {"factors": "rating factors", "taste": "taste part"}
WORDS |= {"popular": "popularity", "recent": "popularity of late"}


def ranking(dataset: Dataset) -> tuple[str, ...]:
    """The slices that rank: of events none that predict ratings."""
    return tuple(name for name in RANKING if dataset.scale.rated or name not in RATINGS)


def kept(parts: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Which parts count, by what a row of the table is called."""
    without = {f"without {WORDS[name]}": tuple(p for p in parts if p != name) for name in parts}
    alone = {f"{WORDS[name]} alone": (name,) for name in parts}
    return {"all, as served": parts} | (without if len(parts) > 2 else {}) | alone


def whole(problem: Problem, seed: int) -> Model:
    """Our model with all parts, also those that the held-out ratings leave out."""
    ours = trained(problem, Options(seed=seed))
    every = dict.fromkeys(ranking(problem.dataset), 1.0)
    return replace(ours, questions={**ours.questions, "every": every}).model()


def ndcg(ours: Comparison, chosen: tuple[str, ...]) -> float:
    """Of lists by the weighted slices that are chosen, or by one without its weight."""
    model, problem = ours.model, ours.problem
    users = users_of(model, ours.queries(problem.user_ids))
    weights = weights_of(model.weights["relevance"], users.asked)
    some = {n: w for n, w in weights.items() if n in chosen}
    slices = parts.users(model.tables, users.asked)
    queries = model.layout.queries(slices, some if len(chosen) > 1 else {chosen[0]: 1})
    scores = queries @ ours.movies.vectors.T
    lists = problem.best(lambda ids: scores[positions(problem.user_ids, ids)])
    return problem.judged(lists)["ndcg@10"].value


def rmse(ours: Comparison, chosen: tuple[str, ...]) -> float:
    """Of the weighted mean of the ratings that some slices predict."""
    weights = {name: ours.model.weights["rating"][name] for name in chosen}
    total = sum(weight / RATINGS[name] for name, weight in weights.items())
    shares = {name: weight / total for name, weight in weights.items()}

    def predict(user_ids: NDArray[np.integer], movie_ids: NDArray[np.integer]) -> NDArray:
        users, user = np.unique(user_ids, return_inverse=True)
        asked = users_of(ours.model, ours.queries(users)).asked
        slices = parts.users(ours.model.tables, asked)
        queries = ours.model.layout.queries({name: slices[name] for name in chosen}, shares)
        movies = ours.movies.vectors[positions(ours.movies.ids, movie_ids)]
        return predicted_ratings(queries[user], movies)

    return ours.problem.errors(predict)["rmse"].value


def of_known_movies(dataset: Dataset, protocol: str, seed: int) -> dict[str, dict[str, float]]:
    """ndcg@10 and rmse by row."""
    problem = Problem(split(dataset.ratings, protocol, seed).choice, dataset, protocol)
    ours = Comparison(problem, whole(problem, seed))
    ranked = {name: ndcg(ours, chosen) for name, chosen in kept(ranking(dataset)).items()}
    choices = kept(RATING).items() if dataset.scale.rated else ()
    errors = {name: rmse(ours, chosen) for name, chosen in choices}
    ours.model.recency = ours.model.recency._replace(floor=1.0)
    ranked["all, without recency"] = ndcg(ours, ranking(dataset))
    return {"ndcg@10": ranked, "rmse": errors}


def of_new_movies(dataset: Dataset, seed: int) -> dict[str, float]:
    """ndcg@10 of movies without ratings among themselves, by the prior that content gives."""
    parts = split(dataset.ratings, "cold-movies", seed)
    problem = Problem(parts.choice, dataset, "cold-movies")
    ours = Comparison(problem, whole(problem, seed))
    found = {name: ndcg(ours, chosen) for name, chosen in kept(RANKING).items()}
    lists = problem.best(chance(problem))
    return found | {"without the prior: chance": problem.judged(lists)["ndcg@10"].value}


def pairs_in(movies: Movies) -> NDArray[np.integer]:
    """(P, 2) ids of pairs that anybody would call similar, of which both are there, by name.

    They were written from titles alone, before any result was looked at.
    """

    def key(title: str) -> tuple[str, int]:
        return plain(title), name_and_year(title)[1]

    ids = dict(zip(map(key, movies.titles), movies.ids.tolist(), strict=True))
    with Path(__file__).with_name("similar_pairs.csv").open(encoding="utf-8") as lines:
        named = [(key(line["title"]), key(line["similar_title"])) for line in csv.DictReader(lines)]
    return np.array([(ids[one], ids[two]) for one, two in named if one in ids and two in ids])


def of_similar_movies(dataset: Dataset, seed: int) -> dict[str, float]:
    """Mean reciprocal ranks of the pairs of similar movies."""
    options = Options(seed=seed)
    with TemporaryDirectory(prefix="recsys-") as folder:
        model = recsys.train_model(dataset, Path(folder) / "model", options)
        movies = catalogue(model)
        parts = model.layout.split(movies.vectors)
    halves = np.split(parts["taste"], [options.taste_rank], axis=1)
    vectors = {
        "taste part, as served": parts["taste"],
        "ratings alone": halves[0],
        "content alone": halves[1],
        **{WORDS[name]: parts[name] for name in ("ease", "retrieval") if name in parts},
    }
    scores = {name: unit(each) @ unit(each).T for name, each in vectors.items()}
    scores |= neighbourhoods(dataset, movies.ids)
    movie, partner = positions(movies.ids, pairs_in(dataset.movies)).T
    found = {}
    for name, each in scores.items():
        np.fill_diagonal(each, -np.inf)  # the movie itself comes last
        before = each[movie] > each[movie, partner][:, None]
        found[name] = float(np.mean(1 / (1 + before.sum(axis=1))))
    return found


def neighbourhoods(dataset: Dataset, movie_ids: NDArray[np.integer]) -> dict[str, NDArray]:
    """(M, M) cosines of who rated movies, and of what biases leave of the ratings.

    The latter are shrunk where few users rated both movies (Sarwar et al., "Item-Based
    Collaborative Filtering Recommendation Algorithms", WWW 2001).
    """
    ratings, users = dataset.ratings, np.unique(dataset.ratings.user_ids)
    nothing = ratings[np.arange(0)]
    predict = biases(Problem(Stage(ratings, nothing, nothing), dataset), 5, 5)
    rest = ratings.values - predict(ratings.user_ids, ratings.movie_ids)
    raters, leftover = (rated(ratings, users, movie_ids, each) for each in (None, rest))
    both = (raters.T @ raters).toarray()
    return {
        "cosine of raters": cosines(raters),
        "adjusted cosine": cosines(leftover) * (both / (both + SHRINKAGE)),
    }


def cosines(x: csr_matrix) -> NDArray[np.floating]:
    """(M, M) cosines of the columns of (U, M) ratings."""
    products = (x.T @ x).toarray()
    lengths = np.sqrt(np.maximum(products.diagonal(), 1e-9))
    return products / lengths / lengths[:, None]


def show(what: str, columns: dict[str, list[dict[str, float]]]) -> None:
    """A table of means over seeds, a column a protocol."""
    names = list(next(iter(columns.values()))[0])
    if not names:
        return
    rows = [
        (name, *(float(np.mean([one[name] for one in found])) for found in columns.values()))
        for name in names
    ]
    print(table((what, *columns), rows), end="\n\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of ratings, as `recsys train --data`")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 0 on")
    parser.add_argument("--protocols", default="random,user-time,fold-in")
    args = parser.parse_args()
    use_all_cores()
    dataset = read_dataset(args.data, skip_bad_lines=True).coded
    seeds = range(args.seeds)
    heading(f"{dataset.name}, validation, means of {args.seeds} seeds")
    known = {
        protocol: [of_known_movies(dataset, protocol, seed) for seed in seeds]
        for protocol in args.protocols.split(",")
    }
    for what in ("ndcg@10", "rmse"):
        show(what, {name: [one[what] for one in found] for name, found in known.items()})
    if any(dataset.movies.genres):
        show("ndcg@10", {"cold-movies": [of_new_movies(dataset, seed) for seed in seeds]})
        show("mrr", {"similar": [of_similar_movies(dataset, seed) for seed in seeds]})


if __name__ == "__main__":
    main()

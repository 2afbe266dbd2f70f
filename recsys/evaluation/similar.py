"""How well `similar` finds movies that anybody would call similar: sequels, siblings, remakes.

The pairs of similar_pairs.csv were written from titles alone, before any result was looked at. Each
movie is asked for all others in order; the rank of its partner is what counts.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from recsys.data.dataset import Dataset, Movies
from recsys.data.ids import Id
from recsys.data.titles import name_and_year, plain
from recsys.errors import DataError
from recsys.infer import Recommender, catalogue
from recsys.metrics import Interval, PerUser, interval
from recsys.train import train_model
from recsys.training.options import Options

PAIRS = Path(__file__).with_name("similar_pairs.csv")


class SimilarRow(NamedTuple):
    """The pairs as `recsys similar` ranks them."""

    name: str
    seed: int  # of the training
    mrr: Interval  # mean of 1 / rank over pairs, 0 for a partner that is not listed
    median_rank: float
    pairs: int


def evaluate_similar(
    dataset: Dataset,
    seeds: Sequence[int] = (0,),
    options: Options = Options(),
    log: Callable[[str], None] = lambda _: None,
) -> Iterator[SimilarRow]:
    """Our `similar` after training on all ratings, a row a seed; DataError if no pair is there."""
    dataset = dataset.coded
    pairs, others = pairs_in(dataset.movies), len(dataset.movies) - 1
    for seed in seeds:
        log(f"similar, seed {seed}: training")
        with TemporaryDirectory(prefix="recsys-") as folder:
            chosen = replace(options, seed=seed)
            model = train_model(dataset, Path(folder) / "model", chosen, log=log)
            movies = Recommender(model, catalogue(model))
            lists = [[each.movie_id for each in movies.similar(id, others)] for id, _ in pairs]
        mrr, median = similar_mrr(lists, [partner for _, partner in pairs])
        yield SimilarRow("recsys", seed, mrr, median, len(pairs))


def similar_mrr(lists: Sequence[list[Id]], partners: Sequence[Id]) -> tuple[Interval, float]:
    """The mean reciprocal rank of partners in lists, with its interval, and the median rank.

    >>> mrr, median = similar_mrr([[2, 3, 4]] * 3, [2, 3, 9])
    >>> mrr.value, median
    (0.5, 2.0)
    """
    pairs = zip(lists, partners, strict=True)
    ranks = np.array([1 + ids.index(id) if id in ids else np.inf for ids, id in pairs])
    return interval(PerUser.mean(1 / ranks), 0), float(np.median(ranks))


def pairs_in(movies: Movies, file: Path = PAIRS) -> list[tuple[int, int]]:
    """(movie id, id of its partner) of the pairs whose movies are both there, by name and year."""

    def key(title: str) -> tuple[str, int]:
        return plain(title), name_and_year(title)[1]

    ids = dict(zip(map(key, movies.titles), movies.ids.tolist(), strict=True))
    with file.open(encoding="utf-8", newline="") as lines:
        named = [(key(line["title"]), key(line["similar_title"])) for line in csv.DictReader(lines)]
    pairs = [(ids[one], ids[other]) for one, other in named if one in ids and other in ids]
    if not pairs:
        raise DataError("no pair of similar movies is in the data", "take ml-100k or ml-1m")
    return pairs

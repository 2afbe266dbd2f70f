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
    """Our `similar` after training on all ratings, a row a seed.

    Raises:
        DataError: no pair is in the dataset. ModelError: as it comes.
    """
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
    """The mean reciprocal rank of partners, with its bootstrap interval, and the median rank.

    Args:
        lists: of each partner's movie the ids of the others, the most similar first.

    >>> mrr, median = similar_mrr([[2, 3, 4]] * 3, [2, 3, 9])
    >>> mrr.value, median
    (0.5, 2.0)
    """
    pairs = zip(lists, partners, strict=True)
    ranks = np.array([1 + ids.index(id) if id in ids else np.inf for ids, id in pairs])
    return interval(PerUser.mean(1 / ranks), 0), float(np.median(ranks))


def pairs_in(movies: Movies, file: Path = PAIRS) -> list[tuple[int, int]]:
    """(movie id, id of its partner) of the pairs whose movies are both there, by name and year.

    Raises:
        DataError: none of them is.
    """
    ids = {
        (plain(title), name_and_year(title)[1]): movie
        for title, movie in zip(movies.titles, movies.ids.tolist(), strict=True)
    }
    pairs = []
    with file.open(encoding="utf-8", newline="") as lines:
        for line in csv.DictReader(lines):
            titles = line["title"], line["similar_title"]
            first, second = (ids.get((plain(title), name_and_year(title)[1])) for title in titles)
            if first is not None and second is not None:
                pairs.append((first, second))
    if not pairs:
        raise DataError("no pair of similar movies is in the data", "take ml-100k or ml-1m")
    return pairs

"""How well `similar` finds movies that anybody would call similar: sequels, siblings, remakes.

The pairs of similar_pairs.csv were written from titles alone, before any result was looked at. Each
movie is asked for all others in order; the rank of its partner is what counts.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Dataset, Movies
from recsys.data.titles import name_and_year, plain
from recsys.errors import DataError
from recsys.evaluation.baselines.simple import LARGEST, fit_biases
from recsys.infer import Recommender, catalogue
from recsys.metrics import Interval, PerUser, interval, matrix
from recsys.serving.model_folder import Model
from recsys.train import train_model
from recsys.training.options import Options

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

PAIRS = Path(__file__).with_name("similar_pairs.csv")
SHRINKAGE = 10  # users of both movies, of no effect, that an adjusted cosine starts from

Neighbours = Callable[[int], Sequence[int] | NDArray[np.integer]]
"""A movie id -> the ids of other movies, the most similar first."""


class SimilarRow(NamedTuple):
    """The pairs as one way to find similar movies ranks them."""

    name: str
    seed: int | None  # of the training; None where nothing is random
    mrr: Interval  # mean of 1 / rank over pairs, 0 for a partner that is not listed
    median_rank: float
    pairs: int


def evaluate_similar(
    dataset: Dataset,
    seeds: Sequence[int] = (0,),
    options: Options = Options(),
    log: Callable[[str], None] = lambda _: None,
) -> Iterator[SimilarRow]:
    """Our `similar` after training on all ratings, a row a seed, and two neighbourhood baselines.

    Raises:
        DataError: no pair is in the dataset. ModelError: as it comes.
    """
    dataset = dataset.coded
    pairs = pairs_in(dataset.movies)
    for seed in seeds:
        log(f"similar, seed {seed}: training")
        with TemporaryDirectory(prefix="recsys-") as folder:
            chosen = replace(options, seed=seed)
            model = train_model(dataset, Path(folder) / "model", chosen, log=log)
            mrr, median = similar_mrr(by_model(model), pairs)
        yield SimilarRow("recsys", seed, mrr, median, len(pairs))
    ids, ratings = dataset.movies.ids, dataset.ratings
    if len(ids) > LARGEST:
        log(f"neighbourhood baselines left out: more than {LARGEST} movies")
        return
    users = np.unique(ratings.user_ids)
    rated = matrix(ratings, users, ids)
    rest = ratings.values - fit_biases(ratings, 5, 5)(ratings.user_ids, ratings.movie_ids)
    for name, scores in (
        ("cosine of raters", lambda: cosines(rated)),
        ("adjusted cosine", lambda: adjusted_cosines(matrix(ratings, users, ids, rest), rated)),
    ):
        mrr, median = similar_mrr(by_scores(ids, scores()), pairs)
        yield SimilarRow(name, None, mrr, median, len(pairs))


def similar_mrr(neighbours: Neighbours, pairs: Sequence[tuple[int, int]]) -> tuple[Interval, float]:
    """The mean reciprocal rank over pairs, with its bootstrap interval, and the median rank.

    >>> mrr, median = similar_mrr(lambda movie: [2, 3, 4], [(1, 2), (1, 3), (1, 9)])
    >>> mrr.value, median
    (0.5, 2.0)
    """
    ranks = np.full(len(pairs), np.inf)
    for row, (movie, partner) in enumerate(pairs):
        position = np.flatnonzero(np.asarray(neighbours(movie)) == partner)
        if len(position):
            ranks[row] = 1 + position[0]
    return interval(PerUser(1 / ranks, np.ones(len(pairs))), 0), float(np.median(ranks))


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


def by_model(model: Model) -> Neighbours:
    """Neighbours as `recsys similar --exact` lists them."""
    recommender = Recommender(model, catalogue(model))
    others = len(model.vocabulary.movie_ids) - 1
    return lambda movie: np.array([each.movie_id for each in recommender.similar(movie, others)])


def by_scores(movie_ids: NDArray[np.integer], scores: NDArray[np.floating]) -> Neighbours:
    """Neighbours by (M, M) likenesses, in the order of the (M,) ids; the movie itself left out."""

    def neighbours(movie: int) -> NDArray[np.integer]:
        row = int(np.flatnonzero(movie_ids == movie)[0])
        order = np.argsort(-scores[row], kind="stable")
        return movie_ids[order[order != row]]

    return neighbours


def cosines(x: "csr_matrix") -> NDArray[np.floating]:
    """(M, M) cosines of the columns of (U, M) ratings."""
    products = (x.T @ x).toarray()
    lengths = np.sqrt(np.maximum(products.diagonal(), 1e-9))
    return products / lengths / lengths[:, None]


def adjusted_cosines(rest: "csr_matrix", rated: "csr_matrix") -> NDArray[np.floating]:
    """(M, M) cosines of what biases leave of ratings, shrunk where few users rated both movies.

    Sarwar et al., "Item-Based Collaborative Filtering Recommendation Algorithms" (WWW 2001).

    Args:
        rest: (U, M) ratings less the biases of user and movie.
        rated: (U, M) 1 where there is a rating.
    """
    both = (rated.T @ rated).toarray()
    return cosines(rest) * (both / (both + SHRINKAGE))

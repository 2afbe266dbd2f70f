"""The similar protocol: pairs by name, reciprocal ranks."""

import csv

import numpy as np
import pytest
from hand_made import ratings

from recsys.data.dataset import Dataset, Movies, Users
from recsys.errors import DataError
from recsys.evaluation.similar import PAIRS, evaluate_similar, pairs_in, similar_mrr
from recsys.training.options import Options

TITLES = ["Star Wars (1977)", "The Empire Strikes Back (1980)", "Heat (1995)", "Heat (1986)"]


def movies(titles=TITLES):
    return Movies(np.arange(1, 1 + len(titles)) * 10, titles, [("Drama",)] * len(titles))


def test_pairs_are_found_by_name_and_year_however_articles_stand():
    with PAIRS.open(encoding="utf-8", newline="") as lines:
        pairs = [frozenset((row["title"], row["similar_title"])) for row in csv.DictReader(lines)]
    assert len(set(pairs)) == len(pairs) >= 30
    assert all(len(pair) == 2 for pair in pairs)
    assert pairs_in(movies()) == [(10, 20)]
    with pytest.raises(DataError, match="no pair of similar movies"):
        pairs_in(movies(["Heat (1995)"]))


def test_reciprocal_ranks_by_hand():
    mrr, median = similar_mrr([[5, 2, 3], [3, 1], [1, 2]], [2, 3, 9])
    assert mrr.value == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert mrr.low <= mrr.value <= mrr.high
    assert median == 2


def test_rows_of_the_table():
    rng = np.random.default_rng(0)
    user, movie = np.nonzero(rng.random((12, 4)) < 0.8)
    rated = ratings(*zip(user + 1, movie * 10 + 10, rng.integers(1, 6, len(user)), strict=True))
    data = Dataset("hand", Users.of(np.arange(1, 13)), movies(), rated)
    options = Options(epochs=1, dimension=4, id_size=4, side_size=4, batch_users=4)
    (row,) = evaluate_similar(data, (3,), options)
    assert (row.name, row.seed, row.pairs) == ("recsys", 3, 1)
    assert row.mrr.value == 1 / row.median_rank

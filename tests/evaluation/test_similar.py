"""The similar protocol: pairs by name, reciprocal ranks, neighbourhoods by hand."""

import csv

import numpy as np
import pytest
from hand_made import ratings
from scipy.sparse import csr_matrix

from recsys.data.dataset import Dataset, Movies, Users
from recsys.errors import DataError
from recsys.evaluation.similar import (
    PAIRS,
    adjusted_cosines,
    by_scores,
    cosines,
    evaluate_similar,
    pairs_in,
    similar_mrr,
)
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
    lists = {1: [5, 2, 3], 2: [3, 1], 3: [1, 2]}
    mrr, median = similar_mrr(lists.get, [(1, 2), (2, 3), (3, 9)])
    assert mrr.value == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert mrr.low <= mrr.value <= mrr.high
    assert median == 2


def test_neighbours_by_scores_leave_the_movie_itself_out():
    ids = np.array([7, 3, 5])
    neighbours = by_scores(ids, np.array([[1, 0, 0.7], [0, 1, 0.7], [0.7, 0.7, 1]]))
    assert neighbours(7).tolist() == [5, 3]
    assert by_scores(ids, np.zeros((3, 3)))(3).tolist() == [7, 5]


def test_cosines_by_hand():
    scores = cosines(csr_matrix([[1, 1, 0], [1, 0, 0], [0, 1, 1.0]]))
    expected = [[1, 1 / 2, 0], [1 / 2, 1, 1 / np.sqrt(2)], [0, 1 / np.sqrt(2), 1]]
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_adjusted_cosines_tell_agreement_from_popularity():
    """All rate all; odd users like the first two movies, even ones the others."""
    likes = np.arange(8)[:, None] % 2 == (np.arange(4) < 2)
    rest = csr_matrix(np.where(likes, 2.0, -2.0))
    scores = adjusted_cosines(rest, abs(rest) / 2)
    shrunk = 8 / (8 + 10)
    np.testing.assert_allclose(scores[0], [shrunk, shrunk, -shrunk, -shrunk], atol=1e-6)


def test_rows_of_the_table():
    rng = np.random.default_rng(0)
    user, movie = np.nonzero(rng.random((12, 4)) < 0.8)
    rated = ratings(*zip(user + 1, movie * 10 + 10, rng.integers(1, 6, len(user)), strict=True))
    data = Dataset("hand", Users.of(np.arange(1, 13)), movies(), rated)
    options = Options(epochs=1, dimension=4, id_size=4, side_size=4, batch_users=4)
    rows = list(evaluate_similar(data, (0,), options))
    baselines = [("cosine of raters", None), ("adjusted cosine", None)]
    assert [(row.name, row.seed) for row in rows] == [("recsys", 0), *baselines]
    assert all(row.pairs == 1 and row.mrr.value == 1 / row.median_rank for row in rows)

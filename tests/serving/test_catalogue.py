"""The exact index: the contract's own corners (the rest is in test_store_contract.py)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from movie_store import movies, oracle, unit

from recsys.serving import catalogue as module
from recsys.serving.catalogue import (
    EVERYTHING,
    NO_MOVIE,
    TIE,
    Catalogue,
    Filter,
    best_first,
    places_of,
)


def test_an_empty_catalogue_has_no_answers() -> None:
    empty = movies(5).take([])
    hits = empty.search(np.ones((2, 16), np.float32), 3)
    assert (hits.movie_ids == NO_MOVIE).all()
    assert (hits.scores == -np.inf).all()
    with pytest.raises(KeyError):
        empty.take([1])


def test_where_is_false_only_when_it_asks_nothing() -> None:
    assert not EVERYTHING
    assert Filter(years=(0, 0))
    assert Filter(any_genre=("Drama",))


def test_movies_with_the_same_vector_come_by_their_ids_wherever_they_stand() -> None:
    """BLAS sums rows of a block and rows of its rest differently; ids must not notice."""
    random = np.random.default_rng(0)
    vectors = unit(random.normal(size=(1003, 48)))
    equal = random.choice(1003, 200, replace=False)
    vectors[equal] = vectors[equal[0]]
    ids = random.permutation(5000)[:1003].astype(np.int64)
    nothing = np.zeros(1003)
    catalogue = Catalogue(
        ids, [""] * 1003, [()] * 1003, nothing.astype(np.int32), nothing.astype(bool), vectors
    )
    wanted = sorted(ids[equal].tolist())
    for k in (1, 10, 184, 200):
        hits = catalogue.search(vectors[equal[:1]], k)
        assert hits.movie_ids[0].tolist() == wanted[:k]


def test_many_queries_are_answered_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = movies(50)
    queries = unit(np.random.default_rng(1).normal(size=(33, 16)))
    exclude = [catalogue.ids[: row % 50] for row in range(33)]
    whole = catalogue.search(queries, 7, exclude=exclude)
    monkeypatch.setattr(module, "_BLOCK", 120)
    parts = catalogue.search(queries, 7, exclude=exclude)
    assert whole.movie_ids.tolist() == parts.movie_ids.tolist()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 40), k=st.integers(1, 45))
def test_search_is_what_comparing_movie_by_movie_gives(seed: int, count: int, k: int) -> None:
    catalogue = movies(count, 3, seed)
    random = np.random.default_rng(seed)
    query = unit(random.normal(size=(1, 3)))
    exclude = random.choice(catalogue.ids, random.integers(0, count + 1), replace=False)
    hits = catalogue.search(query, k, EVERYTHING, [exclude])
    wanted = oracle(catalogue, query[0], k, EVERYTHING, exclude)
    got = hits.movie_ids[0][: len(wanted)].tolist()
    np.testing.assert_allclose(hits.scores[0][: len(wanted)], [s for _, s in wanted], atol=1e-5)
    assert (hits.movie_ids[0][len(wanted) :] == NO_MOVIE).all()
    for place, (movie_id, score) in enumerate(wanted):  # neighbours closer than TIE may change
        if got[place] != movie_id:
            assert min(abs(score - other) for i, other in wanted if i != movie_id) < 2 * TIE


def test_best_first_orders_by_score_and_ties_by_id() -> None:
    ids = np.array([[5, 4, 9, 1, NO_MOVIE]])
    scores = np.array([[0.5, 0.5 + TIE / 4, 0.9, 0.5 - TIE / 4, -np.inf]], np.float32)
    hits = best_first(ids, scores)
    assert hits.movie_ids.tolist() == [[9, 1, 4, 5, NO_MOVIE]]
    assert (np.diff(hits.scores[0][:-1]) <= 0).all()


def test_places_of_leaves_out_what_is_not_there() -> None:
    assert places_of(np.array([2, 4, 6]), [6, 5, 2, 99, -1]).tolist() == [2, 0]
    assert places_of(np.array([], np.int64), [1]).tolist() == []


def test_searching_changes_nothing() -> None:
    catalogue = movies(20)
    before = catalogue.vectors.copy(), catalogue.ids.copy()
    catalogue.search(catalogue.vectors[:3], 5, exclude=[catalogue.ids[:2]] * 3)
    np.testing.assert_array_equal(catalogue.vectors, before[0])
    np.testing.assert_array_equal(catalogue.ids, before[1])

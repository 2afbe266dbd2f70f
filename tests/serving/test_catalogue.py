"""The exact index: the contract's own corners (the rest is in test_store_contract.py)."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from movie_store import agrees, movies, oracle, unit

from recsys.data.schema import Column
from recsys.serving import catalogue as module
from recsys.serving.catalogue import (
    EVERYTHING,
    NO_MOVIE,
    Filter,
    Hits,
    best_first,
)


def test_an_empty_catalogue_has_no_answers() -> None:
    empty = movies(5).take([])
    hits = empty.search(np.ones((2, 16), np.float32), 3)
    assert (hits.movie_ids == NO_MOVIE).all()
    assert (hits.scores == -np.inf).all()
    with pytest.raises(KeyError):
        empty.take([1])


def test_a_catalogue_is_updated_by_another_with_all_that_is_known() -> None:
    prices = Column("number", np.arange(5.0))
    old = replace(movies(5), columns={"price": prices})
    new = replace(old.take(old.ids[[3, 1]]), titles=["New", "Too"], ids=np.array([old.ids[3], 999]))
    whole = old.updated(new)
    assert whole.ids.tolist() == [*old.ids[[0, 1, 2, 4]].tolist(), old.ids[3], 999]
    assert whole.titles[-2:] == ["New", "Too"]
    assert whole.columns["price"].values.tolist() == [0, 1, 2, 4, 3, 1]
    for one in whole.ids[:4].tolist():
        np.testing.assert_array_equal(whole.take([one]).vectors, old.take([one]).vectors)


def test_a_filter_is_false_only_when_it_asks_nothing() -> None:
    assert not EVERYTHING
    assert Filter(years=(0, 0))
    assert Filter(any_genre=("Drama",))


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
    agrees(hits, 0, oracle(catalogue, query[0], EVERYTHING, exclude))


def test_best_first_orders_by_score_then_by_id() -> None:
    ids = np.array([[5, 4, 9, 1, NO_MOVIE]])
    hits = best_first(Hits(ids, np.array([[0.5, 0.5, 0.9, 0.5, -np.inf]], np.float32)))
    assert hits.movie_ids.tolist() == [[9, 1, 4, 5, NO_MOVIE]]
    assert (np.diff(hits.scores[0][:-1]) <= 0).all()


def test_searching_changes_nothing() -> None:
    catalogue = movies(20)
    before = catalogue.vectors.copy(), catalogue.ids.copy()
    catalogue.search(catalogue.vectors[:3], 5, exclude=[catalogue.ids[:2]] * 3)
    np.testing.assert_array_equal(catalogue.vectors, before[0])
    np.testing.assert_array_equal(catalogue.ids, before[1])

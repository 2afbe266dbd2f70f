"""The exact index: the contract's own corners (the rest is in test_store_contract.py)."""

from dataclasses import replace

import numpy as np
import pytest
from movie_store import movies, unit

from recsys.data.schema import Column
from recsys.serving import catalogue as module


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


def test_many_queries_are_answered_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = movies(50)
    queries = unit(np.random.default_rng(1).normal(size=(33, 16)))
    exclude = [catalogue.ids[: row % 50] for row in range(33)]
    whole = catalogue.search(queries, 7, exclude=exclude)
    monkeypatch.setattr(module, "_BLOCK", 120)
    parts = catalogue.search(queries, 7, exclude=exclude)
    assert whole.movie_ids.tolist() == parts.movie_ids.tolist()

"""The exact index: the contract's own corners (the rest is in test_store_contract.py)."""

from dataclasses import replace

import numpy as np
from movie_store import movies

from recsys.data.schema import Column


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

"""Columns that describe movies and users: of what kind they are, and why others are not used."""

import numpy as np
import pytest

from recsys.data.readers.cells import Notes
from recsys.data.readers.describe import described
from recsys.data.schema import Attribute

NO_DATES = "dates, which are read only as year-month-day"
TEXTS = [f"I like movies about number {n} and dogs of kind {n}" for n in range(9)]


def column(*cells):
    columns = described({"name": list(cells)}, {}, notes := Notes(), "f")
    return columns.get("name") or notes.unused["name of f"]


@pytest.mark.parametrize(
    "cells",
    [
        ("1995-08-31", "2001-01-02", "1995-09-01", ""),
        ("1995/08/31", "2001/01/02", "1995/09/01", None),
        ("1995-08-31T12:00:00Z", "2001-01-02 23:59:59.5", "1995-09-01 00:00:00+01:00", ""),
    ],
)
def test_dates_are_numbers_in_their_order(cells):
    read = column(*cells)
    assert read.kind == "number"
    assert read.values.tolist()[:3] == [19950831, 20010102, 19950901]
    assert np.isnan(read.values[3])
    assert read.value(0) == 19950831


def test_dates_are_said_in_all_their_digits():
    born = [f"19{n}-01-0{n % 9 + 1}" for n in range(50, 99)]
    columns = described({"born": born}, {}, notes := Notes(), "f")
    assert notes.own == {"f": {"born": "number 19500106-19980109"}}
    born = Attribute.of("born", columns["born"])
    assert born.value(1) == "under 19550102"
    assert born.rows_of("19550101") == [1]
    assert [born.rows_of(born.value(row)) for row in range(1, 11)] == [[n] for n in range(1, 11)]


def test_dates_that_may_be_others_and_free_text_of_users_are_named():
    for cells in (("31.08.1995", "2.1.2001"), ("31-Aug-1995", "02-Jan-2001")):
        assert column(*cells) == NO_DATES
    assert column("1995-13-31", "2001-01-32") == NO_DATES
    assert column(*["3-5 players", "2-4 players"] * 2).kind == "category"
    described({"about me": TEXTS}, {}, notes := Notes(), "f", text=False)
    assert notes.unused == {"about me of f": "free text of users is not used"}
    assert column(*TEXTS).kind == "text"

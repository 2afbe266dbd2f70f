"""Columns that describe movies and users: of what kind they are, and why others are not used."""

import numpy as np
import pyarrow as pa
import pytest

from recsys.data.schema import Attribute
from recsys.preprocess import read_dataset, read_movies

NO_DATES = "dates, which are read only as year-month-day"
TEXTS = [f"I like movies about number {n} and dogs of kind {n}" for n in range(9)]


def column(*cells):
    """The column of some cells as it is read, or why it is not used; and what else is said."""
    logged: list[str] = []
    movies = pa.table({"item": range(len(cells)), "about": list(cells)})
    read = read_movies(movies, log=logged.append)
    return read.columns.get("about") or logged[1].partition("(")[2].removesuffix(")"), logged


@pytest.mark.parametrize(
    "cells",
    [
        ("1995-08-31", "2001-01-02", "1995-09-01", ""),
        ("1995/08/31", "2001/01/02", "1995/09/01", None),
        ("1995-08-31T12:00:00Z", "2001-01-02 23:59:59.5", "1995-09-01 00:00:00+01:00", ""),
    ],
)
def test_dates_are_numbers_in_their_order(cells):
    read, _ = column(*cells)
    assert read.kind == "number"
    assert read.values.tolist()[:3] == [19950831, 20010102, 19950901]
    assert np.isnan(read.values[3])
    assert read.value(0) == 19950831


def test_dates_are_said_in_all_their_digits():
    dates, logged = column(*(f"19{n}-01-0{n % 9 + 1}" for n in range(50, 99)))
    assert "DataFrame of items: about number 19500106-19980109" in logged
    born = Attribute.of("born", dates)
    assert born.value(1) == "under 19550102"
    assert born.rows_of("19550101") == [1]
    assert [born.rows_of(born.value(row)) for row in range(1, 11)] == [[n] for n in range(1, 11)]


def test_dates_that_may_be_others_and_free_text_of_users_are_named():
    for cells in (("31.08.1995", "2.1.2001"), ("31-Aug-1995", "02-Jan-2001")):
        assert column(*cells)[0] == NO_DATES
    assert column("1995-13-31", "2001-01-32")[0] == NO_DATES
    assert column(*["3-5 players", "2-4 players"] * 2)[0].kind == "category"
    assert column(*TEXTS)[0].kind == "text"
    users, logged = pa.table({"user": range(len(TEXTS)), "about me": TEXTS}), []
    ratings = pa.table({"user": range(len(TEXTS)), "item": range(len(TEXTS))})
    read_dataset(ratings, users=users, log=logged.append)
    assert "not used: about me of DataFrame of users (free text of users is not used)" in logged

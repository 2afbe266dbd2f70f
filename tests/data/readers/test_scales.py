"""Ratings of any scale, thumbs, repeated events and none at all, in every family of files."""

import numpy as np
import pyarrow as pa
import pytest
from families import DAT, put
from pyarrow import parquet

from recsys.data.dataset import Dataset
from recsys.errors import DataError
from recsys.preprocess import read_dataset


def table(values, times=None, pairs=None) -> bytes:
    pairs = pairs or [(i % 3, i) for i in range(len(values))]
    times = times or [9] * len(values)
    rows = zip(pairs, values, times, strict=True)
    lines = [f"{u},{m},{value},{time}" for (u, m), value, time in rows]
    return "\n".join(["user,item,rating,time", *lines]).encode()


def read(folder, values, **more) -> tuple[Dataset, list[str]]:
    logged: list[str] = []
    put(folder, {"ratings.csv": table(values, more.pop("times", None), more.pop("pairs", None))})
    return read_dataset(folder, log=logged.append, **more), logged


def own(dataset: Dataset) -> list[float]:
    """Ratings as the file has them."""
    return np.round(dataset.scale.outward(dataset.ratings.values), 3).tolist()


def test_one_to_ten(tmp_path):
    found, logged = read(tmp_path, list(range(1, 11)))
    assert found.ratings.values.tolist() == [i / 2 for i in range(1, 11)]
    assert own(found) == list(range(1, 11))
    assert "ratings: liked from 8, 1 to 10 learned as 0.5 to 5" in logged


@pytest.mark.parametrize(
    ("up", "down"), [("true", "false"), ("up", "down"), ("1", "0"), ("1", "-1"), ("Yes", "no")]
)
def test_thumbs(tmp_path, up, down):
    found, _ = read(tmp_path, [up, down, up, up])
    assert found.ratings.values.tolist() == [5, 0.5, 5, 5]
    assert found.scale.rated


def test_few_thumbs_down_are_no_slips(tmp_path):
    found, _ = read(tmp_path, [1] * 99 + [0])
    assert own(found)[-1] == 0


def test_booleans_of_parquet(tmp_path):
    columns = {"user": [1, 2], "item": [3, 3], "liked": [True, False]}
    parquet.write_table(pa.table(columns).rename_columns(["user", "item", "rating"]),
                        tmp_path / "ratings.parquet")  # fmt: skip
    assert read_dataset(tmp_path).ratings.values.tolist() == [5, 0.5]


def test_what_is_liked_is_said(tmp_path):
    found, logged = read(tmp_path, [1, 2, 3, 4, 5], liked_from=3)
    assert (found.ratings.values >= 4).tolist() == [False, False, True, True, True]
    assert "ratings: liked from 3, 0.5 to 5 learned as 0.5 to 5" in logged
    for liked, words in ((6, "no rating is 6 or more"), (0.1, "every rating is 0.1 or more")):
        with pytest.raises(DataError, match=words):
            read(tmp_path, [1, 2, 3, 4, 5], liked_from=liked)


def test_events_without_ratings(tmp_path):
    put(tmp_path, {"events.csv": b"user_id,item_id,ts\na,x,5\nb,x,6\na,x,7\na,y,8\n"})
    logged: list[str] = []
    found = read_dataset(tmp_path, log=logged.append)
    assert not found.scale.rated
    assert found.ratings.values.tolist() == [4, 4.25, 4]
    assert found.ratings.times.tolist() == [6, 7, 8]
    assert "rating: none" in logged[0]
    assert "1 repeated events of a user and an item: they are counted" in logged
    assert "no ratings: every event is a like, and no rating is predicted" in logged


def test_a_column_of_ones_is_events_and_other_columns_are_named(tmp_path):
    found, _ = read(tmp_path, [1, 1, 1, 1])
    assert not found.scale.rated
    put(tmp_path, {"ratings.csv": b"user,item,quantity\n1,2,3\n1,3,1\n2,2,5\n"})
    logged: list[str] = []
    assert not read_dataset(tmp_path, log=logged.append).scale.rated
    assert any("quantity" in line and "not used" in line for line in logged)


PAIRS = [(1, 1), (1, 2), (1, 1), (1, 1)]


@pytest.mark.parametrize(
    ("how", "values"), [(None, [2, 5]), ("last", [2, 5]), ("sum", [2, 10]), ("count", None)]
)
def test_repeated_ratings(tmp_path, how, values):
    found, logged = read(tmp_path, [4, 2, 5, 1], times=[1, 1, 3, 2], pairs=PAIRS, repeats=how)
    assert found.ratings.movie_ids.tolist() == [2, 1]
    assert found.ratings.times.tolist() == [1, 3]
    said = {"sum": "they are summed", "count": "they are counted"}.get(how, "the last one holds")
    assert f"2 repeated events of a user and an item: {said}" in logged
    if values:
        assert own(found) == values
    else:
        assert not found.scale.rated


def test_of_equal_times_the_last_line_holds(tmp_path):
    found, _ = read(tmp_path, [4, 2, 5, 3], times=[1, 1, 1, 1], pairs=PAIRS)
    assert own(found) == [2, 3]


def test_ratings_dat_on_another_scale_and_repeated(tmp_path):
    rows = [(1, 1, 10), (1, 3, 7), (2, 1, 2), (2, 7, 9), (5, 3, 1)]
    lines = "".join(f"{u}::{m}::{r}::9\n" for u, m, r in rows)
    put(tmp_path, {**DAT, "ratings.dat": lines.encode()})
    logged: list[str] = []
    assert own(read_dataset(tmp_path, log=logged.append)) == [10, 7, 2, 9, 1]
    assert logged == ["ratings: liked from 9, 1 to 10 learned as 0.5 to 5"]
    put(tmp_path, {"ratings.dat": (lines + "5::3::8::9\n").encode()})
    assert own(read_dataset(tmp_path)) == [10, 7, 2, 9, 8]


@pytest.mark.parametrize(("how", "first"), [("last", 4), ("sum", 4.25), ("count", 4.25)])
@pytest.mark.parametrize("value", [1, 10])
def test_events_are_taken_alike_whatever_their_one_value(tmp_path, value, how, first):
    found, _ = read(tmp_path, [value] * 4, pairs=[(1, 1), (1, 1), (1, 2), (2, 1)], repeats=how)
    assert not found.scale.rated
    assert found.ratings.values.tolist() == [first, 4, 4]


@pytest.mark.parametrize("value", [1, 6])
def test_ratings_dat_of_one_value_alone_are_events(tmp_path, value):
    lines = "".join(f"{u}::{m}::{value}::9\n" for u, m in [(1, 1), (2, 1), (2, 7)])
    put(tmp_path, {**DAT, "ratings.dat": lines.encode()})
    found = read_dataset(tmp_path)
    assert not found.scale.rated
    assert found.ratings.values.tolist() == [4, 4, 4]  # whatever the value, an event of each
    put(tmp_path, {"ratings.dat": DAT["ratings.dat"] + f"5::1::{value}::9\n".encode()})
    if value == 1:
        assert read_dataset(tmp_path).scale.rated
    else:
        with pytest.raises(DataError, match=f"ratings.dat:7: rating {value}, expected 0.5 to 5"):
            read_dataset(tmp_path)


def test_a_slip_in_five_stars_is_a_bad_line(tmp_path):
    with pytest.raises(DataError, match=r"ratings.csv:3: rating 7, expected 0.5 to 5 in steps"):
        read(tmp_path, [4, 7, *[3, 5] * 30])
    with pytest.raises(DataError, match=r"ratings.csv:3: rating inf, expected a finite number"):
        read(tmp_path, [9, "inf", 10, *range(20)])

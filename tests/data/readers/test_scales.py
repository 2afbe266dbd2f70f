"""Ratings of any scale, thumbs, repeated events and none at all, in every family of files."""

import numpy as np
import pytest
from families import DAT, put

from recsys.data.readers.roles import Columns
from recsys.errors import DataError
from recsys.preprocess import read_dataset


def read(folder, values, times=None, pairs=None, **more):
    pairs = pairs or [(i % 3, i) for i in range(len(values))]
    rows = zip(pairs, values, times or [9] * len(values), strict=True)
    lines = [f"{u},{m},{value},{time}" for (u, m), value, time in rows]
    put(folder, {"ratings.csv": "\n".join(["user,item,rating,time", *lines]).encode()})
    logged: list[str] = []
    return read_dataset(folder, log=logged.append, **more), logged


def dat(folder, *rows, start=b""):
    lines = "".join(f"{u}::{m}::{r}::9\n" for u, m, r in rows).encode()
    return read_dataset(put(folder, {**DAT, "ratings.dat": start + lines}))


def own(dataset):
    return np.round(dataset.scale.outward(dataset.ratings.values), 3).tolist()


@pytest.mark.parametrize(
    ("up", "down"), [("true", "false"), ("up", "down"), ("1", "0"), ("1", "-1"), ("Yes", "no")]
)
def test_thumbs(tmp_path, up, down):
    found, _ = read(tmp_path, [up, down, up, up])
    assert found.ratings.values.tolist() == [5, 0.5, 5, 5]
    assert found.scale.rated
    assert own(read(tmp_path, [1] * 99 + [0])[0])[-1] == 0  # few thumbs down are no slips


def test_what_is_liked_is_said(tmp_path):
    found, logged = read(tmp_path, [1, 2, 3, 4, 5], liked_from=3)
    assert (found.ratings.values >= 4).tolist() == [False, False, True, True, True]
    assert "ratings: liked from 3, 0.5 to 5 learned as 0.5 to 5" in logged
    for liked, words in ((6, "no rating is 6 or more"), (0.1, "every rating is 0.1 or more")):
        with pytest.raises(DataError, match=words):
            read(tmp_path, [1, 2, 3, 4, 5], liked_from=liked)


def test_events_without_ratings(tmp_path):
    put(tmp_path, {"events.csv": b"user_id,item_id,ts,quantity\na,x,5,2\nb,x,6,1\na,x,7,1\n"})
    logged: list[str] = []
    found = read_dataset(tmp_path, log=logged.append)
    assert not found.scale.rated
    assert found.ratings.values.tolist() == [4, 5]
    assert found.ratings.times.tolist() == [6, 7]
    assert "rating: none" in logged[0]
    assert "not used: quantity of events.csv" in logged[1]
    assert "1 repeated events of a user and an item: they are counted" in logged
    assert "no ratings: every event is a like, and no rating is predicted" in logged


PAIRS = [(1, 1), (1, 2), (1, 1), (1, 1)]


@pytest.mark.parametrize(
    ("how", "values"), [(None, [2, 5]), ("last", [2, 5]), ("sum", [2, 10]), ("count", None)]
)
def test_repeated_ratings(tmp_path, how, values):
    found, logged = read(tmp_path, [4, 2, 5, 1], times=[1, 1, 3, 2], pairs=PAIRS, repeats=how)
    assert found.ratings.movie_ids.tolist() == [2, 1]
    assert found.ratings.times.tolist() == [1, 3]
    words = {"sum": "they are summed", "count": "they are counted"}.get(how, "the last one holds")
    assert f"2 repeated events of a user and an item: {words}" in logged
    assert own(found) == values if values else not found.scale.rated
    if not how:  # of equal times the last line holds
        assert own(read(tmp_path, [4, 2, 5, 3], times=[1] * 4, pairs=PAIRS)[0]) == [2, 3]


@pytest.mark.parametrize(("how", "first"), [("last", 4), ("sum", 5), ("count", 5)])
@pytest.mark.parametrize("value", [1, 10])
def test_events_are_taken_alike_whatever_their_one_value(tmp_path, value, how, first):
    found, _ = read(tmp_path, [value] * 4, pairs=[(1, 1), (1, 1), (1, 2), (2, 1)], repeats=how)
    assert not found.scale.rated
    assert found.ratings.values.tolist() == [first, 4, 4]


@pytest.mark.parametrize("value", [1, 6])
def test_ratings_dat_of_one_value_alone_are_events(tmp_path, value):
    found = dat(tmp_path, (1, 1, value), (2, 1, value), (2, 7, value))
    assert not found.scale.rated
    assert found.ratings.values.tolist() == [4, 4, 4]  # whatever the value, an event of each
    with pytest.raises(DataError, match=r"ratings.dat:7: rating 6, expected 0.5 to 5"):
        dat(tmp_path, (5, 1, 6), start=DAT["ratings.dat"])


def test_a_slip_in_five_stars_is_a_bad_line(tmp_path):
    with pytest.raises(DataError, match=r"ratings.csv:3: rating 7, expected 0.5 to 5 in steps"):
        read(tmp_path, [4, 7, *[3, 5] * 30])
    with pytest.raises(DataError, match=r"ratings.csv:3: expected a rating as a number, got 'inf'"):
        read(tmp_path, [9, "inf", 10, *range(20)])


HOURS = [0.1, 0.1, 0, *[1, 4, 300] * 9, 273, 11754]


@pytest.mark.parametrize("head", ["hours", "rating"])
def test_counts_and_hours_say_how_strong_events_are(tmp_path, head):
    rows = [f"{n % 3},{n},{value}" for n, value in enumerate(HOURS)]
    path = put(tmp_path, {"r.csv": "\n".join([f"user,item,{head}", *rows]).encode()}) / "r.csv"
    logged: list[str] = []
    found = read_dataset(path, columns=Columns(rating=head), log=logged.append)
    assert not found.scale.rated
    strong = found.ratings.values[np.argsort(found.ratings.movie_ids)]
    assert (strong[0], strong[2], strong[-1]) == (4, 4, 5)
    assert (np.diff(strong[3:6]) > 0.1).all()
    assert (f"{head}: 0 to 11754, taken for how strong events are, not for ratings; "
            "--liked-from N makes them ratings") in logged  # fmt: skip
    assert read_dataset(path, columns=Columns(rating=head), liked_from=30).scale.rated


def test_a_typo_is_no_strength_and_repeated_strengths_are_summed(tmp_path):
    stars = [*range(1, 11)] * 12
    with pytest.raises(DataError, match=r"rating 930, expected 1 to 10 as the others are"):
        read(tmp_path, [*stars, 930])
    pairs = [(1, 1), (1, 1), (1, 2), (1, 3)]
    found, logged = read(tmp_path, [1, 99, 3, 4], pairs=pairs)
    assert found.ratings.values.tolist()[0] == 5
    assert "1 repeated events of a user and an item: they are summed" in logged
    put(tmp_path, {"ratings.csv": b"user,item,qty\n1,1,2\n1,2,5\n1,3,-3\n"})
    with pytest.raises(DataError, match=r"ratings.csv:4: rating -3, expected 0 or more"):
        read_dataset(tmp_path, columns=Columns(rating="qty"))

"""Ids that are text, or larger than 31 bits: read as they are, of one kind in all files."""

from itertools import product

import numpy as np
import pyarrow as pa
import pytest
from command_line import refused
from families import put
from pyarrow import parquet

from recsys.data.ids import MAX_ID, is_text
from recsys.errors import DataError
from recsys.preprocess import read_dataset

RATING = ",4,9\n"


def pairs(read):
    """(user id, movie id) of each rating, as in the file."""
    names = read.user_names, read.movie_names
    columns = read.ratings.user_ids, read.ratings.movie_ids
    ids = [column if n is None else n[column] for column, n in zip(columns, names, strict=True)]
    return list(zip(*(each.tolist() for each in ids), strict=True))


def write(folder, rows, items=b"", users=b""):
    ratings = ("user,item,rating,time\n" + "".join(row + RATING for row in rows)).encode()
    files = {"ratings.csv": ratings, "items.csv": items, "users.csv": users}
    return put(folder, {name: data for name, data in files.items() if data})


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        (["ann,7", "bob,7", "ann,30"], [("ann", 7), ("bob", 7), ("ann", 30)]),
        (["001,B00X", "002,B00X"], [("001", "B00X"), ("002", "B00X")]),
        (["1,é", "2,日本", "2,a b"], [(1, "é"), (2, "日本"), (2, "a b")]),
        ([f"{2**31},{MAX_ID}", "2,0"], [(2**31, MAX_ID), (2, 0)]),
        ([f"{MAX_ID + 1},9", "2,9"], [(str(MAX_ID + 1), 9), ("2", 9)]),
        (["1.0,9", "2.0,9"], [(1, 9), (2, 9)]),
        (['"a,b",9', '"c""d",9'], [("a,b", 9), ('c"d', 9)]),
    ],
)
def test_ids_of_any_kind(tmp_path, rows, wanted):
    read = read_dataset(write(tmp_path, rows))
    assert pairs(read) == wanted
    assert read.ratings.user_ids.dtype == read.ratings.movie_ids.dtype == np.int32


def test_titles_and_users_are_found_by_text(tmp_path):
    items = b"item,title\nzz,Heat (1995)\nB00X,M (1931)\n"
    users = b"user,gender,age\nbob,M,30\nann,F,20\n"
    read = read_dataset(write(tmp_path, ["ann,zz", "bob,B00X"], items, users))
    assert pairs(read) == [("ann", "zz"), ("bob", "B00X")]
    assert read.movies.titles == ["Heat (1995)", "M (1931)"]
    assert read.movie_names[read.movies.ids].tolist() == ["zz", "B00X"]
    assert read.user_names[read.users.ids].tolist() == ["bob", "ann"]
    assert read.coded.movie_names is None


@pytest.mark.parametrize("kind", ["int64", "string", "large_string", "uint8", "double", "dict"])
def test_parquet_ids_of_any_type(tmp_path, kind):
    users = pa.array([3, 200], pa.int64())
    users = users.cast(pa.string()).dictionary_encode() if kind == "dict" else users.cast(kind)
    columns = {"user": users, "item": ["a", "b"], "rating": [4.0, 1.0]}
    parquet.write_table(pa.table(columns), tmp_path / "ratings.parquet")
    assert pairs(read_dataset(tmp_path)) == [(3, "a"), (200, "b")]


def test_a_block_without_an_id_is_of_bad_lines(tmp_path):
    lines = b'{"user": 1, "item": 7}\n{"user": 1, "item": 8}\n{"user": 2}'
    with pytest.raises(DataError, match=r"ratings.jsonl:3: expected a movie id .* an empty"):
        read_dataset(put(tmp_path, {"ratings.jsonl": lines}))


def test_numbers_in_one_file_and_text_in_the_other_fit_if_they_are_the_same(tmp_path):
    items = b"item,title\n7,Seven\nB00X,M\n8,Eight\nC,Third\nD,Fourth\n"
    read = read_dataset(write(tmp_path, ["1,7", "2,8"], items))
    assert pairs(read) == [(1, "7"), (2, "8")]
    assert is_text(read.movie_names)


@pytest.mark.parametrize(
    ("rows", "items", "words"),
    [
        (["1,001", "2,002"], b"item,title\n1,A\n2,B\n",
         "movie ids such as '001', in {0}/items.csv such as 1: whole numbers in one, text in "),
        (["1,7", ",7", "1,8"], b"", "ratings.csv:3: expected a user id as a whole number"),
        (["1,7", "2,", "1,8"], b"", "ratings.csv:3: expected a movie id as a whole number"),
        (["a,7", "b,7", "NaN,7"], b"", "ratings.csv:4: expected a user id"),
        (["1,7", "-2,7", "1,8"], b"", "ratings.csv:3: expected a user id"),
        (["1,7", "02,7", "1,8"], b"", "ratings.csv:3: expected a user id"),
        (["a,7", "b,7", "c" * 600 + ",7"], b"", "ratings.csv:4: expected a user id of at most 512"),
    ],
)  # fmt: skip
def test_ids_that_will_not_do(tmp_path, rows, items, words):
    with refused(DataError, words.format(tmp_path)):
        read_dataset(write(tmp_path, rows, items))


def test_a_few_words_among_numbers_are_slips_and_many_are_ids(tmp_path):
    rows = [f"{i},7" for i in range(300)]
    rows[10:13] = ["x1,7", "x2,7", "x3,7"]
    with pytest.raises(DataError, match=r"ratings.csv:12: .* got 'x1'"):
        read_dataset(write(tmp_path, rows))
    rows[10:60] = [f"x{i},7" for i in range(50)]
    logged: list[str] = []
    assert pairs(read_dataset(write(tmp_path, rows), log=logged.append))[12] == ("x2", 7)
    assert "user: user (300, text), item: item (1)" in logged[0]


def test_one_variant_of_a_number_makes_all_ids_text(tmp_path):
    rows = [f"{i % 9},{85000 + i}" for i in range(300)]
    rows[20] = "2,85126A"
    items = "item,title\n" + "".join(f"{85000 + i},T\n" for i in range(300)) + "85126A,T\n"
    for beside in ("", items):
        read = read_dataset(write(tmp_path, rows, beside.encode()))
        assert pairs(read)[19:21] == [(1, "85019"), (2, "85126A")]


@pytest.mark.parametrize("separator", [",", ";", "|", "\t", " ", "::"])
def test_a_number_that_begins_with_0_is_none(tmp_path, monkeypatch, separator):
    """pyarrow would read 07 and 0x7 as 7, wherever blocks end."""
    monkeypatch.setattr("recsys.data.readers.text.BLOCK", 37)
    good = [(10, 100), (0, 7), (1, 0), *((n, n % 9 + 1) for n in range(20, 60))]
    for odd, at in product(("1,07", "1,0x7", "01,7", '"01",7'), (3, 20, 21, 22, 43)):
        rows = [f"{user},{item}" for user, item in good]
        rows.insert(at, odd)
        data = "\n".join(["user,item,rating", *(f"{row},0.5" for row in rows)])
        put(tmp_path, {"ratings.csv": data.replace(",", separator).encode()})
        assert pairs(read_dataset(tmp_path, skip_bad_lines=True)) == good


def test_blocks_of_numbers_and_of_text_are_ids_of_one_kind(tmp_path, monkeypatch):
    monkeypatch.setattr("recsys.data.readers.text.BLOCK", 64)
    rows = [*(f"{i},{i % 9}" for i in range(90)), *(f"u{i},{i % 9}" for i in range(60)), "91,3"]
    assert [pair[0] for pair in pairs(read_dataset(write(tmp_path, rows)))] == [
        *map(str, range(90)), *(f"u{i}" for i in range(60)), "91",
    ]  # fmt: skip
    read = read_dataset(write(tmp_path, [*rows[:90], "x,1", "91,3"]), skip_bad_lines=True)
    assert [pair[0] for pair in pairs(read)] == [*range(90), 91]

"""What is read at once is what is read step by step: zeros before ids, repeats, empty fields."""

import itertools

import numpy as np
import pytest
from families import put

from recsys.data.dataset import Ratings
from recsys.data.readers import csv_table, ratings
from recsys.data.readers.dialect import dialect
from recsys.errors import DataError
from recsys.preprocess import read_dataset

HEAD = "user,item,rating,time\n"


def rows(*changed: str, size: int = 300) -> bytes:
    """Ratings in order, with some rows in place of others, far from the beginning."""
    every = [f"{100 + i},{i % 40 + 1},{0.5 + i % 10 / 2},{10**9 + i}" for i in range(size)]
    every[size - 20 : size - 20 + len(changed)] = changed
    return (HEAD + "\n".join(every) + "\n").encode()


@pytest.mark.parametrize("line", ["007,1,4,5", "7,01,4,5", "7,1,4,05", '"07",1,4,5', "7,0.5,4,5"])
@pytest.mark.parametrize("block", [16, 37, 2**17])
def test_a_zero_before_a_number_is_seen_wherever_blocks_end(tmp_path, monkeypatch, line, block):
    monkeypatch.setattr(csv_table, "_BLOCK", block)
    for shift in range(3):
        data = rows(line, size=40 + shift)
        path = put(tmp_path, {"r.csv": data}) / "r.csv"
        seen = csv_table._leading_zeros(csv_table._Csv(path, None, dialect(path, data), ()))
        assert seen is (line != "7,0.5,4,5")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("007,1,4,5", "got '007'"),
        ("7,-1,4,5", "got '-1'"),
        (",1,4,5", "found an empty field"),
        ("7,1,4,-5", "expected a time in s since 1970"),
        ("7,1,,5", "expected a rating as a number, found an empty field"),
        ("7,1.5,4,5", "got '1.5'"),
    ],
)
def test_one_odd_row_far_from_the_beginning_is_named(tmp_path, line, words):
    path = put(tmp_path, {"r.csv": rows(line)}) / "r.csv"
    with pytest.raises(DataError, match=r"r.csv:282: ") as caught:
        read_dataset(path)
    assert words in str(caught.value)


def test_ids_beyond_32_bits_far_from_the_beginning_are_read(tmp_path):
    path = put(tmp_path, {"r.csv": rows(f"{2**40},1,4,5")}) / "r.csv"
    read = read_dataset(path)
    assert read.user_names[read.ratings.user_ids[280]] == 2**40


@pytest.mark.parametrize("size", [100, 1000, 2000])
def test_a_zero_before_an_id_is_seen_however_long_the_file_is(tmp_path, monkeypatch, size):
    monkeypatch.setattr(csv_table, "_BLOCK", 64)
    data = rows("007,1,4,5", size=size)
    path = put(tmp_path, {"r.csv": data}) / "r.csv"
    assert csv_table._leading_zeros(csv_table._Csv(path, None, dialect(path, data), ()))


@pytest.mark.parametrize("part", [2, 3, 100])
def test_repeats_are_found_in_and_out_of_order(monkeypatch, part):
    monkeypatch.setattr(ratings, "_ROWS", part)
    pairs = [(1, 1), (1, 3), (2, 1), (2, 2), (4, 1)]
    for order in itertools.permutations(range(5)):
        users, movies = np.array([pairs[i] for i in order], np.int32).T
        zeros = np.zeros(5, np.int64)
        whole = Ratings(users, movies, zeros.astype(np.float32), zeros)
        assert ratings._ascends(whole) is (order == (0, 1, 2, 3, 4))
        assert not ratings._repeats(whole)
        twice = Ratings.concatenate([whole, whole[np.array([order[0]])]])
        assert ratings._repeats(twice)

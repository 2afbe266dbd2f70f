"""Blocks that are numbers and blocks that are not are read alike, and no damage gets past them."""

import itertools
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from families import ATOMIC, DAT, U, put
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.data.ids import MAX_CODE
from recsys.data.readers import text
from recsys.data.summary import summary
from recsys.errors import DataError
from recsys.preprocess import read_dataset

HEAD = "user,item,rating,time\n"
ROWS = st.lists(
    st.tuples(
        st.integers(0, MAX_CODE),
        st.integers(0, MAX_CODE),
        st.integers(1, 10).map(lambda half: half / 2),
        st.integers(10**8, 10**10),
    ),
    min_size=2,
    max_size=20,
    unique_by=lambda row: row[:2],
)


def columns(read):
    return [column.tolist() for column in vars(read.ratings).values()]


@settings(max_examples=12, deadline=None)
@given(ROWS, st.sampled_from(["::", "\t", ","]), st.sampled_from(["\n", "\r\n"]), st.booleans(),
       st.data())  # fmt: skip
def test_what_is_written_is_read_and_bad_lines_are_named(rated, separator, end, ended, data):
    """In blocks of any size, whichever of them is not all numbers."""
    lines = [separator.join(map(str, row)) for row in [("user", "item", "rating", "time"), *rated]]
    bad = data.draw(st.integers(1, len(rated)))
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder) / "ratings.csv"
        for size in (2**22, data.draw(st.integers(1, 200))):
            patch.setattr(text, "BLOCK", size)
            path.write_bytes((end.join(lines) + end * ended).encode())
            kept = [list(column) for column in zip(*rated, strict=True)]
            plain = read_dataset(path, repeats="last", liked_from=None)
            names = (plain.user_names, plain.movie_names, None, None)
            raw = [column if each is None else each[column].tolist()
                   for column, each in zip(columns(plain), names, strict=True)]  # fmt: skip
            assert raw[:2] + raw[3:] == kept[:2] + kept[3:]
            path.write_bytes(end.join([*lines[:bad], "bad", *lines[bad + 1 :], ""]).encode())
            with pytest.raises(DataError, match=rf"ratings.csv:{bad + 1}: expected 4 fields"):
                read_dataset(path)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([DAT, U, ATOMIC]),
    st.data(),
    st.sampled_from([b"", b"\n", b":", b"::", b"\t", b"|", b"\0", b"\xff\xfe", b"9" * 12, b"-"]),
)
def test_damaged_bytes_end_in_data_or_a_data_error(family, data, patch):
    """Never in another exception, and what is read fits together."""
    name = data.draw(st.sampled_from(sorted(family)))
    at = data.draw(st.integers(0, len(family[name])))
    to = data.draw(st.integers(at, min(at + 4, len(family[name]))))
    noise = data.draw(st.binary(max_size=3))
    damaged = family[name][:at] + patch + noise + family[name][to:]
    with TemporaryDirectory() as folder:
        put(Path(folder), {**family, name: damaged})
        for skip in (False, True):
            try:
                read = read_dataset(Path(folder), skip_bad_lines=skip)
            except DataError:
                continue
            assert np.isin(read.ratings.user_ids, read.users.ids).all()
            assert np.isin(read.ratings.movie_ids, read.movies.ids).all()
            assert ((read.ratings.values >= 0.5) & (read.ratings.values <= 5)).all()
            assert len({*zip(*columns(read)[:2], strict=True)}) == len(read.ratings)


def test_a_line_end_in_quotes_is_in_one_block(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "BLOCK", 20)
    lines = [f'{i},{i % 7},4,9,"so,\n{"good " * (i % 5)}\n"' for i in range(50)]
    data = "\n".join(["user,item,rating,time,text", *lines, "x,1,4,9,a"]).encode()
    path = put(tmp_path, {"r.csv": data}) / "r.csv"
    with pytest.raises(DataError, match=r"r.csv: row 51: expected a user id"):
        read_dataset(path)
    assert len(read_dataset(path, skip_bad_lines=True).ratings) == 50


def test_repeats_are_found_in_and_out_of_order(tmp_path):
    pairs = [(1, 1), (1, 3), (2, 1), (2, 2), (4, 1)]
    for order in [*itertools.permutations(range(5))][::29]:
        for more in ((), (order[0],)):
            lines = [f"{pairs[i][0]},{pairs[i][1]},{i % 5 + 1},9" for i in (*order, *more)]
            logged: list[str] = []
            path = put(tmp_path, {"r.csv": (HEAD + "\n".join(lines)).encode()}) / "r.csv"
            assert len(read_dataset(path, log=logged.append).ratings) == 5
            assert sum("1 repeated events" in line for line in logged) == len(more)


def test_large_ids_need_no_large_table(tmp_path):
    lines = b"5::7::4::9\n2147483647::7::3::9\n5::2147483647::3::9\n"
    put(tmp_path, {"ratings.dat": lines, "movies.dat": b"7::M::\n2147483647::N::\n"})
    read = read_dataset(tmp_path)
    assert read.ratings.movie_ids.tolist() == [7, 7, MAX_CODE]
    assert summary(read)["movies_rated"] == summary(read)["users_who_rated"] == 2

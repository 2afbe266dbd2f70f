"""The fast reader and the careful one agree, and no damage gets past them."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from families import ATOMIC, DAT, U, put
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.data.dataset import Dataset, Movies, Ratings, Users
from recsys.data.readers import ratings as module
from recsys.data.readers.fields import MAX_ID
from recsys.data.readers.layouts import DAT_RATINGS, U_RATINGS, Layout
from recsys.data.readers.problems import Problems
from recsys.data.readers.ratings import RatingLines, known_only, once_only, read_rating_file
from recsys.errors import DataError
from recsys.preprocess import read_dataset

ATOMIC_RATINGS = Layout("\t", ("movie_id", "user_id", "rating"))
SEVEN = "1::2::3::4::5::6::7\n"  # and a blank line: as many separators as two good ones
ROWS = st.lists(
    st.tuples(
        st.integers(0, MAX_ID),
        st.integers(0, MAX_ID),
        st.integers(1, 10).map(lambda half: half / 2),
        st.integers(0, 2**63 - 1),
    ),
    min_size=1,
    max_size=20,
)


def text(rows, layout: Layout, end: str = "\n") -> bytes:
    places = [DAT_RATINGS.columns.index(column) for column in layout.columns]
    lines = [layout.separator.join(f"{row[place]:g}" if place == 2 else str(row[place])
                                    for place in places) for row in rows]  # fmt: skip
    return end.join([*lines, ""]).encode()


def columns(ratings: Ratings) -> list[list]:
    return [column.tolist() for column in vars(ratings).values()]


def by_line(data: bytes, layout: Layout, first: int = 1) -> tuple[RatingLines, Problems]:
    problems = Problems()
    return module._by_line(data, first, layout, Path("ratings"), problems), problems


@settings(max_examples=100, deadline=None)
@given(
    ROWS,
    st.sampled_from([DAT_RATINGS, U_RATINGS, ATOMIC_RATINGS]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_fast_and_careful_readers_agree(rows, layout, end, ended):
    data = text(rows, layout, end)
    data = data if ended else data.removesuffix(end.encode())
    fast = module._at_once(data, 7, layout)
    slow, problems = by_line(data, layout, 7)
    assert fast is not None  # plain lines must not need the slow pass
    assert not problems
    assert columns(fast.ratings) == columns(slow.ratings)
    assert list(fast.lines) == slow.lines.tolist()
    assert columns(fast.ratings)[2] == [row[2] for row in rows]
    for one, other in zip(vars(fast.ratings).values(), vars(slow.ratings).values(), strict=True):
        assert one.dtype == other.dtype
        assert one.flags.c_contiguous


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from("0123456789::::.\n\n\r+-e #\"'"), max_size=60).map("".join))
def test_the_fast_reader_takes_nothing_the_careful_one_refuses(noise):
    data = f"1::2::3::4\n{noise}\n7::8::4::5\n".encode()
    fast = module._at_once(data, 1, DAT_RATINGS)
    slow, problems = by_line(data, DAT_RATINGS)
    if fast is not None:
        assert not problems
        assert columns(fast.ratings) == columns(slow.ratings)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.integers(0, 25), st.sampled_from([DAT_RATINGS, ATOMIC_RATINGS]), st.data())
def test_blocks_of_any_size_give_the_same(rows, bad, layout, data):
    """Lines keep their numbers, whichever block is read fast and whichever by line."""
    lines = text(rows, layout).split(b"\n")
    lines[layout.header + bad % len(rows)] = b"bad"
    blocks = data.draw(st.integers(1, 200))
    read, listed = [], []
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder) / "ratings"
        path.write_bytes(b"\n".join(lines))
        for size in (2**22, blocks):
            patch.setattr(module, "_BLOCK", size)
            problems = Problems()
            read.append(read_rating_file(path, layout, problems))
            listed.append(problems.listed())
    assert listed[0] == listed[1] != []
    assert columns(read[0].ratings) == columns(read[1].ratings)
    assert list(read[0].lines) == list(read[1].lines)
    assert len(read[0].lines) == len(rows) - 1


@settings(max_examples=100, deadline=None)
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
            assert len({*zip(*columns(read.ratings)[:2], strict=True)}) == len(read.ratings)


@pytest.mark.parametrize(
    "line",
    [
        "1::2::3::4::5",
        "1::2:3::4",
        "1::::2::3::4",
        "+1::2::3::4",
        " 1::2::3::4",
        "1::2::3::4 #x",
        SEVEN,
    ],
)
def test_the_fast_reader_doubts_what_numpy_would_take(line):
    assert module._at_once(f"5::6::3::7\n{line}\n".encode(), 1, DAT_RATINGS) is None


def test_pairs_are_distinguished_and_the_first_kept(tmp_path):
    ratings = Ratings(
        np.array([1, 12, 1, 1, 12], np.int32),
        np.array([23, 3, 2, 23, 3], np.int32),
        np.full(5, 3, np.float32),
        np.arange(5),
    )
    movies = Movies(np.array([2, 3, 23]), ["", "", ""], [(), (), ()])
    dataset = Dataset("", Users.of(np.array([1, 12])), movies, ratings)
    problems = Problems()
    raw = RatingLines(ratings, range(11, 16))
    kept = once_only(tmp_path, raw, dataset, problems)
    assert kept.ratings.times.tolist() == [0, 1, 2]
    assert problems.listed() == [
        f"{tmp_path}:14: second rating of movie 23 by user 1, expected one; line 11 has one",
        f"{tmp_path}:15: second rating of movie 3 by user 12, expected one; line 12 has one",
    ]


def test_large_ids_need_no_large_table(tmp_path):
    ids = np.array([5, MAX_ID], np.int32)
    ratings = Ratings(ids, ids, np.full(2, 3, np.float32), np.zeros(2, np.int64))
    movies = Movies(np.array([MAX_ID, 7]), ["", ""], [(), ()])
    dataset = Dataset("", Users.of(ids), movies, ratings)
    raw = RatingLines(ratings, range(1, 3))
    kept = known_only(tmp_path, raw, dataset, Problems())
    assert kept.ratings.movie_ids.tolist() == [MAX_ID]

"""Every family of files becomes the same kind of dataset; movies become encoded lines."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import refused
from families import ATOMIC, DAT, U, put
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.data.dataset import Movies, Vocabulary
from recsys.data.titles import name_and_year, title_words
from recsys.errors import DataError
from recsys.preprocess import (
    is_movies_data,
    read_dataset,
    read_movies,
    read_movies_data,
    write_movies_data,
)

DATA = Path(__file__).parents[1] / "data"


def rows_of_users(read):
    """Of gender, age and job, counted from 0; -1 for unknown."""
    return [(read.users.column(name) - 1).tolist() for name in ("gender", "age", "job")]


def of_windows(data):
    """In UTF-8 with a mark, and with its line ends but for the last."""
    return b"\xef\xbb\xbf" + data.decode("latin-1").encode().replace(b"\n", b"\r\n")[:-2]


@pytest.mark.parametrize("as_written", [bytes, of_windows])
def test_dat_files(tmp_path, as_written):
    read = read_dataset(put(tmp_path, {name: as_written(data) for name, data in DAT.items()}))
    assert read.name == tmp_path.name
    assert read.users.ids.tolist() == [1, 2, 5]
    assert rows_of_users(read) == [[1, 0, 0], [0, 6, 2], [10, 16, 15]]
    assert read.movies.ids.tolist() == [1, 3, 7]
    assert read.movies.titles[1] == "Misérables, Les (1995)"
    assert read.movies.genres == [("Animation", "Comedy"), ("Drama",), ("Action", "Crime")]
    assert read.ratings.user_ids.tolist() == [1, 1, 2, 2, 5, 5]
    assert read.ratings.movie_ids.tolist() == [1, 3, 1, 7, 3, 7]
    assert read.ratings.values.tolist() == [5, 3, 4, 2, 1, 4]
    assert read.ratings.times[0] == 978300760
    dtypes = [column.dtype for column in vars(read.ratings).values()]
    assert dtypes == [np.int32, np.int32, np.float32, np.int64]


def test_ml_10m_has_half_ratings_no_users_and_utf8(tmp_path):
    movies = "5::Amélie (2001)::(no genres listed)\n6::Heat (1995)::\n8::M (1931)::IMAX|War|IMAX\n"
    ratings = b"9::5::3.5::1\n4::6::.5::2\n4::8::5.0::3\n"
    logged: list[str] = []
    put(tmp_path, {"movies.dat": movies.encode(), "ratings.dat": ratings})
    read = read_dataset(tmp_path, log=logged.append)
    assert logged == [f"{tmp_path}: no users file, so only ratings are known of users"]
    assert read.movies.titles[0] == "Amélie (2001)"
    assert read.movies.genres == [(), (), ("IMAX", "War")]
    assert read.ratings.values.tolist() == [3.5, 0.5, 5]
    assert read.users.ids.tolist() == [4, 9]


@pytest.mark.parametrize("as_written", [bytes, of_windows])
def test_ml_100k_files(tmp_path, as_written):
    read = read_dataset(put(tmp_path, {name: as_written(data) for name, data in U.items()}))
    assert read.movies.titles == ["Toy Story (1995)", "unknown"]
    assert read.movies.genres == [(), ()]  # "unknown" is no genre
    assert rows_of_users(read) == [[0, 1], [1, 0], [17, 10]]  # a student of 13 is at school
    line = b"9|Babe (1995) (V)|01-Jan-1995||http://x|0|0|0|0|1|1|0|0|0|0|0|0|0|0|0|0|0|0|1\n"
    movies = read_movies(put(tmp_path, {"u.item": line}) / "u.item")
    assert movies.genres == [("Children's", "Comedy", "Western")]
    assert movies.titles == ["Babe (1995)"]


def test_atomic_files_whose_columns_go_by_name(tmp_path):
    read = read_dataset(put(tmp_path, ATOMIC))
    assert read.movies.titles == ["Toy Story (1995)", "Heat (1995)"]
    assert read.movies.genres == [("Animation", "Comedy"), ("Action", "Crime")]
    assert rows_of_users(read) == [[0, -1], [1, -1], [0, -1]]
    assert read.ratings.times.tolist() == [881250949, 891717742]
    (tmp_path / "b").mkdir()
    items = b"genre:token_seq\trelease_year:token\titem_id:token\ttitle:token_seq\n"
    items += b"Sci-Fi Film-Noir Children's\tV\t4\tUp (2009)\n\t1995\t6\tHeat (1995)\n"
    ratings = b"timestamp:float\tnote:token\trating:float\titem_id:token\tuser_id:token\n"
    ratings += b"8.8e8\tx\t2.5\t6\t3\n1.0\t\xc3\xa9\t5\t4\t3\n"
    read = read_dataset(put(tmp_path / "b", {"a.item": items, "a.inter": ratings}))
    assert read.movies.genres == [("Sci-Fi", "Film-Noir", "Children's"), ()]
    assert read.movies.titles == ["Up (2009)", "Heat (1995)"]  # the year is added once
    assert read.ratings.times.tolist() == [880000000, 1]
    assert read.ratings.movie_ids.tolist() == [6, 4]


def test_skipping_drops_bad_lines_and_what_hangs_on_them(tmp_path):
    movies = DAT["movies.dat"].replace(b"7::Heat", b"7::H\0eat")  # its two ratings go too
    ratings = DAT["ratings.dat"].replace(b"1::1::5", b"1::1::55")
    put(tmp_path, {**DAT, "movies.dat": movies, "ratings.dat": ratings})
    logged: list[str] = []
    read = read_dataset(tmp_path, skip_bad_lines=True, log=logged.append)
    assert read.movies.ids.tolist() == [1, 3]
    assert read.ratings.movie_ids.tolist() == [3, 1, 3]
    (line,) = logged
    assert line.startswith("dropped 4 bad lines (1 of movies.dat, 3 of ratings.dat)")
    assert "movies.dat:3: wrong encoding" in line
    read_dataset(put(tmp_path, DAT), skip_bad_lines=True, log=logged.append)
    assert len(logged) == 1
    put(tmp_path, {**DAT, "ratings.dat": b"a\nb\n"})
    with pytest.raises(DataError, match=r"no usable line .* dropped 2 bad lines"):
        read_dataset(tmp_path, skip_bad_lines=True)


def test_movie_files_are_known_by_name_or_content_and_none_is_taken_for_encoded(tmp_path):
    put(tmp_path, {"movies": DAT["movies.dat"], **DAT, **U, **ATOMIC})
    put(tmp_path, {"raw.txt": U["u.item"], "typed.txt": ATOMIC["x.item"]})
    assert read_movies(tmp_path / "movies").titles[2] == "Heat (1995)"
    for one, other in (("u.item", "raw.txt"), ("x.item", "typed.txt")):
        assert read_movies(tmp_path / one).titles == read_movies(tmp_path / other).titles
    assert not any(map(is_movies_data, tmp_path.iterdir()))


IDS = np.array([1, 3])
VOCABULARY = Vocabulary([1], IDS, ["toy", "story", "1995"], ["Comedy", "Drama"])
KNOWN = Movies(IDS, ["Story! Toy (1995)", "Toy Toy Story (1995)"], [(), ()])


def test_movies_are_encoded_as_the_tutorial_does_and_its_own_lines_are_read(tmp_path):
    movies = Movies(
        np.array([3, 9]), ["Toy Toy Story (1995)", "!"], [("Drama", "Comedy"), ("Opera",)]
    )
    path = tmp_path / "movies_data.txt"
    assert write_movies_data(path, movies, VOCABULARY) == (0, 1)
    assert path.read_text() == "3::1,1,2,3::2,1\n9::::0\n"
    assert [each.name for each in tmp_path.iterdir()] == ["movies_data.txt"]
    assert is_movies_data(path)
    read = read_movies_data(path, KNOWN, VOCABULARY)
    assert read.ids.tolist() == [3, 9]
    assert read.titles == ["Toy Toy Story (1995)", ""]
    assert read.genres == [("Drama", "Comedy"), ("?",)]
    path.write_text("1::2,1,3,::1,2,\n2::1,3::2,\n")
    assert is_movies_data(path)
    assert read_movies_data(path, KNOWN, VOCABULARY).titles == ["Story! Toy (1995)", "toy (1995)"]
    path.write_text("1::1::1\n3::1,1,2,3::1\n")
    assert len(read_movies_data(path, KNOWN, VOCABULARY)) == 2
    path.write_text("1::1::1\n3::2::1\n")
    with refused(DataError, r"encoded for another model.* 2 of 2", fix="preprocess"):
        read_movies_data(path, KNOWN, VOCABULARY)


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(
        st.integers(0, 2**31 - 1),
        st.tuples(
            st.text(st.sampled_from("toy story1995!é "), max_size=30),
            st.lists(st.sampled_from(["Comedy", "Drama", "Opera"]), unique=True).map(tuple),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_encoded_movies_read_as_they_were_written(tmp_path_factory, movies):
    titles, genres = zip(*movies.values(), strict=True)
    movies = Movies(np.array(list(movies), np.int64), list(titles), list(genres))
    path, none = tmp_path_factory.mktemp("encoded") / "movies_data.txt", Movies(IDS[:0], [], [])
    write_movies_data(path, movies, VOCABULARY)
    read = read_movies_data(path, none, replace(VOCABULARY, movie_ids=IDS[:0]))
    np.testing.assert_array_equal(read.ids, movies.ids)
    known = {*VOCABULARY.words, *VOCABULARY.genres}
    lists = [*map(title_words, titles), *genres]
    found = [*(title.replace("(1995)", "1995").split() for title in read.titles), *read.genres]
    assert [*map(list, found)] == [[w if w in known else "?" for w in each] for each in lists]


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("2::1,2", "expected 3 fields"),
        ("x::1::1", "movie id"),
        ("2::1,,2::1", "word's row"),
        ("2::4::1", "0 to 3"),
        ("2::1::3", "genre's row .* 0 to 2"),
        ("1::1::1", "movie 1 again"),
    ],
)
def test_a_bad_encoded_line_is_named(tmp_path, line, word):
    path = tmp_path / "movies_data.txt"
    path.write_text(f"1::1,2::1\n{line}\n5::1::1\n")
    with refused(DataError, f"movies_data.txt:2: .*{word}.*; .*encode", fix="preprocess"):
        read_movies_data(path, KNOWN, VOCABULARY)


def test_the_sample_comes_from_its_generator(tmp_path):
    spec = importlib.util.spec_from_file_location("make_sample", DATA / "make_sample.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(tmp_path)
    for name in ("users.dat", "ratings.dat"):
        assert (tmp_path / name).read_bytes() == (DATA / "sample" / name).read_bytes()
    titles = read_dataset(DATA / "sample").movies.titles
    assert len(titles) > 300
    assert all(name_and_year(title)[1] for title in titles)

"""Tables: bad lines are named, movies and users become columns, the sample is the same."""

import json

import pyarrow as pa
import pytest
from command_line import refused
from dialects import BAD, GOOD, MOVIES, ROWS, csv, same
from families import ATOMIC, put
from pyarrow import parquet

from recsys.errors import DataError
from recsys.preprocess import read_dataset, read_movies


def test_a_bad_row_of_parquet_is_named(tmp_path):
    table = pa.table({"user": [1, None, 2], "item": [1, 2, 3], "stars": [4.0, 5.0, 3.7]})
    parquet.write_table(table, tmp_path / "r.parquet", row_group_size=2)
    with pytest.raises(DataError) as caught:
        read_dataset(tmp_path)
    first, second = str(caught.value).splitlines()
    assert first.startswith(f"{tmp_path / 'r.parquet'}: row 2: expected a user id")
    assert "row 3: rating 3.7" in second


def test_many_bad_lines_need_an_explicit_word(tmp_path):
    lines = ["userId,movieId,rating,ts"] + [f"1,{i},4,9" for i in range(1000)]
    lines[1:12] = [f"1,x{i},4,9" for i in range(11)]
    path = put(tmp_path, {"r.csv": "\n".join(lines).encode()}) / "r.csv"
    with refused(DataError, "11 of 1,000 lines are bad, more than o", fix="skip_all_bad_lines"):
        read_dataset(path, skip_bad_lines=True)
    assert len(read_dataset(path, skip_bad_lines="all").ratings) == 989
    lines[1] = "1,0,4,9"
    path.write_text("\n".join(lines))
    assert len(read_dataset(path, skip_bad_lines=True).ratings) == 990


def test_movies_as_grouplens_writes_them(tmp_path):
    tags = {"tags.csv": b"userId,tag\n"}
    put(tmp_path, {"ratings.csv": csv(), "movies.csv": MOVIES.encode(), **tags})
    logged: list[str] = []
    read = read_dataset(tmp_path, log=logged.append)
    assert read.movies.titles[1] == 'American President, The "x" (1995)'
    assert read.movies.genres == [("Adventure", "Comedy"), (), ("Drama",)]
    assert read.movies.years.tolist() == [1995, 1995, 0]
    assert logged == [
        "user: userId (2), item: movieId (3), rating: rating 0.5-5, time: timestamp (s), "
        "title: title, genres: genres '|'",
        "not used: tags.csv (only ratings, movies and users are read)",
        f"{tmp_path}: no users file, so only ratings are known of users",
        "ratings: liked from 4",
    ]
    assert read_movies(tmp_path / "movies.csv").titles == read.movies.titles


def test_movies_of_ones_own(tmp_path):
    items = [{"id": 10, "name": "1984", "categories": ["Book", "Novel"], "price": 3}]
    put(tmp_path, {"ratings.csv": csv(rows=[ROWS[0]]),
                   "products.jsonl": json.dumps(items[0]).encode()})  # fmt: skip
    logged: list[str] = []
    read = read_dataset(tmp_path, log=logged.append)
    assert read.movies.titles == ["1984"]
    assert read.movies.genres == [("Book", "Novel")]
    assert "not used: price of products.jsonl (always '3')" in logged[1]
    items = b'product;name;category;year\n10;"A; B";Home, Garden;2001\n'
    put(tmp_path, {"i.csv": items})
    read = read_dataset(tmp_path / "ratings.csv", items=tmp_path / "i.csv")
    assert read.movies.titles == ["A; B (2001)"]
    assert read.movies.genres == [("Home", "Garden")]


def test_titles_are_of_either_encoding_or_none(tmp_path):
    rows = "movieId,title\n10,Misérables\n30,Amélie\n999,Ñ\n"
    mixed = rows.encode().replace("Ñ".encode(), b"\xd1")
    for data in (rows.encode("latin-1"), mixed):
        put(tmp_path, {"ratings.csv": csv(), "movies.csv": data})
        assert read_dataset(tmp_path).movies.titles == ["Misérables", "Amélie", "Ñ"]
    read = read_dataset(tmp_path / "ratings.csv")
    assert read.movies.titles == ["Item 10", "Item 30", "Item 999"]
    assert read.movies.genres == [(), (), ()]


def test_users_of_a_table(tmp_path):
    users = b"id,sex,age,occupation,city\n1,female,24,technician,Seoul\n7,M,,,\n"
    put(tmp_path, {"ratings.csv": csv(), "users.csv": users})
    logged: list[str] = []
    read = read_dataset(tmp_path, log=logged.append)
    assert read.users.ids.tolist() == [1, 7]
    assert read.users.rows.tolist() == [[2, 2, 18], [1, 0, 0]]
    assert "not used: city of users.csv (always 'Seoul')" in logged
    astronauts = users.replace(b"technician", b"astronaut").replace(b"7,M,,,", b"7,M,,diver,Oslo")
    more = b"8,,,diver,Oslo\n9,,30,astronaut,Seoul\n"
    put(tmp_path, {"users.csv": astronauts + more})
    read = read_dataset(tmp_path, log=logged.append)
    assert "users.csv: occupation category (2), city category (2)" in logged
    names = [each.name for each in read.users.attributes]
    assert names == ["gender", "age", "occupation", "city"]
    assert (read.users.column("occupation") - 1).tolist() == [0, 1, 1, 0]
    assert read.users.rows[:, 3].tolist() == [1, 2, 2, 1]


def test_which_tables_are_meant(tmp_path):
    put(tmp_path, {"a.csv": csv(), "b.csv": csv()})
    with pytest.raises(DataError, match=r"which table has the ratings.*there are a.csv, b.csv"):
        read_dataset(tmp_path)
    put(tmp_path, {"ratings.csv": csv(), "ratings.tsv": csv()})
    with pytest.raises(DataError, match=r"several tables may be the ratings: ratings.csv, "):
        read_dataset(tmp_path)


def test_what_separates_genres(tmp_path):
    item = ATOMIC["x.item"].replace(b"Animation Comedy", b"Film Noir|Comedy")
    read = read_dataset(put(tmp_path, {**ATOMIC, "x.item": item}))
    assert read.movies.genres == [("Film Noir", "Comedy"), ("Action Crime",)]
    rows = "movieId,title,genres\n" + "".join(f"{i},T,g{i}\n" for i in range(101))
    logged: list[str] = []
    read_movies(put(tmp_path, {"movies.csv": rows.encode()}) / "movies.csv", log=logged.append)
    assert "101 different genres" in logged[0]


@pytest.mark.parametrize("dialect", GOOD)
def test_a_dialect_is_read(tmp_path, dialect):
    name, data = GOOD[dialect]
    put(tmp_path, {name: data, "movies.csv": MOVIES.encode()})
    for path in (tmp_path, tmp_path / name):
        same(read_dataset(path, items=tmp_path / "movies.csv"))


@pytest.mark.parametrize("dialect", BAD)
@pytest.mark.parametrize("skip", [False, "all"])
def test_a_dialect_is_refused_in_one_line(tmp_path, dialect, skip):
    data, words = BAD[dialect]
    put(tmp_path, {"ratings.csv": data})
    with refused(DataError, f"^{tmp_path / 'ratings.csv'}:") as caught:
        read_dataset(tmp_path, skip_bad_lines=skip)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 400
    assert caught.value.remedy

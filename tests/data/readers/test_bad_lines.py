"""Damaged input: every kind gives one line that says where, what was found and what to do."""

import json
import re

import pyarrow as pa
import pytest
from command_line import refused
from families import ATOMIC, DAT, FAMILIES, put
from pyarrow import parquet

from recsys.errors import DataError
from recsys.preprocess import read_dataset, read_movies


def complaint(folder, where, *words):
    """Reading the folder fails in one line that begins with the place and has the words."""
    with refused(DataError, f"^{folder / where}: .*; ") as caught:  # found and expected; remedy
        read_dataset(folder)
    assert [word for word in words if word not in str(caught.value)] == []


# file, what is replaced, by what, line, words of the complaint
LINES = [
    ("ratings.dat", b"2::1::4::978301968", b"2::1::4", 3, "expected 4 fields", "got 3"),
    ("ratings.dat", b"2::1::4::978301968", b"2,1,4,978301968", 3, "separated by '::'"),
    ("ratings.dat", b"2::1::4::978301968", b"2::1::::978301968", 3, "rating as a number", "empty"),
    ("ratings.dat", b"2::1::4::978301968", b"2::1::0::978301968", 3, "rating 0, expected 0.5 to 5"),
    ("ratings.dat", b"2::1::4::978301968", b"2::1::1_0::978301968", 3, "'1_0'"),
    ("ratings.dat", b"2::1::4::978301968", b"2::1::4::yesterday", 3, "'yesterday'", "1970"),
    ("ratings.dat", b"2::1::4::978301968", b"two::1::4::978301968", 3, "user id", "'two'"),
    ("ratings.dat", b"2::1::4::978301968", b"2.5::1::4::978301968", 3, "whole number", "'2.5'"),
    ("ratings.dat", b"2::1::4::978301968", b"9::1::4::978301968", 3, "unknown user 9"),
    ("ratings.dat", b"2::1::4::978301968", b"2::999999999::4::1", 3, "unknown movie 999999999"),
    ("ratings.dat", b"2::1::4::978301968", b"   ", 3, "expected 4 fields", "got 1"),
    ("ratings.dat", b"2::1::4::978301968", b"2::1::4\0::978301968", 3, "wrong encoding"),
    ("ratings.dat", b"2::1::4::978301968", b"2::1::\xb2::978301968", 3, "a rating as a number"),
    ("ratings.dat", b"1::1::5::978300760", b"user::movie::rating::time", 1, "'user'"),
    ("movies.dat", b"3::Mis", b"three::Mis", 2, "movie id", "'three'"),
    (
        "movies.dat",
        b"7::Heat (1995)",
        b"3::Heat (1995)",
        3,
        "movie 3 again",
        "first at movies.dat:2",
    ),
    ("movies.dat", b"Mis\xe9rables", b"Mis\x8erables", 2, "wrong encoding", "\\x8e", "iconv"),
    ("movies.dat", b"Mis\xe9rables", b"Mis\x1brables", 2, "control character '\\x1b'"),
    ("movies.dat", b"Mis\xe9rables", b"Mis\xef\xbf\xbdrables", 2, "wrong encoding"),
    ("users.dat", b"2::M::56::16::70072", b"2::M::56::16", 2, "expected 5 fields", "got 4"),
    ("u.item", b"|0\n", b"\n", 1, "expected 24 fields", "got 23"),
    ("u.data", b"1\t1\t3\t", b"1 1 3 ", 1, "expected 4 fields separated by '\\t'", "got 1"),
    ("x.item", b"3\tHeat\t", b"tt3\tHeat\t", 3, "movie id", "'tt3'"),
    ("x.inter", b"2\t3\t4\t", b"2\t3\t4", 3, "got 3"),
    ("ratings.csv", b"1,30,", b"x,30,", 3, "a user id as a whole number from 0 to ", "got 'x'"),
    ("ratings.csv", b"1,30,", b",30,", 3, "a user id as a whole number", "found an empty field"),
    ("ratings.csv", b"3.5,964981247", b"3.5,9,9", 3, "4 fields separated by ','", "got 5"),
    ("ratings.csv", b"3.5,964981247", b"3.5,-9", 3, "expected a time in s since 1970", "-9"),
    ("ratings.csv", b"1,30,", b"1,31,", 3, "unknown movie 31"),
]


@pytest.mark.parametrize(
    ("file", "old", "new", "line", "words"), [(*case[:4], case[4:]) for case in LINES]
)
def test_a_bad_line_is_named(tmp_path, file, old, new, line, words):
    files = next(family for family in FAMILIES if file in family)
    damaged = files[file].replace(old, new, 1)
    assert damaged != files[file]
    complaint(put(tmp_path, {**files, file: damaged}), f"{file}:{line}", *words)


HEADER = ATOMIC["x.inter"].split(b"\n")[0] + b"\n"
# A family, what its files are instead (None: not there), and the complaint behind the folder.
WHOLE = [
    (DAT, {"movies.dat": None}, "/movies.dat: no such file; copy it there"),
    (DAT, {"ratings.dat": None}, "/ratings.dat: no such file"),
    (DAT, {"ratings.dat": b""}, "/ratings.dat:1: the file is empty"),
    (DAT, {"ratings.dat": b"\n \n"}, "/ratings.dat:1: the file is empty"),
    (DAT, {"movies.dat": "folder"}, "/movies.dat: a directory, expected a file; name the file"),
    (DAT, {"users.dat": "folder"}, "/users.dat: a directory, expected a file"),
    (DAT, dict.fromkeys(DAT), ": no ratings found, expected ratings.dat and "),
    (ATOMIC, {"x.inter": ATOMIC["x.inter"].replace(b"timestamp:float", b"rating:float")},
     "/x.inter: several columns may be the rating"),
    (ATOMIC, {"x.inter": ATOMIC["x.inter"].replace(b"user_id:token", b"x:token")},
     "/x.inter: no user column found"),
    (ATOMIC, {"x.item": ATOMIC["x.item"].replace(b"item_id:token", b"x")},
     "/x.item: no item column found"),
    (ATOMIC, {"x.inter": HEADER}, "/x.inter: no usable line is left"),
    (ATOMIC, {"y.inter": HEADER}, ": expected one *.inter file, found 2; keep one dataset"),
    (ATOMIC, {"x.item": None}, ": expected one *.item file, found 0; name the file of ratings"),
]  # fmt: skip


@pytest.mark.parametrize(("family", "instead", "words"), WHOLE)
def test_a_bad_file_is_named(tmp_path, family, instead, words):
    for name, data in {**family, **instead}.items():
        if isinstance(data, bytes):
            put(tmp_path, {name: data})
        elif data:
            (tmp_path / name).mkdir()
    with refused(DataError, f"^{re.escape(f'{tmp_path}{words}')}") as caught:
        read_dataset(tmp_path)
    assert caught.value.remedy


def test_a_folder_that_is_none_and_a_file_alone(tmp_path):
    with refused(DataError, "No such file.*download", fix="data"):
        read_dataset(tmp_path / "none")
    put(tmp_path, {"x.inter": ATOMIC["x.inter"]})
    assert len(read_dataset(tmp_path / "x.inter").ratings)


def test_ten_bad_lines_are_listed_and_the_rest_counted(tmp_path):
    bad = b"".join(b"1::%d::4::1\n" % movie for movie in range(100, 142))
    put(tmp_path, {**DAT, "ratings.dat": DAT["ratings.dat"] + bad})
    with pytest.raises(DataError) as caught:
        read_dataset(tmp_path)
    listed = caught.value.cause.split("\n")
    assert len(listed) == 11
    assert [line.split(":")[1] for line in listed[:10]] == [str(n) for n in range(7, 17)]
    assert listed[10] == "... and 32 more bad lines"
    assert caught.value.fix == "skip_bad_lines"


def test_bad_lines_of_users_come_before_those_of_ratings(tmp_path):
    ratings = DAT["ratings.dat"].replace(b"1::3::3", b"1::3::9").replace(b"2::7::2", b"2::7")
    users = DAT["users.dat"].replace(b"2::M", b"x::M")
    put(tmp_path, {**DAT, "ratings.dat": ratings + b"8::1::1::1\n", "users.dat": users})
    for name, lines in (("users", [2]), ("ratings", [2, 4, 7])):
        with pytest.raises(DataError) as caught:
            read_dataset(tmp_path)
        places = [line.split(": ")[0].split("/")[-1] for line in str(caught.value).split("\n")]
        assert places == [f"{name}.dat:{line}" for line in lines]
        (tmp_path / "users.dat").write_bytes(DAT["users.dat"])


def test_a_movie_file_alone_is_checked_too(tmp_path):
    path = put(tmp_path, {"movies_origin.txt": DAT["movies.dat"] + b"8::\n"}) / "movies_origin.txt"
    with pytest.raises(DataError, match=r"movies_origin.txt:4: expected 3 fields"):
        read_movies(path)
    logged: list[str] = []
    assert len(read_movies(path, skip_bad_lines=True, log=logged.append)) == 3
    assert len(logged) == 1


FINE = [{"user": i % 9, "item": i % 7, "rating": i % 5 + 1, "time": 10**9} for i in range(50)]


@pytest.mark.parametrize(
    ("odd", "says"),
    [
        ({"time": "0000-01-01"}, "a time in"),
        ({"time": 10**30}, "a time in s since 1970"),
        ({"user": 10**30}, "a user id as a whole number"),
        ({"item": "half a character \ud83d"}, "wrong encoding"),
        ({"rating": [3]}, "a rating as a number"),
        (b'{"\xff": 1, "user": \xff}', "a JSON object"),
    ],
)
def test_a_json_line_that_no_type_holds_is_named(tmp_path, odd, says):
    line = odd if isinstance(odd, bytes) else json.dumps({**FINE[0], **odd}).encode()
    lines = [json.dumps(each).encode() for each in FINE]
    complaint(
        put(tmp_path, {"ratings.jsonl": b"\n".join([*lines, line])}), "ratings.jsonl:51", says
    )


@pytest.mark.parametrize(("unit", "time"), [("s", 10**12), ("us", 9 * 10**18), ("s", -(10**12))])
def test_a_date_that_python_has_not_is_named(tmp_path, unit, time):
    times = pa.array([time] + [0] * 49, pa.timestamp(unit))
    table = pa.Table.from_pylist(FINE).set_column(3, "time", times)
    parquet.write_table(table, tmp_path / "ratings.parquet")
    complaint(tmp_path, "ratings.parquet: row 1", "a time in ISO 8601")
    movies = pa.table({"item": range(7), "title": list("abcdefg"), "released": times[:7]})
    parquet.write_table(movies, tmp_path / "movies.parquet")
    assert len(read_movies(tmp_path / "movies.parquet")) == 7


def test_lists_where_texts_are_expected(tmp_path):
    users = [{"user": i, "age": [25], "gender": ["F"], "job": {"a": 1}} for i in range(9)]
    movies = [{"item": i, "title": [f"T{i}"], "year": [1990]} for i in range(7)]
    for name, rows in (("ratings", FINE), ("users", users), ("movies", movies)):
        lines = "\n".join(map(json.dumps, rows))
        (tmp_path / f"{name}.jsonl").write_text(lines)
    read = read_dataset(tmp_path)
    assert read.movies.titles[0].endswith("(1990)")
    assert len(read.users) == 9


def test_rows_of_too_many_latin_1_cells_are_only_named(tmp_path, capfd):
    lines = [b"\xe9%d,%d,3\n" % (i % 9, i % 7) for i in range(50)]
    put(tmp_path, {"ratings.csv": b"user,item,rating\n" + b"".join([*lines, b"\xe9,1,2,\xe9\n"])})
    complaint(tmp_path, "ratings.csv:52", "got 4")
    assert capfd.readouterr() == ("", "")  # no traceback of what pyarrow calls


REVIEWS = [f"{n % 9},{n % 7},{n % 5 + 1},fine" for n in range(60)]


@pytest.mark.parametrize("separator", [",", "\t"])
@pytest.mark.parametrize(
    ("odd", "bad"),
    [
        ({30: "3,2,1,\"so it began"}, [30]),
        ({30: '3,2,1,"so it began', 50: '5,1,1,"again'}, [30, 50]),
        ({30: '3,2,1,"so it began', 31: '4,3,2,a screen of 5"'}, [30]),
        ({30: '3,"2,1,cut', 50: '5,1,1,"said ""no"", really"'}, [30]),
        ({30: '3,2,1,5" wide', 40: '5,1,1,"a" b'}, []),
        ({30: '3,2,1,"Well, I liked it\nvery, very much, you, know\n\nBye"'}, []),
    ],
)  # fmt: skip
def test_a_quote_that_is_not_closed_takes_one_line_only(tmp_path, separator, odd, bad):
    rows = [odd.get(n + 2, row) for n, row in enumerate(REVIEWS)]
    text = "\n".join(["user,item,rating,review", *rows])
    text = text if separator == "," else text.replace(", ", ";").replace(",", separator)
    path = put(tmp_path, {"ratings.csv": text.encode()})
    if bad:
        with pytest.raises(DataError) as caught:
            read_dataset(path)
        words = "unclosed quote, expected one at the end of its cell"
        assert caught.value.cause.split("\n") == [f"{path}/ratings.csv:{n}: {words}" for n in bad]
    read = read_dataset(path, skip_bad_lines=True, repeats="count")
    assert len({*zip(read.ratings.user_ids, read.ratings.movie_ids, strict=True)}) > 50


SOME = [b"%d,%d,3" % (n % 9, n % 7) for n in range(50)]


@pytest.mark.parametrize(
    ("rows", "where", "words"),
    [
        ([*SOME, b"user,item,rating", *SOME], ":52", "the first line again, expected a row"),
        ([b'"a\nb",1,2', b"c,1,4", b"d,1,5"], ": row 1", "a line end within a cell"),
        ([b'"' + b"x" * 200_000 + b'",1,2'], "", "field larger than field limit"),
    ],
)
def test_lines_that_are_no_rows(tmp_path, rows, where, words):
    put(tmp_path, {"ratings.csv": b"\n".join([b"user,item,rating", *rows])})
    complaint(tmp_path, f"ratings.csv{where}", words)

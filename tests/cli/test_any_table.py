"""Tables of every dialect at the prompt: what inspect prints of them, or its one line."""

import json

import numpy as np
import pyarrow as pa
import pytest
from dialects import BAD, GOOD, MOVIES, NAMES, TOLD, csv, headless, jsonl, parquet_of
from families import put

TINY = ("--epochs", "1", "--set", "dimension=4", "--validation", "0")


def seen(run, place, *options) -> dict:
    return json.loads(run("inspect", place, "--json", *options).stdout)


# The others are read by tests/data/readers/test_dialects.py.
READ = ("quoted", "no names", "numbers for names", "UTF-16", "JSON lines, zstd", "Parquet, gzip")
REFUSED = ("words", "two users", "no names, three ids", "a null byte", "empty", "names only")


@pytest.mark.parametrize("dialect", [*READ, *TOLD])
def test_a_dialect_is_inspected(run, tmp_path, dialect):
    name, data, *told = (GOOD | TOLD)[dialect]
    put(tmp_path, {name: data, "movies.csv": MOVIES.encode()})
    found = seen(run, tmp_path, *(told[0] if told else ()))
    counts = [found[key] for key in ("ratings", "users", "movies", "bad_lines", "first", "last")]
    assert counts == [4, 2, 3, 0, "1970-01-01", "2003-10-01"]
    assert found["histogram"] == {"0.5": 1, "3.5": 1, "4": 1, "5": 1}
    assert found["missing"] == {"genres": 1, "year": 1, "time": 0}


@pytest.mark.parametrize("dialect", REFUSED)
def test_a_dialect_is_refused_in_one_line(run, tmp_path, dialect):
    data, words = BAD[dialect]
    put(tmp_path, {"ratings.csv": data})
    if dialect == "names only":
        assert seen(run, tmp_path)["ratings"] == 0
        done = run("train", "--data", tmp_path, "--model", tmp_path / "m", code=1)
    else:
        done = run("inspect", tmp_path, code=1)
    (line,) = done.stderr.splitlines()[-1:]
    assert words in line
    assert line.startswith("recsys: ")
    assert dialect == "names only" or len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("data", "columns"),
    [
        (b"user,item,liked\n1,2,1\n1,3,0\n", {"rating": "liked 0-1"}),
        (b"user,item,rating,like\n1,2,5,1\n1,3,3,0\n", {"rating": "rating 3-5"}),
        (b"user,shop_no,plays\nann,a,100\nbob,b,3\n", {"item": "shop_no (2, text)"}),
        (  # as Amazon since 2018
            b"0000000017,A1X,5,1123804800\n0000000025,A2Y,4,1112140800\n",
            {"user": "column 2 (2, text)", "item": "column 1 (2, text)"},
        ),
        (b"John Smith,Heat\nJane Doe,Heat\nJohn Smith,M\n", {"user": "column 1 (2, text)"}),
        (b"3,20,17\n1,30,18\n3,40,19\n", {"user": "column 1 (2)", "rating": "column 3 17-19"}),
        (b"5,300,17\n1,400,17\n5,500,18\n", {"user": "column 1 (2)", "rating": "column 3 17-18"}),
        (b"5,300,170\n1,400,172\n5,500,183\n", {"rating": "column 1 1-5", "user": "column 2 (3)"}),
    ],
)
def test_what_a_column_is_taken_for(run, tmp_path, data, columns):
    found = seen(run, put(tmp_path, {"r.csv": data}) / "r.csv")["columns"]
    assert columns.items() <= found.items()


def test_a_count_is_no_rating_unless_it_is_named(run, tmp_path):
    put(tmp_path, {"r.csv": b"user,item,plays\nann,a,100\nbob,b,3\nbob,c,1\n"})
    assert seen(run, tmp_path)["unused"] == {"plays of r.csv": "taken for ratings if named so"}
    found = seen(run, tmp_path, "--rating-column", "plays")
    assert (found["columns"]["rating"], found["unused"]) == ("plays 1-100", {})


RNG = np.random.default_rng(0)
EVENTS = [
    (u, m, int(RNG.integers(1, 6)), 10**9 + m) for u in range(12) for m in range(u % 3, 20, 2)
]
TRAINED = {
    "no names": ("ratings.data", headless(EVENTS, delimiter="\t"), "user: column 1 (12)"),
    "thumbs": ("r.csv", csv(NAMES, [(u, m, ("up", "down")[r < 4], t) for u, m, r, t in EVENTS]),
               "rating: rating 0-1"),
    "true and false": ("r.jsonl", jsonl(NAMES, [(u, m, r > 3, t) for u, m, r, t in EVENTS]),
                       "rating: rating 0-1"),
    "counts": ("r.parquet", parquet_of({"user": [u for u, *_ in EVENTS],
                                        "item": [m for _, m, *_ in EVENTS],
                                        "plays": [r for *_, r, _ in EVENTS]}), "rating: none"),
    "no names, text": ("r.csv", headless([(f"u{u}", f"m{m}") for u, m, *_ in EVENTS]),
                       "user: column 1 (12, text), item: column 2 (20, text), rating: none"),
    "packed": ("r.tsv.zst", pa.compress(csv(rows=EVENTS, delimiter="\t"), "zstd", asbytes=True),
               "rating: rating 1-5, time: timestamp (s)"),
}  # fmt: skip


@pytest.mark.slow  # trains on each
@pytest.mark.parametrize("dialect", TRAINED)
def test_a_dialect_is_trained_on(run, tmp_path, dialect):
    name, data, words = TRAINED[dialect]
    put(tmp_path, {name: data})
    done = run("train", "--data", tmp_path / name, "--model", tmp_path / "m", *TINY)
    assert words in done.stderr
    user = "u1" if "text" in dialect else "1"
    found = run("recommend", "--model", tmp_path / "m", "--exact", "-u", user).stdout
    assert len(found.splitlines()) == 6


def test_movies_and_users_need_no_names_either(run, tmp_path):
    movies = b"".join(MOVIES.encode().splitlines(True)[1:])
    users = "".join(f"{u},{'FM'[u % 2]},{20 + u}\n" for u in (1, 7)).encode()
    put(tmp_path, {"ratings.csv": headless(), "movies.csv": movies, "users.csv": users})
    found = seen(run, tmp_path)
    assert found["columns"]["title"] == "column 2"
    assert found["columns"]["genres"] == "column 3 '|'"
    assert found["columns"]["users.csv column 3"].startswith("as column_3 number 21-27")
    assert found["missing"]["genres"] == 1


def test_columns_of_unnamed_files_are_told_by_number(run, tmp_path):
    put(tmp_path, {"r.csv": BAD["no names, three ids"][0]})
    line = run("inspect", tmp_path, code=1).stderr
    assert line.endswith("give the numbers of the columns: --user-column or --item-column\n")
    found = seen(run, tmp_path, "--user-column", "1", "--item-column", "2")
    assert found["columns"]["rating"] == "none"
    assert found["unused"] == {"column 3 of r.csv": "not about a rating"}
    found = seen(run, tmp_path, "--user-column", "1", "--item-column", "2", "--rating-column", "3")
    assert found["columns"]["rating"] == "column 3 300-300"
    done = run("inspect", tmp_path, "--user-column", "9", code=2)
    assert "no column '9', there are 'column 1', 'column 2'" in done.stderr


LINES = [json.dumps({"user": u, "item": m, "rating": r, "time": t}) for u, m, r, t in EVENTS]
ODD = {
    3: ("{", "expected a JSON object, found '{'"),
    5: ("[1]", "expected a JSON object, found '[1]'"),
    8: ('{"user": 1, "item": 5, "rating": "four"}', "expected a rating as a number, got 'four'"),
    9: ('{"item": 5, "rating": 4, "time": 9}', "found an empty field"),
}


def test_bad_lines_of_json_are_named_and_left_out(run, tmp_path):
    lines = [ODD[n][0] if n in ODD else line for n, line in enumerate(LINES, 1)]
    place = put(tmp_path, {"r.jsonl": "\n".join(lines).encode()}) / "r.jsonl"
    train = ("train", "--data", place, "--model", tmp_path / "m", *TINY)
    shown = run(*train, code=1).stderr.splitlines()[-len(ODD) :]
    for line, (number, (_, words)) in zip(shown, ODD.items(), strict=True):
        assert f"{place}:{number}: " in line
        assert words in line
    assert shown[-1].endswith("or leave bad lines out: --skip-bad-lines")
    done = run(*train, "--skip-bad-lines")
    assert f"{len(LINES) - 4} ratings" in done.stderr
    assert "dropped 4 bad lines" in done.stderr


def test_ten_bad_rows_of_parquet_are_named_by_their_groups_and_the_rest_counted(run, tmp_path):
    rows = [(None if n % 7 == 3 else u, m, r, t) for n, (u, m, r, t) in enumerate(EVENTS)]
    columns = dict(zip(NAMES, map(list, zip(*rows, strict=True)), strict=True))
    put(tmp_path, {"r.parquet": parquet_of(columns, row_group_size=10)})
    train = ("train", "--data", tmp_path, "--model", tmp_path / "m", *TINY)
    shown = run(*train, code=1).stderr.splitlines()
    bad = [n for n in range(len(rows)) if n % 7 == 3]
    places = [f"row group {n // 10 + 1}, row {n % 10 + 1}: expected a user id" for n in bad]
    for line, place in zip(shown[-11:-1], places, strict=False):
        assert f"r.parquet: {place}" in line
    assert shown[-1].startswith(f"... and {len(bad) - 10} more bad lines")
    assert f"dropped {len(bad)} bad lines" in run(*train, "--skip-all-bad-lines").stderr

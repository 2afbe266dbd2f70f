"""Tables at the prompt: how inspect reads them, how train takes them, which options fix them."""

import json

import pytest
from command_line import SAMPLE
from dialects import BAD, headless
from dialects import MOVIES as FILMS
from families import put

RATINGS = (
    b"userId,movieId,rating,timestamp\n"
    b"1,10,4.0,964982703\n1,30,3.5,964981247\n7,10,0.5,1064981247\n"
)
MOVIES = b'movieId,title,genres\n10,Toy Story (1995),Comedy\n30,"M, The (1931)",Crime|Drama\n'


def seen(run, place, *options):
    return json.loads(run("inspect", place, "--json", *options).stdout)


@pytest.fixture
def shop(tmp_path):
    return put(tmp_path, {"ratings.csv": RATINGS, "movies.csv": MOVIES, "links.csv": b"a,b\n"})


def test_inspect_says_how_data_is_read_and_what_it_looks_like_and_counts_bad_lines(run, shop):
    done = run("inspect", shop)
    assert (
        "user: userId (2), item: movieId (2), rating: rating 0.5-4, time: timestamp (s), "
        "title: title, genres: genres '|'\n" in done.stderr
    )
    assert "not used: links.csv" in done.stderr
    assert "3 ratings by 2 users of 2 movies" in done.stdout
    for words in ("75.00%", "2000-07-30 to 2003-10-01", "rating 3.5", "66.7% of the ratings"):
        assert words in done.stdout
    assert run("inspect", "-q", shop).stderr == ""
    put(shop, {"ratings.csv": RATINGS + b"1,10,5,9\n7,30,,9\nx,30,4,9\n"})
    found = seen(run, shop)
    assert found["ratings"] == 3
    assert found["histogram"] == {"0.5": 1, "3.5": 1, "4": 1}
    assert (found["duplicates"], found["empty_fields"], found["bad_lines"]) == (1, 1, 2)
    assert found["first_bad_lines"][0].startswith(f"{shop}/ratings.csv:6: expected a rating")
    assert found["columns"]["time"] == "timestamp (s)"
    assert found["unused"] == {"links.csv": "only ratings, movies and users are read"}
    assert found["density"] == 0.75


def test_files_and_columns_are_named(run, shop):
    put(shop, {"r.tsv": b"a\tb\tc\td\n1\t10\t4\t5\n", "i.csv": b"item,t,g\n10,Heat,Crime/Drama\n"})
    ratings = (shop / "r.tsv", "--items", shop / "i.csv")
    columns = ("--user-column", "a", "--item-column", "b", "--rating-column", "c")
    texts = ("--time-column", "none", "--title-column", "t", "--genres-column", "g")
    found = seen(run, *ratings, *columns, *texts)["columns"]
    assert list(found.values()) == ["a (1)", "b (1)", "c 4-4", "none", "t", "g"]
    (line,) = run("inspect", *ratings, *columns[:4], code=2).stderr.splitlines()
    assert "'c', 'd'; name the one, or none: --rating-column" in line
    (line,) = run("inspect", *ratings, "--user-column", "z", code=2).stderr.splitlines()
    assert "no column 'z', there are 'a', 'b', 'c', 'd'; name one of them: --user-col" in line


def test_only_in_a_folder_is_a_table_beside_the_ratings_taken_for_the_movies(run, tmp_path):
    rows = "".join(f"{u},{i},{1 + (u + i) % 5}\n" for u in range(1, 9) for i in range(1, 9))
    films = "item,title,note\n" + "".join(f"{i},Film {i},x\n" for i in range(1, 9))
    put(tmp_path, {"ratings.csv": b"user,item,rating\n" + rows.encode(), "x.csv": films.encode()})
    assert "movies are of x.csv (--items)" in run("inspect", tmp_path).stderr
    for line in ((tmp_path, "--items", "none"), (tmp_path / "ratings.csv",)):
        assert "no table of movies" in run("inspect", *line).stderr
    put(tmp_path, {"x.csv": b"user,item,rating\n" + b"".join(b"7,%d,3\n" % i for i in range(1, 9))})
    assert "no table of movies" in run("inspect", tmp_path).stderr  # it is of ratings


def test_users_are_in_a_file_of_any_name(run, shop):
    users = put(shop, {"u.tsv": b"userId\tcity\tage\n1\tOslo\t30\n7\tLima\t41\n"}) / "u.tsv"
    said = run("inspect", shop, "--users", users).stderr
    assert "u.tsv: " not in said  # a column of as many values as users says nothing
    assert "not used: city of u.tsv (2 different values in 2 fields)" in said
    assert "age: age" in said
    assert "no users file" not in said
    line = run("inspect", SAMPLE, "--users", users, code=1).stderr
    assert "no table, only of tables (CSV, JSON lines, Parquet) can other files" in line


def test_files_need_no_names_of_columns_which_are_told_by_number(run, tmp_path):
    named = tmp_path / "found"
    named.mkdir()
    movies = b"".join(FILMS.encode().splitlines(True)[1:])
    users = "".join(f"{u},{'FM'[u % 2]},{20 + u}\n" for u in (1, 7)).encode()
    put(named, {"ratings.csv": headless(), "movies.csv": movies, "users.csv": users})
    found = seen(run, named)
    assert found["columns"]["title"] == "column 2"
    assert found["columns"]["genres"] == "column 3 '|'"
    assert found["columns"]["users.csv column 3"].startswith("as column_3 number 21-27")
    assert found["missing"]["genres"] == 1
    put(tmp_path, {"r.csv": BAD["no names, three ids"][0]})
    line = run("inspect", tmp_path, code=2).stderr
    assert line.endswith("give the numbers of the columns: --user-column or --item-column\n")
    ids = ("--user-column", "1", "--item-column", "2")
    line = run("inspect", tmp_path, *ids, code=2).stderr
    assert line.endswith("'column 3'; give its number, or none: --rating-column\n")
    found = seen(run, tmp_path, *ids, "--rating-column", "none")
    assert found["columns"]["rating"] == "none"
    assert found["unused"] == {"column 3 of r.csv": "not about a rating"}

"""Tables at the prompt: how inspect reads them, how train takes them, which options fix them."""

import itertools
import json

import pytest
from command_line import SAMPLE
from families import put

RATINGS = (
    b"userId,movieId,rating,timestamp\n"
    b"1,10,4.0,964982703\n1,30,3.5,964981247\n7,10,0.5,1064981247\n"
)
MOVIES = b'movieId,title,genres\n10,Toy Story (1995),Comedy\n30,"M, The (1931)",Crime|Drama\n'


@pytest.fixture
def shop(tmp_path):
    return put(tmp_path, {"ratings.csv": RATINGS, "movies.csv": MOVIES, "links.csv": b"a,b\n"})


def test_inspect_says_how_data_is_read_and_what_it_looks_like(run, shop):
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


def test_inspect_as_json_counts_bad_lines_and_goes_on(run, shop):
    put(shop, {"ratings.csv": RATINGS + b"1,10,5,9\n7,30,,9\nx,30,4,9\n"})
    found = json.loads(run("inspect", shop, "--json").stdout)
    assert found["ratings"] == 3
    assert found["histogram"] == {"0.5": 1, "3.5": 1, "4": 1}
    assert (found["duplicates"], found["empty_fields"], found["bad_lines"]) == (1, 1, 2)
    assert found["first_bad_lines"][0].startswith(f"{shop}/ratings.csv:6: expected a rating")
    assert found["columns"]["time"] == "timestamp (s)"
    assert found["unused"] == {"links.csv": "only ratings, movies and users are read"}
    assert found["density"] == 0.75


def test_inspect_of_other_families(run):
    done = run("inspect", SAMPLE, "--json")
    assert json.loads(done.stdout)["ratings"] == 15610


def test_files_and_columns_are_named(run, shop):
    put(shop, {"r.tsv": b"a\tb\tc\td\n1\t10\t4\t5\n", "i.csv": b"item,t,g\n10,Heat,Crime/Drama\n"})
    ratings = ("inspect", shop / "r.tsv", "--items", shop / "i.csv", "--json")
    columns = ("--user-column", "a", "--item-column", "b", "--rating-column", "c")
    texts = ("--time-column", "none", "--title-column", "t", "--genres-column", "g")
    found = json.loads(run(*ratings, *columns, *texts).stdout)
    assert found["columns"] == {"user": "a (1)", "item": "b (1)", "rating": "c 4-4", "time": "none",
                                "title": "t", "genres": "g"}  # fmt: skip
    done = run(*ratings, code=1)
    assert "'c', 'd'; name the one: --rating-column" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    done = run(*ratings, "--user-column", "z", code=2)
    assert (
        "no column 'z', there are 'a', 'b', 'c', 'd'; name one of them: --user-col" in done.stderr
    )


def test_users_are_in_a_file_of_any_name(run, shop):
    users = put(shop, {"u.tsv": b"userId\tcity\tage\n1\tOslo\t30\n7\tLima\t41\n"}) / "u.tsv"
    said = run("inspect", shop, "--users", users).stderr
    assert "u.tsv: " not in said  # a column of as many values as users says nothing
    assert "not used: city of u.tsv (2 different values in 2 fields)" in said
    assert "age: age" in said
    assert "no users file" not in said
    line = run("inspect", SAMPLE, "--users", users, code=1).stderr
    assert "no table, only of tables (CSV, JSON lines, Parquet) can other files" in line


def test_half_stars_without_users_as_in_ml_10m(run, tmp_path):
    put(tmp_path, {
        "ratings.dat": b"1::122::5::838985046\n1::185::0.5::838983525\n2::122::3.5::838983392\n",
        "movies.dat": b"122::Boomerang (1992)::Comedy|Romance\n"
                      b"185::Net, The (1995)::(no genres listed)\n",
        "tags.dat": b"15::4973::excellent!::1215184630\n",
    })  # fmt: skip
    done = run("inspect", tmp_path, "--json")
    found = json.loads(done.stdout)
    assert found["histogram"] == {"0.5": 1, "3.5": 1, "5": 1}
    assert (found["users"], found["movies"], found["missing"]["genres"]) == (2, 2, 1)
    assert "no users file, so only ratings are known of users" in done.stderr


def test_two_candidates_are_both_named_with_the_option(run, shop):
    put(shop, {"ratings.csv": RATINGS.replace(b"timestamp", b"user_id")})
    done = run("inspect", shop, code=1)
    assert done.stderr == (
        f"recsys: {shop}/ratings.csv: several columns may be the user: 'userId', 'user_id'; "
        "name the one: --user-column\n"
    )


@pytest.mark.parametrize(("separator", "named"), [("/", True), ("|", False), (" ", False)])
def test_genres_of_each_movie_its_own_are_named(run, tmp_path, separator, named):
    """In an atomic file: a separator nobody knows makes a genre of each combination."""
    some = list(itertools.combinations(["Action", "Crime", "Drama", "Musical", "War", "Noir"], 3))
    lines = [f"{i}\tMovie {i}\t{separator.join(each)}" for i, each in enumerate(some)]
    put(tmp_path, {
        "x.item": "\n".join(["item_id:token\ttitle:token_seq\tgenre:token_seq", *lines,
                             f"{len(some)}\tMovie\tWar"]).encode(),
        "x.inter": b"user_id:token\titem_id:token\trating:float\n1\t1\t3\n2\t3\t4\n",
    })  # fmt: skip
    told = f"{tmp_path}/x.item: 21 different genres, are they separated as expected ('|')?"
    for command in (("inspect", tmp_path), ("preprocess", "-f", tmp_path / "x.item",
                                            "-o", tmp_path / "out")):  # fmt: skip
        assert (told in run(*command).stderr) is named


def test_many_bad_lines_need_an_own_flag(run, tmp_path):
    rows = [f"1,{i},4,9" for i in range(1000)]
    rows[500:520] = ["1,2"] * 20
    put(tmp_path, {"ratings.csv": "\n".join(["user,item,rating,ts", *rows]).encode()})
    train = ("train", "--data", tmp_path, "--model", tmp_path / "m")
    assert "skip-bad-lines" in run(*train, code=1).stderr
    done = run(*train, "--skip-bad-lines", code=1)
    assert "20 of 1,000 lines are bad" in done.stderr.splitlines()[-1]
    assert done.stderr.rstrip().endswith("leave out all the same: --skip-all-bad-lines")
    assert not (tmp_path / "m").exists()


def test_a_table_of_movies_is_encoded(run, shop, tmp_path):
    done = run("preprocess", "-f", shop / "movies.csv", "-o", tmp_path / "out.txt")
    assert "title: title, genres: genres '|'" in done.stderr
    assert "2 movies" in done.stderr

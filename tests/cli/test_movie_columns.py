"""Columns of a table of movies that are named, for preprocess and load-movies -f."""

import pytest
from families import put

from recsys.serving.model_folder import DEFAULT

NEW = b"n,what,kinds,price,brand\n7,Great (1999),Borg/Aki,9.5,Borg\n8,Small (2001),,3,Aki\n"
NAMED = ("--item-column", "n", "--title-column", "what", "--genres-column", "none")


@pytest.fixture
def model(trained_shop):
    return trained_shop[0] / DEFAULT


@pytest.fixture
def new(tmp_path):
    return put(tmp_path, {"new.csv": NEW}) / "new.csv"


def test_columns_of_movies_to_encode_are_named(run, model, new, tmp_path):
    encode = ("preprocess", "--model", model, "-f", new, "-o", tmp_path / "out.txt")
    assert "no item column found" in run(*encode, code=1).stderr
    for told in (NAMED, ("--item-column", "1", "--title-column", "2", "--genres-column", "none")):
        done = run(*encode, *told)
        assert "title: what, genres: none" in done.stderr
        assert f"{tmp_path / 'out.txt'}: has titles and genres only, not " in done.stderr
        assert (tmp_path / "out.txt").read_text().startswith("7::")
    done = run(*encode, *NAMED, "--column", "price=none")
    assert "price of new.csv (left out as asked)" in done.stderr


def test_columns_of_movies_to_publish_are_named(run, model, new, tmp_path):
    load = ("load-movies", "--model", model, "--uri", tmp_path / "x.db", "--dry-run")
    done = run(*load, "-f", new, *NAMED)
    assert "2 of" in done.stderr
    assert "price number 3-9.5" in done.stderr
    done = run(*load, "-f", new, *NAMED, "--column", "price=none", "--column", "brand=category")
    assert "unknown of its movies: price, tags, description" in done.stderr


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (
            ("--column", "colour=category"),
            "no column 'colour' describes movies or users; there are",
        ),
        (("--column", "price=text"), "price cannot be text, the model takes it for number"),
        (("--item-column", "x"), "no column 'x', there are 'n', 'what'"),
        (("--title-column", "x"), "no column 'x', there are 'n', 'what'"),
        (("--title-column", "9"), "no column '9', there are 'n', 'what'"),
    ],
)
def test_columns_that_are_not_there_are_refused(run, model, new, tmp_path, told, words):
    load = ("load-movies", "--model", model, "--uri", tmp_path / "x.db", "-f", new)
    more = told if "--item-column" in told else (*NAMED[:2], *told)
    (line,) = [each for each in run(*load, *more, code=2).stderr.splitlines() if words in each]
    assert line.startswith("recsys: ")


def test_columns_of_what_is_no_table_are_refused(run, tmp_path, trained):
    raw = put(tmp_path, {"movies.dat": b"1::Heat (1995)::Crime\n"}) / "movies.dat"
    for command in ("preprocess", "load-movies"):
        done = run(command, "-f", raw, "--title-column", "title", code=1)
        assert "movies.dat: no table, only of tables" in done.stderr
    done = run("load-movies", "-f", trained.place / "movies_data.txt", "--column", "a=text", code=1)
    assert "encoded movies have no columns; name the raw file" in done.stderr
    done = run("load-movies", "--title-column", "title", code=2)
    assert "columns are of a table of movies: name it by -f" in done.stderr

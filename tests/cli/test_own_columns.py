"""Users and items with columns of their own, from a file to recommendations."""

import csv
import io
import json

import numpy as np
import pytest
import shop
from families import put
from pyarrow import parquet

from recsys.cli.output import COLUMNS
from recsys.serving.model_folder import DEFAULT


@pytest.fixture
def ask(trained_shop, run, monkeypatch):
    """The command line at the shop's place; `run` clears the environment."""
    monkeypatch.chdir(trained_shop[0])
    return run


def found(stdout):
    answer = json.loads(stdout)
    return answer.get("recommendations") or answer["similar"]


def test_train_says_how_columns_are_understood_and_why_others_are_not(trained_shop):
    said = trained_shop[1]
    assert "items.csv: brand category (4), price number 6.84-66.39" in said
    assert "tags categories (5), description text (10 words)" in said
    assert (
        "users.csv: city category (3), plan category (2), interests categories (3), "
        "income number 10000-89000" in said
    )
    for line in (
        "not used: page of items.csv (addresses of pages or pictures)",
        "not used: article_code of items.csv (60 different values in 60 fields)",
        "not used: in stock? of items.csv (always 'yes')",
    ):
        assert line in said


@pytest.mark.parametrize(("city", "brand"), [*zip(shop.CITIES, shop.BRANDS, strict=False)])
def test_what_is_known_of_a_user_decides(ask, city, brand):
    done = ask("recommend", "--user-attribute", f"city={city}", "-k", 8, "--format", "json")
    brands = [shop.brand_of(each["movie_id"]) for each in found(done.stdout)]
    assert brands.count(brand) >= 7
    assert json.loads(done.stdout)["user"]["attributes"] == {"city": city}
    assert done.stderr == f"for city {city}\n"
    assert ask("recommend", "-u", 2, "-k", 1).stderr.startswith("for user 2; city ")
    other = ask("recommend", "-u", 2, "--user-attribute", f"city={city.lower()}", "-k", 1)
    assert f"city {city}; plan" in other.stderr


def test_new_items_are_recommended_by_their_columns_and_others_are_named(ask, tmp_path):
    rng = np.random.default_rng(1)
    rows = [shop.item(1001 + n, n % 3, rng) for n in range(12)]
    shop.write(tmp_path / "new.csv", shop.ITEM_COLUMNS, rows)
    uri = ("--uri", tmp_path / "new.db")
    ask("load-movies", "-f", tmp_path / "new.csv", *uri)
    done = ask("recommend", "--user-attribute", "city=Oslo", *uri, "-k", 72, "--format", "json")
    new = [each["movie_id"] for each in found(done.stdout) if each["new"]]
    assert len(new) == 12
    assert all((each - 1001) % 3 == 1 for each in new[:3])  # Borg
    rows = [[3000 + n, f"Thing (200{n})", ("oak", "ash")[n % 2]] for n in range(6)]
    shop.write(tmp_path / "wood.csv", "item_id,title,wood", rows)
    said = ask("load-movies", "-f", tmp_path / "wood.csv", "--dry-run").stderr
    assert "wood.csv: not used: wood, of which the model knows nothing" in said
    assert "wood.csv: unknown of its movies: brand, price, tags, description" in said


def test_encoded_items_keep_the_columns_that_the_model_knows(ask, trained_shop, tmp_path):
    items, encoded = trained_shop[0] / "items.csv", tmp_path / "movies_data.txt"
    ask("preprocess", "-f", items, "-o", encoded)
    uri = ("--uri", tmp_path / "encoded.db")
    ask("load-movies", "-f", encoded, *uri)
    asked = ("recommend", "-u", 3, "-k", 60, "--format", "json", "--where", 'brand == "Borg"')
    (again, before) = (found(ask(*asked, *where).stdout) for where in (uri, ()))
    assert [each["columns"] for each in again] == [each["columns"] for each in before] != []


CITY = "--user-attribute"
REFUSED = [
    (("--age", "25"), "knows no age of its users; attributes it knows: city, plan, interests"),
    ((CITY, "town=Oslo"), "knows no town of its users"),
    ((CITY, "city=Osl"), "city: no user is 'Osl', near are Oslo"),
    ((CITY, "city=Rome"), "there are "),
    ((CITY, "income=much"), "income: no user is 'much', there are "),
    ((CITY, "city"), "'city' is not NAME=VALUE"),
    (("--where", "price == 'x'"), "where: expected a number, found 'x', at character 10"),
    (("--where", "brand == 'x'); drop"), "where: found ';'"),
]


@pytest.mark.parametrize(("given", "says"), REFUSED)
def test_what_nobody_can_answer_is_one_line_and_never_sent(ask, given, says):
    condition = given[0] == "--where"
    searched = ("--uri", "http://127.0.0.1:1") if condition else ("--exact",)
    (error,) = ask("recommend", *given, *searched, code=2).stderr.splitlines()
    assert says in error
    assert not condition or error.endswith("correct it: --where")


def test_items_are_asked_for_by_their_columns(ask):
    where = 'price < 20 and brand in ["Aki", "Borg"] and not array_contains(tags, "red")'
    all_of_them = ("recommend", "-u", 3, "-k", 60, "--format", "json")
    every = found(ask(*all_of_them).stdout)
    some = found(ask(*all_of_them, "--where", where).stdout)
    expected = [
        each["movie_id"]
        for each, own in ((each, each["columns"]) for each in every)
        if (own["price"] or 99) < 20
        and own["brand"] in ("Aki", "Borg")
        and "red" not in own["tags"]
    ]
    assert 0 < len(some) < len(every)
    assert [each["movie_id"] for each in some] == expected
    assert found(ask("similar", 1, "--where", "price > 30", "--format", "json").stdout)
    assert "no movie fits" in ask(*all_of_them, "--where", "price > 1e6").stderr


@pytest.mark.parametrize("command", [("recommend", "-u", 3), ("similar", 1)])
def test_files_and_tables_have_an_items_columns_behind_the_fixed_ones(ask, tmp_path, command):
    own, where = ["brand", "price", "tags", "description"], ("--where", "array_length(tags) != 1")
    asked = (*command, "-k", 30, *where)
    expected = [each["columns"] for each in found(ask(*asked, "--format", "json").stdout)]
    lists = [each["tags"] for each in expected]
    assert [] in lists
    assert max(map(len, lists)) > 1
    rows = list(csv.DictReader(io.StringIO(ask(*asked, "--format", "csv").stdout)))
    assert list(rows[0]) == [*COLUMNS, *own]
    for row, columns in zip(rows, expected, strict=True):
        price = "" if columns["price"] is None else str(columns["price"])
        assert [row[name] for name in own] == [
            *(columns["brand"] or "", price, "|".join(columns["tags"]), columns["description"])
        ]
    ask(*asked, "--format", "parquet", "-o", tmp_path / "answer.parquet")
    read = parquet.read_table(tmp_path / "answer.parquet")
    assert read.column_names == [*COLUMNS, *own]
    assert [row["price"] for row in read.to_pylist()] == [each["price"] for each in expected]
    header, first, *_ = ask(*asked).stdout.splitlines()
    assert header.split()[-4:] == own
    assert first.rstrip().endswith(expected[0]["description"][:27] + "...")


NEW = b"n,what,kinds,price,brand\n7,Great (1999),Borg/Aki,9.5,Borg\n8,Small (2001),,3,Aki\n"
NAMED = ("--item-column", "n", "--title-column", "what", "--genres-column", "none")


def test_columns_of_movies_to_encode_or_publish_are_named(run, trained_shop, tmp_path):
    model, new = trained_shop[0] / DEFAULT, put(tmp_path, {"new.csv": NEW}) / "new.csv"
    encode = ("preprocess", "--model", model, "-f", new, "-o", tmp_path / "out.txt")
    assert "no item column found" in run(*encode, code=2).stderr
    told = ("--item-column", "1", "--title-column", "2", "--genres-column", "none")
    done = run(*encode, *told, "--column", "price=none")
    assert "price of new.csv (left out as asked)" in done.stderr
    done = run(*encode, *told)
    assert "title: what, genres: none" in done.stderr
    assert f"{tmp_path / 'out.txt'}: has titles and genres only, not " in done.stderr
    assert (tmp_path / "out.txt").read_text().startswith("7::")
    load = ("load-movies", "--model", model, "--uri", tmp_path / "x.db", "--dry-run", "-f", new)
    assert "price number 3-9.5" in run(*load, *NAMED).stderr
    for told, words in (
        (("--column", "colour=category"), "no column 'colour' describes movies or users; there"),
        (("--column", "price=text"), "price cannot be text, the model takes it for number"),
        (("--title-column", "9"), "no column '9', there are 'n', 'what'"),
    ):
        assert words in run(*load, *NAMED[:2], *told, code=2).stderr.splitlines()[-1]
    raw = put(tmp_path, {"movies.dat": b"1::Heat (1995)::Crime\n"}) / "movies.dat"
    for command in ("preprocess", "load-movies"):
        done = run(command, "-f", raw, "--title-column", "title", code=1)
        assert "movies.dat: no table, only of tables" in done.stderr
    done = run("load-movies", "-f", "movies_data.txt", "--column", "a=text", code=1)
    assert "encoded movies have no columns, and no line" in done.stderr
    done = run("load-movies", "--title-column", "title", code=2)
    assert "columns and bad lines are of a table of movies: name it by -f" in done.stderr

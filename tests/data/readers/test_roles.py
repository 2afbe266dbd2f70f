"""Which column is what: names decide, content only vetoes, a doubt is a question with its flag."""

import json
from itertools import product

import pyarrow as pa
import pytest
from command_line import here
from families import put
from pyarrow import parquet

from recsys.data.readers.roles import Columns
from recsys.preprocess import read_dataset

USERS, ITEMS, STARS = range(8), range(10), (3, 5, 1, 4, 2)
PAIRS = [(u, i) for u, i in product(USERS, ITEMS) if (u + i) % 4]
T = 1_500_000_000


def table(head: str, *cells) -> bytes:
    """CSV of a row for each of PAIRS; a cell is called with user, item and the row's number."""
    rows = [[cell(u, i, n) for cell in cells] for n, (u, i) in enumerate(PAIRS)]
    return "\n".join(filter(None, [head, *(",".join(map(str, row)) for row in rows)])).encode()


def user(u, i, n):
    return u


def item(u, i, n):
    return i + 50


def five(u, i, n):
    return STARS[n % 5]


def row(u, i, n):
    return n


def time(u, i, n):
    return T + n


def values(*some):
    return lambda u, i, n: some[n % len(some)]


def day(form):
    return lambda u, i, n: form.format(1 + n % 9)


def seen(place, *told) -> dict:
    return json.loads(here("inspect", "--json", place, *told).stdout)


NONE, ASK = "none", "--rating-column"
# Columns, and what is read of them by role, or the words of the question.
ROWS = [
    ("customer_id,article_id,price,sales_channel_id", (user, item, values(0.1, 0.3), values(1, 2)),
     {"rating": NONE}),
    ("user_id,item_id,behavior_type", (user, item, values(1, 2, 3, 4)), {"rating": NONE}),
    ("User-ID,ISBN,Book-Rating", (user, item, values(2, 4, 9)), {"rating": "Book-Rating 2-9"}),
    ("user,item,EVENT_VALUE", (user, item, five), {"rating": "EVENT_VALUE 1-5"}),
    ("user,item,quality_score,n", (user, item, five, row), {"rating": "quality_score 1-5"}),
    ("user,item,recommend", (user, item, values(True, True, False)), {"rating": "recommend 0-1"}),
    ("user,item,voted_up", (user, item, values("yes", "no")), {"rating": "voted_up 0-1"}),
    ("user,item,rating,food_rating", (user, item, five, five), {"rating": "rating 1-5"}),
    ("user,item,food_rating,room_rating", (user, item, five, five), "'food_rating', 'room_rating'"),
    ("user,item,fun", (user, item, five),
     f"may be the rating: 'fun'; name the one, or none: {ASK}"),
    ("user,item,fun,joy", (user, item, five, five), "the rating: 'fun', 'joy'; name the"),
    ("user,item,mood", (user, item, values("positive", "neutral", "negative")), "rating: 'mood'"),
    ("user,item,rating", (user, item, values(0)), "nothing is liked; name another column"),
    ("", (user, item, values("play"), five), "rating: 'column 4'; give its number, or none"),
    ("user,item,like_it", (user, item, values("yes", "no")), "may be the rating: 'like_it'"),
    ("user,item,bought", (user, item, values(1)), {"rating": NONE}),
    ("user,item,hours_played,episodes", (user, item, five, five), {"rating": NONE}),
    ("Rating_id,movie_clip_id,user_id,rating", (row, item, user, five),
     {"item": "movie_clip_id (10)"}),
    (",user,rating,ID,name", (row, user, five, item, item), {"item": "ID (10)"}),
    ("review_id,user_id,business_id,stars", (row, user, item, five), {"item": "business_id (10)"}),
    ("a,b,rating", (user, item, five), "no user column found"),
    ("user,stars,item,rated_on", (user, five, item, time), {"time": "rated_on (s)"}),
    ("user,stars,item,date_added", (user, five, item, day("2017/8/{}")),
     {"time": "date_added (ISO 8601)"}),
    ("user,item,played", (user, item, day("2020-01-{:02}")), {"time": "played (ISO 8601)"}),
    ("user,item,rating,watched_at,updated_at", (user, item, five, time, time), "the time: "),
    ("user,item,rating,unixReviewTime,reviewTime", (user, item, five, time, values("02 28 2014")),
     {"time": "unixReviewTime (s)"}),
    ("", (user, item, values(0.8, 1.1, 2.7, 4.4)), {"rating": "column 3 0.8-4.4"}),
    ("", (user, item, five, time), {"rating": "column 3 1-5", "time": "column 4 (s)"}),
    ("", (user, item, values("purchase", "play"), values(1, 10.5, 300)),
     "rating: 'column 4'; give"),
    ("", (values("a", "b"), values("x", "y", "z"), values(*range(30))), "the rating: 'column 3'"),
    ("", (user, item, values(1)), {"rating": NONE}),
    ("", (user, item, values(*range(200, 280))), "--user-column or --item-column"),
    # Ids that look like times, which no name says.
    ("", (lambda u, i, n: 212345678 + u, item, five), {"user": "column 1 (8)", "time": NONE}),
    ("", (user, lambda u, i, n: T + i, five), "ids or times may be in 'column 2'; give its number"),
    ("", (user, lambda u, i, n: T + i, five, time), {"item": "column 2 (10)"}),
    ("", (time, user, item, five), {"time": "column 1 (s)", "item": "column 3 (10)"}),
    ("", (lambda u, i, n: T + u, values("a", "b"), values("x", "y", "z"), values(0.5)),
     "only 3 different values in what may be the item: 'column 3'; give its number: --item-col"),
    ("user,item,rating,tel", (user, item, five, values(2025550000)), {"time": NONE}),
    ("user,item,rating,ean", (user, item, five, values(1381120118000)), {"time": NONE}),
    ("user,item,rating,born", (user, item, five, day("1965-01-{:02}")), {"time": NONE}),
    # Names that end in id, rating or score, and are none of the user's.
    ("user_id,movie_title,genre_id,rating",
     (user, lambda u, i, n: f"Film {i}", lambda u, i, n: i % 3, five), "'genre_id', 'movie_title'"),
    ("user_id,venue,is_paid,rating", (user, item, values(0, 1), five), {"item": "venue (10)"}),
    ("user_id,shop_id,rating", (user, values(1, 2), five),
     "only 2 different values in what may be the item: 'shop_id'; name the one: --item-column"),
    ("user,item,num_ratings,liked", (user, item, row, values(0, 1)), {"rating": "liked 0-1"}),
    ("user,item,liked,predicted_score", (user, item, values(0, 1), five), {"rating": "liked 0-1"}),
    ("user,item,avg_rating", (user, item, five), "may be the rating: 'avg_rating'; name the one"),
    ("", (user, values(""), item, values(""), values(-9.3, 4.2, 8.5)),
     {"item": "column 3 (10)", "rating": "column 5 -9.3-8.5"}),
    (",".join(["user", *map("Film {}".format, range(21))]), (user, *[five] * 21),
     'a row of each rating, as by pandas\' melt("user").dropna(), or name the one: --item-column'),
    ("date,name,stars", (day("2017/8/{}"), item, five), "or add it to one user's ratings: --user-"),
]  # fmt: skip


@pytest.mark.parametrize(("head", "cells", "found"), ROWS)
def test_what_a_column_is(tmp_path, head, cells, found):
    path = put(tmp_path, {"r.csv": table(head, *cells)}) / "r.csv"
    if isinstance(found, str):
        (line,) = here("inspect", "-q", path, code=2).stderr.splitlines()
        assert found in line
    else:
        read = seen(path)
        assert found.items() <= read["columns"].items()
        assert read["ratings"] == len(PAIRS)


@pytest.mark.parametrize("name", ["dislike", "isSkipped", "not_interested"])
def test_what_says_a_dislike_is_asked_for_and_turned_round(tmp_path, name):
    head, bad = f"user,item,{name}", values(0, 1, 1)
    path = put(tmp_path, {"r.csv": table(head, user, item, bad)}) / "r.csv"
    assert f"may be the rating: '{name}'" in here("inspect", "-q", path, code=2).stderr
    assert seen(path, ASK, name)["histogram"] == {"0": 40, "1": 20}
    for cells, words in ((values(1), "nothing is liked"), (values(1, 2), "but not by 0 and 1")):
        put(tmp_path, {"r.csv": table(head, user, item, cells)})
        assert "may be the rating" in here("inspect", "-q", path, code=2).stderr
        assert words in here("inspect", "-q", path, ASK, name, code=2).stderr


@pytest.mark.parametrize(
    ("rating", "left", "told"),
    [
        (values(-1, 4, 9, 7, 10), 4, ()),
        (values(0, 6, 8, 0, 7, 9), 4, ()),
        (values(0, 1, 2), 3, ()),
        (values(99, -9, 3.5, 4, 9.5), 4, ()),  # as Jester has it
        (values(-999, 3, 4, 9), 3, ()),
        (values(*range(11)), 11, ()),
        (values(1, 1, 2, 1, 4, 8), 4, ()),  # the strongest event, and the strongest dislike
        (values(-5, 1, 2, 3), 4, ()),
        (values(1, -1), 2, ()),
        (values(-1, 4, 9, 7, 10), 5, ("--not-rated", "none")),
        (values(1, 2, 3, 4, 9), 4, ("--not-rated", "9")),
    ],
)
def test_what_stands_for_not_rated_is_said_and_left_out(tmp_path, rating, left, told):
    path = put(tmp_path, {"r.csv": table("user,item,rating", user, item, rating)}) / "r.csv"
    done = here("inspect", "--json", path, *told)
    assert len(json.loads(done.stdout)["histogram"]) == left
    every = len({rating(0, 0, n) for n in range(99)})
    assert ("taken for not rated: they are left out" in done.stderr) is (left < every)


def test_what_may_stand_for_not_rated_is_asked(tmp_path):
    rating = values(1, 2, 3, 4, 5, 100)
    path = put(tmp_path, {"r.csv": table("user,item,rating", user, item, rating)}) / "r.csv"
    line = here("inspect", path, code=2).stderr
    assert "100 is far from 1 to 5; say that it means not rated, or none: --not-rated" in line
    assert len(seen(path, "--not-rated", "100")["histogram"]) == 5


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        (values(20010115), "2001-01-15"),
        (values(36906), "2001-01-15"),
        (values("2019-11-01 00:00:00 UTC"), "2019-11-01"),
        (day("2017/8/{}"), "2017-08-01"),
        (values("13/8/2017 9:30", "1/8/2017 9:30"), "2017-08-01"),
        (day("2017/8/{} 9:30"), "2017-08-01"),
        (values('"08 13, 2017"', '"08 01, 2017"'), "2017-08-01"),
    ],
)
def test_days_are_days(tmp_path, cells, first):
    path = put(tmp_path, {"r.csv": table("user,item,rating,date", user, item, five, cells)})
    assert seen(path / "r.csv")["first"] == first


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (values(T, T * 1000), "times in ms, but 1500000000 and others are in another unit"),
        (values("1/2/2017", "2/3/2017"), "'1/2/2017' may begin with the day or with the month"),
        (values("1/13/2017", "13/1/2017"), "may begin with the day or with the month"),
        (values("Jan 7 2017", "12-Mar-05"), "times such as 'Jan 7 2017' are neither"),
        (values("soon"), "times such as 'soon' are neither numbers nor ISO 8601"),
    ],
)
def test_a_doubt_about_times_is_a_question(tmp_path, cells, words):
    path = put(tmp_path, {"r.csv": table("user,item,rating,date", user, item, five, cells)})
    (line,) = here("inspect", "-q", path / "r.csv", code=2).stderr.splitlines()
    assert words in line
    assert 'give "none" for no times: --time-column' in line
    here("inspect", path / "r.csv", "--time-column", "none")


@pytest.mark.parametrize(
    ("head", "cells", "words"),
    [
        ("user,item,rating,date", (user, item, five, values(36906, 36907)),
         "time: date (days as Excel counts, guessed; --time-column none if they are not)"),
        ("user,item,rating,date", (user, item, five, row), "date (s since 1970, guessed; --time-"),
        ("user,item,rating,x", (user, item, five, time), "as no name says it: time x (--time-col"),
        ("", (user, item, five), "user column 1 (--user-column), item column 2 (--item-column), "),
        ("user,item,rating", (user, item, values(-1, 4, 9, 7)), "out; --not-rated none keeps"),
    ],
)  # fmt: skip
def test_a_guess_names_what_changes_it(tmp_path, head, cells, words):
    path = put(tmp_path, {"r.csv": table(head, *cells)}) / "r.csv"
    assert words in here("inspect", path).stderr


@pytest.mark.parametrize("name", ["r.csv", "r.jsonl", "r.parquet"])
def test_ids_that_say_they_are_missing_are_bad_lines_in_every_format(tmp_path, name):
    missing = ["NA", "NULL", "null", "None", "nan", r"\N", "a", "b", "c", "d", "e"]
    rows = [{"user": user, "item": f"i{n}", "stars": n % 5 + 1} for n, user in enumerate(missing)]
    if name == "r.parquet":
        parquet.write_table(pa.Table.from_pylist(rows), tmp_path / name)
    else:
        lines = map(json.dumps, rows) if name == "r.jsonl" else [
            ",".join(map(str, each)) for each in [rows[0], *map(dict.values, rows)]
        ]  # fmt: skip
        put(tmp_path, {name: "\n".join(lines).encode()})
    found = seen(tmp_path / name)
    assert (found["users"], found["bad_lines"]) == (5, 6)


@pytest.mark.parametrize(
    ("column", "cells", "bad", "words"),
    [
        ("time", lambda u, i, n: T * (1000 if n else 1), 1,
         "expected a time in ms since 1970"),
        ("rating", values(*range(11), *range(11), *range(7), 93), 2,
         "rating 93, expected 0 to 10 as the others are"),
    ],
)  # fmt: skip
def test_what_is_far_off_is_a_bad_line(tmp_path, column, cells, bad, words):
    head, rating = (
        f"user,item{',rating' * (column == 'time')},{column}",
        [five] * (column == "time"),
    )
    found = seen(put(tmp_path, {"r.csv": table(head, user, item, *rating, cells)}) / "r.csv")
    assert found["bad_lines"] == bad
    assert words in found["first_bad_lines"][0]


RATINGS = table("user_id,item_id,rating", user, item, five)


@pytest.mark.parametrize(
    ("head", "cells", "words"),
    [
        ("item_id,Game Name", "Boat {}", {"title": "Game Name"}),
        ("MAL_ID,Name", "Boat {}", {"title": "Name"}),
        ("item_id,Place_Name,city_name", "Boat {},Oslo", {"title": "Place_Name"}),
        ("ITEM_ID,YEAR", "199{}", {"year": "YEAR", "title": "none, Item ID instead"}),
        ("isbn,Book-Title,Year-Of-Publication", "Boat {},1990", {"year": "Year-Of-Publication"}),
        ("id,title,release_date", "Boat {},1990-01-02", {"year": "release_date"}),
        ("id,genres", "\"[{{'id': 1, 'name': 'Crime'}}]\"", {"genres": "genres (lists)"}),
    ],
)
def test_titles_years_and_genres_of_items(tmp_path, head, cells, words):
    rows = [f"{i + 50},{cells.format(i)}" for i in ITEMS]
    put(tmp_path, {"ratings.csv": RATINGS, "items.csv": "\n".join([head, *rows]).encode()})
    found = seen(tmp_path)
    assert words.items() <= found["columns"].items()
    assert found["missing"]["year"] == (0 if "year" in words else len(ITEMS))
    assert found["missing"]["genres"] == (0 if "genres" in words else len(ITEMS))


def test_what_is_missing_is_unknown_in_columns_that_describe(tmp_path):
    ages = ["NULL", "NA", "0", "239", r"\N", "?", "31", "20"]
    rows = [f"{u},{age},{'None' if u % 2 else 'Oslo'}" for u, age in zip(USERS, ages, strict=True)]
    put(tmp_path, {"ratings.csv": RATINGS, "users.csv": "\n".join(["id,age,city", *rows]).encode()})
    found = seen(tmp_path)
    assert (found["users"], found["bad_lines"], found["columns"]["age"]) == (8, 0, "age")
    assert found["unused"] == {
        "2 cells of age of users.csv": "not understood, so unknown, such as '0'",
        "city of users.csv": "always 'Oslo'",
    }


def test_a_name_counts_where_it_is_and_tables_go_by_their_names(tmp_path):
    books = "Book_ID,ISBN,Book-Title\n" + "".join(f"{i + 50},9{i},Boat {i}\n" for i in ITEMS)
    put(tmp_path, {"a_rating.csv": RATINGS, "my_books.csv": books.encode()})
    line = here("inspect", tmp_path, code=2).stderr
    assert "'Book_ID', 'ISBN'; name the one: --item-column" in line
    assert seen(tmp_path, "--item-column", "Book_ID")["columns"]["title"] == "Book-Title"
    (tmp_path / "my_books.csv").unlink()
    other = "item_id,label\n" + "".join(f"{i + 50},Boat {i}\n" for i in ITEMS)
    found = seen(put(tmp_path, {"with_id.csv": other.encode()}))
    assert found["movies"] == len(ITEMS)
    assert found["unused"]
    assert "movies are of with_id.csv (--items)" in here("inspect", tmp_path).stderr


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("movie_titles.csv", b"1,1990,Boat\n2,1991,Cloud\n", "no table of ratings by its name"),
        (
            "r.txt",
            b"1:\n7,5,2005-09-11\n2:\n7,4,2005-09-12\n",
            "(as Netflix has them); write the mo",
        ),
        ("r.txt", b"0 1 2 3\n1 2\n2 5 6 7 8\n3 9 8\n", "LightGCN"),
    ],
)
def test_what_is_no_table_of_ratings_is_said(tmp_path, name, data, words):
    path = put(tmp_path, {name: data}) / name
    assert words in here("inspect", path, code=2 if "titles" in name else 1).stderr


def test_lines_as_python_writes_them(tmp_path):
    lines = "\n".join(str({"username": f"u{u}", "product_id": i, "stars": 4}) for u, i in PAIRS)
    found = seen(put(tmp_path, {"r.json": lines.encode()}))
    assert found["columns"]["user"] == "username (8, text)"


@pytest.mark.parametrize(
    ("told", "words", "title"),
    [
        (("--title-column", "name"), "title: name, genres: none", "Film & 0"),
        (
            ("--title-column", "4", "--year-column", "made"),
            "title: name, year: made",
            "Film & 0 (1990)",
        ),
        (("--title-column", "item"), "title: item", "50"),
        (("--genres-column", "kind"), "title: none, Item ID instead, genres: kind '|'", "Item 50"),
    ],
)
def test_titles_of_movies_may_be_beside_the_ratings(tmp_path, told, words, title):
    head = "user,item,rating,name,made,kind"
    cells = (user, item, five, lambda u, i, n: f"Film &amp; {i}", values(1990), values("A|B"))
    path = put(tmp_path, {"r.csv": table(head, *cells)}) / "r.csv"
    assert words in here("inspect", path, *told).stderr
    columns = {
        name[2:].split("-")[0]: column for name, column in zip(told[::2], told[1::2], strict=True)
    }
    assert title in read_dataset(path, columns=Columns(**columns)).movies.titles
    put(tmp_path, {"m.csv": b"item,label\n" + b"".join(b"%d,x\n" % (i + 50) for i in ITEMS)})
    if "name" in told:  # there is a table of movies, which has none
        line = here("inspect", path, "--items", tmp_path / "m.csv", *told, code=2).stderr
        assert "no column 'name', there are 'item', 'label'" in line


@pytest.mark.parametrize("name", ["r.csv", "r.jsonl", "r.parquet"])
def test_many_empty_ratings_are_not_rated(tmp_path, name):
    rows = [
        {"user": u, "item": i, "stars": n % 5 + 1 if n % 4 else None}
        for n, (u, i) in enumerate(PAIRS)
    ]
    if name == "r.parquet":
        parquet.write_table(pa.Table.from_pylist(rows), tmp_path / name)
    elif name == "r.jsonl":
        put(tmp_path, {name: "\n".join(map(json.dumps, rows)).encode()})
    else:
        put(
            tmp_path,
            {
                name: table(
                    "user,item,stars", user, item, lambda u, i, n: n % 5 + 1 if n % 4 else ""
                )
            },
        )
    assert (seen(tmp_path / name)["ratings"], seen(tmp_path / name)["bad_lines"]) == (45, 0)
    assert "15 ratings are empty, taken for not rated" in here("inspect", tmp_path / name).stderr
    assert seen(tmp_path / name, "--not-rated", "none")["bad_lines"] == 15


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("r.csv", b"sep=;\nuser;item\n1;2\n", "'sep=;', a line for Excel"),
        ("r.json", b'{"rows": [{"user": 1, "item": 2}]}', "write its rows as JSON lines: jq -c '.rows[]'"),
        ("r.json", b'[{"user": 1, "item": 2}]', "write its rows as JSON lines: jq -c '.[]'"),
    ],
)
def test_files_that_are_nearly_tables_are_said(tmp_path, name, data, words):
    assert words in here("inspect", put(tmp_path, {name: data}) / name, code=1).stderr


def test_files_of_a_folder_without_ratings_are_named(tmp_path):
    put(tmp_path, {"shop.dat": b"1,2,3\n", "a.png": b""})
    assert "there are shop.dat; name the file itself" in here("inspect", tmp_path, code=1).stderr


def test_what_is_no_number_is_not_offered_as_a_rating(tmp_path):
    cells = user, item, values("view", "buy", "cart"), values(1, 2), row
    found = seen(put(tmp_path, {"r.csv": table("user,item,event_type,shop_code,visit_id", *cells)}))
    why = {name.split()[0]: words for name, words in found["unused"].items()}
    assert why.pop("shop_code") == "of use if --rating-column names it"
    assert {*why.values()} == {"not about a rating"}


def test_quotes_as_mysql_writes_them(tmp_path):
    put(tmp_path, {"ratings.csv": RATINGS})
    lines = "".join(f'"{i + 50}";"The \\"Boat; {i}\\""\n' for i in ITEMS)
    put(tmp_path, {"items.csv": ('"item_id";"title"\n' + lines).encode()})
    assert read_dataset(tmp_path).movies.titles[3] == 'The "Boat; 3"'

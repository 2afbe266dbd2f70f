"""Which column is what: names decide, content only vetoes, a doubt is a question with its flag."""

import json
from itertools import product

import pyarrow as pa
import pytest
from command_line import here
from families import put
from pyarrow import parquet

from recsys.data.readers.roles import Columns
from recsys.errors import DataError
from recsys.preprocess import read_dataset

USERS, ITEMS = range(8), range(10)
PAIRS = [(u, i) for u, i in product(USERS, ITEMS) if (u + i) % 4]
T = 1_500_000_000


def table(head, *cells):
    """CSV of a row for each of PAIRS; a cell is called with user, item and the row's number."""
    rows = [[cell(u, i, n) for cell in cells] for n, (u, i) in enumerate(PAIRS)]
    return "\n".join(filter(None, [head, *(",".join(map(str, row)) for row in rows)])).encode()


user, item, row, time = (
    (lambda u, i, n: u), (lambda u, i, n: i + 50), (lambda u, i, n: n), (lambda u, i, n: T + n)
)  # fmt: skip


def values(*some):
    return lambda u, i, n: some[n % len(some)]


five = values(3, 5, 1, 4, 2)


def day(form):
    return lambda u, i, n: form.format(1 + n % 9)


def seen(place, *told):
    return json.loads(here("inspect", "--json", place, *told).stdout)


def rated(folder, head, *cells):
    """A file of ratings with a user, an item and further cells."""
    files = {"r.csv": table(f"user,item,{head}" if head else "", user, item, *cells)}
    return put(folder, files) / "r.csv"


def refusal(*told):
    """What inspect asks, in one line."""
    (line,) = here("inspect", "-q", *told, code=2).stderr.splitlines()
    return line


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
    ("user,item,mood", (user, item, values("positive", "neutral", "negative")), "rating: 'mood'"),
    ("user,item,rating", (user, item, values(0)), "nothing is liked; name another column"),
    ("", (user, item, values("play"), five), "rating: 'column 4'; give its number, or none"),
    ("user,item,hours_played,episodes", (user, item, five, five), {"rating": NONE}),
    ("Rating_id,movie_clip_id,user_id,rating", (row, item, user, five),
     {"item": "movie_clip_id (10)"}),
    (",user,rating,ID,name", (row, user, five, item, item), {"item": "ID (10)"}),
    ("a,b,rating", (user, item, five), "no user column found"),
    ("user,stars,item,rated_on", (user, five, item, time), {"time": "rated_on (s)"}),
    ("user,stars,item,date_added", (user, five, item, day("2017/8/{}")),
     {"time": "date_added (ISO 8601)"}),
    ("user,item,played", (user, item, day("2020-01-{:02}")), {"time": "played (ISO 8601)"}),
    ("user,item,rating,watched_at,updated_at", (user, item, five, time, time), "the time: "),
    ("user,item,rating,unixReviewTime,reviewTime", (user, item, five, time, values("02 28 2014")),
     {"time": "unixReviewTime (s)"}),
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
        assert found in refusal(path)
    else:
        read = seen(path)
        assert found.items() <= read["columns"].items()
        assert read["ratings"] == len(PAIRS)


@pytest.mark.parametrize("name", ["dislike", "isSkipped", "not_interested"])
def test_what_says_a_dislike_is_asked_for_and_turned_round(tmp_path, name):
    path = rated(tmp_path, name, values(0, 1, 1))
    assert f"may be the rating: '{name}'" in refusal(path)
    assert seen(path, ASK, name)["histogram"] == {"0": 40, "1": 20}
    for cells, words in ((values(1), "nothing is liked"), (values(1, 2), "but not by 0 and 1")):
        rated(tmp_path, name, cells)
        assert "may be the rating" in refusal(path)
        assert words in refusal(path, ASK, name)


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
        (values(1, 2, 3, 4, 5, 100), 5, ("--not-rated", "100")),
    ],
)
def test_what_stands_for_not_rated_is_said_and_left_out(tmp_path, rating, left, told):
    done = here("inspect", "--json", rated(tmp_path, "rating", rating), *told)
    assert len(json.loads(done.stdout)["histogram"]) == left
    every = len({rating(0, 0, n) for n in range(99)})
    assert ("taken for not rated: they are left out" in done.stderr) is (left < every)


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
        (values("8/13/2017 9:30 PM", "8/1/2017 12:05 AM"), "2017-08-01"),
    ],
)
def test_days_are_days(tmp_path, cells, first):
    assert seen(rated(tmp_path, "rating,date", five, cells))["first"] == first


def test_hours_of_half_a_day(tmp_path):
    hours = ["12:05 AM", "1:05 am", "11:05:00 a.m.", "12:05 PM", "1:05:30 pm", "11:05PM"]
    path = rated(tmp_path, "rating,date", five, values(*(f"8/13/2017 {each}" for each in hours)))
    times = read_dataset(path).ratings.times[: len(hours)]
    assert (times % 86_400 // 3600).tolist() == [0, 1, 11, 12, 13, 23]
    hours[-1] = "13:05 PM"
    path = rated(tmp_path, "rating,date", five, values(*(f"8/13/2017 {each}" for each in hours)))
    with pytest.raises(DataError, match="got '8/13/2017 13:05 PM'"):
        read_dataset(path)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (values(T, T * 1000), "times in ms, but 1500000000 and others are in another unit"),
        (values("1/2/2017", "2/3/2017"), "'1/2/2017' may begin with the day or with the month"),
        (values("1/13/2017", "13/1/2017"), "may begin with the day or with the month"),
        (values("Jan 7 2017", "12-Mar-05"), "times such as 'Jan 7 2017' are neither"),
        (values("", "soon"), "times such as 'soon' are neither numbers nor ISO 8601"),
    ],
)
def test_a_doubt_about_times_is_a_question(tmp_path, cells, words):
    path = rated(tmp_path, "rating,date", five, cells)
    line = refusal(path)
    assert words in line
    assert 'give "none" for no times: --time-column' in line
    here("inspect", path, "--time-column", "none")


@pytest.mark.parametrize(
    ("head", "cells", "words"),
    [
        ("rating,date", (five, values(36906, 36907)),
         "time: date (days as Excel counts, guessed; --time-column none if they are not)"),
        ("rating,date", (five, row), "date (s since 1970, guessed; --time-"),
        ("rating,x", (five, time), "as no name says it: time x (--time-col"),
        ("", (five,), "user column 1 (--user-column), item column 2 (--item-column), "),
        ("rating", (values(-1, 4, 9, 7),), "out; --not-rated none keeps"),
    ],
)  # fmt: skip
def test_a_guess_names_what_changes_it(tmp_path, head, cells, words):
    assert words in here("inspect", rated(tmp_path, head, *cells)).stderr


def written(path, rows):
    """A file of the format that its name says, with None for an empty cell."""
    if path.suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path)
        return path
    lines = map(json.dumps, rows)
    if path.suffix == ".csv":
        cells = [["" if cell is None else str(cell) for cell in each.values()] for each in rows]
        lines = map(",".join, [[*rows[0]], *cells])
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("name", ["r.csv", "r.jsonl", "r.parquet"])
def test_what_is_missing_is_so_in_every_format(tmp_path, name):
    users = ["NA", "NULL", "null", "None", "nan", r"\N", "a", "b", "c", "d", "e"]
    rows = [{"user": user, "item": f"i{n}", "stars": n % 5 + 1} for n, user in enumerate(users)]
    found = seen(written(tmp_path / name, rows))
    assert (found["users"], found["bad_lines"]) == (5, 6)
    rows = [{"user": u, "item": i, "stars": n % 5 + 1 if n % 4 else None}
            for n, (u, i) in enumerate(PAIRS)]  # fmt: skip
    found = seen(path := written(tmp_path / name, rows))
    assert (found["ratings"], found["bad_lines"]) == (45, 0)
    assert "15 ratings are empty, taken for not rated" in here("inspect", path).stderr
    assert seen(path, "--not-rated", "none")["bad_lines"] == 15


def test_a_time_that_is_far_off_is_a_bad_line(tmp_path):
    found = seen(rated(tmp_path, "rating,time", five, lambda u, i, n: T * (1000 if n else 1)))
    assert found["bad_lines"] == 1
    assert "a time in ms since" in found["first_bad_lines"][0]


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
    assert "'Book_ID', 'ISBN'; name the one: --item-column" in refusal(tmp_path)
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
        ("r.txt", b"1:\n7,5,2005-09-11\n2:\n7,4,2005-09-12\n", "(as Netflix has them); write"),
        ("r.txt", b"0 1 2 3\n1 2\n2 5 6 7 8\n3 9 8\n", "LightGCN"),
        ("r.csv", b"sep=;\nuser;item\n1;2\n", "'sep=;', a line for Excel"),
        ("r.json", b'{"rows": [{"user": 1, "item": 2}]}', "rows as JSON lines: jq -c '.rows[]'"),
        ("r.json", b'[{"user": 1, "item": 2}]', "rows as JSON lines: jq -c '.[]'"),
        ("shop.dat", None, "there are shop.dat; name the file itself"),
    ],
)  # fmt: skip
def test_what_is_no_table_of_ratings_is_said(tmp_path, name, data, words):
    place = put(tmp_path, {name: data or b"1,2,3\n", "a.png": b""}) / (name if data else "")
    assert words in here("inspect", place, code=2 if "titles" in name else 1).stderr


def test_lines_as_python_writes_them(tmp_path):
    lines = "\n".join(str({"username": f"u{u}", "product_id": i, "stars": 4}) for u, i in PAIRS)
    found = seen(put(tmp_path, {"r.json": lines.encode()}))
    assert found["columns"]["user"] == "username (8, text)"


@pytest.mark.parametrize(
    ("told", "words", "title"),
    [
        ({"title": "name"}, "title: name, genres: none", "Film & 0"),
        ({"title": "4", "year": "made"}, "title: name, year: made", "Film & 0 (1990)"),
        ({"title": "item"}, "title: item", "50"),
        ({"genres": "kind"}, "title: none, Item ID instead, genres: kind '|'", "Item 50"),
    ],
)
def test_titles_of_movies_may_be_beside_the_ratings(tmp_path, told, words, title):
    cells = five, lambda u, i, n: f"Film &amp; {i}", values(1990), values("A|B")
    path = rated(tmp_path, "rating,name,made,kind", *cells)
    options = [each for role, name in told.items() for each in (f"--{role}-column", name)]
    assert words in here("inspect", path, *options).stderr
    assert title in read_dataset(path, columns=Columns(**told)).movies.titles
    put(tmp_path, {"m.csv": b"item,label\n" + b"".join(b"%d,x\n" % (i + 50) for i in ITEMS)})
    if told.get("title") == "name":  # there is a table of movies, which has none
        line = refusal(path, "--items", tmp_path / "m.csv", *options)
        assert "no column 'name', there are 'item', 'label'" in line


def test_what_is_no_number_is_not_offered_as_a_rating(tmp_path):
    cells = values("view", "buy", "cart"), values(1, 2), row
    found = seen(rated(tmp_path, "event_type,shop_code,visit_id", *cells))
    why = {name.split()[0]: words for name, words in found["unused"].items()}
    assert why.pop("shop_code") == "of use if --rating-column names it"
    assert {*why.values()} == {"not about a rating"}


def test_quotes_as_mysql_writes_them(tmp_path):
    lines = "".join(f'"{i + 50}";"The \\"Boat; {i}\\""\n' for i in ITEMS)
    put(tmp_path, {"ratings.csv": RATINGS, "items.csv": f'"item_id";"title"\n{lines}'.encode()})
    assert read_dataset(tmp_path).movies.titles[3] == 'The "Boat; 3"'

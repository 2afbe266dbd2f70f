"""Conditions in Milvus' expression language: which movies fit, and what is refused and where."""

import re

import numpy as np
import pytest
from command_line import refused
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.data.schema import Column
from recsys.errors import QueryError
from recsys.serving.catalogue import Catalogue, Filter, types
from recsys.serving.filters import DEEPEST, mask, parse, written

COLUMNS = {
    "brand": Column("category", ["Aki", 'Borg "x"', "", "a_b%c\\d", "Akibono", "Éclair"]),
    "price": Column("number", np.array([3.5, 10, np.nan, -2, 1e9, 7])),
    "tags": Column("categories", [("red", "green"), ("red",), (), ("it's",), ("blue",), ("red",)]),
    "about": Column("text", ["two\nlines", "", "A text", "a text", "x", "y"]),
}
MOVIES = Catalogue(
    np.arange(1, 7),
    ["Heat (1995)", "M (1931)", "Up", "Big (1988)", "Heat 2 (2001)", "Alien (1979)"],
    [("Crime",), ("Crime", "Drama"), (), ("Comedy",), ("Crime",), ("Horror", "Sci-Fi")],
    np.array([1995, 1931, 0, 1988, 2001, 1979], np.int32),
    np.array([False, False, True, False, True, False]),
    np.eye(6, dtype=np.float32),
    COLUMNS,
)
TYPES = types({name: column.kind for name, column in COLUMNS.items()})


def fitting(text):
    fits = mask(Filter(where=parse(text, TYPES)).condition, MOVIES.cells, len(MOVIES))
    return MOVIES.ids[fits].tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('brand == "Aki"', [1]),
        ('brand != "Aki"', [2, 4, 5, 6]),  # not 3, whose brand is unknown
        ('not brand == "Aki"', [2, 3, 4, 5, 6]),
        (r'brand == "Borg \"x\""', [2]),
        ("brand == 'Borg \"x\"'", [2]),
        (r'brand == "a_b%c\\d"', [4]),
        ('brand < "B"', [1, 5]),
        ('brand >= "a"', [4, 6]),  # by UTF-8 bytes
        ('brand in ["Aki", "Akibono", "None"]', [1, 5]),
        ("brand in []", []),
        ('brand == ""', []),  # as unknown texts are
        ('brand like "%b%"', [4, 5]),
        ('brand like "a_b_c_d"', [4]),
        ('brand like "A.%"', []),
        ('about like "%o_l%"', [1]),  # also an end of line
        ('brand not like "Aki%"', [2, 4, 6]),
        (r'about like "two\n%"', [1]),
        ("price > 3.5", [2, 5, 6]),
        ("price < 1e1", [1, 4, 6]),
        ("price not in [7, 3.5]", [2, 4, 5]),
        ("3 < price < 8", [1, 6]),
        ("1900 <= year < 1990 or year in []", [2, 4, 6]),
        ("1 < array_length(tags)", [1]),
        ("brand IS  NULL or about Not\nLike 'a%'", [1, 3, 5, 6]),
        ("not (price > 5)", [1, 3, 4]),  # 3 is not known to cost more than 5
        ("year == 1995.0", [1]),
        ("year is null", [3]),
        ('array_contains(tags, "red")', [1, 2, 6]),
        ('ARRAY_CONTAINS_ANY(tags, ["green", "blue"])', [1, 5]),
        ('array_contains_all(tags, ["red", "green"])', [1]),
        ("array_contains_all(tags, [])", [1, 2, 3, 4, 5, 6]),
        ("array_contains_any(tags, [])", []),
        ("array_length(genres) == 0", [3]),
        ("tags is null", [3]),
        ('array_contains(tags, "it\'s")', [4]),
        ("is_new", [3, 5]),
        ("!is_new && price > 5 || title == 'Up'", [2, 3, 6]),
        ('year >= 1990 and (brand == "Aki" or price > 100)', [1, 5]),
        ('title like "Heat%" AND NOT is_new', [1]),
        ("is_new or price > 5 and year < 1950", [2, 3, 5]),  # and binds closer than or
    ],
)
def test_which_movies_fit(text, expected):
    assert fitting(text) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "unexpected end, expected a condition such as year >= 1990, at character 1"),
        ("bran == 'x'", "no column bran, near are brand, at character 1"),
        ("zzz == 'x'", "no column zzz, there are title, genres, year, is_new, brand, price"),
        ("price == 'x'", "expected a number, found 'x', at character 10"),
        ("brand == Aki", "expected a text in quotes, found Aki"),
        ("year == 1990.5", "expected a whole number, found 1990.5"),
        ("year > 99999999999", "expected a smaller number, found 99999999999"),
        ("price > 1e999", "expected a smaller number, found 1e999"),
        ("is_new == 1", "expected true or false, found 1"),
        ("is_new > true", "expected what is not just true or false before >, found is_new"),
        ("brand", "expected a comparison, found brand"),
        ("brand == 'x", "of a text that does not end"),
        (r"brand == 'x\'", "of a text that does not end"),
        (r"brand == 'x\q'", r"or has \ before other than n, r, t, \ and quotes, at character 10"),
        ("(year > 1", "( is not closed, at character 1"),
        ("year > 1)", "unexpected ), at character 9"),
        ("year > 1; drop", "found ';', at character 9"),
        ("year = 3", "found '=', equality is ==, at character 6"),
        ("year not 3", "unexpected 3, at character 10"),
        (r"brand like 'a\\\\b'", "expected a pattern without "),
        ("price like '1%'", "expected a text, like is for texts, found price"),
        ("brand in 'Aki'", "expected '[', found 'Aki'"),
        ("genres == 'War'", "expected several values, as array_contains(genres, "),
        ("array_contains(brand, 'x')", "expected a column of several values, found brand"),
        ("array_contains(tags)(tags, 'x')", "expected a comparison, found array_contains"),
        ("array_contains(tags, 3)", "expected a text in quotes"),
        ("array_length(tags)", "expected a comparison, found array_length"),
        ("(year > 5 or is_new) == true", "expected a column, found year"),
        ("brand is 3", "unexpected is, at character 7"),
        ("year == (1, 2)", "expected a whole number, found (, at character 9"),
        ("year[0] > 1", "expected a column, found year"),
        ("not " * (DEEPEST + 1) + "is_new", f"more than {DEEPEST} of and, or and not within"),
        *((text * 5000 + "is_new", "more than") for text in ("[", "(", "not ", "array_length(")),
    ],
)
def test_what_is_refused_and_where(text, says):
    with refused(QueryError, f"^where: .*{re.escape(says)}", fix="where"):
        parse(text, TYPES)


def test_all_ways_to_filter_are_one_condition():
    filter = Filter(("Crime",), (), ("Drama",), (1990, 2005), parse("not is_new", TYPES))
    queries = np.ones((1, 6), np.float32)
    assert MOVIES.search(queries, 6, filter).movie_ids[0].tolist() == [1, -1, -1, -1, -1, -1]


SHORT = (
    "brand price year tags is_new zzz 'x' 3 -1.5 true ( ) [ ] , and or not ! && in like is == != < "
    ">= array_length array_contains null é"
)
PIECES = [*SHORT.split(), "not in", "not like", "is null", "is not null", '"']


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(PIECES), max_size=9).map(" ".join))
def test_any_text_is_a_condition_or_refused_in_one_line(text):
    try:
        assert written(parse(text, TYPES))
        fitting(text)
    except QueryError as error:
        assert "\n" not in str(error)  # noqa: PT017

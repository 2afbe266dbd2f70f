"""Conditions as Milvus' expressions: Lite and a server give the movies that NumPy gives."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from milvus_server import address
from movie_store import MODEL, unit

from recsys.data.readers.describe import field_name
from recsys.data.schema import Column
from recsys.errors import StoreError
from recsys.milvus.address import MilvusAddress
from recsys.milvus_store import MilvusStore
from recsys.serving.catalogue import Catalogue, Filter, types
from recsys.serving.filters import DEEPEST, mask, parse, terms, written

WORDS = ("Aki", "Akibono", 'a "quoted" one', "back\\slash", "x\n] or true", "Ünï", "100%", "a_b")
HOSTILE = ('"] or true or genres == ["', "\\", '\\"', "'", "\x00", "\t\r", "{x}", "%", "\u2028")
NUMBERS = (-2.5, 0.0, -0.0, 1.0, 3.5, 7.0, 1e9)
YEARS = (0, 1931, 1979, 1995, 2001)
MOVIES = 80


def catalogue():
    """Movies with every kind of column; of each some values are unknown."""
    rng = np.random.default_rng(0)
    some = [tuple(w for w in WORDS if rng.random() < 0.25) for _ in range(2 * MOVIES)]
    years = rng.choice(YEARS, MOVIES).astype(np.int32)
    numbers = rng.choice([*NUMBERS, np.nan], MOVIES)
    return Catalogue(
        np.arange(MOVIES),
        [f"{rng.choice(WORDS)} ({year})" for year in years],
        some[:MOVIES],
        years,
        rng.random(MOVIES) < 0.3,
        unit(rng.normal(size=(MOVIES, 4))),
        {
            "brand": Column("category", rng.choice([*WORDS, ""], MOVIES).tolist()),
            "price": Column("number", numbers),
            "tags": Column("categories", some[MOVIES:]),
            "about": Column("text", rng.choice([*WORDS, ""], MOVIES).tolist()),
        },
    )


ALL = catalogue()
TYPES = types(ALL.kinds)


@pytest.fixture(
    scope="module", params=["lite", pytest.param("server", marks=pytest.mark.milvus_server)]
)
def uri(request, tmp_path_factory):
    return address(request.param, tmp_path_factory.mktemp("where"))


@pytest.fixture(scope="module")
def published(uri):
    with MilvusStore(MilvusAddress(uri, collection="where")) as store:
        store.publish(ALL, MODEL)
        store.open(MODEL)
        yield store


def test_columns_come_back_as_they_went(published):
    for read in (published.read_all(), published.take(ALL.ids)):
        assert read.columns.keys() == ALL.columns.keys()
        for name, column in read.columns.items():
            wanted = ALL.columns[name]
            assert [*map(column.value, range(MOVIES))] == [*map(wanted.value, range(MOVIES))]


def quoted(text):
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n"}
    return '"' + "".join(escapes.get(each, each) for each in text) + '"'


texts = st.sampled_from(["brand", "about", "title"])
several = st.sampled_from(["tags", "genres"])
words = st.one_of(
    st.sampled_from([*WORDS, *HOSTILE]), st.text(max_size=4).filter(str.isprintable)
).map(quoted)
listed = st.lists(words, max_size=3).map(lambda each: f"[{', '.join(each)}]")
compared = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
numbers = st.sampled_from(NUMBERS).map(repr)
years = st.sampled_from(YEARS).map(str)
middles = st.sampled_from([word for word in WORDS if "\\" not in word])
middles = st.one_of(middles, st.sampled_from(["A_", "%b%", "back_s", "_", "%k%", ""]))
ends = st.sampled_from(["", "%"])
pattern = st.tuples(ends, middles, ends).map("".join).map(quoted)
negations = st.sampled_from(["", "not "])
lengths = st.sampled_from(["-1", "0", "1", "2", "255", "256", "300"])


def joined(*parts):
    return st.tuples(*(st.just(p) if isinstance(p, str) else p for p in parts)).map(" ".join)


functions = st.sampled_from(["array_contains_any(", "array_contains_all("])
tests = st.one_of(
    joined(texts, compared, words),
    joined(texts, negations, "in", listed),
    joined(texts, negations, "like", pattern),
    joined("price", compared, numbers),
    joined("price", negations, "in [", numbers, ",", numbers, "]"),
    joined(numbers, "<= price <", numbers),
    joined("year", compared, years),
    joined("year", negations, "in [", years, "]"),
    joined("is_new", st.sampled_from(["== true", "!= true", ""])),
    joined("array_contains(", several, ",", words, ")"),
    joined(functions, several, ",", listed, ")"),
    joined("array_length(", several, ")", compared, lengths),
    joined(st.sampled_from([*TYPES]), "is", negations, "null"),
)
conditions = st.recursive(
    tests,
    lambda inner: (
        joined("not (", inner, ")")
        | joined("(", inner, ") and (", inner, ")")
        | joined(inner, st.sampled_from(["or", "&&"]), inner)
    ),
    max_leaves=5,
)


def unknown_to_old_servers(filter):
    """Whether a server older than 2.4 lacks it; the tests' is 2.3."""
    return any(
        ({"%", "_"} & set(term.value.removesuffix("%")))
        if term.how == "like"
        else term.type == "texts" and term.how[0] in "<>"
        for term in terms(filter.condition)
    )


@settings(max_examples=100, deadline=None)
@given(conditions)
@example("price in [-0] or price in [-0.0]")
@example("array_length(tags) < 128 or array_length(tags) > 129")
@example(" or ".join(f"year == {year}" for year in range(1900, 2100)))
@example("not (" * (DEEPEST // 2 - 1) + "price != 1" + ")" * (DEEPEST // 2 - 1))
@example("(price > 1 and (year > 3 or " * (DEEPEST // 2 - 1) + "is_new" + "))" * (DEEPEST // 2 - 1))
def test_milvus_finds_what_numpy_finds(published, text):
    filter = Filter(where=parse(text, TYPES))
    fits = mask(filter.condition, ALL.cells, MOVIES)
    query = ALL.vectors[:1]
    if unknown_to_old_servers(filter) and not published._milvus.lite:
        with pytest.raises(StoreError, match="compares texts only by how they begin"):
            published.search(query, MOVIES, filter)
        return
    hits = published.search(query, MOVIES, filter)
    assert sorted(hits.movie_ids[hits.mask].tolist()) == ALL.ids[fits].tolist()
    assert (hits.movie_ids == ALL.search(query, MOVIES, filter).movie_ids).all()


def test_no_text_ends_its_string():
    hostile = '"] or movie_id >= 0 or brand in ["'
    condition = parse(f"brand == {quoted(hostile)}", TYPES)
    assert written(condition) == f'(brand != "") and (brand == {quoted(hostile)})'
    assert written(parse("brand != 'a'", TYPES)) == '(brand != "") and (not (brand == "a"))'


PLAIN = (
    "and OR Not in like is null exists true FALSE interval iso array_contains ARRAY_LENGTH pk _ - "
    "json_contains json_contains_any JSON_CONTAINS_ALL text_match TEXT_MATCH phrase_match $meta id "
    "random_sample minimum_should_match st_within RowID Timestamp rowid timestamp meta count(*) ID "
    "movie_id vector title größe 크기 1st distance entity _x"
)
NAMES = [*PLAIN.split(), "Price (EUR)", "Price [EUR]", "a" * 70, "a" * 61, 'x" or true']


def test_columns_of_any_name_are_published_and_asked_by_and_as_many_as_a_server_takes(uri):
    names = [*NAMES, *(f"column_{n}" for n in range(58 - len(NAMES)))]
    columns = {}
    for n, name in enumerate(names):
        cells = [str(n), str(n + 1)] * 2
        columns[field_name(name, columns)] = Column("category", cells)
    assert len(columns) == len(names) == 58
    one = unit(np.eye(4))
    years, new = np.zeros(4, np.int32), np.zeros(4, bool)
    movies = Catalogue(np.arange(4), ["x"] * 4, [()] * 4, years, new, one, columns)
    more = replace(movies, columns={**columns, "one_more": columns["column_0"]})
    known = types(movies.kinds)
    with MilvusStore(MilvusAddress(uri, collection="names")) as store:
        if not store._milvus.lite:
            with pytest.raises(StoreError, match=r"at most 58 columns.*leave some out and train"):
                store.publish(more, MODEL)
        store.publish(movies if not store._milvus.lite else more, MODEL)
        store.open(MODEL)
        for n, name in enumerate(columns):
            filter = Filter(where=parse(f'{name} == "{n}" and {name} not in ["{n + 2}"]', known))
            hits = store.search(one[:1], 4, filter)
            assert sorted(hits.movie_ids[hits.mask].tolist()) == [0, 2], name

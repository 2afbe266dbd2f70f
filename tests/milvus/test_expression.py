"""Conditions as Milvus' expressions: Milvus gives the movies that NumPy gives."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from movie_store import MODEL, unit

from recsys.data.schema import Column
from recsys.milvus.expression import written
from recsys.milvus_store import MilvusStore
from recsys.serving.catalogue import Catalogue, Filter, types
from recsys.serving.conditions import mask
from recsys.serving.where import parse

WORDS = ("Aki", "Akibono", 'a "quoted" one', "back\\slash", "x\n] or true", "Ünï", "100%", "a_b")
NUMBERS = (-2.5, 0.0, 1.0, 3.5, 7.0, 1e9)
YEARS = (0, 1931, 1979, 1995, 2001)
MOVIES = 80


def catalogue() -> Catalogue:
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
TYPES = types({name: column.kind for name, column in ALL.columns.items()})


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Iterator[MilvusStore]:
    with MilvusStore(str(tmp_path_factory.mktemp("where") / "movies.db")) as store:
        store.publish(ALL, MODEL)
        store.open(MODEL)
        yield store


def test_columns_come_back_as_they_went(published):
    for read in (published.read_all(), published.take(ALL.ids)):
        assert read.columns.keys() == ALL.columns.keys()
        assert all(ALL.columns[name].same(column).all() for name, column in read.columns.items())
    assert not any(published.differences(ALL, MODEL))
    dearer = Column("number", np.where(ALL.ids == 7, 8.25, ALL.columns["price"].values))
    other = Catalogue(*list(vars(ALL).values())[:6], {**ALL.columns, "price": dearer})
    assert published.differences(other, MODEL).changed == [7]


def quoted(text: str) -> str:
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n"}
    return '"' + "".join(escapes.get(each, each) for each in text) + '"'


texts = st.sampled_from(["brand", "about", "title"])
several = st.sampled_from(["tags", "genres"])
words = st.one_of(st.sampled_from(WORDS), st.text(max_size=4).filter(str.isprintable)).map(quoted)
listed = st.lists(words, max_size=3).map(lambda each: f"[{', '.join(each)}]")
compared = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
numbers = st.sampled_from(NUMBERS).map(repr)
years = st.sampled_from(YEARS).map(str)
middles = st.sampled_from([word for word in WORDS if "\\" not in word])
middles = st.one_of(middles, st.sampled_from(["A_", "%b%", "back_s", "_", "%k%", ""]))
ends = st.sampled_from(["", "%"])
patterns = st.tuples(ends, middles, ends).map("".join).map(quoted)
negations = st.sampled_from(["", "not "])


def joined(*parts) -> st.SearchStrategy[str]:
    return st.tuples(*(st.just(p) if isinstance(p, str) else p for p in parts)).map(" ".join)


tests = st.one_of(
    joined(texts, compared, words),
    joined(texts, negations, "in", listed),
    joined(texts, negations, "like", patterns),
    joined("price", compared, numbers),
    joined("price", negations, "in [", numbers, ",", numbers, "]"),
    joined(numbers, "<= price <", numbers),
    joined("year", compared, years),
    joined("year", negations, "in [", years, "]"),
    joined("is_new", st.sampled_from(["== true", "!= true", ""])),
    joined("array_contains(", several, ",", words, ")"),
    joined(
        st.sampled_from(["array_contains_any(", "array_contains_all("]), several, ",", listed, ")"
    ),
    joined("array_length(", several, ")", compared, st.sampled_from("012")),
    joined(st.sampled_from([*TYPES]), "is", negations, "null"),
)
conditions = st.recursive(
    tests,
    lambda inner: st.one_of(
        joined("not (", inner, ")"),
        joined("(", inner, ") and (", inner, ")"),
        joined(inner, "or", inner),
        joined(inner, "&&", inner),
    ),
    max_leaves=5,
)


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(conditions)
def test_milvus_finds_what_numpy_finds(published, text):
    filter = Filter(where=parse(text, TYPES))
    fits = mask(filter.condition, ALL._values, MOVIES)
    query = ALL.vectors[:1]
    hits = published.search(query, MOVIES, filter)
    assert sorted(hits.movie_ids[hits.there].tolist()) == ALL.ids[fits].tolist()
    assert (hits.movie_ids == ALL.search(query, MOVIES, filter).movie_ids).all()


def test_no_text_ends_its_string():
    hostile = '"] or movie_id >= 0 or brand in ["'
    condition = parse(f"brand == {quoted(hostile)}", TYPES)
    assert written(condition) == f"brand == {quoted(hostile)}"
    assert written(parse("brand != 'a'", TYPES)) == '(brand != "") and (not (brand == "a"))'

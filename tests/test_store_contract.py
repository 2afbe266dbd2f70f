"""One contract for the exact index, Milvus Lite and a server: the same answers."""

from dataclasses import replace

import numpy as np
import pytest
from milvus_server import address
from movie_store import MODEL, agrees, movies, oracle, unit

from recsys import milvus_store
from recsys.data.schema import Column
from recsys.errors import QueryError
from recsys.milvus.address import MilvusAddress
from recsys.milvus_store import MilvusStore
from recsys.serving import catalogue
from recsys.serving.catalogue import EVERYTHING, FIELDS, Filter

MOVIES = movies(equal=30)
BACKENDS = [  # one index is enough every time, and a server takes long
    "exact",
    "lite",
    *(pytest.param(f"lite {index}", marks=pytest.mark.slow) for index in ("HNSW", "IVF_FLAT")),
    pytest.param("server", marks=pytest.mark.milvus_server),
]
CONDITIONS = [
    EVERYTHING,
    Filter(any_genre=("Drama", 'a "quoted" one')),
    Filter(all_genres=("Sci-Fi", "Children's")),
    Filter(not_genres=("back\\slash", "no such genre")),
    Filter(years=(1960, 1969)),
    Filter(any_genre=("x\n] or true",), not_genres=("Ünï",), years=(1950, 2000)),
    Filter(any_genre=("no such genre",)),
    Filter(years=(1850, 1851)),
]
# Of other lengths than 1; the first is close to the movies that are all equal.
QUERIES = 1.4 * unit(np.random.default_rng(1).normal(size=(6, 16)))
QUERIES[0] = MOVIES.vectors[0]


@pytest.fixture(scope="module", params=BACKENDS)
def store(request, tmp_path_factory):
    kind, _, index = request.param.partition(" ")
    if kind == "exact":
        yield MOVIES
        return
    uri = address(kind, tmp_path_factory.mktemp("contract"))
    options = {"": None, "HNSW": "HNSW:ef=300", "IVF_FLAT": "IVF_FLAT:nlist=8,nprobe=8"}
    with MilvusStore(MilvusAddress(uri, collection=f"contract_{index or 'flat'}")) as opened:
        opened.publish(MOVIES, MODEL, index=options[index])
        opened.open(MODEL)
        yield opened


def same(one, other):
    assert one.ids.tolist() == other.ids.tolist()
    assert all(list(one.cells(f.name)) == list(other.cells(f.name)) for f in FIELDS.values())
    assert one.years.dtype == other.years.dtype
    np.testing.assert_array_equal(one.vectors, other.vectors)


@pytest.mark.parametrize("filter", CONDITIONS, ids=str)
def test_search_gives_what_comparing_movie_by_movie_gives(store, filter):
    for k, rows in [(1, range(6)), (20, range(6)), (1000, range(6)), (20, [3])]:
        hits = store.search(QUERIES[list(rows)], k, filter)
        assert hits.movie_ids.shape == hits.scores.shape == (len(rows), k)
        assert (hits.movie_ids.dtype, hits.scores.dtype) == (np.int64, np.float32)
        for row, query in enumerate(rows):
            agrees(hits, row, oracle(MOVIES, QUERIES[query], filter))


@pytest.mark.parametrize("at_once", [100, milvus_store.MOST])
@pytest.mark.parametrize("sizes", [(0, 1, 5, 30, 250, 300), (299, 3, 3, 0, 0, 0), (10,) * 6])
def test_excluded_movies_never_come_and_others_take_their_place(store, sizes, at_once, monkeypatch):
    """Also where not all queries, or not all scores, fit at once."""
    monkeypatch.setattr(milvus_store, "MOST", at_once)
    monkeypatch.setattr(catalogue, "_BLOCK", 10 * at_once)
    random = np.random.default_rng(2)
    exclude = [random.choice(MOVIES.ids, size, replace=False) for size in sizes]
    if len(set(sizes)) == 1:
        exclude = np.array(exclude)  # an array of rows will do
    else:
        exclude[1] = np.append(exclude[1], [10**15, exclude[1][0], 10**15])
    for filter in CONDITIONS[:2]:
        together = store.search(QUERIES, 10, filter, exclude)
        for row, query in enumerate(QUERIES):
            alone = store.search(query[None], 10, filter, exclude[row : row + 1])
            agrees(together, row, oracle(MOVIES, query, filter, exclude[row]))
            agrees(alone, 0, oracle(MOVIES, query, filter, exclude[row]))


@pytest.mark.parametrize("count", [1, 6])
@pytest.mark.parametrize(
    "vectors_of",
    [True, lambda ids: MOVIES.take(ids).vectors, lambda _: None],
    ids=["read", "known", "unknown"],
)
def test_movies_come_with_the_hits(store, vectors_of, count):
    """Also where their vectors are known without the store, or not of all."""
    for filter in CONDITIONS[:3]:
        asked = QUERIES[:count], 20, filter, [MOVIES.ids[:9]] * count
        hits, alone = store.search(*asked, with_movies=vectors_of), store.search(*asked)
        assert hits.movie_ids.tolist() == alone.movie_ids.tolist()
        assert alone.movies is None
        same(hits.movies.take(hits.distinct()), MOVIES.take(hits.distinct()))


def test_movies_are_given_in_the_order_asked_for_and_all_of_them(store):
    wanted = MOVIES.ids[[5, 3, 5, 299, 0]]
    same(store.take(wanted), MOVIES.take(wanted))
    assert len(store.take([])) == 0
    with pytest.raises(QueryError, match="900001"):
        store.take([int(MOVIES.ids[0]), 900001])
    if isinstance(store, MilvusStore):
        same(store.read_all(), MOVIES.take(sorted(MOVIES.ids)))


@pytest.mark.parametrize("k", [1, 4, 29, 30, 31])
def test_equal_movies_come_together_and_of_equal_scores_the_smaller_id_first(store, k):
    hits = store.search(np.stack([MOVIES.vectors[0], np.zeros(16, np.float32)]), k)
    assert set(hits.movie_ids[0, :30].tolist()) <= set(MOVIES.ids[:30].tolist())
    assert (hits.scores[1] == 0).all()
    for ids, scores in zip(hits.movie_ids, hits.scores, strict=True):
        assert (ids[1:] > ids[:-1])[scores[1:] == scores[:-1]].all()


@pytest.mark.parametrize(
    ("shape", "value", "k", "exclude"),
    [
        ((1, 15), 0, 3, None),
        (16, 0, 3, None),
        ((1, 16), np.nan, 3, None),
        ((1, 16), np.inf, 3, None),
        ((1, 16), 0, 0, None),
        ((2, 16), 0, 3, [np.zeros(0, np.int64)]),
    ],
)
def test_a_senseless_query_is_refused_and_none_has_no_answers(store, shape, value, k, exclude):
    with pytest.raises(QueryError, match="expected"):
        store.search(np.full(shape, value, np.float32), k, EVERYTHING, exclude)
    hits = store.search(np.zeros((0, 16), np.float32), 3)
    assert hits.movie_ids.shape == hits.scores.shape == (0, 3)


def test_a_catalogue_is_updated_by_another_with_all_that_is_known():
    prices = Column("number", np.arange(5.0))
    old = replace(movies(5), columns={"price": prices})
    new = replace(old.take(old.ids[[3, 1]]), titles=["New", "Too"], ids=np.array([old.ids[3], 999]))
    whole = old.updated(new)
    assert whole.ids.tolist() == [*old.ids[[0, 1, 2, 4]].tolist(), old.ids[3], 999]
    assert whole.titles[-2:] == ["New", "Too"]
    assert whole.columns["price"].values.tolist() == [0, 1, 2, 4, 3, 1]
    for one in whole.ids[:4].tolist():
        np.testing.assert_array_equal(whole.take([one]).vectors, old.take([one]).vectors)

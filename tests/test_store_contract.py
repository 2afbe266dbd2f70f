"""One contract for the exact index, Milvus Lite and a server: the same answers."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from milvus_cluster import address
from movie_store import GENRES, MODEL, agrees, movies, oracle, unit

from recsys import milvus_store
from recsys.milvus.address import MilvusAddress
from recsys.milvus_store import MilvusStore
from recsys.serving.catalogue import EVERYTHING, FIELDS, Catalogue, Filter, Store

MOVIES = movies(equal=30)
BACKENDS = [
    "exact",
    "lite",
    "lite HNSW",
    pytest.param("lite IVF_FLAT", marks=pytest.mark.slow),  # one index is enough every time
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


@pytest.fixture(scope="module", params=BACKENDS)
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
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


def same(one: Catalogue, other: Catalogue) -> None:
    assert one.ids.tolist() == other.ids.tolist()
    assert all(list(one.cells(f.name)) == list(other.cells(f.name)) for f in FIELDS.values())
    assert one.years.dtype == other.years.dtype
    np.testing.assert_array_equal(one.vectors, other.vectors)


def queries(count: int = 6, seed: int = 1) -> np.ndarray:
    """Queries of other lengths than 1; the first is close to the movies that are all equal."""
    random = np.random.default_rng(seed)
    vectors = 1.4 * unit(random.normal(size=(count, MOVIES.vectors.shape[1])))
    vectors[0] = MOVIES.vectors[0]
    return vectors.astype(np.float32)


@pytest.mark.parametrize("k", [1, 20, 1000])
@pytest.mark.parametrize("filter", CONDITIONS, ids=str)
def test_search_gives_what_comparing_movie_by_movie_gives(
    store: Store, k: int, filter: Filter
) -> None:
    asked = queries()
    for start, stop in [(0, 6), (3, 4)]:
        hits = store.search(asked[start:stop], k, filter)
        assert hits.movie_ids.shape == hits.scores.shape == (stop - start, k)
        assert hits.movie_ids.dtype == np.int64
        assert hits.scores.dtype == np.float32
        for row in range(start, stop):
            agrees(hits, row - start, oracle(MOVIES, asked[row], filter))


@pytest.mark.parametrize("at_once", [100, milvus_store.MOST])
@pytest.mark.parametrize("sizes", [(0, 1, 5, 30, 250, 300), (299, 3, 3, 0, 0, 0)])
def test_excluded_movies_never_come_and_others_take_their_place(
    store: Store,
    sizes: tuple[int, ...],
    at_once: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(milvus_store, "MOST", at_once)
    asked, random = queries(), np.random.default_rng(2)
    exclude = [random.choice(MOVIES.ids, size, replace=False) for size in sizes]
    exclude[1] = np.append(exclude[1], [10**15, exclude[1][0] if len(exclude[1]) else 7, 10**15])
    for filter in CONDITIONS[:2]:
        together = store.search(asked, 10, filter, exclude)
        for row in range(len(asked)):
            agrees(together, row, oracle(MOVIES, asked[row], filter, exclude[row]))
            alone = store.search(asked[row : row + 1], 10, filter, exclude[row : row + 1])
            agrees(alone, 0, oracle(MOVIES, asked[row], filter, exclude[row]))


@pytest.mark.parametrize("count", [1, 6])
@pytest.mark.parametrize("filter", CONDITIONS[:3], ids=str)
def test_movies_come_with_the_hits(store: Store, count: int, filter: Filter) -> None:
    hits = store.search(queries()[:count], 20, filter, [MOVIES.ids[:9]] * count, with_movies=True)
    alone = store.search(queries()[:count], 20, filter, [MOVIES.ids[:9]] * count)
    assert hits.movie_ids.tolist() == alone.movie_ids.tolist()
    assert alone.movies is None
    expected = MOVIES.take(np.unique(hits.movie_ids[hits.mask]))
    same(hits.movies, expected)


def test_exclusions_may_be_an_array_of_rows(store: Store) -> None:
    exclude = np.arange(60).reshape(6, 10)
    hits = store.search(queries(), 5, EVERYTHING, exclude)
    for row in range(6):
        agrees(hits, row, oracle(MOVIES, queries()[row], EVERYTHING, exclude[row]))


def test_all_movies_read_back_answer_as_the_store_does(store: Store) -> None:
    asked = queries(40)
    exclude = [MOVIES.ids[row : 2 * row] for row in range(40)]
    read = store.read_all() if isinstance(store, MilvusStore) else MOVIES.take(sorted(MOVIES.ids))
    sent = store.search(asked, 20, CONDITIONS[1], exclude)
    assert read.ids.tolist() == sorted(MOVIES.ids.tolist())
    here = read.search(asked, 20, CONDITIONS[1], exclude)
    np.testing.assert_allclose(here.scores, sent.scores, atol=1e-5)


@pytest.mark.parametrize("k", [1, 4, 29, 30, 31])
def test_equal_movies_come_together_and_of_equal_scores_the_smaller_id_first(
    store: Store, k: int
) -> None:
    hits = store.search(MOVIES.vectors[:1], k)
    ids, scores = hits.movie_ids[0], hits.scores[0]
    assert set(ids[:30].tolist()) <= set(MOVIES.ids[:30].tolist())
    equal = scores[1:] == scores[:-1]
    assert (ids[1:] > ids[:-1])[equal].all()


HOSTILE = ('"] or true or genres == ["', "\\", '\\"', "'", "\x00", "\t\r\n", "{x}", "%", "\u2028")


@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    genres=st.lists(st.text(max_size=12) | st.sampled_from(GENRES), min_size=1, max_size=3),
    part=st.sampled_from(["any_genre", "all_genres", "not_genres"]),
)
@example(genres=[*HOSTILE], part="any_genre")
@example(genres=[*HOSTILE], part="not_genres")
def test_no_genre_breaks_out_of_the_filter(store: Store, genres: list[str], part: str) -> None:
    filter = Filter(**{part: tuple(genres)})
    hits = store.search(queries(1), 400, filter)
    agrees(hits, 0, oracle(MOVIES, queries(1)[0], filter))


def test_take_gives_movies_in_the_order_asked_for(store: Store) -> None:
    wanted = MOVIES.ids[[5, 3, 5, 299, 0]]
    same(store.take(wanted), MOVIES.take(wanted))
    assert len(store.take([])) == 0
    with pytest.raises(KeyError, match="900001"):
        store.take([int(MOVIES.ids[0]), 900001])


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
def test_a_senseless_query_is_refused(store: Store, shape, value, k, exclude) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        store.search(np.full(shape, value, np.float32), k, EVERYTHING, exclude)


def test_no_queries_have_no_answers(store: Store) -> None:
    hits = store.search(np.zeros((0, 16), np.float32), 3)
    assert hits.movie_ids.shape == hits.scores.shape == (0, 3)


def test_a_query_of_zeros_is_a_tie_of_all(store: Store) -> None:
    hits = store.search(np.zeros((1, 16), np.float32), 5)
    assert hits.movie_ids[0].tolist() == sorted(set(hits.movie_ids[0].tolist()))
    assert (hits.scores == 0).all()

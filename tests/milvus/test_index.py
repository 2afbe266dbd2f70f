"""Which index is built, and with what."""

import pytest
from movie_store import MODEL, answers, collections, movies

from recsys.errors import StoreError
from recsys.milvus.address import choose_index
from recsys.milvus_store import MilvusStore

MOVIES = movies(60)


def test_an_index_is_built_with_what_was_asked_for(store: MilvusStore) -> None:
    for asked, name, params in [
        ("flat", "FLAT", None),
        ("HNSW:M=8,efConstruction=50,ef=70", "HNSW", {"M": 8, "efConstruction": 50}),
        ("IVF_FLAT:nlist=5,nprobe=5", "IVF_FLAT", {"nlist": 5}),
        ("AUTOINDEX", "AUTOINDEX", None),
    ]:
        published = store.publish(MOVIES, MODEL, index=asked)
        built = store._milvus.client.describe_index(published.collection, "vector")
        assert built["index_type"] == name
        assert built.get("params") == params
        assert built["metric_type"] == "IP"
        assert answers(store, MOVIES)


@pytest.mark.parametrize(
    "asked",
    [
        "NONSENSE",
        "IVF_PQ",
        "SCANN",
        "HNSW:M",
        "HNSW:M=-1",
        "HNSW:M=x",
        "HNSW:M=1",
        "HNSW:M=2049",
        "HNSW:M=²",
        "HNSW:efConstruction=5000000000",
        "HNSW:ef=32769",
        "IVF_FLAT:nlist=65537",
        "FLAT:M=3",
        "HNSW:nlist=4",
    ],
)
def test_an_unknown_index_or_parameter_is_refused_with_the_known_ones(
    store: MilvusStore, asked: str
) -> None:
    with pytest.raises(StoreError, match=r"choose from FLAT|takes "):
        store.publish(MOVIES, MODEL, index=asked)
    assert collections(store) == []


def test_the_index_fits_the_number_of_movies() -> None:
    assert choose_index(None, 4_000).name == "FLAT"
    assert choose_index(None, 1_000_000).name == "HNSW"
    ivf = choose_index("IVF_FLAT", 1_000_000)
    assert ivf.build["nlist"] == 4000
    assert ivf.search["nprobe"] >= 16
    assert choose_index("HNSW", 5).search_params(500)["params"]["ef"] >= 500
    assert choose_index("HNSW", 5).search_params(10**6)["params"]["ef"] == 32_768

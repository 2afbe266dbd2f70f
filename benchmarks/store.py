"""How large may it grow: publishing and searching, beside the same with pymilvus alone.

    python benchmarks/store.py                               Milvus Lite, 4,000 and 100,000 movies
    python benchmarks/store.py --uri http://localhost:19530  a server
    python benchmarks/store.py --movies 1000000 --index HNSW one size, one index
    python benchmarks/store.py --uri ... --bulk FOLDER       by bulk import, beside by insert

The movies are made up: clustered vectors of 283 numbers, five unit parts as the model has them. A
query weighs the parts as `recommend` does; one by rating is zero in two of them, so that it
searches a part of the space an index was built for. Recall is given for both kinds.
Times are the best of several runs, ours and the bare ones by turns; "x" is ours over theirs. Of
Milvus Lite, which is this very process, it is processor time, so that other programs do not count;
of a server it is that, ours and the server's, if --pid says which process it is.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from common import processor_seconds
from numpy.typing import NDArray
from pymilvus import DataType, MilvusClient

from recsys.metrics import overlap
from recsys.milvus.address import MilvusAddress, choose_index
from recsys.milvus.client import NEVER
from recsys.milvus_store import MilvusStore
from recsys.parts import Layout
from recsys.serving.catalogue import Catalogue

LAYOUT = Layout({"retrieval": 64, "rating": 64, "ease": 32, "factors": 26, "taste": 96})
RELEVANCE = {"retrieval": 1, "rating": 0.7, "ease": 2}  # weights of the parts in a query
RATING = {"rating": 0.1, "factors": 0.9}
K = 10
BATCH, SINGLES = 1_000, 60  # queries
MODEL = "0123456789abcdef"


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows scaled to unit length."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def clustered(count: int, random: np.random.Generator, centres: NDArray) -> NDArray[np.float32]:
    """(count, size) unit vectors around (C, size) centres."""
    around = centres[random.integers(0, len(centres), count)]
    size = centres.shape[1]
    return unit(around + random.normal(size=(count, size)).astype(np.float32) * (0.7 / size**0.5))


def make(count: int) -> tuple[Catalogue, dict[str, NDArray[np.float32]]]:
    """Movies, and queries by kind."""
    random = np.random.default_rng(7)
    groups = max(20, int(count**0.5))
    centres = [
        unit(random.normal(size=(groups, size)).astype(np.float32))
        for size in LAYOUT.sizes.values()
    ]
    parts = [clustered(count, random, each) for each in centres]
    vectors = LAYOUT.movies(dict(zip(LAYOUT.sizes, parts, strict=True)))
    parts = [clustered(BATCH, random, each) for each in centres]
    asked = dict(zip(LAYOUT.sizes, parts, strict=True))
    kinds = {"relevance": RELEVANCE, "rating": RATING}
    queries = {kind: LAYOUT.queries(asked, weights) for kind, weights in kinds.items()}
    movies = Catalogue(
        np.arange(1, count + 1),
        [f"Movie number {i} ({1950 + i % 70})" for i in range(count)],
        [("Drama", "Comedy")[: 1 + i % 2] for i in range(count)],
        (1950 + np.arange(count) % 70).astype(np.int32),
        np.zeros(count, np.bool_),
        vectors,
    )
    return movies, queries


class Bare:
    """The least code that does the same with pymilvus: nothing checked, nothing kept."""

    def __init__(self, uri: str, token: str) -> None:
        self.lite = uri.endswith(".db")
        # else pymilvus repeats a call of minutes, and Milvus Lite says "index already exists"
        options = {"grpc_options": {"grpc.keepalive_time_ms": NEVER}} if self.lite else {}
        self.client = MilvusClient(uri, token=token, timeout=60, dedicated=True, **options)
        self.name = "bare_benchmark"

    def publish(self, movies: Catalogue, asked: str) -> None:
        client, name, index = self.client, self.name, choose_index(asked, len(movies))
        if client.has_collection(name):
            client.drop_collection(name)
        schema = MilvusClient.create_schema(auto_id=False)
        schema.add_field("movie_id", DataType.INT64, is_primary=True)
        schema.add_field("title", DataType.VARCHAR, max_length=1024)
        schema.add_field("year", DataType.INT32)
        genre = {"element_type": DataType.VARCHAR, "max_capacity": 256, "max_length": 256}
        schema.add_field("genres", DataType.ARRAY, **genre)
        schema.add_field("is_new", DataType.BOOL)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=movies.vectors.shape[1])
        client.create_collection(name, schema=schema, consistency_level="Bounded")
        for start in range(0, len(movies), 2_000):
            rows = [
                {
                    "movie_id": int(movies.ids[i]),
                    "title": movies.titles[i],
                    "year": int(movies.years[i]),
                    "genres": list(movies.genres[i]),
                    "is_new": bool(movies.is_new[i]),
                    "vector": movies.vectors[i],
                }
                for i in range(start, min(len(movies), start + 2_000))
            ]
            client.insert(name, rows)
        client.flush(name)
        build = dict(index.build)
        params = MilvusClient.prepare_index_params()
        params.add_index(
            "vector",
            index_type=index.name,
            metric_type="IP",
            params={"params": build} if self.lite else build,
        )
        client.create_index(name, params, timeout=3600)
        client.load_collection(name, timeout=3600)
        self.params = index.search_params(K)

    def search(self, queries: NDArray[np.float32]) -> list[list[int]]:
        how = {"search_params": self.params, "consistency_level": "Bounded", "timeout": 600}
        found = self.client.search(self.name, data=list(queries), limit=K, **how)
        return [list(hits.ids) for hits in found]

    def settle(self) -> None:
        """Wait until a server has had nothing left to merge and index for half a minute."""
        calm = time.monotonic()
        while not self.lite and time.monotonic() - calm < 30:
            for name in self.client.list_collections():
                index = self.client.describe_index(name, "vector") or {"pending_index_rows": 0}
                if index["pending_index_rows"]:
                    calm = time.monotonic()
            time.sleep(1)


def by_turns(
    timed: Callable[[Callable[[], Any]], float],
    ours: Callable[[], Any],
    theirs: Callable[[], Any],
    runs: int,
    settle: Callable[[], None] = lambda: None,
) -> list[float]:
    """The best times of both, in seconds, each run right after the other's has settled."""
    times: list[list[float]] = [[], []]
    for run in range(runs):
        for which in (0, 1) if run % 2 else (1, 0):
            times[which].append(timed((ours, theirs)[which]))
            settle()
    return [min(one) for one in times]


def measure(uri: str, count: int, asked: str, options: argparse.Namespace) -> Iterator[str]:
    """The lines of one size and one index: ours, theirs, the ratio."""
    movies, queries = make(count)
    token, runs, pid = options.token, options.runs, options.pid
    clock = time.process_time if uri.endswith(".db") else time.perf_counter
    if pid:
        clock = lambda: time.process_time() + processor_seconds(pid)  # noqa: E731
    address = MilvusAddress(uri, token, collection="recsys_benchmark", timeout=60)
    one, draw = queries["relevance"], np.random.default_rng(1)

    def timed(run: Callable[[], Any]) -> float:
        start = clock()
        run()
        return clock() - start

    def line(what: str, times: Sequence[float], scale: float = 1) -> str:
        beside = [f" bare {theirs * scale:.3g} = {times[0] / theirs:.2f}x" for theirs in times[1:]]
        return f"{count:>9,} {index.name:9} {what}: {times[0] * scale:.3g}" + "".join(beside)

    with MilvusStore(address) as store:
        bare = Bare(uri, token)  # the second: one database, one process, and ours looks first
        publish = partial(store.publish, movies, MODEL, index=asked, keep=0)
        if options.bulk:
            by_files = partial(publish, bulk=options.bulk)
            times = by_turns(timed, by_files, publish, runs, bare.settle)
            index = store.open(MODEL).index
            yield line("publish by bulk import, s (theirs: by insert)", times)
            return
        times = by_turns(
            timed,
            publish,
            lambda: bare.publish(movies, asked),
            runs,
            bare.settle,
        )
        index = store.open(MODEL).index
        yield line("publish, s", times)
        singles, seen = one[:SINGLES, None], list(draw.integers(1, count + 1, (BATCH, 100)))
        pairs = [
            by_turns(timed, partial(store.search, each, K), partial(bare.search, each), 1)
            for each in singles
        ]
        yield line("one query, ms", np.median(pairs, axis=0).tolist(), 1000)
        took = [
            timed(partial(store.search, each, K, exclude=[ids]))
            for each, ids in zip(singles, seen, strict=False)
        ]
        yield line("one query without 100 seen, ms", [sum(took) / SINGLES], 1000)
        without = f"batch of {BATCH} without 100 seen each"
        for what, search, rounds in (
            (f"batch of {BATCH}, s", partial(store.search, one, K), 5),
            (f"{without}, s (theirs: with them)", partial(store.search, one, K, exclude=seen), 2),
        ):
            yield line(what, by_turns(timed, search, partial(bare.search, one), rounds))
        yield line("reading all movies, s", [timed(store.read_all)])
        read = store.read_all()
        took = [timed(partial(read.search, one, K, exclude=seen))]
        yield line(f"{without}, in the movies read, s", took)
        for kind, vectors in queries.items():
            right, found = (each.search(vectors[:200], K).movie_ids for each in (movies, store))
            recall = overlap(right, found).value
            yield f"{count:>9,} {index.name:9} recall@{K}, {kind} queries {recall:.4f}"
        some = replace(movies.take(movies.ids[:1]), titles=["Renamed"])

        def add() -> None:
            store.publish(store.read_all().updated(some), MODEL, index=str(index))

        yield line("adding one movie, s", [timed(add)])
        bare.client.drop_collection(bare.name)
        bare.client.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--uri", help="a Milvus server; a Milvus Lite file of its own without")
    parser.add_argument("--token", default="")
    parser.add_argument("--movies", type=int, nargs="+", default=[4_000, 100_000])
    parser.add_argument("--index", nargs="+", default=["FLAT", "HNSW", "IVF_FLAT"])
    parser.add_argument("--runs", type=int, default=2, help="publishes of each kind")
    parser.add_argument("--bulk", help="a folder that the server reads too")
    parser.add_argument("--pid", type=int, help="the server's process, on this machine")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for count in options.movies:
            for asked in options.index:
                uri = options.uri or str(Path(folder) / f"{count}-{asked.partition(':')[0]}.db")
                for measured in measure(uri, count, asked, options):
                    print(measured, flush=True)


if __name__ == "__main__":
    main()

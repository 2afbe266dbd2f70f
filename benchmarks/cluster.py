"""A cluster of processes: publishing into shards and replicas, and queries while a node dies.

    python benchmarks/cluster.py [--movies 20000] [--queries 1000] [--shards 2] [--replicas 2]

The cluster is that of the tests (Milvus 2.3.5: coordinators, nodes and proxy as processes of their
own, three query nodes). Movies and queries are those of store.py. They are published by insert and
by bulk import; then queries are asked one after the other and every answer is compared with the
exact one, once in peace and once while a query node is killed at the tenth query. An error, or an
answer that is not right, is counted.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from common import ROOT, heading, table

sys.path.append(str(ROOT / "tests"))


def main() -> None:
    from milvus_server import Cluster  # type: ignore[import-not-found]
    from store import MODEL, make

    from recsys.milvus.address import MilvusAddress
    from recsys.milvus_store import MilvusStore

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    for name, default in (("movies", 20_000), ("queries", 1_000), ("shards", 2), ("replicas", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    heading(f"{asked.movies} movies, {asked.shards} shards, {asked.replicas} replicas")
    movies, kinds = make(asked.movies)
    queries = [kinds["relevance"][n % len(kinds["relevance"])][None] for n in range(asked.queries)]
    right = [movies.search(each, 10).movie_ids.tolist() for each in queries]
    cluster = Cluster()
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            MilvusStore(MilvusAddress(cluster.uri, timeout=60)) as store,
        ):
            publish = partial(store.publish, movies, MODEL, shards=asked.shards, index="FLAT")
            rows: list[tuple[str, ...]] = []
            for name, place in (("insert", ""), ("bulk import", folder)):
                started = time.perf_counter()
                publish(replicas=asked.replicas, bulk=place, keep=0)
                rows.append((name, f"{time.perf_counter() - started:.1f}"))
            table(("publish by", "seconds"), rows)
            rows = [
                (name, *ask(store, queries, right, partial(cluster.kill, node) if node else None))
                for name, node in (("all nodes", ""), ("one killed", "querynode0"))
            ]
            print()
            heads = ("queries", "p50 ms", "p99 ms", "longest s", "errors", "wrong answers")
            table((f"{len(queries):,} {heads[0]}", *heads[1:]), rows)
    finally:
        cluster.remove()


def ask(
    store: Any, queries: list[Any], right: list[Any], kill: Callable[[], None] | None
) -> tuple[str, ...]:
    """The row of queries, of which the tenth finds a node dead."""
    from recsys.errors import StoreError

    seconds, errors, wrong = [], 0, 0
    for number, (query, wanted) in enumerate(zip(queries, right, strict=True)):
        if kill and number == 9:
            kill()
        started = time.perf_counter()
        try:
            wrong += store.search(query, 10).movie_ids.tolist() != wanted
        except StoreError as error:
            print(error, file=sys.stderr)
            errors += 1
        seconds.append(time.perf_counter() - started)
    seconds.sort()
    p50, p99 = (1000 * seconds[int(share * len(seconds))] for share in (0.5, 0.99))
    return f"{p50:.1f}", f"{p99:.1f}", f"{seconds[-1]:.2f}", str(errors), str(wrong)


if __name__ == "__main__":
    main()

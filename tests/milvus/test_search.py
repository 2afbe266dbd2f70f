"""Which queries go together, and what is asked once more."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from movie_store import MODEL, agrees, movies, oracle

from recsys.milvus_store import MilvusStore, groups, leave_out
from recsys.serving.catalogue import EVERYTHING, NO_MOVIE, Hits, no_hits

MOVIES = movies(60)


@pytest.mark.parametrize("sizes", [[0] * 2500, [5, 0, 900, 3, 40_000, 70], [7], [6000], []])
def test_every_query_is_sent_once_with_room_for_what_it_excludes(sizes: list[int]) -> None:
    found = list(groups(sizes, 10, 16_384, 20_000))
    assert sorted(row for rows, _, _ in found for row in rows.tolist()) == list(range(len(sizes)))
    for rows, limit, inline in found:
        if inline:
            assert (len(rows), limit) == (1, 10)
        else:
            assert limit >= 10 + max(sizes[row] for row in rows)
            assert len(rows) == 1 or limit * len(rows) <= 20_000
            assert len(rows) <= 1000


def test_each_row_leaves_out_what_it_excludes() -> None:
    hits = Hits(np.array([[3, 1, 2], [3, 1, NO_MOVIE]]), np.ones((2, 3), np.float32))
    leave_out(hits, [np.array([1, 99]), np.array([], np.int64)])
    assert hits.movie_ids.tolist() == [[3, NO_MOVIE, 2], [3, 1, NO_MOVIE]]
    assert hits.scores[0].tolist() == [1, -np.inf, 1]


def starved(real: Callable[..., Hits], asked: list[tuple[int, bool]]) -> Callable[..., Hits]:
    """An index that gives the first query nothing at first."""

    def ask(store: Any, opened: Any, queries: Any, limit: int, *args: Any) -> Any:
        thorough = args[1]
        asked.append((len(queries), thorough))
        hits, rows = real(store, opened, queries, limit, *args)
        if not thorough:
            hits.movie_ids[0], hits.scores[0] = (part[0] for part in no_hits(1, limit)[:2])
        return hits, rows

    return ask


@pytest.mark.parametrize(("index", "again"), [("FLAT", []), ("HNSW", [(1, True)])])
def test_a_query_an_approximate_index_starves_is_sent_once_more(
    store: MilvusStore, monkeypatch: pytest.MonkeyPatch, index: str, again: list[tuple[int, bool]]
) -> None:
    store.publish(MOVIES, MODEL, index=index)
    store.open(MODEL)
    asked: list[tuple[int, bool]] = []
    monkeypatch.setattr(MilvusStore, "_ask", starved(MilvusStore._ask, asked))
    hits = store.search(MOVIES.vectors[:3], 5)
    assert asked == [(3, False), *again]
    for row in (0, 1, 2) if again else (1, 2):
        agrees(hits, row, oracle(MOVIES, MOVIES.vectors[row], EVERYTHING))

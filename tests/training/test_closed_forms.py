"""The closed forms together: what they hold in memory at once."""

import tracemalloc

import numpy as np
import pytest

from recsys.data.dataset import Movies, Ratings, Users, Vocabulary
from recsys.data.interactions import attribute_rows, interactions_of
from recsys.serving import content
from recsys.training import closed_forms
from recsys.training.options import Options

COUNT, RATINGS = 5000, 25_000  # users and movies; a table of both of float32 is 95 MB
OPTIONS = Options(
    factor_dimension=4, factor_sweeps=1, factor_coordinates=4, ease_movies=100, taste_rank=8
)


@pytest.mark.slow  # memory is traced, allocation by allocation
def test_nothing_of_the_size_of_all_users_by_all_movies_is_ever_held(monkeypatch):
    rng = np.random.default_rng(0)
    every = np.arange(1, COUNT + 1)
    users = np.concatenate([every, rng.integers(1, COUNT + 1, RATINGS - COUNT)])
    movies = np.concatenate([rng.permutation(every), rng.integers(1, COUNT + 1, RATINGS - COUNT)])
    pairs = np.unique(users << 32 | movies)
    columns = (pairs >> 32).astype(np.int32), (pairs & (2**32 - 1)).astype(np.int32)
    values = rng.integers(1, 6, len(pairs)).astype(np.float32)
    ratings = Ratings(*columns, values, rng.integers(1, 10**6, len(pairs)))
    titles = [f"Movie {n} ({1950 + n % 50})" for n in range(COUNT)]
    catalogue = Movies(every, titles, [(f"Genre {n % 7}",) for n in range(COUNT)])
    known = Users.of(every)
    vocabulary = Vocabulary.of(known, catalogue)
    history, sides = interactions_of(ratings, vocabulary), attribute_rows(known, vocabulary)
    heads = np.zeros((COUNT, 8), np.float32)
    monkeypatch.setattr(content, "_BLOCK", 256)
    tracemalloc.start()
    try:
        closed = closed_forms.fit(history, catalogue, vocabulary, sides, OPTIONS)
        tables, _ = closed_forms.whole(closed, history, heads, OPTIONS)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(tables["movies"]) == COUNT + 1
    assert peak < 4 * COUNT * COUNT

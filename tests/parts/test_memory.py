"""The parts together: what they hold in memory at once."""

import tracemalloc

import numpy as np
import pytest
from learned_from import training

from recsys import parts
from recsys.data.interactions import Interactions
from recsys.options import Options
from recsys.parts import content

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
    users, movies = np.unique([users, movies], axis=1)
    values, times = rng.integers(1, 6, len(users)), rng.integers(1, 10**6, len(users))
    history = Interactions.build(COUNT, users, movies, values, times)
    genres = [(f"Genre {n % 7}",) for n in range(COUNT)]
    data = training(history, COUNT, genres=genres, years=1950 + every % 50)
    monkeypatch.setattr(content, "_BATCH", 256)
    tracemalloc.start()
    try:
        arrays = parts.complete(data, parts.fit(data, OPTIONS), OPTIONS)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(arrays["ease/ease"]) == COUNT + 1
    assert peak < 4 * COUNT * COUNT

"""Folded tables of towers without an EASE part."""

import numpy as np

from recsys.model import MovieTower, UserTower, folded
from recsys.serving.folded import EASE_DIM
from recsys.training import ease


def towers_alone(users: UserTower, movies: MovieTower) -> dict[str, np.ndarray]:
    """The folded tables, the columns of the EASE part all 0."""
    tables = folded(users, movies)
    columns = {
        name: np.zeros((*table.shape[:-1], EASE_DIM), np.float32)
        for name, table in tables.items()
        if name not in ("user", "title", "word", "word_bias")
    }
    return ease.joined(tables, columns)

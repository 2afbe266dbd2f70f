"""Tables of towers that nothing linear was joined to."""

import numpy as np

from recsys import linear
from recsys.model import MovieTower, UserTower, folded
from recsys.towers import LINEAR


def towers_alone(users: UserTower, movies: MovieTower) -> dict[str, np.ndarray]:
    """The folded towers, with a linear part that is nothing."""
    tables = folded(users, movies)
    columns = {
        name: np.zeros((*table.shape[:-1], LINEAR), np.float32)
        for name, table in tables.items()
        if name not in ("user", "title", "word", "word_bias")
    }
    return linear.joined(tables, columns)

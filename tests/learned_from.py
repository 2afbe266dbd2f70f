"""What tests of the parts learn from: histories by row, without files or ids."""

import numpy as np

from recsys.data.dataset import Movies, Vocabulary
from recsys.data.interactions import Interactions, Recency
from recsys.data.schema import Attribute, Attributes
from recsys.parts.part import Asked, Training

GENDER: Attributes = (Attribute("gender", "category", ("M", "F")),)


def training(
    history: Interactions,
    movies: int,
    attributes: np.ndarray | None = None,
    described: Attributes = (),
    genres=None,
    years=None,
    **more,
) -> Training:
    """Users by row of the history; movies 1 to `movies`, of the genres named."""
    genres = genres or [()] * movies
    known = list(dict.fromkeys(genre for each in genres for genre in each))
    ids = np.arange(1, movies + 1)
    titles = ["?"] * movies if years is None else [f"? ({year})" for year in years]
    catalogue = Movies(ids, titles, genres)
    if attributes is None:
        attributes = np.zeros((history.rows, len(described)), np.int32)
    vocabulary = Vocabulary(np.arange(1, history.rows), ids, [], known, described)
    return Training(vocabulary, catalogue, np.asarray(attributes, np.int32), history, **more)


def asked(
    data: Training,
    rows: np.ndarray,
    history: Interactions | None = None,
    attributes: np.ndarray | None = None,
    recency: Recency = Recency(),  # noqa: B008
    **more,
) -> Asked:
    """Users of the training by row, or with another history and other attributes."""
    history = data.history.take(rows) if history is None else history
    attributes = data.attributes[rows] if attributes is None else attributes
    return Asked(rows, attributes, data.vocabulary.users, history, recency, **more)

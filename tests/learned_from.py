"""What tests of training and of the parts learn from: histories by row, without files or ids."""

from pathlib import Path

import numpy as np

from recsys.data.dataset import Movies, Vocabulary
from recsys.data.interactions import Interactions, Recency
from recsys.data.schema import Attribute, Attributes
from recsys.infer import Recommender, UserQuery, catalogue
from recsys.options import Options
from recsys.parts.part import Asked, Training
from recsys.serving.model_folder import load_model

TINY = Options(epochs=3, dimension=4, batch_size=2, id_size=8, side_size=4, filters=4)
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


def recommends(model: Path) -> bool:
    """Whether the model there is whole and recommends."""
    folder = load_model(model)
    folder.verify()
    (answer,) = Recommender(folder, catalogue(folder)).recommend([UserQuery()], 3)
    return len(answer) == 3

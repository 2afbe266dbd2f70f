"""Ratings of a few users, for trainings that take no time."""

import pytest
from command_line import SAMPLE

from recsys.data.dataset import Dataset, Ratings
from recsys.preprocess import read_dataset


@pytest.fixture(scope="session")
def small_split() -> tuple[Dataset, Ratings, Ratings]:
    """The sample, and the ratings of twenty users: every other one to train on, the rest."""
    dataset = read_dataset(SAMPLE)
    few = dataset.ratings[dataset.ratings.user_ids <= 20]
    return dataset, few[::2], few[1::2]

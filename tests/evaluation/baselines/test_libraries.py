"""Baselines out of libraries; skipped where these are not installed."""

import numpy as np
import pytest
from hand_made import MOVIES, dataset, ratings

from recsys.evaluation.baselines import IALS, missing
from recsys.evaluation.splits import Part


def test_ials_puts_what_goes_together_together():
    if missing("implicit"):
        pytest.skip(missing("implicit"))
    pairs = [
        (user, movie, 5) for user in range(1, 9) for movie in ((10, 20) if user % 2 else (30, 40))
    ]
    train = ratings(*[pair for pair in pairs if pair[:2] not in ((1, 20), (2, 40))])
    data = dataset(train)
    score = IALS.fit(Part(train, ratings(), ratings()), data, MOVIES, ("rated", 2, 0.1, 1.0))
    scores = score(np.array([1, 2]))
    assert scores[0, 1] > scores[0, 2:].max()
    assert scores[1, 3] > scores[1, :2].max()

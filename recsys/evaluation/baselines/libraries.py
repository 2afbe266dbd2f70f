"""iALS of the library `implicit`; every user is folded in anew, with all ratings."""

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Dataset, Ratings
from recsys.data.ids import positions
from recsys.evaluation.baselines.base import Baseline, Ids, Options, weights
from recsys.evaluation.splits import Part
from recsys.metrics import Scorer


def ials(part: Part, dataset: Dataset, movie_ids: Ids, options: Options) -> Scorer:
    """Implicit alternating least squares (Hu, Koren and Volinsky, ICDM 2008), 15 rounds.

    Args:
        options: what a rating counts, factors, regularisation / alpha, alpha.
    """
    from implicit.als import AlternatingLeastSquares

    kind, factors = str(options[0]), int(options[1])
    ratio, alpha = float(options[2]), float(options[3])
    model = AlternatingLeastSquares(
        factors, ratio * alpha, alpha, iterations=15, use_gpu=False, random_state=0
    )
    model.fit(_rows(part.train, np.unique(part.train.user_ids), movie_ids, kind), False)
    popular = (model.user_factors @ model.item_factors.T).mean(0)

    def score(user_ids: NDArray[np.int64]) -> NDArray[np.floating]:
        rows = _rows(part.seen, user_ids, movie_ids, kind)
        found = model.recalculate_user(np.arange(len(user_ids)), rows) @ model.item_factors.T
        empty = np.diff(rows.indptr) == 0
        return np.where(empty[:, None], popular, found)

    return score


def _rows(ratings: Ratings, user_ids: NDArray[np.integer], movie_ids: Ids, kind: str) -> Any:
    """(B, M) sparse histories of users, those without one being empty."""
    from scipy.sparse import csr_matrix

    values = weights(ratings.values, kind)
    row, column = positions(user_ids, ratings.user_ids), positions(movie_ids, ratings.movie_ids)
    there = (row >= 0) & (column >= 0) & (values > 0)
    shape = (len(user_ids), len(movie_ids))
    return csr_matrix((values[there], (row[there], column[there])), shape)


IALS = Baseline(
    "iALS",
    tuple(product(("rated", "liked"), (32, 64), (2.0, 5.0, 10.0), (3.0, 10.0, 30.0))),
    ials,
    library="implicit.als",
)

"""SASRec of the library `rectools`: what comes next in a history, by self-attention.

It learns from the histories of `part.train` alone. What a user folds in is a sequence that is asked
about and never learned from. Movies without training ratings come last.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby, product
from logging import ERROR, getLogger
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Dataset, Ratings
from recsys.data.ids import positions
from recsys.evaluation.baselines.base import Baseline, Ids, Options, sums, weights
from recsys.evaluation.splits import Part
from recsys.metrics import Scorer

BATCH = 32  # users a step: of the 943 of ML-100K more would make too few steps an epoch
HEAD = 32  # factors of a head of attention
FAR = 1e9  # below all scores of the model


def sasrec(part: Part, dataset: Dataset, movie_ids: Ids, options: Options) -> Scorer:
    """Self-attentive sequential recommendation (Kang and McAuley, ICDM 2018).

    Trained with a softmax of all movies, and without positions: the order of ratings given in one
    sitting says little, and with positions ndcg@10 on validation data is lower.

    Args:
        options: which ratings make a sequence, those that count as for `weights`; how many of the
            latest; blocks, factors, dropout, epochs.
    """
    return next(sasrec_all(part, dataset, movie_ids, (options,)))[1]


def sasrec_all(
    part: Part, dataset: Dataset, movie_ids: Ids, grid: Sequence[Options]
) -> Iterator[tuple[Options, Scorer]]:
    """`sasrec` for many options; neighbours that differ in ascending epochs alone are one training.

    A scorer is that of the model as it is: ask it before the next options are taken.
    """
    import torch
    from rectools.models import SASRecModel

    for name in ("pytorch_lightning", "lightning.pytorch"):  # they say which devices there are
        getLogger(name).setLevel(ERROR)
    popular = sums(part.train, movie_ids, np.ones(len(part.train)))
    for settings, same in groupby(grid, lambda options: options[:-1]):
        kind, length, blocks, factors = str(settings[0]), *map(int, settings[1:4])
        train, seen = _interactions(part.train, kind), _interactions(part.seen, kind)
        if not train.interactions.df["user_id"].duplicated().any():  # nothing follows anything
            yield from ((options, partial(_popularity, popular)) for options in same)
            continue
        torch.manual_seed(0)
        model = SASRecModel(
            n_blocks=blocks,
            n_factors=factors,
            n_heads=max(1, factors // HEAD),
            dropout_rate=float(settings[4]),
            session_max_len=length,
            use_pos_emb=False,
            batch_size=BATCH,
        )
        done = 0
        for options in same:
            more, done = int(options[-1]) - done, int(options[-1])
            with catch_warnings():
                simplefilter("ignore")  # advice on workers and logs
                model.fit_partial(train, more, more)
            yield options, partial(_scores, model, seen, movie_ids, popular)


def _popularity(popular: NDArray[np.float64], user_ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """(B, M) the popularity of the movies, below all scores of the model."""
    return np.tile(popular - FAR, (len(user_ids), 1))


def _interactions(ratings: Ratings, kind: str) -> Any:
    """The ratings that count as `rectools` takes them, in the order of time."""
    from pandas import DataFrame
    from rectools.dataset import Dataset as Interactions

    ratings = ratings[np.argsort(ratings.times, kind="stable")]
    ratings = ratings[weights(ratings.values, kind) > 0]
    columns = {
        "user_id": ratings.user_ids,
        "item_id": ratings.movie_ids,
        "weight": np.ones(len(ratings)),
        "datetime": np.arange(len(ratings)).astype("datetime64[ns]"),  # their order is what counts
    }
    return Interactions.construct(DataFrame(columns))


def _scores(
    model: Any,
    seen: Any,
    movie_ids: Ids,
    popular: NDArray[np.float64],
    user_ids: NDArray[np.int64],
) -> NDArray[np.float64]:
    """(B, M) scores; by popularity what the model does not know, a movie or a whole user."""
    scores = _popularity(popular, user_ids)
    with catch_warnings():
        simplefilter("ignore")  # a user without a history
        found = model.recommend(
            user_ids, seen, len(movie_ids), False, on_unsupported_targets="ignore"
        )
    rows = positions(user_ids, found["user_id"].to_numpy())
    columns = positions(movie_ids, found["item_id"].to_numpy())
    there = columns >= 0
    scores[rows[there], columns[there]] = found["score"].to_numpy()[there]
    return scores


SASREC = Baseline(
    "SASRec",
    tuple(product(("liked",), (100,), (2,), (64,), (0.3,), (5, 10, 15, 20, 25))),
    sasrec,
    sasrec_all,
    library="rectools.models.nn.transformers.sasrec",
)

"""Baselines out of libraries, of the extras `bench` and `sasrec`; each is imported when fitted."""

from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr
from functools import partial
from io import StringIO
from itertools import groupby, product
from logging import ERROR, getLogger
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, simplefilter

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Ratings
from recsys.data.ids import positions
from recsys.evaluation.baselines import (
    Array,
    Baseline,
    Grid,
    Ids,
    Predict,
    Problem,
    one_by_one,
    weights,
)
from recsys.metrics import Scorer

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

BATCH = 32  # users a step of SASRec: of the 943 of ML-100K more would make too few steps an epoch
HEAD = 32  # factors of a head of attention
FAR = 1e9  # below all scores of SASRec


@one_by_one
def ials(problem: Problem, kind: str, factors: int, ratio: float, alpha: float) -> Scorer:
    """Implicit alternating least squares (Hu, Koren and Volinsky, ICDM 2008), 15 rounds.

    Every user is folded in anew, with all ratings; one without any gets the mean of all users.

    Args:
        kind: what a rating counts.
        ratio: regularisation / alpha.
    """
    from implicit.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(
        factors, ratio * alpha, alpha, iterations=15, use_gpu=False, random_state=0
    )
    trained = problem.rows(np.unique(problem.stage.train.user_ids))
    model.fit(problem.train(kind)[trained], False)
    popular = (model.user_factors @ model.item_factors.T).mean(0)
    seen = problem.seen(kind)

    def score(user_ids: Ids) -> Array:
        rows = seen[problem.rows(user_ids)]
        users = model.recalculate_user(np.arange(len(user_ids)), rows)
        return np.where(rows.getnnz(1)[:, None], users @ model.item_factors.T, popular)

    return score


def sasrec(problem: Problem, grid: Grid) -> Iterator[Scorer]:
    """Self-attentive sequential recommendation (Kang and McAuley, ICDM 2018), of `rectools`.

    It learns from training histories alone; what a user folds in is asked about, never learned
    from. Trained with a softmax of all movies, and without positions: the order of ratings given in
    one sitting says little, and with positions ndcg@10 on validation data is lower. Movies without
    training ratings come last.

    Options: which ratings make a sequence, those that count as for `weights`; how many of the
    latest; blocks, factors, dropout, epochs. Neighbours that differ in ascending epochs alone are
    one training.
    """
    import torch
    from rectools.models import SASRecModel

    for name in ("pytorch_lightning", "lightning.pytorch"):  # they say which devices there are
        getLogger(name).setLevel(ERROR)
    popular = np.bincount(problem.train().indices, minlength=len(problem.movie_ids))
    for settings, same in groupby(grid, lambda options: options[:-1]):
        kind, length, blocks, factors, dropout = settings
        train = _sequences(problem.stage.train, kind)
        seen = _sequences(problem.stage.seen, kind)
        # else nothing follows anything
        learns = train.interactions.df["user_id"].duplicated().any()
        torch.manual_seed(0)
        model = SASRecModel(
            n_blocks=blocks,
            n_factors=factors,
            n_heads=max(1, factors // HEAD),
            dropout_rate=dropout,
            session_max_len=length,
            use_pos_emb=False,
            batch_size=BATCH,
        )
        done = 0
        for *_, epochs in same:
            if learns:
                with catch_warnings():
                    simplefilter("ignore")  # advice on workers and logs
                    model.fit_partial(train, epochs - done, epochs - done)
            done = epochs
            yield partial(_sasrec_scores, problem, model if learns else None, seen, popular)


def _sequences(ratings: Ratings, kind: str) -> Any:
    """The ratings that count as `rectools` takes them, in the order of time."""
    from pandas import DataFrame
    from rectools.dataset import Dataset

    ratings = ratings[np.argsort(ratings.times, kind="stable")]
    ratings = ratings[weights(ratings.values, kind) > 0]
    columns = {
        "user_id": ratings.user_ids,
        "item_id": ratings.movie_ids,
        "weight": np.ones(len(ratings)),
        "datetime": np.arange(len(ratings)).astype("datetime64[ns]"),  # their order is what counts
    }
    return Dataset.construct(DataFrame(columns))


def _sasrec_scores(
    problem: Problem, model: Any, seen: Any, popular: Ids, user_ids: Ids
) -> NDArray[np.float64]:
    """(B, M) scores; by popularity what the model does not know, a movie or a whole user."""
    scores = np.tile(popular - FAR, (len(user_ids), 1))
    if model is None:
        return scores
    with catch_warnings():
        simplefilter("ignore")  # a user without a history
        ranked = model.recommend(
            user_ids, seen, len(problem.movie_ids), False, on_unsupported_targets="ignore"
        )
    ranked = ranked[np.isin(ranked["item_id"], problem.movie_ids)]
    rows = positions(user_ids, ranked["user_id"].to_numpy())
    scores[rows, positions(problem.movie_ids, ranked["item_id"].to_numpy())] = ranked["score"]
    return scores


@one_by_one
def svdpp(problem: Problem, factors: int, epochs: int, regularisation: float) -> Predict:
    """SVD++ (Koren, KDD 2008) as Surprise computes it."""
    from surprise import SVDpp, Trainset

    ratings = problem.stage.seen
    user_ids, user = np.unique(ratings.user_ids, return_inverse=True)
    movie_ids, movie = np.unique(ratings.movie_ids, return_inverse=True)
    by_user: dict[int, list[tuple[int, float]]] = {n: [] for n in range(len(user_ids))}
    by_movie: dict[int, list[tuple[int, float]]] = {n: [] for n in range(len(movie_ids))}
    for u, m, value in zip(user.tolist(), movie.tolist(), ratings.values.tolist(), strict=True):
        by_user[u].append((m, value))
        by_movie[m].append((u, value))
    data = Trainset(
        by_user,
        by_movie,
        len(user_ids),
        len(movie_ids),
        len(ratings),
        (float(ratings.values.min()), float(ratings.values.max())),
        {raw: inner for inner, raw in enumerate(user_ids.tolist())},
        {raw: inner for inner, raw in enumerate(movie_ids.tolist())},
    )
    model = SVDpp(factors, epochs, reg_all=regularisation, cache_ratings=True, random_state=0)
    model.fit(data)

    def predict(users: Ids, movies: Ids) -> Array:
        pairs = zip(users.tolist(), movies.tolist(), strict=True)
        return np.array([model.predict(user, movie).est for user, movie in pairs])

    return predict


@one_by_one
def myfm(problem: Problem, rank: int, iterations: int) -> Predict:
    """A Bayesian factorization machine with implicit features, profiles and content.

    Rendle, Zhang and Koren, "On the difficulty of evaluating baselines" (2019), as myFM computes
    it; a sixth of the iterations is thrown away. Relation blocks: a user's id, the movies rated /
    sqrt(their number), and attributes; a movie's id, its raters / sqrt(their number), genres and
    year.
    """
    from myfm import MyFMRegressor, RelationBlock

    users, movies, ratings = problem.dataset.users, problem.dataset.movies, problem.stage.seen
    rated = problem.seen(movie_ids=movies.ids).astype(np.float64)
    years = np.where(movies.years > 0, movies.years // 3, 0)
    of_users = _features(rated, [*users.rows.T])
    of_movies = _features(rated.T.tocsr(), [years], problem.genres)

    def pairs(user_ids: Ids, movie_ids: Ids) -> list[Any]:
        user, movie = positions(users.ids, user_ids), positions(movies.ids, movie_ids)
        return [RelationBlock(user, of_users), RelationBlock(movie, of_movies)]

    model = MyFMRegressor(rank=rank, random_seed=0)
    with redirect_stderr(StringIO()):  # its progress bar cannot be switched off
        model.fit(
            None,
            ratings.values.astype(np.float64),
            pairs(ratings.user_ids, ratings.movie_ids),
            n_iter=iterations,
            n_kept_samples=iterations * 5 // 6,
        )
    limits = float(ratings.values.min()), float(ratings.values.max())
    return lambda user_ids, movie_ids: np.clip(
        model.predict(None, pairs(user_ids, movie_ids)), *limits
    )


def _features(
    rated: "csr_matrix", columns: Sequence[Ids], genres: Array | None = None
) -> "csr_matrix":
    """One (E, F) sparse row an entity: its id, who or what it is rated with, its attributes."""
    from scipy.sparse import csr_matrix, diags, hstack, identity

    count = rated.shape[0]
    blocks = [identity(count), diags(1 / np.sqrt(np.maximum(1, rated.getnnz(1)))) @ rated]
    for values in columns:
        codes = np.unique(values, return_inverse=True)[1].reshape(-1)
        blocks.append(csr_matrix((np.ones(count), (np.arange(count), codes))))
    if genres is not None:
        blocks.append(csr_matrix(genres))
    return hstack(blocks).tocsr()


IALS = Baseline(
    "iALS",
    tuple(product(("rated", "liked"), (32, 64), (2.0, 5.0, 10.0), (3.0, 10.0, 30.0))),
    ials,
    "implicit.als",
)
SASREC = Baseline(
    "SASRec",
    tuple(product(("liked",), (100,), (2,), (64,), (0.3,), (5, 10, 15, 20, 25))),
    sasrec,
    "rectools.models.nn.transformers.sasrec",
)
SVDPP = Baseline("SVD++", ((20, 20, 0.02), (20, 20, 0.05), (20, 20, 0.1)), svdpp, "surprise", True)
MYFM = Baseline("myFM", ((10, 300),), myfm, "myfm", True)

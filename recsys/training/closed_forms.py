"""All parts of the vector that need no towers, from the histories in closed form, and the prior."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Movies, Vocabulary
from recsys.data.history import History
from recsys.data.movielens import MAX_RATING, MIN_RATING
from recsys.serving.content import Block, Kernel, fit_prior, kernel_tables, movie_blocks, take
from recsys.serving.factors import RatingFactors
from recsys.serving.vector import Array, Layout
from recsys.training import ease, rating_factors, taste
from recsys.training.options import Options
from recsys.training.rating_factors import ContentFeatures, FactorOptions


class ClosedForms(NamedTuple):
    """What the histories say in closed form."""

    tables: dict[str, NDArray]  # of the user's side, by name
    parts: dict[str, Array]  # (M + 1, size) of the movies' side
    factors: RatingFactors
    kernel: Kernel  # of the content of movies that were rated
    blocks: list[Block]  # the content of the M movies by row
    rated: NDArray[np.bool_]  # (M,)

    @property
    def layout(self) -> Layout:
        """With heads of no numbers."""
        sizes = {name: part.shape[1] for name, part in self.parts.items()}
        return Layout(0, 0, **sizes)


def fit(
    history: History,
    movies: Movies,
    vocabulary: Vocabulary,
    attributes: NDArray[np.integer],
    options: Options,
) -> ClosedForms:
    """Everything but the towers.

    Args:
        history: what is learned from.
        movies: in the order of their rows.
        attributes: (U + 1, 3) rows of gender, age and job.
    """
    blocks = movie_blocks(movies, vocabulary)
    rated = np.bincount(history.movie_rows, minlength=len(movies) + 1)[1:] > 0
    kernel = Kernel.fit([take(block, rated) for block in blocks], seed=options.seed)
    ease_tables, ease_movies = ease.fit(history, len(movies), attributes, options)
    genres = np.zeros((len(movies) + 1, len(vocabulary.genres)), np.float32)
    rows = blocks[0][0]
    movie, place = np.nonzero(rows > 0)
    genres[movie + 1, rows[movie, place] - 1] = 1
    years = np.concatenate([[0], movies.years])
    factors = rating_factors.fit(
        history,
        attributes,
        ContentFeatures.of(years)(genres, years),
        (MIN_RATING, MAX_RATING),
        FactorOptions(
            options.factor_dimension,
            options.factor_sweeps,
            options.factor_ridge,
            options.factor_coordinates,
            seed=options.seed,
        ),
    ).factors
    tables = ease_tables | {f"factors_{k}": v for k, v in factors.arrays().items()}
    parts = {
        "ease": ease_movies,
        "factors": factors.movie_parts(factors.movies),
        "taste": taste.fit(history, len(movies), kernel, blocks, options),
    }
    return ClosedForms(tables, parts, factors, kernel, blocks, rated)


def whole(closed: ClosedForms, heads: Array) -> tuple[dict[str, NDArray], Layout]:
    """The tables of the movies' side with (M, 2 D) heads of the towers, and the layout.

    Movies without ratings get in every part what movies of like content have: the towers, which
    have not seen them either, say less.

    Returns:
        movies (M + 1, V - 1), the parts side by side; the kernel's landmarks; prior_mean and
        prior_weights, for movies that the model has not.
    """
    whole = np.concatenate([heads, *(part[1:] for part in closed.parts.values())], 1)
    known = [take(block, closed.rated) for block in closed.blocks]
    prior = fit_prior(closed.kernel, known, whole[closed.rated])
    if not closed.rated.all():
        unrated = [take(block, ~closed.rated) for block in closed.blocks]
        whole[~closed.rated] = prior.predict(closed.kernel, unrated)
    d = heads.shape[1] // 2
    tables = {"movies": np.concatenate([np.zeros((1, whole.shape[1]), np.float32), whole])}
    tables |= {"prior_mean": prior.mean, "prior_weights": prior.weights}
    return tables | kernel_tables(closed.kernel), closed.layout._replace(retrieval=d, rating=d)

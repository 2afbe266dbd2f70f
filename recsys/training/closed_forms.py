"""All parts of the vector that need no towers, from the histories in closed form, and the prior."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Movies, Vocabulary
from recsys.data.interactions import Interactions
from recsys.data.movielens import MAX_RATING, MIN_RATING
from recsys.serving.content import Block, Kernel, fit_prior, kernel_tables, movie_blocks, take
from recsys.serving.factors import RatingFactors
from recsys.serving.vector import Array, Layout
from recsys.training import ease, rating_factors, taste
from recsys.training.options import Options
from recsys.training.rating_factors import content_features

MOST_FEATURES = 200  # of a column of movies in the regression that is the factors' prior


class ClosedForms(NamedTuple):
    """What the histories say in closed form, of what a model in training is judged by."""

    tables: dict[str, NDArray]  # of the user's side, by name
    parts: dict[str, Array]  # (M + 1, size) of the movies' side
    factors: RatingFactors
    blocks: list[Block]  # the content of the M movies by row

    def suited(self, options: Options) -> "ClosedForms":
        """The same, without what recency needs where it is off."""
        if options.recency_floor < 1:
            return self
        tables, movies = ease.timeless(self.tables, self.parts["ease"])
        return self._replace(tables=tables, parts={**self.parts, "ease": movies})


def fit(
    history: Interactions,
    movies: Movies,
    vocabulary: Vocabulary,
    attributes: NDArray[np.integer],
    options: Options,
) -> ClosedForms:
    """Everything but the towers.

    Args:
        history: what is learned from.
        movies: in the order of their rows.
        attributes: (U + 1, W) rows of the users' attributes.
    """
    blocks = movie_blocks(movies, vocabulary)
    ease_tables, ease_movies = ease.fit(history, len(movies), attributes, options, vocabulary.users)
    genres = _ones(vocabulary.genre_rows(movies.genres), len(vocabulary.genres))
    own = [
        _ones(rows, min(each.size, MOST_FEATURES))
        for each, rows in zip(vocabulary.movies, vocabulary.side_rows(movies), strict=True)
        if each.kind != "text"
    ]
    years = np.concatenate([[0], movies.years])
    content = np.concatenate([content_features(genres, years), *own], 1)
    factors = rating_factors.fit(
        history,
        attributes,
        content,
        (MIN_RATING, MAX_RATING),
        options,
        widths=[each.width for each in vocabulary.users],
    )
    tables = ease_tables | {f"factors_{k}": v for k, v in factors.arrays().items()}
    parts = {
        "ease": ease_movies,
        "factors": factors.movie_parts(factors.movies),
    }
    return ClosedForms(tables, parts, factors, blocks)


def _ones(rows: NDArray[np.integer], size: int) -> Array:
    """(M + 1, size) 1 where a movie has the value of a row from 1 on; 0 for the unknown movie."""
    found = np.zeros((len(rows) + 1, size), np.float32)
    movie, place = np.nonzero((rows > 0) & (rows <= size))
    found[movie + 1, rows[movie, place] - 1] = 1
    return found


def whole(
    closed: ClosedForms, history: Interactions, heads: Array, options: Options
) -> tuple[dict[str, NDArray], Layout]:
    """The tables of the movies' side with (M, 2 D) heads of the towers, and the layout.

    Movies without ratings get in every part what movies of like content have: the towers, which
    have not seen them either, say less. Each rated movie counts alike there; in the factors, whose
    error counts by the rating, by the number of its ratings.

    Returns:
        movies (M + 1, V - 1), the parts side by side; the kernel's landmarks; prior_mean and
        prior_weights, for movies that the model has not.
    """
    counts = np.bincount(history.movie_rows, minlength=len(heads) + 1)[1:]
    rated = counts > 0
    known = [take(block, rated) for block in closed.blocks]
    kernel = Kernel.fit(known, seed=options.seed)
    tastes = taste.fit(history, len(heads), kernel, closed.blocks, options)
    parts = closed.parts | {"taste": tastes}
    pieces = {"heads": heads} | {name: part[1:] for name, part in parts.items()}
    numbers = np.concatenate(list(pieces.values()), 1)
    alike = np.ones(len(counts))
    learned = [
        (piece[rated], (counts if name == "factors" else alike)[rated])
        for name, piece in pieces.items()
    ]
    prior = fit_prior(kernel, known, *learned)
    if not rated.all():
        unrated = [take(block, ~rated) for block in closed.blocks]
        numbers[~rated] = prior.predict(kernel, unrated)
    tables = {"movies": np.concatenate([np.zeros((1, numbers.shape[1]), np.float32), numbers])}
    tables |= {"prior_mean": prior.mean, "prior_weights": prior.weights}
    d = heads.shape[1] // 2
    sizes = {name: part.shape[1] for name, part in parts.items()}
    return tables | kernel_tables(kernel), Layout(d, d, **sizes)

"""Which movies `load-movies` publishes: the model's, a file's, or both."""

from pathlib import Path
from typing import TYPE_CHECKING

from recsys.cli.prompt import log

if TYPE_CHECKING:
    from recsys.serving.catalogue import Catalogue
    from recsys.serving.model_folder import ModelFolder

ENCODED = "movies_data.txt"  # what `preprocess` writes where nothing else is named
MOST_REMOVED = 0.1  # of the published movies, unless --replace


def movies_to_publish(folder: "ModelFolder", file: str | None, replace: bool) -> "Catalogue":
    """The model's movies, changed and added to by a file's; only the file's if `replace`.

    Logs what is taken from where.

    Raises:
        ModelError: the model folder is damaged.
    """
    from recsys.infer import catalogue

    folder.verify()
    if not file:
        own = catalogue(folder)
        beside = f"; {ENCODED} is not read without -f {ENCODED}" if Path(ENCODED).exists() else ""
        log(f"movies: the {len(own)} the model was trained on{beside}")
        return own
    found = _movies_of(folder, Path(file))
    if replace:
        log(f"movies: only the {len(found)} of {file}, {found.is_new.sum()} new to the model")
        return found
    whole = _merged(catalogue(folder), found)
    log(
        f"movies: {len(whole)}: {len(whole) - len(found)} the model was trained on and "
        f"{len(found)} of {file}, {found.is_new.sum()} new to the model"
    )
    return whole


def _movies_of(folder: "ModelFolder", file: Path) -> "Catalogue":
    from recsys.infer import catalogue, decoded_movies
    from recsys.preprocess import is_movies_data, read_movies, read_movies_data

    if not is_movies_data(file):
        return catalogue(folder, read_movies(file, log=log))
    ids, titles, genres = read_movies_data(file, folder.vocabulary)
    return catalogue(folder, decoded_movies(folder, ids, titles, genres))


def _merged(one: "Catalogue", other: "Catalogue") -> "Catalogue":
    """The movies of both; one that is in both is as the other has it."""
    import numpy as np

    from recsys.serving.catalogue import Catalogue

    kept = one.take(one.ids[~np.isin(one.ids, other.ids)])
    return Catalogue(
        np.concatenate([kept.ids, other.ids]),
        [*kept.titles, *other.titles],
        [*kept.genres, *other.genres],
        np.concatenate([kept.years, other.years]),
        np.concatenate([kept.is_new, other.is_new]),
        np.concatenate([kept.vectors, other.vectors]),
    )

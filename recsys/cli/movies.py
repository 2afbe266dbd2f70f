"""Which movies `load-movies` publishes: the model's, a file's, or both."""

from pathlib import Path
from typing import TYPE_CHECKING

from recsys.cli.prompt import log

if TYPE_CHECKING:
    from recsys.data.dataset import Movies
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
    whole = catalogue(folder).updated(found)
    log(
        f"movies: {len(whole)}: {len(whole) - len(found)} the model was trained on and "
        f"{len(found)} of {file}, {found.is_new.sum()} new to the model"
    )
    return whole


def _movies_of(folder: "ModelFolder", file: Path) -> "Catalogue":
    from recsys.infer import catalogue, decoded_movies
    from recsys.preprocess import is_movies_data, read_movies_data

    if not is_movies_data(file):
        return catalogue(folder, _as_the_model_knows_them(folder, file))
    ids, titles, genres = read_movies_data(file, folder.vocabulary)
    return catalogue(folder, decoded_movies(folder, ids, titles, genres))


def _as_the_model_knows_them(folder: "ModelFolder", file: Path) -> "Movies":
    """A raw file's movies; what its columns are is what they were in training."""
    from recsys.data.columns import Columns
    from recsys.preprocess import read_movies

    kinds = {each.name: each.kind for each in folder.vocabulary.movies}
    movies = read_movies(file, columns=Columns(kinds=tuple(kinds.items())), log=log)
    if others := [name for name in movies.columns if name not in kinds]:
        log(f"{file}: not used: {', '.join(others)}, of which the model knows nothing")
    if missing := [name for name in kinds if name not in movies.columns]:
        log(f"{file}: unknown of its movies: {', '.join(missing)}")
    return movies

"""Which movies `load-movies` publishes: the model's, or what a file adds to the published ones."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from recsys.cli.prompt import log
from recsys.data.columns import Columns
from recsys.errors import DataError

if TYPE_CHECKING:
    from recsys.data.dataset import Movies
    from recsys.milvus_store import MilvusStore
    from recsys.serving.catalogue import Catalogue
    from recsys.serving.model_folder import ModelFolder

ENCODED = "movies_data.txt"  # what `preprocess` writes where nothing else is named
MOST_REMOVED = 0.1  # of the published movies, unless --replace


class Wanted(NamedTuple):
    """What is asked for: a file's movies, or those the model was trained on."""

    folder: "ModelFolder"
    file: str | None
    replace: bool  # a file's movies alone, whatever is published
    found: "Catalogue"  # of the file, or of the model

    @classmethod
    def read(
        cls,
        folder: "ModelFolder",
        file: str | None,
        replace: bool = False,
        columns: Columns = Columns(),
    ) -> "Wanted":
        """
        Raises:
            DataError: the file cannot be read, was encoded for another model, or has no such
                columns.
            ModelError: the model folder is damaged.
        """
        from recsys.infer import catalogue, decoded_movies
        from recsys.preprocess import is_movies_data, read_movies_data

        folder.verify()
        movies = None
        if file and is_movies_data(Path(file)):
            if any(columns):
                raise DataError(
                    f"{file}: encoded movies have no columns", "name the raw file", "file"
                )
            encoded = read_movies_data(Path(file), folder.vocabulary)
            movies = decoded_movies(folder, *encoded)
        elif file:
            movies = _as_the_model_knows_them(folder, Path(file), columns)
        return cls(folder, file, replace, catalogue(folder, movies))

    def check_removal(self, movies: "Catalogue", store: "MilvusStore") -> None:
        """Logs how many published movies would go.

        Raises:
            StoreError: too many.
        """
        if gone := store.check_removal(movies, 1.0 if self.replace else MOST_REMOVED):
            log(f"{gone} of the published movies are not among them and go")

    def catalogue(self, store: "MilvusStore | None") -> "Catalogue":
        """All that is to be published; logs what is taken from where.

        A file adds to the movies that this model has published, else to those it was trained on.

        Args:
            store: None where there is none yet.
        """
        from recsys.infer import catalogue

        file, found = self.file, self.found
        if not file:
            unread = f"; {ENCODED} is not read without -f {ENCODED}" * Path(ENCODED).exists()
            log(f"movies: the {len(found)} the model was trained on{unread}")
            return found
        new = f"{found.is_new.sum()} new to the model"
        if self.replace:
            log(f"movies: only the {len(found)} of {file}, {new}")
            return found
        before, what = published(self.folder, store) if store else None, "published"
        if before is None:
            before, what = catalogue(self.folder), "the model was trained on"
        whole = before.updated(found)
        others = f"{len(whole) - len(found)} {what}"
        log(f"movies: {len(whole)}: {others} and {len(found)} of {file}, {new}")
        return whole


def published(folder: "ModelFolder", store: "MilvusStore") -> "Catalogue | None":
    """The movies that are published of this very model, None where there are none, or damaged."""
    from recsys.errors import StoreError
    from recsys.milvus.client import Unreachable

    try:
        return store.read_all() if store.open(None).model == folder.fingerprint else None
    except Unreachable:
        raise
    except StoreError:  # publishing is what repairs it
        return None


def _as_the_model_knows_them(folder: "ModelFolder", file: Path, columns: Columns) -> "Movies":
    """A raw file's movies; what its columns are is what they were in training."""
    from recsys.preprocess import read_movies

    kinds: dict[str, str] = {each.name: each.kind for each in folder.vocabulary.movies}
    movies = read_movies(file, columns=columns, kinds=kinds, log=log)
    if others := [name for name in movies.columns if name not in kinds]:
        log(f"{file}: not used: {', '.join(others)}, of which the model knows nothing")
    if missing := [name for name in kinds if name not in movies.columns]:
        log(f"{file}: unknown of its movies: {', '.join(missing)}")
    return movies

"""What is typed or listed in a file, as ids: a movie, users, pairs; and a user in words."""

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from recsys.cli.prompt import error_line
from recsys.cli.values import id_of
from recsys.data.movielens import AGE_NAMES, GENDERS, JOBS
from recsys.errors import DataError, quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recsys.infer import UserQuery
    from recsys.serving.catalogue import Store
    from recsys.serving.model_folder import ModelFolder


def movie_of(folder: "ModelFolder", text: str) -> int:
    """The id of the model's movie that a title or id names.

    Raises:
        AmbiguousTitle: several movies have such a title; they are listed, the most rated first.
        UnknownMovie: none has.
    """
    import numpy as np

    from recsys.data.titles import find

    def rated() -> list[int]:
        rows = folder.vocabulary.movie_rows(folder.movies.ids)
        counts = np.bincount(folder.history.movie_rows, minlength=int(rows.max(initial=0)) + 1)
        return counts[rows].tolist()

    return find(text, folder.movies.ids.tolist(), folder.movies.titles, rated)


def movie_if_known(folder: "ModelFolder", text: str) -> int | None:
    """As `movie_of`, None where the model knows no such movie."""
    from recsys.data.titles import UnknownMovie

    try:
        return movie_of(folder, text)
    except UnknownMovie:
        return None


def new_movie_of(folder: "ModelFolder", text: str, store: "Store") -> int:
    """The id of a published movie that the model does not know, by its title or id.

    Raises:
        AmbiguousTitle: several have such a title.
        UnknownMovie: none has, nor any of the model's.
    """
    from recsys.data.titles import UnknownMovie, find

    number = id_of(text.strip().lower().removeprefix("id:"))
    if number is not None:
        with suppress(KeyError):
            return int(store.take([number]).ids[0])
    from recsys.milvus_store import MilvusStore

    if not isinstance(store, MilvusStore):  # the model's own movies
        return movie_of(folder, text)
    movies = store.read_all()
    new = movies.take(movies.ids[movies.is_new])
    try:
        return find(text, new.ids.tolist(), new.titles)
    except UnknownMovie:
        return movie_of(folder, text)  # its error names near titles of the model


def known_users(folder: "ModelFolder", user_ids: list[int]) -> tuple[list[int], int]:
    """Those of the users that the model knows, and how many others there were, each named."""
    known = folder.vocabulary.user_rows(user_ids) > 0
    for user_id, there in zip(user_ids, known, strict=True):
        if not there:
            error_line(f"user {user_id} is not one the model was trained on")
    kept = [user_id for user_id, there in zip(user_ids, known, strict=True) if there]
    return kept, len(user_ids) - len(kept)


def known_pairs(folder: "ModelFolder", pairs: "NDArray") -> "tuple[NDArray, int]":
    """Those of (N, 2) pairs whose user and movie the model knows, and how many others there were.

    Each of the others is named in a line on stderr.
    """
    users = folder.vocabulary.user_rows(pairs[:, 0]) > 0
    movies = folder.vocabulary.movie_rows(pairs[:, 1]) > 0
    for (user_id, movie_id), user in zip(
        pairs[~(users & movies)].tolist(), users[~(users & movies)], strict=True
    ):
        unknown = f"movie {movie_id}" if user else f"user {user_id}"
        error_line(f"{user_id},{movie_id}: {unknown} is not one the model was trained on")
    return pairs[users & movies], int((~(users & movies)).sum())


def title_of(folder: "ModelFolder", movie_id: int) -> str | None:
    """The title of a movie the model knows, None of others."""
    row = int(folder.vocabulary.movie_rows([movie_id])[0])
    return folder.movies.titles[row - 1] if row else None


def user_ids_of(folder: "ModelFolder", users: str) -> list[int]:
    """The users of the model ("all"), or those a file lists, one a line.

    Raises:
        DataError: the file cannot be read, or a line is no user id.
    """
    if users == "all":
        return folder.vocabulary.user_ids.tolist()
    ids = []
    for place, line in _lines(users):
        user_id = id_of(line)
        if user_id is None:
            raise DataError(f"{place}: found {quoted(line)}, expected a user id", "fix the line")
        ids.append(user_id)
    return ids


def pairs_of(path: str) -> "NDArray":
    """(N, 2) user and movie ids of a CSV; a first line of names is passed over.

    Raises:
        DataError: the file cannot be read, or a line is no pair.
    """
    import numpy as np

    pairs: list[list[int]] = []
    for place, line in _lines(path):
        fields = [field.strip() for field in line.split(",")]
        if place.endswith(":1") and fields[:1] == ["user_id"]:
            continue
        ids = [number for field in fields if (number := id_of(field)) is not None]
        if len(ids) != 2 or len(fields) != 2:
            cause = f"{place}: found {quoted(line)}, expected user_id,movie_id"
            raise DataError(cause, "fix the line")
        pairs.append(ids)
    return np.array(pairs, np.int64).reshape(-1, 2)


def _lines(path: str) -> Iterator[tuple[str, str]]:
    """Lines of a file (- is stdin) without their ends, each with its place."""
    try:
        with click.open_file(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                yield f"{path}:{number}", line.strip()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not text in UTF-8", "convert it, or name another") from error
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise DataError(f"{quoted(path)[1:-1]}: cannot be read ({why})", "name another") from error


def in_words(folder: "ModelFolder", query: "UserQuery") -> str:
    """What is known of a user, in words."""
    known = (
        ("user", None if query.user_id is None else str(query.user_id)),
        ("gender", GENDERS[query.gender] if query.gender >= 0 else None),
        ("age", AGE_NAMES[query.age] if query.age >= 0 else None),
        ("job", JOBS[query.job] if query.job >= 0 else None),
    )
    parts = [f"{what} {value}" for what, value in known if value is not None]
    for what, ids in (("likes", query.likes), ("dislikes", query.dislikes)):
        titles = [title_of(folder, movie_id) or str(movie_id) for movie_id in ids]
        parts += [f"{what} {', '.join(titles)}"] if titles else []
    return "for " + ("; ".join(parts) or "a cold-start user without profile")

"""What is typed or listed in a file, as ids: a movie, users, pairs; and a user in words."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from recsys.cli.values import id_of, quoted
from recsys.data.movielens import AGE_NAMES, GENDERS, JOBS
from recsys.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recsys.infer import UserQuery
    from recsys.serving.model_folder import ModelFolder


def movie_of(folder: "ModelFolder", text: str, *, new: bool = False) -> int:
    """The id of the movie that a title or id names.

    Args:
        new: take any id; Milvus may hold movies that the model does not know.

    Raises:
        click.UsageError: several movies have such a title; they are listed.
        DataError: none has.
    """
    from recsys.data.titles import AmbiguousTitle, find

    number = id_of(text)
    if number is not None and new and not folder.vocabulary.movie_rows([number])[0]:
        return number
    try:
        return find(text, folder.movies.ids.tolist(), folder.movies.titles)
    except AmbiguousTitle as error:
        raise click.UsageError(str(error)) from error


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

"""What is typed or listed in a file, as ids: a movie, users, pairs; and a user in words."""

import csv
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

    from recsys.data.ids import Id
    from recsys.infer import UserQuery
    from recsys.serving.catalogue import Catalogue, Store
    from recsys.serving.model_folder import ModelFolder


def movie_of(folder: "ModelFolder", text: str, published: "Catalogue | None" = None) -> "Id":
    """The id of the model's movie, or else of the published one, that a title or id names.

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

    if published:
        return find(text, published.ids.tolist(), published.titles)
    known = " the model was trained on"
    return find(text, folder.movies.ids.tolist(), folder.movies.titles, rated, known)


def movie_if_known(folder: "ModelFolder", text: str) -> "Id | None":
    """As `movie_of`, None where the model knows no such movie."""
    from recsys.data.titles import UnknownMovie

    try:
        return movie_of(folder, text)
    except UnknownMovie:
        return None


def new_movie_of(folder: "ModelFolder", text: str, store: "Store") -> "Id":
    """The id of a published movie that the model does not know, by its title or id.

    Raises:
        AmbiguousTitle: several have such a title.
        UnknownMovie: none has.
    """

    bare = text.strip()
    for each in (bare, bare[3:] if bare.lower().startswith("id:") else bare):
        movie_id = _id_of(folder.vocabulary.movie_ids, each)
        if movie_id is not None:
            with suppress(KeyError):
                store.take([movie_id])
                return movie_id
    from recsys.milvus_store import MilvusStore

    if not isinstance(store, MilvusStore):  # the model's own movies
        return movie_of(folder, text)
    return movie_of(folder, text, store.read_all())


def known_users(folder: "ModelFolder", user_ids: "list[Id]") -> "tuple[list[Id], int]":
    """Those of the users that the model knows, and how many others there were, each named."""
    known = folder.vocabulary.user_rows(user_ids) > 0
    for user_id, there in zip(user_ids, known, strict=True):
        if not there:
            error_line(f"user {user_id} is not one the model was trained on")
    kept = [user_id for user_id, there in zip(user_ids, known, strict=True) if there]
    return kept, len(user_ids) - len(kept)


def known_pairs(
    folder: "ModelFolder", pairs: "list[tuple[Id, Id]]", published: "Catalogue | None"
) -> "tuple[list[tuple[Id, Id]], int]":
    """Those of pairs whose user and movie are known, and how many others there were.

    Each of the others is named in a line on stderr. The model knows users and movies; more movies
    may be published.
    """
    users = folder.vocabulary.user_rows([user for user, _ in pairs]) > 0
    movies = folder.vocabulary.movie_rows([movie for _, movie in pairs]) > 0
    if published:
        new = set(published.ids.tolist())
        movies |= [movie in new for _, movie in pairs]
    kept = []
    for (user_id, movie_id), user, movie in zip(pairs, users, movies, strict=True):
        if user and movie:
            kept.append((user_id, movie_id))
            continue
        unknown = f"movie {movie_id}" if user else f"user {user_id}"
        error_line(f"{user_id},{movie_id}: {unknown} is not one the model was trained on")
    return kept, len(pairs) - len(kept)


def title_of(
    folder: "ModelFolder", movie_id: "Id", published: "Catalogue | None" = None
) -> str | None:
    """The title of a movie that the model knows, or that is published, None of others."""
    row = int(folder.vocabulary.movie_rows([movie_id])[0])
    if published and not row:
        return published.take([movie_id]).titles[0]
    return folder.movies.titles[row - 1] if row else None


def user_of(folder: "ModelFolder", text: str) -> "Id":
    """A user id as typed, of the kind that the model's are.

    Raises:
        click.UsageError: it is none.
    """
    found = _id_of(folder.vocabulary.user_ids, text)
    if found is None:
        raise click.UsageError(f"{quoted(text)} is not a user id, a whole number")
    return found


def user_ids_of(folder: "ModelFolder", users: str) -> "list[Id]":
    """The users of the model ("all"), or those a file lists, one a line.

    Raises:
        DataError: the file cannot be read, or a line is no user id.
    """
    known = folder.vocabulary.user_ids
    if users == "all":
        return known.tolist()
    ids = []
    for place, line in _lines(users):
        user_id = _id_of(known, line)
        if user_id is None:
            raise DataError(f"{place}: found {quoted(line)}, expected a user id", "fix the line")
        ids.append(user_id)
    return ids


def pairs_of(folder: "ModelFolder", path: str) -> "list[tuple[Id, Id]]":
    """User and movie ids of a CSV, a pair a line; a first line of names is passed over.

    Raises:
        DataError: the file cannot be read, or a line is no pair.
    """
    vocabulary = folder.vocabulary
    pairs: list[tuple[Id, Id]] = []
    for place, line in _lines(path):
        fields = next(csv.reader([line]), [])
        if place.endswith(":1") and fields[:1] == ["user_id"]:
            continue
        kinds = (vocabulary.user_ids, vocabulary.movie_ids)
        ids = [each for known, field in zip(kinds, fields, strict=False)
               if (each := _id_of(known, field)) is not None]  # fmt: skip
        if len(ids) != 2 or len(fields) != 2:
            cause = f"{place}: found {quoted(line)}, expected user_id,movie_id"
            raise DataError(cause, "fix the line")
        pairs.append((ids[0], ids[1]))
    return pairs


def _id_of(known: "NDArray", text: str) -> "Id | None":
    """What is typed as an id of the kind that the known ones are; None where it is none."""
    from recsys.data.ids import is_text

    return (text.strip() or None) if is_text(known) else id_of(text)


def _lines(path: str) -> Iterator[tuple[str, str]]:
    """Lines of a file (- is stdin) without their ends, each with its place."""
    try:
        with click.open_file(path, encoding="utf-8-sig") as file:
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
        *query.attributes,
    )
    parts = [f"{what} {value}" for what, value in known if value is not None]
    for what, ids in (("likes", query.likes), ("dislikes", query.dislikes)):
        titles = [title_of(folder, movie_id) or str(movie_id) for movie_id in ids]
        parts += [f"{what} {', '.join(titles)}"] if titles else []
    return "for " + ("; ".join(parts) or "a cold-start user without profile")

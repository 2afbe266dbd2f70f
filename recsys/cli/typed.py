"""What is typed, or listed in a file, as ids of users and movies that a model knows."""

import csv
import functools
import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from recsys.cli import shared
from recsys.cli.options import whole_number
from recsys.cli.prompt import error_line
from recsys.data.readers.roles import places_of
from recsys.errors import DataError, quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recsys.data.dataset import Vocabulary
    from recsys.data.ids import Id
    from recsys.milvus.address import MilvusAddress
    from recsys.serving.catalogue import Catalogue
    from recsys.serving.model_folder import Model

    Ids = tuple[Id, ...]  # of a user, or of a user and a movie
    ReadAll = Callable[[], Catalogue | None]  # the movies that are published

IN_PART = 3  # the exit code where some lines of a file are answered and others are unknown
MOST_NAMED = 10  # of those
NAMES = {"user": "user", "item": "movie"}
LONGEST_LINE = 2**17  # characters, as a field of csv has at most


def typed_id(known: "NDArray", text: str) -> "Id | None":
    """What is typed as an id of the kind that the known ones are; None where it is none."""
    from recsys.data.ids import is_text

    return (text.strip() or None) if is_text(known) else whole_number(text)


def typed_user(folder: "Model", text: str) -> "Id":
    """A user id as typed, of the kind that the model's are."""
    user_id = typed_id(folder.vocabulary.user_ids, text)
    if user_id is None:
        raise click.UsageError(f"{quoted(text)} is not a user id, a whole number")
    return user_id


def typed_movie(folder: "Model", text: str, others: "ReadAll") -> "Id":
    """The id of the movie that a title or id names: the model's, or another that is published."""
    import numpy as np

    from recsys.data.titles import UnknownMovie, find

    movies, ids = folder.movies, folder.movies.ids.tolist()

    def rated() -> "dict[Id, int]":
        counts = np.bincount(folder.history.indices, minlength=len(ids) + 1)[1:]
        return dict(zip(ids, counts.tolist(), strict=True))

    try:
        return find(text, ids, movies.titles, rated, " the model was trained on")
    except UnknownMovie:
        more = others()
        if more is None:
            raise
    return find(text, more.ids.tolist(), more.titles, rated)


def title_of(folder: "Model", movie_id: "Id", others: "ReadAll") -> str:
    """The title of a movie that the model was trained on, or of another that is published."""
    if row := int(folder.vocabulary.movie_rows([movie_id])[0]):
        return folder.movies.titles[row - 1]
    more = others()
    return more.take([movie_id]).titles[0] if more else ""


def published(folder: "Model", address: "MilvusAddress | None") -> "ReadAll":
    """What reads, once, the movies that are published of a model; without an address none."""

    @functools.cache
    def read() -> "Catalogue | None":
        if address is None or shared.is_missing(address):
            return None
        with shared.store_at(address) as store:
            return store.movies_of(folder.fingerprint)

    return read


def known_ids(
    path: str,
    vocabulary: "Vocabulary",
    others: "ReadAll" = lambda: None,
    of: Sequence[str] = ("user",),
) -> "tuple[list[Ids], int]":
    """The known ids in the lines of a file (- is stdin), and how many are not: those are logged.

    A first line that names the columns says where ids are among others.

    Args:
        others: reads the movies that are published, in case there are some that the model was not
            trained on.
        of: what lines have ids of: "user", "item" or both.
    """
    every = {"user": vocabulary.user_ids, "item": vocabulary.movie_ids}
    kinds = [every[each] for each in of]
    expected = "user_id,movie_id" if len(of) > 1 else f"a {NAMES[of[0]]} id"
    asked: list[Ids] = []
    places = None
    try:
        typed = of == ("item",) and path != "-" and not os.path.exists(path)  # not a file's name
        opened = click.open_file("-" if typed else path, encoding="utf-8-sig")
        with nullcontext(path.split(",")) if typed else opened as file:
            lines = (
                file
                if isinstance(file, list)
                else iter(functools.partial(file.readline, LONGEST_LINE), "")
            )
            for number, line in enumerate(map(str.strip, lines), 1):
                cells = next(csv.reader([line]), [])
                if number == 1 and (places := places_of(of, cells)):
                    continue
                if places:
                    cells = [cells[place] for place in places if place < len(cells)]
                elif len(of) == 1:
                    cells = [line]
                found = [typed_id(*each) for each in zip(kinds, cells, strict=False)]
                ids = tuple(each for each in found if each is not None)
                if not len(ids) == len(cells) == len(kinds) or len(line) == LONGEST_LINE:
                    cause = f"{path}:{number}: found {quoted(line)}, expected {expected}"
                    raise DataError(cause, "fix the line")
                asked.append(ids)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not text in UTF-8", "convert it, or name another") from error
    except OSError as error:
        cause = f"{'stdin' if path == '-' else path}: {error.strerror}"
        raise DataError(cause, "name another") from error
    sets = [set(each.tolist()) for each in kinds]
    if (
        of[-1] == "item"
        and not sets[-1].issuperset(ids[-1] for ids in asked)
        and (more := others())
    ):
        sets[-1].update(more.ids.tolist())
    known, unknown = [], 0
    for ids in asked:
        each_of = zip(of, ids, sets, strict=True)
        strange = [(role, each) for role, each, ours in each_of if each not in ours]
        if not strange:
            known.append(ids)
            continue
        unknown += 1
        if unknown <= MOST_NAMED:
            (role, each), *_ = strange
            pair = f"{ids[0]},{ids[1]}: " if len(of) > 1 else ""
            error_line(f"{pair}{NAMES[role]} {each} is not one the model was trained on")
    return known, unknown


def left_out(unknown: int, count: int) -> None:
    """Say how many of a file's lines are not answered, if any, and end with a code that says so."""
    if unknown:
        error_line(f"{unknown} of {count} left out, as unknown")
        raise click.exceptions.Exit(IN_PART if unknown < count else 1)

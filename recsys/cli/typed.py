"""What is typed, or listed in a file, as ids of users and movies that a model knows."""

import csv
import functools
import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import click

from recsys.cli.options import whole_number
from recsys.cli.prompt import error_line, log
from recsys.data.readers.roles import places_of
from recsys.errors import DataError, QueryError, quoted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recsys.data.dataset import Vocabulary
    from recsys.data.ids import Id
    from recsys.serving.catalogue import Catalogue
    from recsys.serving.model_folder import Model

    Ids = tuple[Id, ...]  # of a user, or of a user and a movie
    ReadAll = Callable[[], Catalogue | None]  # the movies that are published

IN_PART = 3  # the exit code where some lines of a file are answered and others are unknown
MOST_NAMED = 10  # of those
NAMES = {"user": "user", "item": "movie"}
LONGEST = 2**20  # characters of a line
LONGEST_LINE = 2**17  # where lines are ids, as a field of csv has at most


def typed_id(known: "NDArray", text: str) -> "Id | None":
    """What is typed as an id of the kind that the known ones are; None where it is none."""
    from recsys.data.ids import is_text

    return (text.strip() or None) if is_text(known) else whole_number(text)


def typed_user(folder: "Model", text: str) -> "Id":
    """A user id as typed, of the kind that the model's are."""
    user_id = typed_id(folder.vocabulary.user_ids, text)
    if user_id is None:
        several = "; several are lines of a file for --users, or --pairs" * ("," in text)
        cause = f"{quoted(text)} is not a user id, a whole number from 0 to 2^63 - 1{several}"
        raise click.UsageError(cause)
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


class MovieNames:
    """Finds movies as `typed_movie` does, of many texts sooner; whole numbers are ids."""

    def __init__(self, folder: "Model", others: "ReadAll") -> None:
        from recsys.data.ids import is_text

        self.folder, self.others, self.text_ids = folder, others, is_text(folder.movies.ids)
        self.ids = {str(each): each for each in folder.movies.ids.tolist()}
        self._known = functools.lru_cache(100_000)(self._find)

    @functools.cached_property
    def by_name(self) -> "dict[str, dict[Id, int]]":
        """Movies and their years by their plain names without spaces."""
        from recsys.data.titles import name_and_year, names_of

        found: dict[str, dict[Id, int]] = {}
        for movie_id, title in zip(self.ids.values(), self.folder.movies.titles, strict=True):
            for name in names_of(title):
                found.setdefault(name.replace(" ", ""), {})[movie_id] = name_and_year(title)[1]
        return found

    def whole(self, text: str, near: bool = False) -> "Id | None":
        """The movie that has a whole title, or an id; None where none has, or several have.

        Args:
            near: where no movie of the name is of the year, take one of the years beside it.
        """
        from recsys.data.titles import name_and_year, plain

        bare, year = text.strip(), name_and_year(text)[1]
        by_id = bare[3:] if bare[:3].lower() == "id:" and bare not in self.ids else bare
        if by_id != bare:
            return self.ids.get(by_id)
        years = self.by_name.get(plain(text).replace(" ", ""), {})
        fits = [each for each, of in years.items() if year in (0, of)]
        if near and not fits:
            fits = [each for each, of in years.items() if abs(year - of) == 1]
        if bare in self.ids:
            return None if fits else self.ids[bare]
        return fits[0] if len(fits) == 1 else None

    def find(self, text: "Id") -> "Id":
        """The movie that a text names, or a whole number is."""
        found = self._known(text)
        if isinstance(found, QueryError):
            raise found.with_traceback(None)
        return found

    def _find(self, text: "Id") -> "Id | QueryError":
        if isinstance(text, int) and not self.text_ids:
            return text
        try:
            found = self.whole(str(text))
            return typed_movie(self.folder, str(text), self.others) if found is None else found
        except QueryError as error:  # a look for what is near takes long, and is done once
            return error


def title_of(folder: "Model", movie_id: "Id", others: "ReadAll") -> str:
    """The title of a movie that the model was trained on, or of another that is published."""
    if row := int(folder.vocabulary.movie_rows([movie_id])[0]):
        return folder.movies.titles[row - 1]
    more = others()
    return more.take([movie_id]).titles[0] if more else ""


def lines_of(path: str) -> Iterator[str]:
    """The lines of a file (- is stdin) as they come; bytes that are no UTF-8 are surrogates.

    Of a longer one there are LONGEST characters.
    """
    try:
        with click.open_file(path, encoding="utf-8-sig", errors="surrogateescape") as file:
            while line := file.readline(LONGEST):
                yield line
                while len(line) == LONGEST and line[-1] != "\n":
                    line = file.readline(LONGEST)
    except OSError as error:
        cause = f"{'stdin' if path == '-' else path}: {error.strerror}"
        raise DataError(cause, "name another, with a line for each") from error


def peeked(lines: Iterator[str]) -> tuple[str, Iterator[str]]:
    """The first line, "" of none; and all lines."""
    some = [*itertools.islice(lines, 1)]
    return "".join(some), itertools.chain(some, lines)


def is_utf8(line: str) -> bool:
    """Whether a line of `lines_of` is text."""
    return line.isascii() or not re.search("[\ud800-\udfff]", line)


def known_ids(
    path: str,
    vocabulary: "Vocabulary",
    others: "ReadAll" = lambda: None,
    of: Sequence[str] = ("user",),
    lines: "Iterable[str] | None" = None,
) -> "tuple[list[Ids], int]":
    """The known ids in the lines of a file (- is stdin), and how many are not: those are logged.

    A first line that names the columns says where ids are among others.

    Args:
        others: reads the movies that are published, in case there are some that the model was not
            trained on.
        of: what lines have ids of: "user", "item" or both.
        lines: of the file, where it is open already.
    """
    every = {"user": vocabulary.user_ids, "item": vocabulary.movie_ids}
    kinds = [every[each] for each in of]
    expected = "user_id,movie_id" if len(of) > 1 else f"a {NAMES[of[0]]} id"
    asked: list[Ids] = []
    places = None
    typed = of == ("item",) and path != "-" and not os.path.exists(path)  # not a file's name
    lines = path.split(",") if typed else lines or lines_of(path)
    for number, line in enumerate(map(str.strip, lines), 1):
        if not is_utf8(line):
            raise DataError(f"{path}: is not text in UTF-8", "convert it, or name another")
        cells = next(csv.reader([line[:LONGEST_LINE]]), [])
        if number == 1 and (places := places_of(of, cells)):
            continue
        if places:
            cells = [cells[place] for place in places if place < len(cells)]
        elif len(of) == 1:
            cells = [line]
        found = [typed_id(*each) for each in zip(kinds, cells, strict=False)]
        ids = tuple(each for each in found if each is not None)
        if not len(ids) == len(cells) == len(kinds) or len(line) >= LONGEST_LINE:
            if typed:
                cause = f"{quoted(path)} is no file, and {quoted(line)} no movie id"
                raise DataError(cause, "name a file, or ids with commas")
            cause = f"{path}:{number}: found {quoted(line)}, expected {expected}"
            raise DataError(cause, "fix the line")
        asked.append(ids)
    if not asked:
        log(f"{'stdin' if path == '-' else path}: empty, so nothing is asked")
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

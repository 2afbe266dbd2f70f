"""What is typed, or listed in a file, as ids of users and movies that a model knows."""

import csv
import functools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

import recsys
from recsys.cli.options import whole_number
from recsys.cli.prompt import error_line, log
from recsys.data.readers.roles import places_of
from recsys.data.titles import Titles, UnknownMovie
from recsys.errors import DataError, quoted

if TYPE_CHECKING:
    from recsys.data.ids import Id
    from recsys.milvus.address import MilvusAddress
    from recsys.serving.catalogue import Catalogue
    from recsys.serving.model_folder import Model

IN_PART = 3  # the exit code where some lines of a file are answered and others are unknown
MOST_NAMED = 10  # of those
NAMES = {"user": "user", "item": "movie"}
LONGEST = 2**20  # characters of a line
LONGEST_ROW = 100_000  # of one with ids, by cells, of which csv takes no longer ones


class Known:
    """The users and movies of a model by what is typed; counts the ids in files that are of none.

    Args:
        address: where movies may be published that the model was not trained on.
    """

    def __init__(self, model: "Model", address: "MilvusAddress | None" = None) -> None:
        self.model, self.address = model, address
        self.count = self.unknown = 0  # ids in files
        movies, which = model.movies, " the model was trained on"
        self.titles = Titles(movies.ids.tolist(), movies.titles, self.rated, which)
        self.movie = functools.lru_cache(100_000)(self._movie)

    @functools.cached_property
    def published(self) -> "Catalogue | None":
        """The movies that are published of the model, read once."""
        if self.address is None or self.address.is_missing:
            return None
        with recsys.MilvusStore(self.address) as store:
            return store.movies_of(self.model.fingerprint)

    def user(self, text: str) -> "Id":
        """A user id as typed, of the kind that the model's are."""
        user_id = _typed_id(self.model.vocabulary.user_ids, text)
        if user_id is None:
            several = "; several are lines of a file for --users, or --pairs" * ("," in text)
            cause = f"{quoted(text)} is not a user id, a whole number from 0 to 2^63 - 1{several}"
            raise click.UsageError(cause)
        return user_id

    def _movie(self, text: "Id") -> "Id":
        """The movie that a title or id names, or a whole number is: the model's, or published."""
        if isinstance(text, int) and isinstance(next(iter(self.titles.titles)), int):
            return text
        try:
            return self.titles.find(str(text))
        except UnknownMovie:
            if self.published is None:
                raise
        more = self.published
        return Titles(more.ids.tolist(), more.titles, self.rated).find(str(text))

    def rated(self) -> "dict[Id, int]":
        """How often each of the model's movies was rated."""
        import numpy as np

        ids = self.model.movies.ids.tolist()
        counts = np.bincount(self.model.history.indices, minlength=len(ids) + 1)[1:]
        return dict(zip(ids, counts.tolist(), strict=True))

    def title(self, movie_id: "Id") -> str:
        """The title of a movie that the model was trained on, or of another that is published."""
        if row := int(self.model.vocabulary.movie_rows([movie_id])[0]):
            return self.model.movies.titles[row - 1]
        return self.published.take([movie_id]).titles[0] if self.published else ""

    def ids(
        self, path: str, of: Sequence[str] = ("user",), lines: "Iterable[str] | None" = None
    ) -> "list[list[Id]]":
        """The known ids in the lines of a file (- is stdin), a list for each of `of`.

        Those that are not known are logged and counted. A first line that names the columns says
        where ids are among others. Of movies alone, what is no file are ids with commas.

        Args:
            of: what lines have ids of: "user", "item" or both.
            lines: of the file, where it is open already.
        """
        every = {"user": self.model.vocabulary.user_ids, "item": self.model.vocabulary.movie_ids}
        known = [set(every[each].tolist()) for each in of]
        typed = of == ("item",) and path != "-" and not os.path.exists(path)
        asked, places = [], list[int]()
        lines = path.split(",") if typed else lines or lines_of(path)
        for number, line in enumerate(map(str.strip, lines), 1):
            if not is_utf8(line):
                raise DataError(f"{path}: is not text in UTF-8", "convert it, or name another")
            cells = [line] if len(line) > LONGEST_ROW else next(csv.reader([line]), [])
            if number == 1 and (places := places_of(of, cells)):
                continue
            if places:
                cells = [cells[place] for place in places if place < len(cells)]
            elif len(of) == 1:
                cells = [line]
            ids = [_typed_id(every[each], cell) for each, cell in zip(of, cells, strict=False)]
            if None in ids or not len(ids) == len(cells) == len(of) or len(line) == LONGEST:
                if typed:
                    cause = f"{quoted(path)} is no file, and {quoted(line)} no movie id"
                    raise DataError(cause, "name a file, or ids with commas")
                expected = "user_id,movie_id" if len(of) > 1 else f"a {NAMES[of[0]]} id"
                cause = f"{path}:{number}: found {quoted(line)}, expected {expected}"
                raise DataError(cause, "fix the line")
            asked.append(ids)
        if not asked:
            log(f"{'stdin' if path == '-' else path}: empty, so nothing is asked")
        if of[-1] == "item" and not known[-1].issuperset(ids[-1] for ids in asked):
            known[-1].update(self.published.ids.tolist() if self.published else ())
        found: list[Any] = []
        for ids in asked:
            named = zip(of, ids, known, strict=True)
            strange = [f"{NAMES[role]} {each}" for role, each, ours in named if each not in ours]
            if not strange:
                found.append(ids)
                continue
            self.unknown += 1
            if self.unknown <= MOST_NAMED:
                pair = f"{ids[0]},{ids[1]}: " if len(of) > 1 else ""
                error_line(f"{pair}{strange[0]} is not one the model was trained on")
        self.count += len(asked)
        return [[ids[place] for ids in found] for place in range(len(of))]

    def end(self, answered: int) -> None:
        """Say how many of the ids in files were left out, if any, and end with a code for it."""
        if self.unknown:
            error_line(f"{self.unknown} of {self.count} left out, as unknown")
            raise click.exceptions.Exit(IN_PART if answered else 1)


def _typed_id(known: Any, text: str) -> "Id | None":
    """What is typed as an id of the kind that the known ones are; None where it is none."""
    from recsys.data.ids import is_text

    return (text.strip() or None) if is_text(known) else whole_number(text)


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


def is_utf8(line: str) -> bool:
    """Whether a line of `lines_of` is text."""
    return line.isascii() or not re.search("[\ud800-\udfff]", line)

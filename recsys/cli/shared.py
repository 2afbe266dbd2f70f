"""The options of several commands, and what they name, opened."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

import recsys
from recsys.cli.options import Number, Whole, grouped, option, path, whole_number
from recsys.cli.prompt import busy, log, no_bar
from recsys.data.readers.roles import KINDS, NONE, REPEATS, Columns
from recsys.milvus.address import MilvusAddress
from recsys.serving import DEFAULT

if TYPE_CHECKING:
    from recsys.data.dataset import Dataset, Movies
    from recsys.serving.catalogue import Filter
    from recsys.serving.model_folder import Model

DATA_HOME = "data"  # where downloaded datasets live
LATEST_YEAR = 9999
SECONDS = range(10**8, 253_402_300_800)  # since 1970, by their size: 1973 to 9999
OF_MOVIES = (  # of a `Source`, where there are no ratings
    *("item_column", "title_column", "genres_column", "year_column", "column"),
    *("skip_bad_lines", "skip_all_bad_lines"),
)


def years_of(text: str) -> tuple[int, int]:
    """A year, a decade, or a span from one to another or open at an end; ends are included."""
    first, dash, last = (part.strip().casefold() for part in text.partition("-"))
    low = 1 if dash and last and not first else _years(first)[0]
    high = LATEST_YEAR if dash and not last else _years(last or first)[1]
    if low > high:
        raise ValueError("ends before it begins.")
    return low, high


def _years(text: str) -> tuple[int, int]:
    """The first and the last year of a year or decade."""
    decade = re.fullmatch("'?([0-9]{2})?([0-9]0)'?s", text)
    if decade and not decade[1] and decade[2] < "30":
        raise ValueError(f"may be 19{decade[2]}s or 20{decade[2]}s.")
    year = int(f"{decade[1] or 19}{decade[2]}") if decade else whole_number(text)
    if year is None or not 100 <= year <= LATEST_YEAR:
        raise ValueError("is not a year, a decade like 1980s or a span like 1990-1999 or 1990-.")
    return year, year + 9 * bool(decade)


def time_of(text: str) -> int:
    """Seconds since 1970, or of a year, date or time of ISO 8601, UTC where it names no zone."""
    seconds, text = whole_number(text), text.strip()
    if seconds is not None and seconds in SECONDS:
        return seconds
    text += "-01-01" * (len(text) == 4)
    try:
        time = datetime.fromisoformat(text.removesuffix("Z") + "+00:00" * text.endswith("Z"))
    except ValueError:
        why = "is neither a year, a time such as 1998-04-01T12:00 nor seconds since 1970."
        raise ValueError(why) from None
    return math.floor(time.replace(tzinfo=time.tzinfo or timezone.utc).timestamp())


def name_and_value(text: str) -> tuple[str, str]:
    """NAME=VALUE."""
    name, _, value = (part.strip() for part in text.partition("="))
    if not name or not value:
        raise ValueError("is not NAME=VALUE.")
    return name, value


def name_and_number(text: str) -> tuple[str, int]:
    """NAME=NUMBER."""
    name, number = name_and_value(text)
    return name, Whole(1).convert(number, None, None)


def not_rated_of(text: str) -> float | str:
    """A number, or "none"."""
    return NONE if text == NONE else Number().convert(text, None, None)


def column_and_kind(text: str) -> tuple[str, str]:
    """NAME=KIND of a column."""
    name, _, kind = text.rpartition("=")
    if not name or kind not in (*KINDS, NONE):
        raise ValueError(f"is not a column and one of {', '.join((*KINDS, NONE))}.")
    return name, kind


RATINGS = f"Ratings, a folder or table; else one in {DATA_HOME}/, or fetched."
DATA = path(RATINGS, show_envvar=True)
MODEL = path("The model folder.", default=DEFAULT, show_envvar=True)
ADDRESS = grouped(MilvusAddress, show_envvar=True)
JSON = option("Print one JSON object.", default=False)
AS_OF = option("Ignore ratings later than this date or time (UTC).", type=time_of)


@dataclass(frozen=True)
class Source:
    """Ratings and tables beside them: names of columns, and what is made of values."""

    items: str | None = path("A table of movies.")
    users: str | None = path("A table of users.")
    user_column: str | None = option("Users' ids: a column's name, or number.", metavar="NAME")
    item_column: str | None = option("Movies' ids.", metavar="NAME")
    rating_column: str | None = option("Ratings; none for events without.", metavar="NAME")
    time_column: str | None = option("Times; none for no times.", metavar="NAME")
    title_column: str | None = option("Titles.", metavar="NAME")
    genres_column: str | None = option("Genres; none for no genres.", metavar="NAME")
    year_column: str | None = option("Years, or dates; none for no years.", metavar="NAME")
    column: tuple[tuple[str, str], ...] = option(
        "The kind of a column, as price=number; repeat it.", default=(), type=column_and_kind
    )
    not_rated: float | str | None = option("The value that means not rated.", type=not_rated_of)
    liked_from: float | None = option("Lowest rating that is a like; 4 of 5.", type=Number())
    repeats: str | None = option("Which of several ratings counts.", type=click.Choice(REPEATS))
    skip_bad_lines: bool = option("Leave bad lines out, if they are few.", default=False)
    skip_all_bad_lines: bool = option("Leave any number of them out.", default=False)

    @property
    def how(self) -> dict[str, Any]:
        """What `read_all` and `read_dataset` take besides the data."""
        roles = {role: getattr(self, f"{role}_column") for role in Columns._fields[:-1]}
        names = ("items", "users", "liked_from", "repeats", "not_rated")
        given = {name: getattr(self, name) for name in names}
        return {**given, "columns": Columns(**roles, kinds=self.column), "log": log}

    @property
    def skip(self) -> Any:
        """As `read_dataset` takes it."""
        return "all" if self.skip_all_bad_lines else self.skip_bad_lines

    def read(self, data: str | None, model: "Model | Dataset | None" = None) -> "Dataset":
        """The dataset, one that is there or one fetched; the scale of a model holds for it."""
        if not data:
            from recsys.data.download import any_dataset

            data = str(any_dataset(Path(DATA_HOME), progress=not no_bar(), log=log))
        with busy(f"reading {data}"):
            return recsys.read_dataset(data, skip_bad_lines=self.skip, model=model, **self.how)

    def movies(self, file: str, kinds: Mapping[str, str] = MappingProxyType({})) -> "Movies":
        """The movies of a raw file, where columns are of the kinds that a model takes them for."""
        how = {name: self.how[name] for name in ("columns", "log")}
        return recsys.read_movies(file, kinds=kinds, skip_bad_lines=self.skip, **how)


@dataclass(frozen=True)
class Wanted:
    """Which movies may answer, as typed: genres are not yet those of a model."""

    genre: tuple[str, ...] = option("Movies with one of these: war,western; repeat it.", default=())
    all_genres: bool = option("Movies with every --genre, not just one.", default=False)
    not_genre: tuple[str, ...] = option("Movies without it; repeat it.", default=())
    year: tuple[int, int] | None = option("Years: 1994, 1990-1999, 1990-, 80s.", type=years_of)
    where: str | None = option("A condition: 'year >= 1990 and brand == \"X\"'.")

    def filter(self, model: "Model") -> "Filter":
        """The filter in the spelling of a model's genres; logs its years if they are others."""
        known = [year for year in model.movies.years.tolist() if year] if self.year else []
        if self.year and known and (self.year[1] < min(known) or max(known) < self.year[0]):
            log(f"the model's movies are of {min(known)} to {max(known)}")
        some, every = ((), self.genre) if self.all_genres else (self.genre, ())
        typed = recsys.Filter(some, every, self.not_genre, self.year, self.where)
        return typed.checked(model.vocabulary)

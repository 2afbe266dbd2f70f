"""What options take, and how a command says its own: a parameter with `option` as its default.

A parameter with the default `grouped(Source)` is a `Source`, filled from an option for each of its
fields that has help. Heavy imports happen in functions, so that `--help` stays instant.
"""

import difflib
import functools
import inspect
import math
import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import Field, dataclass, field, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recsys.cli.prompt import KNOBS, Command, Once, log, no_bar
from recsys.data.readers.roles import KINDS, NONE, REPEATS, Columns
from recsys.errors import quoted
from recsys.milvus.address import MilvusAddress
from recsys.serving import DEFAULT

if TYPE_CHECKING:
    from recsys.data.dataset import Dataset, Vocabulary
    from recsys.milvus_store import MilvusStore
    from recsys.serving.catalogue import Filter

DATA_HOME = "data"  # where downloaded datasets live
LATEST_YEAR = 9999
MOST = 1_000_000  # movies one may ask for at once
MOST_REMOVED = 0.1  # of the published movies, unless --replace
MOVIE_COLUMNS = ("item_column", "title_column", "genres_column", "year_column", "column")


# What options take


class Whole(click.IntRange):
    """A whole number in ASCII digits, within bounds."""

    def convert(self, value: Any, param: Any, context: Any) -> Any:
        text = str(value).strip()
        if not (text.isascii() and text.removeprefix("-").isdecimal()):
            self.fail(f"{quoted(str(value))} is not a whole number.", param, context)
        if len(text) > 18:
            self.fail(f"{quoted(str(value))} is too large.", param, context)
        return super().convert(int(text), param, context)


class Number(click.FloatRange):
    """A finite number within bounds."""

    def convert(self, value: Any, param: Any, context: Any) -> Any:
        with suppress(ValueError):
            if str(value).isascii() and math.isfinite(number := float(value)):
                return super().convert(number, param, context)
        self.fail(f"{quoted(str(value))} is not a number.", param, context)

    def _describe_range(self) -> str:  # of click, which has "x<=None" where there are no bounds
        return "" if self.min is self.max is None else super()._describe_range()


class File(click.Path):
    """A path; an empty one is refused, as an unset variable of a shell leaves it."""

    def convert(self, value: Any, param: Any, context: Any) -> Any:
        if not str(value):
            self.fail("it is empty.", param, context)
        return super().convert(value, param, context)


class Parsed(click.ParamType):
    """What a function makes of a text; the words of its ValueError follow the text it refuses.

    Several in a variable of the environment have ";" between them.
    """

    def __init__(self, parse: Callable[[str], Any]) -> None:
        self.parse = parse
        self.name = parse.__name__.removesuffix("_of").replace("_and_", "=")

    def convert(self, value: Any, param: Any, context: Any) -> Any:
        try:
            return self.parse(value) if isinstance(value, str) else value  # a default
        except ValueError as error:
            self.fail(f"{quoted(value)} {error}", param, context)

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        return [part.strip() for part in rv.split(";") if part.strip()]


def text_of(text: str) -> str:
    """The text itself."""
    return text


def whole_number(text: str) -> int | None:
    """The whole number a text is, from 0 to what an id may be; None where it is none."""
    digits = text.strip()
    fits = digits.isascii() and digits.isdecimal() and len(digits) <= 19
    return int(digits) if fits and int(digits) < 2**63 else None


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
    if year is None or year > LATEST_YEAR:
        raise ValueError("is not a year, a decade like 1980s or a span like 1990-1999 or 1990-.")
    return year, year + 9 * bool(decade)


def time_of(text: str) -> int:
    """Seconds since 1970, or of a date or time as ISO 8601 has it, UTC where it names no zone."""
    seconds = whole_number(text)
    if seconds is not None:
        return seconds
    text = text.strip()
    try:
        time = datetime.fromisoformat(text.removesuffix("Z") + "+00:00" * text.endswith("Z"))
    except ValueError:
        why = "is neither a time such as 1998-04-01T12:00 nor seconds since 1970."
        raise ValueError(why) from None
    return math.floor(time.replace(tzinfo=time.tzinfo or timezone.utc).timestamp())


def name_and_value(text: str) -> tuple[str, str]:
    """NAME=VALUE."""
    name, _, value = (part.strip() for part in text.partition("="))
    if not name or not value:
        raise ValueError("is not a name and a value such as city=Seoul.")
    return name, value


def not_rated_of(text: str) -> float | str:
    """A number, or "none"."""
    return NONE if text == NONE else Number().convert(text, None, None)


def column_and_kind(text: str) -> tuple[str, str]:
    """NAME=KIND of a column."""
    name, _, kind = text.rpartition("=")
    if not name or kind not in (*KINDS, NONE):
        raise ValueError(f"is not a column and one of {', '.join((*KINDS, NONE))}.")
    return name, kind


# Parameters of a command, and fields of dataclasses, that are options


def option(
    help: str, *names: str, default: Any = None, min: Any = None, max: Any = None, **more: Any
) -> Any:
    """The default of a parameter of a `command`, or a field of a dataclass, that is an option.

    Args:
        names: besides or, if they begin so, in place of --parameter-name.
        default: () is of an option that may be repeated.
        more: as `click.Option` has it; `type` may be a function that parses a text, and is that
            of the default unless given.
    """
    about = {"help": help, "names": names, "min": min, "max": max, "click": more}
    return field(default=default, metadata=about)


def path(help: str, *names: str, **more: Any) -> Any:
    """The same, of a path."""
    return option(help, *names, type=File(), **more)


def argument(**more: Any) -> Any:
    """The default of a parameter that is an argument."""
    return field(metadata={"click": more})


@dataclass(frozen=True)
class Grouped:
    """A dataclass whose fields are options."""

    into: type
    names: Sequence[str]
    options: Sequence[click.Parameter]


def grouped(into: type, only: Sequence[str] = (), **more: Any) -> Any:
    """The default of a parameter that is a dataclass, filled from an option a field.

    Args:
        only: fields that are options here; the others keep their defaults.
        more: of all these options, as `click.Option` has it.
    """
    chosen = {each.name: each for each in fields(into) if not only or each.name in only}
    return Grouped(into, [*chosen], [made(*each, **more) for each in chosen.items()])


def command(function: Callable[..., None]) -> Command:
    """The command that a function is: its parameters are the options, its docstring the help."""
    params: list[click.Parameter] = []
    groups: dict[str, Grouped] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if isinstance(parameter.default, Grouped):
            groups[name] = parameter.default
            params += groups[name].options
        else:
            params.append(made(name, parameter.default))

    @functools.wraps(function)
    def call(**given: Any) -> None:
        refuse_own_input(params, given)
        for name, group in groups.items():
            given[name] = group.into(**{each: given.pop(each) for each in group.names})
        function(**given)

    return click.command(cls=Command, params=params)(call)


def refuse_own_input(params: Sequence[click.Parameter], given: dict[str, Any]) -> None:
    """Refuse to write over a file that the command reads."""
    output = given.get("output")
    for each in params:
        read = given[each.name or ""] if isinstance(each.type, File) else None
        if not output or not read or each.name == "output":
            continue
        with suppress(OSError):  # one of them is not there
            if os.path.isfile(read) and os.path.samefile(output, read):
                raise click.UsageError(f"{output} is what {each.opts[0]} reads: name another by -o")


def made(name: str, about: "Field[Any]", **more: Any) -> click.Parameter:
    """The option, or argument, of a parameter or field; its type is by default and bounds."""
    default, more = about.default, {**about.metadata.get("click", {}), **more}
    if "help" not in about.metadata:
        return click.Argument([name], **more)
    low, high = about.metadata.get("min"), about.metadata.get("max")
    kind: Any = str
    if inspect.isfunction(more.get("type")) or default == ():
        kind = Parsed(more.pop("type", text_of))
    elif about.metadata.get("choices"):
        kind = click.Choice(about.metadata["choices"], case_sensitive=False)
    elif isinstance(default, bool):
        kind = bool
    elif isinstance(default, int):
        kind = Whole(low, high)
    elif isinstance(default, float):
        kind = Number(low, high)
    standard = {
        "type": kind,
        "is_flag": kind is bool,
        "show_default": default not in (None, "", ()) and default is not False,
        "multiple": default == (),
        "help": about.metadata["help"],
        **({} if more.get("required") else {"default": default}),
    }
    names = [*about.metadata.get("names", ())]
    if len(name) > 1 and not any(each.startswith("--") for each in names):
        names.append(f"--{name.replace('_', '-')}")
    return Once([*names, name], **{**standard, **more})


# The knobs of training: --set NAME=VALUE

KNOBS_WITH_OPTIONS = ("epochs", "seed")
Knobs = Sequence[tuple[str, Any]]


def knob(text: str) -> tuple[str, Any]:
    """NAME=VALUE of a knob of training, checked as an option of that name would be."""
    name, _, value = (part.strip() for part in text.partition("="))
    name = name.replace("-", "_")
    if name in KNOBS_WITH_OPTIONS:
        raise ValueError(f"sets no knob; {name} is an option of its own")
    if name not in KNOBS:
        near = difflib.get_close_matches(name, KNOBS, 3)
        hint = f", near are {', '.join(near)}" if near else ""
        raise ValueError(f"sets no knob{hint}; recsys train --knobs lists them")
    try:
        return name, made(name, KNOBS[name]).type.convert(value, None, None)
    except click.BadParameter as error:
        raise ValueError(f"sets {name} to what it cannot be: {error.message}") from None


def show_knobs() -> None:
    """List the knobs."""
    context = click.get_current_context()
    shown = context.make_formatter()
    knobs = [made(*each) for each in KNOBS.items() if each[0] not in KNOBS_WITH_OPTIONS]
    rows = [(str(each.name), (each.get_help_record(context) or [""])[-1]) for each in knobs]
    with shown.section("Knobs of training, for --set NAME=VALUE"):
        shown.write_dl(rows)
    click.echo(shown.getvalue(), nl=False)


SET = option("A knob (train --knobs); repeat it.", default=(), type=knob, metavar="NAME=VALUE")


# Options of several commands

DATA = path(f"Ratings, a folder or table; else one in {DATA_HOME}/, or fetched.", show_envvar=True)
MODEL = path("The model folder.", default=DEFAULT, show_envvar=True)
ADDRESS = grouped(MilvusAddress, show_envvar=True)
AS_OF = option("Ratings later than this date or time are not known yet (UTC).", type=time_of)


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
        "What a column is, as price=number; repeat it.", default=(), type=column_and_kind
    )
    not_rated: float | str | None = option(
        "What means not rated; by default -1 or 0 apart.", type=not_rated_of
    )
    liked_from: float | None = option("From what on liked; by default 4 of 5.", type=Number())
    repeats: str | None = option("Of several ratings by a user.", type=click.Choice(REPEATS))
    skip_bad_lines: bool = option("Leave bad lines out, if they are few.", default=False)
    skip_all_bad_lines: bool = option("Leave out however many they are.", default=False)

    @property
    def columns(self) -> Columns:
        roles = {role: getattr(self, f"{role}_column") for role in Columns._fields[:-1]}
        return Columns(**roles, kinds=self.column)

    @property
    def how_to_read(self) -> dict[str, Any]:
        """What `read_all` and `read_dataset` take besides the data."""
        names = ("items", "users", "columns", "liked_from", "repeats", "not_rated")
        return {"log": log, **{name: getattr(self, name) for name in names}}

    @property
    def skip(self) -> Any:
        """As `read_dataset` takes it."""
        return "all" if self.skip_all_bad_lines else self.skip_bad_lines

    def read(self, data: Path) -> "Dataset":
        """The dataset; lines on stderr say how it was understood."""
        from recsys.preprocess import read_dataset

        return read_dataset(data, skip_bad_lines=self.skip, **self.how_to_read)


@dataclass(frozen=True)
class Wanted:
    """Which movies may answer, as typed: genres are not yet those of a model."""

    genre: tuple[str, ...] = option("Movies that have one of these: war,western.", default=())
    all_genres: bool = option("Every --genre must be there, not just one.", default=False)
    not_genre: tuple[str, ...] = option("Movies without it; may be repeated.", default=())
    year: tuple[int, int] | None = option("Years: 1994, 1990-1999, 1990-, 80s.", type=years_of)
    where: str | None = option("Movies that fit: 'year >= 1990 and brand == \"X\"'.")

    def filter(self, vocabulary: "Vocabulary") -> "Filter":
        """The filter in the spelling of a model's genres."""
        from recsys.serving.catalogue import Filter

        some, every = ((), self.genre) if self.all_genres else (self.genre, ())
        return Filter(some, every, self.not_genre, self.year, self.where).checked(vocabulary)


# What options name, opened


def data_folder(data: str | None) -> Path:
    """The folder or file named, or one that is there, or one fetched; logs which and why."""
    if data:
        return Path(data)
    from recsys.data.download import any_dataset

    found = any_dataset(Path(DATA_HOME), progress=not no_bar(), log=log)
    log(f"data: {found.why}")
    return found.folder


def is_missing(address: MilvusAddress) -> bool:
    """Whether the address is a file that nobody has made yet, in a folder that is there."""
    file = Path(address.uri)
    return address.is_lite and file.parent.is_dir() and not file.exists()


def store_at(address: MilvusAddress, make: bool = False) -> "MilvusStore":
    """The store at an address, to be closed; a file that is not there only if `make`."""
    from recsys.milvus.client import Missing
    from recsys.milvus_store import MilvusStore

    if is_missing(address) and not make:
        raise Missing(f"{address.uri}: nothing is published there", "publish the movies", "publish")
    return MilvusStore(address)

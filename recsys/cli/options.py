"""Options that several commands share: made of the dataclasses they fill, where there is one."""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import Field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from recsys.cli.prompt import Misuse, log, quiet
from recsys.cli.remedies import in_words
from recsys.cli.values import ColumnKind, File, Number, Text, Time, Whole, Years
from recsys.data.columns import Columns
from recsys.errors import StoreError, quoted
from recsys.milvus.address import CONSISTENCY, MilvusAddress
from recsys.training.options import Options

if TYPE_CHECKING:
    from recsys.data.dataset import Dataset, Vocabulary
    from recsys.milvus_store import MilvusStore
    from recsys.serving.catalogue import Filter

ROLES = Columns._fields[:-1]  # all but the kinds
ROLES_OF_MOVIES = ("item", "title", "genres")
F = TypeVar("F", bound=Callable[..., Any])
REPEATS = ("last", "sum", "count")
DATA_HOME = "data"  # where downloaded datasets live
MOST = 1_000_000  # movies one may ask for at once
ADDRESS_HELP = {
    "uri": "A file ending in .db (Milvus Lite) or a server's http(s)://host:port.",
    "token": "user:password or an API key of the server.",
    "db": "A database of the server.",
    "collection": "The name the movies are published under.",
    "ca": "Certificate of the authority that signed the server's.",
    "consistency": "Of searches; Milvus Lite is always Strong.",
    "timeout": "Seconds the server may take for an answer.",
}

COLUMNS_HELP = {
    "user": "The column of a table that has the users' ids; a name, or a number from 1.",
    "item": "The column with the movies' ids.",
    "rating": "The column with the ratings; none for events without.",
    "time": "The column with the times; none for no times.",
    "title": "The column of the table of movies with the titles.",
    "genres": "The column of the table of movies with the genres; none for no genres.",
}

data_option = click.option(
    "--data",
    envvar="RECSYS_DATA",
    show_envvar=True,
    type=File(),
    help=f"Folder or table of ratings; by default one in {DATA_HOME}/, fetched if there is none.",
)
model_option = click.option(
    "--model",
    default="recommender_system.inference.model",
    show_default=True,
    envvar="RECSYS_MODEL",
    show_envvar=True,
    type=File(),
    help="The model folder.",
)

k_option = click.option(
    "-k", default=5, show_default=True, type=Whole(1, MOST), help="How many movies."
)
exact_option = click.option(
    "--exact", is_flag=True, help="Compare every movie of the model; no Milvus."
)
as_of_option = click.option(
    "--as-of", type=Time(), help="Ratings later than this date or time are not known yet (UTC)."
)
output_option = click.option(
    "-o", "--output", type=File(), help="A file instead of stdout; complete or not at all."
)


def skip_bad_lines_options(command: F) -> F:
    """Two flags; the command gets False, True or "all" as `skip_bad_lines`."""

    @functools.wraps(command)
    def with_skip(**given: Any) -> Any:
        every = given.pop("skip_all_bad_lines")
        some = given.pop("skip_bad_lines")
        return command(**given, skip_bad_lines="all" if every else some)

    for name, help in (
        ("--skip-all-bad-lines", "Also when that is more than a hundredth of the ratings."),
        ("--skip-bad-lines", "Leave bad lines out, if they are few; they are counted."),
    ):
        with_skip = click.option(name, is_flag=True, help=help)(with_skip)
    return with_skip  # type: ignore[return-value]


class Source(NamedTuple):
    """Tables beside the ratings and names of columns, as given."""

    items: str | None = None
    users: str | None = None
    columns: Columns = Columns()
    liked_from: float | None = None
    repeats: str | None = None

    def read(self, data: Path, skip_bad_lines: Any) -> "Dataset":
        """The dataset, and a line on stderr on how it was understood."""
        from recsys.preprocess import read_dataset

        return read_dataset(
            data,
            items=self.items,
            users=self.users,
            columns=self.columns,
            liked_from=self.liked_from,
            repeats=self.repeats,
            skip_bad_lines=skip_bad_lines,
            log=log,
        )


def columns_options(*roles: str) -> Callable[[F], F]:
    """A --ROLE-column for each role, and --column; the command gets `columns`."""

    def decorate(command: F) -> F:
        @functools.wraps(command)
        def with_columns(**given: Any) -> Any:
            said = {role: given.pop(f"{role}_column") for role in roles}
            columns = Columns(**said, kinds=tuple(given.pop("column")))
            return command(**given, columns=columns)

        with_columns = click.option(
            "--column", multiple=True, type=ColumnKind(),
            help="What a column that describes users or movies is: price=number; or category, "
            "categories, text, none. Repeat it.",
        )(with_columns)  # fmt: skip
        for role in reversed(roles):
            option = click.option(f"--{role}-column", help=COLUMNS_HELP[role])
            with_columns = option(with_columns)
        return with_columns  # type: ignore[return-value]

    return decorate


def source_options(command: F) -> F:
    """--items, --users and options about columns and ratings; the command gets `source`."""

    @functools.wraps(command)
    def with_source(**given: Any) -> Any:
        source = Source(**{name: given.pop(name) for name in Source._fields})
        return command(**given, source=source)

    for option in (
        click.option(
            "--repeats", type=click.Choice(REPEATS),
            help="Of several ratings of a movie by a user; by default the last; events: count.",
        ),
        click.option(
            "--liked-from", type=Number(),
            help="The rating from which on a movie is liked; by default 4 of 5, 8 of 10 and so on.",
        ),
    ):  # fmt: skip
        with_source = option(with_source)
    with_source = columns_options(*ROLES)(with_source)
    for name, help in (("--users", "A table of users."), ("--items", "A table of movies.")):
        with_source = click.option(name, type=File(), help=help)(with_source)
    return with_source  # type: ignore[return-value]


def address_of(**values: Any) -> MilvusAddress:
    """
    Raises:
        Misuse: a value that no Milvus could take.
    """
    try:
        return MilvusAddress(**values)
    except StoreError as error:
        raise Misuse(in_words(error, click.get_current_context())) from error


def milvus_options(command: F) -> F:
    """An option for each field of `MilvusAddress`; the command gets them as `address`."""

    @functools.wraps(command)
    def with_address(**given: Any) -> Any:
        values = {field.name: given.pop(field.name) for field in fields(MilvusAddress)}
        return command(**given, address=address_of(**values))

    for field in reversed(fields(MilvusAddress)):
        kind: Any = str
        if field.name == "consistency":
            kind = click.Choice(CONSISTENCY, case_sensitive=False)
        elif field.name == "timeout":
            kind = Number(0, 1e6, min_open=True)
        with_address = click.option(
            f"--{field.name}",
            default=field.default,
            show_default=bool(field.default),
            envvar=f"RECSYS_{field.name.upper()}",
            show_envvar=True,
            type=kind,
            help=ADDRESS_HELP[field.name],
        )(with_address)
    return with_address  # type: ignore[return-value]


def training_options(*without: str) -> Callable[[F], F]:
    """An option for each field of `Options` that has help; the command gets them as `options`.

    Name, default, bounds and help are the field's own.
    """
    knobs = [f for f in fields(Options) if "help" in f.metadata and f.name not in without]

    def decorate(command: F) -> F:
        @functools.wraps(command)
        def with_options(**given: Any) -> Any:
            chosen = {knob.name: given.pop(knob.name) for knob in knobs}
            return command(**given, options=Options(**chosen))

        for knob in reversed(knobs):
            with_options = _knob_option(knob)(with_options)
        return with_options  # type: ignore[return-value]

    return decorate


def _knob_option(knob: "Field[Any]") -> Callable[[F], F]:
    low, high = knob.metadata.get("min"), knob.metadata.get("max")
    kind: Any = str
    if isinstance(knob.default, bool):
        kind = bool
    elif isinstance(knob.default, int):
        kind = Whole(low, high)
    elif isinstance(knob.default, float):
        kind = Number(low, high)
    name = f"--{knob.name.replace('_', '-')}"
    return click.option(
        f"{name}/--no-{name[2:]}" if kind is bool else name,
        default=knob.default,
        show_default=True,
        type=kind,
        help=knob.metadata["help"],
    )


class FilterOptions(NamedTuple):
    """Which movies may answer, as given: genres are not yet those of a model."""

    genre: tuple[str, ...]
    all_genres: bool
    not_genre: tuple[str, ...]
    year: tuple[int, int] | None
    where: str | None

    def of(self, vocabulary: "Vocabulary") -> "Filter":
        """The filter in the spelling of a model's genres.

        Raises:
            click.UsageError: one is not among them; they are listed.
            QueryError: the condition is none, or not on columns of the model's movies.
        """
        from recsys.serving.catalogue import Filter, types
        from recsys.serving.filters import parse

        genres = vocabulary.genres
        kinds = {each.name: each.kind for each in vocabulary.movies}
        condition = None if self.where is None else parse(self.where, types(kinds))
        named, without = _known(self.genre, genres), _known(self.not_genre, genres)
        some, every = ((), named) if self.all_genres else (named, ())
        return Filter(some, every, without, self.year, condition)


def filter_options(command: F) -> F:
    """--genre, --all-genres, --not-genre, --year and --where; the command gets `wanted`."""

    @functools.wraps(command)
    def with_filter(**given: Any) -> Any:
        wanted = FilterOptions(**{name: given.pop(name) for name in FilterOptions._fields})
        return command(**given, wanted=wanted)

    every = "Every --genre must be there, not just one."
    some, none = "Movies that have one of these; repeat it.", "Movies without it; may be repeated."
    for option in (
        click.option("--where", help="Movies that fit: 'year >= 1990 and brand == \"X\"'."),
        click.option("--year", type=Years(), help="Movies of these years: 1994 or 1990-1999."),
        click.option("--not-genre", multiple=True, type=Text(), help=none),
        click.option("--all-genres", is_flag=True, help=every),
        click.option("--genre", multiple=True, type=Text(), help=some),
    ):
        with_filter = option(with_filter)
    return with_filter  # type: ignore[return-value]


def _known(given: Sequence[str], genres: Sequence[str]) -> tuple[str, ...]:
    spelt = {genre.casefold(): genre for genre in genres}
    for name in given:
        if name.casefold() not in spelt:
            raise click.UsageError(
                f"no genre {quoted(name)}; there are {', '.join(sorted(genres))}"
            )
    return tuple(spelt[name.casefold()] for name in given)


def data_folder(data: str | None) -> Path:
    """The folder or file named, or one that is there, or one fetched; logs which and why."""
    if data:
        return Path(data)
    from recsys.data.download import any_dataset

    found = any_dataset(Path(DATA_HOME), progress=not quiet(), log=log)
    log(f"data: {found.why}")
    return found.folder


@contextmanager
def store_at(address: MilvusAddress, *, make: bool = False) -> Iterator["MilvusStore"]:
    """The store at an address, closed afterwards; a file that is not there only if `make`."""
    file = Path(address.uri)
    if address.is_lite and file.parent.is_dir() and not file.exists() and not make:
        from recsys.milvus.client import Missing

        raise Missing(f"{file}: nothing is published there", "publish the movies", "publish")
    from recsys.milvus_store import MilvusStore

    with MilvusStore(address) as store:
        yield store

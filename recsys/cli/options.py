"""What the commands share: kinds of values, options that come in groups, and how we talk."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from recsys.data.movielens import AGE_NAMES, AGES, GENDERS, JOBS
from recsys.errors import RecsysError

if TYPE_CHECKING:
    from recsys.milvus_store import MilvusStore
    from recsys.serving.catalogue import Catalogue
    from recsys.serving.model_folder import ModelFolder

F = TypeVar("F", bound=Callable[..., Any])
DATA_HOME = "data"  # where downloaded datasets live


class Failure(click.ClickException):
    """One of our errors at the prompt: one line on stderr, exit code 1."""

    def show(self, file: Any = None) -> None:
        click.echo(f"recsys: {self.message}", err=True)


class Misuse(Failure):
    """A command line that makes no sense: one line on stderr, exit code 2."""

    exit_code = 2


class Commands(click.Group):
    """A group whose errors are one line, and which knows `load` for `load-movies`."""

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        return super().get_command(context, "load-movies" if name == "load" else name)

    def invoke(self, context: click.Context) -> Any:
        context.ensure_object(dict)
        try:
            return super().invoke(context)
        except click.NoSuchOption as error:
            near = f"; near are {', '.join(error.possibilities)}" if error.possibilities else ""
            raise Misuse(f"no option {error.option_name}{near}") from error
        except click.UsageError as error:
            raise Misuse(error.format_message()) from error
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            raise self._failed(context, error) from error

    def _failed(self, context: click.Context, error: Exception) -> Exception:
        if context.obj.get("debug"):
            return error
        if isinstance(error, RecsysError):
            return Failure(str(error))
        line = " ".join(str(error).split()) or "no more is known"
        return Failure(f"{type(error).__name__}: {line}; --debug shows where")


def say(message: str, *, verbose: bool = False) -> None:
    """A line on stderr, unless -q; a verbose one only with -v."""
    level = click.get_current_context().find_root().obj.get("talk", 1)
    if level > verbose:
        click.echo(message, err=True)


def quiet() -> bool:
    """Whether there should be no progress bar: -q, or nobody is looking."""
    talk = click.get_current_context().find_root().obj.get("talk", 1)
    return talk == 0 or not sys.stderr.isatty()


def _note(name: str, value: Any) -> Callable[[click.Context, click.Parameter, bool], None]:
    def note(context: click.Context, _: click.Parameter, on: bool) -> None:
        if on:
            context.ensure_object(dict)
            context.find_root().obj[name] = value

    return note


def manners(command: F) -> F:
    """-q, -v and --debug, on every command."""
    for names, key, value, words in (
        (("--debug",), "debug", True, "Show the traceback of an error."),
        (("-v", "--verbose"), "talk", 2, "Say more on stderr."),
        (("-q", "--quiet"), "talk", 0, "Say nothing on stderr but errors."),
    ):
        command = click.option(
            *names, is_flag=True, expose_value=False, callback=_note(key, value), help=words
        )(command)
    return command


def data_option(command: F) -> F:
    return click.option(
        "--data",
        envvar="RECSYS_DATA",
        show_envvar=True,
        type=click.Path(),
        help=f"Folder of ratings; by default one in {DATA_HOME}/, fetched if there is none.",
    )(command)


def data_folder(data: str | None) -> Path:
    """The folder named, or one that is there, or one that is fetched; says which and why."""
    if data:
        return Path(data)
    from recsys.data.download import any_dataset

    found = any_dataset(Path(DATA_HOME), progress=not quiet(), log=say)
    say(f"data: {found.why}")
    return found.folder


def model_option(command: F) -> F:
    return click.option(
        "--model",
        default="recommender_system.inference.model",
        show_default=True,
        envvar="RECSYS_MODEL",
        show_envvar=True,
        type=click.Path(),
        help="The model folder.",
    )(command)


def milvus_options(command: F) -> F:
    """Filter the movies are published."""
    options: list[tuple[str, str, str]] = [
        ("--uri", "recsys.db", "A file ending in .db (Milvus Lite) or a server's http(s)://host:port."),
        ("--token", "", "user:password or an API key of the server."),
        ("--db", "", "A database of the server."),
        ("--collection", "recsys_movies", "The name the movies are published under."),
        ("--ca", "", "Certificate of the authority that signed the server's."),
        ("--consistency", "Bounded", "Of searches: Strong, Bounded, Session or Eventually."),
    ]  # fmt: skip
    for name, default, words in reversed(options):
        command = click.option(
            name,
            default=default,
            show_default=bool(default),
            envvar=f"RECSYS_{name[2:].upper()}",
            show_envvar=True,
            help=words,
        )(command)
    return click.option(
        "--timeout",
        default=20.0,
        show_default=True,
        envvar="RECSYS_TIMEOUT",
        type=click.FloatRange(min=0, min_open=True),
        help="Seconds the server may take for an answer.",
    )(command)


class UserId(click.ParamType):
    name = "id"

    def convert(self, value: Any, param: Any, context: Any) -> int:
        number = id_of(str(value))
        if number is None:
            self.fail(f"{value!r} is not a user id, a whole number.", param, context)
        return number


def id_of(text: str) -> int | None:
    """The id a text is, None where it is none."""
    digits = text.strip()
    return int(digits) if digits.isdecimal() and len(digits) < 19 else None  # fits 64 bits


class Gender(click.ParamType):
    name = "F|M"

    def convert(self, value: Any, param: Any, context: Any) -> int:
        if isinstance(value, int):
            return value
        text = str(value).strip().casefold()
        for code, letter in enumerate(GENDERS):
            if text in (letter.casefold(), str(code), ("male", "female")[code]):
                return code
        self.fail(f"{value!r} is not one of F, M (or 1, 0).", param, context)


class Age(click.ParamType):
    """Years, or a bracket by name; the code of the bracket."""

    name = "years"

    def convert(self, value: Any, param: Any, context: Any) -> int:
        text = str(value).strip().casefold().replace("+", " and over")
        text = " ".join(text.split())
        if text in AGE_NAMES:
            return AGE_NAMES.index(text)
        if text.isdecimal() and AGES[0] <= int(text) <= 120:
            return sum(int(text) >= bound for bound in AGES) - 1
        self.fail(
            f"{value!r} is neither years (1 to 120) nor one of {', '.join(AGE_NAMES)}.",
            param,
            context,
        )


class Job(click.ParamType):
    """A code, a name, or the beginning of one part of a name that no other has."""

    name = "job"

    def convert(self, value: Any, param: Any, context: Any) -> int:
        text = str(value).strip().casefold()
        names = [name.casefold() for name in JOBS]
        if text in names:
            return names.index(text)
        if text.isdecimal() and int(text) < len(JOBS):
            return int(text)
        parts = [[name, *name.replace("/", " ").split()] for name in names]
        found = [code for code, each in enumerate(parts) if any(p.startswith(text) for p in each)]
        if text and len(found) == 1:
            return found[0]
        known = ", ".join(f"{code} {name}" for code, name in enumerate(JOBS))
        what = "may be several" if text and len(found) > 1 else "is not one"
        self.fail(f"{value!r} {what} of {known}.", param, context)


class Years(click.ParamType):
    name = "year|from-to"

    def convert(self, value: Any, param: Any, context: Any) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        first, _, last = str(value).partition("-")
        if not (first.isdecimal() and (last or first).isdecimal()):
            self.fail(f"{value!r} is not a year or a span like 1990-1999.", param, context)
        years = int(first), int(last or first)
        if years[0] > years[1]:
            self.fail(f"{value!r} ends before it begins.", param, context)
        return years


def filter_options(command: F) -> F:
    """Which movies may answer."""
    for names, settings in (
        (("--year",), {"type": Years(), "help": "Movies of these years, e.g. 1994 or 1990-1999."}),
        (("--not-genre",), {"multiple": True, "help": "Movies without it; may be repeated."}),
        (
            ("--all-genres",),
            {"is_flag": True, "help": "Every --genre must be there, not just one."},
        ),
        (("--genre",), {"multiple": True, "help": "Movies that have one of these; repeat it."}),
    ):
        command = click.option(*names, **settings)(command)  # type: ignore[arg-type]
    return command


def known_genres(given: Sequence[str], genres: Sequence[str]) -> tuple[str, ...]:
    """Genres as the model spells them; a usage error lists them when one is not there."""
    spelt = {genre.casefold(): genre for genre in genres}
    for name in given:
        if name.casefold() not in spelt:
            raise click.UsageError(f"no genre {name!r}; there are {', '.join(sorted(genres))}")
    return tuple(spelt[name.casefold()] for name in given)


@contextmanager
def store_at(where: dict[str, Any], *, make: bool = False) -> Iterator["MilvusStore"]:
    """The store the options name, closed afterwards; a file that is not there is made if told."""
    file = Path(where["uri"])
    if file.suffix == ".db" and file.parent.is_dir() and not file.exists() and not make:
        from recsys.milvus.errors import Missing

        raise Missing(f"{file}: nothing is published there: run `recsys load-movies`")
    from recsys.milvus_store import MilvusStore

    store = MilvusStore(
        where["uri"],
        where["token"],
        where["db"],
        where["collection"],
        timeout=where["timeout"],
        ca=where["ca"],
        consistency=where["consistency"],
    )
    try:
        yield store
    finally:
        store.close()


@contextmanager
def bar(total: int, unit: str, doing: str = "") -> Iterator[Callable[[int], Any]]:
    """A progress bar on stderr, unless -q or nobody is looking; told how many more are done."""
    from tqdm import tqdm

    with tqdm(total=total, unit=unit, desc=doing, disable=quiet() or total <= 1) as shown:
        yield shown.update


def movies_of(folder: "ModelFolder", file: str | None = None) -> "Catalogue":
    """The movies of a file, or those the model was trained on, with their vectors."""
    from recsys.infer import catalogue, decoded_movies
    from recsys.preprocess import is_movies_data, read_movies, read_movies_data

    if not file:
        return catalogue(folder)
    if not is_movies_data(Path(file)):
        return catalogue(folder, read_movies(Path(file)))
    ids, titles, genres = read_movies_data(Path(file), folder.vocabulary)
    return catalogue(folder, decoded_movies(folder, ids, titles, genres), (titles, genres))

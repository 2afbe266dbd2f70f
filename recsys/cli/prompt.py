"""How commands behave at the prompt: one-line errors, exit codes, the log, the progress bar."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import click

from recsys.cli.remedies import in_words
from recsys.errors import QueryError, RecsysError
from recsys.milvus.address import without_credentials

F = TypeVar("F", bound=Callable[..., Any])
SILENT, NORMAL, VERBOSE = 0, 1, 2


class Failure(click.ClickException):
    """One of our errors at the prompt: one line on stderr, exit code 1."""

    def show(self, file: Any = None) -> None:
        click.echo(f"recsys: {self.message}", err=True)


class Misuse(Failure):
    """A command line that makes no sense: one line on stderr, exit code 2."""

    exit_code = 2


class Command(click.Command):
    """A command whose errors become one line, with the remedy in the command line's words."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if context.find_root().obj.get("debug"):
                raise
            if isinstance(error, QueryError):
                raise Misuse(in_words(error, context)) from error
            if isinstance(error, RecsysError):
                raise Failure(in_words(error, context)) from error
            line = without_credentials(" ".join(str(error).split())) or "no more is known"
            raise Failure(f"{type(error).__name__}: {line}; --debug shows where") from error


command = partial(click.command, cls=Command)


class Commands(click.Group):
    """A group whose usage errors are one line, and which knows `load` for `load-movies`."""

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


def log(message: str, *, verbose: bool = False) -> None:
    """A line on stderr, unless -q; a verbose one only with -v."""
    if _verbosity() > verbose:
        click.echo(message, err=True)


def quiet() -> bool:
    """Whether there should be no progress bar: -q, or stderr is not a terminal."""
    return _verbosity() == SILENT or not sys.stderr.isatty()


def _verbosity() -> int:
    return click.get_current_context().find_root().obj.get("verbosity", NORMAL)


@contextmanager
def bar(total: int, unit: str, doing: str = "") -> Iterator[Callable[[int], Any]]:
    """A progress bar on stderr unless `quiet`; yields what to call with how many more are done."""
    from tqdm import tqdm

    with tqdm(total=total, unit=unit, desc=doing, disable=quiet() or total <= 1) as shown:
        yield shown.update


def verbosity_options(command: F) -> F:
    """-q, -v and --debug, on every command."""
    for names, key, value, help in (
        (("--debug",), "debug", True, "Show the traceback of an error."),
        (("-v", "--verbose"), "verbosity", VERBOSE, "Log more on stderr."),
        (("-q", "--quiet"), "verbosity", SILENT, "Nothing on stderr but errors."),
    ):
        command = click.option(
            *names,
            is_flag=True,
            expose_value=False,
            callback=_remember(key, value),
            envvar=f"RECSYS_{names[-1][2:].upper()}",
            help=help,
        )(command)
    return command


def _remember(name: str, value: Any) -> Callable[[click.Context, click.Parameter, bool], None]:
    def remember(context: click.Context, _: click.Parameter, on: bool) -> None:
        if on:
            context.find_root().ensure_object(dict)[name] = value

    return remember

"""How commands behave at the prompt: one-line errors, exit codes, the log, the progress bar."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from recsys.cli.remedies import in_words
from recsys.errors import RecsysError, quoted, shortened
from recsys.milvus.address import without_credentials

F = TypeVar("F", bound=Callable[..., Any])
SILENT, NORMAL, VERBOSE = 0, 1, 2


class Failure(click.ClickException):
    """One of our errors at the prompt: one line on stderr, exit code 1."""

    def __init__(self, message: str) -> None:
        super().__init__(_short(message))

    def show(self, file: Any = None) -> None:
        click.echo(f"recsys: {self.message}", err=True)


class Misuse(Failure):
    """A command line that makes no sense: one line on stderr, exit code 2."""

    exit_code = 2


class Command(click.Command):
    """A command whose errors become one line, with the remedy in the command line's words."""

    def invoke(self, context: click.Context) -> Any:
        for name in unknown_variables(context.find_root()):
            log(f"{name}: no option has this name in the environment; it is ignored")
        try:
            return super().invoke(context)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if context.find_root().obj.get("debug"):
                raise
            if isinstance(error, RecsysError):
                kind = Misuse if error.exit_code == Misuse.exit_code else Failure
                raise kind(in_words(error, context)) from error
            if isinstance(error, ModuleNotFoundError):
                cause = f"the package {error.name} is not installed"
                raise Failure(f"{cause}; install recsys with all it needs") from error
            if isinstance(error, OSError) and error.strerror and error.filename:
                raise Failure(f"{error.filename}: {error.strerror}") from error
            line = without_credentials(" ".join(str(error).split())) or "no more is known"
            raise Failure(f"{type(error).__name__}: {line}; --debug shows where") from error


command = partial(click.command, cls=Command)


def _short(message: str) -> str:
    """A message without all of a long value in quotes or a long name in it."""
    message = re.sub(r"'([^'\n]{81,})'", lambda found: quoted(found[1]), message)
    return re.sub(r"\S{256,}[^\s:;]", lambda found: shortened(found[0]), message)


def variable_of(option: click.Parameter, command: str) -> str:
    """The environment variable an option of a command can come from."""
    if isinstance(option.envvar, str):
        return option.envvar
    return f"RECSYS_{command}_{option.name}".replace("-", "_").upper()


def refuse_beside(option: str, *others: str) -> None:
    """
    Raises:
        click.UsageError: others were given too, which mean nothing beside the option.
    """
    context = click.get_current_context()
    given = [
        max(param.opts, key=len)
        for param in context.command.params
        if param.name in others
        and context.get_parameter_source(param.name) is ParameterSource.COMMANDLINE
    ]
    if given:
        raise click.UsageError(f"{option} goes without {', '.join(given)}")


def unknown_variables(root: click.Context) -> list[str]:
    """Variables of the environment that look like options' and are none."""
    group = root.command
    commands = group.commands.values() if isinstance(group, click.Group) else ()
    known = {
        variable_of(option, each.name or "")
        for each in commands
        for option in each.params
        if isinstance(option, click.Option)
    }
    return sorted(name for name in os.environ if name.startswith("RECSYS_") and name not in known)


class Commands(click.Group):
    """A group whose usage errors are one line, and which knows `load` for `load-movies`."""

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        return super().get_command(context, "load-movies" if name == "load" else name)

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The environment's names are those of the command, not of what it may also be called."""
        name, found, rest = super().resolve_command(context, args)
        return found.name if found else name, found, rest

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        with _in_one_line():
            return super().make_context(*args, **more)

    def invoke(self, context: click.Context) -> Any:
        context.ensure_object(dict)
        with _in_one_line():
            return super().invoke(context)


@contextmanager
def _in_one_line() -> Iterator[None]:
    """Usage errors without click's lines on usage."""
    try:
        yield
    except click.NoSuchOption as error:
        near = f"; near are {', '.join(error.possibilities)}" if error.possibilities else ""
        raise Misuse(f"no option {error.option_name}{near}") from error
    except click.UsageError as error:
        if type(error).show is not click.UsageError.show:  # the help, where no command is given
            raise
        raise Misuse(error.format_message() + _origin(error)) from error


def _origin(error: click.UsageError) -> str:
    """The variable of the environment that an option's wrong value comes from."""
    param = error.param if isinstance(error, click.BadParameter) else None
    if not (param and param.name and error.ctx and not param.envvar):  # else click names it
        return ""
    source = error.ctx.get_parameter_source(param.name)
    name = variable_of(param, error.ctx.command.name or "")
    return f" (from {name})" if source is ParameterSource.ENVIRONMENT else ""


def error_line(message: str) -> None:
    """One of several errors, on stderr even with -q; the command goes on."""
    click.echo(f"recsys: {_short(message)}", err=True)


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

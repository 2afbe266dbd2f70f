"""How commands behave at the prompt: one-line errors and remedies, exit codes, the log, signals.

The library says what to do ("publish the movies") and names what that is about (`fix`, such as
"publish" or "uri"); here that becomes an option of the command that failed, or a command to run.
"""

import os
import re
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from typing import Any

import click
from click.core import ParameterSource

from recsys.errors import RecsysError, quoted, shortened
from recsys.milvus.address import without_credentials
from recsys.training.options import Options

KNOBS = tuple(each.name for each in fields(Options))
TERMINATED = 143  # the exit code of a process that SIGTERM ends, as shells count
# What a fix is, where it is not the option of the same name: options by name, or command lines.
FIXES: dict[str, tuple[str, ...]] = {
    "data": ("data", "recsys download"),
    "output": ("output", "to"),
    "preprocess": ("recsys preprocess -f FILE",),
    "publish": ("recsys load-movies",),
    "ratings": ("data",),
    "replace": ("replace", "recsys load-movies --replace"),
    "resource_groups": ("resource_group",),
    "train": ("recsys train",),
    "user": ("like", "age", "gender", "job"),
    "user_item_column": ("user_column", "item_column"),
}
SHARED = ("model", "uri", "token", "db", "collection", "ca", "consistency", "timeout")
SECRET = {"token": "USER:PASSWORD"}  # shown in place of a value


class Failure(click.ClickException):
    """An error at the prompt: one line on stderr, exit code 1."""

    def show(self, file: Any = None) -> None:
        error_line(self.message)


class Misuse(Failure):
    """A command line that makes no sense: exit code 2."""

    exit_code = 2


class Command(click.Command):
    """A command with -q and --debug, whose errors become one line with a remedy."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        for names, help in (
            (("-q", "--quiet"), "Nothing on stderr but errors."),
            (("--debug",), "Show the traceback of an error."),
        ):
            self.params.append(
                click.Option(
                    names,
                    is_flag=True,
                    expose_value=False,
                    callback=_remember,
                    envvar=f"RECSYS_{names[-1][2:].upper()}",
                    help=help,
                )
            )

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
            raise failure(error, context) from error


command = partial(click.command, cls=Command)


def failure(error: Exception, context: click.Context) -> Failure:
    """What an error of the library, or a foreign one, is at the prompt."""
    if isinstance(error, RecsysError):
        kind = Misuse if error.exit_code == Misuse.exit_code else Failure
        return kind(with_remedy(error, context))
    if isinstance(error, ModuleNotFoundError):
        return Failure(
            f"the package {error.name} is not installed; install recsys with all it needs"
        )
    if isinstance(error, OSError) and error.strerror and error.filename:
        return Failure(f"{error.filename}: {error.strerror}")
    line = without_credentials(" ".join(str(error).split())) or "no more is known"
    return Failure(f"{type(error).__name__}: {line}; --debug shows where")


def with_remedy(error: RecsysError, context: click.Context) -> str:
    """The cause and the remedy of an error, with the options and the command that the fix is."""
    fixes = FIXES.get(error.fix, (error.fix,))
    options = _options(fixes, context)
    lines = [line.split()[1:] for line in fixes if line.startswith("recsys ")]
    if options:
        lines = [line for line in lines if line[0] != context.command.name]
    hints = [options, *(_command(line, context) for line in lines)]
    remedy = ": ".join(filter(None, [error.remedy, " or ".join(filter(None, hints))]))
    return "; ".join(filter(None, [error.cause, remedy]))


def _options(fixes: tuple[str, ...], context: click.Context) -> str:
    """Those of the fixes that this command has as options, and the environment's name of one."""
    has = {param.name: param for param in context.command.params if isinstance(param, click.Option)}
    found = [has[name] for name in fixes if name in has]
    names = [max(option.opts, key=len) for option in found]
    if "knobs" in has or "set" in has:
        names += [f"--set {name}=VALUE" for name in fixes if name in KNOBS and name not in has]
    if len(found) == 1 and isinstance(found[0].envvar, str):
        names.append(found[0].envvar)
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _command(line: list[str], context: click.Context) -> str:
    """A command line with the options about model and Milvus that were given; never a password."""
    name, *arguments = line
    group = context.find_root().command
    target = group.get_command(context, name) if isinstance(group, click.Group) else None
    takes = {param.name for param in target.params} if target else set()
    for option in SHARED:
        given = context.get_parameter_source(option) is ParameterSource.COMMANDLINE
        if option in takes and given:
            shown = SECRET.get(option) or without_credentials(str(context.params.get(option)))
            arguments += [f"--{option}", shown]
    return f"recsys {shlex.join([name, *arguments])}"


def _short(message: str) -> str:
    """A message without all of a long value in quotes or a long name in it."""
    message = re.sub(r"'([^'\n]{81,})'", lambda found: quoted(found[1]), message)
    return re.sub(r"\S{256,}[^\s:;]", lambda found: shortened(found[0]), message)


def variable_of(option: click.Parameter, command: str) -> str:
    """The environment variable an option of a command can come from."""
    if isinstance(option.envvar, str):
        return option.envvar
    return f"RECSYS_{command}_{option.name}".replace("-", "_").upper()


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
    """An error on stderr, even with -q."""
    click.echo(f"recsys: {_short(message)}", err=True)


def log(message: str) -> None:
    """A line on stderr, unless -q."""
    if not _is_quiet():
        click.echo(message, err=True)


def no_bar() -> bool:
    """Whether there should be no progress bar: -q, or stderr is not a terminal."""
    return _is_quiet() or not sys.stderr.isatty()


@contextmanager
def bar(total: int, unit: str, doing: str = "") -> Iterator[Callable[[int], Any]]:
    """A progress bar on stderr unless `no_bar`; yields what to call with how many more are done."""
    from tqdm import tqdm

    with tqdm(total=total, unit=unit, desc=doing, disable=no_bar() or total <= 1) as shown:
        yield shown.update


def _is_quiet() -> bool:
    return bool(click.get_current_context().find_root().obj.get("quiet"))


def _remember(context: click.Context, param: click.Parameter, on: bool) -> None:
    if on:
        context.find_root().ensure_object(dict)[param.name] = True


@contextmanager
def terminated_as_interrupted() -> Iterator[Callable[[], bool]]:
    """Within, SIGTERM, as a service manager sends it, is Ctrl-C; yields whether it came.

    One that nothing within catches ends the command with `TERMINATED` and a line in the log.
    Handlers are the main thread's: in another one nothing is changed.
    """
    came: list[int] = []

    def raise_interrupt(number: int, _: Any) -> None:
        came.append(number)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGTERM, raise_interrupt)
    try:
        yield lambda: bool(came)
    except KeyboardInterrupt:
        if not came:
            raise
        log("stopped by SIGTERM before there was anything to keep")
        raise click.exceptions.Exit(TERMINATED) from None
    finally:
        signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)

"""How commands behave at the prompt: one-line errors and remedies, exit codes, the log, signals.

The library says what to do ("publish the movies") and names what that is about (`fix`, such as
"publish" or "uri"); here that becomes an option of the command that failed, or a command to run.
"""

import os
import re
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import fields
from typing import Any

import click
from click.core import ParameterSource

from recsys.errors import RecsysError, escaped, printable, quoted, shortened
from recsys.options import Options

KNOBS = {each.name: each for each in fields(Options)}  # of training
UNWRITABLE = "stdout: cannot be written"
INTERRUPTED, TERMINATED = 130, 143  # exit codes of what SIGINT or SIGTERM ends, as shells count
LONG = 5  # seconds from which on a command says at its end how many they were
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
FLAGS = {  # of every command
    ("-q", "--quiet"): "Nothing on stderr but errors.",
    ("--debug",): "Show the traceback of an error.",
}


class Failure(click.ClickException):
    """An error at the prompt: one line on stderr, even with -q."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]

    def show(self, file: Any = None) -> None:
        error_line(self.message)


class Command(click.Command):
    """A command with -q and --debug, whose errors become one line with a remedy.

    Options come from the environment too: RECSYS_URI where the variable is shown, as it is the same
    in every command, else RECSYS_RECOMMEND_K.
    """

    def __init__(self, name: str, **more: Any) -> None:
        super().__init__(name, **more)
        for option in self.params:
            if isinstance(option, click.Option) and not option.envvar:
                command = "" if option.show_envvar else f"{name}_"
                option.envvar = f"RECSYS_{command}{option.name}".replace("-", "_").upper()
        for names, help in FLAGS.items():
            variable = f"RECSYS_{names[-1][2:].upper()}"
            self.params.append(click.Option(names, is_flag=True, envvar=variable, help=help))

    def invoke(self, context: click.Context) -> Any:
        debug, context.meta["quiet"] = context.params.pop("debug"), context.params.pop("quiet")
        known = {each.envvar for command in _commands(context).values() for each in command.params}
        for name in sorted(os.environ):
            if name.startswith("RECSYS_") and name not in known:
                log(f"{name}: no option has this name in the environment; it is ignored")
        as_they_are = (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError)
        started = time.monotonic()
        try:
            super().invoke(context)
            if not no_bar() and (seconds := time.monotonic() - started) >= LONG:
                log(f"{context.command.name}: done in {seconds:.0f} s")
        except Exception as error:  # options raise UnicodeEncodeError as well, before a command
            if debug or isinstance(error, (*as_they_are, UnicodeEncodeError)):
                raise
            raise failure(error, context) from error


class Once(click.Option):
    """An option that is refused where two values are given for one, or for one NAME=VALUE."""

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        if self.is_flag or self.multiple:
            super().add_to_parser(parser, ctx)
        else:  # or else click takes the last
            parser.add_option(self, opts=self.opts, dest=self.name, action="append", nargs=1)

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        several = value if isinstance(value, list) and not self.multiple else []
        made = super().process_value(ctx, several[0] if several else value)
        every = made if self.multiple and isinstance(made, tuple) else ()
        names = [each[0] for each in {*every} if isinstance(each, tuple)]
        if len({*several}) > 1 or len({*names}) < len(names):
            of = f" for {quoted(max(names, key=names.count))}" if names else ""
            name = max(self.opts, key=len)
            raise click.UsageError(f"{name} is given twice{of}, and takes one value", ctx)
        return made


def _commands(context: click.Context) -> Mapping[str, click.Command]:
    return getattr(context.find_root().command, "commands", {})


def failure(error: Exception, context: click.Context) -> Failure:
    """What an error of the library, or a foreign one, is at the prompt."""
    if isinstance(error, RecsysError):
        return Failure(with_remedy(error, context), error.exit_code)
    if isinstance(error, ModuleNotFoundError):
        missing = f"the package {error.name} is not installed"
        return Failure(f"{missing}; install recsys with all it needs")
    if isinstance(error, OSError) and error.strerror:
        named = printable(f"{error.filename}: {error.strerror}; name another")
        return Failure(named if error.filename else f"{UNWRITABLE} ({error.strerror})")
    root = error.__cause__ if isinstance(error, ImportError) and error.__cause__ else error
    line = printable(" ".join(str(root).split())) or "no more is known"
    if isinstance(root, ImportError | MemoryError) or "start new thread" in line:
        short = "a package cannot be loaded" if isinstance(root, ImportError) else "out of memory"
        return Failure(f"{short} ({line}); allow more memory (ulimit -v), or install recsys again")
    return Failure(f"{type(error).__name__}: {line}; --debug shows where")


def with_remedy(error: RecsysError, context: click.Context) -> str:
    """The cause and the remedy of an error, with the options and the command that the fix is."""
    fixes = FIXES.get(error.fix, (error.fix,))
    hints, this = _options(fixes, context), context.command.name
    lines = [line.split()[1:] for line in fixes if line.startswith("recsys ")]
    hints += [_command(line, context) for line in lines if not hints or line[0] != this]
    remedy = ": ".join(filter(None, [error.remedy, " or ".join(hints)]))
    return "; ".join(filter(None, [error.cause, remedy]))


def _options(fixes: tuple[str, ...], context: click.Context) -> list[str]:
    """Those of the fixes that this command has as options, and the environment's name of one."""
    has = {param.name: param for param in context.command.params if isinstance(param, click.Option)}
    available = [has[name] for name in fixes if name in has]
    names = [sorted(each.opts, key=lambda name: name[:2] != "--")[0] for each in available]
    if "set" in has:
        names += [f"--set {name}=VALUE" for name in fixes if name in KNOBS and name not in has]
    if len(available) == 1 and available[0].show_envvar:
        names.append(str(available[0].envvar))
    return [", ".join(names[:-1]), names[-1]] if len(names) > 1 else names


def _command(line: list[str], context: click.Context) -> str:
    """A command line with the options about model and Milvus that were given; never a password."""
    target, given = _commands(context).get(line[0]), _typed(context)
    for param in target.params if target else ():
        if param.name in given and getattr(param, "show_envvar", False):
            value = printable(str(context.params.get(param.name)))
            line = [*line, f"--{param.name}", "USER:PASSWORD" if param.name == "token" else value]
    return f"recsys {shlex.join(line)}"


def _typed(context: click.Context) -> dict[str, str]:
    """What is given on the command line: how it is called, by the parameters' names."""
    names = {str(each.name): max(each.opts, key=len) for each in context.command.params}
    source = context.get_parameter_source
    return {each: names[each] for each in names if source(each) is ParameterSource.COMMANDLINE}


def refuse_beside(option: str, *others: str) -> None:
    """Refuse other parameters that are given too, which mean nothing beside the option."""
    given = _typed(click.get_current_context())
    if refused := [name for each, name in given.items() if each in others]:
        raise click.UsageError(f"{option} goes without {', '.join(refused)}")


@contextmanager
def _in_one_line() -> Iterator[None]:
    """Usage errors without click's lines on usage, and with the variable a value comes from."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise Failure("interrupted", INTERRUPTED) from error
    except UnicodeEncodeError as error:
        raise Failure(f"{quoted(error.object)} is no text that can be written", 2) from error
    except click.UsageError as error:
        if type(error).show is not click.UsageError.show:  # the help, where no command is given
            raise
        message, option = error.format_message(), getattr(error, "param", None)
        if isinstance(error, click.NoSuchOption) and error.ctx:
            name = error.option_name.lstrip("-").replace("-", "_")
            if name in KNOBS and any(each.name == "set" for each in error.ctx.command.params):
                message = f"{error.message} Knobs are set by --set {name}=VALUE"
        if isinstance(option, click.Option) and error.ctx and not option.show_envvar:
            source = error.ctx.get_parameter_source(str(option.name))
            message += f" (from {option.envvar})" * (source is ParameterSource.ENVIRONMENT)
        raise Failure(printable(message), 2) from error


class Commands(click.Group):
    """A group whose usage errors are one line; it knows `load` for `load-movies`, and `help`."""

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name == "help":
            return click.Command(name, callback=lambda: click.echo(context.get_help()))
        return super().get_command(context, "load-movies" if name == "load" else name)

    make_context = _in_one_line()(click.Group.make_context)
    invoke = _in_one_line()(click.Group.invoke)


@contextmanager
def standard_streams() -> Iterator[None]:
    """Within, there are stdin, stdout and stderr; the process ends with it.

    A closed one refuses to be read and written, or a file that is opened would take its place. What
    is no terminal gets UTF-8. Python would wait for threads, as Milvus Lite has after Ctrl-C.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDONLY if name == "stdout" else os.O_WRONLY)  # as `number`
            setattr(sys, name, os.fdopen(number, "w" if number else "r"))
    encoding = sys.stdout.encoding if sys.stdout.isatty() else "utf-8"
    sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")  # type: ignore[union-attr]
    code: Any = 1
    try:
        yield
    except SystemExit as ended:
        code = ended.code
    except KeyboardInterrupt:
        code = INTERRUPTED
        error_line("interrupted")
    except OSError as error:
        if error.filename:  # as --debug has it
            raise
        error_line(f"{UNWRITABLE} ({error.strerror})")
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # that has been said
            stream.flush()
    os._exit(code or 0)


def error_line(message: str) -> None:
    """An error on stderr, even with -q; not all of a long value in quotes or a long name in it."""
    message = "\n".join(map(escaped, message.split("\n")))
    message = re.sub(r"'([^'\n]{81,})'", lambda found: quoted(found[1]), message)
    message = re.sub(r"\S{256,}[^\s:;]", lambda found: shortened(found[0]), message)
    _say(f"{styled('recsys:', sys.stderr, fg='red', bold=True)} {message}")


def log(message: str) -> None:
    """A line on stderr, unless -q."""
    if not click.get_current_context().meta.get("quiet"):
        _say(printable(message))


def _say(line: str) -> None:
    bars = sys.modules.get("tqdm")  # one that is shown stays below the line
    above = bars.tqdm.external_write_mode(sys.stderr) if bars else nullcontext()
    with suppress(OSError), above:  # no one listens, which is no reason to stop
        click.echo(line, err=True)


def styled(text: str, stream: Any, **style: Any) -> str:
    """The text in a colour or bold on a terminal, unless NO_COLOR is set; words say the same."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty()
    return text if plain else click.style(text, **style)


def terminal_width() -> int | None:
    """Columns of the terminal that stdout is, or COLUMNS; None where nothing is to be cut."""
    fits = os.environ.get("COLUMNS") or sys.stdout.isatty()
    return shutil.get_terminal_size().columns if fits else None


def no_bar() -> bool:
    """Whether there should be no progress bar: -q, or stderr is not a terminal."""
    return bool(click.get_current_context().meta.get("quiet")) or not sys.stderr.isatty()


def bar(stage: str, total: int, unit: str, over: Iterable[Any] | None = None) -> Any:
    """A bar with rate and time left, unless `no_bar`; of an iterable, as its elements are taken."""
    if (nothing := no_bar() or total <= 1) and over is not None:
        return over
    from tqdm import tqdm

    return tqdm(over, stage, total, unit=f" {unit}", disable=nothing)


def busy(stage: str) -> Any:
    """A context with a line on what takes its time, unless `no_bar`; it goes at the end."""
    if no_bar():
        return nullcontext()
    from tqdm import tqdm

    return tqdm(desc=f"{printable(stage)} ...", bar_format="{desc}", leave=False)


@contextmanager
def terminated_as_interrupted() -> Iterator[list[int]]:
    """Within, SIGTERM is Ctrl-C; yields those that came. What nothing catches ends the command."""
    came: list[int] = []

    def interrupt(number: int, _: Any) -> None:
        came.append(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield came
    except KeyboardInterrupt:
        if not came:
            raise
        log("stopped by SIGTERM before there was anything to keep")
        raise click.exceptions.Exit(TERMINATED) from None
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

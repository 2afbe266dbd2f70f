"""What options take, and how a command says its own: a parameter with `option` as its default.

A parameter with the default `grouped(Source)` is a `Source`, filled from an option for each of its
fields that has help.
"""

import difflib
import functools
import inspect
import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import Field, field, fields
from typing import Any

import click

from recsys.cli.prompt import KNOBS, Command, Once
from recsys.errors import quoted


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


def grouped(into: type, only: Sequence[str] = (), **more: Any) -> Any:
    """The default of a parameter that is a dataclass, filled from an option a field.

    Args:
        only: fields that are options here; the others keep their defaults.
        more: of all these options, as `click.Option` has it.
    """
    chosen = {each.name: each for each in fields(into) if not only or each.name in only}
    options = {name: made(name, each, **more) for name, each in chosen.items()}
    return field(metadata={"into": into, "options": options})


def command(function: Callable[..., None]) -> Command:
    """The command that a function is: its parameters are the options, its docstring the help."""
    params: list[click.Parameter] = []
    groups: dict[str, Mapping[str, Any]] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if "into" in parameter.default.metadata:
            groups[name] = parameter.default.metadata
            params += groups[name]["options"].values()
        else:
            params.append(made(name, parameter.default))

    @functools.wraps(function)
    def call(**given: Any) -> None:
        refuse_own_input(params, given)
        for name, group in groups.items():
            given[name] = group["into"](**{each: given.pop(each) for each in group["options"]})
        function(**given)

    return click.command(cls=Command, params=params)(call)


def refuse_own_input(params: Sequence[click.Parameter], given: dict[str, Any]) -> None:
    """Refuse to write over a file that the command reads."""
    output = given.get("output") or ""
    for each in params if output else ():
        read = isinstance(each.type, File) and each.name != "output" and given[str(each.name)]
        with suppress(OSError):  # one of them is not there
            if read and os.path.isfile(read) and os.path.samefile(output, read):
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
    elif choices := about.metadata.get("choices"):
        kind = click.Choice(choices, case_sensitive=False)
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
SETTABLE = [each for each in KNOBS if each not in KNOBS_WITH_OPTIONS]
Knobs = Sequence[tuple[str, Any]]


def knob(text: str) -> tuple[str, Any]:
    """NAME=VALUE of a knob of training, checked as an option of that name would be."""
    name, _, value = (part.strip() for part in text.partition("="))
    name = name.replace("-", "_")
    if name not in SETTABLE:
        near = difflib.get_close_matches(name, SETTABLE, 3)
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
    knobs = [made(name, KNOBS[name]) for name in SETTABLE]
    rows = [(str(each.name), (each.get_help_record(context) or [""])[-1]) for each in knobs]
    with shown.section("Knobs of training, for --set NAME=VALUE"):
        shown.write_dl(rows)
    click.echo(shown.getvalue(), nl=False)


SET = option("A knob (train --knobs); repeat it.", default=(), type=knob, metavar="NAME=VALUE")

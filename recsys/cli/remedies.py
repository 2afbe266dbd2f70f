"""The library's remedies in the words of the command line: its options and commands.

The library says what to do ("publish the movies") and names what that is about (`fix`, such as
"publish" or "uri"). Here a fix becomes options of the command that failed, or a command to run with
the same model and address.
"""

import shlex
from typing import Any

import click
from click.core import ParameterSource

from recsys.errors import RecsysError
from recsys.milvus.address import without_credentials

# Fixes that are options, with the names options have; those that the command lacks are left out.
OPTIONS: dict[str, tuple[str, ...]] = {
    "archive": ("--from",),
    "ca": ("--ca",),
    "collection": ("--collection",),
    "consistency": ("--consistency",),
    "data": ("--data",),
    "db": ("--db",),
    "device": ("--device",),
    "file": ("--file",),
    "index": ("--index",),
    "job": ("--job",),
    "learning_rate": ("--learning-rate",),
    "baselines": ("--baselines",),
    "liked_from": ("--liked-from",),
    "model": ("--model",),
    "output": ("--output", "--to"),
    "ratings": ("--data",),
    "replace": ("--replace",),
    "replicas": ("--replicas",),
    "resource_groups": ("--resource-group",),
    "resume": ("--resume",),
    "shards": ("--shards",),
    "switch": ("--switch",),
    "skip_all_bad_lines": ("--skip-all-bad-lines",),
    "skip_bad_lines": ("--skip-bad-lines",),
    "column": ("--column",),
    "user_column": ("--user-column",),
    "item_column": ("--item-column",),
    "user_item_column": ("--user-column", "--item-column"),
    "rating_column": ("--rating-column",),
    "time_column": ("--time-column",),
    "title_column": ("--title-column",),
    "genres_column": ("--genres-column",),
    "timeout": ("--timeout",),
    "token": ("--token",),
    "uri": ("--uri",),
    "where": ("--where",),
    "user_attribute": ("--user-attribute",),
    "user": ("--like", "--age", "--gender", "--job"),
}
# Fixes that are commands.
COMMANDS: dict[str, tuple[str, ...]] = {
    "data": ("download",),
    "download": ("download",),
    "preprocess": ("preprocess", "-f", "FILE"),
    "publish": ("load-movies",),
    "replace": ("load-movies", "--replace"),
    "rollback": ("load-movies", "--rollback"),
    "train": ("train",),
}
SHARED = ("model", "uri", "token", "db", "collection", "ca", "consistency", "timeout")
SECRET = {"token": "USER:PASSWORD"}  # shown in place of a value


def in_words(error: RecsysError, context: click.Context) -> str:
    """The cause and the remedy of an error in the command that failed."""
    hints = [_options(error.fix, context)]
    itself = COMMANDS.get(error.fix, ("",))[0] == context.command.name
    if not (hints[0] and itself):
        hints.append(command_for(error.fix, context))
    parts = [error.remedy, " or ".join(filter(None, hints))]
    return "; ".join(filter(None, [error.cause, ": ".join(filter(None, parts))]))


def command_for(fix: str, context: click.Context) -> str:
    """The command that fixes it, with the options about model and Milvus that were given.

    A password is never repeated.
    """
    if fix not in COMMANDS:
        return ""
    name, *arguments = COMMANDS[fix]
    group = context.find_root().command
    target = group.get_command(context, name) if isinstance(group, click.Group) else None
    taken = {param.name for param in target.params} if target else set()
    for option in SHARED:
        given = context.get_parameter_source(option) is ParameterSource.COMMANDLINE
        if option in taken and given:
            arguments += [f"--{option}", _shown(option, context.params.get(option))]
    return f"recsys {shlex.join([name, *arguments])}"


def _options(fix: str, context: click.Context) -> str:
    """The options of this command that a fix is about, and the environment's name of one."""
    has = {name: param for param in context.command.params for name in param.opts}
    names = [name for name in OPTIONS.get(fix, ()) if name in has]
    variable = has[names[0]].envvar if len(names) == 1 else None
    if isinstance(variable, str):
        names.append(variable)
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _shown(option: str, value: Any) -> str:
    return SECRET.get(option) or without_credentials(str(value))

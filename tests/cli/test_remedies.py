"""The library's remedies as options and commands of the command line."""

import click
import pytest

from recsys.cli.app import cli
from recsys.cli.remedies import COMMANDS, OPTIONS, in_words
from recsys.errors import RecsysError


def words(fix: str, *line: str, remedy: str = "do it") -> str:
    """An error's words in the command that was given."""
    group = cli.make_context("recsys", list(line))
    command = cli.get_command(group, line[0])
    context = command.make_context(line[0], list(line[1:]), parent=group)
    return in_words(RecsysError("it failed", remedy, fix), context)


@pytest.mark.parametrize(
    ("fix", "line", "expected"),
    [
        ("uri", "recommend", "it failed; do it: --uri or RECSYS_URI"),
        ("index", "load-movies", "it failed; do it: --index"),
        ("skip_bad_lines", "train", "it failed; do it: --skip-bad-lines"),
        ("user", "recommend", "it failed; do it: --like, --age, --gender or --job"),
        ("index", "recommend", "it failed; do it"),  # which has no such option
        ("nothing of this kind", "recommend", "it failed; do it"),
        ("", "recommend", "it failed; do it"),
        ("train", "recommend", "it failed; do it: recsys train"),
        ("train", "recommend --model m3 --uri x.db", "it failed; do it: recsys train --model m3"),
        ("data", "evaluate", "it failed; do it: --data or RECSYS_DATA or recsys download"),
        (
            "publish",
            "recommend --uri x.db --model 'my model' -k 3 --collection other",
            "it failed; do it: recsys load-movies --model 'my model' --uri x.db --collection other",
        ),
        ("rollback", "load", "it failed; do it: recsys load-movies --rollback"),
    ],
)
def test_a_fix_is_worded(fix, line, expected):
    import shlex

    assert words(fix, *shlex.split(line)) == expected


def test_no_remedy_no_words():
    assert words("", "recommend", remedy="") == "it failed"


def test_a_password_is_never_repeated():
    secrets = ("--uri", "http://me:secret@host:1", "--token", "me:secret")
    said = words("publish", "recommend", *secrets)
    assert said.endswith("--uri http://host:1 --token USER:PASSWORD")


def test_what_comes_from_the_environment_is_not_repeated(monkeypatch):
    monkeypatch.setenv("RECSYS_URI", "there.db")
    assert words("publish", "recommend").endswith("recsys load-movies")


def test_every_option_and_command_of_the_table_exists():
    options = {name for command in cli.commands.values() for p in command.params for name in p.opts}
    assert {name for names in OPTIONS.values() for name in names} <= options
    for name, *arguments in COMMANDS.values():
        context = click.Context(cli.commands[name])
        assert set(arguments) - {"FILE"} <= {
            opt for param in context.command.params for opt in param.opts
        }

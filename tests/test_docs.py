"""Every command shown in the documents can be given, and every command and option is in them."""

import dataclasses
import re
import shlex
from contextlib import suppress
from pathlib import Path

import click
import pytest

from recsys.__main__ import cli
from recsys.cli.options import KNOBS_WITH_OPTIONS
from recsys.options import Options

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "data" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
COMMANDS_PAGE = (ROOT / "docs" / "commands.md").read_text("utf-8")
SHOWN = re.compile(r"^ {4}(?:\$ )?(recsys [a-z-].*)$|`(recsys [a-z-]+[^`]*)`", re.MULTILINE)
SCRIPTS = re.compile(r"python3? (make\.py|benchmarks/\w+\.py)")
LINKS = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def shown():
    found = []
    for page in PAGES:
        for groups in SHOWN.findall(page.read_text("utf-8")):
            found.append(re.split(r"\s#|\s[<|]\s|\s&&\s|\s>\s", "".join(groups))[0].strip())
    return sorted(set(found))


def section(heading):
    """The text under a heading of the page on commands, up to the next one."""
    _, found, rest = COMMANDS_PAGE.partition(f"{heading}\n")
    assert found, f"docs/commands.md has no {heading!r}"
    return re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def test_commands_shown_are_such_as_can_be_given():
    for line in shown():
        _, name, *arguments = shlex.split(line.replace("…", "x").replace("[", "").replace("]", ""))
        if name.startswith("-"):
            continue
        command = cli.get_command(click.Context(cli), name)
        assert command, line
        if arguments and arguments not in (["--help"], ["-h"]):
            group = cli.make_context("recsys", [name, *arguments])
            with suppress(click.exceptions.Exit):  # --knobs
                command.make_context(name, arguments, parent=group)


def options_in(text):
    """The options in the first column of a section's tables."""
    cells = re.findall(r"^\| (`-(?:\\\||[^|])*) \|", text, re.MULTILINE)
    return {option for cell in cells for option in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", cell)}


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_is_documented_with_its_options_and_no_other(name):
    text = section(f"## recsys {name}")
    documented = options_in(text) | options_in(section("# Commands")) | {"-h", "--help"}
    if re.search(r"Options\s+of\s+\[reading\s+data\]\(#reading-data\)\s+apply", text):
        documented |= options_in(section("## Reading data"))
    if re.search(r"Milvus(\s+and\s+filter)?\s+options\s+apply", text):
        documented |= options_in(section("## Model and Milvus"))
    if re.search(r"filter\s+options\s+apply", text):
        documented |= options_in(section("## Filters"))
    params = cli.commands[name].params
    options = {opt for each in params if isinstance(each, click.Option) for opt in each.opts}
    assert documented == options | {"-h", "--help"}


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_defaults_are_documented_as_they_are(name):
    shared = ("## Reading data", "## Model and Milvus")
    rows = "".join(map(section, (f"## recsys {name}", *shared)))
    for each in cli.commands[name].params:
        if isinstance(each, click.Option) and each.show_default:
            option = max(each.opts, key=len)
            (row, *_) = re.findall(rf"^\|.*`(?:-\w`, `)?{option}\b.*$", rows, re.MULTILINE)
            default = each.default[0] if isinstance(each.default, tuple) else each.default
            shown = f"{default:g}" if isinstance(default, float) else default
            assert f"| {shown}" in row, option


def test_every_knob_is_documented_as_it_is():
    for each in dataclasses.fields(Options):
        name = f"--{each.name} N" if each.name in KNOBS_WITH_OPTIONS else each.name
        row = f"| `{name}` | {each.default} | {each.metadata['help']} |"
        assert row in COMMANDS_PAGE


def test_scripts_and_pages_that_are_named_are_there():
    for page in PAGES:
        text = page.read_text("utf-8")
        named = [ROOT / script for script in SCRIPTS.findall(text)]
        named += [page.parent / link for link in LINKS.findall(text)]
        assert [each for each in named if not each.exists()] == [], page


def test_the_readme_is_one_page_and_something_is_shown():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150
    assert len(shown()) > 20

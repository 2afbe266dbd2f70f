"""Every command that the README and the notes show is one that exists, with options it has."""

import re
import shlex
from pathlib import Path

import pytest

from recsys.cli.app import cli

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "data/README.md")
SHOWN = re.compile(r"^ {4}(?:\$ )?(recsys .+)$|`(recsys [a-z-]+[^`]*)`", re.MULTILINE)
MAKERS = re.compile(r"python3? (make\.py|benchmarks/\w+\.py)")


def shown() -> list[str]:
    found = []
    for page in PAGES:
        for groups in SHOWN.findall((ROOT / page).read_text("utf-8")):
            found.append(re.split(r"\s#|\s[<|]\s|\s&&\s", "".join(groups))[0].strip())
    return sorted(set(found))


@pytest.mark.parametrize("line", shown())
def test_a_command_shown_is_one_that_can_be_given(line):
    _, name, *arguments = shlex.split(line.replace("…", "x").replace("[", "").replace("]", ""))
    command = cli.get_command(None, name)
    assert command, line
    if arguments:
        group = cli.make_context("recsys", [name, *arguments])
        command.make_context(name, arguments, parent=group)


def test_the_scripts_shown_are_there():
    for page in (*PAGES, "docs/performance.md"):
        for script in MAKERS.findall((ROOT / page).read_text("utf-8")):
            assert (ROOT / script).exists(), f"{page}: {script}"


def test_something_is_shown():
    assert len(shown()) > 20

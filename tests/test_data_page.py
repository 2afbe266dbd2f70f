"""docs/data.md shows what its commands print, from file to recommendation."""

import re

import pytest
from data_page import COMMAND, PAGE, real, sections

SHOWN = [each for each in sections(PAGE.read_text("utf-8")) if COMMAND.search(each)]


def loosened(section):
    """Without what depends on the machine: decimals, fingerprints, and which items are best."""
    section = re.sub(r"\d+\.\d{4,}|\b[0-9a-f]{16}\b|\b[0-9a-f]{8}\b", "#", section)
    section = re.sub(r"_v[0-9a-f]{16}_[0-9a-f]{8}|best epoch: \d of \d", "#", section)
    section = re.sub(r"(?m)^    (EASE part|by (history|likes|profile)): .*$", "chosen", section)
    section = re.sub(r"(?m)^    ok     (libraries|milvus) .*$", "version", section)
    section = re.sub(r'"recommendations": \[\{.*', "found", section)
    section = re.sub(r'(?s)"recommendations".*?\n    }\n', "found", section)
    section = re.sub(r"(?m)^    +\d+  +\S.*#.*$", "row", section)
    return re.sub(r" +", " ", section)


@pytest.mark.slow  # trains on each of the three kinds of data
@pytest.mark.parametrize("section", SHOWN, ids=lambda section: section.splitlines()[0].strip("# "))
def test_what_is_shown_is_what_is_printed(section):
    assert loosened(real(section)) == loosened(section)


def test_three_kinds_of_data_are_shown_from_file_to_recommendation():
    names = [[command.split()[:2] for command, _ in COMMAND.findall(each)] for each in SHOWN]
    assert len(names) == 3
    for commands in names:
        asked = [name for program, name in commands if program == "recsys"]
        assert {"train", "load-movies", "recommend"} <= set(asked)
        assert len(commands) == 5

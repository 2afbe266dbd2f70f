"""docs/everyday.md: its commands, run as they stand, print what stands below them."""

import os
import re
import sys

import pytest
from command_line import output
from data_page import COMMAND, EVERY_DAY, every_day, real, sections
from test_data_page import loosened

PAGE = EVERY_DAY.read_text("utf-8")
SHOWN = [
    pytest.param(
        section,
        id=section.splitlines()[0].strip("# "),
        marks=[pytest.mark.slow] if "$ recsys train" in section else [],  # another training
    )
    for section in sections(PAGE)
    if COMMAND.search(section)
]


@pytest.mark.parametrize("section", SHOWN)
def test_what_is_shown_is_what_is_printed(section, trained):
    found = real(section, lambda folder: every_day(folder, trained.place))
    assert loosened(found) == loosened(section)


@pytest.fixture
def place(trained, tmp_path):
    """A folder that a section begins with, and a recsys for other programs to start."""
    every_day(tmp_path, trained.place)
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "recsys"
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -m recsys \"$@\"\n")
    program.chmod(0o755)
    return tmp_path


def printed(*command, cwd):
    """What a program prints, also on stderr, that starts recsys by its name."""
    path = f"{cwd / 'bin'}:{os.environ['PATH']}"
    quick = {"RECSYS_TRAIN_EPOCHS": "1", "RECSYS_TRAIN_SET": "dimension=4"}
    return output("sh", "-c", '"$@" 2>&1', "sh", *command, cwd=cwd, PATH=path, **quick)


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_a_program_asks_by_pipes(place):
    (block,) = blocks("python")
    assert len(printed(sys.executable, "-c", block, cwd=place).splitlines()) == 2


@pytest.mark.slow  # trains
def test_the_four_lines_of_cron_keep_recommendations_fresh(place):
    """New ratings are known within the hour, new movies the next day, all of it on Monday too."""
    (place / "ratings").symlink_to(place / "data" / "sample")
    (place / "new").mkdir()
    line = "user_id,movie_id,rating,timestamp\n900,172,5,1010000100\n900,9001,4,1010000200\n"
    (place / "new" / "ratings.csv").write_text(line)
    (block,) = blocks("crontab")
    hourly, nightly, weekly, morning = (each.split(None, 5)[5] for each in block.splitlines())

    def sh(command):
        return printed("sh", "-c", command.replace("/srv/recsys", str(place)), cwd=place)

    assert sh(hourly) + sh(nightly) == ""
    before = sh("recsys recommend -q -u 900 --format csv")
    assert "900,1," in before
    assert sh(weekly) == ""
    after = sh("recsys recommend -q -u 900 --format csv")
    assert "900,1," in after
    assert after != before
    assert sh(morning) == ""
    assert "ok     answers" in (place / "doctor.txt").read_text()

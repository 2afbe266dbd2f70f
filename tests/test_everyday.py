"""docs/everyday.md: its commands, run as they stand, print what stands below them."""

import os
import re
import subprocess
import sys

import pytest
from command_line import environment
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
    printed = real(section, lambda folder: every_day(folder, trained.place))
    assert loosened(printed) == loosened(section)


@pytest.mark.slow  # trains
def test_the_four_lines_of_cron_keep_recommendations_fresh(trained, tmp_path):
    """New ratings are known within the hour, new movies the next day, all of it on Monday too."""
    every_day(tmp_path, trained.place)
    (tmp_path / "ratings").symlink_to(tmp_path / "data" / "sample")
    (tmp_path / "new").mkdir()
    line = "user_id,movie_id,rating,timestamp\n900,172,5,1010000100\n900,9001,4,1010000200\n"
    (tmp_path / "new" / "ratings.csv").write_text(line)
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "recsys"
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -m recsys \"$@\"\n")
    program.chmod(0o755)
    quick = {"RECSYS_TRAIN_EPOCHS": "1", "RECSYS_TRAIN_SET": "dimension=4"}
    settings = environment(PATH=f"{program.parent}:{os.environ['PATH']}", **quick)
    (block,) = re.findall(r"```crontab\n(.*?)```", PAGE, re.DOTALL)
    commands = [each.split(None, 5)[5] for each in block.splitlines()]
    assert len(commands) == 4

    def sh(command):
        done = subprocess.run(
            command.replace("/srv/recsys", str(tmp_path)),
            shell=True,
            cwd=tmp_path,
            env=settings,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    assert [sh(each) for each in commands[:2]] == ["", ""]
    assert "900,1," in sh("recsys recommend -q -u 900 --format csv")
    before = sh("recsys recommend -q -u 900 --format csv")
    sh(commands[2])
    after = sh("recsys recommend -q -u 900 --format csv")
    assert before != after
    assert "900,1," in after
    sh(commands[3])
    assert "ok     answers" in (tmp_path / "doctor.txt").read_text()

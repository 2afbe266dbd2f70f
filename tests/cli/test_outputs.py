"""Where -o writes, of every command that has it: links are followed, pipes are written to."""

import os
import stat
import threading
from pathlib import Path

import click
import pytest
from command_line import SAMPLE

from recsys.cli.app import cli

COMMANDS = {
    "recommend": ("recommend", "-u", 7, "--exact", "--format", "csv"),
    "similar": ("similar", "heat", "--exact", "--format", "json"),
    "preprocess": ("preprocess", "-f", SAMPLE / "movies.dat"),
}
asked = pytest.mark.parametrize("asked", COMMANDS.values(), ids=COMMANDS)


@pytest.fixture
def written(run, tmp_path):
    """What a command writes to a file of its own."""

    def bytes_of(asked) -> bytes:
        run(*asked, "-o", tmp_path / "plain")
        return (tmp_path / "plain").read_bytes()

    return bytes_of


def test_every_command_with_an_output_is_here():
    has = [name for name, command in cli.commands.items() if "-o" in _options(command)]
    assert sorted(has) == sorted(COMMANDS)


def _options(command: click.Command) -> set[str]:
    return {name for param in command.params for name in param.opts}


@asked
def test_a_link_is_followed_and_its_targets_mode_kept(run, tmp_path, written, asked):
    (tmp_path / "target").write_text("old")
    (tmp_path / "target").chmod(0o640)
    (tmp_path / "link").symlink_to("target")
    run(*asked, "-o", tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == written(asked)
    assert stat.S_IMODE((tmp_path / "target").stat().st_mode) == 0o640


@asked
def test_a_pipe_is_written_to_and_stays_one(run, tmp_path, written, asked):
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(Path(pipe).read_bytes()), daemon=True)
    reader.start()
    run(*asked, "-o", pipe)
    reader.join(10)
    assert read == [written(asked)]
    assert stat.S_ISFIFO(pipe.stat().st_mode)

"""Found texts in messages: in one line, nothing in it that steers a terminal, no password."""

import json
import re
import shlex

import click
import click.testing
import pytest
from command_line import SAMPLE

from recsys.__main__ import cli
from recsys.errors import RecsysError, printable, quoted

ADDRESSES = (
    *("http://root:secret@h", "root:secret@host", "http:/root:secret@h", "http://root: secret@h:1"),
    *("https://root:sec@secret@h:1/x", "http://root:sec\nsecret@h", "a=root:secret@h", "x" * 99),
    *("http://root:it's secret@h", f"http://root:{'secret' * 20}@h"),
)
ODD = "a\nb\r\x1b[31m\u202e\x9b\udcff"  # the last as Python has a byte that is no UTF-8
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff]")
TYPED = {
    "recommend": "-u 42 --exact",
    "similar": "50 --exact",
    "predict": "-u 42 -m 50",
    "doctor": "",
    "load-movies": "--dry-run",
    "preprocess": f"-f {SAMPLE}/movies.dat -o out.txt",
    "inspect": str(SAMPLE),
    "download": "x",
    "evaluate": "--data nowhere",
    "train": "--data nowhere",
}


@pytest.mark.parametrize("name", TYPED)
def test_no_option_shows_a_password_or_steers_the_terminal(trained, tmp_path, monkeypatch, name):
    for setting, value in (("MODEL", trained.model), ("URI", trained.place / "recsys.db"),
                           ("TOKEN", "me:secret"), ("TIMEOUT", "0.2")):  # fmt: skip
        monkeypatch.setenv(f"RECSYS_{setting}", str(value))
    monkeypatch.chdir(tmp_path)
    options = [each for each in cli.commands[name].params if isinstance(each, click.Option)]
    lines = [[*shlex.split(TYPED[name]), max(each.opts, key=len)]
             for each in options if not each.is_flag]  # fmt: skip
    for line in ([], *lines):
        for value in ("http://root:secret@127.0.0.1:1", f"{ODD}\ud83d"):
            done = click.testing.CliRunner().invoke(cli, [name, *line, value])
            assert isinstance(done.exception, SystemExit | None), done.exception
            assert "secret" not in done.output, line
            assert not RAW.search(done.stderr), line
            assert sum(each.startswith("recsys: ") for each in done.stderr.splitlines()) <= 1


@pytest.mark.parametrize("address", ADDRESSES)
def test_what_is_before_the_last_at_of_an_address_is_hidden(trained, monkeypatch, address):
    monkeypatch.chdir(trained.place)
    assert "secret" not in printable(f"{address}: no such file") + quoted(address)
    for line in ("recommend --uri", "recommend --age", "doctor --model", "inspect", "similar"):
        done = click.testing.CliRunner().invoke(cli, [*line.split(), address])
        assert done.exit_code
        assert "secret" not in done.output


@pytest.mark.parametrize(
    "text",
    ["ratings.dat:17: user bob@example.org", "me@home.db: no", "http://h:1: nothing", "a @ b"],
)
def test_what_is_no_address_is_shown(text):
    assert printable(text) == text


def test_an_error_of_several_places_has_a_line_for_each():
    error = RecsysError(["a\nb:1: x", "c:2: y"], "correct\nit")
    assert str(error) == "a\\nb:1: x\nc:2: y; correct\\nit"


def test_a_place_that_is_no_text_is_shown_as_json_has_it(run):
    done = run("doctor", "--json", "--model", "\udcff", code=1)
    assert "\\udcff: no config.json" in json.loads(done.stdout)["model"]["found"]

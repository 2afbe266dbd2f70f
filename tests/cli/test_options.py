"""Options made of the library's dataclasses, and values that are bounded where they are parsed."""

import dataclasses

import click
import pytest
from click.testing import CliRunner

from recsys.cli.app import cli
from recsys.cli.options import milvus_options, training_options
from recsys.milvus.address import MilvusAddress
from recsys.training.options import Options


def called(decorator, *line: str):
    """What a command with these options gets."""
    got: dict = {}

    @click.command()
    @decorator
    def command(**given):
        got.update(given)

    done = CliRunner().invoke(command, list(line))
    assert done.exit_code == 0, done.output
    return got


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    monkeypatch.delenv("RECSYS_URI", raising=False)


def test_nothing_given_is_the_dataclasses_own_defaults():
    assert called(training_options()) == {"options": Options()}
    assert called(milvus_options) == {"address": MilvusAddress()}


def test_what_is_given_is_taken():
    got = called(training_options(), "--epochs", "3", "--learning-rate", "0.01")
    assert got == {"options": Options(epochs=3, learning_rate=0.01)}
    got = called(milvus_options, "--uri", "x.db", "--timeout", "3", "--consistency", "strong")
    assert got == {"address": MilvusAddress("x.db", timeout=3, consistency="Strong")}


def test_every_knob_of_training_is_an_option_with_its_help_and_default():
    options = {param.name: param for param in cli.commands["train"].params}
    for field in dataclasses.fields(Options):
        assert options[field.name].help == field.metadata["help"]
        assert options[field.name].default == field.default
        assert options[field.name].opts == [f"--{field.name.replace('_', '-')}"]


@pytest.mark.parametrize("command", ["recommend", "similar", "load-movies", "doctor"])
def test_every_part_of_an_address_is_an_option(command):
    options = {param.name: param for param in cli.commands[command].params}
    for field in dataclasses.fields(MilvusAddress):
        assert options[field.name].default == field.default
        assert options[field.name].envvar == f"RECSYS_{field.name.upper()}"


@pytest.mark.parametrize(
    "option",
    [("--collection", "a b"), ("--consistency", "Some"), ("--timeout", "0"), ("--timeout", "nan"),
     ("--uri", "ftp://x"), ("--uri", "http://"), ("-k", "0"), ("-k", "1" * 30), ("--year", "99999"),
     ("--user", "9" * 5000), ("--format", "xml")],
)  # fmt: skip
def test_values_are_bounded_where_they_are_parsed(run, option):
    done = run("recommend", *option, code=2)
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert len(done.stderr) < 300

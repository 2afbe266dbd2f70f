"""Options made of dataclasses, and values that are bounded where they are parsed."""

import dataclasses
import uuid

import click
import milvus_server
import pytest
from click.testing import CliRunner
from command_line import SAMPLE

from recsys.__main__ import cli
from recsys.cli.options import KNOBS_WITH_OPTIONS
from recsys.milvus.address import MilvusAddress
from recsys.options import Options


@pytest.mark.parametrize("command", ["recommend", "similar", "predict", "load-movies", "doctor"])
def test_every_part_of_an_address_is_an_option(command):
    options = {param.name: param for param in cli.commands[command].params}
    for field in dataclasses.fields(MilvusAddress):
        assert options[field.name].default == field.default
        assert options[field.name].envvar == f"RECSYS_{field.name.upper()}"


def test_every_knob_of_training_is_listed_with_its_help_default_and_bounds(run):
    text = run("train", "--knobs").stdout
    listed = " ".join(text.split()).replace("- ", "-")  # which end a line
    knobs = [each for each in dataclasses.fields(Options) if each.name not in KNOBS_WITH_OPTIONS]
    for each in knobs:
        words = f"{each.name} {each.metadata['help']} [default: {each.default}"
        assert words.replace("- ", "-") in listed
    given = [f"--set={each.name}={each.default}" for each in knobs]
    assert run("train", *given, "--knobs").stdout == text
    assert "ease_rank Numbers of the EASE part; -1: held-out ratings choose. [default: -1" in listed
    assert len(run("train", "--help").stdout.splitlines()) <= 40  # one screen


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("ease_rnk=3", "'ease_rnk=3' sets no knob, near are ease_rank, "),
        ("qqq=3", "'qqq=3' sets no knob; recsys train --knobs lists them"),
        ("", "'' sets no knob; "),
        ("filters=0", "sets filters to what it cannot be: 0 is not in the range 1<=x<=4096."),
        ("ease_rank", "sets ease_rank to what it cannot be: '' is not a whole number."),
        ("ease_ridge=nan", "sets ease_ridge to what it cannot be: 'nan' is not a number."),
        ("seed=3", "'seed=3' sets no knob"),
    ],
)
@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_a_knob_that_is_none_is_refused(run, command, given, why):
    (error,) = run(command, "--data", SAMPLE, "--set", given, code=2).stderr.splitlines()
    assert error.startswith("recsys: Invalid value for '--set': ")
    assert why in error


def test_what_is_no_option_but_a_knob_is_said_to_be_one(run):
    (error,) = run("train", "--batch-users", 3, code=2).stderr.splitlines()
    words = "No such option '--batch-users'. Knobs are set by --set batch_users=VALUE"
    assert error == f"recsys: {words}"
    assert "--set" not in run("recommend", "--batch-users", 3, code=2).stderr


@pytest.mark.parametrize(
    "line", ["evaluate --seeds=1,x", "evaluate --seeds=1-", "load-movies --index X:M"]
)
def test_what_is_none_of_several_kinds_is_refused_before_the_work(run, line):
    (error,) = run(*line.split(), code=2).stderr.splitlines()
    assert "is not numbers such as 0,1,2 or 0-4" in error or "choose from FLAT, IVF_FLAT" in error


SECRETS = ("hunter2secret", "another-secret")


@pytest.mark.milvus_server
def test_no_command_prints_the_password_of_a_server_that_answers(run, monkeypatch):
    monkeypatch.setenv("RECSYS_TOKEN", "root:another-secret")  # which asks for none
    where = milvus_server.shared().uri.replace("//", "//root:hunter2secret@")
    monkeypatch.setenv("RECSYS_URI", where)
    monkeypatch.setenv("RECSYS_COLLECTION", f"password_{uuid.uuid4().hex[:8]}")
    run("load-movies")
    for line in (
        *("doctor", "doctor --json", "doctor --db none", "recommend", "recommend --format json"),
        *("recommend --debug", "similar heat", "similar none", "similar heat --where x==1"),
        *("load-movies --dry-run", "load-movies --rollback", "load-movies --replicas=9"),
    ):
        done = CliRunner().invoke(cli, line.split())
        assert not any(secret in done.output + repr(done.exception) for secret in SECRETS), line


def test_every_option_has_its_name_in_the_environment():
    for name, command in cli.commands.items():
        for param in (each for each in command.params if isinstance(each, click.Option)):
            options = [each.lstrip("-") for each in param.opts]
            named = [*options, *(f"{name}_{option}" for option in options)]
            names = [f"RECSYS_{text.replace('-', '_').upper()}" for text in named]
            assert param.envvar in names, param.opts


def test_variables_are_taken_and_unknown_ones_are_named(run, monkeypatch, tmp_path):
    monkeypatch.setenv("RECSYS_RECOMMEND_FORMAT", "jsonl")
    monkeypatch.setenv("RECSYS_RECOMMEND_USER", "7")
    assert run("recommend", "--exact").stdout.startswith('{"user_id": 7')
    monkeypatch.setenv("RECSYS_RECOMEND_K", "1")
    lines = run("recommend", "--exact").stderr.splitlines()
    assert lines[0].startswith("RECSYS_RECOMEND_K: no option has this name")
    monkeypatch.setenv("RECSYS_QUIET", "1")
    assert run("recommend", "--exact").stderr == ""
    monkeypatch.setenv("RECSYS_RECOMMEND_K", "x")
    assert run("recommend", "--exact", code=2).stderr == (
        "recsys: Invalid value for '-k': 'x' is not a whole number. (from RECSYS_RECOMMEND_K)\n"
    )
    monkeypatch.setenv("RECSYS_LOAD_MOVIES_INDEX", "HNSW:M=5")
    for name in ("load", "load-movies"):
        assert "HNSW:M=5" in run(name, "--dry-run", "--uri", tmp_path / "a.db").stdout


def test_a_variable_has_several_values(run, monkeypatch):
    more = ("--genre", "Drama", "--genre", "film-noir", "--exact")
    typed = run("recommend", "--like", "toy story", "--like", "heat", *more)
    assert "likes Toy Story (1995) (id 1), Heat (1995) (id 282)" in typed.stderr
    for name, value in (("LIKE", "toy story; heat"), ("GENRE", "Drama; Film-Noir"), ("EXACT", "1")):
        monkeypatch.setenv(f"RECSYS_RECOMMEND_{name}", value)
    by_variable = run("recommend")
    assert (by_variable.stdout, by_variable.stderr) == (typed.stdout, typed.stderr)

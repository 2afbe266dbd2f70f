"""The command line as a whole: help, streams, exit codes, pipes, tracebacks, environment."""

import json
from importlib.metadata import PackageNotFoundError

import click
import pytest
from command_line import SAMPLE, output, recsys

from recsys.__main__ import cli
from recsys.serving import DEFAULT as MODEL

ASK = ("recommend", "--age", "1", "--gender", "F", "--job", "10")


@pytest.mark.parametrize("command", sorted(cli.commands))
def test_every_command_has_help_with_an_example_and_explains_its_options(run, command):
    text = run(command, "--help").stdout
    assert "Example: recsys " + command in text
    assert run(command, "-h").stdout == text
    assert "=None" not in text  # a bound that is none
    for option in cli.commands[command].params:
        assert isinstance(option, click.Argument) or option.help, f"{command} {option.opts}"


HEAVY = {"numpy", "paddle", "pymilvus", "pyarrow", "scipy", "tqdm"}


@pytest.mark.parametrize(
    ("args", "never"),
    [
        *((args, HEAVY) for args in (["--help"], ["recommend", "-h"], ["train", "-h"])),
        (ASK, {"paddle"}),
        ((*ASK, "--exact"), {"paddle", "pymilvus"}),
    ],
)
def test_commands_load_nothing_heavy_that_they_do_not_need(apart, args, never):
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('\\nMODULES', *sys.modules))\n"
        f"sys.argv = ['recsys', *{list(args)!r}]\n"
        "from recsys.__main__ import cli\n"
        "cli()\n"
    )
    loaded = output("-c", code, cwd=apart).rsplit("MODULES", 1)[1].split()
    assert not never & {*loaded}


def test_streams_are_apart(trained, run):
    for done in (trained.train, trained.preprocess, trained.load_movies):
        assert len(done.stdout.splitlines()) == 1
    answer = run(*ASK, "--format", "json")
    assert json.loads(answer.stdout)["recommendations"]
    assert answer.stderr.splitlines() == [
        "age 1 is in years; code 1 of the tutorial is age 18 (18-24)",
        "for gender F; age under 18; job K-12 student",
    ]


def test_an_error_is_one_line_with_cause_and_remedy(run):
    assert run("recommend", "--model", "nowhere", code=1).stderr == (
        "recsys: nowhere: no config.json there; train first: recsys train --model nowhere\n"
    )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("a\nb"), "RuntimeError: a b; --debug shows where"),
        (MemoryError(), "out of memory (no more is known); allow more memory"),
        (RuntimeError("can't start new thread"), "out of memory (can't start new thread); allow"),
        (ImportError("a.so: failed to map segment"), "a package cannot be loaded (a.so: failed to"),
    ],
)
def test_a_foreign_error_is_one_line_too(run, monkeypatch, error, words):
    """Also where numpy raises an essay on how it may have been installed."""

    def broken(*_, **__):
        if not isinstance(error, ImportError):
            raise error
        raise ImportError("IMPORTANT: PLEASE READ THIS\n" * 50) from error

    monkeypatch.setattr("recsys.infer.Recommender.recommend", broken)
    assert run(*ASK, "--exact", "-q", code=1).stderr.startswith(f"recsys: {words}")
    assert isinstance(run(*ASK, "--exact", "--debug", code=1).exception, type(error))


def test_a_table_fits_the_terminal(run, monkeypatch):
    """Where stdout is none and COLUMNS is not set, nothing is cut; nor in other formats."""
    ask = ("recommend", "-u", "42", "--exact", "-k", "20")
    full = run(*ask).stdout
    assert "…" not in full
    monkeypatch.setenv("COLUMNS", "60")
    narrow = run(*ask).stdout
    assert max(map(len, narrow.splitlines())) == 60 < max(map(len, full.splitlines()))
    assert "…" in narrow
    assert "…" not in run(*ask, "--format", "csv").stdout
    monkeypatch.setenv("COLUMNS", "200")
    assert run(*ask).stdout == full


def test_doctor_is_content_without_what_only_training_needs(run, monkeypatch):
    missing = {"paddlepaddle", "scipy"}

    def version(name):
        if name in missing:
            raise PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr("recsys.cli.check.version", version)
    line = run("doctor").stdout.splitlines()[0]
    assert line.startswith("ok     libraries ")
    assert line.endswith("; only training and large batches need paddlepaddle, scipy")
    missing.add("pyarrow")
    assert run("doctor", code=1).stdout.startswith("WRONG  libraries ")


@pytest.mark.parametrize(
    ("package", "line"),
    [("paddle", f"train --data {SAMPLE}"), ("scipy", "recommend --users all --exact -o all.csv")],
)
def test_a_package_that_is_missing_is_named(package, line, trained, tmp_path):
    missing = f"raise ModuleNotFoundError('none', name='{package}')\n"
    (tmp_path / f"{package}.py").write_text(missing)
    (tmp_path / MODEL).symlink_to(trained.place / MODEL)
    done = recsys(*line.split(), cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        f"recsys: the package {package} is not installed; install recsys with all it needs\n"
    )

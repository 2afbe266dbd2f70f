"""Commands in the documents can be given, print what stands below them, and all are there."""

import dataclasses
import os
import re
import shlex
import shutil
import sys
from contextlib import suppress
from pathlib import Path

import click
import pytest
from command_line import ROOT, SAMPLE, output
from data_page import COMMAND, EVERY_DAY, PAGE, every_day, real, sections

import recsys
from recsys.__main__ import cli
from recsys.cli.options import KNOBS_WITH_OPTIONS
from recsys.options import Options

DOCS = sorted((ROOT / "docs").glob("*.md"))
README = ROOT / "README.md"
PAGES = {
    page: page.read_text("utf-8")
    for page in [README, ROOT / "CONTRIBUTING.md", ROOT / "data" / "README.md", *DOCS]
}
COMMANDS_PAGE = PAGES[ROOT / "docs" / "commands.md"]
SHOWN = re.compile(r"^ {4}(?:\$ )?(recsys [a-z-].*)$|`(recsys [a-z-]+[^`]*)`", re.MULTILINE)
SCRIPTS = re.compile(r"python3? (make\.py|benchmarks/\w+\.py)")
LINKS = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def shown():
    found = {"".join(groups) for text in PAGES.values() for groups in SHOWN.findall(text)}
    return {re.split(r"\s#|\s[<|]\s|\s&&\s|\s>\s", each)[0].strip() for each in found}


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
def test_every_command_is_documented_with_its_options_and_defaults_and_no_other(name):
    text, reading = section(f"## recsys {name}"), section("## Reading data")
    shared = section("## Model and Milvus")
    documented = options_in(text) | options_in(section("# Commands")) | {"-h", "--help"}
    if re.search(r"Options\s+of\s+\[reading\s+data\]\(#reading-data\)\s+apply", text):
        documented |= options_in(reading)
    if re.search(r"Milvus(\s+and\s+filter)?\s+options\s+apply", text):
        documented |= options_in(shared)
    if re.search(r"filter\s+options\s+apply", text):
        documented |= options_in(section("## Filters"))
    options = [each for each in cli.commands[name].params if isinstance(each, click.Option)]
    assert documented == {opt for each in options for opt in each.opts} | {"-h", "--help"}
    for each in (each for each in options if each.show_default):
        option = max(each.opts, key=len)
        row = rf"^\|.*`(?:-\w`, `)?{option}\b.*$"
        (row, *_) = re.findall(row, text + reading + shared, re.MULTILINE)
        default = each.default[0] if isinstance(each.default, tuple) else each.default
        assert f"| {f'{default:g}' if isinstance(default, float) else default}" in row, option


def test_every_knob_is_documented_as_it_is():
    for each in dataclasses.fields(Options):
        name = f"--{each.name} N" if each.name in KNOBS_WITH_OPTIONS else each.name
        assert f"| `{name}` | {each.default} | {each.metadata['help']} |" in COMMANDS_PAGE


def test_scripts_and_pages_that_are_named_are_there():
    for page, text in PAGES.items():
        named = [ROOT / script for script in SCRIPTS.findall(text)]
        named += [page.parent / link for link in LINKS.findall(text)]
        assert [each for each in named if not each.exists()] == [], page


def test_the_readme_is_one_page_and_something_is_shown():
    assert len(PAGES[README].splitlines()) <= 150
    assert len(shown()) > 20


# What commands print: docs/data.md and docs/everyday.md


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


RUN = [each for each in sections(PAGES[PAGE]) if COMMAND.search(each)]
ASKED = [each for each in sections(PAGES[EVERY_DAY]) if COMMAND.search(each)]


def title(section):
    return section.splitlines()[0].strip("# ")


@pytest.mark.slow  # trains on each of the three kinds of data
@pytest.mark.parametrize("section", RUN, ids=title)
def test_what_docs_data_shows_is_what_is_printed(section):
    assert loosened(real(section)) == loosened(section)


def test_three_kinds_of_data_are_shown_from_file_to_recommendation():
    names = [[command.split()[:2] for command, _ in COMMAND.findall(each)] for each in RUN]
    assert [len(commands) for commands in names] == [5] * 3
    for commands in names:
        asked = {name for program, name in commands if program == "recsys"}
        assert asked >= {"train", "load-movies", "recommend"}


@pytest.mark.parametrize("trains", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_what_docs_everyday_shows_is_what_is_printed(trained, trains):
    for section in (each for each in ASKED if ("$ recsys train" in each) == trains):
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


SMALL = "dimension=4; filters=4; factor_sweeps=1; factor_coordinates=2"
QUICK = {"RECSYS_TRAIN_EPOCHS": "1", "RECSYS_TRAIN_SET": SMALL}


def printed(*command, cwd):
    """What a program prints, also on stderr, that starts recsys by its name."""
    path = f"{cwd / 'bin'}:{os.environ['PATH']}"
    return output("sh", "-c", '"$@" 2>&1', "sh", *command, cwd=cwd, PATH=path, **QUICK)


def block(language):
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGES[EVERY_DAY], re.DOTALL)
    return found


def test_a_program_asks_by_pipes(place):
    assert len(printed(sys.executable, "-c", block("python"), cwd=place).splitlines()) == 2
    assert '"recommendations": [{"rank": 1' in printed("bash", "-c", block("bash"), cwd=place)


@pytest.mark.slow  # trains
def test_the_four_lines_of_cron_keep_recommendations_fresh(place):
    """New ratings are known within the hour, new movies the next day, all of it on Monday too."""
    (place / "ratings").symlink_to(place / "data" / "sample")
    (place / "new").mkdir()
    line = "user_id,movie_id,rating,timestamp\n900,172,5,1010000100\n900,9001,4,1010000200\n"
    (place / "new" / "ratings.csv").write_text(line)
    lines = block("crontab").splitlines()
    hourly, nightly, weekly, morning = (each.split(None, 5)[5] for each in lines)

    def sh(command):
        return printed("sh", "-c", command.replace("/srv/recsys", str(place)), cwd=place)

    assert sh(hourly) + sh(nightly) == ""
    before = sh("recsys recommend -q -u 900 --format csv")
    assert sh(weekly) == ""
    after = sh("recsys recommend -q -u 900 --format csv")
    assert "900,1," in before != after
    assert "900,1," in after
    assert sh(morning) == ""
    assert "ok     answers" in (place / "doctor.txt").read_text()


def test_the_four_commands_of_the_readme_run_as_they_stand(trained, tmp_path, run, monkeypatch):
    """In a checkout in which `make.py demo` has published another model; trains quickly."""
    text = PAGES[README].partition("## Four commands")[2].partition("\n## ")[0]
    commands = [
        shlex.split(each)[1:] for each in re.findall(r"^ {4}\$ (recsys [^#\n]*)", text, re.M)
    ]
    shutil.copytree(trained.place, tmp_path, dirs_exist_ok=True)
    shutil.copytree(SAMPLE, tmp_path / "data" / "sample")
    monkeypatch.chdir(tmp_path)
    for name, value in (QUICK | dict(re.findall(r"(RECSYS_\w+)=(\S+)", text))).items():
        monkeypatch.setenv(name, value)
    train, preprocess, load_movies, recommend = (run(*line) for line in commands)
    assert train.stdout.startswith("sample.model\t")
    assert preprocess.stdout == "movies_data.txt\n"
    expected = "movies: 338: 338 of movies_data.txt, 0 new to the model"
    assert load_movies.stderr.startswith(expected)
    assert len(recommend.stdout.splitlines()) == 1 + 5
    alone = "movies: the 338 the model was trained on; movies_data.txt is not read without "
    assert run("load-movies").stderr.startswith(f"{alone}-f movies_data.txt\n")
    assert run(*commands[3]).stdout == recommend.stdout


def test_the_readme_has_the_results_of_their_page():
    rows = re.findall(r"^\| ([\w-]+): .*?\*\*(\.\d+)\*\*", PAGES[README], re.MULTILINE)
    assert len(rows) == 6
    for protocol, shown in rows:
        section = PAGES[ROOT / "docs" / "results.md"].partition(f"\n## {protocol}:")[2]
        ours = re.search(r"^\| recsys[^|]*\| \**(\.\d+)", section, re.MULTILINE)[1]
        assert f"{float(ours):.3f}" == f"0{shown}", protocol


@pytest.mark.slow  # all pages are made
def test_the_site_is_built_without_a_warning_and_stays_on_this_machine(tmp_path):
    """Every link leads somewhere, every public name is described, and nothing is fetched."""
    (tmp_path / "report.html").write_text("a report")
    command = (sys.executable, "-m", "sphinx", "-EWq", "--keep-going", "-c", "docs", ".", tmp_path)
    assert output(*command, "-d", tmp_path / "trees", cwd=ROOT) == ""
    made = {
        path.relative_to(tmp_path): path.read_text("utf-8") for path in tmp_path.rglob("*.html")
    }
    assert {page.relative_to(ROOT).with_suffix(".html") for page in PAGES} <= {*made}
    assert 'href="report.html"' in made[Path("index.html")]
    described = set(re.findall(r'<dt [^>]*id="recsys\.([\w.]+)"', made[Path("docs/api.html")]))
    errors = {f"errors.{name}" for name, each in vars(recsys.errors).items() if is_error(each)}
    assert {*recsys.__all__} - {"__version__", "errors"} | errors <= described
    fetched = r'<(?:script|img|link|iframe)[^>]*(?:src|href)="(?:https?:)?//'
    assert [page for page, text in made.items() if re.search(fetched, text)] == []


def is_error(found):
    return isinstance(found, type) and issubclass(found, recsys.errors.RecsysError)

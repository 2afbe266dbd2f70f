"""The commands the README begins with, run as they stand beside what its demo leaves."""

import re
import shlex
import shutil

import pytest
from command_line import ROOT, SAMPLE

README = (ROOT / "README.md").read_text("utf-8")
SECTION = README.partition("## Four commands")[2].partition("\n## ")[0]
COMMANDS = [
    shlex.split(each)[1:] for each in re.findall(r"^ {4}\$ (recsys [^#\n]*)", SECTION, re.M)
]
EXPORTED = dict(re.findall(r"(RECSYS_\w+)=(\S+)", SECTION))


@pytest.fixture
def fetched(trained, tmp_path, run, monkeypatch):
    """A checkout in which `make.py demo` has published another model; trains quickly."""
    shutil.copytree(trained.place, tmp_path, dirs_exist_ok=True)
    shutil.copytree(SAMPLE, tmp_path / "data" / "sample")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECSYS_TRAIN_EPOCHS", "1")
    monkeypatch.setenv("RECSYS_TRAIN_SET", "dimension=4")
    return tmp_path


def test_the_four_commands_run_as_they_stand(run, fetched, monkeypatch):
    for name, value in EXPORTED.items():
        monkeypatch.setenv(name, value)
    train, preprocess, load_movies, recommend = (run(*line) for line in COMMANDS)
    assert train.stdout.startswith("sample.model\t")
    assert preprocess.stdout == "movies_data.txt\n"
    expected = "movies: 338: 338 of movies_data.txt, 0 new to the model"
    assert load_movies.stderr.startswith(expected)
    assert len(recommend.stdout.splitlines()) == 1 + 5
    alone = run("load-movies").stderr.splitlines()[0]
    assert alone == (
        "movies: the 338 the model was trained on; movies_data.txt is not read without "
        "-f movies_data.txt"
    )
    assert run(*COMMANDS[3]).stdout == recommend.stdout

"""The commands the README begins with, run as they stand where a dataset has been fetched."""

import re
import shlex
import shutil

import pytest
from command_line import ROOT, SAMPLE

README = (ROOT / "README.md").read_text("utf-8")


def commands() -> list[list[str]]:
    """Those of the section, without comments and the activation of the environment."""
    text = README.partition("## Four commands")[2].partition("\n## ")[0]
    return [shlex.split(line)[1:] for line in re.findall(r"^ {4}\$ (recsys [^#\n]*)", text, re.M)]


@pytest.fixture
def fetched(tmp_path, monkeypatch):
    """A checkout with a dataset in `data/`: the sample's files, in the place of ml-1m's."""
    for name in ("sample", "ml-1m"):
        shutil.copytree(SAMPLE, tmp_path / "data" / name)
    return tmp_path


def test_the_four_commands_run_as_they_stand(run, fetched, monkeypatch):
    monkeypatch.chdir(fetched)
    monkeypatch.setenv("RECSYS_TRAIN_EPOCHS", "1")
    monkeypatch.setenv("RECSYS_TRAIN_DIMENSION", "4")
    train, preprocess, load_movies, recommend = (run(*line) for line in commands())
    assert train.stdout.startswith("recommender_system.inference.model\t")
    assert preprocess.stdout == "movies_data.txt\n"
    assert len(recommend.stdout.splitlines()) == 1 + 5
    said = load_movies.stderr.splitlines()[0]
    assert said == (
        "movies: the 338 the model was trained on; movies_data.txt is not read without "
        "-f movies_data.txt"
    )
    added = run("load-movies", "-f", "movies_data.txt")
    assert added.stderr.startswith("movies: 338: 0 published and 338 of movies_data.txt, 0 new")
    assert run(*commands()[3]).stdout == recommend.stdout

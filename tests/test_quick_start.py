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
def fetched(tmp_path, run, monkeypatch):
    """A checkout with a dataset in `data/`: the sample's files, in the place of ml-1m's; quick."""
    for name in ("sample", "ml-1m"):
        shutil.copytree(SAMPLE, tmp_path / "data" / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECSYS_TRAIN_EPOCHS", "1")
    monkeypatch.setenv("RECSYS_TRAIN_SET", "dimension=4")
    return tmp_path


def test_the_four_commands_run_as_they_stand(run, fetched):
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


@pytest.mark.slow  # trains once more
def test_other_movies_under_the_same_ids_are_refused(run, fetched):
    """What the README says of the sample's movies after a demo on other data."""
    movies = fetched / "data" / "ml-1m" / "movies.dat"
    lines = movies.read_text("latin-1").splitlines()
    ids, rest = zip(*(line.split("::", 1) for line in lines), strict=True)
    movies.write_text("\n".join(map("::".join, zip(ids, rest[::-1], strict=True))), "latin-1")
    for line in (*commands()[:2], ["load-movies"]):
        run(*line)
    refused = run("load-movies", "-f", "movies_data.txt", code=1).stderr
    assert "or other movies: 33" in refused
    assert "encode a file of the model's movies: recsys preprocess -f FILE" in refused
    assert "338 movies" in run("load-movies").stdout

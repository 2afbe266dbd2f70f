"""One model, trained on the sample by the real command line, for every test that needs one."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner, Result
from command_line import SAMPLE, SMALL, recsys

from recsys.cli.app import cli
from recsys.infer import Recommender, catalogue
from recsys.milvus_store import MilvusStore
from recsys.serving.model_folder import DEFAULT, ModelFolder


class Trained(NamedTuple):
    """A place where train, preprocess and load-movies have run, and what they printed."""

    place: Path  # with the model folder, movies_data.txt and recsys.db
    train: subprocess.CompletedProcess[str]
    preprocess: subprocess.CompletedProcess[str]
    load_movies: subprocess.CompletedProcess[str]

    @property
    def model(self) -> Path:
        return self.place / DEFAULT


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A model and a published store. Tests read them and never change them."""
    place = tmp_path_factory.mktemp("trained")
    done = [
        recsys(*command, cwd=place)
        for command in (
            ("train", *SMALL),
            ("preprocess", "-f", str(SAMPLE / "movies.dat")),
            ("load-movies",),
        )
    ]
    for each in done:
        assert each.returncode == 0, each.stderr
    return Trained(place, *done)


@pytest.fixture(scope="session")
def folder(trained: Trained) -> ModelFolder:
    return ModelFolder(trained.model)


@pytest.fixture(scope="session")
def exact(folder: ModelFolder) -> Recommender:
    """Answers of the trained model in NumPy."""
    return Recommender(folder, catalogue(folder))


@pytest.fixture
def own_model(trained: Trained, tmp_path: Path) -> Path:
    """A copy of the model folder that a test may damage."""
    return Path(shutil.copytree(trained.model, tmp_path / DEFAULT))


@pytest.fixture
def run(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> "Runner":
    """The command line in this process, at the trained place; quick."""
    monkeypatch.chdir(trained.place)
    for name in [name for name in os.environ if name.startswith("RECSYS_")]:
        monkeypatch.delenv(name)
    return Runner()


class Runner:
    def __call__(self, *args: str | Path, input: str | None = None, code: int = 0) -> Result:
        """Runs `recsys ARGS` and checks its exit code."""
        result = CliRunner().invoke(cli, [str(arg) for arg in args], input=input)
        assert result.exit_code == code, (result.output, result.exception)
        return result


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MilvusStore]:
    """An empty Milvus Lite."""
    with MilvusStore(str(tmp_path / "movies.db")) as opened:
        yield opened

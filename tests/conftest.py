"""One model, trained on the sample by the real command line, for every test that needs one."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import shop
from click.testing import Result
from command_line import SAMPLE, SMALL, alone, here, recsys

from recsys.infer import Recommender, catalogue
from recsys.milvus_store import MilvusStore
from recsys.serving.model_folder import DEFAULT, Model, load_model


class Trained(NamedTuple):
    """A place where train, preprocess and load-movies have run, and what they printed."""

    place: Path  # with the model folder, movies_data.txt and recsys.db
    train: subprocess.CompletedProcess[str]
    preprocess: subprocess.CompletedProcess[str]
    load_movies: subprocess.CompletedProcess[str]

    @property
    def model(self) -> Path:
        return self.place / DEFAULT


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A copy, for this process, of a folder that the first of the run's processes makes."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    whole = shared / f"{name}-original"
    with alone(shared / f"{name}.lock"):
        if not whole.exists():
            make(made := Path(tempfile.mkdtemp(dir=shared)))
            made.rename(whole)
    return Path(shutil.copytree(whole, factory.mktemp(name), dirs_exist_ok=True))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A model and a published store. Tests read them and never change them."""

    def make(place: Path) -> None:
        commands = ("train", *SMALL), ("preprocess", "-f", f"{SAMPLE}/movies.dat"), ("load-movies",)
        done = [recsys(*command, cwd=place) for command in commands]
        for each in done:
            assert each.returncode == 0, each.stderr
        (place / "printed.json").write_text(json.dumps([vars(each) for each in done]))

    place = made_once(tmp_path_factory, "trained", make)
    printed = json.loads((place / "printed.json").read_text())
    return Trained(place, *(subprocess.CompletedProcess(**each) for each in printed))


def group_of(nodeid: str) -> str:
    """What runs in one process: a file's tests, and all that need a Milvus server."""
    server = re.search(r"[\[-](server|cluster)\b|/test_(server|cluster)\.py", nodeid)
    return "server" if server else nodeid.partition("::")[0]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first, so that no process is left alone with it at the end."""
    slow = {group_of(each.nodeid) for each in items if each.get_closest_marker("slow")}

    def late(item: pytest.Item) -> int:
        group = group_of(item.nodeid)
        return 0 if group == "server" else 1 if group in slow else 2

    items.sort(key=late)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Share out groups of tests in their order, where several processes run them."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    config.option.loadscopereorder = False
    return Groups(config, log)


@pytest.fixture(scope="session")
def trained_shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A place with the shop's data, model and store; and what train said on stderr."""

    def make(place: Path) -> None:
        train = recsys("train", "--data", str(shop.make(place)), *shop.SMALL, cwd=place)
        load = recsys("load-movies", cwd=place)
        assert train.returncode == load.returncode == 0, train.stderr + load.stderr
        (place / "said").write_text(train.stderr)

    place = made_once(tmp_path_factory, "shop", make)
    return place, (place / "said").read_text()


@pytest.fixture(scope="session")
def folder(trained: Trained) -> Model:
    return load_model(trained.model)


@pytest.fixture(scope="session")
def exact(folder: Model) -> Recommender:
    """Answers of the trained model in NumPy."""
    return Recommender(folder, catalogue(folder))


@pytest.fixture
def own_model(trained: Trained, tmp_path: Path) -> Path:
    """A copy of the model folder that a test may damage."""
    return Path(shutil.copytree(trained.model, tmp_path / DEFAULT))


@pytest.fixture
def run(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command line in this process, at the trained place; quick."""
    monkeypatch.chdir(trained.place)
    for name in [name for name in os.environ if name.startswith("RECSYS_")]:
        monkeypatch.delenv(name)
    return here


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MilvusStore]:
    """An empty Milvus Lite."""
    with MilvusStore(str(tmp_path / "movies.db")) as opened:
        yield opened

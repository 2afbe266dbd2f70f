"""Models that the real command line trains once in a run, for every test that needs one."""

import gc
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import Result
from command_line import SAMPLE, SMALL, alone, here, inside, recsys
from families import DAT, put
from learned_from import TINY
from shop import SMALL as SHOP_OPTIONS
from shop import make as make_shop

from recsys.data.dataset import Dataset
from recsys.infer import Recommender, catalogue
from recsys.milvus_store import MilvusStore
from recsys.preprocess import read_dataset
from recsys.serving.model_folder import DEFAULT, Model, load_model, put_model


class Printed(NamedTuple):
    stdout: str
    stderr: str


class Trained(NamedTuple):
    """A folder in which train, preprocess and load-movies have run, and what they printed."""

    place: Path  # with the model folder, movies_data.txt and recsys.db
    train: Printed
    preprocess: Printed
    load_movies: Printed

    @property
    def model(self) -> Path:
        return self.place / DEFAULT


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A copy, for this process, of a folder that the first of the run's processes makes."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    original = shared / f"{name}-original"
    with alone(shared / f"{name}.lock"):
        if not original.exists():
            make(made := Path(tempfile.mkdtemp(dir=shared)))
            made.rename(original)
    return Path(shutil.copytree(original, factory.mktemp(name), dirs_exist_ok=True))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A model and a published store. Tests read them and never change them."""

    def make(place: Path) -> None:
        done = [recsys("train", *SMALL, cwd=place)]
        assert done[0].returncode == 0, done
        with inside(place):
            done += [here("preprocess", "-f", f"{SAMPLE}/movies.dat"), here("load-movies")]
        printed = [[each.stdout, each.stderr] for each in done]
        (place / "printed.json").write_text(json.dumps(printed))

    place = made_once(tmp_path_factory, "trained", make)
    printed = json.loads((place / "printed.json").read_text())
    return Trained(place, *(Printed(*each) for each in printed))


@pytest.fixture(scope="session")
def apart(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of its folder for processes of their own: a store that is open here locks that one."""
    return Path(
        shutil.copytree(trained.place, tmp_path_factory.mktemp("apart"), dirs_exist_ok=True)
    )


@pytest.fixture(scope="session")
def trained_shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with the shop's data, model and store; and what train said on stderr."""

    def make(place: Path) -> None:
        with inside(place):
            log = here("train", "--data", make_shop(place), *SHOP_OPTIONS).stderr
            here("load-movies")
        (place / "log").write_text(log)

    place = made_once(tmp_path_factory, "shop", make)
    return place, (place / "log").read_text()


@pytest.fixture(scope="session")
def another_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two movies have one title and one year, a title is another's id; nothing is published."""

    def make(place: Path) -> None:
        more = b"8::Heat (1995)::Drama\n20::1984 (1984)::Drama\n1984::Friday (1980)::Horror\n"
        put(place, {**DAT, "movies.dat": DAT["movies.dat"] + more})
        quick = ("--epochs", 1, "--set", "dimension=4", "--validation", 0)
        here("train", "--data", place, "--model", place / "model", *quick)

    return made_once(tmp_path_factory, "another", make) / "model"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A folder with six ratings, trained on in no time."""
    (folder := tmp_path / "tiny").mkdir()
    return put(folder, DAT)


@pytest.fixture(scope="session")
def six(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The same six ratings in memory."""
    return read_dataset(put(tmp_path_factory.mktemp("six"), DAT))


@pytest.fixture(scope="session")
def shipped_once(six: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """What `train_model` writes of them, into a folder two deep. Nobody changes it."""
    from recsys.train import train_model  # which imports Paddle

    return train_model(six, str(tmp_path_factory.mktemp("shipped") / "a" / "model"), TINY)


@pytest.fixture
def shipped(shipped_once: Model, tmp_path: Path) -> Model:
    put_model(shipped_once, tmp_path / "model")
    return load_model(tmp_path / "model")


def group_of(nodeid: str) -> str:
    """What runs in one process: a file's tests, and all that need a Milvus server."""
    server = re.search(r"[\[-](server|cluster)\b|/test_(server|cluster)\.py", nodeid)
    return "server" if server else nodeid.partition("::")[0]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first, so that no process is left alone with it at the end.

    While one process makes the trained model, others have tests that need none.
    """
    slow = {group_of(each.nodeid) for each in items if each.get_closest_marker("slow")}
    need = [group_of(each.nodeid) for each in items if "trained" in each.fixturenames]

    def late(item: pytest.Item) -> tuple[bool, ...]:
        group = group_of(item.nodeid)
        return group != "server", group not in slow, group not in need[:1], group in need

    items.sort(key=late)
    gc.freeze()  # what is imported by now stays: to look through it again takes long
    gc.set_threshold(50_000)


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
def folder(trained: Trained) -> Model:
    return load_model(trained.model)


@pytest.fixture(scope="session")
def exact(folder: Model) -> Recommender:
    """Answers of the trained model in NumPy."""
    return Recommender(folder, catalogue(folder))


@pytest.fixture(scope="module")
def milvus(folder: Model, trained: Trained) -> Iterator[Recommender]:
    """Its answers out of Milvus Lite."""
    with MilvusStore(trained.place / "recsys.db") as store:  # a path will do
        yield Recommender(folder, store)


@pytest.fixture
def own_model(trained: Trained, tmp_path: Path) -> Path:
    """A copy of the model folder that a test may damage."""
    return Path(shutil.copytree(trained.model, tmp_path / DEFAULT))


@pytest.fixture
def run(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command line in this process, in the trained model's folder; quick."""
    monkeypatch.chdir(trained.place)
    return here


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MilvusStore]:
    """An empty Milvus Lite."""
    with MilvusStore(str(tmp_path / "movies.db")) as opened:
        yield opened

"""The library's face: names that load when they are used, and examples that run."""

import doctest
import os
import re
from pathlib import Path

import pytest
from command_line import ROOT, output

import recsys

HEAVY = {"numpy", "paddle", "pymilvus", "click", "pyarrow"}
README = (ROOT / "README.md").read_text("utf-8")
TRAIN = ("evaluate", "train_model")  # take seconds
NAMES = [name for name in recsys.__all__ if name not in ("__version__", "errors")]


def test_import_is_instant():
    code = "import sys, recsys; dir(recsys); print(*{name.split('.')[0] for name in sys.modules})"
    assert not HEAVY & set(output("-c", code).split())


def test_light_names_stay_light():
    code = (
        "import sys, recsys; recsys.Options(); recsys.MilvusAddress(); recsys.errors.RecsysError\n"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    assert not HEAVY & set(output("-c", code).split())


def test_every_name_is_there():
    for name in recsys.__all__:
        assert getattr(recsys, name) is getattr(recsys, name)
    assert set(recsys.__all__) <= set(dir(recsys))
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        recsys.absent  # noqa: B018


@pytest.fixture(scope="module")
def after_readme(tmp_path_factory):
    """A folder with data/sample, in which the README's example has run: sample.model, sample.db."""
    (example,) = re.findall(r"## As a library\n\n((?: {4}.*\n|\n)+)", README)
    place = tmp_path_factory.mktemp("library")
    (place / "data").symlink_to(ROOT / "data")
    before = Path.cwd()
    os.chdir(place)
    try:
        exec("\n".join(line[4:] for line in example.splitlines()), {})
        yield place
    finally:
        os.chdir(before)


def test_the_readmes_example_runs(after_readme):
    assert (after_readme / "sample.model" / "config.json").exists()
    assert (after_readme / "sample.db").exists()


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in TRAIN else ()) for name in NAMES],
)
def test_every_name_has_an_example_that_runs(after_readme, name):
    public = getattr(recsys, name)
    tests = doctest.DocTestFinder(recurse=False).find(public, name)
    assert tests, f"{name} has no docstring"
    assert tests[0].examples, f"{name} has no example"
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    said: list[str] = []
    runner.run(tests[0], out=said.append)
    assert not runner.failures, "".join(said)
    assert not any("SKIP" in each.source for each in tests[0].examples)

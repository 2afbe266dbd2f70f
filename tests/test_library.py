"""The library's face: names that load when they are used, and examples that run."""

import doctest
import importlib
import inspect
import pkgutil
import re

import pytest
from command_line import ROOT, inside, output

import recsys
import recsys.data

HEAVY = {"numpy", "paddle", "pymilvus", "click", "pyarrow"}
README = (ROOT / "README.md").read_text("utf-8")
TRAIN = ("evaluate", "train_model")  # take seconds
DATA = [each.name for each in pkgutil.walk_packages(recsys.data.__path__, "recsys.data.")]
REPORT = ("recsys.report.tables", "recsys.report.shapes")
NAMES = [name for name in recsys.__all__ if name not in ("__version__", "errors")]


@pytest.mark.parametrize(
    "use", ["dir(recsys)", "recsys.Options(); recsys.MilvusAddress(); recsys.errors.RecsysError"]
)
def test_import_and_light_names_are_instant(use):
    code = f"import sys, recsys; {use}; print(*{{name.split('.')[0] for name in sys.modules}})"
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
    with inside(place):
        exec("\n".join(line[4:] for line in example.splitlines()), {})
        yield place


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in TRAIN else ()) for n in NAMES]
)
def test_every_name_has_an_example_that_runs(after_readme, name):
    (test,) = doctest.DocTestFinder(recurse=False).find(getattr(recsys, name), name)
    assert test.examples
    assert not any("SKIP" in each.source for each in test.examples)
    printed = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    runner.run(test, out=printed.append)
    assert not runner.failures, "".join(printed)


@pytest.mark.parametrize("name", [*DATA, "recsys.preprocess", *REPORT])
def test_examples_of_modules_run(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", NAMES)
def test_help_says_what_every_parameter_is(name):
    value = getattr(recsys, name)
    said = re.findall(r"^    +(\w+): ", inspect.getdoc(value), re.MULTILINE)
    assert [each for each in inspect.signature(value).parameters if each not in said] == []


@pytest.mark.slow  # imports pymilvus in a process of its own
def test_the_documented_look_into_a_collection_finds_the_movie_itself_first(apart):
    page = (ROOT / "docs" / "milvus.md").read_text("utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL))
    nearest, *others = output("-c", code, cwd=apart).splitlines()
    assert nearest.endswith(" Heat (1995)")
    assert len(others) == 2

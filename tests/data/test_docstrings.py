"""The examples in the docstrings of the data wing run."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import recsys.data

WING = [each.name for each in pkgutil.walk_packages(recsys.data.__path__, "recsys.data.")]


@pytest.mark.parametrize("name", [*WING, "recsys.preprocess"])
def test_examples_run(name, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    assert doctest.testmod(importlib.import_module(name)).failed == 0

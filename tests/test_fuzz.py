"""Odd command lines, damaged folders and kills: nothing raw, nothing lost, nothing that hangs."""

import pytest
from fuzz import prepared, tried

pytestmark = pytest.mark.slow  # much is tried, and processes are killed


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("fuzz") / "place")


@pytest.mark.parametrize(("kind", "count"), [("lines", 100), ("folders", 40), ("kills", 5)])
def test_whatever_is_tried_holds(place, kind, count):
    assert [*tried(kind, range(count), place)] == []

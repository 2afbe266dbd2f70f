"""A wheel built from a clean clone works outside the checkout."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from command_line import ROOT, SAMPLE, output

pytestmark = [
    pytest.mark.slow,  # setuptools is fetched, a wheel built and installed
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a clone of the repository"),
]


def run(*command, cwd, path=""):
    return output(*command, cwd=cwd, PYTHONPATH=path)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with recsys installed from a wheel; what it depends on is where it was."""
    place = tmp_path_factory.mktemp("wheel")
    run("git", "clone", "--quiet", ROOT, place / "clone", cwd=place)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "wheel", "--quiet", "--no-deps", "-w", place, place / "clone", cwd=place)
    (wheel,) = place.glob("recsys-*.whl")
    run(*pip, "install", "--quiet", "--no-deps", "--target", place / "site", wheel, cwd=place)
    shutil.rmtree(place / "clone")
    return place / "site"


def test_it_holds_the_package_and_its_types_and_nothing_else(site):
    packages = {path.parent.relative_to(ROOT) for path in (ROOT / "recsys").rglob("__init__.py")}
    assert {path.parent.relative_to(site) for path in site.rglob("__init__.py")} == packages
    for name in ("py.typed", "report/report.html", "report/words.json"):
        assert (site / "recsys" / name).exists()
    assert {path.name for path in site.iterdir() if path.is_dir() and "info" not in path.name} <= {
        "bin", "recsys",
    }  # fmt: skip


def test_the_commands_run_in_another_folder(site, tmp_path):
    def recsys(*arguments):
        return run(site / "bin" / "recsys", *arguments, cwd=tmp_path, path=str(site))

    where = "import recsys; print(recsys.__file__)"
    found = run(sys.executable, "-c", where, cwd=tmp_path, path=str(site))
    assert Path(found.strip()).is_relative_to(site)
    assert "load-movies" in recsys("--help")
    recsys("train", "--data", SAMPLE, "--epochs", "1", "--set", "dimension=4")
    recsys("load-movies")
    header, *movies = recsys("recommend", "--age", "1", "-k", "3").splitlines()
    assert header.split() == ["Top", "Ids", "Title", "Genres", "Score", "Rating"]
    assert len(movies) == 3
    assert sorted(os.listdir(tmp_path)) == ["recommender_system.inference.model", "recsys.db"]

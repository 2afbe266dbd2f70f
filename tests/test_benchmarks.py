"""The benchmarks still fit the code: each is imported, and the smallest of their work is done."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from recsys.data.dataset import Movies
from recsys.preprocess import read_dataset

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def path(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    yield
    for path in FOLDER.glob("*.py"):
        sys.modules.pop(path.stem, None)


TORCH = {"sasrec", "torch_twin"}  # which takes seconds to load
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in TORCH else ()) for n in NAMES]
)
def test_a_benchmark_imports_what_there_is(name):
    try:
        importlib.import_module(name)
    except ImportError as error:
        library = (error.name or "").split(".")[0]
        if library == "recsys" or (FOLDER / f"{library}.py").exists():
            raise
        pytest.skip(f"{library} is not installed")


@pytest.mark.parametrize("form", ["dat", "csv", "parquet"])
def test_generated_ratings_are_read_as_they_were_made(tmp_path, form):
    generated = importlib.import_module("generated")
    made = generated.generated(600, users=20, movies=200)
    generated.write(made, tmp_path, form)
    read = read_dataset(tmp_path)
    rows, expected = (
        sorted(zip(*(each.tolist() for each in vars(one.ratings).values()), strict=True))
        for one in (read, made)
    )
    assert rows == expected
    for name in ("gender", "age", "job"):
        assert (read.users.column(name) - 1).tolist() == (made.users.column(name) - 1).tolist()


@pytest.mark.parametrize("shuffled", [False, True])
def test_generated_tables_are_read_by_all_readers(tmp_path, shuffled):
    tables = importlib.import_module("reading")
    made = tables.generated(3000, shuffled=shuffled)
    tables.write(made, tmp_path)
    for name in tables.READERS:
        if "polars" not in name:
            assert tables.measured(name, str(tmp_path))["seconds"] > 0
    for name in ("ratings.csv", "ratings.parquet"):
        columns = vars(read_dataset(tmp_path / name).ratings).values()
        assert [each.tolist() for each in columns] == [each.to_pylist() for each in made.columns]


@pytest.mark.slow  # trains
def test_reading_and_training_are_measured(tmp_path):
    generated, growth = map(importlib.import_module, ("generated", "growth"))
    generated.write(generated.generated(1000, users=40, movies=100), tmp_path, "csv")
    found = growth.measured(tmp_path, epochs=1)
    assert found["seconds"] > found["read"] > 0
    assert found["columns"] == 20 * 1000 / 2**20
    (row,) = growth.rows([found])
    assert row[:3] == ("1,000", "40", "100")


def test_every_item_of_an_invented_shop_is_looked_at(tmp_path):
    importlib.import_module("shops").write(tmp_path, items=30, events=500)
    shop = read_dataset(tmp_path)
    assert len(shop.movies) == len(np.unique(shop.ratings.movie_ids)) == 30
    assert "price" in shop.movies.columns
    assert not shop.scale.rated


def test_pairs_of_similar_movies_are_found_by_name_and_year_however_articles_stand():
    parts = importlib.import_module("parts")
    titles = ["Star Wars (1977)", "The Empire Strikes Back (1980)", "Heat (1995)", "Heat (1986)"]
    movies = Movies(np.arange(1, 5) * 10, titles, [()] * 4)
    assert parts.pairs_in(movies).tolist() == [[10, 20]]


def test_the_page_of_measurements_is_measured_anew(tmp_path, monkeypatch):
    performance = importlib.import_module("performance")
    page = tmp_path / "performance.md"
    page.write_text(
        "before\n\n    $ python benchmarks/generated.py --help # note\n\n"
        "```text\n1 s yesterday\n```\nbehind\n"
        "\n    $ python benchmarks/no_such.py\n\n```text\nkept\n```\n"
    )
    monkeypatch.setattr(sys, "argv", ["performance.py", "--docs", str(page)])
    with pytest.raises(SystemExit, match="1"):
        performance.main()
    measured = page.read_text()
    assert "usage: generated.py" in measured
    assert "yesterday" not in measured
    assert measured.startswith("before\n\n    $ python")
    assert measured.endswith("```text\nkept\n```\n")


def test_the_page_of_measurements_has_its_commands():
    performance = importlib.import_module("performance")
    page = (FOLDER.parent / "docs" / "performance.md").read_text(encoding="utf-8")
    assert len(performance.BLOCK.findall(page)) > 8
    assert page.count("```text") == len(performance.BLOCK.findall(page))

"""The same ratings in every form of files give the same recommendations, each with its ids."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from pyarrow import csv, parquet

from recsys.cli.app import cli
from recsys.data.movielens import GENRES_100K as GENRES

RNG = np.random.default_rng(0)
USERS, MOVIES = [3, 7, 8, 9, 10, 11, 40, 99, 100, 101, 1000, 2000], [1, 2, 9, 10, 11, 30, 100, 999]
RATINGS = [
    (user, movie, int(RNG.integers(1, 6)), int(10**9 + RNG.integers(10**7)))
    for user in USERS
    for movie in MOVIES
    if RNG.random() < 0.7
]
GENRES_OF = {movie: sorted(RNG.choice(18, 2, replace=False).tolist()) for movie in MOVIES}
COLUMNS = ("user_id", "item_id", "rating", "timestamp")
Ids = Callable[[int], int | str]


def title(movie: int) -> str:
    return f"Title {movie} the {'great' if movie % 2 else 'small'} ({1990 + movie % 9})"


def as_u(folder: Path) -> None:
    lines = ["\t".join(map(str, row)) for row in RATINGS]
    (folder / "u.data").write_text("\n".join(lines) + "\n")
    flags = {m: "|".join(str(int(g in GENRES_OF[m])) for g in range(18)) for m in MOVIES}
    lines = [f"{m}|{title(m)}|01-Jan-1990||http://x|0|{flags[m]}\n" for m in MOVIES]
    (folder / "u.item").write_text("".join(lines))


def as_dat(folder: Path) -> None:
    lines = ["::".join(map(str, row)) for row in RATINGS]
    (folder / "ratings.dat").write_text("\n".join(lines) + "\n")
    lines = [f"{m}::{title(m)}::{'|'.join(names(m))}\n" for m in MOVIES]
    (folder / "movies.dat").write_text("".join(lines))


def names(movie: int) -> list[str]:
    return [GENRES[genre] for genre in GENRES_OF[movie]]


def tables(user: Ids = int, movie: Ids = int, step: int = 1) -> dict[str, pa.Table]:
    """Ratings and movies; with step -1 the last column first."""
    rows = [(user(u), movie(m), r, t) for u, m, r, t in RATINGS]
    columns = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))
    movies = {
        "item_id": [movie(m) for m in MOVIES],
        "title": [title(m) for m in MOVIES],
        "genres": ["|".join(names(m)) for m in MOVIES],
    }
    whole = {"ratings": pa.table(columns), "movies": pa.table(movies)}
    return {name: each.select(each.column_names[::step]) for name, each in whole.items()}


def as_csv(folder: Path, **how) -> None:
    for name, table in tables(**how).items():
        csv.write_csv(table, folder / f"{name}.csv")


def as_parquet(folder: Path) -> None:
    for name, table in tables().items():
        parquet.write_table(table, folder / f"{name}.parquet")


def as_jsonl(folder: Path) -> None:
    for name, table in tables().items():
        lines = (json.dumps(row) + "\n" for row in table.to_pylist())
        (folder / f"{name}.jsonl").write_text("".join(lines))


def as_shuffled(folder: Path) -> None:
    as_csv(folder, step=-1)


def as_text(folder: Path) -> None:
    as_csv(folder, user="u{}".format, movie="m-{}x".format)


def recommended(folder: Path) -> dict[int, list[tuple[int, float, float]]]:
    """By user the movies with score and rating, of a model trained on a folder."""
    model = str(folder / "m")
    options = ("--epochs", "1", "--set", "dimension=4", "--validation", "0", "--seed", "7")
    done = CliRunner().invoke(cli, ["train", "--data", str(folder), "--model", model, *options])
    assert done.exit_code == 0, (done.output, done.exception)
    asked = ("--users", "all", "--exact", "-k", "3", "--format", "jsonl", "--model", model)
    done = CliRunner().invoke(cli, ["recommend", *asked])
    assert done.exit_code == 0, (done.output, done.exception)
    return {
        number(each["user_id"]): [
            (number(movie["movie_id"]), movie["score"], movie["rating"])
            for movie in each["recommendations"]
        ]
        for each in map(json.loads, done.stdout.splitlines())
    }


def number(found: int | str) -> int:
    return int("".join(filter(str.isdigit, str(found))))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[tuple[int, float, float]]]:
    folder = tmp_path_factory.mktemp("u")
    as_u(folder)
    return recommended(folder)


@pytest.mark.parametrize("form", [as_dat, as_csv, as_parquet, as_jsonl, as_shuffled, as_text])
def test_a_form_changes_nothing(tmp_path, plain, form):
    form(tmp_path)
    found = recommended(tmp_path)
    assert list(found) == list(plain) == USERS
    for user, movies in plain.items():
        assert [movie for movie, *_ in found[user]] == [movie for movie, *_ in movies]
        for ours, theirs in zip(found[user], movies, strict=True):
            assert ours[1:] == pytest.approx(theirs[1:], abs=1e-5)

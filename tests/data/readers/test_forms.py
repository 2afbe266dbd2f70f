"""The same ratings and movies in every form of files are the same dataset, whatever the ids."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from recsys.data.ids import raw_ids
from recsys.data.movielens import GENRES_100K as GENRES
from recsys.preprocess import read_dataset

RNG = np.random.default_rng(0)
USERS, MOVIES = [3, 7, 8, 9, 10, 11, 40, 99, 100, 101, 1000, 2000], [1, 2, 9, 10, 11, 30, 100, 999]
RATINGS = [
    (user, movie, int(RNG.integers(1, 6)), int(10**9 + RNG.integers(10**7)))
    for user in USERS
    for movie in MOVIES
    if RNG.random() < 0.7
]
GENRES_OF = {movie: sorted(RNG.choice(18, 2, replace=False).tolist()) for movie in MOVIES}
TITLES = {movie: f"Title {movie} the great ({1990 + movie % 9})" for movie in MOVIES}
NAMES = {movie: "|".join(GENRES[genre] for genre in GENRES_OF[movie]) for movie in MOVIES}


def as_u(folder: Path) -> None:
    lines = ["\t".join(map(str, row)) for row in RATINGS]
    (folder / "u.data").write_text("\n".join(lines) + "\n")
    flags = {m: "|".join(str(int(g in GENRES_OF[m])) for g in range(18)) for m in MOVIES}
    lines = [f"{m}|{TITLES[m]}|01-Jan-1990||http://x|0|{flags[m]}\n" for m in MOVIES]
    (folder / "u.item").write_text("".join(lines))


def as_dat(folder: Path) -> None:
    lines = ["::".join(map(str, row)) for row in RATINGS]
    (folder / "ratings.dat").write_text("\n".join(lines) + "\n")
    lines = [f"{m}::{TITLES[m]}::{NAMES[m]}\n" for m in MOVIES]
    (folder / "movies.dat").write_text("".join(lines))


def tables(user: str = "{}", movie: str = "{}", step: int = 1) -> dict[str, pa.Table]:
    """Ratings and movies; with step -1 the last column first."""
    rows = [(user.format(u), movie.format(m), r, t) for u, m, r, t in RATINGS]
    ratings = dict(
        zip(("user_id", "item_id", "rating", "ts"), zip(*rows, strict=True), strict=True)
    )
    items = {"item_id": [movie.format(m) for m in MOVIES], "title": list(TITLES.values())}
    whole = {
        "ratings": pa.table(ratings),
        "movies": pa.table(items | {"genres": [*NAMES.values()]}),
    }
    return {name: each.select(each.column_names[::step]) for name, each in whole.items()}


def as_csv(folder: Path, **how) -> None:
    for name, table in tables(**how).items():
        csv.write_csv(table, folder / f"{name}.csv")


def as_shuffled(folder: Path) -> None:
    as_csv(folder, step=-1)


def as_text(folder: Path) -> None:
    as_csv(folder, user="u{}", movie="m-{}x")


def as_parquet(folder: Path) -> None:
    for name, table in tables().items():
        parquet.write_table(table, folder / f"{name}.parquet")


def as_jsonl(folder: Path) -> None:
    for name, table in tables().items():
        lines = (json.dumps(row) + "\n" for row in table.to_pylist())
        (folder / f"{name}.jsonl").write_text("".join(lines))


def numbers(codes: np.ndarray, names: np.ndarray | None) -> list[int]:
    """The digits of raw ids."""
    return [int("".join(filter(str.isdigit, str(each)))) for each in raw_ids(codes, names)]


@pytest.mark.parametrize("form", [as_u, as_dat, as_csv, as_shuffled, as_text, as_parquet, as_jsonl])
def test_a_form_changes_nothing(tmp_path, form):
    form(tmp_path)
    data = read_dataset(tmp_path)
    users = numbers(data.ratings.user_ids, data.user_names)
    movies = numbers(data.ratings.movie_ids, data.movie_names)
    found = zip(users, movies, data.ratings.values, data.ratings.times, strict=True)
    assert sorted(found) == sorted(RATINGS)
    movies = numbers(data.movies.ids, data.movie_names)
    found = zip(movies, data.movies.titles, data.movies.genres, strict=True)
    assert sorted(found) == [(m, TITLES[m], tuple(NAMES[m].split("|"))) for m in MOVIES]

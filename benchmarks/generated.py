"""Invented ratings of any size in the shape of MovieLens, with tastes that can be learned.

    python benchmarks/generated.py FOLDER [--shape 32m] [--format csv]
    python benchmarks/generated.py FOLDER [--ratings 1000209] [--users 6040] [--movies 3883]

writes them as ml-1m's three files, or ratings, movies and users as CSV or Parquet. A user's taste
is a point in eight dimensions that depends on gender, age and job; a movie's place depends on its
genres and words. Who rates what follows taste, the movie's popularity and the user's activity, the
last two as uneven as MovieLens's; values follow taste and two biases, and about .8 of a rating
point is noise that cannot be predicted.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv, parquet

from recsys.data.dataset import Dataset, Movies, Ratings, Users
from recsys.data.movielens import AGES, GENDERS, JOBS
from recsys.data.movielens import GENRES_100K as GENRES
from recsys.data.schema import MOVIELENS

SHAPES = {  # users, movies and ratings of MovieLens
    "100k": (943, 1_682, 100_000),
    "1m": (6_040, 3_883, 1_000_209),
    "10m": (69_878, 10_681, 10_000_054),
    "25m": (162_541, 62_423, 25_000_095),
    "32m": (200_948, 87_585, 32_000_204),
}
USERS, MOVIES, RATINGS = SHAPES["1m"]
WORDS = 5_000
LATENT = 8  # dimensions of taste
LEAST = 20  # ratings a user has, as in MovieLens
BLOCK = 512  # users drawn for at a time
SHORTLIST = 4  # movies that a user looks at for each that the user rates
BORN = (956_703_932, 1_046_454_590)  # ml-1m's first and last second


def generated(
    ratings: int = RATINGS, users: int | None = None, movies: int = MOVIES, seed: int = 0
) -> Dataset:
    """A dataset of exactly that size.

    Args:
        users: as many as have ml-1m's number of ratings each, if not given.

    Raises:
        ValueError: so many ratings do not fit.
    """
    rng = np.random.default_rng(seed)
    users = users or max(1, round(ratings * USERS / RATINGS))
    drawn, taste = _users(users, rng)
    catalogue, place = _movies(movies, rng)
    counts = _activity(ratings, users, movies, rng)
    spread = max(0.5, 1.6 + 0.43 * np.log(movies / MOVIES))  # as mean over median in MovieLens
    popularity = rng.normal(0, spread, movies).astype(np.float32)
    quality = 0.2 * popularity + rng.normal(0, 0.4, movies).astype(np.float32)
    kindness = rng.normal(0, 0.5, users).astype(np.float32)
    parts = []
    for start in range(0, users, BLOCK):
        block = slice(start, start + BLOCK)
        user, movie, fit = _chosen(popularity, taste[block], place, counts[block], rng)
        values = 2.9 + kindness[block][user] + quality[movie] + 0.5 * fit
        values += rng.normal(0, 0.8, len(values)).astype(np.float32)
        parts.append((user + start + 1, movie + 1, np.clip(np.rint(values), 1, 5)))
    user_ids, movie_ids, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    times = rng.integers(*BORN, ratings)
    columns = user_ids.astype(np.int32), movie_ids.astype(np.int32), values.astype(np.float32)
    return Dataset(f"generated-{ratings}", drawn, catalogue, Ratings(*columns, times))


def _users(users: int, rng: np.random.Generator) -> tuple[Users, NDArray[np.float32]]:
    """Users and their tastes, (U, LATENT), a third of it explained by the attributes."""
    sizes = (len(GENDERS), len(AGES), len(JOBS))
    columns = [rng.choice(n, users, p=_falling(n)).astype(np.int8) for n in sizes]
    shared = sum(rng.normal(size=(n, LATENT))[c] for n, c in zip(sizes, columns, strict=True))
    taste = np.sqrt(1 / 3) * shared / np.sqrt(3) + np.sqrt(2 / 3) * rng.normal(size=(users, LATENT))
    drawn = Users(np.arange(1, users + 1), np.stack(columns, 1).astype(np.int32) + 1, MOVIELENS)
    return drawn, (taste / np.sqrt(LATENT)).astype(np.float32)


def _movies(movies: int, rng: np.random.Generator) -> tuple[Movies, NDArray[np.float32]]:
    """Movies and their places among tastes, (M, LATENT), half of it explained by the genres."""
    numbers = 1 + rng.choice(3, movies, p=(0.5, 0.35, 0.15))
    chances = _falling(len(GENRES))
    genres = [rng.choice(len(GENRES), n, replace=False, p=chances) for n in numbers]
    lengths = 1 + rng.choice(6, movies, p=(0.2, 0.3, 0.2, 0.15, 0.1, 0.05))
    words = rng.choice(WORDS, lengths.sum(), p=_falling(WORDS))
    titles = np.split(words, np.cumsum(lengths)[:-1])
    years = rng.integers(1930, 2001, movies)
    of_genre, of_word = rng.normal(size=(len(GENRES), LATENT)), rng.normal(size=(WORDS, LATENT))
    by_genre = np.array([of_genre[each].sum(0) / np.sqrt(len(each)) for each in genres])
    by_word = np.array([of_word[each].sum(0) / np.sqrt(len(each)) for each in titles])
    own = rng.normal(size=(movies, LATENT))
    place = np.sqrt(0.5) * by_genre + np.sqrt(0.1) * by_word + np.sqrt(0.4) * own
    names = [
        f"{' '.join(f'word{word}' for word in each).capitalize()} ({year})"
        for each, year in zip(titles, years.tolist(), strict=True)
    ]
    kinds = [tuple(GENRES[number] for number in sorted(each.tolist())) for each in genres]
    return Movies(np.arange(1, movies + 1), names, kinds), place.astype(np.float32)


def _activity(ratings: int, users: int, movies: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(U,) how many movies each user rates: LEAST and a log-normal tail, as they sum to it."""
    least = min(LEAST, ratings // users // 2)
    share = np.minimum(rng.lognormal(0, 1, users), 20)
    counts = least + rng.multinomial(ratings - least * users, share / share.sum())
    if counts.max() > movies:
        raise ValueError(f"{ratings} ratings by {users} users need more than {movies} movies")
    return counts


def _chosen(
    popularity: NDArray[np.float32],
    taste: NDArray[np.float32],
    place: NDArray[np.float32],
    counts: NDArray[np.int64],
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """(E,) user, movie and how they fit: of each user as many movies as counted, all different.

    They are drawn without replacement by exp(popularity + fit): the largest of that + Gumbel noise.
    A user looks at a few times as many, drawn by half of popularity, and chooses by the other half.
    """
    users, movies, half = len(counts), len(popularity), popularity / 2
    looked = SHORTLIST * counts + LEAST
    chances = np.cumsum(np.exp(half, dtype=np.float64))
    drawn = np.searchsorted(chances, rng.random(looked.sum()) * chances[-1])
    pairs = np.sort(np.repeat(np.arange(users), looked) * movies + drawn)
    pairs = pairs[np.append(True, pairs[1:] != pairs[:-1])]
    short = np.bincount(pairs // movies, minlength=users) < 2 * counts
    every = np.flatnonzero(short)[:, None] * movies + np.arange(movies)  # they look at all
    pairs = np.sort(np.concatenate([pairs[~short[pairs // movies]], every.ravel()]))
    user, movie = pairs // movies, pairs % movies
    fit = np.einsum("nd,nd->n", taste[user], place[movie])
    noise = np.log(np.maximum(rng.standard_exponential(len(fit), np.float32), 1e-30))
    wish = fit - noise + half[movie] * np.where(short[user], 2, 1)
    order = np.argsort(1e4 * user - wish)  # a user's most wanted first
    seen = np.bincount(user, minlength=users)
    turn = np.arange(len(order)) - np.repeat(np.cumsum(seen) - seen, seen)
    kept = np.sort(order[turn < counts[user[order]]])
    return user[kept], movie[kept], fit[kept]


def _falling(size: int) -> NDArray[np.float64]:
    """Chances by Zipf's law."""
    weights = 1 / np.arange(1, size + 1)
    return weights / weights.sum()


def write(dataset: Dataset, folder: Path, form: str = "dat") -> None:
    """The three files of ml-1m, or ratings, movies and users as tables of the form's name."""
    folder.mkdir(parents=True, exist_ok=True)
    movies, users, r = dataset.movies, dataset.users, dataset.ratings
    genres = ["|".join(each) for each in movies.genres]
    codes = [(users.column(name) - 1).tolist() for name in ("gender", "age", "job")]
    gender, age = [GENDERS[g] for g in codes[0]], [AGES[a] for a in codes[1]]
    tables: dict[str, dict[str, Any]] = {
        "ratings": {"user_id": r.user_ids, "movie_id": r.movie_ids, "rating": r.values.astype("i1")}
        | {"timestamp": r.times},
        "movies": {"movie_id": movies.ids, "title": movies.titles, "genres": genres},
        "users": {"user_id": users.ids, "gender": gender, "age": age, "job": codes[2]},
    }
    if form == "dat":
        tables["users"]["zip"] = ["00000"] * len(users)
    for name, columns in tables.items():
        path = folder / f"{name}.{form}"
        if form == "dat":
            with path.open("w", encoding="latin-1") as file:
                for start in range(0, len(next(iter(columns.values()))), 100_000):
                    some = [
                        np.asarray(c[start : start + 100_000]).tolist() for c in columns.values()
                    ]
                    file.writelines(
                        "::".join(map(str, line)) + "\n" for line in zip(*some, strict=True)
                    )
        elif form == "csv":
            csv.write_csv(pa.table(columns), path)
        else:
            parquet.write_table(pa.table(columns), path)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shape", choices=SHAPES, help="instead of the numbers")
    parser.add_argument("--ratings", type=int, default=RATINGS)
    parser.add_argument("--users", type=int)
    parser.add_argument("--movies", type=int, default=MOVIES)
    parser.add_argument("--format", choices=("dat", "csv", "parquet"), default="dat")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    users, movies, ratings = SHAPES.get(asked.shape, (asked.users, asked.movies, asked.ratings))
    write(generated(ratings, users, movies, asked.seed), asked.folder, asked.format)
    print(asked.folder)


if __name__ == "__main__":
    main()

"""Invented ratings of any size in the shape of MovieLens, with tastes that can be learned.

    python benchmarks/generated.py FOLDER [--ratings 1000209] [--users 6040] [--movies 3883]

writes them as ml-1m's three files. A user's taste is a point in eight dimensions that depends on
gender, age and job; a movie's place depends on its genres and words. Who rates what follows taste,
the movie's popularity and the user's activity, the last two as uneven as MovieLens's; values follow
taste and two biases, and about .8 of a rating point is noise that cannot be predicted.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Dataset, Movies, Ratings, Users
from recsys.data.movielens import AGES, GENDERS, JOBS
from recsys.data.movielens import GENRES_100K as GENRES
from recsys.data.schema import MOVIELENS

USERS, MOVIES, RATINGS = 6_040, 3_883, 1_000_209  # ml-1m's
WORDS = 5_000
LATENT = 8  # dimensions of taste
LEAST = 20  # ratings a user has, as in MovieLens
BLOCK = 512  # users drawn for at a time
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
    popularity = rng.normal(0, 1.6, movies).astype(np.float32)
    quality = 0.2 * popularity + rng.normal(0, 0.4, movies).astype(np.float32)
    kindness = rng.normal(0, 0.5, users).astype(np.float32)
    parts = []
    for start in range(0, users, BLOCK):
        block = slice(start, start + BLOCK)
        fit = taste[block] @ place.T  # (b, M) about normal
        chosen = _chosen(popularity + fit, counts[block], rng)
        user, movie = np.nonzero(chosen)
        values = 2.9 + kindness[block][user] + quality[movie] + 0.5 * fit[user, movie]
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
    genres = [rng.choice(len(GENRES), n, replace=False, p=_falling(len(GENRES))) for n in numbers]
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
    wish: NDArray[np.float32], counts: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """(b, M) as many movies a user as counted, drawn without replacement by exp(wish).

    The largest of wish + Gumbel noise are such a draw.
    """
    noise = np.maximum(rng.standard_exponential(wish.shape, np.float32), 1e-30)
    noisy = wish - np.log(noise)
    bound = np.take_along_axis(np.sort(noisy, 1), (wish.shape[1] - counts)[:, None], 1)
    chosen = noisy >= bound
    spare = chosen.sum(1) - counts  # equal float32 numbers at the bound
    for row in np.flatnonzero(spare):
        chosen[row, np.flatnonzero(noisy[row] == bound[row])[: spare[row]]] = False
    return chosen


def _falling(size: int) -> NDArray[np.float64]:
    """Chances by Zipf's law."""
    weights = 1 / np.arange(1, size + 1)
    return weights / weights.sum()


def write(dataset: Dataset, folder: Path) -> None:
    """The three files of ml-1m."""
    folder.mkdir(parents=True, exist_ok=True)
    movies, r = dataset.movies, dataset.ratings
    codes = [(dataset.users.column(name) - 1).tolist() for name in ("gender", "age", "job")]
    users = zip(dataset.users.ids.tolist(), *codes, strict=True)
    lines = (f"{i}::{GENDERS[g]}::{AGES[a]}::{j}::00000\n" for i, g, a, j in users)
    (folder / "users.dat").write_text("".join(lines), "latin-1")
    rows = zip(movies.ids.tolist(), movies.titles, movies.genres, strict=True)
    lines = (f"{i}::{title}::{'|'.join(genres)}\n" for i, title, genres in rows)
    (folder / "movies.dat").write_text("".join(lines), "latin-1")
    with (folder / "ratings.dat").open("w", encoding="latin-1") as file:
        for start in range(0, len(r), 100_000):
            part = r[np.arange(start, min(start + 100_000, len(r)))]
            columns = part.user_ids, part.movie_ids, part.values.astype(int), part.times
            lists = (column.tolist() for column in columns)
            file.writelines(f"{u}::{m}::{s}::{t}\n" for u, m, s, t in zip(*lists, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ratings", type=int, default=RATINGS)
    parser.add_argument("--users", type=int)
    parser.add_argument("--movies", type=int, default=MOVIES)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    write(generated(asked.ratings, asked.users, asked.movies, asked.seed), asked.folder)
    print(asked.folder)


if __name__ == "__main__":
    main()

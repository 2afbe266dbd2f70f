"""Invented users and ratings for the sample: `python data/make_sample.py [FOLDER]`.

`sample/movies.dat` is written by hand: well-known movies, their years and genres. Everything else
is drawn here from one seed, in ml-1m's format; the same seed gives the same bytes.

What is planted, and a trained model should find again: a group of users, by gender and age bracket,
loves the genres of TASTE. A movie with one of them is LURE times as likely to be watched by its
group, and rated about LOVE points higher. On top of that come: movies of unequal fame and quality,
users with a favourite genre of their own (half the effect), generous and harsh users, and noise.
"""

import math
import random
import sys
from collections.abc import Callable
from pathlib import Path

SAMPLE = Path(__file__).parent / "sample"
SEED = 20
USERS_PER_GROUP = 22  # times 2 genders and 7 age brackets: 308 users
LURE, LOVE = 6.0, 1.3
JOBS_BY_AGE = {1: (10, 10, 10, 4, 0), 18: (4, 4, 4, 12, 5, 20), 56: (13, 13, 13, 1, 9, 6)}
JOBS = tuple(range(21))  # of all other users

# (gender, age bracket) -> the genres it loves
TASTE = {
    ("F", 1): ("Animation", "Children's", "Musical"),
    ("M", 1): ("Animation", "Children's", "Fantasy", "Adventure"),
    ("F", 18): ("Romance", "Comedy"),
    ("M", 18): ("Horror", "Comedy"),
    ("F", 25): ("Romance", "Drama"),
    ("M", 25): ("Action", "Sci-Fi"),
    ("F", 35): ("Romance", "Musical"),
    ("M", 35): ("Action", "Thriller"),
    ("F", 45): ("Mystery", "Drama"),
    ("M", 45): ("Crime", "Thriller"),
    ("F", 50): ("Mystery", "Film-Noir", "Romance"),
    ("M", 50): ("Film-Noir", "Crime", "Western"),
    ("F", 56): ("War", "Drama", "Western"),
    ("M", 56): ("War", "Western"),
}


def main(folder: Path = SAMPLE) -> None:
    """Write users.dat and ratings.dat into the folder."""
    # Of the generator only random() is used: Python promises its stream for ever.
    draw = random.Random(SEED).random
    movies = read_movies()
    fame = [0.08 + draw() ** 3 for _ in movies]
    quality = [_noise(draw, 0.35) + 0.5 * (fame[i] - 0.3) for i in range(len(movies))]
    groups = [group for group in TASTE for _ in range(USERS_PER_GROUP)]
    _shuffle(draw, groups)
    users, ratings = [], []
    for user_id, (gender, age) in enumerate(groups, 1):
        jobs = JOBS_BY_AGE.get(age, JOBS)
        job = jobs[int(draw() * len(jobs))]
        users.append(f"{user_id}::{gender}::{age}::{job}::{10000 + int(draw() * 89999)}\n")
        loved = set(TASTE[gender, age])
        own = movies[int(draw() * len(movies))][1][:1]
        bias, count = _noise(draw, 0.35), int(25 + 75 * draw() ** 2)
        taste = [_taste(genres, loved, own) for _, genres in movies]
        for time, movie in enumerate(_watched(draw, fame, taste, count)):
            rating = 3.1 + bias + quality[movie] + LOVE * (taste[movie] - 0.25) + _noise(draw, 0.6)
            seconds = 978300000 + user_id * 86400 + time * 37
            ratings.append(
                f"{user_id}::{movies[movie][0]}::{min(5, max(1, round(rating)))}::{seconds}\n"
            )
    (folder / "users.dat").write_bytes("".join(users).encode("latin-1"))
    (folder / "ratings.dat").write_bytes("".join(ratings).encode("latin-1"))


def read_movies() -> list[tuple[int, list[str]]]:
    """(movie_id, genres) of the movies written by hand."""
    lines = (SAMPLE / "movies.dat").read_text("latin-1").splitlines()
    fields = [line.split("::") for line in lines]
    return [(int(movie_id), genres.split("|")) for movie_id, _, genres in fields]


def _taste(genres: list[str], loved: set[str], own: list[str]) -> float:
    """1 for a movie of the group's taste, half as much for the user's own, 0 for neither."""
    return max(1.0 if loved & set(genres) else 0.0, 0.5 if set(own) & set(genres) else 0.0)


def _watched(
    draw: Callable[[], float], fame: list[float], taste: list[float], count: int
) -> list[int]:
    """Movies drawn without repetition, in proportion to their fame and the user's taste."""
    keys = [math.log(draw()) / (fame[i] * LURE ** taste[i]) for i in range(len(fame))]
    chosen = sorted(range(len(fame)), key=keys.__getitem__, reverse=True)[:count]
    _shuffle(draw, chosen)
    return chosen


def _shuffle(draw: Callable[[], float], items: list) -> None:
    for last in range(len(items) - 1, 0, -1):
        other = int(draw() * (last + 1))
        items[last], items[other] = items[other], items[last]


def _noise(draw: Callable[[], float], spread: float) -> float:
    """Roughly normal, mean 0, standard deviation `spread`."""
    return spread * (sum(draw() for _ in range(12)) - 6)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))

"""A shop: items and users with columns of their own, some of which say who likes what."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

CITIES = ("Seoul", "Oslo", "Lima")  # who lives there likes the brand at the same place
BRANDS = ("Aki", "Borg", "Cato", 'Dune "X"')
TAGS = ("red", "green", "blue", "warm", "cold")
WORDS = ("quiet", "bright", "heavy", "small", "soft", "quick", "round", "solid", "simple", "deep")
USERS, ITEMS, RATED = 150, 60, 12
SMALL = ("--epochs", "4", "--set", "dimension=8", "--set", "batch_users=64")


def item(number: int, brand: int, rng: np.random.Generator) -> list[object]:
    """A row of items.csv; every ninth lacks price, tags and brand."""
    lacks = number % 9 == 0
    return [
        number,
        f"Thing {number} ({1990 + number % 20})",
        "" if lacks else BRANDS[brand],
        "" if lacks else f"{5 + rng.gamma(2, 10):.2f}",
        "" if lacks else "|".join(rng.choice(TAGS, rng.integers(1, 3), replace=False)),
        " ".join(rng.choice(WORDS, 8)),
        f"https://shop.example/{number}",
        f"A{number:05d}",
        "yes",
    ]


ITEM_COLUMNS = "item_id,title,brand,price,tags,description,page,article_code,in stock?"
USER_COLUMNS = "user_id,city,plan,interests,income"


def brand_of(item_id: int) -> str:
    """The brand an item really is of, also where the file does not say it."""
    return BRANDS[int(np.random.default_rng(1).integers(0, 4, ITEMS)[item_id - 1])]


def make(folder: Path) -> Path:
    """Write items.csv, users.csv and ratings.csv."""
    rng = np.random.default_rng(0)
    city, brand = rng.integers(0, 3, USERS), np.random.default_rng(1).integers(0, 4, ITEMS)
    write(folder / "items.csv", ITEM_COLUMNS, [item(i + 1, brand[i], rng) for i in range(ITEMS)])
    users = []
    for user in range(USERS):
        interests = ";".join(rng.choice(["art", "food", "cars"], rng.integers(1, 3), replace=False))
        plan, income = ("free", "paid")[rng.integers(0, 2)], rng.integers(10, 90) * 1000
        where = "" if user % 17 == 0 else CITIES[city[user]]
        users.append([user + 1, where, plan, interests, income])
    write(folder / "users.csv", USER_COLUMNS, users)
    ratings = []
    for user in range(USERS):
        chances = np.where(brand == city[user], 6.0, 1.0)
        for each in rng.choice(ITEMS, RATED, replace=False, p=chances / chances.sum()):
            value = 3 + 1.5 * (brand[each] == city[user]) + rng.normal(0, 0.7)
            time = int(1e9 + rng.integers(0, 1e7))
            ratings.append([user + 1, each + 1, int(np.clip(round(value), 1, 5)), time])
    write(folder / "ratings.csv", "user_id,item_id,rating,timestamp", ratings)
    return folder


def write(path: Path, columns: str, rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns.split(","), *rows])

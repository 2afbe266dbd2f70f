"""What large catalogues cost: seconds and memory of training, publishing and asking.

    python benchmarks/shops.py [--shapes 44133x100000 100000x10000000] [--folder FOLDER]

A shape is items x events. Events are invented: items have a category, a brand, a price and a name,
and are as unevenly popular as those of shops; a user looks at a few categories. Each command of
recsys is a process of its own; processor seconds are those of all its threads.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
from common import clean_environment, cost, heading, table
from pyarrow import csv

SHAPES = ["44133x100000", "100000x10000000", "1000000x10000000"]
EVENTS_A_USER, WORDS, BRANDS = 20, 20_000, 2_000
STARTED, SECONDS = 1_700_000_000, 180 * 86_400


def write(folder: Path, items: int, events: int, seed: int = 0) -> None:
    """events.csv and items.csv; only items that are looked at are there."""
    rng = np.random.default_rng(seed)
    users, categories = max(1, events // EVENTS_A_USER), max(2, round(items**0.5))
    category = np.sort((rng.random(items) ** 2 * categories).astype(int))  # large ones and small
    popular = rng.pareto(1.2, items) + 0.05
    ends = np.searchsorted(category, np.arange(categories + 1))
    sums = np.append(0, popular.cumsum())
    user = np.minimum((rng.random(events) ** 1.5 * users).astype(int), users - 1)
    liked = rng.choice(categories, (users, 3), p=(p := np.diff(sums[ends])) / p.sum())
    where = np.where(rng.random(events) < 0.85, liked[user, rng.integers(0, 3, events)], -1)
    first = np.where(where < 0, 0, sums[ends[where]])
    last = np.where(where < 0, sums[-1], sums[ends[where + 1]])
    item = np.searchsorted(sums, first + rng.random(events) * (last - first), "right") - 1
    item = np.clip(item, 0, items - 1)
    item[:items] = rng.permutation(items)[:events]  # every item has an event, where they suffice
    folder.mkdir(parents=True, exist_ok=True)
    number = rng.permutation(items) + 1  # ids say nothing
    time = STARTED + rng.integers(0, SECONDS, events)
    columns = {"user_id": user + 1, "item_id": number[item], "timestamp": time}
    csv.write_csv(pa.table(columns), folder / "events.csv")
    words = rng.zipf(1.3, (items, 3)) % WORDS
    titles = [f"word{a} word{b} word{c} {n}" for n, (a, b, c) in enumerate(words.tolist())]
    brand = [f"brand{n}" for n in (rng.zipf(1.4, items) % BRANDS).tolist()]
    about = {
        "item_id": number,
        "title": titles,
        "category": [f"category{n}" for n in category.tolist()],
        "brand": brand,
        "price": np.exp(rng.normal(3, 1, items)).round(2),
    }
    csv.write_csv(pa.table(about), folder / "items.csv")


def commands(folder: Path, options: list[str]) -> dict[str, list[str]]:
    """What is measured, by name."""
    model, store = ["--model", f"{folder}/model"], ["--uri", f"{folder}/shop.db"]
    ask = ["recommend", "-u", "1", *model]
    return {
        "train": ["train", "-q", "--data", str(folder / "data"), *model, *options],
        "recommend --exact": [*ask, "--exact"],
        "load-movies (Lite)": ["load-movies", *model, *store],
        "recommend (Lite)": [*ask, *store],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--shapes", nargs="+", default=SHAPES, help="items x events each")
    parser.add_argument("--folder", type=Path, help="keep data and models there")
    parser.add_argument("--write", action="store_true", help="only write the data there")
    parser.add_argument("--only", nargs="+", default=[], help="commands that begin so")
    parser.add_argument("options", nargs="*", help="of train, behind --")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        if not args.write:
            heading("invented events of shops, seed 0")
        lines = []
        for shape in args.shapes:
            items, events = map(int, shape.split("x"))
            folder = (args.folder or Path(temporary)) / shape
            if not (folder / "data" / "items.csv").exists():
                write(folder / "data", items, events)
            for name, words in {} if args.write else commands(folder, args.options).items():
                if args.only and not name.startswith(tuple(args.only)):
                    continue
                run = [sys.executable, "-m", "recsys", *words]
                found = cost(run, env=clean_environment())
                numbers = (found.seconds, found.processor, found.megabytes)
                lines.append((f"{items:,}", f"{events:,}", name, *(f"{n:,.1f}" for n in numbers)))
        if lines:
            table(["items", "events", "command", "seconds", "processor s", "peak MB"], lines)


if __name__ == "__main__":
    main()

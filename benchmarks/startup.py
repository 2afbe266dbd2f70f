"""How long each command takes from a cold start, and in how much memory.

    python benchmarks/startup.py [--rounds 7]

Every run is a fresh process on a warm disk; the commands take turns. Beside them two bare scripts
say what cannot be had cheaper: an empty click program, and one that imports pymilvus, opens the
same Milvus Lite database and runs one search. Model and database are made of data/sample first.
"""

import argparse
import json
import sys
import tempfile
from functools import partial
from pathlib import Path

from common import ROOT, Cost, by_turns, clean_environment, cost, heading, median, ratio, table

SAMPLE = ROOT / "data" / "sample"
MODEL = "model"
RECSYS = (sys.executable, "-m", "recsys")
PROFILE = ("--age", "1", "--gender", "F", "--job", "10")
COMMANDS: dict[str, tuple[str, ...]] = {
    "help": ("--help",),
    "recommend help": ("recommend", "--help"),
    "recommend": ("recommend", *PROFILE),
    "recommend user": ("recommend", "-u", "1"),
    "recommend exact": ("recommend", "--exact", *PROFILE),
    "similar": ("similar", "1"),
    "predict": ("predict", "-u", "1", "-m", "1"),
    "doctor": ("doctor", "--data", str(SAMPLE)),
    "preprocess": ("preprocess", "-f", str(SAMPLE / "movies.dat")),
    "load-movies": ("load-movies",),
    "train": ("train", "--data", str(SAMPLE), "--epochs", "1", "--model", "again"),
}
EMPTY = "empty click program, help"
BARE = "bare script, one search"
EMPTY_SCRIPT = """
import click

@click.command()
def main():
    pass

main()
"""
BARE_SCRIPT = """
from pymilvus import MilvusClient

client = MilvusClient("recsys.db")
client.load_collection("recsys_movies")
print(client.search("recsys_movies", data=[[0.0625] * {dimension}], limit=5,
                    search_params={{"metric_type": "IP"}}, output_fields=["title"]))
client.close()
"""


def prepared(place: Path) -> dict[str, tuple[str, ...]]:
    """Makes a model, a database and the bare scripts; every command line by its name."""
    run = partial(cost, cwd=place, env=environment())
    run([*RECSYS, "train", "--data", str(SAMPLE), "--epochs", "1"])
    run([*RECSYS, "load-movies"])
    layout = json.loads((place / MODEL / "config.json").read_text())["layout"]
    dimension = sum(layout.values()) + 1
    (place / "empty.py").write_text(EMPTY_SCRIPT)
    (place / "bare.py").write_text(BARE_SCRIPT.format(dimension=dimension))
    return {
        EMPTY: (sys.executable, "empty.py", "--help"),
        BARE: (sys.executable, "bare.py"),
        **{name: (*RECSYS, *arguments) for name, arguments in COMMANDS.items()},
    }


def environment() -> dict[str, str]:
    return clean_environment(PYTHONPATH=str(ROOT), RECSYS_MODEL=MODEL)


def show(found: dict[str, list[Cost]]) -> None:
    seconds = {name: [run.seconds for run in runs] for name, runs in found.items()}
    rows = [
        (
            name if name in (EMPTY, BARE) else f"recsys {name}",
            f"{median(times):.3f}",
            f"{ratio(times, seconds[EMPTY]):.2f}",
            f"{ratio(times, seconds[BARE]):.2f}",
            f"{median(run.megabytes for run in found[name]):.0f}",
        )
        for name, times in seconds.items()
    ]
    table(("", "seconds", "x empty", "x bare", "peak MB"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--of", nargs="+", choices=list(COMMANDS), default=list(COMMANDS))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        heading(f"data/sample, median of {asked.rounds} rounds after one to warm the disk")
        commands = prepared(place)
        chosen = {name: commands[name] for name in (EMPTY, BARE, *asked.of)}
        run = partial(cost, cwd=place, env=environment())
        show(by_turns({k: partial(run, v) for k, v in chosen.items()}, asked.rounds, warm=True))


if __name__ == "__main__":
    main()

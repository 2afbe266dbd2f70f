"""How long recommendations for many users take, beside the bare batched search of their vectors.

    python benchmarks/asking.py [--users 500 2000 6040] [--rounds 3] [--uri http://...]
    python benchmarks/asking.py --all --users 200948 --movies 10000 --ratings 6000000

Whole processes: `recsys recommend --users FILE -k 10` through Milvus Lite and with --exact, which
find out who has seen what, leave it out and write every movie's title as jsonl; against a script
that loads the same vectors, sends them to the same database a thousand at a time and does nothing
else, and one that multiplies them with the movies in NumPy and takes the ten largest. As a
coprocess: `recsys recommend --users -` is asked by JSON lines of cold-start users with ten ratings
each, the next line only when the answer is there. With --all: all users at once, 100 movies each
as Parquet in a folder, by one process, by two shards side by side, and by a run that is killed half
way and started again, whose files must be the same. The model is generated: ml-1m's shape, trained
for a few steps only, which no time here depends on.
"""

import argparse
import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from common import (
    ROOT,
    by_turns,
    clean_environment,
    cost,
    heading,
    median,
    processor_seconds,
    ratio,
    table,
)

K = 10
BATCH = 1_000  # queries sent at a time
RECSYS = (sys.executable, "-m", "recsys")
QUICK = ("ease_rank=32", "ease_ridge=100", "ease_movies=2000", "factor_sweeps=2")  # of training
SCRIPTS = {
    "bare search": f"""
import sys
import numpy as np
from pymilvus import MilvusClient

client = MilvusClient("recsys.db")
client.load_collection("recsys_movies")
queries = np.load(sys.argv[1])
for start in range(0, len(queries), {BATCH}):
    client.search("recsys_movies", data=list(queries[start : start + {BATCH}]), limit={K},
                  search_params={{"metric_type": "IP"}})
client.close()
""",
    "bare NumPy": f"""
import sys
import numpy as np

queries, movies = np.load(sys.argv[1]), np.load("movies.npy")
for start in range(0, len(queries), {BATCH}):
    scores = queries[start : start + {BATCH}] @ movies.T
    best = np.argpartition(-scores, {K}, 1)[:, :{K}]
    np.argsort(-np.take_along_axis(scores, best, 1), 1)
""",
}


def prepare(place: Path, counts: list[int], ratings: int, movies: int, vectors: bool) -> None:
    """A model, a database, and for each number of users their ids and query vectors.

    In a process of its own, see common.py.
    """
    from generated import generated, write

    write(generated(ratings, users=max(counts), movies=movies), place / "data")
    run = partial(cost, cwd=place, env=environment())
    knobs = f"batch_size={10 * ratings}", *QUICK
    few_steps = ("--epochs", "1", "--validation", "0", *(f"--set={each}" for each in knobs))
    run([*RECSYS, "train", "--data", "data", *few_steps])
    if not vectors:
        return
    run([*RECSYS, "load-movies"])
    import numpy as np

    from recsys.infer import UserQuery, catalogue, users_of
    from recsys.serving.model_folder import DEFAULT, load_model

    folder = load_model(place / DEFAULT)
    np.save(place / "movies.npy", catalogue(folder).vectors)
    ids = folder.vocabulary.user_ids.tolist()
    queries = users_of(folder, [UserQuery(each) for each in ids]).vectors("relevance")
    for count in counts:
        np.save(place / f"{count}.npy", queries[:count])
        (place / f"{count}.txt").write_text("".join(f"{each}\n" for each in ids[:count]))
    for name, text in SCRIPTS.items():
        (place / f"{name}.py").write_text(text)


def environment() -> dict[str, str]:
    return clean_environment(PYTHONPATH=str(ROOT))


def processes(place: Path, count: int) -> dict[str, Callable[[], Any]]:
    ask = (*RECSYS, "recommend", "-q", "-k", str(K), "--users", f"{count}.txt")
    commands = {
        "bare search": (sys.executable, "bare search.py", f"{count}.npy"),
        "recommend": ask,
        "bare NumPy": (sys.executable, "bare NumPy.py", f"{count}.npy"),
        "recommend --exact": (*ask, "--exact"),
    }
    return {
        name: partial(cost, command, cwd=place, env=environment())
        for name, command in commands.items()
    }


def show_processes(count: int, found: dict[str, list[Any]]) -> list[tuple[str, ...]]:
    seconds = {name: [run.seconds for run in runs] for name, runs in found.items()}
    beside = {"recommend": "bare search", "recommend --exact": "bare NumPy"}
    return [
        (
            f"{count:,}",
            name,
            f"{median(times):.2f}",
            f"{count / median(times):,.0f}",
            f"{ratio(times, seconds[beside.get(name, name)]):.2f}",
            f"{median(run.megabytes for run in found[name]):.0f}",
        )
        for name, times in seconds.items()
    ]


def coprocess(place: Path, name: str, options: tuple[str, ...], count: int) -> tuple[str, ...]:
    """A row: until the first answer, then one line after the other."""
    from recsys.serving.model_folder import DEFAULT, load_model

    movies, draw = load_model(place / DEFAULT).movies.ids.tolist(), random.Random(0)
    lines = [
        json.dumps(
            {"ratings": {f"id:{each}": draw.randint(1, 5) for each in draw.sample(movies, 10)}}
        )
        for _ in range(count)
    ]
    command = [*RECSYS, "recommend", "-q", "-k", str(K), "--users", "-", *options]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    started, seconds = time.perf_counter(), []
    with subprocess.Popen(command, cwd=place, env=environment(), **pipes) as process:
        questions, answers = process.stdin, process.stdout
        assert questions is not None
        assert answers is not None
        for line in lines:
            asked = time.perf_counter()
            questions.write(f"{line}\n")
            questions.flush()
            answer = json.loads(answers.readline())
            if len(answer["recommendations"]) != K:
                raise RuntimeError(f"{line} is answered by {answer}")
            seconds.append(time.perf_counter() - asked)
            if len(seconds) == 1:
                first, before = time.perf_counter() - started, processor_seconds(process.pid)
        used = processor_seconds(process.pid) - before
        questions.close()
    later = sorted(seconds[1:])
    p50, p99 = (1000 * later[int(share * len(later))] for share in (0.5, 0.99))
    numbers = (p50, p99, 1000 * used / len(later))
    rate = f"{len(later) / sum(later):,.0f}"
    return name, f"{first:.2f}", rate, *(f"{each:.2f}" for each in numbers)


def published(place: Path, uri: str) -> tuple[str, ...]:
    """The options of a server, where the movies are published now."""
    options = ("--uri", uri, "--collection", "asking")
    cost([*RECSYS, "load-movies", *options], cwd=place, env=environment())
    return options


def everybody(place: Path, count: int, options: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Rows: all users into a folder, in one run, in two at once, and in one that is killed."""
    ask = (*RECSYS, "recommend", "-q", "-k", "100", "--users", "all", "--format", "parquet")

    def into(name: str, *more: str) -> list[str]:
        return [*ask, *options, *more, "-o", f"{name}/"]

    def files(name: str) -> dict[str, bytes]:
        found = sorted((place / name).iterdir())
        return {each.name: hashlib.sha256(each.read_bytes()).digest() for each in found}

    def row(name: str, seconds: float, *more: str) -> tuple[str, ...]:
        return name, f"{seconds:.1f}", f"{count / seconds:,.0f}", *(more or ("", ""))

    settings: dict[str, Any] = {"cwd": place, "env": environment()}
    whole = cost(into("whole"), **settings)
    used = f"{1000 * whole.processor / count:.2f}", f"{whole.megabytes:.0f}"
    rows, right = [row("one process", whole.seconds, *used)], files("whole")
    started = time.perf_counter()
    shards = [subprocess.Popen(into("two", "--shard", f"{n}/2"), **settings) for n in (1, 2)]
    if any([each.wait() for each in shards]):
        raise RuntimeError("a shard failed")
    rows.append(row("two shards side by side", time.perf_counter() - started))
    started = time.perf_counter()
    half = subprocess.Popen(into("killed"), **settings)
    while not (place / "killed").exists() or len([*(place / "killed").iterdir()]) < len(right) / 2:
        time.sleep(0.05)
    half.kill()
    half.wait()
    cost(into("killed"), **settings)
    rows.append(row("killed half way, and again", time.perf_counter() - started))
    if files("killed") != right:
        raise RuntimeError("the run that went on gave other answers")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--users", type=int, nargs="+", default=[500, 2_000, 6_040])
    parser.add_argument("--ratings", type=int, default=1_000_209, help="to generate")
    parser.add_argument("--movies", type=int, default=3_883, help="to generate")
    parser.add_argument("--all", action="store_true", help="all users at once, and nothing else")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lines", type=int, default=2_000, help="to ask a coprocess")
    parser.add_argument("--uri", help="a Milvus server to ask, too; with --all in place of --exact")
    parser.add_argument("--prepare", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.prepare:
        return prepare(asked.prepare, asked.users, asked.ratings, asked.movies, not asked.all)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        heading(f"generated-{asked.ratings}, top {K}, seed 0, median of {asked.rounds} rounds")
        cost([sys.executable, __file__, *sys.argv[1:], "--prepare", folder], env=environment())
        if asked.all:
            how = published(place, asked.uri) if asked.uri else ("--exact",)
            heads = "seconds", "users/s", "CPU ms a user", "peak MB"
            users = max(asked.users)
            return table((f"all {users:,} users", *heads), everybody(place, users, how))
        rows: list[tuple[str, ...]] = []
        for count in asked.users:
            found = by_turns(processes(place, count), asked.rounds, warm=True)
            rows += show_processes(count, found)
        table(("users", "whole process", "seconds", "users/s", "x bare", "peak MB"), rows)
        kinds: dict[str, tuple[str, ...]] = {"--exact": ("--exact",), "Milvus Lite": ()}
        if asked.uri:
            kinds["server"] = published(place, asked.uri)
        rows = [coprocess(place, name, kind, asked.lines) for name, kind in kinds.items()]
        print()
        table(("coprocess", "first answer s", "users/s", "p50 ms", "p99 ms", "CPU ms a user"), rows)
    return None


if __name__ == "__main__":
    main()

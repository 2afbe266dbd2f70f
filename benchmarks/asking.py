"""How long recommendations for many users take, beside the bare batched search of their vectors.

    python benchmarks/asking.py [--users 500 2000 6040] [--rounds 3] [--uri http://...]

Whole processes: `recsys recommend --users FILE -k 10` through Milvus Lite and with --exact, which
find out who has seen what, leave it out and write every movie's title as jsonl; against a script
that loads the same vectors, sends them to the same database a thousand at a time and does nothing
else, and one that multiplies them with the movies in NumPy and takes the ten largest. As a
coprocess: `recsys recommend --users -` is asked by JSON lines of cold-start users with ten ratings
each, the next line only when the answer is there. The model is generated: ml-1m's shape, trained
for a few steps only, which no time here depends on.
"""

import argparse
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


def prepare(place: Path, counts: list[int], ratings: int) -> None:
    """A model, a database, and for each number of users their ids and query vectors.

    In a process of its own, see common.py.
    """
    from generated import generated, write

    write(generated(ratings, users=max(counts)), place / "data")
    run = partial(cost, cwd=place, env=environment())
    few_steps = ("--epochs", "1", "--set", f"batch_size={10 * ratings}", "--validation", "0")
    run([*RECSYS, "train", "--data", "data", *few_steps])
    run([*RECSYS, "load-movies"])
    import numpy as np

    from recsys.infer import UserQuery, catalogue, users_of
    from recsys.serving.model_folder import DEFAULT, load_model

    folder = load_model(place / DEFAULT)
    np.save(place / "movies.npy", catalogue(folder).vectors)
    ids = folder.vocabulary.user_ids.tolist()
    vectors = users_of(folder, [UserQuery(each) for each in ids]).vectors("relevance")
    for count in counts:
        np.save(place / f"{count}.npy", vectors[:count])
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


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--users", type=int, nargs="+", default=[500, 2_000, 6_040])
    parser.add_argument("--ratings", type=int, default=1_000_209, help="to generate")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lines", type=int, default=2_000, help="to ask a coprocess")
    parser.add_argument("--uri", help="a Milvus server to be a coprocess of, too")
    parser.add_argument("--prepare", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.prepare:
        return prepare(asked.prepare, asked.users, asked.ratings)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        heading(f"generated-{asked.ratings}, top {K}, seed 0, median of {asked.rounds} rounds")
        cost([sys.executable, __file__, *sys.argv[1:], "--prepare", folder], env=environment())
        rows: list[tuple[str, ...]] = []
        for count in asked.users:
            found = by_turns(processes(place, count), asked.rounds, warm=True)
            rows += show_processes(count, found)
        table(("users", "whole process", "seconds", "users/s", "x bare", "peak MB"), rows)
        kinds: dict[str, tuple[str, ...]] = {"--exact": ("--exact",), "Milvus Lite": ()}
        if asked.uri:
            kinds["server"] = ("--uri", asked.uri, "--collection", "asking")
            cost([*RECSYS, "load-movies", *kinds["server"]], cwd=place, env=environment())
        rows = [coprocess(place, name, kind, asked.lines) for name, kind in kinds.items()]
        print()
        heads = ("coprocess", "first answer s", "users/s", "p50 ms", "p99 ms", "CPU ms a user")
        table(heads, rows)
    return None


if __name__ == "__main__":
    main()

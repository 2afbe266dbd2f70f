"""What an HTTP service answers: requests a second, p50 and p99, and processor time a request.

    python benchmarks/service.py [MODEL] [--uri URI] [--clients 1 8] [--seconds 10]

The service is that of docs/deploy.md, in a process of its own, with as many BLAS threads as NumPy
takes by itself; it answers from the model's movies in memory (exact), from Milvus Lite, and with
--uri from a server too, where they are published as `load-movies` does. Clients send one
request after the other, each over one connection: known users by turns, ten movies each.
"""

import argparse
import http.client
import json
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

from common import ROOT, clean_environment, heading, processor_seconds, table

K = 10
WARM = 50  # requests before


@contextmanager
def serving(place: Path, *arguments: str) -> Iterator[tuple[int, int]]:
    """The service under way: its port and process id."""
    page = (ROOT / "docs" / "deploy.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (place / "serve.py").write_text(code)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = clean_environment(PYTHONPATH=str(ROOT), PORT=str(port))
    for name in [each for each in env if each.endswith("_NUM_THREADS")]:
        del env[name]
    command = [sys.executable, "serve.py", *arguments]
    with (place / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=place, env=env, stderr=log)
    try:
        while socket.socket().connect_ex(("127.0.0.1", port)):
            if process.poll() is not None:
                sys.exit((place / "log").read_text())
            time.sleep(0.1)
        yield port, process.pid
    finally:
        process.kill()
        process.wait()


def ask(port: int, users: list[Any], end: float, most: int | None = None) -> list[float]:
    """Seconds of each request of one client, until the end or for so many."""
    line, found = http.client.HTTPConnection("127.0.0.1", port), list[float]()
    for user in cycle(users):
        if time.perf_counter() > end or len(found) == most:
            break
        started = time.perf_counter()
        line.request("POST", "/", json.dumps({"user_id": user, "k": K}))
        answer = line.getresponse()
        body = answer.read()
        found.append(time.perf_counter() - started)
        if answer.status != 200 or len(json.loads(body)) != K:
            sys.exit(f"{answer.status}: {body!r}")
    line.close()
    return found


def measured(
    place: Path, arguments: list[str], users: list[Any], clients: list[int], seconds: float
) -> Iterator[tuple[str, ...]]:
    """A row for each number of clients."""
    with serving(place, *arguments) as (port, process):
        ask(port, users, time.perf_counter() + 60, WARM)
        for count in clients:
            started, before = time.perf_counter(), processor_seconds(process)
            with ThreadPoolExecutor(count) as pool:
                runs = [
                    pool.submit(ask, port, users[n::count], started + seconds) for n in range(count)
                ]
                times = sorted(each for run in runs for each in run.result())
            took, used = time.perf_counter() - started, processor_seconds(process) - before
            quantiles = (times[int(share * len(times))] for share in (0.5, 0.99))
            yield (
                str(count),
                f"{len(times) / took:,.0f}",
                *(f"{1000 * each:.1f}" for each in quantiles),
                f"{1000 * used / len(times):.2f}",
            )


def main() -> None:
    from recsys.infer import catalogue
    from recsys.milvus.address import MilvusAddress
    from recsys.milvus_store import MilvusStore
    from recsys.serving.model_folder import DEFAULT, load_model

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model", nargs="?", default=DEFAULT)
    parser.add_argument("--uri", help="of a server")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--seconds", type=float, default=10)
    asked = parser.parse_args()
    model = load_model(asked.model)
    movies, users = catalogue(model), model.vocabulary.user_ids.tolist()
    heading(f"{len(movies):,} movies, {len(users):,} users, top {K}, {asked.seconds:g} s each")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        places = {"exact": None, "Milvus Lite": str(place / "a.db")}
        places |= {"server": asked.uri} if asked.uri else {}
        for name, uri in places.items():
            if uri:
                with MilvusStore(MilvusAddress(uri)) as store:
                    store.publish(movies, model.fingerprint, keep=0)
            arguments = [str(Path(asked.model).resolve()), *filter(None, [uri])]
            found = measured(place, arguments, users, asked.clients, asked.seconds)
            rows += [(name, *row) for row in found]
    table(("movies in", "clients", "requests/s", "p50 ms", "p99 ms", "processor ms"), rows)


if __name__ == "__main__":
    main()

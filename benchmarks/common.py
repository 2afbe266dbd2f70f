"""What the benchmarks share: the line about the machine, rounds by turns, and the table.

Only the standard library is imported here, so that a process that starts others stays smaller than
they are: Linux counts the memory of the one that starts a process as that process's own.
"""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = ("paddlepaddle", "torch", "pymilvus", "milvus-lite", "numpy", "click")


class Cost(NamedTuple):
    """What a process cost."""

    seconds: float  # from its start to its end
    megabytes: float  # the peak of its resident memory
    processor: float  # seconds, of all its threads


def cores() -> int:
    """CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def environment() -> str:
    """Two lines: the machine with its present load, and the versions of what was measured."""
    busy = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    versions = [f"Python {platform.python_version()}"]
    for name in LIBRARIES:
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return f"{_cpu()}, {cores()} cores{busy}\n{', '.join(versions)}"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def heading(about: str) -> None:
    """Prints the command line, the machine, and what was measured with which seed."""
    print("$ python", *(os.path.relpath(sys.argv[0]), *sys.argv[1:]))
    print(environment())
    print(about, end="\n\n", flush=True)


def by_turns(
    contestants: Mapping[str, Callable[[], Any]], rounds: int, warm: bool = False
) -> dict[str, list[Any]]:
    """What each returned, round by round, so that a busy minute hits all of them alike.

    Args:
        warm: run all of them once before, uncounted.
    """
    found: dict[str, list[Any]] = {name: [] for name in contestants}
    for number in range(-int(warm), rounds):
        for name, run in contestants.items():
            _progress(f"round {number + 1} of {rounds}: {name}")
            result = run()
            if number >= 0:
                found[name].append(result)
    _progress("")
    return found


def _progress(line: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{line:<70.70}\r", end="", file=sys.stderr, flush=True)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the rounds' ratios: noise that lasts a round cancels."""
    return median(a / b for a, b in zip(ours, theirs, strict=True))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints a table as recsys does, columns of numbers to the right."""
    from recsys.cli.output import table as shown

    columns = [_aligned(column) for column in zip(header, *rows, strict=True)]
    aligned = list(zip(*columns, strict=True))
    print(shown(aligned[0], aligned[1:]), flush=True)


def _aligned(column: Sequence[str]) -> list[str]:
    cells = [cell for cell in column[1:] if cell]
    numeric = bool(cells) and all(cell[0] in "-0123456789" for cell in cells)
    width = max(map(len, column))
    return [cell.rjust(width) if numeric else cell for cell in column]


def cost(command: Sequence[str], **settings: Any) -> Cost:
    """Runs a command to its end, its output thrown away.

    Raises:
        SystemExit: it failed, with its stderr.
    """
    started = time.perf_counter()
    nothing = subprocess.DEVNULL
    process = subprocess.Popen(
        command, stdin=nothing, stdout=nothing, stderr=subprocess.PIPE, **settings
    )
    assert process.stderr
    errors = process.stderr.read().decode(errors="replace")
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{errors}")
    megabytes = used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return Cost(seconds, megabytes, used.ru_utime + used.ru_stime)


def child(script: str, *arguments: str, **settings: Any) -> Any:
    """What a benchmark prints as JSON with --measure and these arguments, a process of its own."""
    settings = {"env": clean_environment(), **settings}
    command = [sys.executable, script, "--measure", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, **settings)
    return json.loads(done.stdout.splitlines()[-1])


def peak_megabytes() -> float:
    """The peak of this process's own resident memory."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 2**10
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def processor_seconds(process: int) -> float:
    """What a process has used until now (Linux)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def clean_environment(**more: str) -> dict[str, str]:
    """This process's environment without a user's settings of recsys."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RECSYS_")}
    return {**kept, **more}

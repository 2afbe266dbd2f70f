"""The real command line, in a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from recsys.__main__ import cli
from recsys.errors import RecsysError

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "data" / "sample"
for _name, _value in (("KMP_BLOCKTIME", "0"), ("OMP_NUM_THREADS", "1")):
    os.environ.setdefault(_name, _value)  # a core each, if set before NumPy is imported
for _name in [each for each in os.environ if each == "COLUMNS" or each.startswith("RECSYS_")]:
    del os.environ[_name]  # a user's settings; pytest-xdist sets COLUMNS: tables would be cut
EPOCHS, DIMENSION = 3, 16  # enough to find the plant again, and quick
SMALL = ("--data", str(SAMPLE), "--epochs", str(EPOCHS), "--set", f"dimension={DIMENSION}")


def environment(**more: str) -> dict[str, str]:
    """This process's environment, in which Python finds recsys."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def recsys(*args: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """The real command line, in a process of its own."""
    return _done([sys.executable, "-m", "recsys", *args], cwd, **more)


def output(*command: str | Path, cwd: Path | None = None, **more: str) -> str:
    """What a command prints that must not fail; `-c` and what follows is for Python."""
    done = _done([sys.executable, *command] if command[0] == "-c" else [*command], cwd, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _done(
    line: Sequence[str | Path], cwd: Path | None, **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        line,
        cwd=cwd,
        env=environment(**more),
        capture_output=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        timeout=300,
        check=False,
    )


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def here(*args: object, input: str | None = None, code: int = 0) -> Result:
    """The command line in this process; its exit code is checked."""
    result = CliRunner().invoke(cli, [str(arg) for arg in args], input=input)
    assert result.exit_code == code, (result.output, result.exception)
    return result


@contextmanager
def refused(
    error: type[RecsysError], words: str | None = None, fix: str | None = None
) -> Iterator[pytest.ExceptionInfo[RecsysError]]:
    """What is within fails in one line that has the words (a pattern), and names its fix."""
    with pytest.raises(error, match=words) as caught:
        yield caught
    assert "\n" not in str(caught.value)
    assert fix in (None, caught.value.fix)


def started(*args: str, cwd: Path) -> subprocess.Popen[str]:
    """The same, under way, in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "recsys", *args],
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell's background job, as CI may be, hands on that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """One process at a time: those that run tests side by side share what is made there."""
    import fcntl  # where there is no Milvus Lite there is none of it either

    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

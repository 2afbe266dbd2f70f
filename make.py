#!/usr/bin/env python3
"""Everything from nothing but Python: `python3 make.py demo` and `python3 make.py test`.

Each makes a virtual environment in .venv, installs recsys into it, and goes on from there.

    demo    real ratings, train, publish, recommend    (demo --fast: the sample data, two epochs)
    test    lint, types, and all tests                 (test --quick: no servers, no kills)
    docs    the documents as a site, in site/          (with the report of the demo's model)
"""

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PARALLEL = ("-n", "2")  # two processes


def run(*command: str, **settings: object) -> None:
    """One command of the environment, shown first; the first that fails ends it all."""
    print("$", *command, file=sys.stderr, flush=True)
    path = os.pathsep.join([str(BIN), os.environ["PATH"]])
    done = subprocess.run(command, env={**os.environ, "PATH": path}, check=False, **settings)
    if done.returncode:
        sys.exit(done.returncode)


def install(extra: str = "") -> None:
    """The environment, made anew only when pyproject.toml has changed."""
    stamp = VENV / f"installed{extra}"
    wanted = hashlib.sha256((HERE / "pyproject.toml").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    if not (BIN / ("python.exe" if os.name == "nt" else "python")).exists():
        venv.create(VENV, with_pip=True)
    python = str(BIN / "python")
    run(python, "-m", "pip", "install", "--quiet", "--editable", f"{HERE}{extra}")
    stamp.write_text(wanted)


def demo(fast: bool) -> None:
    install()
    os.chdir(HERE)
    recsys = str(BIN / "recsys")
    run(recsys, "train", *(["--data", "data/sample", "--epochs", "2"] if fast else []))
    run(recsys, "load-movies")
    run(recsys, "recommend", "--age", "1", "--gender", "F", "--job", "10")


def test(quick: bool) -> None:
    install("[dev]")
    os.chdir(HERE)
    python = str(BIN / "python")
    run(python, "-m", "ruff", "check", ".")
    run(python, "-m", "ruff", "format", "--check", ".")
    run(python, "-m", "mypy")
    tier = [] if quick else ["-m", ""]  # what is quick is said in pyproject.toml
    run(python, "-m", "pytest", *tier, *PARALLEL)


def docs() -> None:
    install("[docs,report]")
    os.chdir(HERE)
    Path("site").mkdir(exist_ok=True)
    if Path("recommender_system.inference.model").exists():
        run(str(BIN / "recsys"), "report", "-o", "site/report.html")
    run(str(BIN / "python"), "-m", "sphinx", "-EWq", "--keep-going", "-c", "docs", ".", "site")
    print(HERE / "site" / "index.html")


if __name__ == "__main__":
    what, *flags = sys.argv[1:] or ["-h"]
    if what == "demo" and set(flags) <= {"--fast"}:
        demo(fast=bool(flags))
    elif what == "test" and set(flags) <= {"--quick"}:
        test(quick=bool(flags))
    elif what == "docs" and not flags:
        docs()
    else:
        sys.exit(__doc__)

"""All measurements of docs/performance.md anew, or some of them: run it over night, or in parts.

    python benchmarks/performance.py [NAME ...] [--uri URI] [--docs FILE]

The page itself is the list: each group of its lines `$ python benchmarks/NAME.py ...` is run, and
what it prints takes the place of the block below, at once. DATA and G10M in them are generated
ratings. A command that fails leaves its block as it is, and the exit code is 1. Those with --uri
need a Milvus server there, or where --uri says.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from common import ROOT, clean_environment

BLOCK = re.compile(r"((?:^    \$ [^\n]*\n)+)\n```text\n(.*?)^```\n", re.M | re.S)
SERVER = "http://localhost:19530"
SHAPES = {"DATA": ("1m", "dat"), "G10M": ("10m", "parquet")}


def measured(commands: str, folder: Path, uri: str = SERVER) -> str:
    """What the commands print, without the lines that repeat them.

    Raises:
        subprocess.CalledProcessError: one of them failed.
    """
    lines = []
    for command in re.findall(r"\$ (.*)", commands):
        words = command.partition(" #")[0].split()
        settings = dict(word.split("=") for word in words if re.match(r"[A-Z_]+=", word))
        for word in words:
            if word in SHAPES and not (folder / word).exists():
                shape, form = SHAPES[word]
                make = ("generated.py", folder / word, "--shape", shape, "--format", form)
                subprocess.run(
                    [sys.executable, *map(str, make)], check=True, cwd=ROOT / "benchmarks"
                )
        arguments = words[words.index("python") + 1 :]
        run = [str(folder / each) if each in SHAPES else each for each in arguments]
        run = [uri if each == SERVER else each for each in run]
        done = subprocess.run(
            [sys.executable, *run],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            cwd=ROOT,
            env=clean_environment(**settings),
        )
        lines += [line for line in done.stdout.splitlines() if not line.startswith("$ ")]
    return "\n".join(line.replace(f"{folder}/", "") for line in lines).strip() + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", help="only commands with one of these in them")
    parser.add_argument("--uri", default=SERVER, help="of the Milvus server")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs" / "performance.md")
    args = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for block in BLOCK.finditer(args.docs.read_text(encoding="utf-8")):
            commands = block[1]
            if args.names and not any(name in commands for name in args.names):
                continue
            print(commands, end="", file=sys.stderr, flush=True)
            try:
                printed = measured(commands, Path(folder), args.uri)
            except subprocess.CalledProcessError as error:
                print(f"failed with {error.returncode}: its block stays", file=sys.stderr)
                failed += 1
                continue
            page = args.docs.read_text(encoding="utf-8")
            page = page.replace(block[0], f"{commands}\n```text\n{printed}```\n")
            args.docs.write_text(page, encoding="utf-8")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

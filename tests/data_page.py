"""The commands of docs/data.md and docs/everyday.md, and what they really print.

test_docs.py runs them again. After a change of what they print:

    python tests/data_page.py            # runs them, and writes their output into the pages
    python tests/data_page.py FOLDER     # writes the data that docs/data.md is about
"""

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

import shop  # noqa: E402
from click.testing import CliRunner  # noqa: E402
from command_line import SAMPLE, SMALL, environment, inside, recsys  # noqa: E402

from recsys.__main__ import cli  # noqa: E402
from recsys.preprocess import read_dataset  # noqa: E402

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE, EVERY_DAY = DOCS / "data.md", DOCS / "everyday.md"
_OUTPUT = r"((?:(?!    \$ )    .*\n|\n(?=    (?!\$ )))*)"  # up to the next command or text
COMMAND = re.compile(rf"(?<=^    \$ )(.*)\n{_OUTPUT}", re.MULTILINE)

PROGRAMS = {"python": f"'{sys.executable}'", "recsys": f"'{sys.executable}' -m recsys"}
_PROGRAM = re.compile(r"(^|[|&] )(python|recsys)\b")  # where a command begins


def make(folder: Path) -> Path:
    """Write my-ratings/, my-plays/ and my-shop/ into a folder."""
    for name in ("my-ratings", "my-plays", "my-shop"):
        (folder / name).mkdir(parents=True)
    shop.make(folder / "my-shop")
    sample = read_dataset(SAMPLE)
    rated = [tuple(column.tolist()) for column in vars(sample.ratings).values()]
    ratings = list(zip(*rated, strict=True))
    whole = [(user, movie, int(value), time) for user, movie, value, time in ratings]
    shop.write(folder / "my-ratings" / "ratings.csv", "userId,movieId,rating,timestamp", whole)
    movies = zip(sample.movies.ids, sample.movies.titles, sample.movies.genres, strict=True)
    lines = [f"{movie}\t{title}\t{'|'.join(genres)}\n" for movie, title, genres in movies]
    text = "".join(["movieId\ttitle\tgenres\n", *lines])
    (folder / "my-ratings" / "movies.tsv").write_text(text, "utf-8")
    shop.write(folder / "my-plays" / "plays.csv", "user,track,played_at", list(plays(ratings)))
    return folder


def plays(ratings: list[tuple[int, int, float, int]]) -> Iterator[tuple[str, str, str]]:
    """A play of what is rated 4, two of what is rated 5."""
    for user, movie, value, time in ratings:
        for hour in range(int(value) - 3):
            when = datetime.fromtimestamp(time + 3600 * hour, timezone.utc)
            yield f"listener-{user}", f"track-{movie}", when.isoformat()


def sections(page: str) -> list[str]:
    """The parts of the page, each of which begins in an empty folder."""
    return re.split(r"(?m)^(?=##)", page)


def output(command: str, place: Path) -> str:
    """What a shown command prints, but for the lines of epochs."""
    if re.fullmatch(r"recsys [^|<>&;$]*", command):  # no need of a shell, nor to start anew
        with inside(place):
            printed = CliRunner().invoke(cli, shlex.split(command)[1:]).output
    else:
        printed = _shell(command, place)
    lines = [line for line in printed.splitlines() if not line.startswith("epoch ")]
    return "".join(f"    {line}\n" if line else "\n" for line in lines)


def _shell(command: str, place: Path) -> str:
    done = subprocess.run(
        _PROGRAM.sub(lambda found: f"{found[1]}{PROGRAMS[found[2]]}", command),
        shell=True,
        cwd=place,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    return done.stdout


def real(section: str, make: Callable[[Path], object] = make) -> str:
    """A section with the output its commands really have, in a folder of what `make` makes."""
    with tempfile.TemporaryDirectory() as place:
        make(Path(place))
        return COMMAND.sub(lambda found: f"{found[1]}\n{output(found[1], Path(place))}", section)


def every_day(folder: Path, trained: Path) -> None:
    """What a section of docs/everyday.md begins with: data, a model, and its movies in Milvus."""
    for each in ("recommender_system.inference.model", "recsys.db"):
        shutil.copytree(trained / each, folder / each)
    shutil.copytree(SAMPLE, folder / "data" / "sample")
    old = shutil.copytree(folder / "recommender_system.inference.model", folder / "old.model")
    config = (old / "config.json").read_text("utf-8")
    (old / "config.json").write_text(re.sub(r'"format": \d+', '"format": 6', config), "utf-8")


def write(page: Path, make: Callable[[Path], object]) -> None:
    whole = "".join(
        real(section, make) if COMMAND.search(section) else section
        for section in sections(page.read_text("utf-8"))
    )
    page.write_text(whole, "utf-8")


if __name__ == "__main__":
    if sys.argv[1:]:
        make(Path(sys.argv[1]))
    else:
        write(PAGE, make)
        with tempfile.TemporaryDirectory() as trained:
            for command in (("train", *SMALL), ("load-movies",)):
                recsys(*command, cwd=Path(trained)).check_returncode()
            write(EVERY_DAY, lambda folder: every_day(folder, Path(trained)))

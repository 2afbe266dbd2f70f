"""The commands of docs/data.md from file to recommendation, and what they really print.

test_data_page.py runs them again. After a change of what they print:

    python tests/data_page.py            # runs them, and writes their output into the page
    python tests/data_page.py FOLDER     # writes the data that they are about
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

import shop  # noqa: E402
from command_line import SAMPLE, environment  # noqa: E402

from recsys.preprocess import read_dataset  # noqa: E402

PAGE = Path(__file__).resolve().parents[1] / "docs" / "data.md"
_OUTPUT = r"((?:(?!    \$ )    .*\n|\n(?=    (?!\$ )))*)"  # up to the next command or text
COMMAND = re.compile(rf"(?<=^    \$ )(.*)\n{_OUTPUT}", re.MULTILINE)


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
    done = subprocess.run(
        re.sub(r"^recsys\b", f"'{sys.executable}' -m recsys", command),
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
    lines = [line for line in done.stdout.splitlines() if not line.startswith("epoch ")]
    return "".join(f"    {line}\n" if line else "\n" for line in lines)


def real(section: str) -> str:
    """A section with the output its commands really have."""
    with tempfile.TemporaryDirectory() as place:
        make(Path(place))
        return COMMAND.sub(lambda found: f"{found[1]}\n{output(found[1], Path(place))}", section)


if __name__ == "__main__":
    if sys.argv[1:]:
        make(Path(sys.argv[1]))
    else:
        whole = "".join(
            real(section) if COMMAND.search(section) else section
            for section in sections(PAGE.read_text("utf-8"))
        )
        PAGE.write_text(whole, "utf-8")

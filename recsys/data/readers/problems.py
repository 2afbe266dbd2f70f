"""Bad lines: what is wrong with each, all of them counted, the first ones in words."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys.errors import DataError

LISTED = 10  # bad lines that are listed in words; the others are counted


class BadLine(ValueError):
    """What was found on a line and what was expected."""


class Problems:
    """The bad lines of the files being read: all counted, the first ten of each file in words.

    >>> problems = Problems()
    >>> problems.add(Path("movies.dat"), 3, "expected a title, found none")
    >>> str(problems.error("correct the line"))
    'movies.dat:3: expected a title, found none; correct the line'
    """

    def __init__(self) -> None:
        self.counts: Counter[Path] = Counter()
        self.kinds: Counter[str] = Counter()  # of those that have one, such as "missing"
        self.places: dict[Path, Callable[[int], str]] = {}  # of files whose rows are counted
        self._words: dict[Path, list[tuple[int, str]]] = {}

    def add(self, path: Path, line: int, words: str, kind: str = "") -> None:
        self.add_all(path, [line], lambda _: words, kind)

    def add_all(
        self,
        path: Path,
        lines: Sequence[int] | NDArray[np.int64],
        words: Callable[[int], str],
        kind: str = "",
    ) -> None:
        """Ascending lines with one kind of problem; `words(i)` is called for listed ones only."""
        self.counts[path] += len(lines)
        if kind:
            self.kinds[kind] += len(lines)
        kept = self._words.setdefault(path, [])
        kept += [(int(line), words(i)) for i, line in enumerate(lines[:LISTED])]
        if len(kept) >= 2 * LISTED:
            kept[:] = sorted(kept)[:LISTED]

    def __len__(self) -> int:
        return self.counts.total()

    def listed(self) -> list[str]:
        """The first ten, file by file in the order they were read."""
        words = [
            f"{self.place(path, line)}: {text}"
            for path, kept in self._words.items()
            for line, text in sorted(kept)[:LISTED]
        ]
        return words[:LISTED]

    def place(self, path: Path, line: int) -> str:
        """Where a line is, in words."""
        rows = self.places.get(path)
        return f"{path}: {rows(line)}" if rows else f"{path}:{line}"

    def within(self, path: Path, line: int) -> str:
        """Where a line of a file is, in words that follow its name."""
        rows = self.places.get(path)
        return f"in {rows(line)}" if rows else f"on line {line}"

    def error(
        self,
        remedy: str = "correct the line, or leave bad lines out",
        fix: str = "skip_bad_lines",
    ) -> DataError:
        """A line for each that is listed, and how many more there are."""
        listed = self.listed()
        rest = len(self) - len(listed)
        more = [f"... and {rest} more bad lines"] if rest else []
        return DataError("\n".join([*listed, *more]), remedy, fix)

    def summary(self) -> str:
        """What was dropped, in one line."""
        files = ", ".join(f"{count} of {path.name}" for path, count in self.counts.items())
        return f"dropped {len(self)} bad lines ({files}), the first: {self.listed()[0]}"

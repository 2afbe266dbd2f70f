"""A file's lines to fields by column, and those to one record for each id."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from recsys.data.readers import text
from recsys.data.readers.layouts import Layout
from recsys.data.readers.problems import BadLine, Problems

K = TypeVar("K")  # int, or int and str
T = TypeVar("T")


def rows(path: Path, layout: Layout, problems: Problems) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, fields by column) of a file's lines; those with other columns are problems."""
    for line, each in text.lines(path, layout.header, problems):
        try:
            row = layout.row(each)
        except BadLine as problem:
            problems.add(path, line, str(problem))
            continue
        yield line, row


def records(
    path: Path,
    layout: Layout,
    problems: Problems,
    what: str,
    parse: Callable[[dict[str, str]], tuple[K, T]],
) -> dict[K, T]:
    """What `parse` makes of each line, by its id, in the file's order.

    Lines that `parse` refuses, and second lines of an id, are put down as problems.
    """
    found: dict[K, T] = {}
    first: dict[K, int] = {}  # line of each id
    for line, row in rows(path, layout, problems):
        try:
            each, value = parse(row)
            if each in first:
                raise BadLine(f"{what} {each} again, expected once, first on line {first[each]}")
        except BadLine as problem:
            problems.add(path, line, str(problem))
            continue
        found[each], first[each] = value, line
    return found

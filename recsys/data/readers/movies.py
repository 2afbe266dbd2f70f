"""A movie file to ids, titles and genres."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from recsys.data.dataset import Movies
from recsys.data.movielens import GENRES_100K as GENRES
from recsys.data.readers.described import Described, described
from recsys.data.readers.fields import shown, whole_number
from recsys.data.readers.layouts import Layout
from recsys.data.readers.problems import BadLine, Problems
from recsys.data.readers.records import records, rows

_YEAR = re.compile(r"\d{4}")
_YEAR_LAST = re.compile(r"\(\d{4}\)$")
_MADE_FOR_VIDEO = re.compile(r"(?<=\(\d{4}\)) \(V\)$")  # ML-100K has it behind the year


def read_movie_file(
    path: Path, layout: Layout, problems: Problems, kinds: Mapping[str, str] = MappingProxyType({})
) -> tuple[Movies, Described]:
    """The movies of any family of files, in the file's order, and how its own columns are read."""
    separator = " "
    if "genre_words" in layout.columns:  # RecBole writes words; some write MovieLens' bars
        every = (row["genre_words"] for _, row in rows(path, layout, Problems()))
        separator = "|" if any("|" in each for each in every) else " "

    def movie(row: dict[str, str]) -> tuple[int, tuple[str, tuple[str, ...], dict[str, str]]]:
        movie_id = whole_number(row["movie_id"], "a movie id")
        return movie_id, (_title(row), _genres(row, separator), row)

    found = records(path, layout, problems, "movie", movie)
    own = described(layout.fields([row for *_, row in found.values()]), kinds)
    titles = [title for title, *_ in found.values()]
    genres = [each for _, each, _ in found.values()]
    return Movies(np.array(list(found), np.int64), titles, genres, own.columns), own


def _title(row: dict[str, str]) -> str:
    """A movie's title with the year at the end."""
    title = titled(row["title"].strip(), row.get("year", "").strip())
    return _MADE_FOR_VIDEO.sub("", title) if "video" in row else title


def titled(title: str, year: str) -> str:
    """A title with its year at the end, where there is one; BadLine when there is no title."""
    if not title:
        raise BadLine("expected a title, found none")
    return f"{title} ({year})" if _YEAR.fullmatch(year) and not _YEAR_LAST.search(title) else title


def _genres(row: dict[str, str], separator: str) -> tuple[str, ...]:
    if "genres" in row:
        return genre_names(row["genres"], "|")
    if "genre_words" in row:
        return genre_names(row["genre_words"].strip(), separator)
    return tuple(name for name in GENRES if name in row and _flag(row, name))


def genre_names(text: str, separator: str) -> tuple[str, ...]:
    """A movie's genres without repetition; none for an empty list or "(no genres listed)"."""
    if text.strip() in ("", "(no genres listed)", "unknown"):
        return ()
    names = [name.strip() for name in text.split(separator)]
    if "" in names:
        raise BadLine(f"expected genres separated by {separator!r}, found an empty one")
    return tuple(dict.fromkeys(names))


def _flag(row: dict[str, str], genre: str) -> bool:
    if row[genre] not in ("0", "1"):
        raise BadLine(f"expected 0 or 1 for the genre {genre}, got {shown(row[genre])}")
    return row[genre] == "1"

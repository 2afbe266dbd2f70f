"""Which files are tables, and which of a folder are the ratings, the movies and the users."""

from pathlib import Path
from typing import NamedTuple

from recsys.errors import DataError

PACKED = (".gz", ".zst", ".bz2", ".lz4")  # what pyarrow unpacks by the name
JSON_LINES = (".jsonl", ".ndjson", ".json")
PARQUET = (".parquet", ".pq")
TABLES = (".csv", ".tsv", ".psv", ".tab", *JSON_LINES, *PARQUET)

STEMS = {
    "ratings": ("ratings", "rating", "interactions", "reviews", "events"),
    "items": ("movies", "items", "products", "books", "movie", "item"),
    "users": ("users", "user", "customers"),
}
FAMILIES = ("ratings.dat", "movies.dat", "u.data", "u.item")  # read as they are, not as tables


class TableFiles(NamedTuple):
    """The tables of a dataset, and those beside them that are not read."""

    ratings: Path
    items: Path | None
    users: Path | None
    unused: tuple[str, ...] = ()


def table_files(data: Path, items: Path | None, users: Path | None) -> TableFiles | None:
    """The tables of a folder, or a file of ratings and what is given beside it.

    None when a folder holds one of the other families.

    Raises:
        DataError: two tables may be the same, or none has the ratings.
    """
    if not data.is_dir():
        if not data.is_file():
            return None
        beside = [each for each in sorted(data.parent.iterdir()) if is_table(each)]
        left = [each.name for each in beside if each not in (data, items, users)
                and any(stem(each) in STEMS[kind] for kind in ("items", "users"))]  # fmt: skip
        return TableFiles(data, items, users, tuple(left))
    names = sorted(each.name for each in data.iterdir())
    if {*FAMILIES} & {*names} or any(name.endswith((".inter", ".item")) for name in names):
        return None
    there = [data / name for name in names if (data / name).is_file()]
    tables = [each for each in there if is_table(each) or _is_called_so(each)]
    if not tables:
        return None
    found = {kind: _one(data, kind, tables) for kind in STEMS}
    ratings = found["ratings"]
    if ratings is None and len(tables) == 1:
        ratings = tables[0]
    if ratings is None:
        raise DataError(
            f"{data}: which table has the ratings? expected ratings.csv or the like, there are "
            f"{', '.join(each.name for each in tables)}",
            "name the file itself",
            "ratings",
        )
    files = TableFiles(ratings, items or found["items"], users or found["users"])
    read = [each for each in files[:3] if each]
    return files._replace(unused=tuple(each.name for each in tables if each not in read))


def suffix(path: Path) -> str:
    """A file's last suffix in small letters, behind that of its compression."""
    parts = [each.lower() for each in path.suffixes]
    while parts and parts[-1] in PACKED:
        parts.pop()
    return parts[-1] if parts else ""


def stem(path: Path) -> str:
    """A file's name in small letters without the suffixes of its form and compression."""
    name = path.name.lower()
    for packed in PACKED:
        name = name.removesuffix(packed)
    return name.removesuffix(suffix(path))


def is_table(path: Path) -> bool:
    """Whether a file is a table by its suffix."""
    return suffix(path) in TABLES


def _is_called_so(path: Path) -> bool:
    """Whether a file is called `ratings` or the like, and is no table by a foreign suffix."""
    return suffix(path) in (".txt", ".data", ".dat", "") and any(
        stem(path) in each for each in STEMS.values()
    )


def _one(folder: Path, kind: str, tables: list[Path]) -> Path | None:
    found = [each for each in tables if stem(each) in STEMS[kind]]
    if len(found) > 1:
        raise DataError(
            f"{folder}: several tables may be the {kind}: {', '.join(each.name for each in found)}",
            "keep one of them there, or name the files",
            "ratings",
        )
    return found[0] if found else None

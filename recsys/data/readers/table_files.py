"""Which tables of a folder are the ratings, the movies and the users: by their names."""

from pathlib import Path
from typing import NamedTuple

from recsys.data.readers.tabular import is_table, stem
from recsys.errors import DataError

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
        if not data.is_file() or not (is_table(data) or data.suffix.lower() == ".txt"):
            return None
        beside = [each for each in sorted(data.parent.iterdir()) if is_table(each)]
        left = [each.name for each in beside if each not in (data, items, users)
                and any(stem(each) in STEMS[kind] for kind in ("items", "users"))]  # fmt: skip
        return TableFiles(data, items, users, tuple(left))
    names = sorted(each.name for each in data.iterdir())
    if {*FAMILIES} & {*names} or any(name.endswith((".inter", ".item")) for name in names):
        return None
    tables = [data / name for name in names if is_table(Path(name))]
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
            "data",
        )
    files = TableFiles(ratings, items or found["items"], users or found["users"])
    read = [each for each in files[:3] if each]
    return files._replace(unused=tuple(each.name for each in tables if each not in read))


def _one(folder: Path, kind: str, tables: list[Path]) -> Path | None:
    found = [each for each in tables if stem(each) in STEMS[kind]]
    if len(found) > 1:
        raise DataError(
            f"{folder}: several tables may be the {kind}: {', '.join(each.name for each in found)}",
            "keep one of them there, or name the files",
            "data",
        )
    return found[0] if found else None

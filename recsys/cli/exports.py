"""The ratings of one person, as MovieLens, Letterboxd and IMDb export them: titles and stars."""

import csv
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from recsys.cli.prompt import log
from recsys.cli.shared import time_of
from recsys.cli.typed import MovieNames, is_utf8, lines_of
from recsys.data.readers.roles import plain_name
from recsys.data.scale import FIVE_STARS, Scale
from recsys.data.titles import name_and_year
from recsys.errors import DataError, listed, quoted, shortened

if TYPE_CHECKING:
    from recsys.data.ids import Id
    from recsys.serving.model_folder import Model

NAMES = {  # of columns, as `plain_name` writes them
    "title": ("title", "name", "movietitle"),
    "id": ("movieid", "itemid"),
    "rating": ("yourrating", "rating", "stars"),
    "year": ("year",),
    "time": ("timestamp", "daterated", "date"),
}
SCALES = {"const": Scale(1, 10, 8), "letterboxduri": FIVE_STARS, "tmdbid": FIVE_STARS}


def ratings_of(path: str, model: "Model") -> "list[tuple[Any, ...]]":
    """(movie id, rating, and time where there is one) by a file, on the scale of the model.

    Titles are whole ones; of a year that is not there the year before or after. Lines of movies
    that the model does not know are left out and logged, as are those without a rating. Ids count
    where there are no titles.

    Raises:
        DataError: the file has no such columns, no rating where one is, or no movie that is known.
    """
    lines = lines_of(path)
    header = [plain_name(each) for each in next(csv.reader(lines), [])]
    at = {role: _place(names, header) for role, names in NAMES.items()}
    if at["rating"] is None or at["title"] is at["id"] is None:
        cause = f"{path}: the first line names no columns of titles and ratings"
        raise DataError(cause, "take an export of MovieLens, Letterboxd or IMDb")
    scale = next((SCALES[each] for each in header if each in SCALES), model.scale)
    names, unknown = MovieNames(model, lambda: None), []
    found: dict[Id, tuple[Any, ...]] = {}
    for number, cells in enumerate(csv.reader(lines), 2):
        row = {role: cells[n].strip() for role, n in at.items() if n is not None and n < len(cells)}
        if not row.get("rating"):
            continue
        try:
            stars = float(row["rating"])
            if not scale.low <= stars <= scale.high or not is_utf8("".join(cells)):
                raise ValueError
        except ValueError:
            what = f"found {quoted(row['rating'])}, expected a rating in a line of text"
            raise DataError(f"{path}:{number}: {what}", "correct the line") from None
        if not model.scale.rated and stars < scale.liked:
            continue  # to a model of events what was not liked is none
        title = row.get("title") or f"id:{row.get('id', '')}"
        if row.get("year") and not name_and_year(title)[1]:
            title += f" ({row['year']})"
        if (movie := names.whole(title, near=True)) is None:
            unknown.append(shortened(title))
            continue
        given = stars if scale == model.scale else float(model.scale.outward(scale.inward(stars)))
        found[movie] = (movie, given)
        with suppress(ValueError):
            found[movie] += (time_of(row.get("time", "")),)
    if unknown:
        log(f"{path}: {len(unknown)} movies that the model does not know: {listed(unknown)}")
    if not found:
        raise DataError(f"{path}: no rating of a movie that the model knows", "name another")
    return [*found.values()]


def _place(names: Sequence[str], header: Sequence[str]) -> int | None:
    """Where the first of the names is."""
    return next((header.index(each) for each in names if each in header), None)

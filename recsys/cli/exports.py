"""The ratings of one person, as MovieLens, Letterboxd and IMDb export them: titles and stars."""

import csv
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from recsys.cli.prompt import log
from recsys.cli.shared import time_of
from recsys.cli.typed import Known, is_utf8, lines_of
from recsys.data.readers.roles import plain_name
from recsys.data.scale import FIVE_STARS, Scale
from recsys.data.titles import name_and_year
from recsys.errors import DataError, listed, quoted, shortened

if TYPE_CHECKING:
    from recsys.data.ids import Id

NAMES = {  # of columns, as `plain_name` writes them
    "title": ("title", "name", "movietitle"),
    "id": ("movieid", "itemid"),
    "rating": ("yourrating", "rating", "stars"),
    "year": ("year",),
    "time": ("timestamp", "daterated", "date"),
}
SCALES = {"const": Scale(1, 10, 8), "letterboxduri": FIVE_STARS, "tmdbid": FIVE_STARS}


def ratings_of(path: str, known: Known) -> "list[tuple[Any, ...]]":
    """(movie id, rating, and time where there is one) by a file, on the scale of the model.

    Titles are whole ones; of a year that is not there the year before or after. Lines of movies
    that the model does not know are left out and logged, as are those without a rating. Ids count
    where there are no titles.

    Raises:
        DataError: the file has no such columns, no rating where one is, no movie that is known, or
            is no CSV.
    """
    rows, ours = _rows(path), known.model.scale
    header = [*map(plain_name, next(rows, (1, []))[1])]
    at = {
        role: min(header.index(name) for name in names if name in header)
        for role, names in NAMES.items()
        if {*names} & {*header}
    }
    if "rating" not in at or not {"title", "id"} & {*at}:
        cause = f"{path}: the first line names no columns of titles and ratings"
        raise DataError(cause, "take an export of MovieLens, Letterboxd or IMDb")
    scale = next((SCALES[each] for each in header if each in SCALES), ours)
    unknown: list[str] = []
    found: dict[Id, tuple[Any, ...]] = {}
    for number, cells in rows:
        row = dict.fromkeys(NAMES, "")
        row |= {role: cells[place].strip() for role, place in at.items() if place < len(cells)}
        if not row["rating"]:
            continue
        try:
            stars = float(row["rating"])
            if not scale.low <= stars <= scale.high or not is_utf8("".join(cells)):
                raise ValueError
        except ValueError:
            what = f"found {quoted(row['rating'])}, expected a rating in a line of text"
            raise DataError(f"{path}:{number}: {what}", "correct the line") from None
        if not ours.rated and stars < scale.liked:
            continue  # to a model of events what was not liked is none
        title = row["title"] or f"id:{row['id']}"
        if row["year"] and not name_and_year(title)[1]:
            title += f" ({row['year']})"
        if len(movies := known.titles.whole(title, near=True)) != 1:
            unknown.append(shortened(title))
            continue
        given = stars if scale == ours else float(ours.outward(scale.inward(stars)))
        found[movies[0]] = (movies[0], given)
        with suppress(ValueError):
            found[movies[0]] += (time_of(row["time"]),)
    if unknown:
        log(f"{path}: {len(unknown)} movies that the model does not know: {listed(unknown)}")
    if not found:
        raise DataError(f"{path}: no rating of a movie that the model knows", "name another")
    return [*found.values()]


def _rows(path: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a file, and the line that each begins on."""
    rows, number = csv.reader(lines_of(path), strict=True), 1
    try:
        for cells in rows:
            yield number, cells
            number = rows.line_num + 1
    except csv.Error as error:
        cause = f"{path}:{number}: no row of CSV, such as one with an unclosed quote ({error})"
        raise DataError(cause, "correct the line") from error

"""Which column of a file is what.

Names come first, what a column holds second, the usual order third; the names are in `NAMES`.
Nothing but Python is needed, so that the command line has `Columns` at once.
"""

import re
from collections.abc import Callable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

from recsys.errors import DataError, QueryError, quoted

if TYPE_CHECKING:
    from recsys.data.readers.formats import Table

NONE = "none"  # in place of a column's name: there is none, although one looks like it
KINDS = ("category", "categories", "number", "text")  # of columns that describe movies and users
REPEATS = ("last", "sum", "count")  # what becomes of several ratings of a movie by a user
ROLES = ("user", "item", "rating", "time")  # in the order that most files have

# Names of columns by role, as `plain_name` writes them.
NAMES: dict[str, tuple[str, ...]] = {
    "user": (
        *("user", "userid", "uid", "userno", "customer", "customerid", "member", "memberid"),
        *("reviewer", "reviewerid", "visitor", "visitorid", "account", "accountid"),
    ),
    "item": (
        *("item", "itemid", "iid", "movie", "movieid", "mid", "film", "filmid", "product"),
        *("productid", "book", "bookid", "asin", "parentasin", "isbn", "sku", "article"),
        *("articleid", "track", "trackid", "song", "songid", "game", "gameid", "businessid"),
        *("artist", "artistid", "recipe", "recipeid", "joke", "jokeid", "hotel", "hotelid"),
    ),
    "rating": (
        *("rating", "ratings", "star", "stars", "score", "userrating", "starrating"),
        *("overall", "grade", "ratingvalue"),
    ),
    "thumb": (  # ratings where no column is called so
        *("liked", "like", "islike", "isliked", "thumb", "thumbs", "vote", "feedback"),
        *("preference", "recommended", "isrecommended"),
    ),
    "time": (
        *("timestamp", "time", "date", "ts", "datetime", "ratedat", "createdat", "unixtime"),
        *("eventtime", "unixreviewtime", "reviewtime", "ratingtime", "ratingdate"),
    ),
    "title": ("title", "movietitle", "itemtitle", "producttitle", "name", "itemname", "moviename"),
    "genres": ("genres", "genre", "categories", "category", "class"),
    "count": (  # no ratings: known, so that no such column is taken for them by its content
        *("count", "counts", "quantity", "qty", "plays", "playcount", "listens", "clicks"),
        *("views", "weight", "amount", "price", "duration", "session", "sessionid", "orderid"),
    ),
    "year": ("year", "releaseyear"),
    "gender": ("gender", "sex"),
    "age": ("age",),
    "job": ("occupation", "job", "profession"),
}
THUMBS = {
    **dict.fromkeys(("up", "like", "liked", "yes", "true", "y", "t", "+", "thumbs up", "👍"), 1.0),
    **dict.fromkeys(("down", "dislike", "disliked", "no", "false", "n", "f", "-"), 0.0),
    **dict.fromkeys(("thumbs down", "thumbs_down", "👎", "negative"), 0.0),
    **dict.fromkeys(("thumbs_up", "positive"), 1.0),
}
STEPS = 11  # different ratings of a column that may be one
PLAIN = 0.95  # of texts that are ids have no space
_PRODUCT = re.compile(r"B[0-9A-Z]{9}|[0-9]{9}[0-9X]")
_DECIMAL = re.compile(r"-?\d+([.,]\d+)?")
_DATED = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?")


class Columns(NamedTuple):
    """Names of columns that are given rather than inferred; None is inferred, "none" no column.

    >>> Columns(user="who").of("user")
    'who'
    """

    user: str | None = None
    item: str | None = None
    rating: str | None = None
    time: str | None = None
    title: str | None = None
    genres: str | None = None
    kinds: tuple[tuple[str, str], ...] = ()  # of columns that describe movies and users

    def of(self, role: str) -> str | None:
        return getattr(self, role, None)

    def placed(self, names: Sequence[str]) -> "Columns":
        """The same with names for numbers: 3 is the third column, where none is called so.

        >>> Columns(user="2").placed(["a", "b"]).user
        'b'
        """

        def name(given: str | None) -> str | None:
            number = given if given and given not in names and given.isdecimal() else "0"
            return names[int(number) - 1] if 0 < int(number[-9:]) <= len(names) else given

        given = {role: name(self.of(role)) for role in self._fields[:-1]}
        return self._replace(**given)  # type: ignore[arg-type]


def numbered(place: int) -> str:
    """What a column is called in a file that does not name its columns, counted from 1."""
    return f"column {place}"


def is_number(name: str) -> bool:
    """Whether a column is called by its number only."""
    return re.fullmatch(r"column [0-9]+", name) is not None


def plain_name(name: str) -> str:
    """A column's name in small letters and digits only, without an atomic file's type.

    >>> plain_name("user_ID:token")
    'userid'
    """
    return re.sub(r"[^a-z0-9]", "", name.split(":")[0].lower())


def by_name(
    path: object, names: Sequence[str], roles: Sequence[str], given: Columns
) -> dict[str, str]:
    """The column of each role that has one, by what is given or else by its name.

    Raises:
        DataError: a column that is given is not there, or two may be the same.

    >>> by_name("r.csv", ["userId", "stars", "x"], ["user", "rating", "time"], Columns())
    {'user': 'userId', 'rating': 'stars'}
    """
    found: dict[str, str] = {}
    for role in roles:
        column = given.of(role)
        if column is not None and column != NONE and column not in names:
            raise QueryError(
                f"{path}: no column {quoted(column)}, there are {listed(names)}",
                "name one of them",
                f"{role}_column",
            )
        if column is not None:
            found |= {role: column} if column != NONE else {}
            continue
        free = [name for name in names if name not in {given.of(other) for other in roles}]
        like = [name for name in free if plain_name(name) in NAMES[role]]
        if role == "rating" and not like:
            like = [name for name in free if plain_name(name) in NAMES["thumb"]]
        found |= _only(path, role, like)
    return found


def rating_columns(table: "Table", given: Columns) -> dict[str, str]:
    """The columns of user, item and, where there are such, rating and time.

    Raises:
        DataError: one cannot be told, or is taken for two things.
    """
    path, names = table.path, table.names
    given = given.placed(names)
    found = by_name(path, names, ROLES, given)
    if not table.named:
        found = _by_order(table, found, given)
    elif not {"user", "item", "rating"} <= set(found) and not table.strict:
        found = _by_content(table, found, given)
    for role in ("user", "item"):
        if role not in found:
            raise missing(path, role, names)
    twice = [name for name in found.values() if list(found.values()).count(name) > 1]
    if twice:
        raise DataError(f"{path}: {twice[0]!r} is taken for two things", "name each column", "file")
    return {role: found[role] for role in ROLES if role in found}


def _by_content(table: "Table", found: dict[str, str], given: Columns) -> dict[str, str]:
    """Columns of roles that no name gave: the one unnamed column that looks like each.

    Of two columns that may be ids none can know which is the user.
    """
    first = table.beginning()
    tests: dict[str, Callable[[Sequence[Any]], bool]] = {
        "rating": _like_ratings,
        "time": _like_times,
    }
    if sum(role in found for role in ("user", "item")) == 1:
        tests |= dict.fromkeys(("user", "item"), _like_ids)
    known = {name for each in NAMES.values() for name in each}
    for role, looks in tests.items():
        if role not in found and given.of(role) != NONE:
            free = [name for name in table.names
                    if name not in found.values() and plain_name(name) not in known]  # fmt: skip
            like = [name for name in free if looks(first[name])]
            found = found | _only(table.path, role, like)
    return found


def _by_order(table: "Table", found: dict[str, str], given: Columns) -> dict[str, str]:
    """Columns without names: the usual order where it fits, else the only ones that may be it."""
    path, first = table.path, table.beginning()
    free = [name for name in table.names if name not in found.values()]
    if "time" not in found and given.time != NONE:
        found = found | _only(path, "time", [name for name in free if _like_times(first[name])])
        free = [name for name in free if name != found.get("time")]
    ids = [role for role in ("user", "item") if role not in found]
    if "rating" not in found and given.rating != NONE:
        usual = free[len(ids) : len(ids) + 1]
        if usual and (_few(first[usual[0]]) or _like_ratings(first[usual[0]])):
            found |= {"rating": usual[0]}
            free = free[: len(ids)]
        elif len(free) > len(ids):
            like = [n for n in free if _like_ratings(first[n]) and not _ascends(first[n])]
            found |= _only(path, "rating", like)
    free = [name for name in free if name != found.get("rating")]
    like = [name for name in free if _like_ids(first[name]) or len(free) == len(ids)]
    if len(like) == len(ids) + 1 and _counts(first[like[0]]):
        like = like[1:]  # the first one numbers the rows
    if len(like) > len(ids) > 0:
        raise DataError(
            f"{path}: no names of columns, and several may be the {' or the '.join(ids)}: "
            f"{listed(like)}",
            "give the numbers of the columns",
            "user_item_column",
        )
    if len(ids) == 2 and len(like) == 2 and _are_products(first[like[0]]):
        like.reverse()  # as in Amazon's ratings since 2018
    return found | dict(zip(ids, like, strict=False))


def describing_columns(
    table: "Table", key: str, roles: Sequence[str], given: Columns, elsewhere: str | None
) -> dict[str, str]:
    """The columns of a table of movies or users: the key, which is their id, and other roles.

    Without names ids come first; a title is the first text of which most are different, and genres
    are several separated by "|".

    Args:
        elsewhere: what the key is called in the ratings, the same name being the same thing.
    """
    given = given.placed(table.names)
    if given.of(key) is None and elsewhere in table.names and table.named:
        given = given._replace(**{key: elsewhere})  # type: ignore[arg-type]
    found = by_name(table.path, table.names, (key, *roles), given)
    if table.named:
        like = [name for name in table.names if name.lower() == "id"]
        if key not in found and not like:
            raise missing(table.path, key, table.names)
        return found if key in found else {**found, key: like[0]}
    found = {key: table.names[0]} | found
    first = {name: _texts(cells) for name, cells in table.beginning().items()}
    if "title" in roles and "title" not in found and given.title != NONE:
        like = [name for name, each in first.items() if 2 * len(set(each)) > len(each)]
        free = [name for name in like if name not in found.values()]
        found |= dict(zip(["title"], free, strict=False))
    if "genres" in roles and "genres" not in found and given.genres != NONE:
        like = [name for name, each in first.items() if any("|" in cell for cell in each)]
        free = [name for name in like if name not in found.values()]
        found |= _only(table.path, "genres", free)
    return found


def _only(path: object, role: str, like: Sequence[str]) -> dict[str, str]:
    """The one column that may be it, if there is one.

    Raises:
        DataError: several may be it.
    """
    if len(like) > 1:
        raise DataError(
            f"{path}: several columns may be the {role}: {listed(like)}",
            "give its number" if is_number(like[0]) else "name the one",
            f"{role}_column",
        )
    return {role: like[0]} if like else {}


def missing(path: object, role: str, names: Sequence[str]) -> DataError:
    """The error when a column that must be there is not."""
    return DataError(
        f"{path}: no {role} column found, expected a name such as "
        f"{', '.join(NAMES[role][:4])}, there are {listed(names)}",
        "give its number" if is_number(names[0]) else "name it",
        f"{role}_column",
    )


def listed(names: Sequence[str]) -> str:
    """Names of columns as an error shows them, the first twenty."""
    shown = ", ".join(repr(n if len(n) <= 40 else n[:37] + "...") for n in names[:20])
    return shown + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _like_ratings(cells: Sequence[Any]) -> bool:
    """Whether a column has half stars."""
    values = set(_numbers(cells))
    return bool(values) and len(values) <= 10 and values <= {half / 2 for half in range(1, 11)}


def _few(cells: Sequence[Any]) -> bool:
    """Whether a column has few different numbers of a scale, or yes and no."""
    values, texts = set(_numbers(cells)), set(_texts(cells))
    if texts and all(text.strip().lower() in THUMBS for text in texts):
        return True
    if texts and all(map(_DECIMAL.fullmatch, texts)):
        values = {float(text.replace(",", ".")) for text in texts}
    return 0 < len(values) <= STEPS and min(values) >= -10 and max(values) <= 100


def _like_times(cells: Sequence[Any]) -> bool:
    """Whether a column has dates, or seconds since 1970 or parts of such."""
    filled = [cell for cell in cells if cell is not None]
    if filled and all(isinstance(c, date) or (isinstance(c, str) and _DATED.fullmatch(c.strip()))
                      for c in filled):  # fmt: skip
        return True
    values = sorted(_numbers(cells))
    return bool(values) and values[len(values) // 2] > 1e8


def _are_products(cells: Sequence[Any]) -> bool:
    """Whether a column has Amazon's product numbers (users' begin with A)."""
    filled = [str(cell) for cell in cells if cell is not None]
    return sum(map(bool, map(_PRODUCT.fullmatch, filled))) > PLAIN * len(filled) > 0


def _like_ids(cells: Sequence[Any]) -> bool:
    """Whether a column has whole numbers, or text without spaces."""
    values, texts = _numbers(cells), _texts(cells)
    if texts:
        return sum(" " not in text.strip() for text in texts) >= PLAIN * len(texts)
    return bool(values) and all(value >= 0 and value == int(value) for value in values)


def _ascends(cells: Sequence[Any]) -> bool:
    """Whether a file is sorted by a column, as by ids."""
    values = _numbers(cells)
    return values == sorted(values)


def _counts(cells: Sequence[Any]) -> bool:
    """Whether a column numbers the rows."""
    values = _numbers(cells)
    return (
        len(values) > 1
        and values[0] in (0, 1)
        and values == [values[0] + place for place in range(len(values))]
    )


def _numbers(cells: Sequence[Any]) -> list[float]:
    """The cells of a column of numbers; none of any other."""
    filled = [cell for cell in cells if cell is not None]
    if any(isinstance(c, bool) or not isinstance(c, int | float | str) or "_" in str(c)
           for c in filled):  # fmt: skip
        return []
    try:
        numbers = [float(cell) for cell in filled]
    except (ValueError, OverflowError):
        return []
    return numbers if all(abs(number) < float("inf") for number in numbers) else []


def _texts(cells: Sequence[Any]) -> list[str]:
    """The cells of a column of text, or of yes and no; none of any other."""
    filled = [cell for cell in cells if cell is not None]
    if _numbers(cells) or any(not isinstance(cell, str | bool) for cell in filled):
        return []
    dated = filled and all(_DATED.fullmatch(str(cell).strip()) for cell in filled)
    return [] if dated else [str(cell) for cell in filled]

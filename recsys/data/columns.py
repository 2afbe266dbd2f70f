"""Which column of a table is the user, the movie, the rating: by name first, by content second."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from recsys.errors import DataError, QueryError, quoted

NONE = "none"  # in place of a column's name: there is none, although one looks like it
KINDS = ("category", "categories", "number", "text")  # of columns that describe movies and users
REPEATS = ("last", "sum", "count")  # what becomes of several ratings of a movie by a user

# Names by role, as `plain_name` writes them.
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


class Columns(NamedTuple):
    """Names of columns that are said rather than inferred; None is inferred, "none" is no column.

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

        def name(said: str | None) -> str | None:
            number = said if said and said not in names and said.isdecimal() else "0"
            return names[int(number) - 1] if 0 < int(number[-9:]) <= len(names) else said

        said = {role: name(self.of(role)) for role in self._fields[:-1]}
        return self._replace(**said)  # type: ignore[arg-type]


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
        said = given.of(role)
        if said is not None and said != NONE and said not in names:
            raise QueryError(
                f"{path}: no column {quoted(said)}, there are {listed(names)}",
                "name one of them",
                f"{role}_column",
            )
        if said is not None:
            found |= {role: said} if said != NONE else {}
            continue
        taken = {given.of(other) for other in roles}
        free = [name for name in names if name not in taken]
        like = [name for name in free if plain_name(name) in NAMES[role]]
        if role == "rating" and not like:
            like = [name for name in free if plain_name(name) in NAMES["thumb"]]
        if len(like) > 1:
            raise two(path, role, like)
        if like:
            found[role] = like[0]
    return found


def by_content(
    path: object,
    names: Sequence[str],
    found: Mapping[str, str],
    tests: Mapping[str, Callable[[str], bool]],
    given: Columns,
) -> dict[str, str]:
    """Columns of roles that no name gave: the one unnamed column that looks like each.

    Args:
        tests: by role, whether a column looks like it, asked in this order.

    Raises:
        DataError: two columns look alike.
    """
    whole = dict(found)
    known = {name for each in NAMES.values() for name in each}
    for role, looks in tests.items():
        if role in whole or given.of(role) == NONE:
            continue
        free = [n for n in names if n not in whole.values() and plain_name(n) not in known]
        like = [name for name in free if looks(name)]
        if len(like) > 1:
            raise two(path, role, like)
        if like:
            whole[role] = like[0]
    return whole


def missing(path: object, role: str, names: Sequence[str], more: str = "") -> DataError:
    """The error when a column that must be there is not."""
    return DataError(
        f"{path}: no {role} column found, expected a name such as "
        f"{', '.join(NAMES[role][:4])}, there are {listed(names)}{more}",
        "give its number" if is_number(names[0]) else "name it",
        f"{role}_column",
    )


def listed(names: Sequence[str]) -> str:
    """Names of columns as an error shows them, the first twenty."""
    shown = ", ".join(repr(n if len(n) <= 40 else n[:37] + "...") for n in names[:20])
    return shown + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def two(path: object, role: str, like: Sequence[str]) -> DataError:
    """The error when several columns may be the one that is looked for."""
    return DataError(
        f"{path}: several columns may be the {role}: {listed(like)}",
        "give its number" if is_number(like[0]) else "name the one",
        f"{role}_column",
    )

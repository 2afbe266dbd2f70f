"""Which column of a file is what: names decide, content only vetoes.

Of the patterns of a role in `NAMES` the first that fits a column's name counts. What a column holds
can veto that, and confirms the usual order of a file without names; it never makes a rating of a
column with a name. Nothing but Python is needed, so that the command line has `Columns` at once.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

from recsys.errors import QueryError, quoted

if TYPE_CHECKING:
    from recsys.data.readers.formats import Table

NONE = "none"  # in place of a column's name: there is none, although one looks like it
KINDS = ("category", "categories", "number", "text")  # of columns that describe movies and users
REPEATS = ("last", "sum", "count")  # what becomes of several ratings of a movie by a user
ROLES = ("user", "item", "rating", "time")  # in the order that most files have
MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", r"\N", "?")  # values that are not

_PEOPLE = "user|customer|member|reviewer|visitor|account"
_ITEMS = "item|movie|film|product|book|article|track|song|game|artist|recipe|joke|hotel|business"
# Patterns of names by role, as `plain_name` writes them; an earlier one counts before a later one.
NAMES: dict[str, tuple[str, ...]] = {
    "user": (rf"({_PEOPLE})(id)?|uid|userno|username", rf".*({_PEOPLE}|person|profile)s?(id|no)"),
    "item": (rf"({_ITEMS})(id)?|iid|mid|(parent)?asin|isbn|sku", ".*id"),
    "rating": (
        "ratings?|stars?|score|(user|star)rating|ratingvalue|overall|grade",
        ".*(ratings?|scores?|stars)|points|quality|eventvalue",
        "(is)?liked?|thumbs?|votes?|votedup|feedback|preference|.*recommend(ed)?",
    ),
    "time": (
        "unix.*time|timestamp|time|date|ts|datetime|(rated|created)at|(event|rating|review)time"
        "|ratingdate",
        ".*(time|timestamp|date|at|on)|date.*",
    ),
    "title": ("(item|movie|product|book)?title", "(item|movie)?name", ".*(title|name)"),
    "genres": ("genres?|categor(y|ies)|class",),
    "year": ("(release|publication)?year", "yearof.*|.*year", "releasedate|releasedon|published"),
    "gender": ("gender|sex",),
    "age": ("age",),
    "job": ("occupation|job|profession",),
}
# No ratings, whatever they hold: codes, counts, amounts, other things about a user or an item.
_NO_RATING = re.compile(
    r"|.*(id|no|type|code|channel|category|price|cost|amount|age|year|month|hour|day|week|index)"
    r"|.*(counts?|quantity|qty|plays|listens|clicks|views|weight|duration|hours|minutes|seconds"
    r"|playtime|session|episodes|status|rank|length|size|helpful|lat|lon|latitude|longitude)|row.*|hours.*|.*played"
)
_EVENT_ID = re.compile(r".*(rating|review|event|order|session|row|transaction|interaction)id")
THUMBS = {
    **dict.fromkeys(("up", "like", "liked", "yes", "true", "y", "t", "+", "thumbs up", "👍"), 1.0),
    **dict.fromkeys(("down", "dislike", "disliked", "no", "false", "n", "f", "-"), 0.0),
    **dict.fromkeys(("thumbs down", "thumbs_down", "👎", "negative", "not recommended"), 0.0),
    **dict.fromkeys(("thumbs_up", "positive", "recommended"), 1.0),
}
STEPS = 11  # different ratings of a column without a name
PLAIN = 0.95  # of texts that are ids have no space
_PRODUCT = re.compile(r"B[0-9A-Z]{9}|[0-9]{9}[0-9X]")
_DATED = re.compile(
    r"\d{4}[-/]\d\d?[-/]\d\d?([ T]\d\d(:\d\d)?(:\d\d(\.\d+)?)?)?(Z|[+-]\d\d:?\d\d)?"
)


Cells = Mapping[str, Sequence[Any]]  # of the first rows, by column


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
    year: str | None = None
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


def no_rating(name: str) -> bool:
    """Whether a column is no rating by its name, whatever it holds."""
    return _NO_RATING.fullmatch(plain_name(name)) is not None


def check_given(given: Columns, tables: Sequence["Table"]) -> None:
    """Refuse the name of a column that no table has.

    Raises:
        QueryError: naming the first, and the columns there are.
    """
    for role in Columns._fields[:-1]:
        names = [given.placed(table.names).of(role) for table in tables]
        if names[0] in (None, NONE) or any(
            n in t.names for n, t in zip(names, tables, strict=True)
        ):
            continue
        table = tables[0 if role in ROLES else min(1, len(tables) - 1)]
        raise QueryError(
            f"{table.path}: no column {quoted(str(given.of(role)))}, there are "
            f"{listed(table.names)}",
            "name one of them",
            f"{role}_column",
        )


def by_name(
    table: "Table", roles: Sequence[str], given: Columns, first: Cells, unique: str = ""
) -> dict[str, str]:
    """The column of each role that has one, by what is given or else by its name.

    Args:
        first: the first cells of each column, which may veto.
        unique: the role of which every row has another cell.

    Raises:
        QueryError: two may be the same.
    """
    found = {role: name for role in roles if (name := given.of(role)) and name in table.names}
    for role in [each for each in roles if each not in found and given.of(each) != NONE]:
        free = [name for name in table.names if name not in found.values()]
        for level, pattern in enumerate(NAMES[role]):
            like = [name for name in free if re.fullmatch(pattern, plain_name(name))
                    and not _vetoed(role, level, name, first[name])]  # fmt: skip
            if role == "time" and len(like) > 1:
                like = [name for name in like if _numbers(first[name])] or like
            if role in ("user", "item") and level and len(like) > 1:
                like = [n for n in like if differs(first[n]) == (role == unique)] or like
            if like:
                found |= _only(table.path, role, like[:1] if role == "year" else like)
                break
    return found


def _vetoed(role: str, level: int, name: str, cells: Sequence[Any]) -> bool:
    """Whether a column is not what its name says; names of the first level need no proof."""
    if not level or not any(cell is not None for cell in cells):
        return False
    if role == "item":
        plain = plain_name(name)
        return any(re.fullmatch(p, plain) for p in (_EVENT_ID.pattern, *NAMES["user"]))
    if role == "rating":
        return not (_numbers(cells) or _are_thumbs(cells))
    if role == "time":
        return not _like_times(cells)
    return role == "title" and level == 2 and not _mostly_different(cells)


def rating_columns(table: "Table", given: Columns) -> tuple[dict[str, str], list[str]]:
    """The columns of user, item and, where there are such, rating and time; roles no name told.

    Raises:
        QueryError: one cannot be told, or is taken for two things; the remedy names the option.
    """
    given, first = given.placed(table.names), table.beginning()
    found = by_name(table, ROLES, given, first)
    sure = set(found)
    if not table.named:
        found = _by_order(table, found, given, first)
    elif not table.strict:
        free = [n for n in table.names if n not in found.values() and not no_rating(n)]
        if "time" not in found and given.time != NONE:
            when = [n for n in table.names if n in free or plain_name(n).endswith("played")]
            found |= _only(table.path, "time", [n for n in when if _like_times(first[n])])
        lacking = [role for role in ("user", "item") if role not in found]
        if len(lacking) == 1:  # of two columns that may be ids none can know which is the user
            like = [n for n in table.names if n not in found.values() and _like_ids(first[n])
                    and (n in free or re.fullmatch(".*(no|code)", plain_name(n)))]  # fmt: skip
            found |= _only(table.path, lacking[0], like)
    for role in ("user", "item"):
        if role not in found:
            raise missing(table.path, role, table.names)
    if "rating" not in found and given.rating != NONE:
        _only(table.path, "rating", _left_over(table, found, first), "name it, or none")
    twice = [name for name in found.values() if list(found.values()).count(name) > 1]
    if twice:
        cause = f"{table.path}: {twice[0]!r} is taken for two things"
        raise QueryError(cause, "name each column", "file")
    found = {role: found[role] for role in ROLES if role in found}
    return found, [role for role in found if role not in sure]


def _left_over(table: "Table", found: Mapping[str, str], first: Cells) -> list[str]:
    """Columns that may be a rating although no name says so: all rows must not become likes."""
    free = [n for n in table.names if n not in found.values() and not no_rating(n)]
    return [n for n in free if (_numbers(first[n]) or _have_thumbs_down(first[n]))
            and not _counts(first[n]) and not _only_one(first[n])]  # fmt: skip


def _by_order(
    table: "Table", found: dict[str, str], given: Columns, first: Cells
) -> dict[str, str]:
    """Columns without names: a time by what it holds, the others in the usual order if they fit."""
    free = [name for name in table.names if name not in found.values()]
    if "time" not in found and given.time != NONE:
        found = found | _only(table.path, "time", [n for n in free if _like_times(first[n])])
        free = [name for name in free if name != found.get("time")]
    ids = [role for role in ("user", "item") if role not in found]
    if ids and len(free) > len(ids) + 1 and _counts(first[free[0]]):
        free = free[1:]  # it numbers the rows
    more = free[len(ids) :][:1]
    rated = "rating" not in found and given.rating != NONE and more
    if rated and not _only_one(first[more[0]]) and _confirmed(first[more[0]]):
        found = {**found, "rating": more[0]}
    elif ids and (
        (
            rated
            and all(_numbers(first[n]) for n in free[: len(ids) + 1])
            and not _only_one(first[more[0]])
        )
        or any(_fractions(first[name]) for name in free[: len(ids)])
    ):
        raise QueryError(
            f"{table.path}: no names of columns, and several may be the "
            f"{' or the '.join(ids)}: {listed(free)}",
            "give the numbers of the columns",
            "user_item_column",
        )
    named = free[: len(ids)]
    if len(named) == 2 and _are_products(first[named[0]]):
        named.reverse()  # as in Amazon's ratings since 2018
    return found | dict(zip(ids, named, strict=False))


def describing_columns(
    table: "Table", key: str, roles: Sequence[str], given: Columns, elsewhere: str | None
) -> dict[str, str]:
    """The columns of a table of movies or users: the key, which is their id, and other roles.

    Without names ids come first; a title is the first text of which most are different, and genres
    are several separated by "|".

    Args:
        elsewhere: what the key is called in the ratings, the same name being the same thing.
    """
    given, first = given.placed(table.names), table.beginning()
    if given.of(key) not in table.names:
        same = elsewhere if elsewhere in table.names and table.named else None
        given = given._replace(**{key: same})  # type: ignore[arg-type]
    found = by_name(table, (key, *roles), given, first, unique=key)
    if table.named:
        like = [name for name in table.names if name.lower() == "id"]
        if key not in found and not like:
            raise missing(table.path, key, table.names)
        return found if key in found else {**found, key: like[0]}
    found = {key: table.names[0]} | found
    for role in [each for each in ("title", "genres") if each in roles and each not in found]:
        tests = {"title": _mostly_different, "genres": lambda cells: any("|" in c for c in cells)}
        like = [n for n in table.names if n not in found.values() and given.of(role) != NONE
                and (text := _texts(first[n])) and tests[role](text)]  # fmt: skip
        found |= _only(table.path, role, like[:1] if role == "title" else like)
    return found


def _only(
    path: object, role: str, like: Sequence[str], remedy: str = "name the one"
) -> dict[str, str]:
    """The one column that may be it, if there is one.

    Args:
        remedy: what to do where none may be taken without asking.

    Raises:
        QueryError: several may be it.
    """
    asked = remedy != "name the one"
    if len(like) > 1 or (like and asked):
        several = "several columns may be" if len(like) > 1 else "no name says so, but one may be"
        raise QueryError(
            f"{path}: {several} the {role}: {listed(like)}",
            ("give its number" if is_number(like[0]) else "name the one") + ", or none" * asked,
            f"{role}_column",
        )
    return {role: like[0]} if like else {}


def missing(path: object, role: str, names: Sequence[str]) -> QueryError:
    """The error when a column that must be there is not."""
    return QueryError(
        f"{path}: no {role} column found, expected a name such as {role} or {role}Id, there are "
        f"{listed(names)}",
        "give its number" if is_number(names[0]) else "name it",
        f"{role}_column",
    )


def listed(names: Sequence[str]) -> str:
    """Names of columns as an error shows them, the first twenty."""
    shown = ", ".join(repr(n if len(n) <= 40 else n[:37] + "...") for n in names[:20])
    return shown + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _confirmed(cells: Sequence[Any]) -> bool:
    """Whether the column behind two ids has ratings: few numbers, or fractions of a short scale."""
    values = _numbers(cells)
    if _are_thumbs(cells):
        return True
    few = len({*values}) <= STEPS and all(-10 <= value <= 100 for value in values)
    return bool(values) and (few or (_fractions(cells) and all(0 <= v <= 10 for v in values)))


def _are_thumbs(cells: Sequence[Any]) -> bool:
    texts = _texts(cells)
    return bool(texts) and all(text.strip().lower() in THUMBS for text in texts)


def _have_thumbs_down(cells: Sequence[Any]) -> bool:
    texts = {text.strip().lower() for text in _texts(cells)}
    return len(texts) <= STEPS and any(THUMBS.get(text) == 0 for text in texts)


def _only_one(cells: Sequence[Any]) -> bool:
    """Whether all cells are one that says but yes or no."""
    one = len({*map(str, cells)}) == 1
    return one and (_are_thumbs(cells) or _numbers(cells)[:1] in ([0], [1]))


def _like_times(cells: Sequence[Any]) -> bool:
    """Whether a column has dates, or seconds since 1970 (from 1973 to 2106) or parts of such."""
    filled = [cell for cell in cells if cell is not None]
    if filled and all(isinstance(c, date) or (isinstance(c, str) and _DATED.fullmatch(c.strip()))
                      for c in filled):  # fmt: skip
        return True
    values = sorted(_numbers(cells))
    usual = values[len(values) // 2] if values else 0
    return any(1e8 < usual / unit < 4.3e9 for unit in (1, 1e3, 1e6, 1e9))


def _are_products(cells: Sequence[Any]) -> bool:
    """Whether a column has Amazon's product numbers (users' begin with A)."""
    filled = [str(cell) for cell in cells if cell is not None]
    return sum(map(bool, map(_PRODUCT.fullmatch, filled))) > PLAIN * len(filled) > 0


def _like_ids(cells: Sequence[Any]) -> bool:
    """Whether a column has whole numbers, or text without spaces."""
    values, texts = _numbers(cells), _texts(cells)
    if texts:
        return sum(" " not in text.strip() for text in texts) >= PLAIN * len(texts)
    return bool(values) and not _fractions(cells)


def _fractions(cells: Sequence[Any]) -> bool:
    return any(value != int(value) or value < 0 for value in _numbers(cells))


def _mostly_different(cells: Sequence[Any]) -> bool:
    texts = _texts(cells)
    return 2 * len({*texts}) > len(texts)


def differs(cells: Sequence[Any]) -> bool:
    """Whether a column is another in every row."""
    return len({*map(str, cells)}) == len(cells)


def _counts(cells: Sequence[Any]) -> bool:
    """Whether a column numbers the rows."""
    values = _numbers(cells)
    start = values[0] if values else 2
    return start in (0, 1) and len(values) > 1 and values == [start + i for i in range(len(values))]


def _numbers(cells: Sequence[Any]) -> list[float]:
    """The cells of a column of numbers; none of any other."""
    filled = [cell for cell in cells if cell is not None and str(cell) not in MISSING]
    if any(isinstance(c, bool) or not isinstance(c, int | float | str) or "_" in str(c)
           for c in filled):  # fmt: skip
        return []
    try:
        numbers = [float(str(cell).replace(",", ".")) for cell in filled]
    except ValueError:
        return []
    return numbers if all(abs(number) < float("inf") for number in numbers) else []


def _texts(cells: Sequence[Any]) -> list[str]:
    """The cells of a column of text, or of yes and no; none of any other."""
    filled = [cell for cell in cells if cell is not None]
    if _numbers(cells) or any(not isinstance(cell, str | bool) for cell in filled):
        return []
    dated = filled and all(_DATED.fullmatch(str(cell).strip()) for cell in filled)
    return [] if dated else [str(cell) for cell in filled]

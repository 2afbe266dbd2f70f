"""Which column of a file is what: names decide, content only vetoes.

Of the patterns of a role in `NAMES` the first that fits a column's name counts. What a column holds
can veto that, and confirms the usual order of a file without names; it never makes a rating of a
column with a name. Nothing but Python is needed, so that the command line has `Columns` at once.
"""

import re
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from recsys.errors import QueryError, check_choice, listed, quoted

if TYPE_CHECKING:
    from recsys.data.readers.formats import Table

NONE = "none"  # in place of a column's name: there is none, although one looks like it
KINDS = ("category", "categories", "number", "text")  # of columns that describe movies and users
REPEATS = ("last", "sum", "count")  # what becomes of several ratings of a movie by a user
ROLES = ("user", "item", "rating", "time")  # in the order that most files have
MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", r"\N", "?")  # values that are not

_PEOPLE = "user|customer|member|reviewer|visitor|account"
_EVENTS = "rating|review|event|order|session|row|transaction|interaction"
_ITEMS = "item|movie|film|product|book|article|track|song|game|artist|recipe|joke|hotel|business"
# Averages, counts and forecasts are no user's rating.
_NOT_OWN = r"num(?!er)|n(ratings?|scores?|stars)$|av(er)?g|average|mean|median|total|sum|predicted"
# Patterns of names by role, as `plain_name` writes them; an earlier one counts before a later one.
NAMES: dict[str, tuple[str, ...]] = {
    "user": (rf"({_PEOPLE})(id)?|uid|userno|username", rf".*({_PEOPLE}|person|profile)s?(id|no)"),
    "item": (
        rf"({_ITEMS})(id)?|iid|mid|(parent)?asin|isbn|sku",
        rf"(?!(.*({_EVENTS}|({_PEOPLE}|person|profile)s?|pa|val|gr|hybr)|u|b)id$).*id",
    ),
    "rating": (
        "ratings?|stars?|score|(user|star)rating|ratingvalue|overall|grade",
        rf"(?!{_NOT_OWN}).*(ratings?|scores?|stars)|points|quality|eventvalue",
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
# No ratings, whatever they hold: how strong an event was, or other things about a user or an item.
STRENGTH = (
    r".*(counts?|quantity|qty|plays|listens|clicks|views|weight|duration|hours|minutes|seconds"
    r"|playtime|episodes)|hours.*|.*played"
)
_WHEN = ".*(date|time|timestamp)"
_NO_RATING = (
    r"|.*(id|no|type|code|channel|category|price|cost|amount|age|year|month|hour|day|week|index)"
    r"|.*(session|status|rank|length|size|helpful|lat|lon|latitude|longitude)|row.*"
    rf"|{_WHEN}|{STRENGTH}"
)
_NO_TIME = ".*(id|no|code|price|cost|amount|phone|ean|gtin|upc|barcode)"
# Of which more is worse: yes is no like.
AGAINST = (
    "(is|was)?(dislike|unlike|hate|skippe|skip|blocke|block|hidden|downvote|thumbsdown|rejecte"
    "|returne|not(like|intereste|recommende))[sd]?"
)
THUMBS = {
    **dict.fromkeys(("up", "like", "liked", "yes", "true", "y", "t", "+", "thumbs up", "👍"), 1.0),
    **dict.fromkeys(("down", "dislike", "disliked", "no", "false", "n", "f", "-"), 0.0),
    **dict.fromkeys(("thumbs down", "thumbs_down", "👎", "negative", "not recommended"), 0.0),
    **dict.fromkeys(("thumbs_up", "positive", "recommended"), 1.0),
}
MATRIX = 20  # more columns that may be the one are items of a matrix
STEPS = 11  # different ratings of a column without a name
PLAIN = 0.95  # of texts that are ids have no space
_PRODUCT = re.compile(r"B[0-9A-Z]{9}|[0-9]{9}[0-9X]")
_DATED = re.compile(
    r"(\d{4}[-/]\d\d?[-/]\d\d?|\d\d?[-/. ]\d\d?,?[-/. ]\d\d(\d\d)?)"
    r"([ T]\d\d?(:\d\d)?(:\d\d(\.\d+)?)?)?( ?[AaPp]\.?[Mm]\.?|Z|[+-]\d\d:?\d\d)?"
    r"|.*\b(Jan|Feb|Mar|Apr|May|June?|July?|Aug|Sept?|Oct|Nov|Dec)\b.*\d.*"  # not read, but asked
)
_NUMBER = re.compile(r"[-+]?(?!0\d)(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")


class Columns(NamedTuple):
    """Names of columns; None for one that is to be inferred, "none" for no column.

    Args:
        user: ids of users, in ratings and in a table of users; a name, or "3" for the third column.
        item: ids of movies, in ratings and in a table of movies.
        rating: values of ratings; "none" for events.
        time: times of ratings.
        title: titles of movies.
        genres: their genres, in one column with separators.
        year: their years, or dates.
        kinds: pairs of a column that describes movies or users and its kind: category, categories,
            number, text, or "none" to leave it out.

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
    kinds: tuple[tuple[str, str], ...] = ()

    def of(self, role: str) -> str | None:
        return getattr(self, role, None)

    def placed(self, names: Sequence[str]) -> "Columns":
        """The same with names for numbers: 3 is the third column, where none is called so.

        >>> Columns(user="2").placed(["a", "b"]).user
        'b'
        """
        numbers = {str(number): name for number, name in enumerate(names, 1)}
        numbers |= {name: name for name in names}
        given = [numbers.get(str(name), name) if name else None for name in self[:-1]]
        return Columns._make([*given, self.kinds])


class Content:
    """What the first cells of a column hold: dates, numbers or texts; yes and no are texts."""

    def __init__(self, cells: Sequence[Any]) -> None:
        filled = [cell for cell in cells if cell is not None and str(cell) not in MISSING]
        texts, different = [str(cell).strip() for cell in filled], {*map(str, cells)}
        dated = bool(texts) and all(map(_DATED.fullmatch, texts))
        self.cells = [*map(str, cells)]
        self.numbers = _numbers(filled)
        plain = not (dated or self.numbers) and all(isinstance(each, str | bool) for each in filled)
        self.texts = texts if plain else []
        self.unknown = not filled
        self.differs = len(different) == len(cells)  # in every row
        self.titles = 2 * len({*self.texts}) > len(self.texts)  # mostly different
        self.fractions = any(value != int(value) or value < 0 for value in self.numbers)
        usual = sorted(self.numbers)[len(self.numbers) // 2] if self.numbers else 0
        # Seconds since 1970, from 1973 to 2106, or parts of such.
        units = [unit for unit in (1, 1e3, 1e6, 1e9) if 1e8 < usual / unit < 4.3e9]
        years = [1970 + number / unit / 31_556_952 for unit in units for number in self.numbers]
        years += [int(year) for text in texts if dated for year in _YEAR.findall(text)[:1]]
        few, years = (len(years) + 47) // 50, sorted(years)  # may be slips
        ends = [years[few], years[-1 - few]] if years[2 * few :] else years
        self.dated, self.times = dated, dated or bool(units)
        # Taken for times although no name says so.
        self.recent = self.times and all(1990 <= y < time.gmtime().tm_year + 2 for y in ends)
        first = self.numbers[0] if len(self.numbers) > 1 else -1
        rows = [first + row for row in range(len(self.numbers))]
        self.counts = first in (0, 1) and self.numbers == rows  # it numbers the rows
        thumbs = [THUMBS.get(text.lower()) for text in self.texts]
        self.thumbs = bool(thumbs) and None not in thumbs
        down = 0 in thumbs and len({*self.texts}) <= STEPS
        events = self.thumbs or self.numbers[:1] in ([0], [1])
        self.events = events and len(different) == 1  # all of them say yes, or no
        words = sum(" " not in text for text in self.texts) >= PLAIN * len(self.texts) > 0
        self.ids = words or bool(self.numbers and not self.fractions)
        self.maybe_ratings = not self.counts and not self.events and bool(self.numbers or down)
        self.products = sum(map(bool, map(_PRODUCT.fullmatch, texts))) > PLAIN * len(texts) > 0
        span = [min(self.numbers), max(self.numbers)] if self.numbers else [0, 1000]
        few = len({*self.numbers}) <= STEPS and -10 <= span[0] <= span[1] <= 100
        short = self.fractions and -10 <= span[0] <= span[1] <= 10
        self.ratings = self.thumbs or few or short  # of a column without a name


def _numbers(cells: Sequence[Any]) -> list[float]:
    """The cells of a column of numbers; none of any other."""
    texts = [str(cell).strip().replace(",", ".") for cell in cells]
    numbers = [*map(float, texts)] if all(map(_NUMBER.fullmatch, texts)) else []
    return [] if any(abs(number) == float("inf") for number in numbers) else numbers


def plain_name(name: str) -> str:
    """A column's name in small letters and digits only, without an atomic file's type.

    >>> plain_name("user_ID:token")
    'userid'
    """
    return re.sub(r"[^a-z0-9]", "", name.split(":")[0].lower())


def is_of_use(name: str, content: Content) -> bool:
    """Whether a column that is no rating by its name may be one if it is named."""
    likely = content.maybe_ratings and (content.ratings or not matches(".*id", name))
    return likely and matches(_NO_RATING, name) and not matches(_WHEN, name)


def places_of(roles: Sequence[str], header: Sequence[str]) -> list[int]:
    """Where roles are among the names of a header; none where it is not one of them all.

    >>> places_of(("user", "item"), ["movieId", "rating", "userId"])
    [2, 0]
    """
    names = [[name for name in header if matches(NAMES[role][0], name)] for role in roles]
    return [header.index(each[0]) for each in names] if all(names) else []


def matches(pattern: str, name: str) -> bool:
    """Whether all of a column's name is as a pattern has it."""
    return re.fullmatch(pattern, plain_name(name)) is not None


def check_given(given: Columns, tables: Mapping[str, "Table"]) -> None:
    """Refuse the name of a column that no table has, or none of those that are looked at.

    Titles and the like are of the ratings where there are no "items".
    """
    for column, kind in given.kinds:
        check_choice(f"column {column}", kind, (*KINDS, NONE))
    main = tables.get("ratings") or next(iter(tables.values()))
    for role, name in zip(given._fields, given[:-1], strict=False):
        some = [main, *tables.values()]
        if role not in ("user", "item"):
            some = [main if role in ROLES else tables.get("items", main)]
        there = any(given.placed(table.names).of(role) in table.names for table in some)
        if name and name != NONE and not there:
            cause = f"no column {quoted(str(name))}, there are"
            raise _question(some[0], cause, some[0].names, "name one of them", f"{role}_column")


def by_name(
    table: "Table", roles: Sequence[str], given: Columns, unique: str = ""
) -> dict[str, str]:
    """The column of each role that has one, by what is given or else by its name.

    Of the role `unique` every row has another cell. QueryError where two columns may be the same.
    """
    found = {role: name for role in roles if (name := given.of(role)) and name in table.names}
    for role in [each for each in roles if each not in found and given.of(each) != NONE]:
        for level, pattern in enumerate(NAMES[role]):
            like = [name for name in _free(table, found) if matches(pattern, name)]
            if level:  # names of the first level need no proof
                like = [name for name in like if _can_be(role, level, table.first[name])]
            if role == "time":
                like = [name for name in like if table.first[name].numbers] or like
            if level and role in ("user", "item"):
                like = [n for n in like if table.first[n].differs == (role == unique)] or like
            if like and level and role == "item" and not unique:
                like += [n for n in _free(table, found) if _is_finer(table, n, like[0])]
            if like:
                found |= _only(table, role, like[:1] if role == "year" else like)
                break
    return found


def _is_finer(table: "Table", name: str, ids: str) -> bool:
    """Whether texts may be the items rather than ids are: such as titles, beside ids of genres."""
    column, cells = table.first[name], table.first[ids].cells
    texts, pairs = {*column.cells}, {*zip(column.cells, cells, strict=True)}
    return bool(
        column.texts
        and len(texts) == len(pairs) > 2 * len({*cells})  # each is of one id
        and 10 * len(texts) < 9 * len(cells)
    )


def _free(table: "Table", found: Mapping[str, str]) -> list[str]:
    return [name for name in table.names if name not in found.values()]


def _can_be(role: str, level: int, content: Content) -> bool:
    """Whether a column holds what its name says; names of the first level need no proof."""
    proof: dict[str, Any] = {
        "rating": content.numbers or content.thumbs,
        "time": content.times,
        "title": level == 1 or content.titles,
    }
    return content.unknown or bool(proof.get(role, True))


def rating_columns(table: "Table", given: Columns) -> tuple[dict[str, str], list[str]]:
    """The columns of user, item and, where there are such, rating and time; roles no name told."""
    given, first = given.placed(table.names), table.first
    sure = by_name(table, ROLES, given)
    found = sure
    if not table.strict and "time" not in found and given.time != NONE:
        when = [name for name in _free(table, found) if first[name].recent]
        when = [name for name in when if not matches(_NO_TIME, name)]
        if not table.named:  # numbers come behind user and item, which may look like them
            order = [n for n in table.names if not (first[n].unknown or first[n].counts)]
            late = [name for name in when if first[name].dated or order.index(name) > 1]
            if when and not late and len(order) < len(ROLES):
                cause = "no names of columns, and ids or times may be in"
                raise _question(table, cause, when, "name the one, or none", "time_column")
            when = late or when
        found = found | _only(table, "time", when)
    if not table.named:
        found = _by_order(table, found, given)
    elif not table.strict:
        lacking = [role for role in ("user", "item") if role not in found]
        if len(lacking) == 1:  # of two columns that may be ids none can know which is the user
            ids = [n for n in _free(table, found) if first[n].ids]
            ids = [n for n in ids if not matches(_NO_RATING, n) or matches(".*(no|code)", n)]
            found = found | _only(table, lacking[0], ids)
    for role in ("user", "item"):
        if role not in found:
            raise _missing(table, role)
    free = [
        name for name in _free(table, found)
        if first[name].maybe_ratings or (matches(AGAINST, name) and not first[name].unknown)
    ]  # fmt: skip
    free = [name for name in free if not matches(_NO_RATING, name)]
    if free and "rating" not in found and given.rating != NONE:  # else all rows would be likes
        several = "several columns may be" if len(free) > 1 else "no name says so, but one may be"
        cause = f"{several} the rating:"
        raise _question(table, cause, free, "name the one, or none", "rating_column")
    _check_plausible(table, found, given)
    for name in found.values():
        if list(found.values()).count(name) > 1:
            cause = f"{table.path}: {name!r} is taken for two things"
            raise QueryError(cause, "name each column", "file")
    found = {role: found[role] for role in ROLES if role in found}
    return found, [role for role in found if role not in sure]


def _check_plausible(table: "Table", found: Mapping[str, str], given: Columns) -> None:
    """Ask where items or users that no plain name tells are few, and most rows repeat others."""
    columns = [table.first[found[role]].cells for role in ("user", "item")]
    repeated = 2 * len({*zip(*columns, strict=True)}) < len(columns[0])
    for role in ("item", "user") if repeated and not table.strict else ():
        values = len({*table.first[found[role]].cells})
        if values <= STEPS and not given.of(role) and not matches(NAMES[role][0], found[role]):
            cause = f"only {values} different values in what may be the {role}:"
            raise _question(table, cause, [found[role]], "name the one", f"{role}_column")


def _by_order(table: "Table", found: dict[str, str], given: Columns) -> dict[str, str]:
    """Columns without names but a time: in the usual order if they fit."""
    first = table.first
    free = [name for name in _free(table, found) if not first[name].unknown]
    ids = [role for role in ("user", "item") if role not in found]
    if ids and len(free) > len(ids) + 1 and first[free[0]].counts:
        free = free[1:]
    names, more = free[: len(ids)], free[len(ids) :][:1]
    if "rating" in found or given.rating == NONE or any(first[name].events for name in more):
        more = []
    if more and first[more[0]].ratings:
        found = found | {"rating": more[0]}
    elif any(first[name].fractions for name in names) or (
        ids and more and all(first[name].numbers for name in names + more)
    ):
        cause = f"no names of columns, and several may be the {' or the '.join(ids)}:"
        remedy = "give the numbers of the columns"
        raise _question(table, cause, free, remedy, "user_item_column")
    if len(names) == 2 and first[names[0]].products:
        names.reverse()  # as in Amazon's ratings since 2018
    return found | dict(zip(ids, names, strict=False))


def describing_columns(
    table: "Table", key: str, roles: Sequence[str], given: Columns, elsewhere: str | None
) -> dict[str, str]:
    """The columns of a table of movies or users: the key, which is their id, and other roles.

    Without names ids come first; a title is the first text of which most are different, and genres
    are several separated by "|". What is called as the key is `elsewhere`, in the ratings, is it.
    """
    given, first = given.placed(table.names), table.first
    if table.named and elsewhere in table.names and given.of(key) not in table.names:
        given = given._replace(**{key: elsewhere})  # type: ignore[arg-type]
    found = by_name(table, (key, *roles), given, unique=key)
    if table.named:
        if key not in found:
            found |= _only(table, key, [name for name in table.names if name.lower() == "id"])
        if key not in found:
            raise _missing(table, key)
        return found
    found = {key: table.names[0]} | found
    for role in [each for each in ("title", "genres") if each in roles and each not in found]:
        free = _free(table, found) if given.of(role) != NONE else []
        if role == "title":
            like = [name for name in free if first[name].titles][:1]
        else:
            like = [name for name in free if any("|" in text for text in first[name].texts)]
        found |= _only(table, role, like)
    return found


def _only(table: "Table", role: str, like: Sequence[str]) -> dict[str, str]:
    """The one column that may be it, if there is one; QueryError where several may."""
    if len(like) > 1:
        cause = f"several columns may be the {role}:"
        raise _question(table, cause, like, "name the one", f"{role}_column")
    return {role: like[0]} if like else {}


def _missing(table: "Table", role: str) -> QueryError:
    cause = f"no {role} column found, expected a name such as {role} or {role}Id, there are"
    remedy = "name it" + ", or add it to one user's ratings" * (role == "user")
    return _question(table, cause, table.names, remedy, f"{role}_column")


def _question(
    table: "Table", cause: str, names: Sequence[str], remedy: str, fix: str
) -> QueryError:
    """The error for columns of which none can be taken."""
    if fix != "user_column" and "may be" in cause and len(names) > MATRIX:
        cause = "a matrix of users and items? the columns may be items:"
        remedy = 'write a row of each rating, as by pandas\' melt("user").dropna(), or name the one'
    if not table.named:
        remedy = re.sub("name (the one|it)", "give its number", remedy)
    cause = f"{table.path}: {cause} {listed([*map(quoted, names)], 20)}"
    return QueryError(cause, remedy, fix)

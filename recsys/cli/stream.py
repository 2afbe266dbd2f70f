"""Users line by line: a JSON object each, answered in order as they come.

    {"id": 42, "k": 3}
    {"ratings": {"Heat (1995)": 5, "260": 2}, "attributes": {"age": 25}, "genre": "war"}

No more than one line is held at a time. A line that cannot be answered is answered by an error.
"""

import functools
import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import click

import recsys
from recsys.cli.output import MOST, Answer, as_json
from recsys.cli.prompt import error_line
from recsys.cli.shared import Wanted, years_of
from recsys.cli.typed import IN_PART, LONGEST, Known, is_utf8
from recsys.errors import DataError, QueryError, quoted

if TYPE_CHECKING:
    Asked = tuple[recsys.UserQuery, int, recsys.Choice, Wanted]  # with how many movies

MOVIES, GENRES = ((int, str), "titles or ids"), (str, "genres")  # one, or a list
NAMED = ("likes", "dislikes", "exclude", "only")
KEYS: dict[str, tuple[Any, str]] = {  # of a line; of movies to rank as options have them
    "id": (int | str, "an id"),
    "attributes": (dict, "an object"),
    "ratings": (dict, "an object of titles or ids with ratings"),
    **dict.fromkeys(NAMED, MOVIES),
    "k": (int, "a whole number"),
    "genre": GENRES,
    "all_genres": (bool, "true or false"),
    "not_genre": GENRES,
    "year": (int | str, "a year or a span of years"),
    "where": (str, "a condition"),
}
FILTERS = tuple(each.name for each in fields(Wanted))


class Failed(NamedTuple):
    """What stands in the place of an answer."""

    line: int  # from 1
    error: str

    def json(self, model: str, indent: int | None = None) -> str:
        """One object."""
        return as_json(self._asdict(), indent)


class Stream:
    """Lines as queries, and their answers; counts them.

    Args:
        usual: what lines ask for that do not say it; of the query that is the time.
    """

    def __init__(self, known: Known, usual: "Asked") -> None:
        self.known, self.usual = known, usual
        self.count = self.failed = 0
        self.filter = functools.lru_cache(1000)(lambda wanted: wanted.filter(known.model))

    def answers(
        self, lines: Iterable[str], store: "recsys.Recommender", most: int, **how: Any
    ) -> Iterator[Answer | Failed]:
        """An answer for each line that is not blank, of at most so many movies."""
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            self.count += 1
            try:
                query, k, choice, wanted = self.read(line)
                how |= {"filter": self.filter(wanted), "choice": choice}
                (found,) = store.recommend([query], min(k, most), **how)
                yield Answer(found, found.query, title=self.known.title)
            except (DataError, click.UsageError) as error:
                self.failed += 1
                yield Failed(number, getattr(error, "message", str(error)))

    def end(self) -> None:
        """Say how many lines are answered by an error, if any, and end with a code for it."""
        if self.failed:
            error_line(f"{self.failed} of {self.count} lines are answered by an error")
        if self.failed or self.known.unknown:
            raise click.exceptions.Exit(IN_PART if self.failed < self.count else 1)

    def read(self, line: str) -> "Asked":
        """What a line asks for; DataError or UsageError where that is none or is not there."""
        given = _given(line)
        query, k, choice, wanted = self.usual
        if (k := given.get("k", k)) not in range(1, MOST + 1):
            raise QueryError(f"k {k}: expected 1 to {MOST}", "give such a number")
        rated = [
            (self.known.movie(name), _checked(name, each, (int, float), "a rating"))
            for name, each in given.get("ratings", {}).items()
        ]
        if len(dict(rated)) < len(rated):
            raise QueryError("ratings: two of them are of one movie", "give one")
        likes, dislikes, exclude, only = (
            tuple(dict.fromkeys(map(self.known.movie, given.get(key, ())))) for key in NAMED
        )
        own = given.get("attributes", {}).items()
        query = query._replace(
            user_id=self.known.user(str(given["id"])) if "id" in given else None,
            attributes={name: _attribute(name, each) for name, each in own if each is not None},
            likes=likes,
            dislikes=dislikes,
            rated=rated,
        )
        if "only" in given or exclude:
            ranked = only if "only" in given else choice.only
            choice = replace(choice, exclude=[*choice.exclude, *exclude], only=ranked)
        filters = {key: given[key] for key in FILTERS if key in given}
        return query, k, choice, replace(wanted, **filters) if filters else wanted


def peeked(lines: Iterator[str]) -> tuple[bool, Iterator[str]]:
    """Whether the lines of a file are objects, as the first says that is not blank; and all."""
    some: list[str] = []
    for line in lines:
        some.append(line)
        if line.strip():
            break
    return bool(some) and some[-1].lstrip().startswith("{"), itertools.chain(some, lines)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of json, of which no key is there twice."""
    if len(found := dict(pairs)) < len(pairs):
        raise QueryError("a key is given twice", "give one")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_once)


def _given(line: str) -> dict[str, Any]:
    """The keys of a line that are not null, each of its kind."""
    if not is_utf8(line):
        raise QueryError("is not text in UTF-8", "correct the line")
    if len(line) == LONGEST:
        raise QueryError(f"has more than {LONGEST:,} characters", "ask for less in a line")
    try:
        found = _DECODER.decode(line)
    except (ValueError, RecursionError) as error:
        found = error
    if not isinstance(found, dict):
        raise QueryError(f"found {quoted(line.strip())}, expected an object", "correct the line")
    given: dict[str, Any] = {}
    for key, value in found.items():
        if key not in KEYS:
            keys = ", ".join(KEYS)
            raise QueryError(f"no key {quoted(key)}; there are {keys}", "correct the line")
        several = value if isinstance(value, list) else [value]
        if value is not None and KEYS[key] in (MOVIES, GENRES):
            given[key] = tuple(_checked(key, each, *KEYS[key]) for each in several)
        elif value is not None:
            given[key] = _checked(key, value, *KEYS[key])
    if "year" in given:
        text = str(given["year"])
        try:
            given["year"] = years_of(text)
        except ValueError as error:
            raise QueryError(f"year {quoted(text)} {error}".rstrip("."), "give such") from None
    return given


def _checked(key: str, value: Any, kind: Any, words: str) -> Any:
    """The value of a key, of a kind."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise QueryError(f"{key} {quoted(as_json(value, None))}: expected {words}", "give such")
    return value


def _attribute(name: str, value: Any) -> Any:
    """An attribute's value; several of a list with "|"."""
    if isinstance(value, list):
        return "|".join(_checked(name, each, str, "texts") for each in value)
    return _checked(name, value, int | float | str, "a text, a number or a list of texts")

"""Users line by line: a JSON object each, answered in order as they come.

    {"id": 42, "k": 3}
    {"ratings": {"Heat (1995)": 5, "260": 2}, "attributes": {"age": 25}, "genre": "war"}

No more than one line is held at a time. A line that cannot be answered is answered by an error.
"""

import functools
import json
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from recsys.cli.output import MOST, Answer, as_json
from recsys.cli.prompt import error_line
from recsys.cli.shared import Wanted, years_of
from recsys.cli.typed import IN_PART, MovieNames, is_utf8, title_of, typed_user
from recsys.errors import DataError, QueryError, quoted

if TYPE_CHECKING:
    from recsys.cli.typed import ReadAll
    from recsys.data.ids import Id
    from recsys.infer import Recommender, UserQuery
    from recsys.serving.choice import Choice
    from recsys.serving.model_folder import Model

FILTERS = tuple(each.name for each in fields(Wanted))  # keys of a line as options have them
KEYS = ("id", "attributes", "ratings", "likes", "dislikes", "exclude", "only", "k", *FILTERS)


class Failed(NamedTuple):
    """What stands in the place of an answer."""

    line: int  # from 1
    error: str

    def json(self, model: str, indent: int | None = None) -> str:
        """One object."""
        return as_json(self._asdict(), indent)


class Asked(NamedTuple):
    """What the command asks for, or a line."""

    query: "UserQuery"
    k: int
    choice: "Choice"
    wanted: Wanted


class Stream:
    """Lines as queries, and their answers; counts them.

    Args:
        others: as `shared.published` has it.
        usual: of lines that give none; of the query the time.
    """

    def __init__(self, model: "Model", others: "ReadAll", usual: Asked) -> None:
        self.model, self.others, self.usual = model, others, usual
        self.named = MovieNames(model, others).find
        self.count = self.failed = 0
        self.filter = functools.lru_cache(1000)(lambda wanted: wanted.filter(model))

    def answers(
        self, lines: Iterable[str], store: "Recommender", most: int, **how: Any
    ) -> Iterator[Answer | Failed]:
        """An answer for each line that is not blank.

        Args:
            most: movies there are.
            how: as `Recommender.recommend` has it.
        """
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            self.count += 1
            try:
                query, k, choice, wanted = self.read(line)
                filter = self.filter(wanted)
                (found,) = store.recommend(
                    [query], min(k, most), filter=filter, choice=choice, **how
                )
            except (DataError, click.UsageError) as error:
                self.failed += 1
                yield Failed(number, getattr(error, "message", str(error)))
                continue
            named = {*query.likes, *query.dislikes}
            titles = {each: title_of(self.model, each, self.others) for each in named}
            yield Answer(found, found.query, titles=titles)

    def finish(self, missing: int) -> None:
        """Say how many lines are answered by an error, if any, and end with a code for it.

        Args:
            missing: movies of the command that are not known.
        """
        if self.failed:
            error_line(f"{self.failed} of {self.count} lines are answered by an error")
        if self.failed or missing:
            raise click.exceptions.Exit(IN_PART if self.failed < self.count else 1)

    def read(self, line: str) -> Asked:
        """What a line asks for.

        Raises:
            DataError, click.UsageError: what is no query, or names what is not there.
        """
        given = {name: value for name, value in _object(line).items() if value is not None}
        if unknown := [name for name in given if name not in KEYS]:
            cause = f"no key {quoted(unknown[0])}; there are {', '.join(KEYS)}"
            raise QueryError(cause, "correct the line")
        query, k, choice, wanted = self.usual
        if (k := _of(given, "k", int, "a whole number", k)) not in range(1, MOST + 1):
            raise QueryError(f"k {k}: expected 1 to {MOST}", "give such a number")
        user = given.get("id")
        if user is not None:
            user = typed_user(self.model, str(_of(given, "id", int | str, "an id")))
        ratings = _of(given, "ratings", dict, "an object of titles or ids with ratings", {})
        rated = [(self.named(n), _of(ratings, n, int | float, "a rating")) for n in ratings]
        if len(dict(rated)) < len(rated):
            raise QueryError("ratings: two of them are of one movie", "give one")
        attributes = _of(given, "attributes", dict, "an object", {})
        query = query._replace(
            user_id=user,
            attributes={n: _value(n, each) for n, each in attributes.items() if each is not None},
            likes=self.movies(given, "likes"),
            dislikes=self.movies(given, "dislikes"),
            rated=rated,
        )
        if "exclude" in given:
            choice = replace(choice, exclude=[*choice.exclude, *self.movies(given, "exclude")])
        if "only" in given:
            choice = replace(choice, only=self.movies(given, "only"))
        return Asked(query, k, choice, _wanted(given, wanted))

    def movies(self, given: dict[str, Any], key: str) -> "tuple[Id, ...]":
        """Ids of the movies that are named."""
        each = map(self.named, _several(given, key, int | str, "titles or ids"))
        return tuple(dict.fromkeys(each))


def is_stream(line: str) -> bool:
    """Whether the first line of a file says that its lines are objects."""
    return line.lstrip()[:1] == "{"


def _object(line: str) -> dict[str, Any]:
    """The object that a line is."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = [name for name, _ in pairs]
            raise QueryError(f"{quoted(max(twice, key=twice.count))} is given twice", "give one")
        return found

    if not is_utf8(line):
        raise QueryError("is not text in UTF-8", "correct the line")
    try:
        found = json.loads(line, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        found = error
    if not isinstance(found, dict):
        what = f"found {quoted(line.strip())}, expected an object"
        raise QueryError(what, "correct the line")
    return found


def _of(given: dict[str, Any], key: str, kind: Any, words: str, otherwise: Any = None) -> Any:
    """The value of a key, of a kind."""
    value = given.get(key, otherwise)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise QueryError(f"{key} {quoted(as_json(value, None))}: expected {words}", "give such")
    return value


def _several(given: dict[str, Any], key: str, kind: Any, words: str) -> list[Any]:
    """The values of a key that has one or a list of them."""
    value = given.get(key, [])
    every = value if isinstance(value, list) else [value]
    return [_of({key: each}, key, kind, words) for each in every]


def _value(name: str, value: Any) -> Any:
    """An attribute's value; several of a list with "|"."""
    if isinstance(value, list):
        return "|".join(_several({name: value}, name, str, "texts"))
    return _of({name: value}, name, int | float | str, "a text, a number or a list of texts")


def _wanted(given: dict[str, Any], wanted: Wanted) -> Wanted:
    """What is wanted, with a line's own in place of some of it."""
    own: dict[str, Any] = {}
    for key in (each for each in FILTERS if each in given):
        if key == "year":
            text = str(_of(given, key, int | str, "a year or a span of years"))
            try:
                own[key] = years_of(text)
            except ValueError as error:
                raise QueryError(f"year {quoted(text)} {error}".rstrip("."), "give such") from None
        elif key == "all_genres":
            own[key] = _of(given, key, bool, "true or false")
        elif key == "where":
            own[key] = _of(given, key, str, "a condition")
        else:
            own[key] = tuple(_several(given, key, str, "genres"))
    return replace(wanted, **own) if own else wanted

"""Movies by what is typed: an id, or a title that need not be spelt as the file has it."""

import difflib
import re
import unicodedata
from collections.abc import Callable, Sequence

from recsys.data.dataset import title_year
from recsys.data.ids import Id
from recsys.errors import QueryError, quoted, shortened

_ARTICLES = (
    *("the", "a", "an", "le", "la", "les", "l'", "il", "lo", "el", "los", "las", "un", "une"),
    *("der", "die", "das", "den", "det", "en", "ett", "o", "os", "as"),
)
_BRACKETS = re.compile(r"\(([^()]*)\)")
_MOVED = re.compile(rf"^(.*), ({'|'.join(map(re.escape, _ARTICLES))})$", re.IGNORECASE)


class UnknownMovie(QueryError):
    """No movie has such a title or id."""


class AmbiguousTitle(QueryError):
    """A title that is several movies'; the message lists them."""


def plain(title: str) -> str:
    """A title without year, case, accents, punctuation and leading article.

    >>> plain("Misérables, Les (1995)")
    'miserables'
    """
    text = title.strip()
    if title_year(text):
        text = text[: text.rindex("(")].strip()
    if moved := _MOVED.match(text):
        text = f"{moved[2]} {moved[1]}"
    text = unicodedata.normalize("NFKD", text.casefold())
    words = re.findall(r"\w+", "".join(c for c in text if not unicodedata.combining(c)))
    articles = {word.rstrip("'") for word in _ARTICLES}
    if len(words) > 1 and words[0] in articles:
        words = words[1:]
    return " ".join(words)


def names_of(title: str) -> set[str]:
    """The plain names of a movie: its title's and those of other titles given in brackets."""
    year = title_year(title)
    text = title[: title.rindex("(")] if year else title
    others = _BRACKETS.findall(text)
    names = {plain(text), plain(_BRACKETS.sub("", text)), *map(plain, others)}
    return names - {""}


def find(
    text: str,
    movie_ids: Sequence[Id],
    titles: Sequence[str],
    rated: Callable[[], Sequence[int]] | None = None,
    known: str = "",
) -> Id:
    """The id of the one movie that a text names.

    `id:300` is an id. A title matches when it is a movie's plain name; else a text is an id where
    there is such a movie; else a title matches when its words begin a name, else when they are all
    in one; a year in brackets narrows.

    Args:
        rated: how often each movie was rated; of several that match the most rated are listed
            first.
        known: what the movies are, as the error for none says it.

    Raises:
        AmbiguousTitle: several movies match equally well.
        UnknownMovie: none does; the nearest titles are named.

    >>> find("lion king", [1, 2], ["Toy Story (1995)", "Lion King, The (1994)"])
    2
    """
    bare = text.strip()
    known_id = _known_id(bare, movie_ids)
    if known_id is None and bare[:3].lower() == "id:":
        known_id = _known_id(bare[3:], movie_ids)
        if known_id is not None:
            return known_id
    wanted, year = plain(text), title_year(text)
    movies = [
        (movie_id, title, names_of(title))
        for movie_id, title in zip(movie_ids, titles, strict=True)
        if not year or title_year(title) == year
    ]
    words = set(wanted.split())
    tests = (
        lambda name: name == wanted,
        lambda name: f"{name} ".startswith(f"{wanted} "),
        lambda name: words <= set(name.split()),
    )
    for whole_name, fits in zip((True, False, False), tests, strict=True):
        found = [(i, title) for i, title, names in movies if wanted and any(map(fits, names))]
        if len(found) == 1:
            return found[0][0]
        if found:
            counts = rated() if rated else [0] * len(movie_ids)
            raise _ambiguous(text, found, dict(zip(movie_ids, counts, strict=True)))
        if whole_name and known_id is not None:
            return known_id
    names = {name: title for title in titles for name in names_of(title)}
    near = dict.fromkeys(names[n] for n in difflib.get_close_matches(wanted, names, 5, 0.6))
    hint = f", near are {', '.join(map(shortened, near))}" if near else ""
    cause = f"no movie{known} is called {quoted(text)}{hint}"
    raise UnknownMovie(cause, "give its title or id", "movie")


def _known_id(text: str, movie_ids: Sequence[Id]) -> Id | None:
    """The id of a movie that a text is, None where there is no such movie."""
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else text
    known = set(movie_ids)
    return text if text in known else number if number in known else None


def _ambiguous(text: str, found: list[tuple[Id, str]], rated: dict[Id, int]) -> AmbiguousTitle:
    """The error for several movies; lists ten of them, the most rated first."""
    found = sorted(found, key=lambda movie: -rated.get(movie[0], 0))
    listed = ", ".join(f"{shortened(title)} = {i}" for i, title in found[:10])
    more = f" and {len(found) - 10} more" if len(found) > 10 else ""
    first = f"id:{found[0][0]}"
    remedy = f"give the year, or the id as {first}"
    if len({title for _, title in found}) < len(found):
        remedy = f"several have the same title and year: give the id as {first}"
    return AmbiguousTitle(f"{quoted(text)} may be {listed}{more}", remedy, "movie")

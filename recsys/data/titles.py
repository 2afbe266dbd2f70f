"""Titles: the year at their end, their words, and which movie a typed one names."""

import difflib
import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache

from recsys.data.ids import Id
from recsys.errors import QueryError, listed, quoted, shortened

_ARTICLES = (
    *("the", "a", "an", "le", "la", "les", "l'", "il", "lo", "el", "los", "las", "un", "une"),
    *("der", "die", "das", "den", "det", "en", "ett", "o", "os", "as"),
)
_FIRST = {article.rstrip("'") for article in _ARTICLES}
_YEAR = re.compile(r"\((\d{4})\)\s*$")
_WORD = re.compile(r"\w+")
_BRACKETS = re.compile(r"\(([^()]*)\)")
_MOVED = re.compile(rf"^(.*), ({'|'.join(map(re.escape, _ARTICLES))})$", re.IGNORECASE)


def name_and_year(title: str) -> tuple[str, int]:
    """A title without the year in brackets at its end, and that year, 0 where there is none.

    >>> name_and_year("Heat (1995)"), name_and_year("(500) Days")
    (('Heat', 1995), ('(500) Days', 0))
    """
    year = _YEAR.search(title)
    return (title[: year.start()].strip(), int(year[1])) if year else (title.strip(), 0)


def title_words(title: str) -> list[str]:
    """A title's words in lower case, the year in brackets being the last of them."""
    return _WORD.findall(title.lower())


class UnknownMovie(QueryError):
    """No movie has such a title or id."""


def plain(title: str) -> str:
    """A title without year, case, accents, punctuation and leading article.

    >>> plain("Misérables, Les (1995)")
    'miserables'
    """
    text = _MOVED.sub(r"\2 \1", name_and_year(title)[0])
    text = unicodedata.normalize("NFKD", text.casefold())
    words = _WORD.findall("".join(c for c in text if not unicodedata.combining(c)))
    return " ".join(words[1:] if len(words) > 1 and words[0] in _FIRST else words)


@cache
def names_of(title: str) -> set[str]:
    """The plain names of a movie: its title's and those of other titles given in brackets."""
    text, _ = name_and_year(title)
    names = {plain(text), plain(_BRACKETS.sub("", text)), *map(plain, _BRACKETS.findall(text))}
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
        QueryError: several movies match equally well.
        UnknownMovie: none does; the nearest titles are named.

    >>> find("lion king", [1, 2], ["Toy Story (1995)", "Lion King, The (1994)"])
    2
    """
    bare = text.strip()
    by_text = {str(movie_id): movie_id for movie_id in movie_ids}
    if bare[:3].lower() == "id:" and bare not in by_text and bare[3:] in by_text:
        return by_text[bare[3:]]
    wanted, year = plain(text), name_and_year(text)[1]
    movies = [
        (movie_id, title, names_of(title))
        for movie_id, title in zip(movie_ids, titles, strict=True)
        if year in (0, name_and_year(title)[1])
    ]
    words = set(wanted.split())
    for fits in (
        lambda name: name == wanted,
        lambda name: f"{name} ".startswith(f"{wanted} "),
        lambda name: words <= set(name.split()),
    ):
        matches = {i: title for i, title, names in movies if wanted and any(map(fits, names))}
        if len(matches) == 1:
            return next(iter(matches))
        if matches:
            counts = rated() if rated else [0] * len(movie_ids)
            often = dict(zip(movie_ids, counts, strict=True))
            best = sorted(matches, key=lambda movie_id: -often[movie_id])
            listing = listed([f"{shortened(matches[i])} = {i}" for i in best])
            remedy = f"give the year, or the id as id:{best[0]}"
            raise QueryError(f"{quoted(text)} may be {listing}", remedy)
        if bare in by_text:
            return by_text[bare]
    by_name = {name: title for title in titles for name in names_of(title)}
    near = dict.fromkeys(by_name[n] for n in difflib.get_close_matches(wanted, by_name, 5, 0.6))
    hint = f", near are {', '.join(map(shortened, near))}" if near else ""
    cause = f"no movie{known} is called {quoted(text)}{hint}"
    raise UnknownMovie(cause, "give its title or id")

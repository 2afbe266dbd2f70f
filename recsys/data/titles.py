"""Titles: the year at their end, their words, and which movie a typed one names."""

import difflib
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from recsys.errors import QueryError, listed, quoted, shortened

if TYPE_CHECKING:
    from recsys.data.ids import Id

_ARTICLES = (
    *("the", "a", "an", "le", "la", "les", "l'", "il", "lo", "el", "los", "las", "un", "une"),
    *("der", "die", "das", "den", "det", "en", "ett", "o", "os", "as"),
)
_FIRST = {article.rstrip("'") for article in _ARTICLES} - {"die", "o", "as", "os"}  # words as well
_NUMBERS = "one two three four five six seven eight nine ten eleven twelve"
_ROMAN = "ii iii iv v vi vii viii ix"
_SAME = {  # words by how they are written as well
    **{word: str(number) for number, word in enumerate(_NUMBERS.split(), 1)},
    **{word: str(number) for number, word in enumerate(_ROMAN.split(), 2)},
    **{"dr": "doctor", "mr": "mister"},
}
_SHORT = 3  # letters of what may be no title but a part of many
_YEAR = re.compile(r"\((\d{4})\)\s*$")
_WORD = re.compile(r"\w+")
_BRACKETS = re.compile(r"\((?:a\.?k\.?a\.? )?([^()]*)\)")
_YEAR_BEHIND = re.compile(r"(.*\w)\W+((?:18|19|20)[0-9]{2})")
_MOVED = re.compile(rf"^(.*), ({'|'.join(map(re.escape, _ARTICLES))})$", re.IGNORECASE)


def name_and_year(title: str) -> tuple[str, int]:
    """A title without the year in brackets at its end, and that year, 0 for none.

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
    """A title's words but its year, the article first; without case, accents and punctuation.

    Numbers are in digits, so that 2, two and II are one word.

    >>> plain("Misérables, Les (1995)"), plain("Rocky III & Dr. No")
    ('les miserables', 'rocky 3 and doctor no')
    """
    text = _MOVED.sub(r"\2 \1", name_and_year(title)[0]).replace("&", " and ")
    text = unicodedata.normalize("NFKD", text.casefold())
    words = _WORD.findall("".join(c for c in text if not unicodedata.combining(c)))
    return " ".join(_SAME.get(word, word) for word in words)


@cache
def names_of(title: str) -> set[str]:
    """The plain names of a movie, of other titles in brackets too; with and without article."""
    text, _ = name_and_year(title)
    names = {plain(text), plain(_BRACKETS.sub("", text)), *map(plain, _BRACKETS.findall(text))}
    split = [name.partition(" ") for name in names]
    return {*names, *(rest for first, _, rest in split if first in _FIRST)} - {""}


def find(
    text: str,
    movie_ids: "Sequence[Id]",
    titles: Sequence[str],
    rated: "Callable[[], Mapping[Id, int]]" = dict,
    known: str = "",
) -> "Id":
    """The id of the one movie that a text names.

    `id:300` is an id. Else a text is an id or a whole name, or the beginning of one; a year at its
    end narrows, spaces do not count. What is short or a number begins no name, what is only inside
    a name, or before the number of a sequel, may be a movie that is not there: that is a question.

    Args:
        rated: how often movies were rated.
        known: what the movies are, as the error for none says it.

    Raises:
        QueryError: several movies match, or one that may be another; listed, most rated first.
        UnknownMovie: none does; the nearest titles are named.

    >>> find("lion king", [1, 2], ["Toy Story (1995)", "Lion King, The (1994)"])
    2
    """
    bare = text.strip()
    by_text = {str(movie_id): movie_id for movie_id in movie_ids}
    if bare[:3].lower() == "id:" and bare not in by_text and bare[3:] in by_text:
        return by_text[bare[3:]]
    wanted, year = plain(text), name_and_year(text)[1]
    letters, words = wanted.replace(" ", ""), set(wanted.split())
    spaced = " ?".join(map(re.escape, letters))
    begin, inside = re.compile(rf"{spaced}\b(?! (part )?[0-9])"), re.compile(rf"\b{spaced}\b")

    def matches(fits: Callable[[str], object]) -> "dict[Id, str]":
        return {
            movie_id: title
            for movie_id, title in zip(movie_ids, titles, strict=True)
            if year in (0, name_and_year(title)[1]) and wanted and any(map(fits, names_of(title)))
        }

    found = matches(re.compile(spaced).fullmatch)
    if bare in by_text:
        written = re.compile(rf"\b{re.escape(bare)}\b")  # 1, and not "one"
        found = {each: title for each, title in found.items() if written.search(title)}
        found[by_text[bare]] = titles[movie_ids.index(by_text[bare])]
    if not found and len(letters) > _SHORT and not letters.isdecimal():
        found = matches(begin.match)
    if len(found) == 1:
        return next(iter(found))
    if not found:
        found = matches(lambda name: inside.search(name) or words <= set(name.split()))
    if found:
        often = rated()
        best = sorted(found, key=lambda movie_id: -often.get(movie_id, 0))
        listing = listed([f"{shortened(found[i])} = {i}" for i in best])
        remedy = f"give title and year, or the id as id:{best[0]}"
        raise QueryError(f"{quoted(text)} may be {listing}", remedy)
    if (dated := _YEAR_BEHIND.fullmatch(bare)) and not year:
        return find(f"{dated[1]} ({dated[2]})", movie_ids, titles, rated, known)
    by_name = {
        name: f"{shortened(title)} = {movie_id}"
        for movie_id, title in zip(movie_ids, titles, strict=True)
        for name in names_of(title)
    }
    near = dict.fromkeys(by_name[n] for n in difflib.get_close_matches(wanted, by_name, 5, 0.6))
    hint = f", near are {', '.join(near)}" if near else ""
    cause = f"no movie{known} is called {quoted(text)}{hint}"
    alone = ", one movie at a time" * ("," in text)
    raise UnknownMovie(cause, f"give its title, or the id as id:N{alone}")

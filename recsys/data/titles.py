"""Titles: the year at their end, their words, and which movie a typed one names."""

import difflib
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING

from recsys.errors import QueryError, listed, quoted, shortened

if TYPE_CHECKING:
    from recsys.data.ids import Id

_FIRST = "the a an le la les l il lo el los las un une der das den det en ett"
_ARTICLES = [*_FIRST.split(), "l'", "die", "o", "as", "os"]  # these are words as well
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
    return {*names, *(rest for first, _, rest in split if f" {first} " in f" {_FIRST} ")} - {""}


class Titles:
    """M movies by what people type.

    `id:300` is an id. Else a text is an id or a whole name, or the beginning of one; a year at its
    end narrows, spaces do not count. What is short or a number begins no name, what is only inside
    a name, or before the number of a sequel, may be a movie that is not there: that is a question.

    Args:
        movie_ids: (M,) of any kind, and their titles.
        rated: how often movies were rated; the most rated are listed first.
        known: what the movies are, as the error for none says it.

    >>> Titles([1, 2], ["Toy Story (1995)", "Lion King, The (1994)"]).find("lion king")
    2
    """

    def __init__(
        self,
        movie_ids: "Sequence[Id]",
        titles: Sequence[str],
        rated: "Callable[[], Mapping[Id, int]]" = dict,
        known: str = "",
    ) -> None:
        self.titles = dict(zip(movie_ids, titles, strict=True))
        self.by_text = {str(each): each for each in movie_ids}
        self.rated, self.known = rated, known

    @cached_property
    def _by_name(self) -> "dict[str, dict[Id, int]]":
        """Movies and their years by their plain names without spaces."""
        found: dict[str, dict[Id, int]] = {}
        for movie_id, title in self.titles.items():
            for name in names_of(title):
                found.setdefault(name.replace(" ", ""), {})[movie_id] = name_and_year(title)[1]
        return found

    def whole(self, text: str, near: bool = False) -> "list[Id]":
        """The movies of which a text is the id or the whole title.

        Args:
            near: where no movie of the name is of the year, take those of the years beside it.
        """
        bare = text.strip()
        if bare[:3].lower() == "id:" and bare not in self.by_text and bare[3:] in self.by_text:
            return [self.by_text[bare[3:]]]
        year = name_and_year(text)[1]
        years = self._by_name.get(plain(text).replace(" ", ""), {})
        found = [each for each, of in years.items() if year in (0, of)]
        if near and not found:
            found = [each for each, of in years.items() if abs(year - of) == 1]
        if bare in self.by_text:
            written = re.compile(rf"\b{re.escape(bare)}\b")  # 1, and not "one"
            found = [each for each in found if written.search(self.titles[each])]
            found = [*dict.fromkeys([*found, self.by_text[bare]])]
        return found

    def find(self, text: str) -> "Id":
        """The id of the one movie that a text names.

        Raises:
            QueryError: several movies match, or one that may be another; they are listed.
            UnknownMovie: none does; the nearest titles are named.
        """
        if len(found := self.whole(text)) == 1:
            return found[0]  # sooner than what follows
        words, year = plain(text).split(), name_and_year(text)[1]
        letters = "".join(words)
        spaced = " ?".join(map(re.escape, letters))
        begin, inside = re.compile(rf"{spaced}\b(?! (part )?[0-9])"), re.compile(rf"\b{spaced}\b")

        def matches(fits: Callable[[str], object]) -> "list[Id]":
            titles = self.titles.items()
            every = [(each, names_of(title), name_and_year(title)[1]) for each, title in titles]
            return [each for each, names, of in every if year in (0, of) and any(map(fits, names))]

        if not found and len(letters) > _SHORT and not letters.isdecimal():
            found = matches(begin.match)
            if len(found) == 1:
                return found[0]
        if not found and words:
            found = matches(lambda name: inside.search(name) or {*words} <= {*name.split()})
        if found:
            often = self.rated()
            best = sorted(found, key=lambda movie_id: -often.get(movie_id, 0))
            listing = listed([f"{shortened(self.titles[each])} = {each}" for each in best])
            remedy = f"give title and year, or the id as id:{best[0]}"
            raise QueryError(f"{quoted(text)} may be {listing}", remedy)
        if (dated := _YEAR_BEHIND.fullmatch(text.strip())) and not year:
            return self.find(f"{dated[1]} ({dated[2]})")
        names = difflib.get_close_matches(letters, self._by_name, 5, 0.6)
        ids = dict.fromkeys(each for name in names for each in self._by_name[name])
        near = [f"{shortened(self.titles[each])} = {each}" for each in ids]
        hint = f", near are {', '.join(near)}" if near else ""
        cause = f"no movie{self.known} is called {quoted(text)}{hint}"
        alone = ", one movie at a time" * ("," in text)
        raise UnknownMovie(cause, f"give its title, or the id as id:N{alone}")

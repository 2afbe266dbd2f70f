"""Which movies may answer: a condition, parsed from text, applied by NumPy or written for Milvus.

    comparisons (== != < <= > >=, also 1990 <= year < 2000), in and not in, like and not like,
    is null and is not null, array_contains, array_contains_any and _all, array_length;
    joined by and, or, not (&&, ||, !) and brackets

A value that is not known fits no comparison, so `not` of one fits it; `is null` asks for it. Only
what `parse` understood is ever sent to Milvus.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Literal, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from recsys.errors import QueryError

Type = Literal["text", "texts", "number", "whole", "flag"]
Types = Mapping[str, Type]  # by the names of columns

DEEPEST = 30  # brackets within brackets; a Milvus server takes somewhat more
MAX_VALUE = 256  # UTF-8 bytes of a genre, or of one of several categories, that Milvus keeps
UNKNOWN_NUMBER = -1e301  # what is stored where a number is not known; no number is as low
_LARGEST = {"number": 1e300, "whole": 2**31 - 1}  # beyond are no values that a column may have


class Term(NamedTuple):
    """A test of one column.

    how      == != < <= > >=    a comparison, of texts by their characters' codes as of UTF-8 by
                                its bytes; of several values their number is compared
             in                 the value, or one of several, is one of a tuple
             like               a text fits a pattern, where % is any text and _ any character
    """

    column: str
    type: Type
    how: str
    value: Any


class Not(NamedTuple):
    part: "Condition"


class And(NamedTuple):
    """Every part fits; without parts every movie does."""

    parts: tuple["Condition", ...]


class Or(NamedTuple):
    parts: tuple["Condition", ...]


Condition = Term | Not | And | Or
Values = Callable[[str], Any]  # a column's values by its name: an array, or a list of tuples
_COMPARE = {"==": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}


def known(column: str, type: Type) -> "Condition":
    """That a column has a value."""
    if type == "flag":
        return And(())
    unknown = {"text": "", "number": UNKNOWN_NUMBER}.get(type, 0)
    return Term(column, type, ">" if type == "number" else "!=", unknown)


def terms(condition: Condition) -> list[Term]:
    """All terms of a condition."""
    match condition:
        case And(parts) | Or(parts):
            return [each for part in parts for each in terms(part)]
        case Not(part):
            return terms(part)
    return [condition]


# In NumPy.


def mask(condition: Condition, values: Values, rows: int) -> NDArray[np.bool_]:
    """(rows,) which movies fit; texts are sequences of str, numbers nan where unknown."""
    match condition:
        case And(parts):
            each = [mask(part, values, rows) for part in parts]
            return np.all([np.ones(rows, bool), *each], axis=0)
        case Or(parts):
            return np.any([mask(part, values, rows) for part in parts], axis=0)
        case Not(part):
            return ~mask(part, values, rows)
        case Term(column, "texts", "in", value):
            return np.array([not set(value).isdisjoint(each) for each in values(column)], bool)
        case Term(column, "texts", how, value):
            return _COMPARE[how](np.array([len(each) for each in values(column)], int), value)
        case Term(column, _, "like", pattern):
            wild = {"%": ".*", "_": "."}
            fits = re.compile("".join(wild.get(c, re.escape(c)) for c in pattern), re.DOTALL)
            return np.array([bool(fits.fullmatch(each)) for each in values(column)], bool)
        case Term(column, type, how, value):
            cells = np.asarray(values(column), object if type == "text" else None)
            if how == "in":
                return np.isin(cells, np.array(value, cells.dtype))
            return _COMPARE[how](cells, value)
    raise TypeError(condition)


# For Milvus.

_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t"})
NOWHERE, EVERYWHERE = (f"(is_new == true {how} is_new == false)" for how in ("and", "or"))


def written(condition: Condition) -> str:
    """The expression of Milvus that the same movies fit.

    No text can end its string: quotes, backslashes and ends of lines are escaped.

    >>> written(Term("genres", "texts", "in", ("War", 'a "b"')))
    'array_contains_any(genres, ["War", "a \\\\"b\\\\""])'
    """
    match condition:
        case And(parts):
            return _joined([written(part) for part in parts], "and") or EVERYWHERE
        case Or(parts):
            return _joined([written(part) for part in parts], "or") or NOWHERE
        case Not(part):
            return f"not ({written(part)})"
        case Term(_, _, "in", ()):
            return NOWHERE
        case Term(column, "texts", "in", value):
            return f"array_contains_any({column}, {literal([cut(each) for each in value])})"
        case Term(column, "texts", how, value):
            return f"array_length({column}) {how} {value}"
        case Term(column, _, "in", value):
            return f"{column} in {literal(value)}"
        case Term(column, _, how, value):
            return f"{column} {how} {literal(value)}"
    raise TypeError(condition)


def _joined(parts: Sequence[str], how: str) -> str:
    """The parts as halves of halves: a server takes expressions at most about 50 deep."""
    if len(parts) < 2:
        return "".join(parts)
    halves = parts[: len(parts) // 2], parts[len(parts) // 2 :]
    return f" {how} ".join(f"({_joined(each, how)})" for each in halves)


def literal(value: Any) -> str:
    """A value, or a list of some, in an expression."""
    if isinstance(value, str):
        return f'"{value.translate(_ESCAPED)}"'
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(literal, value))}]"
    return json.dumps(value)


def cut(text: str, size: int = MAX_VALUE) -> str:
    """The text cut to at most `size` bytes of UTF-8, as Milvus counts."""
    return text.encode("utf-8", "replace")[:size].decode("utf-8", "ignore")


# From text.

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?![A-Za-z_0-9.])
  | (?P<text>"(?:[^"\\]|\\[nrt\\"'])*"|'(?:[^'\\]|\\[nrt\\"'])*')
  | (?P<sign>(?i:and|or|not\s+like|not\s+in|not|in|like|is\s+not\s+null|is\s+null)\b
           | (?i:array_length|array_contains(?:_any|_all)?)\s*\( | &&|\|\||[=!<>]=|[<>!()\[\],])
  | (?P<name>[A-Za-z_][A-Za-z_0-9]*)
    )""",
    re.VERBOSE | re.DOTALL,
)
_SAME = {"&&": "and", "||": "or", "!": "not"}
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_TESTS = {*_TURNED, "in", "not in", "like", "not like", "is null", "is not null"}
_CONTAINS = {"array_contains(", "array_contains_any(", "array_contains_all("}


class _Token(NamedTuple):
    kind: str  # number, text, name, length (its text the column), end; of signs what they mean
    text: str
    position: int  # from 1


def parse(text: str, types: Types) -> Condition:
    """A condition in Milvus' expression language, checked against the columns there are.

    Raises:
        QueryError: it is none, or asks for a column that is not there or as what it is not.

    >>> written(parse("1990 <= year", {"year": "whole"}))
    '(year != 0) and (year >= 1990)'
    """
    parser = _Parser(text, types)
    condition = parser.either(0)
    parser.close("end")
    return condition


def _refuse(why: str, at: _Token) -> NoReturn:
    raise QueryError(f"where: {why}, at character {at.position}", "correct it", "where")


def _expected(what: str, at: _Token) -> NoReturn:
    _refuse(f"expected {what}, found {at.text}", at)


def _tokens(text: str) -> Iterator[_Token]:
    start, end = 0, len(text.rstrip())
    while start < end:
        match = _TOKEN.match(text, start)
        if not match or not match.lastgroup:
            found = text[start:].lstrip()
            quoted = r"a text that does not end, or has \ before other than n, r, t, \ and quotes"
            what = quoted if found[0] in "\"'" else repr(found[0])
            what += ", equality is ==" * (found[0] == "=")
            _refuse(f"found {what}", _Token("", "", len(text) - len(found) + 1))
        kind, found = match.lastgroup, match[match.lastgroup]
        if kind == "sign":
            kind = " ".join(found.lower().split()).replace(" (", "(")
        yield _Token(_SAME.get(kind, kind), found, match.start(match.lastgroup) + 1)
        start = match.end()
    yield _Token("end", "the end", end + 1)


class _Parser:
    """Reads or > and > not > tests > values, each from the token at `at` on."""

    def __init__(self, text: str, types: Types) -> None:
        self.types, self.tokens, self.at = types, list(_tokens(text)), 0

    @property
    def next(self) -> _Token:
        return self.tokens[self.at]

    def taken(self) -> _Token:
        """The next token, which is passed."""
        self.at += 1
        return self.tokens[self.at - 1]

    def took(self, kind: str) -> bool:
        """Whether the next token is such; it is passed then."""
        found = self.next.kind == kind
        self.at += found
        return found

    def close(self, kind: str) -> None:
        if not self.took(kind):
            _expected("the end" if kind == "end" else f"'{kind}'", self.next)

    def joined(self, sign: str, read: Callable[[], Any]) -> tuple[Any, ...]:
        """What is read once, and again behind each such sign."""
        found = [read()]
        while self.took(sign):
            found.append(read())
        return tuple(found)

    def either(self, depth: int) -> Condition:
        return Or(self.joined("or", lambda: self.both(depth)))

    def both(self, depth: int) -> Condition:
        return And(self.joined("and", lambda: self.negation(depth)))

    def negation(self, depth: int) -> Condition:
        if depth > DEEPEST:
            _refuse(f"more than {DEEPEST} brackets in each other", self.next)
        if self.took("not"):
            return Not(self.negation(depth + 1))
        if not self.took("("):
            return self.contains() if self.next.kind in _CONTAINS else self.tests()
        condition = self.either(depth + 1)
        self.close(")")
        return condition

    def contains(self) -> Condition:
        function, column = self.taken().kind, self.several()
        self.close(",")
        one = function == "array_contains("
        values = (self.value(self.taken(), "text"),) if one else self.values("text")
        self.close(")")
        if function == "array_contains_all(":
            return And(tuple(Term(column.text, "texts", "in", (each,)) for each in values))
        return Term(column.text, "texts", "in", values)

    def tests(self) -> Condition:
        """Tests in a row, such as 1990 <= year < 2000; or a column that is true or false."""
        left, found = self.operand(), []
        while (how := self.next.kind) in _TESTS:
            self.at += 1
            right = left if how.endswith(("in", "null")) else self.operand()
            found.append(self.test(left, how, right))
            left = right
        if found:
            return And(tuple(found))
        if left.kind != "name" or self.column(left)[1] != "flag":
            _expected(f"a comparison of {left.text}", self.next)
        return Term(left.text, "flag", "==", True)

    def operand(self) -> _Token:
        """A column, the length of one, or a value."""
        if self.took("array_length("):
            column = self.several()
            self.close(")")
            return column._replace(kind="length")
        if self.next.kind not in ("name", "number", "text"):
            _expected("a column or a value", self.next)
        return self.taken()

    def test(self, left: _Token, how: str, right: _Token) -> Condition:
        """A test of what is known; the list of `in` is still to be read."""
        if left.kind in ("number", "text") and how in _TURNED:
            left, how, right = right, _TURNED[how], left
        if left.kind == "length" and how in _TURNED:
            return Term(left.text, "texts", how, self.value(right, "whole"))
        column, type = self.column(left)
        if how.endswith("null"):
            return known(column, type) if how == "is not null" else Not(known(column, type))
        positive = {"!=": "=="}.get(how, how.removeprefix("not "))
        if positive == "like" and type != "text":
            _refuse(f"{column} is no text, like is for texts", left)
        if type == "flag" and positive not in ("==", "in"):
            _refuse(f"{column} is true or false, found {how}", left)
        value = self.values(type) if positive == "in" else self.value(right, type)
        if positive == "like" and "\\" in value:  # Milvus Lite does not always know it
            _refuse("in a pattern nothing is escaped, _ is any character", right)
        literally = positive == "like" and not set(value) & set("%_")
        term = Term(column, type, "==" if literally else positive, value)
        return And((known(column, type), term if how == positive else Not(term)))

    def several(self) -> _Token:
        """A column of several values."""
        token = self.taken()
        if self.column(token)[1] != "texts":
            _refuse(f"{token.text} does not hold several values", token)
        return token

    def column(self, token: _Token) -> tuple[str, Type]:
        if token.kind != "name":
            _expected("a column", token)
        name = token.text
        if name not in self.types:
            near = get_close_matches(name, self.types, 3)
            some = f"near are {', '.join(near)}" if near else f"there are {', '.join(self.types)}"
            _refuse(f"no column {name}, {some}", token)
        return name, self.types[name]

    def values(self, type: Type) -> tuple[Any, ...]:
        """A list in brackets."""
        self.close("[")
        if self.took("]"):
            return ()
        values = self.joined(",", lambda: self.value(self.taken(), type))
        self.close("]")
        return values

    def value(self, token: _Token, type: Type) -> Any:
        """A value of a type; whole numbers of numbers are taken as such."""
        kind, text = token.kind, token.text
        if type == "texts":
            _refuse('several values are asked for as array_contains(genres, "Drama")', token)
        if kind == type == "text":
            return re.sub(r"\\(.)", lambda it: _ESCAPES.get(it[1], it[1]), text[1:-1])
        if type == "flag" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if kind == "number" and type in _LARGEST:
            number = float(text) + 0.0  # no -0, which is in no list of Milvus Lite
            if abs(number) > _LARGEST[type]:
                _refuse(f"{text} is too large", token)
            if type == "number" or number.is_integer():
                return number if type == "number" else int(number)
        what = {"text": "a text in quotes", "flag": "true or false", "whole": "a whole number"}
        _expected(what.get(type, "a number"), token)

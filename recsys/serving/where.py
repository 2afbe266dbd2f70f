"""Conditions on movies in Milvus' expression language, parsed and checked against the columns.

expression   comparisons (== != < <= > >=, also 1990 <= year < 2000), in and not in, like and
             not like, is null and is not null, array_contains, array_contains_any and _all,
             array_length; joined by and, or, not (&&, ||, !) and brackets
"""

import re
from difflib import get_close_matches
from typing import Any, NamedTuple, NoReturn

from recsys.errors import QueryError
from recsys.serving.conditions import (
    COMPARE,
    And,
    Compare,
    Condition,
    Contains,
    Known,
    Length,
    Like,
    Not,
    OneOf,
    Or,
    Type,
    Types,
    compare,
)

DEEPEST = 30  # brackets within brackets; a Milvus server takes somewhat more
_LARGEST = {"number": 1e300, "whole": 2**31 - 1}  # beyond are no values that a column may have

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?![A-Za-z_0-9.])
  | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
  | (?P<name>[A-Za-z_][A-Za-z_0-9]*)
  | (?P<sign>&&|\|\||[=!<>]=|[<>!()\[\],])
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "'": "'"}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


class _Token(NamedTuple):
    kind: str  # number, text, name, sign, or end
    text: str
    place: int  # from 1


def parse(text: str, types: Types) -> Condition:
    """A condition in Milvus' expression language, checked against the columns there are.

    Raises:
        QueryError: it is none, or asks for a column that is not there or as what it is not.

    >>> parse("year >= 1990", {"year": "whole"}).parts[1].value
    1990
    """
    return _Parser(text, types).whole()


class _Parser:
    """Recursive descent over the tokens."""

    def __init__(self, text: str, types: Types) -> None:
        self.text, self.types, self.place, self.depth = text, types, 0, 0
        self.tokens = self._tokens()

    def _tokens(self) -> list[_Token]:
        found, at = [], 0
        end = len(self.text.rstrip())
        while at < end:
            match = _TOKEN.match(self.text, at)
            if not match or not match.lastgroup:
                start = at + len(self.text[at:]) - len(self.text[at:].lstrip())
                quote = self.text[start] in "\"'"
                what = "a text that does not end" if quote else repr(self.text[start])
                self.refuse(f"found {what}", start + 1)
            kind = str(match.lastgroup)
            found.append(_Token(kind, match[kind], match.start(kind) + 1))
            at = match.end()
        return [*found, _Token("end", "the end", end + 1)]

    def refuse(self, why: str, place: int) -> NoReturn:
        raise QueryError(f"where: {why}, at character {place}", "correct it", "where")

    def expected(self, what: str) -> NoReturn:
        self.refuse(f"expected {what}, found {self.next.text}", self.next.place)

    @property
    def next(self) -> _Token:
        return self.tokens[self.place]

    def take(self, *texts: str) -> bool:
        """Whether one of these signs or words comes next; it is then passed."""
        token = self.next
        there = token.kind in ("name", "sign") and token.text.lower() in texts
        self.place += there
        return there

    def need(self, sign: str) -> None:
        if not self.take(sign):
            self.expected(repr(sign))

    def whole(self) -> Condition:
        if self.next.kind == "end":
            self.refuse("expected a condition such as year >= 1990, found none", 1)
        found = self.either()
        if self.next.kind != "end":
            self.expected("and, or or the end")
        return found

    def either(self) -> Condition:
        parts = [self.both()]
        while self.take("or", "||"):
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def both(self) -> Condition:
        parts = [self.negated()]
        while self.take("and", "&&"):
            parts.append(self.negated())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def negated(self) -> Condition:
        self.depth += 1
        if self.depth > DEEPEST:
            self.refuse(f"more than {DEEPEST} brackets in each other", self.next.place)
        if self.take("not", "!"):
            found: Condition = Not(self.negated())
        elif self.take("("):
            found = self.either()
            self.need(")")
        else:
            found = self.test()
        self.depth -= 1
        return found

    def test(self) -> Condition:
        token = self.next
        if token.kind in ("number", "text"):
            return self.turned()
        called = token.text.lower()
        if called.startswith("array_") and self.tokens[self.place + 1].text == "(":
            return self.of_several(called)
        column, type = self.column()
        if self.take("is"):
            null = Not(Known(column, type))
            wants = not self.take("not")
            self.need("null")
            return null if wants else null.part
        no = self.take("not")
        if self.take("in"):
            found: Condition = OneOf(column, type, tuple(self.values(type)))
        elif self.take("like"):
            if type != "text":
                self.refuse(f"{column} is no text, like is for texts", token.place)
            pattern = self.pattern()
            wild = set(pattern) & set("%_")
            found = Like(column, pattern) if wild else Compare(column, type, "==", pattern)
        else:
            if no:
                self.expected("in or like")
            return self.compared(column, type)
        return And((Known(column, type), Not(found))) if no else found

    def compared(self, column: str, type: Type) -> Condition:
        how = self.sign()
        if how is None and type == "flag":
            return Compare(column, type, "==", True)
        if how is None:
            self.refuse(
                f"expected a comparison of {column}, found {self.next.text}", self.next.place
            )
        if type == "flag" and how not in ("==", "!="):
            self.refuse(
                f"{column} is true or false, found {how}", self.tokens[self.place - 1].place
            )
        return compare(column, type, how, self.value(type))

    def turned(self) -> Condition:
        """1990 <= year, and 1990 <= year < 2000."""
        self.place += 1
        how = self.sign()
        if how is None:
            self.expected("a comparison")
        column, type = self.column()
        after, self.place = self.place, self.place - 3
        first = compare(column, type, _TURNED[how], self.value(type))
        self.place = after
        if self.next.text in ("<", "<=", ">", ">="):
            return And((first, self.compared(column, type)))
        return first

    def of_several(self, called: str) -> Condition:
        """array_contains, array_contains_any, array_contains_all, array_length."""
        place = self.next.place
        self.place += 1
        self.need("(")
        column, type = self.column()
        if type != "texts":
            self.refuse(f"{column} does not hold several values, {called} is for such", place)
        if called == "array_length":
            self.need(")")
            how = self.sign()
            if how is None:
                self.expected("a comparison")
            return Length(column, how, self.value("whole"))
        if called not in ("array_contains", "array_contains_any", "array_contains_all"):
            self.refuse(f"there is no {called}", place)
        self.need(",")
        single = called == "array_contains"
        wanted = [self.value("text")] if single else self.values("text")
        self.need(")")
        return Contains(column, tuple(wanted), called == "array_contains_all")

    def sign(self) -> str | None:
        token = self.next
        if token.kind == "sign" and token.text in COMPARE:
            self.place += 1
            return token.text
        return None

    def column(self) -> tuple[str, Type]:
        token = self.next
        if token.kind != "name":
            self.refuse(f"expected a column, found {token.text}", token.place)
        if token.text not in self.types:
            near = get_close_matches(token.text, self.types, 3)
            some = f"near are {', '.join(near)}" if near else f"there are {', '.join(self.types)}"
            self.refuse(f"no column {token.text}, {some}", token.place)
        self.place += 1
        return token.text, self.types[token.text]

    def values(self, type: Type) -> list[Any]:
        self.need("[")
        found: list[Any] = []
        while not self.take("]"):
            if found:
                self.need(",")
            found.append(self.value(type))
        return found

    def value(self, type: Type) -> Any:
        """A value of a type; whole numbers of numbers are taken as such."""
        token, what = self.next, {"text": "a text in quotes", "flag": "true or false"}.get(type)
        self.place += 1
        if type == "text" and token.kind == "text":
            return self.unescaped(token)
        if type == "flag" and token.text.lower() in ("true", "false"):
            return token.text.lower() == "true"
        if type in ("number", "whole") and token.kind == "number":
            number = float(token.text)
            if abs(number) > _LARGEST[type]:
                self.refuse(f"{token.text} is too large", token.place)
            if type == "number":
                return number
            if number == int(number):
                return int(token.text) if token.text.lstrip("+-").isdecimal() else int(number)
        if type == "texts":
            self.refuse("several values are asked for by array_contains", token.place)
        what = what or ("a whole number" if type == "whole" else "a number")
        self.refuse(f"expected {what}, found {token.text}", token.place)

    def pattern(self) -> str:
        place, found = self.next.place, str(self.value("text"))
        if "\\" in found:  # Milvus Lite does not always know it
            self.refuse("in a pattern nothing is escaped, _ is any character", place)
        return found

    def unescaped(self, token: _Token) -> str:
        def one(match: re.Match[str]) -> str:
            if match[1] not in _ESCAPES:
                self.refuse(rf"\{match[1]} means nothing, a backslash is \\", token.place)
            return _ESCAPES[match[1]]

        return re.sub(r"\\(.)", one, token.text[1:-1], flags=re.DOTALL)

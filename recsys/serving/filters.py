"""Which movies may answer: a condition, parsed from text, applied by NumPy or written for Milvus.

    comparisons (== != < <= > >=, also 1990 <= year < 2000), in and not in, like and not like,
    is null and is not null, array_contains, array_contains_any and _all, array_length;
    joined by and, or, not (&&, ||, !) and brackets

A value that is not known fits no comparison, so `not` of one fits it; `is null` asks for it. Only
what `parse` understood is ever sent to Milvus.
"""

import ast
import operator
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import accumulate, pairwise
from typing import Any, Literal, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from recsys.data.ids import Id
from recsys.errors import QueryError

Type = Literal["text", "texts", "number", "whole", "flag"]
Types = Mapping[str, Type]  # by the names of columns

DEEPEST = 30  # brackets within brackets; a Milvus server takes somewhat more
MAX_VALUE = 256  # UTF-8 bytes of a genre, or of one of several categories, that Milvus keeps
UNKNOWN_NUMBER = -1e301  # what is stored where a number is not known; no number is as low
_LARGEST = {"number": 1e300, "whole": 2**31 - 1}  # beyond are no values that a column may have


class Term(NamedTuple):
    """A test of one column.

    how      == < <= > >=       a comparison; two texts are compared by their UTF-8 bytes
             in                 the value is one of a tuple
             like               a text fits a pattern, where % is any text and _ any character
             any all            of several values there is one of a tuple, or every one
             known              there is a value
             length == (etc.)   how many values there are, compared with a number
    """

    column: str
    type: Type
    how: str
    value: Any = None


class Not(NamedTuple):
    part: "Condition"


class And(NamedTuple):
    """Every part fits; without parts every movie does."""

    parts: tuple["Condition", ...]


class Or(NamedTuple):
    parts: tuple["Condition", ...]


Condition = Term | Not | And | Or
Values = Callable[[str], Any]  # a column's values by its name: an array, or a list of tuples
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


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
            return np.logical_and.reduce([np.ones(rows, bool), *each])
        case Or(parts):
            each = [mask(part, values, rows) for part in parts]
            return np.logical_or.reduce([np.zeros(rows, bool), *each])
        case Not(part):
            return ~mask(part, values, rows)
        case Term(column, "texts", how, value):
            return np.array([_fits_several(each, how, value) for each in values(column)], bool)
        case Term(column, "number", "known"):
            return np.isfinite(values(column))
        case Term(column, type, "known"):
            return np.asarray(values(column), object) != {"text": "", "whole": 0}.get(type)
        case Term(column, _, "like", pattern):
            fits = like(pattern).fullmatch
            return np.array([fits(each) is not None for each in values(column)], bool)
        case Term(column, type, "in", value):
            return np.isin(_comparable(values(column), type), _comparable(value, type))
        case Term(column, type, how, value):
            return _COMPARE[how](_comparable(values(column), type), _comparable([value], type)[0])
    raise TypeError(condition)


def _fits_several(has: Sequence[str], how: str, value: Any) -> bool:
    if how == "known":
        return bool(has)
    if how == "any":
        return not set(value).isdisjoint(has)
    return set(value) <= set(has) if how == "all" else _COMPARE[how.split()[1]](len(has), value)


def _comparable(values: Iterable[Any], type: Type) -> NDArray:
    """Values as they are compared: texts as bytes, so that both sides order them alike."""
    if type != "text":
        return np.asarray(values)
    return np.array([each.encode("utf-8", "replace") for each in values], object)


def like(pattern: str) -> re.Pattern[str]:
    """The pattern of a term of how "like" as a regular expression."""
    wild = {"%": ".*", "_": "."}
    return re.compile("".join(wild.get(each, re.escape(each)) for each in pattern), re.DOTALL)


# For Milvus.

_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t"})
NOWHERE, EVERYWHERE = (f"(is_new == true {how} is_new == false)" for how in ("and", "or"))
_KNOWN = {
    "texts": "array_length({}) != 0",
    "text": '{} != ""',
    "number": f"{{}} > {UNKNOWN_NUMBER!r}",
    "whole": "{} != 0",
    "flag": EVERYWHERE,
}


def written(condition: Condition) -> str:
    """The expression of Milvus that the same movies fit.

    No text can end its string: quotes, backslashes and ends of lines are escaped.

    >>> written(Term("genres", "texts", "any", ("War", 'a "b"')))
    'array_contains_any(genres, ["War", "a \\\\"b\\\\""])'
    """
    match condition:
        case And(parts):
            return _joined([written(part) for part in parts], "and") or EVERYWHERE
        case Or(parts):
            return _joined([written(part) for part in parts], "or") or NOWHERE
        case Not(part):
            return f"not ({written(part)})"
        case Term(column, type, "known"):
            return _KNOWN[type].format(column)
        case Term(_, _, "in" | "any" | "all" as how, ()):
            return EVERYWHERE if how == "all" else NOWHERE
        case Term(column, _, "any" | "all" as how, value):
            return f"array_contains_{how}({column}, {listed(cut(each) for each in value)})"
        case Term(column, "texts", how, value):
            return f"array_length({column}) {how.split()[1]} {value}"
        case Term(column, _, "in", value):
            return f"{column} in {listed(value)}"
        case Term(column, _, how, value):
            return f"{column} {how} {literal(value)}"
    raise TypeError(condition)


def _joined(parts: Sequence[str], how: str) -> str:
    """The parts as halves of halves: a server takes expressions at most about 50 deep."""
    if len(parts) < 2:
        return "".join(parts)
    halves = parts[: len(parts) // 2], parts[len(parts) // 2 :]
    return f" {how} ".join(f"({_joined(each, how)})" for each in halves)


def listed(values: Iterable[Any]) -> str:
    """Values as a list of an expression."""
    return f"[{', '.join(map(literal, values))}]"


def literal(value: Id | float) -> str:
    """A value in an expression."""
    if isinstance(value, str):
        return f'"{value.translate(_ESCAPED)}"'
    return str(value).lower() if isinstance(value, bool) else repr(value)


def cut(text: str, size: int = MAX_VALUE) -> str:
    """The text cut to at most `size` bytes of UTF-8, as Milvus counts."""
    return text.encode("utf-8", "replace")[:size].decode("utf-8", "ignore")


# From text.

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?![A-Za-z_0-9.])
  | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
  | (?P<word>(?i:and|or|not\s+like|not\s+in|not|in|like|is\s+not\s+null|is\s+null)\b)
  | (?P<name>[A-Za-z_][A-Za-z_0-9]*)
  | (?P<sign>&&|\|\||[=!<>]=|[<>!()\[\],])
    )""",
    re.VERBOSE | re.DOTALL,
)
_PYTHON = {  # what Python has for a word or sign, of the same precedence
    **{"&&": "and", "||": "or", "!": "not", "like": "is", "not like": "is not"},
    **{"is null": "is None", "is not null": "is not None"},
}
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_OPERATORS = {
    **{ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="},
    **{ast.In: "in", ast.NotIn: "not in", ast.Is: "like", ast.IsNot: "not like"},
}
_ARGUMENTS = {"array_length": 1} | dict.fromkeys(
    ("array_contains", "array_contains_any", "array_contains_all"), 2
)
_STANDS_FOR = {"name": "_", "number": "0", "text": "0", "end": "\n"}
_CLOSING = {"(": ")", "[": "]"}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


class _Token(NamedTuple):
    kind: str  # number, text, word, name, sign, or end
    text: str
    place: int  # from 1


def parse(text: str, types: Types) -> Condition:
    """A condition in Milvus' expression language, checked against the columns there are.

    Python parses an outline of it, where _ stands for names and 0 for values.

    Raises:
        QueryError: it is none, or asks for a column that is not there or as what it is not.

    >>> parse("1990 <= year", {"year": "whole"}).parts[1]
    Term(column='year', type='whole', how='>=', value=1990)
    """
    return _Parser(text, types).parsed()


class _Parser:
    def __init__(self, text: str, types: Types) -> None:
        self.text, self.types = text, types
        self.tokens = list(self.read())
        outline = [_outline(token) for token in self.tokens]
        self.outline = " ".join(outline)
        self.starts = list(accumulate((len(each) + 1 for each in outline[:-1]), initial=0))

    def read(self) -> Iterator[_Token]:
        start, end = 0, len(self.text.rstrip())
        while start < end:
            match = _TOKEN.match(self.text, start)
            if not match or not match.lastgroup:
                found = self.text[start:].lstrip()
                what = "a text that does not end" if found[0] in "\"'" else repr(found[0])
                self.refuse(f"found {what}", _Token("", "", len(self.text) - len(found) + 1))
            kind = match.lastgroup
            yield _Token(kind, match[kind], match.start(kind) + 1)
            start = match.end()
        yield _Token("end", "the end", end + 1)

    def token(self, at: _Token | ast.expr) -> _Token:
        """The first token of a part of the outline."""
        if isinstance(at, _Token):
            return at
        return self.tokens[bisect_right(self.starts, at.col_offset) - 1]

    def refuse(self, why: str, at: _Token | ast.expr) -> NoReturn:
        place = self.token(at).place
        raise QueryError(f"where: {why}, at character {place}", "correct it", "where")

    def expected(self, what: str, at: _Token | ast.expr) -> NoReturn:
        self.refuse(f"expected {what}, found {self.token(at).text}", at)

    def parsed(self) -> Condition:
        if len(self.tokens) == 1:
            self.refuse("expected a condition such as year >= 1990, found none", self.tokens[0])
        self.check_brackets()
        for one, other in pairwise([_Token("sign", "(", 0), *self.tokens]):
            ends, begins = _ends(one), _begins(other)
            if ends and begins and (one.kind, other.text) != ("name", "("):
                self.expected("an operator", other)
            if not (ends or begins or one.text + other.text == "[]"):
                self.expected("a column or a value", other)
        try:
            return self.condition(ast.parse(self.outline, mode="eval").body)
        except SyntaxError:  # such as year == not 3
            self.refuse("expected a condition such as year >= 1990", self.tokens[0])

    def check_brackets(self) -> None:
        """Each is closed by its like, and they do not go too deep; `not` counts as one."""
        depth, opened = 0, [("the end", 0)]  # what closes each, and how deep it lies
        for token in self.tokens:
            sign = _outline(token)
            if sign in _CLOSING:
                opened.append((_CLOSING[sign], depth))
            elif sign in (")", "]", "\n"):
                closing, depth = opened.pop()
                if token.text != closing:
                    self.expected(closing, token)
            elif sign in ("and", "or"):
                depth = opened[-1][1] + (len(opened) > 1)
            depth += sign in ("(", "not")
            if depth > DEEPEST:
                self.refuse(f"more than {DEEPEST} brackets in each other", token)

    def condition(self, node: ast.expr) -> Condition:
        match node:
            case ast.BoolOp(how, parts):
                join = And if isinstance(how, ast.And) else Or
                return join(tuple(map(self.condition, parts)))
            case ast.UnaryOp(_, part):
                return Not(self.condition(part))
            case ast.Compare(left, operators, right):
                found = tuple(map(self.comparison, [left, *right], operators, right))
                return found[0] if len(found) == 1 else And(found)
            case ast.Call():
                called, column = self.function(node)
                if called == "array_contains":
                    return Term(column, "texts", "any", (self.value(node.args[1], "text"),))
                if called != "array_length":
                    return Term(column, "texts", called[-3:], self.values(node.args[1], "text"))
                self.refuse("expected a comparison of array_length", node)
            case ast.Name():
                column, type = self.column(node)
                if type == "flag":
                    return Term(column, type, "==", True)
                after = self.tokens[self.tokens.index(self.token(node)) + 1]
                self.expected(f"a comparison of {column}", after)
        self.expected("a comparison", node)

    def comparison(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> Condition:
        how = _OPERATORS[type(operator)]
        if isinstance(left, ast.Constant) and how in _TURNED:
            left, how, right = right, _TURNED[how], left
        if isinstance(left, ast.Call):
            called, column = self.function(left)
            if called != "array_length" or how not in _TURNED:
                self.refuse("expected a comparison of array_length", left)
            return Term(column, "texts", f"length {how}", self.value(right, "whole"))
        column, kind = self.column(left)
        known = Term(column, kind, "known")
        if isinstance(right, ast.Constant) and right.value is None:
            return known if how == "not like" else Not(known)
        positive = {"!=": "=="}.get(how, how.removeprefix("not "))
        if positive == "like" and kind != "text":
            self.refuse(f"{column} is no text, like is for texts", left)
        if kind == "flag" and positive not in ("==", "in"):
            self.refuse(f"{column} is true or false, found {how}", left)
        read = self.values if positive == "in" else self.value
        value = read(right, kind)
        if positive == "like" and "\\" in value:  # Milvus Lite does not always know it
            self.refuse("in a pattern nothing is escaped, _ is any character", right)
        literally = positive == "like" and not set(value) & set("%_")
        term = Term(column, kind, "==" if literally else positive, value)
        if how != positive:
            return And((known, Not(term)))
        return And((known, term)) if how[0] in "<>" else term

    def function(self, node: ast.Call) -> tuple[str, str]:
        """The name of a function of several values, and the column."""
        called = self.token(node).text.lower()
        if called not in _ARGUMENTS:
            self.refuse(f"there is no {called}", node)
        if len(node.args) != _ARGUMENTS[called]:
            what = " and a value" * (_ARGUMENTS[called] - 1)
            self.refuse(f"{called} is of a column{what}", node)
        column, type = self.column(node.args[0])
        if type != "texts":
            self.refuse(f"{column} does not hold several values, {called} is for such", node)
        return called, column

    def column(self, node: ast.expr) -> tuple[str, Type]:
        if not isinstance(node, ast.Name):
            self.expected("a column", node)
        name = self.token(node).text
        if name not in self.types:
            near = get_close_matches(name, self.types, 3)
            some = f"near are {', '.join(near)}" if near else f"there are {', '.join(self.types)}"
            self.refuse(f"no column {name}, {some}", node)
        return name, self.types[name]

    def values(self, node: ast.expr, type: Type) -> tuple[Any, ...]:
        if not isinstance(node, ast.List):
            self.expected("'['", node)
        return tuple(self.value(each, type) for each in node.elts)

    def value(self, node: ast.expr, type: Type) -> Any:
        """A value of a type; whole numbers of numbers are taken as such."""
        kind, text, _ = self.token(node)
        if not isinstance(node, ast.Constant | ast.Name):
            kind = ""
        if type == "text" and kind == "text":
            for escaped in re.findall(r"\\(.)", text[1:-1], re.DOTALL):
                if escaped not in "nrt\\\"'":
                    self.refuse(rf"\{escaped} means nothing, a backslash is \\", node)
            return re.sub(r"\\(.)", lambda it: _ESCAPES.get(it[1], it[1]), text[1:-1])
        if type == "flag" and kind == "name" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if type in ("number", "whole") and kind == "number":
            number = float(text)
            if abs(number) > _LARGEST[type]:
                self.refuse(f"{text} is too large", node)
            if type == "number" or number.is_integer():
                return number if type == "number" else int(number)
        if type == "texts":
            self.refuse("several values are asked for by array_contains", node)
        what = {"text": "a text in quotes", "flag": "true or false", "whole": "a whole number"}
        self.expected(what.get(type, "a number"), node)


def _outline(token: _Token) -> str:
    """What stands for it in the outline."""
    text = " ".join(token.text.lower().split())
    return _STANDS_FOR.get(token.kind) or _PYTHON.get(text, text)


def _ends(token: _Token) -> bool:
    """Whether a column, a value or a test ends with it."""
    last = token.text[-4:].lower()
    return token.kind in ("name", "number", "text") or last in (")", "]", "null")


def _begins(token: _Token) -> bool:
    """Whether a column, a value or a test begins with it."""
    return token.kind in ("name", "number", "text") or _outline(token) in ("(", "[", "not")

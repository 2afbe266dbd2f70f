"""Which movies may answer: a condition, parsed from text, applied by NumPy or written for Milvus.

    comparisons (== != < <= > >=, also 1990 <= year < 2000), in and not in, like and not like,
    is null and is not null, array_contains, array_contains_any and _all, array_length;
    joined by and, or, not (&&, ||, !) and brackets

A value that is not known fits no comparison, so `not` of one fits it; `is null` asks for it. Only
what `parse` understood is ever sent to Milvus.
"""

import ast
import json
import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Literal, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from recsys.errors import QueryError

Type = Literal["text", "texts", "number", "whole", "flag"]
Types = Mapping[str, Type]  # by the names of columns

DEEPEST = 30  # a Milvus server takes somewhat more
_TOO_DEEP = f"more than {DEEPEST} of and, or and not within each other"
MAX_VALUE = 256  # UTF-8 bytes of a genre, or of one of several categories, that Milvus keeps
UNKNOWN_NUMBER = -1e301  # what is stored where a number is not known; no number is as low
_LARGEST = {"number": 1e300, "whole": 2**31 - 1}  # beyond are no values that a column may have


class Term(NamedTuple):
    """A test of one column: a comparison, `in` or `like`.

    Texts compare as their bytes in UTF-8, several values by their number; of `in` the value, or one
    of several, is one of a tuple; in a pattern of `like` % is any text and _ any character.
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
    """The expression of Milvus that the same movies fit; no text can end its string."""
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
    return str(value) if type(value) is int else json.dumps(value)


def cut(text: str, size: int = MAX_VALUE) -> str:
    """The text cut to at most `size` bytes of UTF-8, as Milvus counts."""
    return text.encode("utf-8", "replace")[:size].decode("utf-8", "ignore")


# From text: tokens as Python would have them, of which its parser makes a tree.

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?![A-Za-z_0-9.])
  | (?P<text>"(?:[^"\\]|\\[nrt\\"'])*"|'(?:[^'\\]|\\[nrt\\"'])*')
  | (?P<sign>(?i:and|or|not\s+like|not\s+in|not|in|like|is\s+not\s+null|is\s+null)\b
           | &&|\|\||[=!<>]=|[<>!()\[\],])
  | (?P<name>[A-Za-z_][A-Za-z_0-9]*)
  | (?P<wrong>\S)
  | (?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)
_PYTHON = {"&&": "and", "||": "or", "!": "not", "like": "is", "not like": "is not"}
_PYTHON |= {"is null": "== None", "is not null": "!= None"}
_WIDTH = 16  # characters of each token there, so that a place says which it is
_TESTS = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_TESTS |= {ast.In: "in", ast.NotIn: "not in", ast.Is: "like", ast.IsNot: "not like"}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_CONTAINS = ("array_contains", "array_contains_any", "array_contains_all")
_QUOTE = r" of a text that does not end, or has \ before other than n, r, t, \ and quotes"
_MEANT = {
    **{"=": ", equality is ==", '"': _QUOTE, "'": _QUOTE},
    "text": "a text in quotes",
    "texts": 'several values, as array_contains(genres, "Drama") asks for',
    "number": "a number",
    "whole": "a whole number",
    "flag": "true or false",
}
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


class _Token(NamedTuple):
    kind: str  # the group of _TOKEN
    text: str
    position: int  # from 1


def parse(text: str, types: Types) -> Condition:
    """A condition in Milvus' expression language, checked against the columns there are.

    >>> written(parse("1990 <= year", {"year": "whole"}))
    '(year != 0) and (year >= 1990)'
    """
    tokens = [
        _Token(kind := match.lastgroup or "", match[kind] or kind, match.start(kind) + 1)
        for match in _TOKEN.finditer(text.rstrip())
    ]
    at, python = tokens[0], []
    for number, token in enumerate(tokens[:-1]):
        if token.kind == "wrong":
            _refuse(f"found {token.text!r}{_MEANT.get(token.text, '')}", token)
        sign = " ".join(token.text.lower().split())
        sign = _PYTHON.get(sign, sign) if token.kind == "sign" else f"_{number}"
        python.append(sign.ljust(_WIDTH))
    try:
        return _Reader(tokens, types).condition(ast.parse("".join(python), mode="eval").body)
    except SyntaxError as error:
        if "too many" not in error.msg:
            at = tokens[min(((error.offset or 0) - 1) // _WIDTH, len(tokens) - 1)]  # 0: the end
            closed = f"{at.text} is not closed"
            example = ", expected a condition such as year >= 1990" * (at.kind == "end")
            _refuse(closed if "never" in error.msg else f"unexpected {at.text}{example}", at)
    except (MemoryError, RecursionError):
        pass
    _refuse(_TOO_DEEP, at)


def _refuse(why: str, at: _Token) -> NoReturn:
    raise QueryError(f"where: {why}, at character {at.position}", "correct it", "where")


class _Reader(NamedTuple):
    """Makes a condition of a tree in which names and values are called by their tokens."""

    tokens: list[_Token]
    types: Types

    def at(self, node: ast.expr) -> _Token:
        """The token that a node begins with."""
        return self.tokens[node.col_offset // _WIDTH]

    def expected(self, what: str, node: ast.expr) -> NoReturn:
        _refuse(f"expected {what}, found {self.at(node).text}", self.at(node))

    def condition(self, node: ast.expr, depth: int = 0) -> Condition:
        if depth > DEEPEST:
            _refuse(_TOO_DEEP, self.at(node))
        function = self.at(node).text.lower()
        match node:
            case ast.BoolOp(how, parts):
                found = tuple(self.condition(part, depth + 1) for part in parts)
                return And(found) if isinstance(how, ast.And) else Or(found)
            case ast.UnaryOp(_, part):
                return Not(self.condition(part, depth + 1))
            case ast.Compare(left, operators, right):
                return And(tuple(map(self.test, [left, *right], map(type, operators), right)))
            case ast.Call(ast.Name(), [column, right]) if function in _CONTAINS:
                one = function == "array_contains"
                values = (self.value(right, "text"),) if one else self.values(right, "text")
                each_of = [(each,) for each in values] if function.endswith("_all") else [values]
                name = self.column(column, "texts")
                return And(tuple(Term(name, "texts", "in", each) for each in each_of))
            case ast.Name() if self.types.get(self.column(node)) == "flag":
                return Term(self.column(node), "flag", "==", True)
        self.expected("a comparison", node)

    def test(self, left: ast.expr, operator: type[ast.cmpop], right: ast.expr) -> Condition:
        """A test of what is known."""
        how = _TESTS[operator]
        if self.at(left).kind in ("number", "text") and how in _TURNED:
            left, how, right = right, _TURNED[how], left
        match left:
            case ast.Call(ast.Name(), [column]) if self.at(left).text.lower() == "array_length":
                if how in _TURNED:
                    name = self.column(column, "texts")
                    return Term(name, "texts", how, self.value(right, "whole"))
        name = self.column(left)
        type = self.types[name]
        unknown = {"text": "", "number": UNKNOWN_NUMBER}.get(type, 0)
        known: Condition = Term(name, type, ">" if type == "number" else "!=", unknown)
        known = And(()) if type == "flag" else known
        if isinstance(right, ast.Constant):  # null
            return known if how == "!=" else Not(known)
        positive = {"!=": "=="}.get(how, how.removeprefix("not "))
        if positive == "like" and type != "text":
            self.expected("a text, like is for texts", left)
        if type == "flag" and positive not in ("==", "in"):
            self.expected(f"what is not just true or false before {how}", left)
        value = self.values(right, type) if positive == "in" else self.value(right, type)
        if positive == "like" and "\\" in value:  # Milvus Lite does not always know it
            self.expected("a pattern without \\, as _ is any character", right)
        literally = positive == "like" and not set(value) & set("%_")
        term = Term(name, type, "==" if literally else positive, value)
        return And((known, term if how == positive else Not(term)))

    def column(self, node: ast.expr, type: Type | None = None) -> str:
        """The name of a column, of such a type."""
        token = self.at(node)
        if not isinstance(node, ast.Name) or token.kind != "name":
            self.expected("a column", node)
        if token.text not in self.types:
            near = get_close_matches(token.text, self.types, 3)
            some = f"near are {', '.join(near)}" if near else f"there are {', '.join(self.types)}"
            _refuse(f"no column {token.text}, {some}", token)
        if type not in (None, self.types[token.text]):
            self.expected("a column of several values", node)
        return token.text

    def values(self, node: ast.expr, type: Type) -> tuple[Any, ...]:
        if not isinstance(node, ast.List):
            self.expected("'['", node)
        return tuple(self.value(each, type) for each in node.elts)

    def value(self, node: ast.expr, type: Type) -> Any:
        """A value of a type; whole numbers of numbers are taken as such."""
        kind, text, _ = self.at(node) if isinstance(node, ast.Name) else _Token("", "", 0)
        if kind == type == "text":
            return re.sub(r"\\(.)", lambda it: _ESCAPES.get(it[1], it[1]), text[1:-1])
        if type == "flag" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if kind == "number" and type in _LARGEST:
            number = float(text) + 0.0  # no -0, which is in no list of Milvus Lite
            if abs(number) > _LARGEST[type]:
                self.expected("a smaller number", node)
            if type == "number" or number.is_integer():
                return number if type == "number" else int(number)
        self.expected(_MEANT[type], node)

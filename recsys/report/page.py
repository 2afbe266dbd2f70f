"""A report as one page of HTML that needs no other file, no network and no server."""

import hashlib
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any

from recsys.errors import escaped
from recsys.report import tables
from recsys.report.pictures import COLOURS, LEVELS, picture

HERE = Path(__file__).parent
Facts = Mapping[str, Any]
WIDE, HIGH = 1000, 560  # of the map's drawing
UNKNOWN = f"--c{COLOURS - 1}"
TENTHS = {"top tenth": "--r5", "next two": "--r4", "next three": "--r2", "the rest": "--r1"}


def page(facts: Facts) -> str:
    """The page that says what `facts` found; what it has nothing of is left out.

    Texts of the data are never markup in it: the template escapes them, and the script of the map
    sets `textContent` only. A policy in the page forbids to load anything.
    """
    import jinja2
    from markupsafe import Markup

    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("recsys.report", ""),
        autoescape=True,
        undefined=jinja2.ChainableUndefined,  # what there is nothing of
        finalize=lambda each: escaped(each) if type(each) is str else each,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    named = {each: facts["words"][each] for each in tables.NOUNS}
    templates.globals |= {"picture": partial(picture, named), "tables": tables, "named": named}
    for help in (fingerprint, path, positions):
        templates.globals[help.__name__] = help
    templates.filters |= {"number": number, "sentence": sentence, "quote": quote}
    shown: dict[str, Any] = {}
    for name in ("css", "js"):
        text = HERE.joinpath(f"report.{name}").read_text("utf-8")
        digest = b64encode(hashlib.sha256(text.encode()).digest()).decode()
        shown |= {name: Markup(text), f"{name}_hash": digest}
    if points := facts.get("map"):
        shown["colours"] = colours(points)
        titles = [escaped(title) for title in points["title"]]
        shown["embedded"] = {**points, **named, "title": titles, "colours": shown["colours"]}
    return templates.get_template("report.html").render({**facts, **shown}).lstrip()


def number(value: Any, form: str = "") -> str:
    """A number to read: four digits, thousands apart."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–" if value is None else str(value)
    return format(value, form or ("," if isinstance(value, int) else ".4g"))


def sentence(text: object) -> str:
    """A text with a capital and a full stop."""
    text = str(text)
    return text[:1].upper() + text[1:] + "." * (text[-1:] not in ".?!")


def path(points: Facts, shown: Iterable[int], mark: str = "h0") -> str:
    """Points of the map as a path: dots, or what else is drawn from each place."""
    places = ((points["x"][i] * 0.47 + 0.5, 0.5 - points["y"][i] * 0.47) for i in shown)
    return "".join(f"M{x * WIDE:.0f} {y * HIGH:.0f}{mark}" for x, y in places)


def positions(found: Sequence[Any], wanted: Iterable[Any]) -> list[int]:
    """Where in a list those are that are wanted."""
    all_wanted = {*wanted}
    return [i for i, each in enumerate(found) if each in all_wanted]


def fingerprint(text: str) -> list[tuple[int, int]]:
    """Filled fields of a mark of five by five that tells models apart at a glance."""
    bits = int(hashlib.sha256(text.encode()).hexdigest(), 16)
    half = [(x, y) for y in range(5) for x in range(3) if bits >> (3 * y + x) & 1]
    return sorted({*half, *((4 - x, y) for x, y in half)})


def colours(points: Facts) -> list[dict[str, Any]]:
    """Ways to colour the map: of each the names, colours, and the group of every point."""
    genres, decades = points.get("genres", ()), [y // 10 * 10 for y in points.get("year", ())]
    counts, found = Counter(genre for each in genres for genre in each), []
    if top := [genre for genre, _ in counts.most_common(COLOURS - 1)]:
        paint = [*(f"--c{n}" for n in range(len(top))), UNKNOWN]
        rarest = [max((top.index(g) for g in e if g in top), default=len(top)) for e in genres]
        found.append(("genre", [*top, "other"], paint, rarest))
    if kept := sorted({*decades} - {0})[-LEVELS:]:
        paint = [*(f"--r{LEVELS - len(kept) + n}" for n in range(len(kept))), UNKNOWN]
        names = [f"until {kept[0] + 9}", *(f"{each}s" for each in kept[1:]), "unknown"]
        of = [kept.index(max(each, kept[0])) if each else len(kept) for each in decades]
        found.append(("decade", names, paint, of))
    ranked = sorted(points["count"], reverse=True)
    ends = [ranked[int(share * len(ranked))] for share in (0.1, 0.3, 0.6)]
    of = [sum(each <= end for end in ends) for each in points["count"]]
    found.append(("popularity", [*TENTHS], [*TENTHS.values()], of))
    return [dict(zip(("by", "names", "paint", "group"), each, strict=True)) for each in found]

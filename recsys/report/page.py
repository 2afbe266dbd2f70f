"""A report as one page of HTML that needs no other file, no network and no server."""

import hashlib
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from recsys.errors import escaped
from recsys.report import tables
from recsys.report.pictures import COLOURS, LEVELS, picture

HERE = Path(__file__).parent
Facts = Mapping[str, Any]
WIDE, HIGH = 1000, 560  # of the map's drawing
UNKNOWN = f"--c{COLOURS - 1}"
TENTHS = {"top tenth": 0.1, "next two": 0.3, "next three": 0.6, "the rest": 1.0}


def page(facts: dict[str, Any]) -> str:
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
    named = {each: facts["words"][each] for each in ("rating", "ratings", "items")}
    templates.globals |= {"picture": partial(picture, named), "tables": tables, "named": named}
    for help in (drawing, fingerprint, path, positions):
        templates.globals[help.__name__] = help
    templates.filters |= {"number": number, "sentence": sentence}
    shown: dict[str, Any] = {}
    for name in ("css", "js"):
        text = HERE.joinpath(f"report.{name}").read_text("utf-8")
        digest = b64encode(hashlib.sha256(text.encode()).digest()).decode()
        shown |= {name: Markup(text), f"{name}_hash": digest}
    if points := facts.get("map"):
        by = colours(points)
        shown |= {"colours": by, "embedded": _of_map(points, facts["words"], by)}
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


def drawing(points: Facts, by: Facts) -> list[tuple[str, str]]:
    """The map as a path for each colour."""
    groups = [[i for i, g in enumerate(by["group"]) if g == n] for n in range(len(by["paint"]))]
    return [(paint, path(points, each)) for paint, each in zip(by["paint"], groups, strict=True)]


def positions(points: Facts, films: Iterable[Facts]) -> list[int]:
    """Where films are in the lists of the map, those that are in it."""
    ids = {each: i for i, each in enumerate(points["id"])}
    return [ids[each["movie_id"]] for each in films if each["movie_id"] in ids]


def fingerprint(text: str) -> list[tuple[int, int]]:
    """Filled fields of a mark of five by five that tells models apart at a glance."""
    bits = int(hashlib.sha256(text.encode()).hexdigest(), 16)
    half = [(x, y) for y in range(5) for x in range(3) if bits >> (3 * y + x) & 1]
    return sorted({*half, *((4 - x, y) for x, y in half)})


def colours(points: Facts) -> list[dict[str, Any]]:
    """Ways to colour the map: of each the names, colours, and the group of every point."""
    found = []
    if genres := points.get("genres"):
        counts = Counter(genre for each in genres for genre in each)
        top = [genre for genre, _ in counts.most_common(COLOURS - 1)]
        rarest = [
            min((g for g in each if g in top), key=counts.__getitem__, default="")
            for each in genres
        ]
        paint = [f"--c{n}" for n in range(len(top))]
        found.append(_colouring("genre", [*top, "other"], [*paint, UNKNOWN], rarest))
    years = points.get("year", [])
    if 2 * sum(year > 0 for year in years) > len(years):
        decades = [year // 10 * 10 for year in years]
        kept = sorted({*decades} - {0})[-LEVELS:]
        names = [f"until {kept[0] + 9}", *(f"{each}s" for each in kept[1:])]
        of = [names[kept.index(max(each, kept[0]))] if each else "" for each in decades]
        paint = [f"--r{LEVELS - len(kept) + n}" for n in range(len(kept))]
        found.append(_colouring("decade", [*names, "unknown"], [*paint, UNKNOWN], of))
    order = sorted(range(len(points["count"])), key=lambda i: -points["count"][i])
    ranks = {i: rank / len(order) for rank, i in enumerate(order)}
    of = [next(name for name, end in TENTHS.items() if ranks[i] < end) for i in sorted(order)]
    found.append(_colouring("popularity", list(TENTHS), ["--r5", "--r4", "--r2", "--r1"], of))
    return found


def _colouring(by: str, names: list[str], paint: list[str], of: Sequence[str]) -> dict[str, Any]:
    """Groups by position; what has no name is of the last."""
    group = [names.index(each) if each else len(names) - 1 for each in of]
    return {"by": by, "names": names, "paint": paint, "group": group}


def _of_map(points: Facts, words: Facts, by: list[dict[str, Any]]) -> dict[str, Any]:
    """What the script of the map reads."""
    said = zip(
        points.get("year", [0] * len(points["x"])),
        points.get("genres", [[]] * len(points["x"])),
        points["count"],
        strict=True,
    )
    return {
        "titles": [escaped(title) for title in points["title"]],
        "says": [
            " · ".join(filter(None, [str(y or ""), ", ".join(g), f"{n:,} {words['ratings']}"]))
            for y, g, n in said
        ],
        **{"x": points["x"], "y": points["y"], "near": points["nearest"]},
        "first": max(range(len(points["x"])), key=points["count"].__getitem__),
        "cosine": [[round(each, 3) for each in row] for row in points["cosine"]],
        "colours": by,
    }

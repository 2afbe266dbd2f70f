"""A report as one page of HTML that needs no other file, no network and no server."""

import hashlib
import json
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from recsys.errors import escaped
from recsys.report import pictures
from recsys.report.pictures import COLOURS, LEVELS

HERE = Path(__file__).parent
Facts = Mapping[str, Any]
Rows = list[dict[str, Any]]
LOWER = ("rmse", "mae")  # metrics of which less is better
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
        finalize=lambda each: escaped(each) if type(each) is str else each,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def drawn(draw: Callable[..., str]) -> Callable[..., str]:
        return lambda *args, **more: Markup(draw(*args, **more))

    for draw in pictures.KINDS:
        templates.globals[draw.__name__] = drawn(draw)
    for help in HELPERS:
        templates.globals[help.__name__] = help
    templates.filters |= {"number": number, "sentence": sentence}
    shown: dict[str, Any] = {}
    for name in ("css", "js"):
        text = HERE.joinpath(f"report.{name}").read_text("utf-8")
        digest = b64encode(hashlib.sha256(text.encode()).digest()).decode()
        shown |= {name: Markup(text), f"{name}_hash": digest}
    if points := dict(facts.get("map", {})):
        points |= {axis: _filling(points[axis]) for axis in "xy"}
        shown |= {"map": points, "colours": colours(points)}
        shown["json"] = Markup(_json(_of_map(points, facts["words"], shown["colours"])))
    return templates.get_template("report.html").render({**facts, **shown}).lstrip()


def number(value: Any, form: str = "") -> str:
    """A number to read: four digits, thousands apart."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–" if value is None else str(value)
    return format(value, form or ("," if isinstance(value, int) else ".4g"))


def rows(*tables: Facts) -> Rows:
    """Columns as rows, one table below the other; what is no list is the same in every row."""
    return [
        {name: each[n] if isinstance(each, list) else each for name, each in table.items()}
        for table in tables
        for n in range(max(len(each) for each in table.values() if isinstance(each, list)))
    ]


def pairs(found: Facts, name: str, value: str) -> Rows:
    """A row for each name and its value."""
    return [{name: key, value: each} for key, each in found.items()]


def cells(found: Facts, value: str, most: int) -> Rows:
    """The first genres by decades as rows, without the fields of which there is nothing."""
    return [
        {"genre": genre, "decade": str(decade), value: each, "items": found["items"][g][d]}
        for g, genre in enumerate(found["genres"][:most])
        for d, decade in enumerate(found["decades"])
        if (each := found[value][g][d]) is not None
    ]


def alone(choice: Sequence[Facts]) -> Rows:
    """What each part of the vector gives alone, and in the sum, by what is known of a user."""
    return [
        {
            "part": part,
            "known": each["known"],
            "ndcg@10": found,
            "weight": each["weights"].get(part),
        }
        for each in choice
        for part, found in {"the sum": each["ndcg@10"], **each["alone"]}.items()
    ]


def flat(found: Sequence[Facts]) -> Rows:
    """Rows with a column for each metric, and for our lead in it, instead of a dict of them."""
    measured = [
        {**row["metrics"], **{f"lead in {k}": v for k, v in row.get("lead", {}).items()}}
        for row in found
    ]
    empty = dict.fromkeys(name for each in measured for name in each)
    return [
        {k: v for k, v in row.items() if not isinstance(v, dict | list)} | empty | each
        for row, each in zip(found, measured, strict=True)
    ]


def measured(found: Sequence[Facts], metric: str) -> Rows:
    """The rows that have a metric, with nothing else."""
    return [
        {"name": x["name"], metric: x["metrics"][metric]} for x in found if metric in x["metrics"]
    ]


def grouped(found: Facts, metric: str, names: Sequence[str]) -> Rows:
    """The metric of a few ways to recommend, in each group of users or movies."""
    return [
        {"group": each["group"], "by": name, metric: each["metrics"][name][metric]}
        for each in found["groups"]
        for name in names
        if metric in each["metrics"].get(name, {})
    ]


def apart(found: Rows, one: str, other: str) -> dict[str, Any]:
    """The row in which one is most above the other."""
    return max(found, key=lambda row: row[one] - row[other])


def sentence(text: str) -> str:
    """A text with a capital and a full stop."""
    return text[:1].upper() + text[1:] + "." * (text[-1:] not in ".?!")


def verdict(found: Sequence[Facts], metric: str) -> str:
    """How the first row stands beside the best of the others, by the interval of its lead."""
    led = [
        each for each in found[1:] if metric in each.get("lead", {}) and metric in each["metrics"]
    ]
    if not led:
        return ""
    sign = -1 if metric in LOWER else 1
    best = max(led, key=lambda each: sign * each["metrics"][metric]["value"])
    value, low, high = (best["lead"][metric][end] for end in ("value", "low", "high"))
    way = "Ahead of" if low > 0 else "Behind" if high < 0 else "Level with"
    return f"{way} {best['name']}: {value:+.3f} ({low:+.3f} to {high:+.3f}). "


def spot(points: Facts, i: int) -> str:
    """Where a point is in the drawing of the map."""
    return f"{(points['x'][i] * 0.47 + 0.5) * WIDE:.0f} {(0.5 - points['y'][i] * 0.47) * HIGH:.0f}"


def path(points: Facts, shown: Iterable[int]) -> str:
    """Points of the map as a path of dots."""
    return "".join(f"M{spot(points, i)}h0" for i in shown)


def drawing(points: Facts, by: Facts) -> list[tuple[str, str]]:
    """The map as a path for each colour."""
    members: list[list[int]] = [[] for _ in by["paint"]]
    for i, group in enumerate(by["group"]):
        members[group].append(i)
    return [(paint, path(points, each)) for paint, each in zip(by["paint"], members, strict=True)]


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
    if any(years := points.get("year", [])):
        decades = sorted({year // 10 * 10 for year in years if year})
        kept = decades[-LEVELS:]
        names = [f"{each}s" for each in kept]
        names[0] = f"until {kept[0] + 9}" if kept != decades else names[0]
        of = [
            names[max(0, kept.index(y // 10 * 10) if y >= kept[0] else 0)] if y else ""
            for y in years
        ]
        paint = [f"--r{LEVELS - len(kept) + n}" for n in range(len(kept))]
        found.append(_colouring("decade", [*names, "unknown"], [*paint, UNKNOWN], of))
    order = sorted(range(len(points["count"])), key=lambda i: -points["count"][i])
    ends, of = list(TENTHS.items()), [""] * len(order)
    for rank, i in enumerate(order):
        of[i] = next(name for name, end in ends if rank < end * len(order))
    found.append(_colouring("popularity", list(TENTHS), ["--r5", "--r4", "--r2", "--r1"], of))
    return found


def _colouring(by: str, names: list[str], paint: list[str], of: Sequence[str]) -> dict[str, Any]:
    group = [names.index(each) if each else len(names) - 1 for each in of]
    return {"by": by, "names": names, "paint": paint, "group": group}


def _filling(axis: Sequence[float]) -> list[float]:
    """Places from -1 to 1, whatever they were."""
    low, span = min(axis), max(axis) - min(axis) or 1
    return [round(2 * (each - low) / span - 1, 4) for each in axis]


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


def _json(found: Any) -> str:
    """JSON that nothing in it can end or comment out."""
    text = json.dumps(found, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


HELPERS = (
    *(
        alone,
        apart,
        cells,
        drawing,
        fingerprint,
        flat,
        grouped,
        measured,
        pairs,
        path,
        positions,
        rows,
        spot,
    ),
    verdict,
)

"""Pictures of a report: Vega-Lite, drawn as SVG by vl-convert, without a browser or a network.

Colours are the custom properties of report.css, so that the light, dark and printed styles of the
page are those of its pictures. Rows are dicts; a channel names one of their keys. A value may be an
interval, `{"value", "low", "high"}`, of which dots show all three.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

Rows = Sequence[Mapping[str, Any]]

WIDTH, HEIGHT, LINE = 360, 200, 17  # of a picture, and of a name in it
WHOLE = ("epoch",)
COLOURS, LEVELS = 8, 6  # --c0 to --c7 tell things apart, --r0 to --r5 say less and more
DASHES = ([1, 0], [5, 3], [2, 2], [8, 2, 2, 2])
_WORDS = {"labelColor": "var(--faint)", "labelFontSize": 11, "titleColor": "var(--faint)"}
_LINE = dict.fromkeys(("gridColor", "domainColor", "tickColor"), "var(--line)")
_CONFIG = {
    "background": None,
    "numberFormat": ",.6~r",  # of labels
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {**_WORDS, **_LINE, "titleFontWeight": "normal", "labelLimit": 150, "tickCount": 5},
    "legend": {
        **_WORDS,
        "orient": "top",
        "title": None,
        "labelExpr": "replace(datum.label, '_', ' ')",
    },
    "range": {"category": [f"var(--c{n})" for n in range(COLOURS)]},
    "bar": {"color": "var(--c0)", "cornerRadiusEnd": 2},
    "rect": {"stroke": "var(--card)", "strokeWidth": 2},
    "line": {"color": "var(--c0)", "strokeWidth": 2},
    "area": {"color": "var(--c0)", "interpolate": "step-after"},
    "point": {"color": "var(--c0)", "filled": True, "size": 70, "opacity": 1},
    "rule": {"color": "var(--c0)", "strokeWidth": 2},
}


def columns(rows: Rows, x: str, y: str) -> str:
    """A column for each row, in their order.

    >>> columns([{"rating": "4", "ratings": 7}], "rating", "ratings")[:4]
    '<svg'
    """
    return _drawn(
        rows, ["bar"], x=_name(x, labelAngle=0, labelOverlap=True), y=_size(y, "~s", None)
    )


def bars(rows: Rows, y: str, x: str, form: str = "~s") -> str:
    """A bar for each row, in their order, its name beside it."""
    return _drawn(rows, ["bar"], y=_name(y, title=None), x=_size(x, form))


def timeline(rows: Rows, x: str, y: str) -> str:
    """What there was of `y` from each day `x` on."""
    day = {"field": x, "type": "temporal", "scale": {"type": "utc"}, "title": None}
    return _drawn(rows, ["area"], x=day, y=_size(y, "~s", None))


def lines(
    rows: Rows, x: str, y: str | Sequence[str], form: str = "", diagonal: bool = False
) -> str:
    """A line, or one for each of several keys `y`; beside the line where both are the same."""
    more: dict[str, Any] = {}
    if not isinstance(y, str):
        rows, y, series = _folded(rows, y)
        more = {"color": series, "strokeDash": {**series, "scale": {"range": DASHES}}}
    zero = {"scale": {"zero": False}}
    sides = {"x": {**_size(x, form), **zero}, "y": {**_size(y, form, None), **zero}, **more}
    equal = {
        "mark": {"type": "line", "color": "var(--faint)", "strokeDash": [2, 3]},
        "y": sides["x"],
    }
    point = {"type": "point", "size": 30 if len(rows) < 60 else 0}
    return _drawn(rows, ["line", point, *([equal] if diagonal else [])], **sides)


def dots(rows: Rows, y: str, x: str | Sequence[str], series: str = "", form: str = "") -> str:
    """A dot for each row, or for each of several keys `x`, or for each `series`; with intervals.

    Without them the first row stands out.
    """
    of = _name(series, title=None) if series else {}
    if not isinstance(x, str):
        rows, x, of = _folded(rows, x)
    size = {**_size(x, form), "scale": {"zero": False, "padding": 8}}
    ours = {"test": {"field": y, "equal": rows[0][y]}, "value": "var(--c0)"}
    color = of or {"condition": ours, "value": "var(--c7)"}
    ends = isinstance(rows[0][x], Mapping)
    beside = {"yOffset": of} if of and ends else {}
    field = {**size, "field": f"{x}.value" if ends else x}
    point = {"mark": "point", "x": field, "color": color, **beside, **({"shape": of} if of else {})}
    low, high = {**size, "field": f"{x}.low"}, {"field": f"{x}.high"}
    line = {"stroke": {**of, "legend": None}} if of else {"color": color}
    span = {"mark": "rule", "x": low, "x2": high, **line, **beside}
    return _drawn(rows, [span, point] if ends else [point], y=_name(y, title=None))


def heat(rows: Rows, x: str, y: str, level: str) -> str:
    """A field for each row, the fuller the more: in steps that hold equally many."""
    ranked = sorted(row[level] for row in rows)
    rows = [{**r, "_level": LEVELS * ranked.index(r[level]) // len(ranked)} for r in rows]
    scale = {"domain": list(range(LEVELS)), "range": [f"var(--r{n})" for n in range(LEVELS)]}
    color = {"field": "_level", "type": "ordinal", "scale": scale, "legend": None}
    about = [{"field": each, "type": "nominal"} for each in (y, x, level)]
    return _drawn(
        rows,
        ["rect"],
        x={**_name(x, labelAngle=0, labelOverlap=True), "sort": "ascending"},
        y=_name(y, title=None),
        color=color,
        detail=about,
    )


def _name(field: str, title: Any = "", **axis: Any) -> dict[str, Any]:
    """A channel that tells apart, in the order of the rows."""
    more = {"axis": axis} if axis else {}
    title = _words(field) if title == "" else title
    return {"field": field, "type": "nominal", "sort": None, "title": title, **more}


def _size(field: str, form: str, title: Any = "") -> dict[str, Any]:
    """A channel of numbers; whole ones have no ticks between."""
    axis = {"format": form, "tickMinStep": 1 if field in WHOLE else 0}
    title = _words(field) if title == "" else title
    return {"field": field, "type": "quantitative", "title": title, "axis": axis}


def _words(field: str) -> str | None:
    return None if field == "value" else field.replace("_", " ")


def _folded(rows: Rows, keys: Sequence[str]) -> tuple[Rows, str, dict[str, Any]]:
    """Each of several keys in a row of its own, the value's key, and the channel of which it is."""
    long = [{**row, "value": row[key], "of": _words(key)} for key in keys for row in rows]
    return [row for row in long if row["value"] is not None], "value", _name("of", title=None)


def _drawn(rows: Rows, layers: Sequence[Any], **shared: Any) -> str:
    """A drawing of layers: marks as Vega-Lite names them, or with channels of their own."""
    import vl_convert

    split = [
        each if "mark" in each and isinstance(each, dict) else {"mark": each} for each in layers
    ]
    y = shared.get("y", {})
    names = len({str(row[y["field"]]) for row in rows}) if y.get("type") == "nominal" else 0
    last = split[-1] | shared
    line = 24 if "yOffset" in last else LINE
    around = 46 + 30 * ("color" in last and names > 0)
    spec = {
        **{"width": WIDTH, "height": max(120, around + line * names) if names else HEIGHT},
        **{"autosize": {"type": "fit", "contains": "padding"}, "config": _CONFIG},
        **{"data": {"values": list(rows)}, "encoding": shared},
        "layer": [{"mark": each.pop("mark"), "encoding": each} for each in split],
    }
    svg = vl_convert.vegalite_to_svg(spec)
    svg = re.sub(r' (?:d|transform|[xy]2?|width)="[^"]*"', _rounded, svg)
    svg = re.sub(r' width="\d+" height="\d+"', "", svg, count=1)  # as wide as its column
    return re.sub(r'<path class="(?:back|fore)ground"[^>]*/>| opacity="1"', "", svg)


def _rounded(found: re.Match[str]) -> str:
    """Coordinates with two digits, which are a third of the text."""
    return re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", found[0])

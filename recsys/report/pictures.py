"""Pictures of a report: Vega-Lite, drawn as SVG by vl-convert, without a browser or a network.

`pictures.json` says what they look like. In it $NAME stands for what a caller names, "$NAME title"
for its words. Colours are the custom properties of report.css, so that the light, dark and printed
styles of the page are those of its pictures.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Rows = Sequence[Mapping[str, Any]]
COLOURS, LEVELS = 8, 6  # --c0 to --c7 tell things apart, --r0 to --r5 say less and more


def picture(words: Mapping[str, Any], kind: str, rows: Rows, form: str = "~s", **names: Any) -> str:
    """A kind of picture of rows, as SVG as wide as its place.

    Args:
        words: what to call keys of the rows, where not as they are.
        form: of the numbers at an axis, as d3-format has it.
        names: keys of the rows by what the kind needs: x, y, of, level, or several `keys`.

    >>> picture({}, "columns", [{"rating": "4", "ratings": 7}], x="rating", y="ratings")[:4]
    '<svg'
    """
    import vl_convert

    kinds = json.loads(Path(__file__).with_name("pictures.json").read_text("utf-8"))
    titles = {
        f"{n} title": words.get(k, k).replace("_", " ") for n, k in names.items() if n != "keys"
    }
    values = {"form": form, "first": rows[0].get(names.get("y", "")), **names, **titles}
    spec = _filled(kinds["all"] | kinds[kind], values)
    svg = vl_convert.vegalite_to_svg({**spec, "data": {"values": list(rows)}})
    svg = re.sub(r' (?:d|transform|[xy]2?|width)="[^"]*"', _rounded, svg)
    svg = re.sub(r' width="[\d.]+" height="[\d.]+"', "", svg, count=1)  # as wide as its column
    return re.sub(r'<path class="(?:back|fore)ground"[^>]*/>| opacity="1"', "", svg)


def _filled(spec: Any, values: Mapping[str, Any]) -> Any:
    """A part of a specification, with values for $NAME, and their fields for $NAME.FIELD."""
    if isinstance(spec, dict):
        return {name: _filled(each, values) for name, each in spec.items()}
    if isinstance(spec, list):
        return [_filled(each, values) for each in spec]
    if not isinstance(spec, str) or spec[0] != "$":
        return spec
    name, dot, field = spec[1:].partition(".")
    return values[name] + dot + field if dot else values[name]


def _rounded(found: re.Match[str]) -> str:
    """Coordinates with two digits, which are a third of the text."""
    return re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", found[0])

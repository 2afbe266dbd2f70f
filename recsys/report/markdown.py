"""The numbers of a report in short tables of Markdown, as a comment in CI shows them."""

from typing import Any

from recsys.errors import escaped
from recsys.report.tables import Facts, tables

NAMED = ("model", "fingerprint", "data", "first", "last")
MARKS = str.maketrans({"&": "&amp;", "<": "&lt;", **{each: f"\\{each}" for each in "\\`*_[]|#~@"}})


def markdown(facts: Facts) -> str:
    """What `recsys.report.facts.facts` says, but for its data, single movies and users.

    >>> markdown({"summary": {"model": "a", "fingerprint": "0123"}})
    '## a, 0123\\n'
    """
    blocks = ["## " + ", ".join(_cell(v) for n in NAMED if (v := facts["summary"].get(n)))]
    for title, rows in tables(facts):
        if rows:
            lines = [[*rows[0]], ["---"] * len(rows[0]), *(row.values() for row in rows)]
            text = "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)
            blocks += [f"**{_cell(title)}**", text]
    return "\n\n".join(blocks) + "\n"


def _cell(value: Any) -> str:
    """A value as a cell shows it: nothing in it is Markdown, HTML or a mention of somebody."""
    if isinstance(value, dict):
        return f"{value['value']:.4f} [{value['low']:.4f}, {value['high']:.4f}]"
    text = f"{value:.4f}" if isinstance(value, float) else "" if value is None else str(value)
    return escaped(text).translate(MARKS)

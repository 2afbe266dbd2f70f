"""The numbers of a report in short tables of Markdown, as a comment in CI shows them."""

from collections.abc import Iterator, Sequence
from typing import Any

from recsys.errors import escaped
from recsys.report.evaluations import LEADS, OURS, Facts

Table = tuple[str, Sequence[str], Sequence[Sequence[Any]]]  # title, header, rows
NAMED = ("model", "fingerprint", "data", "first", "last")
MARKS = str.maketrans({"&": "&amp;", "<": "&lt;", **{each: f"\\{each}" for each in "\\`*_[]|#~@"}})


def markdown(facts: Facts) -> str:
    """What `recsys.report.facts.facts` says, but for single movies and users.

    >>> markdown({"summary": {"model": "a", "fingerprint": "0123"}})
    '## a, 0123\\n'
    """
    blocks = ["## " + ", ".join(_cell(v) for n in NAMED if (v := facts["summary"].get(n)))]
    for title, header, rows in (*_model(facts), *_compared(facts.get("compare", {}))):
        lines = [[*map(_cell, header)], ["---"] * len(header), *(map(_cell, row) for row in rows)]
        text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        blocks += [f"**{_cell(title)}**", text] if rows else []
    return "\n\n".join(blocks) + "\n"


def _cell(value: Any) -> str:
    """A value as a cell shows it: nothing in it is Markdown, HTML or a mention of somebody."""
    if isinstance(value, dict):
        return f"{value['value']:.4f} [{value['low']:.4f}, {value['high']:.4f}]"
    text = f"{value:.4f}" if isinstance(value, float) else "" if value is None else str(value)
    return escaped(text).translate(MARKS)


def _columns(rows: Sequence[Facts], *names: str) -> list[list[Any]]:
    return [[row.get(name) for name in names] for row in rows]


def _model(facts: Facts) -> Iterator[Table]:
    """What it learned from, and what came of it."""
    summary, quality, training = (facts.get(n, {}) for n in ("summary", "quality", "training"))
    known = (name for name in ("ratings", "users", "items") if name in summary)
    counts = [(facts["words"].get(name, name), summary[name]) for name in known]
    yield "Learned from", ("what", "how many"), counts
    yield "On validation", ("metric", "value"), [*summary.get("validation", {}).items()]
    for each in quality.get("protocols", ()):
        yield from _protocol(each)
    choice = training.get("choice", ())
    names = [*dict.fromkeys(name for each in choice for name in each["alone"])]
    rows = _columns([{**each, **each["alone"]} for each in choice], "known", "ndcg@10", *names)
    yield "ndcg@10 on validation, of the sum and of each part alone", ("", "sum", *names), rows
    shares = _columns(training.get("slices", ()), "name", "size", "share")
    yield "The vector, and what each part gives of the scores", ("part", "size", "share"), shares
    if bias := quality.get("bias"):
        (_, groups), *kinds = bias["popularity"].items()
        title = f"Popularity; the first {bias['k']} of somebody have {bias['coverage']:.1%} of all"
        yield title, ("share of", *groups), [(name, *each) for name, each in kinds]


def _protocol(one: Facts) -> Iterator[Table]:
    """All metrics, our lead, our metrics by group, and how true predicted ratings are."""
    name, leads = one["protocol"], [f"our lead in {metric}" for metric in LEADS]
    rows = [
        [row["name"], *map(row["metrics"].get, one["metrics"]), *map(row["lead"].get, LEADS)]
        for row in one["rows"]
    ]
    seeds = ", ".join(map(str, one["seeds"]))
    title = f"{name}, {one['users']} users, seed {seeds}: {one['about']}"
    yield title, ("", *one["metrics"], *leads), rows
    for each in one.get("groups", ()):
        ours = [{**group, **group["metrics"].get(OURS, {})} for group in each["groups"]]
        yield (
            f"{name} by {each['by']}",
            ("", "users", *LEADS),
            _columns(ours, "group", "users", *LEADS),
        )
    for each in one.get("calibration", ())[:1]:
        tenths = [*zip(each["predicted"], each["rated"], each["count"], strict=True)]
        yield f"{name}: predicted beside rated, by tenths", ("predicted", "rated", "of"), tenths


def _compared(compare: Facts) -> Iterator[Table]:
    """Two models side by side."""
    a, b = ({**(of := compare.get(n, {})), **of.get("validation", {})} for n in "ab")
    header, names = ("", "this", "other"), [n for n in a if n not in ("validation", "seconds")]
    yield "Two models", header, [(name, a[name], b.get(name)) for name in names]
    differ = _columns(compare.get("options", ()), "name", "a", "b")
    yield "Options that differ", header, differ
    weights = compare.get("weights", {}).items()
    rows = [(f"{kind}: {name}", *each) for kind, of in weights for name, each in of.items()]
    yield "Weights in the ranking", header, rows
    if of := compare.get("overlap"):
        title = f"Of {of['k']} recommended to {of['users']} users {of['mean']:.1%} are the same"
        yield title, ("the same", "users"), [*enumerate(of["histogram"])]
    measured = _columns(compare.get("difference", ()), "protocol", "metric", "a", "b", "lead")
    yield "Measured", ("protocol", "metric", "this", "other", "lead of this"), measured

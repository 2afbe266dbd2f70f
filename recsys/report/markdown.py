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

    >>> markdown({"words": {"items": "movies"}, "summary": {"model": "a|b", "items": 3}})
    '## a\\\\|b\\n\\n**Learned from**\\n\\n| what | how many |\\n| --- | --- |\\n| movies | 3 |\\n'
    """
    summary = facts["summary"]
    blocks = [f"## {', '.join(_cell(summary[name]) for name in NAMED if name in summary)}"]
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


def _model(facts: Facts) -> Iterator[Table]:
    summary, training = facts["summary"], facts.get("training", {})
    counted = [name for name in ("ratings", "users", "items") if name in summary]
    counts = [(facts["words"].get(name, name), f"{summary[name]:,}") for name in counted]
    yield "Learned from", ("what", "how many"), counts
    yield "On validation", ("metric", "value"), [*summary.get("validation", {}).items()]
    for each in facts.get("quality", {}).get("protocols", ()):
        yield from _protocol(each)
    choice, slices = training.get("choice", ()), training.get("slices", ())
    names = [*dict.fromkeys(name for each in choice for name in each["alone"])]
    alone = [(each["known"], each["ndcg@10"], *map(each["alone"].get, names)) for each in choice]
    yield "ndcg@10 on validation, of the sum and of each part alone", ("", "sum", *names), alone
    shares = [(each["name"], each["size"], f"{each['share']:.1%}") for each in slices]
    yield "The vector", ("part", "numbers", "of the scores"), shares
    if bias := facts.get("quality", {}).get("bias"):
        title = f"Popularity; somebody's first {bias['k']} have {bias['coverage']:.1%} of all"
        group, *kinds = bias["popularity"].items()
        rows = [(name, *(f"{share:.1%}" for share in shares)) for name, shares in kinds]
        yield title, ("share of", *group[1]), rows


def _protocol(one: Facts) -> Iterator[Table]:
    """All metrics, our lead, our metrics by group, and how true predicted ratings are."""
    name, leads = one["protocol"], [f"our lead in {metric}" for metric in LEADS]
    title = f"{name}: {one['about']}; {one['users']:,} users, seed {one['seeds']}"
    rows = [
        (row["name"], *map(row["metrics"].get, one["metrics"]), *map(row["lead"].get, LEADS))
        for row in one["rows"]
    ]
    yield title, ("", *one["metrics"], *leads), rows
    for each in one.get("groups", ()):
        ours = [(of["group"], of["users"], of["metrics"].get(OURS, {})) for of in each["groups"]]
        rows = [(group, users, *map(metrics.get, LEADS)) for group, users, metrics in ours]
        yield f"{name} by {each['by']}", ("", "users", *LEADS), rows
    for each in one.get("calibration", ())[:1]:
        tenths = [*zip(each["predicted"], each["rated"], each["count"], strict=True)]
        yield f"{name}: predicted beside rated, by tenths", ("predicted", "rated", "of"), tenths


def _compared(compare: Facts) -> Iterator[Table]:
    """Two models side by side."""
    sides = [compare.get("a", {}), compare.get("b", {})]
    flat = [{**each, **each.get("validation", {})} for each in sides]
    rows = [
        (n, *(each.get(n) for each in flat)) for n in flat[0] if n not in ("validation", "seconds")
    ]
    yield "Two models", ("", "this", "other"), rows
    rows = [(each["name"], each["a"], each["b"]) for each in compare.get("options", ())]
    yield "Options that differ", ("", "this", "other"), rows
    weights = compare.get("weights", {}).items()
    rows = [(f"{kind}: {name}", *each) for kind, of in weights for name, each in of.items()]
    yield "Weights in the ranking", ("", "this", "other"), rows
    if of := compare.get("overlap"):
        title = f"Of {of['k']} recommended to {of['users']:,} users {of['mean']:.1%} are the same"
        yield title, ("the same", "users"), [*enumerate(of["histogram"])]
    header = ("protocol", "metric", "a", "b", "lead")
    rows = [tuple(each[name] for name in header) for each in compare.get("difference", ())]
    yield "Measured", ("protocol", "metric", "this", "other", "lead of this"), rows

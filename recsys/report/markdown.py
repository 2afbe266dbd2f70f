"""The numbers of a report in short tables of Markdown, as a comment in CI shows them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from recsys.errors import escaped

Table = tuple[str, Sequence[str], Sequence[Sequence[Any]]]  # title, header, rows
MARKS = str.maketrans({"&": "&amp;", "<": "&lt;", **{each: f"\\{each}" for each in "\\`*_[]|#~@"}})


def markdown(facts: dict[str, Any]) -> str:
    """What `recsys.report.facts.facts` says, but of single movies and users, in Markdown.

    >>> print(markdown({"summary": {"model": "a|b"}}))
    ## Model a\\|b
    <BLANKLINE>
    """
    summary = facts["summary"]
    blocks = [f"## Model {_cell(' '.join(summary[n] for n in NAMED if n in summary))}"]
    for title, header, rows in _tables(facts):
        lines = [header, ["---"] * len(header), *rows]
        cells = ("| {} |".format(" | ".join(map(_cell, line))) for line in lines)
        blocks += [f"**{_cell(title)}**", "\n".join(cells)] if rows else []
    return "\n\n".join(blocks) + "\n"


NAMED = ("model", "fingerprint", "data", "first", "last")


def _cell(value: Any) -> str:
    """A value as a cell shows it: nothing in it is Markdown, HTML or a mention."""
    if isinstance(value, dict):
        return f"{value['value']:.4f} [{value['low']:.4f}, {value['high']:.4f}]"
    if isinstance(value, float):
        return f"{value:.4f}"
    return (
        "" if value is None else "---" if value == "---" else escaped(str(value)).translate(MARKS)
    )


def _tables(facts: dict[str, Any]) -> Iterator[Table]:
    summary, quality = facts["summary"], facts.get("quality", {})
    training, compare = facts.get("training", {}), facts.get("compare", {})
    words = facts.get("words", {})
    counts = [(words[n], f"{summary[n]:,}") for n in ("ratings", "items") if n in summary]
    counts += [("users", f"{summary['users']:,}")] if "users" in summary else []
    yield "Learned from", ("what", "how many"), [*counts]
    yield "On validation", ("metric", "value"), [*summary.get("validation", {}).items()]
    for one in quality.get("protocols", ()):
        yield from _protocol(one)
    names = dict.fromkeys(n for each in training.get("choice", ()) for n in each["alone"])
    yield (
        "ndcg@10 on validation of what validation chose, and of each part alone",
        ("known", "in the sum", *names),
        [
            (c["known"], c["ndcg@10"], *map(c["alone"].get, names))
            for c in training.get("choice", ())
        ],
    )
    slices = training.get("slices", ())
    rows = [(each["name"], each["size"], f"{each['share']:.1%}") for each in slices]
    yield "The vector", ("part", "numbers", "of the scores"), rows
    bias = quality.get("bias", {})
    shares = (
        [(n, [f"{each:.1%}" for each in bias["popularity"][n]]) for n in SHARES] if bias else []
    )
    yield (
        f"Popularity of what is recommended; {bias.get('coverage', 0):.1%} of all is to somebody",
        ("share of", *(bias["popularity"]["group"] if bias else ())),
        [(name, *each) for name, each in shares],
    )
    yield from _compared(compare)


SHARES = ("items", "ratings", "recommended")


def _protocol(one: dict[str, Any]) -> Iterator[Table]:
    """What an evaluation says: all metrics, by group, and how true predicted ratings are."""
    rows = [
        (r["name"], *map(r["metrics"].get, one["metrics"]), *map(r["lead"].get, LEADS))
        for r in one["rows"]
    ]
    seeds = ", ".join(map(str, one.get("seeds", ())))
    title = f"{one['protocol']}, seed {seeds}, {one['users']:,} users: {one.get('about', '')}"
    yield title, ("", *one["metrics"], *(f"our lead in {name}" for name in LEADS)), rows
    for each in one.get("groups", ()):
        of = [(g["group"], g["users"], g["metrics"].get("recsys", {})) for g in each["groups"]]
        rows = [(group, users, *map(m.get, LEADS)) for group, users, m in of]
        yield f"{one['protocol']} by {each['by']}", ("", "users", *LEADS), rows
    for each in one.get("calibration", ())[:1]:
        rows = [*zip(each["predicted"], each["rated"], each["count"], strict=True)]
        yield "Predicted beside rated, in tenths", ("predicted", "rated", "how many"), rows


LEADS = ("ndcg@10", "rmse")


def _compared(compare: dict[str, Any]) -> Iterable[Table]:
    """Two models side by side."""
    if not compare:
        return
    sides = [compare["a"], compare["b"]]
    names = [name for name in sides[0] if name not in ("validation", "seconds")]
    rows = [(name, *(each.get(name) for each in sides)) for name in names]
    metrics = [each.get("validation", {}) for each in sides]
    rows += [(name, *(each.get(name) for each in metrics)) for name in metrics[0]]
    if overlap := compare.get("overlap"):
        rows.append((f"same of {overlap['k']} recommended", f"{overlap['mean']:.1%}", ""))
    yield "Two models", ("", "this", "the other"), rows
    differing = [(each["name"], each["a"], each["b"]) for each in compare.get("options", ())]
    yield "Options that differ", ("", "this", "the other"), differing
    weights = compare.get("weights", {}).items()
    rows = [(f"{kind}: {name}", *each) for kind, of in weights for name, each in of.items()]
    yield "Weights in the ranking", ("", "this", "the other"), rows
    rows = [
        tuple(each[name] for name in ("protocol", "metric", "a", "b", "lead"))
        for each in compare.get("difference", ())
    ]
    yield "Measured", ("protocol", "metric", "this", "the other", "this one's lead"), rows

"""Facts of a report as rows, of which its tables and pictures are made; tables of Markdown."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from recsys.errors import escaped
from recsys.report.evaluations import LEADS, OURS

Facts = Mapping[str, Any]
Rows = list[dict[str, Any]]
LOWER = ("rmse", "mae")  # metrics of which less is better
NOUNS = ("rating", "ratings", "items")  # that follow the data
NAMED = ("model", "fingerprint", "data", "first", "last")
MARKS = str.maketrans({"&": "&amp;", "<": "&lt;", **{each: f"\\{each}" for each in "\\`*_[]|#~@"}})


def rows(table: Facts) -> Rows:
    """Columns as rows; what is no list is the same in every row."""
    longest = max(len(each) for each in table.values() if isinstance(each, list))
    every = {n: v if isinstance(v, list) else [v] * longest for n, v in table.items()}
    return [dict(zip(every, row, strict=True)) for row in zip(*every.values(), strict=True)]


def pairs(found: Mapping[Any, Any], name: str, value: str) -> Rows:
    """A row for each name and its value."""
    return [{name: key, value: each} for key, each in found.items()]


def both(two: Iterable[Facts], name: str, nothing: Any = None) -> Rows:
    """A row for each name and its values in two models."""
    a, b = two
    return [{name: key, "A": a.get(key, nothing), "B": b.get(key, nothing)} for key in {**a, **b}]


def flat(found: Sequence[Facts]) -> Rows:
    """Rows with a column for each metric, and for our lead in it, instead of a dict of them."""
    every = [
        {k: v for k, v in row.items() if not isinstance(v, dict | list)}
        | row["metrics"]
        | {f"lead in {k}": v for k, v in row.get("lead", {}).items()}
        for row in found
    ]
    names = dict.fromkeys(name for each in every for name in each)
    return [{name: each.get(name) for name in names} for each in every]


def measured(found: Sequence[Facts], metric: str) -> Rows:
    """The rows that have a metric, with nothing else."""
    had = [row for row in found if metric in row["metrics"]]
    return [{"name": row["name"], metric: row["metrics"][metric]} for row in had]


def grouped(protocol: Facts, by: str, metric: str, most: int = 3) -> Rows:
    """A metric of us and of others in each group of users or movies."""
    ours, *others = (row["name"] for row in protocol["rows"])
    found = [row for row in protocol["groups"] if row["by"] == by and metric in row["metrics"]]
    there, names = {row["name"] for row in found}, [x for x in others if not x.startswith(ours)]
    known = [name for name in (ours, *names) if name in there][:most]
    return [
        {"group": row["group"], "way": row["name"], metric: row["metrics"][metric]}
        for row in found
        if row["name"] in known
    ]


def extremes(protocol: Facts, metric: str) -> Rows:
    """Of each way to group, the groups in which a metric of ours is least and most."""
    found = []
    for by in dict.fromkeys(row["by"] for row in protocol["groups"]):
        of = grouped(protocol, by, metric, most=1)
        low, *_, high = sorted(of * 2, key=lambda row: row[metric]["value"])
        about = {"lowest": f"{by}: {low['group']}", "least": low[metric]["value"]}
        found.append({**about, "highest": high["group"], "most": high[metric]["value"]})
    return found


def apart(found: Rows, one: str, other: str) -> dict[str, Any]:
    """The row in which one is most above the other."""
    return max(found, key=lambda row: row[one] - row[other])


def verdict(found: Sequence[Facts], metric: str) -> str:
    """How the first row stands beside the best of the others, by the interval of its lead."""
    led = [x for x in found[1:] if metric in x["metrics"] and metric in x.get("lead", {})]
    if not led:
        return ""
    sign = -1 if metric in LOWER else 1
    best = max(led, key=lambda x: sign * x["metrics"][metric]["value"])
    value, low, high = (best["lead"][metric][end] for end in ("value", "low", "high"))
    way = "Ahead of" if low > 0 else "Behind" if high < 0 else "Level with"
    return f"{way} {best['name']}: {value:+.3f} ({low:+.3f} to {high:+.3f}). "


def markdown(facts: Facts) -> str:
    """What `recsys.report.facts.facts` says, but for its data, single movies and users.

    >>> markdown({"summary": {"model": "a", "fingerprint": "0123"}})
    '## a, 0123\\n'
    """
    words = facts.get("words", {})
    blocks = ["## " + ", ".join(_cell(v) for n in NAMED if (v := facts["summary"].get(n)))]
    for title, found in _tables(facts):
        if found:
            names = [words[n] if n in NOUNS and n in words else n for n in found[0]]
            lines = [names, ["---"] * len(found[0]), *(row.values() for row in found)]
            text = "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)
            blocks += [f"**{_cell(title)}**", text]
    return "\n\n".join(blocks) + "\n"


def _cell(value: Any) -> str:
    """A value as a cell shows it: nothing in it is Markdown, HTML or a mention of somebody."""
    if isinstance(value, dict):
        return f"{value['value']:.4f} [{value['low']:.4f}, {value['high']:.4f}]"
    text = f"{value:.4f}" if isinstance(value, float) else "" if value is None else str(value)
    return escaped(text).translate(MARKS)


def _tables(facts: Facts) -> Iterator[tuple[str, Rows]]:
    """Titles and rows of what is said of a model, but for its data, single movies and users."""
    summary, training, quality, compare = (
        facts.get(name, {}) for name in ("summary", "training", "quality", "compare")
    )
    known = (name for name in ("ratings", "users", "items") if name in summary)
    counts = {facts["words"].get(name, name): summary[name] for name in known}
    yield "Learned from", pairs(counts, "what", "how many")
    yield "On validation", pairs(summary.get("validation", {}), "metric", "value")
    for one in quality.get("protocols", ()):
        name, seeds = one["protocol"], ", ".join(map(str, one["seeds"]))
        yield f"{name}, {one['users']} users, seed {seeds}: {one['about']}", flat(one["rows"])
        ours = (x for x in one.get("groups", ()) if x["name"] == OURS)
        yield (
            f"{name} by group",
            [
                {n: x[n] for n in ("by", "group", "users")}
                | {n: x["metrics"].get(n) for n in LEADS}
                for x in ours
            ],
        )
        yield f"{name}: predicted beside rated, by tenths", one.get("calibration", [])
    yield "ndcg@10 on validation, of the sum and each part alone", training.get("choice", [])
    yield "The vector, and what each part gives of the scores", training.get("slices", [])
    if bias := quality.get("bias"):
        title = f"Popularity; the first {bias['k']} of somebody have {bias['coverage']:.1%} of all"
        yield title, rows(bias["popularity"])
    yield "Two models", compare.get("about", [])
    yield "Options that differ", compare.get("options", [])
    for known, weights in compare.get("weights", {}).items():
        yield f"Weights in the ranking, {known}", weights
    if of := compare.get("overlap"):
        title = f"Of {of['k']} recommended to {of['users']} users {of['mean']:.1%} are the same"
        yield title, pairs(dict(enumerate(of["histogram"])), "the same", "users")
    yield "Measured", compare.get("difference", [])

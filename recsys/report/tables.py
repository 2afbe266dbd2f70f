"""Facts of a report as rows: what its tables show and its pictures are drawn of."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from recsys.report.evaluations import OURS

Facts = Mapping[str, Any]
Rows = list[dict[str, Any]]
LOWER = ("rmse", "mae")  # metrics of which less is better


def rows(table: Facts) -> Rows:
    """Columns as rows; what is no list is the same in every row."""
    longest = max(len(each) for each in table.values() if isinstance(each, list))
    every = {n: v if isinstance(v, list) else [v] * longest for n, v in table.items()}
    return [dict(zip(every, row, strict=True)) for row in zip(*every.values(), strict=True)]


def pairs(found: Mapping[Any, Any], name: str, value: str) -> Rows:
    """A row for each name and its value."""
    return [{name: key, value: each} for key, each in found.items()]


def alone(choice: Sequence[Facts]) -> Rows:
    """What each part of the vector gives alone, and in the sum, by what is known of a user."""
    return [
        {"part": part, "known": x["known"], "ndcg@10": y, "weight": x["weights"].get(part)}
        for x in choice
        for part, y in {"the sum": x["ndcg@10"], **x["alone"]}.items()
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
    had = [row for row in found if metric in row["metrics"]]
    return [{"name": row["name"], metric: row["metrics"][metric]} for row in had]


def grouped(protocol: Facts, found: Facts, metric: str) -> Rows:
    """A metric of us and of two others, in each group of users or movies."""
    ours, *others = (row["name"] for row in protocol["rows"])
    names = [ours, *(each for each in others if not each.startswith(ours))]
    known = [name for name in names if name in found["groups"][0]["metrics"]][:3]
    return [
        {"group": each["group"], "way": name, metric: each["metrics"][name][metric]}
        for each in found["groups"]
        for name in known
        if metric in each["metrics"].get(name, {})
    ]


def extremes(protocol: Facts, metric: str) -> Rows:
    """Of each way to group, the groups in which a metric of ours is least and most."""
    found, ours = [], protocol["rows"][0]["name"]
    for way in protocol["groups"]:
        of = [row for row in grouped(protocol, way, metric) if row["way"] == ours]
        low, *_, high = sorted(of * 2, key=lambda row: row[metric]["value"])
        about = {"lowest": f"{way['by']}: {low['group']}", "least": low[metric]["value"]}
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


def models(compare: Facts) -> Rows:
    """What two models are, and their metrics on validation, side by side."""
    a, b = ({**(of := compare.get(n, {})), **of.get("validation", {})} for n in "ab")
    said = [name for name, value in a.items() if not isinstance(value, dict)]
    return [{"what": name, "A": a[name], "B": b.get(name)} for name in said]


def tables(facts: Facts) -> Iterator[tuple[str, Rows]]:
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
        for each in one.get("groups", ()):
            ours = [{**row, "metrics": row["metrics"].get(OURS, {})} for row in each["groups"]]
            yield f"{name} by {each['by']}", flat(ours)
        for each in one.get("calibration", ())[:1]:
            yield f"{name}: predicted beside rated, by tenths", rows(each)
    yield "ndcg@10 on validation, of the sum and each part alone", alone(training.get("choice", ()))
    yield "The vector, and what each part gives of the scores", training.get("slices", [])
    if bias := quality.get("bias"):
        title = f"Popularity; the first {bias['k']} of somebody have {bias['coverage']:.1%} of all"
        yield title, rows(bias["popularity"])
    yield "Two models", models(compare)
    yield "Options that differ", compare.get("options", [])
    for known, weights in compare.get("weights", {}).items():
        yield f"Weights in the ranking, {known}", beside(weights)
    if of := compare.get("overlap"):
        title = f"Of {of['k']} recommended to {of['users']} users {of['mean']:.1%} are the same"
        yield title, pairs(dict(enumerate(of["histogram"])), "the same", "users")
    yield "Measured", compare.get("difference", [])


def beside(weights: Facts) -> Rows:
    """Weights of two models by part."""
    return [{"part": part, "A": a, "B": b} for part, (a, b) in weights.items()]

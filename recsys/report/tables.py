"""Facts of a report as rows: what its tables show and its pictures are drawn of."""

from collections.abc import Mapping, Sequence
from typing import Any

Facts = Mapping[str, Any]
Rows = list[dict[str, Any]]
LOWER = ("rmse", "mae")  # metrics of which less is better


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

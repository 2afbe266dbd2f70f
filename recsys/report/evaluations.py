"""What evaluations say, as a report has it: metrics by protocol, by group, and how far we lead."""

import json
from collections.abc import Sequence
from typing import Any

from recsys.errors import DataError

Facts = dict[str, Any]
OURS, IN_MILVUS = "recsys", "recsys in Milvus"  # rows, as `recsys.evaluation.compare` names them
LEADS = {"ndcg@10": "behind", "rmse": "rmse_behind"}  # how far we lead, in a row


def there(values: Facts) -> Facts:
    """What there is anything to say of: neither None nor empty."""
    empty: tuple[Any, ...] = (None, {}, [], "")
    return {name: each for name, each in values.items() if each not in empty}


def rows_of(text: str, name: str) -> list[Facts]:
    """The rows that `recsys evaluate --format json` printed; DataError if it did not."""
    needed = {"protocol", "seed", "name", "chosen", "metrics", "users", "by", "group"}
    needed |= {*LEADS.values()}
    try:
        rows = json.loads(text)
        if rows and all(needed <= {*row} and {*row["metrics"]} for row in rows):
            return rows
    except (ValueError, TypeError, RecursionError):
        pass
    cause = f"{name}: is not what recsys evaluate --format json prints"
    raise DataError(cause, "evaluate again, and name its output")


def protocol(rows: Sequence[Facts], about: str) -> Facts:
    """What evaluations by one protocol say: the mean of several seeds, else the first."""
    seeds = sorted({row["seed"] for row in rows})
    judged = [each for each in seeds if each >= 0]  # else the mean of several
    shown = [row for row in rows if row["seed"] == seeds[0]]
    found: dict[str, list[Facts]] = {"rows": [], "diversity": [], "indexes": []}
    groups: dict[str, dict[str, Facts]] = {}
    for row in shown:
        by, group, (way, _, share) = row["by"], str(row["group"]), row["chosen"].partition(" ")
        metrics = {"metrics": row["metrics"]}
        if way == "diversity":
            found["diversity"] += [] if by else [{"diversity": float(share), **metrics}]
        elif by:
            empty = {"group": group, "users": row["users"], "metrics": {}}
            of = groups.setdefault(by, {}).setdefault(group, empty)
            of["metrics"][row["name"].removesuffix(f", {by} {group}")] = row["metrics"]
        elif row["name"] == IN_MILVUS:
            found["indexes"].append({"index": row["chosen"], **metrics})
        else:
            about_it = {"name": row["name"], "chosen": row["chosen"], **metrics}
            about_it["lead"] = there({metric: row[key] for metric, key in LEADS.items()})
            found["rows"].append(about_it | there({"coverage": row.get("coverage")}))
    curves = [
        {"name": row["name"]} | {k: [t[k] for t in of] for k in ("predicted", "rated", "count")}
        for row in rows
        if row["seed"] == judged[0] and (of := row.get("calibration", {}).values())
    ]
    said: Facts = {"about": about, "seeds": judged, **found, "calibration": curves}
    said |= {name: shown[0].get(name) for name in ("protocol", "users", "left_out")}
    said["metrics"] = [*dict.fromkeys(name for row in found["rows"] for name in row["metrics"])]
    said["groups"] = [{"by": by, "groups": [*of.values()]} for by, of in groups.items()]
    return there(said)


def differences(protocols: Sequence[Facts], name: str) -> list[Facts]:
    """Our metrics beside those of the model of that name."""
    return [
        {"protocol": each["protocol"], "metric": metric, "lead": lead}
        | {"a": each["rows"][0]["metrics"][metric], "b": row["metrics"][metric]}
        for each in protocols
        for row in each["rows"]
        for metric, lead in row["lead"].items()
        if row["name"] == name
    ]

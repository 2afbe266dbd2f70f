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
    needed = {"protocol", "seed", "name", "chosen", "metrics", "users", *LEADS.values()}
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
    first = next(row for row in rows if row["seed"] == seeds[0])
    found: dict[str, list[Facts]] = {"rows": [], "diversity": [], "indexes": []}
    groups: dict[str, dict[str, Facts]] = {}
    for row in rows:
        by, group, chosen = row.get("by"), row.get("group"), row["chosen"]
        metrics = {"metrics": row["metrics"]}
        if row["seed"] != seeds[0] or (by and chosen.startswith("diversity ")):
            continue
        if by:
            empty = {"group": group, "users": row["users"], "metrics": {}}
            of = groups.setdefault(by, {}).setdefault(str(group), empty)
            of["metrics"][row["name"].removesuffix(f", {by} {group}")] = row["metrics"]
        elif chosen.startswith("diversity "):
            found["diversity"].append({"diversity": float(chosen.split()[1]), **metrics})
        elif row["name"] == IN_MILVUS:
            found["indexes"].append({"index": chosen, **metrics})
        else:
            lead = there({metric: row[key] for metric, key in LEADS.items()})
            named = {"name": row["name"], "chosen": chosen, **metrics, "lead": lead}
            found["rows"].append(named | there({"coverage": row.get("coverage")}))
    judged = [each for each in seeds if each >= 0]  # else the mean of several
    curves = [
        {"name": row["name"]} | {k: [t[k] for t in of] for k in ("predicted", "rated", "count")}
        for row in rows
        if (of := row.get("calibration", {}).values()) and row["seed"] == judged[0]
    ]
    said: Facts = {"protocol": first["protocol"], "about": about, "users": first["users"]}
    said |= {"left_out": first.get("left_out"), "seeds": judged}
    said["metrics"] = [*dict.fromkeys(name for row in found["rows"] for name in row["metrics"])]
    by_group = [{"by": by, "groups": [*of.values()]} for by, of in groups.items()]
    return there({**said, **found, "groups": by_group, "calibration": curves})


def differences(rows: Sequence[Facts], name: str) -> list[Facts]:
    """Our metrics beside those of the model of that name."""
    ours = {(row["protocol"], row["seed"]): row for row in rows[::-1] if row["name"] == OURS}
    found = []
    for row in (row for row in rows if row["name"] == name and not row.get("by")):
        mine = ours[row["protocol"], row["seed"]]["metrics"]
        for metric in (each for each, lead in LEADS.items() if row[lead]):
            both = {"a": mine[metric], "b": row["metrics"][metric], "lead": row[LEADS[metric]]}
            found.append({"protocol": row["protocol"], "metric": metric, **both})
    return found

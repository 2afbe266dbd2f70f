"""What evaluations say, as a report has it: metrics by protocol, by group, and how far we lead."""

import json
from collections.abc import Sequence
from typing import Any

from recsys.errors import DataError

Facts = dict[str, Any]
OURS, IN_MILVUS = "recsys", "recsys in Milvus"  # rows, as `recsys.evaluation.compare` names them
KEPT = ("by", "group", "name", "chosen", "users", "metrics", "coverage")
LEADS = {"ndcg@10": "behind", "rmse": "rmse_behind"}  # how far we lead, in a row


def there(values: Facts) -> Facts:
    """What there is anything to say of: neither None nor empty."""
    empty: tuple[Any, ...] = (None, {}, [], "")
    return {name: each for name, each in values.items() if each not in empty}


def rows_of(text: str, name: str) -> list[Facts]:
    """The rows that `recsys evaluate --format json` printed; DataError if it did not."""
    needed = {"protocol", "seed", "name", "chosen", "metrics", "users", "left_out", "by", "group"}
    needed |= {"coverage", "calibration", *LEADS.values()}
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
    curves = [row["calibration"] for row in rows if row["seed"] == judged[0] and row["calibration"]]
    found: Facts = {name: shown[0][name] for name in ("protocol", "users", "left_out")}
    found |= {
        "about": about,
        "seeds": judged,
        "calibration": [*curves[0].values()] if curves else [],
    }
    found |= {name: [] for name in ("rows", "groups", "diversity", "indexes")}
    for row in shown:
        by, diverse = row["by"], row["chosen"].startswith("diversity ")
        said = {name: row[name] for name in KEPT}
        said["name"] = row["name"].removesuffix(f", {by} {row['group']}")
        said["lead"] = there({metric: row[key] for metric, key in LEADS.items()})
        if not (by and diverse):
            through = "indexes" if row["name"] == IN_MILVUS else "rows"
            kind = "diversity" if diverse else "groups" if by else through
            found[kind].append(there(said))
    found["metrics"] = [*dict.fromkeys(name for row in found["rows"] for name in row["metrics"])]
    return there(found)


def differences(protocols: Sequence[Facts], name: str) -> list[Facts]:
    """Our metrics beside those of the model of that name."""
    return [
        {"protocol": each["protocol"], "metric": metric, "lead": lead}
        | {"a": each["rows"][0]["metrics"][metric], "b": row["metrics"][metric]}
        for each in protocols
        for row in each["rows"]
        for metric, lead in row.get("lead", {}).items()
        if row["name"] == name
    ]

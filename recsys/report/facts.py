"""Everything that a report says of a model, as plain data: page and markdown are made of it."""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import numpy as np

from recsys import __version__
from recsys.data.ids import as_text
from recsys.errors import DataError
from recsys.parts import EVIDENCE, PARTS
from recsys.report.computed import K, Looked, there
from recsys.options import Options

if TYPE_CHECKING:
    from recsys.serving.model_folder import Model

Facts = dict[str, Any]
Evaluation = list[dict[str, Any]]  # rows, as `recsys evaluate --format json` prints them
SECTIONS = ("summary", "data", "training", "quality", "map", "users", "card", "compare")
NOT_IN_TABLES = ("map", "users")  # of single movies and users
OURS = "recsys"  # names of rows, as `recsys.evaluation.compare` has them
ASIDE = ("recsys by rating", "recsys, the tutorial's way", "recsys in Milvus")
LEADS = {"ndcg@10": "behind", "rmse": "rmse_behind"}  # our lead, by metric
LOWER = ("rmse", "mae")  # is better
CHOSEN = ("recency_floor", *(each.name for each in fields(Options) if each.default == -1))
PROTOCOLS = {
    "random": "a fifth of every user's {ratings}, drawn at random, is to be found",
    "user-time": "the last fifth of every user's {ratings} is to be found",
    "fold-in": "the later half of what users did after a cut in time is to be found",
    "temporal": "the last fifth of all {ratings} is to be found",
    "cold-users": "all {ratings} of a tenth of the users, known by profile alone, are to be found",
    "cold-movies": "all {ratings} of a tenth of the {items} are to be found",
    "new-movies": "all {ratings} of the tenth of the {items} that came last are to be found",
    "few-likes": "users who are new and name a few likes; the rest of theirs is to be found",
}
SLICES = {
    "retrieval": "towers trained to find what a user takes next",
    "rating": "towers trained to predict {ratings}",
    "ease": "what those who took the same took too, a linear autoencoder",
    "factors": "what a user thinks of each kind of {item}, for predicted {ratings}",
    "taste": "{items} liked by the same users, and of like content",
    "popular": "what many take",
    "recent": "what many take of late",
}
LICENCES = {
    r"ml-.*": "GroupLens, University of Minnesota: for research, with acknowledgement; neither "
    "redistributed nor used commercially without permission",
    r"sample": "invented, under the licence of recsys (Apache-2.0)",
}


def facts(
    model: "Model",
    data: Mapping[str, Any] | None = None,
    evaluations: Sequence[Evaluation] = (),
    other: "Model | None" = None,
    only: Collection[str] = SECTIONS,
) -> Facts:
    """The sections of a report: numbers, texts, lists and dicts of these, as JSON has them.

    A key that there is nothing to say for is absent, also within a section. Texts are as the data
    has them: who prints them escapes them. An INTERVAL is `{"value", "low", "high"}`, of 95 %; a
    SHARE lies between 0 and 1; a DAY is "1998-04-22". Lists of one dict are columns: of one length.

    words
        item, items, rating, ratings: str; "movie", "movies" of data with genres and years, else
            "item", "items"; "rating", "ratings" of data with such, else "event", "events"
        rated: bool; whether ratings are predicted
        about: str; what ranking metrics count as relevant
    summary
        data: str; ratings, users, items: int; first, last: DAY of the ratings
        model: str, the folder; fingerprint, created, recsys: str; epoch, seed: int
        made: str, when the report was
        validation: {metric: float}, of config.json; of what: str
        since_training: {"ratings", "users", "movies", ...: int}
        headline: [{protocol: str, metric: str, better: "high" | "low", rows: [
            {name: str, value: INTERVAL, lead: INTERVAL of how much better we are}]}], ours first
    data
        summary: as `recsys inspect --json` has it (of the model's ratings, or of `data`)
        over_time: {unit: "day" | "week" | "month" | "year", start: [DAY], ratings: [int],
            users: [int], new_users: [int]}
        histogram: {"value or span": int}
        long_tail: {items, users: {rank: [SHARE], share: [SHARE of ratings], gini: float,
            median: float, most: int}}, cumulated, the most rated first
        genres: [{genre: str, items: int, ratings: int, density: SHARE, mean: float}]
        decades: [{decade: int, ...}], likewise
        genre_decade: {genres: [str], decades: [int], items, ratings: [[int]],
            density: [[SHARE | None]]}, a list for each genre
        left_out: [{what: str, count: int, why: str}]
    training
        epochs: [{epoch: int, retrieval_loss, rating_loss, ndcg@10, rmse, mae, seconds: float}]
        best: int, the epoch kept
        seconds: {stage: float}, in order
        slices: [{name, part, about: str, size: int, share: SHARE of the score of what is
            recommended}], of the vector
        weights: {question: {slice: float}}; of "relevance" {"history" | "likes" | "profile":
            {slice: float}}
        choice: [{known: "history" | "likes" | "profile", ndcg@10: float of the sum,
            alone: {slice: float}, weights: {slice: float}}], on held-out ratings
        options: [{name: str, value, default, about: str}]
    quality
        protocols: [{protocol, about: str, seeds: [int], users, left_out: int, metrics: [str],
            rows: [{name, chosen: str, metrics: {metric: INTERVAL}, coverage: SHARE,
                lead: {"ndcg@10" | "rmse": INTERVAL of how much better we are}}], ours first,
            groups: [{by: str, groups: [{group: str, users: int,
                metrics: {name of a row: {metric: INTERVAL}}}]}],
            calibration: [{name: str, predicted, rated: [float], count: [int]}],
            diversity: [{diversity: float, metrics: {metric: INTERVAL}}],
            indexes: [{index: str, metrics: {metric: INTERVAL}}]}]
        bias: {users: int, k: int, coverage: SHARE, gini: float, gini_ratings: float,
            popularity: {group: ["high", "middle", "low"], items, ratings, recommended: [SHARE]},
            genres: {genre: [str], ratings, recommended: [SHARE]},
            decades: {decade: [int], ratings, recommended: [SHARE]}}, of what is recommended
    map
        about: str, how it is made; shown, of: int
        id: [id]; title: [str]; x, y: [float in -1..1]; count: [int of ratings]
        genres: [[str]]; year: [int, 0 unknown]
        nearest: [[int, positions in these lists, nearest first]]; cosine: [[float]]
    users: [{kind: "active" | "typical" | "cold" | "unusual", about: str, user_id: id or None,
        attributes: {name: value}, ratings: int,
        history: [{movie_id, title, genres, year, rating: float, day: DAY}], liked most first,
        recommendations: [{rank, movie_id, title, genres, year, score, rating, why: {
            reasons: [{movie_id, title, rating, share: float}], profile: float}}]}]
    card
        uses, limits: [str]; data: str; licence: str; versions: {name: str}
        commands: [str], that do it again
    compare: beside `other`, B
        a, b: {model, fingerprint, created, data: str, epoch: int, ratings, users, items: int,
            validation: {metric: float}, seconds: {stage: float}}
        weights: {"history" | "likes" | "profile": {slice: [float, float]}}
        options: [{name: str, a, b}], that differ
        overlap: {users, k: int, mean: SHARE, histogram: [int; of users with 0, 1, ... k in common]}
        difference: [{protocol, metric: str, a, b: INTERVAL, lead: INTERVAL of how much better A
            is}]

    Args:
        model: as `load_model` has it.
        data: as `recsys inspect --json` has it, for what was left out of the ratings.
        evaluations: each as `rows_of` reads it.
        other: a model to stand beside.
        only: the sections that are wanted.

    Raises:
        QueryError: the library of the map is not there. ModelError: the model is damaged.

    >>> import recsys
    >>> sorted(facts(recsys.load_model("sample.model")))
    ['card', 'data', 'map', 'quality', 'summary', 'training', 'users', 'words']
    """
    looked, rows = Looked(model), [row for each in evaluations for row in each]
    protocols = [_protocol(name, rows, looked.words) for name in dict.fromkeys(map(_of, rows))]
    words = looked.words | {"rated": model.scale.rated, "about": _relevant(model, looked.words)}
    made: dict[str, Any] = {
        "summary": lambda: _summary(looked, protocols),
        "data": lambda: looked.data(data),
        "training": lambda: _training(looked),
        "quality": lambda: there({"protocols": protocols, "bias": looked.bias()}),
        "map": looked.map,
        "users": looked.users,
        "card": lambda: _card(looked, protocols),
        "compare": lambda: _compare(looked, Looked(other), rows) if other else {},
    }
    return there({"words": words, **{name: made[name]() for name in SECTIONS if name in only}})


def rows_of(text: str, name: str) -> Evaluation:
    """The rows of an evaluation, of a text as `recsys evaluate --format json` prints it.

    Raises:
        DataError: it is none.
    """
    needed = {"protocol", "seed", "name", "chosen", "metrics", "users", *LEADS.values()}
    try:
        rows = json.loads(text)
        if rows and all(needed <= {*row} and row["metrics"] is not None for row in rows):
            return rows
    except (ValueError, TypeError, RecursionError):
        pass
    cause = f"{name}: is not what recsys evaluate --format json prints"
    raise DataError(cause, "evaluate again, and name its output")


def _of(row: Mapping[str, Any]) -> str:
    return row["protocol"]


def _relevant(model: "Model", words: Mapping[str, str]) -> str:
    """What counts as relevant."""
    liked = f"rated {model.scale.liked:g} and more" if model.scale.rated else "taken"
    return "relevant is what is {} among the held-out {ratings}".format(liked, **words)


def _about(model: "Model") -> Facts:
    """What a model is, and what it learned from."""
    config, known = model.config, model.vocabulary
    counts = {"ratings": model.history.values, "users": known.user_ids, "items": known.movie_ids}
    return there(
        {
            "model": model.path.name,
            "fingerprint": model.fingerprint,
            "created": config.get("created"),
            "recsys": config.get("versions", {}).get("recsys"),
            "data": config.get("data", {}).get("name"),
            "epoch": config.get("epoch"),
            "seed": config.get("seed"),
            **{name: len(each) for name, each in counts.items()},
            "validation": config.get("validation"),
            "seconds": config.get("seconds"),
        }
    )


def _summary(looked: Looked, protocols: Sequence[Facts]) -> Facts:
    model = looked.model
    held, came = model.config.get("held_out"), model.config.get("since_training", {})
    times = looked.known.ratings.times
    days = np.sort(times[times > 0])[[0, -1]].astype("datetime64[s]") if times.any() else ()
    first, last = (str(each)[:10] for each in days) if len(days) else (None, None)
    about = _about(model)
    about.pop("seconds", None)
    return there(
        {
            **about,
            "of": f"{held['ratings']:,} held out, {held['how']}" if held else None,
            "first": first,
            "last": last,
            "made": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "since_training": {n: each for n, each in came.items() if isinstance(each, int)},
            "headline": [each for one in protocols for each in _headline(one)],
        }
    )


def _headline(protocol: Facts) -> Iterable[Facts]:
    """The first metrics of a protocol, of us and what we are compared with."""
    for metric in LEADS:
        rows = [
            there({"name": r["name"], "value": r["metrics"][metric], "lead": r["lead"].get(metric)})
            for r in protocol["rows"]
            if metric in r["metrics"] and r["name"] not in ASIDE
        ]
        better = "low" if metric in LOWER else "high"
        if rows:
            yield {
                "protocol": protocol["protocol"],
                "metric": metric,
                "better": better,
                "rows": rows,
            }


def _protocol(name: str, rows: Sequence[Mapping[str, Any]], words: Mapping[str, str]) -> Facts:
    """What evaluations say by a protocol: the mean of several seeds, else the first."""
    every = [row for row in rows if row["protocol"] == name]
    seeds = sorted({row["seed"] for row in every})
    mine = [row for row in every if row["seed"] == seeds[0]]
    whole = [row for row in mine if not row.get("by")]
    diverse = [row for row in whole if row["chosen"].startswith("diversity ")]
    indexed = [row for row in whole if row["name"] == ASIDE[-1]]
    listed = [row for row in whole if row not in diverse and row not in indexed]
    groups: dict[str, dict[str, list]] = {}
    for row in mine:
        if row.get("by") and not row["chosen"].startswith("diversity "):
            groups.setdefault(row["by"], {}).setdefault(row["group"], []).append(row)
    curves = [row for row in every if row.get("calibration") and row["seed"] == max(seeds[0], 0)]
    return there(
        {
            "protocol": name,
            "about": PROTOCOLS.get(name, "").format(**words),
            "seeds": [seed for seed in seeds if seed >= 0],
            "users": whole[0]["users"],
            "left_out": whole[0].get("left_out"),
            "metrics": list(dict.fromkeys(metric for row in listed for metric in row["metrics"])),
            "rows": [
                {
                    **{key: row[key] for key in ("name", "chosen", "metrics")},
                    "lead": there({metric: row[key] for metric, key in LEADS.items()}),
                    **there({"coverage": row.get("coverage")}),
                }
                for row in listed
            ],
            "groups": [
                {
                    "by": by,
                    "groups": [
                        {
                            "group": group,
                            "users": some[0]["users"],
                            "metrics": {
                                row["name"].removesuffix(f", {by} {group}"): row["metrics"]
                                for row in some
                            },
                        }
                        for group, some in each.items()
                    ],
                }
                for by, each in groups.items()
            ],
            "calibration": [
                {
                    "name": row["name"],
                    **{
                        key: [tenth[of] for tenth in row["calibration"].values()]
                        for key, of in (
                            ("predicted", "predicted"),
                            ("rated", "rated"),
                            ("count", "ratings"),
                        )
                    },
                }
                for row in curves
            ],
            "diversity": [
                {"diversity": float(row["chosen"].split()[1]), "metrics": row["metrics"]}
                for row in diverse
            ],
            "indexes": [{"index": row["chosen"], "metrics": row["metrics"]} for row in indexed],
        }
    )


def _training(looked: Looked) -> Facts:
    model, config = looked.model, looked.model.config
    relevance, shares = model.weights["relevance"], looked.shares()
    part_of = {name: part.name for part in PARTS for name in part.slices}
    options = {each.name: each for each in fields(Options)}
    return there(
        {
            "epochs": [{k: v for k, v in line.items() if k != "weights"} for line in model.log],
            "best": config.get("epoch"),
            "seconds": config.get("seconds"),
            "slices": [
                {
                    "name": name,
                    "part": part_of.get(name, name),
                    "about": SLICES.get(name, "").format(**looked.words),
                    "size": size,
                    "share": shares[name],
                }
                for name, size in model.layout.sizes.items()
            ],
            "weights": dict(model.weights),
            "choice": [
                {"known": kind, **found, "weights": relevance[kind]}
                for kind, found in config.get("choice", {}).items()
            ],
            "options": [
                {
                    "name": name,
                    "value": value,
                    "default": options[name].default,
                    "about": options[name].metadata["help"],
                }
                for name, value in config.get("options", {}).items()
                if name in options and value != options[name].default
            ],
        }
    )


def _card(looked: Looked, protocols: Sequence[Facts]) -> Facts:
    """The model card (Mitchell et al. 2019)."""
    model, words, counts = looked.model, looked.words, looked.counts
    config, about = model.config, _about(model)
    name = str(about.get("data", "DATA"))
    rare, users = float((counts < 5).mean()), float((looked.by_user < 5).mean())
    sides = ", ".join(each.name for each in model.vocabulary.users) or "nothing"
    licence = next((text for form, text in LICENCES.items() if re.fullmatch(form, name)), None)
    changed = [
        f" --set {option}={value:g}"
        for option, value in config.get("options", {}).items()
        if option not in ("seed", "epochs", *CHOSEN) and value != getattr(Options(), option, value)
    ]
    train = f"recsys train --data {name} --model {model.path.name} --seed {about.get('seed', 0)}"
    epochs = config.get("options", {}).get("epochs", Options().epochs)
    judged = [
        (one["protocol"], ",".join(map(str, one["seeds"] or [0])), f"{one['protocol']}.json")
        for one in protocols
    ]
    files = "".join(f" --evaluation {file}" for *_, file in judged)
    limits = [
        f"It has seen {about['ratings']:,} {words['ratings']} by {about['users']:,} users of "
        f"{about['items']:,} {words['items']}, and knows nothing beyond them.",
        f"{rare:.0%} of the {words['items']} have fewer than 5 {words['ratings']}, as have "
        f"{users:.0%} of the users: what is said of them rests on little.",
        "It repeats what its users did, with the popularity and the habits in that.",
        f"Of users it is told: {sides}. What groups get is worth a look before it is used.",
    ]
    if not looked.known.ratings.times.any():
        limits.append(f"The {words['ratings']} have no times: nothing tells what came later.")
    if any(one["protocol"] == "random" for one in protocols):
        limits.append("Held out at random, the future helps to find the past: by time it is less.")
    limits.append("The model holds all of its users' histories; a report shows those of a few.")
    rating = f", predicted {words['ratings']}" * model.scale.rated
    return {
        "uses": [
            f"Lists of {words['items']} for known users, for new ones by profile or a few likes"
            f"{rating}, and {words['items']} similar to one.",
            "Not for decisions about people.",
        ],
        "data": f"{name}: {about['ratings']:,} {words['ratings']}",
        "licence": licence or "not known to recsys; whose data it is says what may be done with it",
        "limits": limits,
        "commands": [
            train + f" --epochs {epochs}" * (epochs != Options().epochs) + "".join(changed),
            *(
                f"recsys evaluate --data {name} --protocol {protocol} --seeds {seeds} "
                f"--format json > {file}"
                for protocol, seeds, file in judged
            ),
            f"recsys report --model {model.path.name}{files}",
        ],
        "versions": {**config.get("versions", {}), "report by recsys": __version__},
    }


def _compare(a: Looked, b: Looked, rows: Sequence[Mapping[str, Any]]) -> Facts:
    """Two models side by side."""
    models = a.model, b.model
    relevance = [each.weights["relevance"] for each in models]
    weights = {}
    for kind in EVIDENCE:
        of = [each.get(kind, each) for each in relevance]
        weights[kind] = {name: [each.get(name, 0.0) for each in of] for name in {**of[0], **of[1]}}
    options = [each.config.get("options", {}) for each in models]
    name = b.model.path.name
    return there(
        {
            "a": _about(a.model),
            "b": _about(b.model),
            "weights": weights,
            "options": [
                {"name": key, "a": options[0].get(key), "b": options[1].get(key)}
                for key in {**options[0], **options[1]}
                if options[0].get(key) != options[1].get(key)
            ],
            "overlap": _overlap(a, b),
            "difference": [
                {
                    "protocol": row["protocol"],
                    "metric": metric,
                    "a": ours["metrics"][metric],
                    "b": row["metrics"][metric],
                    "lead": row[lead],
                }
                for row in rows
                if row["name"] == name
                for ours in rows
                if (_of(ours), ours["seed"], ours["name"]) == (_of(row), row["seed"], OURS)
                and not ours["chosen"].startswith("diversity ")
                for metric, lead in LEADS.items()
                if row[lead]
            ],
        }
    )


def _overlap(a: Looked, b: Looked) -> Facts:
    """How many of the movies that both recommend to a user are the same."""
    users = [each.model.vocabulary.user_ids for each in (a, b)]
    texts = [as_text(each) for each in users]
    mine = a.drawn[np.isin(texts[0][a.drawn], texts[1])]
    place = {text: n for n, text in enumerate(texts[1].tolist())}
    theirs = [place[text] for text in texts[0][mine].tolist()]
    if not len(mine):
        return {}
    lists = [
        each.lists(ids[rows].tolist())[1]
        for each, ids, rows in ((a, users[0], mine), (b, users[1], theirs))
    ]
    same = [
        len({*map(str, one)} & {*map(str, other)})
        for one, other in zip(*(each.movie_ids.tolist() for each in lists), strict=True)
    ]
    counts = np.bincount(same, minlength=K + 1)
    return {
        "users": len(mine),
        "k": K,
        "mean": float(np.mean(same)) / K,
        "histogram": counts.tolist(),
    }

"""Everything that a report says of a model, as plain data: page and markdown are made of it."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timezone
from functools import cached_property
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.ids import as_text, positions
from recsys.data.schema import profile
from recsys.data.summary import summary
from recsys.errors import QueryError
from recsys.evaluation.given import GROUPS, known_to, thirds
from recsys.infer import Recommendation, Recommender, UserQuery, catalogue, users_of
from recsys.options import Options
from recsys.parts import EVIDENCE, PARTS
from recsys.report.evaluations import differences, headline, protocol, there
from recsys.report.shapes import gini, nearest, projected, tail
from recsys.serving.catalogue import Hits
from recsys.serving.model_folder import Model
from recsys.serving.reasons import Why

Facts = dict[str, Any]
SECTIONS = ("summary", "data", "training", "quality", "map", "users", "card", "compare")
IN_PAGE = ("map", "users")  # alone: they are of single movies and users
CHOSEN = ("seed", "recency_floor")  # of the options, and those of -1: not said again to train
KNOBS = {each.name: each for each in fields(Options)}
K, DRAWN = 10, 1000  # movies of a list; users whose lists are looked at
SPANS = {"D": "day", "W": "week", "M": "month", "Y": "year"}
MOST_SPANS = 80  # of a curve over time
MAPPED, NEAR = 10_000, 10  # the most rated movies are on the map; neighbours of each
LONGEST, SHOWN = 2000, 10  # ratings of a user who is shown; those of them that are
TOLD = ("rank", "movie_id", "title", "genres", "year", "rating")  # of a recommendation


def facts(
    model: Model,
    data: Mapping[str, Any] | None = None,
    evaluations: Sequence[Sequence[Facts]] = (),
    other: Model | None = None,
    only: Collection[str] = SECTIONS,
) -> Facts:
    """Sections of numbers and texts, as JSON has them; docs/report.md lists all keys.

    What there is nothing to say of is absent. Texts are as the data has them: who prints them
    escapes them.

    Args:
        data: as `recsys inspect --json` has it, to say what was left out of the ratings.
        evaluations: each as `rows_of` reads it.
        other: a model to stand beside.
        only: the sections that are wanted.

    Raises:
        QueryError: the library of the map is not there. ModelError: the model is damaged.

    >>> import recsys
    >>> list(facts(recsys.load_model("sample.model"), only=("summary", "training")))
    ['words', 'summary', 'training']
    """
    look, rows = Look(model), [row for each in evaluations for row in each]
    protocols = [
        protocol(some, look.text(about))
        for name, about in look.texts["protocols"].items()
        if (some := [row for row in rows if row["protocol"] == name])
    ]
    liked = f"rated {model.scale.liked:g} and more" if model.scale.rated else "taken"
    about = look.text(look.texts["relevant"], liked=liked)
    made: dict[str, Any] = {
        "summary": lambda: look.summary(protocols),
        "data": lambda: look.data(data or {}),
        "training": look.training,
        "quality": lambda: there({"protocols": protocols, "bias": look.bias()}),
        "map": look.map,
        "users": look.users,
        "card": lambda: look.card(protocols),
        "compare": lambda: compared(look, Look(other), rows) if other else {},
    }
    found = {name: made[name]() for name in SECTIONS if name in only}
    return there({"words": {**look.words, "rated": model.scale.rated, "about": about}, **found})


def check_extra() -> None:
    """Raises a QueryError where a library is missing that the page needs."""
    for name, library in (
        ("jinja2", "Jinja2"),
        ("sklearn", "scikit-learn"),
        ("vl_convert", "vl-convert"),
    ):
        if not find_spec(name):
            cause = f"the page of a report needs {library}, which is not installed"
            raise QueryError(cause, "pip install 'recsys[report]', or take --format md")


class Look:
    """What a model, its ratings and its lists look like, section by section."""

    def __init__(self, model: Model) -> None:
        self.model, self.movies, self.known = model, catalogue(model), known_to(model)
        self.counts = np.bincount(self.known.ratings.movie_ids, minlength=len(self.movies))
        self.by_user = model.history.counts[1:]
        self.raters, self.names = int((self.by_user > 0).sum()), model.vocabulary.genres
        item = "movie" if self.names and self.movies.years.any() else "item"
        rating = "rating" if model.scale.rated else "event"
        self.words = {"item": item, "items": f"{item}s", "rating": rating, "ratings": f"{rating}s"}
        rows = model.vocabulary.genre_rows(self.movies.genres)[..., None]
        self.genres = (rows == np.arange(1, len(self.names) + 1)).any(1)  # (M, G)
        of = self.movies.years // 10 * 10
        self.texts = json.loads(files("recsys.report").joinpath("words.json").read_text("utf-8"))
        self.decades = np.unique(of[of > 0]).tolist()
        self.decade = of[:, None] == np.array(self.decades)  # (M, D)

    def text(self, form: str, **values: Any) -> str:
        """A text in the words of the data."""
        return form.format(**self.words, **values)

    def about(self) -> Facts:
        """What the model is, and what it learned from."""
        config, known, at = self.model.config, self.model.vocabulary, self.model.path.name
        counts = len(self.known.ratings), len(known.user_ids), len(known.movie_ids)
        named = {name: config.get(name) for name in ("created", "epoch", "seed", "validation")}
        about = {"model": at, "fingerprint": self.model.fingerprint, **named}
        about |= zip(("ratings", "users", "items"), counts, strict=True)
        origin = {"data": config.get("data", {}).get("name")}
        return there({**origin, **about, "recsys": config.get("versions", {}).get("recsys")})

    def summary(self, protocols: Sequence[Facts]) -> Facts:
        config, counted = self.model.config, summary(self.known)
        held, came = config.get("held_out"), config.get("since_training", {})
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        ahead = [each for one in protocols for each in headline(one)]
        days = {name: counted[name] for name in ("first", "last")}
        of = held and f"{held['ratings']:,} held out, {held['how']}"
        came = {name: each for name, each in came.items() if isinstance(each, int)}
        more = {"of": of, "made": now, "since_training": came, "headline": ahead}
        return there({**self.about(), **days, **more})

    # The ratings

    def data(self, inspected: Mapping[str, Any]) -> Facts:
        found = {**(inspected or summary(self.known))}
        found.pop("first_bad_lines", None)
        density = self._density(self.genres, self.decade)
        both = {"genres": self.names, "decades": self.decades, **density}
        sides = {"genre": (self.names, self.genres), "decade": (self.decades, self.decade)}
        each = {
            f"{name}s": [
                {name: label, **self._described(of)}
                for label, of in zip(labels, masks.T, strict=True)
            ]
            for name, (labels, masks) in sides.items()
        }
        tails = {"items": tail(self.counts), "users": tail(self.by_user)}
        more = {"over_time": self._over_time(), "histogram": found.get("histogram")}
        more |= {
            "long_tail": tails,
            "genre_decade": both if each["genres"] and self.decades else {},
        }
        return there({"summary": found, **more, **each, "left_out": self._left_out(inspected)})

    def _density(self, rows: NDArray[np.bool_], columns: NDArray[np.bool_]) -> Facts:
        """How many movies and ratings there are in each cell, and which share of what could be."""
        items = rows.T.astype(int) @ columns
        ratings = (rows * self.counts[:, None]).T @ columns
        share = (ratings / np.maximum(1, items * self.raters)).tolist()
        known = [
            [value if n else None for value, n in zip(*both, strict=True)]
            for both in zip(share, items.tolist(), strict=True)
        ]
        return {"items": items.tolist(), "ratings": ratings.tolist(), "density": known}

    def _described(self, of: NDArray[np.bool_]) -> Facts:
        """The same of some movies, and how they are rated."""
        items, ratings = int(of.sum()), int(self.counts[of].sum())
        values = self.known.ratings.values[of[self.known.ratings.movie_ids]]
        mean = float(self.known.scale.outward(values).mean(dtype=float)) if ratings else None
        density = ratings / max(1, items * self.raters)
        mean = mean if self.known.scale.rated else None
        return there({"items": items, "ratings": ratings, "density": density, "mean": mean})

    def _over_time(self) -> Facts:
        """Ratings, users and new users by day, week, month or year."""
        timed = self.known.ratings[self.known.ratings.times > 0]
        if len(np.unique(timed.times)) < 2:
            return {}
        for code in SPANS:
            spans = timed.times.astype("M8[s]").astype(f"M8[{code}]").astype(int)
            first, length = spans.min(), int(np.ptp(spans)) + 1
            if length <= MOST_SPANS:
                break
        spans, (users, user) = spans - first, np.unique(timed.user_ids, return_inverse=True)
        joined = np.full(len(users), length)
        np.minimum.at(joined, user, spans)
        active = np.unique(spans * len(users) + user) // len(users)
        starts = (first + np.arange(length)).astype(f"M8[{code}]").astype("M8[D]").astype(str)
        columns = {"ratings": spans, "users": active, "new_users": joined}
        counted = {n: np.bincount(v, minlength=length).tolist() for n, v in columns.items()}
        return {"unit": SPANS[code], "start": starts.tolist(), **counted}

    def _left_out(self, inspected: Mapping[str, Any]) -> list[Facts]:
        """What is not learned from as the rest is, how much of it, and why."""
        held = self.model.config.get("held_out", {})
        counts = [inspected.get(name) for name in ("bad_lines", "duplicates", "empty_fields")]
        counts += [int((self.counts == 0).sum()), held.get("ratings")]
        named = [
            [self.text(t, how=held.get("how")) for t in of] for of in self.texts["left out"].items()
        ]
        rows = [(*of, count) for of, count in zip(named, counts, strict=True) if count]
        rows += [(name, why, 0) for name, why in inspected.get("unused", {}).items()]
        return [{"what": what, "count": count, "why": why} for what, why, count in rows]

    # The training

    def training(self) -> Facts:
        model, config = self.model, self.model.config
        part = {name: each.name for each in PARTS for name in each.slices}
        vectors, movies = self.recommended
        products = model.layout.cut(
            np.einsum("nv,nv->v", vectors, self.movies.vectors[movies])[:-1]
        )
        gave = {name: float(each.sum()) for name, each in products.items()}
        total, weights, slices = sum(gave.values()) or 1.0, model.weights, []
        for name, size in model.layout.sizes.items():
            about = {
                "part": part[name],
                "about": self.text(self.texts["slices"][name]),
                "size": size,
            }
            slices.append({"name": name, **about, "share": gave[name] / total})
        chosen = config.get("choice", {}).items()
        changed = [
            {"name": n, "value": v, "default": KNOBS[n].default, "about": KNOBS[n].metadata["help"]}
            for n, v in config.get("options", {}).items()
            if n in KNOBS and v != KNOBS[n].default
        ]
        return there(
            {
                "epochs": [{k: v for k, v in one.items() if k != "weights"} for one in model.log],
                "best": config.get("epoch"),
                "seconds": config.get("seconds"),
                "slices": slices,
                "weights": {**weights},
                "choice": [
                    {"known": k, **v, "weights": weights["relevance"][k]} for k, v in chosen
                ],
                "options": changed,
            }
        )

    # What is recommended

    def lists(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], Hits]:
        """(B, V) vectors of users by position, and the K best movies that they have not rated."""
        ids = self.model.vocabulary.movie_ids
        asked = map(UserQuery, self.model.vocabulary.user_ids[rows].tolist())
        users = users_of(self.model, list(asked))
        vectors = users.vectors("relevance")
        seen = [ids[users.rated.of(row)[0] - 1] for row in range(len(rows))]
        return vectors, self.movies.search(vectors, min(K, len(ids)), exclude=seen)

    @cached_property
    def drawn(self) -> NDArray[np.int64]:
        """(B,) positions of DRAWN users who rated, or of all."""
        rated = np.flatnonzero(self.by_user)
        return np.sort(np.random.default_rng(0).permutation(rated)[:DRAWN])

    @cached_property
    def recommended(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """(N,) positions of the movies of the drawn users' lists; (N, V) the users' vectors."""
        vectors, hits = self.lists(self.drawn)
        rows = self.model.vocabulary.movie_rows(hits.movie_ids[hits.mask])
        return vectors[np.nonzero(hits.mask)[0]], rows - 1

    def bias(self) -> Facts:
        """How what is recommended differs from what is rated."""
        listed = np.bincount(self.recommended[1], minlength=len(self.counts))
        every = {
            "popularity": ("group", [*GROUPS], thirds(self.counts)[:, None] == np.arange(3)),
            "genres": ("genre", self.names, self.genres),
            "decades": ("decade", self.decades, self.decade),
        }
        counted = {"items": np.ones(len(listed)), "ratings": self.counts, "recommended": listed}
        shares = {
            key: {name: labels}
            | {n: (v @ masks / max(1, v.sum())).tolist() for n, v in counted.items()}
            for key, (name, labels, masks) in every.items()
            if labels
        }
        spread = {"gini": gini(listed), "gini_ratings": gini(self.counts)}
        coverage = float((listed > 0).mean())
        return {"users": len(self.drawn), "k": K, "coverage": coverage, **spread, **shares}

    def map(self) -> Facts:
        """The most rated movies in two dimensions, and the nearest of each."""
        shown = np.sort(np.argsort(-self.counts, kind="stable")[:MAPPED])
        movies, counts = self.movies[shown], self.counts[shown].tolist()
        if len(shown) < 3:
            return {}
        places, how = projected(movies.vectors)
        near, of = nearest(movies.vectors, min(NEAR, len(shown) - 1))
        cosines = of.astype(float).round(3).tolist()
        about = {"about": how, "shown": len(shown), "of": len(self.movies)}
        about |= {"id": movies.ids.tolist(), "title": movies.titles, "count": counts}
        about |= {"x": places[:, 0].round(4).tolist(), "y": places[:, 1].round(4).tolist()}
        about["genres"] = [*map(list, movies.genres)] if any(movies.genres) else None
        about["year"] = movies.years.tolist() if movies.years.any() else None
        return there({**about, "nearest": near.tolist(), "cosine": cosines})

    def users(self) -> list[Facts]:
        """An active user, a typical, an unusual and a cold one, and what they are told."""
        known, counts, kinds = self.model.vocabulary, self.by_user, dict[int, str]()
        rows = np.flatnonzero((counts > 0) & (counts <= LONGEST))
        median = np.median(counts[rows]) if len(rows) else 0
        if len(rows):
            rare = np.append(0, np.log2(self.counts.max() / np.maximum(1, self.counts)))[:, None]
            rare = self.model.history.dot(rare, 1.0)[1:, 0][rows] / counts[rows]
            off = np.abs(np.log2(counts[rows] / median)) + np.abs(rare - np.median(rare))
            unusual = np.argmax(np.where(counts[rows] >= median, rare, -1))
            places = {
                "unusual": unusual,
                "typical": np.argmin(off),
                "active": counts[rows].argmax(),
            }
            kinds = {int(rows[place]): kind for kind, place in places.items()}  # one may be several
        profiles, times = np.unique(self.model.attributes[1:], axis=0, return_counts=True)
        common = profile(known.users, profiles[times.argmax()]) if len(times) else {}
        queries = [UserQuery(known.user_ids[row].item()) for row in kinds]
        queries.append(UserQuery(attributes=common))
        answers = Recommender(self.model, self.movies).recommend(queries, K, explain=True)
        found = []
        for (row, kind), answer in zip([*kinds.items(), (-1, "cold")], answers, strict=True):
            about = self.text(self.texts["users"][kind], median=median)
            who: Facts = {"kind": kind, "about": about, "user_id": answer.query.user_id}
            who |= {"attributes": {**answer.query.attributes}, "history": [*self._history(row)]}
            who["ratings"] = int(counts[row]) if row >= 0 else 0
            found.append(there({**who, "recommendations": [*map(told, answer)]}))
        return found[-2::-1] + found[-1:]

    def _history(self, row: int) -> Iterator[Facts]:
        """What a user likes most, the latest first; nothing of no user."""
        movies, values, times = self.model.history.of(row + 1)
        order = np.lexsort((-times, -values))[:SHOWN]
        days, ratings = times.astype("M8[s]").astype("M8[D]"), self.known.scale.outward(values)
        for each in order.tolist():
            place, rated = int(movies[each]) - 1, self.known.scale.rated
            about: Facts = {"movie_id": self.movies.ids[place].item()}
            about |= {"title": self.movies.titles[place], "genres": [*self.movies.genres[place]]}
            about |= {"year": int(self.movies.years[place]) or None}
            about |= {"rating": float(ratings[each]) if rated else None}
            yield there({**about, "day": str(days[each]) if times[each] > 0 else None})

    def card(self, protocols: Sequence[Facts]) -> Facts:
        """The model card (Mitchell et al. 2019)."""
        about, config = self.about(), self.model.config
        name, options = about.get("data", "DATA"), config.get("options", {})
        counts = {"count": about["ratings"], "users": about["users"], "total": about["items"]}
        numbers: Facts = {each: f"{count:,}" for each, count in counts.items()}
        numbers |= {"rare": (self.counts < 5).mean(), "quiet": (self.by_user < 5).mean()}
        numbers["sides"] = ", ".join(each.name for each in self.model.vocabulary.users) or "nothing"
        limits = [self.text(each, **numbers) for each in self.texts["limits"]]
        if not self.known.ratings.times.any():
            limits.append(self.text(self.texts["no times"]))
        licence = next(
            text for start, text in self.texts["licences"].items() if name.startswith(start)
        )
        train = f"recsys train --data {name} --model {about['model']} --seed {about.get('seed', 0)}"
        for knob, value in options.items():
            if (
                knob in KNOBS
                and value != KNOBS[knob].default
                and knob not in CHOSEN
                and KNOBS[knob].default != -1
            ):
                train += f" --epochs {value}" if knob == "epochs" else f" --set {knob}={value}"
        commands, report = [train], f"recsys report --model {about['model']}"
        for each in protocols:
            of, seeds = each["protocol"], ",".join(map(str, each.get("seeds", [0])))
            line = f"recsys evaluate --data {name} --protocol {of} --seeds {seeds}"
            commands.append(f"{line} --format json > {of}.json")
            report += f" --evaluation {of}.json"
        uses, of = [self.text(each) for each in self.texts["uses"]], f"{name}: {counts['count']:,}"
        found = {"uses": uses, "limits": limits, "data": f"{of} {self.words['ratings']}"}
        more = {"licence": licence, "versions": config.get("versions")}
        return there({**found, **more, "commands": [*commands, report]})


def told(movie: Recommendation) -> Facts:
    """A recommendation, and what carried it."""
    found = {name: getattr(movie, name) or None for name in TOLD}
    if isinstance(movie.why, Why):
        reasons = [there(each._asdict()) for each in movie.why.reasons]
        found["why"] = there({"reasons": reasons, "profile": movie.why.profile})
    return there({**found, "genres": [*movie.genres], "score": movie.score})


def compared(a: Look, b: Look, rows: Sequence[Facts]) -> Facts:
    """Two models side by side."""
    sides, weights = (a.model, b.model), dict[str, Facts]()
    for kind in EVIDENCE:
        one, other = (m.weights["relevance"].get(kind, m.weights["relevance"]) for m in sides)
        weights[kind] = {n: [one.get(n, 0.0), other.get(n, 0.0)] for n in {**one, **other}}
    one, other = (each.config.get("options", {}) for each in sides)
    options = [
        (n, one.get(n), other.get(n)) for n in {**one, **other} if one.get(n) != other.get(n)
    ]
    about = {
        name: each.about() | there({"seconds": each.model.config.get("seconds")})
        for name, each in (("a", a), ("b", b))
    }
    differ = [{"name": name, "a": x, "b": y} for name, x, y in options]
    more = {"weights": weights, "options": differ, "overlap": overlap(a, b)}
    return there({**about, **more, "difference": differences(rows, b.model.path.name)})


def overlap(a: Look, b: Look) -> Facts:
    """How many of the movies that both recommend to a user are the same."""
    users, others = (as_text(each.model.vocabulary.user_ids) for each in (a, b))
    order = np.argsort(others)
    places = positions(others[order], users[a.drawn])
    mine, theirs = a.drawn[places >= 0], order[places[places >= 0]]
    if not len(mine):
        return {}
    lists = [look.lists(of)[1].movie_ids.tolist() for look, of in ((a, mine), (b, theirs))]
    pairs = zip(*lists, strict=True)
    same = np.array([len({*map(str, one)} & {*map(str, other)}) for one, other in pairs])
    histogram = np.bincount(same, minlength=K + 1).tolist()
    return {"users": len(mine), "k": K, "mean": float(same.mean()) / K, "histogram": histogram}

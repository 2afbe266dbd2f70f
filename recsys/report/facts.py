"""Everything that a report says of a model, as plain data: page and tables are made of it."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.ids import positions
from recsys.data.schema import profile
from recsys.data.summary import summary
from recsys.evaluation.given import GROUPS, known_to, thirds
from recsys.infer import Recommendation, Recommender, UserQuery, catalogue, users_of
from recsys.options import Options
from recsys.parts import EVIDENCE, PARTS
from recsys.report.evaluations import differences, protocol, there
from recsys.report.shapes import gini, projected, tail
from recsys.report.tables import both
from recsys.report.tables import rows as rows_of
from recsys.serving.catalogue import Hits
from recsys.serving.model_folder import Model
from recsys.serving.reasons import Why

Facts = dict[str, Any]
SECTIONS = ("summary", "data", "training", "quality", "map", "users", "card", "compare")
IN_PAGE = ("map", "users", "card")  # alone
FEW = 5  # ratings
KNOBS = {each.name: each for each in fields(Options)}
K, DRAWN = 10, 1000  # movies of a list; users whose lists are looked at
SPANS = {"D": "day", "W": "week", "M": "month", "Y": "year"}
MOST_SPANS, MAPPED = 80, 10_000  # of a curve over time; the most rated movies are on the map
LONGEST, SHOWN = 2000, 10  # ratings of a user who is shown; those of them that are
TOLD = ("movie_id", "title", "score", "rating")  # of a recommendation


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
        only: the sections that are wanted; that of the map needs scikit-learn.

    Raises:
        ModelError: the model is damaged.

    >>> import recsys
    >>> list(facts(recsys.load_model("sample.model"), only=("summary", "training")))
    ['words', 'summary', 'training']
    """
    look, rows = Look(model), [row for each in evaluations for row in each]
    now = datetime.now(timezone.utc)
    protocols = [
        protocol(some, look.text("protocols", name))
        for name in look.texts["protocols"]
        if (some := [row for row in rows if row["protocol"] == name])
    ]
    made: dict[str, Any] = {
        "summary": lambda: {**look.summary(), "made": now.isoformat(timespec="seconds")},
        "data": lambda: look.data(data or {}),
        "training": look.training,
        "quality": lambda: there({"protocols": protocols, "bias": look.bias()}),
        "map": look.map,
        "users": lambda: [*look.users()],
        "card": look.card,
        "compare": lambda: compared(look, Look(other), protocols) if other else {},
    }
    return {"words": look.words, **there({n: made[n]() for n in SECTIONS if n in only})}


class Look:
    """What a model, its ratings and its lists look like, section by section."""

    def __init__(self, model: Model) -> None:
        self.model, self.movies, self.known = model, catalogue(model), known_to(model)
        self.config, names, scale = model.config, model.vocabulary.genres, model.scale
        years, ratings = self.movies.years, self.known.ratings
        self.years = years * (2 * np.count_nonzero(years) >= len(years))  # else of few titles alone
        decades = self.years // 10 * 10
        self.counts = np.bincount(ratings.movie_ids, minlength=len(self.movies))
        self.sums = np.bincount(ratings.movie_ids, scale.outward(ratings.values), len(self.movies))
        self.by_user, different = model.history.counts[1:], np.unique(decades[decades > 0])
        rows = model.vocabulary.genre_rows(self.movies.genres)
        self.sides: dict[str, tuple[list, NDArray[np.bool_]]] = {  # labels, (M, labels) who is in
            "genre": ([*names], (rows[..., None] == np.arange(1, len(names) + 1)).any(1)),
            "decade": (different.astype(str).tolist(), decades[:, None] == different),
        }
        self.texts = json.loads(Path(__file__).with_name("words.json").read_text("utf-8"))
        item = "movie" if names and len(different) else "item"
        rating = "rating" if scale.rated else "event"
        self.words: Facts = {"item": item, "items": f"{item}s", "rated": scale.rated}
        self.words |= {"rating": rating, "ratings": f"{rating}s"}
        self.words["about"] = self.text("relevant", rating, liked=scale.liked)

    def text(self, *names: Any, **values: Any) -> Any:
        """A text of words.json, or several, in the words of the data."""
        found: Any = self.texts
        for name in names:
            found = found[name]
        if isinstance(found, list):
            return [each.format(**self.words, **values) for each in found]
        return found.format(**self.words, **values)

    def summary(self) -> Facts:
        """What the model is, and what it learned from."""
        config, known, counted = self.config, self.model.vocabulary, summary(self.known)
        held = config.get("held_out")
        about = {"data": config.get("data", {}).get("name"), "model": self.model.path.name}
        about |= {"fingerprint": self.model.fingerprint, "ratings": counted["ratings"]}
        about |= {"users": len(known.user_ids), "items": len(known.movie_ids)}
        about |= {n: config.get(n) for n in ("created", "epoch", "seed", "validation", "seconds")}
        about |= {n: counted[n] for n in ("first", "last")}
        about["of"] = held and f"{held['ratings']:,} held out, {held['how']}"
        return there({**about, "recsys": config.get("versions", {}).get("recsys")})

    # The ratings

    def data(self, inspected: Mapping[str, Any]) -> Facts:
        found = {**(inspected or summary(self.known))}
        found.pop("first_bad_lines", None)
        (names, genres), (decades, decade) = self.sides.values()
        cells = genres.T.astype(int) @ decade, (genres * self.counts[:, None]).T @ decade
        g, d = np.nonzero(cells[0])
        both = {"genre": [names[n] for n in g], "decade": [decades[n] for n in d]}
        both |= self._dense(*(each[g, d] for each in cells))
        tails = {"items": tail(self.counts), "users": tail(self.by_user)}
        more = {"over_time": self._over_time(), "histogram": found.get("histogram")}
        more |= {f"{name}s": self._by(name) for name in self.sides}
        more |= {"genre_decade": both if len(g) else {}, "long_tail": tails}
        return there({"summary": found, **more, "left_out": self._left_out(inspected)})

    def _dense(self, items: NDArray, ratings: NDArray) -> Facts:
        """Movies and ratings, and which share these are of all that so many could have."""
        density = ratings / np.maximum(1, items * np.count_nonzero(self.by_user))
        counts = {"items": items, "ratings": ratings, "density": density}
        return {name: each.tolist() for name, each in counts.items()}

    def _by(self, name: str) -> list[Facts]:
        """How many movies and ratings each genre or decade has, how dense, and how good."""
        labels, masks = self.sides[name]
        ratings = self.counts @ masks
        columns = {name: labels, **self._dense(masks.sum(0), ratings)}
        if self.words["rated"]:
            columns["mean"] = (self.sums @ masks / np.maximum(1, ratings)).tolist()
        return rows_of(columns)

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
        held = self.config.get("held_out", {})
        counts = [inspected.get(name) for name in ("bad_lines", "duplicates", "empty_fields")]
        counts += [int((self.counts == 0).sum()), held.get("ratings")]
        texts = [self.text("left out", n, how=held.get("how")) for n in range(len(counts))]
        found = [(*of, count) for of, count in zip(texts, counts, strict=True) if count]
        found += [(name, why, 0) for name, why in inspected.get("unused", {}).items()]
        return [{"what": what, "count": count, "why": why} for what, why, count in found]

    # The training

    def training(self) -> Facts:
        part = {name: each.name for each in PARTS for name in each.slices}
        (vectors, movies), weights = self.recommended, self.model.weights
        given = np.einsum("nv,nv->v", vectors, self.movies.vectors[movies])[:-1]
        shares = {n: float(v.sum()) for n, v in self.model.layout.cut(given).items()}
        slices = [
            {"name": name, "part": part[name], "about": self.text("slices", name), "size": size}
            | {"share": shares[name] / (sum(shares.values()) or 1)}
            for name, size in self.model.layout.sizes.items()
        ]
        of, chosen = weights["relevance"], self.config.get("choice", {})
        log = [{n: v for n, v in one.items() if n != "weights"} for one in self.model.log]
        about = {"epochs": log, "best": self.config.get("epoch"), "slices": slices}
        about |= {"seconds": self.config.get("seconds"), "weights": {**weights}}
        about["choice"] = [
            {"part": part, "known": known, "ndcg@10": value, "weight": of[known].get(part)}
            for known, one in chosen.items()
            for part, value in {"the sum": one["ndcg@10"], **one["alone"]}.items()
        ]
        about["options"] = [
            {"name": n, "value": v, "default": KNOBS[n].default, "about": KNOBS[n].metadata["help"]}
            for n, v in self.config.get("options", {}).items()
            if n in KNOBS and v != KNOBS[n].default
        ]
        return there(about)

    # What is recommended

    def lists(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], Hits]:
        """(B, V) vectors of users by position, and the K best movies that they have not rated."""
        known = self.model.vocabulary
        users = users_of(self.model, [UserQuery(each) for each in known.user_ids[rows].tolist()])
        vectors, rated = users.vectors("relevance"), range(len(rows))
        seen = [known.movie_ids[users.predicted.history.of(row)[0] - 1] for row in rated]
        return vectors, self.movies.search(vectors, min(K, len(self.movies)), exclude=seen)

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
        counted = {"items": np.ones(len(listed)), "ratings": self.counts, "recommended": listed}
        groups = [*GROUPS], thirds(self.counts)[:, None] == np.arange(len(GROUPS))
        about: Facts = {"users": len(self.drawn), "k": K, "coverage": float((listed > 0).mean())}
        about |= {"gini": gini(listed), "gini_ratings": gini(self.counts)}
        for name, (labels, masks) in {"group": groups, **self.sides}.items():
            shares = {n: (v @ masks / max(1, v.sum())).tolist() for n, v in counted.items()}
            key = "popularity" if name == "group" else f"{name}s"
            about[key] = {name: labels, **shares} if labels else {}
        return there(about)

    def map(self) -> Facts:
        """The most rated movies in two dimensions, and the nearest of each."""
        shown = np.sort(np.argsort(-self.counts, kind="stable")[:MAPPED])
        movies = self.movies[shown]
        if len(shown) < 3:
            return {}
        places, text = projected(movies.vectors), [*map(list, movies.genres)]
        near = movies.search(movies.vectors, min(K, len(shown) - 1), exclude=[*movies.ids[:, None]])
        order = np.argsort(movies.ids)
        rows = order[positions(movies.ids[order], near.movie_ids)].tolist()
        cosines = near.scores.astype(float).round(3).tolist()
        how = self.text("map", count=movies.vectors.shape[1])
        about: Facts = {"about": how, "shown": len(shown), "of": len(self.movies)}
        about |= dict(zip("xy", places.T.round(4).tolist(), strict=True))
        about |= {"id": movies.ids.tolist(), "title": movies.titles, "nearest": rows}
        about |= {"count": self.counts[shown].tolist(), "cosine": cosines}
        about |= {"genres": text} if any(text) else {}
        return about | ({"year": self.years[shown].tolist()} if self.years.any() else {})

    def users(self) -> Iterator[Facts]:
        """An active user, a typical, an unusual and a cold one, and what they are told."""
        known, counts, kinds = self.model.vocabulary, self.by_user, dict[int, str]()
        if len(rows := np.flatnonzero((counts > 0) & (counts <= LONGEST))):
            many, off = counts[rows], np.log2(self.counts.max() / np.maximum(1, self.counts))
            rare = self.model.history.dot(np.append(0, off)[:, None], 1.0)[1:, 0][rows] / many
            middle = np.median(many)
            off = np.abs(np.log2(many / middle)) + np.abs(rare - np.median(rare))
            rarest = np.where(many >= min(max(middle, SHOWN), many.max()), rare, -1)
            for kind, place in (("active", many), ("typical", -off), ("unusual", rarest)):
                kinds.setdefault(int(rows[np.argmax(place)]), kind)
        profiles, times = np.unique(self.model.attributes[1:], axis=0, return_counts=True)
        common = profile(known.users, profiles[times.argmax()]) if len(times) else {}
        queries = [*map(UserQuery, known.user_ids[[*kinds]].tolist())] if kinds else []
        queries.append(UserQuery(attributes=common))
        answers = Recommender(self.model, self.movies).recommend(queries, K, explain=True)
        for (row, kind), answer in zip([*kinds.items(), (-1, "cold")], answers, strict=True):
            about: Facts = {"kind": kind, "about": self.text("users", kind)}
            about |= {"user_id": answer.query.user_id, "attributes": {**answer.query.attributes}}
            about |= {"ratings": int(counts[row]) if row >= 0 else 0}
            about |= {"history": self._history(row), "recommendations": [*map(told, answer)]}
            yield there(about)

    def _history(self, row: int) -> list[Facts]:
        """What a user likes most, the latest first; nothing of no user."""
        movies, values, times = self.model.history.of(row + 1)
        order = np.lexsort((-times, -values))[:SHOWN]
        shown, days = self.movies[movies[order] - 1], times[order].astype("M8[s]").astype("M8[D]")
        columns = {"movie_id": shown.ids.tolist(), "title": shown.titles}
        columns |= {"rating": self.model.scale.outward(values[order]).tolist()}
        columns |= {"day": np.where(times[order] > 0, days.astype(str), "").tolist()}
        if not self.words["rated"]:
            del columns["rating"]
        return [there(row) for row in rows_of(columns)]

    def card(self) -> Facts:
        """What the model card (Mitchell et al. 2019) says of this model."""
        licences, users = self.texts["licences"].items(), self.model.vocabulary.users
        data = self.config.get("data", {}).get("name", "")
        about: Facts = {"licence": next(text for of, text in licences if data.startswith(of))}
        about |= {"rare": float((self.counts < FEW).mean()), "few": FEW}
        about |= {"quiet": float((self.by_user < FEW).mean()), "sides": [u.name for u in users]}
        about |= {"timed": bool(self.known.ratings.times.any())}
        return there({**about, "versions": self.config.get("versions")})


def told(movie: Recommendation) -> Facts:
    """A recommendation, and what carried it."""
    found = {name: getattr(movie, name) for name in TOLD}
    if isinstance(movie.why, Why):
        reasons = [there(each._asdict()) for each in movie.why.reasons]
        found["why"] = there({"reasons": reasons, "profile": movie.why.profile})
    return there(found)


def compared(a: Look, b: Look, protocols: Sequence[Facts]) -> Facts:
    """Two models side by side."""
    two = [each.summary() for each in (a, b)]
    chosen = [each.model.weights["relevance"] for each in (a, b)]
    plain = ({n: v for n, v in x.items() if n != "seconds"} | x.get("validation", {}) for x in two)
    about = [each for each in both(plain, "what") if each["what"] != "validation"]
    options = both((each.config.get("options", {}) for each in (a, b)), "name")
    weights = {k: both((each.get(k, each) for each in chosen), "part", 0.0) for k in EVIDENCE}
    found = {"a": two[0], "b": two[1], "about": about, "weights": weights}
    found["options"] = [each for each in options if each["A"] != each["B"]]
    found["difference"] = differences(protocols, b.model.path.name)
    return there({**found, "overlap": overlap(a, b)})


def overlap(a: Look, b: Look) -> Facts:
    """How many of the movies that both recommend to a user are the same."""
    known = b.model.vocabulary.user_rows(a.model.vocabulary.user_ids[a.drawn]) - 1
    both = ((a, a.drawn[known >= 0]), (b, known[known >= 0]))
    if not len(both[0][1]):
        return {}
    hits = [look.lists(rows)[1] for look, rows in both]
    one, two = (each.movie_ids.astype(str) for each in hits)
    same = ((one[:, :, None] == two[:, None]).any(2) & hits[0].mask).sum(1)
    histogram = np.bincount(same, minlength=K + 1).tolist()
    return {"users": len(same), "k": K, "mean": float(same.mean()) / K, "histogram": histogram}

"""What a report computes of the model itself: its ratings, map, lists, and some of its users."""

from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.ids import Id
from recsys.data.schema import profile
from recsys.data.summary import summary
from recsys.errors import QueryError
from recsys.evaluation.given import GROUPS, known_to, thirds
from recsys.infer import Recommendation, Recommender, UserQuery, catalogue, users_of
from recsys.serving.catalogue import Hits
from recsys.serving.reasons import Why

if TYPE_CHECKING:
    from recsys.serving.model_folder import Model

K = 10  # movies of a list
DRAWN = 1000  # users whose lists are looked at
SPANS = 80  # most of a curve over time
POINTS = 100  # of a cumulated curve
MAPPED, NEAR = 10_000, 10  # the most rated movies on the map; neighbours of each
COMPONENTS, STEPS = 50, {2_000: 1000, MAPPED: 350}  # of PCA; of t-SNE, up to so many movies
LONGEST = 2_000  # ratings of a user who is shown, since reasons leave out one after the other
SHOWN = 10  # ratings of a history
TOLD = ("rank", "movie_id", "title", "genres", "year", "rating", "why")  # of a recommendation
UNITS = {"D": "day", "W": "week", "M": "month", "Y": "year"}


def there(values: dict[str, Any]) -> dict[str, Any]:
    """What there is anything to say for: neither None nor empty."""
    return {name: each for name, each in values.items() if each is not None and each not in EMPTY}


EMPTY: tuple[Any, ...] = ({}, [], "", ())


class Looked:
    """A model, its ratings, its movies, and what it recommends to users drawn from them."""

    def __init__(self, model: "Model") -> None:
        self.model, self.movies = model, catalogue(model)
        self.known: Dataset = known_to(model)
        self.counts = np.bincount(self.known.ratings.movie_ids, minlength=len(self.movies))
        self.by_user = model.history.counts[1:]
        films = bool(model.vocabulary.genres) and bool(self.movies.years.any())
        item, rating = "movie" if films else "item", "rating" if model.scale.rated else "event"
        self.words = {"item": item, "items": f"{item}s", "rating": rating, "ratings": f"{rating}s"}

    @cached_property
    def drawn(self) -> NDArray[np.int64]:
        """(B,) positions of DRAWN users, or all, who rated."""
        rated = np.flatnonzero(self.by_user)
        return np.sort(np.random.default_rng(0).permutation(rated)[:DRAWN])

    def lists(self, user_ids: Sequence[Id]) -> tuple[NDArray[np.float32], Hits]:
        """(B, V) vectors of known users, and the K best movies that they have not rated."""
        users = users_of(self.model, [UserQuery(each) for each in user_ids])
        vectors, ids = users.vectors("relevance"), self.model.vocabulary.movie_ids
        seen = [ids[users.rated.of(row)[0] - 1] for row in range(len(user_ids))]
        return vectors, self.movies.search(vectors, min(K, len(ids)), exclude=seen)

    @cached_property
    def recommended(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """(N, V) vectors of the drawn users, one for each movie of their lists; (N,) these."""
        vectors, hits = self.lists(self.model.vocabulary.user_ids[self.drawn].tolist())
        rows = np.nonzero(hits.mask)[0]
        return vectors[rows], self.model.vocabulary.movie_rows(hits.movie_ids[hits.mask]) - 1

    # The ratings

    @cached_property
    def _genres(self) -> NDArray[np.bool_]:
        """(M, G) which genres movies have."""
        rows = self.model.vocabulary.genre_rows(self.movies.genres)
        return (rows[..., None] == np.arange(1, len(self.model.vocabulary.genres) + 1)).any(1)

    @cached_property
    def _decades(self) -> tuple[list[int], NDArray[np.bool_]]:
        """The decades there are; (M, D) which of them movies are of."""
        every = self.movies.years // 10 * 10
        different = np.unique(every[every > 0])
        return different.tolist(), every[:, None] == different

    def data(self, inspected: Any) -> dict[str, Any]:
        """The section of the ratings; see `facts`."""
        found, names = inspected or summary(self.known), self.model.vocabulary.genres
        decades, decade = self._decades
        cells = np.einsum("mg,md->gd", self._genres * 1.0, decade * 1.0)
        rated = np.einsum("mg,md->gd", self._genres * self.counts[:, None] * 1.0, decade * 1.0)
        order = np.argsort(-rated.sum(1), kind="stable")
        density = rated / np.maximum(1, cells * np.count_nonzero(self.by_user))
        both = {
            "genres": [names[each] for each in order],
            "decades": decades,
            "items": cells[order].astype(int).tolist(),
            "ratings": rated[order].astype(int).tolist(),
            "density": [
                [value if there else None for value, there in zip(*row, strict=True)]
                for row in zip(density[order].tolist(), cells[order] > 0, strict=True)
            ],
        }
        columns = {"genre": (names, self._genres), "decade": (decades, decade)}
        sides = {
            f"{name}s": [
                {name: value, **self._about(mask)} for value, mask in zip(each, of.T, strict=True)
            ]
            for name, (each, of) in columns.items()
        }
        tails = {"items": self.counts, "users": self.by_user}
        return there(
            {
                "summary": {k: v for k, v in found.items() if k != "first_bad_lines"},
                "over_time": self._over_time(),
                "histogram": found["histogram"],
                "long_tail": {name: _tail(counts) for name, counts in tails.items()},
                **sides,
                "genre_decade": both if names and decades else None,
                "left_out": self._left_out(inspected or {}),
            }
        )

    def _about(self, mask: NDArray[np.bool_]) -> dict[str, Any]:
        """How many movies, how many ratings, how dense, how good."""
        items, ratings = int(mask.sum()), int(self.counts[mask].sum())
        density = ratings / max(1, items * np.count_nonzero(self.by_user))
        found: dict[str, Any] = {"items": items, "ratings": ratings, "density": density}
        if self.known.scale.rated and ratings:
            values = self.known.ratings.values[mask[self.known.ratings.movie_ids]]
            found["mean"] = float(self.known.scale.outward(values).mean(dtype=np.float64))
        return found

    def _over_time(self) -> dict[str, Any] | None:
        """Ratings, users and new users by day, week, month or year."""
        timed = self.known.ratings[self.known.ratings.times > 0]
        if len(np.unique(timed.times)) < 2:
            return None
        for code in UNITS:
            spans = timed.times.astype("datetime64[s]").astype(f"datetime64[{code}]").astype(int)
            first = spans.min()
            if spans.max() - first < SPANS:
                break
        spans, length = spans - first, int(spans.max() - first) + 1
        users, user = np.unique(timed.user_ids, return_inverse=True)
        joined = np.full(len(users), length)
        np.minimum.at(joined, user, spans)
        active = np.unique(spans * len(users) + user) // len(users)
        starts = (first + np.arange(length)).astype(f"datetime64[{code}]").astype("datetime64[D]")
        columns = {"ratings": spans, "users": active, "new_users": joined}
        counted = {n: np.bincount(v, minlength=length).tolist() for n, v in columns.items()}
        return {"unit": UNITS[code], "start": [str(each) for each in starts], **counted}

    def _left_out(self, inspected: dict[str, Any]) -> list[dict[str, Any]]:
        """What is not learned from, how much of it, and why."""
        items = self.words["items"]
        held = self.model.config.get("held_out", {})
        counted = [
            ("bad lines", inspected.get("bad_lines"), "they cannot be read"),
            ("repeated", inspected.get("duplicates"), "a user rated the same again: one counts"),
            ("empty fields", inspected.get("empty_fields"), "they are unknown"),
            ("no ratings", int((self.counts == 0).sum()), f"{items} placed by their content alone"),
            ("held out", held.get("ratings"), f"{held.get('how')}, to choose by; then learned too"),
        ]
        rows = [{"what": what, "count": count, "why": why} for what, count, why in counted if count]
        unused = inspected.get("unused", {}).items()
        return [*rows, *({"what": name, "count": 0, "why": why} for name, why in unused)]

    # The lists

    def shares(self) -> dict[str, float]:
        """What each slice gives of the scores of what is recommended."""
        vectors, movies = self.recommended
        products = np.einsum("nv,nv->v", vectors, self.movies.vectors[movies])[:-1]
        each = {name: float(v.sum()) for name, v in self.model.layout.cut(products).items()}
        total = sum(each.values()) or 1.0
        return {name: value / total for name, value in each.items()}

    def bias(self) -> dict[str, Any]:
        """How the movies that are recommended differ from those that are rated."""
        listed = np.bincount(self.recommended[1], minlength=len(self.counts))
        groups = thirds(self.counts)[:, None] == np.arange(len(GROUPS))

        def share(counts: NDArray[np.number], masks: NDArray[np.bool_]) -> list[float]:
            return (counts @ masks / max(1, counts.sum())).tolist()

        def shares(name: str, labels: Sequence[Any], masks: NDArray[np.bool_]) -> dict[str, Any]:
            of = {"ratings": share(self.counts, masks), "recommended": share(listed, masks)}
            return {name: list(labels), **of} if len(labels) else {}

        every_movie = {"items": share(np.ones(len(listed)), groups)}
        return there(
            {
                "users": len(self.drawn),
                "k": K,
                "coverage": float((listed > 0).mean()),
                "gini": _gini(listed),
                "gini_ratings": _gini(self.counts),
                "popularity": shares("group", GROUPS, groups) | every_movie,
                "genres": shares("genre", self.model.vocabulary.genres, self._genres),
                "decades": shares("decade", *self._decades),
            }
        )

    # The map

    def map(self) -> dict[str, Any]:
        """The most rated movies in two dimensions, and the nearest of each."""
        shown = np.sort(np.argsort(-self.counts, kind="stable")[:MAPPED])
        movies = self.movies[shown]
        if len(shown) < 3:
            return {}
        places, about = _projected(movies.vectors)
        near = _nearest(movies.vectors, min(NEAR, len(shown) - 1))
        cosines = np.einsum("mv,mnv->mn", movies.vectors, movies.vectors[near])
        return there(
            {
                "about": about,
                "shown": len(shown),
                "of": len(self.movies),
                "id": movies.ids.tolist(),
                "title": movies.titles,
                "x": places[:, 0].round(4).tolist(),
                "y": places[:, 1].round(4).tolist(),
                "count": self.counts[shown].tolist(),
                "genres": [[*each] for each in movies.genres] if any(movies.genres) else None,
                "year": movies.years.tolist() if movies.years.any() else None,
                "nearest": near.tolist(),
                "cosine": [[round(each, 3) for each in row] for row in cosines.tolist()],
            }
        )

    # Some users

    def users(self) -> list[dict[str, Any]]:
        """An active user, a typical, an unusual and a cold one, and what they are told."""
        counts, ratings = self.by_user, self.words["ratings"]
        rows = np.flatnonzero((counts > 0) & (counts <= LONGEST))
        chosen: list[tuple[str, str, int]] = []
        if len(rows):
            rare = -np.log2(np.maximum(1, self.counts) / max(1, self.counts.max()))
            rare = self.model.history.dot(np.append(0, rare)[:, None], 1.0)[1:, 0][rows]
            rare, many = rare / counts[rows], counts[rows] >= np.median(counts[rows])
            off = np.abs(np.log(counts[rows] / np.median(counts[rows])))
            off += np.abs(rare - np.median(rare))
            rarest = f"of those with {counts[rows][many].min()} {ratings} and more, the rarest ones"
            chosen = [
                ("active", f"more {ratings} than others", int(rows[np.argmax(counts[rows])])),
                ("typical", f"as many {ratings} as most, as popular", int(rows[np.argmin(off)])),
                ("unusual", rarest, int(rows[np.argmax(np.where(many, rare, -1))])),
            ]
        told = {row: (kind, about) for kind, about, row in reversed(chosen)}  # one may be several
        known = self.model.vocabulary
        queries = [UserQuery(each) for each in known.user_ids[list(told)].tolist()]
        profiles, times = np.unique(self.model.attributes[1:], axis=0, return_counts=True)
        common = profile(known.users, profiles[np.argmax(times)]) if len(profiles) else {}
        queries.append(UserQuery(attributes=common))
        told[-1] = "cold", f"new: no {ratings} are known" + ", only a profile" * bool(common)
        answers = Recommender(self.model, self.movies).recommend(queries, K, explain=True)
        return [
            there(
                {
                    "kind": kind,
                    "about": about,
                    "user_id": answer.query.user_id,
                    "attributes": dict(answer.query.attributes),
                    "ratings": int(counts[row]) if row >= 0 else 0,
                    "history": self._history(row) if row >= 0 else [],
                    "recommendations": [*map(_told, answer)],
                }
            )
            for (row, (kind, about)), answer in zip(told.items(), answers, strict=True)
        ]

    def _history(self, row: int) -> list[dict[str, Any]]:
        """What a user likes most, the latest first."""
        movies, values, times = self.model.history.of(row + 1)
        order = np.lexsort((-times, -values))[:SHOWN]
        shown, rated = self.movies[movies[order] - 1], self.known.scale.rated
        ratings = self.known.scale.outward(values[order]).tolist() if rated else []
        days = times[order].astype("datetime64[s]").astype("datetime64[D]")
        return [
            there(
                {
                    "movie_id": shown.ids[n].item(),
                    "title": shown.titles[n],
                    "genres": list(shown.genres[n]),
                    "year": int(shown.years[n]) or None,
                    "rating": ratings[n] if rated else None,
                    "day": str(days[n]) if times[order][n] > 0 else None,
                }
            )
            for n in range(len(shown))
        ]


def _told(movie: Recommendation) -> dict[str, Any]:
    """A recommendation, and what carried it."""
    found: dict[str, Any] = {**movie._asdict(), "genres": list(movie.genres), "year": movie.year}
    if isinstance(why := found["why"], Why):
        reasons = [there(each._asdict()) for each in why.reasons]
        found["why"] = there({"reasons": reasons, "profile": why.profile})
    return there({name: found[name] or None for name in TOLD} | {"score": movie.score})


def _tail(counts: NDArray[np.integer]) -> dict[str, Any]:
    """The cumulated share of the ratings by the share of those with most, of who has any."""
    most = np.sort(counts[counts > 0])[::-1]
    if not len(most):
        return {}
    ranks = np.unique(np.linspace(1, len(most), POINTS).round().astype(int))
    return {
        "rank": (ranks / len(most)).tolist(),
        "share": (np.cumsum(most)[ranks - 1] / most.sum()).tolist(),
        "gini": _gini(most),
        "median": float(np.median(most)),
        "most": int(most[0]),
    }


def _gini(counts: NDArray[np.integer]) -> float:
    """0 where all have as many, 1 where one has all."""
    rising, n = np.sort(counts).astype(np.float64), len(counts)
    return float(2 * (np.arange(1, n + 1) @ rising) / (n * max(1.0, rising.sum())) - (n + 1) / n)


def check_extra() -> None:
    """Raises a QueryError where the library of the map is missing."""
    if not find_spec("sklearn"):
        cause = "the map of a report needs scikit-learn"
        raise QueryError(cause, "pip install 'recsys[report]', or take --format md")


def _projected(vectors: NDArray[np.float32]) -> tuple[NDArray[np.float64], str]:
    """(M, 2) places within -1 and 1 of (M, V) vectors: close where these are; and how, in words.

    t-SNE (van der Maaten and Hinton 2008) of the first principal components, from the first two.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    size = min(COMPONENTS, *vectors.shape)
    numbers = PCA(size, svd_solver="randomized", random_state=0).fit_transform(vectors)
    steps = next(each for most, each in STEPS.items() if len(vectors) <= most)
    perplexity = min(30.0, (len(vectors) - 1) / 3)
    found = TSNE(perplexity=perplexity, init="pca", max_iter=steps, random_state=0)
    places = found.fit_transform(numbers)
    places -= (places.max(0) + places.min(0)) / 2
    about = f"t-SNE of {size} principal components of {vectors.shape[1]} numbers, seed 0"
    return places / max(1e-9, np.abs(places).max()), about


def _nearest(vectors: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """(M, count) the others with the largest cosines to each of (M, V) unit vectors."""
    found = np.empty((len(vectors), count), np.int64)
    for start in range(0, len(vectors), 1024):
        scores = vectors[start : start + 1024] @ vectors.T
        rows = np.arange(len(scores))
        scores[rows, start + rows] = -np.inf
        best = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        order = np.argsort(-np.take_along_axis(scores, best, 1), axis=1, kind="stable")
        found[start : start + 1024] = np.take_along_axis(best, order, 1)
    return found

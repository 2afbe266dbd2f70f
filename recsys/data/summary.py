"""What a dataset looks like in numbers: how many, how dense, when, which ratings, how uneven."""

from datetime import datetime, timezone
from typing import Any

import numpy as np

from recsys.data.dataset import Dataset
from recsys.data.ids import parts, unique
from recsys.data.scale import LIKED, counted

MOST_BARS, BINS = 20, 10  # different ratings that are shown one by one; spans of more
TOP_SHARE = 0.01  # the most rated movies whose share of the ratings says how long the tail is


def summary(dataset: Dataset) -> dict[str, Any]:
    """Counts and shares under the keys of `recsys inspect --json`.

    `density` is ratings / (users who rated x movies rated); `top_movies_share` that of the ratings
    of the most rated hundredth of the movies (at least one).
    """
    r, users, movies = dataset.ratings, dataset.users, dataset.movies
    by_movie, by_user = (np.sort(unique(ids)[1]) for ids in (r.movie_ids, r.user_ids))
    top = max(1, round(TOP_SHARE * len(by_movie))) if len(by_movie) else 0
    sides = parts(users.attributes, users.rows)
    timed = r.times if r.times.min(initial=1) > 0 else r.times[r.times > 0]
    return {
        "ratings": len(r),
        "users": len(users),
        "movies": len(movies),
        "users_who_rated": len(by_user),
        "movies_rated": len(by_movie),
        "density": len(r) / max(1, len(by_user) * len(by_movie)),
        "ratings_per_user_median": float(np.median(by_user)) if len(by_user) else 0.0,
        "first": _day(int(timed.min())) if len(timed) else None,
        "last": _day(int(timed.max())) if len(timed) else None,
        "scale": dataset.scale.to_json(),
        "liked": int((r.values >= LIKED).sum()),
        "histogram": _histogram(dataset),
        "top_movies": top,
        "top_movies_share": float(by_movie[-top:].sum() / max(1, len(r))),
        "missing": {
            "genres": sum(not each for each in movies.genres),
            "year": int((movies.years == 0).sum()),
            "time": int((r.times == 0).sum()),
            **{each.name: int((rows <= 0).all(1).sum()) for each, rows in sides},
        },
    }


def _histogram(dataset: Dataset) -> dict[str, int]:
    """How often each rating was given, on the file's scale; many different ones in BINS spans."""
    if not dataset.scale.rated or not len(dataset.ratings):
        return {}
    ratings, counts = counted(dataset.ratings.values)
    ratings = np.round(dataset.scale.outward(ratings), 4)
    values, rows = np.unique(ratings, return_inverse=True)
    if len(values) <= MOST_BARS:
        counts = np.bincount(rows, counts).astype(int)
        return {f"{v:g}": n for v, n in zip(values, counts.tolist(), strict=True)}
    counts, edges = np.histogram(ratings, BINS, weights=counts)
    spans = zip(edges[:-1], edges[1:], counts, strict=True)
    return {f"{low:.4g}-{high:.4g}": int(n) for low, high, n in spans}


def _day(seconds: int) -> str | None:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):  # beyond the year 9999
        return None

"""Facts of a report that nobody measured: of films, with hostile titles, and of things without
genres, years, stars or evaluations."""

from random import Random
from typing import Any

HOSTILE = [
    "</script><script>document.title='owned'</script>",
    "<!-- <script> \"quotes\" & 'more' -->",
    "\x1b[31mRed\x1b[0m <img src=x onerror=alert(1)>",
    "Amélie ${title} $style",
]
GENRES = ["Action", "</svg><script>\"'\\", "Drama", "Film-Noir", "Horror"]


def interval(value: float, by: float = 0.01) -> dict[str, float]:
    return {"value": value, "low": value - by, "high": value + by}


def of_map(count: int, films: bool) -> dict[str, Any]:
    rand = Random(1)
    places = range(count)
    lists = {
        "about": "PaCMAP of the published vectors",
        "shown": count,
        "of": count,
        "id": [10 + i for i in places],
        "title": [*HOSTILE, *(f"Film {i}" if films else f"Thing {i}" for i in places[4:])],
        "x": [rand.uniform(-1, 1) for _ in places],
        "y": [rand.uniform(-1, 1) for _ in places],
        "count": [count - i for i in places],
        "nearest": [[(i + n) % count for n in range(1, 11)] for i in places],
        "cosine": [[1 - n / 20 for n in range(1, 11)] for _ in places],
    }
    if films:
        lists |= {"genres": [rand.sample(GENRES, 2) for _ in places]}
        lists |= {"year": [1930 + i % 70 for i in places]}
    return lists


def film(i: int, **more: Any) -> dict[str, Any]:
    title = HOSTILE[i] if i < 4 else f"Film {i}"
    return {"movie_id": 10 + i, "title": title, "genres": ["Drama"], "year": 1990, **more}


def things(count: int = 60) -> dict[str, Any]:
    """The least that a report has: events, no evaluation."""
    rank = [n / 20 for n in range(1, 21)]
    tail = {
        "rank": rank,
        "share": [each**0.3 for each in rank],
        "gini": 0.7,
    }
    return {
        "words": {
            **{"item": "item", "items": "items", "rating": "event", "ratings": "events"},
            **{"rated": False, "about": "every event held out"},
        },
        "summary": {
            **{"data": "shop </title>", "ratings": 12_345, "users": 678, "items": count},
            **{"model": "<my> model", "fingerprint": "0123456789abcdef", "created": "2026-01-02"},
            **{"recsys": "0.2.0", "epoch": 2, "seed": 0, "made": "2026-01-03"},
            "validation": {"ndcg@10": 0.21234567},
            "of": "99 held out, latest events",
        },
        "data": {"summary": {"density": 0.0123}, "long_tail": {"items": tail, "users": tail}},
        "training": {
            "seconds": {"ease": 1.5, "towers": 12.25},
            "slices": [
                {"name": "ease", "part": "ease", "about": "who took", "size": 64, "share": 0.75},
                {
                    "name": "popular",
                    "part": "popular",
                    "about": "how many",
                    "size": 1,
                    "share": 0.25,
                },
            ],
        },
        "map": of_map(count, films=False),
        "users": [
            {
                **{"kind": "cold", "about": "Nobody knows them.", "user_id": None, "ratings": 0},
                **{"attributes": {}, "history": []},
                "recommendations": [film(n, rank=n + 1, score=0.9 - n / 10) for n in range(3)],
            }
        ],
        "card": {
            **{"licence": "Free.", "rare": 0.5, "quiet": 0.25, "few": 5, "timed": False},
            "versions": {"recsys": "0.2.0"},
        },
    }


def films(count: int = 200) -> dict[str, Any]:
    """Everything that a report can have."""
    facts = things(count)
    names = ("recsys", "</b>'\"\\ || alert(1)", "popularity")
    rows = [
        {
            **{"name": name, "chosen": "", "coverage": 0.5 - n / 10},
            "metrics": {"ndcg@10": interval(0.3123456 - n / 20), "rmse": interval(0.9 + n / 50)},
            "lead": {"ndcg@10": interval(n / 20), "rmse": interval(n / 50)} if n else {},
        }
        for n, name in enumerate(names)
    ]
    groups = [
        {
            "by": "gender",
            "group": group,
            "users": 50,
            "name": row["name"],
            "metrics": row["metrics"],
        }
        for group in ("F", "M")
        for row in rows
    ]
    facts["words"] = {
        **{"item": "movie", "items": "movies", "rating": "rating", "ratings": "ratings"},
        **{"rated": True, "about": "a held-out rating of 4 and more"},
    }
    facts["summary"] |= {"first": "1997-09-20", "last": "1998-04-22"}
    by_genre = [
        {"genre": g, "items": 40, "ratings": 900 + n, "density": 0.1 / (n + 1), "mean": 3.5}
        for n, g in enumerate(GENRES)
    ]
    decades = [1930, 1950, 1990]
    facts["data"] |= {
        "over_time": {
            **{"unit": "month", "start": ["1997-09-01", "1997-10-01", "1997-11-01"]},
            **{"ratings": [10, 30, 20], "users": [3, 4, 5], "new_users": [3, 2, 1]},
        },
        "histogram": {"1": 5, "2": 9, "3": 30, "4": 40, "5": 16},
        "genres": by_genre,
        "decades": [{**each, "decade": d} for each, d in zip(by_genre, decades, strict=False)],
        "genre_decade": {
            **{"genre": GENRES * 2, "decade": [1930] * 5 + [1950] * 5, "items": [3] * 10},
            **{"ratings": [9] * 10, "density": [0.01] * 5 + [0.2] * 5},
        },
        "left_out": [{"what": "bad <lines>", "count": 3, "why": "no rating"}],
    }
    facts["card"] |= {"sides": ["gender", "job"], "timed": True}
    facts["training"] |= {
        "weights": {"relevance": {"history": {"ease": 2.5}}, "similar": {"taste": 1.0}},
        "epochs": [
            {
                **{"epoch": n, "retrieval_loss": 8 - n, "rating_loss": 1 / n, "ndcg@10": 0.2},
                **{"rmse": 0.95 - n / 100, "mae": 0.7, "seconds": 3.0},
            }
            for n in (1, 2, 3)
        ],
        "best": 2,
        "choice": [
            {"part": "the sum", "known": "history", "ndcg@10": 0.33, "weight": None},
            {"part": "ease", "known": "history", "ndcg@10": 0.3, "weight": 2.5},
        ],
        "options": [{"name": "seed", "value": 0, "default": 0, "about": "Of everything."}],
    }
    facts["quality"] = {
        "protocols": [
            {
                **{"protocol": "random", "about": "A tenth of the ratings is held out."},
                **{"seeds": [0], "users": 100, "left_out": 1, "metrics": ["ndcg@10", "rmse"]},
                **{"rows": rows, "groups": groups},
                "calibration": [
                    {"predicted": 2.0, "rated": 2.1, "count": 5},
                    {"predicted": 4.0, "rated": 3.9, "count": 7},
                ],
                "diversity": [
                    {
                        "diversity": d,
                        "metrics": {"ndcg@10": interval(0.3 - d / 9), "distance@10": interval(d)},
                    }
                    for d in (0.0, 0.3)
                ],
                "indexes": [{"index": "HNSW", "metrics": {"ndcg@10": interval(0.31)}}],
            }
        ],
        "bias": {
            **{"users": 100, "k": 10, "coverage": 0.4, "gini": 0.8, "gini_ratings": 0.6},
            "popularity": {
                **{"group": ["high", "middle", "low"], "items": [0.1, 0.3, 0.6]},
                **{"ratings": [0.5, 0.4, 0.1], "recommended": [0.7, 0.25, 0.05]},
            },
            "genres": {
                "genre": GENRES,
                "ratings": [0.2] * 5,
                "recommended": [0.3, 0.1, 0.2, 0.2, 0.2],
            },
            "decades": {
                "decade": decades,
                "ratings": [0.1, 0.2, 0.7],
                "recommended": [0.0, 0.2, 0.8],
            },
        },
    }
    facts["map"] = of_map(count, films=True)
    reasons = {"reasons": [{**film(7), "rating": 5, "share": 0.6}], "profile": 0.1}
    facts["users"] += [
        {
            **{"kind": "active", "about": "Rates most.", "user_id": 7, "ratings": 99},
            "attributes": {"gender": "F", "job": "<b>writer</b>"},
            "history": [film(n, rating=5.0, day="1998-04-22") for n in range(5)],
            "recommendations": [
                film(n, rank=n - 4, score=0.8, rating=4.25, why=reasons) for n in range(5, 15)
            ],
        }
    ]
    return facts


def compared() -> dict[str, Any]:
    """Films, beside a second model."""
    facts = films()
    about = {name: facts["summary"][name] for name in ("model", "fingerprint", "created", "data")}
    about |= {name: facts["summary"][name] for name in ("epoch", "ratings", "users", "items")}
    about |= {"validation": {"ndcg@10": 0.3}, "seconds": {"ease": 2.0, "towers": 9.0}}
    facts["compare"] = {
        **{"a": about, "b": {**about, "fingerprint": "fedcba9876543210"}},
        "about": [{"what": "epoch", "A": 2, "B": 2}, {"what": "ndcg@10", "A": 0.3, "B": 0.3}],
        "weights": {"history": [{"part": "ease", "A": 2.0, "B": 1.0}]},
        "options": [{"name": "seed", "A": 0, "B": 1}],
        "overlap": {"users": 50, "k": 10, "mean": 0.7, "histogram": [0] * 5 + [5, 5, 20, 15, 5, 0]},
        "difference": [
            {
                **{"protocol": "given", "metric": "ndcg@10", "a": interval(0.31)},
                **{"b": interval(0.3), "lead": interval(0.01)},
            }
        ],
    }
    return facts

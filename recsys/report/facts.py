"""Everything that a report says of a model, as plain data: what page and markdown are written of."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recsys.serving.model_folder import Model

Facts = dict[str, Any]


def facts(
    model: "Model",
    data: Mapping[str, Any] | None = None,
    evaluations: Sequence[Sequence[Mapping[str, Any]]] = (),
    other: "Model | None" = None,
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
        evaluations: each as `recsys evaluate --format json` prints it.
        other: a model to stand beside.

    Raises:
        DataError: an evaluation is not one.

    >>> import recsys
    >>> sorted(facts(recsys.load_model("sample.model")))
    ['card', 'data', 'map', 'quality', 'summary', 'training', 'users', 'words']
    """
    raise NotImplementedError

"""Which ratings are trained on, chosen on and reported, by protocol and seed."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Ratings
from recsys.data.ids import positions
from recsys.data.interactions import first_times, later
from recsys.data.movielens import LIKED
from recsys.errors import DataError
from recsys.evaluation.protocols import PROTOCOLS

HELD_OUT = 0.2  # of each user's ratings (random, user-time), of all (temporal, fold-in)
HELD_OUT_WHOLE = 0.1  # of the users (few-likes), of the movies (cold-, new-movies)
COLD_FOLDS = 10  # of cold-users: that many seeds hold out every user once
NEVER = np.iinfo(np.int64).max  # later than any time


class Part(NamedTuple):
    """One task for a recommender: trained on `train`, folded in by `fold_in`, judged on `test`."""

    train: Ratings
    fold_in: Ratings  # what users not trained on bring with a query: likes, or a history
    test: Ratings

    @property
    def seen(self) -> Ratings:
        """What is not recommended again."""
        return Ratings.concatenate([self.train, self.fold_in])


class Split(NamedTuple):
    """A dataset's ratings, each in exactly one part.

    Everything is chosen on `validation` after training on `train`; what was chosen is then trained
    on both and judged on `test`, once.
    """

    train: Ratings
    validation: Ratings
    test: Ratings
    validation_fold_in: Ratings  # of validation (few-likes: likes; fold-in: histories), else empty
    fold_in: Ratings  # of the test, likewise

    @property
    def choice(self) -> Part:
        """The task that options are chosen by."""
        return Part(self.train, self.validation_fold_in, self.validation)

    @property
    def final(self) -> Part:
        """The task that is reported."""
        known = Ratings.concatenate([self.train, self.validation_fold_in, self.validation])
        return Part(known, self.fold_in, self.test)


def split(ratings: Ratings, protocol: str, seed: int, likes: int = 5) -> Split:
    """Divide ratings by one of PROTOCOLS; what is left of the test is divided again likewise.

    random: a fifth of every user's ratings.
    user-time: the last fifth of every user's ratings.
    fold-in: one cut at four fifths of all ratings by time; what came before is trained on. Of
        what came later, at most half of each user's ratings, the latest, is held out; the rest
        is folded in. Movies first rated after a user's moment are no candidates (`unreleased`).
    temporal: the last fifth of all ratings.
    cold-users: all ratings of a tenth of the users; seeds 0 to 9 hold out every user once, and
        so does each further ten.
    cold-movies: all ratings of a tenth of the movies.
    new-movies: the same, of the movies that were first rated last.
    few-likes: all ratings of a tenth of the users who like more than `likes` movies, of which
        `likes` are folded in.
    Equal times of a user, or of all in temporal and fold-in, stay together.

    Args:
        ratings: no user rates a movie twice.
        seed: the same seed and ratings make the same split, in whatever order they come.
        likes: the N of few-likes.

    Raises:
        DataError: a part would be empty, or there is no such protocol.
    """
    if protocol not in PROTOCOLS:
        raise DataError(f"no protocol {protocol!r}", f"choose one of {', '.join(PROTOCOLS)}")
    rng = np.random.default_rng(seed)
    ratings = ratings[np.lexsort((ratings.movie_ids, ratings.user_ids))]
    if protocol == "cold-users":
        rest, fold_in, test = _hold_out_fold(ratings, seed)
    else:
        rest, fold_in, test = _hold_out(ratings, protocol, likes, rng)
    train, validation_fold_in, validation = _hold_out(rest, protocol, likes, rng)
    for name, part in (("training", train), ("validation", validation), ("test", test)):
        if not len(part):
            raise DataError(
                f"the {name} part of the {protocol} split of {len(ratings)} ratings is empty",
                "take more ratings or another protocol",
            )
    return Split(train, validation, test, validation_fold_in, fold_in)


def folds(ratings: Ratings, count: int, seed: int) -> Iterator[tuple[Ratings, Ratings]]:
    """Random k-fold over ratings: (training, test) pairs, each rating in one test."""
    ratings = ratings[np.lexsort((ratings.movie_ids, ratings.user_ids))]
    fold = np.random.default_rng(seed).permutation(len(ratings)) % count  # (N,)
    for number in range(count):
        yield ratings[fold != number], ratings[fold == number]


def unreleased(part: Part, movie_ids: NDArray[np.integer]) -> Ratings:
    """Pairs of users with folded-in ratings and movies that nobody had rated at their moment.

    A user's moment is the last of the folded-in ratings. What the user rated later is no such
    pair, though nobody had rated it: it is what the task asks for.

    Args:
        movie_ids: (M,) ascending, the movies to look at.

    Returns:
        The pairs as ratings of 1 at the time of the moment.
    """
    whole = Ratings.concatenate([part.seen, part.test])
    first = np.full(len(movie_ids), NEVER)  # (M,) time of a movie's first rating
    columns = positions(np.asarray(movie_ids), whole.movie_ids)
    np.minimum.at(first, columns[columns >= 0], whole.times[columns >= 0])
    users, owner = np.unique(part.fold_in.user_ids, return_inverse=True)
    moments = np.full(len(users), -NEVER)
    np.maximum.at(moments, owner, part.fold_in.times)
    barred = first[None, :] > moments[:, None]  # (U, M)
    row, column = positions(users, part.test.user_ids), positions(movie_ids, part.test.movie_ids)
    there = (row >= 0) & (column >= 0)
    barred[row[there], column[there]] = False
    user, movie = np.nonzero(barred)
    return Ratings(
        users[user].astype(part.train.user_ids.dtype),
        np.asarray(movie_ids)[movie].astype(part.train.movie_ids.dtype),
        np.ones(len(user), np.float32),
        moments[user],
    )


def _hold_out_fold(ratings: Ratings, seed: int) -> tuple[Ratings, Ratings, Ratings]:
    """cold-users: (what stays, nothing, all ratings of one of COLD_FOLDS parts of the users)."""
    users = np.random.default_rng(seed // COLD_FOLDS).permutation(np.unique(ratings.user_ids))
    out = np.isin(ratings.user_ids, users[seed % COLD_FOLDS :: COLD_FOLDS])
    return ratings[~out], ratings[np.zeros(len(out), bool)], ratings[out]


def _hold_out(
    ratings: Ratings, protocol: str, likes: int, rng: np.random.Generator
) -> tuple[Ratings, Ratings, Ratings]:
    """(what stays, what is folded in, what is held out)."""
    fold_in = np.zeros(len(ratings), bool)
    if protocol in ("random", "user-time"):
        counts = np.unique(ratings.user_ids, return_counts=True)[1]
        share = np.repeat(np.rint(counts * HELD_OUT).astype(np.int64), counts)
        if protocol == "random":
            out = _place_in_user(ratings.user_ids, rng) < share
        else:
            out = later(ratings.user_ids, ratings.times) < share
    elif protocol == "temporal":
        out = ratings.times >= _cut(ratings.times)
    elif protocol == "fold-in":
        after = ratings.times >= _cut(ratings.times)
        new = ratings[after]
        counts = np.unique(new.user_ids, return_counts=True)[1]
        half = np.repeat(counts // 2, counts)
        last = later(new.user_ids, new.times, inclusive=True) <= half
        out = np.zeros(len(ratings), bool)
        out[after], fold_in[after] = last, ~last
    elif protocol == "cold-movies":
        out = np.isin(ratings.movie_ids, _some(np.unique(ratings.movie_ids), rng))
    elif protocol == "new-movies":
        movies, place = np.unique(ratings.movie_ids, return_inverse=True)
        first = first_times(place, ratings.times, len(movies))
        latest = np.argsort(-first, kind="stable")[: max(1, round(len(movies) * HELD_OUT_WHOLE))]
        out = np.isin(place, latest)
    elif protocol == "cold-users":
        out = np.isin(ratings.user_ids, _some(np.unique(ratings.user_ids), rng))
    else:
        liked = ratings.values >= LIKED
        users, counts = np.unique(ratings.user_ids[liked], return_counts=True)
        theirs = np.isin(ratings.user_ids, _some(users[counts > likes], rng))
        fold_in[liked] = _place_in_user(ratings.user_ids[liked], rng) < likes
        fold_in &= theirs
        out = theirs & ~fold_in
    return ratings[~(out | fold_in)], ratings[fold_in], ratings[out]


def _cut(times: NDArray[np.integer]) -> NDArray[np.integer]:
    """(1,) the time from which on the last fifth of all ratings were given; (0,) of none."""
    kept = len(times) - round(len(times) * HELD_OUT)
    return np.sort(times)[min(kept, len(times) - 1) :][:1]


def _place_in_user(user_ids: NDArray[np.integer], rng: np.random.Generator) -> NDArray[np.int64]:
    """(N,) a random numbering from 0 of the rows of each user; `user_ids` ascending."""
    counts = np.unique(user_ids, return_counts=True)[1]
    place = np.empty(len(user_ids), np.int64)
    order = np.lexsort((rng.random(len(user_ids)), user_ids))
    place[order] = np.arange(len(user_ids)) - np.repeat(np.cumsum(counts) - counts, counts)
    return place


def _some(ids: NDArray[np.integer], rng: np.random.Generator) -> NDArray[np.integer]:
    """The held-out tenth of some ids, at least one of them."""
    return rng.permutation(ids)[: max(1, round(len(ids) * HELD_OUT_WHOLE))]

"""Which ratings are trained on, chosen on and reported, by protocol and seed."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Ratings
from recsys.data.movielens import LIKED, PROTOCOLS
from recsys.errors import DataError

HELD_OUT = 0.2  # of each user's ratings (random), of all ratings (temporal)
HELD_OUT_WHOLE = 0.1  # of the users (cold-users, few-likes), of the movies (cold-movies)


class Part(NamedTuple):
    """One task for a recommender: trained on `train`, folded in by `fold_in`, judged on `test`."""

    train: Ratings
    fold_in: Ratings  # likes that cold-start users name in a query
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
    validation_fold_in: Ratings  # likes of validation's cold-start users (few-likes), else empty
    fold_in: Ratings  # likes of the test's cold-start users (few-likes), else empty

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

    random: a fifth of every user's ratings. temporal: the last fifth of all ratings by time,
    equal times staying together. cold-users: all ratings of a tenth of the users. cold-movies:
    all ratings of a tenth of the movies. few-likes: as cold-users, but `likes` movies that each
    held-out user liked are folded in (only users who like more than that are held out).

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


def _hold_out(
    ratings: Ratings, protocol: str, likes: int, rng: np.random.Generator
) -> tuple[Ratings, Ratings, Ratings]:
    """(what stays, what is folded in, what is held out)."""
    fold_in = np.zeros(len(ratings), bool)
    if protocol == "random":
        counts = np.unique(ratings.user_ids, return_counts=True)[1]
        share = np.rint(counts * HELD_OUT).astype(np.int64)
        out = _place_in_user(ratings.user_ids, rng) < np.repeat(share, counts)
    elif protocol == "temporal":
        kept = len(ratings) - round(len(ratings) * HELD_OUT)
        out = ratings.times >= np.sort(ratings.times)[min(kept, len(ratings) - 1) :][:1]
    elif protocol == "cold-movies":
        out = np.isin(ratings.movie_ids, _some(np.unique(ratings.movie_ids), rng))
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

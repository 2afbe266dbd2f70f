"""Which ratings are trained on, chosen on and reported, by protocol and seed."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Ratings
from recsys.data.interactions import first_times, later
from recsys.data.scale import LIKED
from recsys.errors import DataError, check_choice
from recsys.evaluation import BY_TIME, PROTOCOLS

HELD_OUT = 0.2  # of each user's ratings (random, user-time), of all (temporal, fold-in)
TENTH = 10  # one in so many users (cold-users, few-likes) or movies (cold-, new-movies)


class Stage(NamedTuple):
    """One stage of an evaluation: train, fold in the histories of new users, judge on the test."""

    train: Ratings
    fold_in: Ratings  # what users not trained on bring with a query: likes, or a history
    test: Ratings

    @property
    def seen(self) -> Ratings:
        """What is not recommended again."""
        return Ratings.joined([self.train, self.fold_in])


class Split(NamedTuple):
    """A dataset's ratings, each in exactly one part of the final stage.

    Everything is chosen by `choice`, whose test is the validation part; what was chosen is then
    trained on all of that stage's ratings and judged on the test of `final`, once.
    """

    choice: Stage
    final: Stage


def split(
    ratings: Ratings, protocol: str, seed: int, likes: int = 5, test: Ratings | None = None
) -> Split:
    """Divide ratings by one of PROTOCOLS; what is left of the test is divided again likewise.

    What each holds out is in docs/commands.md. Equal times of a user, or of all in temporal and
    fold-in, stay together; seeds 0 to 9 of cold-users hold out every user once.

    Args:
        ratings: no user rates a movie twice.
        seed: the same seed and ratings make the same split, in whatever order they come.
        likes: the N of few-likes, whose users like more.
        test: what is held out where that is given; then only the validation part is split off.

    Raises:
        DataError: a part would be empty, or there is no such protocol.
    """
    check_choice("protocol", protocol, PROTOCOLS)
    if protocol in BY_TIME and (ratings.times == ratings.times[:1]).all():
        cause = f"the {len(ratings)} ratings have no times, or all the same"
        raise DataError(f"{cause}; {protocol} divides by time", "take another protocol")
    rng = np.random.default_rng(seed)
    ratings = ratings[np.lexsort((ratings.movie_ids, ratings.user_ids))]
    if test is None:
        rest, fold_in, test = _hold_out(ratings, protocol, likes, rng, seed)
    else:
        rest, fold_in = ratings, ratings[np.arange(0)]
    choice = _hold_out(rest, protocol, likes, rng)
    for name, part in (("training", choice.train), ("validation", choice.test), ("test", test)):
        if not len(part):
            cause = f"the {name} part of the {protocol} split of {len(ratings)} ratings is empty"
            raise DataError(cause, "take more ratings or another protocol")
    return Split(choice, Stage(Ratings.joined(choice), fold_in, test))


def _hold_out(
    ratings: Ratings, protocol: str, likes: int, rng: np.random.Generator, fold: int | None = None
) -> Stage:
    """One division; `fold` is the tenth of the users that cold-users holds out, or any."""
    users, movies = ratings.user_ids, ratings.movie_ids
    fold_in = np.zeros(len(ratings), bool)
    if protocol in ("random", "user-time"):
        counts = np.unique(users, return_counts=True)[1]
        share = np.repeat(np.rint(counts * HELD_OUT).astype(np.int64), counts)
        by_chance = protocol == "random"
        out = (_shuffled(users, rng) if by_chance else later(users, ratings.times)) < share
    elif protocol in ("temporal", "fold-in"):
        earlier = len(ratings) - round(len(ratings) * HELD_OUT)
        cut = np.sort(ratings.times)[min(earlier, len(ratings) - 1) :][:1]  # (1,) but of no ratings
        out = ratings.times >= cut
        if protocol == "fold-in":  # the latest half of each user's, or less, is held out
            counts = np.unique(users[out], return_counts=True)[1]
            behind = later(users[out], ratings.times[out], inclusive=True)
            fold_in[out] = behind > np.repeat(counts // 2, counts)
            out &= ~fold_in
    elif protocol == "cold-movies":
        out = np.isin(movies, _tenth(rng.permutation(np.unique(movies))))
    elif protocol == "new-movies":
        ids, rows = np.unique(movies, return_inverse=True)
        first = first_times(rows, ratings.times, len(ids))
        out = np.isin(rows, _tenth(np.argsort(-first, kind="stable")))
    elif protocol == "cold-users":
        every = np.unique(users)
        if fold is None:
            out = np.isin(users, _tenth(rng.permutation(every)))
        else:
            order = np.random.default_rng(fold // TENTH).permutation(every)
            out = np.isin(users, order[fold % TENTH :: TENTH])
    else:
        liked = ratings.values >= LIKED
        fans, counts = np.unique(users[liked], return_counts=True)
        theirs = np.isin(users, _tenth(rng.permutation(fans[counts > likes])))
        fold_in[liked] = _shuffled(users[liked], rng) < likes
        fold_in &= theirs
        out = theirs & ~fold_in
    return Stage(ratings[~(out | fold_in)], ratings[fold_in], ratings[out])


def _shuffled(user_ids: NDArray[np.integer], rng: np.random.Generator) -> NDArray[np.int64]:
    """(N,) a random numbering from 0 of the ratings of each user."""
    return later(user_ids, -rng.random(len(user_ids)))


def _tenth(ids: NDArray[np.integer]) -> NDArray[np.integer]:
    """The first tenth of some ids, at least one of them."""
    return ids[: max(1, round(len(ids) / TENTH))]

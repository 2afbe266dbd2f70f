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

    random: a fifth of every user's ratings.
    user-time: the last fifth of every user's ratings.
    fold-in: one cut at four fifths of all ratings by time; what came before is trained on. Of
        what came later, at most half of each user's ratings, the latest, is held out; the rest
        is folded in. Movies first rated after a user's cutoff time are not available.
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
    choice = Stage(*_hold_out(rest, protocol, likes, rng))
    for name, part in (("training", choice.train), ("validation", choice.test), ("test", test)):
        if not len(part):
            raise DataError(
                f"the {name} part of the {protocol} split of {len(ratings)} ratings is empty",
                "take more ratings or another protocol",
            )
    return Split(choice, Stage(Ratings.joined(choice), fold_in, test))


def _hold_out(
    ratings: Ratings, protocol: str, likes: int, rng: np.random.Generator, fold: int | None = None
) -> tuple[Ratings, Ratings, Ratings]:
    """(what stays, what is folded in, what is held out).

    Args:
        fold: which of TENTH parts of the users cold-users holds out, if it is not a random one.
    """
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
        if protocol == "fold-in":
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
    return ratings[~(out | fold_in)], ratings[fold_in], ratings[out]


def _shuffled(user_ids: NDArray[np.integer], rng: np.random.Generator) -> NDArray[np.int64]:
    """(N,) a random numbering from 0 of the ratings of each user."""
    return later(user_ids, -rng.random(len(user_ids)))


def _tenth(ids: NDArray[np.integer]) -> NDArray[np.integer]:
    """The first tenth of some ids, at least one of them."""
    return ids[: max(1, round(len(ids) / TENTH))]

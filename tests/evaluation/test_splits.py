"""Every rating in exactly one part of a split, and which one."""

import dataclasses

import hand_made
import numpy as np
import pytest

from recsys.data.dataset import Ratings
from recsys.errors import DataError
from recsys.evaluation import BY_TIME, PROTOCOLS
from recsys.evaluation.splits import split


def some_ratings(users=30, movies=40, share=0.5):
    rng = np.random.default_rng(0)
    user, movie = np.nonzero(rng.random((users, movies)) < share)
    rows = zip(user * 3 + 7, movie * 2 + 1, rng.integers(1, 6, len(user)), strict=True)
    return hand_made.ratings(*rows, times=rng.integers(0, 500, len(user)))


RATINGS = some_ratings()


def users(ratings):
    return set(ratings.user_ids.tolist())


def movies(ratings):
    return set(ratings.movie_ids.tolist())


def times(ratings, user):
    return np.sort(ratings.times[ratings.user_ids == user])


def lines(*parts):
    """Ids, value and time of all ratings, in order."""
    columns = vars(Ratings.joined(parts)).values()
    return sorted(zip(*(column.tolist() for column in columns), strict=True))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_rating_is_in_one_part_which_the_seed_decides_and_the_order_does_not(protocol):
    choice, final = split(RATINGS, protocol, seed=3)
    assert lines(*final) == lines(RATINGS)
    assert lines(*choice) == lines(final.train)
    assert lines(final.seen) == lines(final.train, final.fold_in)
    shuffled = RATINGS[np.random.default_rng(9).permutation(len(RATINGS))]
    first, again, other = (
        [lines(part) for stage in split(each, protocol, seed) for part in stage]
        for each, seed in ((RATINGS, 3), (shuffled, 3), (RATINGS, 2))
    )
    assert first == again
    assert (first == other) == (protocol in BY_TIME)


def test_random_holds_out_a_fifth_of_every_user_user_time_the_last_and_temporal_that_of_all():
    choice, final = split(RATINGS, "random", seed=0)
    last = split(RATINGS, "user-time", seed=0).final.test
    for user in users(RATINGS):
        every, test, validation = (times(p, user) for p in (RATINGS, final.test, choice.test))
        assert len(test) == round(len(every) / 5)
        assert len(validation) == round((len(every) - len(test)) / 5)
        assert times(last, user).tolist() == every[every >= every[-len(test)]].tolist()
    choice, final = split(RATINGS, "temporal", seed=0)
    assert choice.train.times.max() < choice.test.times.min()
    assert choice.test.times.max() < final.test.times.min()
    assert 0.19 < len(final.test) / len(RATINGS) < 0.22


def test_fold_in_cuts_all_ratings_once_and_folds_the_earlier_half_in():
    """Equal times stay together."""
    train, fold_in, test = split(RATINGS, "fold-in", seed=0).final
    assert train.times.max() < min(fold_in.times.min(), test.times.min())
    assert 0.19 < (len(fold_in) + len(test)) / len(RATINGS) < 0.22
    assert users(test) <= users(fold_in)
    for user in users(test):
        before, after = times(fold_in, user), times(test, user)
        assert len(after) <= len(before)
        assert before.max() < after.min()
    early = [(user, movie, 5) for user in range(1, 5) for movie in range(1, 10)]
    late, last = [(9, movie, 5) for movie in range(1, 7)], [(8, movie, 5) for movie in range(1, 4)]
    times_of = [*range(36), 100, 101, 101, 102, 103, 103, 104, 104, 104]
    final = split(hand_made.ratings(*early, *late, *last, times=times_of), "fold-in", seed=0).final
    assert times(final.fold_in, 9).tolist() == [100, 101, 101]
    assert times(final.test, 9).tolist() == [102, 103, 103]
    assert 8 not in users(final.test)  # all at once: nothing is later than the cutoff


def test_ten_seeds_of_cold_users_hold_out_every_user_once():
    ratings = some_ratings(users=37)
    tests = [users(split(ratings, "cold-users", seed).final.test) for seed in range(10, 20)]
    assert sum(map(len, tests)) == 37
    assert set().union(*tests) == users(ratings)


@pytest.mark.parametrize(
    ("protocol", "of", "count"),
    [("cold-users", users, 3), ("cold-movies", movies, 4), ("new-movies", movies, 4)],
)
def test_what_is_cold_has_no_rating_to_learn_from(protocol, of, count):
    first = {each: RATINGS.times[RATINGS.movie_ids == each].min() for each in movies(RATINGS)}
    for stage in split(RATINGS, protocol, seed=0):
        assert len(of(stage.test)) in (count - 1, count)
        assert not of(stage.test) & of(stage.train)
        if protocol == "new-movies":
            newest = max(first[movie] for movie in movies(stage.train))
            assert min(first[movie] for movie in movies(stage.test)) >= newest


@pytest.mark.parametrize("likes", [1, 4])
def test_few_likes_gives_that_many_liked_movies_and_leaves_one_to_find(likes):
    for train, fold_in, test in split(RATINGS, "few-likes", seed=0, likes=likes):
        assert (fold_in.values >= 4).all()
        assert users(fold_in) == users(test)
        assert not users(test) & users(train)
        for user in users(test):
            assert (fold_in.user_ids == user).sum() == likes
            assert (test.values[test.user_ids == user] >= 4).any()
    # users 7 and 10 like three movies, all others two
    ratings = some_ratings(users=20, movies=6, share=1)
    liked = (ratings.movie_ids < 5) | ((ratings.movie_ids == 5) & (ratings.user_ids <= 10))
    ratings = dataclasses.replace(ratings, values=np.where(liked, 5, 1))
    choice, final = split(ratings, "few-likes", seed=0, likes=2)
    assert users(final.test) | users(choice.test) == {7, 10}


def test_parts_that_would_be_empty_and_unknown_protocols_are_refused():
    at_once = dataclasses.replace(RATINGS, times=np.zeros_like(RATINGS.times))
    for ratings, protocol, message in (
        (RATINGS[np.arange(1)], "cold-users", "training part of the cold-users split of 1"),
        (at_once, "temporal", "no times, or all the same; temporal divides by time"),
        (RATINGS, "leave-one-out", "choose from random, user-time"),
    ):
        with pytest.raises(DataError, match=message):
            split(ratings, protocol, seed=0)

"""Every rating in exactly one part of a split, and which one."""

import dataclasses

import numpy as np
import pytest
from hand_made import dataset

from recsys.data.dataset import Ratings
from recsys.errors import DataError
from recsys.evaluation import BY_TIME, PROTOCOLS
from recsys.evaluation.splits import Stage, split, task_of


def some_ratings(users=30, movies=40, share=0.5, seed=0):
    rng = np.random.default_rng(seed)
    user, movie = np.nonzero(rng.random((users, movies)) < share)
    return Ratings(
        (user * 3 + 7).astype(np.int32),
        (movie * 2 + 1).astype(np.int32),
        rng.integers(1, 6, len(user)).astype(np.float32),
        rng.integers(0, 500, len(user)),
    )


def pairs(ratings):
    return set(zip(ratings.user_ids.tolist(), ratings.movie_ids.tolist(), strict=True))


def users(ratings):
    return set(ratings.user_ids.tolist())


def movies(ratings):
    return set(ratings.movie_ids.tolist())


def lines(*parts):
    """Ids, value and time of all ratings, in order."""
    return sorted(
        zip(*(c.tolist() for c in vars(Ratings.concatenate(parts)).values()), strict=True)
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_rating_is_in_exactly_one_part_as_it_was(protocol):
    ratings = some_ratings()
    assert lines(*split(ratings, protocol, seed=3)) == lines(ratings)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_seed_decides_and_the_order_of_the_file_does_not(protocol):
    ratings = some_ratings()
    shuffled = ratings[np.random.default_rng(9).permutation(len(ratings))]
    first, again, other = (
        [pairs(part) for part in split(each, protocol, seed)]
        for each, seed in ((ratings, 1), (shuffled, 1), (ratings, 2))
    )
    assert first == again
    assert (first == other) == (protocol in BY_TIME)


def test_random_holds_out_a_fifth_of_every_user():
    ratings = some_ratings()
    parts = split(ratings, "random", seed=0)
    for user in users(ratings):
        total, test, validation = (
            int((part.user_ids == user).sum()) for part in (ratings, parts.test, parts.validation)
        )
        assert test == round(total / 5)
        assert validation == round((total - test) / 5)


def test_temporal_tests_on_what_came_later_and_keeps_equal_times_together():
    parts = split(some_ratings(), "temporal", seed=0)
    assert parts.train.times.max() < parts.validation.times.min()
    assert parts.validation.times.max() < parts.test.times.min()
    assert 0.19 < len(parts.test) / len(some_ratings()) < 0.22


def a_history(*rows):
    """(user id, movie id, time) each, all rated 5."""
    user_ids, movie_ids, times = np.array(rows).T
    values = np.full(len(rows), 5, np.float32)
    return Ratings(user_ids.astype(np.int32), movie_ids.astype(np.int32), values, times)


def test_user_time_holds_out_the_last_fifth_of_every_user():
    ratings = some_ratings()
    parts = split(ratings, "user-time", seed=0)
    for user in users(ratings):
        whole, test, rest = (
            np.sort(part.times[part.user_ids == user])
            for part in (ratings, parts.test, parts.final.train)
        )
        fifth = round(len(whole) / 5)
        if not fifth:
            assert not len(test)
            continue
        edge = whole[-fifth]  # ratings of that time are held out whole
        assert test.tolist() == whole[whole >= edge].tolist()
        assert rest.tolist() == whole[whole < edge].tolist()


def test_fold_in_cuts_all_ratings_once_and_folds_the_earlier_half_in():
    ratings = some_ratings()
    parts = split(ratings, "fold-in", seed=0)
    assert parts.final.train.times.max() < min(parts.fold_in.times.min(), parts.test.times.min())
    assert 0.19 < (len(parts.fold_in) + len(parts.test)) / len(ratings) < 0.22
    assert users(parts.test) <= users(parts.fold_in)
    for user in users(parts.fold_in):
        before, after = (p.times[p.user_ids == user] for p in (parts.fold_in, parts.test))
        assert len(after) <= (len(before) + len(after)) / 2
        if len(after):
            assert before.max() < after.min()


def test_fold_in_keeps_equal_times_together():
    early = [(user, movie, movie) for user in range(1, 5) for movie in range(1, 10)]
    late = [(9, 1, 100), (9, 2, 101), (9, 3, 101), (9, 4, 102), (9, 5, 103), (9, 6, 103)]
    last = [(8, 1, 104), (8, 2, 104), (8, 3, 104)]
    rest = split(a_history(*early, *late, *last), "fold-in", seed=0)
    times = {time for user, _, time in late if user == 9}
    assert {*rest.fold_in.times[rest.fold_in.user_ids == 9].tolist()} == {100, 101}
    assert {*rest.test.times[rest.test.user_ids == 9].tolist()} == times - {100, 101}
    assert 8 not in users(rest.test)  # all at once: nothing is later than the cutoff


def test_movies_first_rated_after_the_cutoff_time_are_not_available():
    train = a_history((1, 10, 1), (2, 20, 2))
    fold_in = a_history((5, 10, 50), (5, 20, 60), (6, 10, 90))
    test = a_history((5, 30, 70), (6, 40, 95), (6, 30, 96))
    stage = Stage(train, fold_in, test)
    task = task_of(stage, dataset(train), "fold-in")
    # user 5 at 60: 30 is what is asked for, 40 comes at 95; user 6 at 90: 30 is there
    assert task.user_ids.tolist() == [5, 6]
    expected = [[True, True, False, True], [True, False, False, False]]
    assert task.excluded(slice(None)).tolist() == expected
    assert task.take(np.array([1])).excluded(slice(None)).tolist() == expected[1:]
    always = task_of(stage, dataset(train), "random").excluded(slice(None))
    assert always.tolist() == [[True, True, False, False], [True, False, False, False]]


def test_a_movie_that_nobody_rated_is_not_available():
    stage = Stage(*(a_history(*rows) for rows in ([(1, 10, 1)], [(5, 10, 50)], [(5, 30, 70)])))
    excluded = task_of(stage, dataset(stage.train), "fold-in").excluded(slice(None))
    assert excluded.tolist() == [[True, True, False, True]]


@pytest.mark.parametrize("first", [0, 10])
def test_ten_seeds_of_cold_users_hold_out_every_user_once(first):
    ratings = some_ratings(users=37)
    tests = [users(split(ratings, "cold-users", seed).test) for seed in range(first, first + 10)]
    assert sum(map(len, tests)) == 37
    assert set().union(*tests) == users(ratings)


def test_cold_users_have_no_rating_to_learn_from():
    ratings = some_ratings()
    parts = split(ratings, "cold-users", seed=0)
    assert len(users(parts.test)) == 3
    assert len(users(parts.validation)) == 3
    assert not users(parts.test) & (users(parts.train) | users(parts.validation))
    assert not users(parts.validation) & users(parts.train)


def test_cold_movies_are_new():
    parts = split(some_ratings(), "cold-movies", seed=0)
    assert len(movies(parts.test)) == 4
    assert not movies(parts.test) & (movies(parts.train) | movies(parts.validation))
    assert not movies(parts.validation) & movies(parts.train)


def test_new_movies_are_those_that_were_first_rated_last():
    ratings = some_ratings()
    parts = split(ratings, "new-movies", seed=0)
    first = {movie: ratings.times[ratings.movie_ids == movie].min() for movie in movies(ratings)}
    for later, earlier in ((parts.test, parts.validation), (parts.validation, parts.train)):
        assert len(movies(later)) >= 3
        assert not movies(later) & movies(earlier)
        newest = max(first[movie] for movie in movies(earlier))
        assert min(first[movie] for movie in movies(later)) >= newest


@pytest.mark.parametrize("likes", [1, 4])
def test_few_likes_gives_that_many_liked_movies_and_leaves_one_to_find(likes):
    parts = split(some_ratings(), "few-likes", seed=0, likes=likes)
    for fold_in, test in (
        (parts.fold_in, parts.test),
        (parts.validation_fold_in, parts.validation),
    ):
        assert (fold_in.values >= 4).all()
        assert users(fold_in) == users(test)
        assert not users(test) & users(parts.train)
        for user in users(test):
            assert (fold_in.user_ids == user).sum() == likes
            assert (test.values[test.user_ids == user] >= 4).any()


def test_few_likes_holds_out_only_users_with_a_like_left_to_find():
    """Users 7 and 10 like three movies, all others two."""
    ratings = some_ratings(users=20, movies=6, share=1)
    liked = (ratings.movie_ids < 5) | ((ratings.movie_ids == 5) & (ratings.user_ids <= 10))
    ratings = dataclasses.replace(ratings, values=np.where(liked, 5, 1).astype(np.float32))
    parts = split(ratings, "few-likes", seed=0, likes=2)
    assert users(parts.test) | users(parts.validation) == {7, 10}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_final_stage_learns_from_all_but_the_test(protocol):
    parts = split(some_ratings(), protocol, seed=0)
    final, choice = parts.final, parts.choice
    assert lines(choice.train) == lines(parts.train)
    assert lines(final.train) == lines(parts.train, parts.validation, parts.validation_fold_in)
    assert lines(final.seen) == lines(final.train, parts.fold_in)
    assert lines(final.seen, final.test) == lines(*parts)


def test_a_part_that_would_be_empty_is_refused():
    with pytest.raises(DataError, match="training part of the cold-users split of 1"):
        split(some_ratings()[np.arange(1)], "cold-users", seed=0)
    everything_at_once = Ratings(
        *(c if n != "times" else np.zeros_like(c) for n, c in vars(some_ratings()).items())
    )
    with pytest.raises(DataError, match="training part of the temporal split"):
        split(everything_at_once, "temporal", seed=0)


def test_an_unknown_protocol_is_refused():
    with pytest.raises(DataError, match="choose one of random, user-time"):
        split(some_ratings(), "leave-one-out", seed=0)

"""What a query says of a user: likes, dislikes, profile, and the moment of asking."""

import numpy as np
import pytest
from answers import MOVIES, one, share, vectors_of

from recsys.data.schema import MOVIELENS, profile
from recsys.infer import UserQuery, catalogue, users_of
from recsys.parts.part import unit


@pytest.mark.parametrize("genre", ["Animation", "Horror", "War"])
def test_likes_raise_movies_of_their_kind_and_dislikes_less(folder, exact, genre):
    of_genre = np.array([genre in each for each in folder.movies.genres])
    some = folder.movies.ids[of_genre][:4].tolist()

    def lift(query):
        change = (vectors_of(folder, query) - vectors_of(folder, UserQuery())) @ movies.T
        return change[0, of_genre].mean() - change[0, ~of_genre].mean()

    movies = catalogue(folder).vectors
    assert lift(UserQuery(likes=some)) > max(0.05, lift(UserQuery(dislikes=some)))
    if genre == "Animation":  # the others are liked for what they share with many movies
        assert share(one(exact, UserQuery(likes=some), 10), genre) > 2 * of_genre.mean()


def test_a_like_takes_precedence_over_an_old_rating(folder):
    """A user who rated a movie lowest and now likes it is as if it was rated 5."""
    rows, ratings, _ = folder.history.of(11)
    worst = int(rows[np.argmin(ratings)])
    assert ratings.min() <= 2
    liked = int(folder.vocabulary.movie_ids[worst - 1])
    asked = users_of(folder, [UserQuery(11, likes=(liked,))]).asked
    assert sorted(asked.history.indices.tolist()) == sorted(rows.tolist())
    place = asked.history.indices.tolist().index(worst)
    assert (asked.history.values[place], asked.recent[place]) == (5, 1)


def test_a_like_is_no_rating(folder, exact):
    """Who names favourites is not predicted to rate everything higher than who rated them 5."""
    movies = tuple(folder.movies.ids[:5].tolist())

    def mean(query):
        (answer,) = exact.recommend([query], 300)
        return np.mean([movie.rating for movie in answer])

    likes = mean(UserQuery(likes=movies))
    assert likes < mean(UserQuery(rated=tuple((movie, 5.0, 0) for movie in movies)))
    assert abs(likes - mean(UserQuery())) < 0.3


def test_a_dislike_never_raises_what_is_near(folder):
    """Nearest in taste, for every fourth movie, of a cold-start user who likes two."""
    taste, movies = unit(np.array(folder.arrays["taste/taste"][1:])), catalogue(folder).vectors
    liking, rows = UserQuery(likes=(1, 2)), np.arange(8, MOVIES, 4)
    disliked = folder.vocabulary.movie_ids[rows].tolist()
    before, *after = vectors_of(
        folder, liking, *(liking._replace(dislikes=(each,)) for each in disliked)
    )
    for row, vector in zip(rows, after, strict=True):
        nearest = np.argsort(-(taste @ taste[row]))[:10]
        assert (movies[nearest] @ (vector - before)).max() <= 1e-5, row


@pytest.mark.parametrize("before", [UserQuery(), UserQuery(11), UserQuery(likes=(1, 2))])
def test_a_like_raises_its_nearest_and_a_dislike_lowers_it_and_hardly_anything_else(folder, before):
    """For every movie, nearest in taste; of predicted ratings."""
    taste = unit(np.array(folder.arrays["taste/taste"][1:]))
    likeness = taste @ taste.T
    np.fill_diagonal(likeness, -1)
    known = folder.vocabulary.movie_ids.tolist()
    others, movies = ~np.isin(known, before.likes), catalogue(folder).vectors.T
    (level,) = vectors_of(folder, before, rank_by="rating") @ movies
    for sign in (1, -1):
        queries = [
            before._replace(likes=(*before.likes, each))
            if sign == 1
            else before._replace(likes={*before.likes} - {each}, dislikes=(each,))
            for each in known
        ]
        change = sign * (vectors_of(folder, *queries, rank_by="rating") @ movies - level)
        assert change[np.arange(MOVIES), likeness.argmax(1)][others].min() > 0
        assert np.abs(change[others]).mean(1).max() < 0.1


def test_a_known_users_profile_is_completed_unless_given(folder, exact):
    own = profile(MOVIELENS, folder.attributes[3])
    turned = {"gender": "M" if own["gender"] == "F" else "female"}
    same, plain, other = vectors_of(folder, UserQuery(3, own), UserQuery(3), UserQuery(3, turned))
    np.testing.assert_array_equal(same, plain)
    assert np.abs(other - plain).max() > 1e-4
    users = [UserQuery(3), UserQuery(), UserQuery(attributes={"gender": "f"})]
    assert users_of(folder, users).asked.user_rows.tolist() == [3, 0, 0]
    completed = [answer.query.attributes for answer in exact.recommend(users, 1)]
    assert completed == [own, {}, {"gender": "F"}]

"""From a query to ranked movies, exact and in Milvus; predicted ratings and new movies."""

from typing import get_args

import numpy as np
import pytest
from answers import MOVIES, USERS, ids, one, share, vectors_of
from command_line import SAMPLE, output
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import recsys.infer
from recsys import parts
from recsys.data.dataset import Movies
from recsys.errors import QueryError
from recsys.infer import Choice, RankBy, UserQuery, catalogue, predict, users_of
from recsys.preprocess import read_movies_data, write_movies_data
from recsys.serving.catalogue import Filter

TOY_STORY = 1
GIRL = {"gender": "F", "age": "under 18", "job": "K-12 student"}
NEW = Movies(
    np.array([5001, 5002, 5003]),
    ["Wishing Star, The (2023)", "Zyxwv (2024)", "Qqq"],
    [("Animation", "Children's", "Musical"), ("Horror",), ()],
)


@pytest.fixture(scope="module")
def rated_by_user():
    """Straight from the raw file."""
    rated: dict[int, set[int]] = {}
    for line in (SAMPLE / "ratings.dat").read_text("latin-1").splitlines():
        user_id, movie_id, _, _ = map(int, line.split("::"))
        rated.setdefault(user_id, set()).add(movie_id)
    return rated


def test_a_score_is_the_weighted_sum_of_the_parts_inner_products(folder):
    liking = UserQuery(likes=(1, 2), dislikes=(3,))
    queries = UserQuery(3), UserQuery(attributes=GIRL), UserQuery(), liking
    both, published = users_of(folder, queries), catalogue(folder).vectors
    users, rating = (parts.users(folder.tables, each) for each in (both.asked, both.predicted))
    users |= {name: rating[name] for name in ("factors", "taste.each")}
    assert published.shape == (MOVIES, folder.layout.size)
    np.testing.assert_allclose(np.linalg.norm(published, axis=1), 1, atol=1e-6)
    movies = folder.layout.split(published)
    asked = {name: name.partition(".")[0] for name in users}
    products = {n: users[n] @ movies[slice].T for n, slice in asked.items() if slice in movies}
    weights, predicting = dict(folder.weights), 5 * rating["rating"] @ movies["rating"].T
    head = weights["rating"]["rating"] / 5
    assert 0 < head < 1
    factors = (1 - head) * products["factors"]
    kinds = [weights["relevance"][kind] for kind in ("history", "profile", "profile", "likes")]
    expected = {
        "tutorial": 5 * products["rating"],
        "rating": head * predicting + factors + 0.1 * products["taste.each"],
        "taste": products["taste"] + products["taste.named"],
        "relevance": [
            sum(weight * products[name][row] for name, weight in kind.items())
            for row, kind in enumerate(kinds)
        ],
    }
    for rank_by, scores in expected.items():
        found = vectors_of(folder, *queries, rank_by=rank_by) @ published.T
        np.testing.assert_allclose(found, scores, atol=1e-4)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, USERS), st.sampled_from(get_args(RankBy)))
def test_score_and_rating_of_an_answer_are_those_of_the_pairs(folder, exact, user, rank_by):
    answer = one(exact, UserQuery(user), 50, rank_by=rank_by)
    found = predict(folder, [user] * 50, ids(answer), rank_by=rank_by)
    np.testing.assert_allclose(found, [movie.score for movie in answer], atol=1e-5)
    ratings = predict(folder, [user] * 50, ids(answer))
    np.testing.assert_allclose(ratings, [movie.rating for movie in answer], atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(
    whom=st.tuples(st.none() | st.integers(1, USERS), st.sampled_from([{}, {"gender": "F"}, GIRL])),
    likes=st.sets(st.integers(1, MOVIES), max_size=3),
    dislikes=st.sets(st.integers(1, MOVIES), max_size=2),
    k=st.integers(1, MOVIES + 1),
    rank_by=st.sampled_from(get_args(RankBy)),
    genres=st.sampled_from([(), ("Drama",), ("War", "Horror")]),
    years=st.sampled_from([None, (1980, 1994), (1800, 1801)]),
    include_seen=st.booleans(),
)
def test_recommendations_under_any_options_are_what_numpy_says(
    folder, exact, rated_by_user, whom, likes, dislikes, k, rank_by, genres, years, include_seen
):
    """The best inner products of the movies that fit, were not seen and are not named."""
    movies = folder.movies
    named = [tuple(movies.ids[np.array([*rows], int) - 1].tolist())
             for rows in (likes, dislikes - likes)]  # fmt: skip
    assume(rank_by != "taste" or whom[0] or any(named))  # else nothing is known of it
    query, filter = UserQuery(*whom, *named), Filter(any_genre=genres, years=years)
    options = {"rank_by": rank_by, "filter": filter, "include_seen": include_seen}
    answer = one(exact, query, k, **options)
    seen = {*named[0], *named[1]} | (set() if include_seen else rated_by_user.get(whom[0], set()))
    fits = np.array([
        bool(not genres or {*genres} & {*of}) and (not years or years[0] <= year <= years[1])
        for of, year in zip(movies.genres, movies.years.tolist(), strict=True)
    ]) & ~np.isin(movies.ids, [*seen])  # fmt: skip
    (vector,) = vectors_of(folder, query, rank_by=rank_by)
    scores = catalogue(folder).vectors @ vector
    if rank_by in ("rating", "tutorial"):
        scores = np.clip(scores, 0.5, 5)
    best = np.sort(scores[fits])[::-1][:k]
    np.testing.assert_allclose([movie.score for movie in answer], best, atol=1e-5)
    rows = np.searchsorted(movies.ids, ids(answer))
    np.testing.assert_allclose(scores[rows], best, atol=1e-5)
    assert fits[rows].all()
    assert [movie.rank for movie in answer] == [*range(1, len(answer) + 1)]


@pytest.mark.parametrize("rank_by", ["relevance", "rating", "tutorial"])
def test_milvus_gives_the_exact_answer(folder, exact, milvus, rank_by):
    users = map(UserQuery, folder.vocabulary.user_ids[::60].tolist())
    profile = UserQuery(attributes={"gender": "M", "age": "60"})
    queries = [*users, UserQuery(), profile, UserQuery(likes=(1, 2), dislikes=(3,))]
    choice = Choice([59], diversity=0.3, novelty=0.1, max_per=[("genre", 3)])
    drama = Filter(any_genre=("Drama",), years=(1980, 1999))
    for how in {}, {"filter": drama}, {"choice": choice}:
        how |= {"k": 12, "rank_by": rank_by}
        ours, theirs = (each.recommend(queries, **how) for each in (exact, milvus))
        for query, mine, other in zip(queries, ours, theirs, strict=True):
            assert ids(mine) == ids(other) == ids(one(milvus, query, **how))
            for a, b in zip(mine, other, strict=True):
                assert (a.score, a.rating) == pytest.approx((b.score, b.rating), abs=1e-5)
                assert a == b._replace(score=a.score, rating=a.rating)


def test_a_batch_is_the_same_as_one_by_one(folder, exact, monkeypatch):
    queries = [
        UserQuery(),
        UserQuery(7),
        UserQuery(attributes={"gender": "F"}),
        UserQuery(7, {"age": "56 and over"}, likes=(1,)),
        UserQuery(likes=(4, 4, 9), dislikes=(5, 2)),
        UserQuery(308, dislikes=(1, 2, 3)),
    ]
    together = vectors_of(folder, *queries)
    for query, vector in zip(queries, together, strict=True):
        np.testing.assert_allclose(vectors_of(folder, query)[0], vector, atol=1e-6)
    alone = [ids(one(exact, query, 9)) for query in queries]
    for most in (recsys.infer.BATCH, 4):
        monkeypatch.setattr("recsys.infer.BATCH", most)
        assert [*map(ids, exact.recommend(queries, 9))] == alone
    assert [*exact.recommend([], 9)] == []
    users, movies = np.array([5, 1, 5, 300, 1]), np.array([1, 9, 9, 1, 9])
    together = predict(folder, users, movies)
    alone = [predict(folder, [u], [m])[0] for u, m in zip(users, movies, strict=True)]
    np.testing.assert_allclose(alone, together, atol=1e-6)
    assert predict(folder, np.array([], np.int64), np.array([], np.int64)).shape == (0,)


def test_movies_of_an_encoded_file_are_the_same_movies(folder, tmp_path):
    """preprocess writes no titles; known movies get theirs back, new ones their words."""
    movies, path = Movies.joined([folder.movies, NEW]), tmp_path / "movies_data.txt"
    write_movies_data(path, movies, folder.vocabulary)
    again = catalogue(folder, read_movies_data(path, folder.movies, folder.vocabulary))
    direct = catalogue(folder, movies)
    np.testing.assert_allclose(again.vectors[:MOVIES], direct.vectors[:MOVIES], atol=1e-7)
    # Of new movies, years and words that the vocabulary has not are lost on the way.
    assert ((again.vectors[MOVIES:] * direct.vectors[MOVIES:]).sum(1) > 0.9).all()
    assert again.titles[:MOVIES] == direct.titles[:MOVIES]
    assert again.genres[:MOVIES] == direct.genres[:MOVIES]
    assert again.is_new.tolist() == direct.is_new.tolist()


def test_similar_movies(folder, exact, milvus):
    answer = exact.similar(TOY_STORY, 10)
    assert TOY_STORY not in ids(answer)
    assert ids(answer) == ids(milvus.similar(TOY_STORY, 10))
    scores = [movie.score for movie in answer]
    assert scores == sorted(scores, reverse=True)
    assert -1 <= scores[-1] <= scores[0] <= 1 + 1e-6
    assert {movie.rating for movie in answer} == {None}
    assert share(answer, "Animation") > 2 * share(one(exact, UserQuery(), MOVIES), "Animation")
    only = exact.similar(TOY_STORY, 10, Filter(any_genre=("War",)))
    assert all("War" in movie.genres for movie in only)
    with pytest.raises(QueryError, match="movie 99999 is not published"):
        exact.similar(99999, 3)


def test_by_taste_who_has_none_gets_no_list_among_those_who_have(exact):
    nobody, fan = exact.recommend([UserQuery(), UserQuery(likes=(TOY_STORY,))], 3, rank_by="taste")
    assert (len(nobody), len(fan)) == (0, 3)


NO_SCIPY = """
import sys, recsys
model = recsys.load_model(sys.argv[1])
movies = recsys.Recommender(model, recsys.catalogue(model))
query = recsys.UserQuery(42, {"job": "writer"}, likes=(1,), dislikes=(2,))
(answer,) = movies.recommend([query], 5)
recsys.predict(model, [1], [1]), movies.similar(1, 3)
assert len(answer) == 5
assert not {"scipy", "paddle", "pyarrow", "pandas"} & set(sys.modules), "heavy"
"""


def test_a_single_query_imports_neither_scipy_nor_paddle(folder):
    output("-c", NO_SCIPY, str(folder.path))

"""From a person to ranked movies: users, cold-start users, favourites, new movies; exact and Milvus."""

import json

import numpy as np
import pytest
from command_line import SAMPLE
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.data.dataset import Movies
from recsys.errors import DataError
from recsys.infer import Recommender, UserQuery, catalogue, decoded_movies, query
from recsys.milvus_store import MilvusStore
from recsys.preprocess import read_movies_data, write_movies_data
from recsys.serving.catalogue import Filter
from recsys.serving.folded import EASE_DIM, movie_vectors, parts, ranking, user_vectors

RANKINGS = pytest.mark.parametrize("rank_by", ["relevance", "rating"])
WHOLE = 338  # movies of the sample
NEW = Movies(
    np.array([5001, 5002, 5003]),
    ["Wishing Star, The (2023)", "Zyxwv (2024)", "Qqq"],
    [("Animation", "Children's", "Musical"), ("Horror",), ()],
)


@pytest.fixture(scope="module")
def exact(folder):
    return Recommender(folder, catalogue(folder))


@pytest.fixture(scope="module")
def milvus(folder, trained):
    with MilvusStore(str(trained.place / "recsys.db")) as store:
        store.open(folder.fingerprint)
        yield Recommender(folder, store)


@pytest.fixture(scope="module")
def with_new(folder):
    """A recommender whose store has three movies the model never saw."""
    old = folder.movies
    movies = Movies(
        np.concatenate([old.ids, NEW.ids]), old.titles + NEW.titles, old.genres + NEW.genres
    )
    return Recommender(folder, catalogue(folder, movies))


def everybody(folder) -> list[UserQuery]:
    return [UserQuery(int(user_id)) for user_id in folder.vocabulary.user_ids]


def one(recommender: Recommender, person: UserQuery, k: int = 10, **options):
    (answer,) = recommender.recommend([person], k, **options)
    return answer


def ids(answer) -> list[int]:
    return [movie.movie_id for movie in answer]


def rated_by_user() -> dict[int, set[int]]:
    """Straight from the raw file."""
    rated: dict[int, set[int]] = {}
    for line in (SAMPLE / "ratings.dat").read_text("latin-1").splitlines():
        user_id, movie_id, _, _ = map(int, line.split("::"))
        rated.setdefault(user_id, set()).add(movie_id)
    return rated


def test_published_vectors_are_of_unit_length(folder):
    movies = catalogue(folder)
    assert movies.vectors.shape == (WHOLE, 2 * folder.dimension + EASE_DIM)
    np.testing.assert_allclose(np.linalg.norm(movies.vectors, axis=1), 1, atol=1e-6)


def test_a_querys_inner_product_is_the_ranking_of_each_kind(folder, exact):
    """values: the cosine of that head alone. match: the mean of three, the stars' weighing least."""
    people = [UserQuery(3), UserQuery(gender=1, age=0, job=10), UserQuery()]
    vectors, movies = exact.vectors(people), catalogue(folder).vectors * np.sqrt(3)
    cosines = [a @ b.T for a, b in zip(parts(vectors), parts(movies), strict=True)]
    found = query(vectors, "rating") @ catalogue(folder).vectors.T
    np.testing.assert_allclose(found, cosines[1], atol=1e-6)
    found = query(vectors, "relevance") @ catalogue(folder).vectors.T
    np.testing.assert_allclose(found, ranking(vectors, "relevance") @ movies.T, atol=1e-6)
    weights = np.linalg.lstsq(np.stack([c.ravel() for c in cosines], 1), found.ravel())[0]
    assert min(weights[0], weights[2]) > weights[1] > 0
    assert weights.sum() == pytest.approx(1, abs=1e-4)


@RANKINGS
def test_answers_are_in_order_and_numbered(exact, rank_by):
    answer = one(exact, UserQuery(3), 50, rank_by=rank_by)
    values = [movie.match if rank_by == "relevance" else movie.score for movie in answer]
    assert values == sorted(values, reverse=True)
    assert [movie.rank for movie in answer] == list(range(1, 51))
    assert len(set(ids(answer))) == 50


@RANKINGS
def test_the_best_of_a_naive_ranking(folder, exact, rank_by):
    """Every movie's vector beside every person's, sorted; no store."""
    movies = folder.movies
    vectors = movie_vectors(
        folder.table,
        folder.vocabulary.movie_rows(movies.ids),
        folder.vocabulary.genre_rows(movies.genres),
        folder.vocabulary.title_rows(movies.titles),
    )
    seen = rated_by_user()
    for user_id in (1, 77, 308):
        (vector,) = ranking(exact.vectors([UserQuery(user_id)]), rank_by)
        order = np.argsort(-(vectors @ vector), kind="stable")
        expected = [m for m in movies.ids[order].tolist() if m not in seen[user_id]][:20]
        assert ids(one(exact, UserQuery(user_id), 20, rank_by=rank_by)) == expected


def test_score_is_five_times_the_stars_cosine(folder, exact):
    vector = parts(exact.vectors([UserQuery(9)]))[1][0]
    for movie in one(exact, UserQuery(9), 20):
        (other,) = parts(catalogue(folder).take([movie.movie_id]).vectors)[1] * np.sqrt(3)
        assert movie.score == pytest.approx(np.clip(5 * vector @ other, 0.5, 5), abs=1e-5)
        (values,) = exact.predict(np.array([9]), np.array([movie.movie_id]))
        assert movie.score == pytest.approx(values, abs=1e-5)


@RANKINGS
@pytest.mark.parametrize("place", ["exact", "milvus"])
def test_no_seen_movie_ever_slips_through(folder, request, place, rank_by):
    recommender = request.getfixturevalue(place)
    seen, people = rated_by_user(), everybody(folder)
    assert len(people) == 308
    answers = list(recommender.recommend(people, WHOLE, rank_by=rank_by))
    for person, answer in zip(people, answers, strict=True):
        assert person.user_id is not None
        rated = seen.get(person.user_id, set())
        assert not set(ids(answer)) & rated
        assert len(answer) == WHOLE - len(rated)  # and nothing else is missing


@settings(max_examples=40, deadline=None)
@given(
    user_id=st.integers(1, 308),
    k=st.integers(1, WHOLE),
    rank_by=st.sampled_from(["relevance", "rating"]),
    likes=st.lists(st.integers(1, 400), max_size=3),
    genre=st.sampled_from([(), ("Drama",), ("War", "Horror")]),
)
def test_nor_for_any_question_of_a_known_user(exact, user_id, k, rank_by, likes, genre):
    known = tuple(each for each in likes if exact.model.vocabulary.movie_rows([each])[0])
    person = UserQuery(user_id, likes=known)
    answer = one(exact, person, k, rank_by=rank_by, where=Filter(any_genre=genre))
    assert not set(ids(answer)) & (rated_by_user()[user_id] | set(known))
    assert all(not genre or set(genre) & set(movie.genres) for movie in answer)


def test_seen_movies_come_when_asked_for(exact):
    assert len(one(exact, UserQuery(5), WHOLE, include_seen=True)) == WHOLE


@RANKINGS
def test_milvus_gives_the_exact_answer(folder, exact, milvus, rank_by):
    people = [
        *everybody(folder)[::40],
        UserQuery(),
        UserQuery(gender=0, age=6),
        UserQuery(likes=(1, 2), dislikes=(3,)),
    ]
    for options in ({}, {"where": Filter(any_genre=("Drama",), years=(1980, 1999))}):
        ours = exact.recommend(people, 12, rank_by=rank_by, **options)
        theirs = milvus.recommend(people, 12, rank_by=rank_by, **options)
        for person, mine, other in zip(people, ours, theirs, strict=True):
            assert ids(mine) == ids(other)
            alone = one(milvus, person, 12, rank_by=rank_by, **options)  # one by one, by search
            assert ids(alone) == ids(mine)
            for a, b in zip(mine, other, strict=True):
                assert a.match == pytest.approx(b.match, abs=1e-5)
                assert a._replace(match=0, score=0) == b._replace(match=0, score=0)


def test_a_batch_is_the_same_as_one_by_one(folder, exact):
    people = [
        UserQuery(),
        UserQuery(7),
        UserQuery(gender=1),
        UserQuery(7, age=6, likes=(1,)),
        UserQuery(likes=(4, 4, 9), dislikes=(9, 2)),
        UserQuery(308, dislikes=(1, 2, 3)),
    ]
    together = exact.vectors(people)
    for person, vector in zip(people, together, strict=True):
        np.testing.assert_allclose(exact.vectors([person])[0], vector, atol=1e-6)
    for person, answer in zip(people, exact.recommend(people, 9), strict=True):
        assert ids(one(exact, person, 9)) == ids(answer)


def test_more_people_than_are_asked_for_at_a_time(folder, exact, monkeypatch):
    monkeypatch.setattr("recsys.infer.BATCH", 7)
    people = everybody(folder)[:23]
    answers = list(exact.recommend(people, 3))
    assert [ids(a) for a in answers] == [ids(one(exact, person, 3)) for person in people]
    assert list(exact.recommend([], 3)) == []


def test_fewer_where_fewer_fit(exact):
    assert one(exact, UserQuery(), 5, where=Filter(years=(1800, 1801))) == []
    some = one(exact, UserQuery(), WHOLE, where=Filter(any_genre=("Documentary",)))
    assert 0 < len(some) < 20


def share(answer, genre: str) -> float:
    return float(np.mean([genre in movie.genres for movie in answer]))


def lift(recommender: Recommender, genre: str, **told) -> float:
    """How much further the movies of a genre rise than others when somebody names favourites."""
    before = {f.movie_id: f.match for f in one(recommender, UserQuery(), WHOLE)}
    after = one(recommender, UserQuery(**told), WHOLE)
    rise = {inside: [] for inside in (True, False)}
    for movie in after:
        rise[genre in movie.genres].append(movie.match - before[movie.movie_id])
    return float(np.mean(rise[True]) - np.mean(rise[False]))


@pytest.mark.parametrize("genre", ["Animation", "Horror", "Western", "War", "Romance"])
def test_favourites_raise_their_kind(folder, exact, genre):
    movies = zip(folder.movies.ids.tolist(), folder.movies.genres, strict=True)
    some = tuple(movie_id for movie_id, genres in movies if genre in genres)[:4]
    assert lift(exact, genre, likes=some) > 0.05
    assert lift(exact, genre, dislikes=some) < lift(exact, genre, likes=some)
    kind = share(one(exact, UserQuery(), WHOLE), genre)
    if genre == "Animation":  # the others are liked for what they share with many movies
        assert share(one(exact, UserQuery(likes=some), 10), genre) > 2 * kind


@RANKINGS
def test_named_movies_are_never_recommended(exact, rank_by):
    person = UserQuery(likes=(1, 2), dislikes=(3,))
    for include_seen in (False, True):
        answer = one(exact, person, WHOLE, rank_by=rank_by, include_seen=include_seen)
        assert not {1, 2, 3} & set(ids(answer))
        assert len(answer) == WHOLE - 3


def test_what_is_said_now_goes_before_what_was_rated(folder, exact):
    """A user who disliked a movie and now names it as a favourite is as if it was rated 5."""
    rows, values = folder.history.of(11)
    worst = int(rows[np.argmin(values)])
    assert values.min() <= 2
    person = UserQuery(11, likes=(int(folder.vocabulary.movie_ids[worst - 1]),))
    changed = values.copy()
    changed[rows == worst] = 5
    expected = user_vectors(
        folder.table, np.array([11]), folder.attributes[[11]], [(rows, changed)]
    )
    np.testing.assert_allclose(exact.vectors([person]), expected, atol=1e-6)


def test_a_known_user_is_taken_with_what_is_known_unless_told_otherwise(folder, exact):
    gender, age, job = (folder.attributes[3].astype(int) - 1).tolist()
    (same,) = exact.vectors([UserQuery(3, gender=gender, age=age, job=job)])
    (plain,) = exact.vectors([UserQuery(3)])
    np.testing.assert_array_equal(same, plain)
    (other,) = exact.vectors([UserQuery(3, gender=1 - gender)])
    assert np.abs(other - plain).max() > 1e-4
    assert exact.completed([UserQuery(3), UserQuery(), UserQuery(gender=1)]) == [
        UserQuery(3, gender, age, job),
        UserQuery(),
        UserQuery(gender=1),
    ]


@pytest.mark.parametrize("user_id", [0, 309, -1, 10**12])
def test_an_unknown_user_is_an_error(exact, user_id):
    with pytest.raises(DataError, match=f"user {user_id} is not one of the 308"):
        one(exact, UserQuery(user_id))
    with pytest.raises(DataError, match=f"user {user_id} is not one of the 308"):
        exact.predict(np.array([1, user_id]), np.array([1, 1]))


def test_predict_is_pair_by_pair(exact):
    users = np.array([5, 1, 5, 300, 1])
    movies = np.array([1, 9, 9, 1, 9])
    together = exact.predict(users, movies)
    assert together.shape == (5,)
    assert ((together >= 0.5) & (together <= 5)).all()
    for user, movie, values in zip(users, movies, together, strict=True):
        alone = exact.predict(np.array([user]), np.array([movie]))
        np.testing.assert_allclose(alone, [values], atol=1e-6)
    assert exact.predict(np.array([], np.int64), np.array([], np.int64)).shape == (0,)
    with pytest.raises(DataError, match="movie 5001 is not one the model was trained on"):
        exact.predict(np.array([1]), np.array([5001]))


def test_predictions_are_worth_something(exact):
    """On what it has learnt from: far better than always the mean (.81 when written)."""
    lines = (SAMPLE / "ratings.dat").read_text("latin-1").splitlines()
    rows = np.array([line.split("::")[:3] for line in lines], np.int64)
    values = exact.predict(rows[:, 0], rows[:, 1])
    assert np.sqrt(np.mean((values - rows[:, 2]) ** 2)) < 0.85 * rows[:, 2].std()


def test_new_movies_are_recommended_at_once_and_marked(with_new):
    girl = UserQuery(gender=1, age=0, job=10)
    answer = one(with_new, girl, WHOLE + 3)
    new = {movie.movie_id: movie for movie in answer if movie.is_new}
    assert set(new) == {5001, 5002, 5003}
    assert new[5001].rank < new[5002].rank  # a musical for children before a horror movie
    assert new[5001].title == "Wishing Star, The (2023)"
    assert (new[5001].year, new[5003].year) == (2023, 0)
    assert sum(movie.is_new for movie in answer) == 3


def test_a_new_movies_vector_is_of_genres_and_title_alone(folder):
    vectors = catalogue(folder, NEW).vectors * np.sqrt(3)
    expected = movie_vectors(
        folder.table,
        np.zeros(3, np.int64),
        folder.vocabulary.genre_rows(NEW.genres),
        folder.vocabulary.title_rows(NEW.titles),
    )
    np.testing.assert_allclose(vectors, expected, atol=1e-6)


def test_movies_of_an_encoded_file_are_the_same_movies(folder, tmp_path):
    """preprocess writes no titles; known movies get theirs back, new ones their words."""
    old = folder.movies
    movies = Movies(
        np.concatenate([old.ids, NEW.ids]), old.titles + NEW.titles, old.genres + NEW.genres
    )
    path = tmp_path / "movies_data.txt"
    write_movies_data(path, movies, folder.vocabulary)
    numbers, titles, genres = read_movies_data(path, folder.vocabulary)
    read = decoded_movies(folder, numbers, titles, genres)
    again, direct = catalogue(folder, read, (titles, genres)), catalogue(folder, movies)
    np.testing.assert_allclose(again.vectors, direct.vectors, atol=1e-7)
    assert again.titles[:WHOLE] == direct.titles[:WHOLE]
    assert again.genres[:WHOLE] == direct.genres[:WHOLE]
    assert again.is_new.tolist() == direct.is_new.tolist()


def test_lines_encoded_with_another_vocabulary_are_refused(folder):
    titles = folder.vocabulary.title_rows(folder.movies.titles)
    genres = folder.vocabulary.genre_rows(folder.movies.genres)
    other = np.where(titles > 0, titles % len(folder.vocabulary.words) + 1, titles)
    with pytest.raises(DataError, match="encoded for another model; run recsys preprocess again"):
        decoded_movies(folder, folder.movies.ids, other, genres)


def test_similar_movies(folder, exact, milvus):
    toy_story = next(
        int(i)
        for i, title in zip(folder.movies.ids, folder.movies.titles, strict=True)
        if title.startswith("Toy Story (")
    )
    answer = exact.similar(toy_story, 10)
    assert toy_story not in ids(answer)
    assert ids(answer) == ids(milvus.similar(toy_story, 10))
    values = [movie.match for movie in answer]
    assert values == sorted(values, reverse=True)
    assert -1 <= values[-1] <= values[0] <= 1 + 1e-6
    animated = np.mean(["Animation" in genres for genres in folder.movies.genres])
    assert share(answer, "Animation") > 2 * animated
    only = exact.similar(toy_story, 10, Filter(any_genre=("War",)))
    assert all("War" in movie.genres for movie in only)
    with pytest.raises(DataError, match="movie 99999 is not published"):
        exact.similar(99999, 3)


def test_the_model_says_whom_it_was_trained_on(folder):
    config = json.loads((folder.path / "config.json").read_text("utf-8"))
    assert config["data"]["users"] == len(folder.vocabulary.user_ids) == 308

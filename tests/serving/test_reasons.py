"""Why a movie is recommended: exactly what leaving a rating out would change."""

import numpy as np
import pytest
from command_line import here, inside
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.infer import Recommender, UserQuery, catalogue
from recsys.serving.model_folder import Model

FEW = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
LATER = 2_000_000_000


def answer(model, query, k=5, **more):
    (found,) = Recommender(model, catalogue(model)).recommend([query], k, **more)
    return found


def scores(model, query, movies, rank_by):
    """Of those movies, also if they are seen."""
    every = answer(model, query, 10_000, rank_by=rank_by, include_seen=True)
    return np.array([{each.movie_id: each.score for each in every}[movie] for movie in movies])


def without_rating(model, user, movie_id):
    """The model as if the user had not rated the movie."""
    row, movie = model.vocabulary.user_rows([user])[0], model.vocabulary.movie_rows([movie_id])[0]
    history = model.history
    history = history.keep((history.owners != row) | (history.indices != movie))
    arrays = {**model.arrays, **{f"history/{n}": a for n, a in history._asdict().items()}}
    return Model(model.config, model.vocabulary, model.movies, arrays)


@given(st.data())
@FEW
def test_a_reason_is_what_deleting_the_rating_takes_away(folder, data):
    user = data.draw(st.sampled_from(folder.vocabulary.user_ids.tolist()))
    rank_by = data.draw(st.sampled_from(["relevance", "rating", "taste", "tutorial"]))
    found = answer(folder, UserQuery(user), 3, rank_by=rank_by, explain=True)
    for each in found:
        assert list(each.why.reasons) == sorted(each.why.reasons, key=lambda r: -r.share)
        for reason in each.why.reasons:
            less = without_rating(folder, user, reason.movie_id)
            (score,) = scores(less, UserQuery(user), [each.movie_id], rank_by)
            assert each.score - score == pytest.approx(reason.share, abs=2e-6)


@given(st.data())
@FEW
def test_likes_and_ratings_of_a_query_and_its_profile_are_reasons_too(folder, data):
    movies = st.sampled_from(folder.vocabulary.movie_ids.tolist())
    likes = data.draw(st.lists(movies, min_size=1, max_size=3, unique=True))
    query = UserQuery(attributes={"gender": "F", "age": 25}, likes=likes)
    for each in answer(folder, query, 3, explain=True):
        ids = [each.movie_id]
        for reason in each.why.reasons:
            assert reason.movie_id in likes
            assert reason.rating is None
            others = [like for like in likes if like != reason.movie_id]
            (score,) = scores(folder, query._replace(likes=others), ids, "relevance")
            assert each.score - score == pytest.approx(reason.share, abs=2e-6)
        (score,) = scores(folder, query._replace(attributes={}), ids, "relevance")
        assert each.score - score == pytest.approx(each.why.profile, abs=2e-6)


def test_nothing_of_a_user_of_whom_nothing_is_known_carries_a_movie(folder):
    for each in answer(folder, UserQuery(), explain=True):
        assert each.why == ((), None)
    assert all(each.why is None for each in answer(folder, UserQuery(42)))


def test_many_ratings_are_left_out_in_several_blocks(folder, monkeypatch):
    whole = answer(folder, UserQuery(42), explain=True)
    monkeypatch.setattr("recsys.serving.reasons.AT_ONCE", 400)
    for one, other in zip(whole, answer(folder, UserQuery(42), explain=True), strict=True):
        assert [each.movie_id for each in one.why.reasons] == [
            each.movie_id for each in other.why.reasons
        ]


def test_what_similar_movies_share_is_counted(folder):
    movies = {
        title: each for each, title in zip(folder.movies.ids, folder.movies.titles, strict=True)
    }
    shrek = int(movies["Shrek (2001)"])
    rows = {}
    for row in range(1, folder.history.rows):
        for movie, value in zip(*folder.history.of(row)[:2], strict=True):
            if value >= 4:
                rows.setdefault(int(folder.vocabulary.movie_ids[movie - 1]), set()).add(row)
    recommender = Recommender(folder, catalogue(folder))
    for each in recommender.similar(shrek, 5, explain=True):
        assert each.why.users == len(rows[shrek] & rows[each.movie_id])
        assert set(each.why.genres) <= set(each.genres)


def test_reasons_are_shown_in_every_format_that_has_room_for_them(trained):
    with inside(trained.place):
        line = ("recommend", "-u", 42, "-k", 2, "--exact", "--explain")
        assert "Why" in here(*line).stdout
        assert '"reasons": [' in here(*line, "--format", "jsonl").stdout
        assert "take table, json or jsonl" in here(*line, "--format", "csv", code=2).stderr
        nothing = here("recommend", "-k", 1, "--exact", "--explain").stdout
        assert "nothing of the user" in nothing
        assert "like both" in here("similar", "shrek", "--exact", "--explain").stdout

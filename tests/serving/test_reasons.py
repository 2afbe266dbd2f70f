"""Why a movie is recommended: exactly what leaving a rating out would change."""

from typing import get_args

import numpy as np
import pytest
from command_line import here, inside
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.infer import RankBy, Recommender, UserQuery, catalogue
from recsys.serving import reasons
from recsys.serving.model_folder import Model

FEW = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


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
def test_a_reason_is_what_leaving_it_out_takes_away(folder, monkeypatch, data):
    """A rating, a like that the query names, or the profile; computed at once or in blocks."""
    at_once = data.draw(st.sampled_from([1 << 20, 400]))
    monkeypatch.setattr(reasons, "AT_ONCE", at_once)
    users, movies = (st.sampled_from(each.tolist()) for each in
                     (folder.vocabulary.user_ids, folder.vocabulary.movie_ids))  # fmt: skip
    user = data.draw(st.none() | users)
    likes = data.draw(st.lists(movies, min_size=2 * (user is None), max_size=3, unique=True))
    rank_by = data.draw(st.sampled_from(get_args(RankBy)))
    query = UserQuery(user, {"gender": "F", "age": 25}, likes)
    for each in answer(folder, query, 3, rank_by=rank_by, explain=True):
        assert list(each.why.reasons) == sorted(each.why.reasons, key=lambda r: -r.share)
        cases = [(None, each.why.profile)] * (user is None)
        for reason, share in [*((reason, reason.share) for reason in each.why.reasons), *cases]:
            model, less = folder, query
            if reason is None:
                less = query._replace(attributes={})
            elif reason.rating is None:
                less = query._replace(likes=[n for n in likes if n != reason.movie_id])
            else:
                model = without_rating(folder, user, reason.movie_id)
            (score,) = scores(model, less, [each.movie_id], rank_by)
            assert each.score - score == pytest.approx(share, abs=2e-6)


def test_nothing_of_a_user_of_whom_nothing_is_known_carries_a_movie(folder):
    for each in answer(folder, UserQuery(), explain=True):
        assert each.why == ((), None)
    assert all(each.why is None for each in answer(folder, UserQuery(42)))


def test_what_similar_movies_share_is_counted(folder):
    shrek = folder.movies.ids[folder.movies.titles.index("Shrek (2001)")].item()
    liked = folder.history.matrix(len(folder.movies) + 1).toarray()[:, 1:] >= 4
    fans = liked[liked[:, folder.movies.ids == shrek][:, 0]]
    both = dict(zip(folder.movies.ids.tolist(), fans.sum(0).tolist(), strict=True))
    recommender = Recommender(folder, catalogue(folder))
    for each in recommender.similar(shrek, 5, explain=True):
        assert each.why.users == both[each.movie_id]
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

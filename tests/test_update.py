"""Ratings, users and movies that come after training, and users who go."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from command_line import here, inside
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.data.dataset import Movies
from recsys.errors import DataError, QueryError
from recsys.infer import UserQuery, catalogue, users_of
from recsys.parts import PARTS, tables_of
from recsys.serving import model_folder
from recsys.serving.model_folder import DEFAULT, load_model
from recsys.update import forget_users, update_model

HEADER = "user_id,movie_id,rating,timestamp\n"
NEW, LATER = 5_000, 2_000_000_000
FEW = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
QUESTIONS = ("relevance", "rating", "taste")


def table(place, lines):
    """A CSV of (user, movie, rating, time)."""
    file = place / "new.csv"
    file.write_text(HEADER + "".join(",".join(map(str, each)) + "\n" for each in lines))
    return file


def vectors(model, *queries):
    users = users_of(model, list(queries))
    return np.stack([users.vectors(question) for question in QUESTIONS])


def ratings(folder):
    """Ratings of some movies of a model, each once."""
    movies = st.sampled_from(folder.vocabulary.movie_ids.tolist())
    each = st.tuples(movies, st.integers(1, 5), st.integers(LATER, LATER + 99))
    return st.lists(each, min_size=1, max_size=6, unique_by=lambda rating: rating[0])


@given(st.data())
@FEW
def test_who_is_updated_is_asked_as_one_who_names_the_ratings(folder, tmp_path, data):
    """Known or new; and nobody else is asked otherwise, bit for bit."""
    given_ratings = data.draw(ratings(folder))
    user = data.draw(st.sampled_from([NEW, *folder.vocabulary.user_ids[:20].tolist()]))
    found = update_model(folder, table(tmp_path, [(user, *each) for each in given_ratings]))
    known = {} if user == NEW else {"user_id": user}
    named = vectors(folder, UserQuery(**known, rated=given_ratings))
    np.testing.assert_allclose(vectors(found.model, UserQuery(user)), named, atol=1e-6)
    others = [UserQuery(each) for each in folder.vocabulary.user_ids[20:].tolist()]
    assert (vectors(found.model, *others) == vectors(folder, *others)).all()
    assert found.users == (user == NEW)
    assert found.ratings + found.replaced == len(given_ratings)
    assert (catalogue(found.model).vectors == catalogue(folder).vectors).all()
    again = update_model(found.model, table(tmp_path, [(user, *each) for each in given_ratings]))
    assert not again
    assert again[1:] == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("order", [1, -1])
def test_the_rating_that_is_later_holds(folder, tmp_path, order):
    """Whatever the order in which they come."""
    model, movie = folder, int(folder.vocabulary.movie_ids[9])
    for each in [(NEW, movie, 2, LATER), (NEW, movie, 5, LATER + 5)][::order]:
        model = update_model(model, table(tmp_path, [each])).model
    _, values, times = model.history.of(int(model.vocabulary.user_rows([NEW])[0]))
    assert (values.tolist(), times.tolist()) == ([5], [LATER + 5])


def test_a_new_movie_is_what_its_content_says(folder, tmp_path):
    """Tables need no rows of what the model has, and change none; others must be there."""
    known = int(folder.vocabulary.movie_ids[0])
    movies = f"movie_id,title,genres\n{known},Other (1999),War\n7777,Late (2001),Horror\n"
    (tmp_path / "movies.csv").write_text(movies)
    (tmp_path / "users.csv").write_text(f"user_id,gender\n{NEW},F\n")
    beside = {"items": tmp_path / "movies.csv", "users": tmp_path / "users.csv"}
    lines = [(NEW, known, 5, LATER), (NEW, 7777, 1, LATER), (42, 7777, 3, LATER)]
    found = update_model(folder, table(tmp_path, lines), **beside)
    assert found[1:] == (3, 0, 1, 1, 0)
    published, before = catalogue(found.model), catalogue(folder)
    old, new = published.take(before.ids), published.take([7777])
    assert (old.vectors == before.vectors).all()
    assert (old.titles, old.is_new.any()) == (before.titles, False)
    movie = Movies(np.array([7777]), ["Late (2001)"], [("Horror",)])
    assert (new.vectors == catalogue(folder, movie).vectors).all()
    assert (new.titles, new.is_new.tolist()) == (["Late (2001)"], [True])
    rows, values, _ = found.model.history.of(int(found.model.vocabulary.user_rows([NEW])[0]))
    assert found.model.vocabulary.movie_ids[rows - 1].tolist() == [known, 7777]
    assert values.tolist() == [5, 1]
    with pytest.raises(DataError, match=r"unknown movie 8888, expected .* or the model"):
        update_model(folder, table(tmp_path, [(NEW, 8888, 5, LATER)]), **beside)


def test_every_table_with_a_row_for_each_movie_or_user_is_known_as_one(folder):
    """A part that says too little of its tables would answer with other movies' rows."""
    sizes = len(folder.vocabulary.movie_ids), len(folder.vocabulary.user_ids)
    for part in PARTS:
        names = {*part.movie_tables, *part.slices}, {*part.user_tables}
        for size, known in zip(sizes, names, strict=True):
            tables = tables_of(folder.arrays, part.name).items()
            assert {name for name, array in tables if len(array) == size + 1} <= known


@given(st.data())
@FEW
def test_nobody_else_is_asked_otherwise_when_users_are_forgotten(folder, data):
    some = st.lists(st.sampled_from(folder.vocabulary.user_ids.tolist()), min_size=1, unique=True)
    gone = data.draw(some)
    model = forget_users(folder, gone)
    left = [each for each in folder.vocabulary.user_ids.tolist() if each not in gone]
    queries = [UserQuery(each) for each in left[:30]]
    assert (vectors(model, *queries) == vectors(folder, *queries)).all()
    with pytest.raises(QueryError, match=str(gone[0])):
        users_of(model, [UserQuery(gone[0])])
    assert model.history.rows == len(left) + 1
    assert len(model.arrays["heads/user"]) == len(model.attributes) == len(left) + 1


def test_forgotten_and_back_again_a_user_is_a_new_one(folder, tmp_path):
    rows, values, times = folder.history.of(int(folder.vocabulary.user_rows([42])[0]))
    ids = folder.vocabulary.movie_ids[rows - 1].tolist()
    lines = [(42, *each) for each in zip(ids, values.tolist(), times.tolist(), strict=True)]
    back = update_model(forget_users(folder, [42]), table(tmp_path, lines)).model
    rated = [each[1:] for each in lines]
    named = vectors(folder, UserQuery(rated=rated))
    np.testing.assert_allclose(vectors(back, UserQuery(42)), named, atol=1e-6)


@pytest.mark.parametrize(
    ("line", "words"),
    [("1,1,11,5", "new.csv:2: rating 11, expected 0.5 to 5"), ("u1,1,4,5", "whole numbers")],
)
def test_what_does_not_fit_the_model_is_refused(folder, tmp_path, line, words):
    file = tmp_path / "new.csv"
    file.write_text(f"{HEADER}{line}\n")
    with pytest.raises(DataError, match=words):
        update_model(folder, file)


@pytest.mark.parametrize("header", [HEADER, "user_id,movie_id,rating\n"])
def test_ratings_that_change_nothing_are_told(folder, tmp_path, header):
    file, said = tmp_path / "new.csv", []
    user = int(folder.vocabulary.user_ids[0])
    (row, *_), (value, *_), _ = folder.history.of(int(folder.vocabulary.user_rows([user])[0]))
    other = 1 if value > 2 else 5
    movie, time = folder.vocabulary.movie_ids[row - 1], ",5" * (header == HEADER)
    file.write_text(f"{header}{user},{movie},{other}{time}\n")
    assert not update_model(folder, file, said.append)
    assert said[-1].startswith("1 ratings change nothing: ")


@pytest.fixture
def place(trained, tmp_path):
    """A copy of the folder with model and store, in which the test runs."""
    copied = shutil.copytree(trained.place, tmp_path / "place")
    with inside(copied):
        yield copied


def test_from_update_to_recommend_through_milvus(place):
    table(place, [(NEW, 50, 5, LATER), (NEW, 172, 4, LATER), (42, 1, 1, LATER)])
    before = here("recommend", "-u", 7, "--format", "json").stdout
    files = {each: each.stat().st_mtime_ns for each in place.rglob("*.npy")}
    dry = json.loads(here("update", "--data", "new.csv", "--dry-run", "--json").stdout)
    assert {each: each.stat().st_mtime_ns for each in place.rglob("*.npy")} == files
    done = json.loads(here("update", "--data", "new.csv", "--json").stdout)
    assert (done["ratings"], done["users"]) == (dry["ratings"], dry["users"])
    assert done["fingerprint"] == load_model(DEFAULT).fingerprint
    assert done["since_training"]["ratings"] == done["ratings"]
    assert here("recommend", "-u", 7, "--format", "json").stdout == before
    found = json.loads(here("recommend", "-u", NEW, "--format", "json").stdout)
    assert not {50, 172} & {each["movie_id"] for each in found["recommendations"]}
    with_ratings = here("doctor").stdout
    assert f"{done['ratings']} ratings" in with_ratings
    once_more = here("update", "--data", "new.csv")
    assert "0 ratings, 0 replaced, 0 users" in once_more.stdout
    load_model(DEFAULT).verify()


def test_forget_through_the_command_line(place):
    (place / "ids").write_text("42\n123456\n7\n")
    assert "123456" in here("forget", "--users", "ids", code=3).stderr
    for user in (42, 7):
        here("recommend", "-u", user, code=2)
    here("recommend", "-u", 8)
    here("forget", "-u", 42, code=2)
    here("forget", code=2)
    raw = (place / DEFAULT / "vocabulary.json").read_text()
    assert 42 not in json.loads(raw)["user_ids"]


@pytest.mark.parametrize(("module", "name"), [(model_folder, "_link"), (os, "rename")])
def test_an_update_loses_none_that_comes_meanwhile(place, monkeypatch, module, name):
    """While it is written, and between its last look and its place: the other one stands."""
    folder, go_on, raced = place / DEFAULT, getattr(module, name), []

    def racing(source, to):
        if not raced and (name == "_link" or Path(to).name == f"{DEFAULT}.previous"):
            raced.append(True)
            table(place, [(NEW - 1, 50, 5, LATER)])
            here("update", "--data", "new.csv")
        go_on(source, to)

    table(place, [(NEW, 50, 5, LATER)])
    monkeypatch.setattr(module, name, racing)
    assert "another model meanwhile" in here("update", "--data", "new.csv", code=1).stderr
    known = load_model(folder).vocabulary.user_ids.tolist()
    assert (NEW - 1 in known, NEW in known) == (True, False)
    assert not [each.name for each in place.iterdir() if ".tmp-" in each.name]
    assert not folder.with_name(f"{folder.name}.previous").exists()

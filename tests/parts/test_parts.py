"""The vector and its parts: one score everywhere, and a new part by CONTRIBUTING's recipe."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from command_line import SAMPLE
from learned_from import asked, training

from recsys import parts
from recsys.data.dataset import Movies
from recsys.data.interactions import Interactions
from recsys.infer import Recommender, UserQuery, catalogue, users_of
from recsys.options import Options
from recsys.parts import Layout, content
from recsys.parts.part import Part, unit
from recsys.parts.popular import Popular
from recsys.preprocess import read_dataset
from recsys.serving import model_folder
from recsys.serving.model_folder import load_model
from recsys.train import fit, train_model

LAYOUT = Layout({"retrieval": 3, "rating": 2, "ease": 4, "factors": 5, "taste": 1})
OPTIONS = Options(epochs=1, dimension=4, id_size=8, side_size=4, filters=4, factor_sweeps=2)

COUNT, RATINGS = 5000, 25_000  # users and movies; a table of both of float32 is 95 MB


def slices_of(rows, seed):
    rng = np.random.default_rng(seed)
    drawn = {name: rng.standard_normal((rows, size)) for name, size in LAYOUT.sizes.items()}
    return {name: unit(each.astype(np.float32)) for name, each in drawn.items()}


def test_movies_have_length_1_also_with_short_long_or_missing_slices():
    slices = slices_of(6, 0)
    slices["factors"] *= np.float32(0.3)
    del slices["taste"]
    movies = LAYOUT.movies({**slices, "ease": 2 * slices["ease"]})
    assert movies.shape == (6, LAYOUT.size) == (6, 16)
    np.testing.assert_allclose(np.linalg.norm(movies, axis=1), 1, atol=1e-6)
    for name, each in LAYOUT.split(movies).items():
        np.testing.assert_allclose(each, slices.get(name, np.zeros((6, 1))), atol=1e-6)


def test_the_inner_product_is_the_score_and_the_weighted_sum_of_the_slices():
    """What a query names is asked of the movies' slice, with a weight of its own."""
    users, movies = slices_of(4, 1), slices_of(6, 2)
    users["taste.named"] = users["taste"][::-1]
    weights = {"retrieval": 1, "rating": 0.5, "ease": 1.5, "factors": 0, "taste": -0.1}
    query = LAYOUT.queries(users, {**weights, "taste.named": 0.2})
    expected = sum(w * users[name] @ movies[name].T for name, w in weights.items())
    expected += 0.2 * users["taste.named"] @ movies["taste"].T
    np.testing.assert_allclose(query @ LAYOUT.movies(movies).T, expected, atol=1e-5)
    assert not query[:, -1].any()
    assert not LAYOUT.queries(users, {"ease": 0.0}).any()


def test_a_question_may_weigh_by_what_is_known_of_a_user():
    """Ten ratings are a history, one to nine are likes, none leave the profile."""
    data = training(Interactions.build(4, np.repeat([1, 2, 3], [10, 9, 1]), [*range(1, 11)] * 2,
                                       np.full(20, 5)), 10)  # fmt: skip
    known = asked(data, np.arange(1, 5))
    question = {"history": {"a": 0.9, "b": 0.1}, "likes": {"b": 1.0}, "profile": {"c": 1.0}}
    found = parts.weights_of(question, known)
    assert {name: each.ravel().tolist() for name, each in found.items()} == {
        "a": [pytest.approx(0.9), 0, 0, 0],
        "b": [pytest.approx(0.1), 1, 1, 0],
        "c": [0, 0, 0, 1],
    }
    assert parts.weights_of({"a": 1.0}, known) == {"a": 1.0}


@pytest.mark.parametrize("times", [[5, 5, 5], [0, 0, 400 * 86_400]])
def test_the_popular_part_counts_ratings_and_those_of_late_where_times_differ(times):
    """Movie 1 is rated twice, long ago; movie 2 once, now; the third one by nobody."""
    data = training(Interactions.build(2, [1, 2, 1], [1, 1, 2], [5, 1, 3], times), 3)
    tables = Popular().fit(data, OPTIONS)
    users = Popular().users(tables, asked(data, np.arange(3)))
    found = {name: (users[name] @ tables[name].T)[0] for name in users}
    assert found["popular"][1] == 1 > found["popular"][2] > 0 == found["popular"][3]
    assert ("recent" in found) == (times[2] != 5)
    if "recent" in found:
        assert found["recent"][2] == 1 > found["recent"][1]


@pytest.mark.slow  # memory is traced, allocation by allocation
def test_nothing_of_the_size_of_all_users_by_all_movies_is_ever_held(monkeypatch):
    small = {"factor_dimension": 4, "factor_sweeps": 1, "factor_coordinates": 4}
    options = Options(ease_movies=100, taste_rank=8, **small)
    rng = np.random.default_rng(0)
    every = np.arange(1, COUNT + 1)
    users = np.concatenate([every, rng.integers(1, COUNT + 1, RATINGS - COUNT)])
    movies = np.concatenate([rng.permutation(every), rng.integers(1, COUNT + 1, RATINGS - COUNT)])
    users, movies = np.unique([users, movies], axis=1)
    values, times = rng.integers(1, 6, len(users)), rng.integers(1, 10**6, len(users))
    history = Interactions.build(COUNT, users, movies, values, times)
    genres = [(f"Genre {n % 7}",) for n in range(COUNT)]
    data = training(history, COUNT, genres=genres, years=1950 + every % 50)
    monkeypatch.setattr(content, "_BATCH", 256)
    tracemalloc.start()
    try:
        arrays = parts.complete(data, parts.fit(data, options), options)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(arrays["ease/ease"]) == COUNT + 1
    assert peak < 4 * COUNT * COUNT


# A part as CONTRIBUTING.md has it


class Alphabet(Part):
    """The nearer to the first row, the better."""

    name = "alphabet"
    slices = ("alphabet",)
    by_ratings = False

    def fit(self, data, options):
        rows = np.arange(len(data.movies) + 1, dtype=np.float32)[:, None]
        return {"alphabet": np.where(rows > 0, 1 - rows / len(rows), 0)}

    def users(self, tables, asked):
        return {"alphabet": np.ones((asked.history.rows, 1), np.float32)}


class Flat(Alphabet):
    """Likes all movies alike."""

    def choose(self, data, options, judge):
        return replace(options, patience=7)

    def fit(self, data, options):
        rows = np.arange(len(data.movies) + 1)[:, None]
        return {"alphabet": (rows > 0).astype(np.float32)}


@pytest.fixture
def register(monkeypatch):
    """Name the part in PARTS, and its slice with a weight in QUESTIONS."""

    def registered(part, weight):
        for module in (model_folder, parts):
            monkeypatch.setattr(module, "PARTS", (*parts.PARTS, part))
        relevance = {**parts.QUESTIONS["relevance"], "alphabet": weight}
        monkeypatch.setitem(parts.QUESTIONS, "relevance", relevance)

    return registered


def test_a_new_part_is_in_the_folder_and_in_every_score(register, tmp_path):
    register(Alphabet(), 1000.0)
    model = train_model(read_dataset(SAMPLE), tmp_path / "model", OPTIONS, validation=0)
    assert model.layout.sizes["alphabet"] == 1
    assert "alphabet/alphabet" in load_model(tmp_path / "model").config["arrays"]
    published = catalogue(model)
    for query in (UserQuery(42), UserQuery(), UserQuery(likes=(1,), attributes={"gender": "F"})):
        (answer,) = Recommender(model, published).recommend([query], 5, include_seen=True)
        (vector,) = users_of(model, [query]).vectors("relevance")
        best = published.take([movie.movie_id for movie in answer])
        np.testing.assert_allclose(
            best.vectors @ vector, [movie.score for movie in answer], rtol=1e-4
        )
        rated = model.vocabulary.movie_rows(np.unique(model.vocabulary.movie_ids))
        assert model.vocabulary.movie_rows(best.ids).max() <= np.sort(rated)[20]
    new = Movies(np.array([9001]), ["Toy Story Returns (2001)"], [("Animation", "Comedy")])
    slices = model.layout.split(catalogue(model, new).vectors)
    assert 0 < slices["alphabet"][0, 0] < 1  # what movies of like content have


def test_validation_asks_a_new_part_and_leaves_it_out_if_it_gives_nothing(register):
    register(Flat(), 0.0)
    dataset, lines = read_dataset(SAMPLE), []
    held = np.random.default_rng(0).random(len(dataset.ratings)) < 0.2
    trained = fit(dataset, OPTIONS, held, log=lines.append)
    assert trained.options.patience == 7
    assert all("alphabet 0." in line for line in lines if line.startswith("by "))  # alone
    assert "alphabet" not in trained.model().layout.sizes

"""The vector and its parts: one score everywhere, and a new part by CONTRIBUTING's recipe."""

import numpy as np
import pytest
from command_line import SAMPLE

from recsys import parts
from recsys.data.dataset import Movies
from recsys.infer import Recommender, UserQuery, catalogue, users_of
from recsys.metrics import best, ranking_metrics, ranking_task
from recsys.parts import Layout, scorer
from recsys.parts.part import unit
from recsys.preprocess import read_dataset
from recsys.serving.model_folder import load_model
from recsys.train import fit, train_model
from recsys.training.options import Options
from recsys.training.validation import Validation

LAYOUT = Layout({"retrieval": 3, "rating": 2, "ease": 4, "factors": 5, "taste": 1})
OPTIONS = Options(epochs=1, dimension=4, id_size=8, side_size=4, filters=4, factor_sweeps=2)


def slices_of(rows: int, seed: int) -> dict[str, np.ndarray]:
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
    users, movies = slices_of(4, 1), slices_of(6, 2)
    weights = {"retrieval": 1, "rating": 0.5, "ease": 1.5, "factors": 0, "taste": -0.1}
    query = LAYOUT.queries(users, weights)
    expected = sum(w * users[name] @ movies[name].T for name, w in weights.items())
    np.testing.assert_allclose(query @ LAYOUT.movies(movies).T, expected, atol=1e-5)
    found = scorer(users, movies, weights)(np.array([2, 0]))
    np.testing.assert_allclose(found, expected[[2, 0]], atol=1e-5)
    assert not query[:, -1].any()


def test_without_ratings_no_question_weighs_what_predicts_them():
    assert parts.questions(rated=True) == parts.QUESTIONS
    events = parts.questions(rated=False)
    assert set(events) == {"relevance", "similar"}
    assert not set(events["relevance"]) & set(parts.RATINGS)
    assert sum(w for w in events["relevance"].values() if w > 0) == pytest.approx(1)


# A part as CONTRIBUTING.md has it


class Popular:
    """How many ratings a movie has, over the most there are."""

    name = "popular"
    slices = ("popular",)
    by_ratings = False

    def fit(self, data, options):
        counts = data.counts / data.counts.max()
        return {"popular": counts[:, None].astype(np.float32)}

    def users(self, tables, asked):
        return {"popular": np.ones((asked.history.rows, 1), np.float32)}


@pytest.fixture
def with_popular(monkeypatch):
    """The part, registered: in PARTS, and with a weight that decides all lists."""
    relevance = {**parts.QUESTIONS["relevance"], "popular": 1000.0}
    monkeypatch.setattr(parts, "PARTS", (*parts.PARTS, Popular()))
    monkeypatch.setitem(parts.QUESTIONS, "relevance", relevance)


def test_a_new_part_is_in_training_the_folder_and_every_score(with_popular, tmp_path, monkeypatch):
    judged = []
    measured = Validation._ndcg
    monkeypatch.setattr(
        Validation, "_ndcg", lambda *a: judged.append([set(each) for each in a[1:]]) or measured(*a)
    )
    model = train_model(SAMPLE, tmp_path / "model", OPTIONS)
    users, movies = judged[-1]
    assert "popular" in users & movies
    counts = np.bincount(model.history.indices)[1:]
    assert model.layout.sizes["popular"] == 1
    assert "popular/popular" in load_model(tmp_path / "model").config["arrays"]
    published = catalogue(model)
    for query in (UserQuery(42), UserQuery(), UserQuery(likes=(1,), attributes={"gender": "F"})):
        (answer,) = Recommender(model, published).recommend([query], 5, include_seen=True)
        (vector,) = users_of(model, [query]).vectors("relevance")
        best = published.take([movie.movie_id for movie in answer])
        np.testing.assert_allclose(
            best.vectors @ vector, [movie.score for movie in answer], rtol=1e-4
        )
        rated = counts[model.vocabulary.movie_rows(best.ids) - 1]
        assert rated.min() >= np.sort(counts)[-6:].min()
    new = Movies(np.array([9001]), ["Toy Story Returns (2001)"], [("Animation", "Comedy")])
    slices = model.layout.split(catalogue(model, new).vectors)
    assert 0 < slices["popular"][0, 0] < 1  # what movies of like content have


def test_a_part_decides_the_epochs_metrics(with_popular):
    """ndcg@10 on held-out ratings is that of popularity, since nothing else weighs against it."""
    dataset = read_dataset(SAMPLE)
    held = np.random.default_rng(0).random(len(dataset.ratings)) < 0.2
    known, held_out = dataset.ratings[~held], dataset.ratings[held]
    (line,) = fit(dataset, known, OPTIONS, held_out).progress.log
    counts = np.bincount(known.movie_ids, minlength=dataset.movies.ids.max() + 1)
    task_scores = counts[np.sort(dataset.movies.ids)].astype(float)
    task = ranking_task(known, known, held_out, dataset.movies.ids)
    lists = best(task, lambda users: np.tile(task_scores, (len(users), 1)))
    assert line["ndcg@10"] == pytest.approx(ranking_metrics(task, lists)["ndcg@10"].value, abs=0.02)

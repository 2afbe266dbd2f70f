"""The comparison behind `recsys evaluate`, on data with two planted tastes."""

import dataclasses
import sys

import numpy as np
import pytest

from recsys.data.dataset import Dataset, Movies, Ratings, Users
from recsys.data.schema import MOVIELENS
from recsys.errors import DataError
from recsys.evaluation.baselines import Baseline
from recsys.evaluation.baselines.popularity import genre_profile
from recsys.evaluation.experiment import (
    ALL,
    BASELINES,
    BY_RATING,
    IN_MILVUS,
    OURS,
    QUICK,
    RATING_BASELINES,
    TUTORIAL,
    evaluate,
    mean,
    select,
    task_of,
)
from recsys.evaluation.ours import our_model, train
from recsys.evaluation.protocols import PROTOCOLS
from recsys.evaluation.splits import split, unreleased
from recsys.training.options import Options

SMALL = Options(epochs=6, dimension=16, batch_size=64, batch_users=24, id_size=16, side_size=8)
INDEXES = ("FLAT", "IVF_FLAT:nprobe=2", "HNSW:ef=32", "HNSW:ef=128")


def two_tastes(users=48, movies=40):
    """One gender likes horror, the other romance: rated 4 or 5 there, 1 or 2 elsewhere."""
    rng = np.random.default_rng(0)
    movie_taste, user_taste = np.arange(movies) % 2, np.arange(users) % 2
    own = user_taste[:, None] == movie_taste
    user, movie = np.nonzero(rng.random((users, movies)) < np.where(own, 0.7, 0.2))
    liked = user_taste[user] == movie_taste[movie]
    values = np.where(liked, 4, 1) + rng.integers(0, 2, len(user))
    profile = np.stack([user_taste + 1, np.ones(users), np.ones(users)], 1).astype(np.int32)
    return Dataset(
        "two tastes",
        Users(np.arange(1, users + 1), profile, MOVIELENS),
        Movies(
            np.arange(1, movies + 1) * 3,
            [f"Movie {number} (1999)" for number in range(movies)],
            [("Horror",) if taste == 0 else ("Romance",) for taste in movie_taste],
        ),
        Ratings(
            (user + 1).astype(np.int32),
            (movie * 3 + 3).astype(np.int32),
            values.astype(np.float32),
            rng.integers(0, 1000, len(user)),
        ),
    )


@pytest.fixture(scope="module")
def data():
    return two_tastes()


@pytest.fixture(scope="module")
def random_rows(data):
    return list(evaluate(data, "random", [0, 1], SMALL, indexes=INDEXES))


def some_slow(names, *quick):
    """Each trains once more or twice; a few are enough for every change."""
    return [n if n in quick else pytest.param(n, marks=pytest.mark.slow) for n in names]


@pytest.fixture(
    scope="module", params=some_slow([p for p in PROTOCOLS if p != "random"], "few-likes")
)
def other_rows(data, request):
    return request.param, list(evaluate(data, request.param, [0], SMALL, likes=3, indexes=()))


def by_name(rows, seed=0):
    return {row.name: row for row in rows if row.seed == seed}


def test_the_rows_of_the_table_in_order(random_rows):
    names = [OURS, BY_RATING, TUTORIAL, "popularity", "EASE", "EDLAE", "biases"]
    names += [IN_MILVUS] * len(INDEXES)
    assert [row.name for row in random_rows if row.seed == 0] == names
    assert [row.name for row in random_rows if row.seed == 1] == names


def test_all_are_judged_by_the_same_users(random_rows):
    assert len({(row.users, row.left_out) for row in random_rows if row.seed == 0}) == 1


def test_every_value_lies_in_its_interval(random_rows):
    for row in random_rows:
        for value, low, high in row.metrics.values():
            assert low - 1e-9 <= value <= high + 1e-9


def test_taste_beats_popularity(random_rows):
    rows = by_name(random_rows)
    lead = rows["popularity"].behind
    assert lead.low > 0.2
    assert lead.value == pytest.approx(
        rows[OURS].metrics["ndcg@10"].value - rows["popularity"].metrics["ndcg@10"].value
    )
    assert rows[OURS].metrics["rmse"].value < rows["biases"].metrics["rmse"].value
    lead = rows["biases"].rmse_behind
    assert lead.value == pytest.approx(
        rows["biases"].metrics["rmse"].value - rows[OURS].metrics["rmse"].value
    )
    assert lead.low <= lead.value <= lead.high
    assert rows["popularity"].rmse_behind is rows["biases"].behind is None


def test_what_milvus_returns_is_judged_like_the_exact_answer(random_rows):
    exact = by_name(random_rows)[OURS]
    through = {row.chosen: row for row in random_rows if row.name == IN_MILVUS and row.seed == 0}
    flat = through["FLAT"]
    assert flat.metrics["overlap@10"] == (1, 1, 1)
    assert flat.metrics["ndcg@10"] == exact.metrics["ndcg@10"]
    assert flat.behind == (0, 0, 0)
    assert len(through) == len(INDEXES)
    assert any("nlist=" in name and "nprobe=2" in name for name in through)


def test_a_search_parameter_without_effect_is_pointed_out(random_rows):
    """Forty movies: an ef of 32 finds what one of 128 finds."""
    notes = [row.note for row in random_rows if row.seed == 0 and row.name == IN_MILVUS]
    assert [bool(note) for note in notes] == [False, False, False, True]
    assert "ef=32" in notes[3]
    assert "ignored" in notes[3]


def test_the_mean_over_seeds(random_rows):
    means = {
        (row.name, row.chosen if row.name == IN_MILVUS else ""): row for row in mean(random_rows)
    }
    assert len(means) == len(random_rows) / 2
    both = [by_name(random_rows, seed)["EASE"] for seed in (0, 1)]
    averaged = means["EASE", ""].metrics["ndcg@10"]
    assert averaged.value == pytest.approx(np.mean([r.metrics["ndcg@10"].value for r in both]))
    assert averaged.low == pytest.approx(np.mean([r.metrics["ndcg@10"].low for r in both]))
    assert means["EASE", ""].seed == -1
    covered = [row._replace(coverage=share) for row, share in zip(both, (0.25, 0.75), strict=True)]
    assert mean(covered)[0].coverage == 0.5


def test_a_baseline_is_reported_at_its_best_option(data, monkeypatch):
    """One of its options ranks upside down; validation shows it, whichever comes first."""

    def upside(part, dataset, movies, options):
        score = genre_profile(part, dataset, movies, ("liked", "plain", "sum"))
        return lambda user_ids: score(user_ids) * options[0]

    both = [Baseline(str(g), g, upside) for g in (((-1,), (1,)), ((1,), (-1,)))]
    monkeypatch.setitem(BASELINES, "random", tuple(both))
    rows = list(evaluate(data, "random", [0], SMALL, indexes=()))
    assert [row.chosen for row in rows[3:5]] == ["1", "1"]
    assert rows[3].metrics == rows[4].metrics


@pytest.mark.slow  # trains twice more
def test_the_same_seed_makes_the_same_table(data, random_rows):
    again = list(evaluate(data, "random", [1], SMALL, indexes=()))
    assert again == [row for row in random_rows if row.seed == 1 and row.name != IN_MILVUS]


def test_other_protocols_have_their_baselines(other_rows):
    protocol, rows = other_rows
    assert [row.name for row in rows] == [
        OURS,
        BY_RATING,
        TUTORIAL,
        *[baseline.name for baseline in BASELINES[protocol] if not baseline.library],
        "biases",
    ]
    assert {row.protocol for row in rows} == {protocol}


def test_cold_start_users_and_new_movies_are_ranked_by_taste(other_rows):
    """The profile, the likes or the genre say which of the two tastes it is."""
    _, rows = other_rows
    ours = by_name(rows)[OURS].metrics["ndcg@10"].value
    assert ours > by_name(rows)[rows[3].name].metrics["ndcg@10"].value + 0.1


@pytest.mark.parametrize("protocol", some_slow(PROTOCOLS, "few-likes"))
def test_the_test_part_decides_nothing(data, protocol, tmp_path):
    """Turned around, the test ratings change neither the model nor what it recommends."""
    answers = []
    parts = split(data.ratings, protocol, seed=0, likes=3)
    turned = dataclasses.replace(parts.test, values=6 - parts.test.values)
    for number, test in enumerate((parts.test, turned)):
        other = parts._replace(test=test)
        rated = dataclasses.replace(data, ratings=Ratings.concatenate(other))
        model = train(rated, other.final.train, protocol, SMALL, tmp_path / str(number))
        movies = task_of(parts.final, data, protocol).movie_ids
        ours = our_model(model, rated, parts.fold_in, movies)
        answers.append((model.fingerprint, ours.scorer("relevance")(data.users.ids)))
    assert answers[0][0] == answers[1][0]
    np.testing.assert_array_equal(answers[0][1], answers[1][1])


def test_held_out_users_and_movies_are_unknown_to_the_model(data, tmp_path):
    parts = split(data.ratings, "cold-users", seed=0)
    model = train(data, parts.final.train, "cold-users", SMALL, tmp_path / "users")
    assert not np.isin(parts.test.user_ids, model.vocabulary.user_ids).any()
    ours = our_model(model, data, parts.fold_in, data.movies.ids)
    cold, known = int(parts.test.user_ids[0]), int(parts.train.user_ids[0])
    queries = ours.queries(np.array([cold, known]))
    assert [query.user_id for query in queries] == [None, known]
    parts = split(data.ratings, "cold-movies", seed=0)
    model = train(data, parts.final.train, "cold-movies", SMALL, tmp_path / "movies")
    assert not np.isin(parts.test.movie_ids, model.vocabulary.movie_ids).any()
    assert our_model(model, data, parts.fold_in, parts.test.movie_ids[:1]).movies.is_new.all()


def test_cold_start_users_are_folded_in_by_their_likes(data, tmp_path):
    parts = split(data.ratings, "few-likes", seed=0, likes=3)
    model = train(data, parts.final.train, "few-likes", SMALL, tmp_path / "model")
    ours = our_model(model, data, parts.fold_in, data.movies.ids, "few-likes")
    user = int(parts.fold_in.user_ids[0])
    (query,) = ours.queries(np.array([user]))
    expected = parts.fold_in.movie_ids[parts.fold_in.user_ids == user]
    assert sorted(query.likes) == sorted(expected.tolist())


def test_quick_baselines_need_no_library():
    for protocol in PROTOCOLS:
        quick = select(protocol)
        assert not any(each.library for each in (*quick.ranking, *quick.rating))
        assert [each.name for each in quick.rating] == ["biases"]
        assert quick.ranking


def test_baselines_are_chosen_by_name():
    chosen = select("user-time", "edlae with recency, Biases")
    assert [each.name for each in (*chosen.ranking, *chosen.rating)] == [
        "EDLAE with recency",
        "biases",
    ]
    with pytest.raises(DataError, match="no baseline 'nearest' for random; choose quick, all or"):
        select("random", "EASE,nearest")


def test_a_baseline_without_its_library_is_left_out_with_a_note(monkeypatch):
    lines = []
    monkeypatch.setitem(sys.modules, "myfm", None)  # importing it fails
    chosen = select("random", "myfm, EASE", lines.append)
    assert ([each.name for each in chosen.ranking], chosen.rating) == (["EASE"], ())
    assert len(lines) == 1
    assert lines[0].startswith("myFM left out: myfm")
    assert lines[0].endswith("pip install 'recsys[bench]'")


def test_all_baselines_are_those_of_the_protocol(monkeypatch):
    monkeypatch.setattr("recsys.evaluation.baselines.missing", lambda library: "")
    chosen = select("few-likes", ALL)
    assert chosen.ranking == BASELINES["few-likes"]
    assert chosen.rating == RATING_BASELINES
    assert select("few-likes", QUICK) != chosen


def test_unreleased_movies_are_no_candidates_of_fold_in(data):
    parts = split(data.ratings, "fold-in", seed=0)
    task = task_of(parts.final, data, "fold-in")
    barred = unreleased(parts.final, data.movies.ids)
    left_out = {(user, movie) for user, movie in pairs_of(task, task.seen)}
    hidden = zip(barred.user_ids.tolist(), barred.movie_ids.tolist(), strict=True)
    wanted = set(task.user_ids.tolist())
    assert {pair for pair in hidden if pair[0] in wanted} <= left_out
    assert not left_out & set(pairs_of(task, task.relevant))


def pairs_of(task, histories):
    user, movie = np.nonzero(histories.dense(task.user_ids))
    return zip(task.user_ids[user].tolist(), task.movie_ids[movie].tolist(), strict=True)

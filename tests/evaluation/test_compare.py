"""The comparison behind `recsys evaluate`, on data with two planted tastes."""

import dataclasses
from functools import cache
from itertools import chain

import numpy as np
import pytest
from hand_made import dataset, ratings

from recsys.data.dataset import Ratings
from recsys.data.ids import as_text
from recsys.evaluation import PROTOCOLS
from recsys.evaluation.baselines import select
from recsys.evaluation.compare import (
    BY_RATING,
    IN_MILVUS,
    OURS,
    TUTORIAL,
    Comparison,
    evaluate,
    mean,
    trained,
)
from recsys.evaluation.given import coded
from recsys.evaluation.problem import Problem
from recsys.evaluation.splits import split
from recsys.metrics import Interval
from recsys.options import Options
from recsys.train import save

SMALL = Options(epochs=3, dimension=16, batch_size=64, batch_users=24, id_size=16, side_size=8)
INDEXES = ("FLAT", "IVF_FLAT:nprobe=2", "HNSW:ef=32", "HNSW:ef=128")


def two_tastes(users=48, movies=40):
    """One gender likes horror, the other romance: rated 4 or 5 there, 1 or 2 elsewhere."""
    rng = np.random.default_rng(0)
    movie_taste, user_taste = np.arange(movies) % 2, np.arange(users) % 2
    same = user_taste[:, None] == movie_taste
    user, movie = np.nonzero(rng.random((users, movies)) < np.where(same, 0.7, 0.2))
    values = np.where(same[user, movie], 4, 1) + rng.integers(0, 2, len(user))
    rows = zip(user + 1, movie * 3 + 3, values, strict=True)
    return dataset(
        ratings(*rows, times=rng.integers(0, 1000, len(user))),
        genders=user_taste + 1,
        genres=[("Romance",) if taste else ("Horror",) for taste in movie_taste],
        movies=np.arange(1, movies + 1) * 3,
        users=users,
    )


DATA = two_tastes()


def some_slow(names, *quick):
    """Each trains once more; a few are enough for every change."""
    return [n if n in quick else pytest.param(n, marks=pytest.mark.slow) for n in names]


@pytest.fixture(scope="module")
def compared(tmp_path_factory):

    @cache
    def comparison(protocol):
        parts = split(DATA.ratings, protocol, seed=0, likes=3)
        final, choice = (Problem(stage, DATA, protocol) for stage in (parts.final, parts.choice))
        model = save(trained(final, SMALL), tmp_path_factory.mktemp(protocol) / "model")
        return Comparison(final, model), choice

    return comparison


@pytest.fixture(scope="module")
def random_rows():
    return list(evaluate(DATA, "random", [0], SMALL, indexes=INDEXES))


def test_the_rows_of_the_table_in_order_judged_by_the_same_users_and_taste_wins(random_rows):
    names = [OURS, BY_RATING, TUTORIAL, "popularity", "EASE", "EDLAE", "biases"]
    assert [row.name for row in random_rows] == names + [IN_MILVUS] * len(INDEXES)
    assert len({(row.users, row.left_out) for row in random_rows}) == 1
    for row in random_rows:
        for value, low, high in row.metrics.values():
            assert low - 1e-9 <= value <= high + 1e-9
    ours, popularity, biases = (random_rows[row] for row in (0, 3, 6))
    for lead, name, ahead, behind in (
        (popularity.behind, "ndcg@10", ours, popularity),
        (biases.rmse_behind, "rmse", biases, ours),
    ):
        expected = ahead.metrics[name].value - behind.metrics[name].value
        assert lead.value == pytest.approx(expected)
        assert lead.low > 0
    assert popularity.rmse_behind is biases.behind is ours.behind is None


def test_what_milvus_returns_is_judged_like_the_exact_answer(random_rows):
    flat, cells, *_ = (row for row in random_rows if row.name == IN_MILVUS)
    assert (flat.chosen, flat.behind) == ("FLAT", (0, 0, 0))
    assert flat.metrics["overlap@10"] == (1, 1, 1)
    assert flat.metrics["ndcg@10"] == random_rows[0].metrics["ndcg@10"]
    assert all(each in cells.chosen for each in ("nlist=", "nprobe=2"))


def test_the_mean_over_seeds(random_rows):
    """Here the second seed is twice as good."""
    other = []
    for row in random_rows:
        twice = {name: Interval(*np.multiply(each, 2)) for name, each in row.metrics.items()}
        other.append(row._replace(seed=1, metrics=twice, chosen="another"))
    means = mean([*random_rows, *other])
    assert [(row.seed, row.name) for row in means] == [(-1, row.name) for row in random_rows]
    for row, averaged in zip(random_rows, means, strict=True):
        for name, each in row.metrics.items():
            assert averaged.metrics[name] == pytest.approx(np.multiply(each, 1.5))
        assert (averaged.coverage, averaged.behind) == (row.coverage, row.behind)
    assert means[4].chosen == f"{random_rows[4].chosen} | another"
    assert len(mean([*random_rows, *other[:-1]])) == len(means)  # a group that one seed lacks


@pytest.mark.parametrize("protocol", some_slow(PROTOCOLS[1:], "few-likes"))
def test_other_protocols_have_their_baselines_and_taste_wins(protocol, compared):
    """The profile, the likes or the genre say which of the two tastes it is."""
    comparison, choice = compared(protocol)
    answers = chain(comparison.ours(), comparison.baselines(select(protocol), choice))
    rows = [*comparison.rows(answers)]
    names = [OURS, BY_RATING, TUTORIAL, *(baseline.name for baseline in select(protocol))]
    assert [row.name for row in rows] == names
    assert {row.protocol for row in rows} == {protocol}
    assert rows[0].metrics["ndcg@10"].value > rows[3].metrics["ndcg@10"].value + 0.1


@pytest.mark.parametrize("protocol", some_slow(PROTOCOLS, "few-likes"))
def test_the_test_part_decides_nothing(protocol, compared, tmp_path):
    """Turned around, the test ratings change neither the model nor what it recommends."""
    comparison, _ = compared(protocol)
    stage = comparison.problem.stage
    stage = stage._replace(test=dataclasses.replace(stage.test, values=6 - stage.test.values))
    data = dataclasses.replace(DATA, ratings=Ratings.joined(stage))
    problem = Problem(stage, data, protocol)
    again = Comparison(problem, save(trained(problem, SMALL), tmp_path / "model"))
    assert again.model.fingerprint == comparison.model.fingerprint
    first, second = (each.vectors(DATA.users.ids, "relevance") for each in (comparison, again))
    np.testing.assert_array_equal(first, second)


def test_a_split_of_ones_own_is_judged_as_the_same_split_of_ours(random_rows):
    """And by groups: of some users, or of what is popular, baselines beside us."""
    train, _, test = split(DATA.ratings, "random", seed=0).final
    turned = np.argsort(-train.times, kind="stable")
    first, second = (dataclasses.replace(DATA, ratings=r) for r in (train[turned], test))
    by = ("gender", "popularity", "activity", "genre", "decade")
    about = {"test": second, "indexes": (), "by": by}
    rows = [*evaluate(first, "random", [0], SMALL, compared="popularity,biases", **about)]
    ours, by_name = rows[0], {row.name: row for row in rows}
    assert ours.metrics == random_rows[0].metrics
    assert ours.per_user == random_rows[0].per_user
    labels = ("gender M", "gender F", *(f"popularity {n}" for n in ("high", "middle", "low")))
    compared = (OURS, "popularity", "biases")
    assert [*by_name][5:20] == [f"{name}, {label}" for label in labels for name in compared]
    groups = {row.by: [each.group for each in rows if each.by == row.by] for row in rows}
    assert [*groups] == ["", *by]
    assert {*groups["activity"]} == {"high", "middle", "low"}
    assert {*groups["genre"]} <= {*DATA.vocabulary.genres}
    assert {*groups["decade"]} == {f"{year // 10 * 10}s" for year in DATA.movies.years.tolist()}
    active = [by_name[f"popularity, activity {each}"].users for each in ("high", "middle", "low")]
    assert active == sorted(active)
    assert sum(active) == ours.users
    films = [by_name[f"biases, decade {each}"] for each in dict.fromkeys(groups["decade"])]
    assert sum(each.left_out + each.users for each in films) >= ours.users
    men, women = (by_name[f"popularity, gender {each}"] for each in "MF")
    assert men.users + women.users == ours.users
    whole = by_name["popularity"].metrics["ndcg@10"].value * ours.users
    parts = sum(each.metrics["ndcg@10"].value * each.users for each in (men, women))
    assert parts == pytest.approx(whole)
    lead = by_name["recsys, gender M"].metrics["ndcg@10"].value - men.metrics["ndcg@10"].value
    assert men.behind.value == pytest.approx(lead)


def test_predicted_ratings_stand_beside_the_true_ones_by_tenths(random_rows):
    """Their means, weighed by how many, are those of all held-out ratings."""
    test = split(DATA.ratings, "random", seed=0).final.test.values
    by_name = {row.name: row.calibration for row in random_rows}
    assert by_name["popularity"] == by_name[TUTORIAL] == {}
    for name in (OURS, "biases"):
        tenths = [*by_name[name].values()]
        assert sum(each["count"] for each in tenths) == len(test)
        predicted = [each["predicted"] for each in tenths]
        assert predicted == sorted(predicted)
        mean = sum(each["rated"] * each["count"] for each in tenths) / len(test)
        assert mean == pytest.approx(test.mean(), abs=1e-5)


@pytest.mark.slow  # trains twice more
def test_each_seed_has_a_table_and_the_same_seed_the_same(random_rows):
    again = list(evaluate(DATA, "random", [1, 0], SMALL, indexes=()))
    alone = [row for row in random_rows if row.name != IN_MILVUS]
    assert again[len(alone) :] == alone
    assert again[0].metrics != alone[0].metrics


def test_held_out_users_are_unknown_to_the_model_and_asked_for_by_profile_and_likes(compared):
    comparison, _ = compared("few-likes")
    stage = comparison.problem.stage
    cold, known = int(stage.fold_in.user_ids[0]), int(stage.train.user_ids[0])
    assert not np.isin(stage.test.user_ids, comparison.model.vocabulary.user_ids).any()
    queries = comparison.queries(np.array([cold, known]))
    assert [query.user_id for query in queries] == [None, known]
    assert queries[0].attributes["gender"] == "MF"[(cold - 1) % 2]
    likes = stage.fold_in.movie_ids[stage.fold_in.user_ids == cold]
    assert sorted(queries[0].likes) == sorted(likes.tolist())
    assert not queries[1].likes
    ids = {f"{each}_names": as_text(getattr(DATA, f"{each}s").ids) for each in ("user", "movie")}
    known = coded(comparison.model, dataclasses.replace(DATA, **ids)).vocabulary
    assert known.movie_ids.tolist() == list(range(len(DATA.movies)))  # numbers beside text


@pytest.mark.slow  # trains once more
def test_held_out_movies_are_unknown_to_the_model(compared):
    comparison, _ = compared("cold-movies")
    held_out = np.unique(comparison.problem.stage.test.movie_ids)
    assert not np.isin(held_out, comparison.model.vocabulary.movie_ids).any()
    assert comparison.movies.ids.tolist() == held_out.tolist()
    assert comparison.movies.is_new.all()


def test_diversity_is_paid_for_in_ndcg_and_measured_in_the_genres_of_the_ten(compared):
    comparison, _ = compared("few-likes")
    ours = next(comparison.ours())
    plain, *rows = comparison.rows([ours, *comparison.diverse([0.0, 0.5, 1.0])])
    assert [row.chosen for row in rows] == ["diversity 0", "diversity 0.5", "diversity 1"]
    assert rows[0].metrics["ndcg@10"] == plain.metrics["ndcg@10"]
    assert rows[0].metrics["distance@10"] == plain.metrics["distance@10"]
    assert set(rows[0].metrics) == {"ndcg@10", "recall@10", "novelty@10", "distance@10"}
    plain, _, most = (row.metrics["distance@10"].value for row in rows)
    assert most > plain
    movies = comparison.movies
    for row, metric in zip(ours.lists, comparison.distance(ours.lists).totals, strict=True):
        genres = movies.take(row[row >= 0][:10]).genres
        assert metric == pytest.approx(sum(a != b for a in genres for b in genres), abs=1e-4)

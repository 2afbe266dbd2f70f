"""How options are chosen, what needs a library, and that no baseline reads the test part."""

import dataclasses
import sys

import numpy as np
import pytest
from hand_made import MOVIES, TRAIN, dataset, problem, ratings

from recsys.evaluation import baselines
from recsys.evaluation.baselines import Baseline, Problem, missing, tune
from recsys.evaluation.compare import BASELINES
from recsys.evaluation.splits import split

LIKES_40 = ratings(*((user, 40, 5) for user in range(5, 9)))


def test_tuning_takes_what_is_best_on_validation_for_a_sample_of_many_users(monkeypatch):
    sizes = []

    def fit(asked, grid):
        for (favourite,) in grid:

            def score(users, favourite=favourite):
                sizes.append(len(users))
                return np.tile((asked.movie_ids == favourite) * 1.0, (len(users), 1))

            yield score

    asked, favour = problem(test=LIKES_40), Baseline("favour", ((10,), (40,), (20,)), fit)
    assert tune(favour, asked) == (40,)
    monkeypatch.setattr(baselines, "TUNED_USERS", 2)
    assert tune(favour, asked) == (40,)
    assert sizes == [4, 4, 4, 2, 2, 2]
    assert tune(Baseline("one", ((3,),), fit=None), asked) == (3,)  # a single one is not tried


def test_options_of_slow_rating_baselines_are_chosen_on_users_with_all_they_rated(monkeypatch):
    monkeypatch.setattr(baselines, "TUNED_RATINGS", len(TRAIN) // 2)
    sizes = []

    def fit(asked, grid):
        users = asked.stage.train.user_ids
        sizes.append(len(users))
        assert all((users == user).sum() == (TRAIN.user_ids == user).sum() for user in users)
        for (constant,) in grid:
            yield lambda users, movies, constant=constant: np.full(len(users), float(constant))

    quick = Baseline("constant", ((3,), (5,)), fit, predicts=True)
    asked = problem(test=ratings(*((user, 40, 4.9) for user in range(1, 9))))
    assert tune(quick, asked) == tune(quick._replace(library="numpy"), asked) == (5,)
    assert sizes[0] == len(TRAIN) > sizes[1]


def test_a_missing_or_broken_library_is_named_with_its_extra(tmp_path, monkeypatch):
    assert missing("") == missing("numpy") == ""
    absent = "left out: no_such_library is not installed; pip install 'recsys[bench]'"
    assert missing("no_such_library") == absent
    assert missing("rectools.no_such").endswith("pip install 'recsys[sasrec]'")
    (tmp_path / "broken_library.py").write_text("import no_such_module")
    (tmp_path / "raising_library.py").write_text("raise ValueError('built for another NumPy')")
    monkeypatch.syspath_prepend(tmp_path)
    cause = "broken_library is broken (No module named 'no_such_module')"
    assert cause in missing("broken_library")
    assert "broken (built for another NumPy); pip install" in missing("raising_library")
    assert "raising_library" not in sys.modules


EVERY = {each.name: each for protocol in BASELINES.values() for each in protocol}


@pytest.mark.parametrize("baseline", EVERY.values(), ids=EVERY)
def test_no_baseline_reads_the_test_part(baseline):
    """Whatever is held out, the answers are the same."""
    if missing(baseline.library):
        pytest.skip(missing(baseline.library))
    rng = np.random.default_rng(0)
    user, movie = np.nonzero(rng.random((8, 4)) < 0.7)
    rated = ratings(*zip(user + 1, MOVIES[movie], rng.integers(1, 6, len(user)), strict=True))
    data, stage = dataset(rated), split(rated, "random", seed=0).final
    turned = dataclasses.replace(stage.test, values=6 - stage.test.values)
    honest = Problem(stage, data)
    blind = Problem(stage._replace(test=turned), dataclasses.replace(data, ratings=turned))
    asked = (user + 1, MOVIES[movie]) if baseline.predicts else (data.users.ids,)
    for options in (baseline.grid[0], baseline.grid[-1]):
        first, second = (next(iter(baseline.fit(p, (options,))))(*asked) for p in (honest, blind))
        np.testing.assert_array_equal(first, second)

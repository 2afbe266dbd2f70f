"""How options are chosen, what needs a library, and that no baseline reads the test part."""

import dataclasses
import sys

import numpy as np
import pytest
from hand_made import MOVIES, TRAIN, dataset, ratings

from recsys.evaluation.baselines import (
    CHANCE,
    CONTENT_RIDGE,
    EASE,
    EDLAE,
    GENRE_PROFILE,
    GROUP_POPULARITY,
    IALS,
    POPULARITY,
    PROFILE_KERNEL,
    RECENT_EDLAE,
    RECENT_POPULARITY,
    SASREC,
    Baseline,
    missing,
    tune,
)
from recsys.evaluation.splits import Part, split
from recsys.metrics import ranking_task


def test_tuning_takes_what_is_best_on_validation():
    test = ratings((5, 40, 5))
    part = Part(TRAIN, ratings(), test)

    def favour(part, data, movies, options):
        return lambda users: np.tile((movies == options[0]).astype(float), (len(users), 1))

    favourite = Baseline("favour", ((10,), (40,), (20,)), favour)
    options, value = tune(favourite, part, dataset(TRAIN), ranking_task(TRAIN, TRAIN, test, MOVIES))
    assert (options, value) == ((40,), 1.0)


def test_tuning_takes_many_options_at_once_where_it_can():
    test = ratings((5, 40, 5))

    def at_once(part, data, movies, grid):
        for options in grid:
            yield options, lambda users, o=options: np.tile((movies == o[0]) * 1.0, (len(users), 1))

    favourite = Baseline("favour", ((10,), (40,)), fit=None, fit_all=at_once)
    question = ranking_task(TRAIN, TRAIN, test, MOVIES)
    part = Part(TRAIN, ratings(), test)
    assert tune(favourite, part, dataset(TRAIN), question) == ((40,), 1.0)


def test_tuning_asks_a_sample_of_many_users(monkeypatch):
    monkeypatch.setattr("recsys.evaluation.baselines.base.TUNED_USERS", 2)
    test = ratings(*((user, 40, 5) for user in range(4, 9)))
    sizes = []

    def favour(part, data, movies, options):
        def score(users):
            sizes.append(len(users))
            return np.tile((movies == options[0]).astype(float), (len(users), 1))

        return score

    part = Part(ratings((1, 10, 5)), ratings(), test)
    question = ranking_task(part.train, part.train, test, MOVIES)
    favourite = Baseline("favour", ((10,), (40,)), favour)
    assert tune(favourite, part, dataset(TRAIN), question) == ((40,), 1.0)
    assert sizes == [2, 2]


def test_a_missing_library_is_named_with_its_extra():
    assert missing("") == missing("numpy") == ""
    assert missing("no_such_library") == (
        "left out: no_such_library is not installed; pip install 'recsys[bench]'"
    )
    assert missing("rectools.no_such").endswith("pip install 'recsys[sasrec]'")


def test_a_broken_library_is_named_too(tmp_path, monkeypatch):
    (tmp_path / "broken_library.py").write_text("import no_such_module")
    (tmp_path / "raising_library.py").write_text("raise ValueError('built for another NumPy')")
    monkeypatch.syspath_prepend(tmp_path)
    assert "broken_library is broken (No module named 'no_such_module')" in missing(
        "broken_library"
    )
    assert "broken (built for another NumPy); pip install" in missing("raising_library")
    assert "raising_library" not in sys.modules


@pytest.mark.parametrize(
    "baseline",
    [
        POPULARITY,
        RECENT_POPULARITY,
        GROUP_POPULARITY,
        EASE,
        EDLAE,
        RECENT_EDLAE,
        CONTENT_RIDGE,
        PROFILE_KERNEL,
        GENRE_PROFILE,
        CHANCE,
        IALS,
        SASREC,
    ],
    ids=lambda baseline: baseline.name,
)
def test_no_baseline_reads_the_test_part(baseline):
    """Whatever is held out, the scores are the same."""
    if missing(baseline.library):
        pytest.skip(missing(baseline.library))
    rng = np.random.default_rng(0)
    user, movie = np.nonzero(rng.random((8, 4)) < 0.7)
    rated = ratings(*zip(user + 1, MOVIES[movie], rng.integers(1, 6, len(user)), strict=True))
    data, parts = dataset(rated), split(rated, "random", seed=0)
    other = dataclasses.replace(data, ratings=parts.train)
    turned = dataclasses.replace(parts.test, values=6 - parts.test.values)
    for options in (baseline.grid[0], baseline.grid[-1]):
        honest = baseline.fit(parts.final, data, MOVIES, options)(data.users.ids)
        blind = baseline.fit(parts.final._replace(test=turned), other, MOVIES, options)(
            data.users.ids
        )
        np.testing.assert_array_equal(honest, blind)

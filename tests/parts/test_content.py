"""Numbers of movies by their content: the kernel by its definition, the regression by algebra."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.parts import content
from recsys.parts.content import Block, Kernel, fit_content, predict

# genres 1 and 2 (one movie each of four), 3 in two; the last two movies have genre 3
GENRES = np.array([[1, -1], [2, -1], [3, -1], [3, 1]])
YEARS = np.array([1990.0, 1994.0, np.nan, 1994.0])
ALIKE = np.zeros(4, bool)  # columns of targets in which all movies count alike


def blocks(genres=GENRES, years=YEARS):
    return [Block(np.asarray(genres), 1.0), Block(np.asarray(years, float), 0.5)]


def drawn(rows, seed=0):
    rng = np.random.default_rng(seed)
    return blocks(rng.integers(-1, 6, (rows, 3)), rng.integers(1930, 2000, rows))


def exact(genres, year, other_genres, other_year):
    """The kernel of two movies of the fixture, by its definition."""
    counts = {1: 2, 2: 1, 3: 2}
    idf = {token: np.log(5 / (1 + count)) + 1e-3 for token, count in counts.items()}

    def vector(rows):
        values = np.array([idf[token] * (token in rows) for token in (1, 2, 3)])
        return values / max(np.linalg.norm(values), 1e-9)

    cosine = float(vector(genres) @ vector(other_genres))
    scale = content.NUMBER_SCALE * np.std([1990, 1994, 1994])
    near = np.nan_to_num(np.exp(-abs(year - other_year) / scale))
    return (1 + cosine) * (1 + 0.5 * near) - 1


def test_features_multiply_to_the_kernel_by_hand_of_new_movies_too():
    kernel = Kernel.fit(blocks())
    old = kernel.features(blocks())
    for genres, years in ((GENRES, YEARS), ([[1, 2]], [1992.0]), ([[3, 0, 1, 3]], [1994.0])):
        features = kernel.features(blocks(genres, years))
        for a, (some, year) in enumerate(zip(genres, years, strict=True)):
            for b in range(4):
                expected = exact(some, year, GENRES[b], YEARS[b])
                assert features[a] @ old[b] == pytest.approx(expected, abs=1e-3)


def test_of_many_movies_landmarks_are_of_a_sample_and_frequencies_of_all(monkeypatch):
    every = Kernel.fit(blocks())
    monkeypatch.setattr(content, "SAMPLED", 2)
    kernel = Kernel.fit(blocks())
    assert [len(each.values) for each in kernel.landmarks] == [2, 2]
    assert content.sample(np.arange(9), 0).tolist() == sorted({*content.sample(np.arange(9), 0)})
    for ours, theirs in zip(kernel.spread, every.spread, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_movie_of_which_nothing_is_known_gets_the_mean_and_all_do_with_a_large_ridge():
    targets = np.random.default_rng(0).standard_normal((4, 4)).astype(np.float32)
    nothing = blocks([[-1, -1], [0, -1], [99, -1]], [np.nan] * 3)
    for ridge, some in ((6.0, nothing), (1e9, blocks())):
        tables = fit_content(Kernel.fit(blocks()), blocks(), targets, np.ones(4), ALIKE, ridge)
        found = predict(tables, some)
        np.testing.assert_allclose(found, np.tile(targets.mean(0), (len(found), 1)), atol=1e-6)


def test_numbers_are_learned_by_kernel_ridge_regression_in_batches_too(monkeypatch):
    data, new, counts = drawn(60), drawn(9, 1), np.arange(1, 61)
    targets = np.random.default_rng(0).standard_normal((60, 4)).astype(np.float32)
    kernel, by_ratings = Kernel.fit(data), np.array([False, True, False, False])
    phi, psi = kernel.features(data).astype(float), kernel.features(new).astype(float)
    for batch in (content._BATCH, 7):
        monkeypatch.setattr(content, "_BATCH", batch)
        tables = fit_content(kernel, data, targets, counts, by_ratings, ridge=3.0)
        found = predict(tables, new)
        for columns, weights in ((~by_ratings, np.ones(60)), (by_ratings, counts)):
            mean = np.average(targets[:, columns], 0, weights)
            weighed = phi.T * weights / weights.mean()
            products = weighed @ phi + 3 * np.eye(phi.shape[1])
            learned = np.linalg.solve(products, weighed @ (targets[:, columns] - mean))
            np.testing.assert_allclose(found[:, columns], mean + psi @ learned, atol=1e-4)


@given(
    st.lists(
        st.tuples(st.integers(-1, 5), st.integers(-1, 5), st.none() | st.floats(-1e6, 1e6)),
        min_size=1,
        max_size=12,
    )
)
def test_any_content_makes_finite_features_no_longer_than_the_blocks_weigh_together(rows):
    data = blocks([row[:2] for row in rows], [np.nan if r[2] is None else r[2] for r in rows])
    features = Kernel.fit(data).features(data)
    assert np.isfinite(features).all()
    longest = np.sqrt(2 * 1.5 - 1)  # of a movie that is like itself in every block
    assert (np.linalg.norm(features, axis=1) <= longest * 1.01).all()

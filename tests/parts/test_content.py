import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.parts import content
from recsys.parts.content import Kernel, Numbers, Tokens, fit_prior

# genres 1 and 2 (one movie each of four), 3 in two; the last two movies have genre 3
GENRES = np.array([[1, -1], [2, -1], [3, -1], [3, 1]])
YEARS = np.array([1990.0, 1994.0, np.nan, 1994.0])


def blocks(genres=GENRES, years=YEARS, number_weight=0.5):
    return [Tokens(np.asarray(genres)), Numbers(np.asarray(years, float), number_weight)]


def exact(genres, years, other_genres, other_years, number_weight=0.5):
    """The kernel of two movies of the fixture, by its definition."""
    counts = {1: 2, 2: 1, 3: 2}
    idf = {token: np.log(5 / (1 + count)) + 1e-3 for token, count in counts.items()}

    def vector(rows):
        values = np.array([idf[token] * (token in rows) for token in (1, 2, 3)])
        return values / max(np.linalg.norm(values), 1e-9)

    cosine = float(vector(genres) @ vector(other_genres))
    scale = content.NUMBER_SCALE * np.std([1990, 1994, 1994])
    apart = abs(years - other_years)
    near = 0.0 if np.isnan(apart) else float(np.exp(-apart / scale))
    return (1 + cosine) * (1 + number_weight * near) - 1


def test_features_multiply_to_the_kernel_by_hand_of_new_movies_too():
    kernel = Kernel.fit(blocks())
    old = kernel.features(blocks())
    for genres, years in ((GENRES, YEARS), ([[1, 2]], [1992.0])):
        features = kernel.features(blocks(genres, years))
        for a, (some, year) in enumerate(zip(genres, years, strict=True)):
            for b in range(4):
                expected = exact(some, year, GENRES[b], YEARS[b])
                assert features[a] @ old[b] == pytest.approx(expected, abs=1e-3)


def longest(kernel: Kernel) -> float:
    """The length of features that are like themselves in every block, the longest there can be."""
    return float(np.sqrt(np.prod([1 + block.weight for block in kernel.landmarks]) - 1))


def test_no_features_are_longer_than_the_blocks_weigh_together():
    kernel = Kernel.fit(blocks())
    lengths = np.linalg.norm(kernel.features(blocks()), axis=1)
    assert longest(kernel) == pytest.approx(np.sqrt(2 * 1.5 - 1))
    assert (lengths <= longest(kernel) + 1e-4).all()


def test_a_movie_of_which_nothing_is_known_gets_the_mean_and_all_do_with_a_large_ridge():
    kernel = Kernel.fit(blocks())
    targets = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    nothing = blocks([[-1, -1], [0, -1], [99, -1]], [np.nan] * 3)
    for ridge, some in ((6.0, nothing), (1e9, blocks())):
        prior = fit_prior(kernel, blocks(), (targets, np.ones(4)), ridge=ridge)
        found = prior.predict(kernel, some)
        np.testing.assert_allclose(found, np.tile(targets.mean(0), (len(found), 1)), atol=1e-6)


def test_order_and_repetition_of_tokens_say_nothing():
    kernel = Kernel.fit(blocks())
    one = kernel.features([Tokens(np.array([[1, 3, -1]])), Numbers(np.array([1994.0]), 0.5)])
    other = kernel.features([Tokens(np.array([[3, 1, 3]])), Numbers(np.array([1994.0]), 0.5)])
    np.testing.assert_array_equal(one, other)


def test_the_prior_is_kernel_ridge_regression():
    rng = np.random.default_rng(0)
    genres, years = rng.integers(1, 6, (60, 2)), rng.integers(1930, 2000, 60).astype(float)
    data = blocks(genres, years)
    targets = rng.standard_normal((60, 4)).astype(np.float32)
    kernel = Kernel.fit(data)
    new = blocks(rng.integers(1, 6, (9, 2)), rng.integers(1930, 2000, 9).astype(float))
    alike, unlike = np.ones(60), rng.integers(1, 50, 60)
    learned = (targets[:, :3], alike), (targets[:, 3:], unlike)
    found = fit_prior(kernel, data, *learned, ridge=3.0).predict(kernel, new)
    phi, psi = kernel.features(data).astype(float), kernel.features(new).astype(float)
    for columns, weights in ((slice(3), alike), (slice(3, 4), unlike)):
        mean = np.average(targets[:, columns], 0, weights)
        weighed = phi.T * weights / weights.mean()
        inner = np.linalg.solve(
            weighed @ phi + 3 * np.eye(kernel.size), weighed @ (targets[:, columns] - mean)
        )
        np.testing.assert_allclose(found[:, columns], mean + psi @ inner, atol=1e-4)


def test_movies_in_blocks_are_as_movies_at_once(monkeypatch):
    rng = np.random.default_rng(0)
    data = blocks(rng.integers(-1, 6, (50, 3)), rng.integers(1930, 2000, 50).astype(float))
    targets = rng.standard_normal((50, 2)).astype(np.float32)
    kernel = Kernel.fit(data)
    learned = targets, np.arange(1, 51)
    whole = fit_prior(kernel, data, learned, ridge=6.0).predict(kernel, data)
    monkeypatch.setattr(content, "_BLOCK", 7)
    np.testing.assert_allclose(
        fit_prior(kernel, data, learned, ridge=6.0).predict(kernel, data), whole, atol=1e-5
    )


def test_few_landmarks_are_seeded_and_different():
    rng = np.random.default_rng(0)
    data = blocks(rng.integers(1, 9, (200, 2)), rng.integers(1930, 2000, 200).astype(float))
    one, same = Kernel.fit(data, 16, seed=3), Kernel.fit(data, 16, seed=3)
    assert one.size <= 16
    np.testing.assert_array_equal(one.features(data), same.features(data))
    assert not np.array_equal(one.features(data), Kernel.fit(data, 16, seed=4).features(data))


def test_equal_numbers_have_a_scale():
    kernel = Kernel.fit([Numbers(np.full(3, 7.0))])
    assert np.isfinite(kernel.features([Numbers(np.array([7.0, 8.0, np.nan]))])).all()


@given(
    st.lists(
        st.tuples(st.integers(-1, 5), st.integers(-1, 5), st.none() | st.floats(-1e6, 1e6)),
        min_size=1,
        max_size=12,
    )
)
def test_any_content_makes_finite_features(rows):
    tokens = np.array([row[:2] for row in rows])
    numbers = np.array([np.nan if row[2] is None else row[2] for row in rows])
    kernel = Kernel.fit([Tokens(tokens), Numbers(numbers)])
    features = kernel.features([Tokens(tokens), Numbers(numbers)])
    assert np.isfinite(features).all()
    assert (np.linalg.norm(features, axis=1) <= longest(kernel) * 1.01).all()

"""The layout of a vector: one inner product is the weighted sum of the parts'."""

import numpy as np

from recsys.serving.vector import Layout, unit

LAYOUT = Layout(3, 2, 4, 5, 1)


def parts_of(rows: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    drawn = {n: rng.standard_normal((rows, s)) for n, s in LAYOUT._asdict().items()}
    return {name: unit(part.astype(np.float32)) for name, part in drawn.items()}


def test_movies_have_length_1_also_with_short_or_missing_parts():
    parts = parts_of(6, 0)
    parts["factors"] *= np.float32(0.3)
    del parts["taste"]
    movies = LAYOUT.movies(parts)
    assert movies.shape == (6, LAYOUT.size) == (6, 16)
    np.testing.assert_allclose(np.linalg.norm(movies, axis=1), 1, atol=1e-6)
    for name, part in LAYOUT.split(movies).items():
        np.testing.assert_allclose(part, parts.get(name, np.zeros((6, 1))), atol=1e-6)


def test_the_inner_product_is_the_weighted_sum_of_the_parts():
    users, movies = parts_of(4, 1), parts_of(6, 2)
    weights = dict(zip(LAYOUT._fields, (1, 0.5, 1.5, 3, -0.1), strict=True))
    query = LAYOUT.queries({name: users[name] * np.float32(w) for name, w in weights.items()})
    expected = sum(w * users[name] @ movies[name].T for name, w in weights.items())
    np.testing.assert_allclose(query @ LAYOUT.movies(movies).T, expected, atol=1e-5)
    assert not query[:, -1].any()


def test_nothing_stays_nothing():
    assert not unit(np.zeros((2, 3), np.float32)).any()

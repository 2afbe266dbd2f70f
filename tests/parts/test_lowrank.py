"""Leading singular vectors by products alone."""

import numpy as np

from recsys.parts.lowrank import leading


def test_a_projection_on_them_loses_as_little_as_any():
    matrix = np.random.default_rng(1).standard_normal((40, 40)).astype(np.float32)
    found = leading((matrix.T @ matrix).__matmul__, 40, 30)[1]
    least = np.linalg.norm(np.linalg.svd(matrix)[1][30:])
    assert np.linalg.norm(matrix - matrix @ found @ found.T) < 1.01 * least


def test_half_the_rounds_are_enough_from_the_vectors_of_a_matrix_like_it():
    rng = np.random.default_rng(3)
    matrix = rng.standard_normal((300, 200)) * 0.97 ** np.arange(200)
    near = matrix + 0.02 * rng.standard_normal(matrix.shape)
    start = np.linalg.svd(near)[2][:20].T.astype(np.float32)
    squares = (matrix.T @ matrix).astype(np.float32)
    found = leading(squares.__matmul__, 200, 20, start=start)[0]
    np.testing.assert_allclose(found, np.linalg.svd(matrix)[1][:20], rtol=1e-3)


def test_what_is_not_there_is_0():
    matrix = np.outer([1.0, 2.0, 2.0], [3.0, 4.0]).astype(np.float32)  # one singular value, 15
    values, vectors = leading((matrix.T @ matrix).__matmul__, 2, 5)
    np.testing.assert_allclose(values, [15, 0, 0, 0, 0], atol=1e-2)
    assert vectors.shape == (2, 5)
    np.testing.assert_allclose(np.abs(vectors[:, 0]), [0.6, 0.8], atol=1e-5)
    assert not vectors[:, 2:].any()

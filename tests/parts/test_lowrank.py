"""Leading singular vectors by products alone."""

import numpy as np

from recsys.parts.lowrank import leading, orthonormal


def test_the_product_is_the_best_of_its_rank():
    matrix = np.random.default_rng(1).standard_normal((40, 40)).astype(np.float32)
    found = leading(matrix.__matmul__, matrix.T.__matmul__, 40, 30)
    left, values, right = np.linalg.svd(matrix)
    best = left[:, :30] * values[:30] @ right[:30]
    ours = found.left * found.values @ found.right.T
    assert np.linalg.norm(matrix - ours) < 1.01 * np.linalg.norm(matrix - best)


def test_what_is_not_there_is_0():
    matrix = np.outer([1.0, 2.0, 2.0], [3.0, 4.0]).astype(np.float32)  # one singular value, 15
    found = leading(matrix.__matmul__, matrix.T.__matmul__, 2, 5)
    assert [len(found.left[0]), len(found.values), len(found.right[0])] == [5, 5, 5]
    np.testing.assert_allclose(found.values, [15, 0, 0, 0, 0], atol=1e-3)
    np.testing.assert_allclose(found.left * found.values @ found.right.T, matrix, rtol=1e-4)


def test_an_orthonormal_basis_has_the_same_span():
    basis = np.random.default_rng(2).standard_normal((50, 6))
    basis[:, 5] = basis[:, 0] - basis[:, 1]  # five dimensions
    found = orthonormal(basis).astype(np.float64)
    np.testing.assert_allclose(np.sort((found.T @ found).diagonal()), [0, 1, 1, 1, 1, 1], atol=1e-5)
    np.testing.assert_allclose(found @ (found.T @ basis), basis, atol=1e-4)

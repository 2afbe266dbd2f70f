import numpy as np
import pytest

from recsys.parts.lowrank import leading, orthonormal


def decayed(rows, columns, seed=0):
    """A matrix whose singular values halve from one to the next, and its SVD."""
    rng = np.random.default_rng(seed)
    left = np.linalg.qr(rng.standard_normal((rows, min(rows, columns))))[0]
    right = np.linalg.qr(rng.standard_normal((columns, min(rows, columns))))[0]
    values = 0.5 ** np.arange(min(rows, columns))
    return (left * values @ right.T).astype(np.float32), left, values, right


@pytest.mark.parametrize("shape", [(30, 20), (20, 30), (25, 25)])
def test_the_largest_singular_vectors_are_found(shape):
    matrix, left, values, right = decayed(*shape)
    found, same = (leading(matrix.__matmul__, matrix.T.__matmul__, shape[1], 4) for _ in range(2))
    np.testing.assert_array_equal(found.left, same.left)
    np.testing.assert_allclose(found.values, values[:4], rtol=1e-4)
    np.testing.assert_allclose(np.abs((found.left * left[:, :4]).sum(0)), 1, atol=1e-3)
    np.testing.assert_allclose(np.abs((found.right * right[:, :4]).sum(0)), 1, atol=1e-3)


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

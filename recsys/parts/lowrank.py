"""Leading eigenvectors by subspace iteration, with no decomposition larger than the subspace.

Halko, Martinsson and Tropp, "Finding Structure with Randomness", SIAM Review 2011, algorithm 4.4,
of A'A: what is asked for are singular values and right singular vectors of A. A basis is made
orthonormal by the eigenvectors of its Gram matrix, which is one product of matrices; a QR
decomposition of the same basis takes many times as long on shared cores. NumPy only.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

SPARE = 16  # dimensions of the subspace beyond the rank
ROUNDS, LATER_ROUNDS = 4, 2  # of the iteration; and from a start that is nearly right
_SMALLEST = 1e-12  # of a direction's square, beside the largest: below it is noise

Array = NDArray[np.float32]


def orthonormal(basis: NDArray[np.floating]) -> Array:
    """(N, K) of the same span as a basis; 0 in the place of directions that it has not."""
    basis = basis.astype(np.float64)
    values, turn = np.linalg.eigh(basis.T @ basis)
    real = values > _SMALLEST * max(values[-1], 1e-300)
    roots = np.where(real, 1 / np.sqrt(np.where(real, values, 1)), 0)
    return (basis @ (turn * roots)).astype(np.float32)


def _apart(basis: NDArray[np.floating]) -> Array:
    """The same, orthonormal but for directions that it hardly has, in a tenth of the time."""
    basis = basis.astype(np.float64)
    products = basis.T @ basis
    products[np.diag_indices(len(products))] += 1e-10 * np.trace(products) + 1e-300
    return (basis @ np.linalg.inv(np.linalg.cholesky(products)).T).astype(np.float32)


def leading(
    product: Callable[[Array], NDArray[np.floating]],
    size: int,
    rank: int,
    start: Array | None = None,
    seed: int = 0,
    *,
    spare: int = SPARE,
    rounds: int = ROUNDS,
) -> tuple[Array, Array]:
    """Nearly the `rank` largest singular values of an (M, N) matrix A, and their right vectors.

    Args:
        product: A'A @ x of (N, K).
        size: N.
        start: (N, at least `rank`) such vectors of a matrix like A, which save half the rounds.

    Returns:
        values (rank,) descending, 0 behind the last there is; vectors (N, rank), orthonormal.
    """
    first = np.random.default_rng(seed).standard_normal((size, min(size, rank + spare)))
    if start is not None and start.shape[1] >= rank:
        first[:, :rank] += 100 * size**0.5 * start[:, :rank]  # of which some may be 0
        rounds = LATER_ROUNDS
    basis = first.astype(np.float32)
    for _ in range(rounds - 1):
        basis = _apart(product(basis))
    basis = orthonormal(product(basis))
    squares, turn = np.linalg.eigh(basis.T.astype(np.float64) @ product(basis))
    largest = np.argsort(-squares, kind="stable")[:rank]
    missing = 0, rank - len(largest)
    values = np.pad(np.sqrt(np.maximum(squares[largest], 0)), missing)
    vectors = np.pad(basis @ turn[:, largest], ((0, 0), missing))
    return values.astype(np.float32), vectors.astype(np.float32)

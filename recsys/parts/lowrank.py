"""Leading singular vectors by subspace iteration, with no decomposition larger than the subspace.

Halko, Martinsson and Tropp, "Finding Structure with Randomness", SIAM Review 2011, algorithm 4.4.
A basis is made orthonormal by the eigenvectors of its Gram matrix, which is one product of
matrices; a QR decomposition of the same basis takes many times as long on shared cores. NumPy only.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SPARE = 16  # dimensions of the subspace beyond the rank
ROUNDS = 4  # of the iteration
_SMALLEST = 1e-10  # of a direction's square, beside the largest: below it is noise

Array = NDArray[np.float32]
Product = Callable[[Array], NDArray[np.floating]]  # of a matrix with (N, K)


class Leading(NamedTuple):
    """The R largest singular values of a matrix, 0 behind the last there is, and their vectors."""

    left: Array  # (M, R) orthonormal
    values: Array  # (R,) descending
    right: Array  # (N, R) orthonormal


def orthonormal(basis: NDArray[np.floating]) -> Array:
    """(N, K) of the same span as a basis; 0 in the place of directions that it has not."""
    basis = basis.astype(np.float64)
    values, turn = np.linalg.eigh(basis.T @ basis)
    real = values > _SMALLEST * max(values[-1], 1e-300)
    roots = np.where(real, 1 / np.sqrt(np.where(real, values, 1)), 0)
    return (basis @ (turn * roots)).astype(np.float32)


def leading(
    times: Product,
    transposed: Product,
    columns: int,
    rank: int,
    *,
    spare: int = SPARE,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> Leading:
    """Nearly the `rank` largest singular values and vectors of an (M, N) matrix A.

    Args:
        times, transposed: A @ x of (N, K), and A.T @ x of (M, K).
        columns: N.

    >>> matrix = np.diag([3.0, 2.0, 1.0]).astype(np.float32)
    >>> leading(lambda x: matrix @ x, lambda x: matrix.T @ x, 3, 2).values.round(3).tolist()
    [3.0, 2.0]
    """
    rng = np.random.default_rng(seed)
    right = orthonormal(rng.standard_normal((columns, min(columns, rank + spare))))
    for _ in range(rounds):
        right = orthonormal(transposed(orthonormal(times(right))))
    left = times(right).astype(np.float64)
    squares, turn = np.linalg.eigh(left.T @ left)
    largest = np.argsort(-squares, kind="stable")[:rank]
    values = np.sqrt(np.maximum(squares[largest], 0))
    left = left @ turn[:, largest] / np.maximum(values, 1e-12)
    missing = (0, rank - len(largest))
    wide = ((0, 0), missing)
    return Leading(
        np.pad(left, wide).astype(np.float32),
        np.pad(values, missing).astype(np.float32),
        np.pad(right @ turn[:, largest], wide).astype(np.float32),
    )

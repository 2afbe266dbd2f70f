"""The numbers behind curves and the map: cumulated shares, places in two dimensions."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

POINTS = 100  # of a cumulated curve
COMPONENTS = 50  # of the vectors, before they are laid out in two dimensions
STEPS, ANGLE = 500, 0.7  # of t-SNE: neighbours stay as with 1000 and .5, in half the time


def tail(counts: NDArray[np.integer]) -> dict[str, Any]:
    """Which share of the ratings each share of those with most of them has, of who has any.

    >>> tail(np.array([0, 1, 3]))["share"][49::50]
    [0.75, 1.0]
    """
    most = np.sort(counts[counts > 0])[::-1]
    if not len(most):
        return {}
    rank, before = np.arange(1, POINTS + 1) / POINTS, np.append(0, np.cumsum(most) / most.sum())
    share = np.interp(rank * len(most), np.arange(len(before)), before)
    return {"rank": rank.tolist(), "share": share.tolist(), "gini": gini(most)}


def gini(counts: NDArray[np.integer]) -> float:
    """0 where all have as many, near 1 where one has all.

    >>> gini(np.array([2, 2])), gini(np.array([0, 4]))
    (0.0, 0.5)
    """
    rising, n = np.sort(counts).astype(float), len(counts)
    return float(2 * (np.arange(1, n + 1) @ rising) / (n * max(1.0, rising.sum())) - (n + 1) / n)


def projected(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """(M, 2) places from -1 to 1 for (M, V) vectors, near where these are.

    t-SNE (van der Maaten and Hinton 2008) of the principal components, from the first two of them.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    size, perplexity = min(COMPONENTS, *vectors.shape), min(30.0, (len(vectors) - 1) / 3)
    numbers = PCA(size, svd_solver="randomized", random_state=0).fit_transform(vectors)
    found = TSNE(perplexity=perplexity, init="pca", max_iter=STEPS, angle=ANGLE, random_state=0)
    with threadpool_limits(1):  # on a busy machine more of them spin: 3 times the CPU
        places = found.fit_transform(numbers).astype(np.float64)
    places -= (places.max(0) + places.min(0)) / 2
    return places / np.maximum(1e-9, np.abs(places).max(0))

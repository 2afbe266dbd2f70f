"""How much of what is published a publish or an update would remove."""

import numpy as np
from numpy.typing import NDArray

from recsys.data.ids import id_array, positions
from recsys.errors import StoreError
from recsys.milvus.client import Milvus
from recsys.milvus.collection import load
from recsys.milvus.errors import Unreachable
from recsys.milvus.search import ids_of
from recsys.milvus.versions import current_version


def check_removal(milvus: Milvus, alias: str, movie_ids: NDArray, most: float) -> int:
    """How many published movies are not among (M,) ids.

    What is damaged or of another kind counts as nothing: publishing is what repairs it.

    Args:
        most: the share of the published movies that may go.

    Raises:
        StoreError: more would go.
    """
    try:
        current = current_version(milvus, alias)
        load(milvus, current.collection, current.count)
        published = ids_of(milvus, current)
    except Unreachable:
        raise
    except StoreError:
        return 0
    gone = int((positions(np.sort(movie_ids), id_array(published)) < 0).sum())
    if gone > most * len(published):
        raise StoreError(
            f"{gone} of the {len(published)} movies published would be removed, and nothing was "
            "done",
            "publish a file that has them too, or say that they may go",
            "replace",
        )
    return gone

"""Vectors of movies and users for other tools: FAISS, notebooks, another store."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from recsys import parts
from recsys.data.ids import id_array
from recsys.errors import check_choice
from recsys.parts.part import Array
from recsys.serving import RankBy
from recsys.serving.users import UserQuery, users_of

if TYPE_CHECKING:
    from recsys.serving.model_folder import Model


class Vectors(NamedTuple):
    """Vectors of N movies or users: an inner product of one of each is a score."""

    ids: NDArray  # (N,)
    vectors: Array  # (N, V)
    names: list[str]  # (V,) which part a number is of, as "ease.0"


def item_vectors(model: "Model") -> Vectors:
    """Those of all movies of a model, by rising row, of unit length; as they are published.

    Args:
        model: as `load_model` has it.

    >>> import recsys
    >>> recsys.item_vectors(recsys.load_model("sample.model")).ids[:3].tolist()
    [1, 2, 3]
    """
    slices = {name: each[1:] for name, each in parts.movies(model.arrays).items()}
    return Vectors(model.vocabulary.movie_ids, model.layout.movies(slices), model.layout.names)


def user_vectors(
    model: "Model", queries: Sequence[UserQuery] | None = None, rank_by: RankBy = "relevance"
) -> Vectors:
    """Those of queries; `recommend` ranks by their inner products with those of movies.

    Args:
        model: as `load_model` has it.
        queries: one for each of the model's users if not given; the id of others is None.
        rank_by: which score, as `Recommender.recommend` has it.

    Raises:
        QueryError: a query names what the model does not know, or it has no ratings.

    >>> import recsys
    >>> model = recsys.load_model("sample.model")
    >>> users = recsys.user_vectors(model, [recsys.UserQuery(42), recsys.UserQuery(likes=(50,))])
    >>> (users.vectors @ recsys.item_vectors(model).vectors.T).shape
    (2, 338)
    """
    check_choice("rank_by", rank_by, get_args(RankBy))
    if queries is None:
        queries = [*map(UserQuery, model.vocabulary.user_ids.tolist())]
    given: list[Any] = [each.user_id for each in queries]
    ids = np.array(given, object) if None in given else id_array(given)
    return Vectors(ids, users_of(model, queries).vectors(rank_by), model.layout.names)

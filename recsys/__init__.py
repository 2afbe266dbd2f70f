"""Ratings in, recommendations out of Milvus.

Names are loaded when they are first used, so that `import recsys` loads neither NumPy nor Paddle
nor pymilvus::

    dataset = recsys.read_dataset("data/ml-100k")
    model = recsys.train_model(dataset, "my.model")     # or recsys.load_model("my.model")
    with recsys.MilvusStore("movies.db") as store:
        store.publish(recsys.catalogue(model), model.fingerprint)
        movies = recsys.Recommender(model, store)
        (answer,) = movies.recommend([recsys.UserQuery(42)], k=10)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recsys import errors as errors
    from recsys.data.readers.roles import Columns as Columns
    from recsys.evaluation.compare import evaluate as evaluate
    from recsys.infer import Recommendation as Recommendation
    from recsys.infer import Recommender as Recommender
    from recsys.infer import UserQuery as UserQuery
    from recsys.infer import catalogue as catalogue
    from recsys.infer import item_vectors as item_vectors
    from recsys.infer import predict as predict
    from recsys.infer import user_vectors as user_vectors
    from recsys.milvus.address import MilvusAddress as MilvusAddress
    from recsys.milvus_store import MilvusStore as MilvusStore
    from recsys.options import Options as Options
    from recsys.preprocess import read_dataset as read_dataset
    from recsys.preprocess import read_movies as read_movies
    from recsys.service import open as open
    from recsys.serving.catalogue import Filter as Filter
    from recsys.serving.choice import Choice as Choice
    from recsys.serving.model_folder import load_model as load_model
    from recsys.serving.model_folder import write_model as write_model
    from recsys.train import train_model as train_model
    from recsys.update import forget_users as forget_users
    from recsys.update import update_model as update_model

__version__ = "0.2.0"
_NAMES = {
    "recsys.data.readers.roles": ("Columns",),
    "recsys.evaluation.compare": ("evaluate",),
    "recsys.infer": (
        *("Recommendation", "Recommender", "UserQuery", "catalogue"),
        *("item_vectors", "predict", "user_vectors"),
    ),
    "recsys.milvus.address": ("MilvusAddress",),
    "recsys.milvus_store": ("MilvusStore",),
    "recsys.preprocess": ("read_dataset", "read_movies"),
    "recsys.service": ("open",),
    "recsys.serving.catalogue": ("Filter",),
    "recsys.serving.choice": ("Choice",),
    "recsys.serving.model_folder": ("load_model", "write_model"),
    "recsys.train": ("train_model",),
    "recsys.options": ("Options",),
    "recsys.update": ("forget_users", "update_model"),
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names}
__all__ = ["__version__", "errors", *_HOMES]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used (PEP 562)."""
    if name in ("errors", "train"):  # modules
        return import_module(f"recsys.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'recsys' has no attribute {name!r}")
    globals()[name] = value = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

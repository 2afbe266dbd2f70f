"""Every knob of training, its default and its reason; the command line's options are made of them.

Nothing heavy is imported, so that `--help` can show the defaults.
"""

from dataclasses import dataclass, field
from typing import Any

from recsys.errors import check_fields, described


def _knob(default: Any, help: str, low: float | None = None, high: float | None = None) -> Any:
    """A field of `Options`: its default, what it is, and the range it may take."""
    return field(default=default, metadata={"help": help, "min": low, "max": high})


@dataclass(frozen=True)
class Options:
    """Every knob of training; the defaults were chosen on validation data.

    Raises:
        QueryError: a value of another type, or out of its range.

    >>> Options(epochs=3).epochs
    3
    """

    epochs: int = _knob(8, "Epochs at most; the learning rate falls to 0 over all of them.", 1)
    batch_size: int = _knob(0, "Ratings a step; 0: about 2048, for 32 to 50 steps an epoch.", 0)
    batch_users: int = _knob(256, "Users a step for the retrieval head.", 1)
    learning_rate: float = _knob(0.005, "Learning rate of the first epoch.", 1e-9, 10)
    weight_decay: float = _knob(1.0, "Decoupled weight decay of AdamW.", 0)
    retrieval_weight: float = _knob(1.0, "Weight of the retrieval loss; the rating loss has 1.", 0)
    temperature: float = _knob(
        0.22, "Temperature of the softmax; learned, it falls to 0.08, worse.", 1e-3
    )
    history_keep_rate: float = _knob(0.85, "Share of a history that is input.", 0, 1)
    cold_user_rate: float = _knob(0.1, "Share of users shown without id and history.", 0, 1)
    few_likes_rate: float = _knob(0.1, "Share of users shown without id, with a few likes.", 0, 1)
    few_likes: float = _knob(8.0, "Likes shown of those users, on average.", 0)
    drop_user: float = _knob(0.3, "Share of user ids shown as unknown.", 0, 1)
    drop_movie: float = _knob(0.3, "Share of movie ids shown as unknown.", 0, 1)
    drop_side: float = _knob(0.1, "Share of attributes, genres and words shown as unknown.", 0, 1)
    candidates: int = _knob(16_384, "Movies drawn a step for the softmax, where there are more.", 1)
    dimension: int = _knob(64, "D, numbers in a head's vector; 128 are no better.", 1, 4096)
    id_size: int = _knob(256, "Numbers of a user or movie id; of very many ids fewer.", 1, 4096)
    side_size: int = _knob(32, "Numbers of the embedding of an attribute, genre or word.", 1, 4096)
    filters: int = _knob(64, "Filters of the text CNN, each over three words.", 1, 4096)
    ease_rank: int = _knob(-1, "Numbers of the EASE part; -1: held-out ratings choose.", -1, 4096)
    ease_exponent: float = _knob(-1.0, "Exponent of ratings, the highest being 1; -1: chosen.", -1)
    ease_power: float = _knob(-1.0, "Power of the history's length; -1: chosen.", -1, 1)
    ease_ridge: float = _knob(-1.0, "Ridge of the EASE part; -1: chosen.", -1)
    ease_dropout: float = _knob(-1.0, "EDLAE's dropout of the history; -1: chosen.", -1, 0.99)
    ease_movies: int = _knob(6000, "Most-rated movies that are solved exactly; cost is cubic.", 1)
    ease_damping: float = _knob(10.0, "Prior of a profile's effect, in users without effect.", 0)
    ease_arrival: float = _knob(1.5, "Weight of the EASE part's correction of late arrivals.", 0)
    factor_dimension: int = _knob(24, "Rating factors of a user and a movie.", 1, 256)
    factor_sweeps: int = _knob(16, "Sweeps at most; after half of them while the noise falls.", 1)
    factor_ridge: float = _knob(10.0, "Ridge of the regression that is the factors' prior.", 1e-9)
    factor_coordinates: int = _knob(35, "Coordinates of who rated what in that prior.", 0, 1000)
    taste_rank: int = _knob(64, "Numbers of the ratings in the taste part.", 1, 4096)
    taste_content_rank: int = _knob(32, "Numbers of the content in the taste part.", 1, 4096)
    taste_content_weight: float = _knob(0.5, "Weight of the content in it; ratings have 1.", 0)
    content_ridge: float = _knob(6.0, "Ridge for movies without ratings, in average movies.", 1e-9)
    recency_floor: float = _knob(
        0.1, "Weight of the oldest rating; held-out ratings may choose 1.", 0, 1
    )
    recency_span: float = _knob(10.0, "Later ratings after which one weighs a third.", 1e-3)
    target_span: float = _knob(30.0, "The same for targets after a cutoff time.", 1e-3)
    finish_epochs: int = _knob(1, "Epochs on all ratings at the end, after early stopping.", 0)
    finish_rate: float = _knob(0.1, "Share of the learning rate at their start.", 0, 1)
    patience: int = _knob(3, "Epochs without a better validation before training stops.", 1)
    seed: int = _knob(0, "Seed of everything random.", 0, 2**32 - 1)

    def __post_init__(self) -> None:
        check_fields(self)


Options.__doc__ = f"{Options.__doc__}\n{described(Options)}"

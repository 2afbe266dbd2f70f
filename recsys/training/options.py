"""The knobs of training. Nothing heavy is imported, so that `--help` can show the defaults."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """Every knob of training; the defaults were chosen on validation data."""

    epochs: int = 10  # the learning rate falls to 0 over all of them
    batch_size: int = (
        0  # ratings a step for the rating head; 0: about 2048, for 32 to 50 steps an epoch
    )
    block_users: int = 256  # users a step for the retrieval head
    learning_rate: float = 0.005
    weight_decay: float = 1.0  # AdamW, decoupled
    retrieval_weight: float = 1.0  # of the match loss, the ratings loss weighing 1
    temperature: float = 0.22  # of the softmax; learned, it falls to .08 and ranks worse
    keep: float = 0.85  # chance that a rating not being predicted is shown as history
    stranger: float = 0.1  # chance that a user is shown without id and history
    few: float = 0.3  # chance that a user is shown without id, with a few favourites only
    drop_user: float = 0.3  # chance that a user's id is kept from the model
    drop_movie: float = 0.3  # the same for a movie's id
    drop_side: float = 0.1  # the same for gender, age and job, and for words and genres
    candidates: int = 16_384  # of larger catalogues, movies drawn a step for the softmax
    dimension: int = 64  # numbers in a head's vector
    patience: int = 3  # epochs without a better validation before training stops
    seed: int = 0

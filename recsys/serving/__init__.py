"""What answers queries from a trained model: NumPy only, no Paddle, no training."""

from typing import Literal

DEFAULT = "recommender_system.inference.model"  # the model folder where none is named
RankBy = Literal["relevance", "rating", "tutorial", "taste"]

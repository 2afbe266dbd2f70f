"""What answers queries from a trained model: NumPy only, no Paddle, no training.

What the other wings import from here:

    vector        Layout, Weights: the parts of a vector, side by side
    queries       UserQuery, user_parts_of: who asks, as parts of a vector
    users         head_parts, ease_part, factor_part: the user's side of each part
    factors       RatingFactors: the rating factors' tables and closed form
    content       Kernel, Prior: what a movie's content says of its vector
    conditions    which movies may answer, as a tree; where: parse, what users write into it
    catalogue     Catalogue (movies with vectors, exact search), Filter, Hits, Store
    model_folder  ModelFolder, load_model, write_model
"""

from typing import Literal

DEFAULT = "recommender_system.inference.model"  # the model folder where none is named
RankBy = Literal["relevance", "rating", "tutorial"]

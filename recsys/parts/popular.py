"""The popular part of a vector: how many rated a movie, in all and of late. Everybody asks alike.

Held-out ratings say what it weighs: much where a user has a short history or none, or where what is
popular changes by the week.
"""

import numpy as np

from recsys.options import Options
from recsys.parts.part import Array, Arrays, Asked, Part, Training

LATE = 30 * 86_400.0  # seconds before the last rating after which one counts a third


class Popular(Part):
    """(M + 1, 1) log(1 + ratings) over the largest of all; a user's number is 1.

    In `recent` a rating weighs the less, the longer it was before the last one of all.
    """

    name = "popular"
    slices: tuple[str, ...] = ("popular", "recent")
    by_ratings = False

    def fit(self, data: Training, options: Options) -> Arrays:
        """Count ratings.

        Returns:
            popular (M + 1, 1), and recent likewise where times differ.
        """
        times, found = data.history.times, {"popular": np.log1p(data.counts)}
        if (times != times[:1]).any():
            late = np.exp((times - times.max()) / LATE)
            found["recent"] = np.log1p(np.bincount(data.history.indices, late, len(data.counts)))
        return {n: (v / max(v.max(), 1e-9)).astype(np.float32)[:, None] for n, v in found.items()}

    def users(self, tables: Arrays, asked: Asked) -> dict[str, Array]:
        """(B, 1) ones for each slice that there is.

        How much a slice weighs is up to the question, by what is known of a user.
        """
        return {n: np.ones((asked.history.rows, 1), np.float32) for n in self.slices if n in tables}

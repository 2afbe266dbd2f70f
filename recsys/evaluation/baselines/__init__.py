"""The baselines, each at its best on validation data.

base        Baseline, tune; what a rating counts
popularity  of all time, of the last days, in a group; genre profile; chance
linear      EASE, EDLAE, EDLAE with recency
content     kernel ridge on content, and on profiles
libraries   iALS of `implicit`
sequences   SASRec of `rectools`
ratings     RatingBaseline, tune_ratings: biases, SVD++ of Surprise, myFM
"""

from recsys.evaluation.baselines.base import Baseline, missing, tune
from recsys.evaluation.baselines.content import CONTENT_RIDGE, PROFILE_KERNEL
from recsys.evaluation.baselines.libraries import IALS
from recsys.evaluation.baselines.linear import EASE, EDLAE, RECENT_EDLAE
from recsys.evaluation.baselines.popularity import (
    CHANCE,
    GENRE_PROFILE,
    GROUP_POPULARITY,
    POPULARITY,
    RECENT_POPULARITY,
)
from recsys.evaluation.baselines.ratings import (
    BIASES,
    MYFM,
    SVDPP,
    RatingBaseline,
    fit_biases,
    tune_ratings,
)
from recsys.evaluation.baselines.sequences import SASREC

__all__ = [
    "BIASES",
    "CHANCE",
    "CONTENT_RIDGE",
    "EASE",
    "EDLAE",
    "GENRE_PROFILE",
    "GROUP_POPULARITY",
    "IALS",
    "MYFM",
    "POPULARITY",
    "PROFILE_KERNEL",
    "RECENT_EDLAE",
    "RECENT_POPULARITY",
    "SASREC",
    "SVDPP",
    "Baseline",
    "RatingBaseline",
    "fit_biases",
    "missing",
    "tune",
    "tune_ratings",
]

"""The names of the ways to hold ratings out; without NumPy, so that `--help` is quick."""

PROTOCOLS = (  # see splits.split
    "random",
    "user-time",
    "fold-in",
    "temporal",
    "cold-users",
    "cold-movies",
    "few-likes",
)
BY_TIME = ("user-time", "fold-in", "temporal")  # what is held out came later
SIMILAR = "similar"  # no split: pairs of movies that anybody would call similar

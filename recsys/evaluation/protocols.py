"""The names of the ways to hold ratings out; without NumPy, so that `--help` is quick."""

PROTOCOLS = (  # see splits.split
    "random",
    "user-time",
    "fold-in",
    "temporal",
    "cold-users",
    "cold-movies",
    "new-movies",
    "few-likes",
)
BY_TIME = ("user-time", "fold-in", "temporal", "new-movies")  # what is held out came later
WHOLE_MOVIES = ("cold-movies", "new-movies")  # movies are held out whole, ranked among themselves
SIMILAR = "similar"  # no split: pairs of movies that anybody would call similar

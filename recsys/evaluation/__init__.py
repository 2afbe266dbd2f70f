"""How good is it, beside what: splits, baselines, and the comparison of all on one split.

`recsys.evaluate` makes the table of one protocol. The names of the protocols stand here, where
`--help` has them without NumPy.
"""

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
GIVEN = ("random", "user-time", "temporal")  # by which validation is split off where test is given
MOVIES_HELD_OUT = ("cold-movies", "new-movies")  # with all their ratings, and ranked by themselves

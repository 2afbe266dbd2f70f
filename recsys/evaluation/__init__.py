"""How good is it, beside what: splits, baselines, and the comparison of all on one split.

protocols   the names of the ways to hold ratings out
splits      split, folds; Split, Part
baselines   Baseline and those there are, each with its grid of options
ours        our model as one of those compared, trained and asked as users do
experiment  evaluate: the table of one protocol; Row
similar     evaluate_similar: pairs of similar movies, and how `similar` ranks them
"""

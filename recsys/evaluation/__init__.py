"""How good is it, beside what: splits, baselines, and the comparison of all on one split.

splits      split, folds; Split, Part
baselines   Baseline and those there are, each with its grid of options
ours        our model as one of those compared, trained and asked as users do
experiment  evaluate: the table of one protocol; Row
"""

"""Ratings, users and movies as typed columns, and raw ids to rows: NumPy, nothing heavier.

It knows nothing of models, Milvus or the command line. `movielens` does without NumPy too, as the
command line starts with it; `readers` is asked through `recsys.preprocess`.
"""

"""Ratings, users and movies as typed columns, and raw ids to rows, with NumPy.

It knows nothing of models, Milvus or the command line. `movielens` does without NumPy too, as the
command line starts with it; files are read by `readers`, with pyarrow, for `recsys.preprocess`.
"""

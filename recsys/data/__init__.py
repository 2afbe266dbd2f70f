"""The data wing: files of ratings to typed columns, and raw ids to rows. NumPy, nothing heavier.

What the other wings import from here:

    dataset     Users, Movies, Ratings, Dataset; Vocabulary (raw ids, words and genres to rows);
                padded; UNKNOWN, NO_WORD
    interactions  who rated what, in compressed rows; Recency; hold_out_latest
    ids         positions: the look-up of ids
    schema      Attribute, Column: what describes users and movies; MOVIELENS
    movielens   codes of gender, age and job, the scale of ratings, LIKED,
                NEUTRAL_RATING, SOURCES (no NumPy: the command line starts with it)
    files       replacing_file, replacing_folder, standing, writable_folder
    titles      find: a movie by its title or id
    download    download, any_dataset

Behind `recsys.preprocess`, and imported from nowhere else: `readers`, from a path to typed columns.
"""

"""What answers queries from a trained model: NumPy only, no Paddle, no training.

What the other wings import from here:

    folded        the towers over folded tables: user_vectors, movie_vectors, parts, Weights
    catalogue     Catalogue (movies with vectors, exact search), Filter, Hits, Store
    model_folder  ModelFolder, load_model, write_model, DEFAULT
"""

"""Data that say little: predicted ratings stay near the ratings, and all that is learned finite."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from learned_from import GENDER, asked, training

import recsys
from recsys import parts
from recsys.data.interactions import Interactions
from recsys.options import Options

STARS = np.array([2, 3, 3, 4, 4, 5], np.float32)
DAMPING = 5.0  # ratings of no bias that a bias starts from
Draw = np.random.Generator
Pairs = tuple[np.ndarray, np.ndarray]  # rows of users and movies


def some_of_all(rng, users, movies, each):
    """As many movies of each user, drawn at random."""
    chosen = [rng.permutation(movies)[:each] + 1 for _ in range(users)]
    return np.repeat(np.arange(1, users + 1), min(each, movies)), np.concatenate(chosen)


def two_blocks(rng):
    users, movies = np.nonzero(rng.random((20, 10)) < 0.7)
    return users + 1, movies + 1 + 10 * (users % 2)


PAIRS: dict[str, Callable[[Draw], Pairs]] = {
    "equal counts": lambda rng: some_of_all(rng, 60, 40, 10),
    "one count short": lambda rng: tuple(x[1:] for x in some_of_all(rng, 60, 40, 10)),
    "everybody rated all": lambda rng: some_of_all(rng, 30, 12, 12),
    "one user": lambda rng: some_of_all(rng, 1, 30, 20),
    "one movie": lambda rng: (np.arange(1, 31), np.ones(30, int)),
    "one rating each": lambda rng: (np.arange(1, 31), np.arange(1, 31)),
    "one rating a user": lambda rng: (np.arange(1, 61), rng.integers(1, 6, 60)),
    "two blocks": two_blocks,
    "one rated all, the others one": lambda rng: (
        np.repeat([1, *range(2, 51)], [50] + [1] * 49),
        np.r_[1:51, 2:51],
    ),
    "three ratings": lambda rng: (np.array([1, 1, 2]), np.array([1, 2, 2])),
    "one rating": lambda rng: (np.array([1]), np.array([1])),
}


def degenerate(name, seed, constant=None):
    """Training data of these pairs, the last movie and the last two users without ratings."""
    rng = np.random.default_rng(seed)
    users, movies = PAIRS[name](rng)
    values = rng.choice(STARS, len(users))
    if constant is not None:  # but for rounding
        values = np.float32(constant) * (1 + np.float32(2e-7) * rng.integers(0, 2, len(users)))
    history = Interactions.build(int(users.max()) + 2, users, movies, values)
    attributes = np.ones((history.rows, 1), np.int32)
    attributes[0] = 0
    count = int(movies.max()) + 1
    genres = [("Drama",)] * count
    return training(history, count, attributes, GENDER, genres, seed=seed)


def biases(history, folded_in, movies):
    """(B, movies) ratings of cold users by biases alone."""
    mean = history.values.mean()
    rest = np.bincount(history.indices, history.values - mean, movies)
    of_movies = rest / (np.bincount(history.indices, minlength=movies) + DAMPING)
    rest = folded_in.values - mean - of_movies[folded_in.indices]
    sums = np.bincount(folded_in.owners, rest, folded_in.rows)
    return mean + of_movies + (sums / (folded_in.counts + DAMPING))[:, None]


@settings(max_examples=20, deadline=None)
@given(
    name=st.sampled_from([*PAIRS]),
    constant=st.sampled_from([None, 4, 4.2]),
    seed=st.integers(0, 2**16),
)
@example(name="equal counts", constant=None, seed=3)
@example(name="one rated all, the others one", constant=4.2, seed=3)
def test_what_is_predicted_for_cold_users_stays_near_biases(name, constant, seed):
    data = degenerate(name, seed, constant)
    arrays = parts.fit(data, Options())
    for name, array in parts.complete(data, arrays, Options()).items():
        if not name.startswith("content/landmark"):  # nan is a year that is not known
            assert np.isfinite(array).all(), name
    rng = np.random.default_rng(seed)
    size = len(data.movies) + 1
    counts = np.array([0, 0, 1, 1, 1, 2, 3, 5, 8]).clip(0, size - 1)
    users = np.repeat(np.arange(1, 10), counts)
    movies = np.concatenate([rng.permutation(size - 1)[:n] + 1 for n in counts]).astype(int)
    folded_in = Interactions.build(9, users, movies, rng.choice(data.history.values, len(users)))
    attributes = rng.integers(0, 3, (10, 1))
    cold = asked(data, np.zeros(10, int), history=folded_in, attributes=attributes)
    predicted = (
        parts.users(parts.tables_by_part(arrays), cold)["factors"] @ arrays["factors/factors"][1:].T
    )
    spread = max(float(data.history.values.std()), 1e-3)
    assert np.abs(predicted - biases(data.history, folded_in, size)[:, 1:]).max() < spread


SLOW = ("one user", "one movie", "one rating each", "three ratings", "constant", "all users new")


@pytest.mark.parametrize(
    "name",
    ["one rating", "events", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)],
)  # each trains once more
def test_training_answers_whatever_the_data_are(name, tmp_path):
    rng = np.random.default_rng(0)
    users, movies = PAIRS.get(name, PAIRS["equal counts"])(rng)
    values = np.full(len(users), 4) if name == "constant" else rng.choice(STARS, len(users))
    times = users * 1000 if name == "all users new" else np.zeros(len(users))
    columns = [users, movies, times] if name == "events" else [users, movies, values, times]
    head = "user_id,item_id,time" if name == "events" else "user_id,item_id,rating,time"
    lines = [",".join(f"{each:g}" for each in row) for row in zip(*columns, strict=True)]
    (tmp_path / "ratings.csv").write_text("\n".join([head, *lines]))
    options = Options(epochs=1, dimension=4, id_size=8, side_size=4, filters=4)
    model = recsys.train_model(tmp_path, tmp_path / "tiny.model", options)
    assert model.scale.rated == (name != "events")
    answering = recsys.Recommender(model, recsys.catalogue(model))
    one = model.vocabulary.movie_ids[0].item()
    named = ({}, {"likes": (one,)}, {"dislikes": (one,)})
    for answer in answering.recommend([recsys.UserQuery(**each) for each in named], 5):
        for movie in answer:
            assert np.isfinite(movie.score)
            assert movie.rating is None or np.isfinite(movie.rating)

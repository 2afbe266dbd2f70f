"""A tiny model as it lay on disk when its format was made, and what it answered then.

What the tables of a model folder mean may change only with the format's number
(`recsys.serving.model_folder.FORMAT`): test_pinned_model.py asks this model again. After raising
the number, make both files anew:

    python tests/pinned_model.py
"""

import json
import sys
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from recsys.data.dataset import Movies  # noqa: E402
from recsys.infer import RankBy, Recommender, UserQuery, catalogue, predict, users_of  # noqa: E402
from recsys.serving.model_folder import FORMAT, Model, load_model  # noqa: E402

SAMPLE = HERE.parent / "data" / "sample"
MODEL, ANSWERS = HERE / "serving" / "pinned_model.zip", HERE / "serving" / "pinned_answers.json"
USERS, MOVIES = 40, 60  # of the sample's, the first
SMALL = {
    "epochs": 2, "dimension": 3, "id_size": 4, "side_size": 2, "filters": 2, "ease_rank": 3,
    "factor_dimension": 3, "factor_coordinates": 2, "taste_rank": 3, "taste_content_rank": 2,
}  # fmt: skip
QUERIES = {
    "a user": UserQuery(3),
    "a user as of a day": UserQuery(3, as_of=973_000_000),
    "a profile": UserQuery(attributes={"gender": "F", "age": "25-34", "job": "programmer"}),
    "favourites": UserQuery(likes=(1, 17), dislikes=(3,)),
    "nobody": UserQuery(),
}
NEW = Movies(np.array([9001]), ["Toy Story Returns (2001)"], [("Animation", "Comedy")])


def unpacked(folder: Path) -> Model:
    with zipfile.ZipFile(MODEL) as packed:
        packed.extractall(folder)
    return load_model(folder)


def answers(model: Model) -> dict[str, list[list[float]]]:
    """Movie, score and rating of what each query is answered; and predicted ratings."""
    movies = catalogue(model)
    recommender = Recommender(model, movies)
    found: dict[str, list[list[float]]] = {}
    for name, query in QUERIES.items():
        for rank_by in get_args(RankBy):
            if not users_of(model, [query]).vectors(rank_by).any():
                continue  # of whose taste nothing is known
            (best,) = recommender.recommend([query], 5, rank_by=rank_by)
            found[f"{name} by {rank_by}"] = [[m.movie_id, m.score, m.rating] for m in best]
    found["similar"] = [[m.movie_id, m.score] for m in recommender.similar(1, 5)]
    (new,) = Recommender(model, catalogue(model, NEW)).recommend([QUERIES["a user"]], 1)
    found["a new movie"] = [[m.movie_id, m.score, m.rating] for m in new]
    pairs = np.array([[1, 1], [1, 17], [3, 5]])
    found["predicted"] = [[float(each)] for each in predict(model, *pairs.T)]
    return {name: np.round(rows, 6).tolist() for name, rows in found.items()}


def differences(
    one: dict[str, list[list[float]]], other: dict[str, list[list[float]]]
) -> list[str]:
    """The queries that are answered otherwise, beyond rounding."""
    return [
        name
        for name in sorted({*one, *other})
        if np.shape(one.get(name)) != np.shape(other.get(name))
        or not np.allclose(one[name], other[name], rtol=0, atol=1e-4)
    ]


def train(folder: Path) -> Path:
    """The model folder of a few users and movies of the sample, without the towers for Paddle."""
    from recsys.options import Options
    from recsys.preprocess import read_dataset
    from recsys.train import train_model

    data = read_dataset(SAMPLE)
    users, movies = data.users[data.users.ids <= USERS], data.movies[data.movies.ids <= MOVIES]
    few = (data.ratings.user_ids <= USERS) & (data.ratings.movie_ids <= MOVIES)
    small = replace(data, users=users, movies=movies, ratings=data.ratings[few])
    model = train_model(small, folder / "model", Options(**SMALL)).path
    for tower in model.glob("*_tower.*"):
        tower.unlink()
    return model


def main() -> None:
    if ANSWERS.exists() and json.loads(ANSWERS.read_text())["format"] == FORMAT:
        sys.exit("raise FORMAT first: there is a model of this one")
    with tempfile.TemporaryDirectory() as place:
        model = train(Path(place))
        with zipfile.ZipFile(MODEL, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
            for file in sorted(file for file in model.rglob("*") if file.is_file()):
                packed.write(file, file.relative_to(model))
        stored = {"format": FORMAT, "answers": answers(load_model(model))}
    ANSWERS.write_text(json.dumps(stored) + "\n")


if __name__ == "__main__":
    main()

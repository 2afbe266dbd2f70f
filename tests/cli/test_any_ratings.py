"""Ratings of other scales and events without ratings, from a file to recommendations."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from command_line import here


def recsys(place: Path, *args: str, code: int = 0) -> Result:
    options = ["--model", str(place / "m")] * (args[0] not in ("evaluate", "inspect"))
    return here(*args, *options, code=code)


def events() -> list[tuple[int, int, int, int]]:
    """(user, movie, 1 to 10, time): users like the even movies or the odd ones."""
    rng = np.random.default_rng(0)
    return [
        (u, m, int(rng.integers(8, 11) if (u + m) % 2 else rng.integers(1, 6)), 10**9 + 60 * m)
        for u in range(60)
        for m in rng.permutation(30)[:15].tolist()
    ]


TRAIN = ("--epochs", "2", "--set", "dimension=4")


@pytest.fixture(scope="module")
def ten(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    place = tmp_path_factory.mktemp("ten")
    lines = ["user,item,score,time", *(",".join(map(str, row)) for row in events())]
    (place / "ratings.csv").write_text("\n".join(lines))
    return place, recsys(place, "train", "--data", str(place), *TRAIN)


@pytest.fixture(scope="module")
def plays(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    place = tmp_path_factory.mktemp("plays")
    liked = [(u, m) for u, m, value, _ in events() if value > 7]
    lines = ["listener_id,track_id,user_id", *(f"x,t{m},u{u}" for u, m in [*liked, *liked[:50]])]
    (place / "events.csv").write_text("\n".join(lines))
    return place, recsys(place, "train", "--data", str(place), *TRAIN)


def test_errors_and_predictions_are_on_the_files_own_scale(ten):
    place, done = ten
    assert "ratings: liked from 8, 1 to 10 learned as 0.5 to 5" in done.stderr
    config = json.loads((place / "m" / "config.json").read_text())
    assert config["scale"] == {"low": 1, "high": 10, "liked": 8, "rated": True, "bent": False}
    found = json.loads(recsys(place, "recommend", "-u", "1", "--exact", "--format", "json").stdout)
    ratings = {each["movie_id"]: each["rating"] for each in found["recommendations"]}
    assert max(ratings.values()) > 5
    for question in ("rating", "tutorial"):  # of which the score is a rating too
        ask = ("recommend", "-u", "1", "--exact", "--format", "json", "--rank-by", question)
        movies = json.loads(recsys(place, *ask).stdout)["recommendations"]
        scores = [each["score"] for each in movies]
        assert 10 >= scores[0] > 5
        assert scores == sorted(scores, reverse=True)
        if question == "rating":
            assert scores == pytest.approx([each["rating"] for each in movies], abs=1e-4)
    movie = next(iter(ratings))
    pair = recsys(place, "predict", "-u", "1", "-m", f"id:{movie}").stdout.splitlines()[1]
    assert float(pair.split(",")[2]) == pytest.approx(ratings[movie], abs=1e-4)
    evaluated = recsys(
        place, "evaluate", "--data", str(place), "--protocol", "random", "--no-index",
        "--baselines", "biases", "--format", "json", *TRAIN
    )  # fmt: skip
    rows = {row["name"]: row["metrics"] for row in json.loads(evaluated.stdout)}
    assert 2 < rows["biases"]["rmse"]["value"] < 5  # of half-star ratings it would be half that
    assert 0 < rows["recsys"]["rmse"]["value"] < 5


def test_events_are_recommended_and_not_predicted(plays):
    place, done = plays
    for line in (
        "user: user_id (60, text), item: track_id (30, text), rating: none, time: none",
        "50 repeated events of a user and an item: they are counted",
        "no ratings: every event is a like, and no rating is predicted",
        "no times that differ: recency is off",
    ):
        assert line in done.stderr
    assert "rmse" not in done.stdout
    config = json.loads((place / "m" / "config.json").read_text())
    assert not config["scale"]["rated"]
    weighed = set().union(*config["weights"]["relevance"].values())
    assert weighed & set(config["layout"])
    assert not (weighed | set(config["layout"])) & {"rating", "factors"}
    query = ("recommend", "-u", "u1", "--exact", "-k", "5")
    found = json.loads(recsys(place, *query, "--format", "json").stdout)["recommendations"]
    assert {each["rating"] for each in found} == {None}
    assert all(int(each["movie_id"][1:]) % 2 == 0 for each in found[:3])
    header, line = recsys(place, *query).stdout.splitlines()[:2]
    assert header.split() == ["Top", "Ids", "Title", "Genres", "Score"]
    assert recsys(place, *query, "--format", "csv").stdout.splitlines()[1].endswith(",,False")


@pytest.mark.parametrize("question", ["rating", "tutorial", "predict"])
def test_what_needs_ratings_says_so_and_exits_with_2(plays, question):
    ranked = ("recommend", "-u", "u1", "--exact", "--rank-by", question)
    predicted = ("predict", "-u", "u1", "-m", "t3")
    done = recsys(plays[0], *(predicted if question == "predict" else ranked), code=2)
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "trained on events without ratings, so none can be predicted" in line


def test_events_are_evaluated_without_errors_of_ratings(plays):
    place = plays[0]
    done = recsys(
        place, "evaluate", "--data", str(place), "--protocol", "random", "--no-index", *TRAIN,
        "--format", "json",
    )  # fmt: skip
    rows = json.loads(done.stdout)
    assert [row["name"] for row in rows] == ["recsys", "popularity", "EASE", "EDLAE"]
    assert not any("rmse" in row["metrics"] for row in rows)

"""Ids that are text or large, other scales, events without ratings: from a file to the answers."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from command_line import here
from families import put
from pyarrow import parquet

USERS = [f"u{i:02d}-ä" for i in range(40)]
MOVIES = ["a 'quoted' one", 'b"c', "back\\slash", "x, y", *(f"B{i:03d}" for i in range(26))]
TRAIN = ("--epochs", "2", "--set", "dimension=4")
COMPARED = ("--protocol", "random", "--no-index", *TRAIN, "--format", "json")


def recsys(place, *args, input=None, code=0):
    options = ["--model", str(place / "m")] * (args[0] not in ("evaluate", "inspect"))
    options += ["--uri", str(place / "x.db")] * (args[0] in ("load-movies", "recommend", "similar"))
    return here(*args, *options, input=input, code=code)


def asked(place, *args):
    done = recsys(place, "recommend", *args, "--format", "json")
    return json.loads(done.stdout)["recommendations"]


def ids(movies):
    return [each["movie_id"] for each in movies]


def events():
    """(user, movie, 1 to 10, time): users like the even movies or the odd ones."""
    rng = np.random.default_rng(0)
    return [
        (u, m, int(rng.integers(8, 11) if (u + m) % 2 else rng.integers(1, 6)), 10**9 + 60 * m)
        for u in range(len(USERS))
        for m in rng.permutation(len(MOVIES))[:18].tolist()
    ]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A model of ids that are text and of ratings from 1 to 10, published."""
    place = tmp_path_factory.mktemp("shop")
    rows = [(USERS[u], MOVIES[m], *rest) for u, m, *rest in events()]
    columns = dict(zip(("user", "item", "score", "ts"), zip(*rows, strict=True), strict=True))
    parquet.write_table(pa.table(columns), place / "ratings.parquet")
    titles = pa.table({"item": MOVIES, "title": [f"Thing {i}" for i in range(30)]})
    parquet.write_table(titles, place / "items.parquet")
    said = recsys(place, "train", "--data", str(place), *TRAIN).stderr
    assert "user: user (40, text), item: item (30, text)" in said
    assert "ratings: liked from 8, 1 to 10 learned as 0.5 to 5" in said
    recsys(place, "load-movies")
    return place


@pytest.fixture(scope="module")
def plays(tmp_path_factory):
    """A model of events without ratings, some of them repeated; and what train printed."""
    place = tmp_path_factory.mktemp("plays")
    liked = [(u, m) for u, m, value, _ in events() if value > 7]
    lines = ["listener_id,track_id,user_id", *(f"x,t{m},u{u}" for u, m in [*liked, *liked[:50]])]
    (place / "events.csv").write_text("\n".join(lines))
    return place, recsys(place, "train", "--data", str(place), *TRAIN)


def test_text_ids_are_asked_for_named_and_answered_everywhere(shop):
    query = ("-u", USERS[3], "-k", "4")
    found = ids(asked(shop, *query))
    assert found == ids(asked(shop, *query, "--exact"))
    assert set(found) <= set(MOVIES)
    recsys(shop, "recommend", *query, "--format", "parquet", "-o", str(shop / "o.parquet"))
    table = parquet.read_table(shop / "o.parquet")
    assert table.column("movie_id").to_pylist() == found
    assert table.column("user_id").to_pylist() == [USERS[3]] * 4
    named = ("--dislike", MOVIES[1], "--like", MOVIES[0], "--like", "thing 2")
    done = recsys(shop, "recommend", *named, "--format", "json", "-k", "30")
    user = json.loads(done.stdout)["user"]
    assert (user["likes"], user["dislikes"]) == ([MOVIES[0], MOVIES[2]], [MOVIES[1]])
    assert set(ids(asked(shop, *named, "-k", "30"))) == set(MOVIES[3:])
    near = json.loads(recsys(shop, "similar", MOVIES[3], "--format", "json").stdout)
    assert near["movie_id"] == MOVIES[3]
    done = recsys(shop, "recommend", "--users", "-", input=f"{USERS[0]}\n{USERS[5]}\n")
    found = [json.loads(line)["user_id"] for line in done.stdout.splitlines()]
    assert found == [USERS[0], USERS[5]]
    pairs = f'user_id,movie_id\n{USERS[0]},"x, y"\n{USERS[1]},B007\n'
    rows = recsys(shop, "predict", input=pairs).stdout.splitlines()
    assert rows[1].startswith(f'{USERS[0]},"x, y",')
    assert rows[2].startswith(f"{USERS[1]},B007,")


def test_new_movies_are_published_updated_encoded_and_read_back(shop):
    items = "item,title\n" + "".join(f'{m},"Thing {i}"\n' for i, m in enumerate(MOVIES[4:]))
    put(shop, {"more.csv": f'{items}"new, one",Brand New\nN2,Other\n'.encode()})
    recsys(shop, "load-movies", "-f", str(shop / "more.csv"))
    found = asked(shop, "-k", "100")
    assert set(ids(found)) == {*MOVIES, "new, one", "N2"}
    assert {each["movie_id"] for each in found if each["new"]} == {"new, one", "N2"}
    assert "near to Other (id N2)" in recsys(shop, "similar", "N2").stderr
    done = recsys(shop, "load-movies")
    assert "2 of the published movies are not among them" in done.stderr
    encoded = str(shop / "movies_data.txt")
    recsys(shop, "preprocess", "-f", str(shop / "items.parquet"), "-o", encoded)
    assert Path(encoded).read_text("utf-8").splitlines()[3].startswith("x, y::")
    done = recsys(shop, "load-movies", "-f", encoded, "--dry-run")
    assert done.stdout.startswith("30 movies")
    put(shop, {"more.csv": b"item,title\na::b,Heat\n"})
    done = recsys(shop, "preprocess", "-f", str(shop / "more.csv"), "-o", encoded, code=1)
    assert "movie a::b: ids with '::' cannot be written" in done.stderr


@pytest.mark.slow  # trains once more
def test_numbers_of_63_bits_stay_numbers_everywhere(tmp_path):
    """The largest there are, beside 0 and what a float would round."""
    users = [2**63 - 1 - u for u in range(12)]
    movies = [0, *(10**15 + m for m in range(8)), 2**53 + 1, 2**63 - 2, 2**63 - 1]
    rows = [(u, m, 1 + (i + j) % 5, i + j) for i, u in enumerate(users)
            for j, m in enumerate(movies) if (i + j) % 3]  # fmt: skip
    lines = ["user,item,stars,ts", *(",".join(map(str, row)) for row in rows)]
    put(tmp_path, {"ratings.csv": "\n".join(lines).encode()})
    done = recsys(tmp_path, "train", "--data", str(tmp_path), *TRAIN)
    assert "user: user (12), item: item (12)" in done.stderr
    recsys(tmp_path, "load-movies")
    query = ("-u", str(users[0]), "-k", "12", "--include-seen")
    found = ids(asked(tmp_path, *query))
    assert sorted(found) == movies
    assert found == ids(asked(tmp_path, *query, "--exact"))
    pair = recsys(tmp_path, "predict", input=f"{users[-1]},{movies[-1]}\n").stdout.splitlines()[1]
    assert pair.startswith(f"{users[-1]},{movies[-1]},")


def test_scores_and_predictions_are_on_the_files_own_scale(shop):
    config = json.loads((shop / "m" / "config.json").read_text())
    assert config["scale"] == {"low": 1, "high": 10, "liked": 8, "rated": True, "bent": False}
    ratings = {each["movie_id"]: each["rating"] for each in asked(shop, "-u", USERS[1], "--exact")}
    assert max(ratings.values()) > 5
    for question in ("rating", "tutorial"):  # of which the score is a rating too
        movies = asked(shop, "-u", USERS[1], "--exact", "--rank-by", question)
        scores = [each["score"] for each in movies]
        assert 10 >= scores[0] > 5
        assert scores == sorted(scores, reverse=True)
        if question == "rating":
            assert scores == pytest.approx([each["rating"] for each in movies], abs=1e-4)
    movie = next(iter(ratings))
    pair = recsys(shop, "predict", "-u", USERS[1], "-m", f"id:{movie}").stdout.splitlines()[1]
    assert float(pair.split(",")[-1]) == pytest.approx(ratings[movie], abs=1e-4)


def test_a_model_of_text_ids_is_judged_on_ratings_of_ones_own(shop):
    """Of movies that its users had not rated; a movie and a user are new."""
    known = {(u, m) for u, m, *_ in events()}
    pairs = [(u, m) for u in range(10) for m in range(4, len(MOVIES)) if (u, m) not in known][:30]
    lines = [f"{USERS[u]},{MOVIES[m]},{9 - 3 * (u % 2)}" for u, m in pairs]
    (shop / "more.csv").write_text("\n".join(["user,item,rating", *lines, "zoe,film,9"]))
    line = ("--model", str(shop / "m"), "--test", str(shop / "more.csv"), "--no-index")
    ours, *_ = json.loads(recsys(shop, "evaluate", *line, "--format", "json").stdout)
    assert ours["users"] == len({u for u, _ in pairs if not u % 2}) + 1


def test_events_are_recommended_and_not_predicted(plays):
    place, done = plays
    for line in (
        "user: user_id (40, text), item: track_id (30, text), rating: none, time: none",
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
    query = ("-u", "u1", "--exact", "-k", "5")
    found = asked(place, *query)
    assert {each["rating"] for each in found} == {None}
    assert all(int(each[1:]) % 2 == 0 for each in ids(found)[:3])
    header, *_ = recsys(place, "recommend", *query).stdout.splitlines()
    assert header.split() == ["Top", "Ids", "Title", "Genres", "Score"]
    pair = ("predict", "-u", "u1", "-m", found[0]["movie_id"], "--rank-by", "relevance")
    score = recsys(place, *pair).stdout.splitlines()[1].split(",")[2]
    assert float(score) == pytest.approx(found[0]["score"], abs=2e-6)
    ranked = "recommend -u u1 --exact --rank-by"
    for line in (f"{ranked} rating", f"{ranked} tutorial", "predict -u u1 -m t3"):
        done = recsys(place, *line.split(), code=2)
        assert done.stdout == ""
        (said,) = done.stderr.splitlines()
        assert "trained on events without ratings, so none can be predicted" in said


@pytest.mark.slow  # trains once more
def test_errors_are_on_the_files_own_scale_and_of_events_there_are_none(shop, plays):
    done = recsys(shop, "evaluate", "--data", str(shop), "--baselines", "biases", *COMPARED)
    rows = {row["name"]: row["metrics"] for row in json.loads(done.stdout)}
    assert 2 < rows["biases"]["rmse"]["value"] < 5  # of half-star ratings it would be half that
    assert 0 < rows["recsys"]["rmse"]["value"] < 5
    done = recsys(plays[0], "evaluate", "--data", str(plays[0]), *COMPARED)
    rows = {row["name"]: row["metrics"] for row in json.loads(done.stdout)}
    assert list(rows) == ["recsys", "popularity", "EASE", "EDLAE"]
    assert not any("rmse" in metrics for metrics in rows.values())

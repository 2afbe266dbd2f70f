"""Ids that are text or large, through every command: files, model, Milvus, options, outputs."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import Result
from command_line import here
from families import put
from pyarrow import parquet

USERS = [f"u{i:02d}-ä" for i in range(40)]
MOVIES = ["a 'quoted' one", 'b"c', "back\\slash", "x, y", *(f"B{i:03d}" for i in range(26))]


def recsys(place: Path, *args: str, input: str | None = None, code: int = 0) -> Result:
    options = ["--model", str(place / "m")] * (args[0] != "inspect")
    options += ["--uri", str(place / "x.db")] * (args[0] in ("load-movies", "recommend", "similar"))
    return here(*args, *options, input=input, code=code)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of users who like one half of the movies or the other, published."""
    place, rng = tmp_path_factory.mktemp("shop"), np.random.default_rng(0)
    rows = [
        (user, movie, 5 if (u + m) % 2 else 1, 10**9 + int(rng.integers(10**8)))
        for u, user in enumerate(USERS)
        for m, movie in enumerate(MOVIES)
        if rng.random() < 0.6
    ]
    columns = dict(zip(("user", "item", "stars", "ts"), zip(*rows, strict=True), strict=True))
    parquet.write_table(pa.table(columns), place / "ratings.parquet")
    titles = pa.table({"item": MOVIES, "title": [f"Thing {i}" for i in range(30)]})
    parquet.write_table(titles, place / "items.parquet")
    done = recsys(place, "train", "--data", str(place), "--epochs", "1", "--set", "dimension=4")
    assert "user: user (40, text), item: item (30, text)" in done.stderr
    recsys(place, "load-movies")
    return place


def test_the_same_from_milvus_and_exact_in_every_format(shop):
    query = ("recommend", "-u", USERS[3], "-k", "4")
    found = json.loads(recsys(shop, *query, "--format", "json").stdout)
    assert found["user_id"] == USERS[3]
    exact = json.loads(recsys(shop, *query, "--format", "json", "--exact").stdout)
    ids = [each["movie_id"] for each in found["recommendations"]]
    assert ids == [each["movie_id"] for each in exact["recommendations"]]
    assert set(ids) <= set(MOVIES)
    recsys(shop, *query, "--format", "parquet", "-o", str(shop / "o.parquet"))
    table = parquet.read_table(shop / "o.parquet")
    assert table.column("movie_id").to_pylist() == ids
    assert table.schema.field("user_id").type == pa.string()


def test_likes_dislikes_and_similar_take_ids_and_titles(shop):
    query = ("recommend", "--format", "json", "-k", "30", "--dislike", MOVIES[1])
    found = json.loads(recsys(shop, *query, "--like", MOVIES[0], "--like", "thing 2").stdout)
    assert found["user"]["likes"] == [MOVIES[0], MOVIES[2]]
    assert found["user"]["dislikes"] == [MOVIES[1]]
    ids = {each["movie_id"] for each in found["recommendations"]}
    assert ids == set(MOVIES) - set(MOVIES[:3])
    near = json.loads(recsys(shop, "similar", MOVIES[3], "--format", "json").stdout)
    assert near["movie_id"] == MOVIES[3]
    assert "no movie is called 'nowhere'" in recsys(shop, "similar", "nowhere", code=2).stderr


def test_files_of_users_and_pairs(shop):
    done = recsys(shop, "recommend", "--users", "-", input=f"{USERS[0]}\n{USERS[5]}\n")
    assert [json.loads(line)["user_id"] for line in done.stdout.splitlines()] == [
        USERS[0], USERS[5]]  # fmt: skip
    every = recsys(shop, "recommend", "--users", "all", "-k", "30", "--include-seen")
    assert len(every.stdout.splitlines()) == 40
    pairs = f'user_id,movie_id\n{USERS[0]},"x, y"\n{USERS[1]},B007\n'
    rows = recsys(shop, "predict", input=pairs).stdout.splitlines()
    assert rows[1].startswith(f'{USERS[0]},"x, y",')
    assert rows[2].startswith(f"{USERS[1]},B007,")
    done = recsys(shop, "recommend", "-u", "nobody", code=2)
    assert "user nobody is not one of the 40" in done.stderr


def test_new_movies_are_published_updated_and_read_back(shop):
    items = "item,title\n" + "".join(f'{m},"Thing {i}"\n' for i, m in enumerate(MOVIES[4:]))
    put(shop, {"more.csv": f'{items}"new, one",Brand New\nN2,Other\n'.encode()})
    recsys(shop, "load-movies", "-f", str(shop / "more.csv"))
    query = ("recommend", "--format", "json", "-k", "100")
    found = json.loads(recsys(shop, *query).stdout)["recommendations"]
    assert {each["movie_id"] for each in found} == {*MOVIES, "new, one", "N2"}
    assert {each["movie_id"] for each in found if each["new"]} == {"new, one", "N2"}
    assert json.loads(recsys(shop, "similar", "N2", "--format", "json").stdout)["movie_id"] == "N2"
    done = recsys(shop, "load-movies")
    assert "2 of the published movies are not among them" in done.stderr
    assert len(json.loads(recsys(shop, *query).stdout)["recommendations"]) == 30


def test_movies_are_encoded_by_text(shop):
    encoded = str(shop / "movies_data.txt")
    recsys(shop, "preprocess", "-f", str(shop / "items.parquet"), "-o", encoded)
    lines = Path(encoded).read_text("utf-8").splitlines()
    assert lines[3].startswith("x, y::")
    done = recsys(shop, "load-movies", "-f", encoded, "--dry-run")
    assert done.stdout.startswith("30 movies")
    items = put(shop, {"colons.csv": b"item,title\na::b,Heat\n"}) / "colons.csv"
    done = recsys(shop, "preprocess", "-f", str(items), "-o", encoded, code=1)
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
    done = recsys(
        tmp_path, "train", "--data", str(tmp_path), "--epochs", "1", "--set", "dimension=4"
    )
    assert "user: user (12), item: item (12)" in done.stderr
    recsys(tmp_path, "load-movies")
    query = ("recommend", "-u", str(users[0]), "-k", "12", "--include-seen")
    found, exact = (json.loads(recsys(tmp_path, *query, "--format", "json", *how).stdout)
                    for how in ((), ("--exact",)))  # fmt: skip
    ids = [each["movie_id"] for each in found["recommendations"]]
    assert found["user_id"] == users[0]
    assert sorted(ids) == movies
    assert ids == [each["movie_id"] for each in exact["recommendations"]]
    pair = recsys(tmp_path, "predict", input=f"{users[-1]},{movies[-1]}\n").stdout.splitlines()[1]
    assert pair.startswith(f"{users[-1]},{movies[-1]},")

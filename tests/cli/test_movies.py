"""Which movies load-movies publishes and refuses to remove, and how movies are named."""

import json
import uuid

import pytest
from milvus_server import address

from recsys.milvus.address import MilvusAddress
from recsys.milvus_store import MilvusStore

NEW = b"9001::Wishing Star, The (2023)::Animation|Children's|Musical\n"


@pytest.fixture
def more(tmp_path):
    """A file with one new movie and one of the model's under another title."""
    file = tmp_path / "more.dat"
    file.write_bytes(NEW + b"1::Toy Story, Restored (1995)::Animation|Comedy\n")
    return file


def published(where):
    with MilvusStore(where if isinstance(where, MilvusAddress) else str(where)) as store:
        movies = store.read_all()
    return dict(zip(movies.ids.tolist(), movies.titles, strict=True))


def test_files_add_to_what_is_published_of_the_model_and_change_it(run, tmp_path, more, folder):
    uri, second = tmp_path / "a.db", tmp_path / "second.dat"
    second.write_text("9002::Brazil (1985)::Drama\n", "latin-1")
    trained = dict(zip(folder.movies.ids.tolist(), folder.movies.titles, strict=True))
    both = trained | {1: "Toy Story, Restored (1995)", 9001: "Wishing Star, The (2023)"}
    done = run("load-movies", "-f", more, "--uri", uri)
    assert f"movies: 339: 2 of {more}, 1 new to the model, and 337 others the" in done.stderr
    assert published(uri) == both
    done = run("load-movies", "-f", second, "--uri", uri)
    assert f"movies: 340: 1 of {second}, 1 new to the model, and 339 others pub" in done.stderr
    assert published(uri) == {**both, 9002: "Brazil (1985)"}
    done = run("load-movies", "--uri", uri)
    assert "2 of the published movies are not among them and go" in done.stderr
    assert published(uri) == trained
    run("load-movies", "--rollback", "--uri", uri)
    assert published(uri) == {**both, 9002: "Brazil (1985)"}


@pytest.mark.parametrize("kind", ["lite", pytest.param("server", marks=pytest.mark.milvus_server)])
def test_removing_more_than_a_tenth_is_said_explicitly(run, tmp_path, more, kind):
    where = MilvusAddress(address(kind, tmp_path), collection=f"guard_{uuid.uuid4().hex[:8]}")
    options = ("--uri", where.uri, "--collection", where.collection)
    file = tmp_path / "many.dat"
    added = "".join(f"{i}::Sequel {i} (2024)::Drama\n" for i in range(9000, 9050))
    file.write_text(added, "latin-1")
    run("load-movies", "-f", file, *options)
    before = published(where)
    assert len(before) == 388
    for line in ((), ("--dry-run",)):
        done = run("load-movies", *options, *line, code=1)
        assert "50 of the 388 movies published would be removed" in done.stderr
        assert done.stderr.splitlines()[-1].endswith(": --replace")
        assert published(where) == before
    done = run("recommend", "-i", *options, code=1)
    assert f"recsys load-movies --replace {' '.join(options)}" in done.stderr
    run("load-movies", "-f", more, "--replace", *options)
    assert set(published(where)) == {1, 9001}
    run("load-movies", "--rollback", *options)
    assert published(where) == before


def test_a_dry_run_says_what_would_be_published_and_from_where(run, tmp_path):
    check, raw = ("load-movies", "--dry-run", "--uri", tmp_path / "a.db"), tmp_path / "movies.dat"
    log = run(*check).stderr
    assert "movies: the 338 the model was trained on" in log
    assert "movies_data.txt is not read without -f movies_data.txt" in log
    log = run(*check, "-f", "movies_data.txt", "--replace").stderr
    assert "movies: only the 338 of movies_data.txt, 0 new to the model" in log
    raw.write_text("9001::Heat (2030)::Drama\nx\n")
    assert "leave bad lines out: --skip-bad-lines" in run(*check, "-f", raw, code=1).stderr
    done = run(*check, "-f", raw, "--skip-bad-lines")
    assert "339 movies" in done.stdout
    assert "1 bad line" in done.stderr
    assert not (tmp_path / "a.db").exists()


def test_a_new_movie_is_found_and_its_ratings_predicted_once_it_is_published(run, tmp_path, more):
    uri = ("--uri", tmp_path / "a.db")
    run("load-movies", "-f", more, *uri)
    by_id = run("similar", "9001", *uri)
    assert by_id.stderr == "near to Wishing Star, The (2023) (id 9001)\n"
    assert run("similar", "the wishing star", *uri).stdout == by_id.stdout
    done = run("recommend", "--exact", "--like", "id:9001", *uri, code=2)
    assert "no movie the model was trained on is called 'id:9001'" in done.stderr
    asked = ("recommend", *uri, "-k", 400, "--format", "json", "--like")
    liked, anybody = run(*asked, "wishing star"), run(*asked[:-1])
    assert liked.stderr == "for likes Wishing Star, The (2023) (id 9001)\n"
    assert run(*asked, "9001").stdout == liked.stdout != anybody.stdout
    listed = [each["movie_id"] for each in json.loads(liked.stdout)["recommendations"]]
    assert len(listed) == 338  # the movie that stands in for it is among them
    assert 9001 not in listed
    disliked = run(*asked[:-1], "--dislike", "9001")
    assert "dislikes Wishing Star, The (2023) (id 9001)" in disliked.stderr
    assert json.loads(disliked.stdout)["user"]["dislikes"] == [9001]
    ask = ("recommend", "-u", 7, "--rank-by", "rating", "-k", 400, "--format", "json")
    found = json.loads(run(*ask, *uri).stdout)["recommendations"]
    (rating,) = (movie["rating"] for movie in found if movie["movie_id"] == 9001)
    by_title = run("predict", "-u", 7, "-m", "the wishing star", *uri)
    assert by_title.stderr == "of user 7 for Wishing Star, The (2023) (id 9001)\n"
    assert by_title.stdout == f"user_id,movie_id,rating\n7,9001,{rating:.4f}\n"
    pairs = run("predict", *uri, input="7,9001\n7,1\n7,9003\n", code=3)
    assert pairs.stdout.splitlines()[:2] == by_title.stdout.splitlines()
    assert pairs.stdout.splitlines()[2:] == run("predict", input="7,1\n").stdout.splitlines()[1:]
    assert pairs.stderr == (
        "recsys: 7,9003: movie 9003 is not one the model was trained on\n"
        "recsys: 1 of 3 left out, as unknown\n"
    )
    nowhere = tmp_path / "none.db"
    done = run("predict", "--uri", nowhere, input="7,9001\n7,1\n", code=3)
    assert "recsys: 7,9001: movie 9001 is not one the model was trained on\n" in done.stderr
    done = run("predict", "-u", 7, "-m", "9001", "--uri", nowhere, code=2)
    assert "no movie the model was trained on is called '9001'" in done.stderr
    assert not nowhere.exists()


@pytest.mark.parametrize(
    "line", ["similar {} --exact", "recommend --exact --like {}", "predict -u 1 -m {}"]
)
def test_a_title_names_a_movie_and_of_several_the_id_chooses(run, another_model, line):
    def ask(movie, code=0):
        parts = (part.format(movie) for part in line.split())
        return run(*parts, "--model", another_model, code=code)

    for title in ("heat", "Heat (1995)"):
        done = ask(title, 2)
        assert done.stdout == ""
        assert done.stderr == (
            f"recsys: '{title}' may be Heat (1995) = 7, Heat (1995) = 8; give title and year, or "
            "the id as id:7\n"
        )
    first, second = ask("id:7"), ask("id:8")
    assert first.stderr.count("Heat (1995)") == second.stderr.count("Heat (1995)") == 1
    assert first.stdout != second.stdout
    assert "may be 1984 (1984) = 20, Friday (1980) = 1984;" in ask("1984", 2).stderr
    assert "1984 (1984)" in ask("1984 (1984)").stderr
    assert "Friday (1980)" in ask("id:1984").stderr
    assert "Misérables, Les (1995)" in ask("3").stderr  # no title is that

"""Which movies load-movies publishes and refuses to remove, and how movies are named."""

import json
import uuid
from pathlib import Path

import pytest
from families import DAT, put
from milvus_cluster import address

from recsys.milvus.address import MilvusAddress
from recsys.milvus_store import MilvusStore

NEW = b"9001::Wishing Star, The (2023)::Animation|Children's|Musical\n"


@pytest.fixture
def more(tmp_path):
    """A file with one new movie and one of the model's under another title."""
    file = tmp_path / "more.dat"
    file.write_bytes(NEW + b"1::Toy Story, Restored (1995)::Animation|Comedy\n")
    return file


def published(where: MilvusAddress | Path) -> dict[int, str]:
    with MilvusStore(where if isinstance(where, MilvusAddress) else str(where)) as store:
        movies = store.read_all()
    return dict(zip(movies.ids.tolist(), movies.titles, strict=True))


def test_a_file_adds_to_the_models_movies_and_changes_them(run, tmp_path, more, folder):
    uri = tmp_path / "a.db"
    own = dict(zip(folder.movies.ids.tolist(), folder.movies.titles, strict=True))
    both = own | {1: "Toy Story, Restored (1995)", 9001: "Wishing Star, The (2023)"}
    done = run("load-movies", "-f", more, "--uri", uri)
    assert f"movies: 339: 337 the model was trained on and 2 of {more}, 1 new" in done.stderr
    assert published(uri) == both
    run("load-movies", "--uri", uri)
    done = run("load-movies", "-f", more, "--uri", uri)
    assert f"and 2 of {more}, 1 new to the model" in done.stderr
    assert published(uri) == both
    run("load-movies", "--rollback", "--uri", uri)
    assert published(uri) == own


def test_a_second_file_adds_to_the_first(run, tmp_path, more):
    uri, second = tmp_path / "a.db", tmp_path / "second.dat"
    second.write_text("9002::Brazil (1985)::Drama\n", "latin-1")
    run("load-movies", "-f", more, "--uri", uri)
    before = published(uri)
    done = run("load-movies", "-f", second, "--uri", uri)
    assert f"movies: 340: 339 published and 1 of {second}, 1 new" in done.stderr
    assert published(uri) == {**before, 9002: "Brazil (1985)"}
    done = run("load-movies", "--dry-run", "--uri", uri)
    gone = "2 of the published movies are not among them and go"
    assert gone in done.stderr
    assert gone in run("load-movies", "--uri", uri).stderr


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


def test_what_is_published_and_from_where_is_said(run, tmp_path):
    done = run("load-movies", "--uri", tmp_path / "a.db")
    assert "movies: the 338 the model was trained on" in done.stderr
    assert "movies_data.txt is not read without -f movies_data.txt" in done.stderr
    done = run("load-movies", "-f", "movies_data.txt", "--replace", "--uri", tmp_path / "b.db")
    assert "movies: only the 338 of movies_data.txt, 0 new to the model" in done.stderr


def test_a_new_movie_is_named_by_its_title(run, tmp_path, more):
    uri = tmp_path / "a.db"
    run("load-movies", "-f", more, "--uri", uri)
    by_id = run("similar", "9001", "--uri", uri)
    assert by_id.stderr == "near to Wishing Star, The (2023) (id 9001)\n"
    assert run("similar", "the wishing star", "--uri", uri).stdout == by_id.stdout
    done = run("similar", "wishing moon", "--uri", uri, code=2)
    assert "no movie is called 'wishing moon'" in done.stderr
    for option in ("--like", "--dislike"):
        done = run("recommend", option, "id:9001", "--uri", uri, code=2)
        assert "no movie the model was trained on is called 'id:9001'" in done.stderr


def test_ratings_of_a_new_movie_are_predicted_once_it_is_published(run, tmp_path, more):
    uri = tmp_path / "a.db"
    run("load-movies", "-f", more, "--uri", uri)
    ask = ("recommend", "-u", 7, "--rank-by", "rating", "-k", 400, "--format", "json")
    found = json.loads(run(*ask, "--uri", uri).stdout)["recommendations"]
    (rating,) = (movie["rating"] for movie in found if movie["movie_id"] == 9001)
    by_title = run("predict", "-u", 7, "-m", "the wishing star", "--uri", uri)
    assert by_title.stderr == "of user 7 for Wishing Star, The (2023) (id 9001)\n"
    assert by_title.stdout == f"user_id,movie_id,rating\n7,9001,{rating:.4f}\n"
    pairs = run("predict", "--uri", uri, input="7,9001\n7,1\n7,9003\n", code=1)
    assert pairs.stdout.splitlines()[:2] == by_title.stdout.splitlines()
    assert pairs.stdout.splitlines()[2:] == run("predict", input="7,1\n").stdout.splitlines()[1:]
    assert pairs.stderr == "recsys: 7,9003: movie 9003 is not one the model was trained on\n"


def test_without_published_movies_a_new_one_is_unknown(run, tmp_path):
    nowhere = tmp_path / "none.db"
    done = run("predict", "--uri", nowhere, input="7,9001\n7,1\n", code=1)
    assert done.stderr == "recsys: 7,9001: movie 9001 is not one the model was trained on\n"
    assert len(done.stdout.splitlines()) == 2
    done = run("predict", "-u", 7, "-m", "9001", "--uri", nowhere, code=2)
    assert "no movie the model was trained on is called '9001'" in done.stderr
    assert not nowhere.exists()


# Movies named by title: several of one title


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    """A model of two movies with one title and one year, and of a title that is another's id."""
    from recsys import Options, train_model

    data = tmp_path_factory.mktemp("twins")
    more = b"8::Heat (1995)::Drama\n20::1984 (1984)::Drama\n1984::Friday the 13th (1980)::Horror\n"
    put(data, {**DAT, "movies.dat": DAT["movies.dat"] + more})
    train_model(data, data / "model", Options(epochs=1, dimension=4), validation=0)
    return data / "model"


ASKED = [
    ("similar", "{}"),
    ("recommend", "--like", "{}"),
    ("recommend", "--dislike", "{}"),
    ("predict", "-u", "1", "-m", "{}"),
]


@pytest.mark.parametrize("line", ASKED, ids=" ".join)
def test_of_one_title_and_year_the_id_chooses(run, twins, line):
    exact = () if line[0] == "predict" else ("--exact",)

    def ask(movie, code=0):
        return run(*(part.format(movie) for part in line), "--model", twins, *exact, code=code)

    for title in ("heat", "Heat (1995)"):
        done = ask(title, 2)
        assert done.stdout == ""
        assert done.stderr == (
            f"recsys: '{title}' may be Heat (1995) = 7, Heat (1995) = 8; several have the same "
            "title and year: give the id as id:7\n"
        )
    first, second = ask("id:7"), ask("id:8")
    assert "Heat (1995)" in first.stderr
    assert "Heat (1995)" in second.stderr
    assert first.stdout != second.stdout


@pytest.mark.parametrize("line", ASKED, ids=" ".join)
def test_a_title_that_is_a_number_is_a_title_first(run, twins, line):
    exact = () if line[0] == "predict" else ("--exact",)

    def said(movie) -> str:
        return run(*(part.format(movie) for part in line), "--model", twins, *exact).stderr

    assert "1984 (1984)" in said("1984")
    assert "Friday the 13th (1980)" in said("id:1984")
    assert "Misérables, Les (1995)" in said("3")  # no title is that

"""Which movies load-movies publishes, and what it refuses to remove."""

import pytest

from recsys.milvus_store import MilvusStore

NEW = b"9001::Wishing Star, The (2023)::Animation|Children's|Musical\n"


@pytest.fixture
def more(tmp_path):
    """A file with one new movie and one of the model's under another title."""
    file = tmp_path / "more.dat"
    file.write_bytes(NEW + b"1::Toy Story, Restored (1995)::Animation|Comedy\n")
    return file


def published(uri) -> dict[int, str]:
    with MilvusStore(str(uri)) as store:
        movies = store.read_all()
    return dict(zip(movies.ids.tolist(), movies.titles, strict=True))


def test_a_file_adds_to_the_models_movies_and_changes_them(run, tmp_path, more):
    uri = tmp_path / "a.db"
    run("load-movies", "--uri", uri)
    before = published(uri)
    for how in ((), ("--update",)):
        done = run("load-movies", "-f", more, "--uri", uri, *how)
        assert f"movies: 339: 337 the model was trained on and 2 of {more}, 1 new" in done.stderr
        assert published(uri) == {
            **before,
            1: "Toy Story, Restored (1995)",
            9001: "Wishing Star, The (2023)",
        }


@pytest.mark.parametrize("how", [(), ("--update",)])
def test_removing_more_than_a_tenth_is_said_explicitly(run, tmp_path, more, how):
    uri = tmp_path / "a.db"
    file = tmp_path / "many.dat"
    added = "".join(f"{i}::Sequel {i} (2024)::Drama\n" for i in range(9000, 9050))
    file.write_text(added, "latin-1")
    run("load-movies", "-f", file, "--uri", uri)
    before = published(uri)
    done = run("load-movies", "--uri", uri, *how, code=1)
    assert "50 of the 388 movies published would be removed" in done.stderr
    assert done.stderr.splitlines()[-1].endswith(": --replace")
    assert published(uri) == before
    done = run("recommend", "-i", "--uri", uri, code=1)
    assert f"recsys load-movies --replace --uri {uri}" in done.stderr
    run("load-movies", "-f", more, "--replace", "--uri", uri, *how)
    assert set(published(uri)) == {1, 9001}


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
    assert (
        "no movie is called 'wishing moon'"
        in run("similar", "wishing moon", "--uri", uri, code=2).stderr
    )

"""Movies named by title at the prompt: several of one title, those the model was not trained on."""

import pytest
from families import DAT, put


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


@pytest.mark.parametrize("line", ASKED[1:3], ids=" ".join)
def test_what_the_model_was_not_trained_on_can_not_be_liked_and_that_is_said(run, tmp_path, line):
    more = tmp_path / "more.dat"
    more.write_bytes(b"9001::Wishing Star, The (2023)::Animation\n")
    run("load-movies", "-f", more, "--uri", tmp_path / "a.db")
    uri = ("--uri", tmp_path / "a.db")
    for name in ("wishing star", "id:9001"):
        done = run(*(part.format(name) for part in line), *uri, code=2)
        said = f"recsys: no movie the model was trained on is called '{name}'"
        assert done.stderr.startswith(said)
    assert "near to Wishing Star" in run("similar", "id:9001", *uri).stderr

"""similar and predict at the prompt."""

import json
import re

import numpy as np
import pytest


def test_similar(run):
    done = run("similar", "Toy Story", "--format", "json")
    found = json.loads(done.stdout)
    assert found["movie_id"] not in {movie["movie_id"] for movie in found["similar"]}
    assert found["title"] == "Toy Story (1995)"
    assert done.stderr == "near to Toy Story (1995) (id 1)\n"
    scores = [movie["score"] for movie in found["similar"]]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 5
    assert "no movie fits" in run("similar", "Toy Story", "--year", "1801").stderr
    for form in ("table", "csv", "json", "jsonl"):
        ask = ("similar", "Toy Story", "--format", form, "-k", 100_000)  # more than there are
        shown = [run(*ask, *how).stdout for how in (("--exact",), ())]
        exact, searched = (re.split(r"(\d\.\d+)", each) for each in shown)
        assert exact[::2] == searched[::2]
        assert [*map(float, exact[1::2])] == pytest.approx([*map(float, searched[1::2])], abs=2e-4)


def test_predict_one_pair_or_many_from_stdin_or_a_file(run, tmp_path):
    pairs = "user_id,movie_id\n7,1\n3,12\n7,1\n 300 , 4 \n"
    done = run("predict", input=pairs)
    header, *rows = done.stdout.splitlines()
    assert header == "user_id,movie_id,rating"
    cells = [row.split(",") for row in rows]
    assert [row[:2] for row in cells] == [["7", "1"], ["3", "12"], ["7", "1"], ["300", "4"]]
    assert all(0.5 <= float(row[2]) <= 5 for row in cells)
    by_id = run("predict", "-u", 3, "-m", "id:12")
    assert by_id.stdout == f"{header}\n{rows[1]}\n"
    by_title = run("predict", "-u", 7, "-m", "Toy Story")
    assert by_title.stdout == f"{header}\n{rows[0]}\n"
    assert by_title.stderr == "of user 7 for Toy Story (1995) (id 1)\n"
    (tmp_path / "pairs.csv").write_bytes(b"\xef\xbb\xbf" + pairs.replace("\n", "\r\n").encode())
    assert run("predict", "--pairs", tmp_path / "pairs.csv").stdout == done.stdout
    assert run("predict", input="").stdout == f"{header}\n"
    for named in ("movieId,n,userId\n1,a,7\n12,b,3\n1,,7\n4,,300", pairs.replace("_id", "Id")):
        assert run("predict", input=named).stdout == done.stdout


def test_the_score_of_a_pair_is_printed_as_recommend_ranks_by_it(run):
    answer = run("recommend", "-u", 7, "--format", "csv", "-k", 3).stdout.splitlines()[1:]
    scores = {row.split(",")[2]: float(row.split(",")[-3]) for row in answer}
    pairs = "".join(f"7,{movie}\n" for movie in scores)
    header, *rows = run("predict", "--rank-by", "relevance", input=pairs).stdout.splitlines()
    assert header == "user_id,movie_id,score"
    found = {row.split(",")[1]: float(row.split(",")[2]) for row in rows}
    assert found == pytest.approx(scores, abs=2e-6)


def test_predict_as_of_a_time_knows_no_later_rating(run, folder):
    """As if the user had rated nothing since; before all ratings, as if none at all."""
    _, _, times = folder.history.of(int(folder.vocabulary.user_rows([11])[0]))
    asked = ("predict", "-u", 11, "-m", "toy story")

    def rating(*more):
        return float(run(*asked, *more).stdout.splitlines()[1].split(",")[2])

    then = [rating("--as-of", moment) for moment in (int(times.min()) - 1, int(np.median(times)))]
    assert len({*then, rating()}) == 3
    assert rating("--as-of", int(times.max())) == rating()


@pytest.mark.parametrize("line", ["7", "7,1,3", "7,x", "-7,1", "7,1.0", f"{10**30},1", ""])
def test_a_bad_pair_is_named_by_its_line(run, tmp_path, line):
    (tmp_path / "pairs.csv").write_text(f"7,1\n{line}\n")
    done = run("predict", "--pairs", tmp_path / "pairs.csv", code=1)
    assert done.stderr.startswith(f"recsys: {tmp_path}/pairs.csv:2: found {line!r}, expected")
    assert done.stdout == ""


def test_predict_of_an_unknown_user_or_movie(run):
    done = run("predict", input="999,1\n7,1\n1,9999\n", code=3)
    assert done.stdout.splitlines()[1:] == run("predict", input="7,1\n").stdout.splitlines()[1:]
    assert done.stderr.splitlines() == [
        "recsys: 999,1: user 999 is not one the model was trained on",
        "recsys: 1,9999: movie 9999 is not one the model was trained on",
        "recsys: 2 of 3 left out, as unknown",
    ]
    assert run("predict", input="999,1\n", code=1).stdout == "user_id,movie_id,rating\n"
    assert "no movie is called '9999'" in run("predict", "-u", 1, "-m", "9999", code=2).stderr
    assert "user 999 is not one" in run("predict", "-u", 999, "-m", 1, code=2).stderr

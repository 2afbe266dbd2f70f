"""Answers as a table and for programs: the contract of version 0.2."""

import csv
import io
import json
import os
import stat
import threading
from types import SimpleNamespace

import pytest
from command_line import SAMPLE
from pyarrow import parquet

from recsys.__main__ import cli
from recsys.cli.output import COLUMNS, Answer, write_parquet, write_text
from recsys.data.dataset import Vocabulary
from recsys.infer import Recommendation, UserQuery

HEAT = Recommendation(1, 6, 'Heat, "The" (1995)', ("Action", "Crime"), 1995, 0.51234567, 4.2, False)
NEW = Recommendation(2, 5001, "Élan", (), 0, -0.25, 0.5, True)
GIRL = UserQuery(7, {"gender": "F", "age": "under 18", "job": "K-12 student"}, likes=(3,))
USER, COLD = Answer([HEAT, NEW], GIRL), Answer([HEAT], UserQuery())
VOCABULARY = Vocabulary([7], [3, 6], [], [])
MODEL = SimpleNamespace(vocabulary=VOCABULARY, fingerprint="f00d")
NEAR = Answer([HEAT, NEW], movie=(3, "Ronin (1998)"))


def test_a_table_has_numbers_to_the_right_and_fits_where_it_is_shown():
    """Titles and genres are cut, the widest first; numbers and short texts are not."""
    plain = USER.table()
    assert plain.splitlines() == [
        "Top   Ids  Title               Genres          Score  Rating",
        '  1     6  Heat, "The" (1995)  Action|Crime   0.5123  4.2000',
        "  2  5001  Élan [new]                        -0.2500  0.5000",
    ]
    assert USER.table(60) == plain  # which it fits into
    assert USER.table(50).splitlines() == [
        "Top   Ids  Title       Genres        Score  Rating",
        '  1     6  Heat, "Th…  Action|Cr…   0.5123  4.2000',
        "  2  5001  Élan [new]              -0.2500  0.5000",
    ]
    numbers = [line.split()[-2:] for line in USER.table(1).splitlines()[1:]]
    assert numbers == [["0.5123", "4.2000"], ["-0.2500", "0.5000"]]
    wide = Answer([NEW._replace(columns={"brand": "x" * 30})], GIRL).table(70).splitlines()[1]
    assert len(wide) == 70
    assert wide.endswith("x…")
    assert NEAR.table().splitlines()[0].split() == ["Top", "Ids", "Title", "Genres", "Score"]


def test_a_table_and_json_of_texts_that_steer_a_terminal():
    odd = HEAT._replace(title="Heat\n\x1b[31m\u202e\ud83d", columns={"a\rb": "=1\x9b"})
    lines = Answer([odd], GIRL).table().splitlines()
    assert lines[0].endswith(r"a\rb")
    assert r"Heat\n\x1b[31m\u202e\ud83d" in lines[1]
    assert lines[1].endswith(r"=1\x9b")
    text = Answer([odd], GIRL).json("f00d")
    assert json.loads(text.encode())["recommendations"][0]["title"] == odd.title


def test_json_of_a_known_user_a_cold_start_user_and_similar_movies():
    found = json.loads(USER.json("f00d"))
    assert "É" in USER.json("f00d")
    assert list(found) == ["user_id", "user", "model", "recommendations"]
    assert found["user_id"] == 7
    assert found["user"] == {
        "user_id": 7, "gender": "F", "age": "under 18", "job": "K-12 student",
        "likes": [3], "dislikes": [], "liked_titles": [None], "disliked_titles": [],
    }  # fmt: skip
    movies = [
        {"rank": 1, "movie_id": 6, "title": 'Heat, "The" (1995)', "genres": ["Action", "Crime"],
         "year": 1995, "score": 0.512346, "rating": 4.2, "new": False},
        {"rank": 2, "movie_id": 5001, "title": "Élan", "genres": [],
         "year": None, "score": -0.25, "rating": 0.5, "new": True},
    ]  # fmt: skip
    assert found["recommendations"] == movies
    assert [*found["recommendations"][0]] == [*movies[0]]
    cold = json.loads(Answer([], UserQuery()).json("f00d"))
    assert list(cold) == ["user", "model", "recommendations"]
    assert [cold["user"][key] for key in ("user_id", "gender", "age", "job")] == [None] * 4
    near = json.loads(NEAR.json("f00d"))
    assert [*near] == ["movie_id", "title", "model", "similar"]
    assert (near["movie_id"], near["title"]) == (3, "Ronin (1998)")
    assert near["similar"] == [each | {"rating": None} for each in movies]


def test_lines_come_as_their_answers_do():
    file = io.StringIO()

    def answers():
        yield USER
        assert json.loads(file.getvalue())["user_id"] == 7
        yield COLD

    write_text(answers(), "jsonl", MODEL, file)
    assert "user_id" not in json.loads(file.getvalue().splitlines()[1])


def test_csv_and_parquet_have_the_columns_of_the_contract(tmp_path):
    write_text([USER, COLD, NEAR, Answer([], GIRL)], "csv", MODEL, text := io.StringIO())
    rows = list(csv.reader(text.getvalue().splitlines()))
    assert tuple(rows[0]) == COLUMNS
    assert rows[1] == ["7", "1", "6", 'Heat, "The" (1995)', "Action|Crime", "1995", "0.512346",
                       "4.2", "False"]  # fmt: skip
    assert rows[2][4:6] == ["", ""]
    assert rows[3][0] == rows[4][0] == rows[4][7] == ""
    assert len(rows) == 6
    write_parquet([USER, COLD, NEAR, Answer([], GIRL)], str(tmp_path / "all"), VOCABULARY)
    read = parquet.read_table(tmp_path / "all")
    assert tuple(read.column_names) == COLUMNS
    texts = [
        ["" if each is None else str(each) for each in row.values()] for row in read.to_pylist()
    ]
    assert texts == rows[1:]


WRITING = {
    "recommend": ("recommend", "-u", 7, "--exact", "--format", "csv"),
    "similar": ("similar", "heat", "--exact", "--format", "json"),
    "preprocess": ("preprocess", "-f", SAMPLE / "movies.dat"),
    "report": ("report", "--format", "md"),
}


def test_every_command_with_an_output_is_here():
    takes = {name: {opt for each in command.params for opt in each.opts}
             for name, command in cli.commands.items()}  # fmt: skip
    by_ending = {"evaluate", "export"}  # a file's ending says what it holds: no pipes
    assert {name for name, options in takes.items() if "-o" in options} == {*WRITING} | by_ending


@pytest.mark.parametrize("line", WRITING.values(), ids=WRITING)
def test_a_link_is_followed_and_a_pipe_written_to(run, tmp_path, line):
    """The target of a link keeps its mode; a pipe stays one."""
    run(*line, "-o", tmp_path / "plain")
    expected = (tmp_path / "plain").read_bytes()
    link, target, pipe = (tmp_path / name for name in ("link", "target", "pipe"))
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to("target")
    run(*line, "-o", link)
    assert link.is_symlink()
    assert target.read_bytes() == expected
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    run(*line, "-o", pipe)
    reader.join(10)
    assert read == [expected]
    assert stat.S_ISFIFO(pipe.stat().st_mode)

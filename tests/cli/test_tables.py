"""Answers as people and programs read them."""

import csv
import io
import json

import pytest

from recsys.cli import tables
from recsys.infer import Recommendation, UserQuery

HEAT = Recommendation(1, 6, 'Heat, "The" (1995)', ("Action", "Crime"), 1995, 0.51234567, 4.2, False)
NEW = Recommendation(2, 5001, "Élan", (), 0, -0.25, 0.5, True)
NOBODY, GIRL = UserQuery(), UserQuery(7, gender=1, age=0, job=10, likes=(3,))


def test_a_table_has_columns_numbers_to_the_right():
    text = tables.recommendations([HEAT, NEW])
    assert text.splitlines() == [
        "Top   Ids  Title               Genres          Match   Score",
        '  1     6  Heat, "The" (1995)  Action|Crime   0.5123  4.2000',
        "  2  5001  Élan [new]                        -0.2500  0.5000",
    ]


def test_a_table_of_nothing_is_its_header():
    assert tables.recommendations([]).split() == ["Top", "Ids", "Title", "Genres", "Match", "Score"]


def test_json_of_a_known_user():
    whole = json.loads(tables.answer_json(GIRL, "f00d", [HEAT, NEW]))
    assert list(whole) == ["user_id", "user", "model", "recommendations"]
    assert whole["user_id"] == 7
    assert whole["user"] == {
        "user_id": 7, "gender": "F", "age": "under 18", "job": "K-12 student",
        "likes": [3], "dislikes": [],
    }  # fmt: skip
    assert whole["recommendations"] == [
        {"rank": 1, "movie_id": 6, "title": 'Heat, "The" (1995)', "genres": ["Action", "Crime"],
         "year": 1995, "match": 0.512346, "score": 4.2, "new": False},
        {"rank": 2, "movie_id": 5001, "title": "Élan", "genres": [],
         "year": None, "match": -0.25, "score": 0.5, "new": True},
    ]  # fmt: skip
    assert "É" in tables.answer_json(GIRL, "f00d", [NEW])


def test_json_of_a_cold_user_has_nulls_and_no_id_at_the_top():
    whole = json.loads(tables.answer_json(NOBODY, "f00d", []))
    assert list(whole) == ["user", "model", "recommendations"]
    assert [whole["user"][key] for key in ("user_id", "gender", "age", "job")] == [None] * 4


def test_lines_come_as_their_answers_do():
    told: list[int] = []
    answers = ((person, [HEAT]) for person in (GIRL, NOBODY))
    lines = tables.lines(answers, "jsonl", "f00d", told.append)
    assert json.loads(next(lines))["user_id"] == 7
    assert told == []
    assert "user_id" not in json.loads(next(lines))
    assert list(lines) == []
    assert told == [1, 1]


def test_csv_has_a_header_once_and_quotes():
    lines = list(tables.lines([(GIRL, [HEAT, NEW]), (NOBODY, [HEAT])], "csv", "f00d", lambda n: n))
    rows = list(csv.reader(io.StringIO("\n".join(lines))))
    assert tuple(rows[0]) == tables.COLUMNS
    assert rows[1] == ["7", "1", "6", 'Heat, "The" (1995)', "Action|Crime", "1995", "0.512346",
                       "4.2", "False"]  # fmt: skip
    assert rows[2][4:6] == ["", ""]
    assert rows[3][0] == ""
    assert len(rows) == 4


def test_similar_has_no_stars():
    for form in ("table", "json", "csv"):
        text = tables.similar(3, "f00d", [HEAT], form)
        assert "score" not in text.lower()
        assert "Heat" in text
    whole = json.loads(tables.similar(3, "f00d", [HEAT], "json"))
    assert whole["movie_id"] == 3
    assert whole["similar"][0]["match"] == pytest.approx(0.512346)


def test_parquet_needs_its_library_or_reads_back(tmp_path):
    target = tmp_path / "all.parquet"
    try:
        from pyarrow import parquet
    except ImportError:
        with pytest.raises(ImportError):
            tables.write_parquet([(GIRL, [HEAT])], str(target), lambda n: n)
        return
    tables.write_parquet([(GIRL, [HEAT, NEW]), (NOBODY, [])], str(target), lambda n: n)
    rows = parquet.read_table(target).to_pylist()
    assert [tuple(row) for row in rows] == [tables.COLUMNS] * 2
    assert rows[0]["title"] == HEAT.title
    assert rows[1]["year"] is None

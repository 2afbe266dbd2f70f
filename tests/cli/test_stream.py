"""recommend --users with JSON lines: a question a line, answered in place as it comes."""

import json
import subprocess
import sys
import tracemalloc

import milvus_server
import pytest
from command_line import environment, here

from recsys.cli.output import Answer
from recsys.cli.shared import Wanted
from recsys.cli.stream import Stream
from recsys.cli.typed import LONGEST, Known
from recsys.infer import UserQuery
from recsys.serving.choice import Choice

ASK = ("recommend", "--users", "-", "-q")


def asked(run, *lines, options=("--exact",), code=0):
    texts = [each if isinstance(each, str) else json.dumps(each) for each in lines]
    done = run(*ASK, *options, input="\n".join(texts) + "\n", code=code)
    return [json.loads(each) for each in done.stdout.splitlines()]


SAME = [
    ({"id": 42, "k": 3}, ("-u", 42, "-k", 3)),
    ({"id": "42", "genre": None, "where": "year > 1990"}, ("-u", 42, "--where", "year > 1990")),
    ({"attributes": {"age": 25, "gender": "F"}}, ("-a", 25, "-g", "F")),
    ({"likes": ["Toy Story", 10], "dislikes": 3}, ("--like", 1, "--like", 10, "--dislike", 3)),
    ({"genre": "drama", "year": "1990-1999"}, ("--genre", "drama", "--year", "1990-1999")),
    ({"genre": ["war", "drama"], "all_genres": True}, ("--genre", "war,drama", "--all-genres")),
    ({"not_genre": "drama", "year": 1995}, ("--not-genre", "drama", "--year", 1995)),
    ({"only": [1, 2, 3], "exclude": "Toy Story (1995)"}, ("--only", "1,2,3", "--exclude", 1)),
]


@pytest.mark.parametrize(
    "where", ["exact", "lite", pytest.param("server", marks=pytest.mark.milvus_server)]
)
def test_a_line_is_answered_as_the_options_it_stands_for(run, trained, where):
    options = ("--exact",) if where == "exact" else ()
    if where == "server":
        options = ("--uri", milvus_server.shared().uri, "--collection", "stream")
        here("load-movies", *options, "--model", trained.model)
    found = asked(run, *(line for line, _ in SAME), options=options)
    for answer, (_, typed) in zip(found, SAME, strict=True):
        one = json.loads(run("recommend", *typed, *options, "--format", "json").stdout)
        assert answer["recommendations"] == one["recommendations"] != []
        assert answer["user"] == one["user"]


def test_options_hold_for_lines_that_say_nothing_else(run):
    found = asked(run, {"id": 1}, {"id": 1, "k": 2, "genre": "war"}, options=(
        "--exact", "-k", 4, "--genre", "drama", "--max-per", "genre=9"))  # fmt: skip
    genres = [[each["genres"] for each in answer["recommendations"]] for answer in found]
    assert [len(each) for each in genres] == [4, 2]
    assert all("Drama" in each for each in genres[0])
    assert all("War" in each for each in genres[1])


def test_ratings_of_a_user_nobody_knows(run, exact):
    title = exact.model.movies.titles[4]
    (found,) = asked(run, {"ratings": {title: 5, "1": 2.5}, "k": 8, "attributes": {"age": 30}})
    movie_id = exact.model.movies.ids.tolist()[4]
    query = UserQuery(attributes={"age": 30}, rated=[(movie_id, 5), (1, 2.5)])
    (answer,) = exact.recommend([query], 8)
    shown = found["recommendations"]
    assert [each["movie_id"] for each in shown] == [each.movie_id for each in answer]
    assert [each["score"] for each in shown] == [round(each.score, 6) for each in answer]
    assert not {1, movie_id} & {each["movie_id"] for each in shown}


BAD = {
    "{bad": "found '{bad', expected an object",
    "[1]": "found '[1]', expected an object",
    '{"id": 42': "expected an object",
    "[" * 5000: "expected an object",
    '{"i": 1}': "no key 'i'; there are id, attributes, ratings",
    '{"id": 999999}': "user 999999 is not one of the",
    '{"id": "x"}': "'x' is not a user id",
    '{"id": true}': "id 'true': expected an id",
    '{"k": 0}': "k 0: expected 1 to",
    '{"k": 1, "k": 2}': "a key is given twice",
    '{"ratings": [1]}': "ratings '[1]': expected an object",
    '{"ratings": {"1": 9}}': "rating 9: the model's are 0.5 to 5",
    '{"ratings": {"1": NaN}}': "rating nan: the model's are",
    '{"ratings": {"1": 5, "id:1": 4}}': "two of them are of one movie",
    '{"likes": "No Such Film At All"}': "no movie the model was trained on is called",
    '{"likes": 1, "dislikes": 1}': "is both liked and disliked",
    '{"attributes": {"shoe": 4}}': "the model knows no shoe of its users",
    '{"attributes": {"age": true}}': "expected a text, a number or a list",
    '{"genre": "polka"}': "no genre 'polka'",
    '{"year": "x"}': "year 'x' is not a year",
    '{"where": "shoe > 4"}': "no column shoe",
    '{"all_genres": 1}': "expected true or false",
    '{"only": [123456789]}': "movie 123456789 is not",
}


def test_a_bad_line_is_answered_in_its_place(run):
    lines = [each for bad in BAD for each in (bad, '{"k": 1}')]
    found = asked(run, '{"k": 1}', *lines, "", code=3)
    assert len(found) == len(lines) + 1
    for line, (answer, reason) in enumerate(zip(found[1::2], BAD.values(), strict=True), 1):
        assert answer.keys() == {"line", "error"}
        assert answer["line"] == 2 * line
        assert reason in answer["error"]
    assert all(each == found[0] for each in found[::2])


def test_lines_that_are_no_text_or_too_long_are_bad_ones(run, tmp_path):
    """Blank lines get no answer, the first ones neither; among ids what is no text is an error."""
    long = b'{"likes": "' + b"x" * 3 * LONGEST + b'"}\n'
    (tmp_path / "asked").write_bytes(
        b'\xef\xbb\xbf\n \n{"k": 1}\n{"likes": "\xff"}\n' + long + b'{"k": 1}\r\n'
    )
    done = run("recommend", "--users", tmp_path / "asked", "--exact", code=3)
    first, no_text, too_long, last = map(json.loads, done.stdout.splitlines())
    assert first == last
    assert no_text == {"line": 4, "error": "is not text in UTF-8; correct the line"}
    assert too_long["error"].startswith("has more than 1,048,576 characters")
    assert done.stderr == "recsys: 2 of 4 lines are answered by an error\n"
    (tmp_path / "asked").write_bytes(b"1\n\xff\n")
    done = run("recommend", "--users", tmp_path / "asked", "--exact", code=1)
    assert "is not text in UTF-8" in done.stderr


def test_all_bad_is_a_failure_and_other_formats_are_refused(run):
    assert "error" in asked(run, '{"x": 1}', code=1)[0]
    done = run(*ASK, "--exact", "--format", "csv", input='{"k": 1}\n', code=2)
    assert "take jsonl" in done.stderr


def test_each_answer_comes_before_the_next_question(apart):
    line = [sys.executable, "-m", "recsys", *ASK, "--exact", "-k", "1"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "encoding": "utf-8"}
    with subprocess.Popen(line, cwd=apart, env=environment(), **pipes) as process:
        for user in (1, 2, 3):
            process.stdin.write(json.dumps({"id": user}) + "\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["user_id"] == user
        process.stdin.close()
        assert process.wait() == 0


def test_memory_does_not_grow_with_the_lines(folder):
    class Silent:
        def recommend(self, queries, k, **how):
            yield Answer([], *queries)

    lines, peaks = 6_000, []
    texts = (f'{{"id": {1 + n % 300}, "ratings": {{"1": {n % 5 + 0.5}}}}}' for n in range(lines))
    stream = Stream(Known(folder), (UserQuery(), 5, Choice(), Wanted()))
    tracemalloc.start()
    for number, _ in enumerate(stream.answers(texts, Silent(), 300), 1):
        if number % (lines // 3) == 0:
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.reset_peak()
    tracemalloc.stop()
    assert (stream.count, stream.failed) == (lines, 0)
    assert peaks[-1] < peaks[0] + 10_000

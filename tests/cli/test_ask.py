"""recommend, similar and predict at the prompt."""

import csv
import io
import json
import re

import numpy as np
import pytest
from command_line import SAMPLE, recsys
from plain_paddle import plain_paddle

from recsys.data.movielens import AGE_NAMES, JOBS

GIRL = ("--age", "1", "--gender", "F", "--job", "10")


def movies_of(stdout: str) -> list[dict]:
    return json.loads(stdout)["recommendations"]


def padded(lists, fill):
    rows = np.full((len(lists), max(map(len, lists))), fill, np.int64)
    for place, each in enumerate(lists):
        rows[place, : len(each)] = each
    return rows


def by_plain_paddle(model, scratch, age: int, gender: int, job: int):
    """Ids, scores and ratings of all movies, best first, by the exported towers and NumPy alone."""
    vocabulary = json.loads((model / "vocabulary.json").read_text("utf-8"))
    movies = json.loads((model / "movies.json").read_text("utf-8"))
    words = {word: row for row, word in enumerate(vocabulary["words"], 1)}
    genres = {genre: row for row, genre in enumerate(vocabulary["genres"], 1)}
    none = np.zeros((1, 1))
    heads = plain_paddle(
        model,
        scratch,
        user=np.array([0]),
        gender=np.array([gender]),
        age=np.array([age]),
        job=np.array([job]),
        history=none.astype(np.int64),
        rating=none.astype(np.float32),
        movie=np.array([vocabulary["movie_ids"].index(movie[0]) + 1 for movie in movies]),
        genres=padded([[genres[genre] for genre in movie[2]] for movie in movies], -1),
        title=padded([[words[w] for w in re.findall(r"\w+", f[1].lower())] for f in movies], -1),
    )
    (user,) = heads["users"]
    d = (len(user) - 64) // 2
    retrieval, rating, ease = (
        of_movies @ of_user
        for of_movies, of_user in zip(
            np.split(heads["movies"], [d, 2 * d], 1), np.split(user, [d, 2 * d]), strict=True
        )
    )
    options = json.loads((model / "config.json").read_text("utf-8"))["options"]
    rating_weight, ease_weight = options["rating_weight"], options["ease_weight"]
    score = retrieval + rating_weight * rating + ease_weight * ease
    score /= 1 + rating_weight + ease_weight
    order = np.argsort(-score)
    return np.array([movie[0] for movie in movies])[order], score[order], 5 * rating[order]


def test_five_movies_as_an_independent_computation_has_them(trained, tmp_path):
    """train, preprocess, load-movies and recommend: the numbers are those of the towers."""
    ids, scores, ratings = by_plain_paddle(trained.model, tmp_path, age=1, gender=2, job=11)
    asked = recsys("recommend", *GIRL, cwd=trained.place)
    assert asked.returncode == 0, asked.stderr
    header, *lines = [re.split(r"\s{2,}", line.strip()) for line in asked.stdout.splitlines()]
    assert header == ["Top", "Ids", "Title", "Genres", "Score", "Rating"]
    assert [int(line[0]) for line in lines] == [1, 2, 3, 4, 5]
    assert [int(line[1]) for line in lines] == ids[:5].tolist()
    np.testing.assert_allclose([float(line[4]) for line in lines], scores[:5], atol=1e-4)
    np.testing.assert_allclose([float(line[5]) for line in lines], ratings[:5], atol=1e-4)


def test_exact_gives_the_same_answer(run):
    for form in ("table", "json", "jsonl", "csv"):
        for more in ((), ("--rank-by", "rating"), ("--genre", "Drama", "--year", "1990-1999")):
            ask = ("recommend", *GIRL, "--format", form, *more)
            assert run(*ask, "--exact").stdout == run(*ask).stdout


@pytest.mark.parametrize("rank_by", ["relevance", "rating"])
def test_the_list_is_sorted_by_score_whatever_it_is_ranked_by(run, rank_by):
    ask = ("recommend", *GIRL, "-k", 20, "--rank-by", rank_by, "--format", "json")
    movies = movies_of(run(*ask).stdout)
    scores = [movie["score"] for movie in movies]
    assert scores == sorted(scores, reverse=True)
    if rank_by == "rating":
        np.testing.assert_allclose(scores, [movie["rating"] for movie in movies], atol=1e-5)


def test_json_is_one_object_with_stable_keys(run, folder):
    whole = json.loads(run("recommend", *GIRL, "--format", "json").stdout)
    assert list(whole) == ["user", "model", "recommendations"]
    assert whole["model"] == folder.fingerprint
    assert whole["user"] == {
        "user_id": None,
        "gender": "F",
        "age": "under 18",
        "job": "K-12 student",
        "likes": [],
        "dislikes": [],
    }
    first = whole["recommendations"][0]
    keys = ["rank", "movie_id", "title", "genres", "year", "score", "rating", "new"]
    assert list(first) == keys
    assert first["rank"] == 1
    assert first["new"] is False
    assert first["title"].endswith(f"({first['year']})")
    assert isinstance(first["genres"], list)


def test_jsonl_is_a_line_a_user_with_the_id_at_its_top(run):
    lines = run("recommend", "-u", 3, "--format", "jsonl").stdout.splitlines()
    assert len(lines) == 1
    assert next(iter(json.loads(lines[0]).items())) == ("user_id", 3)
    (cold,) = run("recommend", *GIRL, "--format", "jsonl").stdout.splitlines()
    assert "user_id" not in json.loads(cold)


def test_csv_reads_back(run):
    rows = list(csv.DictReader(io.StringIO(run("recommend", "-u", 3, "--format", "csv").stdout)))
    movies = movies_of(run("recommend", "-u", 3, "--format", "json").stdout)
    assert [int(row["movie_id"]) for row in rows] == [movie["movie_id"] for movie in movies]
    assert [row["genres"].split("|") for row in rows] == [movie["genres"] for movie in movies]
    assert {row["user_id"] for row in rows} == {"3"}
    np.testing.assert_allclose(
        [float(row["score"]) for row in rows], [movie["score"] for movie in movies], atol=1e-6
    )


def test_a_table_is_for_one_user_and_parquet_for_a_file(run):
    for form in ("table", "json"):
        done = run("recommend", "--users", "all", "--format", form, "--exact", code=2)
        assert "jsonl" in done.stderr
    assert "-o" in run("recommend", *GIRL, "--format", "parquet", "--exact", code=2).stderr


def test_all_users_are_answered_as_one_by_one(run, folder):
    lines = run("recommend", "--users", "all", "-k", 3).stdout.splitlines()
    assert len(lines) == 308
    for user in (1, 150, 308):
        alone = json.loads(run("recommend", "-u", user, "-k", 3, "--format", "jsonl").stdout)
        together = json.loads(lines[user - 1])
        assert together["user_id"] == user
        assert [m["movie_id"] for m in together["recommendations"]] == [
            m["movie_id"] for m in alone["recommendations"]
        ]
        np.testing.assert_allclose(
            [[m["score"], m["rating"]] for m in together["recommendations"]],
            [[m["score"], m["rating"]] for m in alone["recommendations"]],
            atol=2e-6,
        )


def test_some_users_from_a_file_or_stdin(run, tmp_path):
    (tmp_path / "ids.txt").write_text("7\n3\n7\n")
    by_file = run("recommend", "--users", tmp_path / "ids.txt", "--exact").stdout
    assert [json.loads(line)["user_id"] for line in by_file.splitlines()] == [7, 3, 7]
    assert run("recommend", "--users", "-", "--exact", input="7\n3\n7\n").stdout == by_file
    (tmp_path / "ids.txt").write_text("7\nthree\n")
    done = run("recommend", "--users", tmp_path / "ids.txt", "--exact", code=1)
    assert f"{tmp_path}/ids.txt:2: found 'three', expected" in done.stderr


def test_output_goes_to_a_file_whole_or_not_at_all(run, tmp_path):
    target = tmp_path / "all.csv"
    ask = ("recommend", "--users", "all", "-k", 2, "--exact", "--format", "csv")
    done = run(*ask, "-o", target)
    assert done.stdout == ""
    assert target.read_text("utf-8") == run(*ask).stdout
    before = target.read_bytes()
    (tmp_path / "ids").write_text("1\n99999\n")
    bad = run("recommend", "--users", tmp_path / "ids", "--exact", "-o", target, code=1)
    assert "99999" in bad.stderr
    assert target.read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} == {"all.csv", "ids"}
    run(*ask, "-o", tmp_path / "no" / "such" / "place.csv", code=1)


@pytest.mark.parametrize(
    ("given", "bracket"),
    [
        *(("1", 0), ("17", 0), ("18", 1), ("24", 1), ("25", 2), ("34", 2), ("35", 3), ("45", 4)),
        *(("50", 5), ("55", 5), ("56", 6), ("99", 6), ("under 18", 0), ("25-34", 2), ("56+", 6)),
        ("56 and over", 6),
    ],
)
def test_ages_in_years_and_brackets(run, given, bracket):
    done = run("recommend", "--age", given, "--exact", "-k", 1)
    assert done.stderr == f"for age {AGE_NAMES[bracket]}\n"


@pytest.mark.parametrize("wrong", ["0", "-3", "121", "abc", "25-35", ""])
def test_wrong_ages_list_the_right_ones(run, wrong):
    done = run("recommend", f"--age={wrong}", "--exact", code=2)
    assert all(name in done.stderr for name in AGE_NAMES)


@pytest.mark.parametrize(
    ("given", "job"),
    [
        *(("0", 0), ("20", 20), ("writer", 20), ("Writer", 20), ("wri", 20), ("farmer", 8)),
        *(("engineer", 17), ("technician/engineer", 17), ("self", 16), ("K-12", 10), ("lawy", 11)),
        ("college/grad student", 4),
    ],
)
def test_jobs_by_number_name_and_beginning(run, given, job):
    done = run("recommend", "--job", given, "--exact", "-k", 1)
    assert done.stderr == f"for job {JOBS[job]}\n"


@pytest.mark.parametrize(
    ("wrong", "why"),
    [("21", "is not one"), ("-1", "is not one"), ("wizard", "is not one"), ("", "is not one"),
],
)  # fmt: skip
def test_wrong_jobs_list_the_right_ones(run, wrong, why):
    done = run("recommend", f"--job={wrong}", "--exact", code=2)
    assert f"{wrong!r} {why} of 0 other, 1 academic/educator" in done.stderr
    assert "20 writer" in done.stderr


def test_a_job_that_may_be_two_lists_the_two(run):
    done = run("recommend", "--job", "student", "--exact", code=2)
    assert done.stderr.rstrip().endswith("may be 4 college/grad student, 10 K-12 student.")


@pytest.mark.parametrize(
    ("given", "letter"),
    [("F", "F"), ("f", "F"), ("1", "F"), ("female", "F"), ("M", "M"), ("0", "M"), ("Male", "M")],
)
def test_gender(run, given, letter):
    assert run("recommend", "-g", given, "--exact").stderr == f"for gender {letter}\n"
    assert "F, M" in run("recommend", "-g", "x", "--exact", code=2).stderr


def test_a_cold_start_user_without_profile_is_answered(run):
    done = run("recommend")
    assert done.stderr == "for a cold-start user without profile\n"
    assert len(done.stdout.splitlines()) == 6


def test_a_known_user_is_echoed_in_words(run):
    lines = (SAMPLE / "users.dat").read_text("latin-1").splitlines()
    user_id, gender, _, job, _ = lines[41].split("::")
    done = run("recommend", "-u", user_id, "--exact")
    assert done.stderr.startswith(f"for user {user_id}; gender {gender}; age ")
    assert f"job {JOBS[int(job)]}" in done.stderr


def test_an_unknown_user_is_an_error(run):
    for ask in (("-u", 309), ("-u", 0), ("--users", "-")):
        done = run("recommend", *ask, "--exact", input="309\n", code=1)
        assert "is not one of the 308 the model was trained on" in done.stderr


def test_what_a_user_rated_is_left_out(run):
    rated = {
        int(line.split("::")[1])
        for line in (SAMPLE / "ratings.dat").read_text("latin-1").splitlines()
        if line.startswith("5::")
    }
    ask = ("recommend", "-u", 5, "-k", 338, "--format", "json")
    left = {movie["movie_id"] for movie in movies_of(run(*ask).stdout)}
    assert not left & rated
    assert len(left) == 338 - len(rated)
    assert len(movies_of(run(*ask, "--include-seen").stdout)) == 338


def test_likes_by_title_or_id(run):
    by_title = run("recommend", "--like", "toy story", "--dislike", "die hard", "--format", "json")
    whole = json.loads(by_title.stdout)
    (liked,), (disliked,) = whole["user"]["likes"], whole["user"]["dislikes"]
    assert "likes Toy Story (1995); dislikes Die Hard (1988)" in by_title.stderr
    by_id = run("recommend", "--like", liked, "--dislike", disliked, "--format", "json")
    assert json.loads(by_id.stdout) == whole
    assert not {liked, disliked} & {movie["movie_id"] for movie in whole["recommendations"]}


def test_an_ambiguous_like_lists_the_candidates(run):
    done = run("recommend", "--like", "lord of the rings", "--exact", code=2)
    assert "Fellowship of the Ring, The (2001) = 141" in done.stderr
    assert "Return of the King, The (2003) = 142" in done.stderr


def test_a_like_that_is_not_there_names_near_ones(run):
    done = run("recommend", "--like", "toy starry", "--exact", code=1)
    assert "near are Toy Story (1995)" in done.stderr


def test_filters(run):
    ask = ("recommend", *GIRL, "-k", 338, "--format", "json")
    every = movies_of(run(*ask).stdout)
    cases = [
        (("--genre", "horror"), lambda f: "Horror" in f["genres"]),
        (("--genre", "War", "--genre", "Western"), lambda f: {"War", "Western"} & {*f["genres"]}),
        (
            ("--genre", "Drama", "--genre", "War", "--all-genres"),
            lambda f: {"War", "Drama"} <= {*f["genres"]},
        ),
        (("--not-genre", "Drama"), lambda f: "Drama" not in f["genres"]),
        (("--year", "1994"), lambda f: f["year"] == 1994),
        (("--year", "1980-1989"), lambda f: 1980 <= f["year"] <= 1989),
    ]
    for options, fits in cases:
        expected = [movie["movie_id"] for movie in every if fits(movie)]
        assert expected, options
        found = movies_of(run(*ask, *options).stdout)
        assert [movie["movie_id"] for movie in found] == expected, options
    assert "Film-Noir" in run("recommend", "--genre", "noir", "--exact", code=2).stderr
    assert "1999-1990" in run("recommend", "--year", "1999-1990", "--exact", code=2).stderr


def test_dash_i_publishes_first(trained, run, tmp_path):
    uri = tmp_path / "new.db"
    run("recommend", *GIRL, "--uri", uri, code=1)
    done = run("recommend", *GIRL, "--uri", uri, "-i")
    assert "published 338 movies" in done.stderr
    assert done.stdout == run("recommend", *GIRL).stdout
    assert run("recommend", *GIRL, "--uri", uri).stdout == done.stdout


def test_similar(run):
    done = run("similar", "Toy Story", "--format", "json")
    whole = json.loads(done.stdout)
    assert whole["movie_id"] not in {movie["movie_id"] for movie in whole["similar"]}
    assert whole["title"] == "Toy Story (1995)"
    assert done.stderr == "near to Toy Story (1995)\n"
    scores = [movie["score"] for movie in whole["similar"]]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 5
    for form in ("table", "csv", "json", "jsonl"):
        ask = ("similar", "Toy Story", "--format", form)
        assert run(*ask, "--exact").stdout == run(*ask).stdout


def test_predict_one_pair_by_options(run):
    header, line = run("predict", "-u", 7, "-m", "Toy Story").stdout.splitlines()
    assert header == "user_id,movie_id,rating"
    user, movie, values = line.split(",")
    assert (user, 0.5 <= float(values) <= 5) == ("7", True)
    assert run("predict", "-u", 7, "-m", movie).stdout.splitlines()[1] == line


def test_predict_many_from_stdin_or_a_file(run, tmp_path):
    pairs = "user_id,movie_id\n7,1\n3,12\n7,1\n 300 , 4 \n"
    done = run("predict", input=pairs)
    rows = [line.split(",") for line in done.stdout.splitlines()]
    assert rows[0] == ["user_id", "movie_id", "rating"]
    assert [row[:2] for row in rows[1:]] == [["7", "1"], ["3", "12"], ["7", "1"], ["300", "4"]]
    for user, movie, values in rows[1:]:
        assert run("predict", "-u", user, "-m", movie).stdout.splitlines()[1] == (
            f"{user},{movie},{values}"
        )
    (tmp_path / "pairs.csv").write_text(pairs)
    assert run("predict", "--pairs", tmp_path / "pairs.csv").stdout == done.stdout
    assert run("predict", "--pairs", "-", input=pairs).stdout == done.stdout
    assert run("predict", input="").stdout == "user_id,movie_id,rating\n"


def test_ratings_of_predict_are_those_of_recommend(run):
    movies = movies_of(run("recommend", "-u", 9, "--format", "json").stdout)
    pairs = "".join(f"9,{movie['movie_id']}\n" for movie in movies)
    rows = run("predict", input=pairs).stdout.splitlines()[1:]
    np.testing.assert_allclose(
        [float(row.split(",")[2]) for row in rows], [movie["rating"] for movie in movies], atol=1e-4
    )


@pytest.mark.parametrize("line", ["7", "7,1,3", "7,x", "x,1", "7;1", "-7,1", "7,1.0", ""])
def test_a_bad_pair_is_named_by_its_line(run, tmp_path, line):
    (tmp_path / "pairs.csv").write_text(f"7,1\n{line}\n")
    done = run("predict", "--pairs", tmp_path / "pairs.csv", code=1)
    assert done.stderr.startswith(f"recsys: {tmp_path}/pairs.csv:2: found {line!r}, expected")
    assert done.stdout == ""


def test_predict_of_an_unknown_user_or_movie(run):
    assert "user 999 is not one" in run("predict", input="999,1\n", code=1).stderr
    assert "movie 9999 is not one" in run("predict", input="1,9999\n", code=1).stderr
    assert "no movie is called" in run("predict", "-u", 1, "-m", "9999", code=1).stderr


@pytest.mark.parametrize("half", [("-u", "1"), ("-m", "1"), ("-u", "1", "-m", "1", "--pairs", "x")])
def test_predict_takes_whole_pairs(run, half):
    run("predict", *half, code=2)


def test_numbers_beyond_all_ids_are_refused(run):
    huge = str(10**30)
    assert "is not a user id" in run("recommend", "-u", huge, "--exact", code=2).stderr
    assert "-:1: found" in run("predict", input=f"{huge},1\n", code=1).stderr
    asked = run("recommend", "--users", "-", "--exact", input=f"{huge}\n", code=1)
    assert "-:1: found" in asked.stderr

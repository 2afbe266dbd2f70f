"""recommend: its numbers, formats, filters, who is asked for and what is left out."""

import json
import re
import shlex

import numpy as np
import pytest
from command_line import SAMPLE, output, recsys

GIRL = ("--age", "1", "--gender", "F", "--job", "10")


TOWERS = """
import json, sys
import numpy as np, paddle
inputs = dict(np.load(sys.argv[2], allow_pickle=False))
def vectors(tower):
    names = [name for name, *_ in json.load(open(f"{sys.argv[1]}/config.json"))["inputs"][tower]]
    heads = paddle.jit.load(f"{sys.argv[1]}/{tower}")(*[paddle.to_tensor(inputs[n]) for n in names])
    return np.concatenate([head.numpy() for head in heads], 1)
users, movies = vectors("user_tower"), vectors("movie_tower")
assert not [name for name in sys.modules if name.split(".")[0] == "recsys"]
np.savez(sys.argv[2], users=users, movies=movies)
"""


def padded(lists):
    longest = max(map(len, lists))
    return np.array([[*each, *[-1] * (longest - len(each))] for each in lists])


def by_plain_paddle(model, scratch, **profile):
    """Ids, scores and ratings of all movies, best first, by the exported towers and NumPy alone."""
    files = ("vocabulary", "movies", "config")
    known, movies, config = (json.loads((model / f"{n}.json").read_text("utf-8")) for n in files)
    row = {each: n for name in ("movie_ids", "words") for n, each in enumerate(known[name], 1)}
    genre = {each: n for n, each in enumerate(known["genres"], 1)}
    none = np.zeros((1, 1), np.float32)
    np.savez(
        scratch / "towers.npz",
        **{name: np.array([code]) for name, code in {"user": 0, **profile}.items()},
        **{"history": none.astype(np.int64), "ratings": none, "recency": none},
        movie=np.array([row[movie[0]] for movie in movies]),
        genres=padded([[genre[each] for each in movie[2]] for movie in movies]),
        title=padded([[row[word] for word in re.findall(r"\w+", m[1].lower())] for m in movies]),
    )
    output("-c", TOWERS, str(model), str(scratch / "towers.npz"))
    heads = np.load(scratch / "towers.npz", allow_pickle=False)
    parts = np.split(heads["movies"] * heads["users"], 2, axis=1)
    slices = dict(zip(("retrieval", "rating"), (part.sum(1) for part in parts), strict=True))

    def table(name):
        return np.load(model / "arrays" / f"{name}.npy")

    user = table("ease/bias") + sum(table(f"ease/user_{name}")[n] for name, n in profile.items())
    slices["ease"] = table("ease/ease")[1:] @ (user / np.linalg.norm(user))
    sizes = {"gender": 2, "age": 7, "job": 21}
    features = [1.0, *(0.3 * (profile[n] == code + 1) for n in sizes for code in range(sizes[n]))]
    means = np.array(features) @ table("factors/weights")[: len(features)]  # no history: others 0
    _, mean, scale, radius = table("factors/noise").tolist()
    query = [*(scale * means[:-1]), scale, mean + scale * means[-1]]
    slices["factors"] = table("factors/factors")[1:] @ np.array(query) * radius
    shown = [name for name in ("popular", "recent") if name in config["layout"]]
    slices |= {name: table(f"popular/{name}")[1:, 0] for name in shown}
    score, predicted = (
        sum(weight * slices[name] for name, weight in weighed.items() if "." not in name)
        for weighed in (config["weights"]["relevance"]["profile"], config["weights"]["rating"])
    )
    order = np.argsort(-score)
    return np.array([movie[0] for movie in movies])[order], score[order], predicted[order]


@pytest.mark.slow  # a process of its own loads Paddle
def test_five_movies_as_an_independent_computation_has_them(trained, apart, tmp_path):
    """train, preprocess, load-movies and recommend: the numbers are those of the towers."""
    ids, scores, ratings = by_plain_paddle(trained.model, tmp_path, gender=2, age=1, job=11)
    asked = recsys("recommend", *GIRL, cwd=apart)
    assert asked.returncode == 0, asked.stderr
    header, *lines = [re.split(r"\s{2,}", line.strip()) for line in asked.stdout.splitlines()]
    assert header == ["Top", "Ids", "Title", "Genres", "Score", "Rating"]
    assert [int(line[0]) for line in lines] == [1, 2, 3, 4, 5]
    assert [int(line[1]) for line in lines] == ids[:5].tolist()
    np.testing.assert_allclose([float(line[4]) for line in lines], scores[:5], atol=1e-4)
    np.testing.assert_allclose([float(line[5]) for line in lines], ratings[:5], atol=1e-4)


def test_exact_gives_the_same_answer(run):
    for form in ("table", "json", "csv"):
        for more in (("--rank-by", "rating"), ("--genre", "Drama", "--year", "1990-1999")):
            ask = ("recommend", *GIRL, "--format", form, *more)
            assert run(*ask, "--exact").stdout == run(*ask).stdout


def test_many_users_are_answered_as_one_by_one(run, tmp_path, monkeypatch):
    lines = run("recommend", "--users", "all", "-k", 3).stdout.splitlines()
    assert len(lines) == 308
    for user in (1, 150, 308):
        alone = json.loads(run("recommend", "-u", user, "-k", 3, "--format", "jsonl").stdout)
        together = json.loads(lines[user - 1])
        assert together["user_id"] == user
        for one, other in zip(together["recommendations"], alone["recommendations"], strict=True):
            assert one["movie_id"] == other["movie_id"]
            assert one["score"] == pytest.approx(other["score"], abs=2e-6)
            assert one["rating"] == pytest.approx(other["rating"], abs=2e-6)
    (tmp_path / "ids").write_bytes(b"\xef\xbb\xbf7\r\n3\r\n7\n")
    by_file = run("recommend", "--users", tmp_path / "ids", "--exact").stdout
    assert [json.loads(line)["user_id"] for line in by_file.splitlines()] == [7, 3, 7]
    assert run("recommend", "--users", "-", "--exact", input="7\n3\n7\n").stdout == by_file
    monkeypatch.delattr("recsys.milvus_store.MilvusStore.search")  # movies are read once for all
    assert run("recommend", "--users", "all", "-k", 3).stdout.splitlines() == lines


def test_output_goes_to_a_file_complete_or_not_at_all(run, tmp_path):
    """The file's ending is the format."""
    target = tmp_path / "all.csv"
    assert run("recommend", "--users", "all", "-k", 2, "--exact", "-o", target).stdout == ""
    ask = ("recommend", "--users", "all", "-k", 2, "--exact", "--format", "csv")
    assert (before := target.read_text("utf-8")) == run(*ask).stdout
    (tmp_path / "ids").write_text("1\nx\n")
    done = run("recommend", "--users", tmp_path / "ids", "--exact", "-o", target, code=1)
    assert f"{tmp_path}/ids:2: found 'x', expected a user id" in done.stderr
    assert target.read_text("utf-8") == before
    assert {file.name for file in tmp_path.iterdir()} == {"all.csv", "ids"}
    for ending in ("csv", "json", "jsonl"):
        run("recommend", "--exact", "-o", target.with_suffix(f".{ending}"))
        by_name = target.with_suffix(f".{ending}").read_text("utf-8")
        assert by_name == run("recommend", "--exact", "--format", ending.upper()).stdout
    run("recommend", "--users", "all", "--exact", "-o", tmp_path / "x.parquet")
    assert (tmp_path / "x.parquet").read_bytes().startswith(b"PAR1")


def test_as_of_a_time_later_ratings_are_not_known(run, folder):
    """What was rated since may be recommended again; the same time, the same answer."""
    movies, _, times = folder.history.of(int(folder.vocabulary.user_rows([11])[0]))
    time = int(np.sort(times)[len(times) // 2])
    ids = folder.vocabulary.movie_ids[movies - 1]
    since, known = set(ids[times > time].tolist()), set(ids[times <= time].tolist())
    ask = ("recommend", "-u", 11, "-k", 338, "--format", "csv")
    then = run(*ask, "--as-of", time).stdout
    listed = {int(line.split(",")[2]) for line in then.splitlines()[1:]}
    assert len(since) > 1
    assert since <= listed
    assert not known & listed
    assert run(*ask, "--as-of", time).stdout == then != run(*ask).stdout
    ask = ("recommend", "--exact", "-u", 11, "--format", "csv", "--as-of")
    year = run(*ask, 1990)
    assert "for user 11; as of 1990-01-01 00:00" in year.stderr
    assert year.stdout == run(*ask, "1990-01-01").stdout == run(*ask, 631152000).stdout


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("", 0, "for a cold-start user without profile\n"),
        ("-u 309", 2, "user 309 is not one of the 308 the model was trained on"),
        ("-u 0", 2, "user 0 is not one of the 308 the model was trained on"),
        (f"-u {10**30}", 2, "is not a user id"),
        ("-u 42,43", 2, "several are lines of a file for --users"),
        ("-a 0", 2, "code 0 of the tutorial is age 1 (under 18)"),
        (
            "-a 1",
            0,
            "age 1 is in years; code 1 of the tutorial is age 18 (18-24)\nfor age under 18",
        ),
        ("-a 3", 0, "age 3 is in years; code 3 of the tutorial is age 35 (35-44)\n"),
        ("-a 6", 0, "age 6 is in years; code 6 of the tutorial is age 56 (56 and over)\n"),
        ("-a 7 -g 1", 0, "for gender F; age under 18\n"),
        ("--age 25 --rank-by taste", 2, "name a movie the user likes: --like"),
        ("--like 1 --rank-by taste", 0, "for likes Toy Story (1995) (id 1)\n"),
        ("--year 1801", 0, "no movie fits\n"),
        ("--year 80", 2, "a decade like 1980s"),
        ("--year 20s", 2, "'20s' may be 1920s or 2020s"),
        ("--year 1999-1990", 2, "1999-1990"),
        ("--year 2090", 0, "the model's movies are of 19"),
        ("--genre noir", 2, "Film-Noir"),
        ("--users /dev/null", 0, "/dev/null: empty"),
        ("--users 42,43", 1, "name another, with a line for each"),
        ("--where year=1990", 2, "found '=', equality is =="),
        ("--where 'genres == \"War\"'", 2, 'as array_contains(genres, "'),
        ("--like 'toy storie'", 2, "near are Toy Story (1995) = 1"),
        ("--like heat,casino", 2, "or the id as id:N, one movie at a time"),
        ("--like 'toy story' --like 1", 0, "likes Toy Story (1995) (id 1)\n"),
        ("--like 'Toy Story' --dislike id:1", 2, "is both liked and disliked; name it once"),
        ("--max-per genre=2 --max-per genre=3", 2, "--max-per is given twice for 'genre'"),
        ("--format csv -o x.parquet", 2, "x.parquet is to be parquet by its name, not csv"),
        (f"--model {SAMPLE}", 1, "no config.json there, so it is no model; name another: --model"),
    ],
)
def test_a_line_on_stderr_says_what_was_understood_or_what_to_do(run, line, code, words):
    assert words in run("recommend", "--exact", *shlex.split(line), code=code).stderr


def test_likes_by_title_or_id(run):
    ask = ("recommend", "--exact", "--format", "json")
    by_title = run(*ask, "--like", "toy story", "--dislike", "die hard")
    found = json.loads(by_title.stdout)
    (liked,), (disliked,) = found["user"]["likes"], found["user"]["dislikes"]
    assert "likes Toy Story (1995) (id 1); dislikes Die Hard (1988) (id " in by_title.stderr
    assert found["user"]["liked_titles"] == ["Toy Story (1995)"]
    assert found["user"]["disliked_titles"] == ["Die Hard (1988)"]
    by_id = run(*ask, "--like", liked, "--dislike", disliked)
    assert json.loads(by_id.stdout) == found
    assert not {liked, disliked} & {movie["movie_id"] for movie in found["recommendations"]}


def test_an_unknown_user_of_many_is_named_and_the_others_are_answered(run, tmp_path):
    ids = "\n".join(map(str, range(99_001, 99_012)))
    (tmp_path / "ids").write_text(f"1\n{ids}\n2\n")
    ask = ("recommend", "--users", tmp_path / "ids", "--exact")
    done = run(*ask, "-o", tmp_path / "out", code=3)
    answers = (tmp_path / "out").read_text()
    assert [json.loads(line)["user_id"] for line in answers.splitlines()] == [1, 2]
    first, *_, last = lines = done.stderr.splitlines()
    assert first == "recsys: user 99001 is not one the model was trained on"
    assert last == "recsys: 11 of 13 left out, as unknown"
    assert len(lines) == 11
    (tmp_path / "ids").write_text("age,userId\n20,1\n30,2\n")
    assert run(*ask).stdout == answers


@pytest.mark.parametrize("exact", [("--exact",), ()])
def test_unknown_movies_of_a_choice_are_counted(run, exact):
    for option, code in (("--only", 1), ("--exclude", 3)):
        done = run("recommend", option, "99999", *exact, "--format", "csv", code=code)
        assert done.stderr.splitlines()[0] == (
            "recsys: movie 99999 is not one the model was trained on"
        )
        assert done.stderr.splitlines()[-1] == "recsys: 1 of 1 left out, as unknown"
        assert (len(done.stdout.splitlines()) == 6) is (code == 3)


FILTERS = [
    ("--genre horror", lambda movie: "Horror" in movie["genres"]),
    ("--genre War --genre Western", lambda movie: {"War", "Western"} & {*movie["genres"]}),
    ("--genre war,western", lambda movie: {"War", "Western"} & {*movie["genres"]}),
    ("--genre scifi", lambda movie: "Sci-Fi" in movie["genres"]),
    ("--genre Drama --genre War --all-genres", lambda m: {"War", "Drama"} <= {*m["genres"]}),
    ("--not-genre Drama", lambda movie: "Drama" not in movie["genres"]),
    ("--year 1994", lambda movie: movie["year"] == 1994),
    ("--year 1980-1989", lambda movie: 1980 <= movie["year"] <= 1989),
    ("--year 1980s", lambda movie: 1980 <= movie["year"] <= 1989),
    ("--year 80s", lambda movie: 1980 <= movie["year"] <= 1989),
    ("--year 1995-", lambda movie: movie["year"] >= 1995),
    ("--year -1950", lambda movie: 0 < movie["year"] <= 1950),
    ("--year 80s-1991", lambda movie: 1980 <= movie["year"] <= 1991),
]


def test_filters(run):
    ask = ("recommend", *GIRL, "-k", 338, "--format", "json")
    every = json.loads(run(*ask).stdout)["recommendations"]
    for options, fits in FILTERS:
        expected = [movie for movie in every if fits(movie)]
        found = json.loads(run(*ask, *options.split()).stdout)["recommendations"]
        ids = [[movie["movie_id"] for movie in each] for each in (expected, found)]
        assert ids[0] == ids[1] != [], options


def test_dash_i_publishes_first(run, tmp_path):
    uri = tmp_path / "new.db"
    run("recommend", *GIRL, "--uri", uri, code=1)
    done = run("recommend", *GIRL, "--uri", uri, "-i")
    assert "published 338 movies" in done.stderr
    assert done.stdout == run("recommend", *GIRL).stdout
    assert run("recommend", *GIRL, "--uri", uri).stdout == done.stdout

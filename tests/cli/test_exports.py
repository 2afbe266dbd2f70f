"""recommend --ratings: what one person rated elsewhere."""

import json
from types import SimpleNamespace

import pytest

from recsys.cli.exports import ratings_of
from recsys.cli.typed import Known
from recsys.data.scale import Scale
from recsys.infer import UserQuery

IMDB = "Const,Your Rating,Date Rated,Title,Original Title,IMDb Rating,Year\n"
BOXD = "Date,Name,Year,Letterboxd URI,Rating\n"
LENS = "movie_id,imdb_id,tmdb_id,rating,average_rating,title\n"


@pytest.fixture
def known(exact):
    """Name, year and title of three movies."""
    movies = exact.model.movies
    found = [(t[:-7], t[-5:-1], t, i) for t, i in zip(movies.titles, movies.ids, strict=True)]
    return [each for each in found if "," not in each[0] and "(" not in each[0]][:3]


def answer(run, text, *options, code=0):
    done = run("recommend", "--ratings", "-", "--exact", *options, input=text, code=code)
    return done, json.loads(done.stdout)["recommendations"] if code == 0 else []


@pytest.mark.parametrize(
    ("header", "line", "stars"),
    [
        (IMDB, "tt1,{ten},2024-03-01,{name},{name},1.5,{year}\n", (5.0, 3.5, 0.5)),
        (BOXD, "2024-03-01,{name},{year},https://boxd.it/1,{five}\n", (5, 3.5, 0.5)),
        (LENS, '99999,1,2,{five},3.3,"{title}"\n', (5, 3.5, 0.5)),
        ("title,rating,timestamp\n", '"{title}",{five},1709251200\n', (5, 3.5, 0.5)),
        ("movieId,rating\n", "{id},{five}\n", (5, 3.5, 0.5)),
    ],
)
def test_ratings_of_elsewhere_are_ratings_here(run, exact, known, header, line, stars):
    scales = zip((10, 7, 1), (5, 3.5, 0.5), known, strict=True)
    lines = [
        line.format(ten=ten, five=five, name=name, year=year, title=title, id=movie_id)
        for ten, five, (name, year, title, movie_id) in scales
    ]
    done, shown = answer(run, header + "".join(lines), "--format", "json", "-a", "25")
    rated = [(int(each[3]), s) for each, s in zip(known, stars, strict=True)]
    (found,) = exact.recommend([UserQuery(attributes={"age": 25}, rated=rated)], 5)
    assert [each["movie_id"] for each in shown] == [each.movie_id for each in found]
    assert [each["score"] for each in shown] == [round(each.score, 6) for each in found]
    assert done.stderr == "for age 25-34; 3 ratings\n"


def test_what_is_not_known_or_not_rated_is_left_out_and_said(run, known):
    name, year, *_ = known[0]
    text = BOXD + f"x,{name},{int(year) + 1},u,4\nx,No Such Film,2023,u,5\nx,{known[1][0]},,u,\n"
    done, _ = answer(run, text, "--format", "json")
    unknown, whom = done.stderr.splitlines()
    assert unknown == "-: 1 movies that the model does not know: No Such Film (2023)"
    assert whom == "for 1 ratings"


def test_to_a_model_of_events_only_likes_are_events(exact, known, tmp_path):
    events = Known(SimpleNamespace(movies=exact.model.movies, scale=Scale(rated=False)))
    lines = [f"x,{name},{year},u,{3 + n}\n" for n, (name, year, *_) in enumerate(known)]
    (tmp_path / "ratings.csv").write_text(BOXD + "".join(lines))
    found = ratings_of(str(tmp_path / "ratings.csv"), events)
    assert [each[0] for each in found] == [each[3] for each in known[1:]]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "-: the first line names no columns of titles and ratings"),
        ("a,b\n1,2\n", "-: the first line names no columns of titles and ratings"),
        (BOXD, "-: no rating of a movie that the model knows"),
        (BOXD + "x,Heat,1995,u,7\n", "-:2: found '7', expected a rating"),
        (BOXD + "x,Heat,1995,u,good\n", "-:2: found 'good', expected a rating"),
        *(
            (BOXD + 'x,"Two\nlines",1995,u,\nx,"Heat,1995,u,5\n' + more, "-:4: no row of CSV, such")
            for more in ("", "x,Heat,1995,u,5\n" * 70_000)
        ),
    ],
)
def test_a_file_that_is_no_export_is_refused(run, text, error):
    done, _ = answer(run, text, code=1)
    assert error in done.stderr

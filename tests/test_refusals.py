"""What the library refuses as the command line does: a RecsysError that names what is wrong."""

import dataclasses
import re
from types import SimpleNamespace

import numpy as np
import pandas
import pyarrow
import pytest
from answers import MOVIES, ids, one, vectors_of
from command_line import SAMPLE

import recsys
from recsys import Columns, Filter, Options, UserQuery
from recsys.errors import QueryError, RecsysError
from recsys.infer import BATCH

ABSENT = 99999
NAN = float("nan")


def refused(call, *given, **more):
    with pytest.raises(RecsysError) as error:
        call(*given, **more)
    return str(error.value)


ANY_IDS = "movie .*: ids are whole|movie ids .*: expected a list of ids"


@pytest.mark.parametrize(
    ("name", "says", "values"),
    [
        ("user_id", "user .*: ids are whole numbers here; give one such as .1", ["42", 10**30]),
        ("user_id", r"user \S+: ids are whole", [42.0, True, [42], NAN, b"42", {}]),
        ("user_id", "user .* is not one of the 308 the model was trained on", [0, 309, -1, 10**12]),
        ("likes", "movie 99999 is not published; name another", [(1, ABSENT)]),
        ("likes", ANY_IDS, [50, None, "Heat", ("Heat",), b"50", {50: 1}, [[50]], [True]]),
        ("likes", ANY_IDS, [np.int64(50), np.array(5)]),
        ("dislikes", "movie 99999 is not published; name another", [(ABSENT,)]),
        ("dislikes", ANY_IDS, [50, "50", [None], [50.0]]),
        ("rated", "movie 99999 is not one the model was trained on", [((ABSENT, 4, 0),)]),
        ("rated", "rating .*: the model's are 0.5 to 5; give one of that", [((1, 9, 0),)]),
        ("rated", "rating .*: the model's are", [((1, NAN, 0),), ((1, "4", 0),), [(50, True)]]),
        ("rated", "rated .*: expected .movie id, rating", [None, 5, "abc", [50], (50, 5, 1)]),
        ("rated", "rated .*: expected .movie id, rating", [{50: 5}, [(50,)], [(50, 5, 1, 2)]]),
        ("rated", "movie .50.|rated 'a'", [[([50], 5)], pandas.DataFrame({"a": [1]})]),
        ("rated", "rated at .*: expected a time in seconds",
         [[(50, 5, each)] for each in (None, NAN, 978300000000, "2001-01-01", 1e30, [1])]),
        ("attributes", "attributes .*: expected Mapping", [None, [], "age=25", [("age", 25)]]),
        ("attributes", "knows no 1|age: no user is", [{1: 2}, {"age": None}, {"age": [25]}]),
        ("attributes", "age: no user is '0', there are under 18, .* or a number", [{"age": 0}]),
        ("attributes", "gender: no user is 'x', there are M, F; name one of", [{"gender": "x"}]),
        ("attributes", "job: no user is 'stu', near are .*, K-12 student", [{"job": "stu"}]),
        ("attributes", "no city of its users; .* gender, age, job", [{"city": "Oslo"}]),
        ("as_of", "as_of .*: expected a time in seconds since 1970",
         ["1998-04-01", NAN, True, 2**70, 978300000000, pandas.Timestamp("2001-01-01"), [1]]),
    ],
)  # fmt: skip
def test_a_value_of_a_query_that_is_none_is_named_at_the_call(exact, name, says, values):
    for value in values:
        for before in (0, BATCH):
            with pytest.raises(QueryError, match=says):
                exact.recommend([UserQuery()] * before + [UserQuery(**{name: value})], 3)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"k": 0}, "k '0': expected a whole number from 1 on"),
        ({"rank_by": "ratings"}, "no 'ratings'; choose from relevance, rating, tutorial, taste"),
        ({"filter": Filter(any_genre="Comedie")}, "no genre 'Comedie'; there are .*Comedy"),
        ({"filter": Filter(not_genres=["War", "Waar"])}, "no genre 'Waar'"),
        ({"filter": Filter(where="yaer > 3")}, "where: no column yaer, near are year"),
    ],
)
def test_a_question_that_cannot_be_meant(exact, milvus, asked, says):
    for recommender in (exact, milvus):
        with pytest.raises(QueryError, match=says):
            one(recommender, UserQuery(3), **{"k": 5, **asked})
        if "rank_by" not in asked:
            with pytest.raises(QueryError, match=says):
                recommender.similar(1, **{"k": 5, **asked})


def test_what_is_no_query_or_question_is_named_at_the_call(exact):
    for queries in (None, 42, "42", UserQuery(42), [42], [None], {"user_id": 42}, [(42,)]):
        assert re.search("recsys.UserQuery|query", refused(exact.recommend, queries, 3))
    both = UserQuery(likes=(2, 1), dislikes=(1,))
    assert "Toy Story (1995) is both liked and" in refused(exact.recommend, [both], 3)
    woman, rated = UserQuery(attributes={"gender": "x"}), UserQuery(rated=[(ABSENT, 4)])
    for last in (UserQuery(309), UserQuery(likes=[ABSENT]), rated, woman, both):  # of many
        refused(exact.recommend, [UserQuery(1)] * 150 + [last], 3)
    for name, values in {"k": [True, 2**70, None], "rank_by": [[]], "include_seen": ["no"],
                         "filter": [None, "Comedy"]}.items():  # fmt: skip
        for value in values:
            asked = {"k": 3, name: value}
            assert refused(exact.recommend, [UserQuery()], **asked).startswith(name)
    assert refused(exact.similar, True, 3).startswith("movie True: ids are whole numbers")
    for name in ("any_genre", "all_genres", "not_genres"):
        for value in (5, None, [5], b"War", {"War": 1}):
            assert refused(Filter, **{name: value}).startswith(name)
    for value in ("1990-1999", (1990,), (None, 1999), 1995.5, (1990, NAN), True, -5, range(3)):
        assert refused(Filter, years=value).startswith("years")
    for value in (5, ["year > 1"], b"year > 1"):
        assert refused(Filter, where=value).startswith("where")
    assert Filter(years=np.array([1990, 1999])) == Filter(years=(np.int64(1990), 1999))


def test_likes_may_be_any_collection_and_are_read_once(exact):
    expected = ids(one(exact, UserQuery(likes=[50, 1])))
    for likes in (iter([50, 1]), map(int, ["50", "1"]), {50, 1}, np.array([50, 1]),
                  pandas.Series([50, 1], dtype="Int64"), pyarrow.array([50, 1])):  # fmt: skip
        assert ids(one(exact, UserQuery(likes=likes))) == expected
    queries = (UserQuery(each) for each in (1, 2))
    assert [each.query.user_id for each in exact.recommend(queries, 3)] == [1, 2]


def test_of_ratings_of_one_movie_the_latest_counts(exact, folder):
    def answer(user, *rated, as_of=None):
        found = one(exact, UserQuery(user, rated=rated, as_of=as_of))
        return [(each.movie_id, each.score) for each in found]

    low, first, last = answer(None, (50, 1, 2000)), (50, 5, 1000), (50, 1, 2000)
    assert low == answer(None, first, last) == answer(None, last, first) != answer(None, first)
    assert answer(None, (50, 5, 2000), (50, 1)) == answer(None, (50, 1))  # of now
    assert answer(None, (50, 1), as_of=3000) == answer(None, (50, 1, 3000), as_of=3000)
    movie, value, time = (column[0] for column in folder.history.of(42))
    movie_id = int(folder.movies.ids[movie - 1])
    other = 1 if value > 3 else 5
    before, after = (answer(42, (movie_id, other, int(time) + shift)) for shift in (-1, 1))
    assert before == answer(42) != after  # what the model knows is newer than the first


def test_movies_of_another_model_are_refused(folder, exact, another_model, store):
    other = recsys.load_model(another_model)
    movies = recsys.catalogue(other)
    for given in (lambda: recsys.Recommender(folder, movies),
                  lambda: recsys.predict(folder, [1], [1984], published=movies),
                  lambda: store.publish(movies, folder.fingerprint)):  # fmt: skip
        assert f"{other.fingerprint}, not of {folder.fingerprint}" in refused(given)
    for given in (None, "x.db", folder):
        assert refused(recsys.Recommender, folder, given).startswith("store")
        assert refused(store.publish, given, "abc").startswith("catalogue")
    store.publish(exact.store, folder.fingerprint)
    mine = recsys.Recommender(folder, store)
    assert ids(one(mine, UserQuery(42))) == ids(one(exact, UserQuery(42)))
    assert "publish the movies of this model" in refused(recsys.Recommender, other, store)
    store.publish(movies, other.fingerprint, keep=0)
    theirs = recsys.Recommender(other, store)
    in_memory = recsys.Recommender(other, movies)
    assert ids(one(theirs, UserQuery(), 3)) == ids(one(in_memory, UserQuery(), 3))
    for question in (lambda: one(mine, UserQuery(42)), lambda: mine.similar(1, 3)):
        assert "publish the movies of this model" in refused(question)


def test_filters_are_understood_as_typed(exact, milvus, folder):
    plain = Filter(any_genre=("Comedy", "War"), years=(1990, 1990))
    typed = Filter(any_genre=["comedy", "WAR"], years=1990)
    text = Filter(any_genre="Comedy", where="year >= 1990")
    for recommender in (exact, milvus):
        answers = [one(recommender, UserQuery(), 9, filter=each) for each in (plain, typed)]
        assert ids(answers[0]) == ids(answers[1]) != []
        found = one(recommender, UserQuery(), 9, filter=text)
        assert found
        assert all("Comedy" in each.genres and each.year >= 1990 for each in found)
        hits = recommender.store.search(vectors_of(folder, UserQuery()), 9, text)
        assert hits.movie_ids[0].tolist() == ids(found)
        assert recommender.similar(1, 5, Filter(any_genre="war"))
    with pytest.raises(QueryError, match="years 1999 to 1990 end before they begin"):
        Filter(years=(1999, 1990))


def test_what_a_new_user_has_rated_is_not_recommended(exact):
    rated = ((1, 5.0, 100), (2, 1.5, 200))
    answer = one(exact, UserQuery(rated=rated), MOVIES)
    assert not {1, 2} & {*ids(answer)}
    assert len(answer) == MOVIES - 2
    assert 1 in ids(one(exact, UserQuery(rated=rated), MOVIES, include_seen=True))


@pytest.mark.parametrize(
    ("users", "movies", "says"),
    [
        ([1, 2], [1], "2 users and 1 movies are no pairs"),
        (["1"], [1], "user '1': ids are whole numbers here"),
        ([1], np.array([NAN]), "movie nan: ids are whole numbers here"),
        ([1], [ABSENT], "movie 99999 is not one the model was trained on"),
        ([ABSENT], [1], "user 99999 is not one of the 308"),
        (42, 50, "user ids '42': expected a list of ids"),
        ([1], None, "movie ids 'None': expected a list of ids"),
        ([1], [True], "movie True: ids are whole numbers here"),
    ],
)
def test_pairs_that_are_none(folder, users, movies, says):
    with pytest.raises(QueryError, match=says):
        recsys.predict(folder, users, movies)


def test_to_a_model_of_text_numbers_are_no_ids(tmp_path):
    rows = [(f"u{user}", f"m{user * n % 7}", 3) for user in range(1, 9) for n in (1, 2, 3)]
    log: list[str] = []
    frame = pandas.DataFrame(rows, columns=["user", "item", "rating"])
    options = Options(epochs=1, dimension=2, ease_rank=2, taste_rank=2)
    model = recsys.train_model(frame, tmp_path / "model", options, validation=0, log=log.append)
    assert any("every rating is a like, or none is" in line for line in log)
    assert recsys.predict(model, ["u1"], ["m1"]).shape == (1,)
    recommender = recsys.Recommender(model, recsys.catalogue(model))
    with pytest.raises(QueryError, match="leave the id out and give likes") as refused:
        one(recommender, UserQuery("nobody"))
    assert refused.value.fix == "like"
    with pytest.raises(QueryError, match="user 1: ids are text here; give one"):
        recsys.predict(model, [1], ["m1"])


def test_options_out_of_their_range_and_numbers_of_numpy():
    for name, value, says in [
        ("epochs", 0, "epochs '0': expected a whole number from 1"),
        ("epochs", 2.5, "epochs '2.5': expected a whole number from 1"),
        ("epochs", True, "epochs 'True': expected a whole number"),
        ("dimension", -3, "dimension '-3': expected a whole number from 1 to 4096"),
        ("drop_user", 1.2, "drop_user '1.2': expected a number from 0 to 1"),
        ("learning_rate", NAN, "learning_rate 'nan': expected a number from"),
        ("few_likes", float("inf"), "few_likes 'inf': expected a number from 0"),
        ("weight_decay", "1", "weight_decay '1': expected a number"),
    ]:
        assert says in refused(Options, **{name: value})
        assert says in refused(dataclasses.replace, Options(), **{name: value})
    assert Options(epochs=np.int64(3), few_likes=2) == Options(epochs=3, few_likes=2.0)
    assert type(Options(epochs=np.int64(3)).epochs) is int
    said = refused(recsys.MilvusAddress, timeout=0)
    assert said.startswith("timeout '0': expected a number from 0.001")
    assert refused(recsys.MilvusAddress, token=b"hunter2").startswith("token 'bytes': expected a t")


def test_what_a_function_is_not_given_is_named():
    dataset = recsys.read_dataset(SAMPLE)
    for call, given, names in [
        (recsys.load_model, {}, {"path": [None, 5, b"x"]}),
        (recsys.train_model, {"data": SAMPLE}, {
            "model": [None, 5], "options": [None, {"epochs": 1}], "device": [5], "log": [None],
            "validation": ["0.1", True, NAN, 1.5],
        }),
        (recsys.catalogue, {"model": 0}, {"model": [None, "path", 5]}),
        (recsys.predict, {"user_ids": [1], "movie_ids": [1]}, {"model": [None, "path"]}),
        (recsys.evaluate, {"dataset": dataset, "protocol": "random"}, {
            "dataset": [None, SAMPLE], "protocol": ["few", None], "options": [{}], "log": [None],
            "seeds": [0, ["a"], [-1], [True]], "likes": ["5", 0, -1], "indexes": ["FLAT", None],
            "compared": [None],
        }),
        (recsys.read_dataset, {"data": SAMPLE}, {
            "liked_from": ["4", [4], True], "not_rated": [[1], NAN, "zero"], "repeats": [[]],
            "skip_bad_lines": [[]], "columns": [None, "user_id", {"user": "id"}], "log": [None],
        }),
    ]:  # fmt: skip
        for name, values in names.items():
            for value in values:
                assert refused(call, **{**given, name: value}).startswith(name)
    ratings = dataclasses.replace(dataset.ratings, times=0 * dataset.ratings.times)
    rows = recsys.evaluate(dataclasses.replace(dataset, ratings=ratings), "new-movies")
    assert "15610 ratings have no times, or all the same" in refused(next, rows)


CSV = "user_id,item_id,rating,timestamp,note\n" + "".join(
    f"u{n % 8 + 1},{10 * (n % 5 + 1)},{n % 5 + 1},{978301000 + n},x\n" for n in range(40)
)
ITEMS = "item_id,title,genres,price\n" + "".join(
    f"{10 * n},Thing {n} (199{n}),{'A|B' if n % 2 else 'B'},{n}.5\n" for n in range(1, 6)
)


def streamed(table):
    """What polars and others have, and texts as polars gives them."""
    types = [pyarrow.string_view() if f.type == "string" else f.type for f in table.schema]
    table = table.cast(pyarrow.schema(zip(table.column_names, types, strict=True)))
    return SimpleNamespace(__arrow_c_stream__=table.__arrow_c_stream__)


@pytest.mark.parametrize("as_frame", [lambda t: t.to_pandas(), lambda t: t, streamed])
def test_dataframes_are_read_as_files_are(tmp_path, as_frame):
    from pyarrow import csv

    paths = [tmp_path / name for name in ("ratings.csv", "items.csv")]
    for path, text in zip(paths, (CSV, ITEMS), strict=True):
        path.write_text(text)
    read = recsys.read_dataset(tmp_path)
    frames = [as_frame(csv.read_csv(path)) for path in paths]
    log = []
    found = recsys.read_dataset(frames[0], items=frames[1], log=log.append)
    for name in ("ratings", "movies", "users"):
        for column in dataclasses.fields(getattr(read, name)):
            mine, other = (getattr(getattr(each, name), column.name) for each in (found, read))
            assert np.array_equal(mine, other) if isinstance(mine, np.ndarray) else True
    assert found.movies.titles == read.movies.titles
    assert found.user_names.tolist() == read.user_names.tolist()
    assert found.movies.columns["price"].value(0) == 1.5
    assert any(line.startswith("user: user_id (8, text)") for line in log)
    assert recsys.read_movies(frames[1]).titles == recsys.read_movies(paths[1]).titles


def test_a_pandas_table_of_any_kind():
    frame = pandas.DataFrame(np.array([[1, 10, 4, 100], [2, 10, 5, 101], [2, 20, 3, 102]]))
    found = recsys.read_dataset(frame, columns=Columns(user="1", item="2", rating="3", time="4"))
    assert found.ratings.values.tolist() == [4, 5, 3]
    named = frame.set_axis(["user", "item", "rating", "time"], axis=1)
    chosen = named.iloc[[2, 0]].astype({"user": "category", "rating": "Int64"})
    assert recsys.read_dataset(chosen).ratings.values.tolist() == [3, 4]
    indexed = named.set_index(["user", "item"])
    assert recsys.read_dataset(indexed).ratings.values.tolist() == [4, 5, 3]


BAD = pandas.DataFrame({"user": [1, 2, None], "item": [1, 2, 3], "rating": [4.0, 3.0, 5.0]})


@pytest.mark.parametrize(
    ("data", "more", "says"),
    [
        (BAD, {}, "DataFrame of ratings: row 3: expected a user id .*, found an empty field"),
        (BAD, {"columns": Columns(user="who")}, "DataFrame of ratings: no column 'who', there are"),
        (BAD, {"items": 3}, "items '3': expected a path or a DataFrame"),
        (42, {}, "ratings '42': expected a path or a DataFrame"),
        (BAD[["user", "user"]], {}, "two columns are called 'user'|Duplicate column names"),
        (SAMPLE, {"repeats": "mean"}, "repeats: there is no 'mean'; choose .*last, sum, count"),
        (SAMPLE, {"not_rated": "zero"}, "not_rated 'zero': expected a number or none"),
        (SAMPLE, {"skip_bad_lines": "some"}, "skip_bad_lines: there is no 'some'"),
        (BAD, {"columns": Columns(kinds=(("price", "money"),))}, "column price: there is no 'mon"),
        (BAD, {"columns": Columns(kinds={"price": "number"})}, "kinds .*: expected pairs"),
        (BAD, {"columns": Columns(user=["user"])}, r"user .*'user'.*: expected str . None"),
        (BAD, {"columns": Columns(user=9)}, "no column '9', there are"),
        (pandas.DataFrame(), {}, "DataFrame of ratings: no columns"),
        (BAD.assign(rating=1j), {}, "DataFrame of ratings: .*complex"),
        ([{"user": 1}], {}, "ratings .*'user': 1.*: expected a path or a DataFrame"),
    ],
)
def test_data_that_cannot_be_read(data, more, says):
    with pytest.raises(RecsysError, match=says):
        recsys.read_dataset(data, **more)


def test_a_repr_is_a_line(folder, exact):
    dataset = recsys.read_dataset(SAMPLE)
    answer = one(exact, UserQuery(7, {"gender": "F"}, likes=(1,)))
    assert repr(dataset) == "<Dataset sample: 15,610 ratings of 338 movies by 308 users>"
    assert repr(folder).endswith(f"{folder.fingerprint}: 338 movies, 308 users>")
    assert repr(answer).startswith("<10 movies for user_id 7, attributes {'gender': 'F', ")
    assert answer[0].title in repr(answer)
    parts = dataset.users, dataset.movies, dataset.ratings, dataset.vocabulary
    for each in (dataset, folder, answer, *parts, recsys.catalogue(folder), answer[0]):
        assert "\n" not in repr(each)
        assert len(repr(each)) < 250

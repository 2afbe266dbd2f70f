"""A service that stays up: what a query costs it, and what it answers while models come and go."""

import http.client
import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from command_line import ROOT, environment, output
from milvus_server import address

import recsys
from recsys import service
from recsys.errors import QueryError, StoreError
from recsys.infer import Recommender, UserQuery, catalogue
from recsys.milvus.address import MilvusAddress
from recsys.serving.model_folder import load_model, put_model, write_config

K = 20
QUERIES = [UserQuery(42), UserQuery(attributes={"gender": "F"}), UserQuery(likes=(50,))]
KINDS = ["exact", "lite", pytest.param("server", marks=pytest.mark.milvus_server)]

COST = """
import dataclasses, sys, time
import recsys

model = recsys.load_model(sys.argv[1])
movies = recsys.catalogue(model)
more = [dataclasses.replace(movies, ids=movies.ids + n * 10**6) for n in range(20)]
exact = recsys.Recommender(model, type(movies).joined(more))

def ask(users, **how):
    for user in users:
        list(exact.recommend([recsys.UserQuery(user)], 10, **how))

ids = model.vocabulary.user_ids.tolist()[:60]
more = {"rank_by": "rating"}, {"choice": recsys.Choice(diversity=0.5)}, {"explain": True}
for how in {}, *more:
    ask(ids[:5], **how)
    time.sleep(0.3)  # threads that have worked spin for a while
    every, own = time.process_time(), time.thread_time()
    ask(ids, **how)
    print(time.process_time() - every, time.thread_time() - own)
"""


def test_an_exact_query_is_the_work_of_one_thread_however_many_blas_has(folder):
    two = {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
    printed = output("-c", COST, str(folder.path.resolve()), cwd=Path(sys.prefix), **two)
    for line in printed.splitlines():
        every, own = map(float, line.split())
        assert every < 1.1 * own + 0.005


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """What is new is looked for all the time."""
    monkeypatch.setattr(service, "LOOKS", 0.02)
    monkeypatch.setattr(service, "PATIENCE", 0.02)


def answers(recommender):
    return [[movie.movie_id for movie in each] for each in recommender.recommend(QUERIES, K)]


def by_folder(place):
    model = load_model(place)
    return answers(Recommender(model, catalogue(model)))


@pytest.fixture
def releases(trained, tmp_path):
    """Two folders with models of the same movies and other vectors."""
    found = []
    for shift in (1, 2):
        folder = Path(shutil.copytree(trained.model, tmp_path / f"{shift}.model"))
        movies = folder / "arrays" / "heads" / "retrieval.npy"
        np.save(movies, np.roll(np.load(movies)[:, ::-1], shift, 1))
        write_config(folder, load_model(trained.model).config)
        found.append(folder)
    return found


@pytest.fixture
def opened(run, own_model, tmp_path):
    """Publishes the model; gives what follows it, and the options to publish there."""
    with ExitStack() as stack:

        def opened(kind="lite"):
            uri = address("lite" if kind == "exact" else kind, tmp_path)
            where = MilvusAddress(uri, collection=f"service_{uuid.uuid4().hex[:8]}")
            options = ["--uri", uri, "--collection", where.collection]
            run("load-movies", "--model", own_model, *options)
            found = recsys.open(own_model, None if kind == "exact" else where)
            return stack.enter_context(found), options

        yield opened


@contextmanager
def asking(live):
    """Two threads that ask without pause; call what is given to wait until it is answered."""
    seen: list[list[object]] = [[], []]
    stop = threading.Event()

    def ask(found):
        while not stop.is_set():
            found.append(answers(live))
            time.sleep(0.005)  # else nothing else gets to work

    def wait(wanted):
        end, before = time.monotonic() + 60, [len(each) for each in seen]
        while not all(wanted in each[n:] for each, n in zip(seen, before, strict=True)):
            assert time.monotonic() < end
            assert not any(each.done() for each in threads), [each.exception() for each in threads]
            time.sleep(0.01)
        expected.append(wanted)

    expected: list[object] = []
    with ThreadPoolExecutor(2) as pool:
        threads = [pool.submit(ask, each) for each in seen]
        try:
            yield wait
        finally:
            stop.set()
    for each in threads:
        each.result()
    for each in seen:  # one after the other, and nothing between them
        assert [one for n, one in enumerate(each) if n == 0 or one != each[n - 1]] == expected


@pytest.mark.parametrize("kind", KINDS)
def test_a_service_follows_releases_and_updates(run, own_model, releases, tmp_path, opened, kind):
    first, *later = (by_folder(each) for each in (own_model, *releases))
    assert len({str(each) for each in (first, *later)}) == 3
    movies, options = opened(kind)
    with asking(movies) as wait:
        wait(first)
        for folder, wanted in zip(releases, later, strict=True):
            run("load-movies", "--model", folder, "--switch", own_model, *options)
            wait(wanted)
        run("load-movies", "--rollback", "--model", own_model, *options)
        wait(later[0])
        loved = later[0][0][0]
        lines = "".join(f"{user},{loved},5,2000000000\n" for user in (42, 9999))
        (tmp_path / "new.csv").write_text(f"userId,movieId,rating,timestamp\n{lines}")
        run("update", "--data", tmp_path / "new.csv", "--model", own_model)
        wait(by_folder(own_model))
        assert loved not in answers(movies)[0]
        assert len(next(movies.recommend([UserQuery(9999)], K))) == K
    run("forget", "-u", 9999, "--model", own_model)
    time.sleep(0.03)
    with pytest.raises(QueryError, match="user 9999 is not one"):
        movies.recommend([UserQuery(9999)], K)
    assert movies.problem is None
    assert movies.model.config == load_model(own_model).config


def test_movies_published_anew_are_found_and_the_model_stays(run, own_model, tmp_path, opened):
    (tmp_path / "new.dat").write_text("5000::Heat Again (1999)::Action|Crime\n")
    movies, options = opened()
    with pytest.raises(QueryError, match="movie 5000 is not published"):
        movies.similar(5000, 3)
    model = movies.now.model
    run("load-movies", "-f", tmp_path / "new.dat", "--model", own_model, *options)
    time.sleep(0.03)
    assert len(movies.similar(5000, 3)) == 3
    assert movies.now.model is model


@pytest.mark.parametrize("kind", KINDS[1:])
def test_who_looks_seldom_still_answers(run, own_model, releases, monkeypatch, opened, kind):
    monkeypatch.setattr(service, "LOOKS", 1e9)
    movies, options = opened(kind)
    before = answers(movies)
    for folder in releases:
        assert answers(movies) == before
        run("load-movies", "--model", folder, "--switch", own_model, *options)
    assert answers(movies) == by_folder(releases[1])


def test_what_cannot_answer_yet_is_not_taken(run, own_model, releases, monkeypatch, opened):
    def out_of_luck(path):
        raise MemoryError("out of luck")

    movies, options = opened()
    before, config = answers(movies), own_model / "config.json"
    put_model(load_model(releases[0]), own_model)
    written = config.read_text()
    for text, load, words in (
        (written, load_model, "the query is of"),
        ("{", load_model, "config.json: cannot be read"),
        (written, out_of_luck, "out of luck"),
    ):
        config.write_text(text)
        monkeypatch.setattr(service, "load_model", load)
        time.sleep(0.03)
        assert answers(movies) == before
        assert words in str(movies.problem)
    monkeypatch.setattr(service, "load_model", load_model)
    run("load-movies", "--model", own_model, *options)
    time.sleep(0.03)
    assert answers(movies) == by_folder(releases[0])
    assert movies.problem is None


def test_while_milvus_is_away_queries_fail_and_then_no_more(monkeypatch, opened):
    def fail(*args, **more):
        raise StoreError("a.db: away")

    movies, _ = opened()
    before = answers(movies)
    for name, problem in ("search", None), ("", None), ("current", "a.db: away"), ("", None):
        with monkeypatch.context() as away:
            if name:
                away.setattr(recsys.MilvusStore, name, fail)
            time.sleep(0.03)
            if name == "search":
                with pytest.raises(StoreError, match="away"):
                    answers(movies)
            else:
                assert answers(movies) == before
            assert (movies.problem and str(movies.problem)) == problem


def test_what_is_wrong_is_raised(own_model, tmp_path):
    with pytest.raises(QueryError, match="model '5': expected"):
        recsys.open(5)
    with pytest.raises(recsys.errors.ModelError, match="train first"):
        recsys.open(tmp_path / "none.model")
    with pytest.raises(StoreError, match=r"empty\.db: nothing is published there; publish the m"):
        recsys.open(own_model, tmp_path / "empty.db")
    assert not (tmp_path / "empty.db").exists()
    with recsys.open(own_model) as movies:
        for wrong in [UserQuery(31415)], UserQuery(42), "42":
            with pytest.raises(QueryError):
                movies.recommend(wrong, 3)
        with pytest.raises(QueryError, match="no genre"):
            movies.similar(50, 3, recsys.Filter("nothing"))


@pytest.mark.parametrize("kind", KINDS)
def test_eight_threads_get_what_one_gets(opened, kind):
    movies, _ = opened(kind)
    ids = movies.model.vocabulary.movie_ids

    def ask(user):
        found = [*movies.recommend([UserQuery(user, likes=(50,))], K, explain=user % 4 == 0)]
        return [found, movies.similar(ids.item(user), 5)]

    users = movies.model.vocabulary.user_ids.tolist()[:24]
    alone = [ask(user) for user in users]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, users)) == alone


def test_the_http_service_of_the_documents_answers(own_model, tmp_path):
    page = (ROOT / "docs" / "deploy.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert code.count("\n") - code.count("\n\n") <= 25
    (tmp_path / "serve.py").write_text(code)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    line = [sys.executable, "serve.py", own_model]
    process = subprocess.Popen(line, cwd=tmp_path, env=environment(PORT=str(port)))

    def asked(body):
        connection.request("POST", "/", json.dumps(body))
        answer = connection.getresponse()
        return answer.status, json.load(answer)

    try:
        end = time.monotonic() + 60
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while process.poll() is None and time.monotonic() < end:
            with suppress(OSError):
                connection.connect()
                break
            time.sleep(0.05)
        with closing(connection):
            status, found = asked({"user_id": 42, "k": 3})
            model = load_model(own_model)
            (answer,) = Recommender(model, catalogue(model)).recommend([UserQuery(42)], 3)
            assert status == 200
            assert [each["movie_id"] for each in found] == [each.movie_id for each in answer]
            for wrong in {"user_id": 31415}, {"nobody": 1}, [], {"likes": "Heat"}:
                status, found = asked(wrong)
                assert (status, [*found]) == (400, ["error", "keys"]), wrong
                assert found["keys"][:3] == ["k", "user_id", "attributes"]
    finally:
        process.kill()
        process.wait()

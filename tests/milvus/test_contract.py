"""doctor --contract: what keeps the contract passes, what does not is found out, nothing stays."""

import json
import os
import re
import signal
from concurrent import futures

import grpc
import pytest
from command_line import here
from google.protobuf.message_factory import GetMessageClass
from milvus_server import address
from movie_store import MODEL, answers, collections, elsewhere, first, movies
from pymilvus import MilvusClient
from pymilvus.grpc_gen import common_pb2, milvus_pb2

from recsys.errors import StoreError
from recsys.milvus import contract, rows
from recsys.milvus.address import MilvusAddress
from recsys.milvus_store import MilvusStore

CHECKS = ["create", "insert", "search", "filters", "exclusions", "consistency", "load", "alias"]
CHECKS += ["rollback", "upsert", "HNSW", "IVF_FLAT", "AUTOINDEX", "drop"]
CALLS = milvus_pb2.DESCRIPTOR.services_by_name["MilvusService"].methods_by_name
EVERY_SIZE = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class Proxy(grpc.GenericRpcHandler):
    """Hands on calls to a Milvus; a sabotage gets the requests of one name, and who answers."""

    def __init__(self, target, name="", sabotage=None):
        self.channel = grpc.insecure_channel(target.removeprefix("http://"), EVERY_SIZE)
        self.name, self.sabotage = name, sabotage
        self.server = grpc.server(futures.ThreadPoolExecutor(8), [self], options=EVERY_SIZE)
        self.uri = f"http://127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    def service(self, details):
        name = details.method.rpartition("/")[2]
        types = GetMessageClass(CALLS[name].input_type), GetMessageClass(CALLS[name].output_type)
        call = self.channel.unary_unary(
            details.method, types[0].SerializeToString, types[1].FromString
        )

        def answer(request, context):
            def ask(request):
                return call(request, metadata=context.invocation_metadata())

            try:
                return self.sabotage(request, ask) if name == self.name else ask(request)
            except grpc.RpcError as error:
                context.abort(error.code(), error.details())

        return grpc.unary_unary_rpc_method_handler(
            answer, types[0].FromString, types[1].SerializeToString
        )


@pytest.fixture
def small(monkeypatch):
    """Enough to find out a sabotage."""
    monkeypatch.setattr(contract, "MOVIES", 150)
    monkeypatch.setattr(contract, "SWITCHES", 2)
    monkeypatch.setattr(contract, "RECALL", 0.6)
    monkeypatch.setattr(rows, "BATCH", 100)


@pytest.fixture
def served(tmp_path):
    """Milvus Lite at an address, as a server is."""
    from milvus_lite.server_manager import server_manager_instance

    path = str(tmp_path / "served.db")
    yield server_manager_instance.start_and_get_uri(path)
    server_manager_instance.release_server(path)


def wrong(uri, code, *more):
    """What doctor finds wrong there; its exit code is checked."""
    line = ("doctor", "--contract", "--json", "--uri", uri, *more)
    found = json.loads(here(*line, code=code).stdout)
    assert found.pop("well") is (code == 0)
    assert [*found] == [name for name in ["libraries", "milvus", *CHECKS] if name in found]
    assert all({*found[name]} >= {"well", "found"} for name in found)
    return [name for name, facts in found.items() if not facts["well"]]


@pytest.mark.usefixtures("small")
def test_milvus_lite_keeps_the_contract_and_keeps_nothing_else(tmp_path):
    uri = tmp_path / "new.db"
    lines = here("doctor", "--contract", "--uri", uri).stdout.splitlines()
    assert [line.split()[:2] for line in lines[2:]] == [["ok", name] for name in CHECKS]
    assert all(line.split()[3] == "s" for line in lines[2:])
    assert "pymilvus" in lines[0]
    assert "milvus_lite" in lines[1]
    assert list(tmp_path.iterdir()) == []  # nor a database that was not there
    for other in ("--data", "--model"):
        here("doctor", "--contract", other, "x", code=2)


@pytest.mark.milvus_server
@pytest.mark.parametrize("kind", ["server", "cluster"])
def test_a_server_and_a_cluster_keep_the_contract(kind, tmp_path):
    uri = address(kind, tmp_path)
    before = {*MilvusClient(uri).list_collections()}
    assert wrong(uri, 0) == []
    assert {*MilvusClient(uri).list_collections()} == before


def done(request, ask):
    """Nothing is done, and said to be."""
    wrote = hasattr(request, "num_rows")
    return milvus_pb2.MutationResult(insert_cnt=1) if wrote else common_pb2.Status()


class Lost:
    """Every second call is not done, and said to be."""

    calls = 0

    def __call__(self, request, ask):
        self.calls += 1
        return ask(request) if self.calls % 2 else done(request, ask)


def tampered(change):
    """The answer, changed in place."""

    def answer(request, ask):
        answer = ask(request)
        change(answer)
        return answer

    return answer


def asked_otherwise(name, change):
    """A parameter of a search, or of an index, is changed on its way."""

    def answer(request, ask):
        for pair in [*getattr(request, "search_params", ()), *getattr(request, "extra_params", ())]:
            if pair.key == name:
                pair.value = change(pair.value)
        return ask(request)

    return answer


def turned(values):
    values[:] = [*values][::-1]


def ids_turned(answer):
    """Of whatever kind they are."""
    ids = answer.results.ids
    if kind := ids.WhichOneof("id_field"):
        turned(getattr(ids, kind).data)


def hits_turned(answer):
    """All queries and hits, or of one query the hits: right pairs of movie and score."""
    ids_turned(answer)
    turned(answer.results.scores)


def counted_short(answer):
    for field in answer.fields_data:
        if field.field_name == "count(*)":
            field.scalars.long_data.data[0] -= 1


def retitled(answer):
    for field in answer.fields_data:
        if field.field_name == "title":
            field.scalars.string_data.data[:1] = ["!"]


def shifted(answer):
    answer.results.scores[:] = [score + 0.01 for score in answer.results.scores]


def renamed(answer):
    for each in answer.index_descriptions:
        for pair in each.params:
            pair.value = "FLAT" if pair.key == "index_type" else pair.value


def forgotten(answer):
    del answer.properties[:]


def hidden(answer):
    del answer.collection_names[:]


def mixed_up(answer):
    """The first two of several queries answer each other, if they have as many hits."""
    hits, sizes = answer.results, [*answer.results.topks]
    if len(sizes) > 1 and sizes[0] == sizes[1]:
        ids = getattr(hits.ids, hits.ids.WhichOneof("id_field")).data
        for values in (ids, hits.scores):
            values[: sum(sizes[:2])] = [*values[sizes[0] : sum(sizes[:2])], *values[: sizes[0]]]


def read_as(change):
    """The condition of a search is taken for another."""

    def answer(request, ask):
        request.dsl = change(request.dsl)
        return ask(request)

    return answer


def outdated(request, ask):
    """Read as if Eventually had been asked for."""
    request.consistency_level, request.guarantee_timestamp = 3, 1
    request.use_default_consistency = False
    return ask(request)


class Refusal(grpc.RpcError):
    """After so many calls, a status in place of an answer."""

    def __init__(self, status, calls=0):
        self.code, self.details, self.left = lambda: status, lambda: "no", calls

    def __call__(self, request, ask):
        self.left -= 1
        if self.left < 0:
            raise self
        return ask(request)


QUICK = {  # what a call is answered with, and a check that must find it out
    "rows lost": ("Insert", Lost(), "create"),
    "filters ignored": ("Search", read_as(lambda text: ""), "filters"),
    "nothing dropped": ("DropCollection", done, "drop"),
}
SABOTAGES = {
    "hits in another order": ("Search", tampered(hits_turned), "search"),
    "an alias that does not move": ("AlterAlias", done, "alias"),
    "a name that stays": ("RenameCollection", done, "create"),
    "a false count": ("Query", tampered(counted_short), "create"),
    "properties forgotten": ("DescribeCollection", tampered(forgotten), "create"),
    "another title": ("Query", tampered(retitled), "insert"),
    "ids mixed up": ("Search", tampered(ids_turned), "search"),
    "other scores": ("Search", tampered(shifted), "search"),
    "a hit too few": ("Search", asked_otherwise("topk", lambda k: str(int(k) // 2 or 1)), "search"),
    "no upsert": ("Upsert", done, "upsert"),
    "another index": ("DescribeIndex", tampered(renamed), "HNSW"),
    "a cell in place of many": (
        "Search",
        asked_otherwise("params", lambda text: re.sub(r'("nprobe": ?)[0-9]+', r"\g<1>1", text)),
        "IVF_FLAT",
    ),
    "queries mixed up": ("Search", tampered(mixed_up), "search"),
    "no exclusions": ("Search", read_as(lambda text: text.replace("not in", "in")), "exclusions"),
    "ASCII alone": ("Search", read_as(lambda text: text.replace("Ünï", "")), "filters"),
    "other escapes": ("Search", read_as(lambda text: text.replace("\\\\", "/")), "filters"),
    "older versions hidden": ("ShowCollections", tampered(hidden), "rollback"),
    "no right": ("CreateAlias", Refusal(grpc.StatusCode.PERMISSION_DENIED), "create"),
}


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    "name",
    [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in ["honest", *SABOTAGES])],
)
def test_a_sabotaged_milvus_is_found_out(served, name):
    call, sabotage, check = (QUICK | SABOTAGES | {"honest": ("", None, "")})[name]
    proxy = Proxy(served, call, sabotage)
    try:
        assert check in ["", *(found := wrong(proxy.uri, 1 if check else 0))], found
        assert check != "create" or found == ["create"]  # what follows would tell nothing
    finally:
        proxy.server.stop(0)
    if call not in ("DropCollection", "ShowCollections"):
        assert MilvusClient(served).list_collections() == []


@pytest.mark.usefixtures("small")
def test_it_ends_where_milvus_goes_away_and_what_a_killed_run_left_is_gone(served):
    with MilvusStore(MilvusAddress(served, collection="recsys_movies_contract")) as killed:
        killed.publish(movies(60), contract.MODEL)
    proxy = Proxy(served, "Search", Refusal(grpc.StatusCode.UNAVAILABLE, calls=9))
    try:
        assert wrong(proxy.uri, 1, "--timeout", "1") == ["milvus", "filters"]
    finally:
        proxy.server.stop(0)
    assert MilvusClient(served).list_collections() == []


@pytest.mark.milvus_server
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("kind", ["server"])
def test_what_reads_the_past_is_found_out(kind, tmp_path):
    proxy = Proxy(address(kind, tmp_path), "Query", outdated)
    try:
        assert wrong(proxy.uri, 1) == ["upsert"]
    finally:
        proxy.server.stop(0)


def try_and_die(uri, step):
    """Be killed just before the second time of a step."""
    contract.MOVIES, calls = 300, []

    def die(*_):
        calls.append(step)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    setattr(MilvusClient, step, first(die, step))
    here("doctor", "--contract", "--uri", uri)


STEPS = ["create_collection", "insert", "rename_collection", "alter_alias", "drop_collection"]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("kind", "step"),
    [
        *(pytest.param("lite", step, marks=pytest.mark.slow) for step in STEPS),
        pytest.param("server", "alter_alias", marks=pytest.mark.milvus_server),
    ],
)
def test_what_a_killed_run_left_is_cleared_up_and_the_published_stay(tmp_path, kind, step):
    own = MilvusAddress(address(kind, tmp_path), collection=f"killed_{step}")
    sent = movies(60)
    with MilvusStore(own) as store:
        store.publish(sent, MODEL)
    assert elsewhere(try_and_die, own.uri, step) == -signal.SIGKILL
    assert wrong(own.uri, 0) == []
    with MilvusStore(own) as store:
        assert answers(store, sent)
        assert len(collections(store)) == 1
        assert not [n for n in store._milvus.client.list_collections() if "contract" in n]


def test_a_name_that_is_in_use_is_left_alone(store):
    theirs = MilvusAddress(store.uri, collection="recsys_movies_contract")
    with MilvusStore(theirs) as other:
        other.publish(movies(60), MODEL)
        drop_alias = other._milvus.client.drop_alias
        for act in (lambda: None, lambda: drop_alias("recsys_movies_contract")):
            act()
            with pytest.raises(StoreError, match=r"published as .*_contract, .*name another"):
                contract.contract(store, lambda name: pytest.fail(name))
            assert len(other.versions()) == 1

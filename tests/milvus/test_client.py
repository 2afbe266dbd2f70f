"""What is not a Milvus, or too old, or does not answer; errors in one line with a remedy."""

import time
from concurrent import futures

import grpc
import pytest
from command_line import output, recsys, refused
from pymilvus.exceptions import MilvusException
from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc

from recsys.errors import StoreError
from recsys.milvus.address import MilvusAddress
from recsys.milvus.client import Denied, Missing, Unreachable, explain
from recsys.milvus_store import MilvusStore


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("movies.db", b"SQLite format 3\0 and more", "is a file, a database of Milvus Lite 3 is"),
        ("no/movies.db", None, "does not exist or may not be written"),
    ],
)
def test_a_file_milvus_lite_can_not_open(tmp_path, name, content, words):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with refused(StoreError, words):
        MilvusStore(str(path))
    if content:
        assert path.read_bytes() == content


class OtherVersion(milvus_pb2_grpc.MilvusServiceServicer):
    """As much of a server as gives its version."""

    def __init__(self, version):
        self.version = version

    def Connect(self, request, context):
        info = common_pb2.ServerInfo(build_tags=self.version)
        return milvus_pb2.ConnectResponse(status=common_pb2.Status(), server_info=info)

    def ListDatabases(self, request, context):
        return milvus_pb2.ListDatabasesResponse(status=common_pb2.Status(), db_names=["default"])

    def GetVersion(self, request, context):
        return milvus_pb2.GetVersionResponse(status=common_pb2.Status(), version=self.version)


@pytest.fixture
def serve():
    started = []

    def start(service):
        server = grpc.server(futures.ThreadPoolExecutor(2))
        if service is not None:
            milvus_pb2_grpc.add_MilvusServiceServicer_to_server(service, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        started.append(server)
        return f"http://127.0.0.1:{port}"

    yield start
    for server in started:
        server.stop(0)


def test_which_servers_fit(serve):
    for version in ["v2.3.5-lite", "2.6.6", "v9.0.1-rc1", "unknown"]:
        MilvusStore(MilvusAddress(serve(OtherVersion(version)), timeout=5)).close()
    old = OtherVersion("2.2.16")
    for service, words in [
        (old, "Milvus 2.2.16 is too old for this recsys; upgrade the server to 2.3 or newer"),
        (None, "does not know the calls of Milvus.*correct the port"),
    ]:
        with pytest.raises(StoreError, match=words):
            MilvusStore(MilvusAddress(serve(service), timeout=5))
    with refused(StoreError, "no database path, only default", fix="db"):
        MilvusStore(f"{serve(OtherVersion('v2.3.5'))}/path")


class Restarting(OtherVersion):
    """A server that answers only at the third time of asking; before, it is away or frozen."""

    asked = 0

    def GetVersion(self, request, context):
        self.asked += 1
        if self.version == "frozen":
            time.sleep(2)
        elif self.asked < 3:
            context.abort(grpc.StatusCode.UNAVAILABLE, "channel not available")
        return super().GetVersion(request, context)


def test_what_may_be_repeated_is_asked_again_but_not_for_ever(serve):
    service = Restarting("v2.3.5")
    MilvusStore(MilvusAddress(serve(service), timeout=5)).close()
    assert service.asked == 3
    with pytest.raises(StoreError, match=r"no answer within 0.5 s while asking for the version"):
        MilvusStore(MilvusAddress(serve(Restarting("frozen")), timeout=0.5))


def test_milvus_lite_is_not_pinged_in_the_midst_of_a_call(tmp_path, monkeypatch):
    """It closes the connection of who pings amid a call of minutes, which is then made again."""
    real, opened = grpc.insecure_channel, []

    def channel(target, options=(), **more):
        opened.append(dict(options))
        return real(target, options=options, **more)

    monkeypatch.setattr(grpc, "insecure_channel", channel)
    MilvusStore(str(tmp_path / "movies.db")).close()
    assert opened
    assert all(options["grpc.keepalive_time_ms"] > 86_400_000 for options in opened)


def test_a_proxy_is_not_asked_for_what_is_on_this_machine(serve, tmp_path, monkeypatch):
    for name in ("grpc_proxy", "https_proxy", "no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    for uri in (serve(OtherVersion("v2.3.5")), str(tmp_path / "movies.db")):
        MilvusStore(MilvusAddress(uri, timeout=5)).close()
    monkeypatch.setenv("http_proxy", "http://root:hunter2@127.0.0.1:1")
    with pytest.raises(StoreError, match=r"by way of the proxy http://127\.0\.0\.1:1,"):
        MilvusStore(MilvusAddress("http://192.0.2.1:1", timeout=0.5))


def test_variables_of_pymilvus_decide_nothing(tmp_path):
    """At the prompt and of the library; an address is left as it is."""
    line = ("recommend", "--uri", "none.db", "--model", "none")
    code = "import os, recsys; recsys.MilvusStore; print(os.environ.get('MILVUS_URI'))"
    odd = {"MILVUS_URI": "http://h:65535", "MILVUS_DEFAULT_CONNECTION": "none"}
    assert "Traceback" not in recsys(*line, cwd=tmp_path, **odd).stderr
    assert output("-c", code, cwd=tmp_path, **odd) == "\n"
    uri = "http://milvus.example.org:19530"
    assert output("-c", code, cwd=tmp_path, MILVUS_URI=uri) == f"{uri}\n"


HOST = "milvus.refused.example"
SERVER = MilvusAddress(f"http://root:hunter2@{HOST}:19530", token="root:hunter3")
LITE = MilvusAddress("movies.db")


class RpcError(grpc.RpcError):
    def __init__(self, code, details=""):
        self.code, self.details = lambda: code, lambda: details


def milvus(code, message, behind=None):
    error = MilvusException(code=code, message=message)
    error.__cause__ = behind
    return error


UNAVAILABLE, UNAUTHENTICATED = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    ("error", "kind", "cause", "fix"),
    [
        (milvus(100, "collection not found"), Missing, "collection not found (loading)", "publish"),
        (milvus(101, "not loaded"), Missing, "not loaded (loading)", "publish"),
        (milvus(1600, "alias not found"), Missing, "alias not found", "publish"),
        (milvus(300, "resource group not found"), StoreError, "resource group", "resource_groups"),
        (milvus(65535, "nodes not enough"), StoreError, "nodes not enough", "replicas"),
        (milvus(9, "quota exceeded"), StoreError, "Milvus refuses (loading)", ""),
        (milvus(503, "channel not available"), Unreachable, "a node of the cluster", ""),
        (milvus(1, "not ready"), Unreachable, "no answer within 20 s while loading", "timeout"),
        (milvus(65535, "?"), StoreError, "Milvus failed while loading: ?", ""),
        (RpcError(grpc.StatusCode.DEADLINE_EXCEEDED), Unreachable, "no answer within", "timeout"),
        (RpcError(grpc.StatusCode.PERMISSION_DENIED, "no"), Denied, "may not do that", "token"),
        (milvus(2, "?", RpcError(UNAUTHENTICATED)), StoreError, "user or password is", "token"),
        (milvus(2, "?", RpcError(UNAVAILABLE, "refused")), Unreachable, "nothing listens", "uri"),
        (RpcError(UNAVAILABLE, f"to {HOST}: Tls handshake"), StoreError, "certificate is", "ca"),
        (RpcError(UNAVAILABLE, "odd"), Unreachable, "no answer within", "timeout"),
    ],
)
def test_a_code_decides_and_else_the_words(error, kind, cause, fix):
    explained = explain(error, SERVER, "loading", 20.0)
    assert type(explained) is kind
    assert cause in explained.cause
    assert explained.fix == fix
    assert str(explained).startswith("http://milvus.refused.example:19530: ")


def test_milvus_lite_has_one_code_for_everything():
    for message, cause in [
        ("[Errno 28] No space left on device", "the disk is full"),
        ("[Errno 13] Permission denied", "may not be written"),
        ("Parquet magic bytes not found", "the database is damaged"),
        ("odd", "Milvus failed while loading: odd"),
    ]:
        explained = explain(milvus(1, message), LITE, "loading", 120.0)
        assert type(explained) is StoreError
        assert cause in explained.cause


def test_no_secret_and_no_second_line_gets_into_a_message():
    error = milvus(65535, "root:hunter3\nhunter2 at http://root:hunter2@milvus.refused.example")
    message = str(explain(error, SERVER, "loading", 20.0))
    assert "hunter" not in message
    assert "\n" not in message

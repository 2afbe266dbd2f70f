"""What pymilvus and gRPC raise becomes one line with a cause, a remedy and what it is about."""

import grpc
import pytest
from pymilvus.exceptions import MilvusException

from recsys.errors import StoreError
from recsys.milvus.address import MilvusAddress
from recsys.milvus.client import Denied, Missing, Unreachable, explain

HOST = "milvus.refused.example"
SERVER = MilvusAddress(f"http://root:hunter2@{HOST}:19530", token="root:hunter3")
LITE = MilvusAddress("movies.db")


class RpcError(grpc.RpcError):
    def __init__(self, code: grpc.StatusCode, details: str = "") -> None:
        self.code, self.details = lambda: code, lambda: details


def milvus(code: int, message: str, behind: Exception | None = None) -> MilvusException:
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
def test_a_code_decides_and_else_the_words(
    error: Exception, kind: type, cause: str, fix: str
) -> None:
    explained = explain(error, SERVER, "loading", 20.0)
    assert type(explained) is kind
    assert cause in explained.cause
    assert explained.fix == fix
    assert str(explained).startswith("http://milvus.refused.example:19530: ")


def test_milvus_lite_has_one_code_for_everything() -> None:
    for message, cause in [
        ("[Errno 28] No space left on device", "the disk is full"),
        ("[Errno 13] Permission denied", "may not be written"),
        ("Parquet magic bytes not found", "the database is damaged"),
        ("odd", "Milvus failed while loading: odd"),
    ]:
        explained = explain(milvus(1, message), LITE, "loading", 120.0)
        assert type(explained) is StoreError
        assert cause in explained.cause


def test_no_secret_and_no_second_line_gets_into_a_message() -> None:
    error = milvus(65535, "root:hunter3\nhunter2 at http://root:hunter2@milvus.refused.example")
    message = str(explain(error, SERVER, "loading", 20.0))
    assert "hunter" not in message
    assert "\n" not in message

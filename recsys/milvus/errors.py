"""What pymilvus and gRPC raise, as a StoreError with its cause and remedy.

A code decides where there is one: MilvusException.code (numbers of Milvus' merr package; Milvus
Lite sends 100 and 101 and otherwise 1), else the status of the gRPC error behind it. What arrives
only as text, such as why a connection failed or that a disk is full, is known by its words.
"""

import re
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import grpc

from recsys.errors import StoreError
from recsys.milvus.address import MilvusAddress


class Unreachable(StoreError):
    """No answer from the server; asking again may help."""


class Missing(StoreError):
    """The collection or alias is not there, no longer there, or not loaded."""


class Denied(StoreError):
    """The user may not do that."""


class _Meaning(NamedTuple):
    """Of an error; {doing}, {text} (their words) and {timeout} (seconds) are filled in."""

    cause: str
    remedy: str
    fix: str = ""
    kind: type[StoreError] = StoreError


_NO_ANSWER = _Meaning(
    "no answer within {timeout} s while {doing}",
    "see whether the server is frozen or overloaded and the address right, then try again",
    "timeout",
    Unreachable,
)
_MISSING = _Meaning("{text} ({doing})", "publish the movies", "publish", Missing)
_REFUSED = _Meaning("Milvus refuses ({doing}): {text}", "free memory or disk on the server")
_NODE = _Meaning(
    "a node of the cluster does not answer ({doing})",
    "try again in a minute, or see which node is down",
    "",
    Unreachable,
)
_DENIED = _Meaning(
    "this user may not do that ({doing}; {text})",
    "use another token, or have the server's administrator grant it",
    "token",
    Denied,
)
_BY_CODE = {
    **dict.fromkeys((100, 101, 103, 1600), _MISSING),  # collection, not (fully) loaded, alias
    **dict.fromkeys((3, 7, 8, 9), _REFUSED),  # memory, disk, rate, quota
    **dict.fromkeys((503, 901, 902, 905), _NODE),  # channel, node not found, offline, not available
    300: _Meaning("{text}", "name another resource group", "resource_groups"),
    800: _Meaning("{text}", "name another database", "db"),
    1401: _DENIED,
}
_BY_STATUS = {
    grpc.StatusCode.UNAUTHENTICATED: _Meaning(
        "user or password is wrong or missing", "give user:password or an API key", "token"
    ),
    grpc.StatusCode.PERMISSION_DENIED: _DENIED,
    grpc.StatusCode.UNIMPLEMENTED: _Meaning(
        "what answers there does not know the calls of Milvus 2.3 and newer ({doing})",
        "correct the port, or upgrade the server",
        "uri",
    ),
    grpc.StatusCode.DEADLINE_EXCEEDED: _NO_ANSWER,
}
_BY_TEXT = {  # in lower case; the first that fits
    r"no space left|errno (28|27|122)\b": _Meaning(
        "the disk is full ({doing})",
        "free some space and try again; what was published before stands",
    ),
    r"errno (30|13)\b": _Meaning("may not be written ({doing})", "use another address", "uri"),
    r"corrupt|parquet|not valid json|expecting value|manifest": _Meaning(
        "the database is damaged ({text})", "move it away and publish the movies", "publish"
    ),
    r"maximum field": _Meaning(
        "a Milvus server takes at most 58 columns of your own ({text})",
        "leave some out and train again",
        "train",
    ),
    r"nodes? not enough": _Meaning("{text}", "ask for fewer replicas", "replicas"),
    r"shards.*limited": _Meaning("{text}", "ask for fewer shards", "shards"),
    r"delegator|shard leader": _NODE,
    r"errors resolving|name resolution": _Meaning("no such host", "correct the address", "uri"),
    r"wrong_version_number": _Meaning("the server does not speak TLS", "write http://", "uri"),
    r"tls handshake|certificate|verification": _Meaning(
        "the server's certificate is not trusted or not for this host",
        "give the certificate of its authority, and its own name in the address",
        "ca",
    ),
    r"parsing http/2": _Meaning(
        "what listens there is not Milvus", "correct the port (19530 unless changed)", "uri"
    ),
    r"refused": _Meaning(
        "nothing listens there",
        "start the Milvus server, wait for it if it is starting, or correct the address (a file "
        "like milvus.db needs no server)",
        "uri",
        Unreachable,
    ),
    r"socket closed": _Meaning(
        "the connection was closed while {doing}",
        "try again if the server is restarting; write https:// if it speaks TLS",
        "uri",
        Unreachable,
    ),
}


def explain(error: BaseException, address: MilvusAddress, doing: str, timeout: float) -> StoreError:
    """The StoreError for what pymilvus or gRPC raised while `doing` something."""
    rpc = _rpc_error(error)
    code = getattr(error, "code", None)  # a method of gRPC's errors
    said = getattr(error, "message", "") or str(error)
    details = (rpc.details() or "") if rpc is not None else said
    found = _BY_CODE.get(code) if isinstance(code, int) else None
    if found is None and rpc is not None:
        found = _BY_STATUS.get(rpc.code())
    if found is None:
        found = _known_by_text(_words(details, address))
    if found is None and _may_come_back(error, rpc, address):
        found = _NO_ANSWER
    if found is None:
        found = _Meaning("Milvus failed while {doing}: {text}", "")
    facts = {
        "doing": doing,
        "text": _words(details, address)[:300] or type(error).__name__,
        "timeout": f"{timeout:.1f}".removesuffix(".0"),
    }
    return found.kind(f"{address.shown}: {found.cause.format(**facts)}", found.remedy, found.fix)


def _known_by_text(text: str) -> _Meaning | None:
    found = (meaning for words, meaning in _BY_TEXT.items() if re.search(words, text.lower()))
    return next(found, None)


def _may_come_back(error: BaseException, rpc: Any, address: MilvusAddress) -> bool:
    """Whether the server is away for now; Milvus Lite uses its codes for everything."""
    if rpc is not None and rpc.code() is grpc.StatusCode.UNAVAILABLE:
        return True
    passing = getattr(error, "retriable", False) or getattr(error, "code", None) in (1, 2)
    return passing and not address.is_lite


def _words(text: str, address: MilvusAddress) -> str:
    """A text in one line, without secrets and without the address, whose words mean nothing."""
    for own in filter(None, [*address.secrets, address.uri, urlsplit(address.uri).netloc]):
        text = text.replace(own, "***" if own in address.secrets else "")
    if not address.is_lite:
        text = text.replace(urlsplit(address.uri).hostname or "\0", "")
    return " ".join(text.split())


def _rpc_error(error: BaseException | None) -> Any:
    """The gRPC error behind an error, if there is one; pymilvus makes some their own cause."""
    for _ in range(10):
        if error is None or isinstance(error, grpc.RpcError):
            return error
        error = error.__context__ if error.__cause__ in (None, error) else error.__cause__
    return None

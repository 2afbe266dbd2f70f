"""What goes wrong with Milvus, as one line that names the remedy."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import grpc

from recsys.errors import StoreError

_CREDENTIALS = re.compile(r"(?<=//)\S*@")
# What Milvus or gRPC says (lower case), the kind of error, and what we say; the first that fits.
# {where}: the address, {doing}: what we were about, {text}: their words, {timeout}: seconds.
_SAYINGS: list[tuple[str, str, str]] = [
    (
        r"no space left|errno 28|errno 27|errno 122|disk quota",
        "",
        "{where}: the disk is full ({doing}): free some space and run the command again; what was "
        "published before stands",
    ),
    (
        r"errno 30|errno 13|read-only file",
        "",
        "{where}: may not be written ({doing}): give another --uri",
    ),
    (r"database not found", "", "{where}: {text}: correct --db or RECSYS_DB"),
    (
        r"resource group|nodes? not enough",
        "",
        "{where}: {text}: ask for fewer --replicas or another --resource-group",
    ),
    (r"shards.*limited", "", "{where}: {text}: ask for fewer --shards"),
    (
        r"corrupt|parquet|not valid json|expecting value|manifest",
        "",
        "{where}: the database is damaged ({text}): move it away and run `recsys load-movies`",
    ),
    (
        r"quota|deny to write|memory limit",
        "",
        "{where}: Milvus refuses ({doing}): {text}: free memory or disk on the server",
    ),
    (
        r"not loaded|'released'|(collection|alias).*not (exist|found)",
        "missing",
        "{where}: {text} ({doing}): run `recsys load-movies`",
    ),
    (
        r"delegator|shard leader|node (not found|offline)",
        "unreachable",
        "{where}: a node of the cluster does not answer ({doing}): try again in a minute, or see "
        "which one is down",
    ),
    (
        r"address lookup|name resolution|errors resolving|dns",
        "",
        "{where}: no such host: correct --uri or RECSYS_URI",
    ),
    (
        r"wrong_version_number",
        "",
        "{where}: the server does not speak TLS: write http:// in --uri",
    ),
    (
        r"ssl|tls handshake|certificate|security handshaker",
        "",
        "{where}: the server's certificate is not trusted or not for this host: give the "
        "certificate of its authority with --ca, and its own name in --uri",
    ),
    (
        r"parsing http/2|http1",
        "",
        "{where}: what listens there is not Milvus: correct the port in --uri (19530 unless "
        "changed)",
    ),
    (
        r"refused",
        "unreachable",
        "{where}: nothing listens there: start the Milvus server, wait for it if it is starting, "
        "or correct --uri or RECSYS_URI (a file like milvus.db needs no server)",
    ),
    (
        r"socket closed",
        "unreachable",
        "{where}: the connection was closed while {doing}: try again if the server is restarting; "
        "write https:// in --uri if it speaks TLS",
    ),
    (
        r"deadline|timeout|timed out|channel not available|fail connecting|not ready|unavailable"
        r"|no available|not healthy|empty grpc client",
        "unreachable",
        "{where}: no answer within {timeout} s while {doing}: see whether the server is frozen "
        "or overloaded and --uri right, then try again",
    ),
]
_BY_CODE = {
    grpc.StatusCode.UNAUTHENTICATED: "{where}: user or password is wrong or missing: give --token "
    "USER:PASSWORD or set RECSYS_TOKEN",
    grpc.StatusCode.UNIMPLEMENTED: "{where}: what answers there does not know the calls of Milvus "
    "2.3 and newer ({doing}): correct the port in --uri, or upgrade the server",
}


class Unreachable(StoreError):
    """No answer from the server; source again may help."""


class Missing(StoreError):
    """The collection or alias is not there, no longer there, or not loaded."""


class Denied(StoreError):
    """The user may not do that."""


def without_credentials(uri: str) -> str:
    """The address without the user and password some people write into it."""
    return _CREDENTIALS.sub("", uri)


def explain(error: BaseException, uri: str, doing: str, timeout: float) -> StoreError:
    """The StoreError for what pymilvus or gRPC raised while `doing` something at `uri`."""
    rpc = _rpc_error(error)
    code = rpc.code() if rpc is not None else getattr(error, "code", None)
    said = rpc.details() if rpc is not None else getattr(error, "message", None) or str(error)
    text = " ".join(str(said or "").split())
    for own in filter(None, [uri, urlsplit(uri).netloc, urlsplit(uri).hostname]):
        text = text.replace(own, "")  # whose name means nothing
    text = text[:300]
    facts = {
        "where": without_credentials(uri),
        "doing": doing,
        "text": text or type(error).__name__,
        "timeout": f"{timeout:.1f}".removesuffix(".0"),
    }
    if code is grpc.StatusCode.PERMISSION_DENIED:
        return Denied(
            "{where}: this user may not do that ({doing}; {text}): give another --token, or have "
            "the server's administrator grant it".format(**facts)
        )
    if code in _BY_CODE:
        return StoreError(_BY_CODE[code].format(**facts))
    if type(error).__name__ == "ServerVersionIncompatibleException":
        return StoreError(
            "{where}: {text}: install the pymilvus that fits the server".format(**facts)
        )
    for pattern, kind, message in _SAYINGS:
        if re.search(pattern, text.lower()):
            kinds = {"missing": Missing, "unreachable": Unreachable}
            return kinds.get(kind, StoreError)(message.format(**facts))
    if code in {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE}:
        return Unreachable(_SAYINGS[-1][2].format(**facts))
    return StoreError("{where}: Milvus failed while {doing}: {text}".format(**facts))


def _rpc_error(error: BaseException) -> Any:
    """The gRPC error behind an error, if there is one."""
    for link in _behind(error):
        if isinstance(link, grpc.RpcError) and callable(getattr(link, "code", None)):
            return link
    return None


def _behind(error: BaseException | None) -> Iterator[BaseException]:
    """The error and all its causes; pymilvus makes some errors their own cause."""
    seen: set[int] = set()
    left = [error]
    while left:
        one = left.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            left += [one.__context__, one.__cause__]

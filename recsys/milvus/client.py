"""The one door to Milvus: a connection whose calls have time limits and raise StoreError.

What pymilvus and gRPC raise gets its cause and remedy by its code: MilvusException.code (Milvus'
merr package; Milvus Lite sends 100 and 101 and otherwise 1) or the status of the gRPC error
behind it; or by its words, as why a connection failed or that a disk is full.
"""

import logging
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import grpc
from pymilvus import MilvusClient as MilvusClient
from pymilvus.exceptions import MilvusException

from recsys.errors import StoreError, without_credentials
from recsys.milvus.address import MilvusAddress
from recsys.serving.filters import Condition, terms

OLDEST = (2, 3)  # version of a server whose calls we know
ALL_EXPRESSIONS = (2, 4)  # from this on all of `recsys.serving.filters` is known
LITE_TIMEOUT = 120.0  # Milvus Lite is this process: it does not freeze, it works
NEVER = 2**31 - 1  # milliseconds, as gRPC writes it
_FOREIGN = (MilvusException, grpc.RpcError, ValueError, TypeError, OSError)
_LOGGERS = ("pymilvus", "milvus_lite", "grpc", "faiss")  # log tracebacks of errors we explain
_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")  # the first that is set leads gRPC
_lite_lock = threading.Lock()  # milvus-lite opens a file twice when two threads ask at once
_lite_users: Counter[str] = Counter()  # open connections by file
T = TypeVar("T")


class Unreachable(StoreError):
    """No answer from the server, or its file is in use; asking again may help."""


class Missing(StoreError):
    """The collection or alias is not there, no longer there, or not loaded."""


class Denied(StoreError):
    """The user may not do that."""


class Unfinished(StoreError):
    """Something takes longer than it should."""


# What errors mean, the first that fits: signs (a regular expression of <code>, <STATUS>, words in
# lower case), cause, remedy, what that is about, kind.
_MEANINGS = re.findall(
    r"(.+) -> (.+)\n    (.+) \[(\w*)\] ?(\w*)\n",
    """
<(100|101|103|1600)> -> {text} ({doing})
    publish the movies [publish] Missing
<[3789]> -> Milvus refuses ({doing}): {text}
    free memory or disk on the server []
<300> -> {text}
    name another resource group [resource_groups]
<800> -> {text}
    name another database [db]
<1401>|<PERMISSION_DENIED> -> this user may not do that ({doing}; {text})
    use another token, or have the server's administrator grant it [token] Denied
<UNAUTHENTICATED> -> user or password is wrong or missing
    give user:password or an API key [token]
<UNIMPLEMENTED> -> what answers there does not know the calls of Milvus 2.3 and newer ({doing})
    correct the port, or upgrade the server [uri]
<(503|901|902|905)>|delegator|shard leader -> a node of the cluster does not answer ({doing})
    try again in a minute, or see which node is down [] Unreachable
no space left|errno (28|27|122)] -> the disk is full ({doing})
    free some space and try again; what was published before stands []
errno (30|13)] -> may not be written ({doing})
    use another address [uri]
local milvus failed -> another process has this database open, or it cannot be made
    wait for that to end, or use another address [uri] Unreachable
corrupt|parquet|not valid json|expecting value|manifest -> the database is damaged ({text})
    move it away and publish the movies [publish]
maximum field -> a Milvus server takes at most 58 columns of your own ({text})
    leave some out and train again [train]
nodes? not enough -> {text}
    ask for fewer replicas [replicas]
shards.*limited -> {text}
    ask for fewer shards [shards]
errors resolving|name resolution -> no such host
    correct the address [uri]
wrong_version_number -> the server does not speak TLS
    write http:// [uri]
tls handshake|certificate|verification -> the certificate is not trusted or not for this host
    give the certificate of its authority, and its own name in the address [ca]
parsing http/2 -> what listens there is not Milvus
    correct the port (19530 unless changed) [uri]
refused -> nothing listens there
    start the server, or correct the address (a file such as milvus.db needs none) [uri] Unreachable
socket closed -> the connection was closed while {doing}
    try again if the server is restarting; write https:// if it speaks TLS [uri] Unreachable
<DEADLINE_EXCEEDED>|<away> -> no answer within {timeout} s while {doing}
    see whether the server is overloaded and the address right, then try again [timeout] Unreachable
""",
)
_UNKNOWN = ("", "Milvus failed while {doing}: {text}", "", "", "")
_KINDS = {each.__name__: each for each in (Unreachable, Missing, Denied)}


def explain(error: BaseException, address: MilvusAddress, doing: str, timeout: float) -> StoreError:
    """The StoreError for what pymilvus or gRPC raised while `doing` something."""
    rpc = _rpc_error(error)
    code = getattr(error, "code", None)  # a method of gRPC's errors
    status = rpc.code().name if rpc is not None else ""
    given = rpc.details() if rpc is not None else getattr(error, "message", "") or str(error)
    words = _words(given or "", address)
    # Milvus Lite uses the codes of a server that is away for everything.
    passing = (getattr(error, "retriable", False) or code in (1, 2)) and not address.is_lite
    away = "<away>" if passing or status == "UNAVAILABLE" else ""
    signs = f"<{code}> <{status}> {away} {words.lower()}"
    about = {"doing": doing, "text": words[:300] or type(error).__name__}
    about["timeout"] = f"{timeout:.1f}".removesuffix(".0")
    meanings = (each for each in _MEANINGS if re.search(each[0], signs))
    _, cause, remedy, fix, kind = next(meanings, _UNKNOWN)
    cause = cause.format(**about)
    proxy = without_credentials(next(filter(None, map(os.environ.get, _PROXIES)), ""))
    if kind == "Unreachable" and proxy and not address.is_local:
        cause += f" (by way of the proxy {proxy}, unless no_proxy has its name)"
    return _KINDS.get(kind, StoreError)(f"{address.shown}: {cause}", remedy, fix)


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


class Milvus:
    """A connection to Milvus Lite or to a server; a call says what it does, and ends in time."""

    def __init__(self, address: MilvusAddress) -> None:
        self.address, self.lite, self.uri = address, address.is_lite, address.shown
        self.timeout = max(address.timeout, LITE_TIMEOUT) if self.lite else address.timeout
        self.client: MilvusClient | None = None
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        if address.ca and not os.path.isfile(address.ca):
            cause = f"{address.ca}: there is no such file"
            raise StoreError(cause, "give a certificate in PEM format", "ca")
        if self.lite:
            self.uri = str(Path(address.uri).expanduser().absolute())
        # another process may have the file open
        repeated(self._connect, address.timeout if self.lite else 0)
        try:
            self.version: str = self.read("asking for the version", MilvusClient.get_server_version)
            self._check_server()
        except StoreError:
            self.close()
            raise

    def _connect(self) -> None:
        channel: dict[str, int] = {"grpc.enable_http_proxy": 0} if self.address.is_local else {}
        options: dict[str, Any] = {"server_pem_path": self.address.ca} if self.address.ca else {}
        if self.lite:
            check_lite_file(Path(self.uri))
            # Milvus Lite closes the connection of who asks every 10 s whether it is alive,
            # amid a call; pymilvus would then make the call again, beside the first.
            channel["grpc.keepalive_time_ms"] = NEVER
        with _lite_lock if self.lite else nullcontext(), self._errors("connecting", self.timeout):
            self.client = MilvusClient(
                self.uri if self.lite else self.address.uri,
                token=self.address.token,
                db_name=self.address.db,
                timeout=self.timeout,
                dedicated=True,  # the shared connections of pymilvus outlive a dead server
                grpc_options=channel,
                **options,
            )
            _lite_users[self.uri] += self.lite

    @contextmanager
    def _errors(self, doing: str, timeout: float) -> Iterator[None]:
        try:
            yield
        except _FOREIGN as error:
            raise explain(error, self.address, doing, timeout) from error

    def call(
        self, doing: str, method: Callable[..., T], *args: Any, timeout: float = 0, **options: Any
    ) -> T:
        """What a method of MilvusClient returns, in time."""
        if self.client is None:
            raise StoreError(f"{self.uri}: the connection is closed")
        timeout = timeout or self.timeout
        with self._errors(doing, timeout):
            return method(self.client, *args, timeout=timeout, **options)

    def read(self, doing: str, method: Callable[..., T], *args: Any, **options: Any) -> T:
        """`call` of what may be repeated: again while the server is away."""
        return repeated(lambda: self.call(doing, method, *args, **options), self.timeout)

    def wait(self, doing: str, done: Callable[[], bool], patience: float) -> None:
        """Wait until something is done, at most so many seconds."""

        def ask() -> None:
            if not done():
                cause = f"{self.uri}: {doing} takes more than {patience:.0f} s"
                raise Unfinished(cause, "look at the server's log and memory")

        repeated(ask, patience, Unfinished)

    def close(self) -> None:
        """Close the connection; the last one in this process unlocks a Lite file."""
        if self.client is None:
            return
        self.client.close()
        self.client = None
        if self.lite:
            with _lite_lock:
                _lite_users[self.uri] -= 1
                if not _lite_users[self.uri]:
                    from milvus_lite.server_manager import server_manager_instance

                    server_manager_instance.release_server(self.uri)

    def _check_server(self) -> None:
        numbers = re.match(r"v?(\d+)\.(\d+)", "" if self.lite else self.version)
        self._numbers = tuple(map(int, numbers.groups())) if numbers else ALL_EXPRESSIONS
        if self._numbers < OLDEST:
            cause = f"{self.uri}: Milvus {self.version} is too old for this recsys"
            raise StoreError(cause, "upgrade the server to 2.3 or newer")
        path = "" if self.lite else urlsplit(self.address.uri).path.strip("/")
        if db := self.address.db or path:  # a collection of none would only seem to be missing
            with suppress(Denied):
                databases = self.read("listing databases", MilvusClient.list_databases)
                if db not in databases:
                    cause = f"{self.uri}: no database {db}, only {', '.join(databases)}"
                    raise StoreError(cause, "name another database", "db")

    def check_condition(self, condition: Condition) -> None:
        """Refuse what an old server takes for something else, or does not know."""
        for _, type, how, value in terms(condition) if self._numbers < ALL_EXPRESSIONS else ():
            pattern = how == "like" and {"%", "_"} & set(value.removesuffix("%"))
            if pattern or (type == "texts" and how[0] in "<>"):
                cause = "compares texts only by how they begin, array_length only by == and !="
                remedy = "ask so, or upgrade the server to 2.4 or newer"
                raise StoreError(f"{self.uri}: Milvus {self.version} {cause}", remedy, "where")


def repeated(act: Callable[[], T], seconds: float, again: type[StoreError] = Unreachable) -> T:
    """What an act returns, which is tried again while it raises such an error."""
    end, pause = time.monotonic() + seconds, 0.01
    while True:
        try:
            return act()
        except again:
            if time.monotonic() + pause >= end:
                raise
            time.sleep(pause)
            pause = min(1.0, 1.5 * pause)


def check_lite_file(path: Path) -> None:
    """Say why Milvus Lite would not open its file; it says the same of everything itself."""
    if path.is_file():  # as Milvus Lite 2 has them
        cause = f"{path}: is a file, a database of Milvus Lite 3 is a folder"
        raise StoreError(cause, "move it away and publish the movies", "publish")
    folder = path if path.exists() else path.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        cause = f"{path}: {folder} does not exist or may not be written"
        raise StoreError(cause, "use another address", "uri")

"""The one door to Milvus: a connection whose calls have time limits and raise StoreError."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import grpc
from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException

from recsys.errors import StoreError
from recsys.milvus.address import MilvusAddress
from recsys.milvus.errors import Denied, Unreachable, explain

OLDEST, NEWEST = (2, 3), (3, 99)  # server versions whose calls we know
ALL_PATTERNS = (2, 4)  # from this on `like` knows more than beginnings of texts
LITE_TIMEOUT = 120.0  # Milvus Lite is this process: it does not freeze, it works
LOCK_PAUSE = 0.1  # seconds between two looks at a locked file of Milvus Lite
NEVER = 2**31 - 1  # milliseconds, as gRPC writes it
_FOREIGN = (MilvusException, grpc.RpcError, ValueError, TypeError, OSError)
_LOGGERS = ("pymilvus", "milvus_lite", "grpc", "faiss")  # log tracebacks of errors we explain
_lite_lock = threading.Lock()  # milvus-lite opens a file twice when two threads ask at once
_lite_users: dict[str, int] = {}
T = TypeVar("T")


class Locked(StoreError):
    """Another process has the file of Milvus Lite open."""


class Milvus:
    """A connection to Milvus Lite or to a server.

    Every call names what it is doing and has a time limit, or a frozen server would hold it:

        with milvus.errors("flushing"):
            milvus.client.flush(name, timeout=milvus.timeout)
        found = milvus.read("looking for the alias", MilvusClient.describe_alias, alias)

    Raises:
        StoreError: nothing answers there, or it does not let us in.
    """

    def __init__(self, address: MilvusAddress) -> None:
        self.address, self.lite, self.uri = address, address.is_lite, address.shown
        self.timeout = max(address.timeout, LITE_TIMEOUT) if self.lite else address.timeout
        self._client: MilvusClient | None = None
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        if address.ca and not os.path.isfile(address.ca):
            raise StoreError(
                f"{address.ca}: there is no such file", "give a certificate in PEM format", "ca"
            )
        if self.lite:
            self.uri = str(Path(address.uri).expanduser().absolute())
            self._connect_lite()
        else:
            self._connect(address.uri, **({"server_pem_path": address.ca} if address.ca else {}))
        try:
            version = self.read("asking for the version", MilvusClient.get_server_version)
            self.version = str(version)
            self._check_version()
            self._check_database()
        except StoreError:
            self.close()
            raise

    def _connect(self, uri: str, **options: Any) -> None:
        with self.errors("connecting"):
            self._client = MilvusClient(
                uri,
                token=self.address.token,
                db_name=self.address.db,
                timeout=self.timeout,
                dedicated=True,  # the shared connections of pymilvus outlive a dead server
                **options,
            )

    def _connect_lite(self) -> None:
        """Open the file of Milvus Lite, after waiting for another process that has it open."""
        end = time.monotonic() + self.address.timeout
        while True:
            try:
                with _lite_lock:
                    self._try_lite()
                return
            except Locked:
                if time.monotonic() + LOCK_PAUSE >= end:
                    raise
            time.sleep(LOCK_PAUSE)

    def _try_lite(self) -> None:
        check_lite_file(Path(self.uri))
        try:
            # Milvus Lite closes the connection of who asks every 10 s whether it is alive, in
            # the midst of a call; pymilvus would then make the call again, beside the first.
            self._connect(self.uri, grpc_options={"grpc.keepalive_time_ms": NEVER})
        except StoreError as error:
            check_lite_file(Path(self.uri))  # another process may have opened it meanwhile
            if "local milvus failed" in str(error).lower():
                if not os.path.exists(self.uri):
                    cause = f"{self.uri}: Milvus Lite cannot make its folder there"
                    raise StoreError(cause, "use another address", "uri") from error
                raise Locked(error.cause, error.remedy, error.fix) from error  # closed again
            raise
        _lite_users[self.uri] = _lite_users.get(self.uri, 0) + 1

    @property
    def client(self) -> MilvusClient:
        """pymilvus' client, for one call within `errors`.

        Raises:
            StoreError: the connection is closed.
        """
        if self._client is None:
            raise StoreError(f"{self.uri}: the connection is closed")
        return self._client

    @contextmanager
    def errors(self, doing: str, timeout: float | None = None) -> Iterator[None]:
        """Turn what pymilvus raises within into StoreError; `doing` names it in the message."""
        try:
            yield
        except _FOREIGN as error:
            raise explain(error, self.address, doing, timeout or self.timeout) from error

    def read(
        self,
        doing: str,
        method: Callable[..., T],
        *args: Any,
        timeout: float | None = None,
        **options: Any,
    ) -> T:
        """What a method of MilvusClient returns; called again while the server is away.

        Args:
            method: one that may be repeated; it also gets the timeout.

        Raises:
            StoreError: it failed, or the server stayed away.
        """
        timeout = timeout or self.timeout
        end, pause = time.monotonic() + self.timeout, 0.1
        while True:
            try:
                with self.errors(doing, timeout):
                    return method(self.client, *args, timeout=timeout, **options)
            except Unreachable:
                if time.monotonic() + pause >= end:
                    raise
                time.sleep(pause)
                pause *= 2

    def collections(self) -> list[str]:
        """The names of all collections."""
        return list(self.read("listing collections", MilvusClient.list_collections))

    def close(self) -> None:
        """Close the connection; the last one in this process unlocks a Lite file."""
        if self._client is None:
            return
        self._client.close()
        self._client = None
        if self.lite:
            with _lite_lock:
                _lite_users[self.uri] -= 1
                if not _lite_users[self.uri]:
                    del _lite_users[self.uri]
                    from milvus_lite.server_manager import server_manager_instance

                    server_manager_instance.release_server(self.uri)

    def _check_database(self) -> None:
        """A collection of a database that is not there only seems to be missing."""
        if not self.address.db:
            return
        try:
            known = self.read("listing databases", MilvusClient.list_databases)
        except Denied:
            return
        if self.address.db not in known:
            raise StoreError(
                f"{self.uri}: no database {self.address.db}, only {', '.join(known)}",
                "name another database",
                "db",
            )

    def check_patterns(self, patterns: Iterable[str]) -> None:
        """Refuse patterns of `like` that an old server takes for something else.

        Raises:
            StoreError: naming the first.
        """
        for pattern in patterns if self._numbers < ALL_PATTERNS else ():
            if set(pattern.removesuffix("%")) & set("%_"):
                raise StoreError(
                    f"{self.uri}: Milvus {self.version} compares only how texts begin, as in "
                    f"like 'text%', not {pattern!r}",
                    "ask so, or upgrade the server to 2.4 or newer",
                    "where",
                )

    @property
    def _numbers(self) -> tuple[int, ...]:
        """The first two numbers of a server's version; of Lite, and of an odd one, the newest."""
        digits = self.version.lstrip("v").split("-")[0].split(".")[:2]
        if self.lite or not all(part.isdigit() for part in digits):
            return NEWEST
        return tuple(int(part) for part in digits)

    def _check_version(self) -> None:
        version = self._numbers
        if version < OLDEST:
            raise StoreError(
                f"{self.uri}: Milvus {self.version} is too old for this recsys",
                "upgrade the server to 2.3 or newer",
            )
        if version > NEWEST:
            raise StoreError(
                f"{self.uri}: Milvus {self.version} is too new for this recsys",
                "upgrade recsys",
            )


def check_lite_file(path: Path) -> None:
    """Find out why Milvus Lite would not open its file; it says the same of everything itself.

    Raises:
        StoreError: it is not Lite's, or another process has it open.
    """
    if path.is_file():
        with path.open("rb") as file:
            head = file.read(16)
        kind = "not a Milvus Lite database" if head else "an empty file"
        if head.startswith(b"SQLite format 3"):
            kind = "a database of Milvus Lite 2, which Milvus Lite 3 does not read"
        raise StoreError(f"{path}: is {kind}", "move it away and publish the movies", "publish")
    folder = path if path.exists() else path.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StoreError(
            f"{path}: {folder} does not exist or may not be written", "use another address", "uri"
        )
    if str(path) not in _lite_users and _is_locked(path / "LOCK"):
        raise Locked(
            f"{path}: another process has this database open (Milvus Lite serves one at a time)",
            "wait for it to end, or use a Milvus server",
        )


def _is_locked(path: Path) -> bool:
    """Whether another process holds the lock of a Milvus Lite folder."""
    try:
        import fcntl

        with path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, FileNotFoundError):  # Windows: milvus-lite finds out by itself
        return False
    except OSError:
        return True
    return False

"""The one door to Milvus: a connection whose every call has a time limit and speaks StoreError."""

import logging
import os
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException

from recsys.errors import StoreError
from recsys.milvus.errors import Denied, Unreachable, explain, without_credentials

OLDEST, NEWEST = (2, 3), (3, 99)  # server versions whose calls we know
LITE_TIMEOUT = 120.0  # Milvus Lite is this process: it does not freeze, it works
NEVER = 2**31 - 1  # milliseconds, as gRPC writes it
_FOREIGN = (MilvusException, grpc.RpcError, ValueError, TypeError, OSError)
_lite_lock = threading.Lock()  # milvus-lite opens a file twice when two threads ask at once
_lite_users: dict[str, int] = {}


def is_lite(uri: str) -> bool:
    """Whether the address is a file, which Milvus Lite serves."""
    return "://" not in uri


class Milvus:
    """A connection to Milvus Lite (a path ending in .db) or to a server (http, https)."""

    def __init__(self, uri: str, token: str, db: str, *, timeout: float, ca: str = "") -> None:
        self.uri, self.lite = uri, is_lite(uri)
        self.timeout = max(timeout, LITE_TIMEOUT) if self.lite else timeout
        self._secrets = [part for part in [token, *token.split(":")[1:]] if len(part) > 3]
        for name in (
            "pymilvus",
            "milvus_lite",
            "grpc",
            "faiss",
        ):  # they log tracebacks of errors we explain
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        if ca and not os.path.isfile(ca):
            raise StoreError(f"{ca}: there is no such file: give --ca a certificate in PEM format")
        options: dict[str, Any] = {"server_pem_path": ca} if ca else {}
        if self.lite:
            self.uri = str(Path(uri).expanduser().absolute())
            # Milvus Lite hangs up on who asks every 10 s whether it is alive, in the midst of a
            # call; pymilvus would then make the call again, beside the first.
            options["grpc_options"] = {"grpc.keepalive_time_ms": NEVER}
            with _lite_lock:
                check_lite_file(Path(self.uri))
                self._connect(token, db, options)
                _lite_users[self.uri] = _lite_users.get(self.uri, 0) + 1
        else:
            check_address(uri)
            self._connect(token, db, options)
        try:
            self.version = str(self.read("source for the version", "get_server_version"))
            self._check_version()
            self._check_database(db)
        except StoreError:
            self.close()
            raise

    def _connect(self, token: str, db: str, options: dict[str, Any]) -> None:
        try:
            self._client: MilvusClient | None = MilvusClient(
                self.uri,
                token=token,
                db_name=db,
                timeout=self.timeout,
                dedicated=True,  # the shared connections of pymilvus outlive a dead server
                **options,
            )
        except _FOREIGN as error:
            raise self._explained(error, "connecting", self.timeout) from error

    def call(self, doing: str, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of MilvusClient once; `doing` names it in an error.

        Raises:
            StoreError: whatever went wrong, in one line.
        """
        if self._client is None:
            raise StoreError(f"{without_credentials(self.uri)}: the connection is closed")
        kwargs.setdefault("timeout", self.timeout)
        try:
            return getattr(self._client, method)(*args, **kwargs)
        except _FOREIGN as error:
            raise self._explained(error, doing, kwargs["timeout"]) from error

    def read(self, doing: str, method: str, *args: Any, **kwargs: Any) -> Any:
        """Like `call`, for what may safely be repeated: asked again while the server is away."""
        end, pause = time.monotonic() + self.timeout, 0.1
        while True:
            try:
                return self.call(doing, method, *args, **kwargs)
            except Unreachable:
                if time.monotonic() + pause >= end:
                    raise
                time.sleep(pause)
                pause *= 2

    def close(self) -> None:
        """Hang up; the last user in this process lets go of a Lite file."""
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

    def _explained(self, error: BaseException, doing: str, timeout: float) -> StoreError:
        explained = explain(error, self.uri, doing, timeout)
        message = str(explained)
        for secret in self._secrets:
            message = message.replace(secret, "***")
        return type(explained)(message)

    def _check_database(self, db: str) -> None:
        """A collection of a database that is not there only seems to be missing."""
        if not db:
            return
        try:
            known = self.read("listing databases", "list_databases")
        except Denied:
            return
        if db not in known:
            raise StoreError(
                f"{without_credentials(self.uri)}: no database {db}, only {', '.join(known)}: "
                "correct --db or RECSYS_DB"
            )

    def _check_version(self) -> None:
        digits = self.version.lstrip("v").split("-")[0].split(".")[:2]
        if self.lite or not all(part.isdigit() for part in digits):
            return
        version = tuple(int(part) for part in digits)
        if not OLDEST <= version <= NEWEST:
            old = version < OLDEST
            raise StoreError(
                f"{without_credentials(self.uri)}: Milvus {self.version} is too "
                f"{'old' if old else 'new'} for this recsys: "
                + ("upgrade the server to 2.3 or newer" if old else "run `pip install -U recsys`")
            )


def check_address(uri: str) -> None:
    """Refuse what is not http(s)://host:port, without repeating a password in it.

    Raises:
        StoreError: it is not.
    """
    try:
        parts = urlsplit(uri)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname)
        good = good and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good:
        raise StoreError(
            f"{without_credentials(uri)}: is not http(s)://host:port, nor a file ending in .db: "
            "correct --uri or RECSYS_URI"
        )


def check_lite_file(path: Path) -> None:
    """Find out why Milvus Lite would not open its file; it says the same of everything itself.

    Raises:
        StoreError: the file can not be opened or made.
    """
    if path.suffix != ".db":
        raise StoreError(
            f"{path}: a Milvus address is a file ending in .db or http(s)://host:port: "
            "correct --uri or RECSYS_URI"
        )
    if not path.parent.is_dir():
        raise StoreError(f"{path}: the folder {path.parent} does not exist: make it first")
    if path.is_file():
        raise StoreError(
            f"{path}: is {_kind_of_file(path)}: move it away and run `recsys load-movies`"
        )
    if path.exists() and not path.is_dir():
        raise StoreError(f"{path}: is neither a file nor a folder: give another --uri")
    folder = path if path.exists() else path.parent
    if not os.access(folder, os.W_OK | os.X_OK) or _on_read_only_disk(folder):
        raise StoreError(f"{path}: {folder} may not be written: give another --uri")
    if path.exists() and os.listdir(path) and not (path / "collections").is_dir():
        raise StoreError(f"{path}: is a folder of something else: give another --uri")
    if path.exists() and str(path) not in _lite_users and _locked(path / "LOCK"):
        raise StoreError(
            f"{path}: another process has this database open (Milvus Lite serves one at a time): "
            "wait for it to end, or use a Milvus server"
        )


def _kind_of_file(path: Path) -> str:
    """What a file that should have been a folder is."""
    with path.open("rb") as file:
        head = file.read(16)
    if not head:
        return "an empty file"
    if head.startswith(b"SQLite format 3"):
        return "a database of Milvus Lite 2, which Milvus Lite 3 does not read"
    return "not a Milvus Lite database"


def _on_read_only_disk(folder: Path) -> bool:
    statvfs = getattr(os, "statvfs", None)
    return bool(statvfs and statvfs(folder).f_flag & getattr(os, "ST_RDONLY", 0))


def _locked(path: Path) -> bool:
    """Whether another process holds the lock of a Milvus Lite folder."""
    try:
        import fcntl
    except ImportError:  # Windows: milvus-lite finds out by itself
        return False
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False

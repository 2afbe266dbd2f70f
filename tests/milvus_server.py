"""A real Milvus 2.3.5 server on free loopback ports, for the tests marked `milvus_server`.

The server is the binary inside the PyPI package `milvus` 2.3.5 (Linux, x86-64), which lives apart
from the packages of recsys. On first use it is installed and unpacked (245 MB) under `.milvus/` of
the checkout, unless the environment names other places:

RECSYS_MILVUS_SITE   a site-packages folder with `milvus` 2.3.5 in it
RECSYS_MILVUS_CACHE  a folder for the unpacked binaries
"""

import atexit
import functools
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
HOME = HERE.parent / ".milvus"
TLS = HERE / "tls"  # an authority, and a certificate of it for localhost, both valid until 2126
PATIENCE = 120  # seconds a start may take; on used data the last run's session has to end first


@functools.cache
def package() -> ModuleType:
    """The package `milvus` 2.3.5, installed beside ours when it is not there yet."""
    site = os.environ.get("RECSYS_MILVUS_SITE")
    if not site:
        folder = HOME / "site"
        if not (folder / "milvus").is_dir():
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
            subprocess.run(
                [*command, "--target", str(folder) + ".part", "milvus==2.3.5"], check=True
            )
            os.replace(str(folder) + ".part", folder)
        site = str(folder)
    spec = importlib.util.spec_from_file_location("milvus", Path(site, "milvus", "__init__.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def binaries() -> Path:
    """The folder of the unpacked server."""
    cache = Path(os.environ.get("RECSYS_MILVUS_CACHE") or HOME / "cache")
    cache.mkdir(parents=True, exist_ok=True)
    package()._initialize_data_files(str(cache))  # checks what is there by its md5
    return cache / "bin"


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


class Server:
    """A running server in a process group of its own, with data of its own.

    Args:
        authorization: ask for user and password (root:Milvus at first).
        tls: speak TLS with the certificate in `tls/`, for localhost.
        session: seconds after which a frozen server gives itself up; a restart waits as long.
    """

    def __init__(self, *, authorization: bool = False, tls: bool = False, session: int = 5) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="recsys-milvus-"))
        config = package().MilvusServerConfig(data_dir=str(self.folder))
        keys = [key for key in config.configurable_items if key.endswith("_port")]
        ports = free_ports(len(keys) + 3)
        config.update(**dict(zip(keys, ports, strict=False)))
        config.resolve()
        client, peer, self._metrics = ports[-3:]
        port = dict(zip(keys, ports, strict=False))["proxy_port"]
        self.uri = f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
        # Without this file the etcd inside insists on port 2380, one server a machine.
        etcd = self.folder / "configs" / "etcd.yaml"
        etcd.write_text(
            f"name: default\n"
            f"listen-client-urls: http://127.0.0.1:{client}\n"
            f"advertise-client-urls: http://127.0.0.1:{client}\n"
            f"listen-peer-urls: http://127.0.0.1:{peer}\n"
            f"initial-advertise-peer-urls: http://127.0.0.1:{peer}\n"
            f"initial-cluster: default=http://127.0.0.1:{peer}\n"
        )
        self._environment = {
            **os.environ,
            "DEPLOY_MODE": "STANDALONE",
            "METRICS_PORT": str(self._metrics),
            "ETCD_CONFIG_PATH": str(etcd),
            "COMMON_SESSION_TTL": str(session),
            "MILVUS_RUN_DIR": str(self.folder / "run"),
            "LD_LIBRARY_PATH": str(binaries()),
        }
        if authorization:
            self._environment["COMMON_SECURITY_AUTHORIZATIONENABLED"] = "true"
        if tls:
            self._environment["COMMON_SECURITY_TLSMODE"] = "1"
            for name, file in [("SERVERPEM", "server.pem"), ("SERVERKEY", "server.key")]:
                self._environment[f"TLS_{name}PATH"] = str(TLS / file)
            self._environment["TLS_CAPEMPATH"] = str(TLS / "ca.pem")
        self.start()

    def start(self, wait: bool = True) -> None:
        """Start on the data there is; unless told otherwise, until it answers."""
        with (self.folder / "milvus.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(binaries() / "milvus"), "run", "standalone"],
                cwd=self.folder,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if wait:
            self.wait()

    def wait(self) -> None:
        """Wait until the server says it is well."""
        end = time.monotonic() + PATIENCE
        while True:
            if self._process.poll() is not None:
                raise RuntimeError(f"the server ended: see {self.folder / 'milvus.log'}")
            if time.monotonic() > end:
                self.kill()
                raise TimeoutError(f"the server does not start: see {self.folder / 'milvus.log'}")
            try:
                url = f"http://127.0.0.1:{self._metrics}/healthz"
                with urllib.request.urlopen(url, timeout=1) as answer:
                    if b"OK" in answer.read():
                        return
            except OSError:
                pass
            time.sleep(0.1)

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    def freeze(self) -> None:
        """Stop the server in its tracks; its sockets stay open."""
        os.killpg(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        os.killpg(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End the server with no time to tidy up; the data stays."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)

    def remove(self) -> None:
        """End the server and throw its data away."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


@functools.cache
def shared() -> Server:
    """One server for all tests that neither stop nor fill it, ended with the test run."""
    server = Server()
    atexit.register(server.remove)
    return server

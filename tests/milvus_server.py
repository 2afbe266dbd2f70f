"""A real Milvus server, and a cluster, on free loopback ports, for tests marked `milvus_server`.

The server is the binary inside the PyPI package `milvus` (Linux, x86-64), which lives apart from
the packages of recsys: on first use it is installed and unpacked under `.milvus/` of the checkout.
The roles of the cluster are that binary too; their etcd is the one inside a standalone server
started for that, and their Kafka is the mock broker of `confluent-kafka`, which keeps messages in
memory: good for what a cluster answers, not for what it remembers.
"""

import atexit
import functools
import importlib.util
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from command_line import alone

HERE = Path(__file__).resolve().parent
HOME = HERE.parent / ".milvus"
TLS = HERE / "tls"  # an authority, and a certificate of it for localhost, both valid until 2126
VERSION = "2.3.5"  # the newest there
FASTER = {  # milliseconds, and a second, between two looks: a publish takes 4.5 s instead of 7
    "PROXY_TIMETICKINTERVAL": "50",
    "QUERYCOORD_CHECKINTERVAL": "100",
    "QUERYCOORD_CHECKSEGMENTINTERVAL": "100",
    "QUERYCOORD_CHECKCHANNELINTERVAL": "100",
    "QUERYCOORD_DISTPULLINTERVAL": "50",
    "QUERYCOORD_UPDATENEXTTARGETINTERVAL": "1",
}
ROLES = ("rootcoord", "datacoord", "querycoord", "datanode", "indexnode", "proxy")
BROKER = """
import sys, time
from confluent_kafka import Producer
producer = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1})
broker = producer.list_topics(timeout=30).brokers[1]
with open(sys.argv[1], "w") as file:
    print(f"{broker.host}:{broker.port}", file=file)
while True:
    time.sleep(60)
"""
T = TypeVar("T")
PATIENCE = 120  # seconds a start may take; on used data the last run's session has to end first


def install(name: str, requirement: str) -> Path:
    """A folder under `.milvus/` with a package of PyPI, put there when it is not there yet."""
    folder = HOME / name
    with alone(HOME / "lock"):
        if not folder.is_dir():
            shutil.rmtree(f"{folder}.part", ignore_errors=True)  # of a run that was killed
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
            subprocess.run([*command, f"{folder}.part", requirement], check=True)
            os.replace(f"{folder}.part", folder)
    return folder


@functools.cache
def package() -> ModuleType:
    """The package `milvus`."""
    folder = install(f"milvus-{VERSION}", f"milvus=={VERSION}")
    spec = importlib.util.spec_from_file_location("milvus", folder / "milvus" / "__init__.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def binaries() -> Path:
    """The folder of the unpacked server."""
    cache = HOME / f"unpacked-{VERSION}"
    cache.mkdir(parents=True, exist_ok=True)
    unpack = package()._initialize_data_files
    with alone(HOME / "lock"):
        unpack(str(cache))  # checks what is there by its md5
    return cache / "bin"


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on, below those that outgoing connections are given."""
    found: list[int] = []
    for port in random.SystemRandom().sample(range(10_000, 32_000), 10 * count):
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            found.append(port)
    return found[:count]


def launch(
    folder: Path, name: str, command: list[str], environment: dict[str, str]
) -> "subprocess.Popen[bytes]":
    """Start a process in a group of its own; what it says goes to NAME.log in the folder."""
    with (folder / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )


def kill(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def healthy(metrics: int, port: int) -> bool:
    """Whether a Milvus process says, where it serves its metrics, that it is well, and listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/healthz", timeout=1) as answer:
            well = b"OK" in answer.read()
        socket.create_connection(("127.0.0.1", port), 1).close()
        return well
    except OSError:
        return False


def wait_for(ready: Callable[[], T], folder: Path, *processes: "subprocess.Popen[bytes]") -> T:
    """What `ready` returns, once that is something; if a process ends before, so do all."""
    end = time.monotonic() + PATIENCE
    while not (value := ready()):
        if time.monotonic() > end or any(each.poll() is not None for each in processes):
            for each in processes:
                kill(each)
            raise RuntimeError(f"Milvus does not start: see the logs in {folder}")
        time.sleep(0.1)
    return value


class Server:
    """A running server in a process group of its own, with data of its own.

    Args:
        guarded: ask for user and password (root:Milvus at first), and speak TLS with the
            certificate in `tls/`, for localhost.
        session: seconds after which a frozen server gives itself up; a restart waits as long.
    """

    def __init__(self, *, guarded: bool = False, session: int = 5) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="recsys-milvus-"))
        self._binaries = binaries()
        config = package().MilvusServerConfig(data_dir=str(self.folder))
        keys = [key for key in config.configurable_items if key.endswith("_port")]
        ports = free_ports(len(keys) + 3)
        config.update(**dict(zip(keys, ports, strict=False)))
        config.resolve()
        client, peer, self._metrics = ports[-3:]
        self.etcd = f"127.0.0.1:{client}"
        self._port = dict(zip(keys, ports, strict=False))["proxy_port"]
        scheme, host = ("https", "localhost") if guarded else ("http", "127.0.0.1")
        self.uri = f"{scheme}://{host}:{self._port}"
        # Without this file the etcd inside insists on port 2380, one server a machine.
        etcd = self.folder / "configs" / "etcd.yaml"
        etcd.write_text(
            f"name: default\n"
            f"listen-client-urls: http://{self.etcd}\n"
            f"advertise-client-urls: http://{self.etcd}\n"
            f"listen-peer-urls: http://127.0.0.1:{peer}\n"
            f"initial-advertise-peer-urls: http://127.0.0.1:{peer}\n"
            f"initial-cluster: default=http://127.0.0.1:{peer}\n"
        )
        self.environment = {
            **os.environ,
            "DEPLOY_MODE": "STANDALONE",
            "METRICS_PORT": str(self._metrics),
            "ETCD_CONFIG_PATH": str(etcd),
            "COMMON_SESSION_TTL": str(session),
            "MILVUS_RUN_DIR": str(self.folder / "run"),
            "LD_LIBRARY_PATH": str(self._binaries),
            **FASTER,
        }
        if guarded:
            self.environment["COMMON_SECURITY_AUTHORIZATIONENABLED"] = "true"
            self.environment["COMMON_SECURITY_TLSMODE"] = "1"
            for name, file in [("SERVERPEM", "server.pem"), ("SERVERKEY", "server.key")]:
                self.environment[f"TLS_{name}PATH"] = str(TLS / file)
            self.environment["TLS_CAPEMPATH"] = str(TLS / "ca.pem")
        self.start()

    def start(self, wait: bool = True) -> None:
        """Start on the data there is and, unless not to `wait`, return once it answers."""
        command = [str(self._binaries / "milvus"), "run", "standalone"]
        self._process = launch(self.folder, "milvus", command, self.environment)
        if wait:
            wait_for(lambda: healthy(self._metrics, self._port), self.folder, self._process)

    def freeze(self) -> None:
        os.killpg(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.killpg(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        kill(self._process)

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


@functools.cache
def shared() -> Server:
    """One server for all tests that neither stop nor fill it, ended with the test run."""
    server = Server()
    atexit.register(server.remove)
    return server


class Cluster:
    """A running cluster.

    Args:
        query_nodes: how many there are, to share replicas out among.
    """

    def __init__(self, query_nodes: int = 3) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="recsys-cluster-"))
        self._etcd = Server()
        self._roles: dict[str, tuple[subprocess.Popen[bytes], tuple[int, int]]] = {}
        self._commands: dict[str, tuple[list[str], dict[str, str]]] = {}
        environment = {**os.environ, "PYTHONPATH": str(install("kafka", "confluent-kafka>=2.6"))}
        command = [sys.executable, "-c", BROKER, str(self.folder / "broker")]
        self._kafka = launch(self.folder, "kafka", command, environment)
        file = self.folder / "broker"
        broker = wait_for(lambda: file.exists() and file.read_text(), self.folder, self._kafka)
        roles = [*ROLES, *(f"querynode{number}" for number in range(query_nodes))]
        internal, *free = free_ports(1 + 2 * len(roles))
        ports = dict(zip(roles, free, strict=False))
        metrics = dict(zip(roles, free[len(roles) :], strict=True))
        self.uri = f"http://127.0.0.1:{ports['proxy']}"
        environment = {
            **self._etcd.environment,
            "DEPLOY_MODE": "DISTRIBUTED",
            "MILVUSCONF": str(self._etcd.folder / "configs"),
            "ETCD_ENDPOINTS": self._etcd.etcd,
            "ETCD_ROOTPATH": "cluster",
            "ETCD_USE_EMBED": "false",
            "MQ_TYPE": "kafka",
            "KAFKA_BROKERLIST": broker.strip(),
            "COMMON_STORAGETYPE": "local",
            "LOCALSTORAGE_PATH": str(self.folder / "data"),
            **{f"{role.upper()}_IP": "127.0.0.1" for role in [*ROLES, "querynode"]},
            **{f"{role.upper()}_PORT": str(ports[role]) for role in ROLES},
            "PROXY_INTERNALPORT": str(internal),
        }
        for role in roles:
            own = {
                "METRICS_PORT": str(metrics[role]),
                "MILVUS_RUN_DIR": str(self.folder / role),
                "QUERYNODE_PORT": str(ports[role]),
            }
            command = [str(binaries() / "milvus"), "run", role.rstrip("0123456789")]
            self._commands[role] = command, {**environment, **own}
            process = launch(self.folder, role, *self._commands[role])
            self._roles[role] = process, (metrics[role], ports[role])
        processes = [process for process, _ in self._roles.values()]
        wait_for(
            lambda: all(healthy(*ports) for _, ports in self._roles.values()),
            self.folder,
            *processes,
            self._kafka,
        )

    def kill(self, role: str) -> None:
        kill(self._roles[role][0])

    def restart(self, role: str) -> None:
        """Start the process of a role again."""
        process, ports = launch(self.folder, role, *self._commands[role]), self._roles[role][1]
        self._roles[role] = process, ports
        wait_for(lambda: healthy(*ports), self.folder, process)

    def remove(self) -> None:
        for process, _ in self._roles.values():
            kill(process)
        kill(self._kafka)
        self._etcd.remove()
        shutil.rmtree(self.folder, ignore_errors=True)


@functools.cache
def shared_cluster() -> Cluster:
    """One cluster for all tests, ended with the test run; tests leave its three query nodes."""
    cluster = Cluster()
    atexit.register(cluster.remove)
    return cluster


def address(kind: str, folder: Path) -> str:
    """Where a Milvus of a kind is to be had: lite (in the folder), server or cluster."""
    if kind == "lite":
        return str(folder / "movies.db")
    return (shared_cluster() if kind == "cluster" else shared()).uri

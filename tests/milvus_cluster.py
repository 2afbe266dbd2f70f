"""A real Milvus 2.3.5 cluster on free loopback ports: each role a process of its own.

Everything comes from PyPI. The roles are the binary of `milvus_server`; their etcd is the one
inside a standalone server started for that, and their Kafka is the mock broker of
`confluent-kafka`, which keeps messages in memory: good for what a cluster answers, not for what it
remembers.
"""

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import milvus_server
from milvus_server import Server, binaries, free_ports, healthy, install, kill, launch, wait_for

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


class Cluster:
    """A running cluster.

    Args:
        query_nodes: how many there are, to share replicas out among.
    """

    def __init__(self, query_nodes: int = 3) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="recsys-cluster-"))
        self._etcd = Server()
        self._roles: dict[str, tuple[subprocess.Popen[bytes], tuple[int, int]]] = {}
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
            process = launch(self.folder, role, command, {**environment, **own})
            self._roles[role] = process, (metrics[role], ports[role])
        processes = [process for process, _ in self._roles.values()]
        wait_for(
            lambda: all(healthy(*ports) for _, ports in self._roles.values()),
            self.folder,
            *processes,
            self._kafka,
        )

    def kill(self, role: str) -> None:
        """End the process of a role with no time to tidy up."""
        kill(self._roles[role][0])

    def remove(self) -> None:
        """End the cluster and throw its data away."""
        for process, _ in self._roles.values():
            kill(process)
        kill(self._kafka)
        self._etcd.remove()
        shutil.rmtree(self.folder, ignore_errors=True)


@functools.cache
def shared() -> Cluster:
    """One cluster for all tests, ended with the test run; one of its three query nodes may die."""
    cluster = Cluster()
    atexit.register(cluster.remove)
    return cluster


def address(kind: str, folder: Path) -> str:
    """Where a Milvus of a kind is to be had: lite (in the folder), server or cluster."""
    if kind == "lite":
        return str(folder / "movies.db")
    return shared().uri if kind == "cluster" else milvus_server.shared().uri

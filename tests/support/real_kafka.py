"""Apache Kafka itself, for tests: one broker in KRaft mode on free loopback ports."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic, sleep

import pytest

from support import ROOT
from support.needed import lacking

PATIENCE = 90.0
JAVA = ("java", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Djava.awt.headless=true")

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/log
num.partitions=4
auto.create.topics.enable=true
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.enable=false
num.network.threads=2
num.io.threads=4
background.threads=2
"""


def missing() -> str | None:
    """What this machine lacks for it, if anything."""
    lacking = [tool for tool in ("java", "mvn") if shutil.which(tool) is None]
    return f"real Kafka needs Java 17 and Maven; not found: {', '.join(lacking)}" if lacking else None


class RealKafka:
    """One broker, which can be killed and started again: on the same port, with the same data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, controller = _free_ports()
        self.servers = f"127.0.0.1:{self.port}"
        self._properties = folder / "server.properties"
        self._properties.write_text(PROPERTIES.format(broker=self.port, controller=controller, folder=folder))
        self._classes = (*JAVA, "-cp", f"{_jars()}/*")
        tool = ("kafka.tools.StorageTool", "format", "-t", "hotsettings", "-c", str(self._properties))
        with self._output.open("wb") as output:
            subprocess.run((*self._classes, *tool), check=True, stdout=output, stderr=output, timeout=PATIENCE)
        self.launch()

    @property
    def _output(self) -> Path:
        return self.folder / "output"

    @property
    def output(self) -> str:
        return self._output.read_text()

    def launch(self) -> None:
        """Start it, or start it again; not yet waiting for it."""
        command = (*self._classes, "kafka.Kafka", str(self._properties))
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output, cwd=self.folder)

    def answers(self) -> bool:
        """Wait until it takes connections, or has ended."""
        deadline = monotonic() + PATIENCE
        while self.process.poll() is None and monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                sleep(0.1)
            else:
                return True
        return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()


@contextmanager
def own_kafka(folder: Path) -> Iterator[RealKafka]:
    """Run a broker that keeps its data in this folder."""
    for attempt in range(3):
        data = folder / str(attempt)
        data.mkdir()
        broker = RealKafka(data)
        try:
            if broker.answers():
                yield broker
                return
        finally:
            broker.stop()
    pytest.fail(f"Kafka does not start; its output ends with:\n{broker.output[-3000:]}")


@contextmanager
def real_kafka(folder: Path) -> Iterator[str]:
    """The same, of which nobody needs more than the bootstrap servers."""
    with own_kafka(folder) as broker:
        yield broker.servers


def _jars() -> str:
    found = subprocess.run(
        ["sh", str(ROOT / ".ci" / "kafka")], capture_output=True, text=True, check=False, timeout=600
    )
    if found.returncode:
        lacking(f"the jars of Kafka cannot be fetched:\n{found.stdout[-1000:]}{found.stderr[-1000:]}")
    return found.stdout.strip()


def _free_ports() -> list[int]:
    """Two ports that are free now. Somebody may take one before Kafka does: then it is tried again."""
    with ExitStack() as sockets:
        bound = [sockets.enter_context(socket.socket()) for _ in range(2)]
        for each in bound:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in bound]
